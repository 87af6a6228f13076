//! The connections to the file: one writes, as many as are needed read beside it (write-ahead log).
//!
//! Nothing is handed to another thread: what a request reads or writes are a few pages, mostly in memory, and to wake a
//! thread for each statement costs more than the statement. Only what waits for the disk is ([`Database::sync`]).
//!
//! Writes that wait for each other share a transaction: whoever comes while another is at it goes on in the same one,
//! behind a savepoint of its own, and the last of them commits for all. Invariants: a write returns when it is committed,
//! or has left nothing behind; nobody who stops waiting leaves a transaction open; and a commit is on the disk when a
//! [`sync`](Database::sync) that began after it has returned.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex as SyncMutex, OnceLock, PoisonError};
use std::time::Duration;

use rusqlite::{Connection, ErrorCode, OpenFlags};
use tokio::runtime::Handle;
use tokio::sync::{Mutex, MutexGuard, watch};
use tokio::time::{Instant, sleep};

use super::super::Error;
use super::copy::Files;
use super::failure;

/// How many writes share a transaction at the most, so that nobody waits long for the commit.
const MOST_WRITES: usize = 128;
/// How long is waited for another process that writes, such as `token create`, and between two looks.
const PATIENCE: Duration = Duration::from_secs(5);
const PAUSE: Duration = Duration::from_millis(2);
/// The same for whoever reads: they wait for another process that opens the file alone.
const READING_PATIENCE: Duration = Duration::from_secs(5);
/// After how many pages in its log a commit brings them into the file itself. Rarely needed: see [`WRITES_PER_CHECKPOINT`].
const LARGEST_LOG: i64 = 16_384;
/// After how many writes the log is brought into the file beside other work.
const WRITES_PER_CHECKPOINT: usize = 400;
/// How many statements a connection keeps prepared.
const STATEMENTS: usize = 160;
/// How much of the file a connection keeps in memory, in KiB.
const WRITER_CACHE: i64 = 8_192;
const READER_CACHE: i64 = 2_048;

/// Whether what is written survives the end of the machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Durability {
    /// From the next sync on.
    Synced,
    /// It need not.
    Forgetful,
}

/// The file and its connections.
#[derive(Clone, Debug)]
pub(super) struct Database(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    path: PathBuf,
    durability: Durability,
    /// Those that nobody uses at the moment.
    readers: SyncMutex<Vec<Connection>>,
    writer: Mutex<Writer>,
    /// How many wait for the writer.
    waiting: AtomicUsize,
    /// Counts commits up.
    committed: AtomicU64,
    disk: Mutex<Disk>,
    log: OnceLock<Arc<File>>,
    /// How many writes there were since the log was last brought into the file.
    writes: AtomicUsize,
    /// Brings the log into the file; nobody else waits for it.
    checkpointer: Arc<SyncMutex<Connection>>,
    /// The last, so that the files of a copy go after the connections.
    _copy: Option<Arc<Files>>,
}

#[derive(Debug)]
struct Writer {
    connection: Connection,
    transaction: Option<Transaction>,
}

/// One that is under way, of several writes.
#[derive(Debug)]
struct Transaction {
    writes: usize,
    /// How it ends; `None` until then.
    ending: watch::Sender<Option<Ending>>,
}

type Ending = Result<(), Arc<rusqlite::Error>>;

/// Up to which commit all are on the disk.
#[derive(Debug, Default)]
struct Disk {
    synced: u64,
    /// Once a sync has failed, a later one may succeed although what the first was to write is lost.
    is_unsure: bool,
}

impl Database {
    /// Opens the file, which is there.
    pub(super) fn open(path: &Path, durability: Durability, copy: Option<Arc<Files>>) -> rusqlite::Result<Database> {
        let connection = connect(path, OpenFlags::SQLITE_OPEN_READ_WRITE, WRITER_CACHE)?;
        // Another process may be opening it too.
        connection.busy_timeout(PATIENCE)?;
        connection.pragma_update(None, "journal_mode", "WAL")?;
        // Whoever waits for another process lets others of this one work meanwhile.
        connection.busy_timeout(Duration::ZERO)?;
        let synchronous = match durability {
            Durability::Synced => "NORMAL",
            Durability::Forgetful => "OFF",
        };
        connection.pragma_update(None, "synchronous", synchronous)?;
        connection.pragma_update(None, "wal_autocheckpoint", LARGEST_LOG)?;
        let checkpointer = connect(path, OpenFlags::SQLITE_OPEN_READ_WRITE, READER_CACHE)?;
        checkpointer.pragma_update(None, "synchronous", synchronous)?;
        Ok(Database(Arc::new(Inner {
            path: path.to_owned(),
            durability,
            readers: SyncMutex::default(),
            writer: Mutex::new(Writer { connection, transaction: None }),
            waiting: AtomicUsize::new(0),
            committed: AtomicU64::new(0),
            disk: Mutex::default(),
            log: OnceLock::new(),
            writes: AtomicUsize::new(0),
            checkpointer: Arc::new(SyncMutex::new(checkpointer)),
            _copy: copy,
        })))
    }

    /// Where the file is.
    pub(super) fn path(&self) -> &Path {
        &self.0.path
    }

    /// Reads. Sees every write that has returned.
    ///
    /// # Errors
    /// What `work` makes of a failure, or no connection can be had.
    pub(super) async fn read<T>(&self, work: impl FnOnce(&Connection) -> Result<T, Error>) -> Result<T, Error> {
        // Who reads page after page lets others have their turn.
        tokio::task::coop::consume_budget().await;
        // The pages that a connection has in memory are of no use to it once another has written.
        if let Ok(writer) = self.0.writer.try_lock()
            && writer.transaction.is_none()
        {
            return work(&writer.connection);
        }
        self.0.read(work)
    }

    /// The same on a thread and a connection of its own, for what goes through many rows: nobody waits behind it.
    ///
    /// # Errors
    /// As [`Database::read`].
    pub(super) async fn read_aside<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Connection) -> Result<T, Error> + Send + 'static,
    ) -> Result<T, Error> {
        let inner = self.0.clone();
        let read = tokio::task::spawn_blocking(move || inner.read(work)).await;
        read.map_err(|error| failure_of_file("read the store")(io::Error::other(error)))?
    }

    /// Writes all that `work` does, or nothing of it. It is there for every process when this returns, and survives the
    /// end of this one; see [`Database::sync`] for that of the machine.
    ///
    /// # Errors
    /// What `work` makes of a failure; nothing is written then. Or it cannot be committed.
    pub(super) async fn write<T>(&self, work: impl FnOnce(&Connection) -> Result<T, Error>) -> Result<T, Error> {
        let attempt = "write to the store";
        let turn = Turn::wait(&self.0);
        let mut writer = self.0.writer.lock().await;
        turn.had();
        writer.begin().await.map_err(failure(attempt))?;
        let ending = writer.transaction.as_ref().map(|transaction| transaction.ending.subscribe());
        let written = writer.work(work).map_err(failure(attempt)).flatten();
        self.0.checkpoint_now_and_then();
        let turn = Turn::wait(&self.0);
        if writer.is_full() {
            self.0.commit(&mut writer);
        }
        drop(writer);
        // Whoever is about to write goes on in the same transaction. Alone, this is no delay.
        tokio::task::yield_now().await;
        // One that has failed sees to the commit of the others too: they may have left it to this one.
        let is_over = ending.as_ref().is_some_and(|ending| ending.borrow().is_some());
        if !is_over {
            let writer = self.0.writer.lock().await;
            turn.had();
            self.0.commit_unless_more_comes(writer);
        }
        let written = written?;
        if let Some(ending) = ending {
            committed(ending).await?;
        }
        Ok(written)
    }

    /// The same, and it is on the disk when this returns.
    ///
    /// # Errors
    /// As [`Database::write`], or the disk does not take it.
    pub(super) async fn write_durably<T>(
        &self,
        work: impl FnOnce(&Connection) -> Result<T, Error>,
    ) -> Result<T, Error> {
        let written = self.write(work).await?;
        self.sync().await?;
        Ok(written)
    }

    /// Returns when all that was committed before is on the disk. One sync does for all who wait for it.
    ///
    /// SQLite would sync its log with each commit; what a commit has put there is whole and in order, and is read again
    /// after a power cut as far as it reached the disk.
    ///
    /// # Errors
    /// The disk does not take it.
    pub(super) async fn sync(&self) -> Result<(), Error> {
        let attempt = "bring the store to the disk";
        if self.0.durability == Durability::Forgetful {
            return Ok(());
        }
        let wanted = self.0.committed.load(Ordering::Acquire);
        let mut disk = self.0.disk.lock().await;
        if disk.synced >= wanted {
            return Ok(());
        }
        if disk.is_unsure {
            return Err(Error::Access { attempt, source: "the disk has failed before: restart the service".into() });
        }
        let committed = self.0.committed.load(Ordering::Acquire);
        let log = self.0.log().map_err(failure_of_file(attempt))?;
        let synced = tokio::task::spawn_blocking(move || log.sync_data()).await;
        let synced = synced.map_err(io::Error::other).flatten();
        disk.is_unsure = synced.is_err();
        synced.map_err(failure_of_file(attempt))?;
        disk.synced = committed;
        Ok(())
    }

    /// Works with the writing connection alone, outside of any transaction.
    ///
    /// # Errors
    /// What `work` makes of a failure.
    pub(super) async fn alone<T>(&self, work: impl FnOnce(&mut Connection) -> Result<T, Error>) -> Result<T, Error> {
        let mut writer = self.0.writer.lock().await;
        self.0.commit(&mut writer);
        writer.connection.busy_timeout(PATIENCE).map_err(failure("prepare the store"))?;
        let worked = work(&mut writer.connection);
        writer.connection.busy_timeout(Duration::ZERO).map_err(failure("prepare the store"))?;
        worked
    }
}

impl Database {
    /// Prepares the file before anybody works with it.
    ///
    /// # Errors
    /// What `work` makes of a failure.
    pub(super) fn prepare<T>(&self, work: impl FnOnce(&mut Connection) -> Result<T, Error>) -> Result<T, Error> {
        let attempt = "prepare the store";
        let busy = |_| Error::Access { attempt, source: "it is in use".into() };
        let mut writer = self.0.writer.try_lock().map_err(busy)?;
        writer.connection.busy_timeout(PATIENCE).map_err(failure(attempt))?;
        let worked = work(&mut writer.connection);
        writer.connection.busy_timeout(Duration::ZERO).map_err(failure(attempt))?;
        worked
    }
}

impl Inner {
    /// Reads by a connection that nobody uses at the moment.
    fn read<T>(&self, work: impl FnOnce(&Connection) -> Result<T, Error>) -> Result<T, Error> {
        let free = self.readers.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let reader = match free {
            Some(reader) => reader,
            None => self.open_reader().map_err(failure("open the store to read"))?,
        };
        let read = work(&reader);
        self.readers.lock().unwrap_or_else(PoisonError::into_inner).push(reader);
        read
    }

    fn open_reader(&self) -> rusqlite::Result<Connection> {
        let reader = connect(&self.path, OpenFlags::SQLITE_OPEN_READ_ONLY, READER_CACHE)?;
        reader.busy_timeout(READING_PATIENCE)?;
        Ok(reader)
    }

    /// The file that commits are written to. SQLite has made it, and keeps it for as long as a connection is open.
    fn log(&self) -> io::Result<Arc<File>> {
        if let Some(log) = self.log.get() {
            return Ok(log.clone());
        }
        let mut path = self.path.as_os_str().to_owned();
        path.push("-wal");
        let log = Arc::new(File::open(path)?);
        Ok(self.log.get_or_init(|| log).clone())
    }

    /// Commits, unless somebody waits who goes on in the same transaction and will.
    fn commit_unless_more_comes(&self, mut writer: MutexGuard<'_, Writer>) {
        if writer.is_full() || self.waiting.load(Ordering::Acquire) == 0 {
            self.commit(&mut writer);
        }
    }

    fn commit(&self, writer: &mut Writer) {
        let Some(transaction) = writer.transaction.take() else { return };
        let committed = execute(&writer.connection, "COMMIT");
        if committed.is_ok() {
            self.committed.fetch_add(1, Ordering::AcqRel);
        } else if !writer.connection.is_autocommit() {
            // Whatever this answers, the next write finds out whether the connection is of use.
            _ = execute(&writer.connection, "ROLLBACK");
        }
        transaction.ending.send_replace(Some(committed.map_err(Arc::new)));
    }

    /// Brings the log into the file in the background, every so many writes: a commit that had to would keep everybody
    /// waiting for two syncs.
    fn checkpoint_now_and_then(&self) {
        let writes = self.writes.fetch_add(1, Ordering::Relaxed) + 1;
        if writes < WRITES_PER_CHECKPOINT || self.durability == Durability::Forgetful {
            return;
        }
        self.writes.store(0, Ordering::Relaxed);
        let checkpointer = self.checkpointer.clone();
        tokio::task::spawn_blocking(move || {
            // One that goes on still sees to what has come meanwhile, or the next does.
            let Ok(connection) = checkpointer.try_lock() else { return };
            let done = connection.query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |_| Ok(()));
            if let Err(error) = done {
                tracing::warn!(%error, "cannot bring the store's log into its file");
            }
        });
    }
}

impl Writer {
    /// Whether the transaction is to end now, whoever waits.
    fn is_full(&self) -> bool {
        self.transaction.as_ref().is_some_and(|transaction| transaction.writes >= MOST_WRITES)
    }

    /// Begins a transaction, if none is under way.
    async fn begin(&mut self) -> rusqlite::Result<()> {
        if self.transaction.is_some() {
            return Ok(());
        }
        let deadline = Instant::now() + PATIENCE;
        loop {
            match execute(&self.connection, "BEGIN IMMEDIATE") {
                // Another process is writing.
                Err(error) if is_busy(&error) && Instant::now() < deadline => sleep(PAUSE).await,
                begun => {
                    begun?;
                    break;
                }
            }
        }
        self.transaction = Some(Transaction { writes: 0, ending: watch::Sender::new(None) });
        Ok(())
    }

    /// Does one of the writes of the transaction, or nothing of it.
    fn work<T>(&mut self, work: impl FnOnce(&Connection) -> Result<T, Error>) -> rusqlite::Result<Result<T, Error>> {
        // The first has nobody before it whose work is to stay. A savepoint copies each page that is changed behind it.
        let is_first = self.transaction.as_ref().is_none_or(|transaction| transaction.writes == 0);
        let mut whole = Whole { writer: self, is_whole: false };
        let connection = &whole.writer.connection;
        if !is_first {
            execute(connection, "SAVEPOINT write")?;
        }
        let written = work(connection);
        // Such as with a full disk: SQLite has taken the whole transaction back.
        if connection.is_autocommit() || (is_first && written.is_err()) {
            return Ok(written);
        }
        if !is_first {
            if written.is_err() {
                execute(connection, "ROLLBACK TO write")?;
            }
            execute(connection, "RELEASE write")?;
        }
        whole.is_whole = true;
        if let Some(transaction) = &mut whole.writer.transaction {
            transaction.writes += 1;
        }
        Ok(written)
    }
}

/// Takes the whole transaction back when a write of it ended in the middle: whoever shares it hears that it is lost.
struct Whole<'a> {
    writer: &'a mut Writer,
    is_whole: bool,
}

impl Drop for Whole<'_> {
    fn drop(&mut self) {
        if self.is_whole {
            return;
        }
        if !self.writer.connection.is_autocommit() {
            // As in `commit`.
            _ = execute(&self.writer.connection, "ROLLBACK");
        }
        self.writer.transaction = None;
    }
}

/// Waits for the writer, to write or to commit. Whoever commits goes by how many do, and leaves it to them.
struct Turn<'a> {
    inner: &'a Arc<Inner>,
    is_had: bool,
}

impl<'a> Turn<'a> {
    fn wait(inner: &'a Arc<Inner>) -> Turn<'a> {
        inner.waiting.fetch_add(1, Ordering::AcqRel);
        Turn { inner, is_had: false }
    }

    fn had(mut self) {
        self.is_had = true;
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        let waiting = self.inner.waiting.fetch_sub(1, Ordering::AcqRel) - 1;
        if self.is_had || waiting > 0 {
            return;
        }
        // Given up while it waited, and somebody may have left the commit to it.
        if let Ok(runtime) = Handle::try_current() {
            let inner = self.inner.clone();
            runtime.spawn(async move {
                let writer = inner.writer.lock().await;
                inner.commit_unless_more_comes(writer);
            });
        }
    }
}

/// Waits for the end of the transaction that a write is part of.
async fn committed(mut ending: watch::Receiver<Option<Ending>>) -> Result<(), Error> {
    let attempt = "commit a write";
    let ended = ending.wait_for(Option::is_some).await;
    match ended.as_deref() {
        Ok(Some(Ok(()))) => Ok(()),
        Ok(Some(Err(error))) => Err(Error::Access { attempt, source: Box::new(error.clone()) }),
        // Another write of the transaction had the whole of it taken back.
        Ok(None) | Err(_) => Err(Error::Access { attempt, source: "the transaction was taken back".into() }),
    }
}

fn connect(path: &Path, access: OpenFlags, cache: i64) -> rusqlite::Result<Connection> {
    // A connection is used by one thread at a time.
    let connection = Connection::open_with_flags(path, access | OpenFlags::SQLITE_OPEN_NO_MUTEX)?;
    connection.set_prepared_statement_cache_capacity(STATEMENTS);
    connection.pragma_update(None, "cache_size", -cache)?;
    connection.pragma_update(None, "temp_store", "MEMORY")?;
    Ok(connection)
}

fn execute(connection: &Connection, statement: &'static str) -> rusqlite::Result<()> {
    connection.prepare_cached(statement)?.execute([]).map(|_| ())
}

fn is_busy(error: &rusqlite::Error) -> bool {
    matches!(error.sqlite_error_code(), Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked))
}

fn failure_of_file(attempt: &'static str) -> impl Fn(io::Error) -> Error {
    move |source| Error::Access { attempt, source: source.into() }
}

#[cfg(test)]
mod tests {
    use std::future::Future as _;
    use std::pin::pin;
    use std::sync::atomic::AtomicBool;
    use std::task::{Context, Waker};

    use futures_util::future::join_all;
    use rusqlite::params;

    use super::*;

    fn database() -> (tempfile::TempDir, Database) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("test.db");
        File::create(&path).unwrap();
        let database = Database::open(&path, Durability::Synced, None).unwrap();
        let table = "CREATE TABLE held (number BIGINT NOT NULL PRIMARY KEY)";
        database.prepare(|connection| connection.execute_batch(table).map_err(failure("make a table"))).unwrap();
        (folder, database)
    }

    fn insert(connection: &Connection, number: i64) -> Result<(), Error> {
        let inserted = connection.execute("INSERT INTO held (number) VALUES (?1)", params![number]);
        inserted.map(|_| ()).map_err(failure("insert"))
    }

    /// As another process sees it.
    fn held(folder: &tempfile::TempDir) -> Vec<i64> {
        let connection = Connection::open(folder.path().join("test.db")).unwrap();
        let mut statement = connection.prepare("SELECT number FROM held ORDER BY number").unwrap();
        let numbers = statement.query_map([], |row| row.get(0)).unwrap();
        numbers.collect::<rusqlite::Result<_>>().unwrap()
    }

    #[tokio::test]
    async fn a_write_that_fails_leaves_nothing_and_takes_nobody_with_it() {
        let (folder, database) = database();
        let writes = (0..100).map(|number| {
            let database = &database;
            async move {
                let write = |connection: &Connection| {
                    insert(connection, number)?;
                    // Every tenth fails after it has written.
                    if number % 10 == 3 { insert(connection, number) } else { Ok(()) }
                };
                (number, database.write(write).await.is_ok())
            }
        });
        let written = join_all(writes).await;
        let expected: Vec<i64> = (0..100).filter(|number| number % 10 != 3).collect();
        let succeeded: Vec<i64> = written.into_iter().filter(|(_, is_ok)| *is_ok).map(|(number, _)| number).collect();
        assert_eq!(succeeded, expected);
        assert_eq!(held(&folder), expected);
        database.sync().await.unwrap();
    }

    #[tokio::test]
    async fn writes_that_wait_share_a_transaction() {
        let (_folder, database) = database();
        let before = database.0.committed.load(Ordering::Relaxed);
        let writes = (0..50).map(|number| {
            let database = &database;
            async move { database.write(|connection| insert(connection, number)).await }
        });
        // They wait for who has the writer, and go on one after the other when it is let go.
        let writer = database.0.writer.lock().await;
        let all = join_all(writes);
        let mut all = pin!(all);
        assert!(all.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
        drop(writer);
        assert!(all.await.iter().all(Result::is_ok));
        assert_eq!(database.0.committed.load(Ordering::Relaxed), before + 1);
    }

    #[tokio::test]
    async fn who_stops_waiting_leaves_the_commit_to_nobody() {
        let (folder, database) = database();
        let writer = database.0.writer.lock().await;
        let is_written = Arc::new(AtomicBool::new(false));
        let first = {
            let (database, is_written) = (database.clone(), is_written.clone());
            tokio::spawn(async move {
                let write = |connection: &Connection| {
                    is_written.store(true, Ordering::Release);
                    insert(connection, 1)
                };
                database.write(write).await
            })
        };
        while database.0.waiting.load(Ordering::Acquire) == 0 {
            tokio::task::yield_now().await;
        }
        {
            // Comes after it, and goes before it has had its turn.
            let second = database.write(|connection| insert(connection, 2));
            let mut second = pin!(second);
            assert!(second.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
            drop(writer);
            // The first has had its turn then, and has left the commit to the second.
            while !is_written.load(Ordering::Acquire) {
                tokio::task::yield_now().await;
            }
            assert_eq!(held(&folder), [] as [i64; 0]);
        }
        first.await.unwrap().unwrap();
        assert_eq!(held(&folder), [1]);
        database.write(|connection| insert(connection, 3)).await.unwrap();
        assert_eq!(held(&folder), [1, 3]);
    }

    #[tokio::test]
    async fn a_write_waits_for_another_process() {
        let (folder, database) = database();
        let other = Connection::open(folder.path().join("test.db")).unwrap();
        other.execute_batch("BEGIN IMMEDIATE; INSERT INTO held (number) VALUES (1)").unwrap();
        let write = database.write(|connection| insert(connection, 2));
        let mut write = pin!(write);
        assert!(tokio::time::timeout(PAUSE * 5, &mut write).await.is_err(), "it waits");
        other.execute_batch("COMMIT").unwrap();
        write.await.unwrap();
        assert_eq!(held(&folder), [1, 2]);
    }

    #[tokio::test]
    async fn a_panic_takes_back_what_it_left_in_the_middle() {
        let (folder, database) = database();
        let panicking = {
            let database = database.clone();
            tokio::spawn(async move {
                let write = |connection: &Connection| {
                    insert(connection, 1)?;
                    panic!("in the middle");
                };
                database.write::<()>(write).await
            })
        };
        assert!(panicking.await.is_err());
        database.write(|connection| insert(connection, 2)).await.unwrap();
        assert_eq!(held(&folder), [2]);
    }
}

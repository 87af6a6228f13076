//! The store in one SQLite file: the embedded default, for one node.
//!
//! One connection writes, a few read beside it (write-ahead log). Every commit is synced to disk: an
//! intent must be durable before the directory is touched. Only the notes of runs, written by a connection of their own,
//! wait for the next sync.

mod compare;
mod condition;
mod copy;
mod find;
mod hold;
mod index;
mod intent;
mod log;
mod measure;
mod member;
mod number;
mod parts;
mod retention;
mod row;
mod run;
mod setting;
mod token;

use std::collections::{BTreeMap, BTreeSet};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePool, SqlitePoolOptions, SqliteSynchronous};
use sqlx::{ConnectOptions as _, QueryBuilder, Sqlite, Transaction};

use parts::insert_adopted;
use row::{Row, before_text};

use super::{
    Adopted, Backlog, Census, Checked, Credential, CredentialKind, Error, Found, Hold, HoldMode, Known, Lease, Listed,
    LoggedChange, Mark, MemberCounts, MemberState, NewAccessToken, NewCredential, NewRun, NewSecret, NotedChange,
    Position, Presented, Reconciled, RunEnd, RunFilter, RunId, RunRecord, Settled, State, Store, Wanted,
};
use crate::directory::{Anchor, AttributeName, BeforeDisable, Link, NumberRange, Value};
use crate::scim::index::{Condition, Index, IndexEntry};
use crate::scim::{Document, Kind, Member, Resource, ResourceId};

static MIGRATIONS: sqlx::migrate::Migrator = sqlx::migrate!("src/store/migrations");

/// How many values one statement names: SQLite's oldest limit on parameters is 999.
const CHUNK: usize = 300;
/// How many resources are read at a time when all are.
const PAGE: u32 = 500;
const READERS: u32 = 4;

/// A store in a SQLite file.
#[derive(Clone, Debug)]
pub struct SqliteStore {
    reader: SqlitePool,
    writer: SqlitePool,
    notes: run::Notes,
    holds: Arc<hold::Holds>,
    /// The last, so that the files of a copy go after its connections.
    _copy: Option<Arc<copy::Files>>,
}

impl SqliteStore {
    /// Opens the store at a `sqlite://` URL, made on first use, readable by its owner alone.
    ///
    /// # Errors
    /// [`Error::Open`] when the file cannot be made, opened or brought to this version's form.
    pub async fn open(url: &str) -> Result<SqliteStore, Error> {
        let failed = |source: Box<dyn std::error::Error + Send + Sync>| Error::Open { url: url.to_owned(), source };
        let options = SqliteConnectOptions::from_str(url)
            .map_err(|error| failed(error.into()))?
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Full)
            // Another process, such as `token create`, may be writing.
            .busy_timeout(Duration::from_secs(5));
        create_private(options.get_filename()).map_err(|error| failed(error.into()))?;
        let store = SqliteStore::connect(options.clone(), None).await.map_err(|error| failed(error.into()))?;
        MIGRATIONS.run(&store.writer).await.map_err(|error| failed(error.into()))?;
        if let Err(error) = copy::sweep(&store.holds, options.get_filename()) {
            tracing::warn!(%error, "cannot remove what is left of copies of the store");
        }
        Ok(store)
    }

    async fn connect(
        options: SqliteConnectOptions,
        copy: Option<Arc<copy::Files>>,
    ) -> Result<SqliteStore, sqlx::Error> {
        // A connection to a file does not break while it waits to be used.
        let pool = |connections: u32| SqlitePoolOptions::new().max_connections(connections).test_before_acquire(false);
        let holds = Arc::new(hold::Holds::of(options.get_filename()));
        let writer = pool(1).connect_with(options.clone()).await?;
        let unsynced = match copy {
            Some(_) => SqliteSynchronous::Off,
            None => SqliteSynchronous::Normal,
        };
        let notes = options.clone().synchronous(unsynced).connect().await?;
        let reader = pool(READERS).connect_with(options.read_only(true)).await?;
        Ok(SqliteStore {
            reader,
            notes: run::Notes::new(notes, writer.clone(), holds.clone()),
            writer,
            holds,
            _copy: copy,
        })
    }

    /// Whether there is a store at a `sqlite://` URL already.
    pub fn is_there(url: &str) -> bool {
        SqliteConnectOptions::from_str(url).is_ok_and(|options| options.get_filename().exists())
    }

    /// Brings everything into the one file, so that a copy of it is whole. Not while others write.
    ///
    /// # Errors
    /// The file cannot be written.
    pub async fn gather(&self) -> Result<(), Error> {
        let gathered = sqlx::query("PRAGMA wal_checkpoint(TRUNCATE)").execute(&self.writer).await;
        gathered.map(|_| ()).map_err(failure("bring the store into one file"))
    }

    /// Takes the store for this process's `serve` or `adopt` alone, until the guard is dropped: two that settle the
    /// same resources would undo each other's work.
    ///
    /// # Errors
    /// [`Error::Taken`] when another process has it.
    pub fn take(&self) -> Result<ServeGuard, Error> {
        let failed = |source: std::io::Error| Error::Access { attempt: "lock the store", source: source.into() };
        let options = self.reader.connect_options();
        let path = options.get_filename().with_added_extension("lock");
        let file = std::fs::OpenOptions::new().create(true).truncate(false).write(true).mode(0o600).open(&path);
        let file = file.map_err(failed)?;
        match file.try_lock() {
            Ok(()) => Ok(ServeGuard { _file: file }),
            Err(std::fs::TryLockError::WouldBlock) => Err(Error::Taken { what: path.display().to_string() }),
            Err(std::fs::TryLockError::Error(error)) => Err(failed(error)),
        }
    }

    /// The rows of those of the ids that are settled.
    async fn settled_rows(&self, ids: &BTreeSet<ResourceId>) -> Result<Vec<Row>, Error> {
        let ids: Vec<&ResourceId> = ids.iter().collect();
        let mut found = Vec::new();
        for chunk in ids.chunks(CHUNK) {
            let mut query: QueryBuilder<Sqlite> =
                QueryBuilder::new("SELECT * FROM resource WHERE document IS NOT NULL AND id IN (");
            let mut list = query.separated(", ");
            for id in chunk {
                list.push_bind(id.as_str());
            }
            query.push(")");
            let rows = query.build_query_as().fetch_all(&self.reader).await.map_err(failure("look resources up"))?;
            found.extend::<Vec<Row>>(rows);
        }
        Ok(found)
    }

    async fn row(&self, id: &ResourceId) -> Result<Option<Row>, Error> {
        sqlx::query_as("SELECT * FROM resource WHERE id = $1")
            .bind(id.as_str())
            .fetch_optional(&self.reader)
            .await
            .map_err(failure("read a resource"))
    }
}

/// Held by the one `serve` or `adopt` of a store.
#[derive(Debug)]
pub struct ServeGuard {
    _file: std::fs::File,
}

/// SQLite gives its side files the mode of the main one.
fn create_private(path: &Path) -> std::io::Result<()> {
    if path.as_os_str().is_empty() || path == Path::new(":memory:") {
        return Ok(());
    }
    std::fs::OpenOptions::new().create(true).truncate(false).write(true).mode(0o600).open(path).map(|_| ())
}

fn failure(attempt: &'static str) -> impl Fn(sqlx::Error) -> Error {
    move |source| Error::Access { attempt, source }
}

/// The same, where a broken uniqueness means that the thing belongs to another.
fn failure_or_taken(attempt: &'static str, what: &str) -> impl Fn(sqlx::Error) -> Error {
    move |source| match source.as_database_error() {
        Some(database) if database.is_unique_violation() => Error::Taken { what: what.to_owned() },
        _ => Error::Access { attempt, source },
    }
}

async fn begin(writer: &SqlitePool) -> Result<Transaction<'static, Sqlite>, Error> {
    writer.begin_with("BEGIN IMMEDIATE").await.map_err(failure("begin a write"))
}

async fn commit(transaction: Transaction<'static, Sqlite>) -> Result<(), Error> {
    transaction.commit().await.map_err(failure("commit a write"))
}

#[async_trait]
impl Store for SqliteStore {
    async fn get(&self, kind: Kind, id: &ResourceId) -> Result<Option<Resource>, Error> {
        match self.row(id).await? {
            Some(row) if row.kind == kind.as_str() => row.resource(),
            _ => Ok(None),
        }
    }

    async fn resources(&self, ids: &BTreeSet<ResourceId>) -> Result<BTreeMap<ResourceId, Resource>, Error> {
        let found = find::resources(&self.settled_rows(ids).await?)?;
        Ok(found.into_iter().map(|resource| (resource.id.clone(), resource)).collect())
    }

    async fn find(&self, kind: Kind, condition: &Condition, offset: u32, limit: u32) -> Result<Found, Error> {
        find::page(&self.reader, kind, condition, offset, limit).await
    }

    async fn find_after(
        &self,
        kind: Kind,
        condition: &Condition,
        position: Option<&Position>,
        limit: u32,
    ) -> Result<Vec<Resource>, Error> {
        find::after(&self.reader, kind, condition, position, limit).await
    }

    async fn count(&self, kind: Kind, condition: &Condition) -> Result<u64, Error> {
        find::count(&self.reader, kind, condition).await
    }

    async fn members(&self, group: &ResourceId) -> Result<Vec<Member>, Error> {
        member::settled(&self.reader, group).await
    }

    async fn state(&self, id: &ResourceId) -> Result<Option<State>, Error> {
        self.row(id).await?.map(|row| row.state()).transpose()
    }

    async fn known(&self, ids: &BTreeSet<ResourceId>) -> Result<BTreeMap<ResourceId, Known>, Error> {
        let mut known = BTreeMap::new();
        for row in self.settled_rows(ids).await? {
            let deleting = row.intent.as_deref() == Some("delete");
            if let Some(link) = row.link()? {
                known.insert(ResourceId(row.id.clone()), Known { kind: row.kind()?, link, deleting });
            }
        }
        Ok(known)
    }

    async fn linked(&self, anchor: &Anchor) -> Result<Vec<ResourceId>, Error> {
        let ids: Vec<String> = sqlx::query_scalar("SELECT id FROM resource WHERE anchor = $1 ORDER BY created, id")
            .bind(&anchor.0)
            .fetch_all(&self.reader)
            .await
            .map_err(failure("look an entry's resources up"))?;
        Ok(ids.into_iter().map(ResourceId).collect())
    }

    async fn linked_states(&self, anchors: &[Anchor]) -> Result<Vec<State>, Error> {
        compare::linked_states(&self.reader, anchors).await
    }

    async fn ids_after(&self, after: Option<&ResourceId>, limit: u32) -> Result<Vec<(ResourceId, Kind)>, Error> {
        compare::ids_after(&self.reader, after, limit).await
    }

    async fn checked(&self, anchors: &[Anchor]) -> Result<Vec<Checked>, Error> {
        compare::checked(&self.reader, anchors).await
    }

    async fn check(&self, right: &[(ResourceId, i64, Mark)]) -> Result<(), Error> {
        let mut write = begin(&self.writer).await?;
        compare::check(&mut write, right).await?;
        commit(write).await
    }

    async fn name_changes(&self) -> Result<i64, Error> {
        compare::name_changes(&self.reader).await
    }

    async fn census(&self) -> Result<Census, Error> {
        compare::census(&self.reader).await
    }

    async fn claimant(&self, name: &str) -> Result<Option<ResourceId>, Error> {
        let id: Option<String> = sqlx::query_scalar("SELECT resource_id FROM name_claim WHERE name = $1")
            .bind(name)
            .fetch_optional(&self.reader)
            .await
            .map_err(failure("look a name up"))?;
        Ok(id.map(ResourceId))
    }

    async fn creating(&self, kind: Kind) -> Result<Vec<(ResourceId, Document)>, Error> {
        let rows: Vec<Row> = sqlx::query_as(
            "SELECT * FROM resource WHERE intent IS NOT NULL AND document IS NULL AND kind = $1 ORDER BY created, id",
        )
        .bind(kind.as_str())
        .fetch_all(&self.reader)
        .await
        .map_err(failure("read pending creations"))?;
        let states: Vec<State> = rows.iter().map(Row::state).collect::<Result<_, _>>()?;
        Ok(states.into_iter().filter_map(|state| Some((state.id.clone(), state.desired()?.clone()))).collect())
    }

    async fn pending(&self) -> Result<Vec<ResourceId>, Error> {
        // Each by its index: with OR between them all resources would be read.
        let ids: Vec<(String, String)> = sqlx::query_as(
            "SELECT id, created FROM resource WHERE intent IS NOT NULL
             UNION SELECT id, created FROM resource WHERE previous_dn IS NOT NULL
             UNION SELECT id, created FROM resource WHERE id IN (SELECT group_id FROM member WHERE state <> 'settled')
             ORDER BY created, id",
        )
        .fetch_all(&self.reader)
        .await
        .map_err(failure("read what is pending"))?;
        Ok(ids.into_iter().map(|(id, _)| ResourceId(id)).collect())
    }

    async fn unsettled_members(&self, group: &ResourceId) -> Result<Vec<(ResourceId, MemberState)>, Error> {
        member::unsettled(&self.reader, group).await
    }

    async fn member_states(
        &self,
        group: &ResourceId,
        ids: &BTreeSet<ResourceId>,
    ) -> Result<BTreeMap<ResourceId, MemberState>, Error> {
        member::states(&self.reader, group, ids).await
    }

    async fn wanted_members(&self, group: &ResourceId) -> Result<Vec<ResourceId>, Error> {
        member::wanted(&self.reader, group).await
    }

    async fn memberships(&self, member: &ResourceId) -> Result<Vec<(ResourceId, MemberState)>, Error> {
        member::memberships(&self.reader, member).await
    }

    async fn member_counts(&self, group: &ResourceId) -> Result<MemberCounts, Error> {
        member::counts(&self.reader, group).await
    }

    async fn listed_after(
        &self,
        group: &ResourceId,
        after: Option<&ResourceId>,
        limit: u32,
    ) -> Result<Vec<Listed>, Error> {
        member::listed_after(&self.reader, group, after, limit).await
    }

    async fn has_members(&self, group: &ResourceId) -> Result<bool, Error> {
        member::are_there(&self.reader, group).await
    }

    async fn want(&self, wanted: &Wanted) -> Result<(), Error> {
        intent::want(&self.writer, wanted).await
    }

    async fn revert(&self, id: &ResourceId, document: &Document) -> Result<(), Error> {
        intent::turn(
            &self.writer,
            id,
            Some(document),
            &[
                "UPDATE member SET state = 'stripped' WHERE group_id = $1 AND state = 'joining'",
                "UPDATE member SET state = 'renewing' WHERE group_id = $1 AND state = 'leaving'",
                // Of whom nobody has noted what stood before, somebody else's lock was to be lifted; it stays.
                "UPDATE resource SET may_be_disabled = 0 WHERE id = $1 AND before_disable IS NULL",
                // The settled name is among the lookups; a name that was only wanted is given up.
                "DELETE FROM name_claim WHERE resource_id = $1 AND name NOT IN
                 (SELECT value FROM lookup WHERE resource_id = $1 AND kind = 'User' AND attribute = 'username')",
            ],
        )
        .await
    }

    async fn note_disabling(&self, id: &ResourceId, before: &BeforeDisable) -> Result<(), Error> {
        sqlx::query("UPDATE resource SET may_be_disabled = 1, before_disable = $2 WHERE id = $1")
            .bind(id.as_str())
            .bind(before_text(before))
            .execute(&self.writer)
            .await
            .map_err(failure("note what stands before a user is disabled"))?;
        Ok(())
    }

    async fn note_enabled(&self, id: &ResourceId) -> Result<(), Error> {
        sqlx::query("UPDATE resource SET may_be_disabled = 0, before_disable = NULL WHERE id = $1")
            .bind(id.as_str())
            .execute(&self.writer)
            .await
            .map_err(failure("note that a user is enabled"))?;
        Ok(())
    }

    async fn forget(&self, id: &ResourceId) -> Result<(), Error> {
        intent::turn(
            &self.writer,
            id,
            None,
            &[
                "UPDATE resource SET intent = NULL, intent_document = NULL, merged = 0,
                     pending_since = CASE WHEN previous_dn IS NULL THEN NULL ELSE pending_since END WHERE id = $1",
                "DELETE FROM member WHERE group_id = $1 AND state IN ('joining', 'stripped')",
                "UPDATE member SET state = 'settled' WHERE group_id = $1",
            ],
        )
        .await
    }

    async fn link(&self, id: &ResourceId, link: &Link) -> Result<(), Error> {
        intent::link(&self.writer, id, link).await
    }

    async fn settle(&self, settled: &Settled) -> Result<Resource, Error> {
        intent::settle(&self.writer, settled).await
    }

    async fn note_adding(&self, id: &ResourceId) -> Result<(), Error> {
        sqlx::query("UPDATE resource SET adds_entry = 1 WHERE id = $1")
            .bind(id.as_str())
            .execute(&self.writer)
            .await
            .map_err(failure("note that an entry is added"))?;
        Ok(())
    }

    async fn wanted_with_key(&self, group: &ResourceId, key: &Value) -> Result<Vec<ResourceId>, Error> {
        member::wanted_with_key(&self.reader, group, key).await
    }

    async fn numbers_of(&self, id: &ResourceId, attribute: &AttributeName) -> Result<Vec<u64>, Error> {
        number::of(&self.reader, id, attribute).await
    }

    async fn highest_number(&self, attribute: &AttributeName, range: NumberRange) -> Result<Option<u64>, Error> {
        number::highest(&self.reader, attribute, range).await
    }

    async fn take_number(
        &self,
        attribute: &AttributeName,
        number: u64,
        for_whom: Option<&ResourceId>,
    ) -> Result<(), Error> {
        number::take(&self.writer, attribute, number, for_whom).await
    }

    async fn adopt(&self, adopted: &mut (dyn Iterator<Item = Adopted> + Send)) -> Result<(), Error> {
        let mut write = begin(&self.writer).await?;
        for one in adopted {
            insert_adopted(&mut write, &one).await?;
        }
        commit(write).await
    }

    async fn renew_memberships(&self, member: &ResourceId, now: &str) -> Result<(), Error> {
        intent::renew_memberships(&self.writer, member, now).await
    }

    async fn remove(&self, id: &ResourceId, shown_by: Option<&IndexEntry>, now: &str) -> Result<(), Error> {
        intent::remove(&self.writer, id, shown_by, now).await
    }

    async fn reindex(&self, indexes: &[(Kind, &Index)]) -> Result<(), Error> {
        index::rebuild(self, indexes).await
    }

    async fn begin_run(&self, run: &NewRun) -> Result<RunId, Error> {
        self.notes.begin_run(run).await
    }

    async fn note_change(&self, run: RunId, change: &NotedChange) -> Result<i64, Error> {
        self.notes.change(run, change).await
    }

    async fn strike_change(&self, run: RunId, position: i64) -> Result<(), Error> {
        self.notes.strike(run, position).await
    }

    async fn end_run(&self, run: RunId, end: &RunEnd) -> Result<(), Error> {
        self.notes.end_run(run, end).await
    }

    async fn keep_run(&self, run: &NewRun, end: &RunEnd) -> Result<RunId, Error> {
        self.notes.keep_run(run, end).await
    }

    async fn run(&self, id: RunId) -> Result<Option<RunRecord>, Error> {
        log::one(&self.reader, &self.holds, id).await
    }

    async fn runs(&self, filter: &RunFilter, limit: u32) -> Result<Vec<RunRecord>, Error> {
        log::find(&self.reader, &self.holds, filter, limit).await
    }

    async fn logged_changes(
        &self,
        run: RunId,
        resource: Option<&ResourceId>,
        limit: u32,
    ) -> Result<Vec<LoggedChange>, Error> {
        log::changes(&self.reader, run, resource, limit).await
    }

    async fn formerly_named(&self, kind: Kind, name: &str) -> Result<Vec<ResourceId>, Error> {
        log::formerly_named(&self.reader, kind, name).await
    }

    async fn changes_of(&self, run: RunId, before: Option<i64>, limit: u32) -> Result<Vec<(i64, NotedChange)>, Error> {
        log::changes_to_undo(&self.reader, run, before, limit).await
    }

    async fn note_undone(&self, run: RunId, position: i64) -> Result<(), Error> {
        self.notes.undone(run, position).await
    }

    async fn forget_runs(&self, before: &str) -> Result<u64, Error> {
        retention::forget_runs(&self.writer, before).await
    }

    async fn forget_runs_beyond(&self, bytes: u64) -> Result<u64, Error> {
        retention::forget_runs_beyond(&self.reader, &self.writer, bytes).await
    }

    async fn forget_reverses(&self, before: &str) -> Result<u64, Error> {
        retention::forget_reverses(&self.writer, before).await
    }

    async fn backlog(&self) -> Result<Backlog, Error> {
        measure::backlog(&self.reader).await
    }

    fn size(&self) -> Result<u64, Error> {
        measure::size(self.reader.connect_options().get_filename())
    }

    async fn note_reconciliation(&self, reconciled: &Reconciled) -> Result<(), Error> {
        measure::note_reconciliation(&self.writer, reconciled).await
    }

    async fn reconciliations(&self) -> Result<Vec<Reconciled>, Error> {
        measure::reconciliations(&self.reader).await
    }

    fn hold(&self, key: &str, mode: HoldMode) -> Result<Option<Hold>, Error> {
        self.holds.hold(key, mode)
    }

    fn lease(&self, what: &'static str, holder: &str) -> Result<Lease, Error> {
        hold::lease(self.reader.connect_options().get_filename(), what, holder)
    }

    async fn copy(&self) -> Result<Arc<dyn Store>, Error> {
        Ok(Arc::new(copy::copy(self).await?))
    }

    async fn add_credential(&self, credential: &NewCredential, secret: &NewSecret) -> Result<(), Error> {
        token::add(&self.writer, credential, secret).await
    }

    async fn claim_first_token(&self) -> Result<bool, Error> {
        token::claim_first(&self.writer).await
    }

    async fn credentials(&self) -> Result<Vec<Credential>, Error> {
        token::all(&self.reader).await
    }

    async fn rotate_credential(
        &self,
        kind: CredentialKind,
        name: &str,
        secret: &NewSecret,
        old_until: &str,
    ) -> Result<bool, Error> {
        token::rotate(&self.writer, kind, name, secret, old_until).await
    }

    async fn remove_credential(&self, kind: CredentialKind, name: &str) -> Result<bool, Error> {
        token::remove(&self.writer, kind, name).await
    }

    async fn bearer(&self, hash: &str) -> Result<Option<Presented>, Error> {
        token::bearer(&self.reader, hash).await
    }

    async fn client_with_secret(&self, hash: &str) -> Result<Option<Presented>, Error> {
        token::client_with_secret(&self.reader, hash).await
    }

    async fn add_access_token(&self, token: &NewAccessToken, now: &str) -> Result<(), Error> {
        token::add_access_token(&self.writer, token, now).await
    }

    async fn note_use(&self, secret_hash: &str, now: &str, address: &str) -> Result<(), Error> {
        token::note_use(&self.notes, secret_hash, now, address).await
    }

    async fn setting(&self, name: &str) -> Result<Option<String>, Error> {
        setting::get(&self.reader, name).await
    }

    async fn set_setting(&self, name: &str, value: Option<&str>) -> Result<(), Error> {
        setting::set(&self.writer, name, value).await
    }

    async fn prove_writable(&self) -> Result<(), Error> {
        setting::prove_writable(&self.writer).await
    }
}

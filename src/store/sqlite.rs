//! The store in one SQLite file: the embedded default, for one node.
//!
//! What is written is there for every process at once, and on the disk with the next sync, which all who wait for it
//! share: see `database.rs`. An intent is on the disk before its client is answered, and what cannot be seen in the
//! directory any more is before the directory is touched.

mod compare;
mod condition;
mod copy;
mod database;
mod find;
mod hold;
mod index;
mod intent;
mod log;
mod measure;
mod member;
mod migrations;
mod number;
mod parts;
mod retention;
mod row;
mod run;
mod setting;
mod statement;
mod token;

use std::collections::{BTreeMap, BTreeSet};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::sync::Arc;

use async_trait::async_trait;
use rusqlite::{Connection, params};

use database::{Database, Durability};
use parts::insert_adopted;
use row::{Row, SELECT, before_text, columns};
use statement::{Query, all, column, execute, first};

use super::{
    Adopted, Backlog, Census, Checked, Credential, CredentialKind, Error, Found, Hold, HoldMode, Known, Lease, Listed,
    LoggedChange, Mark, MemberCounts, MemberState, NewAccessToken, NewCredential, NewRun, NewSecret, NotedChange,
    Position, Presented, Reconciled, RunEnd, RunFilter, RunId, RunRecord, Settled, State, Store, Wanted,
};
use crate::directory::{Anchor, AttributeName, BeforeDisable, Link, NumberRange, Value};
use crate::scim::index::{Condition, Index, IndexEntry};
use crate::scim::{Document, Kind, Member, Resource, ResourceId};

/// How many values one statement names: SQLite's oldest limit on parameters is 999.
const CHUNK: usize = 300;
/// How many resources are read at a time when all are.
const PAGE: u32 = 500;
/// What a URL of a store begins with.
const SCHEME: &str = "sqlite://";

/// A store in a SQLite file.
#[derive(Clone, Debug)]
pub struct SqliteStore {
    database: Database,
    process: run::Process,
    holds: Arc<hold::Holds>,
}

impl SqliteStore {
    /// Opens the store at a `sqlite://` URL, made on first use, readable by its owner alone.
    ///
    /// # Errors
    /// [`Error::Open`] when the file cannot be made, opened or brought to this version's form.
    pub async fn open(url: &str) -> Result<SqliteStore, Error> {
        let failed = |source: Box<dyn std::error::Error + Send + Sync>| Error::Open { url: url.to_owned(), source };
        let path = path_of(url).ok_or_else(|| failed("the URL is not sqlite:// and a path".into()))?;
        create_private(path).map_err(|error| failed(error.into()))?;
        let database = Database::open(path, Durability::Synced, None).map_err(|error| failed(error.into()))?;
        database.prepare(|connection| migrations::run(connection).map_err(|error| failed(error.into())))?;
        let store = SqliteStore::of(database);
        if let Err(error) = copy::sweep(&store.holds, path) {
            tracing::warn!(%error, "cannot remove what is left of copies of the store");
        }
        Ok(store)
    }

    fn of(database: Database) -> SqliteStore {
        let holds = Arc::new(hold::Holds::of(database.path()));
        SqliteStore { process: run::Process::new(holds.clone()), holds, database }
    }

    /// Whether there is a store at a `sqlite://` URL already.
    pub fn is_there(url: &str) -> bool {
        path_of(url).is_some_and(Path::exists)
    }

    /// Brings everything into the one file, so that a copy of it is whole. Not while others write.
    ///
    /// # Errors
    /// The file cannot be written.
    pub async fn gather(&self) -> Result<(), Error> {
        self.database
            .alone(|connection| {
                let gathered = connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()));
                gathered.map_err(failure("bring the store into one file"))
            })
            .await
    }

    /// Takes the store for this process's `serve` or `adopt` alone, until the guard is dropped: two that settle the
    /// same resources would undo each other's work.
    ///
    /// # Errors
    /// [`Error::Taken`] when another process has it.
    pub fn take(&self) -> Result<ServeGuard, Error> {
        let failed = |source: std::io::Error| Error::Access { attempt: "lock the store", source: source.into() };
        let path = self.database.path().with_added_extension("lock");
        let file = std::fs::OpenOptions::new().create(true).truncate(false).write(true).mode(0o600).open(&path);
        let file = file.map_err(failed)?;
        match file.try_lock() {
            Ok(()) => Ok(ServeGuard { _file: file }),
            Err(std::fs::TryLockError::WouldBlock) => Err(Error::Taken { what: path.display().to_string() }),
            Err(std::fs::TryLockError::Error(error)) => Err(failed(error)),
        }
    }
}

/// Held by the one `serve` or `adopt` of a store.
#[derive(Debug)]
pub struct ServeGuard {
    _file: std::fs::File,
}

/// The path of the file, without what other programs write behind it.
fn path_of(url: &str) -> Option<&Path> {
    let path = url.strip_prefix(SCHEME)?;
    let path = path.split_once('?').map_or(path, |(path, _)| path);
    (!path.is_empty()).then_some(Path::new(path))
}

/// SQLite gives its side files the mode of the main one.
fn create_private(path: &Path) -> std::io::Result<()> {
    std::fs::OpenOptions::new().create(true).truncate(false).write(true).mode(0o600).open(path).map(|_| ())
}

fn failure(attempt: &'static str) -> impl Fn(rusqlite::Error) -> Error {
    move |source| Error::Access { attempt, source: source.into() }
}

/// The same, where a broken uniqueness means that the thing belongs to another.
fn failure_or_taken(attempt: &'static str, what: &str) -> impl Fn(rusqlite::Error) -> Error {
    move |source| {
        let code = source.sqlite_error().map(|error| error.extended_code);
        let is_taken = [rusqlite::ffi::SQLITE_CONSTRAINT_UNIQUE, rusqlite::ffi::SQLITE_CONSTRAINT_PRIMARYKEY]
            .map(Some)
            .contains(&code);
        if is_taken { Error::Taken { what: what.to_owned() } } else { Error::Access { attempt, source: source.into() } }
    }
}

fn row(connection: &Connection, id: &ResourceId) -> Result<Option<Row>, Error> {
    let statement = concat!("SELECT ", columns!(), " FROM resource WHERE id = ?1");
    first(connection, "read a resource", statement, params![id.as_str()], Row::read)
}

/// The rows of those of the ids that are settled.
fn settled_rows(connection: &Connection, ids: &BTreeSet<ResourceId>) -> Result<Vec<Row>, Error> {
    let ids: Vec<&ResourceId> = ids.iter().collect();
    let mut found = Vec::new();
    for chunk in ids.chunks(CHUNK) {
        let mut query = Query::new(SELECT);
        query.push(" FROM resource WHERE settled = 1 AND id IN (");
        query.push_list(chunk.iter().map(|id| id.0.clone())).push(")");
        found.extend(query.all(connection, "look resources up", Row::read)?);
    }
    Ok(found)
}

#[async_trait]
impl Store for SqliteStore {
    async fn get(&self, kind: Kind, id: &ResourceId) -> Result<Option<Resource>, Error> {
        match self.database.read(|connection| row(connection, id)).await? {
            Some(row) if row.kind == kind.as_str() => row.resource(),
            _ => Ok(None),
        }
    }

    async fn resources(&self, ids: &BTreeSet<ResourceId>) -> Result<BTreeMap<ResourceId, Resource>, Error> {
        let found = find::resources(&self.database.read(|connection| settled_rows(connection, ids)).await?)?;
        Ok(found.into_iter().map(|resource| (resource.id.clone(), resource)).collect())
    }

    async fn find(&self, kind: Kind, condition: &Condition, offset: u32, limit: u32) -> Result<Found, Error> {
        if offset == 0 && condition::is_narrow(condition) {
            return self.database.read(|connection| find::page(connection, kind, condition, offset, limit)).await;
        }
        let condition = condition.clone();
        self.database.read_aside(move |connection| find::page(connection, kind, &condition, offset, limit)).await
    }

    async fn find_after(
        &self,
        kind: Kind,
        condition: &Condition,
        position: Option<&Position>,
        limit: u32,
    ) -> Result<Vec<Resource>, Error> {
        let (condition, position) = (condition.clone(), position.cloned());
        let read = move |connection: &Connection| find::after(connection, kind, &condition, position.as_ref(), limit);
        self.database.read_aside(read).await
    }

    async fn count(&self, kind: Kind, condition: &Condition) -> Result<u64, Error> {
        let condition = condition.clone();
        self.database.read_aside(move |connection| find::count(connection, kind, &condition)).await
    }

    async fn members(&self, group: &ResourceId) -> Result<Vec<Member>, Error> {
        self.database.read(|connection| member::settled(connection, group)).await
    }

    async fn state(&self, id: &ResourceId) -> Result<Option<State>, Error> {
        self.database.read(|connection| row(connection, id)).await?.map(|row| row.state()).transpose()
    }

    async fn known(&self, ids: &BTreeSet<ResourceId>) -> Result<BTreeMap<ResourceId, Known>, Error> {
        let mut known = BTreeMap::new();
        for row in self.database.read(|connection| settled_rows(connection, ids)).await? {
            let deleting = row.intent.as_deref() == Some("delete");
            if let Some(link) = row.link()? {
                known.insert(ResourceId(row.id.clone()), Known { kind: row.kind()?, link, deleting });
            }
        }
        Ok(known)
    }

    async fn linked(&self, anchor: &Anchor) -> Result<Vec<ResourceId>, Error> {
        let read = |connection: &Connection| {
            let statement = "SELECT id FROM resource WHERE anchor = ?1 ORDER BY created, id";
            all(connection, "look an entry's resources up", statement, params![anchor.0], column)
        };
        Ok(self.database.read(read).await?.into_iter().map(ResourceId).collect())
    }

    async fn linked_states(&self, anchors: &[Anchor]) -> Result<Vec<State>, Error> {
        self.database.read(|connection| compare::linked_states(connection, anchors)).await
    }

    async fn ids_after(&self, after: Option<&ResourceId>, limit: u32) -> Result<Vec<(ResourceId, Kind)>, Error> {
        self.database.read(|connection| compare::ids_after(connection, after, limit)).await
    }

    async fn checked(&self, anchors: &[Anchor]) -> Result<Vec<Checked>, Error> {
        self.database.read(|connection| compare::checked(connection, anchors)).await
    }

    async fn check(&self, right: &[(ResourceId, i64, Mark)]) -> Result<(), Error> {
        self.database.write(|connection| compare::check(connection, right)).await
    }

    async fn name_changes(&self) -> Result<i64, Error> {
        self.database.read(compare::name_changes).await
    }

    async fn census(&self) -> Result<Census, Error> {
        self.database.read_aside(compare::census).await
    }

    async fn claimant(&self, name: &str) -> Result<Option<ResourceId>, Error> {
        let read = |connection: &Connection| {
            let statement = "SELECT resource_id FROM name_claim WHERE name = ?1";
            first(connection, "look a name up", statement, params![name], column)
        };
        Ok(self.database.read(read).await?.map(ResourceId))
    }

    async fn creating(&self, kind: Kind) -> Result<Vec<(ResourceId, Document)>, Error> {
        let read = |connection: &Connection| {
            let statement = concat!(
                "SELECT ",
                columns!(),
                " FROM resource WHERE intent IS NOT NULL AND settled = 0 AND kind = ?1 ORDER BY created, id"
            );
            all(connection, "read pending creations", statement, params![kind.as_str()], Row::read)
        };
        let rows = self.database.read(read).await?;
        let states: Vec<State> = rows.iter().map(Row::state).collect::<Result<_, _>>()?;
        Ok(states.into_iter().filter_map(|state| Some((state.id.clone(), state.desired()?.clone()))).collect())
    }

    async fn pending(&self) -> Result<Vec<ResourceId>, Error> {
        let read = |connection: &Connection| {
            // Each by its index: with OR between them all resources would be read.
            let statement = "SELECT id, created FROM resource WHERE intent IS NOT NULL
                 UNION SELECT id, created FROM resource WHERE previous_dn IS NOT NULL
                 UNION SELECT id, created FROM resource
                    WHERE id IN (SELECT group_id FROM member WHERE state <> 'settled')
                 ORDER BY created, id";
            all(connection, "read what is pending", statement, [], column)
        };
        Ok(self.database.read(read).await?.into_iter().map(ResourceId).collect())
    }

    async fn unsettled_members(&self, group: &ResourceId) -> Result<Vec<(ResourceId, MemberState)>, Error> {
        self.database.read(|connection| member::unsettled(connection, group)).await
    }

    async fn member_states(
        &self,
        group: &ResourceId,
        ids: &BTreeSet<ResourceId>,
    ) -> Result<BTreeMap<ResourceId, MemberState>, Error> {
        self.database.read(|connection| member::states(connection, group, ids)).await
    }

    async fn wanted_members(&self, group: &ResourceId) -> Result<Vec<ResourceId>, Error> {
        self.database.read(|connection| member::wanted(connection, group)).await
    }

    async fn memberships(&self, member: &ResourceId) -> Result<Vec<(ResourceId, MemberState)>, Error> {
        self.database.read(|connection| member::memberships(connection, member)).await
    }

    async fn member_counts(&self, group: &ResourceId) -> Result<MemberCounts, Error> {
        self.database.read(|connection| member::counts(connection, group)).await
    }

    async fn listed_after(
        &self,
        group: &ResourceId,
        after: Option<&ResourceId>,
        limit: u32,
    ) -> Result<Vec<Listed>, Error> {
        self.database.read(|connection| member::listed_after(connection, group, after, limit)).await
    }

    async fn has_members(&self, group: &ResourceId) -> Result<bool, Error> {
        self.database.read(|connection| member::are_there(connection, group)).await
    }

    async fn want(&self, wanted: &Wanted) -> Result<(), Error> {
        self.database.write(|connection| intent::want(connection, wanted)).await
    }

    async fn want_in_run(&self, run: &NewRun, wanted: &Wanted) -> Result<RunId, Error> {
        let process = self.process.name()?;
        let write = |connection: &Connection| {
            intent::want(connection, wanted)?;
            run::insert(connection, run, Some(process), None)
        };
        self.database.write(write).await
    }

    async fn sync(&self) -> Result<(), Error> {
        self.database.sync().await
    }

    async fn revert(&self, id: &ResourceId, document: &Document) -> Result<(), Error> {
        let statements = [
            "UPDATE member SET state = 'stripped' WHERE group_id = ?1 AND state = 'joining' AND state <> 'settled'",
            "UPDATE member SET state = 'renewing' WHERE group_id = ?1 AND state = 'leaving' AND state <> 'settled'",
            // Of whom nobody has noted what stood before, somebody else's lock was to be lifted; it stays.
            "UPDATE resource SET may_be_disabled = 0 WHERE id = ?1 AND before_disable IS NULL",
            // The settled name is among the lookups; a name that was only wanted is given up.
            "DELETE FROM name_claim WHERE resource_id = ?1 AND name NOT IN
                 (SELECT value FROM lookup WHERE resource_id = ?1 AND kind = 'User' AND attribute = 'username')",
        ];
        self.database.write_durably(|connection| intent::turn(connection, id, Some(document), &statements)).await
    }

    async fn note_disabling(&self, id: &ResourceId, before: &BeforeDisable) -> Result<(), Error> {
        let before = before_text(before);
        let write = |connection: &Connection| {
            let statement = "UPDATE resource SET may_be_disabled = 1, before_disable = ?2 WHERE id = ?1";
            let attempt = "note what stands before a user is disabled";
            execute(connection, attempt, statement, params![id.as_str(), before]).map(|_| ())
        };
        self.database.write_durably(write).await
    }

    async fn note_enabled(&self, id: &ResourceId) -> Result<(), Error> {
        let write = |connection: &Connection| {
            let statement = "UPDATE resource SET may_be_disabled = 0, before_disable = NULL WHERE id = ?1";
            execute(connection, "note that a user is enabled", statement, params![id.as_str()]).map(|_| ())
        };
        self.database.write_durably(write).await
    }

    async fn forget(&self, id: &ResourceId) -> Result<(), Error> {
        let statements = [
            "UPDATE resource SET intent = NULL, intent_document = NULL, merged = 0,
                     pending_since = CASE WHEN previous_dn IS NULL THEN NULL ELSE pending_since END WHERE id = ?1",
            "DELETE FROM member WHERE group_id = ?1 AND state IN ('joining', 'stripped') AND state <> 'settled'",
            "UPDATE member SET state = 'settled' WHERE group_id = ?1 AND state <> 'settled'",
        ];
        self.database.write_durably(|connection| intent::turn(connection, id, None, &statements)).await
    }

    async fn link(&self, id: &ResourceId, link: &Link) -> Result<(), Error> {
        self.database.write_durably(|connection| intent::link(connection, id, link)).await
    }

    async fn settle(&self, settled: &Settled) -> Result<Resource, Error> {
        self.database.write(|connection| intent::settle(connection, settled)).await
    }

    async fn note_adding(&self, id: &ResourceId) -> Result<(), Error> {
        let write = |connection: &Connection| {
            let statement = "UPDATE resource SET adds_entry = 1 WHERE id = ?1";
            execute(connection, "note that an entry is added", statement, params![id.as_str()]).map(|_| ())
        };
        self.database.write_durably(write).await
    }

    async fn wanted_with_key(&self, group: &ResourceId, key: &Value) -> Result<Vec<ResourceId>, Error> {
        self.database.read(|connection| member::wanted_with_key(connection, group, key)).await
    }

    async fn numbers_of(&self, id: &ResourceId, attribute: &AttributeName) -> Result<Vec<u64>, Error> {
        self.database.read(|connection| number::of(connection, id, attribute)).await
    }

    async fn highest_number(&self, attribute: &AttributeName, range: NumberRange) -> Result<Option<u64>, Error> {
        self.database.read(|connection| number::highest(connection, attribute, range)).await
    }

    async fn take_number(
        &self,
        attribute: &AttributeName,
        number: u64,
        for_whom: Option<&ResourceId>,
    ) -> Result<(), Error> {
        self.database.write_durably(|connection| number::take(connection, attribute, number, for_whom)).await
    }

    async fn adopt(&self, adopted: &mut (dyn Iterator<Item = Adopted> + Send)) -> Result<(), Error> {
        let write = |connection: &Connection| {
            for one in adopted {
                insert_adopted(connection, &one)?;
            }
            Ok(())
        };
        self.database.write_durably(write).await
    }

    async fn renew_memberships(&self, member: &ResourceId, now: &str) -> Result<(), Error> {
        self.database.write_durably(|connection| intent::renew_memberships(connection, member, now)).await
    }

    async fn remove(&self, id: &ResourceId, shown_by: Option<&IndexEntry>, now: &str) -> Result<(), Error> {
        self.database.write(|connection| intent::remove(connection, id, shown_by, now)).await
    }

    async fn reindex(&self, indexes: &[(Kind, &Index)]) -> Result<(), Error> {
        index::rebuild(self, indexes).await
    }

    async fn begin_run(&self, run: &NewRun) -> Result<RunId, Error> {
        let process = self.process.name()?;
        self.database.write(|connection| run::insert(connection, run, Some(process), None)).await
    }

    async fn note_change(&self, run: RunId, change: &NotedChange) -> Result<i64, Error> {
        self.database.write(|connection| run::change(connection, run, change)).await
    }

    async fn strike_change(&self, run: RunId, position: i64) -> Result<(), Error> {
        self.database.write(|connection| run::strike(connection, run, position)).await
    }

    async fn end_run(&self, run: RunId, end: &RunEnd) -> Result<(), Error> {
        self.database.write(|connection| run::end(connection, run, end)).await
    }

    async fn keep_run(&self, run: &NewRun, end: &RunEnd) -> Result<RunId, Error> {
        self.database.write(|connection| run::insert(connection, run, None, Some(end))).await
    }

    async fn run(&self, id: RunId) -> Result<Option<RunRecord>, Error> {
        self.database.read(|connection| log::one(connection, &self.holds, id)).await
    }

    async fn runs(&self, filter: &RunFilter, limit: u32) -> Result<Vec<RunRecord>, Error> {
        self.database.read(|connection| log::find(connection, &self.holds, filter, limit)).await
    }

    async fn logged_changes(
        &self,
        run: RunId,
        resource: Option<&ResourceId>,
        limit: u32,
    ) -> Result<Vec<LoggedChange>, Error> {
        self.database.read(|connection| log::changes(connection, run, resource, limit)).await
    }

    async fn formerly_named(&self, kind: Kind, name: &str) -> Result<Vec<ResourceId>, Error> {
        self.database.read(|connection| log::formerly_named(connection, kind, name)).await
    }

    async fn changes_of(&self, run: RunId, before: Option<i64>, limit: u32) -> Result<Vec<(i64, NotedChange)>, Error> {
        self.database.read(|connection| log::changes_to_undo(connection, run, before, limit)).await
    }

    async fn note_undone(&self, run: RunId, position: i64) -> Result<(), Error> {
        self.database.write(|connection| run::undone(connection, run, position)).await
    }

    async fn forget_runs(&self, before: &str) -> Result<u64, Error> {
        retention::forget_runs(&self.database, before).await
    }

    async fn forget_runs_beyond(&self, bytes: u64) -> Result<u64, Error> {
        retention::forget_runs_beyond(&self.database, bytes).await
    }

    async fn forget_reverses(&self, before: &str) -> Result<u64, Error> {
        retention::forget_reverses(&self.database, before).await
    }

    async fn backlog(&self) -> Result<Backlog, Error> {
        self.database.read(measure::backlog).await
    }

    fn size(&self) -> Result<u64, Error> {
        measure::size(self.database.path())
    }

    async fn note_reconciliation(&self, reconciled: &Reconciled) -> Result<(), Error> {
        self.database.write_durably(|connection| measure::note_reconciliation(connection, reconciled)).await
    }

    async fn reconciliations(&self) -> Result<Vec<Reconciled>, Error> {
        self.database.read(measure::reconciliations).await
    }

    fn hold(&self, key: &str, mode: HoldMode) -> Result<Option<Hold>, Error> {
        self.holds.hold(key, mode)
    }

    fn lease(&self, what: &'static str, holder: &str) -> Result<Lease, Error> {
        hold::lease(self.database.path(), what, holder)
    }

    async fn copy(&self) -> Result<Arc<dyn Store>, Error> {
        Ok(Arc::new(copy::copy(self).await?))
    }

    async fn add_credential(&self, credential: &NewCredential, secret: &NewSecret) -> Result<(), Error> {
        self.database.write_durably(|connection| token::add(connection, credential, secret)).await
    }

    async fn claim_first_token(&self) -> Result<bool, Error> {
        self.database.write_durably(token::claim_first).await
    }

    async fn credentials(&self) -> Result<Vec<Credential>, Error> {
        self.database.read(token::all).await
    }

    async fn rotate_credential(
        &self,
        kind: CredentialKind,
        name: &str,
        secret: &NewSecret,
        old_until: &str,
    ) -> Result<bool, Error> {
        self.database.write_durably(|connection| token::rotate(connection, kind, name, secret, old_until)).await
    }

    async fn remove_credential(&self, kind: CredentialKind, name: &str) -> Result<bool, Error> {
        self.database.write_durably(|connection| token::remove(connection, kind, name)).await
    }

    async fn bearer(&self, hash: &str) -> Result<Option<Presented>, Error> {
        self.database.read(|connection| token::bearer(connection, hash)).await
    }

    async fn client_with_secret(&self, hash: &str) -> Result<Option<Presented>, Error> {
        self.database.read(|connection| token::client_with_secret(connection, hash)).await
    }

    async fn add_access_token(&self, token: &NewAccessToken, now: &str) -> Result<(), Error> {
        self.database.write_durably(|connection| token::add_access_token(connection, token, now)).await
    }

    async fn note_use(&self, secret_hash: &str, now: &str, address: &str) -> Result<(), Error> {
        self.database.write(|connection| token::note_use(connection, secret_hash, now, address)).await
    }

    async fn setting(&self, name: &str) -> Result<Option<String>, Error> {
        self.database.read(|connection| setting::get(connection, name)).await
    }

    async fn set_setting(&self, name: &str, value: Option<&str>) -> Result<(), Error> {
        self.database.write_durably(|connection| setting::set(connection, name, value)).await
    }

    async fn prove_writable(&self) -> Result<(), Error> {
        self.database.write_durably(|connection| setting::prove_writable(connection, self.database.path())).await
    }
}

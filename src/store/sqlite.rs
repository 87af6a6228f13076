//! The store in one SQLite file: the embedded default, for one node.
//!
//! One connection writes, a few read beside it (write-ahead log). Every commit is synced to disk: an
//! intent must be durable before the directory is touched.

mod condition;
mod number;
mod parts;
mod row;

use std::collections::{BTreeMap, BTreeSet};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::str::FromStr;
use std::time::Duration;

use async_trait::async_trait;
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePool, SqlitePoolOptions, SqliteSynchronous};
use sqlx::{QueryBuilder, Sqlite, SqliteConnection, Transaction};

use parts::{claim, count_up, delete_rows, insert_adopted, insert_members, write_lookups};
use row::{Row, before_text, document_text, member_state};

use super::{Adopted, Error, Found, Intent, Known, MemberState, Position, Settled, State, Store, TokenRecord, Wanted};
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
        let pool = |connections: u32| SqlitePoolOptions::new().max_connections(connections);
        let writer = pool(1).connect_with(options.clone()).await.map_err(|error| failed(error.into()))?;
        MIGRATIONS.run(&writer).await.map_err(|error| failed(error.into()))?;
        let reader = pool(READERS).connect_with(options.read_only(true)).await.map_err(|error| failed(error.into()))?;
        Ok(SqliteStore { reader, writer })
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

    async fn write(&self) -> Result<Transaction<'static, Sqlite>, Error> {
        self.writer.begin_with("BEGIN IMMEDIATE").await.map_err(failure("begin a write"))
    }

    /// Runs the statements on a settled resource; one whose creation is pending goes instead.
    async fn turn(&self, id: &ResourceId, wanted: Option<&Document>, statements: &[&'static str]) -> Result<(), Error> {
        let attempt = "give an intent up";
        let mut write = self.write().await?;
        let connection: &mut SqliteConnection = &mut write;
        let settled: Option<bool> = sqlx::query_scalar("SELECT document IS NOT NULL FROM resource WHERE id = $1")
            .bind(id.as_str())
            .fetch_optional(&mut *connection)
            .await
            .map_err(failure(attempt))?;
        if settled == Some(true) {
            if let Some(document) = wanted {
                sqlx::query("UPDATE resource SET intent = 'put', intent_document = $2, merged = 0 WHERE id = $1")
                    .bind(id.as_str())
                    .bind(document_text(document))
                    .execute(&mut *connection)
                    .await
                    .map_err(failure(attempt))?;
            }
            for statement in statements {
                let done = sqlx::query(*statement).bind(id.as_str()).execute(&mut *connection).await;
                done.map_err(failure(attempt))?;
            }
        } else {
            // No entry ever had them.
            number::release(connection, id).await?;
            delete_rows(connection, id).await?;
        }
        commit(write).await
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

fn resources(rows: &[Row]) -> Result<Vec<Resource>, Error> {
    rows.iter().filter_map(|row| row.resource().transpose()).collect()
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
        let found = resources(&self.settled_rows(ids).await?)?;
        Ok(found.into_iter().map(|resource| (resource.id.clone(), resource)).collect())
    }

    async fn find(&self, kind: Kind, condition: &Condition, offset: u32, limit: u32) -> Result<Found, Error> {
        let attempt = "read a page of resources";
        let page = || {
            let mut page = condition::selection_at_once("SELECT *", kind, condition);
            page.push(" ORDER BY created, id LIMIT ").push_bind(i64::from(limit));
            page.push(" OFFSET ").push_bind(i64::from(offset));
            page
        };
        if offset == 0 {
            let rows: Vec<Row> = page().build_query_as().fetch_all(&self.reader).await.map_err(failure(attempt))?;
            let resources = resources(&rows)?;
            // A first page that is not full tells the total.
            if resources.len() < limit as usize {
                return Ok(Found { total: resources.len() as u64, resources });
            }
        }
        // In one transaction, so that the total and the page are of one state.
        let mut read = self.reader.begin().await.map_err(failure(attempt))?;
        let rows: Vec<Row> = page().build_query_as().fetch_all(&mut *read).await.map_err(failure(attempt))?;
        let mut count = condition::selection("SELECT COUNT(*)", kind, condition);
        let count = count.build_query_scalar::<i64>().fetch_one(&mut *read).await;
        let total = count.map_err(failure("count resources"))?.unsigned_abs();
        Ok(Found { total, resources: resources(&rows)? })
    }

    async fn find_after(
        &self,
        kind: Kind,
        condition: &Condition,
        position: Option<&Position>,
        limit: u32,
    ) -> Result<Vec<Resource>, Error> {
        let mut page = condition::selection("SELECT *", kind, condition);
        if let Some(position) = position {
            condition::after(&mut page, position);
        }
        page.push(" ORDER BY created, id LIMIT ").push_bind(i64::from(limit));
        let rows: Vec<Row> =
            page.build_query_as().fetch_all(&self.reader).await.map_err(failure("read resources in order"))?;
        resources(&rows)
    }

    async fn count(&self, kind: Kind, condition: &Condition) -> Result<u64, Error> {
        let mut count = condition::selection("SELECT COUNT(*)", kind, condition);
        let count = count.build_query_scalar::<i64>().fetch_one(&self.reader).await;
        Ok(count.map_err(failure("count resources"))?.unsigned_abs())
    }

    async fn members(&self, group: &ResourceId) -> Result<Vec<Member>, Error> {
        let rows: Vec<(String, String)> = sqlx::query_as(
            "SELECT member.member_id, resource.kind FROM member JOIN resource ON resource.id = member.member_id
             WHERE member.group_id = $1 AND member.state IN ('settled', 'renewing', 'leaving') ORDER BY member.member_id",
        )
        .bind(group.as_str())
        .fetch_all(&self.reader)
        .await
        .map_err(failure("read the members of a group"))?;
        let member = |(id, kind): (String, String)| {
            let damaged = Error::Damaged { what: "kind", id: id.clone() };
            Kind::named(&kind).map(|kind| Member { id: ResourceId(id), kind }).ok_or(damaged)
        };
        rows.into_iter().map(member).collect()
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
        let ids: Vec<String> = sqlx::query_scalar(
            "SELECT id FROM resource WHERE intent IS NOT NULL OR previous_dn IS NOT NULL
             OR id IN (SELECT group_id FROM member WHERE state <> 'settled') ORDER BY created, id",
        )
        .fetch_all(&self.reader)
        .await
        .map_err(failure("read what is pending"))?;
        Ok(ids.into_iter().map(ResourceId).collect())
    }

    async fn unsettled_members(&self, group: &ResourceId) -> Result<Vec<(ResourceId, MemberState)>, Error> {
        let rows: Vec<(String, String)> = sqlx::query_as(
            "SELECT member_id, state FROM member WHERE group_id = $1 AND state <> 'settled' ORDER BY member_id",
        )
        .bind(group.as_str())
        .fetch_all(&self.reader)
        .await
        .map_err(failure("read pending members"))?;
        rows.into_iter().map(|(id, state)| Ok((ResourceId(id), member_state(group, &state)?))).collect()
    }

    async fn member_states(
        &self,
        group: &ResourceId,
        ids: &BTreeSet<ResourceId>,
    ) -> Result<BTreeMap<ResourceId, MemberState>, Error> {
        let ids: Vec<&ResourceId> = ids.iter().collect();
        let mut states = BTreeMap::new();
        for chunk in ids.chunks(CHUNK) {
            let mut query: QueryBuilder<Sqlite> =
                QueryBuilder::new("SELECT member_id, state FROM member WHERE group_id = ");
            query.push_bind(group.as_str()).push(" AND member_id IN (");
            let mut list = query.separated(", ");
            for id in chunk {
                list.push_bind(id.as_str());
            }
            query.push(")");
            let rows: Vec<(String, String)> =
                query.build_query_as().fetch_all(&self.reader).await.map_err(failure("look members up"))?;
            for (id, state) in rows {
                states.insert(ResourceId(id), member_state(group, &state)?);
            }
        }
        Ok(states)
    }

    async fn wanted_members(&self, group: &ResourceId) -> Result<Vec<ResourceId>, Error> {
        let ids: Vec<String> = sqlx::query_scalar(
            "SELECT member_id FROM member WHERE group_id = $1 AND state IN ('settled', 'renewing', 'joining') ORDER BY member_id",
        )
        .bind(group.as_str())
        .fetch_all(&self.reader)
        .await
        .map_err(failure("read wanted members"))?;
        Ok(ids.into_iter().map(ResourceId).collect())
    }

    async fn has_members(&self, group: &ResourceId) -> Result<bool, Error> {
        sqlx::query_scalar(
            "SELECT EXISTS (SELECT 1 FROM member WHERE group_id = $1 AND state IN ('settled', 'renewing', 'leaving'))",
        )
        .bind(group.as_str())
        .fetch_one(&self.reader)
        .await
        .map_err(failure("look for members"))
    }

    async fn want(&self, wanted: &Wanted) -> Result<(), Error> {
        let mut write = self.write().await?;
        let connection: &mut SqliteConnection = &mut write;
        if let Some(intent) = &wanted.intent {
            let (text, document) = match intent {
                Intent::Put(document) => ("put", Some(document_text(document))),
                Intent::Delete => ("delete", None),
            };
            sqlx::query(
                "INSERT INTO resource (id, kind, version, created, modified, intent, intent_document, answered, may_be_disabled, merged)
                 VALUES ($1, $2, 0, $3, $3, $4, $5, 0, 0, 0)
                 ON CONFLICT (id) DO UPDATE SET intent = excluded.intent, intent_document = excluded.intent_document,
                     merged = CASE WHEN resource.intent = 'put' THEN 1 ELSE 0 END",
            )
            .bind(wanted.id.as_str())
            .bind(wanted.kind.as_str())
            .bind(&wanted.now)
            .bind(text)
            .bind(document)
            .execute(&mut *connection)
            .await
            .map_err(failure("save an intent"))?;
        }
        if let Some(name) = &wanted.name_claim {
            claim(connection, &wanted.id, name).await?;
        }
        if wanted.may_be_disabled {
            sqlx::query("UPDATE resource SET may_be_disabled = 1 WHERE id = $1")
                .bind(wanted.id.as_str())
                .execute(&mut *connection)
                .await
                .map_err(failure("save an intent"))?;
        }
        insert_members(connection, &wanted.id, &wanted.members).await?;
        commit(write).await
    }

    async fn revert(&self, id: &ResourceId, document: &Document) -> Result<(), Error> {
        self.turn(
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
        self.turn(
            id,
            None,
            &[
                "UPDATE resource SET intent = NULL, intent_document = NULL, merged = 0 WHERE id = $1",
                "DELETE FROM member WHERE group_id = $1 AND state IN ('joining', 'stripped')",
                "UPDATE member SET state = 'settled' WHERE group_id = $1",
            ],
        )
        .await
    }

    async fn link(&self, id: &ResourceId, link: &Link) -> Result<(), Error> {
        sqlx::query(
            "UPDATE resource SET anchor = $2, dn = $3, member_key = $4, previous_dn = $5, previous_key = $6 WHERE id = $1",
        )
            .bind(id.as_str())
            .bind(&link.anchor.0)
            .bind(link.dn.to_string())
            .bind(link.key.as_ref().map(Value::as_bytes))
            .bind(link.previous.as_ref().map(|names| names.dn.to_string()))
            .bind(link.previous.as_ref().and_then(|names| names.key.as_ref()).map(Value::as_bytes))
            .execute(&self.writer)
            .await
            .map_err(failure_or_taken("record a link", &link.dn.to_string()))?;
        Ok(())
    }

    async fn settle(&self, settled: &Settled) -> Result<Resource, Error> {
        let mut write = self.write().await?;
        let connection: &mut SqliteConnection = &mut write;
        let row: Row = sqlx::query_as(
            "UPDATE resource SET
                    version = CASE WHEN document IS $2 AND NOT EXISTS (SELECT 1 FROM member WHERE group_id = $1
                        AND state IN ('joining', 'leaving')) THEN version ELSE version + 1 END,
                    modified = CASE WHEN document IS $2 AND NOT EXISTS (SELECT 1 FROM member WHERE group_id = $1
                        AND state IN ('joining', 'leaving')) THEN modified ELSE $3 END,
                    document = $2, anchor = $4, dn = $5, previous_dn = $6, intent = NULL, intent_document = NULL,
                    member_key = $9, previous_key = $10,
                    answered = CASE WHEN $7 = 1 THEN 1 ELSE answered END, merged = 0,
                    may_be_disabled = CASE WHEN $8 = 1 THEN may_be_disabled ELSE 0 END,
                    before_disable = CASE WHEN $8 = 1 THEN before_disable ELSE NULL END
             WHERE id = $1 RETURNING *",
        )
        .bind(settled.id.as_str())
        .bind(document_text(&settled.document))
        .bind(&settled.now)
        .bind(&settled.link.anchor.0)
        .bind(settled.link.dn.to_string())
        .bind(settled.link.previous.as_ref().map(|names| names.dn.to_string()))
        .bind(i64::from(settled.answered))
        .bind(i64::from(settled.inactive))
        .bind(settled.link.key.as_ref().map(Value::as_bytes))
        .bind(settled.link.previous.as_ref().and_then(|names| names.key.as_ref()).map(Value::as_bytes))
        .fetch_one(&mut *connection)
        .await
        .map_err(failure_or_taken("record what is settled", &settled.link.dn.to_string()))?;
        let kind = row.kind()?;
        write_lookups(connection, kind, &settled.id, &settled.index).await?;
        count_up(connection, settled.shown_by.as_ref()).await?;
        if let Some(name) = &settled.name_claim {
            claim(connection, &settled.id, name).await?;
            sqlx::query("DELETE FROM name_claim WHERE resource_id = $1 AND name <> $2")
                .bind(settled.id.as_str())
                .bind(name)
                .execute(&mut *connection)
                .await
                .map_err(failure("give names up"))?;
        }
        if kind == Kind::Group {
            for statement in [
                "DELETE FROM member WHERE group_id = $1 AND state IN ('leaving', 'stripped')",
                "UPDATE member SET state = 'settled' WHERE group_id = $1 AND state IN ('joining', 'renewing')",
            ] {
                let done = sqlx::query(statement).bind(settled.id.as_str()).execute(&mut *connection).await;
                done.map_err(failure("settle members"))?;
            }
        }
        commit(write).await?;
        row.resource()?.ok_or_else(|| row.damaged("document"))
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
        let ids: Vec<String> = sqlx::query_scalar(
            "SELECT resource.id FROM resource JOIN member ON member.group_id = $1 AND member.member_id = resource.id
             WHERE resource.member_key = $2 AND member.state IN ('settled', 'renewing', 'joining') ORDER BY resource.id",
        )
        .bind(group.as_str())
        .bind(key.as_bytes())
        .fetch_all(&self.reader)
        .await
        .map_err(failure("look for members of one key"))?;
        Ok(ids.into_iter().map(ResourceId).collect())
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
        let mut write = self.write().await?;
        for one in adopted {
            insert_adopted(&mut write, &one).await?;
        }
        commit(write).await
    }

    async fn renew_memberships(&self, member: &ResourceId) -> Result<(), Error> {
        sqlx::query("UPDATE member SET state = 'renewing' WHERE member_id = $1 AND state = 'settled'")
            .bind(member.as_str())
            .execute(&self.writer)
            .await
            .map_err(failure("renew memberships"))?;
        Ok(())
    }

    async fn remove(&self, id: &ResourceId, shown_by: Option<&IndexEntry>, now: &str) -> Result<(), Error> {
        let mut write = self.write().await?;
        sqlx::query(
            "UPDATE resource SET version = version + 1, modified = $2 WHERE id IN (SELECT group_id FROM member
             WHERE member_id = $1 AND state IN ('settled', 'renewing', 'leaving'))",
        )
        .bind(id.as_str())
        .bind(now)
        .execute(&mut *write)
        .await
        .map_err(failure("remove a resource"))?;
        count_up(&mut write, shown_by).await?;
        delete_rows(&mut write, id).await?;
        commit(write).await
    }

    async fn reindex(&self, indexes: &[(Kind, &Index)]) -> Result<(), Error> {
        for (kind, index) in indexes {
            let name = format!("index of {kind}");
            let keys = index.keys().join("\n");
            let present: Option<String> = sqlx::query_scalar("SELECT value FROM setting WHERE name = $1")
                .bind(&name)
                .fetch_optional(&self.reader)
                .await
                .map_err(failure("read the state of the index"))?;
            if present.as_deref() == Some(&keys) {
                continue;
            }
            let mut position = None;
            loop {
                let resources = self.find_after(*kind, &Condition::ALWAYS, position.as_ref(), PAGE).await?;
                let Some(last) = resources.last() else {
                    break;
                };
                position = Some(Position { created: last.created.clone(), id: last.id.clone() });
                let mut write = self.write().await?;
                for resource in &resources {
                    write_lookups(&mut write, *kind, &resource.id, &index.entries(&resource.document)).await?;
                }
                commit(write).await?;
            }
            sqlx::query(
                "INSERT INTO setting (name, value) VALUES ($1, $2) ON CONFLICT (name) DO UPDATE SET value = excluded.value",
            )
            .bind(&name)
            .bind(&keys)
            .execute(&self.writer)
            .await
            .map_err(failure("record the state of the index"))?;
        }
        Ok(())
    }

    async fn add_token(&self, token: &TokenRecord, hash: &str) -> Result<(), Error> {
        sqlx::query("INSERT INTO token (name, hash, created) VALUES ($1, $2, $3)")
            .bind(&token.name)
            .bind(hash)
            .bind(&token.created)
            .execute(&self.writer)
            .await
            .map_err(failure_or_taken("keep a token", &token.name))?;
        Ok(())
    }

    async fn tokens(&self) -> Result<Vec<TokenRecord>, Error> {
        let rows: Vec<(String, String)> = sqlx::query_as("SELECT name, created FROM token ORDER BY name")
            .fetch_all(&self.reader)
            .await
            .map_err(failure("read tokens"))?;
        Ok(rows.into_iter().map(|(name, created)| TokenRecord { name, created }).collect())
    }

    async fn remove_token(&self, name: &str) -> Result<bool, Error> {
        let done = sqlx::query("DELETE FROM token WHERE name = $1").bind(name).execute(&self.writer).await;
        Ok(done.map_err(failure("forget a token"))?.rows_affected() > 0)
    }

    async fn token_named(&self, hash: &str) -> Result<Option<String>, Error> {
        sqlx::query_scalar("SELECT name FROM token WHERE hash = $1")
            .bind(hash)
            .fetch_optional(&self.reader)
            .await
            .map_err(failure("look a token up"))
    }
}

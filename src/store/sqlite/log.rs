//! What is read of runs and their changes. Each question is answered by an index, however many runs there are.

use std::collections::HashMap;
use std::sync::Arc;

use sqlx::{QueryBuilder, Sqlite, SqlitePool};

use super::super::{
    About, Ending, Error, HoldMode, LoggedChange, NotedChange, Origin, Requester, RunFilter, RunId, RunRecord,
    RunSubject, Standing, Verb,
};
use super::failure;
use super::hold::Holds;
use super::run::{OPEN, folded, key_of};
use crate::directory::Dn;
use crate::scim::{Kind, ResourceId};

/// What is said of a change whose reverse is not there any more.
const FORGOTTEN: &str = "what takes it back is kept no longer (reconcile.keep_undo)";

/// How many runs are few.
const FEW: i64 = 10_000;

/// A run's row with its counts.
#[derive(sqlx::FromRow)]
struct RunRow {
    id: i64,
    origin: String,
    what: String,
    verb: Option<String>,
    kind: Option<String>,
    resource_id: Option<String>,
    name: Option<String>,
    started: String,
    finished: Option<String>,
    ending: String,
    status: Option<i64>,
    outcome: Option<String>,
    milliseconds: Option<i64>,
    process: Option<String>,
    undoes: Option<i64>,
    token: Option<String>,
    address: Option<String>,
    request: Option<String>,
    changes: i64,
    undone: i64,
}

/// Of whom each run that has not ended is, and whether that process is still there.
struct Processes<'a> {
    holds: &'a Arc<Holds>,
    known: HashMap<String, Standing>,
}

impl Processes<'_> {
    fn standing(&mut self, process: &str) -> Result<Standing, Error> {
        if let Some(known) = self.known.get(process) {
            return Ok(*known);
        }
        // Whoever gets the key of a process has found that it is no more.
        let standing = match self.holds.hold(&key_of(process), HoldMode::Shared)? {
            Some(_) => Standing::CutOff,
            None => Standing::UnderWay,
        };
        self.known.insert(process.to_owned(), standing);
        Ok(standing)
    }
}

impl RunRow {
    fn record(self, processes: &mut Processes<'_>) -> Result<RunRecord, Error> {
        let id = RunId(self.id);
        let damaged = |what| Error::DamagedRun { what, run: id };
        let kind = self.kind.map(|kind| Kind::named(&kind).ok_or_else(|| damaged("kind"))).transpose()?;
        let verb = self.verb.map(|verb| Verb::named(&verb).ok_or_else(|| damaged("verb"))).transpose()?;
        let standing = match self.ending.as_str() {
            OPEN => processes.standing(&self.process.unwrap_or_default())?,
            ending => Standing::Ended(Ending::named(ending).ok_or_else(|| damaged("ending"))?),
        };
        Ok(RunRecord {
            id,
            origin: Origin::named(&self.origin).ok_or_else(|| damaged("origin"))?,
            what: self.what,
            about: kind.map(|kind| About { verb, kind, id: self.resource_id.map(ResourceId), name: self.name }),
            started: self.started,
            finished: self.finished,
            standing,
            status: self.status.and_then(|status| u16::try_from(status).ok()),
            outcome: self.outcome,
            milliseconds: self.milliseconds.map(i64::unsigned_abs),
            undoes: self.undoes.map(RunId),
            requester: self.token.map(|token| Requester {
                token,
                address: self.address.unwrap_or_default(),
                request: self.request.unwrap_or_default(),
            }),
            changes: self.changes.unsigned_abs(),
            undone: self.undone.unsigned_abs(),
        })
    }
}

/// Of whom no name was noted before the end, the one that another run has known.
const COLUMNS: &str = "SELECT id, origin, what, verb, kind, resource_id,
    COALESCE(name, (SELECT other.name FROM run AS other
                    WHERE other.resource_id = run.resource_id AND other.name IS NOT NULL ORDER BY other.id DESC LIMIT 1))
        AS name,
    started, finished, ending, status, outcome, milliseconds, process, undoes, token, address, request,
    (SELECT COUNT(*) FROM run_change WHERE run_id = run.id) AS changes,
    (SELECT COUNT(*) FROM run_change WHERE run_id = run.id AND undone = 1) AS undone
    FROM run WHERE id ";

pub(super) async fn one(reader: &SqlitePool, holds: &Arc<Holds>, id: RunId) -> Result<Option<RunRecord>, Error> {
    let mut query: QueryBuilder<Sqlite> = QueryBuilder::new(COLUMNS);
    query.push("= ").push_bind(id.0);
    Ok(records(reader, holds, query).await?.pop())
}

pub(super) async fn find(
    reader: &SqlitePool,
    holds: &Arc<Holds>,
    filter: &RunFilter,
    limit: u32,
) -> Result<Vec<RunRecord>, Error> {
    let mut query: QueryBuilder<Sqlite> = QueryBuilder::new(COLUMNS);
    // Which they are comes first, so that no change is counted of those that are not shown.
    query.push("IN (SELECT run.id FROM ");
    let narrowed = narrow(&mut query, filter);
    if !narrowed {
        query.push("run WHERE 1 = 1");
    }
    condition(reader, &mut query, filter).await?;
    query.push(" ORDER BY run.id DESC LIMIT ").push_bind(i64::from(limit)).push(") ORDER BY id DESC");
    records(reader, holds, query).await
}

async fn records(
    reader: &SqlitePool,
    holds: &Arc<Holds>,
    mut query: QueryBuilder<Sqlite>,
) -> Result<Vec<RunRecord>, Error> {
    let rows: Vec<RunRow> = query.build_query_as().fetch_all(reader).await.map_err(failure("read runs"))?;
    let mut processes = Processes { holds, known: HashMap::new() };
    rows.into_iter().map(|row| row.record(&mut processes)).collect()
}

/// The runs that a filter finds by what they are about, before all others: left to itself, SQLite might rather read every
/// run from the latest on.
fn narrow(query: &mut QueryBuilder<Sqlite>, filter: &RunFilter) -> bool {
    let mut narrowed = false;
    if let Some(subject) = &filter.subject {
        query.push("(");
        push_subject(query, subject);
        query.push(") AS found CROSS JOIN run WHERE run.id = found.id");
        narrowed = true;
    }
    if let Some(dn) = &filter.dn {
        query.push(if narrowed { " AND run.id IN (" } else { "(" });
        push_dn(query, dn);
        query.push(if narrowed { ")" } else { ") AS found CROSS JOIN run WHERE run.id = found.id" });
        narrowed = true;
    }
    narrowed
}

fn push_subject(query: &mut QueryBuilder<Sqlite>, subject: &RunSubject) {
    let push_ids = |query: &mut QueryBuilder<Sqlite>| {
        let mut ids = query.separated(", ");
        for id in &subject.ids {
            ids.push_bind(id.as_str().to_owned());
        }
    };
    query.push("SELECT id FROM run WHERE resource_id IN (");
    push_ids(query);
    query.push(") UNION SELECT run_id AS id FROM run_change WHERE resource_id IN (");
    push_ids(query);
    query.push(")");
    if let Some((kind, name)) = &subject.name {
        query.push(" UNION SELECT id FROM run WHERE folded = ").push_bind(folded(*kind, name));
        query.push(" AND kind = ").push_bind(kind.as_str());
    }
}

fn push_dn(query: &mut QueryBuilder<Sqlite>, dn: &Dn) {
    let dn = dn.normalized();
    query.push("SELECT run_id AS id FROM run_change WHERE dn = ").push_bind(dn.clone());
    query.push(" UNION SELECT run_id AS id FROM run_change WHERE new_dn = ").push_bind(dn);
}

async fn condition(reader: &SqlitePool, query: &mut QueryBuilder<Sqlite>, filter: &RunFilter) -> Result<(), Error> {
    if filter.troubled || filter.open {
        // In the words of the index.
        query.push(" AND run.ending <> 'done'");
    }
    if filter.open {
        query.push(" AND run.ending = ").push_bind(OPEN);
    }
    if filter.changed {
        query.push(" AND EXISTS (SELECT 1 FROM run_change WHERE run_id = run.id)");
    }
    if let Some(since) = &filter.since {
        if let Some(first) = first_of_few(reader, since).await? {
            query.push(" AND run.id >= ").push_bind(first);
        }
        query.push(" AND run.started >= ").push_bind(since.clone());
    }
    if let Some(token) = &filter.token {
        query.push(" AND run.token = ").push_bind(token.clone());
    }
    if let Some(origin) = filter.origin {
        if origin != Origin::Push {
            query.push(" AND run.origin <> 'push'");
        }
        query.push(" AND run.origin = ").push_bind(origin.as_str());
    }
    if let Some(request) = &filter.request {
        query.push(" AND run.request = ").push_bind(request.clone());
    }
    if let Some(RunId(after)) = filter.after {
        query.push(" AND run.id > ").push_bind(after);
    }
    Ok(())
}

/// The lowest number of those that started since a time, if they are few: all others need not be looked at then. Of many,
/// the latest are soon found among all.
async fn first_of_few(reader: &SqlitePool, since: &str) -> Result<Option<i64>, Error> {
    // By that index: SQLite would look for the lowest number from the lowest on.
    let (number, first): (i64, Option<i64>) = sqlx::query_as(
        "SELECT COUNT(*), MIN(id) FROM
             (SELECT id FROM run INDEXED BY run_started WHERE started >= $1 ORDER BY started LIMIT $2) AS young",
    )
    .bind(since)
    .bind(FEW)
    .fetch_one(reader)
    .await
    .map_err(failure("read runs"))?;
    Ok((number < FEW).then_some(first.unwrap_or(i64::MAX)))
}

#[derive(sqlx::FromRow)]
struct ChangeRow {
    position: i64,
    resource_id: Option<String>,
    reason: String,
    change: String,
    reverse: Option<String>,
    lost: Option<String>,
    undone: i64,
}

impl ChangeRow {
    fn logged(self, run: RunId) -> Result<LoggedChange, Error> {
        let damaged = |_| Error::DamagedRun { what: "change", run };
        let (reverse, lost) = match self.reverse {
            Some(reverse) => (serde_json::from_str(&reverse).map_err(damaged)?, self.lost),
            None => (Vec::new(), Some(FORGOTTEN.to_owned())),
        };
        let noted = NotedChange {
            resource: self.resource_id.map(ResourceId),
            reason: self.reason,
            change: serde_json::from_str(&self.change).map_err(damaged)?,
            reverse,
            lost,
        };
        Ok(LoggedChange { position: self.position, noted, undone: self.undone != 0 })
    }
}

pub(super) async fn changes_to_undo(
    reader: &SqlitePool,
    run: RunId,
    before: Option<i64>,
    limit: u32,
) -> Result<Vec<(i64, NotedChange)>, Error> {
    let rows: Vec<ChangeRow> = sqlx::query_as(
        "SELECT position, resource_id, reason, change, reverse, lost, undone FROM run_change
         WHERE run_id = $1 AND position < $2 AND undone = 0 ORDER BY position DESC LIMIT $3",
    )
    .bind(run.0)
    .bind(before.unwrap_or(i64::MAX))
    .bind(i64::from(limit))
    .fetch_all(reader)
    .await
    .map_err(failure("read the changes of a run"))?;
    rows.into_iter().map(|row| row.logged(run).map(|logged| (logged.position, logged.noted))).collect()
}

pub(super) async fn changes(
    reader: &SqlitePool,
    run: RunId,
    resource: Option<&ResourceId>,
    limit: u32,
) -> Result<Vec<LoggedChange>, Error> {
    let rows: Vec<ChangeRow> = sqlx::query_as(
        "SELECT position, resource_id, reason, change, reverse, lost, undone FROM run_change
         WHERE run_id = $1 AND ($2 IS NULL OR resource_id = $2) ORDER BY position LIMIT $3",
    )
    .bind(run.0)
    .bind(resource.map(ResourceId::as_str))
    .bind(i64::from(limit))
    .fetch_all(reader)
    .await
    .map_err(failure("read the changes of a run"))?;
    rows.into_iter().map(|row| row.logged(run)).collect()
}

pub(super) async fn formerly_named(reader: &SqlitePool, kind: Kind, name: &str) -> Result<Vec<ResourceId>, Error> {
    let ids: Vec<String> = sqlx::query_scalar(
        "SELECT DISTINCT resource_id FROM run
         WHERE folded = $1 AND kind = $2 AND resource_id IS NOT NULL ORDER BY resource_id",
    )
    .bind(folded(kind, name))
    .bind(kind.as_str())
    .fetch_all(reader)
    .await
    .map_err(failure("look a former name up"))?;
    Ok(ids.into_iter().map(ResourceId).collect())
}

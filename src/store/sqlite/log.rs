//! What is read of runs and their changes. Each question is answered by an index, however many runs there are.

use std::collections::HashMap;
use std::sync::Arc;

use rusqlite::{Connection, params};

use super::super::{
    About, Ending, Error, HoldMode, LoggedChange, NotedChange, Origin, Requester, RunFilter, RunId, RunRecord,
    RunSubject, Standing, Verb,
};
use super::hold::Holds;
use super::run::{OPEN, folded, key_of};
use super::statement::{self, Query, all, column};
use crate::directory::Dn;
use crate::scim::{Kind, ResourceId};

/// What is said of a change whose reverse is not there any more.
const FORGOTTEN: &str = "what takes it back is kept no longer (reconcile.keep_undo)";

/// How many runs are few.
const FEW: i64 = 10_000;

/// A run's row with its counts.
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
    fn read(row: &rusqlite::Row<'_>) -> rusqlite::Result<RunRow> {
        Ok(RunRow {
            id: row.get("id")?,
            origin: row.get("origin")?,
            what: row.get("what")?,
            verb: row.get("verb")?,
            kind: row.get("kind")?,
            resource_id: row.get("resource_id")?,
            name: row.get("name")?,
            started: row.get("started")?,
            finished: row.get("finished")?,
            ending: row.get("ending")?,
            status: row.get("status")?,
            outcome: row.get("outcome")?,
            milliseconds: row.get("milliseconds")?,
            process: row.get("process")?,
            undoes: row.get("undoes")?,
            token: row.get("token")?,
            address: row.get("address")?,
            request: row.get("request")?,
            changes: row.get("changes")?,
            undone: row.get("undone")?,
        })
    }

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

pub(super) fn one(connection: &Connection, holds: &Arc<Holds>, id: RunId) -> Result<Option<RunRecord>, Error> {
    let mut query = Query::new(COLUMNS);
    query.push("= ").push_bind(id.0);
    Ok(records(connection, holds, &query)?.pop())
}

pub(super) fn find(
    connection: &Connection,
    holds: &Arc<Holds>,
    filter: &RunFilter,
    limit: u32,
) -> Result<Vec<RunRecord>, Error> {
    let mut query = Query::new(COLUMNS);
    // Which they are comes first, so that no change is counted of those that are not shown.
    query.push("IN (SELECT run.id FROM ");
    let narrowed = narrow(&mut query, filter);
    if !narrowed {
        query.push("run WHERE 1 = 1");
    }
    condition(connection, &mut query, filter)?;
    query.push(" ORDER BY run.id DESC LIMIT ").push_bind(i64::from(limit)).push(") ORDER BY id DESC");
    records(connection, holds, &query)
}

fn records(connection: &Connection, holds: &Arc<Holds>, query: &Query) -> Result<Vec<RunRecord>, Error> {
    let rows = query.all(connection, "read runs", RunRow::read)?;
    let mut processes = Processes { holds, known: HashMap::new() };
    rows.into_iter().map(|row| row.record(&mut processes)).collect()
}

/// The runs that a filter finds by what they are about, before all others: left to itself, SQLite might rather read every
/// run from the latest on.
fn narrow(query: &mut Query, filter: &RunFilter) -> bool {
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

fn push_subject(query: &mut Query, subject: &RunSubject) {
    let ids = || subject.ids.iter().map(|id| id.as_str().to_owned());
    query.push("SELECT id FROM run WHERE resource_id IN (").push_list(ids());
    query.push(") UNION SELECT run_id AS id FROM run_change WHERE resource_id IN (").push_list(ids()).push(")");
    if let Some((kind, name)) = &subject.name {
        query.push(" UNION SELECT id FROM run WHERE folded = ").push_bind(folded(*kind, name));
        query.push(" AND kind = ").push_bind(kind.as_str().to_owned());
    }
}

fn push_dn(query: &mut Query, dn: &Dn) {
    let dn = dn.normalized();
    query.push("SELECT run_id AS id FROM run_change WHERE dn = ").push_bind(dn.clone());
    query.push(" UNION SELECT run_id AS id FROM run_change WHERE new_dn = ").push_bind(dn);
}

fn condition(connection: &Connection, query: &mut Query, filter: &RunFilter) -> Result<(), Error> {
    if filter.troubled || filter.open {
        // In the words of the index.
        query.push(" AND run.ending <> 'done'");
    }
    if filter.open {
        query.push(" AND run.ending = ").push_bind(OPEN.to_owned());
    }
    if filter.changed {
        query.push(" AND EXISTS (SELECT 1 FROM run_change WHERE run_id = run.id)");
    }
    if let Some(since) = &filter.since {
        if let Some(first) = first_of_few(connection, since)? {
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
        query.push(" AND run.origin = ").push_bind(origin.as_str().to_owned());
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
fn first_of_few(connection: &Connection, since: &str) -> Result<Option<i64>, Error> {
    // By that index: SQLite would look for the lowest number from the lowest on.
    let (number, first): (i64, Option<i64>) = statement::one(
        connection,
        "read runs",
        "SELECT COUNT(*), MIN(id) FROM
             (SELECT id FROM run INDEXED BY run_started WHERE started >= ?1 ORDER BY started LIMIT ?2) AS young",
        params![since, FEW],
        |row| Ok((row.get(0)?, row.get(1)?)),
    )?;
    Ok((number < FEW).then_some(first.unwrap_or(i64::MAX)))
}

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
    fn read(row: &rusqlite::Row<'_>) -> rusqlite::Result<ChangeRow> {
        Ok(ChangeRow {
            position: row.get("position")?,
            resource_id: row.get("resource_id")?,
            reason: row.get("reason")?,
            change: row.get("change")?,
            reverse: row.get("reverse")?,
            lost: row.get("lost")?,
            undone: row.get("undone")?,
        })
    }

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

pub(super) fn changes_to_undo(
    connection: &Connection,
    run: RunId,
    before: Option<i64>,
    limit: u32,
) -> Result<Vec<(i64, NotedChange)>, Error> {
    let rows = all(
        connection,
        "read the changes of a run",
        "SELECT position, resource_id, reason, change, reverse, lost, undone FROM run_change
         WHERE run_id = ?1 AND position < ?2 AND undone = 0 ORDER BY position DESC LIMIT ?3",
        params![run.0, before.unwrap_or(i64::MAX), limit],
        ChangeRow::read,
    )?;
    rows.into_iter().map(|row| row.logged(run).map(|logged| (logged.position, logged.noted))).collect()
}

pub(super) fn changes(
    connection: &Connection,
    run: RunId,
    resource: Option<&ResourceId>,
    limit: u32,
) -> Result<Vec<LoggedChange>, Error> {
    let rows = all(
        connection,
        "read the changes of a run",
        "SELECT position, resource_id, reason, change, reverse, lost, undone FROM run_change
         WHERE run_id = ?1 AND (?2 IS NULL OR resource_id = ?2) ORDER BY position LIMIT ?3",
        params![run.0, resource.map(ResourceId::as_str), limit],
        ChangeRow::read,
    )?;
    rows.into_iter().map(|row| row.logged(run)).collect()
}

pub(super) fn formerly_named(connection: &Connection, kind: Kind, name: &str) -> Result<Vec<ResourceId>, Error> {
    let ids: Vec<String> = all(
        connection,
        "look a former name up",
        "SELECT DISTINCT resource_id FROM run
         WHERE folded = ?1 AND kind = ?2 AND resource_id IS NOT NULL ORDER BY resource_id",
        params![folded(kind, name), kind.as_str()],
        column,
    )?;
    Ok(ids.into_iter().map(ResourceId).collect())
}

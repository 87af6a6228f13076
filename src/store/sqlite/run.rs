//! The notes of runs and their changes.

use std::io;
use std::sync::{Arc, OnceLock};

use rusqlite::{Connection, params};

use super::super::{About, Error, Hold, HoldMode, NewRun, NotedChange, RunEnd, RunId, Verb};
use super::hold::Holds;
use super::statement::{column, execute, one};
use crate::directory::{Change, Dn};
use crate::scim::index::fold_case;
use crate::scim::{Kind, ResourceId};

/// The setting that keeps the highest id of a run that was forgotten.
pub(super) const LAST_FORGOTTEN: &str = "last run forgotten";

/// What stands where its ending will, of a run that goes on or was cut off.
pub(super) const OPEN: &str = "open";

/// By which the runs of a process are told from those of one that is no more.
#[derive(Clone, Debug)]
pub(super) struct Process {
    holds: Arc<Holds>,
    name: Arc<OnceLock<(String, Hold)>>,
}

impl Process {
    pub(super) fn new(holds: Arc<Holds>) -> Process {
        Process { holds, name: Arc::default() }
    }

    /// The name of this process, held as a key for as long as it lives.
    pub(super) fn name(&self) -> Result<&str, Error> {
        if self.name.get().is_none() {
            let mut random = [0; 16];
            let failed = |source: io::Error| Error::Access { attempt: "name this process", source: source.into() };
            getrandom::fill(&mut random).map_err(|error| failed(io::Error::other(error)))?;
            let name: String = random.iter().map(|byte| format!("{byte:02x}")).collect();
            if let Some(hold) = self.holds.hold(&key_of(&name), HoldMode::Exclusive)? {
                // Another task may have been faster: its name is as good.
                _ = self.name.set((name, hold));
            }
        }
        Ok(self.name.get().map_or("", |(name, _)| name))
    }
}

/// Keeps a run: one that goes on, in a process, or one that has come to its end.
pub(super) fn insert(
    connection: &Connection,
    run: &NewRun,
    process: Option<&str>,
    end: Option<&RunEnd>,
) -> Result<RunId, Error> {
    let about = run.about.as_ref();
    let id = one(
        connection,
        "begin a run",
        "INSERT INTO run (id, origin, what, started, undoes, token, address, request, verb, kind, resource_id, name,
             folded, process, ending, status, outcome, finished, milliseconds)
         SELECT COALESCE(MAX(id), 0) + 1, ?1, ?2, ?3, ?4, ?5, ?6, ?7, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18,
             ?19 FROM
             (SELECT MAX(id) AS id FROM run UNION ALL
              SELECT CAST(value AS BIGINT) AS id FROM setting WHERE name = ?8) AS given
         RETURNING id",
        params![
            run.origin.as_str(),
            run.what,
            run.started,
            run.undoes.map(|RunId(undone)| undone),
            run.requester.as_ref().map(|requester| &requester.token),
            run.requester.as_ref().map(|requester| &requester.address),
            run.requester.as_ref().map(|requester| &requester.request),
            LAST_FORGOTTEN,
            about.and_then(|about| about.verb).map(Verb::as_str),
            about.map(|about| about.kind.as_str()),
            about.and_then(|about| about.id.as_ref()).map(ResourceId::as_str),
            about.and_then(|about| about.name.as_deref()),
            about.and_then(found_by),
            process,
            end.map_or(OPEN, |end| end.ending.as_str()),
            end.and_then(|end| end.status),
            end.and_then(|end| end.outcome.as_deref()),
            end.map(|end| end.finished.as_str()),
            end.map(milliseconds),
        ],
        column,
    )?;
    Ok(RunId(id))
}

pub(super) fn change(connection: &Connection, RunId(run): RunId, noted: &NotedChange) -> Result<i64, Error> {
    one(
        connection,
        "note a change",
        "INSERT INTO run_change (run_id, position, resource_id, reason, change, reverse, lost, dn, new_dn)
         SELECT ?1, COALESCE(MAX(position), 0) + 1, ?2, ?3, ?4, ?5, ?6, ?7, ?8 FROM run_change WHERE run_id = ?1
         RETURNING position",
        params![
            run,
            noted.resource.as_ref().map(ResourceId::as_str),
            noted.reason,
            serde_json::json!(noted.change).to_string(),
            serde_json::json!(noted.reverse).to_string(),
            noted.lost,
            noted.change.dn().normalized(),
            new_name(&noted.change).map(|dn| dn.normalized()),
        ],
        column,
    )
}

pub(super) fn strike(connection: &Connection, RunId(run): RunId, position: i64) -> Result<(), Error> {
    let statement = "DELETE FROM run_change WHERE run_id = ?1 AND position = ?2";
    execute(connection, "take the note of a change back", statement, params![run, position]).map(|_| ())
}

pub(super) fn end(connection: &Connection, RunId(run): RunId, end: &RunEnd) -> Result<(), Error> {
    execute(
        connection,
        "end a run",
        "UPDATE run SET ending = ?2, status = ?3, outcome = ?4, finished = ?5, milliseconds = ?6 WHERE id = ?1",
        params![run, end.ending.as_str(), end.status, end.outcome, end.finished, milliseconds(end)],
    )?;
    Ok(())
}

pub(super) fn undone(connection: &Connection, RunId(run): RunId, position: i64) -> Result<(), Error> {
    let statement = "UPDATE run_change SET undone = 1 WHERE run_id = ?1 AND position = ?2";
    execute(connection, "note that a change was undone", statement, params![run, position]).map(|_| ())
}

/// The key that a process of that name holds.
pub(super) fn key_of(process: &str) -> String {
    format!("process {process}")
}

/// By what a name is found: a `userName` without case, a `displayName` byte for byte.
pub(super) fn folded(kind: Kind, name: &str) -> String {
    match kind {
        Kind::User => fold_case(name),
        Kind::Group => name.to_owned(),
    }
}

fn found_by(about: &About) -> Option<String> {
    about.name.as_deref().map(|name| folded(about.kind, name))
}

fn milliseconds(end: &RunEnd) -> i64 {
    i64::try_from(end.milliseconds).unwrap_or(i64::MAX)
}

/// The name that a change gives an entry.
fn new_name(change: &Change) -> Option<Dn> {
    match change {
        Change::Rename { dn, new_rdn, new_parent } => {
            let parent = new_parent.clone().or_else(|| dn.parent()).unwrap_or_default();
            Some(parent.child(new_rdn.clone()))
        }
        Change::Add { .. } | Change::Modify { .. } | Change::Delete { .. } => None,
    }
}

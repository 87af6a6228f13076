//! The notes of runs and their changes. They go through a connection of their own, which does not sync.

use std::sync::{Arc, OnceLock};

use sqlx::{Sqlite, SqliteConnection, SqlitePool};
use tokio::sync::Mutex;

use super::super::{About, Error, Hold, HoldMode, NewRun, NotedChange, RunEnd, RunId, Verb};
use super::failure;
use super::hold::Holds;
use crate::directory::{Change, Dn};
use crate::scim::index::fold_case;
use crate::scim::{Kind, ResourceId};

/// The setting that keeps the highest id of a run that was forgotten.
pub(super) const LAST_FORGOTTEN: &str = "last run forgotten";

/// What stands where its ending will, of a run that goes on or was cut off.
pub(super) const OPEN: &str = "open";

/// The connection that writes notes. SQLite syncs a commit under `synchronous = FULL` and leaves it to the next one under
/// `NORMAL`; in both the commit is in the log, in the order of commits, for every process that reads.
///
/// It is another connection than the writer's because the setting is one of the connection: to change it there and back
/// costs two statements more, and a write that is given up between them would leave all later ones without a sync.
#[derive(Clone, Debug)]
pub(super) struct Notes {
    /// Not of a pool, which asks after the health of each connection that it gets back.
    connection: Arc<Mutex<SqliteConnection>>,
    /// Taken while a note is written: whoever waits for the pool is served in turn, whoever waits for SQLite's own lock
    /// asks again after pauses.
    writer: SqlitePool,
    holds: Arc<Holds>,
    /// By which runs of this process are told from those of one that is no more.
    process: Arc<OnceLock<(String, Hold)>>,
}

impl Notes {
    pub(super) fn new(connection: SqliteConnection, writer: SqlitePool, holds: Arc<Holds>) -> Notes {
        Notes { connection: Arc::new(Mutex::new(connection)), writer, holds, process: Arc::default() }
    }

    /// The name of this process, held as a key for as long as it lives.
    fn process(&self) -> Result<&str, Error> {
        if self.process.get().is_none() {
            let mut random = [0; 16];
            let failed = |source| Error::Access { attempt: "name this process", source };
            getrandom::fill(&mut random).map_err(|error| failed(sqlx::Error::Io(std::io::Error::other(error))))?;
            let name: String = random.iter().map(|byte| format!("{byte:02x}")).collect();
            if let Some(hold) = self.holds.hold(&key_of(&name), HoldMode::Exclusive)? {
                // Another task may have been faster: its name is as good.
                _ = self.process.set((name, hold));
            }
        }
        Ok(self.process.get().map_or("", |(name, _)| name))
    }

    pub(super) async fn execute(
        &self,
        attempt: &'static str,
        query: sqlx::query::Query<'_, Sqlite, sqlx::sqlite::SqliteArguments>,
    ) -> Result<(), Error> {
        let mut connection = self.connection.lock().await;
        let _turn = self.writer.acquire().await.map_err(failure(attempt))?;
        query.execute(&mut *connection).await.map_err(failure(attempt))?;
        Ok(())
    }

    async fn number(
        &self,
        attempt: &'static str,
        query: sqlx::query::QueryScalar<'_, Sqlite, i64, sqlx::sqlite::SqliteArguments>,
    ) -> Result<i64, Error> {
        let mut connection = self.connection.lock().await;
        let _turn = self.writer.acquire().await.map_err(failure(attempt))?;
        query.fetch_one(&mut *connection).await.map_err(failure(attempt))
    }

    pub(super) async fn begin_run(&self, run: &NewRun) -> Result<RunId, Error> {
        self.insert(run, Some(self.process()?), None).await
    }

    pub(super) async fn keep_run(&self, run: &NewRun, end: &RunEnd) -> Result<RunId, Error> {
        self.insert(run, None, Some(end)).await
    }

    async fn insert(&self, run: &NewRun, process: Option<&str>, end: Option<&RunEnd>) -> Result<RunId, Error> {
        let about = run.about.as_ref();
        let insert = sqlx::query_scalar(
            "INSERT INTO run (id, origin, what, started, undoes, token, address, request, verb, kind, resource_id, name,
                 folded, process, ending, status, outcome, finished, milliseconds)
             SELECT COALESCE(MAX(id), 0) + 1, $1, $2, $3, $4, $5, $6, $7, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18,
                 $19 FROM
                 (SELECT MAX(id) AS id FROM run UNION ALL
                  SELECT CAST(value AS BIGINT) AS id FROM setting WHERE name = $8) AS given
             RETURNING id",
        )
        .bind(run.origin.as_str())
        .bind(&run.what)
        .bind(&run.started)
        .bind(run.undoes.map(|RunId(undone)| undone))
        .bind(run.requester.as_ref().map(|requester| &requester.token))
        .bind(run.requester.as_ref().map(|requester| &requester.address))
        .bind(run.requester.as_ref().map(|requester| &requester.request))
        .bind(LAST_FORGOTTEN)
        .bind(about.and_then(|about| about.verb).map(Verb::as_str))
        .bind(about.map(|about| about.kind.as_str()))
        .bind(about.and_then(|about| about.id.as_ref()).map(ResourceId::as_str))
        .bind(about.and_then(|about| about.name.as_deref()))
        .bind(about.and_then(found_by))
        .bind(process)
        .bind(end.map_or(OPEN, |end| end.ending.as_str()))
        .bind(end.and_then(|end| end.status).map(i64::from))
        .bind(end.and_then(|end| end.outcome.as_deref()))
        .bind(end.map(|end| end.finished.as_str()))
        .bind(end.map(milliseconds));
        self.number("begin a run", insert).await.map(RunId)
    }

    pub(super) async fn change(&self, RunId(run): RunId, noted: &NotedChange) -> Result<i64, Error> {
        let insert = sqlx::query_scalar(
            "INSERT INTO run_change (run_id, position, resource_id, reason, change, reverse, lost, dn, new_dn)
             SELECT $1, COALESCE(MAX(position), 0) + 1, $2, $3, $4, $5, $6, $7, $8 FROM run_change WHERE run_id = $1
             RETURNING position",
        )
        .bind(run)
        .bind(noted.resource.as_ref().map(ResourceId::as_str))
        .bind(&noted.reason)
        .bind(serde_json::json!(noted.change).to_string())
        .bind(serde_json::json!(noted.reverse).to_string())
        .bind(&noted.lost)
        .bind(noted.change.dn().normalized())
        .bind(new_name(&noted.change).map(|dn| dn.normalized()));
        self.number("note a change", insert).await
    }

    pub(super) async fn strike(&self, RunId(run): RunId, position: i64) -> Result<(), Error> {
        let delete = sqlx::query("DELETE FROM run_change WHERE run_id = $1 AND position = $2").bind(run).bind(position);
        self.execute("take the note of a change back", delete).await
    }

    pub(super) async fn end_run(&self, RunId(run): RunId, end: &RunEnd) -> Result<(), Error> {
        let update = sqlx::query(
            "UPDATE run SET ending = $2, status = $3, outcome = $4, finished = $5, milliseconds = $6 WHERE id = $1",
        )
        .bind(run)
        .bind(end.ending.as_str())
        .bind(end.status.map(i64::from))
        .bind(&end.outcome)
        .bind(&end.finished)
        .bind(milliseconds(end));
        self.execute("end a run", update).await
    }

    pub(super) async fn undone(&self, RunId(run): RunId, position: i64) -> Result<(), Error> {
        let update = sqlx::query("UPDATE run_change SET undone = 1 WHERE run_id = $1 AND position = $2");
        self.execute("note that a change was undone", update.bind(run).bind(position)).await
    }
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

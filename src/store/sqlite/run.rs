//! Runs and their changes. The notes go through a connection of their own, which does not sync.

use std::sync::Arc;

use sqlx::{Sqlite, SqliteConnection, SqlitePool};
use tokio::sync::Mutex;

use super::super::{Error, NewRun, NotedChange, Origin, Requester, RunId, RunRecord};
use super::{begin, commit, failure};
use crate::scim::ResourceId;

/// How many runs are forgotten in one transaction, so that nobody waits long behind it.
const CHUNK_OF_RUNS: i64 = 500;

/// The setting that keeps the highest id of a run that was forgotten.
const LAST_FORGOTTEN: &str = "last run forgotten";

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
}

impl Notes {
    pub(super) fn new(connection: SqliteConnection, writer: SqlitePool) -> Notes {
        Notes { connection: Arc::new(Mutex::new(connection)), writer }
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
        let insert = sqlx::query_scalar(
            "INSERT INTO run (id, origin, what, started, undoes, token, address, request)
             SELECT COALESCE(MAX(id), 0) + 1, $1, $2, $3, $4, $5, $6, $7 FROM
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
        .bind(LAST_FORGOTTEN);
        self.number("begin a run", insert).await.map(RunId)
    }

    pub(super) async fn change(&self, RunId(run): RunId, noted: &NotedChange) -> Result<i64, Error> {
        let insert = sqlx::query_scalar(
            "INSERT INTO run_change (run_id, position, resource_id, reason, change, reverse, lost)
             SELECT $1, COALESCE(MAX(position), 0) + 1, $2, $3, $4, $5, $6 FROM run_change WHERE run_id = $1
             RETURNING position",
        )
        .bind(run)
        .bind(noted.resource.as_ref().map(ResourceId::as_str))
        .bind(&noted.reason)
        .bind(serde_json::json!(noted.change).to_string())
        .bind(serde_json::json!(noted.reverse).to_string())
        .bind(&noted.lost);
        self.number("note a change", insert).await
    }

    pub(super) async fn strike(&self, RunId(run): RunId, position: i64) -> Result<(), Error> {
        let delete = sqlx::query("DELETE FROM run_change WHERE run_id = $1 AND position = $2").bind(run).bind(position);
        self.execute("take the note of a change back", delete).await
    }

    pub(super) async fn end_run(&self, RunId(run): RunId, outcome: &str, now: &str) -> Result<(), Error> {
        let update = sqlx::query("UPDATE run SET outcome = $2, finished = $3 WHERE id = $1");
        self.execute("end a run", update.bind(run).bind(outcome).bind(now)).await
    }

    pub(super) async fn undone(&self, RunId(run): RunId, position: i64) -> Result<(), Error> {
        let update = sqlx::query("UPDATE run_change SET undone = 1 WHERE run_id = $1 AND position = $2");
        self.execute("note that a change was undone", update.bind(run).bind(position)).await
    }
}

/// A run's row with its counts.
#[derive(sqlx::FromRow)]
struct RunRow {
    id: i64,
    origin: String,
    what: String,
    started: String,
    finished: Option<String>,
    outcome: Option<String>,
    undoes: Option<i64>,
    token: Option<String>,
    address: Option<String>,
    request: Option<String>,
    changes: i64,
    undone: i64,
}

impl RunRow {
    fn record(self) -> Result<RunRecord, Error> {
        let id = RunId(self.id);
        Ok(RunRecord {
            id,
            origin: Origin::named(&self.origin).ok_or(Error::DamagedRun { what: "origin", run: id })?,
            what: self.what,
            started: self.started,
            finished: self.finished,
            outcome: self.outcome,
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

/// The latest runs, of all or of one id.
pub(super) async fn latest(reader: &SqlitePool, only: Option<RunId>, limit: u32) -> Result<Vec<RunRecord>, Error> {
    let (from, to) = only.map_or((i64::MIN, i64::MAX), |RunId(id)| (id, id));
    let rows: Vec<RunRow> = sqlx::query_as(
        "SELECT id, origin, what, started, finished, outcome, undoes, token, address, request,
                (SELECT COUNT(*) FROM run_change WHERE run_id = run.id) AS changes,
                (SELECT COUNT(*) FROM run_change WHERE run_id = run.id AND undone = 1) AS undone
         FROM run WHERE id BETWEEN $1 AND $2 ORDER BY id DESC LIMIT $3",
    )
    .bind(from)
    .bind(to)
    .bind(i64::from(limit))
    .fetch_all(reader)
    .await
    .map_err(failure("read runs"))?;
    rows.into_iter().map(RunRow::record).collect()
}

#[derive(sqlx::FromRow)]
struct ChangeRow {
    position: i64,
    resource_id: Option<String>,
    reason: String,
    change: String,
    reverse: String,
    lost: Option<String>,
}

impl ChangeRow {
    fn noted(self, run: RunId) -> Result<(i64, NotedChange), Error> {
        let damaged = |_| Error::DamagedRun { what: "change", run };
        let noted = NotedChange {
            resource: self.resource_id.map(ResourceId),
            reason: self.reason,
            change: serde_json::from_str(&self.change).map_err(damaged)?,
            reverse: serde_json::from_str(&self.reverse).map_err(damaged)?,
            lost: self.lost,
        };
        Ok((self.position, noted))
    }
}

pub(super) async fn changes(
    reader: &SqlitePool,
    run: RunId,
    before: Option<i64>,
    limit: u32,
) -> Result<Vec<(i64, NotedChange)>, Error> {
    let rows: Vec<ChangeRow> = sqlx::query_as(
        "SELECT position, resource_id, reason, change, reverse, lost FROM run_change
         WHERE run_id = $1 AND position < $2 AND undone = 0 ORDER BY position DESC LIMIT $3",
    )
    .bind(run.0)
    .bind(before.unwrap_or(i64::MAX))
    .bind(i64::from(limit))
    .fetch_all(reader)
    .await
    .map_err(failure("read the changes of a run"))?;
    rows.into_iter().map(|row| row.noted(run)).collect()
}

pub(super) async fn forget(writer: &SqlitePool, before: &str) -> Result<u64, Error> {
    let attempt = "forget old runs";
    let mut forgotten = 0;
    loop {
        let mut write = begin(writer).await?;
        let ids: Vec<i64> = sqlx::query_scalar(
            "DELETE FROM run WHERE id IN
                 (SELECT id FROM run WHERE COALESCE(finished, started) < $1 ORDER BY id LIMIT $2) RETURNING id",
        )
        .bind(before)
        .bind(CHUNK_OF_RUNS)
        .fetch_all(&mut *write)
        .await
        .map_err(failure(attempt))?;
        for id in &ids {
            let done = sqlx::query("DELETE FROM run_change WHERE run_id = $1").bind(id).execute(&mut *write).await;
            done.map_err(failure(attempt))?;
        }
        let Some(highest) = ids.iter().max() else {
            return Ok(forgotten);
        };
        sqlx::query(
            "INSERT INTO setting (name, value) VALUES ($1, $2) ON CONFLICT (name) DO UPDATE SET value = excluded.value
             WHERE CAST(setting.value AS BIGINT) < CAST(excluded.value AS BIGINT)",
        )
        .bind(LAST_FORGOTTEN)
        .bind(highest.to_string())
        .execute(&mut *write)
        .await
        .map_err(failure(attempt))?;
        commit(write).await?;
        forgotten += ids.len() as u64;
    }
}

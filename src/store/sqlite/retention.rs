//! Forgetting what was done, by age and by size. In small transactions, between which everybody else gets a turn.
//!
//! The pages that become free are used again; the file does not shrink.

use sqlx::sqlite::SqliteConnection;
use sqlx::{Sqlite, SqlitePool, Transaction};

use super::super::Error;
use super::run::LAST_FORGOTTEN;
use super::{begin, commit, failure};

/// How many runs are forgotten in one transaction, so that nobody waits long behind it.
const RUNS_AT_ONCE: i64 = 500;
/// The same of changes: a run may have made a hundred thousand.
const CHANGES_AT_ONCE: i64 = 5_000;

/// The setting that keeps up to which run nothing can be undone any more.
const LAST_IRREVERSIBLE: &str = "last run that cannot be undone";

pub(super) async fn forget_runs(writer: &SqlitePool, before: &str) -> Result<u64, Error> {
    let mut forgotten = 0;
    while let Some((last, number)) = oldest(writer, 0, before, RUNS_AT_ONCE).await? {
        forget_to(writer, last).await?;
        forgotten += number;
    }
    Ok(forgotten)
}

/// The highest of the oldest runs after one, as long as they are old, and how many they are; `None` when there are none.
async fn oldest(writer: &SqlitePool, after: i64, before: &str, limit: i64) -> Result<Option<(i64, u64)>, Error> {
    let rows: Vec<(i64, String)> =
        sqlx::query_as("SELECT id, COALESCE(finished, started) FROM run WHERE id > $1 ORDER BY id LIMIT $2")
            .bind(after)
            .bind(limit)
            .fetch_all(writer)
            .await
            .map_err(failure("look for old runs"))?;
    let old: Vec<i64> = rows.into_iter().take_while(|(_, time)| time.as_str() < before).map(|(id, _)| id).collect();
    Ok(old.last().map(|last| (*last, old.len() as u64)))
}

/// Forgets all runs up to one.
async fn forget_to(writer: &SqlitePool, last: i64) -> Result<(), Error> {
    let attempt = "forget old runs";
    loop {
        let gone = sqlx::query(
            "DELETE FROM run_change WHERE rowid IN
                 (SELECT rowid FROM run_change WHERE run_id <= $1 ORDER BY run_id, position LIMIT $2)",
        )
        .bind(last)
        .bind(CHANGES_AT_ONCE)
        .execute(writer)
        .await
        .map_err(failure(attempt))?;
        if gone.rows_affected() < CHANGES_AT_ONCE.unsigned_abs() {
            break;
        }
    }
    let mut write: Transaction<'static, Sqlite> = begin(writer).await?;
    sqlx::query("DELETE FROM run WHERE id <= $1").bind(last).execute(&mut *write).await.map_err(failure(attempt))?;
    keep_highest(&mut write, LAST_FORGOTTEN, last).await?;
    commit(write).await
}

async fn keep_highest(write: &mut SqliteConnection, setting: &str, number: i64) -> Result<(), Error> {
    sqlx::query(
        "INSERT INTO setting (name, value) VALUES ($1, $2) ON CONFLICT (name) DO UPDATE SET value = excluded.value
         WHERE CAST(setting.value AS BIGINT) < CAST(excluded.value AS BIGINT)",
    )
    .bind(setting)
    .bind(number.to_string())
    .execute(write)
    .await
    .map_err(failure("note what is forgotten"))?;
    Ok(())
}

pub(super) async fn forget_runs_beyond(reader: &SqlitePool, writer: &SqlitePool, bytes: u64) -> Result<u64, Error> {
    let mut forgotten = 0;
    loop {
        let size = size(reader, bytes).await?;
        let Some(excess) = size.checked_sub(bytes).filter(|excess| *excess > 0) else {
            return Ok(forgotten);
        };
        let runs: i64 =
            sqlx::query_scalar("SELECT COUNT(*) FROM run").fetch_one(reader).await.map_err(failure("count runs"))?;
        // As many as are of that size on the average, and then it is seen what is left.
        let average = size / runs.unsigned_abs().max(1) + 1;
        let mut surplus = (excess / average + 1).min(runs.unsigned_abs());
        if surplus == 0 {
            return Ok(forgotten);
        }
        while surplus > 0 {
            let chunk = surplus.min(RUNS_AT_ONCE.unsigned_abs());
            let limit = i64::try_from(chunk).unwrap_or(RUNS_AT_ONCE);
            // Later than any time.
            let Some((last, number)) = oldest(writer, 0, "~", limit).await? else {
                return Ok(forgotten);
            };
            forget_to(writer, last).await?;
            forgotten += number;
            surplus = surplus.saturating_sub(number);
        }
    }
}

/// How many bytes of content the runs have, indexes included. Counting reads all of it: where the whole file is no larger
/// than `enough`, there is no need to.
async fn size(reader: &SqlitePool, enough: u64) -> Result<u64, Error> {
    let attempt = "measure what is kept of runs";
    let file: i64 = sqlx::query_scalar("SELECT page_count * page_size FROM pragma_page_count, pragma_page_size")
        .fetch_one(reader)
        .await
        .map_err(failure(attempt))?;
    if file.unsigned_abs() <= enough {
        return Ok(file.unsigned_abs().min(enough));
    }
    let size: i64 = sqlx::query_scalar(
        "SELECT COALESCE(SUM(payload), 0) FROM dbstat WHERE aggregate = TRUE
             AND name IN (SELECT name FROM sqlite_schema WHERE tbl_name IN ('run', 'run_change'))",
    )
    .fetch_one(reader)
    .await
    .map_err(failure(attempt))?;
    Ok(size.unsigned_abs())
}

pub(super) async fn forget_reverses(writer: &SqlitePool, before: &str) -> Result<u64, Error> {
    let attempt = "forget what undoes old runs";
    let done: Option<i64> = sqlx::query_scalar("SELECT CAST(value AS BIGINT) FROM setting WHERE name = $1")
        .bind(LAST_IRREVERSIBLE)
        .fetch_optional(writer)
        .await
        .map_err(failure(attempt))?;
    let (mut done, mut forgotten) = (done.unwrap_or(0), 0);
    while let Some((last, _)) = oldest(writer, done, before, RUNS_AT_ONCE).await? {
        loop {
            let gone = sqlx::query(
                "UPDATE run_change SET reverse = NULL WHERE rowid IN
                     (SELECT rowid FROM run_change WHERE run_id > $1 AND run_id <= $2 AND reverse IS NOT NULL LIMIT $3)",
            )
            .bind(done)
            .bind(last)
            .bind(CHANGES_AT_ONCE)
            .execute(writer)
            .await
            .map_err(failure(attempt))?
            .rows_affected();
            forgotten += gone;
            if gone < CHANGES_AT_ONCE.unsigned_abs() {
                break;
            }
        }
        let mut write = begin(writer).await?;
        keep_highest(&mut write, LAST_IRREVERSIBLE, last).await?;
        commit(write).await?;
        done = last;
    }
    Ok(forgotten)
}

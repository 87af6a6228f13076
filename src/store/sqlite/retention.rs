//! Forgetting what was done, by age and by size. In small transactions, between which everybody else gets a turn.
//!
//! The pages that become free are used again; the file does not shrink.

use rusqlite::{Connection, params};

use super::super::Error;
use super::database::Database;
use super::run::LAST_FORGOTTEN;
use super::statement::{all, column, execute, first, one};

/// How many runs are forgotten in one transaction, so that nobody waits long behind it.
const RUNS_AT_ONCE: i64 = 500;
/// The same of changes: a run may have made a hundred thousand.
const CHANGES_AT_ONCE: i64 = 5_000;

/// The setting that keeps up to which run nothing can be undone any more.
const LAST_IRREVERSIBLE: &str = "last run that cannot be undone";

pub(super) async fn forget_runs(database: &Database, before: &str) -> Result<u64, Error> {
    let mut forgotten = 0;
    while let Some((last, number)) = oldest(database, 0, before, RUNS_AT_ONCE).await? {
        forget_to(database, last).await?;
        forgotten += number;
    }
    Ok(forgotten)
}

/// Writes, and then gives everybody else a turn: a write that finds nobody in its way does not stop for anything.
async fn step<T>(database: &Database, work: impl FnOnce(&Connection) -> Result<T, Error>) -> Result<T, Error> {
    let written = database.write(work).await?;
    tokio::task::yield_now().await;
    Ok(written)
}

/// The highest of the oldest runs after one, as long as they are old, and how many they are; `None` when there are none.
async fn oldest(database: &Database, after: i64, before: &str, limit: i64) -> Result<Option<(i64, u64)>, Error> {
    let rows: Vec<(i64, String)> = database
        .read(|connection| {
            all(
                connection,
                "look for old runs",
                "SELECT id, COALESCE(finished, started) FROM run WHERE id > ?1 ORDER BY id LIMIT ?2",
                params![after, limit],
                |row| Ok((row.get(0)?, row.get(1)?)),
            )
        })
        .await?;
    let old: Vec<i64> = rows.into_iter().take_while(|(_, time)| time.as_str() < before).map(|(id, _)| id).collect();
    Ok(old.last().map(|last| (*last, old.len() as u64)))
}

/// Forgets all runs up to one.
async fn forget_to(database: &Database, last: i64) -> Result<(), Error> {
    let attempt = "forget old runs";
    loop {
        let gone = step(database, |connection| {
            execute(
                connection,
                attempt,
                "DELETE FROM run_change WHERE rowid IN
                 (SELECT rowid FROM run_change WHERE run_id <= ?1 ORDER BY run_id, position LIMIT ?2)",
                params![last, CHANGES_AT_ONCE],
            )
        });
        if (gone.await? as u64) < CHANGES_AT_ONCE.unsigned_abs() {
            break;
        }
    }
    step(database, |connection| {
        execute(connection, attempt, "DELETE FROM run WHERE id <= ?1", params![last])?;
        keep_highest(connection, LAST_FORGOTTEN, last)
    })
    .await
}

fn keep_highest(connection: &Connection, setting: &str, number: i64) -> Result<(), Error> {
    execute(
        connection,
        "note what is forgotten",
        "INSERT INTO setting (name, value) VALUES (?1, ?2) ON CONFLICT (name) DO UPDATE SET value = excluded.value
         WHERE CAST(setting.value AS BIGINT) < CAST(excluded.value AS BIGINT)",
        params![setting, number.to_string()],
    )?;
    Ok(())
}

pub(super) async fn forget_runs_beyond(database: &Database, bytes: u64) -> Result<u64, Error> {
    let mut forgotten = 0;
    loop {
        let size = database.read_aside(move |connection| size(connection, bytes)).await?;
        let Some(excess) = size.checked_sub(bytes).filter(|excess| *excess > 0) else {
            return Ok(forgotten);
        };
        let runs: i64 = database
            .read_aside(|connection| one(connection, "count runs", "SELECT COUNT(*) FROM run", [], column))
            .await?;
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
            let Some((last, number)) = oldest(database, 0, "~", limit).await? else {
                return Ok(forgotten);
            };
            forget_to(database, last).await?;
            forgotten += number;
            surplus = surplus.saturating_sub(number);
        }
    }
}

/// How many bytes of content the runs have, indexes included. Counting reads all of it: where the whole file is no larger
/// than `enough`, there is no need to.
fn size(connection: &Connection, enough: u64) -> Result<u64, Error> {
    let attempt = "measure what is kept of runs";
    let file: i64 =
        one(connection, attempt, "SELECT page_count * page_size FROM pragma_page_count, pragma_page_size", [], column)?;
    if file.unsigned_abs() <= enough {
        return Ok(file.unsigned_abs().min(enough));
    }
    let size: i64 = one(
        connection,
        attempt,
        "SELECT COALESCE(SUM(payload), 0) FROM dbstat WHERE aggregate = TRUE
             AND name IN (SELECT name FROM sqlite_schema WHERE tbl_name IN ('run', 'run_change'))",
        [],
        column,
    )?;
    Ok(size.unsigned_abs())
}

pub(super) async fn forget_reverses(database: &Database, before: &str) -> Result<u64, Error> {
    let attempt = "forget what undoes old runs";
    let done: Option<i64> = database
        .read(|connection| {
            let statement = "SELECT CAST(value AS BIGINT) FROM setting WHERE name = ?1";
            first(connection, attempt, statement, params![LAST_IRREVERSIBLE], column)
        })
        .await?;
    let (mut done, mut forgotten) = (done.unwrap_or(0), 0);
    while let Some((last, _)) = oldest(database, done, before, RUNS_AT_ONCE).await? {
        loop {
            let gone = step(database, |connection| {
                execute(
                    connection,
                    attempt,
                    "UPDATE run_change SET reverse = NULL WHERE rowid IN
                     (SELECT rowid FROM run_change WHERE run_id > ?1 AND run_id <= ?2 AND reverse IS NOT NULL LIMIT ?3)",
                    params![done, last, CHANGES_AT_ONCE],
                )
            });
            let gone = gone.await? as u64;
            forgotten += gone;
            if gone < CHANGES_AT_ONCE.unsigned_abs() {
                break;
            }
        }
        step(database, |connection| keep_highest(connection, LAST_IRREVERSIBLE, last)).await?;
        done = last;
    }
    Ok(forgotten)
}

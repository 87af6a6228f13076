//! Settings that are kept with the state, and whether anything can be kept at all.

use std::path::Path;

use sqlx::SqlitePool;

use super::super::Error;
use super::failure;

/// The setting that is written to see whether anything can be.
const WRITABLE: &str = "writable";

pub(super) async fn get(reader: &SqlitePool, name: &str) -> Result<Option<String>, Error> {
    sqlx::query_scalar("SELECT value FROM setting WHERE name = $1")
        .bind(name)
        .fetch_optional(reader)
        .await
        .map_err(failure("read a setting"))
}

pub(super) async fn set(writer: &SqlitePool, name: &str, value: Option<&str>) -> Result<(), Error> {
    let query = match value {
        Some(value) => sqlx::query(
            "INSERT INTO setting (name, value) VALUES ($1, $2) ON CONFLICT (name) DO UPDATE SET value = excluded.value",
        )
        .bind(name)
        .bind(value),
        None => sqlx::query("DELETE FROM setting WHERE name = $1").bind(name),
    };
    query.execute(writer).await.map(|_| ()).map_err(failure("keep a setting"))
}

/// Writes a row, to the disk: a write that is taken back would not notice a disk that is full.
pub(super) async fn prove_writable(writer: &SqlitePool) -> Result<(), Error> {
    const ATTEMPT: &str = "write to the store";
    let options = writer.connect_options();
    // SQLite goes on writing to a file that nobody can open any more.
    std::fs::metadata::<&Path>(options.get_filename())
        .map_err(|source| Error::Access { attempt: ATTEMPT, source: source.into() })?;
    let written = sqlx::query(
        "INSERT INTO setting (name, value) VALUES ($1, '1') ON CONFLICT (name) DO UPDATE SET value = 1 - value",
    );
    written.bind(WRITABLE).execute(writer).await.map(|_| ()).map_err(failure(ATTEMPT))
}

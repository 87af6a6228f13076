//! Settings that are kept with the state, and whether anything can be kept at all.

use std::path::Path;

use rusqlite::{Connection, params};

use super::super::Error;
use super::statement::{column, execute, first};

/// The setting that is written to see whether anything can be.
const WRITABLE: &str = "writable";

pub(super) fn get(connection: &Connection, name: &str) -> Result<Option<String>, Error> {
    first(connection, "read a setting", "SELECT value FROM setting WHERE name = ?1", params![name], column)
}

pub(super) fn set(connection: &Connection, name: &str, value: Option<&str>) -> Result<(), Error> {
    let attempt = "keep a setting";
    match value {
        Some(value) => execute(
            connection,
            attempt,
            "INSERT INTO setting (name, value) VALUES (?1, ?2) ON CONFLICT (name) DO UPDATE SET value = excluded.value",
            params![name, value],
        )?,
        None => execute(connection, attempt, "DELETE FROM setting WHERE name = ?1", params![name])?,
    };
    Ok(())
}

/// Writes a row, to the disk: a write that is taken back would not notice a disk that is full.
pub(super) fn prove_writable(connection: &Connection, path: &Path) -> Result<(), Error> {
    const ATTEMPT: &str = "write to the store";
    // SQLite goes on writing to a file that nobody can open any more.
    std::fs::metadata(path).map_err(|source| Error::Access { attempt: ATTEMPT, source: source.into() })?;
    execute(
        connection,
        ATTEMPT,
        "INSERT INTO setting (name, value) VALUES (?1, '1') ON CONFLICT (name) DO UPDATE SET value = 1 - value",
        params![WRITABLE],
    )?;
    Ok(())
}

//! How the file came to its present form, step by step. `user_version` tells how far it is.

use rusqlite::Connection;
use rusqlite_migration::{M, Migrations};

/// All steps. What was done once is never changed, only added to.
const STEPS: &[M<'static>] =
    &[M::up(include_str!("../migrations/0001_first.sql")), M::up(include_str!("../migrations/0002_lean.sql"))];

pub(super) fn run(connection: &mut Connection) -> Result<(), rusqlite_migration::Error> {
    take_over(connection)?;
    Migrations::from_slice(STEPS).to_latest(connection)
}

/// Versions of the program before the second step have noted the first in a table of their own.
fn take_over(connection: &Connection) -> rusqlite::Result<()> {
    let noted = "SELECT EXISTS (SELECT 1 FROM sqlite_schema WHERE type = 'table' AND name = '_sqlx_migrations')";
    if connection.query_row(noted, [], |row| row.get(0))? {
        connection.execute_batch("BEGIN; DROP TABLE _sqlx_migrations; PRAGMA user_version = 1; COMMIT;")?;
    }
    Ok(())
}

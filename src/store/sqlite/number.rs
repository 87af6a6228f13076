//! Numbers that were given to entries.

use rusqlite::{Connection, params};

use super::super::Error;
use super::failure_or_taken;
use super::statement::{all, column, execute, execute_with, one};
use crate::directory::{AttributeName, NumberRange};
use crate::scim::ResourceId;

pub(super) fn of(connection: &Connection, id: &ResourceId, attribute: &AttributeName) -> Result<Vec<u64>, Error> {
    let numbers: Vec<i64> = all(
        connection,
        "look a number up",
        "SELECT number FROM number WHERE resource_id = ?1 AND attribute = ?2 ORDER BY number DESC",
        params![id.as_str(), attribute.folded()],
        column,
    )?;
    Ok(numbers.into_iter().map(i64::unsigned_abs).collect())
}

pub(super) fn highest(
    connection: &Connection,
    attribute: &AttributeName,
    range: NumberRange,
) -> Result<Option<u64>, Error> {
    // What somebody had who is gone says nothing of how far the others are.
    let highest: Option<i64> = one(
        connection,
        "look for a free number",
        "SELECT MAX(number) FROM number WHERE attribute = ?1 AND number BETWEEN ?2 AND ?3 AND resource_id IS NOT NULL",
        params![attribute.folded(), range.from, range.to],
        column,
    )?;
    Ok(highest.map(i64::unsigned_abs))
}

pub(super) fn take(
    connection: &Connection,
    attribute: &AttributeName,
    number: u64,
    for_whom: Option<&ResourceId>,
) -> Result<(), Error> {
    execute_with(
        connection,
        "INSERT INTO number (attribute, number, resource_id) VALUES (?1, ?2, ?3)",
        params![attribute.folded(), i64::try_from(number).unwrap_or(i64::MAX), for_whom.map(ResourceId::as_str)],
        failure_or_taken("take a number", &format!("the number {number} of {attribute}")),
    )?;
    Ok(())
}

/// Gives the numbers of a resource that never came to be back.
pub(super) fn release(connection: &Connection, id: &ResourceId) -> Result<(), Error> {
    execute(connection, "give numbers back", "DELETE FROM number WHERE resource_id = ?1", params![id.as_str()])?;
    Ok(())
}

//! Numbers that were given to entries.

use sqlx::{SqliteConnection, SqlitePool};

use super::super::Error;
use super::{failure, failure_or_taken};
use crate::directory::{AttributeName, NumberRange};
use crate::scim::ResourceId;

pub(super) async fn of(reader: &SqlitePool, id: &ResourceId, attribute: &AttributeName) -> Result<Vec<u64>, Error> {
    let numbers: Vec<i64> =
        sqlx::query_scalar("SELECT number FROM number WHERE resource_id = $1 AND attribute = $2 ORDER BY number DESC")
            .bind(id.as_str())
            .bind(attribute.folded())
            .fetch_all(reader)
            .await
            .map_err(failure("look a number up"))?;
    Ok(numbers.into_iter().map(i64::unsigned_abs).collect())
}

pub(super) async fn highest(
    reader: &SqlitePool,
    attribute: &AttributeName,
    range: NumberRange,
) -> Result<Option<u64>, Error> {
    let highest: Option<i64> =
        // What somebody had who is gone says nothing of how far the others are.
        sqlx::query_scalar(
            "SELECT MAX(number) FROM number WHERE attribute = $1 AND number BETWEEN $2 AND $3 AND resource_id IS NOT NULL",
        )
            .bind(attribute.folded())
            .bind(i64::from(range.from))
            .bind(i64::from(range.to))
            .fetch_one(reader)
            .await
            .map_err(failure("look for a free number"))?;
    Ok(highest.map(i64::unsigned_abs))
}

pub(super) async fn take(
    writer: &SqlitePool,
    attribute: &AttributeName,
    number: u64,
    for_whom: Option<&ResourceId>,
) -> Result<(), Error> {
    sqlx::query("INSERT INTO number (attribute, number, resource_id) VALUES ($1, $2, $3)")
        .bind(attribute.folded())
        .bind(i64::try_from(number).unwrap_or(i64::MAX))
        .bind(for_whom.map(ResourceId::as_str))
        .execute(writer)
        .await
        .map_err(failure_or_taken("take a number", &format!("the number {number} of {attribute}")))?;
    Ok(())
}

/// Gives the numbers of a resource that never came to be back.
pub(super) async fn release(connection: &mut SqliteConnection, id: &ResourceId) -> Result<(), Error> {
    sqlx::query("DELETE FROM number WHERE resource_id = $1")
        .bind(id.as_str())
        .execute(connection)
        .await
        .map_err(failure("give numbers back"))?;
    Ok(())
}

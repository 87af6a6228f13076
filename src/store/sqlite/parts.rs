//! The parts of writes that several writes share.

use sqlx::{QueryBuilder, Sqlite, SqliteConnection};

use super::super::Error;
use super::{CHUNK, failure};
use crate::scim::index::IndexEntry;
use crate::scim::{Kind, ResourceId};

pub(super) async fn claim(connection: &mut SqliteConnection, id: &ResourceId, name: &str) -> Result<(), Error> {
    // A claim that is its owner's already changes nothing; another's matches no row.
    let done = sqlx::query(
        "INSERT INTO name_claim (name, resource_id) VALUES ($1, $2)
         ON CONFLICT (name) DO UPDATE SET resource_id = excluded.resource_id
         WHERE name_claim.resource_id = excluded.resource_id",
    )
    .bind(name)
    .bind(id.as_str())
    .execute(connection)
    .await
    .map_err(failure("claim a name"))?;
    if done.rows_affected() == 0 {
        return Err(Error::Taken { what: format!("the userName {name:?}") });
    }
    Ok(())
}

pub(super) async fn write_lookups(
    connection: &mut SqliteConnection,
    kind: Kind,
    id: &ResourceId,
    entries: &[IndexEntry],
) -> Result<(), Error> {
    let attempt = "write lookups";
    sqlx::query("DELETE FROM lookup WHERE resource_id = $1")
        .bind(id.as_str())
        .execute(&mut *connection)
        .await
        .map_err(failure(attempt))?;
    for chunk in entries.chunks(CHUNK / 2) {
        let mut query: QueryBuilder<Sqlite> =
            QueryBuilder::new("INSERT INTO lookup (kind, attribute, value, resource_id) ");
        query.push_values(chunk, |mut row, entry| {
            row.push_bind(kind.as_str()).push_bind(&entry.key).push_bind(&entry.value).push_bind(id.as_str());
        });
        query.build().execute(&mut *connection).await.map_err(failure(attempt))?;
    }
    Ok(())
}

/// Counts the versions of those up that are found under a value.
pub(super) async fn count_up(connection: &mut SqliteConnection, found: Option<&IndexEntry>) -> Result<(), Error> {
    let Some(entry) = found else {
        return Ok(());
    };
    sqlx::query(
        "UPDATE resource SET version = version + 1 WHERE document IS NOT NULL
         AND id IN (SELECT resource_id FROM lookup WHERE kind = 'User' AND attribute = $1 AND value = $2)",
    )
    .bind(&entry.key)
    .bind(&entry.value)
    .execute(connection)
    .await
    .map_err(failure("count versions up"))?;
    Ok(())
}

pub(super) async fn delete_rows(connection: &mut SqliteConnection, id: &ResourceId) -> Result<(), Error> {
    for statement in [
        "DELETE FROM lookup WHERE resource_id = $1",
        "DELETE FROM name_claim WHERE resource_id = $1",
        "DELETE FROM member WHERE group_id = $1 OR member_id = $1",
        "DELETE FROM resource WHERE id = $1",
    ] {
        let done = sqlx::query(statement).bind(id.as_str()).execute(&mut *connection).await;
        done.map_err(failure("remove a resource"))?;
    }
    Ok(())
}

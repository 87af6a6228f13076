//! The parts of writes that several writes share.

use sqlx::{QueryBuilder, Sqlite, SqliteConnection};

use super::super::{Adopted, Error, MemberState};
use super::row::{document_text, state_text};
use super::{CHUNK, failure, failure_or_taken};
use crate::directory::Value;
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
    insert_lookups(connection, kind, id, entries).await
}

async fn insert_lookups(
    connection: &mut SqliteConnection,
    kind: Kind,
    id: &ResourceId,
    entries: &[IndexEntry],
) -> Result<(), Error> {
    for chunk in entries.chunks(CHUNK / 2) {
        let mut query: QueryBuilder<Sqlite> =
            QueryBuilder::new("INSERT INTO lookup (kind, attribute, value, resource_id) ");
        query.push_values(chunk, |mut row, entry| {
            row.push_bind(kind.as_str()).push_bind(&entry.key).push_bind(&entry.value).push_bind(id.as_str());
        });
        query.build().execute(&mut *connection).await.map_err(failure("write lookups"))?;
    }
    Ok(())
}

/// Writes the state of members of a group.
pub(super) async fn insert_members(
    connection: &mut SqliteConnection,
    group: &ResourceId,
    members: &[(ResourceId, MemberState)],
) -> Result<(), Error> {
    for chunk in members.chunks(CHUNK) {
        let mut query: QueryBuilder<Sqlite> = QueryBuilder::new("INSERT INTO member (group_id, member_id, state) ");
        query.push_values(chunk, |mut row, (member, state)| {
            row.push_bind(group.as_str()).push_bind(member.as_str()).push_bind(state_text(*state));
        });
        query.push(" ON CONFLICT (group_id, member_id) DO UPDATE SET state = excluded.state");
        query.build().execute(&mut *connection).await.map_err(failure("save members"))?;
    }
    Ok(())
}

/// The rows of a resource whose entry is there already.
pub(super) async fn insert_adopted(connection: &mut SqliteConnection, adopted: &Adopted) -> Result<(), Error> {
    let Adopted { kind, settled, members } = adopted;
    sqlx::query(
        "INSERT INTO resource (id, kind, document, version, created, modified, anchor, dn, member_key, answered,
             may_be_disabled, merged)
         VALUES ($1, $2, $3, 1, $4, $4, $5, $6, $7, $8, 0, 0)",
    )
    .bind(settled.id.as_str())
    .bind(kind.as_str())
    .bind(document_text(&settled.document))
    .bind(&settled.now)
    .bind(&settled.link.anchor.0)
    .bind(settled.link.dn.to_string())
    .bind(settled.link.key.as_ref().map(Value::as_bytes))
    .bind(i64::from(settled.answered))
    .execute(&mut *connection)
    .await
    .map_err(failure_or_taken("record what is adopted", &settled.link.dn.to_string()))?;
    if let Some(name) = &settled.name_claim {
        claim(connection, &settled.id, name).await?;
    }
    insert_lookups(connection, *kind, &settled.id, &settled.index).await?;
    let members: Vec<(ResourceId, MemberState)> =
        members.iter().map(|member| (member.clone(), MemberState::Settled)).collect();
    insert_members(connection, &settled.id, &members).await
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

//! What is wanted of a resource, and how it comes to be settled, turned around or given up.

use sqlx::{SqliteConnection, SqlitePool};

use super::super::{Error, Intent, Settled, Wanted};
use super::parts::{claim, count_up, delete_rows, insert_members, write_lookups};
use super::row::{Row, document_text};
use super::{begin, commit, failure, failure_or_taken, number};
use crate::directory::{Link, Value};
use crate::scim::index::IndexEntry;
use crate::scim::{Document, Kind, Resource, ResourceId};

pub(super) async fn want(writer: &SqlitePool, wanted: &Wanted) -> Result<(), Error> {
    let mut write = begin(writer).await?;
    let connection: &mut SqliteConnection = &mut write;
    if let Some(intent) = &wanted.intent {
        let (text, document) = match intent {
            Intent::Put(document) => ("put", Some(document_text(document))),
            Intent::Delete => ("delete", None),
        };
        sqlx::query(
            "INSERT INTO resource (id, kind, version, created, modified, intent, intent_document, answered, may_be_disabled,
                 merged)
             VALUES ($1, $2, 0, $3, $3, $4, $5, 0, 0, 0)
             ON CONFLICT (id) DO UPDATE SET intent = excluded.intent, intent_document = excluded.intent_document,
                 merged = CASE WHEN resource.intent = 'put' THEN 1 ELSE 0 END",
        )
        .bind(wanted.id.as_str())
        .bind(wanted.kind.as_str())
        .bind(&wanted.now)
        .bind(text)
        .bind(document)
        .execute(&mut *connection)
        .await
        .map_err(failure("save an intent"))?;
    }
    if let Some(name) = &wanted.name_claim {
        claim(connection, &wanted.id, name).await?;
    }
    if wanted.may_be_disabled {
        sqlx::query("UPDATE resource SET may_be_disabled = 1 WHERE id = $1")
            .bind(wanted.id.as_str())
            .execute(&mut *connection)
            .await
            .map_err(failure("save an intent"))?;
    }
    insert_members(connection, &wanted.id, &wanted.members).await?;
    sqlx::query("UPDATE resource SET pending_since = $2 WHERE id = $1 AND pending_since IS NULL")
        .bind(wanted.id.as_str())
        .bind(&wanted.now)
        .execute(&mut *connection)
        .await
        .map_err(failure("save an intent"))?;
    commit(write).await
}

/// Runs the statements on a settled resource; one whose creation is pending goes instead.
pub(super) async fn turn(
    writer: &SqlitePool,
    id: &ResourceId,
    wanted: Option<&Document>,
    statements: &[&'static str],
) -> Result<(), Error> {
    let attempt = "give an intent up";
    let mut write = begin(writer).await?;
    let connection: &mut SqliteConnection = &mut write;
    let settled: Option<bool> = sqlx::query_scalar("SELECT document IS NOT NULL FROM resource WHERE id = $1")
        .bind(id.as_str())
        .fetch_optional(&mut *connection)
        .await
        .map_err(failure(attempt))?;
    if settled == Some(true) {
        if let Some(document) = wanted {
            sqlx::query("UPDATE resource SET intent = 'put', intent_document = $2, merged = 0 WHERE id = $1")
                .bind(id.as_str())
                .bind(document_text(document))
                .execute(&mut *connection)
                .await
                .map_err(failure(attempt))?;
        }
        for statement in statements {
            let done = sqlx::query(*statement).bind(id.as_str()).execute(&mut *connection).await;
            done.map_err(failure(attempt))?;
        }
    } else {
        // No entry ever had them.
        number::release(connection, id).await?;
        delete_rows(connection, id).await?;
    }
    commit(write).await
}

pub(super) async fn link(writer: &SqlitePool, id: &ResourceId, link: &Link) -> Result<(), Error> {
    sqlx::query(
        "UPDATE resource SET anchor = $2, dn = $3, member_key = $4, previous_dn = $5, previous_key = $6,
                pending_since = CASE WHEN $5 IS NULL AND intent IS NULL AND NOT EXISTS (SELECT 1 FROM member
                    WHERE group_id = $1 AND state <> 'settled') THEN NULL ELSE pending_since END
         WHERE id = $1",
    )
    .bind(id.as_str())
    .bind(&link.anchor.0)
    .bind(link.dn.to_string())
    .bind(link.key.as_ref().map(Value::as_bytes))
    .bind(link.previous.as_ref().map(|names| names.dn.to_string()))
    .bind(link.previous.as_ref().and_then(|names| names.key.as_ref()).map(Value::as_bytes))
    .execute(writer)
    .await
    .map_err(failure_or_taken("record a link", &link.dn.to_string()))?;
    Ok(())
}

pub(super) async fn settle(writer: &SqlitePool, settled: &Settled) -> Result<Resource, Error> {
    let mut write = begin(writer).await?;
    let connection: &mut SqliteConnection = &mut write;
    let row: Row = sqlx::query_as(
        "UPDATE resource SET
                version = CASE WHEN document IS $2 AND NOT EXISTS (SELECT 1 FROM member WHERE group_id = $1
                    AND state IN ('joining', 'leaving')) THEN version ELSE version + 1 END,
                modified = CASE WHEN document IS $2 AND NOT EXISTS (SELECT 1 FROM member WHERE group_id = $1
                    AND state IN ('joining', 'leaving')) THEN modified ELSE $3 END,
                document = $2, anchor = $4, dn = $5, previous_dn = $6, intent = NULL, intent_document = NULL,
                member_key = $9, previous_key = $10,
                pending_since = CASE WHEN $6 IS NULL THEN NULL ELSE COALESCE(pending_since, $3) END,
                answered = CASE WHEN $7 = 1 THEN 1 ELSE answered END, merged = 0,
                may_be_disabled = CASE WHEN $8 = 1 THEN may_be_disabled ELSE 0 END,
                before_disable = CASE WHEN $8 = 1 THEN before_disable ELSE NULL END
         WHERE id = $1 RETURNING *",
    )
    .bind(settled.id.as_str())
    .bind(document_text(&settled.document))
    .bind(&settled.now)
    .bind(&settled.link.anchor.0)
    .bind(settled.link.dn.to_string())
    .bind(settled.link.previous.as_ref().map(|names| names.dn.to_string()))
    .bind(i64::from(settled.answered))
    .bind(i64::from(settled.inactive))
    .bind(settled.link.key.as_ref().map(Value::as_bytes))
    .bind(settled.link.previous.as_ref().and_then(|names| names.key.as_ref()).map(Value::as_bytes))
    .fetch_one(&mut *connection)
    .await
    .map_err(failure_or_taken("record what is settled", &settled.link.dn.to_string()))?;
    let kind = row.kind()?;
    write_lookups(connection, kind, &settled.id, &settled.index).await?;
    count_up(connection, settled.shown_by.as_ref()).await?;
    if let Some(name) = &settled.name_claim {
        claim(connection, &settled.id, name).await?;
        sqlx::query("DELETE FROM name_claim WHERE resource_id = $1 AND name <> $2")
            .bind(settled.id.as_str())
            .bind(name)
            .execute(&mut *connection)
            .await
            .map_err(failure("give names up"))?;
    }
    if kind == Kind::Group {
        for statement in [
            "DELETE FROM member WHERE group_id = $1 AND state IN ('leaving', 'stripped')",
            "UPDATE member SET state = 'settled' WHERE group_id = $1 AND state IN ('joining', 'renewing')",
        ] {
            let done = sqlx::query(statement).bind(settled.id.as_str()).execute(&mut *connection).await;
            done.map_err(failure("settle members"))?;
        }
    }
    commit(write).await?;
    row.resource()?.ok_or_else(|| row.damaged("document"))
}

pub(super) async fn renew_memberships(writer: &SqlitePool, member: &ResourceId, now: &str) -> Result<(), Error> {
    let attempt = "renew memberships";
    let mut write = begin(writer).await?;
    sqlx::query("UPDATE member SET state = 'renewing' WHERE member_id = $1 AND state = 'settled'")
        .bind(member.as_str())
        .execute(&mut *write)
        .await
        .map_err(failure(attempt))?;
    sqlx::query(
        "UPDATE resource SET pending_since = $2 WHERE pending_since IS NULL AND id IN
         (SELECT group_id FROM member WHERE member_id = $1 AND state = 'renewing')",
    )
    .bind(member.as_str())
    .bind(now)
    .execute(&mut *write)
    .await
    .map_err(failure(attempt))?;
    commit(write).await
}

pub(super) async fn remove(
    writer: &SqlitePool,
    id: &ResourceId,
    shown_by: Option<&IndexEntry>,
    now: &str,
) -> Result<(), Error> {
    let mut write = begin(writer).await?;
    sqlx::query(
        "UPDATE resource SET version = version + 1, modified = $2 WHERE id IN (SELECT group_id FROM member
         WHERE member_id = $1 AND state IN ('settled', 'renewing', 'leaving'))",
    )
    .bind(id.as_str())
    .bind(now)
    .execute(&mut *write)
    .await
    .map_err(failure("remove a resource"))?;
    count_up(&mut write, shown_by).await?;
    delete_rows(&mut write, id).await?;
    commit(write).await
}

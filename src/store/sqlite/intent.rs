//! What is wanted of a resource, and how it comes to be settled, turned around or given up.

use rusqlite::{Connection, params};

use super::super::{Error, Intent, Settled, Wanted};
use super::parts::{claim, count_up, delete_rows, insert_members, write_lookups};
use super::row::{Row, columns, document_text};
use super::statement::{execute, execute_with, first, one};
use super::{failure_or_taken, number};
use crate::directory::{Link, Value};
use crate::scim::index::IndexEntry;
use crate::scim::{Document, Kind, Resource, ResourceId};

pub(super) fn want(connection: &Connection, wanted: &Wanted) -> Result<(), Error> {
    let attempt = "save an intent";
    if let Some(intent) = &wanted.intent {
        let (text, document) = match intent {
            Intent::Put(document) => ("put", Some(document_text(document))),
            Intent::Delete => ("delete", None),
        };
        execute(
            connection,
            attempt,
            "INSERT INTO resource (id, kind, version, created, modified, intent, intent_document, pending_since, answered,
                 may_be_disabled, merged)
             VALUES (?1, ?2, 0, ?3, ?3, ?4, ?5, ?3, 0, 0, 0)
             ON CONFLICT (id) DO UPDATE SET intent = excluded.intent, intent_document = excluded.intent_document,
                 merged = CASE WHEN resource.intent = 'put' THEN 1 ELSE 0 END,
                 pending_since = COALESCE(resource.pending_since, excluded.pending_since)",
            params![wanted.id.as_str(), wanted.kind.as_str(), wanted.now, text, document],
        )?;
    }
    if let Some(name) = &wanted.name_claim {
        claim(connection, &wanted.id, name)?;
    }
    if wanted.may_be_disabled {
        let statement = "UPDATE resource SET may_be_disabled = 1 WHERE id = ?1";
        execute(connection, attempt, statement, params![wanted.id.as_str()])?;
    }
    insert_members(connection, &wanted.id, &wanted.members)?;
    if wanted.intent.is_none() {
        let statement = "UPDATE resource SET pending_since = ?2 WHERE id = ?1 AND pending_since IS NULL";
        execute(connection, attempt, statement, params![wanted.id.as_str(), wanted.now])?;
    }
    Ok(())
}

/// Runs the statements on a settled resource; one whose creation is pending goes instead.
pub(super) fn turn(
    connection: &Connection,
    id: &ResourceId,
    wanted: Option<&Document>,
    statements: &[&'static str],
) -> Result<(), Error> {
    let attempt = "give an intent up";
    let settled: Option<bool> = first(
        connection,
        attempt,
        "SELECT settled = 1 FROM resource WHERE id = ?1",
        params![id.as_str()],
        super::statement::column,
    )?;
    if settled != Some(true) {
        // No entry ever had them.
        number::release(connection, id)?;
        return delete_rows(connection, id);
    }
    if let Some(document) = wanted {
        execute(
            connection,
            attempt,
            "UPDATE resource SET intent = 'put', intent_document = ?2, merged = 0 WHERE id = ?1",
            params![id.as_str(), document_text(document)],
        )?;
    }
    for statement in statements {
        execute(connection, attempt, statement, params![id.as_str()])?;
    }
    Ok(())
}

pub(super) fn link(connection: &Connection, id: &ResourceId, link: &Link) -> Result<(), Error> {
    let attempt = "record a link";
    write_link(connection, attempt, id, link)?;
    execute(
        connection,
        attempt,
        "UPDATE resource SET pending_since = NULL WHERE id = ?1 AND pending_since IS NOT NULL AND previous_dn IS NULL
             AND intent IS NULL AND NOT EXISTS (SELECT 1 FROM member WHERE group_id = ?1 AND state <> 'settled')",
        params![id.as_str()],
    )?;
    Ok(())
}

/// Writes where an entry is, if that is not there already: each part of it has its place in an index.
fn write_link(connection: &Connection, attempt: &'static str, id: &ResourceId, link: &Link) -> Result<(), Error> {
    execute_with(
        connection,
        "UPDATE resource SET anchor = ?2, dn = ?3, member_key = ?4, previous_dn = ?5, previous_key = ?6
         WHERE id = ?1 AND (anchor, dn, member_key, previous_dn, previous_key) IS NOT (?2, ?3, ?4, ?5, ?6)",
        params![
            id.as_str(),
            link.anchor.0,
            link.dn.to_string(),
            link.key.as_ref().map(Value::as_bytes),
            link.previous.as_ref().map(|names| names.dn.to_string()),
            link.previous.as_ref().and_then(|names| names.key.as_ref()).map(Value::as_bytes),
        ],
        failure_or_taken(attempt, &link.dn.to_string()),
    )?;
    Ok(())
}

pub(super) fn settle(connection: &Connection, settled: &Settled) -> Result<Resource, Error> {
    let attempt = "record what is settled";
    write_link(connection, attempt, &settled.id, &settled.link)?;
    let row: Row = one(
        connection,
        attempt,
        concat!(
            "UPDATE resource SET
                 version = CASE WHEN document IS ?2 AND NOT EXISTS (SELECT 1 FROM member WHERE group_id = ?1
                     AND state IN ('joining', 'leaving') AND state <> 'settled') THEN version ELSE version + 1 END,
                 modified = CASE WHEN document IS ?2 AND NOT EXISTS (SELECT 1 FROM member WHERE group_id = ?1
                     AND state IN ('joining', 'leaving') AND state <> 'settled') THEN modified ELSE ?3 END,
                 document = ?2, intent = NULL, intent_document = NULL,
                 pending_since = CASE WHEN previous_dn IS NULL THEN NULL ELSE COALESCE(pending_since, ?3) END,
                 answered = CASE WHEN ?4 = 1 THEN 1 ELSE answered END, merged = 0,
                 may_be_disabled = CASE WHEN ?5 = 1 THEN may_be_disabled ELSE 0 END,
                 before_disable = CASE WHEN ?5 = 1 THEN before_disable ELSE NULL END
             WHERE id = ?1 RETURNING ",
            columns!()
        ),
        params![settled.id.as_str(), document_text(&settled.document), settled.now, settled.answered, settled.inactive],
        Row::read,
    )?;
    // On its own, so that the order of creation is not written again each time.
    let statement = "UPDATE resource SET settled = 1 WHERE id = ?1 AND settled = 0";
    execute(connection, attempt, statement, params![settled.id.as_str()])?;
    let kind = row.kind()?;
    write_lookups(connection, kind, &settled.id, &settled.index)?;
    count_up(connection, settled.shown_by.as_ref())?;
    if let Some(name) = &settled.name_claim {
        claim(connection, &settled.id, name)?;
        let statement = "DELETE FROM name_claim WHERE resource_id = ?1 AND name <> ?2";
        execute(connection, "give names up", statement, params![settled.id.as_str(), name])?;
    }
    if kind == Kind::Group {
        for statement in [
            "DELETE FROM member WHERE group_id = ?1 AND state IN ('leaving', 'stripped') AND state <> 'settled'",
            "UPDATE member SET state = 'settled' WHERE group_id = ?1 AND state IN ('joining', 'renewing')
                 AND state <> 'settled'",
        ] {
            execute(connection, "settle members", statement, params![settled.id.as_str()])?;
        }
    }
    row.resource()?.ok_or_else(|| row.damaged("document"))
}

pub(super) fn renew_memberships(connection: &Connection, member: &ResourceId, now: &str) -> Result<(), Error> {
    let attempt = "renew memberships";
    let statement = "UPDATE member SET state = 'renewing' WHERE member_id = ?1 AND state = 'settled'";
    execute(connection, attempt, statement, params![member.as_str()])?;
    execute(
        connection,
        attempt,
        "UPDATE resource SET pending_since = ?2 WHERE pending_since IS NULL AND id IN
         (SELECT group_id FROM member WHERE member_id = ?1 AND state = 'renewing')",
        params![member.as_str(), now],
    )?;
    Ok(())
}

pub(super) fn remove(
    connection: &Connection,
    id: &ResourceId,
    shown_by: Option<&IndexEntry>,
    now: &str,
) -> Result<(), Error> {
    execute(
        connection,
        "remove a resource",
        "UPDATE resource SET version = version + 1, modified = ?2 WHERE id IN (SELECT group_id FROM member
         WHERE member_id = ?1 AND state IN ('settled', 'renewing', 'leaving'))",
        params![id.as_str(), now],
    )?;
    count_up(connection, shown_by)?;
    delete_rows(connection, id)
}

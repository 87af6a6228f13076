//! The parts of writes that several writes share.

use std::collections::BTreeSet;

use rusqlite::types::Value as Bound;
use rusqlite::{Connection, params};

use super::super::{Adopted, Error, MemberState};
use super::row::{document_text, state_text};
use super::statement::{Query, all, execute, execute_with};
use super::{CHUNK, failure_or_taken};
use crate::directory::Value;
use crate::scim::index::IndexEntry;
use crate::scim::{Kind, ResourceId};

pub(super) fn claim(connection: &Connection, id: &ResourceId, name: &str) -> Result<(), Error> {
    // A claim that is its owner's already changes nothing; another's matches no row.
    let claimed = execute(
        connection,
        "claim a name",
        "INSERT INTO name_claim (name, resource_id) VALUES (?1, ?2)
         ON CONFLICT (name) DO UPDATE SET resource_id = excluded.resource_id
         WHERE name_claim.resource_id = excluded.resource_id",
        params![name, id.as_str()],
    )?;
    if claimed == 0 {
        return Err(Error::Taken { what: format!("the userName {name:?}") });
    }
    Ok(())
}

/// Makes a resource found under these values, and no others. What it is found under already is not written again: each
/// value has its place in the index, a page of its own.
pub(super) fn write_lookups(
    connection: &Connection,
    kind: Kind,
    id: &ResourceId,
    entries: &[IndexEntry],
) -> Result<(), Error> {
    let attempt = "write lookups";
    let mut missing: BTreeSet<(&str, &str)> =
        entries.iter().map(|entry| (entry.key.as_str(), entry.value.as_str())).collect();
    let present: Vec<(String, String)> = all(
        connection,
        attempt,
        "SELECT attribute, value FROM lookup WHERE resource_id = ?1",
        params![id.as_str()],
        |row| Ok((row.get(0)?, row.get(1)?)),
    )?;
    for (attribute, value) in &present {
        if !missing.remove(&(attribute.as_str(), value.as_str())) {
            execute(
                connection,
                attempt,
                "DELETE FROM lookup WHERE kind = ?1 AND attribute = ?2 AND value = ?3 AND resource_id = ?4",
                params![kind.as_str(), attribute, value, id.as_str()],
            )?;
        }
    }
    for (attribute, value) in missing {
        execute(
            connection,
            attempt,
            "INSERT INTO lookup (kind, attribute, value, resource_id) VALUES (?1, ?2, ?3, ?4)",
            params![kind.as_str(), attribute, value, id.as_str()],
        )?;
    }
    Ok(())
}

/// Writes the state of members of a group.
pub(super) fn insert_members(
    connection: &Connection,
    group: &ResourceId,
    members: &[(ResourceId, MemberState)],
) -> Result<(), Error> {
    for chunk in members.chunks(CHUNK) {
        let mut query = Query::new("INSERT INTO member (group_id, member_id, state) VALUES ");
        query.push_rows(chunk.iter().map(|(member, state)| {
            [Bound::Text(group.0.clone()), Bound::Text(member.0.clone()), Bound::Text(state_text(*state).to_owned())]
        }));
        query.push(" ON CONFLICT (group_id, member_id) DO UPDATE SET state = excluded.state");
        query.execute(connection, "save members")?;
    }
    Ok(())
}

/// The rows of a resource whose entry is there already.
pub(super) fn insert_adopted(connection: &Connection, adopted: &Adopted) -> Result<(), Error> {
    let Adopted { kind, settled, members } = adopted;
    execute_with(
        connection,
        "INSERT INTO resource (id, kind, document, version, created, modified, anchor, dn, member_key, answered,
             may_be_disabled, merged, settled)
         VALUES (?1, ?2, ?3, 1, ?4, ?4, ?5, ?6, ?7, ?8, 0, 0, 1)",
        params![
            settled.id.as_str(),
            kind.as_str(),
            document_text(&settled.document),
            settled.now,
            settled.link.anchor.0,
            settled.link.dn.to_string(),
            settled.link.key.as_ref().map(Value::as_bytes),
            settled.answered,
        ],
        failure_or_taken("record what is adopted", &settled.link.dn.to_string()),
    )?;
    if let Some(name) = &settled.name_claim {
        claim(connection, &settled.id, name)?;
    }
    write_lookups(connection, *kind, &settled.id, &settled.index)?;
    let members: Vec<(ResourceId, MemberState)> =
        members.iter().map(|member| (member.clone(), MemberState::Settled)).collect();
    insert_members(connection, &settled.id, &members)
}

/// Counts the versions of those up that are found under a value.
pub(super) fn count_up(connection: &Connection, found: Option<&IndexEntry>) -> Result<(), Error> {
    let Some(entry) = found else {
        return Ok(());
    };
    execute(
        connection,
        "count versions up",
        "UPDATE resource SET version = version + 1 WHERE settled = 1
         AND id IN (SELECT resource_id FROM lookup WHERE kind = 'User' AND attribute = ?1 AND value = ?2)",
        params![entry.key, entry.value],
    )?;
    Ok(())
}

pub(super) fn delete_rows(connection: &Connection, id: &ResourceId) -> Result<(), Error> {
    for statement in [
        "DELETE FROM lookup WHERE resource_id = ?1",
        "DELETE FROM name_claim WHERE resource_id = ?1",
        "DELETE FROM member WHERE group_id = ?1 OR member_id = ?1",
        "DELETE FROM resource WHERE id = ?1",
    ] {
        execute(connection, "remove a resource", statement, params![id.as_str()])?;
    }
    Ok(())
}

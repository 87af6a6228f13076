//! What a comparison with the whole directory reads, many at a time.

use std::collections::BTreeSet;

use rusqlite::{Connection, params};

use super::super::{Census, Checked, Error, Mark, State};
use super::CHUNK;
use super::row::{Row, SELECT};
use super::statement::{Query, all, column, execute, first, one};
use crate::directory::Anchor;
use crate::scim::{Kind, ResourceId};

pub(super) fn linked_states(connection: &Connection, anchors: &[Anchor]) -> Result<Vec<State>, Error> {
    let anchors: BTreeSet<&Anchor> = anchors.iter().collect();
    let anchors: Vec<&Anchor> = anchors.into_iter().collect();
    let mut states = Vec::new();
    for chunk in anchors.chunks(CHUNK) {
        let mut query = Query::new(SELECT);
        query.push(" FROM resource WHERE anchor IN (");
        query.push_list(chunk.iter().map(|anchor| anchor.0.clone())).push(")");
        for row in &query.all(connection, "look the resources of entries up", Row::read)? {
            states.push(row.state()?);
        }
    }
    states.sort_by(|one, other| one.id.cmp(&other.id));
    Ok(states)
}

pub(super) fn ids_after(
    connection: &Connection,
    after: Option<&ResourceId>,
    limit: u32,
) -> Result<Vec<(ResourceId, Kind)>, Error> {
    // No id is empty, so all come after the empty text.
    let rows: Vec<(String, String)> = all(
        connection,
        "read the ids of resources",
        "SELECT id, kind FROM resource WHERE id > ?1 ORDER BY id LIMIT ?2",
        params![after.map_or("", ResourceId::as_str), limit],
        |row| Ok((row.get(0)?, row.get(1)?)),
    )?;
    let identified = |(id, kind): (String, String)| match Kind::named(&kind) {
        Some(kind) => Ok((ResourceId(id), kind)),
        None => Err(Error::Damaged { what: "kind", id }),
    };
    rows.into_iter().map(identified).collect()
}

pub(super) fn checked(connection: &Connection, anchors: &[Anchor]) -> Result<Vec<Checked>, Error> {
    let mut found = Vec::new();
    for chunk in anchors.chunks(CHUNK) {
        let mut query = Query::new("SELECT anchor, id, kind, checked FROM resource WHERE anchor IN (");
        query.push_list(chunk.iter().map(|anchor| anchor.0.clone())).push(")");
        let rows: Vec<(String, String, String, Option<Vec<u8>>)> =
            query.all(connection, "look the owners of entries up", |row| {
                Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?))
            })?;
        for (anchor, id, kind, mark) in rows {
            let kind = Kind::named(&kind).ok_or_else(|| Error::Damaged { what: "kind", id: id.clone() })?;
            found.push(Checked { anchor: Anchor(anchor), id: ResourceId(id), kind, mark: mark.map(Mark) });
        }
    }
    Ok(found)
}

pub(super) fn check(connection: &Connection, right: &[(ResourceId, i64, Mark)]) -> Result<(), Error> {
    for (id, version, mark) in right {
        execute(
            connection,
            "keep what is as wanted",
            "UPDATE resource SET checked = ?3 WHERE id = ?1 AND version = ?2 AND intent IS NULL",
            params![id.as_str(), version, mark.0],
        )?;
    }
    Ok(())
}

pub(super) fn name_changes(connection: &Connection) -> Result<i64, Error> {
    let changes: Option<String> = first(
        connection,
        "read how often names have changed",
        "SELECT value FROM setting WHERE name = 'name changes'",
        [],
        column,
    )?;
    Ok(changes.and_then(|changes| changes.parse().ok()).unwrap_or_default())
}

pub(super) fn census(connection: &Connection) -> Result<Census, Error> {
    // What is settled is linked: both are written at once, and no link is ever taken away.
    let (users, groups, memberships): (i64, i64, i64) = one(
        connection,
        "count what there is",
        // Of memberships, few are not wanted.
        "SELECT COALESCE((SELECT number FROM census WHERE kind = ?1), 0),
                COALESCE((SELECT number FROM census WHERE kind = ?2), 0),
                (SELECT COUNT(*) FROM member)
                    - (SELECT COUNT(*) FROM member WHERE state <> 'settled' AND state IN ('leaving', 'stripped'))",
        params![Kind::User.as_str(), Kind::Group.as_str()],
        |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)),
    )?;
    Ok(Census { users: users.unsigned_abs(), groups: groups.unsigned_abs(), memberships: memberships.unsigned_abs() })
}

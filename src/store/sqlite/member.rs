//! The members of a group.

use std::collections::{BTreeMap, BTreeSet};

use rusqlite::{Connection, params};

use super::super::{Error, Listed, MemberCounts, MemberState};
use super::CHUNK;
use super::row::member_state;
use super::statement::{Query, all, column, one};
use crate::directory::Value;
use crate::scim::{Kind, Member, ResourceId};

pub(super) fn settled(connection: &Connection, group: &ResourceId) -> Result<Vec<Member>, Error> {
    let rows: Vec<(String, String)> = all(
        connection,
        "read the members of a group",
        "SELECT member.member_id, resource.kind FROM member JOIN resource ON resource.id = member.member_id
         WHERE member.group_id = ?1 AND member.state IN ('settled', 'renewing', 'leaving') ORDER BY member.member_id",
        params![group.as_str()],
        |row| Ok((row.get(0)?, row.get(1)?)),
    )?;
    let member = |(id, kind): (String, String)| {
        let damaged = Error::Damaged { what: "kind", id: id.clone() };
        Kind::named(&kind).map(|kind| Member { id: ResourceId(id), kind }).ok_or(damaged)
    };
    rows.into_iter().map(member).collect()
}

pub(super) fn unsettled(connection: &Connection, group: &ResourceId) -> Result<Vec<(ResourceId, MemberState)>, Error> {
    let rows: Vec<(String, String)> = all(
        connection,
        "read pending members",
        "SELECT member_id, state FROM member WHERE group_id = ?1 AND state <> 'settled' ORDER BY member_id",
        params![group.as_str()],
        |row| Ok((row.get(0)?, row.get(1)?)),
    )?;
    rows.into_iter().map(|(id, state)| Ok((ResourceId(id), member_state(group, &state)?))).collect()
}

pub(super) fn states(
    connection: &Connection,
    group: &ResourceId,
    ids: &BTreeSet<ResourceId>,
) -> Result<BTreeMap<ResourceId, MemberState>, Error> {
    let ids: Vec<&ResourceId> = ids.iter().collect();
    let mut states = BTreeMap::new();
    for chunk in ids.chunks(CHUNK) {
        let mut query = Query::new("SELECT member_id, state FROM member WHERE group_id = ");
        query.push_bind(group.0.clone()).push(" AND member_id IN (");
        query.push_list(chunk.iter().map(|id| id.0.clone())).push(")");
        let rows: Vec<(String, String)> =
            query.all(connection, "look members up", |row| Ok((row.get(0)?, row.get(1)?)))?;
        for (id, state) in rows {
            states.insert(ResourceId(id), member_state(group, &state)?);
        }
    }
    Ok(states)
}

pub(super) fn wanted(connection: &Connection, group: &ResourceId) -> Result<Vec<ResourceId>, Error> {
    let ids: Vec<String> = all(
        connection,
        "read wanted members",
        "SELECT member_id FROM member WHERE group_id = ?1 AND state IN ('settled', 'renewing', 'joining') ORDER BY member_id",
        params![group.as_str()],
        column,
    )?;
    Ok(ids.into_iter().map(ResourceId).collect())
}

pub(super) fn are_there(connection: &Connection, group: &ResourceId) -> Result<bool, Error> {
    one(
        connection,
        "look for members",
        "SELECT EXISTS (SELECT 1 FROM member WHERE group_id = ?1 AND state IN ('settled', 'renewing', 'leaving'))",
        params![group.as_str()],
        column,
    )
}

pub(super) fn wanted_with_key(
    connection: &Connection,
    group: &ResourceId,
    key: &Value,
) -> Result<Vec<ResourceId>, Error> {
    let ids: Vec<String> = all(
        connection,
        "look for members of one key",
        "SELECT resource.id FROM resource JOIN member ON member.group_id = ?1 AND member.member_id = resource.id
         WHERE resource.member_key = ?2 AND member.state IN ('settled', 'renewing', 'joining') ORDER BY resource.id",
        params![group.as_str(), key.as_bytes()],
        column,
    )?;
    Ok(ids.into_iter().map(ResourceId).collect())
}

pub(super) fn listed_after(
    connection: &Connection,
    group: &ResourceId,
    after: Option<&ResourceId>,
    limit: u32,
) -> Result<Vec<Listed>, Error> {
    all(
        connection,
        "read the names of members",
        "SELECT member.member_id, resource.dn, resource.member_key
         FROM member LEFT JOIN resource INDEXED BY resource_names ON resource.id = member.member_id
         WHERE member.group_id = ?1 AND member.member_id > ?2 AND member.state IN ('settled', 'renewing', 'joining')
         ORDER BY member.member_id LIMIT ?3",
        params![group.as_str(), after.map_or("", ResourceId::as_str), limit],
        |row| {
            let (dn, key): (Option<String>, Option<Vec<u8>>) = (row.get(1)?, row.get(2)?);
            Ok(Listed { id: ResourceId(row.get(0)?), dn: dn.map(Value::from), key: key.map(Value::from) })
        },
    )
}

pub(super) fn memberships(
    connection: &Connection,
    member: &ResourceId,
) -> Result<Vec<(ResourceId, MemberState)>, Error> {
    let rows: Vec<(String, String)> = all(
        connection,
        "read the memberships of a resource",
        "SELECT group_id, state FROM member WHERE member_id = ?1 AND state <> 'stripped' ORDER BY group_id",
        params![member.as_str()],
        |row| Ok((row.get(0)?, row.get(1)?)),
    )?;
    let membership = |(group, state): (String, String)| {
        let group = ResourceId(group);
        let state = member_state(&group, &state)?;
        Ok((group, state))
    };
    rows.into_iter().map(membership).collect()
}

pub(super) fn counts(connection: &Connection, group: &ResourceId) -> Result<MemberCounts, Error> {
    let rows: Vec<(String, i64)> = all(
        connection,
        "count the members of a group",
        "SELECT state, COUNT(*) FROM member WHERE group_id = ?1 GROUP BY state",
        params![group.as_str()],
        |row| Ok((row.get(0)?, row.get(1)?)),
    )?;
    let mut counts = MemberCounts::default();
    for (state, number) in rows {
        let number = number.unsigned_abs();
        match member_state(group, &state)? {
            MemberState::Settled => counts.settled = number,
            MemberState::Renewing => counts.renewing = number,
            MemberState::Joining => counts.joining = number,
            MemberState::Leaving => counts.leaving = number,
            MemberState::Stripped => {}
        }
    }
    Ok(counts)
}

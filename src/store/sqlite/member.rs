//! The members of a group.

use std::collections::{BTreeMap, BTreeSet};

use sqlx::{QueryBuilder, Sqlite, SqlitePool};

use super::super::{Error, Listed, MemberCounts, MemberState};
use super::compare::in_one_row;
use super::row::{bytes_of_hex, member_state};
use super::{CHUNK, failure};
use crate::directory::Value;
use crate::scim::{Kind, Member, ResourceId};

pub(super) async fn settled(reader: &SqlitePool, group: &ResourceId) -> Result<Vec<Member>, Error> {
    let rows: Vec<(String, String)> = sqlx::query_as(
        "SELECT member.member_id, resource.kind FROM member JOIN resource ON resource.id = member.member_id
         WHERE member.group_id = $1 AND member.state IN ('settled', 'renewing', 'leaving') ORDER BY member.member_id",
    )
    .bind(group.as_str())
    .fetch_all(reader)
    .await
    .map_err(failure("read the members of a group"))?;
    let member = |(id, kind): (String, String)| {
        let damaged = Error::Damaged { what: "kind", id: id.clone() };
        Kind::named(&kind).map(|kind| Member { id: ResourceId(id), kind }).ok_or(damaged)
    };
    rows.into_iter().map(member).collect()
}

pub(super) async fn unsettled(
    reader: &SqlitePool,
    group: &ResourceId,
) -> Result<Vec<(ResourceId, MemberState)>, Error> {
    let rows: Vec<(String, String)> = sqlx::query_as(
        "SELECT member_id, state FROM member WHERE group_id = $1 AND state <> 'settled' ORDER BY member_id",
    )
    .bind(group.as_str())
    .fetch_all(reader)
    .await
    .map_err(failure("read pending members"))?;
    rows.into_iter().map(|(id, state)| Ok((ResourceId(id), member_state(group, &state)?))).collect()
}

pub(super) async fn states(
    reader: &SqlitePool,
    group: &ResourceId,
    ids: &BTreeSet<ResourceId>,
) -> Result<BTreeMap<ResourceId, MemberState>, Error> {
    let ids: Vec<&ResourceId> = ids.iter().collect();
    let mut states = BTreeMap::new();
    for chunk in ids.chunks(CHUNK) {
        let mut query: QueryBuilder<Sqlite> =
            QueryBuilder::new("SELECT member_id, state FROM member WHERE group_id = ");
        query.push_bind(group.as_str()).push(" AND member_id IN (");
        let mut list = query.separated(", ");
        for id in chunk {
            list.push_bind(id.as_str());
        }
        query.push(")");
        let rows: Vec<(String, String)> =
            query.build_query_as().fetch_all(reader).await.map_err(failure("look members up"))?;
        for (id, state) in rows {
            states.insert(ResourceId(id), member_state(group, &state)?);
        }
    }
    Ok(states)
}

pub(super) async fn wanted(reader: &SqlitePool, group: &ResourceId) -> Result<Vec<ResourceId>, Error> {
    let ids: Vec<String> = sqlx::query_scalar(
        "SELECT member_id FROM member WHERE group_id = $1 AND state IN ('settled', 'renewing', 'joining') ORDER BY member_id",
    )
    .bind(group.as_str())
    .fetch_all(reader)
    .await
    .map_err(failure("read wanted members"))?;
    Ok(ids.into_iter().map(ResourceId).collect())
}

pub(super) async fn are_there(reader: &SqlitePool, group: &ResourceId) -> Result<bool, Error> {
    sqlx::query_scalar(
        "SELECT EXISTS (SELECT 1 FROM member WHERE group_id = $1 AND state IN ('settled', 'renewing', 'leaving'))",
    )
    .bind(group.as_str())
    .fetch_one(reader)
    .await
    .map_err(failure("look for members"))
}

pub(super) async fn wanted_with_key(
    reader: &SqlitePool,
    group: &ResourceId,
    key: &Value,
) -> Result<Vec<ResourceId>, Error> {
    let ids: Vec<String> = sqlx::query_scalar(
        "SELECT resource.id FROM resource JOIN member ON member.group_id = $1 AND member.member_id = resource.id
         WHERE resource.member_key = $2 AND member.state IN ('settled', 'renewing', 'joining') ORDER BY resource.id",
    )
    .bind(group.as_str())
    .bind(key.as_bytes())
    .fetch_all(reader)
    .await
    .map_err(failure("look for members of one key"))?;
    Ok(ids.into_iter().map(ResourceId).collect())
}

pub(super) async fn listed_after(
    reader: &SqlitePool,
    group: &ResourceId,
    after: Option<&ResourceId>,
    limit: u32,
) -> Result<Vec<Listed>, Error> {
    let attempt = "read the names of members";
    let rows: String = sqlx::query_scalar(
        "SELECT json_group_array(json_array(id, dn, key)) FROM (
             SELECT member.member_id AS id, resource.dn AS dn, hex(resource.member_key) AS key
             FROM member LEFT JOIN resource INDEXED BY resource_names ON resource.id = member.member_id
             WHERE member.group_id = $1 AND member.member_id > $2 AND member.state IN ('settled', 'renewing', 'joining')
             ORDER BY member.member_id LIMIT $3)",
    )
    .bind(group.as_str())
    .bind(after.map_or("", ResourceId::as_str))
    .bind(i64::from(limit))
    .fetch_one(reader)
    .await
    .map_err(failure(attempt))?;
    let rows: Vec<(String, Option<String>, Option<String>)> = in_one_row(&rows, "member")?;
    let mut listed = Vec::with_capacity(rows.len());
    for (id, dn, key) in rows {
        let key = key.filter(|key| !key.is_empty()).map(|key| bytes_of_hex(&key));
        let key = key.map(|bytes| bytes.ok_or_else(|| Error::Damaged { what: "key", id: id.clone() })).transpose()?;
        listed.push(Listed { id: ResourceId(id), dn: dn.map(Value::from), key: key.map(Value::from) });
    }
    listed.sort_by(|one, other| one.id.cmp(&other.id));
    Ok(listed)
}

pub(super) async fn memberships(
    reader: &SqlitePool,
    member: &ResourceId,
) -> Result<Vec<(ResourceId, MemberState)>, Error> {
    let rows: Vec<(String, String)> = sqlx::query_as(
        "SELECT group_id, state FROM member WHERE member_id = $1 AND state <> 'stripped' ORDER BY group_id",
    )
    .bind(member.as_str())
    .fetch_all(reader)
    .await
    .map_err(failure("read the memberships of a resource"))?;
    let membership = |(group, state): (String, String)| {
        let group = ResourceId(group);
        let state = member_state(&group, &state)?;
        Ok((group, state))
    };
    rows.into_iter().map(membership).collect()
}

pub(super) async fn counts(reader: &SqlitePool, group: &ResourceId) -> Result<MemberCounts, Error> {
    let rows: Vec<(String, i64)> =
        sqlx::query_as("SELECT state, COUNT(*) FROM member WHERE group_id = $1 GROUP BY state")
            .bind(group.as_str())
            .fetch_all(reader)
            .await
            .map_err(failure("count the members of a group"))?;
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

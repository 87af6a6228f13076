//! What a comparison with the whole directory reads, many at a time.

use std::collections::BTreeSet;

use sqlx::{QueryBuilder, Sqlite, SqlitePool};

use super::super::{Census, Error, State};
use super::row::Row;
use super::{CHUNK, failure};
use crate::directory::Anchor;
use crate::scim::{Kind, ResourceId};

pub(super) async fn linked_states(reader: &SqlitePool, anchors: &[Anchor]) -> Result<Vec<State>, Error> {
    let anchors: BTreeSet<&Anchor> = anchors.iter().collect();
    let anchors: Vec<&Anchor> = anchors.into_iter().collect();
    let mut states = Vec::new();
    for chunk in anchors.chunks(CHUNK) {
        let mut query: QueryBuilder<Sqlite> = QueryBuilder::new("SELECT * FROM resource WHERE anchor IN (");
        let mut list = query.separated(", ");
        for anchor in chunk {
            list.push_bind(anchor.0.as_str());
        }
        query.push(")");
        let rows = query.build_query_as().fetch_all(reader).await;
        let rows: Vec<Row> = rows.map_err(failure("look the resources of entries up"))?;
        for row in &rows {
            states.push(row.state()?);
        }
    }
    states.sort_by(|one, other| one.id.cmp(&other.id));
    Ok(states)
}

pub(super) async fn ids_after(
    reader: &SqlitePool,
    kind: Kind,
    after: Option<&ResourceId>,
    limit: u32,
) -> Result<Vec<ResourceId>, Error> {
    // No id is empty, so all come after the empty text.
    let ids: Vec<String> =
        sqlx::query_scalar("SELECT id FROM resource WHERE kind = $1 AND id > $2 ORDER BY id LIMIT $3")
            .bind(kind.as_str())
            .bind(after.map_or("", ResourceId::as_str))
            .bind(i64::from(limit))
            .fetch_all(reader)
            .await
            .map_err(failure("read the ids of resources"))?;
    Ok(ids.into_iter().map(ResourceId).collect())
}

pub(super) async fn census(reader: &SqlitePool) -> Result<Census, Error> {
    // Few memberships are not wanted: to take them off the count of all reads two indexes and few rows.
    let (users, groups, memberships): (i64, i64, i64) = sqlx::query_as(
        "SELECT (SELECT COUNT(*) FROM resource WHERE document IS NOT NULL AND anchor IS NOT NULL AND kind = $1),
                (SELECT COUNT(*) FROM resource WHERE document IS NOT NULL AND anchor IS NOT NULL AND kind = $2),
                (SELECT COUNT(*) FROM member)
                    - (SELECT COUNT(*) FROM member WHERE state <> 'settled' AND state IN ('leaving', 'stripped'))",
    )
    .bind(Kind::User.as_str())
    .bind(Kind::Group.as_str())
    .fetch_one(reader)
    .await
    .map_err(failure("count what there is"))?;
    Ok(Census { users: users.unsigned_abs(), groups: groups.unsigned_abs(), memberships: memberships.unsigned_abs() })
}

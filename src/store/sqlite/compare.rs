//! What a comparison with the whole directory reads, many at a time.

use std::collections::BTreeSet;

use serde::de::DeserializeOwned;
use sqlx::{QueryBuilder, Sqlite, SqliteConnection, SqlitePool};

use super::super::{Census, Checked, Error, Mark, State};
use super::row::{Row, bytes_of_hex};
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
    after: Option<&ResourceId>,
    limit: u32,
) -> Result<Vec<(ResourceId, Kind)>, Error> {
    // No id is empty, so all come after the empty text.
    let rows: String = sqlx::query_scalar(
        "SELECT json_group_array(json_array(id, kind))
         FROM (SELECT id, kind FROM resource WHERE id > $1 ORDER BY id LIMIT $2)",
    )
    .bind(after.map_or("", ResourceId::as_str))
    .bind(i64::from(limit))
    .fetch_one(reader)
    .await
    .map_err(failure("read the ids of resources"))?;
    let rows: Vec<(String, String)> = in_one_row(&rows, "id")?;
    let mut ids = Vec::with_capacity(rows.len());
    for (id, kind) in rows {
        let kind = Kind::named(&kind).ok_or_else(|| Error::Damaged { what: "kind", id: id.clone() })?;
        ids.push((ResourceId(id), kind));
    }
    ids.sort();
    Ok(ids)
}

/// Reads rows that were put into one as JSON: each row is handed from one thread to another, and there are many.
pub(super) fn in_one_row<T: DeserializeOwned>(rows: &str, what: &'static str) -> Result<Vec<T>, Error> {
    serde_json::from_str(rows).map_err(|_| Error::Damaged { what, id: "among many".to_owned() })
}

pub(super) async fn checked(reader: &SqlitePool, anchors: &[Anchor]) -> Result<Vec<Checked>, Error> {
    let mut found = Vec::new();
    for chunk in anchors.chunks(CHUNK) {
        let mut query: QueryBuilder<Sqlite> = QueryBuilder::new(
            "SELECT json_group_array(json_array(anchor, id, kind, hex(checked))) FROM resource WHERE anchor IN (",
        );
        let mut list = query.separated(", ");
        for anchor in chunk {
            list.push_bind(anchor.0.as_str());
        }
        query.push(")");
        let rows: String =
            query.build_query_scalar().fetch_one(reader).await.map_err(failure("look the owners of entries up"))?;
        let rows: Vec<(String, String, String, String)> = in_one_row(&rows, "owner")?;
        for (anchor, id, kind, mark) in rows {
            let kind = Kind::named(&kind).ok_or_else(|| Error::Damaged { what: "kind", id: id.clone() })?;
            let mark = bytes_of_hex(&mark).filter(|mark| !mark.is_empty());
            found.push(Checked { anchor: Anchor(anchor), id: ResourceId(id), kind, mark: mark.map(Mark) });
        }
    }
    Ok(found)
}

pub(super) async fn check(connection: &mut SqliteConnection, right: &[(ResourceId, i64, Mark)]) -> Result<(), Error> {
    for (id, version, mark) in right {
        sqlx::query("UPDATE resource SET checked = $3 WHERE id = $1 AND version = $2 AND intent IS NULL")
            .bind(id.as_str())
            .bind(version)
            .bind(mark.0.as_slice())
            .execute(&mut *connection)
            .await
            .map_err(failure("keep what is as wanted"))?;
    }
    Ok(())
}

pub(super) async fn name_changes(reader: &SqlitePool) -> Result<i64, Error> {
    let changes: Option<String> = sqlx::query_scalar("SELECT value FROM setting WHERE name = 'name changes'")
        .fetch_optional(reader)
        .await
        .map_err(failure("read how often names have changed"))?;
    Ok(changes.and_then(|changes| changes.parse().ok()).unwrap_or_default())
}

pub(super) async fn census(reader: &SqlitePool) -> Result<Census, Error> {
    // What is settled is linked: both are written at once, and no link is ever taken away. To count by the document alone
    // reads an index and no row. So does the count of memberships, of which few are not wanted.
    let (users, groups, memberships): (i64, i64, i64) = sqlx::query_as(
        "SELECT (SELECT COUNT(*) FROM resource WHERE document IS NOT NULL AND kind = $1),
                (SELECT COUNT(*) FROM resource WHERE document IS NOT NULL AND kind = $2),
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

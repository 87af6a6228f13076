//! The lookups of all resources, made to agree with the indexes.

use super::super::{Error, Position, Store};
use super::parts::write_lookups;
use super::{PAGE, SqliteStore, begin, commit, failure};
use crate::scim::Kind;
use crate::scim::index::{Condition, Index};

pub(super) async fn rebuild(store: &SqliteStore, indexes: &[(Kind, &Index)]) -> Result<(), Error> {
    for (kind, index) in indexes {
        let name = format!("index of {kind}");
        let keys = index.keys().join("\n");
        let present: Option<String> = sqlx::query_scalar("SELECT value FROM setting WHERE name = $1")
            .bind(&name)
            .fetch_optional(&store.reader)
            .await
            .map_err(failure("read the state of the index"))?;
        if present.as_deref() == Some(&keys) {
            continue;
        }
        let mut position = None;
        loop {
            let resources = store.find_after(*kind, &Condition::ALWAYS, position.as_ref(), PAGE).await?;
            let Some(last) = resources.last() else {
                break;
            };
            position = Some(Position { created: last.created.clone(), id: last.id.clone() });
            let mut write = begin(&store.writer).await?;
            for resource in &resources {
                write_lookups(&mut write, *kind, &resource.id, &index.entries(&resource.document)).await?;
            }
            commit(write).await?;
        }
        sqlx::query(
            "INSERT INTO setting (name, value) VALUES ($1, $2) ON CONFLICT (name) DO UPDATE SET value = excluded.value",
        )
        .bind(&name)
        .bind(&keys)
        .execute(&store.writer)
        .await
        .map_err(failure("record the state of the index"))?;
    }
    Ok(())
}

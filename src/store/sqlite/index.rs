//! The lookups of all resources, made to agree with the indexes.

use rusqlite::Connection;

use super::super::{Error, Position, Store};
use super::parts::write_lookups;
use super::{PAGE, SqliteStore};
use crate::scim::Kind;
use crate::scim::index::{Condition, Index};

pub(super) async fn rebuild(store: &SqliteStore, indexes: &[(Kind, &Index)]) -> Result<(), Error> {
    for (kind, index) in indexes {
        let name = format!("index of {kind}");
        let keys = index.keys().join("\n");
        let present = store.setting(&name).await?;
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
            let write = |connection: &Connection| {
                resources.iter().try_for_each(|resource| {
                    write_lookups(connection, *kind, &resource.id, &index.entries(&resource.document))
                })
            };
            store.database.write(write).await?;
        }
        store.set_setting(&name, Some(&keys)).await?;
    }
    Ok(())
}

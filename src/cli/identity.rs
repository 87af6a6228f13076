//! Who is meant by what an operator types: a `userName`, a `displayName`, an id, an `externalId`, or a name of old.

use crate::scim::index::fold_case;
use crate::scim::{AttributePath, Condition, Index, Kind, ResourceId};
use crate::store::{RunSubject, Store};

/// Up to how many resources of one name are told apart.
const NAMESAKES: u32 = 100;

/// The resources of a kind that are meant. Those that are so called now come before those that were.
pub(super) async fn meant(store: &dyn Store, index: &Index, kind: Kind, text: &str) -> anyhow::Result<Vec<ResourceId>> {
    let id = ResourceId(text.to_ascii_lowercase());
    if store.state(&id).await?.is_some_and(|state| state.kind == kind) {
        return Ok(vec![id]);
    }
    let mut ids: Vec<ResourceId> = Vec::new();
    if kind == Kind::User {
        ids.extend(store.claimant(&fold_case(text)).await?);
    }
    let named = if kind == Kind::Group { "displayName" } else { "externalId" };
    for name in [named, "externalId"] {
        if let (true, Ok(path)) = (ids.is_empty(), AttributePath::parse(index.schema(), name)) {
            let condition = Condition::Equals(index.entry(&path, text));
            let found = store.find(kind, &condition, 0, NAMESAKES).await?;
            ids.extend(found.resources.into_iter().map(|resource| resource.id));
        }
    }
    Ok(ids)
}

/// The same with those who were once called so, the deleted too: whatever the log may know them by.
pub(super) async fn remembered(store: &dyn Store, index: &Index, kind: Kind, text: &str) -> anyhow::Result<RunSubject> {
    let mut ids = meant(store, index, kind, text).await?;
    if ids.is_empty() {
        ids = store.formerly_named(kind, text).await?;
    }
    if ids.is_empty() {
        // The log knows ids that nobody has any longer.
        ids.push(ResourceId(text.to_ascii_lowercase()));
    }
    Ok(RunSubject { ids, name: Some((kind, text.to_owned())) })
}

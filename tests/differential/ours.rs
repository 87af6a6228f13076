//! What scimbridge answers. Nothing else here calls it.

use std::collections::BTreeSet;
use std::sync::LazyLock;

use scimbridge::scim::index::IndexEntry;
use scimbridge::scim::{self, AttributePath, Condition, Document, Draft, Index, MemberChange, Patch, Schema, Search};
use serde_json::{Value, json};

use crate::difference::Answer;
use crate::resource::Kind;

fn schema(kind: Kind) -> Schema {
    Schema::standard(match kind {
        Kind::User => scim::Kind::User,
        Kind::Group => scim::Kind::Group,
    })
}

fn document(value: &Value) -> Document {
    value.as_object().expect("a resource is an object").clone()
}

/// The resource after a PATCH. Members, which the library keeps apart from the document, are put back.
pub(crate) fn patched(kind: Kind, resource: &Value, body: &Value) -> Answer {
    let mut document = document(resource);
    let held = document.shift_remove("members");
    let patched = match Patch::read(&schema(kind), body).and_then(|patch| patch.apply(&document)) {
        Ok(patched) => patched,
        Err(error) => return Answer::Refused(error.detail),
    };
    let held = held.iter().filter_map(Value::as_array).flatten().filter_map(|member| member["value"].as_str());
    let mut members: BTreeSet<String> = held.map(str::to_owned).collect();
    let ids = |ids: Vec<scim::ResourceId>| ids.into_iter().map(|id| id.0).collect::<BTreeSet<String>>();
    for change in patched.members {
        match change {
            MemberChange::Add(added) => members.extend(ids(added)),
            MemberChange::Remove(removed) => members = &members - &ids(removed),
            MemberChange::Replace(all) => members = ids(all),
        }
    }
    let mut result = patched.document;
    result.insert("members".to_owned(), members.iter().map(|id| json!({"value": id})).collect());
    Answer::document(Value::Object(result))
}

/// The resource as it is stored when a client posts it, unless it may not.
pub(crate) fn stored(kind: Kind, resource: &Value) -> Option<Value> {
    let draft = Draft::read(&schema(kind), resource).ok()?;
    let members = draft.members.map(|ids| ids.iter().map(|id| json!({"value": id.as_str()})).collect());
    let members = members.map(|members| ("members".to_owned(), members));
    Some(Value::Object(draft.document.into_iter().chain(members).collect()))
}

/// Whether a resource, as it is shown, fulfils the filter. That must not depend on what the store's index covers.
pub(crate) fn matches(kind: Kind, shown: &Value, filter: &str) -> Answer {
    let [narrow, wide] = match kind {
        Kind::User => &*USERS,
        Kind::Group => &*GROUPS,
    };
    let evaluated = matches_by(narrow, shown, filter);
    match (&evaluated, matches_by(wide, shown, filter)) {
        (Answer::Matches(evaluated), Answer::Matches(found)) if *evaluated != found => {
            Answer::Broken(format!("{found} by the index and {evaluated} without it"))
        }
        _ => evaluated,
    }
}

/// One index of what every index covers, and one of more.
static USERS: LazyLock<[Index; 2]> = LazyLock::new(|| {
    let mapped = ["emails[type eq \"work\"].value", "name.familyName", "title", "manager"];
    [index(Kind::User, &[]), index(Kind::User, &mapped)]
});
static GROUPS: LazyLock<[Index; 2]> = LazyLock::new(|| [index(Kind::Group, &[]), index(Kind::Group, &[])]);

fn index(kind: Kind, mapped: &[&str]) -> Index {
    let schema = schema(kind);
    let paths = mapped.iter().map(|path| AttributePath::parse(&schema, path).expect("the path is one"));
    Index::new(&schema, paths)
}

fn matches_by(index: &Index, shown: &Value, filter: &str) -> Answer {
    let search = match Search::parse(index, &[], Some(filter)) {
        Ok(search) => search,
        Err(error) => return Answer::Refused(error.detail),
    };
    let shown = document(shown);
    let entries = index.entries(&shown);
    Answer::Matches(holds(&search.condition, &shown, &entries) && search.matches(&shown))
}

/// What the store makes of a condition.
fn holds(condition: &Condition, shown: &Document, entries: &[IndexEntry]) -> bool {
    let all = |conditions: &[Condition]| conditions.iter().all(|condition| holds(condition, shown, entries));
    let members = || shown.get("members").and_then(Value::as_array).into_iter().flatten();
    match condition {
        Condition::All(conditions) => all(conditions),
        Condition::Any(conditions) => conditions.iter().any(|condition| holds(condition, shown, entries)),
        Condition::Not(condition) => !holds(condition, shown, entries),
        Condition::Id(id) => shown.get("id").and_then(Value::as_str) == Some(id.as_str()),
        Condition::Member(id) => members().any(|member| member["value"].as_str() == Some(id.as_str())),
        Condition::HasMembers => members().next().is_some(),
        Condition::Equals(wanted) => entries.contains(wanted),
        Condition::StartsWith(start) => {
            entries.iter().any(|entry| entry.key == start.key && entry.value.starts_with(&start.value))
        }
        Condition::Present(key) => entries.iter().any(|entry| entry.key == *key),
    }
}

//! What holds for every input, one function for each fuzz target.
//!
//! `cargo fuzz` looks for inputs for which it does not; the tests of scimbridge include this file and replay the seeds in
//! `corpus`, so that neither libFuzzer nor a nightly toolchain is needed to keep what was found from coming back.

use std::cmp::Ordering;
use std::collections::BTreeSet;
use std::sync::LazyLock;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use scim_v2::filter::Filter;
use scimbridge::scim::bulk::{Bulk, Outcome, Progress, Step, Task};
use scimbridge::scim::list::Listing;
use scimbridge::scim::schema::{ENTERPRISE_USER, Type};
use scimbridge::scim::sort::{self, Place};
use scimbridge::scim::{
    AttributePath, Document, Draft, Index, Kind, Paging, Patch, Path, Resource, ResourceId, Schema, ScimType, Search,
    Sort, Surroundings, quirks, redact, resource as document,
};
use serde_json::{Value, json};

/// A fuzz target: its name, and what it does with an input.
pub type Target = (&'static str, fn(&str));

/// All of them.
pub const TARGETS: [Target; 7] = [
    ("filter", filter),
    ("path", path),
    ("patch", patch),
    ("resource", resource),
    ("bulk", bulk),
    ("list", list),
    ("redact", redact),
];

const BADGES: &str = "urn:ietf:params:scim:schemas:extension:Badges:2.0:User";

/// Users with an attribute of each type, and one of which nobody said the type.
static USER: LazyLock<Schema> = LazyLock::new(|| {
    let standard = Schema::standard(Kind::User);
    let types = ["string", "boolean", "decimal", "integer", "dateTime", "binary", "reference", "undeclared"];
    let mut mapped: Vec<(AttributePath, Option<Type>)> = Vec::new();
    for name in types {
        mapped.push((AttributePath::parse(&standard, &format!("{BADGES}:{name}")).expect("a path"), Type::named(name)));
    }
    let parts = AttributePath::parse(&standard, &format!("{BADGES}:door.level")).expect("a path");
    mapped.push((parts, Some(Type::Integer)));
    Schema::new(Kind::User, mapped.iter().map(|(path, kind)| (path, *kind)), &[])
});

static GROUP: LazyLock<Schema> = LazyLock::new(|| Schema::standard(Kind::Group));

static INDEXES: LazyLock<[Index; 2]> = LazyLock::new(|| {
    let mapped =
        ["emails[type eq \"work\"].value", "manager"].map(|path| AttributePath::parse(&USER, path).expect("a path"));
    [Index::new(&USER, mapped), Index::new(&GROUP, [])]
});

static ADA: LazyLock<Document> = LazyLock::new(|| {
    let ada = json!({
        "id": "U1", "userName": "ada", "displayName": "Ada King", "active": false, "title": "Countess",
        "name": {"givenName": "Ada", "familyName": "King"},
        "emails": [{"type": "work", "value": "ada@x", "primary": true}, {"type": "home", "value": "a@y"}],
        "members": [{"value": "U1", "type": "User"}],
        "meta": {"created": "2026-01-02T03:04:05.678Z", "resourceType": "User"},
        ENTERPRISE_USER: {"department": "R&D", "manager": {"value": "U2"}},
        BADGES: {"integer": 7, "decimal": 1.5, "dateTime": "2026-01-02T03:04:05Z", "boolean": true, "undeclared": {"a": 1}},
    });
    ada.as_object().cloned().unwrap_or_default()
});

fn schemas() -> [&'static Schema; 2] {
    [&USER, &GROUP]
}

/// The input is a filter.
pub fn filter(input: &str) {
    for index in &*INDEXES {
        match Search::parse(index, &[], Some(input)) {
            Ok(search) => assert!(search.matches(&ADA) || !search.is_indexed(), "nothing is left to look at"),
            Err(error) => assert_eq!(error.scim_type, ScimType::InvalidFilter),
        }
    }
    let rewritten = quirks::filter(input);
    if let Ok(parsed) = rewritten.parse::<Filter>() {
        for again in [rewritten, parsed.to_string()] {
            assert_eq!(quirks::filter(&again).parse::<Filter>().ok().as_ref(), Some(&parsed), "{again}");
        }
    }
    // Numbers are read as the texts that they are, for Entra leaves away quotes.
    if let Ok(sent) = input.parse::<Filter>()
        && !format!("{sent:?}").contains("Number(")
    {
        assert_eq!(
            quirks::filter(input).parse::<Filter>().ok(),
            Some(sent),
            "what the grammar takes keeps its meaning"
        );
    }
}

/// The input is a path.
pub fn path(input: &str) {
    for schema in schemas() {
        match Path::parse(schema, input) {
            Ok(path) => {
                let printed = match &path {
                    Path::Core => schema.kind().schema().to_owned(),
                    Path::Extension(urn) => urn.clone(),
                    Path::Attribute(path) => path.to_string(),
                };
                // These are values to the grammar, and names only under a URN.
                if !["true", "false", "null"].contains(&printed.as_str()) {
                    assert_eq!(Path::parse(schema, &printed), Ok(path.clone()), "{printed}");
                }
                if let Path::Attribute(path) = path {
                    path.texts(&ADA);
                }
            }
            Err(error) => assert_eq!(error.scim_type, ScimType::InvalidPath),
        }
    }
}

/// The first line of the input is a resource, the rest is the body of a PATCH request.
pub fn patch(input: &str) {
    let (Some(before), Some(body)) = two_parts(input) else {
        return;
    };
    for schema in schemas() {
        let (Ok(draft), Ok(patch)) = (Draft::read(schema, &before), Patch::read(schema, &body)) else {
            continue;
        };
        match patch.apply(&draft.document) {
            Ok(patched) => check_document(schema, &patched.document),
            Err(error) => assert!(!error.detail.is_empty()),
        }
    }
}

/// The first line as JSON, and the rest as JSON.
fn two_parts(input: &str) -> (Option<Value>, Option<Value>) {
    let (first, rest) = input.split_once('\n').unwrap_or_default();
    (serde_json::from_str(first).ok(), serde_json::from_str(rest).ok())
}

/// The input is the body of a POST or PUT.
pub fn resource(input: &str) {
    let Ok(body) = serde_json::from_str::<Value>(input) else {
        return;
    };
    for (schema, index) in schemas().into_iter().zip(&*INDEXES) {
        let Ok(draft) = Draft::read(schema, &body) else {
            continue;
        };
        check_document(schema, &draft.document);
        index.entries(&draft.document);
        let resource = resource_of(schema.kind(), draft.document);
        let shown = resource.representation("https://x", &Surroundings::default());
        assert!(shown.contains_key("id") && shown.contains_key("schemas") && shown.contains_key("meta"));
    }
}

fn resource_of(kind: Kind, document: Document) -> Resource {
    let time = "2026-01-02T03:04:05Z".to_owned();
    let id = ResourceId("00000000-0000-4000-8000-000000000001".to_owned());
    Resource { id, kind, document, version: 1, created: time.clone(), modified: time }
}

/// What is kept of a resource is clean, can be read back from the store, and means the same when it is sent again.
fn check_document(schema: &Schema, kept: &Document) {
    let kept_value = Value::Object(kept.clone());
    assert!(kept.is_empty() || has_no_empty_values(&kept_value), "empty values are absent: {kept_value}");
    let reserved: Vec<&String> = kept.keys().filter(|name| document::is_reserved(name)).collect();
    assert!(reserved.is_empty(), "not a client's to write: {reserved:?}");
    let stored = kept_value.to_string();
    assert!(serde_json::from_str::<Value>(&stored).is_ok(), "the store could not read it: {stored}");
    // A role that is JSON text is decoded once, and the text may hold another.
    let nests_roles = document::attribute(kept, "roles").is_some_and(|roles| roles.to_string().contains(":\"{"));
    if document::missing(schema, kept).is_empty() && !nests_roles {
        let again = Draft::read(schema, &kept_value).map(|draft| Value::Object(draft.document));
        assert_eq!(again, Ok(kept_value), "what is kept is in the form of the schema");
    }
}

fn has_no_empty_values(value: &Value) -> bool {
    match value {
        Value::Null => false,
        Value::String(text) => !text.is_empty(),
        Value::Array(elements) => !elements.is_empty() && elements.iter().all(has_no_empty_values),
        Value::Object(members) => !members.is_empty() && members.values().all(has_no_empty_values),
        Value::Bool(_) | Value::Number(_) => true,
    }
}

/// The first line of the input says what becomes of each step, `f` for a failure; the rest is a bulk request.
pub fn bulk(input: &str) {
    let (outcomes, body) = input.split_once('\n').unwrap_or_default();
    let Some(body) = serde_json::from_str::<Value>(body).ok() else {
        return;
    };
    let Ok(bulk) = Bulk::read(&body) else {
        return;
    };
    let (most, is_limited) = (bulk.len() * 2, bulk.fail_on_errors.is_some());
    let mut progress = Progress::new(bulk);
    let mut outcomes = outcomes.chars();
    let mut steps = Vec::new();
    let mut made = BTreeSet::new();
    while let Some(step) = progress.next_step() {
        let Step { position, task } = &step;
        made.extend(bulk_id(&body, *position).filter(|_| matches!(task, Task::Create(..))));
        let outcome = match task {
            _ if outcomes.next() == Some('f') => Outcome::Failed { status: 409, body: Value::Null },
            Task::Create(kind, _) => done(*kind, ResourceId(format!("ID{position}"))),
            Task::Replace(kind, id, ..) | Task::Patch(kind, id, ..) | Task::Delete(kind, id, _) => {
                done(*kind, id.clone())
            }
        };
        progress.note(*position, outcome);
        steps.push(step);
        assert!(steps.len() <= most, "an operation is carried out once, and completed once");
    }
    for step in &steps {
        let (id, data) = match &step.task {
            Task::Create(_, data) => (None, Some(data)),
            Task::Replace(_, id, data, _) | Task::Patch(_, id, data, _) => (Some(id), Some(data)),
            Task::Delete(_, id, _) => (Some(id), None),
        };
        let is_open = |text: &str| text.strip_prefix("bulkId:").is_some_and(|id| made.contains(id));
        assert!(!id.is_some_and(|id| is_open(id.as_str())), "a reference is no id: {step:?}");
        assert!(!data.is_some_and(|data| any_text(data, &is_open)), "a reference is no id: {step:?}");
    }
    let answer = progress.response("https://x");
    let results = answer.get("Operations").and_then(Value::as_array).map_or(0, Vec::len);
    assert!(is_limited || results * 2 == most, "every operation is answered");
}

fn done(kind: Kind, id: ResourceId) -> Outcome {
    Outcome::Done { status: 200, id, kind, version: Some(1) }
}

fn bulk_id(body: &Value, position: usize) -> Option<String> {
    let operations = document::attribute(body.as_object()?, "Operations")?.as_array()?;
    document::text(operations.get(position)?.as_object()?, "bulkId").map(str::to_owned)
}

fn any_text(value: &Value, is_it: &impl Fn(&str) -> bool) -> bool {
    match value {
        Value::String(text) => is_it(text),
        Value::Array(elements) => elements.iter().any(|element| any_text(element, is_it)),
        Value::Object(members) => members.values().any(|member| any_text(member, is_it)),
        _ => false,
    }
}

/// The lines of the input are `sortBy`, `sortOrder`, `startIndex`, `count`, a cursor, what follows the first part of a cursor,
/// and resources to be sorted.
pub fn list(input: &str) {
    let mut lines = input.lines();
    let mut line = || lines.next().filter(|line| !line.is_empty());
    let (sort_by, sort_order, start_index, count, cursor, tail) = (line(), line(), line(), line(), line(), line());
    let kinds = [Kind::User, Kind::Group];
    let sort = match Sort::read(&schemas(), sort_by, sort_order) {
        Ok(sort) => sort,
        Err(error) => {
            assert!([ScimType::InvalidPath, ScimType::InvalidValue].contains(&error.scim_type));
            None
        }
    };
    let listing = Listing { kinds: &kinds, filter: sort_by, sort: sort.as_ref() };
    check_paging(&listing, listing.paging(start_index, count, cursor));
    let forged = tail.and_then(|tail| forge(&listing, tail));
    check_paging(&listing, listing.paging(None, count, forged.as_deref()));
    let mut places = Vec::new();
    for line in lines.take(8) {
        if let Ok(Value::Object(shown)) = serde_json::from_str::<Value>(line) {
            let kind = if shown.contains_key("members") { Kind::Group } else { Kind::User };
            places.push(sort::place(sort.as_ref(), &resource_of(kind, Document::new()), &shown));
        }
    }
    check_order(&listing, &places);
}

fn check_paging(listing: &Listing, paging: Result<Paging, scimbridge::scim::Error>) {
    match paging {
        Ok(Paging::Index { start_index, count }) => assert!(start_index >= 1 && count <= 1000),
        Ok(Paging::Cursor { after, count }) => {
            assert!((1..=1000).contains(&count));
            after.iter().for_each(|place| check_cursor(listing, place));
        }
        Err(error) => {
            let expected = [ScimType::InvalidValue, ScimType::InvalidCursor, ScimType::InvalidCount];
            assert!(expected.contains(&error.scim_type));
        }
    }
}

/// The cursor of a place leads back to it.
fn check_cursor(listing: &Listing, place: &Place) {
    let cursor = listing.cursor(place);
    let Ok(Paging::Cursor { after: Some(read), .. }) = listing.paging(None, None, Some(&cursor)) else {
        panic!("{cursor} cannot be read");
    };
    assert_eq!(sort::compare(listing.sort, &read, place), Ordering::Equal);
    assert_eq!((&read, listing.cursor(&read)), (place, cursor));
}

/// A cursor of that list with other parts.
fn forge(listing: &Listing, tail: &str) -> Option<String> {
    let id = ResourceId("U1".to_owned());
    let place = Place { key: None, kind: Kind::User, created: String::new(), id };
    let parts = String::from_utf8(URL_SAFE_NO_PAD.decode(listing.cursor(&place)).ok()?).ok()?;
    let (fingerprint, _) = parts.split_once(',')?;
    Some(URL_SAFE_NO_PAD.encode(format!("{fingerprint},{tail}]")))
}

/// The order is total, as sorting demands.
fn check_order(listing: &Listing, places: &[Place]) {
    let compare = |left, right| sort::compare(listing.sort, left, right);
    for left in places {
        check_cursor(listing, left);
        for right in places {
            assert_eq!(compare(left, right), compare(right, left).reverse(), "{left:?} {right:?}");
            for third in places {
                let in_order = compare(left, right).is_le() && compare(right, third).is_le();
                assert!(!in_order || compare(left, third).is_le(), "{left:?} {right:?} {third:?}");
            }
        }
    }
}

/// The input is the body of a PATCH request, or else a value in its path.
pub fn redact(input: &str) {
    let of_path = |path: &str| redact::operations(&json!({"Operations": [{"path": path}]}));
    let body = serde_json::from_str(input).unwrap_or_else(|_| json!({"Operations": [{"path": input}]}));
    assert!(redact::operations(&body).chars().count() <= 4001);
    let is_word = input.chars().all(|c| c.is_ascii_alphabetic());
    if is_word || input.is_empty() {
        return;
    }
    let hidden = |text: &str| format!("<{} characters>", text.chars().count());
    let quoted = Value::from(input).to_string();
    let inner = quoted.get(1..quoted.len() - 1).unwrap_or_default();
    let expected = format!("emails[value eq \"{}\"].value", hidden(inner));
    assert_eq!(of_path(&format!("emails[value eq {quoted}].value")), json!([{"path": expected}]).to_string());
    if !input.contains(|c: char| c.is_whitespace() || "[]()\"".contains(c)) {
        let expected = format!("emails[value eq {}].value", hidden(input));
        assert_eq!(of_path(&format!("emails[value eq {input}].value")), json!([{"path": expected}]).to_string());
    }
}

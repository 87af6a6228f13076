//! Large inputs, made to be slow to read.
//!
//! Nothing is measured: each takes far less than a second where the work grows with the input, and many minutes where it
//! grows with its square.

use scimbridge::scim::bulk::{Bulk, MAX_OPERATIONS, Outcome, Progress, Step, Task};
use scimbridge::scim::{
    Draft, Index, Kind, MemberChange, Patch, Patched, Path, ResourceId, Schema, ScimType, Search, redact,
};
use serde_json::{Map, Value, json};

const MEGABYTE: usize = 1_000_000;

/// The unit again and again, a megabyte in all.
fn repeated(unit: &str) -> String {
    unit.repeat(MEGABYTE / unit.len())
}

/// Of these a filter or a path is made that is not closed anywhere.
const UNITS: [&str; 8] = ["(", "]", "\" ", ",", " and ", "a[", "a[b eq c].d eq e or ", "].value eq x "];

#[test]
fn large_filters_are_read_or_refused() {
    let index = Index::new(&Schema::standard(Kind::User), []);
    for unit in UNITS {
        let filter = format!("emails[type eq work{}", repeated(unit));
        let refused = Search::parse(&index, &[], Some(&filter)).map(|_| ()).map_err(|error| error.scim_type);
        assert_eq!(refused, Err(ScimType::InvalidFilter), "{unit:?}");
    }
    for unit in ["\" a", "\\\""] {
        let filter = format!("userName eq \"a{} \"", repeated(unit));
        assert!(Search::parse(&index, &[], Some(&filter)).is_ok(), "{unit:?}");
    }
    let mistyped = format!("{} eq \"x\"", repeated("userName"));
    assert!(Search::parse(&index, &[], Some(&mistyped)).is_err());
}

#[test]
fn large_paths_are_read_or_refused() {
    let schema = Schema::standard(Kind::User);
    for unit in UNITS {
        let path = format!("emails[value eq x{}", repeated(unit));
        let refused = Path::parse(&schema, &path).map_err(|error| error.scim_type);
        assert_eq!(refused, Err(ScimType::InvalidPath), "{unit:?}");
    }
    assert!(Path::parse(&schema, &repeated("a")).is_ok());
}

fn apply(kind: Kind, document: Value, operations: Value) -> Result<Patched, scimbridge::scim::Error> {
    let patch = Patch::read(&Schema::standard(kind), &json!({ "Operations": operations }))?;
    patch.apply(document.as_object().unwrap())
}

fn user() -> Value {
    json!({"userName": "a"})
}

fn emails(count: usize) -> Value {
    (0..count).map(|number| json!({"type": "work", "value": format!("{number}@x")})).collect()
}

#[test]
fn many_operations_on_one_attribute_are_applied() {
    let titles = (0..20_000).map(|number| json!({"op": "replace", "path": "title", "value": number.to_string()}));
    let patched = apply(Kind::User, user(), titles.collect()).unwrap();
    assert_eq!(patched.document["title"], "19999");
}

#[test]
fn many_members_in_one_operation_are_applied() {
    let members: Value = (0..60_000).map(|number| json!({"value": format!("U{number}")})).collect();
    let group = json!({"displayName": "g"});
    let patched = apply(Kind::Group, group, json!([{"op": "add", "path": "members", "value": members}])).unwrap();
    assert!(matches!(patched.members.as_slice(), [MemberChange::Add(ids)] if ids.len() == 60_000));
}

#[test]
fn what_grows_with_operations_and_values_has_an_end() {
    let numbered = |unit: &str, count: usize| -> Value {
        let operation = |number: usize| unit.replace("{n}", &number.to_string());
        (0..count).map(|number| serde_json::from_str::<Value>(&operation(number)).unwrap()).collect()
    };
    let keys = |count: usize| -> Map<String, Value> { (0..count).map(|n| (format!("a{n}"), json!("x"))).collect() };
    let full = json!({"userName": "a", "emails": emails(1_000)});
    for unit in [
        r#"{"op": "remove", "path": "emails[value eq \"{n}\"]"}"#,
        r#"{"op": "remove", "path": "emails", "value": [{"value": "{n}"}]}"#,
    ] {
        assert!(apply(Kind::User, full.clone(), numbered(unit, 2_000)).is_ok(), "{unit}");
    }
    for operations in [
        numbered(r#"{"op": "add", "path": "emails", "value": [{"value": "{n}"}]}"#, 2_000),
        numbered(r#"{"op": "add", "path": "emails[value eq \"{n}\"].type", "value": "x"}"#, 2_000),
        numbered(r#"{"op": "add", "path": "urn:x:{n}:User:a", "value": "x"}"#, 2_000),
        json!([{"op": "add", "value": keys(2_000)}]),
        json!([{"op": "add", "path": "name", "value": keys(2_000)}]),
        json!([{"op": "add", "value": {"urn:x:User": keys(2_000)}}]),
        json!([{"op": "add", "path": "emails.display", "value": repeated("x")}]),
    ] {
        let refused = apply(Kind::User, full.clone(), operations).unwrap_err();
        assert_eq!(refused.scim_type, ScimType::InvalidValue, "{}", refused.detail);
    }
    let many: Vec<String> = (0..1_000).map(|number| format!("value eq \"{number}@x\"")).collect();
    let path = format!("emails[{}].display", many.join(" or "));
    assert!(apply(Kind::User, full, json!([{"op": "replace", "path": path, "value": "x"}])).is_ok());
}

#[test]
fn resources_with_too_many_values_are_refused() {
    let read =
        |body: Value| Draft::read(&Schema::standard(Kind::User), &body).map(|_| ()).map_err(|error| error.scim_type);
    assert_eq!(read(json!({"userName": "a", "emails": emails(60_000)})), Err(ScimType::InvalidValue));
    let unknown: Map<String, Value> = (0..60_000).map(|number| (format!("a{number}"), json!("x"))).collect();
    let body = Value::Object(unknown.into_iter().chain([("userName".to_owned(), json!("a"))]).collect());
    assert_eq!(read(body), Err(ScimType::InvalidValue));
}

/// As many steps as it takes when everything is done as it is told.
fn steps(operations: Vec<Value>) -> usize {
    let mut progress = Progress::new(Bulk::read(&json!({ "Operations": operations })).unwrap());
    let mut steps = 0;
    while let Some(Step { position, task }) = progress.next_step() {
        let (kind, id) = match task {
            Task::Create(kind, _) => (kind, ResourceId(format!("ID{position}"))),
            Task::Replace(kind, id, ..) | Task::Patch(kind, id, ..) | Task::Delete(kind, id, _) => (kind, id),
        };
        progress.note(position, Outcome::Done { status: 200, id, kind, version: Some(1) });
        steps += 1;
    }
    assert!(!progress.response("").to_string().contains("bulkId:"));
    steps
}

fn group(number: usize, members: impl Iterator<Item = usize>) -> Value {
    let members: Value = members.map(|member| json!({"value": format!("bulkId:{member}")})).collect();
    json!({"method": "POST", "path": "/Groups", "bulkId": number.to_string(), "data": {"members": members}})
}

#[test]
fn operations_that_refer_to_each_other_are_carried_out() {
    const ALL: usize = MAX_OPERATIONS;
    let chain = (0..ALL).map(|number| group(number, [number + 1].into_iter()));
    assert_eq!(steps(chain.collect()), ALL);
    let circle = (0..ALL).map(|number| group(number, [(number + 1) % ALL].into_iter()));
    assert_eq!(steps(circle.collect()), ALL + 1);
    // Each refers to the two hundred after it, the last ones to the first.
    let around = (0..ALL).map(|number| group(number, (1..=200).map(|more| (number + more) % ALL)));
    assert!(steps(around.collect()) > ALL);
    let quoted =
        json!({"method": "POST", "path": "/Users", "bulkId": "q", "data": {"title": repeated("\"bulkId:0\" ")}});
    assert_eq!(steps(vec![group(0, [].into_iter()), quoted]), 2);
}

#[test]
fn large_requests_are_redacted() {
    for unit in ["value eq \"a ", "value eq a ]"] {
        let path = format!("emails[{}", repeated(unit));
        redact::operations(&json!({"Operations": [{"op": "frob", "path": path}]}));
    }
    let operations: Vec<Value> = (0..20_000)
        .map(|number| json!({"op": "frob", "path": format!("emails[value eq {number}@x]"), "value": {"x": number}}))
        .collect();
    assert!(redact::operations(&json!({ "Operations": operations })).chars().count() <= 4001);
}

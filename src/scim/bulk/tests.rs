//! Bulk requests, carried out on paper.

use serde_json::json;

use super::*;

/// Carries a request out: each creation gets the id `ID-` and its bulkId; those of `failing` fail.
fn run(operations: Value, fail_on_errors: Option<usize>, failing: &[&str]) -> (Vec<String>, Value) {
    let mut body = json!({ "Operations": operations });
    if let Some(most) = fail_on_errors {
        body["failOnErrors"] = json!(most);
    }
    let bulk = Bulk::read(&body).unwrap();
    let mut progress = Progress::new(bulk.clone());
    let mut steps = Vec::new();
    while let Some(Step { position, task }) = progress.next_step() {
        let bulk_id = bulk.operations[position].bulk_id.clone().unwrap_or_default();
        let outcome = match &task {
            _ if failing.contains(&bulk_id.as_str()) => Outcome::Failed { status: 409, body: Value::Null },
            Task::Create(kind, data) => {
                steps.push(format!("create {kind} {data}"));
                Outcome::Done { status: 201, id: ResourceId(format!("ID-{bulk_id}")), kind: *kind, version: Some(1) }
            }
            Task::Patch(kind, id, data, _) | Task::Replace(kind, id, data, _) => {
                steps.push(format!("change {kind} {id} {data}"));
                Outcome::Done { status: 200, id: id.clone(), kind: *kind, version: Some(2) }
            }
            Task::Delete(kind, id, _) => {
                steps.push(format!("delete {kind} {id}"));
                Outcome::Done { status: 204, id: id.clone(), kind: *kind, version: None }
            }
        };
        progress.note(position, outcome);
    }
    (steps, progress.response("")["Operations"].clone())
}

fn post(path: &str, bulk_id: &str, data: Value) -> Value {
    json!({"method": "POST", "path": path, "bulkId": bulk_id, "data": data})
}

#[test]
fn references_are_resolved_in_any_order() {
    let (steps, results) = run(
        json!([
            post("/Groups", "g", json!({"members": [{"value": "bulkId:u"}]})),
            {"method": "patch", "path": "/Groups/bulkId:g",
             "data": {"Operations": [{"op": "remove", "path": "members[value eq \"bulkId:u\"]"}]}},
            post("Users", "u", json!({"title": "bulkId:nobody"})),
            {"method": "DELETE", "path": "/Users/U1", "version": "W/\"3\""},
        ]),
        None,
        &[],
    );
    assert_eq!(
        steps,
        [
            "create User {\"title\":\"bulkId:nobody\"}",
            "create Group {\"members\":[{\"value\":\"ID-u\"}]}",
            "change Group ID-g {\"Operations\":[{\"op\":\"remove\",\"path\":\"members[value eq \\\"ID-u\\\"]\"}]}",
            "delete User U1",
        ]
    );
    let told = |result: &Value| ["method", "status", "location"].map(|name| result[name].as_str().unwrap().to_owned());
    let told: Vec<String> = results.as_array().unwrap().iter().map(|result| told(result).join(" ")).collect();
    assert_eq!(
        told,
        ["POST 201 /Groups/ID-g", "PATCH 200 /Groups/ID-g", "POST 201 /Users/ID-u", "DELETE 204 /Users/U1"]
    );
}

#[test]
fn a_circle_is_closed_afterwards() {
    let (steps, results) = run(
        json!([
            post("/Groups", "a", json!({"displayName": "a", "members": [{"value": "bulkId:b"}, {"value": "U1"}]})),
            post("/Groups", "b", json!({"displayName": "b", "members": [{"value": "bulkId:a"}]})),
        ]),
        None,
        &[],
    );
    assert_eq!(
        steps,
        [
            "create Group {\"displayName\":\"a\",\"members\":[{\"value\":\"U1\"}]}",
            "create Group {\"displayName\":\"b\",\"members\":[{\"value\":\"ID-a\"}]}",
            "change Group ID-a {\"Operations\":[{\"op\":\"add\",\"value\":{\"members\":[{\"value\":\"ID-b\"}]}}]}",
        ]
    );
    assert_eq!(results[0]["status"], "201");
    assert_eq!(results[0]["version"], "W/\"2\"");
}

#[test]
fn what_refers_to_a_failure_fails() {
    let group = post("/Groups", "g", json!({"members": [{"value": "bulkId:u"}]}));
    let circle = post("/Users", "u", json!({"manager": {"value": "bulkId:v"}}));
    let back = post("/Users", "v", json!({"manager": {"value": "bulkId:u"}}));
    let (_, results) = run(json!([group, circle, back]), None, &["u"]);
    let statuses: Vec<&Value> = results.as_array().unwrap().iter().map(|result| &result["status"]).collect();
    assert_eq!(statuses, ["400", "409", "400"]);
    assert!(results[0]["response"]["detail"].as_str().unwrap().contains("bulkId:u"));
}

#[test]
fn a_bulk_id_that_is_used_again_stays_with_the_first() {
    let group = post("/Groups", "g", json!({"members": [{"value": "bulkId:u"}]}));
    let waits = post("/Users", "u", json!({"manager": {"value": "bulkId:v"}}));
    let again = post("/Users", "u", json!({}));
    let (_, results) = run(json!([group, waits, again, post("/Users", "v", json!({}))]), None, &[]);
    let statuses: Vec<&Value> = results.as_array().unwrap().iter().map(|result| &result["status"]).collect();
    assert_eq!(statuses, ["201", "201", "400", "201"]);
}

#[test]
fn references_in_quotes_are_resolved_where_they_stand() {
    let path = "members[value eq \"bulkId:u\" or value eq \"bulkId:nobody\" or value eq \"bulkId:u\"]";
    let patch = json!({"method": "PATCH", "path": "/Groups/G1", "data": {"path": path, "value": "bulkId:a\"b"}});
    let (steps, _) = run(json!([patch, post("/Users", "u", json!({})), post("/Users", "a\"b", json!({}))]), None, &[]);
    let resolved = json!({"path": path.replace("bulkId:u", "ID-u"), "value": "ID-a\"b"});
    assert_eq!(steps.last().unwrap(), &format!("change Group G1 {resolved}"));
}

#[test]
fn enough_errors_end_the_request() {
    let operations = json!([
        {"method": "GET", "path": "/Users"},
        post("/Users", "u", json!({})),
        {"method": "PUT", "path": "/Users"},
        {"method": "DELETE", "path": "/Devices/1"},
        {"method": "POST", "path": "/Users", "data": {}},
        post("/Users", "u", json!({})),
    ]);
    let (steps, results) = run(operations.clone(), Some(2), &[]);
    assert_eq!((steps.len(), results.as_array().unwrap().len()), (1, 3));
    let (steps, results) = run(operations, None, &[]);
    assert_eq!((steps.len(), results.as_array().unwrap().len()), (1, 6));
}

#[test]
fn a_body_that_is_no_bulk_request_is_refused() {
    for body in [json!([]), json!({}), json!({"Operations": [], "failOnErrors": 0})] {
        assert_eq!(Bulk::read(&body).unwrap_err().scim_type, ScimType::InvalidSyntax);
    }
}

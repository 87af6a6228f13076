//! Bulk requests (RFC 7644 §3.7): each operation does what the request would that it stands for.

use serde_json::{Value, json};

use crate::support::app::TestApp;
use crate::support::entra::{ENTERPRISE, group, patch, person, person_with};
use crate::support::http::Answer;
use crate::support::workplace::Settings;

const REQUEST: &str = "urn:ietf:params:scim:api:messages:2.0:BulkRequest";
const RESPONSE: &str = "urn:ietf:params:scim:api:messages:2.0:BulkResponse";

fn send(app: &TestApp, operations: Value) -> Answer {
    app.post("/Bulk", &json!({"schemas": [REQUEST], "Operations": operations}))
}

#[track_caller]
fn results(answer: Answer) -> Vec<Value> {
    let body = answer.expect(200).json();
    assert_eq!(body["schemas"], json!([RESPONSE]));
    body["Operations"].as_array().unwrap().clone()
}

fn statuses(results: &[Value]) -> Vec<&str> {
    results.iter().map(|result| result["status"].as_str().expect("a status is a text")).collect()
}

fn id_in(result: &Value) -> String {
    result["location"].as_str().unwrap().rsplit('/').next().unwrap().to_owned()
}

fn post(path: &str, bulk_id: &str, data: Value) -> Value {
    json!({"method": "POST", "path": path, "bulkId": bulk_id, "data": data})
}

#[test]
fn operations_are_carried_out_and_told_one_by_one() {
    let app = TestApp::start();
    let bob = app.user("bob");
    let cyd = app.user("cyd");
    let dan = app.user("dan");
    let mut staff = group("staff");
    staff["members"] = json!([{"value": "bulkId:new"}, {"value": bob}]);
    let done = results(send(
        &app,
        json!([
            post("/Groups", "crew", staff),
            post("/Users", "new", person("ada")),
            {"method": "PUT", "path": format!("/Users/{cyd}"), "data": person_with("cyd", json!({"title": "CFO"}))},
            {"method": "PATCH", "path": format!("/Users/{bob}"), "bulkId": "b", "version": "W/\"1\"",
             "data": patch(json!([{"op": "replace", "path": "active", "value": false}]))},
            {"method": "PATCH", "path": "/Groups/bulkId:crew",
             "data": patch(json!([{"op": "add", "path": "members", "value": [{"value": cyd}]}]))},
            {"method": "DELETE", "path": format!("/Users/{dan}")},
        ]),
    ));
    assert_eq!(statuses(&done), ["201", "201", "200", "200", "204", "204"]);
    let methods: Vec<&str> = done.iter().map(|result| result["method"].as_str().unwrap()).collect();
    assert_eq!(methods, ["POST", "POST", "PUT", "PATCH", "PATCH", "DELETE"]);
    assert_eq!((&done[0]["bulkId"], &done[3]["bulkId"]), (&json!("crew"), &json!("b")));
    let (crew, ada) = (id_in(&done[0]), id_in(&done[1]));
    assert_eq!(app.members(&crew), [ada.clone(), bob.clone(), cyd.clone()].into());
    assert_eq!(app.directory_members("staff").len(), 3);
    assert_eq!(app.read_user(&ada)["meta"]["version"], done[1]["version"]);
    assert_eq!(app.read_user(&ada)["meta"]["location"], done[1]["location"]);
    assert_eq!(app.read_user(&cyd)["title"], "CFO");
    assert_eq!(app.read_user(&bob)["active"], false);
    app.get(&format!("/Users/{dan}")).expect(404);
}

#[test]
fn those_who_refer_to_each_other_are_created_together() {
    let app = TestApp::start();
    let boss_of = |name: &str, boss: &str| {
        person_with(name, json!({ENTERPRISE: {"manager": {"value": format!("bulkId:{boss}")}}}))
    };
    let group_with = |name: &str, member: &str| {
        let mut group = group(name);
        group["members"] = json!([{"type": "Group", "value": format!("bulkId:{member}")}]);
        group
    };
    let done = results(send(
        &app,
        json!([
            post("/Users", "ada", boss_of("ada", "bob")),
            post("/Users", "bob", boss_of("bob", "ada")),
            post("/Groups", "outer", group_with("outer", "inner")),
            post("/Groups", "inner", group_with("inner", "outer")),
        ]),
    ));
    assert_eq!(statuses(&done), ["201"; 4]);
    let ids: Vec<String> = done.iter().map(id_in).collect();
    let manager = |id: &str| app.read_user(id)[ENTERPRISE]["manager"]["value"].clone();
    assert_eq!((manager(&ids[0]), manager(&ids[1])), (json!(ids[1]), json!(ids[0])));
    assert_eq!(app.members(&ids[2]), [ids[3].clone()].into());
    assert_eq!(app.members(&ids[3]), [ids[2].clone()].into());
    assert_eq!(app.read_user(&ids[0])["meta"]["version"], done[0]["version"], "the version told is the last one");
}

#[test]
fn what_fails_says_why_and_the_rest_goes_on() {
    let app = TestApp::start();
    let bob = app.user("bob");
    let mut crew = group("crew");
    crew["members"] = json!([{"value": "bulkId:twin"}]);
    let done = results(send(
        &app,
        json!([
            post("/Users", "twin", person("bob")),
            post("/Groups", "crew", crew),
            {"method": "PATCH", "path": format!("/Users/{bob}"), "version": "W/\"99\"",
             "data": patch(json!([{"op": "replace", "path": "title", "value": "CTO"}]))},
            {"method": "PATCH", "path": format!("/Users/{bob}"),
             "data": patch(json!([{"op": "frob", "path": "title", "value": "CTO"}]))},
            {"method": "DELETE", "path": "/Users/nobody"},
            {"method": "GET", "path": "/Users"},
            {"method": "POST", "path": "/Devices", "bulkId": "x", "data": {}},
            {"method": "POST", "path": "/Users", "data": person("eve")},
            post("/Users", "ada", person("ada")),
        ]),
    ));
    assert_eq!(statuses(&done), ["409", "400", "412", "400", "404", "400", "400", "400", "201"]);
    let told = |at: usize| (done[at]["response"]["status"].clone(), done[at]["response"]["scimType"].clone());
    assert_eq!(told(0), (json!("409"), json!("uniqueness")));
    assert!(done[1]["response"]["detail"].as_str().unwrap().contains("bulkId:twin"));
    assert_eq!(told(3), (json!("400"), json!("invalidSyntax")));
    assert_eq!(done[0].get("location"), None, "nothing was made");
    assert!(done[2]["location"].as_str().unwrap().ends_with(&bob));
    assert_eq!(app.read_user(&bob).get("title"), None);
    assert_eq!(app.lookup_groups("crew"), [] as [Value; 0]);
    assert_eq!(app.lookup_user("eve@contoso.com"), None);
}

#[test]
fn a_client_may_want_no_more_after_an_error() {
    let app = TestApp::start();
    let operations = json!([
        post("/Users", "a", person("ada")),
        {"method": "DELETE", "path": "/Users/nobody"},
        {"method": "DELETE", "path": "/Users/nobody-either"},
        post("/Users", "b", person("bob")),
    ]);
    let body = json!({"schemas": [REQUEST], "failOnErrors": 2, "Operations": operations});
    let done = results(app.post("/Bulk", &body));
    assert_eq!(statuses(&done), ["201", "404", "404"]);
    assert_eq!(app.lookup_user("bob@contoso.com"), None);
}

#[test]
fn limits_are_told_and_kept() {
    let app = TestApp::start();
    let config = app.get("/ServiceProviderConfig").expect(200).json();
    assert_eq!(config["bulk"]["supported"], true);
    let most = config["bulk"]["maxOperations"].as_u64().unwrap();
    let delete = json!({"method": "DELETE", "path": "/Users/nobody"});
    let operations = |count: u64| json!(vec![delete.clone(); usize::try_from(count).unwrap()]);
    assert_eq!(results(send(&app, operations(most))).len() as u64, most);
    let refused = send(&app, operations(most + 1)).expect(413).json();
    assert!(refused["detail"].as_str().unwrap().contains(&most.to_string()), "{refused}");

    let largest = usize::try_from(config["bulk"]["maxPayloadSize"].as_u64().unwrap()).unwrap();
    let long = json!({"Operations": [post("/Users", "a", json!({"title": "x".repeat(largest)}))]});
    app.post("/Bulk", &long).expect(413);
    app.post("/Bulk", &json!({"Operations": {}})).refuses(400, "invalidSyntax", &["Operations"]);
    app.get("/Bulk").expect(405);
}

#[test]
fn what_is_switched_off_stays_off_in_bulk() {
    let app =
        TestApp::start_with(crate::support::slapd::Flavor::AsShipped, Settings::default().set("users.create", "false"));
    let done = results(send(&app, json!([post("/Users", "a", person("ada"))])));
    assert_eq!(statuses(&done), ["405"]);
    assert!(done[0]["response"]["detail"].as_str().unwrap().contains("users.create"));
    assert_eq!(app.slapd.entries("ou=people").len(), 1, "the branch alone");
}

#[test]
fn an_outage_ends_the_waiting() {
    let app = TestApp::start();
    let bob = app.user("bob");
    app.slapd.stop();
    let title = |title: &str| {
        json!({"method": "PATCH", "path": format!("/Users/{bob}"),
               "data": patch(json!([{"op": "replace", "path": "title", "value": title}]))})
    };
    let done = results(send(&app, json!([title("CTO"), post("/Users", "a", person("ada")), title("CFO")])));
    assert_eq!(statuses(&done), ["503"; 3]);
    assert!(done[1]["response"]["detail"].as_str().unwrap().contains("not tried"), "{done:#?}");
    app.slapd.start_again();
    crate::support::wait_for("the change that was kept", || (app.read_user(&bob)["title"] == "CTO").then_some(()));
    assert_eq!(app.lookup_user("ada@contoso.com"), None);
}

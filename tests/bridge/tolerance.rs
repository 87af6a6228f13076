//! What is around the messages: headers, media types, stray query keys, slashes. Entra's are not always as the
//! standard has them, and other things stand between it and the bridge.

use serde_json::{Value, json};

use crate::support::app::TestApp;
use crate::support::entra::{person, person_with};
use crate::support::http::Answer;

/// A request whose headers are all the test's own, but for Host and the token.
#[track_caller]
fn say(app: &TestApp, method: &str, path: &str, headers: &[&str], body: Option<&Value>) -> Answer {
    let body = body.map(Value::to_string).unwrap_or_default();
    let mut request = format!("{method} {path} HTTP/1.1\r\nHost: bridge.test\r\nConnection: close\r\n");
    request.push_str(&format!("Authorization: Bearer {}\r\n", app.token));
    for header in headers {
        request.push_str(header);
        request.push_str("\r\n");
    }
    if !body.is_empty() {
        request.push_str(&format!("Content-Length: {}\r\n", body.len()));
    }
    request.push_str("\r\n");
    request.push_str(&body);
    app.raw(request.as_bytes()).unwrap_or_else(|error| panic!("{method} {path}: {error}"))
}

#[test]
fn stray_query_keys_and_slashes_change_nothing() {
    let app = TestApp::start();
    let id = app.user("ada");
    let staff = app.create_group("Staff");
    let filter = "filter=userName+eq+%22ada%40contoso.com%22";
    let flag = "aadOptscim062020";
    let ada = app.read_user(&id);
    for path in [
        format!("/scim/v2/Users?{flag}&{filter}"),
        format!("/scim/v2/Users?{filter}&{flag}"),
        format!("/scim/v2/Users?{flag}=&{filter}"),
        format!("/scim/v2/Users/?{flag}&{filter}"),
        format!("/scim/v2//Users?{filter}"),
        format!("/scim/v2/Users/?{filter}"),
        format!("/scim/v2/Users?&{filter}&"),
    ] {
        let list = say(&app, "GET", &path, &[], None).expect(200).json();
        assert_eq!(list["Resources"], json!([ada]), "{path}");
    }
    for path in [
        format!("/scim/v2/Users/{id}?{flag}"),
        format!("/scim/v2/Users/{id}?"),
        format!("/scim/v2/Users/{id}/"),
        format!("/scim/v2//Users/{id}"),
        format!("/scim/v2//Users//{id}?{flag}"),
    ] {
        assert_eq!(say(&app, "GET", &path, &[], None).expect(200).json(), ada, "{path}");
    }
    for path in ["ServiceProviderConfig", "ResourceTypes", "Schemas", "Groups"] {
        say(&app, "GET", &format!("/scim/v2/{path}?{flag}"), &[], None).expect(200);
        say(&app, "GET", &format!("/scim/v2/{path}/?"), &[], None).expect(200);
    }
    app.patch(&format!("/Users/{id}?{flag}"), &json!([{"op": "Add", "path": "title", "value": "x"}])).expect(200);
    app.patch(&format!("/Groups/{staff}?{flag}"), &json!([])).expect(204);
    app.post(&format!("/Users?{flag}"), &person("bob")).expect(201);
    app.delete(&format!("/Users/{id}?{flag}")).expect(204);
}

#[test]
fn headers_may_be_odd_or_missing() {
    let app = TestApp::start();
    let id = app.user("ada");
    let path = format!("/scim/v2/Users/{id}");
    for headers in [
        &[][..],
        &["Accept: application/scim+json"],
        &["Accept: text/html;q=0.9, */*;q=0.1"],
        &["Accept: nonsense"],
        &["User-Agent: -"],
        &["ADSCIMVersion: 2026-08-26T00:00:00 ActivityId=1b2c"],
        &["If-None-Match: W/\"nonsense\""],
        &["Content-Type: application/scim+json"],
    ] {
        say(&app, "GET", &path, headers, None).expect(200);
    }
    for (number, media_type) in [
        "application/scim+json; charset=utf-8",
        "application/scim+json",
        "application/json",
        "application/json; charset=UTF-8",
        "APPLICATION/SCIM+JSON;charset=utf-8",
    ]
    .iter()
    .enumerate()
    {
        let header = format!("Content-Type: {media_type}");
        let body = person(&format!("person{number}"));
        say(&app, "POST", "/scim/v2/Users", &[&header], Some(&body)).expect(201);
    }
}

#[test]
fn a_body_may_have_spaces_around_it() {
    let app = TestApp::start();
    let body = format!("\r\n  {:#}  \r\n", person("ada"));
    app.try_request("POST", "/Users", Some(body.as_bytes())).unwrap().expect(201);
}

#[test]
fn what_is_not_known_is_kept_and_returned() {
    let app = TestApp::start();
    let custom = "urn:ietf:params:scim:schemas:extension:Contoso:2.0:User";
    let id = app.create_user(&person_with(
        "ada",
        json!({
            "nickName": "Countess",
            "favouriteColour": "green",
            custom: {"badge": "B-17", "floor": 3, "remote": true, "desks": [{"value": "1"}]}
        }),
    ));
    let expect = |user: &Value| {
        assert_eq!(user["nickName"], "Countess");
        assert_eq!(user["favouriteColour"], "green");
        assert_eq!(user[custom], json!({"badge": "B-17", "floor": 3, "remote": true, "desks": [{"value": "1"}]}));
    };
    expect(&app.read_user(&id));
    expect(&app.patch_user(&id, &json!([{"op": "Replace", "path": "title", "value": "x"}])));
    app.restart();
    expect(&app.read_user(&id));
}

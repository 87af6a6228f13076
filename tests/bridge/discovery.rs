//! What the service says of itself is what it is: made from the configuration, word for word in the snapshots.

use serde_json::{Value, json};

use crate::support::app::{TestApp, resources};
use crate::support::entra::{self, ENTERPRISE, GROUP, USER, person, person_with};
use crate::support::slapd::Flavor;
use crate::support::workplace::Settings;

const BADGES: &str = "urn:ietf:params:scim:schemas:extension:Badges:2.0:User";

/// A map with an extension of its own, and a surname that the directory cannot do without.
fn with_extension() -> Settings {
    let attribute = |ldap: &str, name: &str, more: &str| {
        format!("[[users.attribute]]\nldap = \"{ldap}\"\nscim = \"{BADGES}:{name}\"\n{more}\n")
    };
    Settings::default()
        .without("default = \"-\"")
        .add(&attribute("employeeType", "Color", ""))
        .add(&attribute("roomNumber", "floor", "type = \"integer\""))
        .add(&attribute("carLicense", "parks", "type = \"boolean\""))
        .add(&attribute("businessCategory", "issued", "type = \"dateTime\""))
}

fn documents(app: &TestApp) -> Value {
    let paths = ["/ServiceProviderConfig", "/ResourceTypes", "/Schemas"];
    let shown = paths.map(|path| (path.to_owned(), app.normalised(app.get(path).expect(200).json())));
    Value::Object(shown.into_iter().collect())
}

#[test]
fn the_example_describes_itself() {
    insta::assert_json_snapshot!(documents(&TestApp::start()));
}

#[test]
fn custom_extensions_describe_themselves() {
    insta::assert_json_snapshot!(documents(&TestApp::start_with(Flavor::AsShipped, with_extension())));
}

#[test]
fn a_custom_extension_is_what_it_says() {
    let app = TestApp::start_with(Flavor::AsShipped, with_extension());
    let badge = json!({"Color": "Red", "floor": "7", "parks": "True", "issued": "2026-01-31T08:00:00+01:00"});
    // Entra leaves the URN of a custom extension out of `schemas`.
    let ada = app.create_user(&person_with("ada", json!({BADGES: badge})));
    let user = app.read_user(&ada);
    assert_eq!(
        user[BADGES],
        json!({"Color": "Red", "floor": 7, "parks": true, "issued": "2026-01-31T08:00:00+01:00"}),
        "values in the types that the map says"
    );
    assert!(user["schemas"].as_array().unwrap().contains(&json!(BADGES)));
    app.user("bob");
    for filter in [
        "Color eq \"red\"",
        "COLOR sw \"r\"",
        "floor gt 6",
        "floor le 7.0",
        "parks eq true",
        "issued lt \"2026-01-31T07:30:00Z\"",
        "issued pr",
    ] {
        let found = app.find("Users", &format!("{BADGES}:{filter}"));
        assert_eq!(found.iter().map(|user| &user["id"]).collect::<Vec<_>>(), [&json!(ada)], "{filter}");
    }
    let refuse = |name: &str, value: Value, naming: &str| {
        let operation = json!([{"op": "Add", "path": format!("{BADGES}:{name}"), "value": value}]);
        app.patch(&format!("/Users/{ada}"), &operation).refuses(400, "invalidValue", &[naming]);
    };
    refuse("floor", json!("seventh"), "whole number");
    refuse("floor", json!(7.5), "whole number");
    refuse("parks", json!("maybe"), "true or false");
    refuse("issued", json!("yesterday"), "date");
    let filter = entra::encode(&format!("{BADGES}:floor co 7"));
    app.get(&format!("/Users?filter={filter}")).refuses(400, "invalidFilter", &["number"]);
    let whole = app.get(&format!("/Users/{ada}?attributes={BADGES}")).expect(200).json();
    assert_eq!(whole[BADGES], user[BADGES]);
    assert_eq!(whole.get("userName"), None);
}

#[test]
fn what_the_directory_cannot_do_without_is_required() {
    let app = TestApp::start_with(Flavor::AsShipped, with_extension());
    let nameless = person_with("ada", json!({"name": {"givenName": "Ada"}}));
    app.post("/Users", &nameless).refuses(400, "invalidValue", &["name.familyName"]);
    assert_eq!(app.lookup_user("ada@contoso.com"), None);
    let ada = app.user("ada");
    for operation in [
        json!({"op": "Remove", "path": "name.familyName"}),
        json!({"op": "remove", "path": "name"}),
        json!({"op": "Replace", "path": "name.familyName", "value": ""}),
    ] {
        let target = format!("/Users/{ada}");
        app.patch(&target, &json!([operation])).refuses(400, "mutability", &["name.familyName"]);
    }
    assert_eq!(app.read_user(&ada)["name"]["familyName"], "Contoso");
    // With the example's default for `sn`, nobody needs one.
    let app = TestApp::start();
    app.create_user(&nameless);
}

#[test]
fn groups_that_are_switched_off_are_nowhere() {
    let app = TestApp::start_with(Flavor::AsShipped, Settings::default().set("groups.enabled", "false"));
    let types = resources(&app.get("/ResourceTypes").expect(200).json());
    assert_eq!(types.iter().map(|kind| &kind["id"]).collect::<Vec<_>>(), ["User"]);
    let schemas = resources(&app.get("/Schemas").expect(200).json());
    assert_eq!(schemas.iter().map(|schema| &schema["id"]).collect::<Vec<_>>(), [USER, ENTERPRISE]);
    for target in ["/Groups", "/Groups/x", &format!("/Schemas/{GROUP}"), "/ResourceTypes/Group"] {
        app.get(target).expect(404);
    }
    app.post("/Groups", &entra::group("staff")).expect(404);
    app.post("/Groups/.search", &json!({})).expect(404);
    let bulk =
        json!({"Operations": [{"method": "POST", "path": "/Groups", "bulkId": "g", "data": entra::group("staff")}]});
    assert_eq!(app.post("/Bulk", &bulk).expect(200).json()["Operations"][0]["status"], "404");
    app.create_user(&person("ada"));
    assert_eq!(resources(&app.get("/").expect(200).json()).len(), 1);
}

#[test]
fn discovery_is_not_filtered() {
    let app = TestApp::start();
    for path in ["/Schemas", "/ResourceTypes"] {
        app.get(&format!("{path}?startIndex=2&count=1&sortBy=id")).expect(200);
        let refused = app.get(&format!("{path}?filter=id+pr")).expect(403).json();
        assert_eq!(refused["status"], "403");
    }
}

#[test]
fn nobody_is_me() {
    let app = TestApp::start();
    for (method, target) in [("GET", "/Me"), ("PATCH", "/Me"), ("DELETE", "/Me/"), ("POST", "/Me"), ("GET", "/Me/x")] {
        let answer = app.request(method, target, (method != "GET").then_some(&json!({}))).expect(501).json();
        assert_eq!(answer["status"], "501");
    }
}

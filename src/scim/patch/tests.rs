//! PATCH, case by case: a document, the operations, what becomes of it.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;

const ENTERPRISE: &str = crate::scim::schema::ENTERPRISE_USER;

fn apply(kind: Kind, document: &Value, operations: &Value) -> Result<Patched, Error> {
    Patch::read(&Schema::standard(kind), &json!({ "Operations": operations }))?.apply(document.as_object().unwrap())
}

#[track_caller]
fn check(document: Value, operations: Value, expected: Value) {
    let mut document = document;
    document["userName"] = json!("a");
    let mut patched = Value::Object(apply(Kind::User, &document, &operations).unwrap().document);
    patched.as_object_mut().unwrap().remove("userName");
    assert_eq!(patched, expected);
}

#[track_caller]
fn check_refused(operations: Value, scim_type: ScimType) {
    let document = json!({"userName": "a", "emails": [{"type": "work", "value": "w"}]});
    assert_eq!(apply(Kind::User, &document, &operations).unwrap_err().scim_type, scim_type);
}

#[test]
fn single_values_are_set_and_cleared() {
    check(json!({}), json!([{"op": "Add", "path": "Title", "value": "CTO"}]), json!({"title": "CTO"}));
    check(json!({"title": "x"}), json!([{"op": "Replace", "path": "title", "value": "CTO"}]), json!({"title": "CTO"}));
    for clearing in [
        json!({"op": "Remove", "path": "title"}),
        json!({"op": "replace", "path": "title", "value": ""}),
        json!({"op": "replace", "value": {"title": null}}),
    ] {
        check(json!({"title": "x"}), json!([clearing]), json!({}));
    }
    check(
        json!({}),
        json!([{"op": "replace", "path": "title", "value": [{"$ref": null, "value": "CTO"}]}]),
        json!({"title": "CTO"}),
    );
}

#[test]
fn booleans_come_in_every_spelling() {
    for value in [json!(false), json!("False"), json!("false"), json!("FALSE")] {
        check(
            json!({"active": true}),
            json!([{"op": "Replace", "path": "active", "value": value}]),
            json!({"active": false}),
        );
        check(
            json!({"active": true}),
            json!([{"op": "replace", "value": {"active": value}}]),
            json!({"active": false}),
        );
    }
}

#[test]
fn a_missing_active_never_changes_who_may_log_in() {
    for nothing in [json!(null), json!(""), json!([])] {
        let operation = json!({"op": "replace", "path": "active", "value": nothing});
        check(json!({"active": false}), json!([operation]), json!({"active": false}));
    }
    check_refused(json!([{"op": "remove", "path": "active"}]), ScimType::Mutability);
}

#[test]
fn what_the_server_alone_writes_is_refused() {
    for path in
        ["meta.created", "schemas", "manager.displayName", "groups", "urn:ietf:params:scim:schemas:core:2.0:User"]
    {
        check_refused(json!([{"op": "replace", "path": path, "value": "x"}]), ScimType::Mutability);
    }
    let sent = json!({"value": "U2", "displayName": "Somebody", "$ref": "https://elsewhere/Users/U9"});
    check(
        json!({}),
        json!([{"op": "add", "path": "manager", "value": sent}]),
        json!({ENTERPRISE: {"manager": {"value": "U2"}}}),
    );
    check(
        json!({}),
        json!([{"op": "add", "path": "manager", "value": [{"$ref": "https://bridge/scim/v2/Users/U2"}]}]),
        json!({ENTERPRISE: {"manager": {"value": "U2"}}}),
    );
    let members = json!({"Operations": [{"op": "replace", "path": "members[value eq \"U1\"].value", "value": "U2"}]});
    let refused = Patch::read(&Schema::standard(Kind::Group), &members).unwrap_err();
    assert_eq!(refused.scim_type, ScimType::Mutability);
}

#[test]
fn a_role_as_json_text_is_a_role() {
    let role = json!({"value": "{\"id\":\"06b0\",\"value\":\"Admin\",\"displayName\":\"Admin\"}"});
    let decoded = json!({"id": "06b0", "value": "Admin", "displayName": "Admin"});
    let add = json!({"op": "Add", "path": "roles", "value": [role]});
    check(json!({}), json!([add, add]), json!({"roles": [decoded]}));
    check(json!({"roles": [decoded]}), json!([{"op": "Remove", "path": "roles", "value": [role]}]), json!({}));
    let plain = json!({"value": "{not json"});
    check(json!({}), json!([{"op": "Add", "path": "roles", "value": [plain]}]), json!({"roles": [plain]}));
    check(json!({}), json!([{"op": "Add", "path": "emails", "value": [role]}]), json!({"emails": [role]}));
}

#[test]
fn values_have_an_end() {
    let email = |number: usize| json!({"type": "other", "value": format!("{number}@x")});
    let many: Vec<Value> = (0..3_000).map(email).collect();
    check_refused(json!([{"op": "add", "path": "emails", "value": many}]), ScimType::InvalidValue);
    let one_by_one: Vec<Value> =
        many.iter().map(|email| json!({"op": "add", "path": "emails", "value": [email]})).collect();
    check_refused(json!(one_by_one), ScimType::InvalidValue);
    let unknown: Vec<Value> =
        (0..3_000).map(|number| json!({"op": "add", "path": format!("x{number}"), "value": "y"})).collect();
    check_refused(json!(unknown), ScimType::InvalidValue);
    let again = vec![json!({"op": "replace", "path": "emails[type eq \"work\"].value", "value": "z"}); 100];
    let full = json!({"userName": "a", "emails": many[..1_000]});
    assert_eq!(apply(Kind::User, &full, &json!(again)).unwrap_err().scim_type, ScimType::InvalidValue);
    let room = json!({"userName": "a", "emails": many[..999]});
    let patched = apply(Kind::User, &room, &json!(again)).unwrap();
    assert_eq!(patched.document["emails"].as_array().unwrap().len(), 1_000);
}

#[test]
fn what_was_missing_before_keeps_nobody_from_being_disabled() {
    let standard = Schema::standard(Kind::User);
    let family_name = AttributePath::parse(&standard, "name.familyName").unwrap();
    let schema = Schema::new(Kind::User, [], &[family_name]);
    let patch = |operation: Value| Patch::read(&schema, &json!({"Operations": [operation]})).unwrap();
    let disabling = patch(json!({"op": "replace", "path": "active", "value": false}));
    assert!(disabling.apply(json!({"userName": "a"}).as_object().unwrap()).is_ok());
    let removing = patch(json!({"op": "remove", "path": "name"}));
    let named = json!({"userName": "a", "name": {"familyName": "b"}});
    assert_eq!(removing.apply(named.as_object().unwrap()).unwrap_err().scim_type, ScimType::Mutability);
}

#[test]
fn keys_without_a_path_are_paths() {
    let operations = json!([{"op": "replace", "value": {
        "displayName": "Ada King", "name.familyName": "King", "name": {"givenName": "Ada"},
        "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:employeeNumber": "4711",
        "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User": {"department": "R&D", "manager": "U2"},
        "urn:ietf:params:scim:schemas:extension:Custom:2.0:User:Badge": "7",
        "urn:ietf:params:scim:schemas:extension:Other:2.0:User": {"Level": "3"},
        "id": "ignored", "schemas": []}}]);
    check(
        json!({"name": {"formatted": "f"}}),
        operations,
        json!({
        "name": {"formatted": "f", "familyName": "King", "givenName": "Ada"},
        "displayName": "Ada King",
        ENTERPRISE: {"employeeNumber": "4711", "department": "R&D", "manager": {"value": "U2"}},
        "urn:ietf:params:scim:schemas:extension:Custom:2.0:User": {"Badge": "7"},
        "urn:ietf:params:scim:schemas:extension:Other:2.0:User": {"Level": "3"}}),
    );
}

#[test]
fn typed_values_are_made_when_they_are_missing() {
    let operations = json!([
        {"op": "Add", "path": "emails[type eq \"work\"].value", "value": "w"},
        {"op": "Replace", "path": "addresses[type eq \"work\"].locality", "value": "Reno"},
        {"op": "Replace", "path": "addresses[type eq \"work\"].Formatted", "value": "Bldg A"},
        {"op": "Add", "path": "roles[primary eq \"True\"].value", "value": "Admin"}]);
    check(
        json!({"emails": [{"type": "home", "value": "h"}]}),
        operations,
        json!({
        "emails": [{"type": "home", "value": "h"}, {"type": "work", "value": "w"}],
        "addresses": [{"type": "work", "locality": "Reno", "formatted": "Bldg A"}],
        "roles": [{"primary": true, "value": "Admin"}]}),
    );
}

#[test]
fn what_a_filter_says_of_a_new_value_takes_the_form_of_the_schema() {
    let add = |path: &str| json!([{"op": "add", "path": path, "value": "x"}]);
    check(
        json!({}),
        add("emails[TYPE eq \"work\" and PRIMARY eq \"True\"].value"),
        json!({"emails": [{"type": "work", "primary": true, "value": "x"}]}),
    );
    check(json!({}), add("emails[type eq \"\"].value"), json!({"emails": [{"value": "x"}]}));
    check(json!({}), add("manager[$ref eq \"../Users/U2\"].value"), json!({ENTERPRISE: {"manager": {"value": "x"}}}));
    check_refused(add("x509Certificates[value eq true].display"), ScimType::NoTarget);
}

#[test]
fn simple_values_have_no_parts() {
    let replace = |path: &str| json!([{"op": "replace", "path": path, "value": "y"}]);
    for path in ["title[value eq \"x\"]", "title[value eq \"z\"]"] {
        check(json!({"title": "x"}), replace(path), json!({"title": "y"}));
    }
    for path in ["title.value", "title.size", "userName[value eq \"a\"].size"] {
        check_refused(replace(path), ScimType::InvalidPath);
    }
}

#[test]
fn typed_values_are_changed_and_removed() {
    let document = json!({"emails": [{"type": "work", "value": "w", "primary": true}, {"type": "home", "value": "h"}]});
    check(
        document.clone(),
        json!([{"op": "replace", "path": "emails[type eq \"work\"].value", "value": "n"}]),
        json!({"emails": [{"type": "work", "value": "n", "primary": true}, {"type": "home", "value": "h"}]}),
    );
    check(
        document.clone(),
        json!([{"op": "remove", "path": "emails[type eq \"work\"].value"}]),
        json!({"emails": [{"type": "home", "value": "h"}]}),
    );
    check(
        document.clone(),
        json!([{"op": "replace", "path": "emails[type eq \"work\"].value", "value": null}]),
        json!({"emails": [{"type": "home", "value": "h"}]}),
    );
    check(document.clone(), json!([{"op": "remove", "path": "emails[type eq \"fax\"]"}]), document.clone());
    check(
        document.clone(),
        json!([{"op": "remove", "path": "emails", "value": [{"value": "h"}]}]),
        json!({"emails": [{"type": "work", "value": "w", "primary": true}]}),
    );
    check(document.clone(), json!([{"op": "remove", "path": "emails"}]), json!({}));
    check(
        document,
        json!([{"op": "add", "path": "emails", "value": [{"type": "other", "value": "o", "primary": true}]}]),
        json!({"emails": [{"type": "work", "value": "w", "primary": false}, {"type": "home", "value": "h"}, {"type": "other", "value": "o", "primary": true}]}),
    );
}

#[test]
fn the_manager_comes_in_every_form() {
    let path = format!("{ENTERPRISE}:manager");
    let set = json!({ENTERPRISE: {"manager": {"value": "U2"}}});
    for operation in [
        json!({"op": "Add", "path": path, "value": "U2"}),
        json!({"op": "Add", "path": "manager", "value": [{"$ref": null, "value": "U2"}]}),
        json!({"op": "replace", "path": path, "value": {"value": "U2"}}),
        json!({"op": "replace", "path": format!("{path}.value"), "value": "U2"}),
        json!({"op": "replace", "value": {path.clone(): "U2"}}),
        json!({"op": "replace", "value": {path.clone(): {"value": "U2"}}}),
    ] {
        check(json!({}), json!([operation]), set.clone());
    }
    for operation in [
        json!({"op": "remove", "path": "manager[value eq \"U2\"]"}),
        json!({"op": "remove", "path": format!("{path}[value eq \"U2\"]")}),
        json!({"op": "Remove", "path": "manager", "value": [{"value": "U2"}]}),
        json!({"op": "remove", "path": path}),
        json!({"op": "replace", "path": path, "value": ""}),
        json!({"op": "replace", "path": path, "value": null}),
    ] {
        check(set.clone(), json!([operation]), json!({}));
    }
    for operation in [
        json!({"op": "remove", "path": "manager[value eq \"U9\"]"}),
        json!({"op": "Remove", "path": "manager", "value": [{"value": "U9"}]}),
    ] {
        check(set.clone(), json!([operation]), set.clone());
    }
}

#[track_caller]
fn check_members(operation: Value, expected: MemberChange) {
    let patched = apply(Kind::Group, &json!({"displayName": "g"}), &json!([operation])).unwrap();
    assert_eq!(patched.members, [expected]);
}

#[test]
fn members_are_added_and_removed_in_every_form() {
    let ids = |ids: &[&str]| ids.iter().map(|id| ResourceId((*id).to_owned())).collect::<Vec<_>>();
    for value in [json!([{"$ref": null, "value": "U1"}]), json!({"value": "U1"}), json!(["U1"]), json!("U1")] {
        check_members(json!({"op": "Add", "path": "members", "value": value}), MemberChange::Add(ids(&["U1"])));
        check_members(json!({"op": "Remove", "path": "members", "value": value}), MemberChange::Remove(ids(&["U1"])));
        check_members(json!({"op": "replace", "value": {"members": value}}), MemberChange::Replace(ids(&["U1"])));
    }
    check_members(json!({"op": "remove", "path": "members[value eq \"U1\"]"}), MemberChange::Remove(ids(&["U1"])));
    check_members(
        json!({"op": "remove", "path": "members[value eq \"U1\" or value eq \"U2\"]"}),
        MemberChange::Remove(ids(&["U1", "U2"])),
    );
    let swap = json!({"op": "replace", "path": "members[value eq \"U1\"]", "value": {"value": "U2"}});
    let swapped = apply(Kind::Group, &json!({"displayName": "g"}), &json!([swap])).unwrap();
    assert_eq!(swapped.members, [MemberChange::Remove(ids(&["U1"])), MemberChange::Add(ids(&["U2"]))]);
    check_members(json!({"op": "remove", "path": "members"}), MemberChange::Replace(Vec::new()));
    for nobody in [json!([]), json!(null)] {
        check_members(json!({"op": "remove", "path": "members", "value": nobody}), MemberChange::Remove(Vec::new()));
    }
    check_members(json!({"op": "Replace", "path": "members", "value": []}), MemberChange::Replace(Vec::new()));
}

#[test]
fn what_was_said_of_members_before_they_are_replaced_does_not_count() {
    let one = |op: &str, id: &str| json!({"op": op, "path": "members", "value": [{"value": id}]});
    let operations =
        json!([one("add", "U1"), one("replace", "U2"), one("remove", "U2"), one("replace", "U3"), one("add", "U4")]);
    let patched = apply(Kind::Group, &json!({"displayName": "g"}), &operations).unwrap();
    let ids = |id: &str| vec![ResourceId(id.to_owned())];
    assert_eq!(patched.members, [MemberChange::Replace(ids("U3")), MemberChange::Add(ids("U4"))]);
}

#[test]
fn what_cannot_be_done_is_refused() {
    check_refused(json!([{"op": "Frob", "path": "title"}]), ScimType::InvalidSyntax);
    check_refused(json!([{"op": "add", "value": "x"}]), ScimType::InvalidSyntax);
    check_refused(json!([{"op": "remove"}]), ScimType::NoTarget);
    check_refused(json!([{"op": "replace", "path": "emails[value sw \"x\"].value", "value": "y"}]), ScimType::NoTarget);
    check_refused(json!([{"op": "replace", "path": "emails[", "value": "y"}]), ScimType::InvalidPath);
    check_refused(json!([{"op": "replace", "path": "id", "value": "y"}]), ScimType::Mutability);
    check_refused(json!([{"op": "replace", "path": "active", "value": "maybe"}]), ScimType::InvalidValue);
    check_refused(json!([{"op": "remove", "path": "userName"}]), ScimType::Mutability);
    check_refused(
        json!([{"op": "add", "path": "title", "value": "x"}, {"op": "remove", "path": "userName"}]),
        ScimType::Mutability,
    );
    assert!(Patch::read(&Schema::standard(Kind::User), &json!({})).is_err());
    assert!(Patch::read(&Schema::standard(Kind::User), &json!({"Operations": []})).is_ok());
}

fn any_operation() -> impl Strategy<Value = Value> {
    let op = prop::sample::select(vec!["add", "Replace", "remove"]);
    let path = prop::sample::select(vec![
        "title",
        "name.givenName",
        "emails",
        "emails[type eq \"work\"].value",
        "emails[type eq \"home\"]",
        "manager",
        "active",
        "nickName",
    ]);
    let value = prop::sample::select(vec![
        json!("x"),
        json!(""),
        json!(null),
        json!(true),
        json!([{"type": "work", "value": "y"}]),
        json!({"value": "z"}),
        json!([]),
    ]);
    (op, path, value).prop_map(|(op, path, value)| json!({"op": op, "path": path, "value": value}))
}

proptest! {
    #[test]
    fn a_patch_applied_twice_is_the_patch_applied_once(operations in prop::collection::vec(any_operation(), 1..2)) {
        let document = json!({"userName": "a", "title": "t", "emails": [{"type": "work", "value": "w"}]});
        if let Ok(once) = apply(Kind::User, &document, &json!(operations)) {
            let twice = apply(Kind::User, &Value::Object(once.document.clone()), &json!(operations)).unwrap();
            prop_assert_eq!(once.document, twice.document);
        }
    }

    #[test]
    fn no_patch_leaves_nulls_or_empty_values(operations in prop::collection::vec(any_operation(), 0..6)) {
        if let Ok(patched) = apply(Kind::User, &json!({"userName": "a"}), &json!(operations)) {
            let document = Value::Object(patched.document);
            prop_assert_eq!(quirks::without_nulls(&document), Some(document));
        }
    }
}

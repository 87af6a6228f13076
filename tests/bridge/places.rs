//! Where people's entries stand when a template says it: created there, moved when it changes, found after a move by
//! hand, and the containers that are missing.

use serde_json::{Value, json};

use crate::support::app::{CrashAt, TestApp};
use crate::support::entra::{ENTERPRISE, person_with};
use crate::support::slapd::{Flavor, SUFFIX, Slapd};
use crate::support::wait_for;
use crate::support::workplace::Settings;

fn settings(create: bool) -> Settings {
    Settings::default()
        .set("users.base_dn", "\"ou={{ department }},ou=people,dc=example,dc=org\"")
        .set("users.create_containers", &create.to_string())
}

fn works_in(name: &str, department: &str) -> Value {
    person_with(name, json!({ENTERPRISE: {"department": department}}))
}

fn place(name: &str, department: &str) -> String {
    format!("uid={name}@contoso.com,ou={department},ou=people,{SUFFIX}")
}

fn change_department(app: &TestApp, id: &str, department: &str) {
    let operation = json!([{"op": "Replace", "path": format!("{ENTERPRISE}:department"), "value": department}]);
    app.patch_user(id, &operation);
}

#[test]
fn a_change_of_department_moves_the_entry_and_all_that_refers_to_it() {
    for flavor in [Flavor::AsShipped, Flavor::Plain] {
        let app = TestApp::start_with(flavor, settings(true));
        let ada = app.create_user(&works_in("ada", "R&D, old"));
        let bob = app.create_user(&works_in("bob", "Sales"));
        let staff = app.create_group("Staff");
        app.add_members(&staff, &[&ada, &bob]);
        app.patch_user(&bob, &json!([{"op": "Add", "path": format!("{ENTERPRISE}:manager"), "value": ada}]));
        let old = place("ada", "R&D\\2C old");
        assert!(app.slapd.entry(&old).is_some(), "{}", app.directory());
        app.slapd.by_hand(&format!("dn: {old}\nchangetype: modify\nadd: roomNumber\nroomNumber: 7\n"));
        let held = app.slapd.values(&old, "entryUUID");
        change_department(&app, &ada, "Sales");
        let new = place("ada", "Sales");
        assert_eq!(app.slapd.values(&new, "entryUUID"), held, "the same entry, with all that is in it");
        assert_eq!(app.slapd.values(&new, "roomNumber"), ["7"]);
        assert_eq!(app.lookup_user("ada@contoso.com").unwrap()["id"], ada);
        wait_for("the group to follow", || {
            (app.directory_members("Staff") == [new.clone(), place("bob", "Sales")]).then_some(())
        });
        wait_for("the manager to follow", || {
            (app.slapd.values(&place("bob", "Sales"), "manager") == [new.clone()]).then_some(())
        });
        // Rename and move at once.
        let operations = json!([
            {"op": "Replace", "path": "userName", "value": "ada.king@contoso.com"},
            {"op": "Replace", "path": format!("{ENTERPRISE}:department"), "value": "Board"},
        ]);
        app.patch_user(&ada, &operations);
        assert_eq!(app.slapd.values(&place("ada.king", "Board"), "entryUUID"), held);
        wait_for("the group to follow again", || {
            app.directory_members("Staff").contains(&place("ada.king", "Board")).then_some(())
        });
        insta::assert_snapshot!("a_change_of_department", app.view());
    }
}

#[test]
fn a_container_that_is_missing_is_the_administrators_unless_told_otherwise() {
    let app = TestApp::start_with(Flavor::AsShipped, settings(false));
    let before = app.directory();
    let refused = app.post("/Users", &works_in("ada", "Sales"));
    refused.fails_naming(500, &["ou=Sales,ou=people,dc=example,dc=org", "users.create_containers"]);
    assert_eq!(app.directory(), before);
    app.slapd.by_hand(&format!("dn: ou=Sales,ou=people,{SUFFIX}\nobjectClass: organizationalUnit\nou: Sales\n"));
    let ada = app.create_user(&works_in("ada", "Sales"));
    let target = format!("/Users/{ada}");
    let operation = json!([{"op": "Replace", "path": format!("{ENTERPRISE}:department"), "value": "Board"}]);
    app.patch(&target, &operation).fails_naming(500, &["ou=Board"]);
    assert!(app.slapd.entry(&place("ada", "Sales")).is_some());
    // It stays wanted until there is a place for it.
    app.slapd.by_hand(&format!("dn: ou=Board,ou=people,{SUFFIX}\nobjectClass: organizationalUnit\nou: Board\n"));
    wait_for("her to be moved", || app.slapd.entry(&place("ada", "Board")));
}

#[test]
fn who_has_no_place_is_refused_and_told_why() {
    let app = TestApp::start_with(Flavor::AsShipped, settings(true));
    let body = person_with("ada", json!({}));
    app.post("/Users", &body).refuses(400, "invalidValue", &["department", "has no value"]);
    let ada = app.create_user(&works_in("ada", "Sales"));
    let operation = json!([{"op": "Remove", "path": format!("{ENTERPRISE}:department")}]);
    app.patch(&format!("/Users/{ada}"), &operation).refuses(400, "invalidValue", &["department"]);
    assert!(app.slapd.entry(&place("ada", "Sales")).is_some());
}

#[test]
fn a_crash_in_the_middle_of_a_move_is_repaired() {
    let app = TestApp::start_with(Flavor::Plain, settings(true));
    let ada = app.create_user(&works_in("ada", "Sales"));
    let staff = app.create_group("Staff");
    app.add_members(&staff, &[&ada]);
    for (crash, department) in [(CrashAt::Intent, "A"), (CrashAt::Apply, "B"), (CrashAt::Record, "C")] {
        app.restart_to_crash(crash);
        let operation = json!([{"op": "Replace", "path": format!("{ENTERPRISE}:department"), "value": department}]);
        let body = crate::support::entra::patch(operation).to_string();
        app.try_request("PATCH", &format!("/Users/{ada}"), Some(body.as_bytes())).unwrap_err();
        app.wait_exit();
        app.restart();
        wait_for("the group to follow", || {
            (app.directory_members("Staff") == [place("ada", department)]).then_some(())
        });
        assert_eq!(app.slapd.people("uid", "ada@contoso.com").len(), 1);
    }
}

#[test]
fn many_who_need_one_missing_container_get_it_together() {
    let app = TestApp::start_with(Flavor::AsShipped, settings(true));
    std::thread::scope(|scope| {
        for number in 0..8 {
            let app = &app;
            scope.spawn(move || app.create_user(&works_in(&format!("u{number}"), "New, \"here\" + <äöü> 🦀")));
        }
    });
    assert_eq!(app.slapd.entries("ou=people").iter().filter(|entry| entry.rdn().starts_with("uid=")).count(), 8);
}

#[test]
fn an_entry_by_hand_is_found_and_taken_to_its_place() {
    let slapd = Slapd::start(Flavor::AsShipped);
    slapd.by_hand(&format!("dn: ou=old,ou=people,{SUFFIX}\nobjectClass: organizationalUnit\nou: old\n"));
    slapd.by_hand(&format!(
        "dn: cn=Ada by hand,ou=old,ou=people,{SUFFIX}\nobjectClass: inetOrgPerson\ncn: Ada by hand\nsn: x\n\
         uid: ada@contoso.com\nroomNumber: 7\n"
    ));
    let app = TestApp::start_before(slapd, &settings(true));
    app.create_user(&works_in("ada", "Sales"));
    let moved = format!("cn=Ada by hand,ou=Sales,ou=people,{SUFFIX}");
    assert_eq!(app.slapd.values(&moved, "roomNumber"), ["7"]);
}

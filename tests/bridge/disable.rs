//! Keeping people out by every strategy and by all of them together, and letting them in again to exactly what stood
//! before. A bind is the proof.

use serde_json::json;

use crate::support::app::{CrashAt, TestApp, dn};
use crate::support::entra::{ENTERPRISE, person_with, remove_members};
use crate::support::slapd::{ADMIN_PASSWORD, Flavor, SUFFIX, Slapd};
use crate::support::wait_for;
use crate::support::workplace::Settings;

const PASSWORD: &str = "Correct-Horse-1";
const GONE: &str = "ou=gone,dc=example,dc=org";

const SET: &str = "[[users.disable.set]]\nldap = \"employeeType\"\nvalue = \"inactive\"\n\
                   [[users.disable.set]]\nldap = \"description\"\nvalue = [\"left\", \"see HR\"]\n";

fn settings() -> Settings {
    Settings::default().set("users.disable.lock", "false")
}

fn app(settings: &Settings) -> TestApp {
    let slapd = Slapd::start(Flavor::AsShipped);
    slapd.by_hand(&format!("dn: {GONE}\nobjectClass: organizationalUnit\nou: gone\n"));
    TestApp::start_before(slapd, settings)
}

fn place(branch: &str) -> String {
    format!("uid=ada@contoso.com,{branch}")
}

/// Somebody with a password, and with values that nobody mapped.
fn ada(app: &TestApp) -> String {
    let ada = app.user("ada");
    app.slapd.by_hand(&format!(
        "dn: {}\nchangetype: modify\nreplace: userPassword\nuserPassword: {PASSWORD}\n-\n\
         add: employeeType\nemployeeType: contractor\n-\nadd: roomNumber\nroomNumber: 7\n",
        dn("ada")
    ));
    ada
}

/// All that the directory holds, people and those who are gone.
fn everything(app: &TestApp) -> String {
    app.directory() + &app.slapd.ldif("ou=gone")
}

fn binds(app: &TestApp, branch: &str) -> bool {
    app.slapd.bind(&place(branch), PASSWORD)
}

#[test]
fn values_that_are_set_go_and_what_stood_before_comes_back() {
    let app = app(&settings().add(SET));
    let ada = ada(&app);
    let before = everything(&app);
    app.disable_user(&ada);
    assert_eq!(app.slapd.values(&dn("ada"), "employeeType"), ["inactive"]);
    assert_eq!(app.slapd.values(&dn("ada"), "description"), ["left", "see HR"]);
    let disabled = everything(&app);
    app.disable_user(&ada);
    assert_eq!(everything(&app), disabled, "to say it again changes nothing");
    app.restart();
    app.enable_user(&ada);
    assert_eq!(everything(&app), before);
    // What is changed meanwhile by hand is drift, and is not what comes back.
    app.disable_user(&ada);
    app.slapd.by_hand(&format!(
        "dn: {}\nchangetype: modify\nreplace: employeeType\nemployeeType: boss\n-\ndelete: description\ndescription: left\n",
        dn("ada")
    ));
    app.disable_user(&ada);
    assert_eq!(everything(&app), disabled);
    app.enable_user(&ada);
    assert_eq!(everything(&app), before);
}

#[test]
fn a_hash_is_made_unusable_and_comes_back_byte_for_byte() {
    let app = app(&settings().set("users.disable.password", "true"));
    let ada = ada(&app);
    let before = everything(&app);
    assert!(binds(&app, "ou=people,dc=example,dc=org"));
    app.disable_user(&ada);
    assert!(!app.slapd.bind(&dn("ada"), PASSWORD));
    assert!(!app.slapd.bind(&dn("ada"), &format!("{{DISABLED}}{PASSWORD}")));
    app.restart();
    app.enable_user(&ada);
    assert_eq!(everything(&app), before);
    assert!(app.slapd.bind(&dn("ada"), PASSWORD));
}

#[test]
fn a_password_that_is_set_for_who_is_gone_lets_nobody_in_once_it_is_seen() {
    let app = app(&settings().set("users.disable.password", "true"));
    let ada = ada(&app);
    app.disable_user(&ada);
    app.slapd.set_password(&dn("ada"), "by hand");
    assert!(app.slapd.bind(&dn("ada"), "by hand"));
    app.patch_user(&ada, &json!([{"op": "Replace", "path": "title", "value": "Countess"}]));
    assert!(!app.slapd.bind(&dn("ada"), "by hand"));
    app.enable_user(&ada);
    assert!(app.slapd.bind(&dn("ada"), "by hand"));
}

#[test]
fn an_entry_is_moved_away_and_back_to_where_it_stood_and_references_follow() {
    for flavor in [Flavor::AsShipped, Flavor::Plain] {
        let slapd = Slapd::start(flavor);
        slapd.by_hand(&format!("dn: {GONE}\nobjectClass: organizationalUnit\nou: gone\n"));
        let sales = format!("ou=sales,ou=people,{SUFFIX}");
        slapd.by_hand(&format!("dn: {sales}\nobjectClass: organizationalUnit\nou: sales\n"));
        let app = TestApp::start_before(slapd, &settings().set("users.disable.move_to", &format!("{GONE:?}")));
        let (ada, bob) = (ada(&app), app.user("bob"));
        let staff = app.create_group("Staff");
        app.add_members(&staff, &[&ada, &bob]);
        let manager = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:manager";
        app.patch_user(&bob, &json!([{"op": "Add", "path": manager, "value": ada}]));
        // Somebody sorted the entries by hand: she goes back there.
        app.slapd.by_hand(&format!(
            "dn: {}\nchangetype: modrdn\nnewrdn: uid=ada@contoso.com\ndeleteoldrdn: 1\nnewsuperior: {sales}\n",
            dn("ada")
        ));
        wait_for("the references to follow", || {
            app.patch_user(&ada, &json!([{"op": "Replace", "path": "title", "value": "Countess"}]));
            app.directory_members("Staff").contains(&place(&sales)).then_some(())
        });
        let before = everything(&app);
        app.disable_user(&ada);
        assert!(app.slapd.entry(&place(&sales)).is_none());
        assert!(app.slapd.entry(&place(GONE)).is_some());
        let member_moved = || app.directory_members("Staff") == [place(GONE), dn("bob")];
        wait_for("the group to follow", || member_moved().then_some(()));
        wait_for("the manager to follow", || (app.slapd.values(&dn("bob"), "manager") == [place(GONE)]).then_some(()));
        // She is changed, renamed and found there like everybody else.
        app.patch_user(&ada, &json!([{"op": "Replace", "path": "title", "value": "Late Countess"}]));
        assert_eq!(app.slapd.values(&place(GONE), "title"), ["Late Countess"]);
        app.restart();
        app.patch_user(&ada, &json!([{"op": "Replace", "path": "title", "value": "Countess"}]));
        app.enable_user(&ada);
        wait_for("all to be as before", || (everything(&app) == before).then_some(()));
        app.disable_user(&ada);
        app.delete(&format!("/Users/{ada}")).expect(204);
        wait_for("the group to forget her", || (app.directory_members("Staff") == [dn("bob")]).then_some(()));
        assert_eq!(app.slapd.entries("ou=gone").len(), 1);
    }
}

fn all_strategies() -> Settings {
    Settings::default()
        .set("users.disable.password", "true")
        .set("users.disable.move_to", &format!("{GONE:?}"))
        .add(SET)
}

#[test]
fn all_strategies_together_are_undone_together() {
    let app = app(&all_strategies());
    let ada = ada(&app);
    let before = everything(&app);
    for _ in 0..2 {
        app.disable_user(&ada);
        assert!(app.is_locked(&place(GONE)), "a password that is changed by an administrator lifts a lock");
        assert!(!binds(&app, GONE));
        assert_eq!(app.slapd.values(&place(GONE), "employeeType"), ["inactive"]);
        let disabled = everything(&app);
        app.disable_user(&ada);
        assert_eq!(everything(&app), disabled);
        app.enable_user(&ada);
        assert_eq!(everything(&app), before);
        assert!(binds(&app, "ou=people,dc=example,dc=org"));
    }
}

#[test]
fn a_crash_in_the_middle_of_it_is_repaired() {
    let app = app(&all_strategies());
    let ada = ada(&app);
    let before = everything(&app);
    let target = format!("/Users/{ada}");
    let operation = |active: &str| {
        let body = crate::support::entra::patch(json!([{"op": "Replace", "path": "active", "value": active}]));
        body.to_string().into_bytes()
    };
    for crash in [CrashAt::Intent, CrashAt::Apply, CrashAt::Record] {
        app.restart_to_crash(crash);
        app.try_request("PATCH", &target, Some(&operation("False"))).unwrap_err();
        app.wait_exit();
        app.restart();
        wait_for("her to be kept out", || (app.read_user(&ada)["active"] == false).then_some(()));
        assert!(app.is_locked(&place(GONE)) && !binds(&app, GONE), "after a crash at {crash:?}");
        app.restart_to_crash(crash);
        app.try_request("PATCH", &target, Some(&operation("True"))).unwrap_err();
        app.wait_exit();
        app.restart();
        wait_for("her to be let in", || (app.read_user(&ada)["active"] == true).then_some(()));
        assert_eq!(everything(&app), before, "after a crash at {crash:?}");
    }
}

#[test]
fn who_comes_disabled_is_kept_out_from_the_start() {
    let app = app(&all_strategies());
    let ada = app.create_user(&person_with("ada", json!({"active": false})));
    assert!(app.slapd.people("uid", "ada@contoso.com").is_empty());
    app.slapd.set_password(&place(GONE), PASSWORD);
    app.disable_user(&ada);
    assert!(!binds(&app, GONE));
    app.enable_user(&ada);
    assert!(binds(&app, "ou=people,dc=example,dc=org"));
    assert_eq!(app.slapd.values(&dn("ada"), "employeeType"), [""; 0]);
}

#[test]
fn a_strategy_that_the_directory_refuses_costs_no_other_and_stays_wanted() {
    // Its syntax has no umlauts.
    let refused = SET.replace("\"inactive\"", "\"gegangen für immer\"").replace("employeeType", "destinationIndicator");
    let settings = Settings::default().add(&refused);
    let app = app(&settings);
    let ada = ada(&app);
    let target = format!("/Users/{ada}");
    let leaves = json!([{"op": "Replace", "path": "active", "value": "False"}]);
    app.patch(&target, &leaves).fails_naming(500, &["users.disable", "destinationIndicator"]);
    assert!(app.is_locked(&dn("ada")) && !app.slapd.bind(&dn("ada"), PASSWORD));
    assert_eq!(app.slapd.values(&dn("ada"), "description"), ["left", "see HR"]);
    let staff = app.create_group("Staff");
    app.add_members(&staff, &[&ada]);
    app.patch(&format!("/Groups/{staff}"), &remove_members(&[&ada])).expect(204);
    assert!(app.is_locked(&dn("ada")));
}

#[test]
fn the_place_of_who_is_gone_being_taken_is_the_administrators_to_solve() {
    let app = app(&Settings::default().set("users.disable.move_to", &format!("{GONE:?}")));
    let ada = ada(&app);
    app.slapd
        .by_hand(&format!("dn: {}\nobjectClass: inetOrgPerson\nuid: ada@contoso.com\ncn: x\nsn: x\n", place(GONE)));
    let target = format!("/Users/{ada}");
    let leaves = json!([{"op": "Replace", "path": "active", "value": "False"}]);
    app.patch(&target, &leaves).fails_naming(500, &["users.disable", "move_to", "entryAlreadyExists"]);
    assert!(app.is_locked(&dn("ada")), "the lock is the default");
    app.slapd.by_hand(&format!("dn: {}\nchangetype: delete\n", place(GONE)));
    wait_for("her to be moved away", || app.slapd.entry(&place(GONE)));
    wait_for("it to be told", || (app.read_user(&ada)["active"] == false).then_some(()));
}

#[test]
fn whom_the_map_does_not_fit_any_more_can_be_disabled_all_the_same() {
    let slapd = Slapd::start(Flavor::AsShipped);
    let app = TestApp::start_before(slapd, &Settings::default());
    let ada = ada(&app);
    app.kill();
    // Since then entries are named by a number, and she has none.
    app.workplace.reconfigure(&Settings::default().set("users.rdn", "\"employeeNumber\""));
    app.restart();
    let target = format!("/Users/{ada}");
    app.patch(&target, &json!([{"op": "Replace", "path": "title", "value": "Queen"}])).refuses(
        400,
        "invalidValue",
        &["employeeNumber", "is needed"],
    );
    let leaves = json!([{"op": "Replace", "path": "active", "value": "False"}]);
    app.patch(&target, &leaves).fails_naming(500, &["the user is kept out", "employeeNumber"]);
    assert!(app.is_locked(&dn("ada")) && !app.slapd.bind(&dn("ada"), PASSWORD));
    app.patch(&target, &json!([{"op": "Add", "path": format!("{ENTERPRISE}:employeeNumber"), "value": "7"}]))
        .expect(200);
    assert_eq!(app.read_user(&ada)["active"], false);
    assert!(app.is_locked(&dn("ada")));
}

#[test]
fn a_hash_is_made_unusable_by_an_identity_of_the_bridges_own_too() {
    // A policy asks everybody but its own administrator for the old password when one is deleted.
    const BRIDGE: &str = "cn=bridge,dc=example,dc=org";
    let settings = settings()
        .set("users.disable.password", "true")
        .variable("SCIMBRIDGE__LDAP__BIND_DN", BRIDGE)
        .add("[[users.attribute]]\nldap = \"userPassword\"\nscim = \"password\"\n");
    let app = TestApp::start_with(Flavor::AsShipped, settings);
    app.slapd.by_hand(&format!(
        "dn: {BRIDGE}\nobjectClass: organizationalRole\nobjectClass: simpleSecurityObject\ncn: bridge\n\
         userPassword: {ADMIN_PASSWORD}\n"
    ));
    app.slapd.reconfigure(&format!("access to *\n    by dn.exact=\"{BRIDGE}\" write\n    by * break\n"));
    app.restart();
    let ada = app.create_user(&person_with("ada", json!({"password": PASSWORD})));
    let before = app.directory();
    app.disable_user(&ada);
    assert!(!app.slapd.bind(&dn("ada"), PASSWORD));
    app.enable_user(&ada);
    assert!(app.slapd.bind(&dn("ada"), PASSWORD));
    assert_eq!(app.directory(), before);
}

#[test]
fn a_value_that_the_entry_has_no_class_for_costs_no_other_strategy() {
    let app = app(&settings()
        .set("users.disable.move_to", &format!("{GONE:?}"))
        .add("[[users.disable.set]]\nldap = \"shadowExpire\"\nvalue = \"1\"\n"));
    let ada = ada(&app);
    let leaves = json!([{"op": "Replace", "path": "active", "value": "False"}]);
    app.patch(&format!("/Users/{ada}"), &leaves).fails_naming(500, &["users.disable", "shadowExpire"]);
    assert!(app.slapd.entry(&place(GONE)).is_some(), "she is moved all the same");
}

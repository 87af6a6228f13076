//! The edges of disabling, numbers, member lists and passwords: crashes between two lines, settings that change meanwhile,
//! rights that are missing for one thing, what two people share.

use std::fs;

use serde_json::{Value, json};

use crate::support::app::{CrashAt, TestApp, dn, group_dn};
use crate::support::entra::{ENTERPRISE, group_with, patch, person_with};
use crate::support::slapd::{Flavor, SUFFIX, Slapd};
use crate::support::wait_for;
use crate::support::workplace::{Settings, Workplace};

const PASSWORD: &str = "Correct-Horse-1";
const GONE: &str = "ou=gone,dc=example,dc=org";

fn unlocked() -> Settings {
    Settings::default().set("users.disable.lock", "false")
}

fn by_hash() -> Settings {
    unlocked().set("users.disable.password", "true")
}

fn slapd() -> Slapd {
    let slapd = Slapd::start(Flavor::AsShipped);
    slapd.by_hand(&format!("dn: {GONE}\nobjectClass: organizationalUnit\nou: gone\n"));
    slapd
}

fn deactivate() -> Value {
    json!([{"op": "Replace", "path": "active", "value": "False"}])
}

#[test]
fn one_thing_that_the_bridge_may_not_write_keeps_no_other_from_keeping_somebody_out() {
    let slapd = slapd();
    slapd.by_hand(&format!(
        "dn: cn=bridge,{SUFFIX}\nobjectClass: organizationalRole\nobjectClass: simpleSecurityObject\ncn: bridge\n\
         userPassword: {PASSWORD}\n"
    ));
    slapd.reconfigure(&format!(
        "access to attrs=employeeType by dn.exact=\"cn=bridge,{SUFFIX}\" read by * none\n\
         access to attrs=userPassword by dn.exact=\"cn=bridge,{SUFFIX}\" manage by anonymous auth by * none\n\
         access to * by dn.exact=\"cn=bridge,{SUFFIX}\" manage by * read\n"
    ));
    let app = TestApp::start_before(
        slapd,
        &Settings::default()
            .set("ldap.bind_dn", &format!("\"cn=bridge,{SUFFIX}\""))
            .set("users.disable.move_to", &format!("{GONE:?}"))
            .add("[[users.disable.set]]\nldap = \"employeeType\"\nvalue = \"inactive\"\n")
            .variable("SCIMBRIDGE__LDAP__BIND_PASSWORD", PASSWORD),
    );
    let ada = app.user("ada");
    app.patch(&format!("/Users/{ada}"), &deactivate()).fails_naming(500, &["employeeType"]);
    let gone = format!("uid=ada@contoso.com,{GONE}");
    assert!(app.slapd.entry(&gone).is_some(), "moved all the same");
    assert!(app.is_locked(&gone), "locked all the same");
}

#[test]
fn a_password_for_who_is_kept_out_lets_nobody_in_after_a_crash() {
    let slapd = slapd();
    slapd.reconfigure_server("moduleload pw-sha2.so\n");
    let settings = by_hash()
        .add("[[users.attribute]]\nldap = \"userPassword\"\nscim = \"password\"\n")
        .set("users.password_storage", "\"{SSHA512}\"");
    let app = TestApp::start_before(slapd, &settings);
    let ada = app.user("ada");
    app.disable_user(&ada);
    app.restart_to_crash(CrashAt::Apply);
    let body = patch(json!([{"op": "Replace", "path": "password", "value": PASSWORD}])).to_string();
    app.try_request("PATCH", &format!("/Users/{ada}"), Some(body.as_bytes())).unwrap_err();
    app.wait_exit();
    app.restart();
    wait_for("her to be kept out again", || (!app.slapd.bind(&dn("ada"), PASSWORD)).then_some(()));
    app.enable_user(&ada);
    assert!(app.slapd.bind(&dn("ada"), PASSWORD));
}

#[test]
fn who_comes_inactive_gets_what_new_entries_get_when_let_in() {
    let settings = by_hash().set("users.object_classes", "[\"inetOrgPerson\", \"posixAccount\"]").add(
        "[[users.attribute]]\nldap = \"uidNumber\"\nvalue = \"5000\"\n\
             [[users.attribute]]\nldap = \"gidNumber\"\nvalue = \"100\"\n\
             [[users.attribute]]\nldap = \"homeDirectory\"\nvalue = \"/home/x\"\nownership = \"initial\"\n\
             [[users.attribute]]\nldap = \"userPassword\"\nvalue = \"{CRYPT}$1$saltsalt$qjXMvbEw8oaL.CzflDtaK/\"\n\
             [[users.disable.set]]\nldap = \"homeDirectory\"\nvalue = \"/nonexistent\"\n",
    );
    let app = TestApp::start_before(slapd(), &settings);
    let ada = app.create_user(&person_with("ada", json!({"active": false})));
    assert_eq!(app.slapd.values(&dn("ada"), "homeDirectory"), ["/nonexistent"]);
    let barred = app.slapd.values(&dn("ada"), "userPassword");
    assert!(barred.len() == 1 && barred[0].starts_with("{CRYPT}!"), "{barred:?}");
    app.enable_user(&ada);
    assert_eq!(app.slapd.values(&dn("ada"), "homeDirectory"), ["/home/x"]);
    assert_eq!(app.slapd.values(&dn("ada"), "userPassword"), ["{CRYPT}$1$saltsalt$qjXMvbEw8oaL.CzflDtaK/"]);
}

#[test]
fn a_shared_value_that_comes_with_being_let_in_is_written() {
    let settings = unlocked().add(
        "[[users.attribute]]\nldap = \"employeeType\"\nscim = \"userType\"\nownership = \"shared\"\n\
         [[users.disable.set]]\nldap = \"employeeType\"\nvalue = \"inactive\"\n",
    );
    let app = TestApp::start_before(slapd(), &settings);
    let ada = app.create_user(&person_with("ada", json!({"userType": "Employee"})));
    app.slapd.by_hand(&format!("dn: {}\nchangetype: modify\nadd: employeeType\nemployeeType: hand\n", dn("ada")));
    app.disable_user(&ada);
    assert_eq!(app.slapd.values(&dn("ada"), "employeeType"), ["inactive"]);
    app.patch_user(
        &ada,
        &json!([{"op": "Replace", "path": "active", "value": "True"},
                {"op": "Replace", "path": "userType", "value": "Boss"}]),
    );
    let mut held = app.slapd.values(&dn("ada"), "employeeType");
    held.sort();
    assert_eq!(held, ["Boss", "Employee", "hand"]);
    // Said again with another value, of somebody who was never kept out.
    app.patch_user(
        &ada,
        &json!([{"op": "Replace", "path": "active", "value": "True"},
                {"op": "Replace", "path": "userType", "value": "Queen"}]),
    );
    assert!(app.slapd.values(&dn("ada"), "employeeType").contains(&"Queen".to_owned()));
}

fn posix() -> Settings {
    Settings::default()
        .set("groups.object_classes", "[\"posixGroup\"]")
        .set("groups.member", "\"memberUid\"")
        .set("groups.member_value", "\"uid\"")
        .add("[[groups.attribute]]\nldap = \"gidNumber\"\nallocate = { from = 5000, to = 5999 }\n")
}

#[test]
fn a_list_by_uid_follows_a_change_of_case() {
    let app = TestApp::start_with(Flavor::Plain, posix());
    let ada = app.user("ada");
    let staff = app.create_group_with(&group_with("Staff", "entra-1", &[&ada]));
    app.rename_user(&ada, "Ada@contoso.com");
    let listed = || app.slapd.values(&group_dn("Staff"), "memberUid");
    wait_for("the list to follow", || (listed() == ["Ada@contoso.com"]).then_some(()));
    app.remove_members(&staff, &[&ada]);
    assert_eq!(listed(), [""; 0]);
}

#[test]
fn a_number_at_the_end_of_the_range_that_goes_does_not_end_the_range() {
    let settings = Settings::default().set("users.object_classes", "[\"inetOrgPerson\", \"posixAccount\"]").add(
        "[[users.attribute]]\nldap = \"uidNumber\"\nallocate = { from = 5000, to = 5999 }\n\
             [[users.attribute]]\nldap = \"gidNumber\"\nvalue = \"100\"\n\
             [[users.attribute]]\nldap = \"homeDirectory\"\nvalue = \"/home/x\"\nownership = \"initial\"\n",
    );
    let app = TestApp::start_with(Flavor::AsShipped, settings);
    app.slapd.by_hand(&format!(
        "dn: {}\nobjectClass: inetOrgPerson\nobjectClass: posixAccount\nuid: ada@contoso.com\ncn: x\nsn: x\n\
         uidNumber: 5999\ngidNumber: 1\nhomeDirectory: /srv/ada\n",
        dn("ada")
    ));
    let ada = app.user("ada");
    app.delete(&format!("/Users/{ada}")).expect(204);
    app.user("bob");
    assert_eq!(app.slapd.values(&dn("bob"), "uidNumber"), ["5000"]);
}

#[test]
fn who_leaves_is_kept_out_though_the_template_has_no_place_for_them() {
    let settings = Settings::default()
        .set("users.base_dn", "\"ou={{ department }},ou=people,dc=example,dc=org\"")
        .set("users.create_containers", "true");
    let app = TestApp::start_with(Flavor::AsShipped, settings);
    let ada = app.create_user(&person_with("ada", json!({ENTERPRISE: {"department": "Sales"}})));
    let operations = json!([
        {"op": "Remove", "path": format!("{ENTERPRISE}:department")},
        {"op": "Replace", "path": "active", "value": "False"},
    ]);
    app.patch_user(&ada, &operations);
    assert!(app.is_locked(&format!("uid=ada@contoso.com,ou=Sales,ou=people,{SUFFIX}")));
    app.patch(&format!("/Users/{ada}"), &json!([{"op": "Replace", "path": "active", "value": "True"}])).refuses(
        400,
        "invalidValue",
        &["department"],
    );
}

/// Changes lines of the configuration while the program is down.
fn reconfigure(app: &TestApp, change: impl Fn(&str) -> String) {
    let path = app.workplace.path("config.toml");
    let text = fs::read_to_string(&path).unwrap();
    let changed = change(&text);
    assert_ne!(text, changed);
    fs::write(&path, changed).unwrap();
    app.restart();
}

#[test]
fn a_strategy_that_is_configured_no_longer_is_undone_all_the_same() {
    const SET: &str = "[[users.disable.set]]\nldap = \"employeeType\"\nvalue = \"inactive\"\n";
    let app = TestApp::start_before(slapd(), &Settings::default().set("users.disable.password", "true").add(SET));
    let ada = app.user("ada");
    app.slapd.set_password(&dn("ada"), PASSWORD);
    app.slapd.by_hand(&format!("dn: {}\nchangetype: modify\nadd: employeeType\nemployeeType: boss\n", dn("ada")));
    app.disable_user(&ada);
    reconfigure(&app, |text| {
        text.replace(SET, "")
            .replace("\npassword = true", "\npassword = false")
            .replace("\nlock = true", "\nlock = false")
    });
    app.enable_user(&ada);
    assert_eq!(app.slapd.values(&dn("ada"), "employeeType"), ["boss"]);
    assert!(app.slapd.bind(&dn("ada"), PASSWORD));
}

fn initial() -> Settings {
    Settings::default().add(
        "[[users.attribute]]\nldap = \"userPassword\"\ntemplate = \"{{ userName }}-Start-1\"\nownership = \"initial\"\n",
    )
}

#[test]
fn an_initial_password_is_set_after_a_crash() {
    let app = TestApp::start_with(Flavor::AsShipped, initial());
    app.restart_to_crash(CrashAt::Apply);
    let body = person_with("ada", json!({})).to_string();
    app.try_request("POST", "/Users", Some(body.as_bytes())).unwrap_err();
    app.wait_exit();
    app.restart();
    wait_for("her to be there", || app.lookup_user("ada@contoso.com"));
    assert!(app.slapd.bind(&dn("ada"), "ada@contoso.com-Start-1"));
}

#[test]
fn a_password_that_came_by_hand_meanwhile_is_not_exchanged_for_the_initial_one() {
    let app = TestApp::start_with(Flavor::AsShipped, initial());
    app.restart_to_crash(CrashAt::Apply);
    let body = person_with("ada", json!({})).to_string();
    app.try_request("POST", "/Users", Some(body.as_bytes())).unwrap_err();
    app.wait_exit();
    app.slapd.set_password(&dn("ada"), "by hand");
    app.restart();
    wait_for("her to be there", || app.lookup_user("ada@contoso.com"));
    assert!(app.slapd.bind(&dn("ada"), "by hand"));
}

#[test]
fn who_shares_a_key_stays_when_the_other_goes() {
    let app = TestApp::start_with(
        Flavor::Plain,
        posix()
            .set("groups.member_value", "\"employeeNumber\"")
            .add("[[users.attribute]]\nldap = \"employeeNumber\"\nscim = \"nickName\"\n"),
    );
    let ada = app.create_user(&person_with("ada", json!({"nickName": "x"})));
    let bob = app.create_user(&person_with("bob", json!({"nickName": "x"})));
    let staff = app.create_group_with(&group_with("Staff", "entra-1", &[&ada, &bob]));
    app.remove_members(&staff, &[&ada]);
    assert_eq!(app.members(&staff).len(), 1);
    assert_eq!(app.slapd.values(&group_dn("Staff"), "memberUid"), ["x"]);
}

#[test]
fn who_has_no_key_any_more_can_leave() {
    let app = TestApp::start_with(
        Flavor::Plain,
        posix()
            .set("groups.member_value", "\"employeeNumber\"")
            .add("[[users.attribute]]\nldap = \"employeeNumber\"\nscim = \"nickName\"\n"),
    );
    let ada = app.create_user(&person_with("ada", json!({"nickName": "x"})));
    let staff = app.create_group_with(&group_with("Staff", "entra-1", &[&ada]));
    app.patch_user(&ada, &json!([{"op": "Remove", "path": "nickName"}]));
    assert_eq!(app.slapd.values(&group_dn("Staff"), "memberUid"), [""; 0]);
    app.remove_members(&staff, &[&ada]);
    assert_eq!(app.members(&staff).len(), 0);
}

#[test]
fn a_missing_branch_is_named() {
    let app =
        TestApp::start_with(Flavor::AsShipped, Settings::default().set("users.disable.move_to", &format!("{GONE:?}")));
    app.post("/Users", &person_with("ada", json!({}))).fails_naming(500, &["users.disable.move_to", GONE]);
}

#[test]
fn who_was_renamed_while_gone_and_deleted_by_hand_comes_back_to_the_groups() {
    let app = TestApp::start_before(slapd(), &Settings::default().set("users.disable.move_to", &format!("{GONE:?}")));
    let ada = app.user("ada");
    let staff = app.create_group_with(&group_with("Staff", "entra-1", &[&ada]));
    app.disable_user(&ada);
    app.rename_user(&ada, "eve@contoso.com");
    let gone = format!("uid=eve@contoso.com,{GONE}");
    assert!(app.slapd.entry(&gone).is_some() && app.is_locked(&gone));
    app.slapd.by_hand(&format!("dn: {gone}\nchangetype: delete\n"));
    app.enable_user(&ada);
    assert!(app.slapd.entry(&dn("eve")).is_some() && !app.is_locked(&dn("eve")));
    wait_for("the group", || (app.directory_members("Staff") == [dn("eve")]).then_some(()));
    assert_eq!(app.members(&staff).len(), 1);
}

#[test]
fn who_was_sorted_below_the_branch_stays_there() {
    let app = TestApp::start_before(slapd(), &Settings::default().set("users.disable.move_to", &format!("{GONE:?}")));
    let ada = app.user("ada");
    app.disable_user(&ada);
    app.slapd.by_hand(&format!("dn: ou=y,{GONE}\nobjectClass: organizationalUnit\nou: y\n"));
    app.slapd.by_hand(&format!(
        "dn: uid=ada@contoso.com,{GONE}\nchangetype: modrdn\nnewrdn: uid=ada@contoso.com\ndeleteoldrdn: 1\nnewsuperior: ou=y,{GONE}\n"
    ));
    app.patch_user(&ada, &json!([{"op": "Replace", "path": "title", "value": "Countess"}]));
    assert!(app.slapd.entry(&format!("uid=ada@contoso.com,ou=y,{GONE}")).is_some());
}

#[test]
fn a_place_that_is_gone_is_named() {
    let app = TestApp::start_before(slapd(), &Settings::default().set("users.disable.move_to", &format!("{GONE:?}")));
    let ada = app.user("ada");
    let sales = format!("ou=sales,ou=people,{SUFFIX}");
    app.slapd.by_hand(&format!("dn: {sales}\nobjectClass: organizationalUnit\nou: sales\n"));
    app.slapd.by_hand(&format!(
        "dn: {}\nchangetype: modrdn\nnewrdn: uid=ada@contoso.com\ndeleteoldrdn: 1\nnewsuperior: {sales}\n",
        dn("ada")
    ));
    app.disable_user(&ada);
    app.slapd.by_hand(&format!("dn: {sales}\nchangetype: delete\n"));
    app.patch(&format!("/Users/{ada}"), &json!([{"op": "Replace", "path": "active", "value": "True"}]))
        .fails_naming(500, &["ou=sales"]);
}

#[test]
fn a_creation_that_is_given_up_leaves_an_entry_of_somebody_else_as_it_was() {
    let slapd = slapd();
    slapd.by_hand(&format!(
        "dn: {}\nobjectClass: inetOrgPerson\nuid: ada@contoso.com\ncn: x\nsn: x\nemployeeType: boss\n",
        dn("ada")
    ));
    let settings = Settings::default().add(
        "[[users.disable.set]]\nldap = \"employeeType\"\nvalue = \"inactive\"\n\
         [[users.disable.set]]\nldap = \"shadowExpire\"\nvalue = \"1\"\n",
    );
    let app = TestApp::start_before(slapd, &settings);
    let before = app.directory();
    app.post("/Users", &person_with("ada", json!({"active": false}))).fails_naming(500, &["shadowExpire"]);
    assert_eq!(app.directory(), before);
}

#[test]
fn nobody_is_moved_where_everybody_stands() {
    let settings = Settings::default().set("users.disable.move_to", "\"dc=example,dc=org\"");
    let workplace = Workplace::new(&settings, "ldap://127.0.0.1:1");
    workplace.run(&["check"]).fails_naming(&["users.disable.move_to", "nobody would be moved"]);
}

#[test]
fn a_survey_shows_no_hash() {
    let slapd = slapd();
    slapd.by_hand(&format!(
        "dn: {}\nobjectClass: inetOrgPerson\nuid: ada@contoso.com\ncn: x\nsn: x\nuserPassword: {{SSHA}}c2VjcmV0\n",
        dn("ada")
    ));
    let settings = Settings::default().add("[[users.attribute]]\nldap = \"userPassword\"\nvalue = \"{SASL}ada\"\n");
    let workplace = Workplace::new(&settings, &slapd.url());
    let shown = workplace.run(&["adopt", "--dry-run"]).succeeds();
    assert!(shown.stdout.contains("userPassword") && !shown.stdout.contains("c2VjcmV0"), "{}", shown.stdout);
}

#[test]
fn a_pushed_password_in_bulk_is_kept_nowhere() {
    let settings = Settings::default()
        .add("[[users.attribute]]\nldap = \"userPassword\"\nscim = \"password\"\n")
        .set("log.level", "\"trace\"");
    let app = TestApp::start_with(Flavor::AsShipped, settings);
    let body = json!({
        "schemas": ["urn:ietf:params:scim:api:messages:2.0:BulkRequest"],
        "Operations": [
            {"method": "POST", "path": "/Users", "bulkId": "a", "data": person_with("ada", json!({"password": PASSWORD}))},
            {"method": "POST", "path": "/Users", "bulkId": "b",
             "data": person_with("ada", json!({"password": PASSWORD, "emails": PASSWORD.len()}))},
        ],
    });
    let answer = app.post("/Bulk", &body).expect(200);
    assert!(!answer.text().contains(PASSWORD));
    assert!(app.slapd.bind(&dn("ada"), PASSWORD));
    app.restart();
    assert!(!app.log().contains(PASSWORD));
}

#[test]
fn a_probe_leaves_nothing() {
    let slapd = Slapd::start(Flavor::AsShipped);
    let settings = Settings::default()
        .set("users.base_dn", "\"ou={{ department }},ou=people,dc=example,dc=org\"")
        .set("users.create_containers", "true");
    let workplace = Workplace::new(&settings, &slapd.url());
    let before = slapd.ldif("ou=people");
    workplace.run(&["check", "--probe"]).succeeds();
    assert_eq!(slapd.ldif("ou=people"), before);
}

#[test]
fn who_was_put_away_by_hand_stays_there_until_it_is_said_that_they_are_active() {
    let slapd = slapd();
    slapd.by_hand(&format!(
        "dn: uid=ada@contoso.com,{GONE}\nobjectClass: inetOrgPerson\nuid: ada@contoso.com\ncn: x\nsn: x\ndepartmentNumber: Sales\ndisplayName: x\n"
    ));
    let settings = Settings::default()
        .set("users.base_dn", "\"ou={{ department }},ou=people,dc=example,dc=org\"")
        .set("users.disable.move_to", &format!("{GONE:?}"))
        .set("users.create_containers", "true");
    let app = TestApp::start_before(slapd, &settings);
    app.terminate();
    let said = app.workplace.run(&["adopt"]).succeeds().stdout;
    assert!(said.contains("1 adopted") && !said.contains("moved"), "{said}");
    app.restart();
    let ada = app.lookup_user("ada@contoso.com").unwrap()["id"].as_str().unwrap().to_owned();
    app.patch_user(&ada, &json!([{"op": "Replace", "path": "title", "value": "x"}]));
    assert!(app.slapd.entry(&format!("uid=ada@contoso.com,{GONE}")).is_some());
    app.enable_user(&ada);
    assert!(app.slapd.entry(&format!("uid=ada@contoso.com,ou=Sales,ou=people,{SUFFIX}")).is_some());
}

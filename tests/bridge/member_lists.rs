//! Groups that list their members otherwise than by DN, or in two ways at once (RFC 2307bis).

use serde_json::json;

use crate::support::app::{CrashAt, TestApp, dn, group_dn};
use crate::support::entra::{group_with, patch, person_with};
use crate::support::slapd::{Flavor, Slapd};
use crate::support::wait_for;
use crate::support::workplace::{Settings, Workplace};

/// posixGroup as RFC 2307bis has it: beside another class, with no structure of its own.
const RFC2307BIS: &str = "\
objectclass ( 1.3.6.1.4.1.99999.20 NAME 'unixGroup' SUP top AUXILIARY MUST gidNumber MAY ( memberUid $ description ) )
";

/// Groups of `posixGroup`, whose members are listed by uid.
pub(super) fn posix() -> Settings {
    Settings::default()
        .set("groups.object_classes", "[\"posixGroup\"]")
        .set("groups.member", "\"memberUid\"")
        .set("groups.member_value", "\"uid\"")
        .add("[[groups.attribute]]\nldap = \"gidNumber\"\nallocate = { from = 5000, to = 5999 }\n")
}

pub(super) fn both() -> Settings {
    posix()
        .set("groups.object_classes", "[\"groupOfNames\", \"unixGroup\"]")
        .set("groups.member", "[\"member\", \"memberUid\"]")
        .set("groups.member_value", "[\"dn\", \"uid\"]")
}

pub(super) fn start(settings: &Settings) -> TestApp {
    let slapd = Slapd::start(Flavor::Plain);
    slapd.reconfigure(RFC2307BIS);
    TestApp::start_before(slapd, settings)
}

fn uids(app: &TestApp, group: &str) -> Vec<String> {
    app.slapd.values(&group_dn(group), "memberUid")
}

fn at(names: &[&str]) -> Vec<String> {
    names.iter().map(|name| format!("{name}@contoso.com")).collect()
}

#[test]
fn members_are_listed_by_uid_and_follow_a_rename_and_a_deletion() {
    let app = start(&posix());
    let (ada, bob) = (app.user("ada"), app.user("bob"));
    let staff = app.create_group_with(&group_with("Staff", "entra-1", &[&ada]));
    assert_eq!(uids(&app, "Staff"), at(&["ada"]));
    app.add_members(&staff, &[&bob, &ada]);
    assert_eq!(uids(&app, "Staff"), at(&["ada", "bob"]));
    app.slapd.by_hand(&format!("dn: {}\nchangetype: modify\nadd: memberUid\nmemberUid: hand\n", group_dn("Staff")));
    app.rename_user(&ada, "ada.king@contoso.com");
    assert_eq!(uids(&app, "Staff"), ["ada.king@contoso.com", "bob@contoso.com", "hand"]);
    app.remove_members(&staff, &[&bob]);
    app.delete(&format!("/Users/{ada}")).expect(204);
    assert_eq!(uids(&app, "Staff"), ["hand"]);
    app.rename_group(&staff, "Crew");
    assert_eq!(uids(&app, "Crew"), ["hand"]);
    app.add_members(&staff, &[&bob]);
    app.remove_members(&staff, &[&bob]);
    assert_eq!(app.members(&staff).len(), 0);
}

#[test]
fn a_value_that_does_not_name_the_entry_follows_too() {
    // Entries are named by cn and listed by uid: a change of the uid is no rename.
    let app = start(&posix().set("users.rdn", "\"cn\"").set("users.match", "\"uid\""));
    let ada = app.user("ada");
    app.create_group_with(&group_with("Staff", "entra-1", &[&ada]));
    for (crash, name) in
        [(None, "eve"), (Some(CrashAt::Intent), "fay"), (Some(CrashAt::Apply), "gil"), (Some(CrashAt::Record), "hal")]
    {
        let operation = json!([{"op": "Replace", "path": "userName", "value": format!("{name}@contoso.com")}]);
        let target = format!("/Users/{ada}");
        match crash {
            None => _ = app.patch(&target, &operation).expect(200),
            Some(crash) => {
                app.restart_to_crash(crash);
                app.try_request("PATCH", &target, Some(patch(operation).to_string().as_bytes())).unwrap_err();
                app.wait_exit();
                app.restart();
            }
        }
        wait_for("the list to follow", || (uids(&app, "Staff") == at(&[name])).then_some(()));
    }
    assert_eq!(app.slapd.people("cn", "Ada Contoso").len(), 1);
}

#[test]
fn two_lists_of_one_group_are_kept_alike() {
    let app = start(&both());
    let (ada, bob) = (app.user("ada"), app.user("bob"));
    let staff = app.create_group("Staff");
    let lists = |app: &TestApp| (app.slapd.values(&group_dn("Staff"), "member"), uids(app, "Staff"));
    assert_eq!(lists(&app), (vec!["cn=empty-group".to_owned()], vec![]));
    app.add_members(&staff, &[&ada, &bob]);
    assert_eq!(lists(&app), (vec![dn("ada"), dn("bob")], at(&["ada", "bob"])));
    app.rename_user(&bob, "rob@contoso.com");
    assert_eq!(lists(&app), (vec![dn("ada"), dn("rob")], at(&["ada", "rob"])));
    // One list was changed by hand: to say it again puts it right.
    app.slapd.by_hand(&format!(
        "dn: {}\nchangetype: modify\ndelete: memberUid\nmemberUid: ada@contoso.com\n",
        group_dn("Staff")
    ));
    app.add_members(&staff, &[&ada]);
    assert_eq!(lists(&app), (vec![dn("ada"), dn("rob")], at(&["ada", "rob"])));
    // A group is a member by its DN alone.
    let crew = app.create_group_with(&group_with("Crew", "entra-2", &[&staff, &ada]));
    assert_eq!(app.slapd.values(&group_dn("Crew"), "member"), [group_dn("Staff"), dn("ada")]);
    assert_eq!(uids(&app, "Crew"), at(&["ada"]));
    app.remove_members(&crew, &[&ada]);
    app.remove_members(&staff, &[&ada]);
    app.delete(&format!("/Users/{bob}")).expect(204);
    assert_eq!(lists(&app), (vec!["cn=empty-group".to_owned()], vec![]));
    insta::assert_snapshot!(app.view());
}

#[test]
fn who_cannot_be_listed_is_refused_and_named() {
    let app = start(&posix().set("groups.member_value", "\"employeeNumber\""));
    let ada = app.user("ada");
    let enterprise = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User";
    let bob = app.create_user(&person_with("bob", json!({enterprise: {"employeeNumber": "7"}})));
    let staff = app.create_group("Staff");
    let crew = app.create_group("Crew");
    let target = format!("/Groups/{staff}");
    let add = |id: &str| crate::support::entra::add_members(&[id]);
    app.patch(&target, &add(&ada)).refuses(400, "invalidValue", &[&ada, "employeeNumber"]);
    app.patch(&target, &add(&crew)).refuses(400, "invalidValue", &[&crew, "member_value"]);
    app.post("/Groups", &group_with("New", "entra-9", &[&ada])).refuses(400, "invalidValue", &["employeeNumber"]);
    assert!(app.slapd.groups("New").is_empty());
    app.add_members(&staff, &[&bob]);
    assert_eq!((uids(&app, "Staff"), app.members(&staff).len()), (vec!["7".to_owned()], 1));
}

#[test]
fn lists_that_do_not_go_together_are_told() {
    let check = |settings: Settings| Workplace::new(&settings, "ldap://127.0.0.1:1").run(&["check", "--config-only"]);
    check(posix().set("groups.member", "[\"member\", \"memberUid\"]"))
        .fails_naming(&["member_value", "1 values for the 2"]);
    check(both().set("groups.member_value", "[\"dn\", \"dn\"]")).fails_naming(&["one by dn and one by"]);
    check(both().set("groups.member", "[\"member\", \"MEMBER\"]")).fails_naming(&["twice"]);
    check(both()).succeeds();
}

#[test]
fn other_attributes_that_refer_to_somebody_follow_though_nobody_mapped_them() {
    let app = TestApp::start_with(Flavor::Plain, Settings::default());
    let ada = app.user("ada");
    app.create_group("Staff");
    app.slapd.by_hand(&format!(
        "dn: {group}\nchangetype: modify\nadd: owner\nowner: {ada}\nowner: cn=admin,dc=example,dc=org\n-\n\
         add: seeAlso\nseeAlso: {ada}\n",
        group = group_dn("Staff"),
        ada = dn("ada")
    ));
    app.rename_user(&ada, "ada.king@contoso.com");
    let owners = || app.slapd.values(&group_dn("Staff"), "owner");
    assert_eq!(owners(), ["cn=admin,dc=example,dc=org".to_owned(), dn("ada.king")]);
    assert_eq!(app.slapd.values(&group_dn("Staff"), "seeAlso"), [dn("ada")], "not in ldap.references");
    app.delete(&format!("/Users/{ada}")).expect(204);
    assert_eq!(owners(), ["cn=admin,dc=example,dc=org"]);
}

//! Numbers that entries get: one each, never one twice, whatever the directory has already and whatever happens in the
//! middle.

use std::collections::BTreeSet;

use serde_json::json;

use crate::support::app::{CrashAt, TestApp, dn, group_dn};
use crate::support::entra::{person, person_with};
use crate::support::slapd::{Flavor, SUFFIX, Slapd};
use crate::support::wait_for;
use crate::support::workplace::{Settings, Workplace};

fn settings(from: u32, to: u32) -> Settings {
    let allocate = format!("allocate = {{ from = {from}, to = {to} }}");
    Settings::default()
        .set("users.object_classes", "[\"inetOrgPerson\", \"posixAccount\"]")
        .add(&format!(
            "[[users.attribute]]\nldap = \"uidNumber\"\n{allocate}\n\
             [[users.attribute]]\nldap = \"gidNumber\"\nvalue = \"100\"\n\
             [[users.attribute]]\nldap = \"homeDirectory\"\n\
             template = \"/home/{{{{ userName | localpart | lower }}}}\"\nownership = \"initial\"\n"
        ))
        .set("groups.object_classes", "[\"posixGroup\"]")
        .set("groups.member", "\"memberUid\"")
        .set("groups.member_value", "\"uid\"")
        .add(&format!("[[groups.attribute]]\nldap = \"gidNumber\"\n{allocate}\n"))
}

fn number(app: &TestApp, name: &str) -> String {
    app.slapd.values(&dn(name), "uidNumber").join(" and ")
}

/// An account made by hand, elsewhere in the tree.
fn account(slapd: &Slapd, number: u32) {
    slapd.by_hand(&format!(
        "dn: uid=hand{number},{SUFFIX}\nobjectClass: account\nobjectClass: posixAccount\nuid: hand{number}\ncn: x\n\
         uidNumber: {number}\ngidNumber: 1\nhomeDirectory: /\n"
    ));
}

#[test]
fn everybody_gets_a_number_of_their_own_and_keeps_it() {
    let slapd = Slapd::start(Flavor::AsShipped);
    (5000..5070).chain([5071]).for_each(|taken| account(&slapd, taken));
    let app = TestApp::start_before(slapd, &settings(5000, 5999));
    let ada = app.user("ada");
    let bob = app.user("bob");
    assert_eq!((number(&app, "ada"), number(&app, "bob")), ("5070".to_owned(), "5072".to_owned()));
    assert_eq!(app.slapd.values(&dn("ada"), "homeDirectory"), ["/home/ada"]);
    app.rename_user(&ada, "ada.king@contoso.com");
    assert_eq!(number(&app, "ada.king"), "5070");
    // Who goes takes the number along.
    app.delete(&format!("/Users/{bob}")).expect(204);
    app.user("bob");
    assert_eq!(number(&app, "bob"), "5073");
    // An entry that is made anew gets its number back.
    app.slapd.by_hand(&format!("dn: {}\nchangetype: delete\n", dn("ada.king")));
    app.patch_user(&ada, &json!([{"op": "Replace", "path": "title", "value": "Countess"}]));
    assert_eq!(number(&app, "ada.king"), "5070");
    // Groups count for themselves.
    app.create_group("Staff");
    assert_eq!(app.slapd.values(&group_dn("Staff"), "gidNumber"), ["5000"]);
}

#[test]
fn a_number_that_somebody_has_stays_and_is_not_given_to_another_when_they_are_gone() {
    let slapd = Slapd::start(Flavor::AsShipped);
    slapd.by_hand(&format!(
        "dn: {}\nobjectClass: inetOrgPerson\nobjectClass: posixAccount\nuid: ada@contoso.com\ncn: x\nsn: x\n\
         uidNumber: 5000\ngidNumber: 1\nhomeDirectory: /srv/ada\n",
        dn("ada")
    ));
    let app = TestApp::start_before(slapd, &settings(5000, 5999));
    let ada = app.user("ada");
    assert_eq!(number(&app, "ada"), "5000");
    assert_eq!(app.slapd.values(&dn("ada"), "homeDirectory"), ["/srv/ada"]);
    app.delete(&format!("/Users/{ada}")).expect(204);
    app.user("ada");
    assert_eq!(number(&app, "ada"), "5001");
}

#[test]
fn many_at_once_get_different_ones() {
    let app = TestApp::start_with(Flavor::AsShipped, settings(5000, 5999));
    std::thread::scope(|scope| {
        for worker in 0..8 {
            let app = &app;
            scope.spawn(move || (0..10).for_each(|step| drop(app.user(&format!("u{worker}x{step}")))));
        }
    });
    let numbers: BTreeSet<String> =
        app.slapd.entries("ou=people").iter().flat_map(|entry| entry.values("uidNumber")).collect();
    assert_eq!(numbers.len(), 80);
}

#[test]
fn a_crash_in_the_middle_wastes_no_number_and_gives_none_twice() {
    let app = TestApp::start_with(Flavor::AsShipped, settings(5000, 5999));
    for (crash, name) in [(CrashAt::Intent, "ada"), (CrashAt::Apply, "bob"), (CrashAt::Record, "eve")] {
        app.restart_to_crash(crash);
        app.try_request("POST", "/Users", Some(person(name).to_string().as_bytes())).unwrap_err();
        app.wait_exit();
        app.restart();
        wait_for("the creation", || app.lookup_user(&format!("{name}@contoso.com")));
    }
    let numbers = ["ada", "bob", "eve"].map(|name| number(&app, name));
    assert_eq!(numbers, ["5000", "5001", "5002"]);
}

#[test]
fn a_range_that_is_used_up_is_told() {
    let app = TestApp::start_with(Flavor::AsShipped, settings(5000, 5001));
    let ada = app.user("ada");
    app.user("bob");
    app.post("/Users", &person("eve")).fails_naming(500, &["5000 to 5001", "uidNumber", "allocate"]);
    assert!(app.slapd.people("uid", "eve@contoso.com").is_empty() && app.lookup_user("eve@contoso.com").is_none());
    app.rename_user(&ada, "ada.king@contoso.com");
    assert_eq!(number(&app, "ada.king"), "5000");
}

#[test]
fn a_range_that_makes_no_sense_is_told_before_anything_runs() {
    let check = |settings: Settings| Workplace::new(&settings, "ldap://127.0.0.1:1").run(&["check", "--config-only"]);
    check(settings(5000, 4999)).fails_naming(&["allocate", "is no range"]);
    check(settings(0, 4999)).fails_naming(&["allocate", "is no range"]);
    let both = "[[users.attribute]]\nldap = \"employeeNumber\"\nscim = \"title\"\nallocate = { from = 1, to = 2 }\n";
    check(Settings::default().add(both)).fails_naming(&["scim", "makes no sense beside allocate"]);
}

#[test]
fn a_creation_that_is_refused_wastes_no_number() {
    let app = TestApp::start_with(Flavor::AsShipped, settings(5000, 5999));
    let fax = json!({"phoneNumbers": [{"type": "fax", "value": "gehört niemandem"}]});
    for _ in 0..3 {
        app.post("/Users", &person_with("ada", fax.clone())).refuses(400, "invalidValue", &["fax"]);
    }
    app.user("ada");
    assert_eq!(number(&app, "ada"), "5000");
}

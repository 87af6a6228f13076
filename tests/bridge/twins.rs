//! Group names are byte for byte, though LDAP compares them without case and with spaces folded: names that differ only
//! there are different groups, and several groups of one name share one entry.

use serde_json::json;

use crate::support::app::{PLACEHOLDER, TestApp, dn, group_dn};
use crate::support::entra::{group, group_with};
use crate::support::ldif::Entry;
use crate::support::slapd::Flavor;
use crate::support::story::{Story, short_id};
use crate::support::workplace::Settings;

/// That an entry has a second part in its RDN, and no other name than its own.
#[track_caller]
fn is_distinguished(entry: &Entry, name: &str) {
    assert_eq!(entry.values("cn"), [name]);
    let short = short_id(&entry.dn).unwrap_or_else(|| panic!("cn=…+ou=<8 hexadecimal digits>: {}", entry.dn));
    assert_eq!(entry.values("ou"), [short]);
}

#[test]
fn names_that_differ_only_for_people_are_different_groups() {
    let app = TestApp::start();
    let ada = app.user("ada");
    let names = ["Research", "research", "RESEARCH", " Research", "Research ", "Research  and", "Research and"];
    let mut ids = Vec::new();
    for name in names {
        ids.push(app.create_group(name));
    }
    for (name, id) in names.iter().zip(&ids) {
        let found = app.lookup_groups(name);
        assert_eq!(found.len(), 1, "{name:?} finds one group: {found:#?}");
        assert_eq!(found[0]["id"], id.as_str());
        assert_eq!(found[0]["displayName"], *name);
        assert_eq!(app.slapd.groups(name).len(), 1, "one entry has exactly this name: {name:?}");
    }
    assert!(app.lookup_groups("rESEARCH").is_empty());
    assert!(app.lookup_groups("Research and ").is_empty());

    let plain = &app.slapd.groups("Research")[0];
    assert_eq!(plain.dn, group_dn("Research"), "the first has the plain name");
    for name in ["research", "RESEARCH", " Research", "Research ", "Research and"] {
        is_distinguished(&app.slapd.groups(name)[0], name);
    }

    app.add_members(&ids[1], &[&ada]);
    assert_eq!(app.directory_members("research"), [dn("ada")]);
    assert_eq!(app.directory_members("Research"), [PLACEHOLDER], "only the one that was meant");
    let mut story = Story::of(&app);
    story.directory("with seven groups, of which `research` has a member");
    insta::assert_snapshot!(story);

    app.delete(&format!("/Groups/{}", ids[0])).expect(204);
    assert!(app.slapd.groups("Research").is_empty());
    assert_eq!(app.directory_members("research"), [dn("ada")], "its twin stays");
}

#[test]
fn a_group_is_renamed_to_what_only_differs_for_people() {
    let app = TestApp::start();
    let (research, sales) = (app.create_group("Research"), app.create_group("Sales"));
    app.rename_group(&sales, "research");
    is_distinguished(&app.slapd.groups("research")[0], "research");
    assert!(app.slapd.groups("Sales").is_empty());
    assert_eq!(app.slapd.groups("Research")[0].dn, group_dn("Research"));
    app.rename_group(&sales, "Sales");
    assert_eq!(app.slapd.groups("Sales")[0].values("cn"), ["Sales"]);
    // Its own name in other letters collides with nobody.
    app.rename_group(&research, "RESEARCH");
    assert_eq!(app.slapd.groups("RESEARCH").len(), 1);
    assert!(app.slapd.groups("Research").is_empty());
}

#[test]
fn a_hand_made_group_is_not_adopted_when_only_the_letters_differ() {
    let app = TestApp::start();
    app.slapd.by_hand(&format!(
        "dn: {}\nobjectClass: groupOfNames\ncn: RESEARCH\nmember: cn=somebody\n",
        group_dn("RESEARCH")
    ));
    app.create_group("Research");
    is_distinguished(&app.slapd.groups("Research")[0], "Research");
    assert_eq!(app.directory_members("RESEARCH"), ["cn=somebody"], "the hand-made one is left alone");
    assert_eq!(app.directory_members("Research"), [PLACEHOLDER]);
}

#[test]
fn an_operator_may_have_such_names_refused() {
    let settings = Settings::default().set("groups.on_collision", "\"reject\"");
    let app = TestApp::start_with(Flavor::AsShipped, settings);
    app.create_group("Research");
    let before = app.view();
    for name in ["research", "Research ", " Research"] {
        app.post("/Groups", &group(name)).refuses(409, "uniqueness", &[name]);
        assert!(app.lookup_groups(name).is_empty());
    }
    assert_eq!(app.view(), before);
    let sales = app.create_group("Sales");
    let rename = json!([{"op": "Replace", "path": "displayName", "value": "RESEARCH"}]);
    app.patch(&format!("/Groups/{sales}"), &rename).refuses(409, "uniqueness", &["RESEARCH"]);
    assert_eq!(app.read_group(&sales)["displayName"], "Sales");
    assert_eq!(app.slapd.groups("Sales").len(), 1);
}

#[test]
fn the_second_part_of_the_name_is_the_operators_choice() {
    let settings = Settings::default().set("groups.distinguish_with", "\"description\"");
    let app = TestApp::start_with(Flavor::AsShipped, settings);
    app.create_group("Research");
    app.create_group("research");
    let twin = &app.slapd.groups("research")[0];
    assert!(twin.rdn().contains("+description="), "{}", twin.dn);
    assert_eq!(twin.values("description").len(), 1);
    assert_eq!(twin.values("ou"), [""; 0]);
}

#[test]
fn groups_of_one_name_share_one_entry_that_goes_with_the_last() {
    let app = TestApp::start();
    let (ada, bob, cyd) = (app.user("ada"), app.user("bob"), app.user("cyd"));
    let one = app.create_group_with(&group_with("Staff", "entra-1", &[&ada, &bob]));
    let anchor = app.slapd.values(&group_dn("Staff"), "entryUUID");
    let two = app.create_group_with(&group_with("Staff", "entra-2", &[&bob, &cyd]));
    assert_ne!(one, two);
    assert_eq!(app.directory_members("Staff"), [dn("ada"), dn("bob"), dn("cyd")], "one entry, the union");
    assert_eq!(app.members(&one), [ada.clone(), bob.clone()].into());
    assert_eq!(app.members(&two), [bob.clone(), cyd.clone()].into());
    assert_eq!(app.lookup_groups("Staff").len(), 2);

    app.remove_members(&one, &[&bob]);
    assert_eq!(app.directory_members("Staff"), [dn("ada"), dn("bob"), dn("cyd")], "Bob is still in the other");
    app.remove_members(&two, &[&bob]);
    assert_eq!(app.directory_members("Staff"), [dn("ada"), dn("cyd")]);

    app.delete(&format!("/Groups/{one}")).expect(204);
    assert_eq!(app.directory_members("Staff"), [dn("cyd")], "what only the deleted one held is gone");
    assert_eq!(app.slapd.values(&group_dn("Staff"), "entryUUID"), anchor);
    app.delete(&format!("/Groups/{two}")).expect(204);
    assert!(app.slapd.groups("Staff").is_empty());
}

#[test]
fn a_group_that_shares_an_entry_is_renamed_away_from_it() {
    let app = TestApp::start();
    let (ada, bob) = (app.user("ada"), app.user("bob"));
    let one = app.create_group_with(&group_with("Staff", "entra-1", &[&ada]));
    let two = app.create_group_with(&group_with("Staff", "entra-2", &[&bob]));
    app.rename_group(&two, "Board");
    assert_eq!(app.directory_members("Staff"), [dn("ada")]);
    assert_eq!(app.directory_members("Board"), [dn("bob")]);
    app.rename_group(&two, "Staff");
    assert_eq!(app.directory_members("Staff"), [dn("ada"), dn("bob")]);
    assert!(app.slapd.groups("Board").is_empty());
    assert_eq!(app.members(&one), [ada].into());
    assert_eq!(app.members(&two), [bob].into());
}

#[test]
fn an_administrator_sees_twins_before_the_first_sync_and_after() {
    let app = TestApp::start();
    let none = app.workplace.run(&["groups", "twins"]).succeeds();
    assert_eq!((none.stdout.as_str(), none.stderr.contains("no two groups")), ("", true));
    // In the directory alone: as people made them.
    for (cn, ou) in [("Sales", "a"), ("SALES", "b"), ("Field Staff", "c")] {
        app.slapd.by_hand(&format!(
            "dn: cn={cn}+ou={ou},ou=groups,dc=example,dc=org\nobjectClass: groupOfNames\ncn: {cn}\nou: {ou}\n\
             member: {PLACEHOLDER}\n"
        ));
    }
    let before = app.workplace.run(&["groups", "twins"]).succeeds();
    assert_eq!(
        before.stdout,
        "2 names that differ in case:\n  \"SALES\"\n    directory   cn=SALES+ou=b,ou=groups,dc=example,dc=org\n  \
         \"Sales\"\n    directory   cn=Sales+ou=a,ou=groups,dc=example,dc=org\n"
    );
    // And what Entra pushes beside them.
    let spaced = app.create_group("Field  Staff");
    let composed = app.create_group("Zoe\u{308}s");
    let whole = app.create_group("Zo\u{eb}s");
    let text = app.workplace.run(&["groups", "twins"]).succeeds().stdout;
    for part in ["2 names that differ in spaces:", &spaced, "differ in composition", "\"Zoe\\u{308}s\"", &composed] {
        assert!(text.contains(part), "{part:?} in:\n{text}");
    }
    let json = app.workplace.run(&["groups", "twins", "--format", "json"]).succeeds().stdout;
    let found: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(found.as_array().unwrap().len(), 3);
    let zoes = found.as_array().unwrap().iter().find(|twins| twins["differ_in"] == json!(["composition"])).unwrap();
    assert_eq!(zoes["names"]["Zo\u{eb}s"]["scimbridge"], json!([whole]));
    let off = Settings::default().set("groups.enabled", "false");
    let off = TestApp::start_with(Flavor::AsShipped, off);
    off.workplace.run(&["groups", "twins"]).fails_naming(&["groups.enabled"]);
}

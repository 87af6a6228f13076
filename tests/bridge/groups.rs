//! Groups: created, filled, emptied, renamed, adopted and deleted.

use serde_json::json;

use crate::support::app::{PLACEHOLDER, TestApp, dn, group_dn};
use crate::support::entra::{self, group, group_with};
use crate::support::slapd::Flavor;
use crate::support::story::Story;
use crate::support::workplace::Settings;

/// Settings for a class that demands no member.
fn optional_member() -> Settings {
    Settings::default().set("groups.object_classes", "[\"groupOfMembers\"]")
}

#[test]
fn a_group_is_created_filled_renamed_emptied_and_deleted() {
    let app = TestApp::start();
    let (ada, bob) = (app.user("ada"), app.user("bob"));
    let mut story = Story::of(&app);
    let created = app.post("/Groups", &group("Staff")).expect(201);
    let staff = app.know(&created.json());
    let target = format!("/Groups/{staff}");
    story.heard("Entra creates Staff", &created);
    assert_eq!(app.directory_members("Staff"), [PLACEHOLDER]);

    story.heard("Entra adds Ada and Bob", &app.patch(&target, &entra::add_members(&[&ada, &bob])).expect(204));
    assert_eq!(app.directory_members("Staff"), [dn("ada"), dn("bob")]);
    story.directory("after that");

    app.rename_group(&staff, "Staff-2026");
    story.heard("Entra renames it and asks for it", &app.get(&target).expect(200));
    assert!(app.lookup_groups("Staff").is_empty(), "the old name finds nothing");
    assert_eq!(app.lookup_groups("Staff-2026")[0]["id"], staff.as_str());
    assert_eq!(app.directory_members("Staff-2026"), [dn("ada"), dn("bob")]);
    assert_eq!(app.slapd.entry(&group_dn("Staff")), None);

    app.remove_members(&staff, &[&ada]);
    app.patch_group(&staff, &entra::remove_member_by_path(&bob));
    assert_eq!(app.directory_members("Staff-2026"), [PLACEHOLDER]);
    story.heard("Entra removes both and asks for it", &app.get(&target).expect(200));
    story.directory("after that");

    story.heard("Entra deletes it", &app.delete(&target).expect(204));
    app.get(&target).expect(404);
    app.delete(&target).expect(404);
    app.patch(&target, &entra::add_members(&[&ada])).expect(404);
    assert_eq!(app.slapd.ldif("ou=groups"), "");
    insta::assert_snapshot!(story);
}

#[test]
fn a_rename_keeps_the_entry() {
    let app = TestApp::start();
    let staff = app.create_group("Staff");
    let anchor = app.slapd.values(&group_dn("Staff"), "entryUUID");
    app.rename_group(&staff, "Staff, EMEA");
    let renamed = app.slapd.groups("Staff, EMEA");
    assert_eq!(renamed[0].values("cn"), ["Staff, EMEA"], "one name, the new one");
    assert_eq!(app.slapd.values(&renamed[0].dn, "entryUUID"), anchor);
}

#[test]
fn a_group_is_created_with_members() {
    let app = TestApp::start();
    let (ada, bob) = (app.user("ada"), app.user("bob"));
    let staff = app.create_group_with(&group_with("Staff", "entra-1", &[&ada, &bob]));
    assert_eq!(app.members(&staff), [ada, bob].into());
    assert_eq!(app.directory_members("Staff"), [dn("ada"), dn("bob")]);
}

#[test]
fn a_group_with_an_unknown_member_is_not_created() {
    let app = TestApp::start();
    let ada = app.user("ada");
    let nobody = "00000000-0000-4000-8000-000000000000";
    let group = group_with("Staff", "entra-1", &[&ada, nobody]);
    app.post("/Groups", &group).refuses(400, "invalidValue", &[nobody]);
    assert_eq!(app.slapd.ldif("ou=groups"), "");
    assert!(app.lookup_groups("Staff").is_empty());
}

#[test]
fn a_group_may_be_a_member_of_a_group() {
    let app = TestApp::start();
    let (outer, inner) = (app.create_group("Outer"), app.create_group("Inner"));
    app.add_members(&outer, &[&inner]);
    assert_eq!(app.directory_members("Outer"), [group_dn("Inner")]);
    assert_eq!(app.members(&outer), [inner.clone()].into());

    app.rename_group(&inner, "Core");
    crate::support::wait_for("the outer group to follow", || {
        (app.directory_members("Outer") == [group_dn("Core")]).then_some(())
    });
    app.delete(&format!("/Groups/{inner}")).expect(204);
    crate::support::wait_for("the outer group to be empty", || {
        (app.directory_members("Outer") == [PLACEHOLDER]).then_some(())
    });
    assert!(app.members(&outer).is_empty());
}

#[test]
fn put_replaces_the_members() {
    let app = TestApp::start();
    let (ada, bob) = (app.user("ada"), app.user("bob"));
    let staff = app.create_group_with(&group_with("Staff", "entra-1", &[&ada]));
    let replaced = app.put(&format!("/Groups/{staff}"), &group_with("Staff", "entra-1", &[&bob])).expect(200);
    assert_eq!(replaced.json()["id"], staff.as_str());
    assert_eq!(app.members(&staff), [bob].into());
    assert_eq!(app.directory_members("Staff"), [dn("bob")]);
}

#[test]
fn who_was_added_by_hand_stays() {
    let app = TestApp::start();
    let (ada, bob) = (app.user("ada"), app.user("bob"));
    let by_hand = "cn=legacy,ou=people,dc=example,dc=org";
    app.slapd.by_hand(&format!("dn: {by_hand}\nobjectClass: inetOrgPerson\ncn: legacy\nsn: x\n"));
    app.slapd.by_hand(&format!(
        "dn: {}\nobjectClass: groupOfNames\ncn: Staff\nmember: {by_hand}\ndescription: made by hand\n",
        group_dn("Staff")
    ));
    let anchor = app.slapd.values(&group_dn("Staff"), "entryUUID");

    let staff = app.create_group("Staff");
    assert_eq!(app.slapd.values(&group_dn("Staff"), "entryUUID"), anchor, "adopted, not duplicated");
    assert_eq!(app.directory_members("Staff"), [by_hand]);
    assert!(app.members(&staff).is_empty(), "who is not Entra's is not shown to it");

    app.add_members(&staff, &[&ada, &bob]);
    assert_eq!(app.directory_members("Staff"), [by_hand, &dn("ada"), &dn("bob")]);
    app.patch_group(&staff, &json!([{"op": "remove", "path": "members"}]));
    assert_eq!(app.directory_members("Staff"), [by_hand]);
    app.add_members(&staff, &[&ada]);
    app.patch_group(&staff, &json!([{"op": "replace", "path": "members", "value": [{"value": bob}]}]));
    assert_eq!(app.directory_members("Staff"), [by_hand, &dn("bob")]);
    assert_eq!(app.slapd.values(&group_dn("Staff"), "description"), ["made by hand"]);
}

#[test]
fn a_group_whose_class_demands_no_member_needs_no_placeholder() {
    let app = TestApp::start_with(Flavor::OptionalMember, optional_member());
    let (ada, bob) = (app.user("ada"), app.user("bob"));
    let staff = app.create_group_with(&group_with("Staff", "entra-1", &[&ada, &bob]));
    app.remove_members(&staff, &[&ada]);
    assert_eq!(app.directory_members("Staff"), [dn("bob")]);
    app.remove_members(&staff, &[&bob]);
    assert_eq!(app.directory_members("Staff"), [""; 0]);
    assert!(app.members(&staff).is_empty());
    app.add_members(&staff, &[&ada]);
    assert_eq!(app.directory_members("Staff"), [dn("ada")]);
}

#[test]
fn unknown_values_of_a_group_are_not_written_over() {
    // A change of the name must not write the whole group back.
    let app = TestApp::start();
    let ada = app.user("ada");
    let staff = app.create_group_with(&group_with("Staff", "entra-1", &[&ada]));
    app.slapd.by_hand(&format!(
        "dn: {}\nchangetype: modify\nadd: description\ndescription: by hand\n-\nadd: member\nmember: cn=robot\n",
        group_dn("Staff")
    ));
    app.rename_group(&staff, "Staff-2026");
    app.remove_members(&staff, &[&ada]);
    assert_eq!(app.directory_members("Staff-2026"), ["cn=robot"], "one of theirs is left: no placeholder");
    assert_eq!(app.slapd.values(&group_dn("Staff-2026"), "description"), ["by hand"]);
}

#[test]
fn members_are_left_out_when_they_are_excluded() {
    let app = TestApp::start();
    let ada = app.user("ada");
    let staff = app.create_group_with(&group_with("Staff", "entra-1", &[&ada]));
    let without = app.get(&format!("/Groups/{staff}?excludedAttributes=members")).expect(200).json();
    assert_eq!(without.get("members"), None, "{without}");
    assert_eq!(without["displayName"], "Staff");
    assert_eq!(without["externalId"], "entra-1");
    let found = app.lookup_groups("Staff");
    assert_eq!(found, [without], "the same in a list");
}

#[test]
fn a_group_name_is_taken_by_the_same_group_again() {
    let app = TestApp::start();
    app.create_group("Staff");
    app.post("/Groups", &group("Staff")).refuses(409, "uniqueness", &["Staff"]);
    let nameless_id = |name: &str| json!({"schemas": [entra::GROUP], "displayName": name});
    app.post("/Groups", &nameless_id("Board")).expect(201);
    app.post("/Groups", &nameless_id("Board")).refuses(409, "uniqueness", &["Board"]);
    assert_eq!(app.slapd.groups("Staff").len(), 1);
    assert_eq!(app.slapd.groups("Board").len(), 1);
}

#[test]
fn a_group_without_a_name_is_refused() {
    let app = TestApp::start();
    let body = json!({"schemas": [entra::GROUP], "externalId": "entra-1"});
    app.post("/Groups", &body).refuses(400, "invalidValue", &["displayName"]);
}

#[test]
fn groups_are_not_offered_when_the_operator_has_switched_them_off() {
    let app = TestApp::start_with(Flavor::AsShipped, Settings::default().set("groups.enabled", "false"));
    app.get("/Groups").expect(404);
    app.post("/Groups", &group("Staff")).expect(404);
    let types = app.get("/ResourceTypes").expect(200).text();
    assert!(!types.contains("/Groups"), "{types}");
    app.user("ada");
}

#[test]
fn groups_may_only_do_what_the_operator_lets_entra_do() {
    let fixed = Settings::default().set("groups.update", "false").set("groups.delete", "false");
    let app = TestApp::start_with(Flavor::AsShipped, fixed);
    let target = format!("/Groups/{}", app.create_group("Staff"));
    let before = app.view();
    app.patch(&target, &json!([{"op": "Replace", "path": "displayName", "value": "Board"}])).expect(405);
    app.delete(&target).expect(405);
    assert_eq!(app.view(), before);
}

#[test]
fn members_may_be_unique_members() {
    let settings = Settings::default()
        .set("groups.object_classes", "[\"groupOfUniqueNames\"]")
        .set("groups.member", "\"uniqueMember\"");
    let app = TestApp::start_with(Flavor::AsShipped, settings);
    let ids = ["ada", "bob"].map(|name| app.user(name));
    let staff = app.create_group("Staff");
    let listed = || app.slapd.groups("Staff")[0].values("uniqueMember");
    assert_eq!(listed(), [PLACEHOLDER]);
    app.add_members(&staff, &ids);
    assert_eq!(listed(), [dn("ada"), dn("bob")]);
    app.rename_user(&ids[0], "ada.king@contoso.com");
    let follows = || listed().contains(&dn("ada.king")).then_some(());
    crate::support::wait_for("the group to have the new name of its member", follows);
    assert_eq!(listed().len(), 2);
    app.delete(&format!("/Users/{}", ids[1])).expect(204);
    crate::support::wait_for("the deleted member to go", || (listed() == [dn("ada.king")]).then_some(()));
    app.remove_members(&staff, &ids[..1]);
    assert_eq!(listed(), [PLACEHOLDER], "never empty, never beside a real member");
}

#[test]
fn a_placeholder_that_was_left_beside_a_member_goes_with_the_next() {
    let app = TestApp::start();
    let (ada, bob, eve) = (app.user("ada"), app.user("bob"), app.user("eve"));
    let staff = app.create_group_with(&group_with("Staff", "entra-1", &[&ada]));
    app.slapd.by_hand(&format!("dn: {}\nchangetype: modify\nadd: member\nmember: {PLACEHOLDER}\n", group_dn("Staff")));
    app.add_members(&staff, &[&bob]);
    assert_eq!(app.directory_members("Staff"), [dn("ada"), dn("bob")]);
    // What is not there is not asked for to go.
    app.add_members(&staff, &[&eve]);
    assert_eq!(app.directory_members("Staff"), [dn("ada"), dn("bob"), dn("eve")]);
}

//! What somebody changed by hand in the lists of groups and in their names, and what a run makes of it.

use std::collections::BTreeSet;

use super::{command, delete_by_hand, is_in_sync, look, mend, modify_by_hand, rename_by_hand, roomy, told};
use crate::member_lists;
use crate::support::app::{PLACEHOLDER, TestApp, dn, group_dn};
use crate::support::entra::group_with;
use crate::support::slapd::{Flavor, SUFFIX};

/// An entry that nobody pushed.
fn stranger_by_hand(app: &TestApp) -> String {
    let service = format!("uid=backup,ou=people,{SUFFIX}");
    app.slapd.by_hand(&format!("dn: {service}\nobjectClass: inetOrgPerson\nuid: backup\ncn: Backup\nsn: Service\n"));
    service
}

/// Staff with Ada and Bob, and Cyd beside them.
fn staff(app: &TestApp) -> [String; 3] {
    let people = ["ada", "bob", "cyd"].map(|name| app.user(name));
    app.create_group_with(&group_with("Staff", "entra-1", &[&people[0], &people[1]]));
    people
}

fn add(member: &str) -> String {
    format!("add: member\nmember: {member}")
}

fn take_out(member: &str) -> String {
    format!("delete: member\nmember: {member}")
}

#[test]
fn members_who_are_missing_or_too_many_are_put_right() {
    let app = TestApp::start_with(Flavor::AsShipped, roomy());
    staff(&app);
    let (staff, board) = (group_dn("Staff"), app.create_group("Board"));
    app.create_group("Empty");
    app.add_members(&board, &[app.lookup_groups("Empty")[0]["id"].as_str().unwrap()]);
    let before = app.directory();
    let cases = [
        ("Ada is missing", &staff, take_out(&dn("ada"))),
        ("Cyd is too many", &staff, add(&dn("cyd"))),
        ("one for another", &staff, format!("{}\n-\n{}", take_out(&dn("bob")), add(&dn("cyd")))),
        ("a group is too many", &staff, add(&group_dn("Board"))),
        ("nobody is left", &staff, format!("replace: member\nmember: {PLACEHOLDER}")),
        ("nobody is there beside somebody", &staff, add(PLACEHOLDER)),
        ("somebody is where nobody should be", &group_dn("Empty"), format!("replace: member\nmember: {}", dn("ada"))),
        ("and beside nobody", &group_dn("Empty"), add(&dn("ada"))),
        ("a group is missing", &group_dn("Board"), format!("replace: member\nmember: {}", dn("bob"))),
    ];
    let mut story = String::new();
    for (what, group, lines) in cases {
        modify_by_hand(&app, group, &lines);
        story.push_str(&mend(&app, what));
        assert_eq!(app.directory(), before, "{what}");
    }
    insta::assert_snapshot!("members", story);
}

#[test]
fn who_nobody_named_stays_or_goes_as_the_operator_says() {
    let app = TestApp::start_with(Flavor::AsShipped, roomy());
    let [ada, ..] = staff(&app);
    let service = stranger_by_hand(&app);
    let (staff, ghost) = (group_dn("Staff"), "cn=nobody's,dc=elsewhere".to_owned());
    let by_hand = format!("{}\n-\n{}\n-\n{}", add(&service), add(&dn("cyd")), add(&ghost));
    let ours: BTreeSet<String> = [dn("ada"), dn("bob")].into();
    let strangers: BTreeSet<String> = [service.clone(), ghost.clone()].into();
    let listed = || app.slapd.values(&staff, "member").into_iter().collect::<BTreeSet<String>>();
    let owned_by = |who: &str| app.workplace.reconfigure(&roomy().set("groups.member_ownership", who));

    modify_by_hand(&app, &staff, &by_hand);
    owned_by("\"shared\"");
    let shared = is_in_sync(&app).stdout;
    assert!(listed().contains(&dn("cyd")) && listed().is_superset(&strangers));

    owned_by("\"owned\"");
    let owned = mend(&app, "owned: only who is known goes");
    assert_eq!(listed(), &ours | &strangers);
    let still = look(&app, &["reconcile", "--dry-run"], 0).stdout;

    owned_by("\"exclusive\"");
    let exclusive = mend(&app, "exclusive: everybody goes");
    assert_eq!(listed(), ours);

    // Whatever the rule, who is named is in.
    modify_by_hand(&app, &staff, &take_out(&dn("ada")));
    owned_by("\"shared\"");
    mend(&app, "shared: and Ada is missing");
    assert!(app.members(app.lookup_groups("Staff")[0]["id"].as_str().unwrap()).contains(&ada));
    assert_eq!(listed(), ours);
    let story = format!("## shared\n{shared}\n{owned}\n## still\n{still}\n{exclusive}");
    insta::assert_snapshot!("strangers", told(&app, &story));
}

#[test]
fn a_class_without_a_placeholder_needs_none() {
    let settings = roomy().set("groups.object_classes", "[\"groupOfMembers\"]");
    let app = TestApp::start_with(Flavor::OptionalMember, settings);
    staff(&app);
    app.create_group("Empty");
    let before = app.directory();
    let cases = [
        ("all are gone", group_dn("Staff"), "delete: member".to_owned()),
        ("somebody is where nobody should be", group_dn("Empty"), add(&dn("ada"))),
    ];
    for (what, group, lines) in cases {
        modify_by_hand(&app, &group, &lines);
        mend(&app, what);
        assert_eq!(app.directory(), before, "{what}");
    }
}

#[test]
fn a_group_that_was_renamed_by_hand_gets_its_name_back_byte_for_byte() {
    for flavor in [Flavor::AsShipped, Flavor::Plain] {
        let app = TestApp::start_with(flavor, roomy());
        let [ada, ..] = staff(&app);
        app.create_group_with(&group_with("Field Staff", "entra-2", &[&ada]));
        let before = app.directory();
        let mut story = String::new();
        let cases = [
            ("Staff", "cn=STAFF", "cn=STAFF"),
            ("Field Staff", "cn=Field  Staff", "cn=Field  Staff"),
            ("Staff", "cn=\\20Staff\\20", "cn=\\20Staff\\20"),
            ("Staff", "cn=Crew", "cn=Crew"),
        ];
        for (name, rdn, there) in cases {
            rename_by_hand(&app, &group_dn(name), rdn);
            assert_ne!(app.directory(), before, "{there}");
            story.push_str(&mend(&app, there));
            assert_eq!(app.directory(), before, "{there}");
        }
        // A second name beside the one that Entra gave.
        modify_by_hand(&app, &group_dn("Staff"), "add: cn\ncn: Crew");
        story.push_str(&mend(&app, "a second name"));
        assert_eq!(app.directory(), before);
        if flavor == Flavor::AsShipped {
            insta::assert_snapshot!("renamed_groups", story);
        }
    }
}

#[test]
fn groups_that_share_an_entry_have_the_union_of_their_members() {
    let app = TestApp::start_with(Flavor::AsShipped, roomy());
    let [ada, bob, _] = staff(&app);
    app.create_group_with(&group_with("Staff", "entra-2", &[&bob]));
    app.create_group_with(&group_with("Staff", "entra-3", &[]));
    app.slapd.entry(&group_dn("Staff")).unwrap();
    let before = app.directory();
    let cases = [
        ("Ada is missing, whom one of them names", take_out(&dn("ada"))),
        ("Bob is missing, whom two of them name", take_out(&dn("bob"))),
        ("Cyd is too many", add(&dn("cyd"))),
    ];
    let mut story = String::new();
    for (what, lines) in cases {
        modify_by_hand(&app, &group_dn("Staff"), &lines);
        story.push_str(&mend(&app, what));
        assert_eq!(app.directory(), before, "{what}");
    }
    // Which of the three does what here depends on their ids.
    modify_by_hand(&app, &group_dn("Staff"), &format!("replace: member\nmember: {}", dn("cyd")));
    mend(&app, "all at once");
    assert_eq!(app.directory(), before);
    delete_by_hand(&app, &group_dn("Staff"));
    mend(&app, "the entry of three is gone");
    assert_eq!(app.directory(), before);
    insta::assert_snapshot!("shared_entry", story);
    let groups = app.lookup_groups("Staff");
    let members: BTreeSet<String> =
        groups.iter().flat_map(|group| app.members(group["id"].as_str().unwrap())).collect();
    assert_eq!(members, [ada, bob].into(), "what Entra is shown is as it was");
}

#[test]
fn twins_keep_apart() {
    let app = TestApp::start_with(Flavor::AsShipped, roomy());
    let [ada, bob, _] = ["ada", "bob", "cyd"].map(|name| app.user(name));
    app.create_group_with(&group_with("Research", "entra-1", &[&ada]));
    app.create_group_with(&group_with("research", "entra-2", &[&bob]));
    let before = app.directory();
    let there = |name: &str| app.slapd.groups(name)[0].dn.clone();
    let mut story = String::new();
    modify_by_hand(&app, &there("Research"), &add(&dn("bob")));
    modify_by_hand(&app, &there("research"), &format!("replace: member\nmember: {}", dn("ada")));
    story.push_str(&mend(&app, "their members are mixed up"));
    assert_eq!(app.directory(), before);
    for name in ["Research", "research"] {
        delete_by_hand(&app, &there(name));
        story.push_str(&mend(&app, &format!("{name:?} is gone")));
        assert_eq!(app.directory(), before, "{name}");
    }
    for name in ["Research", "research"] {
        delete_by_hand(&app, &there(name));
    }
    // Which of them gets the plain name of the entry depends on their ids.
    mend(&app, "both are gone");
    assert_eq!(app.directory_members("Research"), [dn("ada")]);
    assert_eq!(app.directory_members("research"), [dn("bob")]);
    insta::assert_snapshot!("twins", story);
}

#[test]
fn a_list_that_is_emptied_of_many_is_shown_in_short_and_filled_again() {
    let app = TestApp::start_with(Flavor::Plain, roomy());
    let people: Vec<String> = (0..60).map(|number| app.user(&format!("user{number:02}"))).collect();
    let ids: Vec<&str> = people.iter().map(String::as_str).collect();
    app.create_group_with(&group_with("Everybody", "entra-1", &ids));
    let before = app.directory();
    modify_by_hand(&app, &group_dn("Everybody"), &format!("replace: member\nmember: {}", dn("user07")));
    let story = mend(&app, "one of sixty is left");
    assert_eq!(app.directory(), before);
    insta::assert_snapshot!("many_members", story);
    command(&app, &["reconcile", "--only", "groups"], 0);
}

#[test]
fn somebody_whose_list_has_another_key_is_listed_by_it() {
    let app = member_lists::start(&member_lists::both().set("reconcile.max_member_removals", "\"100%\""));
    let [ada, bob, _] = ["ada", "bob", "cyd"].map(|name| app.user(name));
    app.create_group_with(&group_with("Staff", "entra-1", &[&ada, &bob]));
    let before = app.directory();
    let staff = group_dn("Staff");
    let cases = [
        ("one list lacks somebody", format!("delete: member\nmember: {}", dn("ada"))),
        ("the other list lacks somebody", "delete: memberUid\nmemberUid: ada@contoso.com".to_owned()),
        ("one list has somebody more", format!("add: member\nmember: {}", dn("cyd"))),
        ("the other list has somebody more", "add: memberUid\nmemberUid: cyd@contoso.com".to_owned()),
        (
            "one lacks Ada, the other Bob",
            format!("delete: member\nmember: {}\n-\ndelete: memberUid\nmemberUid: bob@contoso.com", dn("ada")),
        ),
        ("a list is gone", "delete: memberUid".to_owned()),
    ];
    let mut story = String::new();
    for (what, lines) in cases {
        modify_by_hand(&app, &staff, &lines);
        story.push_str(&mend(&app, what));
        assert_eq!(app.directory(), before, "{what}");
    }
    modify_by_hand(&app, &staff, "add: memberUid\nmemberUid: hand");
    story.push_str(&told(&app, &is_in_sync(&app).stdout));
    insta::assert_snapshot!("two_lists", story);
}

#[test]
fn who_was_renamed_by_hand_and_put_in_under_that_name_is_taken_out() {
    let app = TestApp::start_with(Flavor::AsShipped, roomy());
    staff(&app);
    let before = app.directory();
    rename_by_hand(&app, &dn("cyd"), "uid=stray");
    modify_by_hand(&app, &group_dn("Staff"), &add(&format!("uid=stray,ou=people,{SUFFIX}")));
    insta::assert_snapshot!("stray", mend(&app, "a member under a name by hand"));
    assert_eq!(app.directory(), before);
}

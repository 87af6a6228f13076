//! Somebody changes the directory by hand, beside the bridge: entries are renamed, moved and deleted, members taken out,
//! accounts locked. What Entra asks for next still reaches the right entries, and no others.

use serde_json::{Value, json};

use crate::support::app::{PLACEHOLDER, TestApp, dn, group_dn};
use crate::support::entra::{group_with, person_with};
use crate::support::http::Answer;
use crate::support::slapd::{Flavor, SUFFIX};
use crate::support::workplace::Settings;
use crate::support::{wait_for, wait_until_equal};

const BOTH: [Flavor; 2] = [Flavor::AsShipped, Flavor::Plain];

fn title(value: &str) -> Value {
    json!([{"op": "Add", "path": "title", "value": value}])
}

fn rename_by_hand(app: &TestApp, from: &str, rdn: &str, delete_old: u8) {
    app.slapd.by_hand(&format!("dn: {from}\nchangetype: modrdn\nnewrdn: {rdn}\ndeleteoldrdn: {delete_old}\n"));
}

fn delete_by_hand(app: &TestApp, dn: &str) {
    app.slapd.by_hand(&format!("dn: {dn}\nchangetype: delete\n"));
}

/// A group that is nobody's but the administrator's.
fn group_by_hand(app: &TestApp, name: &str, member: &str) {
    app.slapd.by_hand(&format!("dn: {}\nobjectClass: groupOfNames\ncn: {name}\nmember: {member}\n", group_dn(name)));
}

/// Where the one entry with this mail address is.
#[track_caller]
fn place_of(app: &TestApp, name: &str) -> String {
    let found = app.slapd.people("mail", &format!("{name}@contoso.com"));
    assert_eq!(found.len(), 1, "one entry for {name}: {found:#?}");
    found[0].dn.clone()
}

fn wait_for_members(app: &TestApp, group: &str, expected: &[String]) {
    let mut expected = expected.to_vec();
    expected.sort();
    let members = || app.directory_members(group).join("\n");
    wait_until_equal(&format!("the members of {group}"), &expected.join("\n"), members);
}

/// What an administrator may call Ada's entry, and whether the name that Entra gave her goes.
const OTHER_NAMES: [(&str, u8); 2] = [("cn=Ada Contoso", 0), ("uid=ada.old@contoso.com", 1)];

fn renamings() -> impl Iterator<Item = (Flavor, &'static str, u8)> {
    BOTH.into_iter().flat_map(|flavor| OTHER_NAMES.map(|(rdn, delete_old)| (flavor, rdn, delete_old)))
}

/// Ada is renamed by hand and then removed from these groups, in which there is nobody else.
fn renamed_by_hand_and_removed(names: &[&str]) {
    for (flavor, rdn, delete_old) in renamings() {
        let app = TestApp::start_on(flavor);
        let ada = app.user("ada");
        let groups: Vec<String> = names.iter().map(|name| app.create_group(name)).collect();
        groups.iter().for_each(|group| app.add_members(group, &[&ada]));
        rename_by_hand(&app, &dn("ada"), rdn, delete_old);
        let renamed = format!("{rdn},ou=people,{SUFFIX}");
        for name in names.iter().filter(|_| flavor == Flavor::AsShipped) {
            wait_for_members(&app, name, std::slice::from_ref(&renamed));
        }
        groups.iter().for_each(|group| app.remove_members(group, &[&ada]));
        let empty = |name: &&str| app.directory_members(name) == [PLACEHOLDER];
        assert!(names.iter().all(empty), "{flavor:?}, {rdn}:\n{}", app.slapd.ldif("ou=groups"));
        app.patch_user(&ada, &title("Countess"));
        assert!(names.iter().all(empty), "{flavor:?}, {rdn}, later:\n{}", app.slapd.ldif("ou=groups"));
        assert!(groups.iter().all(|group| app.members(group).is_empty()));
    }
}

#[test]
fn who_was_renamed_by_hand_leaves_a_group_under_the_present_name() {
    renamed_by_hand_and_removed(&["Staff"]);
}

#[test]
fn who_was_renamed_by_hand_leaves_several_groups_one_after_the_other() {
    renamed_by_hand_and_removed(&["Staff", "Board", "Crew"]);
}

#[test]
fn who_was_renamed_by_hand_joins_a_group_under_the_present_name() {
    for (flavor, rdn, delete_old) in renamings() {
        let app = TestApp::start_on(flavor);
        let ada = app.user("ada");
        let (staff, board) = (app.create_group("Staff"), app.create_group("Board"));
        app.add_members(&staff, &[&ada]);
        rename_by_hand(&app, &dn("ada"), rdn, delete_old);
        app.add_members(&board, &[&ada]);
        // A name that the map speaks of is put right sooner or later; then the groups follow once more.
        wait_for("both groups to list Ada where she is", || {
            let place = [place_of(&app, "ada")];
            (app.directory_members("Board") == place && app.directory_members("Staff") == place).then_some(())
        });
        app.patch_user(&ada, &title("Countess"));
        let expected = if rdn.starts_with("cn=") { format!("{rdn},ou=people,{SUFFIX}") } else { dn("ada") };
        assert_eq!(place_of(&app, "ada"), expected);
        wait_for_members(&app, "Board", std::slice::from_ref(&expected));
        wait_for_members(&app, "Staff", &[expected]);
    }
}

/// Moves Ada's entry out of the bridge's reach, or back.
fn move_ada(app: &TestApp, from: &str, to: &str) {
    app.slapd.by_hand(&format!(
        "dn: uid=ada@contoso.com,{from}\nchangetype: modrdn\nnewrdn: uid=ada@contoso.com\ndeleteoldrdn: 0\n\
         newsuperior: {to}\n"
    ));
}

#[test]
fn who_was_moved_out_of_reach_by_hand_is_not_made_twice_nor_taken_for_deleted() {
    let (people, former) = (format!("ou=people,{SUFFIX}"), format!("ou=former,{SUFFIX}"));
    let app = TestApp::start();
    let ada = app.user("ada");
    let target = format!("/Users/{ada}");
    app.slapd.by_hand(&format!("dn: {former}\nobjectClass: organizationalUnit\nou: former\n"));
    move_ada(&app, &people, &former);
    let there = format!("uid=ada@contoso.com,{former}");

    let says_where = |answer: Answer| {
        answer.check_protocol();
        let text = answer.text();
        assert!(answer.status >= 500, "{} {text}", answer.status);
        assert!(text.contains(&there) && text.contains(&people), "where it is and where it should be: {text}");
        assert_eq!(app.slapd.entry(&dn("ada")), None, "no second entry");
        assert!(app.slapd.entry(&there).is_some(), "and the first is left alone");
    };
    says_where(app.patch(&target, &title("Countess")));
    move_ada(&app, &former, &people);
    wait_for("the title", || (app.slapd.values(&dn("ada"), "title") == ["Countess"]).then_some(()));

    move_ada(&app, &people, &former);
    says_where(app.delete(&target));
    move_ada(&app, &former, &people);
    wait_for("Ada to be deleted after all", || {
        (app.get(&target).status == 404 && app.slapd.entry(&dn("ada")).is_none()).then_some(())
    });
}

#[test]
fn who_was_deleted_by_hand_comes_back_with_all_groups() {
    for flavor in BOTH {
        let app = TestApp::start_on(flavor);
        let (ada, bob) = (app.user("ada"), app.user("bob"));
        let (staff, board) = (app.create_group("Staff"), app.create_group("Board"));
        app.add_members(&staff, &[&ada, &bob]);
        app.add_members(&board, &[&ada]);
        delete_by_hand(&app, &dn("ada"));
        if flavor == Flavor::AsShipped {
            wait_for_members(&app, "Staff", &[dn("bob")]);
        }
        app.patch_user(&ada, &title("Countess"));
        assert_eq!(app.slapd.values(&dn("ada"), "title"), ["Countess"]);
        wait_for_members(&app, "Staff", &[dn("ada"), dn("bob")]);
        wait_for_members(&app, "Board", &[dn("ada")]);
        assert_eq!(app.members(&board), [ada].into());
    }
}

#[test]
fn a_member_that_was_taken_out_by_hand_is_added_again() {
    let app = TestApp::start();
    let (ada, bob) = (app.user("ada"), app.user("bob"));
    let staff = app.create_group("Staff");
    app.add_members(&staff, &[&ada, &bob]);
    app.slapd.by_hand(&format!(
        "dn: {}\nchangetype: modify\ndelete: member\nmember: {}\n",
        group_dn("Staff"),
        dn("ada")
    ));
    assert_eq!(app.directory_members("Staff"), [dn("bob")]);
    app.add_members(&staff, &[&ada]);
    assert_eq!(app.directory_members("Staff"), [dn("ada"), dn("bob")]);

    let before = app.slapd.values(&group_dn("Staff"), "entryCSN");
    app.add_members(&staff, &[&ada]);
    app.add_members(&staff, &[&ada, &bob]);
    assert_eq!(app.slapd.values(&group_dn("Staff"), "entryCSN"), before, "who is there is not written again");
}

/// Staff with Ada and Bob; Ada's entry is deleted by hand, the server takes her out, then Entra removes Bob.
fn the_last_two_members_go(app: &TestApp) -> String {
    let (ada, bob) = (app.user("ada"), app.user("bob"));
    let staff = app.create_group("Staff");
    app.add_members(&staff, &[&ada, &bob]);
    delete_by_hand(app, &dn("ada"));
    wait_for_members(app, "Staff", &[dn("bob")]);
    app.remove_members(&staff, &[&bob]);
    assert_eq!(app.directory_members("Staff"), [PLACEHOLDER]);
    ada
}

#[test]
fn the_last_member_that_is_left_by_hand_makes_room_for_the_placeholder() {
    let app = TestApp::start();
    the_last_two_members_go(&app);
}

#[test]
fn who_comes_back_takes_the_place_of_the_placeholder() {
    let app = TestApp::start();
    let ada = the_last_two_members_go(&app);
    app.patch_user(&ada, &title("Countess"));
    wait_for_members(&app, "Staff", &[dn("ada")]);
}

#[test]
fn an_entry_named_by_cn_in_other_letters_can_be_disabled() {
    let app = TestApp::start();
    app.slapd.by_hand(&format!(
        "dn: cn=ADA Contoso,ou=people,{SUFFIX}\nobjectClass: inetOrgPerson\ncn: ADA Contoso\nsn: Contoso\n\
         uid: ada@contoso.com\n"
    ));
    let anchor = app.slapd.values(&format!("cn=ADA Contoso,ou=people,{SUFFIX}"), "entryUUID");
    let ada = app.user("ada");
    for (name, active) in [("Ada CONTOSO", "False"), ("ada contoso", "True"), ("Ada Contoso", "False")] {
        let operations = json!([
            {"op": "Replace", "path": "displayName", "value": name},
            {"op": "Replace", "path": "active", "value": active}
        ]);
        assert_eq!(app.patch_user(&ada, &operations)["displayName"], name);
        let place = place_of(&app, "ada");
        assert_eq!(app.is_locked(&place), active == "False", "{name}: {place}");
        assert_eq!(app.slapd.values(&place, "displayName"), [name]);
        assert_eq!(app.slapd.values(&place, "entryUUID"), anchor);
    }
}

fn matched_by_mail() -> Settings {
    Settings::default().set("users.match", "\"mail\"")
}

/// An entry that an administrator made for Ada under another name, and a group that lists it.
fn al_by_hand(app: &TestApp) -> String {
    let al = format!("uid=al,ou=people,{SUFFIX}");
    app.slapd.by_hand(&format!(
        "dn: {al}\nobjectClass: inetOrgPerson\nuid: al\ncn: Al\nsn: Contoso\nmail: ada@contoso.com\ntitle: Old title\n"
    ));
    group_by_hand(app, "Choir", &al);
    al
}

#[test]
fn an_entry_that_is_adopted_under_another_name_is_followed_by_its_groups() {
    for flavor in BOTH {
        let app = TestApp::start_with(flavor, matched_by_mail());
        let al = al_by_hand(&app);
        let anchor = app.slapd.values(&al, "entryUUID");
        app.user("ada");
        assert_eq!(app.slapd.entry(&al), None);
        assert_eq!(app.slapd.values(&dn("ada"), "entryUUID"), anchor);
        assert_eq!(app.slapd.values(&dn("ada"), "uid"), ["ada@contoso.com"]);
        wait_for_members(&app, "Choir", &[dn("ada")]);
    }
}

#[test]
fn an_entry_is_left_as_it_was_when_its_adoption_is_refused() {
    for flavor in BOTH {
        let app = TestApp::start_with(flavor, matched_by_mail());
        let al = al_by_hand(&app);
        let before = app.slapd.entry_with(&al, &["+"]);
        // Only the directory can tell.
        let bad_fax = json!({"phoneNumbers": [{"type": "fax", "value": "Straße 5"}]});
        app.post("/Users", &person_with("ada", bad_fax)).refuses(400, "invalidValue", &["phoneNumbers"]);
        assert_eq!(app.slapd.entry_with(&al, &["+"]), before);
        assert_eq!(app.directory_members("Choir"), [al.as_str()]);
        assert_eq!(app.lookup_user("ada@contoso.com"), None);
        app.user("ada");
        wait_for_members(&app, "Choir", &[dn("ada")]);
    }
}

#[test]
fn a_lone_group_is_renamed_in_other_letters() {
    for on_collision in ["\"distinguish\"", "\"reject\""] {
        let settings = Settings::default().set("groups.on_collision", on_collision);
        let app = TestApp::start_with(Flavor::AsShipped, settings);
        let ada = app.user("ada");
        let research = app.create_group("research");
        app.add_members(&research, &[&ada]);
        let anchor = app.slapd.values(&group_dn("research"), "entryUUID");
        for name in ["Research", "RESEARCH", "research"] {
            app.rename_group(&research, name);
            let entries = app.slapd.groups(name);
            assert_eq!(entries.len(), 1, "{entries:#?}");
            assert_eq!(entries[0].dn, group_dn(name), "{on_collision}");
            assert_eq!(entries[0].values("cn"), [name]);
            assert_eq!(entries[0].values("ou"), [""; 0]);
            assert_eq!(app.slapd.values(&entries[0].dn, "entryUUID"), anchor);
            assert_eq!(app.directory_members(name), [dn("ada")]);
        }
    }
}

#[test]
fn a_group_that_was_deleted_by_hand_comes_back_into_its_group() {
    for flavor in BOTH {
        let app = TestApp::start_on(flavor);
        let (ada, bob) = (app.user("ada"), app.user("bob"));
        let (parent, child) = (app.create_group("Parent"), app.create_group("Child"));
        app.add_members(&child, &[&ada]);
        app.add_members(&parent, &[&child, &bob]);
        delete_by_hand(&app, &group_dn("Child"));
        if flavor == Flavor::AsShipped {
            wait_for_members(&app, "Parent", &[dn("bob")]);
        }
        app.add_members(&child, &[&bob]);
        assert_eq!(app.directory_members("Child"), [dn("ada"), dn("bob")], "{flavor:?}");
        wait_for_members(&app, "Parent", &[group_dn("Child"), dn("bob")]);
        assert_eq!(app.members(&parent), [child, bob].into());
    }
}

#[test]
fn somebody_else_under_the_old_name_keeps_what_is_theirs() {
    for flavor in BOTH {
        let app = TestApp::start_on(flavor);
        let (ada, bob) = (app.user("ada"), app.user("bob"));
        let staff = app.create_group("Staff");
        app.add_members(&staff, &[&ada, &bob]);
        rename_by_hand(&app, &dn("ada"), "uid=ada.old@contoso.com", 1);
        if flavor == Flavor::AsShipped {
            wait_for_members(&app, "Staff", &[dn("ada.old"), dn("bob")]);
        }
        app.slapd.by_hand(&format!(
            "dn: {}\nobjectClass: inetOrgPerson\nuid: ada@contoso.com\ncn: Adam\nsn: Other\n",
            dn("ada")
        ));
        group_by_hand(&app, "Choir", &dn("ada"));
        let other = app.slapd.entry_with(&dn("ada"), &["entryUUID"]);

        app.delete(&format!("/Users/{ada}")).expect(204);

        assert_eq!(app.slapd.entry(&dn("ada.old")), None, "{flavor:?}: the one that was Ada's");
        app.get(&format!("/Users/{ada}")).expect(404);
        wait_for("Staff not to list the entry that was Ada's", || {
            (!app.directory_members("Staff").contains(&dn("ada.old"))).then_some(())
        });
        assert_eq!(app.slapd.entry_with(&dn("ada"), &["entryUUID"]), other, "{flavor:?}: somebody else's");
        assert_eq!(app.directory_members("Choir"), [dn("ada")], "{flavor:?}");
        assert_eq!(app.members(&staff), [bob].into());
    }
}

#[test]
fn a_lock_by_hand_stays_until_entra_says_that_somebody_is_active() {
    let app = TestApp::start();
    let ada = app.user("ada");
    app.slapd.set_password(&dn("ada"), "Analytical-1843");
    app.slapd.by_hand(&format!(
        "dn: {}\nchangetype: modify\nadd: pwdAccountLockedTime\npwdAccountLockedTime: 000001010000Z\n",
        dn("ada")
    ));
    app.patch_user(&ada, &title("Countess"));
    assert_eq!(app.slapd.values(&dn("ada"), "title"), ["Countess"]);
    assert_eq!(app.slapd.values(&dn("ada"), "pwdAccountLockedTime"), ["000001010000Z"]);
    assert!(!app.slapd.bind(&dn("ada"), "Analytical-1843"));

    app.enable_user(&ada);
    assert!(!app.is_locked(&dn("ada")));
    assert!(app.slapd.bind(&dn("ada"), "Analytical-1843"));
}

#[test]
fn a_group_leaves_a_shared_entry_for_a_third_name_of_the_same_letters() {
    let app = TestApp::start();
    let (ada, bob, cyd) = (app.user("ada"), app.user("bob"), app.user("cyd"));
    app.create_group_with(&group_with("ops", "entra-1", &[&ada]));
    let two = app.create_group_with(&group_with("OPS", "entra-2", &[&bob]));
    let three = app.create_group_with(&group_with("OPS", "entra-3", &[&cyd]));
    assert_eq!(app.directory_members("OPS"), [dn("bob"), dn("cyd")], "one entry for two");

    app.rename_group(&two, "Ops ");

    assert_eq!(app.slapd.groups("Ops ")[0].values("cn"), ["Ops "]);
    assert_eq!(app.directory_members("Ops "), [dn("bob")]);
    assert_eq!(app.directory_members("OPS"), [dn("cyd")]);
    assert_eq!(app.directory_members("ops"), [dn("ada")]);
    assert_eq!(app.members(&two), [bob].into());
    assert_eq!(app.members(&three), [cyd].into());
    assert_eq!(app.slapd.groups("ops")[0].dn, group_dn("ops"));
}

#[test]
fn a_group_is_created_with_very_many_members() {
    let app = TestApp::start();
    let names: Vec<String> = (0..300).map(|number| format!("user{number:03}")).collect();
    let ids: Vec<String> = names.iter().map(|name| app.user(name)).collect();
    let everybody: Vec<String> = names.iter().map(|name| dn(name)).collect();
    let all: Vec<&str> = ids.iter().map(String::as_str).collect();
    let created = app.create_group_with(&group_with("Created", "entra-1", &all));
    assert_eq!(app.directory_members("Created"), everybody);
    assert_eq!(app.members(&created), ids.into_iter().collect());
}

//! The main stories before a 389 Directory Server: it locks by another attribute, has no permissive modify, identifies
//! entries by `nsUniqueId`, follows no references, and its `groupOfNames` demands no member.

use serde_json::json;

use crate::names::NAMES;
use crate::support::administrator::{ADMIN_PASSWORD, SUFFIX};
use crate::support::app::{TestApp, dn, group_dn};
use crate::support::ds389::Ds389;
use crate::support::entra::{self, ENTERPRISE, group, person, person_with};
use crate::support::fixture::{Kind, play_all_before};
use crate::support::wait_for;
use crate::support::workplace::{Settings, Workplace};

/// Whom the bridge binds as: not the Directory Manager, whom no right is asked of.
const SERVICE: &str = "cn=scimbridge,dc=example,dc=org";

fn app() -> TestApp<Ds389> {
    let (server, settings) = server_and_settings();
    // Nobody says which attribute identifies entries.
    TestApp::start_before(server, &settings)
}

/// A server with an account for the bridge, and what an operator changes of the example for it.
fn server_and_settings() -> (Ds389, Settings) {
    let server = Ds389::start();
    server.by_hand(&format!(
        "dn: {SERVICE}\nobjectClass: applicationProcess\nobjectClass: simpleSecurityObject\ncn: scimbridge\n\
         userPassword: {ADMIN_PASSWORD}\n\n\
         dn: {SUFFIX}\nchangetype: modify\nadd: aci\n\
         aci: (targetattr=\"*\")(version 3.0; acl \"scimbridge\"; allow (all) userdn=\"ldap:///{SERVICE}\";)\n"
    ));
    (server, Settings::default().set("ldap.bind_dn", &format!("{SERVICE:?}")))
}

fn by_hand(name: &str) -> String {
    format!("dn: {}\nobjectClass: inetOrgPerson\ncn: {name}\nsn: Old\nuid: {name}@contoso.com\n", dn(name))
}

#[test]
fn every_form_of_creating_a_user() {
    play_all_before(&app(), Kind::Create, "create-user");
}

#[test]
fn every_form_of_changing_a_user() {
    play_all_before(&app(), Kind::User, "patch-user");
}

#[test]
fn every_form_of_changing_a_group() {
    play_all_before(&app(), Kind::Group, "patch-group");
}

#[test]
fn a_user_is_created_changed_renamed_and_deleted() {
    let app = app();
    let ada = app.user("ada");
    let anchor = app.slapd.values(&dn("ada"), "nsUniqueId");
    assert_eq!(app.lookup_user("ada@contoso.com").unwrap()["id"], ada.as_str());
    app.patch_user(&ada, &json!([{"op": "Add", "path": "title", "value": "Countess"}]));
    assert_eq!(app.slapd.values(&dn("ada"), "title"), ["Countess"]);
    app.rename_user(&ada, "ada.king@contoso.com");
    assert_eq!(app.slapd.entry(&dn("ada")), None);
    assert_eq!(app.slapd.values(&dn("ada.king"), "uid"), ["ada.king@contoso.com"]);
    assert_eq!(app.slapd.values(&dn("ada.king"), "nsUniqueId"), anchor, "renamed, not made anew");
    // Case alone is a rename too.
    app.rename_user(&ada, "Ada.King@contoso.com");
    assert_eq!(app.slapd.people("uid", "Ada.King@contoso.com").len(), 1, "{}", app.slapd.ldif("ou=people"));
    insta::assert_snapshot!(app.view());
    app.delete(&format!("/Users/{ada}")).expect(204);
    assert_eq!(app.slapd.ldif("ou=people"), "");
}

#[test]
fn who_is_disabled_cannot_bind() {
    let app = app();
    let ada = app.user("ada");
    app.slapd.set_password(&dn("ada"), "Analytical-1843");
    assert!(app.slapd.bind(&dn("ada"), "Analytical-1843"), "before, the password is good");
    for _ in 0..2 {
        app.disable_user(&ada);
        assert!(!app.slapd.bind(&dn("ada"), "Analytical-1843"), "disabled, and let in");
    }
    assert_eq!(app.slapd.values(&dn("ada"), "nsAccountLock"), ["TRUE"]);
    for _ in 0..2 {
        app.enable_user(&ada);
        assert!(app.slapd.bind(&dn("ada"), "Analytical-1843"), "enabled, and refused");
    }
    assert!(!app.is_locked(&dn("ada")));

    app.create_user(&person_with("bob", json!({"active": false})));
    app.slapd.set_password(&dn("bob"), "Analytical-1843");
    assert!(!app.slapd.bind(&dn("bob"), "Analytical-1843"), "created inactive, and let in");
}

#[test]
fn a_lock_set_by_hand_is_one_in_either_case() {
    let app = app();
    let ada = app.user("ada");
    let lock = |value: &str| {
        format!("dn: {}\nchangetype: modify\nreplace: nsAccountLock\nnsAccountLock: {value}\n", dn("ada"))
    };
    app.slapd.by_hand(&lock("true"));
    app.patch_user(&ada, &json!([{"op": "Add", "path": "title", "value": "Countess"}]));
    assert_eq!(app.slapd.values(&dn("ada"), "nsAccountLock"), ["true"], "nobody asked for her to be let in");
    app.disable_user(&ada);
    assert_eq!(app.slapd.values(&dn("ada"), "nsAccountLock"), ["true"], "she is locked already");
    app.enable_user(&ada);
    assert!(!app.is_locked(&dn("ada")), "Entra asked for it");

    app.slapd.by_hand(&lock("false"));
    app.disable_user(&ada);
    assert_eq!(app.slapd.values(&dn("ada"), "nsAccountLock"), ["TRUE"]);
    app.slapd.by_hand(&lock("true"));
    app.enable_user(&ada);
    assert!(!app.is_locked(&dn("ada")), "the bridge's own lock, written otherwise");
}

#[test]
fn a_group_is_filled_value_by_value_and_emptied() {
    let app = app();
    let ids: Vec<String> = (0..50).map(|number| app.user(&format!("user{number:02}"))).collect();
    let staff = app.create_group("Staff");
    assert_eq!(app.directory_members("Staff"), [""; 0]);
    app.add_members(&staff, &ids[..30]);
    let by_hand = |action: &str, name: &str| {
        format!("dn: {}\nchangetype: modify\n{action}: member\nmember: {}\n", group_dn("Staff"), dn(name))
    };
    // What is there already and what is not there any more is no error, nor a reason to leave the others out.
    app.slapd.by_hand(&by_hand("add", "user40"));
    app.add_members(&staff, &ids[20..]);
    assert_eq!(app.directory_members("Staff").len(), 50);
    app.slapd.by_hand(&by_hand("delete", "user07"));
    app.remove_members(&staff, &ids[5..]);
    let mut left = app.directory_members("Staff");
    left.sort();
    assert_eq!(left, ["user00", "user01", "user02", "user03", "user04"].map(dn));
    assert_eq!(app.members(&staff).len(), 5);
    app.remove_members(&staff, &ids[..5]);
    assert_eq!(app.directory_members("Staff"), [""; 0]);
    app.delete(&format!("/Groups/{staff}")).expect(204);
    assert_eq!(app.slapd.ldif("ou=groups"), "");
}

#[test]
fn groups_whose_names_differ_in_case_or_spaces_are_apart() {
    let app = app();
    let ada = app.user("ada");
    let names = ["Research", "research", "RESEARCH", "Re search", "Re  search"];
    let ids = names.map(|name| app.create_group(name));
    for (name, id) in names.iter().zip(&ids) {
        app.add_members(id, &[&ada]);
        assert_eq!(app.directory_members(name), [dn("ada")]);
        assert_eq!(app.lookup_groups(name).len(), 1, "{name:?}");
        app.post("/Groups", &group(name)).refuses(409, "uniqueness", &[]);
    }
    // In the DNs the server folds blanks, which is no reason to rename anything.
    insta::assert_snapshot!(app.redact(&app.slapd.ldif("ou=groups")));
    assert!(!app.log().contains("rename"), "{}", app.log());
    app.rename_group(&ids[0], "reSearch");
    assert_eq!(app.slapd.groups("reSearch").len(), 1);
    for id in &ids {
        app.delete(&format!("/Groups/{id}")).expect(204);
    }
    assert_eq!(app.slapd.ldif("ou=groups"), "");
}

#[test]
fn groups_may_have_any_name() {
    let app = app();
    let ada = app.user("ada");
    for name in NAMES {
        let id = app.create_group(name);
        app.add_members(&id, &[&ada]);
        assert_eq!(app.directory_members(name), [dn("ada")], "{name:?}");
        let renamed = format!("{name}, {name}");
        app.rename_group(&id, &renamed);
        assert_eq!(app.slapd.groups(&renamed)[0].values("cn"), [renamed.as_str()]);
        app.delete(&format!("/Groups/{id}")).expect(204);
        assert_eq!(app.slapd.ldif("ou=groups"), "", "after {name:?}");
    }
}

#[test]
fn entries_made_by_hand_are_adopted() {
    let app = app();
    app.slapd.by_hand(&by_hand("ada"));
    let staff_dn = group_dn("Staff");
    app.slapd.by_hand(&format!("dn: {staff_dn}\nobjectClass: groupOfNames\ncn: Staff\nmember: {}\n", dn("stranger")));
    let before = app.slapd.ldif("ou=people") + &app.slapd.ldif("ou=groups");
    let anchors = [dn("ada"), staff_dn.clone()].map(|dn| app.slapd.values(&dn, "nsUniqueId"));
    let ada = app.user("ada");
    let staff = app.create_group("Staff");
    app.add_members(&staff, &[&ada]);
    assert_eq!([dn("ada"), staff_dn].map(|dn| app.slapd.values(&dn, "nsUniqueId")), anchors);
    let after = app.slapd.ldif("ou=people") + &app.slapd.ldif("ou=groups");
    insta::assert_snapshot!(format!("## Before\n{before}\n## After\n{after}"));
}

/// By `nsUniqueId` alone a renamed entry is known again.
#[test]
fn what_an_administrator_renames_or_deletes_is_found_or_made_anew() {
    let app = app();
    let ada = app.user("ada");
    app.slapd.by_hand(&format!("dn: {}\nchangetype: modrdn\nnewrdn: uid=countess\ndeleteoldrdn: 0\n", dn("ada")));
    app.patch_user(&ada, &json!([{"op": "Add", "path": "title", "value": "Countess"}]));
    let people = app.slapd.people("title", "Countess");
    assert_eq!(people.len(), 1, "{}", app.slapd.ldif("ou=people"));
    assert_eq!(people[0].dn, dn("ada"), "and has its name again");
    app.slapd.by_hand(&format!("dn: {}\nchangetype: delete\n", dn("ada")));
    app.patch_user(&ada, &json!([{"op": "Replace", "path": "title", "value": "Lady"}]));
    assert_eq!(app.slapd.people("title", "Lady").len(), 1);
}

#[test]
fn references_follow_who_is_renamed_or_deleted() {
    let app = app();
    let ada = app.user("ada");
    let bob = app.create_user(&person_with("bob", json!({ENTERPRISE: {"manager": {"value": ada}}})));
    let staff = app.create_group("Staff");
    app.add_members(&staff, &[&ada, &bob]);
    app.rename_user(&ada, "ada.king@contoso.com");
    wait_for("all references to follow", || {
        let mut members = app.directory_members("Staff");
        members.sort();
        let follow =
            members == [dn("ada.king"), dn("bob")] && app.slapd.values(&dn("bob"), "manager") == [dn("ada.king")];
        follow.then_some(())
    });
    app.delete(&format!("/Users/{ada}")).expect(204);
    wait_for("all references to go", || {
        let gone = app.directory_members("Staff") == [dn("bob")] && app.slapd.values(&dn("bob"), "manager") == [""; 0];
        gone.then_some(())
    });
}

#[test]
fn what_was_asked_for_while_the_server_was_down_is_made_good() {
    let app = app();
    let (ada, bob) = (app.user("ada"), app.user("bob"));
    let staff = app.create_group("Staff");
    app.slapd.kill();
    app.patch(&format!("/Groups/{staff}"), &entra::add_members(&[&ada, &bob])).expect(503);
    app.patch(&format!("/Users/{ada}"), &json!([{"op": "Replace", "path": "active", "value": "False"}])).expect(503);
    app.post("/Users", &person("cyd")).expect(503);
    app.slapd.start_again();
    wait_for("Ada to be locked", || app.is_locked(&dn("ada")).then_some(()));
    wait_for("both to be members", || (app.directory_members("Staff") == [dn("ada"), dn("bob")]).then_some(()));
    let cyd = wait_for("Cyd to be there", || app.lookup_user("cyd@contoso.com"));
    // Entra never heard of the creation, so it asks once more.
    assert_eq!(app.create_user(&person("cyd")), cyd["id"].as_str().unwrap());
    assert_eq!(app.slapd.people("uid", "cyd@contoso.com").len(), 1);
}

/// The lock has no equality rule in this server's schema, so it is replaced, and still goes before the rest.
#[test]
fn who_leaves_is_locked_out_whatever_else_is_refused() {
    let app = app();
    let ada = app.user("ada");
    let user = format!("/Users/{ada}");
    app.slapd.by_hand(&format!("dn: {}\nchangetype: modify\nadd: nsAccountLock\nnsAccountLock: false\n", dn("ada")));
    app.slapd.kill();
    app.patch(&user, &json!([{"op": "Replace", "path": "active", "value": "False"}])).expect(503);
    let bad_mail = json!([{"op": "Replace", "path": "emails[type eq \"work\"].value", "value": "åsa@x"}]);
    app.patch(&user, &bad_mail).expect(503);
    app.slapd.start_again();
    wait_for("Ada to be locked", || (app.slapd.values(&dn("ada"), "nsAccountLock") == ["TRUE"]).then_some(()));
    wait_for("Entra to be shown it", || (app.read_user(&ada)["active"] == false).then_some(()));
    wait_for("an answer that is not 503", || {
        let answer = app.patch(&user, &json!([{"op": "Add", "path": "title", "value": "Countess"}]));
        (answer.status == 200).then_some(())
    });
    assert_eq!(app.slapd.values(&dn("ada"), "mail"), ["ada@contoso.com"]);
    app.enable_user(&ada);
    assert!(!app.is_locked(&dn("ada")));
}

/// What is acknowledged is there after a crash of the server, and what is not is there once, in the end.
#[test]
fn a_server_that_crashes_amid_writes_loses_none() {
    let app = app();
    // Each writes until it is told to come back later.
    let write = &|writer: usize| {
        let mut acknowledged = Vec::new();
        loop {
            let name = format!("user{writer}-{}", acknowledged.len());
            let answer = app.post("/Users", &person(&name));
            if answer.status == 503 {
                return (acknowledged, name);
            }
            answer.expect(201);
            acknowledged.push(name);
        }
    };
    let written: Vec<(Vec<String>, String)> = std::thread::scope(|scope| {
        let writers: Vec<_> = (0..4).map(|writer| scope.spawn(move || write(writer))).collect();
        wait_for("the first entries", || (app.slapd.entries("ou=people").len() > 5).then_some(()));
        app.slapd.kill();
        writers.into_iter().map(|writer| writer.join().expect("a writer")).collect()
    });
    app.slapd.start_again();
    for name in written.iter().flat_map(|(acknowledged, _)| acknowledged) {
        assert!(app.slapd.entry(&dn(name)).is_some(), "{name} was acknowledged");
    }
    for (_, pending) in &written {
        let user = format!("{pending}@contoso.com");
        wait_for("who was not acknowledged to be there", || app.lookup_user(&user));
        assert_eq!(app.slapd.people("uid", &user).len(), 1);
    }
    let everybody = written.iter().map(|(acknowledged, _)| acknowledged.len() + 1).sum::<usize>();
    assert_eq!(app.slapd.entries("ou=people").len(), everybody + 1, "and the branch");
}

#[test]
fn what_the_server_refuses_is_told_and_leaves_nothing() {
    let app = app();
    // The plugin "7-bit check", which the package turns on.
    let user = person_with("ada", json!({"userName": "åsa@contoso.com"}));
    app.post("/Users", &user).refuses(400, "invalidValue", &["åsa@contoso.com", "7-bit"]);
    assert_eq!(app.slapd.ldif("ou=people"), "");
    assert!(app.find("Users", "userName pr").is_empty());
}

/// A value whose scheme nobody knows keeps people out of OpenLDAP. Here it becomes the password.
#[test]
fn a_password_of_an_unknown_scheme_is_one_in_clear_text() {
    let server = Ds389::start();
    server.by_hand(&by_hand("ada"));
    let unusable = "{UNUSABLE}{SSHA512}c29tZXRoaW5n";
    server.set_password(&dn("ada"), unusable);
    assert!(server.bind(&dn("ada"), unusable), "flavor.rs says otherwise");
    assert_ne!(server.values(&dn("ada"), "userPassword"), [unusable], "what stood there is hashed");
}

#[test]
fn check_finds_nothing_against_it_and_serve_names_it() {
    let app = app();
    app.workplace.run(&["check"]).succeeds();
    let before = app.directory();
    let probed = app.workplace.run(&["check", "--probe"]).succeeds();
    assert!(probed.stdout.contains("was disabled and not let in"), "{}", probed.stdout);
    assert_eq!(app.directory(), before);
    wait_for("the server's name in the log", || app.log().contains("389-Directory/").then_some(()));
}

#[test]
fn check_tells_of_an_anchor_that_entries_do_not_have() {
    let (server, settings) = server_and_settings();
    let settings = settings.set("ldap.anchor", "\"entryUUID\"");
    let checked = Workplace::new(&settings, &server.url()).run(&["check"]);
    assert_eq!(checked.code, Some(1), "{checked:#?}");
    assert!(checked.stdout.contains("entryUUID") && checked.stdout.contains("ldap.anchor"), "{checked:#?}");
}

#[test]
fn all_strategies_keep_somebody_out_and_are_undone_together() {
    let (server, settings) = server_and_settings();
    let gone = format!("ou=gone,{SUFFIX}");
    // A hash is taken from a password administrator alone.
    server.by_hand(&format!("dn: cn=config\nchangetype: modify\nadd: passwordAdminDN\npasswordAdminDN: {SERVICE}\n"));
    server.by_hand(&format!("dn: {gone}\nobjectClass: organizationalUnit\nou: gone\n"));
    let settings = settings
        .set("users.disable.password", "true")
        .set("users.disable.move_to", &format!("{gone:?}"))
        .add("[[users.disable.set]]\nldap = \"employeeType\"\nvalue = \"inactive\"\n");
    let app = TestApp::start_before(server, &settings);
    let ada = app.user("ada");
    let staff = app.create_group_with(&entra::group_with("Staff", "entra-1", &[&ada]));
    app.slapd.set_password(&dn("ada"), "Correct-Horse-1");
    assert!(app.slapd.bind(&dn("ada"), "Correct-Horse-1"));
    let before = app.directory();
    let away = format!("uid=ada@contoso.com,{gone}");
    let operation = |active: &str| json!([{"op": "Replace", "path": "active", "value": active}]);
    for _ in 0..2 {
        app.patch(&format!("/Users/{ada}"), &operation("False")).expect(200);
        assert!(!app.slapd.bind(&away, "Correct-Horse-1"));
        assert_eq!(app.slapd.values(&away, "employeeType"), ["inactive"]);
        // Without the lock the password alone keeps out.
        app.slapd.by_hand(&format!("dn: {away}\nchangetype: modify\ndelete: nsAccountLock\n"));
        assert!(!app.slapd.bind(&away, "Correct-Horse-1"));
        app.patch(&format!("/Users/{ada}"), &operation("True")).expect(200);
        assert_eq!(app.directory(), before);
        assert!(app.slapd.bind(&dn("ada"), "Correct-Horse-1"));
    }
    assert_eq!(app.members(&staff).len(), 1);
}

#[test]
fn numbers_places_and_lists_by_uid() {
    let (server, settings) = server_and_settings();
    let settings = settings
        .set("users.base_dn", "\"ou={{ department }},ou=people,dc=example,dc=org\"")
        .set("users.create_containers", "true")
        .set("groups.object_classes", "[\"groupOfNames\", \"posixGroup\"]")
        .set("groups.member", "[\"member\", \"memberUid\"]")
        .set("groups.member_value", "[\"dn\", \"uid\"]")
        .add("[[groups.attribute]]\nldap = \"gidNumber\"\nallocate = { from = 5000, to = 5999 }\n");
    let app = TestApp::start_before(server, &settings);
    let works_in = |name: &str, department: &str| person_with(name, json!({ENTERPRISE: {"department": department}}));
    let ada = app.create_user(&works_in("ada", "R&D, old"));
    app.create_group_with(&entra::group_with("Staff", "entra-1", &[&ada]));
    let operations = json!([
        {"op": "Replace", "path": "userName", "value": "ada.king@contoso.com"},
        {"op": "Replace", "path": format!("{ENTERPRISE}:department"), "value": "Sales"},
    ]);
    app.patch_user(&ada, &operations);
    let entry = format!("uid=ada.king@contoso.com,ou=Sales,ou=people,{SUFFIX}");
    assert_eq!(app.slapd.values(&group_dn("Staff"), "member"), [entry]);
    assert_eq!(app.slapd.values(&group_dn("Staff"), "memberUid"), ["ada.king@contoso.com"]);
    assert_eq!(app.slapd.values(&group_dn("Staff"), "gidNumber"), ["5000"]);
}

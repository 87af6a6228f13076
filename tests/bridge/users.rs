//! Users: created, adopted, renamed, disabled, enabled, replaced and deleted.

use serde_json::json;

use crate::support::app::{PLACEHOLDER, TestApp, dn};
use crate::support::entra::{ENTERPRISE, person, person_with};
use crate::support::slapd::Flavor;
use crate::support::story::Story;
use crate::support::wait_for;
use crate::support::workplace::Settings;

#[test]
fn a_user_is_created_changed_renamed_disabled_and_deleted() {
    let app = TestApp::start();
    let mut story = Story::of(&app);
    let created = app.post("/Users", &person("ada")).expect(201);
    let id = app.know(&created.json());
    story.heard("Entra creates Ada", &created);
    story.directory("after that");

    let changes = json!([
        {"op": "Replace", "path": "userName", "value": "ada.king@contoso.com"},
        {"op": "Add", "path": "title", "value": "Countess"},
        {"op": "Replace", "path": "active", "value": "False"}
    ]);
    let changed = app.patch(&format!("/Users/{id}"), &changes).expect(200);
    assert_eq!(changed.json()["id"], id.as_str(), "a rename keeps the id");
    story.heard("Entra renames her, gives her a title and disables her", &changed);
    story.directory("after that");

    story.heard("Entra deletes her", &app.delete(&format!("/Users/{id}")).expect(204));
    story.heard("Entra asks for her", &app.get(&format!("/Users/{id}")).expect(404));
    story.directory("after that");
    insta::assert_snapshot!(story);
}

#[test]
fn the_answer_to_a_create_says_where_the_resource_is() {
    let app = TestApp::start();
    let created = app.post("/Users", &person("ada")).expect(201);
    let body = created.json();
    let id = body["id"].as_str().unwrap();
    let location = format!("http://bridge.test/scim/v2/Users/{id}");
    assert_eq!(body["meta"]["location"], location);
    assert_eq!(created.header("location"), Some(location.as_str()));
    assert_eq!(body["meta"]["resourceType"], "User");
    assert!(body["meta"]["created"].is_string() && body["meta"]["lastModified"].is_string());
    assert_eq!(body, app.read_user(id), "the answer is what a read shows");
}

#[test]
fn a_second_create_is_a_conflict_in_any_case_of_letters() {
    let app = TestApp::start();
    app.user("ada");
    app.post("/Users", &person("ada")).refuses(409, "uniqueness", &["ada@contoso.com"]);
    let shouting = person_with("ada", json!({"userName": "ADA@contoso.com", "externalId": "another"}));
    app.post("/Users", &shouting).refuses(409, "uniqueness", &["ADA@contoso.com"]);
    assert_eq!(app.slapd.people("uid", "ada@contoso.com").len(), 1);
}

#[test]
fn an_entry_that_stands_there_is_adopted_and_brought_into_line() {
    let app = TestApp::start();
    let dn = "cn=Ada by hand,ou=people,dc=example,dc=org";
    app.slapd.by_hand(&format!(
        "dn: {dn}\nobjectClass: inetOrgPerson\ncn: Ada by hand\nsn: Old\nuid: ada@contoso.com\n\
         description: made by hand\nroomNumber: 12\ntitle: Old title\n"
    ));
    let anchor = app.slapd.values(dn, "entryUUID");

    let id = app.user("ada");

    let adopted = app.slapd.people("uid", "ada@contoso.com");
    assert_eq!(adopted.len(), 1, "adopted, not duplicated: {adopted:#?}");
    let adopted = &adopted[0];
    assert_eq!(app.slapd.values(&adopted.dn, "entryUUID"), anchor);
    assert_eq!(adopted.values("sn"), ["Contoso"]);
    assert_eq!(adopted.values("mail"), ["ada@contoso.com"]);
    assert!(adopted.values("cn").contains(&"Ada Contoso".to_owned()));
    assert_eq!(adopted.values("title"), [""; 0], "an owned attribute that Entra does not set is blank");
    assert_eq!(adopted.values("description"), ["made by hand"], "what the map does not name is not touched");
    assert_eq!(adopted.values("roomNumber"), ["12"]);
    assert_eq!(app.read_user(&id)["title"], json!(null), "and is not taken for Entra's word");
}

#[test]
fn two_entries_that_match_are_a_conflict_that_names_both() {
    let app = TestApp::start();
    let (one, other) = ("cn=One,ou=people,dc=example,dc=org", "cn=Other,ou=people,dc=example,dc=org");
    for (dn, cn) in [(one, "cn: One"), (other, "cn: Other")] {
        app.slapd.by_hand(&format!("dn: {dn}\nobjectClass: inetOrgPerson\n{cn}\nsn: x\nuid: ada@contoso.com\n"));
    }
    let before = app.slapd.ldif("ou=people");
    app.post("/Users", &person("ada")).refuses(409, "uniqueness", &[one, other]);
    assert_eq!(app.slapd.ldif("ou=people"), before);
    assert_eq!(app.lookup_user("ada@contoso.com"), None);
}

#[test]
fn an_entry_that_belongs_to_another_user_is_a_conflict() {
    let app = TestApp::start_with(Flavor::AsShipped, Settings::default().set("users.match", "\"mail\""));
    app.user("ada");
    let before = app.slapd.ldif("ou=people");
    let same_mail = person_with("bob", json!({"emails": person("ada")["emails"]}));
    app.post("/Users", &same_mail).refuses(409, "uniqueness", &[]);
    assert_eq!(app.slapd.ldif("ou=people"), before);
    assert_eq!(app.lookup_user("bob@contoso.com"), None);
}

#[test]
fn what_an_administrator_added_stays() {
    let app = TestApp::start();
    let id = app.user("ada");
    app.slapd.by_hand(&format!(
        "dn: {}\nchangetype: modify\nadd: description\ndescription: by hand\n-\nadd: roomNumber\nroomNumber: 7\n",
        dn("ada")
    ));
    app.patch_user(&id, &json!([{"op": "Replace", "path": "title", "value": "Countess"}]));
    app.disable_user(&id);
    app.rename_user(&id, "ada.king@contoso.com");
    let entry = app.slapd.entry(&dn("ada.king")).unwrap();
    assert_eq!(entry.values("description"), ["by hand"]);
    assert_eq!(entry.values("roomNumber"), ["7"]);
    assert_eq!(entry.values("title"), ["Countess"]);
}

/// Groups and a report who point at somebody: Ada is in two groups, of one the only member, and is Bob's manager.
fn somebody_is_renamed_and_all_that_points_there_follows(flavor: Flavor) {
    let app = TestApp::start_on(flavor);
    let ada = app.user("ada");
    let manager = json!({ENTERPRISE: {"manager": {"value": ada}}});
    let bob = app.create_user(&person_with("bob", manager));
    let staff = app.create_group("Staff");
    app.add_members(&staff, &[&ada, &bob]);
    let board = app.create_group("Board");
    app.add_members(&board, &[&ada]);
    let anchor = app.slapd.values(&dn("ada"), "entryUUID");

    let renamed = app.rename_user(&ada, "ada.king@contoso.com");

    assert_eq!(renamed["id"], ada.as_str());
    assert_eq!(app.slapd.entry(&dn("ada")), None);
    assert_eq!(app.slapd.values(&dn("ada.king"), "uid"), ["ada.king@contoso.com"]);
    assert_eq!(app.slapd.values(&dn("ada.king"), "entryUUID"), anchor, "renamed, not made anew");
    // The overlay that follows references works after the answer, so what it also does may take a moment.
    wait_for("all references to follow", || {
        let follow = app.directory_members("Staff") == [dn("ada.king"), dn("bob")]
            && app.directory_members("Board") == [dn("ada.king")]
            && app.slapd.values(&dn("bob"), "manager") == [dn("ada.king")];
        follow.then_some(())
    });
    assert_eq!(app.lookup_user("ada@contoso.com"), None);
    assert_eq!(app.lookup_user("ada.king@contoso.com").unwrap(), renamed);
    assert_eq!(app.members(&board), [ada.clone()].into());
    assert_eq!(app.read_user(&bob)[ENTERPRISE]["manager"]["value"], ada.as_str());
}

#[test]
fn a_rename_is_followed_where_the_server_keeps_references() {
    somebody_is_renamed_and_all_that_points_there_follows(Flavor::AsShipped);
}

#[test]
fn a_rename_is_followed_where_the_server_does_not_keep_references() {
    somebody_is_renamed_and_all_that_points_there_follows(Flavor::Plain);
}

#[test]
fn an_entry_is_known_by_the_servers_own_anchor_where_none_is_configured() {
    let app = TestApp::start_with(Flavor::AsShipped, Settings::default());
    let ada = app.user("ada");
    app.slapd.by_hand(&format!("dn: {}\nchangetype: modrdn\nnewrdn: uid=countess\ndeleteoldrdn: 0\n", dn("ada")));
    app.patch_user(&ada, &json!([{"op": "Add", "path": "title", "value": "Countess"}]));
    let people = app.slapd.people("title", "Countess");
    assert_eq!(people.len(), 1, "{}", app.slapd.ldif("ou=people"));
    assert_eq!(people[0].dn, dn("ada"), "renamed back, not made anew");
}

#[test]
fn a_rename_onto_another_user_is_a_conflict_and_changes_nothing() {
    let app = TestApp::start();
    let ada = app.user("ada");
    app.user("bob");
    let before = app.view();
    let rename = json!([
        {"op": "Replace", "path": "title", "value": "Countess"},
        {"op": "Replace", "path": "userName", "value": "Bob@contoso.com"}
    ]);
    app.patch(&format!("/Users/{ada}"), &rename).refuses(409, "uniqueness", &["Bob@contoso.com"]);
    assert_eq!(app.view(), before);
}

#[test]
fn a_rename_onto_an_entry_made_by_hand_is_a_conflict_and_changes_nothing() {
    let app = TestApp::start();
    let ada = app.user("ada");
    app.slapd
        .by_hand(&format!("dn: {}\nobjectClass: inetOrgPerson\ncn: x\nsn: x\nuid: other@contoso.com\n", dn("other")));
    let before = app.view();
    let rename = json!([{"op": "Replace", "path": "userName", "value": "other@contoso.com"}]);
    app.patch(&format!("/Users/{ada}"), &rename).refuses(409, "uniqueness", &[]);
    assert_eq!(app.view(), before);
    app.patch_user(&ada, &json!([{"op": "Replace", "path": "title", "value": "Countess"}]));
}

#[test]
fn who_is_disabled_cannot_bind_and_keeps_groups() {
    let app = TestApp::start();
    let ada = app.user("ada");
    let staff = app.create_group("Staff");
    app.add_members(&staff, &[&ada]);
    app.slapd.set_password(&dn("ada"), "Analytical-1843");
    assert!(app.slapd.bind(&dn("ada"), "Analytical-1843"), "before, the password is good");

    for _ in 0..2 {
        assert_eq!(app.disable_user(&ada)["active"], false);
        assert!(!app.slapd.bind(&dn("ada"), "Analytical-1843"), "disabled, and let in");
    }
    assert_eq!(app.read_user(&ada)["active"], false);
    assert_eq!(app.lookup_user("ada@contoso.com").unwrap()["active"], false);
    assert_eq!(app.members(&staff), [ada.clone()].into());
    assert_eq!(app.directory_members("Staff"), [dn("ada")]);

    for _ in 0..2 {
        assert_eq!(app.enable_user(&ada)["active"], true);
        assert!(app.slapd.bind(&dn("ada"), "Analytical-1843"), "enabled, and refused");
    }
    assert_eq!(app.directory_members("Staff"), [dn("ada")]);
}

#[test]
fn who_is_created_inactive_is_created_locked() {
    let app = TestApp::start();
    let ada = app.create_user(&person_with("ada", json!({"active": false})));
    assert_eq!(app.slapd.values(&dn("ada"), "pwdAccountLockedTime"), ["000001010000Z"]);
    // A password that an administrator sets unlocks the account; whatever Entra sends next locks it again.
    app.slapd.set_password(&dn("ada"), "Analytical-1843");
    app.disable_user(&ada);
    assert!(!app.slapd.bind(&dn("ada"), "Analytical-1843"));
    app.enable_user(&ada);
    assert!(app.slapd.bind(&dn("ada"), "Analytical-1843"));
}

/// Ada leaves: she is in two groups, of one the only member, and is Bob's manager.
fn somebody_is_deleted_and_nothing_points_there(flavor: Flavor) {
    let app = TestApp::start_on(flavor);
    let ada = app.user("ada");
    let bob = app.create_user(&person_with("bob", json!({ENTERPRISE: {"manager": ada}})));
    let staff = app.create_group("Staff");
    app.add_members(&staff, &[&ada, &bob]);
    let board = app.create_group("Board");
    app.add_members(&board, &[&ada]);

    app.delete(&format!("/Users/{ada}")).expect(204);

    assert_eq!(app.slapd.entry(&dn("ada")), None);
    app.get(&format!("/Users/{ada}")).expect(404);
    app.delete(&format!("/Users/{ada}")).expect(404);
    app.patch(&format!("/Users/{ada}"), &json!([])).expect(404);
    assert_eq!(app.lookup_user("ada@contoso.com"), None);
    wait_for("nothing to point at Ada", || {
        let free = app.directory_members("Staff") == [dn("bob")]
            && app.directory_members("Board") == [PLACEHOLDER]
            && app.slapd.values(&dn("bob"), "manager").is_empty();
        free.then_some(())
    });
    assert_eq!(app.members(&staff), [bob.clone()].into());
    assert!(app.members(&board).is_empty());

    let again = app.user("ada");
    assert_ne!(again, ada, "who comes back after a delete is somebody new");
    assert!(app.members(&board).is_empty(), "and is in no group");
}

#[test]
fn a_deleted_user_leaves_nothing_where_the_server_keeps_references() {
    somebody_is_deleted_and_nothing_points_there(Flavor::AsShipped);
}

#[test]
fn a_deleted_user_leaves_nothing_where_the_server_does_not_keep_references() {
    somebody_is_deleted_and_nothing_points_there(Flavor::Plain);
}

#[test]
fn put_replaces_and_keeps_the_id() {
    let app = TestApp::start();
    let id = app.create_user(&person_with("ada", json!({"title": "Countess", "preferredLanguage": "en-GB"})));
    let replacement = person_with("ada", json!({"id": id, "title": "Lady", "emails": null}));
    let replaced = app.put(&format!("/Users/{id}"), &replacement).expect(200).json();
    assert_eq!(replaced["id"], id.as_str());
    assert_eq!(replaced["title"], "Lady");
    assert_eq!(replaced["emails"], json!(null));
    assert_eq!(replaced, app.read_user(&id));
    let entry = app.slapd.entry(&dn("ada")).unwrap();
    assert_eq!(entry.values("title"), ["Lady"]);
    assert_eq!(entry.values("mail"), [""; 0]);
    assert_eq!(entry.values("preferredLanguage"), [""; 0]);
    app.put("/Users/00000000-0000-4000-8000-000000000000", &replacement).expect(404);
}

#[test]
fn attributes_of_the_directory_may_be_shared_or_initial() {
    let settings = Settings::default()
        .add("[[users.attribute]]\nldap = \"description\"\nscim = \"nickName\"\nownership = \"shared\"")
        .add("[[users.attribute]]\nldap = \"homePhone\"\ntemplate = \"{{ externalId }}\"\nownership = \"initial\"")
        .add("[[users.attribute]]\nldap = \"employeeType\"\ntemplate = \"from Entra\"");
    let app = TestApp::start_with(Flavor::AsShipped, settings);
    let id = app.create_user(&person_with("ada", json!({"nickName": "Countess", "externalId": "1815"})));
    assert_eq!(app.slapd.values(&dn("ada"), "employeeType"), ["from Entra"]);
    assert_eq!(app.slapd.values(&dn("ada"), "homePhone"), ["1815"]);
    app.slapd.by_hand(&format!(
        "dn: {}\nchangetype: modify\nadd: description\ndescription: by hand\n-\nreplace: homePhone\nhomePhone: 1852\n",
        dn("ada")
    ));
    app.patch_user(
        &id,
        &json!([
            {"op": "Replace", "path": "nickName", "value": "Enchantress"},
            {"op": "Replace", "path": "externalId", "value": "1816"}
        ]),
    );
    let descriptions = app.slapd.values(&dn("ada"), "description");
    assert!(descriptions.contains(&"Enchantress".to_owned()), "shared: at least ours, {descriptions:?}");
    assert!(descriptions.contains(&"by hand".to_owned()), "and theirs, {descriptions:?}");
    assert_eq!(app.slapd.values(&dn("ada"), "homePhone"), ["1852"], "initial: written once");
}

#[test]
fn users_may_only_do_what_the_operator_lets_entra_do() {
    let app = TestApp::start_with(Flavor::AsShipped, Settings::default().set("users.create", "false"));
    app.post("/Users", &person("ada")).expect(405);
    assert_eq!(app.slapd.ldif("ou=people"), "");
    drop(app);

    let fixed = Settings::default().set("users.update", "false").set("users.delete", "false");
    let app = TestApp::start_with(Flavor::AsShipped, fixed);
    let target = format!("/Users/{}", app.user("ada"));
    let before = app.view();
    app.patch(&target, &json!([{"op": "Replace", "path": "active", "value": "False"}])).expect(405);
    app.put(&target, &person_with("ada", json!({"title": "Countess"}))).expect(405);
    app.delete(&target).expect(405);
    assert_eq!(app.view(), before);
}

#[test]
fn a_manager_is_shown_whole_or_not_at_all() {
    let app = TestApp::start();
    let boss = app.user("boss");
    let nameless = app.create_user(&person_with("nameless", json!({"displayName": null})));
    let ada = app.create_user(&person_with("ada", json!({ENTERPRISE: {"manager": boss}})));
    let manager = || app.read_user(&ada)[ENTERPRISE]["manager"].clone();
    let location = |id: &str| app.read_user(id)["meta"]["location"].clone();
    let shown = json!({"value": boss, "$ref": location(&boss), "displayName": "Boss Contoso"});
    assert_eq!(manager(), shown);
    let found = app.find("Users", &format!("{ENTERPRISE}:manager.displayName eq \"boss contoso\""));
    assert_eq!(found[0][ENTERPRISE]["manager"], shown);

    // The name is the manager's, whatever a client says that it is, and follows it.
    let sent = json!({"value": boss, "displayName": "Somebody", "$ref": "http://elsewhere/Users/1"});
    let answer = app.patch_user(&ada, &json!([{"op": "replace", "path": "manager", "value": sent}]));
    assert_eq!(answer[ENTERPRISE]["manager"], shown);
    app.patch_user(&boss, &json!([{"op": "replace", "path": "displayName", "value": "The Boss"}]));
    assert_eq!(manager()["displayName"], "The Boss");

    app.patch_user(&ada, &json!([{"op": "replace", "path": "manager", "value": nameless}]));
    assert_eq!(manager(), json!({"value": nameless, "$ref": location(&nameless)}), "no name is made up");
    app.delete(&format!("/Users/{nameless}")).expect(204);
    let user = app.read_user(&ada);
    assert_eq!(user.get(ENTERPRISE), None, "who is gone manages nobody: {user}");
    assert!(!user["schemas"].as_array().unwrap().contains(&json!(ENTERPRISE)));
}

//! `scimbridge preview`: what a request would come to. What it shows is what the push then does, and nothing is written.

use std::fs;
use std::io::Write as _;
use std::process::Stdio;

use serde_json::{Value, json};

use crate::support::app::{PLACEHOLDER, TestApp, dn, group_dn};
use crate::support::entra::{ENTERPRISE, add_members, group, group_with, patch, person, person_with};
use crate::support::slapd::{Flavor, Slapd, project};
use crate::support::workplace::{Finished, Settings, Workplace};

/// Runs the command on a body; `arguments` come after it.
fn preview(place: &Workplace, body: &Value, arguments: &[&str]) -> Finished {
    let file = place.path("request.json");
    fs::write(&file, body.to_string()).unwrap();
    let done = place.run(&[&["preview", file.to_str().unwrap()], arguments].concat());
    fs::remove_file(file).unwrap();
    done
}

/// The body of a fixture of what Entra sends.
fn fixture(name: &str) -> Value {
    let text = fs::read_to_string(project().join("tests/fixtures/entra").join(name)).unwrap();
    let fixture: Value = serde_json::from_str(&text.replace("{name}", "mary")).unwrap();
    fixture["steps"][0]["body"].clone()
}

/// All that either side holds, byte for byte: the store's file with what is not in it yet, and the directory.
fn everything(app: &TestApp) -> (Vec<Vec<u8>>, String) {
    let store =
        ["scimbridge.db", "scimbridge.db-wal"].map(|name| fs::read(app.workplace.path(name)).unwrap_or_default());
    let tree = app.slapd.tree(&["+"]).iter().map(ToString::to_string).collect::<Vec<String>>().concat();
    (store.to_vec(), tree)
}

/// The same with nothing of either side changed, and no file left behind.
#[track_caller]
fn untouched(app: &TestApp, body: &Value, arguments: &[&str]) -> Finished {
    let files = || {
        let entries = fs::read_dir(app.workplace.folder()).unwrap();
        let mut names: Vec<_> = entries.map(|file| file.unwrap().file_name()).collect();
        // An empty file by which processes keep out of each other's way; whoever is first makes it.
        names.retain(|name| name != "scimbridge.db.locks");
        names.sort();
        names
    };
    let (before, files_before) = (everything(app), files());
    let done = preview(&app.workplace, body, arguments);
    assert!(everything(app) == before, "the store and the directory are as before: {done:#?}");
    assert_eq!(files(), files_before);
    done
}

impl Finished {
    #[track_caller]
    fn shows(self, words: &[&str]) -> Self {
        for word in words {
            assert!(self.stdout.contains(word), "{word:?} in: {self:#?}");
        }
        self
    }

    /// That Entra would hear this, and that nothing would be done.
    #[track_caller]
    fn refuses(self, status: &str, words: &[&str]) -> Self {
        assert_eq!(self.code, Some(1), "{self:#?}");
        assert!(self.stderr.starts_with(&format!("refused: Entra would hear {status}: ")), "{self:#?}");
        for word in words {
            assert!(self.stderr.contains(word), "{word:?} in: {self:#?}");
        }
        assert!(!self.stdout.contains("changetype"), "{self:#?}");
        self
    }
}

#[test]
fn what_is_shown_is_what_the_push_does() {
    let app = TestApp::start();
    let mary = fixture("create-user/default-mapping.json");
    let shown = untouched(&app, &mary, &[]).succeeds();
    assert_eq!(shown.stderr, "");
    insta::assert_snapshot!(shown.stdout);
    assert_eq!(shown.stdout, preview(&app.workplace, &mary, &["--offline"]).succeeds().stdout);

    let by_hand = Slapd::start(Flavor::AsShipped);
    by_hand.by_hand(&shown.stdout);
    let id = app.create_user(&mary);
    assert_eq!(by_hand.ldif("ou=people"), app.slapd.ldif("ou=people"));

    let changes = json!([
        {"op": "Replace", "path": "userName", "value": "mary.king@contoso.com"},
        {"op": "Replace", "path": "title", "value": ""},
        {"op": "Add", "path": "nickName", "value": "May"},
        {"op": "Replace", "path": "active", "value": "False"},
    ]);
    let words = ["changetype: modrdn", "title has no value", "nothing in the map reads nickName", "users.disable.lock"];
    let shown = untouched(&app, &patch(changes.clone()), &["--of", "mary@contoso.com"]).succeeds().shows(&words);
    assert!(!shown.stdout.contains("country"), "what was ignored before is not told again: {}", shown.stdout);
    by_hand.by_hand(&shown.stdout);
    app.patch_user(&id, &changes);
    assert_eq!(by_hand.ldif("ou=people"), app.slapd.ldif("ou=people"));
    let locked = by_hand.values(&dn("mary.king"), "pwdAccountLockedTime");
    assert_eq!(locked, app.slapd.values(&dn("mary.king"), "pwdAccountLockedTime"));
}

#[test]
fn a_leaver_is_shown_by_whatever_name_they_are_called() {
    let app = TestApp::start();
    let ada = app.user("ada");
    let leaves = patch(json!([{"op": "Replace", "path": "active", "value": "False"}]));
    for of in [ada.as_str(), "ada@contoso.com", "ADA@contoso.com"] {
        untouched(&app, &leaves, &["--of", of]).succeeds().shows(&[
            "# user \"ada@contoso.com\", disabled",
            "# pwdAccountLockedTime: users.disable.lock, by active",
            &format!("dn: {}\nchangetype: modify\n", dn("ada")),
        ]);
    }
    assert!(!app.is_locked(&dn("ada")));
    let same = patch(json!([{"op": "Replace", "path": "displayName", "value": "Ada Contoso"}]));
    let same = untouched(&app, &same, &["--of", &ada]).succeeds().shows(&["nothing is to be done"]);
    assert!(!same.stdout.contains("changetype"), "{}", same.stdout);
}

#[test]
fn an_entry_that_is_there_is_shown_as_changed_and_a_manager_as_an_entry() {
    let app = TestApp::start();
    let bob = app.user("bob");
    app.slapd.by_hand(&format!("dn: {}\nobjectClass: inetOrgPerson\nuid: ada@contoso.com\ncn: A\nsn: K\n", dn("ada")));
    let body = person_with("ada", json!({ENTERPRISE: {"manager": {"value": bob}}}));
    let shown = untouched(&app, &body, &[]).succeeds().shows(&[
        &format!("dn: {}\nchangetype: modify\n", dn("ada")),
        &format!("manager: {}\n", dn("bob")),
        "changed by cn=admin,dc=example,dc=org",
        "# manager: from",
    ]);
    assert!(!shown.stdout.contains("changetype: add"), "{}", shown.stdout);
    let alone = preview(&app.workplace, &body, &["--offline"]).succeeds();
    alone.shows(&["changetype: add", &format!("manager: {}\n", dn("bob"))]);
    let unknown = person_with("eve", json!({ENTERPRISE: {"manager": {"value": "nobody"}}}));
    untouched(&app, &unknown, &[]).refuses("400 invalidValue", &["nobody"]);
    untouched(&app, &unknown, &["--offline"]).refuses("400 invalidValue", &["nobody"]);
}

#[test]
fn a_group_is_shown_with_its_members_and_apart_from_its_twin() {
    let app = TestApp::start();
    let (ada, bob) = (app.user("ada"), app.user("bob"));
    let staff = group_with("Staff", "entra-staff", &[&ada]);
    let words = ["# member: from members", &format!("member: {}\n", dn("ada")), "cn: Staff\n"];
    untouched(&app, &staff, &[]).succeeds().shows(&words);
    untouched(&app, &staff, &["--offline"]).succeeds().shows(&words);
    untouched(&app, &group("Empty"), &[]).succeeds().shows(&[&format!("member: {PLACEHOLDER}\n")]);
    untouched(&app, &group("Empty"), &["--offline"]).succeeds().shows(&[&format!("member: {PLACEHOLDER}\n")]);

    let id = app.create_group_with(&staff);
    let twin = untouched(&app, &group("STAFF"), &[]).succeeds();
    twin.shows(&["dn: cn=STAFF+ou=", "groups.on_collision", "the second part of the name is made of the id"]);
    let joins = patch(add_members(&[&bob]));
    for arguments in [["--of", "Staff"].as_slice(), &["--of", &id, "--offline"]] {
        let shown = untouched(&app, &joins, arguments).succeeds();
        let words =
            [&format!("dn: {}\nchangetype: modify\nadd: member\n", group_dn("Staff")), "# member: from members"];
        let shown = shown.shows(&words);
        assert!(!shown.stdout.contains(&dn("ada")), "who is in it already is not touched: {}", shown.stdout);
    }
    let renamed = patch(json!([{"op": "Replace", "path": "displayName", "value": "Board"}]));
    untouched(&app, &renamed, &["--of", "Staff"]).succeeds().shows(&["changetype: modrdn", "newrdn: cn=Board"]);
    untouched(&app, &staff, &[]).refuses("409 uniqueness", &["Staff"]);
    let nobody = group_with("Board", "entra-board", &["nobody"]);
    untouched(&app, &nobody, &[]).refuses("400 invalidValue", &["nobody"]);
}

#[test]
fn what_entra_would_hear_is_told_with_all_that_is_wrong() {
    let app = TestApp::start();
    app.user("ada");
    let nameless = fixture("create-user/no-user-name.json");
    untouched(&app, &nameless, &[]).refuses("400 invalidValue", &["userName is required"]);
    let wrong = json!({"userName": 7, "name": "Ada", "active": "perhaps"});
    untouched(&app, &wrong, &[]).refuses("400 invalidValue", &["userName must be", "name must be", "active must be"]);
    untouched(&app, &person("ada"), &[]).refuses("409 uniqueness", &["ada@contoso.com"]);
    // The directory's schema has a say, where it can be asked.
    let accented = person_with("eve", json!({"emails": [{"type": "work", "value": "é@contoso.com"}]}));
    untouched(&app, &accented, &[]).refuses("400 invalidValue", &["emails[type eq \"work\"].value", "mail"]);
    let no_target = patch(json!([{"op": "Remove", "path": "active"}]));
    untouched(&app, &no_target, &["--of", "ada@contoso.com"]).refuses("400 mutability", &["active"]);

    let malformed = app.workplace.path("malformed.json");
    fs::write(&malformed, "{\"userName\": ").unwrap();
    app.workplace.run(&["preview", malformed.to_str().unwrap()]).refuses("400 invalidSyntax", &["not JSON"]);
    app.workplace.run(&["preview", "/nowhere.json"]).fails_naming(&["/nowhere.json"]);
}

#[test]
fn what_is_not_understood_is_a_matter_of_usage() {
    let place = Workplace::new(&Settings::default(), "ldap://127.0.0.1:1");
    let leaves = patch(json!([{"op": "Replace", "path": "active", "value": false}]));
    let nobody = preview(&place, &leaves, &[]).fails_naming(&["--of"]);
    let unknown = preview(&place, &json!({"displayName": "x"}), &["--offline"]).fails_naming(&["--kind"]);
    assert_eq!((nobody.code, unknown.code), (Some(64), Some(64)));
    let kind = preview(&place, &json!({"displayName": "x"}), &["--kind", "printer"]);
    assert_eq!(kind.code, Some(64), "{kind:#?}");
    preview(&place, &json!({"displayName": "x"}), &["--kind", "group", "--offline"]).succeeds().shows(&["cn: x"]);
    preview(&place, &leaves, &["--of", "ada"]).fails_naming(&["ada", "store"]);
}

#[test]
fn without_a_directory_the_map_alone_is_shown() {
    let app = TestApp::start();
    let ada = app.create_user(&person_with("ada", json!({"title": "Countess"})));
    app.disable_user(&app.user("bob"));
    app.slapd.stop();
    let away = preview(&app.workplace, &person("eve"), &[]).succeeds().shows(&["changetype: add", "sn: Contoso"]);
    assert!(away.stderr.contains("cannot connect") && away.stderr.contains("--offline"), "{}", away.stderr);
    let asked_nobody = preview(&app.workplace, &person("eve"), &["--offline"]).succeeds();
    assert_eq!((asked_nobody.stderr.as_str(), &asked_nobody.stdout), ("", &away.stdout));

    let changes = json!([
        {"op": "Replace", "path": "title", "value": "Queen"}, {"op": "Replace", "path": "active", "value": false},
    ]);
    let leaves = preview(&app.workplace, &patch(changes), &["--of", &ada, "--offline"]).succeeds();
    let leaves = leaves.shows(&["disabled", "pwdAccountLockedTime: 000001010000Z", "title: Queen"]);
    assert!(!leaves.stdout.contains("sn:"), "only what changes: {}", leaves.stdout);
    let comes_back = patch(json!([{"op": "Replace", "path": "active", "value": true}]));
    let bob = preview(&app.workplace, &comes_back, &["--of", "bob@contoso.com", "--offline"]).succeeds();
    assert!(bob.stdout.contains("pwdAccountLockedTime\n"), "the lock goes: {}", bob.stdout);
    app.slapd.start_again();
}

#[test]
fn before_the_first_token_there_is_nobody_and_nothing_is_left() {
    let slapd = Slapd::start(Flavor::AsShipped);
    let place = Workplace::new(&Settings::default(), &slapd.url());
    let shown = preview(&place, &person("ada"), &[]).succeeds();
    assert_eq!(shown.stderr, "");
    shown.shows(&["changetype: add"]);
    let names: Vec<_> = fs::read_dir(place.folder()).unwrap().map(|file| file.unwrap().file_name()).collect();
    assert_eq!(names, ["config.toml"]);
    assert!(slapd.people("sn", "Contoso").is_empty());
}

#[test]
fn a_password_is_never_shown() {
    const PASSWORD: &str = "Correct-Horse-1";
    for storage in ["server", "{SSHA512}"] {
        let settings = Settings::default()
            .set("users.password_storage", &format!("{storage:?}"))
            .add("[[users.attribute]]\nldap = \"userPassword\"\nscim = \"password\"");
        let app = TestApp::start_with(Flavor::AsShipped, settings);
        let body = person_with("ada", json!({"password": PASSWORD}));
        for format in ["ldif", "json", "text"] {
            for arguments in [vec!["--format", format], vec!["--format", format, "--offline"]] {
                let shown = untouched(&app, &body, &arguments).succeeds().shows(&["assword"]);
                let all = shown.stdout + &shown.stderr;
                assert!(!all.contains(PASSWORD) && !all.contains("SSHA512}"), "{all}");
            }
        }
    }
}

#[test]
fn what_is_switched_off_is_refused() {
    let settings = Settings::default().set("users.create", "false").set("groups.enabled", "false");
    let place = Workplace::new(&settings, "ldap://127.0.0.1:1");
    preview(&place, &person("ada"), &[]).refuses("405", &["users.create"]);
    preview(&place, &group("Staff"), &[]).refuses("404", &["/Groups"]);
}

#[test]
fn programs_are_told_the_same() {
    let app = TestApp::start();
    let body = person_with("ada", json!({"nickName": "Ada", "emails": [{"type": "home", "value": "a@home.example"}]}));
    let mut command = app.workplace.command(&["preview", "-", "--format", "json"]);
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(body.to_string().as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success());
    let told: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(told["ignored"], json!(["emails[type eq \"home\"].value", "nickName"]));
    assert_eq!(told["reasons"]["sn"], json!(["from name.familyName"]));
    assert_eq!(told["item"]["steps"][0]["reason"], "missing");
    assert_eq!(told["answer"], Value::Null);
    let refused = untouched(&app, &json!({"userName": 7}), &["--format", "json"]).refuses("400 invalidValue", &[]);
    let told: Value = serde_json::from_str(&refused.stdout).unwrap();
    assert_eq!((&told["answer"]["status"], &told["answer"]["scimType"]), (&json!("400"), &json!("invalidValue")));
}

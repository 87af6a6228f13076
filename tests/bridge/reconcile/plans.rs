//! What is looked at, how it is printed, and the plan that is kept: a run by a plan does that, or nothing.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::process::{Command, Stdio};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::{command, delete_by_hand, is_in_sync, look, modify_by_hand, rename_by_hand, roomy, run_of, told};
use crate::support::app::{PLACEHOLDER, TestApp, dn, group_dn};
use crate::support::entra::group_with;
use crate::support::slapd::{ADMIN_PASSWORD, Flavor, SUFFIX};
use crate::support::workplace::Settings;

/// Ada and Bob, who are in Staff, and all three of them drifted. Returns their ids.
fn three_that_drifted(app: &TestApp) -> [String; 3] {
    let (ada, bob) = (app.user("ada"), app.user("bob"));
    let staff = app.create_group_with(&group_with("Staff", "entra-1", &[&ada, &bob]));
    drift(app);
    [ada, bob, staff]
}

fn drift(app: &TestApp) {
    for name in ["ada", "bob"] {
        modify_by_hand(app, &dn(name), "replace: title\ntitle: Boss");
    }
    modify_by_hand(app, &group_dn("Staff"), &format!("delete: member\nmember: {}", dn("ada")));
}

/// Whether Ada, Bob and Staff are as they should be.
fn as_wanted(app: &TestApp) -> [bool; 3] {
    let has_no_title = |name| app.slapd.values(&dn(name), "title").is_empty();
    [has_no_title("ada"), has_no_title("bob"), app.directory_members("Staff").contains(&dn("ada"))]
}

#[test]
fn a_run_can_be_about_a_part_alone() {
    let app = TestApp::start_with(Flavor::Plain, roomy());
    let [ada, _, staff] = three_that_drifted(&app);
    let upper = ada.to_uppercase();
    let (bob_dn, staff_dn) = (format!("UID=BOB@contoso.com, ou=people,{SUFFIX}"), group_dn("Staff"));
    let cases: [(&str, [bool; 3]); 6] = [
        ("users", [true, true, false]),
        ("groups", [false, false, true]),
        (&upper, [true, false, false]),
        (&staff, [false, false, true]),
        (&bob_dn, [false, true, false]),
        (&staff_dn, [false, false, true]),
    ];
    for (only, expected) in cases {
        let shown = look(&app, &["reconcile", "--dry-run", "--only", only], 2).stdout;
        let done = command(&app, &["reconcile", "--only", only], 0).stdout;
        assert!(done.starts_with(&shown), "{only}: {shown}\n{done}");
        assert_eq!(as_wanted(&app), expected, "{only}");
        look(&app, &["reconcile", "--dry-run", "--only", only], 0);
        command(&app, &["reconcile"], 0);
        drift(&app);
    }
}

#[test]
fn a_part_that_is_not_there_is_named() {
    let app = TestApp::start_with(Flavor::Plain, roomy());
    three_that_drifted(&app);
    let (nobody, no_entry) = ("00000000-0000-4000-8000-000000000000", format!("uid=nobody,ou=people,{SUFFIX}"));
    for (only, words) in [(nobody, [nobody, "no resource"]), (&no_entry, [&no_entry, "no entry"])] {
        let failed = look(&app, &["reconcile", "--only", only], 1);
        assert_eq!(failed.stdout, "", "{only}");
        words.iter().for_each(|word| assert!(failed.stderr.contains(word), "{word}: {failed:#?}"));
    }
    for only in ["everybody", "", "USERS", "dc=example,,dc=org"] {
        let failed = look(&app, &["reconcile", "--only", only], 64);
        assert!(failed.stderr.contains("--only"), "{only:?}: {failed:#?}");
    }
    // An entry that nobody pushed is no mistake.
    let people = format!("ou=people,{SUFFIX}");
    let shown = look(&app, &["reconcile", "--dry-run", "--only", &people], 0).stdout;
    assert!(shown.contains("unmanaged"), "{shown}");
    for arguments in [
        ["reconcile", "--plan", "plan.json", "--only", "users"].as_slice(),
        &["reconcile", "--plan", "plan.json", "--dry-run"],
        &["reconcile", "--plan", "plan.json", "--out", "other.json"],
        &["reconcile", "--max-deletes", "many"],
        &["reconcile", "--max-deletes", "101%"],
        &["reconcile", "--format", "yaml"],
    ] {
        look(&app, arguments, 64);
    }
}

#[test]
fn groups_that_are_switched_off_are_not_looked_at() {
    let app = TestApp::start_with(Flavor::Plain, roomy());
    three_that_drifted(&app);
    app.workplace.reconfigure(&roomy().set("groups.enabled", "false"));
    let refused = look(&app, &["reconcile", "--only", "groups"], 1);
    assert!(refused.stderr.contains("groups.enabled"), "{refused:#?}");
    command(&app, &["reconcile"], 0);
    assert_eq!(as_wanted(&app), [true, true, false]);
    is_in_sync(&app);
}

#[test]
fn a_plan_for_programs_says_all_of_it() {
    let app = TestApp::start_with(Flavor::Plain, roomy());
    let [ada, ..] = three_that_drifted(&app);
    let shown = look(&app, &["reconcile", "--dry-run", "--format", "json"], 2).stdout;
    let plan: Value = serde_json::from_str(&shown).unwrap_or_else(|error| panic!("{error}: {shown}"));
    assert_eq!(plan["format"], "scimbridge-plan/1");
    assert_eq!(plan["census"], json!({"users": 2, "groups": 1, "memberships": 2}));
    assert_eq!(plan["counts"]["resources"], 3);
    assert_eq!(plan["counts"]["modifies"], 3);
    assert_eq!(plan["counts"]["member_adds"], 1);
    assert_eq!(plan["refusals"], json!([]));
    assert!(plan["digest"].as_str().is_some_and(|digest| digest.starts_with("sha256:")), "{plan:#}");
    let item = plan["items"].as_array().unwrap().iter().find(|item| item["subject"]["id"] == ada.as_str());
    assert_eq!(item.unwrap()["steps"][0]["before"]["title"], json!(["Boss"]));

    let done = command(&app, &["reconcile", "--format", "json"], 0).stdout;
    let done: Value = serde_json::from_str(&done).unwrap_or_else(|error| panic!("{error}: {done}"));
    assert_eq!(done["digest"], plan["digest"], "what was shown is done");
    assert_eq!(done["outcomes"], json!([{"outcome": "done"}, {"outcome": "done"}, {"outcome": "done"}]));
    assert!(done["run"].is_i64(), "{done:#}");
    let nothing: Value = serde_json::from_str(&look(&app, &["reconcile", "--format", "json"], 0).stdout).unwrap();
    assert_eq!((&nothing["items"], &nothing["run"]), (&json!([]), &Value::Null));
}

/// Hands LDIF to `ldapmodify`, as an administrator does who trusts nothing else.
fn by_ldapmodify(app: &TestApp, ldif: &str) {
    let file = app.workplace.path("plan.ldif");
    fs::write(&file, ldif).unwrap();
    let output = Command::new("ldapmodify")
        .args(["-x", "-H", &app.slapd.url(), "-D", "cn=admin,dc=example,dc=org", "-w", ADMIN_PASSWORD, "-f"])
        .arg(file)
        .stdin(Stdio::null())
        .output()
        .unwrap();
    assert!(output.status.success(), "{}\n{ldif}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn a_plan_as_ldif_is_taken_by_ldapmodify() {
    let app = TestApp::start_with(Flavor::Plain, roomy());
    let [ada, bob, _] = three_that_drifted(&app);
    let odd = " Größe, \"R&D\" +\n🦀 ";
    app.create_group_with(&group_with(odd, "entra-2", &[&ada, &bob]));
    app.user("cyd");
    modify_by_hand(&app, &app.slapd.groups(odd)[0].dn, &format!("replace: member\nmember: {PLACEHOLDER}"));
    rename_by_hand(&app, &dn("cyd"), "uid=cyd.old");
    app.slapd.stop();
    app.delete(&format!("/Users/{bob}")).expect(503);
    app.kill();
    app.slapd.start_again();
    let ldif = look(&app, &["reconcile", "--dry-run", "--format", "ldif"], 2).stdout;
    by_ldapmodify(&app, &ldif);
    // The store has not heard of it yet, and there is nothing left for the directory.
    let shown = look(&app, &["reconcile", "--dry-run"], 0).stdout;
    assert!(shown.contains("in sync"), "{shown}");
    command(&app, &["reconcile"], 0);
    is_in_sync(&app);
    assert_eq!(app.slapd.entry(&dn("bob")), None);
    assert_eq!(app.directory_members(odd), [dn("ada")]);

    // Entries that are made anew are others: a run takes them for those that they stand for, and leaves them so.
    let before = app.directory();
    delete_by_hand(&app, &app.slapd.groups(odd)[0].dn);
    delete_by_hand(&app, &dn("cyd"));
    by_ldapmodify(&app, &look(&app, &["reconcile", "--dry-run", "--format", "ldif"], 2).stdout);
    assert_eq!(app.directory(), before);
    command(&app, &["reconcile"], 0);
    assert_eq!(app.directory(), before);
    is_in_sync(&app);
}

/// Writes a plan and returns where it is.
fn plan_of(app: &TestApp, arguments: &[&str]) -> String {
    let path = app.workplace.path("plan.json").display().to_string();
    let all = [&["reconcile", "--dry-run", "--out", &path], arguments].concat();
    let made = look(app, &all, 2);
    assert!(made.stderr.contains(&format!("reconcile --plan {path}")), "{made:#?}");
    path
}

#[test]
fn a_plan_is_kept_and_done_as_it_was_shown() {
    let app = TestApp::start_with(Flavor::Plain, roomy());
    three_that_drifted(&app);
    let path = plan_of(&app, &[]);
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600, "it holds what people are called");
    let shown = look(&app, &["reconcile", "--dry-run"], 2).stdout;
    let done = command(&app, &["reconcile", "--plan", &path], 0).stdout;
    assert!(done.starts_with(&shown), "{done}");
    assert_eq!(as_wanted(&app), [true; 3]);
    // Once is enough.
    let again = look(&app, &["reconcile", "--plan", &path], 3);
    assert!(again.stderr.contains("in sync by now"), "{again:#?}");
}

#[test]
fn a_plan_for_a_part_does_no_more_than_that() {
    let app = TestApp::start_with(Flavor::Plain, roomy());
    three_that_drifted(&app);
    let path = plan_of(&app, &["--only", "groups"]);
    let done = command(&app, &["reconcile", "--plan", &path], 0);
    assert_eq!(as_wanted(&app), [false, false, true]);
    assert!(done.stderr.contains("2 more to change"), "what is left is said: {done:#?}");
}

/// What somebody does by hand after a plan was made.
type Move = (&'static str, fn(&TestApp));

#[test]
fn a_plan_under_which_the_directory_has_moved_is_refused_whole() {
    let moves: [Move; 4] = [
        ("the same values are others", |app| modify_by_hand(app, &dn("ada"), "replace: title\ntitle: King")),
        ("it was put right", |app| modify_by_hand(app, &dn("ada"), "delete: title")),
        ("the entry is gone", |app| delete_by_hand(app, &dn("ada"))),
        ("the entry has another name", |app| rename_by_hand(app, &dn("ada"), "uid=countess")),
    ];
    let mut story = String::new();
    for (what, by_hand) in moves {
        let app = TestApp::start_with(Flavor::Plain, roomy());
        three_that_drifted(&app);
        let path = plan_of(&app, &[]);
        by_hand(&app);
        let refused = look(&app, &["reconcile", "--plan", &path], 3);
        assert_eq!(refused.stdout, "");
        story.push_str(&format!("## {what}\n{}\n", told(&app, &refused.stderr)));
        command(&app, &["reconcile"], 0);
        is_in_sync(&app);
    }
    insta::assert_snapshot!("moved_under_a_plan", story);
}

#[test]
fn what_drifts_elsewhere_meanwhile_is_left_and_said() {
    let app = TestApp::start_with(Flavor::Plain, roomy());
    three_that_drifted(&app);
    app.user("cyd");
    let path = plan_of(&app, &[]);
    modify_by_hand(&app, &dn("cyd"), "add: title\ntitle: Boss");
    let done = command(&app, &["reconcile", "--plan", &path], 0);
    assert!(done.stderr.contains("1 more to change since the plan was made, and left"), "{done:#?}");
    assert_eq!(as_wanted(&app), [true; 3]);
    assert_eq!(app.slapd.values(&dn("cyd"), "title"), ["Boss"]);
}

#[test]
fn a_plan_that_entra_has_overtaken_is_refused() {
    let app = TestApp::start_with(Flavor::Plain, roomy());
    let [ada, ..] = three_that_drifted(&app);
    let path = plan_of(&app, &[]);
    app.patch_user(&ada, &json!([{"op": "Replace", "path": "title", "value": "Countess"}]));
    let refused = look(&app, &["reconcile", "--plan", &path], 3);
    assert!(refused.stderr.contains("ada@contoso.com"), "{refused:#?}");
    assert_eq!(as_wanted(&app), [false; 3], "Bob and Staff are left too");
    assert_eq!(app.slapd.values(&dn("ada"), "title"), ["Countess"]);
}

#[test]
fn a_plan_that_was_edited_is_not_taken() {
    let app = TestApp::start_with(Flavor::Plain, roomy());
    three_that_drifted(&app);
    let path = plan_of(&app, &[]);
    let plan = fs::read_to_string(&path).unwrap();
    let cases: [(&str, String, &str); 5] = [
        ("a value", plan.replace("Boss", "King"), "changed after it was written"),
        ("a name", plan.replace("uid=bob", "uid=cyd"), "changed after it was written"),
        ("its form", plan.replace("scimbridge-plan/1", "scimbridge-plan/2"), "scimbridge-plan/2"),
        ("cut short", plan[..plan.len() / 2].to_owned(), "cut short"),
        ("no plan", "{\"format\": 1}".to_owned(), "make a new one"),
    ];
    for (what, text, word) in cases {
        assert_ne!(text, plan, "{what}");
        fs::write(&path, text).unwrap();
        let refused = look(&app, &["reconcile", "--plan", &path], 1);
        assert!(refused.stderr.contains(word) && refused.stderr.contains(&path), "{what}: {refused:#?}");
    }
    let missing = look(&app, &["reconcile", "--plan", "nowhere.json"], 1);
    assert!(missing.stderr.contains("nowhere.json"), "{missing:#?}");
    fs::write(&path, &plan).unwrap();
    command(&app, &["reconcile", "--plan", &path], 0);
}

#[test]
fn no_password_is_shown_or_written() {
    const HASH: &str = "{SSHA}kept-secret";
    let settings: Settings = roomy()
        .set("users.disable.lock", "false")
        .set("users.disable.password", "true")
        .add("[[users.attribute]]\nldap = \"userPassword\"\nscim = \"password\"");
    let app = TestApp::start_with(Flavor::Plain, settings);
    let (ada, bob) = (app.user("ada"), app.user("bob"));
    app.slapd.set_password(&dn("ada"), HASH);
    app.disable_user(&ada);
    // She is let in by hand, Bob's entry is gone with a password in it, and a deletion waits.
    app.slapd.set_password(&dn("ada"), HASH);
    app.slapd.set_password(&dn("bob"), HASH);
    app.slapd.stop();
    app.delete(&format!("/Users/{bob}")).expect(503);
    app.kill();
    app.slapd.start_again();
    let path = plan_of(&app, &[]);
    let mut seen = fs::read_to_string(&path).unwrap();
    for format in ["text", "json", "ldif"] {
        let shown = look(&app, &["reconcile", "--dry-run", "--format", format], 2);
        seen += &(shown.stdout + &shown.stderr);
    }
    let done = command(&app, &["reconcile", "--plan", &path], 0);
    let run = run_of(&done.stdout);
    for format in ["text", "json", "ldif"] {
        let shown = look(&app, &["undo", &run, "--dry-run", "--format", format], 2);
        seen += &(shown.stdout + &shown.stderr);
    }
    seen += &(done.stdout + &done.stderr);
    for secret in ["kept-secret", "{SSHA}", "{CRYPT}", "disabled!", &STANDARD.encode(HASH)] {
        assert!(!seen.contains(secret), "{secret}: {seen}");
    }
    assert!(seen.contains("userPassword"), "that there is a change is shown: {seen}");
    for entry in fs::read_dir(app.workplace.folder()).unwrap() {
        let held = fs::read(entry.unwrap().path()).unwrap();
        assert!(!String::from_utf8_lossy(&held).contains("kept-secret"), "no file keeps it");
    }
}

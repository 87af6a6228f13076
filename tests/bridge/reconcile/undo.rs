//! What was changed is taken back: runs of reconcile, and each thing that Entra asks for. What somebody changed since stays.

use serde_json::{Value, json};

use super::{command, delete_by_hand, is_in_sync, look, mend, modify_by_hand, roomy, run_of, told};
use crate::support::app::{TestApp, dn, group_dn};
use crate::support::entra::{self, group_with, person_with};
use crate::support::slapd::Flavor;

/// The runs that are listed, newest first, as their numbers and lines.
fn listed(app: &TestApp) -> Vec<(String, String)> {
    let lines = look(app, &["undo"], 0).stdout;
    let number = |line: &str| line.split_whitespace().next().unwrap().to_owned();
    lines.lines().map(|line| (number(line), line.to_owned())).collect()
}

/// The number of the newest run.
fn latest(app: &TestApp) -> String {
    listed(app).first().unwrap_or_else(|| panic!("a run is listed")).0.clone()
}

/// People and groups without passwords, which are not kept.
fn directory(app: &TestApp) -> String {
    app.directory().lines().filter(|line| !line.starts_with("userPassword")).collect::<Vec<_>>().join("\n")
}

/// Shows what takes a run back, changing nothing, and takes it back. Returns what was shown.
#[track_caller]
fn undo(app: &TestApp, run: &str) -> String {
    let shown = look(app, &["undo", run, "--dry-run"], 2).stdout;
    let done = command(app, &["undo", run, "--max-deletes", "100%"], 0).stdout;
    assert!(done.starts_with(&shown), "what was shown is done:\n{shown}\n{done}");
    shown
}

/// A plan with its steps by name: users are changed side by side, and the last change is taken back first.
fn sorted(plan: &str) -> String {
    let mut steps: Vec<String> = Vec::new();
    for line in plan.lines() {
        match steps.last_mut().filter(|_| line.starts_with(' ')) {
            Some(step) => step.push_str(&format!("{line}\n")),
            None => steps.push(format!("{line}\n")),
        }
    }
    let counts = steps.iter().position(|step| step.contains(" to change: ")).unwrap_or(steps.len());
    steps[..counts].sort();
    steps.concat()
}

/// Who is there before something is asked for: Ada, Bob whose manager she is, Cyd, Staff with Ada and Bob, and Board
/// with Ada and Staff.
struct Cast {
    ada: String,
    cyd: String,
    staff: String,
    board: String,
}

fn cast(app: &TestApp) -> Cast {
    let ada = app.create_user(&person_with("ada", json!({"title": "Countess"})));
    let bob = app.create_user(&person_with("bob", json!({entra::ENTERPRISE: {"manager": ada}})));
    let cyd = app.user("cyd");
    let staff = app.create_group_with(&group_with("Staff", "entra-1", &[&ada, &bob]));
    let board = app.create_group_with(&group_with("Board", "entra-2", &[&ada, &staff]));
    Cast { ada, cyd, staff, board }
}

/// What Entra asks for.
type Push = (&'static str, fn(&TestApp, &Cast));

const PUSHES: [Push; 11] = [
    ("create a user", |app, _| _ = app.user("dan")),
    ("create a group", |app, cast| _ = app.create_group_with(&group_with("Crew", "entra-9", &[&cast.cyd]))),
    ("change a user", |app, cast| {
        let operations: Value = json!([
            {"op": "Replace", "path": "title", "value": "Lady, \"the\" Countess"},
            {"op": "Remove", "path": "emails"},
            {"op": "Add", "path": "preferredLanguage", "value": "en-GB"}
        ]);
        app.patch_user(&cast.ada, &operations);
    }),
    ("rename a user", |app, cast| _ = app.rename_user(&cast.ada, "ada.king@contoso.com")),
    ("disable a user", |app, cast| _ = app.disable_user(&cast.cyd)),
    ("enable a user", |app, cast| _ = app.enable_user(&cast.cyd)),
    ("add a member", |app, cast| app.add_members(&cast.staff, &[&cast.cyd])),
    ("remove members", |app, cast| app.remove_members(&cast.board, &[&cast.ada, &cast.staff])),
    ("rename a group", |app, cast| app.rename_group(&cast.staff, "staff of  old")),
    ("delete a user", |app, cast| _ = app.delete(&format!("/Users/{}", cast.cyd)).expect(204)),
    ("delete a group", |app, cast| _ = app.delete(&format!("/Groups/{}", cast.staff)).expect(204)),
];

#[test]
fn each_thing_that_entra_asks_for_is_taken_back_and_comes_again() {
    let app = TestApp::start_with(Flavor::Plain, roomy());
    let cast = cast(&app);
    let mut story = String::new();
    for (what, push) in PUSHES {
        let (known, before) = (latest(&app), directory(&app));
        push(&app, &cast);
        let after = directory(&app);
        assert_ne!(after, before, "{what}");
        let run = latest(&app);
        assert_eq!(run.parse::<u32>().unwrap(), known.parse::<u32>().unwrap() + 1, "{what} is one run");
        story.push_str(&format!("## {what}\n{}\n", told(&app, &undo(&app, &run))));
        assert_eq!(directory(&app), before, "{what}, taken back");
        // The undoing is a run as well.
        undo(&app, &latest(&app));
        assert_eq!(directory(&app), after, "{what}, and the undoing taken back");
        undo(&app, &latest(&app));
        assert_eq!(directory(&app), before, "{what}, taken back once more");
        match what {
            // Nobody wants it any more, and who is nobody's is left alone.
            "delete a user" | "delete a group" => drop(undo(&app, &latest(&app))),
            // A lock may be somebody else's: it is lifted when Entra says that the user is active.
            "enable a user" => push(&app, &cast),
            _ => drop(command(&app, &["reconcile"], 0)),
        }
        assert_eq!(directory(&app), after, "{what}, as Entra wants it");
        is_in_sync(&app);
    }
    insta::assert_snapshot!("pushes_taken_back", story);
    insta::assert_snapshot!("runs_listed", redacted_numbers(&told(&app, &look(&app, &["undo"], 0).stdout)));
}

/// The list without what depends on how much else was noted.
fn redacted_numbers(text: &str) -> String {
    text.lines()
        .map(|line| line.trim_start().trim_start_matches(|one: char| one.is_ascii_digit()).to_owned() + "\n")
        .collect()
}

#[test]
fn a_run_of_reconcile_is_taken_back() {
    let app = TestApp::start_with(Flavor::Plain, roomy());
    cast(&app);
    let wanted = directory(&app);
    modify_by_hand(&app, &dn("ada"), "replace: title\ntitle: Boss\n-\nadd: mobile\nmobile: +44 7700 900000");
    modify_by_hand(&app, &group_dn("Staff"), &format!("replace: member\nmember: {}", dn("cyd")));
    delete_by_hand(&app, &dn("bob"));
    delete_by_hand(&app, &group_dn("Board"));
    let drifted = directory(&app);
    mend(&app, "all of it");
    assert_eq!(directory(&app), wanted);
    let run = latest(&app);
    let shown = undo(&app, &run);
    assert_eq!(directory(&app), drifted);
    insta::assert_snapshot!("a_run_taken_back", sorted(&told(&app, &shown)));
    // What is taken back is not taken back twice.
    look(&app, &["undo", &run, "--dry-run"], 0);
    mend(&app, "again");
    assert_eq!(directory(&app), wanted);
}

#[test]
fn what_somebody_changed_since_stays_and_the_rest_is_taken_back() {
    let app = TestApp::start_with(Flavor::Plain, roomy());
    cast(&app);
    for name in ["ada", "bob", "cyd"] {
        modify_by_hand(&app, &dn(name), "replace: title\ntitle: Boss");
    }
    let run = run_of(&command(&app, &["reconcile"], 0).stdout);
    modify_by_hand(&app, &dn("ada"), "replace: title\ntitle: King");
    let refused = command(&app, &["undo", &run], 3);
    let said = refused.stdout.clone() + &refused.stderr;
    assert!(said.contains("ada@contoso.com") && said.contains("failed"), "{said}");
    assert_eq!(app.slapd.values(&dn("ada"), "title"), ["King"]);
    assert_eq!(app.slapd.values(&dn("bob"), "title"), ["Boss"]);
    assert_eq!(app.slapd.values(&dn("cyd"), "title"), ["Boss"]);
    let mut story = format!("## a title by hand\n{}\n", sorted(&told(&app, &refused.stdout)));

    // An entry that was added and has grown since.
    app.user("dan");
    let run = latest(&app);
    modify_by_hand(&app, &dn("dan"), "add: carLicense\ncarLicense: DAN 1");
    let refused = look(&app, &["undo", &run, "--max-deletes", "1"], 3);
    assert!(refused.stdout.contains("carLicense"), "{refused:#?}");
    story.push_str(&format!("## an entry that has grown\n{}\n", told(&app, &refused.stdout)));
    modify_by_hand(&app, &dn("dan"), "delete: carLicense");
    app.slapd.set_password(&dn("dan"), "Correct-Horse-1");
    undo(&app, &run);
    assert_eq!(app.slapd.entry(&dn("dan")), None, "a password is everybody's own to change");

    // An entry that is there again.
    let before = app.user("eve");
    app.delete(&format!("/Users/{before}")).expect(204);
    let run = latest(&app);
    app.user("eve");
    let refused = look(&app, &["undo", &run], 3);
    story.push_str(&format!("## an entry that is there again\n{}", told(&app, &refused.stdout)));
    insta::assert_snapshot!("changed_since", story);
}

#[test]
fn an_entry_that_is_another_resources_by_now_stays() {
    let app = TestApp::start_with(Flavor::Plain, roomy());
    let before = app.user("eve");
    let created = latest(&app);
    app.delete(&format!("/Users/{before}")).expect(204);
    let now = app.user("eve");
    let refused = look(&app, &["undo", &created, "--max-deletes", "1"], 3);
    assert!(refused.stdout.contains(&now), "whose it is, is said: {refused:#?}");
    // Whoever takes an undoing back is told for whom that was.
    app.delete(&format!("/Users/{now}")).expect(204);
    let deleted = latest(&app);
    command(&app, &["undo", &deleted], 0);
    let undone = latest(&app);
    let shown = look(&app, &["undo", &undone, "--dry-run", "--format", "json", "--max-deletes", "1"], 2);
    assert!(shown.stdout.contains(&now), "{shown:#?}");
}

#[test]
fn what_can_only_be_exchanged_as_a_whole_stays_where_somebody_exchanged_it_since() {
    let mapped = "[[users.attribute]]\nldap = \"jpegPhoto\"\nscim = 'photos[type eq \"photo\"].value'\n";
    let app = TestApp::start_with(Flavor::Plain, roomy().add(mapped));
    let photo =
        |value: &str| json!([{"op": "Replace", "path": "photos", "value": [{"type": "photo", "value": value}]}]);
    let ada = app.user("ada");
    app.patch_user(&ada, &photo("/9j/4AAQ"));
    app.patch_user(&ada, &photo("/9j/4AAR"));
    let run = latest(&app);
    modify_by_hand(&app, &dn("ada"), "replace: jpegPhoto\njpegPhoto:: /9j/4AAS");
    let refused = look(&app, &["undo", &run], 3);
    assert!(refused.stdout.contains("jpegPhoto of uid=ada"), "{refused:#?}");
    modify_by_hand(&app, &dn("ada"), "replace: jpegPhoto\njpegPhoto:: /9j/4AAR");
    undo(&app, &run);
}

#[test]
fn budgets_hold_for_what_is_taken_back() {
    let app = TestApp::start_with(Flavor::Plain, roomy());
    cast(&app);
    for name in ["ada", "bob", "cyd"] {
        delete_by_hand(&app, &dn(name));
    }
    let run = run_of(&command(&app, &["reconcile"], 0).stdout);
    app.workplace.reconfigure(&roomy().set("reconcile.max_deletes", "\"2\""));
    for arguments in [["undo", &run, "--dry-run"].as_slice(), &["undo", &run]] {
        let refused = look(&app, arguments, 3);
        let said = refused.stdout + &refused.stderr;
        assert!(said.contains("reconcile.max_deletes = 2"), "{said}");
        assert!(said.contains(&format!("scimbridge undo {run} --max-deletes 3")), "the command that does it: {said}");
    }
    command(&app, &["undo", &run, "--max-deletes", "3"], 0);
    assert_eq!(app.slapd.entry(&dn("ada")), None);
}

#[test]
fn what_cannot_be_brought_back_is_said() {
    let settings = roomy().set("users.disable.lock", "false").set("users.disable.password", "true");
    let app = TestApp::start_with(Flavor::Plain, settings);
    let cast = cast(&app);
    for name in ["ada", "cyd"] {
        app.slapd.set_password(&dn(name), "Correct-Horse-1");
    }
    app.disable_user(&cast.ada);
    let disabling = latest(&app);
    app.delete(&format!("/Users/{}", cast.cyd)).expect(204);
    let mut story = String::new();
    for (what, run, code) in [("a password made unusable", disabling, 0), ("an entry with a password", latest(&app), 2)]
    {
        let shown = look(&app, &["undo", &run, "--dry-run"], code).stdout;
        assert!(shown.contains("not taken back: the password"), "{what}: {shown}");
        story.push_str(&format!("## {what}\n{}\n", told(&app, &shown)));
    }
    insta::assert_snapshot!("what_is_lost", story);
}

#[test]
fn a_run_that_nobody_knows_is_refused() {
    let app = TestApp::start_with(Flavor::Plain, roomy());
    assert_eq!(look(&app, &["undo"], 0).stdout, "");
    let failed = look(&app, &["undo", "4711"], 1);
    assert!(failed.stderr.contains("4711") && failed.stderr.contains("reconcile.keep_undo"), "{failed:#?}");
    for run in ["latest", "-1", "1.5"] {
        look(&app, &["undo", run], 64);
    }
}

//! A run or its undoing is killed at every step. One more run puts everything right and the next finds nothing, what was
//! done can be taken back, and nothing of the dead is left lying about.

use std::process::{Child, Stdio};

use super::proxy::{Messages, Mishap, Proxy};
use super::{company, delete_by_hand, ends, in_sync, name, reconcile, set_by_hand};
use crate::support::app::{CrashAt, TestApp, dn, group_dn};
use crate::support::wait_for;
use crate::support::workplace::{Settings, finish};

const PEOPLE: usize = 8;
/// More steps than any run of these stories has.
const STEPS: usize = 60;

/// What somebody has done to the directory.
type Drift = fn(&TestApp);

fn remove_from(app: &TestApp, group: &str, number: usize) {
    let value = dn(&name(number));
    app.slapd.by_hand(&format!("dn: {}\nchangetype: modify\ndelete: member\nmember: {value}\n", group_dn(group)));
}

fn add_to(app: &TestApp, group: &str, number: usize) {
    let value = dn(&name(number));
    app.slapd.by_hand(&format!("dn: {}\nchangetype: modify\nadd: member\nmember: {value}\n", group_dn(group)));
}

const JOINED: &str = "somebody joined a group";
/// A small company may lose more of its share at once.
const NO_LIMITS: [&str; 6] = ["--max-missing", "100%", "--max-deletes", "100%", "--max-member-removals", "100%"];

const DRIFTS: [(&str, Drift); 7] = [
    ("somebody in groups was deleted", |app| delete_by_hand(app, &dn(&name(1)))),
    ("an attribute was changed", |app| set_by_hand(app, &dn(&name(2)), "title", "Impostor")),
    ("a leaver was let in again", |app| {
        app.slapd.by_hand(&format!("dn: {}\nchangetype: modify\ndelete: pwdAccountLockedTime\n", dn(&name(3))));
    }),
    ("a group was deleted", |app| delete_by_hand(app, &group_dn("Board"))),
    ("an entry was renamed", |app| {
        let renamed = format!("dn: {}\nchangetype: modrdn\nnewrdn: uid=other\ndeleteoldrdn: 1\n", dn(&name(0)));
        app.slapd.by_hand(&renamed);
    }),
    (JOINED, |app| add_to(app, "Board", 5)),
    ("somebody left a group", |app| remove_from(app, "Staff", 6)),
];

/// All of them at once: whoever joins a group that was deleted joins none.
fn drift_in_all_ways(app: &TestApp) {
    DRIFTS.iter().filter(|(what, _)| *what != JOINED).for_each(|(_, drift)| drift(app));
}

/// A company with a leaver.
fn start() -> TestApp {
    let app = company(PEOPLE, &Settings::default());
    let leaver = app.lookup_user(&format!("{}@contoso.com", name(3))).unwrap();
    app.disable_user(leaver["id"].as_str().unwrap());
    in_sync(&app);
    app
}

/// What both sides show, passwords aside: those that an entry had are lost with it.
fn view(app: &TestApp) -> String {
    let view = app.view();
    view.lines().filter(|line| !line.starts_with("userPassword")).collect::<Vec<_>>().join("\n")
}

/// Runs a command until it stands still at a message, and kills it there. False when it came to its end before.
fn killed_at(app: &TestApp, arguments: &[&str], messages: Messages, at: usize) -> bool {
    let proxy = Proxy::start(&app.slapd.url(), messages, at, Mishap::Hold);
    let mut command = app.workplace.command(arguments);
    command.env("SCIMBRIDGE__LDAP__URLS", proxy.url()).stdout(Stdio::null()).stderr(Stdio::null());
    let mut child: Child = command.spawn().expect("the program starts");
    let held = wait_for("the program to stand still, or to end", || {
        if proxy.is_holding() {
            return Some(true);
        }
        child.try_wait().expect("its state").map(|_| false)
    });
    if held {
        child.kill().expect("it is killed");
        child.wait().expect("it ends");
    }
    held
}

fn reconciling() -> Vec<&'static str> {
    [&["reconcile"], &NO_LIMITS[..]].concat()
}

/// The number of the latest run of a kind, as `scimbridge undo` lists it.
fn latest_run(app: &TestApp, origin: &str) -> Option<String> {
    let listed = app.workplace.run(&["undo"]).succeeds().stdout;
    let line = listed.lines().find(|line| line.split_whitespace().nth(2) == Some(origin))?;
    line.split_whitespace().next().map(str::to_owned)
}

#[test]
fn a_run_that_is_killed_at_any_step_is_made_good_by_the_next() {
    let app = start();
    let (wanted, directory) = (view(&app), app.directory());
    for (what, drift) in DRIFTS {
        for messages in [Messages::Changes, Messages::Changed] {
            for at in 1.. {
                eprintln!("{what}: killed at {messages:?} {at}");
                assert!(at < STEPS, "it comes to an end");
                drift(&app);
                assert_ne!(app.directory(), directory, "{what}");
                let killed = killed_at(&app, &reconciling(), messages, at);
                if killed {
                    // Nobody has the lease.
                    ends(reconcile(&app, &NO_LIMITS), 0, &[]);
                }
                in_sync(&app);
                assert_eq!(view(&app), wanted, "{what}, killed at {messages:?} {at}");
                if !killed {
                    break;
                }
            }
        }
    }
}

#[test]
fn a_run_that_ends_itself_is_made_good_by_the_next() {
    let app = start();
    let wanted = view(&app);
    let mut died = 0;
    for (what, drift) in DRIFTS {
        for point in [CrashAt::Intent, CrashAt::Apply, CrashAt::Record] {
            drift(&app);
            let mut command = app.workplace.command(&reconciling());
            command.env("SCIMBRIDGE_CRASH_AT", format!("{point:?}").to_lowercase());
            died += usize::from(finish(command).code.is_none());
            ends(reconcile(&app, &NO_LIMITS), 0, &[]);
            in_sync(&app);
            assert_eq!(view(&app), wanted, "{what}, ended at {point:?}");
        }
    }
    assert!(died > DRIFTS.len(), "it ends itself: {died}");
}

#[test]
fn a_run_that_was_killed_is_taken_back() {
    let app = start();
    let wanted = view(&app);
    for messages in [Messages::Changes, Messages::Changed] {
        for at in 1.. {
            eprintln!("killed at {messages:?} {at}");
            drift_in_all_ways(&app);
            let drifted = app.directory();
            let killed = killed_at(&app, &reconciling(), messages, at);
            // While it is only asked whether an entry might be added, no run has begun.
            if let Some(run) = latest_run(&app, "reconcile") {
                let undone = app.workplace.run(&[&["undo", &run], &NO_LIMITS[..]].concat());
                // What was noted and not made any more cannot be taken back, and that is said.
                assert!(matches!(undone.code, Some(0 | 3)), "{undone:#?}");
            }
            assert_eq!(app.directory(), drifted, "killed at {messages:?} {at}");
            ends(reconcile(&app, &NO_LIMITS), 0, &[]);
            in_sync(&app);
            assert_eq!(view(&app), wanted);
            if !killed {
                break;
            }
        }
    }
}

#[test]
fn an_undoing_that_is_killed_is_gone_on_with() {
    let app = start();
    let wanted = view(&app);
    for messages in [Messages::Changes, Messages::Changed] {
        for at in 1.. {
            eprintln!("killed at {messages:?} {at}");
            drift_in_all_ways(&app);
            let drifted = app.directory();
            ends(reconcile(&app, &NO_LIMITS), 0, &["as run"]);
            let run = latest_run(&app, "reconcile").expect("a run was made");
            let undo = [&["undo", &run], &NO_LIMITS[..]].concat();
            let killed = killed_at(&app, &undo, messages, at);
            let undone = app.workplace.run(&undo);
            assert!(matches!(undone.code, Some(0 | 3)), "{undone:#?}");
            assert_eq!(app.directory(), drifted, "killed at {messages:?} {at}: {undone:#?}");
            ends(reconcile(&app, &NO_LIMITS), 0, &[]);
            in_sync(&app);
            assert_eq!(view(&app), wanted);
            if !killed {
                break;
            }
        }
    }
}

/// The copies of the store that lie beside it.
fn copies(app: &TestApp) -> Vec<String> {
    let files = std::fs::read_dir(app.workplace.folder()).unwrap();
    let names = files.map(|file| file.unwrap().file_name().to_string_lossy().into_owned());
    names.filter(|name| name.contains(".db.copy-")).collect()
}

#[test]
fn copies_of_the_store_that_a_kill_leaves_are_cleaned_up() {
    let app = start();
    for next in ["a start of the service", "a run"] {
        set_by_hand(&app, &dn(&name(2)), "title", "Impostor");
        let found = (1..STEPS).any(|at| {
            assert!(killed_at(&app, &["reconcile", "--dry-run"], Messages::Searches, at), "no copy was made");
            !copies(&app).is_empty()
        });
        assert!(found, "a run was killed in its rehearsal");
        if next == "a run" {
            ends(reconcile(&app, &[]), 0, &["title"]);
        } else {
            app.restart();
        }
        assert_eq!(copies(&app), Vec::<String>::new(), "after {next}");
        ends(reconcile(&app, &[]), 0, &[]);
        in_sync(&app);
    }
}

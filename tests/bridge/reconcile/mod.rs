//! What drifted is seen, shown, guarded, repaired and taken back: `scimbridge reconcile` and `scimbridge undo` beside a
//! running `serve`, as an administrator calls them.

mod budgets;
mod drift;
mod plans;
mod rosters;
mod undo;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::support::administrator::Server;
use crate::support::app::TestApp;
use crate::support::ldif;
use crate::support::workplace::{Finished, Settings};

/// Budgets that let everything through: a directory of three people has no use for percentages.
fn roomy() -> Settings {
    ["max_deletes", "max_disables", "max_changes", "max_member_removals", "max_missing"]
        .iter()
        .fold(Settings::default(), |settings, key| settings.set(&format!("reconcile.{key}"), "\"100%\""))
}

/// A modify of an entry by hand; the lines are those of LDIF.
fn modify_by_hand<D: Server>(app: &TestApp<D>, dn: &str, lines: &str) {
    app.slapd.by_hand(&format!("{}\nchangetype: modify\n{lines}\n", dn_line(dn)));
}

fn delete_by_hand<D: Server>(app: &TestApp<D>, dn: &str) {
    app.slapd.by_hand(&format!("{}\nchangetype: delete\n", dn_line(dn)));
}

/// The entry gets this name, and loses the one that it had.
fn rename_by_hand<D: Server>(app: &TestApp<D>, dn: &str, rdn: &str) {
    app.slapd.by_hand(&format!("{}\nchangetype: modrdn\nnewrdn: {rdn}\ndeleteoldrdn: 1\n", dn_line(dn)));
}

fn move_by_hand<D: Server>(app: &TestApp<D>, rdn: &str, from: &str, to: &str) {
    app.slapd
        .by_hand(&format!("dn: {rdn},{from}\nchangetype: modrdn\nnewrdn: {rdn}\ndeleteoldrdn: 0\nnewsuperior: {to}\n"));
}

/// The first line of a record of LDIF, whatever stands in the name.
fn dn_line(dn: &str) -> String {
    format!("dn:: {}", STANDARD.encode(dn))
}

/// Runs the command, and holds it to its exit code.
#[track_caller]
fn command<D: Server>(app: &TestApp<D>, arguments: &[&str], code: i32) -> Finished {
    let finished = app.workplace.run(arguments);
    assert_eq!(finished.code, Some(code), "{arguments:?}: {finished:#?}");
    for text in [&finished.stdout, &finished.stderr] {
        assert!(!text.contains("panicked"), "{arguments:?}: {text}");
        let raw = text.chars().find(|one| one.is_control() && *one != '\n');
        assert_eq!(raw, None, "no character moves the terminal's cursor: {arguments:?}: {text}");
    }
    finished
}

/// A command that looks and changes nothing.
#[track_caller]
fn look<D: Server>(app: &TestApp<D>, arguments: &[&str], code: i32) -> Finished {
    let before = contents(app);
    let finished = command(app, arguments, code);
    assert_eq!(contents(app), before, "{arguments:?} changes nothing");
    finished
}

/// That a run has nothing to do.
#[track_caller]
fn is_in_sync<D: Server>(app: &TestApp<D>) -> Finished {
    let finished = look(app, &["reconcile"], 0);
    assert!(finished.stdout.lines().any(|line| line.starts_with("in sync: ")), "{finished:#?}");
    assert!(!finished.stdout.contains("done as run"), "{finished:#?}");
    finished
}

/// Shows what drifted, changing nothing; repairs exactly that; and then finds nothing more. Returns what was shown.
#[track_caller]
fn mend<D: Server>(app: &TestApp<D>, what: &str) -> String {
    let shown = look(app, &["reconcile", "--dry-run"], 2).stdout;
    let done = command(app, &["reconcile"], 0).stdout;
    assert!(done.starts_with(&shown), "what was shown is done, {what}:\n{shown}\n{done}");
    assert!(done.trim_end().ends_with(&format!("`scimbridge undo {}` takes it back", run_of(&done))), "{done}");
    is_in_sync(app);
    format!("## {what}\n{}\n", told(app, &shown))
}

/// The number of the run that an output tells of.
#[track_caller]
fn run_of(output: &str) -> String {
    let line = output.lines().find_map(|line| line.strip_prefix("done as run "));
    let line = line.unwrap_or_else(|| panic!("a run is named: {output}"));
    line.split(';').next().unwrap_or_default().to_owned()
}

/// Every entry with every value, and when it was last changed.
fn contents<D: Server>(app: &TestApp<D>) -> String {
    ldif::render(&app.slapd.tree(&["entryCSN", "entryUUID", "pwdAccountLockedTime"]))
}

/// What a command printed, the same in every run.
fn told<D: Server>(app: &TestApp<D>, text: &str) -> String {
    let mut text = app.redact(text);
    while let Some(at) = time_in(&text) {
        let length = text[at..].find('Z').map_or(0, |end| end + 1);
        text.replace_range(at..at + length, "[time]");
    }
    text
}

/// Where a time stands, as RFC 3339 has it.
fn time_in(text: &str) -> Option<usize> {
    const FORM: &[u8] = b"0000-00-00T00:00:00";
    let fits = |window: &[u8]| {
        window.iter().zip(FORM).all(|(byte, form)| if *form == b'0' { byte.is_ascii_digit() } else { byte == form })
    };
    text.as_bytes().windows(FORM.len()).position(fits)
}

//! The bad days of `scimbridge reconcile`: a directory that goes away, shows less than it has or is not what it was, others
//! who write at the same time, a process that is killed.

mod beside;
mod crash;
mod disasters;
mod proxy;
mod transactions;

use std::collections::BTreeMap;

use crate::support::app::{TestApp, dn, group_dn};
use crate::support::slapd::{Flavor, SUFFIX, Slapd};
use crate::support::workplace::{Finished, Settings, finish};

/// A person of the map, as an administrator writes one.
fn person_ldif(name: &str) -> String {
    format!(
        "dn: {}\nobjectClass: inetOrgPerson\nuid: {name}@contoso.com\ncn: {name}\ndisplayName: {name}\nsn: Contoso\n\
         mail: {name}@contoso.com\ntitle: Clerk\nuserPassword: {PASSWORD}\n\n",
        dn(name)
    )
}

/// Everybody's password in [`company`].
const PASSWORD: &str = "Summer-2026";

fn name(number: usize) -> String {
    format!("user{number:04}")
}

/// So many people, Staff with all of them, Board with the first three, as they were adopted.
fn company(people: usize, settings: &Settings) -> TestApp {
    let slapd = Slapd::start(Flavor::AsShipped);
    // Thousands of entries by hand need not outlive a power cut.
    slapd.reconfigure("dbnosync\n");
    let mut ldif: String = (0..people).map(|number| person_ldif(&name(number))).collect();
    for (group, members) in [("Staff", people), ("Board", 3)] {
        let members: String = (0..members).map(|number| format!("member: {}\n", dn(&name(number)))).collect();
        ldif.push_str(&format!("dn: {}\nobjectClass: groupOfNames\ncn: {group}\n{members}\n", group_dn(group)));
    }
    slapd.by_hand(&ldif);
    slapd.reconfigure("");
    // What is many here is few elsewhere.
    let settings = settings.clone().set("reconcile.max_changes", "\"100%\"");
    let app = TestApp::start_before(slapd, &settings);
    app.kill();
    app.workplace.run(&["adopt"]).succeeds();
    app.restart();
    app
}

/// Reconciles with a few variables set otherwise.
fn reconcile_with(app: &TestApp, arguments: &[&str], variables: &[(&str, &str)]) -> Finished {
    let mut command = app.workplace.command(&[&["reconcile"], arguments].concat());
    command.envs(variables.iter().copied());
    finish(command)
}

fn reconcile(app: &TestApp, arguments: &[&str]) -> Finished {
    reconcile_with(app, arguments, &[])
}

/// That the directory is as wanted.
#[track_caller]
fn in_sync(app: &TestApp) {
    let finished = reconcile(app, &["--dry-run"]);
    assert_eq!(finished.code, Some(0), "{finished:#?}");
}

/// Which entries there are, and when each was last written: anchors, with names and change numbers.
fn written(app: &TestApp) -> BTreeMap<String, (String, String)> {
    let stamp = |entry: &crate::support::ldif::Entry| {
        (entry.values("entryUUID").concat(), (entry.dn.clone(), entry.values("entryCSN").concat()))
    };
    app.slapd.tree(&["entryUUID", "entryCSN"]).iter().map(stamp).collect()
}

/// That a command came to an end with this code, and spoke of each of the words.
#[track_caller]
fn ends(finished: Finished, code: i32, words: &[&str]) -> Finished {
    assert_eq!(finished.code, Some(code), "{finished:#?}");
    let said = format!("{}{}", finished.stdout, finished.stderr);
    assert!(!said.contains("panicked"), "{finished:#?}");
    for word in words {
        assert!(said.contains(word), "it speaks of {word:?}: {finished:#?}");
    }
    finished
}

/// A change of one attribute of an entry by hand.
fn set_by_hand(app: &TestApp, dn: &str, attribute: &str, value: &str) {
    app.slapd.by_hand(&format!("dn: {dn}\nchangetype: modify\nreplace: {attribute}\n{attribute}: {value}\n"));
}

fn delete_by_hand(app: &TestApp, dn: &str) {
    app.slapd.by_hand(&format!("dn: {dn}\nchangetype: delete\n"));
}

fn people() -> String {
    format!("ou=people,{SUFFIX}")
}

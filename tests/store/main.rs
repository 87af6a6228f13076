//! Every store against the one suite, each on the real thing.
#![allow(clippy::indexing_slicing, clippy::panic, clippy::unwrap_used, reason = "tests")]
#![allow(missing_docs, unreachable_pub, reason = "tests")]

#[path = "../conformance/store/mod.rs"]
mod conformance;

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;

use scimbridge::store::{CredentialKind, Error, HoldMode, RunId, SqliteStore, Standing, Store};

use conformance::run::{new_run, noted};
use conformance::token;

#[tokio::test]
async fn sqlite_keeps_every_promise() {
    let dir = tempfile::tempdir().unwrap();
    let mut number = 0;
    conformance::every_promise(async || {
        number += 1;
        let url = format!("sqlite://{}/{number}.db", dir.path().display());
        let store: Arc<dyn Store> = Arc::new(SqliteStore::open(&url).await.unwrap());
        store
    })
    .await;
}

#[tokio::test]
async fn what_sqlite_keeps_is_there_again_and_its_owners_alone() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("bridge.db");
    let url = format!("sqlite://{}", file.display());
    let (entra, secret) = (token::credential(CredentialKind::Token, "entra"), token::secret("hash", None));
    SqliteStore::open(&url).await.unwrap().add_credential(&entra, &secret).await.unwrap();
    let there = SqliteStore::open(&url).await.unwrap().bearer("hash").await.unwrap().unwrap();
    assert_eq!((there.name, there.scopes), (entra.name, entra.scopes));
    for entry in std::fs::read_dir(dir.path()).unwrap() {
        let entry = entry.unwrap();
        assert_eq!(entry.metadata().unwrap().permissions().mode() & 0o777, 0o600, "{:?}", entry.path());
    }
}

fn names(folder: &Path) -> BTreeSet<String> {
    let entries = std::fs::read_dir(folder).unwrap();
    entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
}

#[tokio::test]
async fn what_one_process_holds_another_does_not() {
    let dir = tempfile::tempdir().unwrap();
    let url = format!("sqlite://{}/bridge.db", dir.path().display());
    // Each has opened the file of the locks for itself, which is what tells processes apart.
    let (one, other) = (SqliteStore::open(&url).await.unwrap(), SqliteStore::open(&url).await.unwrap());
    use HoldMode::{Exclusive, Shared};
    let exclusive = one.hold("ada", Exclusive).unwrap().unwrap();
    assert!(other.hold("ada", Exclusive).unwrap().is_none());
    assert!(other.hold("ada", Shared).unwrap().is_none());
    let beside = other.hold("bob", Exclusive).unwrap().unwrap();
    drop(exclusive);
    assert!(other.hold("ada", Exclusive).unwrap().is_some());
    // A clone of a store is the same process.
    let (first, second) =
        (one.hold("ada", Shared).unwrap().unwrap(), one.clone().hold("ada", Shared).unwrap().unwrap());
    let theirs = other.hold("ada", Shared).unwrap().unwrap();
    drop(first);
    assert!(other.hold("ada", Exclusive).unwrap().is_none());
    drop(theirs);
    assert!(other.hold("ada", Exclusive).unwrap().is_none(), "one still shares it there");
    drop(second);
    assert!(other.hold("ada", Exclusive).unwrap().is_some());
    assert!(one.hold("bob", Exclusive).unwrap().is_none());
    drop(beside);

    let lease = one.lease("reconcile", "the one").unwrap();
    assert!(matches!(other.lease("reconcile", "the other"), Err(Error::Held { holder, .. }) if holder == "the one"));
    drop(lease);
    other.lease("reconcile", "the other").unwrap();
    for name in names(dir.path()) {
        let mode = std::fs::metadata(dir.path().join(&name)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{name}");
    }
}

#[tokio::test]
async fn what_a_killed_process_held_is_free_and_what_it_noted_is_there() {
    let dir = tempfile::tempdir().unwrap();
    let url = format!("sqlite://{}/bridge.db", dir.path().display());
    let store = SqliteStore::open(&url).await.unwrap();
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--ignored", "--exact", "the_part_of_the_process_that_is_killed", "--nocapture"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    writeln!(child.stdin.as_mut().unwrap(), "{url}").unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    assert!(lines.any(|line| line.unwrap().contains("it holds")));
    assert!(store.hold("ada", HoldMode::Exclusive).unwrap().is_none());
    assert!(store.hold("groups", HoldMode::Exclusive).unwrap().is_none());
    let taken = store.lease("reconcile", "x").unwrap_err();
    assert!(matches!(taken, Error::Held { holder, .. } if holder == "the child"));
    let copies = || names(dir.path()).into_iter().filter(|name| name.contains(".copy-")).count();
    drop(store.copy().await.unwrap());
    assert!(copies() > 0, "the child's is in use");

    assert_eq!(store.run(RunId(1)).await.unwrap().unwrap().standing, Standing::UnderWay);
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(store.hold("ada", HoldMode::Exclusive).unwrap().is_some());
    assert!(store.hold("groups", HoldMode::Exclusive).unwrap().is_some());
    store.lease("reconcile", "x").unwrap();
    let run = store.run(RunId(1)).await.unwrap().unwrap();
    assert_eq!(run.standing, Standing::CutOff, "nobody works on it any more");
    let changes = store.changes_of(RunId(1), None, 1000).await.unwrap();
    assert_eq!(changes.len(), 100);
    assert_eq!(changes[0].1, noted(99));
    assert!(copies() > 0, "nobody has looked yet");
    let unlike = [".copy-", ".copy-0123", ".copy-0123456789ABCDEF0123456789ABCDEF", ".copies"];
    for suffix in unlike {
        std::fs::write(dir.path().join(format!("bridge.db{suffix}")), "").unwrap();
    }
    let _reopened = SqliteStore::open(&url).await.unwrap();
    assert_eq!(copies(), 3, "what only looks like a copy stays");
    for suffix in unlike {
        assert!(dir.path().join(format!("bridge.db{suffix}")).exists());
    }
}

#[tokio::test]
#[ignore = "another test runs it in a process of its own"]
async fn the_part_of_the_process_that_is_killed() {
    let mut url = String::new();
    std::io::stdin().read_line(&mut url).unwrap();
    let store = SqliteStore::open(url.trim()).await.unwrap();
    let _exclusive = store.hold("ada", HoldMode::Exclusive).unwrap().unwrap();
    let _shared = store.hold("groups", HoldMode::Shared).unwrap().unwrap();
    let _lease = store.lease("reconcile", "the child").unwrap();
    let _copy = store.copy().await.unwrap();
    let run = store.begin_run(&new_run("x")).await.unwrap();
    for number in 0..100 {
        store.note_change(run, &noted(number)).await.unwrap();
    }
    println!("it holds");
    // Until it is killed; or until its parent is gone.
    std::io::stdin().read_line(&mut url).unwrap();
}

#[tokio::test]
async fn the_files_of_a_copy_are_private_and_go_with_it() {
    let dir = tempfile::tempdir().unwrap();
    let store = SqliteStore::open(&format!("sqlite://{}/bridge.db", dir.path().display())).await.unwrap();
    let copy = store.copy().await.unwrap();
    let without = |names: &BTreeSet<String>| {
        names.iter().filter(|name| !name.contains(".copy-")).cloned().collect::<BTreeSet<String>>()
    };
    let _held = copy.hold("ada", HoldMode::Exclusive).unwrap().unwrap();
    copy.begin_run(&new_run("x")).await.unwrap();
    let with = names(dir.path());
    assert!(with.len() > without(&with).len());
    for name in &with {
        let mode = std::fs::metadata(dir.path().join(name)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{name}");
    }
    drop(copy);
    assert_eq!(names(dir.path()), without(&with));
}

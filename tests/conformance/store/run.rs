//! Runs, and what they changed.

use std::collections::BTreeSet;
use std::sync::Arc;

use scimbridge::directory::{Action, AttributeName, Change, Modification, Tolerance, Value};
use scimbridge::store::{CredentialKind, NewRun, NotedChange, Origin, Requester, RunId, RunRecord, Store};

use super::{NOW, id};

const LATER: &str = "2026-01-02T00:00:00.000Z";

pub fn new_run(what: &str) -> NewRun {
    NewRun { origin: Origin::Push, what: what.to_owned(), started: NOW.to_owned(), undoes: None, requester: None }
}

/// A change with a value that is no text, so that it is shown that nothing is lost on the way.
pub fn noted(number: u8) -> NotedChange {
    let replace = |value: Vec<u8>| Change::Modify {
        dn: "cn=S\u{f6}hne\\2C x,dc=x".parse().unwrap(),
        modifications: vec![Modification {
            attribute: AttributeName::of("photo"),
            action: Action::Replace,
            values: vec![Value::from(value)],
        }],
        tolerance: Tolerance::Exact,
    };
    NotedChange {
        resource: (number > 0).then(|| id("ada")),
        reason: format!("differs {number}"),
        change: replace(vec![0xff, number]),
        reverse: vec![replace(vec![0xfe, number]), Change::Delete { dn: "cn=y".parse().unwrap() }],
        lost: (number > 0).then(|| "the password".to_owned()),
    }
}

pub async fn a_run_tells_what_it_was(store: &dyn Store) {
    assert_eq!(store.runs(9).await.unwrap(), []);
    assert_eq!(store.run(RunId(1)).await.unwrap(), None);
    let requester = Requester { token: "entra".to_owned(), address: "192.0.2.7".to_owned(), request: "r-1".to_owned() };
    let push = NewRun { requester: Some(requester.clone()), ..new_run("PATCH User ada") };
    let push = store.begin_run(&push).await.unwrap();
    let undo = NewRun { origin: Origin::Undo, undoes: Some(push), ..new_run("undo") };
    let undo = store.begin_run(&undo).await.unwrap();
    assert!(undo > push);
    store.note_change(push, &noted(1)).await.unwrap();
    let second = store.note_change(push, &noted(2)).await.unwrap();
    store.note_undone(push, second).await.unwrap();
    store.end_run(push, "2 changes", LATER).await.unwrap();
    let begun = RunRecord {
        id: push,
        origin: Origin::Push,
        what: "PATCH User ada".to_owned(),
        started: NOW.to_owned(),
        finished: Some(LATER.to_owned()),
        outcome: Some("2 changes".to_owned()),
        undoes: None,
        requester: Some(requester.clone()),
        changes: 2,
        undone: 1,
    };
    let undoing = RunRecord {
        id: undo,
        origin: Origin::Undo,
        what: "undo".to_owned(),
        finished: None,
        outcome: None,
        undoes: Some(push),
        requester: None,
        changes: 0,
        undone: 0,
        ..begun.clone()
    };
    assert_eq!(store.runs(9).await.unwrap(), [undoing.clone(), begun.clone()]);
    assert_eq!(store.runs(1).await.unwrap(), [undoing]);
    assert_eq!(store.run(push).await.unwrap(), Some(begun));
    for origin in [Origin::Push, Origin::Background, Origin::Reconcile, Origin::Undo] {
        let run = store.begin_run(&NewRun { origin, ..new_run("x") }).await.unwrap();
        assert_eq!(store.run(run).await.unwrap().unwrap().origin, origin);
    }
}

pub async fn changes_are_told_from_the_last_to_the_first_until_undone(store: &dyn Store) {
    let run = store.begin_run(&new_run("a")).await.unwrap();
    let other = store.begin_run(&new_run("b")).await.unwrap();
    let mut positions = Vec::new();
    for number in 0..5 {
        positions.push(store.note_change(run, &noted(number)).await.unwrap());
    }
    store.note_change(other, &noted(9)).await.unwrap();
    assert!(positions.is_sorted_by(|one, other| one < other));
    let told = async |before, limit| store.changes_of(run, before, limit).await.unwrap();
    let expected = |numbers: &[u8]| -> Vec<(i64, NotedChange)> {
        numbers.iter().map(|number| (positions[usize::from(*number)], noted(*number))).collect()
    };
    assert_eq!(told(None, 9).await, expected(&[4, 3, 2, 1, 0]));
    assert_eq!(told(None, 2).await, expected(&[4, 3]));
    assert_eq!(told(Some(positions[3]), 2).await, expected(&[2, 1]));
    assert_eq!(told(Some(positions[0]), 2).await, []);
    store.strike_change(run, positions[3]).await.unwrap();
    store.note_undone(run, positions[4]).await.unwrap();
    store.note_undone(run, positions[1]).await.unwrap();
    assert_eq!(told(None, 9).await, expected(&[2, 0]));
    let record = store.run(run).await.unwrap().unwrap();
    assert_eq!((record.changes, record.undone), (4, 2), "what was struck was never made");
    assert_eq!(store.changes_of(other, None, 9).await.unwrap().len(), 1);
}

pub async fn many_notes_at_a_time_have_a_position_each(store: Arc<dyn Store>) {
    let run = store.begin_run(&new_run("many")).await.unwrap();
    let mut tasks = tokio::task::JoinSet::new();
    for task in 0..8 {
        let store = store.clone();
        tasks.spawn(async move {
            let mut positions = Vec::new();
            for _ in 0..25 {
                positions.push(store.note_change(run, &noted(task)).await.unwrap());
                // A write that is synced, in between.
                let name = format!("{task}-{}", positions.len());
                let token = super::token::credential(CredentialKind::Token, &name);
                store.add_credential(&token, &super::token::secret(&name, None)).await.unwrap();
            }
            assert!(positions.is_sorted());
            positions
        });
    }
    let positions: BTreeSet<i64> = tasks.join_all().await.into_iter().flatten().collect();
    assert_eq!(positions.len(), 200);
    assert_eq!(store.run(run).await.unwrap().unwrap().changes, 200);
}

pub async fn old_runs_are_forgotten_and_their_ids_are_not_given_again(store: &dyn Store) {
    let at = |started: &str| NewRun { started: started.to_owned(), ..new_run("x") };
    let finished = store.begin_run(&at("2026-01-01T00:00:00.000Z")).await.unwrap();
    let cut_off = store.begin_run(&at("2026-01-02T00:00:00.000Z")).await.unwrap();
    let long = store.begin_run(&at("2026-01-02T00:00:00.000Z")).await.unwrap();
    let young = store.begin_run(&at("2026-01-05T00:00:00.000Z")).await.unwrap();
    for run in [finished, cut_off, long, young] {
        store.note_change(run, &noted(1)).await.unwrap();
    }
    store.end_run(finished, "done", "2026-01-01T00:01:00.000Z").await.unwrap();
    store.end_run(long, "done", "2026-01-04T00:00:00.000Z").await.unwrap();
    assert_eq!(store.forget_runs("2026-01-01T00:00:30.000Z").await.unwrap(), 0);
    assert_eq!(store.forget_runs("2026-01-03T00:00:00.000Z").await.unwrap(), 2);
    let left = store.runs(9).await.unwrap();
    assert_eq!(left.iter().map(|run| run.id).collect::<Vec<_>>(), [young, long]);
    assert_eq!(store.changes_of(finished, None, 9).await.unwrap(), []);
    assert_eq!(store.changes_of(young, None, 9).await.unwrap().len(), 1);
    assert_eq!(store.forget_runs("2027-01-01T00:00:00.000Z").await.unwrap(), 2);
    assert_eq!(store.runs(9).await.unwrap(), []);
    let next = store.begin_run(&new_run("x")).await.unwrap();
    assert!(next > young, "an old plan to undo must not meet another run");
    assert_eq!(store.changes_of(next, None, 9).await.unwrap(), []);
    // More than are forgotten in one go.
    for _ in 0..1200 {
        store.begin_run(&new_run("x")).await.unwrap();
    }
    assert_eq!(store.forget_runs("2027-01-01T00:00:00.000Z").await.unwrap(), 1201);
}

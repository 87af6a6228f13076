//! Runs, and what they changed.

use std::collections::BTreeSet;
use std::sync::Arc;

use scimbridge::directory::{Action, AttributeName, Change, Modification, Tolerance, Value};
use scimbridge::scim::Kind;
use scimbridge::store::{
    About, CredentialKind, Ending, NewRun, NotedChange, Origin, Requester, RunEnd, RunFilter, RunId, RunRecord,
    RunSubject, Standing, Store, Verb,
};

use super::{NOW, id};

const LATER: &str = "2026-01-02T00:00:00.000Z";

pub fn new_run(what: &str) -> NewRun {
    NewRun {
        origin: Origin::Push,
        what: what.to_owned(),
        about: None,
        started: NOW.to_owned(),
        undoes: None,
        requester: None,
    }
}

fn ended(ending: Ending) -> RunEnd {
    RunEnd { ending, status: None, outcome: None, finished: LATER.to_owned(), milliseconds: 4 }
}

fn done_at(time: &str) -> RunEnd {
    RunEnd { finished: time.to_owned(), ..ended(Ending::Done) }
}

fn about(verb: Verb, kind: Kind, name: &str) -> About {
    About { verb: Some(verb), kind, id: Some(id(name)), name: Some(name.to_owned()) }
}

async fn found(store: &dyn Store, filter: RunFilter) -> Vec<i64> {
    store.runs(&filter, 99).await.unwrap().into_iter().map(|run| run.id.0).collect()
}

async fn all(store: &dyn Store) -> Vec<RunRecord> {
    store.runs(&RunFilter::default(), 9).await.unwrap()
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
    assert_eq!(all(store).await, []);
    assert_eq!(store.run(RunId(1)).await.unwrap(), None);
    let requester = Requester { token: "entra".to_owned(), address: "192.0.2.7".to_owned(), request: "r-1".to_owned() };
    let patched = about(Verb::Patch, Kind::User, "ada");
    let push = NewRun { requester: Some(requester.clone()), about: Some(patched.clone()), ..new_run("PATCH User ada") };
    let push = store.begin_run(&push).await.unwrap();
    let undo = NewRun { origin: Origin::Undo, undoes: Some(push), ..new_run("undo") };
    let undo = store.begin_run(&undo).await.unwrap();
    assert!(undo > push);
    store.note_change(push, &noted(1)).await.unwrap();
    let second = store.note_change(push, &noted(2)).await.unwrap();
    store.note_undone(push, second).await.unwrap();
    assert_eq!(store.run(push).await.unwrap().unwrap().standing, Standing::UnderWay, "this process is there");
    let end = RunEnd { outcome: Some("2 changes".to_owned()), ..ended(Ending::Failed) };
    store.end_run(push, &RunEnd { status: Some(500), ..end }).await.unwrap();
    let begun = RunRecord {
        id: push,
        origin: Origin::Push,
        what: "PATCH User ada".to_owned(),
        about: Some(patched),
        standing: Standing::Ended(Ending::Failed),
        status: Some(500),
        milliseconds: Some(4),
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
        about: None,
        standing: Standing::UnderWay,
        status: None,
        milliseconds: None,
        finished: None,
        outcome: None,
        undoes: Some(push),
        requester: None,
        changes: 0,
        undone: 0,
        ..begun.clone()
    };
    assert_eq!(all(store).await, [undoing.clone(), begun.clone()]);
    assert_eq!(store.runs(&RunFilter::default(), 1).await.unwrap(), [undoing]);
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
    store.end_run(finished, &done_at("2026-01-01T00:01:00.000Z")).await.unwrap();
    store.end_run(long, &done_at("2026-01-04T00:00:00.000Z")).await.unwrap();
    assert_eq!(store.forget_runs("2026-01-01T00:00:30.000Z").await.unwrap(), 0);
    assert_eq!(store.forget_runs("2026-01-03T00:00:00.000Z").await.unwrap(), 2);
    let left = all(store).await;
    assert_eq!(left.iter().map(|run| run.id).collect::<Vec<_>>(), [young, long]);
    assert_eq!(store.changes_of(finished, None, 9).await.unwrap(), []);
    assert_eq!(store.changes_of(young, None, 9).await.unwrap().len(), 1);
    assert_eq!(store.forget_runs("2027-01-01T00:00:00.000Z").await.unwrap(), 2);
    assert_eq!(all(store).await, []);
    let next = store.begin_run(&new_run("x")).await.unwrap();
    assert!(next > young, "an old plan to undo must not meet another run");
    assert_eq!(store.changes_of(next, None, 9).await.unwrap(), []);
    // More than are forgotten in one go.
    for _ in 0..1200 {
        store.begin_run(&new_run("x")).await.unwrap();
    }
    assert_eq!(store.forget_runs("2027-01-01T00:00:00.000Z").await.unwrap(), 1201);
}

pub async fn a_run_that_changed_nothing_is_kept_with_its_end(store: &dyn Store) {
    let refused = RunEnd { status: Some(409), outcome: Some("there is one".to_owned()), ..ended(Ending::Refused) };
    let nobody = Some(About { id: None, ..about(Verb::Create, Kind::User, "Ada") });
    let create = NewRun { about: nobody.clone(), ..new_run("create") };
    let run = store.keep_run(&create, &refused).await.unwrap();
    let kept = store.run(run).await.unwrap().unwrap();
    assert_eq!(kept.about, nobody);
    assert_eq!((kept.standing, kept.status), (Standing::Ended(Ending::Refused), Some(409)));
    assert_eq!((kept.outcome, kept.finished, kept.milliseconds), (refused.outcome, Some(LATER.to_owned()), Some(4)));
    for ending in [Ending::Done, Ending::Refused, Ending::PutOff, Ending::Failed] {
        let run = store.keep_run(&new_run("x"), &ended(ending)).await.unwrap();
        assert_eq!(store.run(run).await.unwrap().unwrap().standing, Standing::Ended(ending));
    }
    for verb in [Verb::Create, Verb::Replace, Verb::Patch, Verb::Delete] {
        let told = about(verb, Kind::Group, "Staff");
        let run = NewRun { about: Some(told.clone()), ..new_run("x") };
        let run = store.keep_run(&run, &ended(Ending::Done)).await.unwrap();
        assert_eq!(store.run(run).await.unwrap().unwrap().about, Some(told));
    }
}

pub async fn runs_are_found_by_whatever_is_known_of_them(store: &dyn Store) {
    let at = |number: u8| format!("2026-01-0{number}T00:00:00.000Z");
    let requester = |token: &str, request: &str| {
        Some(Requester { token: token.to_owned(), address: String::new(), request: request.to_owned() })
    };
    let begin = async |number: u8, about, requester| {
        let run = NewRun { started: at(number), about, requester, ..new_run("x") };
        store.begin_run(&run).await.unwrap()
    };
    let created = begin(1, Some(about(Verb::Create, Kind::User, "Ada")), requester("entra", "r-1")).await;
    store.note_change(created, &noted(1)).await.unwrap();
    store.end_run(created, &ended(Ending::Done)).await.unwrap();
    let nobody = Some(About { id: None, ..about(Verb::Create, Kind::User, "ADA") });
    let refused = NewRun { started: at(2), about: nobody, requester: requester("other", "r-2"), ..new_run("x") };
    let refused = store.keep_run(&refused, &ended(Ending::Refused)).await.unwrap();
    let renamed = begin(3, Some(about(Verb::Patch, Kind::Group, "Ada")), None).await;
    let moved = Change::Rename {
        dn: "cn=a,dc=x".parse().unwrap(),
        new_rdn: "cn=b".parse::<scimbridge::directory::Dn>().unwrap().rdn().unwrap().clone(),
        new_parent: None,
    };
    let moved = NotedChange { resource: Some(id("staff")), change: moved, ..noted(0) };
    store.note_change(renamed, &moved).await.unwrap();
    let many = NewRun { origin: Origin::Reconcile, started: at(4), ..new_run("x") };
    let many = store.begin_run(&many).await.unwrap();
    store.note_change(many, &noted(3)).await.unwrap();
    store.end_run(many, &ended(Ending::Failed)).await.unwrap();

    let nothing = RunFilter::default;
    let subject = |ids: &[&str], name: Option<(Kind, &str)>| RunFilter {
        subject: Some(RunSubject {
            ids: ids.iter().map(|text| id(text)).collect(),
            name: name.map(|(kind, name)| (kind, name.to_owned())),
        }),
        ..nothing()
    };
    let dn = |dn: &str| RunFilter { dn: Some(dn.parse().unwrap()), ..nothing() };
    for (filter, expected) in [
        (nothing(), vec![many, renamed, refused, created]),
        (RunFilter { after: Some(refused), ..nothing() }, vec![many, renamed]),
        (RunFilter { troubled: true, ..nothing() }, vec![many, renamed, refused]),
        (RunFilter { open: true, ..nothing() }, vec![renamed]),
        (RunFilter { changed: true, ..nothing() }, vec![many, renamed, created]),
        (RunFilter { since: Some(at(3)), ..nothing() }, vec![many, renamed]),
        (RunFilter { since: Some(at(9)), ..nothing() }, vec![]),
        (RunFilter { token: Some("other".to_owned()), ..nothing() }, vec![refused]),
        (RunFilter { request: Some("r-1".to_owned()), ..nothing() }, vec![created]),
        (RunFilter { origin: Some(Origin::Push), ..nothing() }, vec![renamed, refused, created]),
        (RunFilter { origin: Some(Origin::Reconcile), ..nothing() }, vec![many]),
        (subject(&["ada"], None), vec![many, created]),
        (subject(&["Ada"], None), vec![renamed, created]),
        (subject(&[], Some((Kind::User, "aDa"))), vec![refused, created]),
        (subject(&[], Some((Kind::Group, "Ada"))), vec![renamed]),
        (subject(&[], Some((Kind::Group, "ADA"))), vec![]),
        (subject(&["staff"], None), vec![renamed]),
        (RunFilter { troubled: true, ..subject(&["ada"], None) }, vec![many]),
        (dn("CN=s\u{f6}hne\\2C  x,DC=x"), vec![many, created]),
        (dn("cn=A,dc=x"), vec![renamed]),
        (dn("cn=B,dc=x"), vec![renamed]),
        (dn("dc=x"), vec![]),
        (RunFilter { dn: Some("cn=b,dc=x".parse().unwrap()), ..subject(&["ada"], None) }, vec![]),
    ] {
        let expected: Vec<i64> = expected.into_iter().map(|run: RunId| run.0).collect();
        assert_eq!(found(store, filter.clone()).await, expected, "{filter:?}");
    }
    assert_eq!(store.formerly_named(Kind::User, "ada").await.unwrap(), [id("Ada")]);
    assert_eq!(store.formerly_named(Kind::Group, "ada").await.unwrap(), []);
    store.note_change(created, &NotedChange { resource: Some(id("bob")), ..noted(2) }).await.unwrap();
    let logged = async |resource: Option<&str>, limit| {
        let resource = resource.map(id);
        let changes = store.logged_changes(created, resource.as_ref(), limit).await.unwrap();
        changes.into_iter().map(|change| (change.position, change.undone)).collect::<Vec<_>>()
    };
    store.note_undone(created, 1).await.unwrap();
    assert_eq!(logged(None, 9).await, [(1, true), (2, false)]);
    assert_eq!((logged(None, 1).await, logged(Some("bob"), 9).await), (vec![(1, true)], vec![(2, false)]));
}

pub async fn what_takes_old_runs_back_is_forgotten_and_the_rest_stays(store: &dyn Store) {
    let begin = async |started: &str| {
        let run = NewRun { started: started.to_owned(), ..new_run("x") };
        let run = store.begin_run(&run).await.unwrap();
        store.note_change(run, &noted(1)).await.unwrap();
        run
    };
    let old = begin("2026-01-01T00:00:00.000Z").await;
    let young = begin("2026-01-05T00:00:00.000Z").await;
    let lost = async |run| {
        let (_, noted) = store.changes_of(run, None, 9).await.unwrap().pop().unwrap();
        (noted.reverse.len(), noted.lost.unwrap().contains("kept no longer"))
    };
    for forgotten in [1, 0] {
        assert_eq!(store.forget_reverses("2026-01-03T00:00:00.000Z").await.unwrap(), forgotten);
        assert_eq!((lost(old).await, lost(young).await), ((0, true), (2, false)));
    }
    assert_eq!(store.forget_reverses("2026-01-09T00:00:00.000Z").await.unwrap(), 1);
    assert_eq!((lost(old).await, lost(young).await), ((0, true), (0, true)));
    assert_eq!(store.run(old).await.unwrap().unwrap().changes, 1, "that it was done is told still");
}

pub async fn the_oldest_runs_are_forgotten_where_all_are_too_large(store: &dyn Store) {
    let mut runs = Vec::new();
    for _ in 0..800 {
        let run = store.begin_run(&new_run(&"x".repeat(500))).await.unwrap();
        store.note_change(run, &noted(1)).await.unwrap();
        runs.push(run.0);
    }
    assert_eq!(store.forget_runs_beyond(1_000_000_000).await.unwrap(), 0);
    let forgotten = store.forget_runs_beyond(500_000).await.unwrap();
    assert!((200..700).contains(&forgotten), "{forgotten}");
    let left = found(store, RunFilter { after: None, ..RunFilter::default() }).await;
    assert_eq!(left.first(), runs.last(), "the latest stay");
    assert_eq!(store.forget_runs_beyond(500_000).await.unwrap(), 0);
    assert_eq!(store.forget_runs_beyond(0).await.unwrap(), 800 - forgotten);
    assert!(store.begin_run(&new_run("x")).await.unwrap().0 > *runs.last().unwrap());
}

//! The program ends itself between intent, apply and record, as a power cut would end it. What Entra asked for is then
//! made good by the next start, and the end is the same as if nothing had happened.

use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::{Value, json};

use crate::support::app::{CrashAt, TestApp, dn};
use crate::support::entra::{self, ENTERPRISE, group_with, person, person_with};
use crate::support::slapd::Flavor;
use crate::support::{wait_for, wait_until_equal};

/// Who is there before something happens: Ada, Bob whose manager she is, Staff with both, Board with Ada alone, and
/// a second SCIM group that shares the entry of Staff.
struct Cast {
    ada: String,
    bob: String,
    staff: String,
    board: String,
    twin: String,
}

fn cast(app: &TestApp) -> Cast {
    let ada = app.user("ada");
    let bob = app.create_user(&person_with("bob", json!({ENTERPRISE: {"manager": ada}})));
    let staff = app.create_group_with(&group_with("Staff", "entra-1", &[&ada, &bob]));
    let board = app.create_group_with(&group_with("Board", "entra-2", &[&ada]));
    let twin = app.create_group_with(&group_with("Staff", "entra-3", &[&bob]));
    Cast { ada, bob, staff, board, twin }
}

struct Request {
    method: &'static str,
    target: String,
    body: Value,
}

impl Request {
    fn new(method: &'static str, target: String, body: Value) -> Self {
        Self { method, target, body }
    }

    fn patch(target: String, operations: Value) -> Self {
        Self::new("PATCH", target, entra::patch(operations))
    }
}

/// Makes a request in an untroubled run, then in one that ends at each point, and compares both ends. `status` is the
/// untroubled answer, `again` the answer to the same request when it is sent once more after the repair: a creation that nobody heard
/// of is answered as if it had just been made.
fn survives(request: impl Fn(&Cast) -> Request, status: u16, again: u16) {
    // Without overlays that would repair references themselves.
    let app = TestApp::start_on(Flavor::Plain);
    let Request { method, target, body } = request(&cast(&app));
    app.request(method, &target, Some(&body)).expect(status);
    let untroubled = app.view();
    drop(app);

    for point in [CrashAt::Intent, CrashAt::Apply, CrashAt::Record] {
        eprintln!("ending at {point:?}");
        let app = TestApp::start_on(Flavor::Plain);
        let Request { method, target, body } = request(&cast(&app));
        app.restart_to_crash(point);
        let answer = app.try_request(method, &target, Some(body.to_string().as_bytes()));
        assert!(answer.is_err(), "no answer before the end, but {answer:?}");
        assert!(!app.wait_exit().success());

        app.restart();
        wait_until_equal("the repair after a crash", &untroubled, || app.view());
        app.request(method, &target, Some(&body)).expect(again);
        assert_eq!(app.view(), untroubled, "sent again after the crash at {point:?}");
    }
}

#[test]
fn creating_a_user() {
    let cyd = |cast: &Cast| person_with("cyd", json!({ENTERPRISE: {"manager": cast.ada}, "active": false}));
    survives(|cast| Request::new("POST", "/Users".into(), cyd(cast)), 201, 201);
}

#[test]
fn changing_and_renaming_a_user_who_is_in_groups() {
    let operations = json!([
        {"op": "Replace", "path": "userName", "value": "ada.king@contoso.com"},
        {"op": "Replace", "path": "title", "value": "Countess"}
    ]);
    survives(|cast| Request::patch(format!("/Users/{}", cast.ada), operations.clone()), 200, 200);
}

#[test]
fn disabling_a_user() {
    let operations = json!([{"op": "Replace", "path": "active", "value": "False"}]);
    survives(|cast| Request::patch(format!("/Users/{}", cast.ada), operations.clone()), 200, 200);
}

#[test]
fn deleting_a_user_who_is_in_groups() {
    survives(|cast| Request::new("DELETE", format!("/Users/{}", cast.ada), json!({})), 204, 404);
}

#[test]
fn creating_a_group_with_members() {
    survives(
        |cast| Request::new("POST", "/Groups".into(), group_with("Crew", "entra-9", &[&cast.ada, &cast.bob])),
        201,
        201,
    );
}

#[test]
fn creating_a_group_that_shares_an_entry() {
    survives(|cast| Request::new("POST", "/Groups".into(), group_with("Board", "entra-9", &[&cast.bob])), 201, 201);
}

#[test]
fn adding_a_member() {
    survives(|cast| Request::patch(format!("/Groups/{}", cast.board), entra::add_members(&[&cast.bob])), 204, 204);
}

#[test]
fn removing_the_last_member() {
    survives(|cast| Request::patch(format!("/Groups/{}", cast.board), entra::remove_members(&[&cast.ada])), 204, 204);
}

#[test]
fn renaming_a_group_and_changing_its_members() {
    let operations = |cast: &Cast| {
        json!([
            {"op": "Replace", "path": "displayName", "value": "Council"},
            {"op": "Add", "path": "members", "value": [{"value": cast.bob}]},
            {"op": "Remove", "path": "members", "value": [{"value": cast.ada}]}
        ])
    };
    survives(|cast| Request::patch(format!("/Groups/{}", cast.board), operations(cast)), 204, 204);
}

#[test]
fn renaming_a_group_away_from_a_shared_entry() {
    let operations = json!([{"op": "Replace", "path": "displayName", "value": "Crew"}]);
    survives(|cast| Request::patch(format!("/Groups/{}", cast.twin), operations.clone()), 204, 204);
}

#[test]
fn deleting_a_group() {
    survives(|cast| Request::new("DELETE", format!("/Groups/{}", cast.board), json!({})), 204, 404);
}

#[test]
fn deleting_a_group_that_shares_an_entry() {
    survives(|cast| Request::new("DELETE", format!("/Groups/{}", cast.staff), json!({})), 204, 404);
}

#[test]
fn a_kill_amid_many_requests_loses_nothing_that_was_answered() {
    let app = TestApp::start();
    let names: Vec<String> = (0..24).map(|number| format!("user{number:02}")).collect();
    let answered = AtomicUsize::new(0);
    let created: Vec<Option<String>> = std::thread::scope(|scope| {
        let senders: Vec<_> = names
            .chunks(6)
            .map(|share| {
                let (app, answered) = (&app, &answered);
                let address = app.address();
                scope.spawn(move || {
                    let create = |name: &String| {
                        let answer = app
                            .try_request_at(address, "POST", "/Users", Some(person(name).to_string().as_bytes()))
                            .ok()?;
                        answered.fetch_add(1, Ordering::Relaxed);
                        let answer = answer.expect(201).json();
                        Some(answer["id"].as_str().unwrap().to_owned())
                    };
                    share.iter().map(create).collect::<Vec<_>>()
                })
            })
            .collect();
        wait_for("a third to be answered", || (answered.load(Ordering::Relaxed) > names.len() / 3).then_some(()));
        app.kill();
        // What is in a transaction then may take slapd 2.5 along (see `ldap::batch`).
        if !app.slapd.answers() {
            app.slapd.kill();
            app.slapd.start_again();
        }
        senders.into_iter().flat_map(|sender| sender.join().unwrap()).collect()
    });

    app.restart();
    for (name, id) in names.iter().zip(&created) {
        if let Some(id) = id {
            assert_eq!(app.read_user(id)["userName"], format!("{name}@contoso.com"), "what was answered is kept");
            assert!(app.slapd.entry(&dn(name)).is_some(), "and stands in the directory");
        }
    }
    for name in &names {
        let answer = app.post("/Users", &person(name));
        assert!([201, 409].contains(&answer.status), "{}", answer.text());
    }
    wait_for("all to be there once", || {
        let list = app.get("/Users?count=1000").expect(200).json();
        (list["totalResults"] == names.len()).then_some(())
    });
    assert_eq!(app.slapd.entries("ou=people").len(), names.len() + 1, "the people and their branch");
}

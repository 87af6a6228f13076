//! Changes that wait for each other go to the directory in one transaction: each is answered for itself all the same, and
//! what the directory holds at the end is what it would hold if each had gone alone.

use std::thread;

use serde_json::{Value, json};

use crate::support::app::{TestApp, dn};
use crate::support::entra::{person, person_with};
use crate::support::http::Answer;
use crate::support::metrics::shown;
use crate::support::slapd::{ADMIN_PASSWORD, Flavor, Slapd};
use crate::support::wait_for;
use crate::support::workplace::Settings;

const CLIENTS: usize = 16;
const BRIDGE: &str = "cn=bridge,dc=example,dc=org";

fn names(many: usize) -> Vec<String> {
    (0..many).map(|number| format!("user{number:03}")).collect()
}

/// Sends a request for each item, from several clients at once, and returns the answers in the order of the items.
fn at_once<I: Sync>(items: &[I], send: impl Fn(&I) -> Answer + Sync) -> Vec<Answer> {
    let share = items.len().div_ceil(CLIENTS);
    thread::scope(|scope| {
        let send = &send;
        let clients: Vec<_> =
            items.chunks(share).map(|items| scope.spawn(move || items.iter().map(send).collect::<Vec<_>>())).collect();
        clients.into_iter().flat_map(|client| client.join().unwrap()).collect()
    })
}

/// With transactions, which nobody has who does not ask for them.
fn in_transactions() -> Settings {
    Settings::default().variable("SCIMBRIDGE__LDAP__TRANSACTIONS", "unsafe")
}

fn start(settings: Settings) -> TestApp {
    let app = TestApp::start_with(Flavor::AsShipped, shown(settings));
    // slapd loses what a database has never held before when a transaction with it is taken back.
    let first = app.user("first");
    app.patch_user(&first, &title("First"));
    app
}

fn transactions(app: &TestApp, outcome: &str) -> f64 {
    app.metrics().sum("scimbridge_ldap_transactions_total", &[&format!("outcome=\"{outcome}\"")])
}

fn changes(app: &TestApp) -> f64 {
    app.metrics().sum("scimbridge_ldap_transaction_changes_total", &[])
}

fn title(value: &str) -> Value {
    json!([{"op": "Add", "path": "title", "value": value}])
}

#[test]
fn many_at_once_go_together_and_each_is_answered() {
    let app = start(in_transactions());
    let names = names(160);
    let answers = at_once(&names, |name| app.post("/Users", &person(name)));
    let ids: Vec<String> = answers.into_iter().map(|answer| app.know(&answer.expect(201).json())).collect();
    assert!(changes(&app) > 2.0 * transactions(&app, "committed"), "{}", app.metrics().text);
    let before = changes(&app);
    let pairs: Vec<(&String, &String)> = ids.iter().zip(&names).collect();
    for answer in at_once(&pairs, |(id, name)| app.patch(&format!("/Users/{id}"), &title(name))) {
        answer.expect(200);
    }
    assert!(changes(&app) > before, "changes of entries go together too");
    for (id, name) in pairs {
        assert_eq!(app.read_user(id)["title"], **name);
        assert_eq!(app.slapd.values(&dn(name), "title"), [name.as_str()]);
    }
    let metrics = app.metrics();
    let added = metrics.sum("scimbridge_ldap_operations_total", &["operation=\"add\"", "result=\"success\""]);
    assert_eq!(added, 161.0, "each is counted once");
    assert_eq!(metrics.sum("scimbridge_ldap_transactions_total", &[]), transactions(&app, "committed"));
}

#[test]
fn one_that_is_refused_hears_so_and_the_others_are_made() {
    let app = start(in_transactions());
    let names = names(160);
    // One is there, and nobody has told the bridge of it.
    let taken = dn(&names[77]);
    app.slapd.by_hand(&format!(
        "dn: {taken}\nobjectClass: inetOrgPerson\nuid: {}@contoso.com\nuid: other\ncn: x\nsn: y\n",
        names[77]
    ));
    // What the schema's syntax does not allow.
    let create = |name: &String| match name.as_str() {
        "user033" => app.post("/Users", &person_with(name, json!({"emails": [{"type": "work", "value": "åsa@x"}]}))),
        _ => app.post("/Users", &person(name)),
    };
    for (name, answer) in names.iter().zip(at_once(&names, create)) {
        match name.as_str() {
            "user033" => _ = answer.refuses(400, "invalidValue", &["emails"]),
            "user077" => assert_ne!(answer.status, 503, "{}", answer.text()),
            _ => {
                answer.expect(201);
                assert!(app.slapd.entry(&dn(name)).is_some(), "{name}");
            }
        }
    }
    assert!(app.slapd.entry(&dn("user033")).is_none());
    assert!(changes(&app) > 0.0);
}

/// What both sides hold after the same requests of several clients.
fn end_of(settings: Settings) -> (String, f64) {
    let app = start(settings);
    let names = names(60);
    let answers = at_once(&names, |name| app.post("/Users", &person(name)));
    let ids: Vec<String> = answers.into_iter().map(|answer| app.know(&answer.expect(201).json())).collect();
    let staff = app.create_group("Staff");
    at_once(&ids, |id| {
        let user = format!("/Users/{id}");
        app.patch(&user, &title("Countess")).expect(200);
        app.patch(&format!("/Groups/{staff}"), &crate::support::entra::add_members(&[id])).expect(204);
        app.patch(&user, &json!([{"op": "Replace", "path": "active", "value": "False"}])).expect(200);
        app.patch(&user, &json!([{"op": "Remove", "path": "title"}]))
    });
    (app.view(), app.metrics().sum("scimbridge_ldap_transactions_total", &[]))
}

#[test]
fn together_or_alone_the_end_is_the_same() {
    let (together, transactions) = end_of(in_transactions());
    let (alone, none) = end_of(Settings::default());
    assert_eq!(together, alone);
    assert!(transactions > 0.0);
    assert_eq!(none, 0.0);
}

#[test]
fn who_may_not_see_its_connection_sends_one_by_one() {
    let slapd = Slapd::start(Flavor::AsShipped);
    slapd.by_hand(&format!(
        "dn: {BRIDGE}\nobjectClass: organizationalRole\nobjectClass: simpleSecurityObject\ncn: bridge\n\
         userPassword: {ADMIN_PASSWORD}\n"
    ));
    slapd.reconfigure(&format!(
        "limits dn.exact=\"{BRIDGE}\" size=unlimited\naccess to *\n    by dn.exact=\"{BRIDGE}\" write\n    by * break\n"
    ));
    let settings = shown(in_transactions().variable("SCIMBRIDGE__LDAP__BIND_DN", BRIDGE));
    let app = TestApp::start_before(slapd, &settings);
    for answer in at_once(&names(80), |name| app.post("/Users", &person(name))) {
        answer.expect(201);
    }
    assert_eq!(app.metrics().sum("scimbridge_ldap_transactions_total", &[]), 0.0);
    let checked = app.workplace.run(&["check"]).succeeds().stdout;
    assert!(checked.contains("sent one by one: transactions are safe only for who sees its own"), "{checked}");
}

#[test]
fn a_directory_that_dies_among_many_has_what_was_answered() {
    let app = start(in_transactions());
    let names = names(240);
    let answers = thread::scope(|scope| {
        let sending = scope.spawn(|| at_once(&names, |name| app.post("/Users", &person(name))));
        wait_for("some transactions", || (transactions(&app, "committed") >= 3.0).then_some(()));
        app.slapd.kill();
        app.slapd.start_again();
        sending.join().unwrap()
    });
    for (name, answer) in names.iter().zip(answers) {
        match answer.status {
            201 => assert!(app.slapd.entry(&dn(name)).is_some(), "{name} was answered"),
            503 => {}
            other => panic!("{name}: {other} {}", answer.text()),
        }
        wait_for("all to be there", || app.slapd.entry(&dn(name)).map(|_| ()));
    }
}

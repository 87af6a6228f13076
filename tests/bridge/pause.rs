//! An administrator at work: Entra is told to come again later, and all that the administrator needs goes on.

use std::io::Write as _;
use std::net::TcpStream;
use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::Value;

use crate::support::app::{TestApp, dn};
use crate::support::entra::person;
use crate::support::http::{Answer, read_one};
use crate::support::slapd::{Flavor, SUFFIX};
use crate::support::wait_for;
use crate::support::workplace::Settings;

fn ready(app: &TestApp) -> (u16, Value) {
    let mut stream = TcpStream::connect(app.address()).unwrap();
    write!(stream, "GET /readyz HTTP/1.1\r\nHost: 10.0.0.1\r\n\r\n").unwrap();
    let answer = read_one(&mut stream).unwrap();
    (answer.status, answer.json()["paused"].clone())
}

/// Waits for the pause to be seen, which takes a moment.
fn refused(app: &TestApp) -> Answer {
    wait_for("requests to be put off", || Some(app.get("/Users")).filter(|answer| answer.status == 503)).expect(503)
}

fn answered(app: &TestApp) {
    wait_for("requests to be answered again", || (app.get("/Users").status == 200).then_some(()));
}

fn retry_after(answer: &Answer) -> u64 {
    answer.header("retry-after").unwrap().parse().unwrap()
}

#[test]
fn while_paused_entra_waits_and_the_administrator_works() {
    let app = TestApp::start();
    let ada = app.user("ada");
    let said = app.workplace.run(&["pause", "--for", "20m", "--reason", "moving the directory"]).succeeds();
    assert!(said.stdout.starts_with("paused until 2") && said.stdout.contains("moving the directory"), "{said:#?}");
    let heard = refused(&app);
    assert!(heard.text().contains("moving the directory"), "{}", heard.text());
    assert!((1_000..=1_200).contains(&retry_after(&heard)), "{}", retry_after(&heard));
    app.post("/Users", &person("bob")).expect(503);
    app.delete(&format!("/Users/{ada}")).expect(503);
    assert_eq!(ready(&app), (200, Value::Bool(true)), "who watches the service leaves it alone");
    let without_token = b"GET /scim/v2/Users HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
    app.raw(without_token).unwrap().expect(401);

    let checked = app.workplace.run(&["check"]);
    assert!(checked.stdout.contains("is paused") && checked.stdout.contains("moving the directory"), "{checked:#?}");
    app.slapd.by_hand(&format!("dn: {}\nchangetype: modify\nreplace: sn\nsn: Drifted\n", dn("ada")));
    app.workplace.run(&["reconcile"]).succeeds();
    assert_ne!(app.slapd.values(&dn("ada"), "sn"), ["Drifted"], "reconcile works while paused");

    // It outlives a new start.
    app.restart();
    app.get("/Users").expect(503);
    assert_eq!(app.workplace.run(&["resume"]).succeeds().stdout, "resumed\n");
    answered(&app);
    assert_eq!(ready(&app), (200, Value::Bool(false)));
    assert_eq!(app.workplace.run(&["resume"]).succeeds().stdout, "was not paused\n");
    let checked = app.workplace.run(&["check"]);
    assert!(!checked.stdout.contains("paused"), "{checked:#?}");
    let log = app.log();
    assert!(log.contains("paused until") && log.contains("resumed: "), "{log}");
    assert!(log.contains("moving the directory") && !log.contains(SUFFIX), "{log}");
}

#[test]
fn a_pause_ends_by_itself_or_when_somebody_says_so() {
    let app = TestApp::start();
    app.workplace.run(&["pause", "--for", "2s"]).succeeds();
    wait_for("the log to say that it is over", || app.log().contains("resumed: ").then_some(()));
    assert!(app.log().contains("paused until 2"), "{}", app.log());
    app.get("/Users").expect(200);
    let said = app.workplace.run(&["pause"]).succeeds();
    assert_eq!(said.stdout, "paused until it is resumed\n");
    assert_eq!(retry_after(&refused(&app)), 300);
    // The last word counts.
    app.workplace.run(&["pause", "--for", "3h"]).succeeds();
    wait_for("the new end", || (retry_after(&refused(&app)) == 3_600).then_some(()));
    app.workplace.run(&["resume"]).succeeds();
    answered(&app);

    for wrong in [&["pause", "--for", "soon"][..], &["pause", "--for", "0s"], &["pause", "--reason", "two\nlines"]] {
        app.workplace.run(wrong).fails_naming(&[]);
    }
    app.get("/Users").expect(200);
}

#[test]
fn the_schedule_does_nothing_while_paused() {
    // The next full minute is less than half a minute away.
    let seconds = || SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs() % 60;
    wait_for("the second half of a minute", || (seconds() >= 30).then_some(()));
    let settings = Settings::default().variable("SCIMBRIDGE__RECONCILE__SCHEDULE", "* * * * *");
    let app = TestApp::start_with(Flavor::AsShipped, settings);
    app.user("ada");
    app.workplace.run(&["pause"]).succeeds();
    app.slapd.by_hand(&format!("dn: {}\nchangetype: modify\nreplace: sn\nsn: Drifted\n", dn("ada")));
    wait_for("the schedule to come", || app.log().contains("not reconciled: paused until").then_some(()));
    assert_eq!(app.slapd.values(&dn("ada"), "sn"), ["Drifted"]);
}

#[test]
fn what_is_pending_waits_too() {
    let app = TestApp::start();
    app.slapd.stop();
    app.post("/Users", &person("ada")).expect(503);
    app.workplace.run(&["pause"]).succeeds();
    refused(&app);
    app.slapd.start_again();
    // Whoever settles looks for work at once after a start.
    let answers = || app.log().matches("the directory answers").count();
    let before = answers();
    app.restart();
    wait_for("the directory to be seen again", || (answers() > before).then_some(()));
    app.get("/Users").expect(503);
    assert!(app.slapd.entry(&dn("ada")).is_none());
    app.workplace.run(&["resume"]).succeeds();
    wait_for("it to be made", || app.slapd.entry(&dn("ada")));
}

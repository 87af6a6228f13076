//! Whether the service is alive and can do its work, as a load balancer asks.

use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::process::Stdio;

use serde_json::{Value, json};

use crate::support::app::TestApp;
use crate::support::http::{Answer, read_one};
use crate::support::slapd::{ADMIN_PASSWORD, SUFFIX};
use crate::support::wait_for;
use crate::support::workplace::{Settings, Workplace};

fn ask(address: SocketAddr, path: &str) -> Answer {
    let mut stream = TcpStream::connect(address).unwrap();
    write!(stream, "GET {path} HTTP/1.1\r\nHost: 10.0.0.1\r\n\r\n").unwrap();
    read_one(&mut stream).unwrap()
}

fn ready(app: &TestApp) -> (u16, Value) {
    let answer = ask(app.address(), "/readyz");
    assert_eq!(answer.header("content-type"), Some("application/json"));
    for secret in [SUFFIX, "cn=", "ldap", ADMIN_PASSWORD, "scimbridge.db", &app.token] {
        assert!(!answer.text().contains(secret), "{secret}: {}", answer.text());
    }
    (answer.status, answer.json())
}

fn well() -> (u16, Value) {
    (200, json!({"status": "ready", "store": "ok", "directory": "ok", "paused": false}))
}

#[test]
fn a_service_that_is_well_says_so_and_the_log_does_not() {
    let app = TestApp::start();
    assert_eq!(ready(&app), well());
    let alive = ask(app.address(), "/healthz");
    assert_eq!((alive.status, alive.json()), (200, json!({"status": "alive"})));
    for path in ["/healthz", "/readyz"] {
        let mut stream = TcpStream::connect(app.address()).unwrap();
        write!(stream, "HEAD {path} HTTP/1.1\r\nHost: 10.0.0.1\r\nConnection: close\r\n\r\n").unwrap();
        let mut heard = String::new();
        stream.read_to_string(&mut heard).unwrap();
        assert!(heard.starts_with("HTTP/1.1 200 ") && heard.ends_with("\r\n\r\n"), "{heard}");
    }
    assert!(!app.log().contains("/readyz") && !app.log().contains("/healthz"), "{}", app.log());
    ask(app.address(), "/scim/v2/healthz").expect(401);
    ask(app.address(), "/healthz/x").expect(401);
}

#[test]
fn what_is_not_well_is_named() {
    let app = TestApp::start();
    assert_eq!(ready(&app), well());
    let not_ready = |store: &str, directory: &str| {
        (503, json!({"status": "not ready", "store": store, "directory": directory, "paused": false}))
    };
    app.slapd.stop();
    let expected = not_ready("ok", "cannot be used");
    wait_for("readyz to name the directory", || (ready(&app) == expected).then_some(()));
    assert_eq!(ask(app.address(), "/healthz").status, 200, "the process is alive all the same");
    app.slapd.start_again();
    wait_for("all to be well again", || (ready(&app) == well()).then_some(()));

    app.slapd.pause();
    let expected = not_ready("ok", "does not answer in time");
    wait_for("readyz to give up waiting", || (ready(&app) == expected).then_some(()));
    app.slapd.resume();
    wait_for("all to be well again", || (ready(&app) == well()).then_some(()));

    fs::rename(app.workplace.path("scimbridge.db"), app.workplace.path("away.db")).unwrap();
    let expected = not_ready("cannot be used", "ok");
    wait_for("readyz to name the store", || (ready(&app) == expected).then_some(()));
    fs::rename(app.workplace.path("away.db"), app.workplace.path("scimbridge.db")).unwrap();
    wait_for("all to be well again", || (ready(&app) == well()).then_some(()));
    assert!(app.log().contains("what the service stands on has changed"), "{}", app.log());
}

#[test]
fn who_asks_often_costs_the_directory_nothing() {
    let app = TestApp::start();
    app.slapd.pause();
    // Each would wait for two seconds.
    let asking: Vec<_> = (0..100)
        .map(|_| {
            let mut stream = TcpStream::connect(app.address()).unwrap();
            write!(stream, "GET /readyz HTTP/1.1\r\nHost: 10.0.0.1\r\n\r\n").unwrap();
            stream
        })
        .collect();
    for mut stream in asking {
        assert_eq!(read_one(&mut stream).unwrap().status, 503);
    }
    app.slapd.resume();
    app.get("/Users").expect(200);
}

#[test]
fn a_service_at_the_root_is_asked_in_the_same_way() {
    let settings = Settings::default().variable("SCIMBRIDGE__SERVER__BASE_URL", "http://bridge.test");
    let place = Workplace::new(&settings, "ldap://127.0.0.1:1");
    let token = place.create_token("entra");
    let mut child = place.command(&["serve"]).stdout(Stdio::piped()).spawn().unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
    let address: SocketAddr = line.trim().strip_prefix("listening on http://").unwrap().parse().unwrap();
    let statuses = ["/healthz", "/readyz", "/Users", "/"].map(|path| ask(address, path).status);
    let mut stream = TcpStream::connect(address).unwrap();
    write!(stream, "GET /Users HTTP/1.1\r\nHost: bridge.test\r\nAuthorization: Bearer {token}\r\n\r\n").unwrap();
    let users = read_one(&mut stream).unwrap().status;
    child.kill().unwrap();
    child.wait().unwrap();
    assert_eq!((statuses, users), ([200, 503, 401, 401], 200));
}

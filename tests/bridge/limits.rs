//! What the internet sends: too much, too slowly, with guessed tokens, from elsewhere. The service goes on for the others.

use std::io::{self, Read as _, Write as _};
use std::net::{Shutdown, TcpStream};
use std::time::Duration;

use crate::support::app::TestApp;
use crate::support::entra::person;
use crate::support::http::{Answer, connect_from, read_one};
use crate::support::slapd::Flavor;
use crate::support::wait_for;
use crate::support::workplace::Settings;

const LOCAL: &str = "127.0.0.1";

fn start(variables: &[(&str, &str)]) -> TestApp {
    let settings = variables.iter().fold(Settings::default(), |settings, (name, value)| settings.variable(name, value));
    TestApp::start_with(Flavor::AsShipped, settings)
}

/// A GET with these header lines, which end in `\r\n`.
fn request(token: &str, lines: &str) -> String {
    format!("GET /scim/v2/Users HTTP/1.1\r\nHost: bridge.test\r\nAuthorization: Bearer {token}\r\n{lines}\r\n")
}

fn ask(app: &TestApp, source: &str, token: &str, lines: &str) -> Answer {
    let mut stream = connect_from(source, app.address());
    stream.write_all(request(token, lines).as_bytes()).unwrap();
    read_one(&mut stream).unwrap_or_else(|error| panic!("from {source}: {error}"))
}

#[track_caller]
fn retry_after(answer: &Answer) -> u64 {
    let after =
        answer.header("retry-after").unwrap_or_else(|| panic!("{} says when: {}", answer.status, answer.text()));
    after.parse().unwrap_or_else(|_| panic!("a number of seconds: {after:?}"))
}

#[test]
fn a_head_that_is_too_large_is_431() {
    let app = start(&[]);
    let large = format!("X-Padding: {}\r\n", "x".repeat(200_000));
    let many: String = (0..101).map(|number| format!("X-{number}: x\r\n")).collect();
    for lines in [large, many] {
        let answer = app.raw(request(&app.token, &lines).as_bytes()).unwrap();
        assert_eq!(answer.status, 431, "{}", answer.text());
    }
    // A token that is a JWT with many claims is no attack.
    let much = format!("X-Padding: {}\r\n", "x".repeat(20_000));
    ask(&app, LOCAL, &app.token, &much).expect(200);
}

/// Sends a byte now and then until nobody listens any more.
fn trickle(mut stream: TcpStream, bytes: &[u8]) {
    let mut writer = stream.try_clone().unwrap();
    let bytes = bytes.to_vec();
    let sending = std::thread::spawn(move || {
        for byte in bytes.iter().cycle() {
            if writer.write_all(&[*byte]).is_err() {
                return;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    });
    let mut heard = Vec::new();
    let end = stream.read_to_end(&mut heard);
    assert!(end.is_ok() || end.is_err_and(|error| error.kind() == io::ErrorKind::ConnectionReset));
    assert_eq!(heard, b"", "{}", String::from_utf8_lossy(&heard));
    stream.shutdown(Shutdown::Both).ok();
    sending.join().unwrap();
}

#[test]
fn who_sends_a_head_too_slowly_is_hung_up_on() {
    let app = start(&[("SCIMBRIDGE__SERVER__HEADER_TIMEOUT", "1s")]);
    trickle(connect_from(LOCAL, app.address()), b"GET /scim/v2/Users?filter=");
    trickle(connect_from(LOCAL, app.address()), b"X-Header: x\r\n");
    let mut silent = connect_from(LOCAL, app.address());
    assert_eq!(silent.read(&mut [0; 10]).unwrap(), 0, "who says nothing is hung up on too");
    // The same after a request that was answered.
    let mut stream = connect_from(LOCAL, app.address());
    stream.write_all(request(&app.token, "").as_bytes()).unwrap();
    read_one(&mut stream).unwrap().expect(200);
    trickle(stream, b"GET /scim/v2/Users?filter=");
    app.get("/Users").expect(200);
}

#[test]
fn who_sends_a_body_too_slowly_hears_408() {
    let app = start(&[("SCIMBRIDGE__SERVER__BODY_TIMEOUT", "1s")]);
    for method in ["POST /scim/v2/Users", "POST /scim/v2/Bulk", "POST /scim/v2/.search"] {
        let mut stream = connect_from(LOCAL, app.address());
        let head = format!(
            "{method} HTTP/1.1\r\nHost: bridge.test\r\nAuthorization: Bearer {}\r\nContent-Length: 100\r\n\r\n{{",
            app.token
        );
        stream.write_all(head.as_bytes()).unwrap();
        let answer = read_one(&mut stream).unwrap().expect(408);
        assert_eq!(answer.header("connection"), Some("close"));
        assert_eq!(stream.read(&mut [0; 10]).unwrap(), 0, "{method}: the connection is closed");
    }
    app.user("ada");
}

#[test]
fn a_connection_may_be_idle_for_its_time_and_no_longer() {
    let app = start(&[("SCIMBRIDGE__SERVER__IDLE_TIMEOUT", "2s"), ("SCIMBRIDGE__SERVER__HEADER_TIMEOUT", "1s")]);
    let mut stream = connect_from(LOCAL, app.address());
    for _ in 0..3 {
        stream.write_all(request(&app.token, "").as_bytes()).unwrap();
        read_one(&mut stream).unwrap().expect(200);
    }
    assert_eq!(stream.read(&mut [0; 10]).unwrap(), 0);
}

#[test]
fn an_idle_connection_does_not_keep_the_service_from_stopping() {
    let app = start(&[]);
    let mut used = connect_from(LOCAL, app.address());
    used.write_all(request(&app.token, "").as_bytes()).unwrap();
    read_one(&mut used).unwrap().expect(200);
    let mut fresh = connect_from(LOCAL, app.address());
    let mut begun = connect_from(LOCAL, app.address());
    begun.write_all(b"GET /scim").unwrap();
    app.terminate();
    for stream in [&mut used, &mut fresh] {
        assert_eq!(stream.read(&mut [0; 10]).unwrap_or_default(), 0);
    }
    drop(begun);
    assert!(app.wait_exit().success());
}

#[test]
fn who_guesses_is_not_heard_for_a_while_and_others_are() {
    let app = start(&[]);
    let (guesser, friend) = ("127.0.0.5", "127.0.0.6");
    for _ in 0..10 {
        ask(&app, guesser, "a-guess", "").expect(401);
    }
    let refused = ask(&app, guesser, "a-guess", "").expect(429);
    assert!((1..=30).contains(&retry_after(&refused)), "{}", retry_after(&refused));
    ask(&app, guesser, &app.token, "").expect(429);
    assert!(!refused.text().contains("bearer"), "{}", refused.text());
    ask(&app, friend, &app.token, "").expect(200);
    assert!(app.log().contains("nothing is heard from there"), "{}", app.log());
    // Where a good token came from somebody else's mistakes shut nobody out: both may be behind one proxy.
    for _ in 0..15 {
        ask(&app, friend, "a-mistake", "").expect(401);
    }
    ask(&app, friend, &app.token, "").expect(200);
}

#[test]
fn a_trusted_proxy_is_believed_and_nobody_else() {
    let app = start(&[("SCIMBRIDGE__SERVER__TRUSTED_PROXIES", "127.0.0.1, 10.0.0.0/8")]);
    let forwarded = |who: &str| format!("X-Forwarded-For: {who}\r\n");
    ask(&app, LOCAL, &app.token, &forwarded("203.0.113.7, 10.1.1.1")).expect(200);
    ask(&app, LOCAL, &app.token, "Forwarded: for=\"[2001:db8::1]:4711\"\r\n").expect(200);
    ask(&app, "127.0.0.9", &app.token, &forwarded("203.0.113.8")).expect(200);
    for (seen, is_there) in
        [("203.0.113.7", true), ("2001:db8::1", true), ("127.0.0.9", true), ("203.0.113.8", false), ("10.1.1.1", false)]
    {
        assert_eq!(app.log().contains(&format!("address={seen}")), is_there, "{seen}: {}", app.log());
    }
    // What stands left of what the proxy has written is the guesser's own.
    for number in 0..10 {
        ask(&app, LOCAL, "a-guess", &forwarded(&format!("198.51.100.{number}, 203.0.113.9"))).expect(401);
    }
    ask(&app, LOCAL, &app.token, &forwarded("203.0.113.9")).expect(429);
    ask(&app, LOCAL, &app.token, &forwarded("203.0.113.10")).expect(200);
    ask(&app, LOCAL, &app.token, "").expect(200);
}

#[test]
fn who_is_elsewhere_hears_so_before_the_token_is_looked_at() {
    let app = start(&[
        ("SCIMBRIDGE__AUTH__ALLOWED_NETWORKS", "127.0.0.1,198.51.100.0/24"),
        ("SCIMBRIDGE__SERVER__TRUSTED_PROXIES", "127.0.0.1"),
    ]);
    for token in [app.token.as_str(), "a-guess"] {
        for _ in 0..6 {
            ask(&app, "127.0.0.2", token, "").expect(403);
        }
    }
    assert_eq!(app.log().matches("not in auth.allowed_networks").count(), 1, "{}", app.log());
    ask(&app, LOCAL, &app.token, "").expect(200);
    ask(&app, LOCAL, &app.token, "X-Forwarded-For: 198.51.100.77\r\n").expect(200);
    ask(&app, LOCAL, &app.token, "X-Forwarded-For: 203.0.113.1\r\n").expect(403);
    // Many strangers do not fill the log.
    for number in 1..30 {
        ask(&app, LOCAL, &app.token, &format!("X-Forwarded-For: 203.0.113.{number}\r\n")).expect(403);
    }
    assert!(app.log().matches("in auth.allowed_networks").count() < 15, "{}", app.log());
    // Who watches the service is on this machine or is the proxy itself; the proxy's clients are not.
    let health = |source: &str, lines: &str| {
        let mut stream = connect_from(source, app.address());
        write!(stream, "GET /healthz HTTP/1.1\r\nHost: bridge.test\r\n{lines}\r\n").unwrap();
        read_one(&mut stream).unwrap().status
    };
    assert_eq!([health("127.0.0.2", ""), health(LOCAL, "")], [200, 200]);
    assert_eq!(health(LOCAL, "X-Forwarded-For: 203.0.113.1\r\n"), 403);
}

#[test]
fn a_token_has_its_rate() {
    let app = start(&[("SCIMBRIDGE__SERVER__RATE_LIMIT", "1"), ("SCIMBRIDGE__SERVER__RATE_BURST", "3")]);
    let other = app.workplace.create_token("other");
    let answers: Vec<Answer> = std::thread::scope(|scope| {
        let asking: Vec<_> = (0..20).map(|_| scope.spawn(|| ask(&app, LOCAL, &app.token, ""))).collect();
        asking.into_iter().map(|asking| asking.join().unwrap()).collect()
    });
    let refused: Vec<&Answer> = answers.iter().filter(|answer| answer.status == 429).collect();
    assert!(answers.iter().filter(|answer| answer.status == 200).count() >= 3);
    assert!(!refused.is_empty(), "20 at once are too many for one token");
    refused.iter().for_each(|answer| assert_eq!(retry_after(answer), 1));
    ask(&app, LOCAL, &other, "").expect(200);
    wait_for("a second to pass", || (ask(&app, LOCAL, &app.token, "").status == 200).then_some(()));
}

#[test]
fn more_requests_than_are_answered_at_a_time_come_again_later() {
    let app = start(&[("SCIMBRIDGE__SERVER__MAX_REQUESTS_IN_FLIGHT", "1"), ("SCIMBRIDGE__LDAP__TIMEOUT", "20s")]);
    app.user("ada");
    app.slapd.pause();
    std::thread::scope(|scope| {
        // Refused itself as long as one of the others is being answered.
        let creating = scope.spawn(|| {
            wait_for("Bob", || Some(app.post("/Users", &person("bob"))).filter(|answer| answer.status != 503))
        });
        let refused = wait_for("the one that waits for the directory to be all that is answered", || {
            Some(app.get("/Users")).filter(|answer| answer.status == 503)
        });
        assert_eq!(retry_after(&refused.expect(503)), 1);
        // Those without a token use nothing up, and hear what they always hear.
        ask(&app, LOCAL, "a-guess", "").expect(401);
        app.slapd.resume();
        creating.join().unwrap().expect(201);
    });
    app.get("/Users").expect(200);
}

#[test]
fn more_connections_than_there_may_be_wait_for_their_turn() {
    let app = start(&[("SCIMBRIDGE__SERVER__MAX_CONNECTIONS", "2")]);
    let [mut first, second] = [LOCAL; 2].map(|source| connect_from(source, app.address()));
    first.write_all(request(&app.token, "").as_bytes()).unwrap();
    read_one(&mut first).unwrap().expect(200);
    wait_for("the log to speak of it", || app.log().contains("server.max_connections").then_some(()));
    let mut third = connect_from(LOCAL, app.address());
    third.write_all(request(&app.token, "").as_bytes()).unwrap();
    third.set_read_timeout(Some(Duration::from_millis(300))).unwrap();
    assert!(third.read(&mut [0; 10]).is_err(), "it is not its turn");
    drop(second);
    third.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
    read_one(&mut third).unwrap().expect(200);
}

#[test]
fn a_request_keeps_the_id_that_its_client_gave_it() {
    let app = start(&[]);
    let id = |lines: &str| ask(&app, LOCAL, &app.token, lines).header("x-request-id").unwrap().to_owned();
    assert_eq!(id("X-Request-Id: from-a-proxy.1\r\n"), "from-a-proxy.1");
    assert_eq!(id("client-request-id: 5f3c\r\nrequest-id: other\r\n"), "5f3c");
    assert!(app.log().contains("from-a-proxy.1") && app.log().contains("5f3c"), "{}", app.log());
    let long = format!("X-Request-Id: {}\r\n", "x".repeat(200));
    for lines in ["", "X-Request-Id: two words\r\n", "X-Request-Id: \r\n", &long] {
        let made = id(lines);
        assert!(made.len() == 32 && made.bytes().all(|digit| digit.is_ascii_hexdigit()), "{made:?}");
    }
    let answered = app.log().lines().filter(|line| line.contains("answered")).count();
    assert_eq!(app.log().lines().filter(|line| line.contains("address=127.0.0.1")).count(), answered);
}

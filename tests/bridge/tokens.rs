//! Tokens: what each may do, for how long, who used it when, and how one is replaced while Entra works.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use serde_json::{Value, json};

use crate::auth::ask;
use crate::support::app::TestApp;
use crate::support::entra::{LIST, group, patch, person};
use crate::support::http::Answer;
use crate::support::slapd::Flavor;
use crate::support::wait_for;
use crate::support::workplace::Settings;

const ALL: [&str; 4] = ["users:read", "users:write", "groups:read", "groups:write"];

fn made(app: &TestApp, arguments: &[&str]) -> String {
    let made = app.workplace.run(&[&["token"], arguments].concat()).succeeds();
    made.stdout.trim_end().to_owned()
}

fn listed(app: &TestApp, name: &str) -> Value {
    let list = app.workplace.run(&["token", "list", "--format", "json"]).succeeds().stdout;
    let list: Value = serde_json::from_str(&list).unwrap();
    let mut found = list.as_array().unwrap().iter().filter(|token| token["name"] == name);
    found.next().unwrap_or_else(|| panic!("{name} is listed: {list}")).clone()
}

fn with(app: &TestApp, token: &str, method: &str, path: &str, body: Option<&Value>) -> Answer {
    ask(app, method, &format!("/scim/v2{path}"), Some(&format!("Bearer {token}")), body)
}

fn challenge(answer: &Answer) -> String {
    answer.header("www-authenticate").unwrap_or_default().to_owned()
}

#[test]
fn a_token_may_do_what_its_scopes_say() {
    let app = TestApp::start();
    let (user, group_id) = (app.user("ada"), app.create_group("staff"));
    let (one, crowd) = (format!("/Users/{user}"), format!("/Groups/{group_id}"));
    let change = patch(json!([{"op": "replace", "path": "externalId", "value": "new"}]));
    let search = json!({"schemas": ["urn:ietf:params:scim:api:messages:2.0:SearchRequest"]});
    let bob = person("bob");
    let crew = group("crew");
    let cases: [(&str, &str, Option<&Value>, &str); 13] = [
        ("GET", "/Users", None, "users:read"),
        ("GET", &one, None, "users:read"),
        ("GET", "/Users/nobody", None, "users:read"),
        ("POST", "/Users/.search", Some(&search), "users:read"),
        ("POST", "/Users", Some(&bob), "users:write"),
        ("PUT", &one, Some(&bob), "users:write"),
        ("PATCH", &one, Some(&change), "users:write"),
        ("DELETE", "/Users/nobody", None, "users:write"),
        ("GET", &crowd, None, "groups:read"),
        ("POST", "/Groups/.search", Some(&search), "groups:read"),
        ("POST", "/Groups", Some(&crew), "groups:write"),
        ("PATCH", &crowd, Some(&change), "groups:write"),
        ("DELETE", "/Groups/nobody", None, "groups:write"),
    ];
    for scope in ALL {
        let token = made(&app, &["create", scope, "--scope", scope]);
        for (method, path, body, needed) in &cases {
            let answer = with(&app, &token, method, path, *body);
            // Who may write may read.
            if scope == *needed || scope == needed.replace("read", "write") {
                assert!(answer.status != 401 && answer.status != 403, "{scope}: {method} {path}: {}", answer.text());
                continue;
            }
            assert_eq!(answer.status, 403, "{scope}: {method} {path}: {}", answer.text());
            let challenge = challenge(&answer);
            assert!(challenge.contains("error=\"insufficient_scope\""), "{challenge}");
            assert!(challenge.contains(&format!("scope=\"{needed}\"")), "{challenge}");
            answer.fails_naming(403, &[needed, scope]);
        }
        for path in ["/ServiceProviderConfig", "/ResourceTypes", "/Schemas"] {
            with(&app, &token, "GET", path, None).expect(200);
        }
        with(&app, &token, "GET", "/nowhere", None).expect(404);
    }
    let both = made(&app, &["create", "both", "--scope", "users:read", "--scope", "groups:write"]);
    with(&app, &both, "GET", &one, None).expect(200);
    with(&app, &both, "PATCH", &crowd, Some(&change)).expect(204);
    with(&app, &both, "DELETE", &one, None).expect(403);
    assert_eq!(listed(&app, "both")["scopes"], json!(["users:read", "groups:write"]));
    assert_eq!(listed(&app, "entra")["scopes"], json!(ALL), "all, when none is named");
}

#[test]
fn each_operation_of_a_bulk_request_is_judged_by_itself() {
    let app = TestApp::start();
    let token = made(&app, &["create", "users", "--scope", "users:write"]);
    let operation = |path: &str, data: Value| json!({"method": "POST", "path": path, "bulkId": path, "data": data});
    let request = json!({
        "schemas": ["urn:ietf:params:scim:api:messages:2.0:BulkRequest"],
        "Operations": [operation("/Groups", group("staff")), operation("/Users", person("ada"))],
    });
    let done = with(&app, &token, "POST", "/Bulk", Some(&request)).expect(200).json();
    assert_eq!((&done["Operations"][0]["status"], &done["Operations"][1]["status"]), (&json!("403"), &json!("201")));
    assert!(done["Operations"][0]["response"]["detail"].as_str().unwrap().contains("groups:write"), "{done}");
    assert!(app.lookup_user("ada@contoso.com").is_some());
    assert!(app.lookup_groups("staff").is_empty());
    let reader = made(&app, &["create", "reader", "--scope", "users:read", "--scope", "groups:read"]);
    let done = with(&app, &reader, "POST", "/Bulk", Some(&request)).expect(200).json();
    assert!(done["Operations"].as_array().unwrap().iter().all(|done| done["status"] == "403"), "{done}");
}

#[test]
fn a_list_over_both_kinds_shows_what_may_be_read() {
    let app = TestApp::start();
    app.user("ada");
    app.create_group("staff");
    let search = json!({"schemas": ["urn:ietf:params:scim:api:messages:2.0:SearchRequest"]});
    for (scopes, expected) in [
        (vec!["users:read"], vec!["User"]),
        (vec!["groups:write"], vec!["Group"]),
        (vec!["users:read", "groups:read"], vec!["User", "Group"]),
    ] {
        let name = scopes.concat();
        let scopes: Vec<&str> = scopes.into_iter().flat_map(|scope| ["--scope", scope]).collect();
        let token = made(&app, &[&["create", &name], scopes.as_slice()].concat());
        for (method, path, body) in [("GET", "/", None), ("POST", "/.search", Some(&search))] {
            let list = with(&app, &token, method, path, body).expect(200).json();
            assert_eq!(list["schemas"], json!([LIST]));
            let kinds: Vec<&Value> =
                list["Resources"].as_array().unwrap().iter().map(|one| &one["meta"]["resourceType"]).collect();
            assert_eq!(kinds, expected, "{name}: {method} {path}");
            assert_eq!(list["totalResults"], expected.len());
        }
    }
}

#[test]
fn a_token_that_has_expired_says_so() {
    let app = TestApp::start();
    let soon = made(&app, &["create", "soon", "--expires", "2s"]);
    let answer = wait_for("the token to expire", || {
        let answer = with(&app, &soon, "GET", "/Users", None);
        (answer.status != 200).then_some(answer)
    });
    let answer = answer.fails_naming(401, &["expired"]);
    let challenge = challenge(&answer);
    assert!(challenge.contains("error=\"invalid_token\"") && challenge.contains("expired, on 2"), "{challenge}");
    for path in ["/Users/nobody", "/nowhere"] {
        assert_eq!(with(&app, &soon, "DELETE", path, None).text(), answer.text(), "the same on every route");
    }
    // Only whoever holds it hears so.
    let guess = with(&app, &format!("{soon}x"), "GET", "/Users", None).expect(401);
    assert!(!guess.text().contains("expired"), "{}", guess.text());
    assert!(challenge_of_nobody(&app).starts_with("Bearer") && !challenge_of_nobody(&app).contains("error"));
    let list = app.workplace.run(&["token", "list"]).succeeds().stdout;
    assert!(list.lines().any(|line| line.starts_with("soon") && line.contains("(expired)")), "{list}");

    let never = made(&app, &["create", "never", "--expires", "never"]);
    with(&app, &never, "GET", "/Users", None).expect(200);
    assert_eq!(listed(&app, "never")["expires"], Value::Null);
    made(&app, &["create", "dated", "--expires", "2999-01-01"]);
    assert_eq!(listed(&app, "dated")["expires"], "2999-01-01T00:00:00.000Z");
}

fn challenge_of_nobody(app: &TestApp) -> String {
    challenge(&ask(app, "GET", "/scim/v2/Users", None, None).expect(401))
}

#[test]
fn the_last_use_is_told_with_its_address() {
    let app = TestApp::start();
    let token = made(&app, &["create", "used"]);
    assert_eq!(listed(&app, "used")["last_used"], Value::Null);
    with(&app, &token, "GET", "/nowhere", None).expect(404);
    let used = wait_for("the use to be noted", || {
        let listed = listed(&app, "used");
        (!listed["last_used"].is_null()).then_some(listed)
    });
    assert_eq!(used["last_used_from"], "127.0.0.1");
    with(&app, &token, "GET", "/Users", None).expect(200);
    app.restart();
    assert_eq!(listed(&app, "used")["last_used"], used["last_used"], "noted once a minute, and kept");
    let list = app.workplace.run(&["token", "list"]).succeeds().stdout;
    let heading = list.lines().next().unwrap();
    assert!(["NAME", "SCOPES", "MADE", "EXPIRES", "LAST USED", "FROM"].iter().all(|word| heading.contains(word)));
    let line = list.lines().find(|line| line.starts_with("used ")).unwrap();
    assert!(line.contains(" all ") && line.contains("(in 365 days)") && line.ends_with("127.0.0.1"), "{list}");
}

#[test]
fn a_rotated_token_is_good_until_its_date() {
    let app = TestApp::start();
    let status = |token: &str| with(&app, token, "GET", "/Users", None).status;
    let first = made(&app, &["create", "rotated", "--expires", "90d", "--scope", "users:read"]);
    let second = made(&app, &["rotate", "rotated"]);
    assert_ne!(first, second);
    assert_eq!((status(&first), status(&second)), (200, 200));
    let shown = listed(&app, "rotated");
    assert_eq!(shown["scopes"], json!(["users:read"]), "the new one may do the same");
    assert!(shown["before"]["expires"].as_str() < shown["expires"].as_str(), "{shown}");
    let used = wait_for("the use of the old one to be told apart", || {
        let before = listed(&app, "rotated")["before"].clone();
        (!before["last_used"].is_null()).then_some(before)
    });
    assert_eq!(used["last_used_from"], "127.0.0.1");

    let third = made(&app, &["rotate", "rotated", "--keep", "2s", "--expires", "never"]);
    assert_eq!((status(&first), status(&third)), (401, 200), "there are two at most");
    wait_for("what was replaced to expire", || (status(&second) == 401).then_some(()));
    assert_eq!(status(&third), 200);
    let fourth = made(&app, &["rotate", "rotated", "--keep", "0s"]);
    assert_eq!((status(&third), status(&fourth)), (401, 200));
    app.workplace.run(&["token", "revoke", "rotated"]).succeeds();
    assert_eq!(status(&fourth), 401);
    for token in [first, second, third, fourth] {
        assert!(!app.log().contains(&token));
    }
}

#[test]
fn tokens_come_and_go_while_another_works() {
    let app = TestApp::start();
    let (is_over, asked) = (AtomicBool::new(false), AtomicUsize::new(0));
    std::thread::scope(|scope| {
        let workers: Vec<_> = (0..4)
            .map(|_| {
                scope.spawn(|| {
                    while !is_over.load(Ordering::SeqCst) {
                        app.get("/Users?count=1").expect(200);
                        asked.fetch_add(1, Ordering::SeqCst);
                    }
                })
            })
            .collect();
        let goes_on = |asked: &AtomicUsize| {
            let before = asked.load(Ordering::SeqCst);
            wait_for("the requests to go on", || {
                let failed = workers.iter().any(|worker| worker.is_finished());
                (failed || asked.load(Ordering::SeqCst) > before + 8).then_some(())
            });
        };
        for _ in 0..3 {
            let other = made(&app, &["create", "other"]);
            assert_eq!(with(&app, &other, "GET", "/Users", None).status, 200);
            goes_on(&asked);
            let newer = made(&app, &["rotate", "other"]);
            goes_on(&asked);
            app.workplace.run(&["token", "revoke", "other"]).succeeds();
            for token in [other, newer] {
                assert_eq!(with(&app, &token, "GET", "/Users", None).status, 401, "at once");
            }
            goes_on(&asked);
        }
        // The very token that is used, too.
        made(&app, &["rotate", "entra"]);
        goes_on(&asked);
        is_over.store(true, Ordering::SeqCst);
    });
}

#[test]
fn what_ends_soon_is_warned_of() {
    let app = TestApp::start();
    let check = || app.workplace.run(&["check"]).succeeds().stdout;
    assert!(!check().contains("token"), "a year is long");
    made(&app, &["create", "soon", "--expires", "29d"]);
    made(&app, &["create", "late", "--expires", "40d"]);
    let found = check();
    let line = found.lines().find(|line| line.contains("token soon")).unwrap_or_else(|| panic!("{found}"));
    assert!(line.starts_with("warning: ") && line.contains("expires in 28 days"), "{line}");
    assert!(found.contains("scimbridge token rotate soon"), "{found}");
    assert!(!found.contains("late"), "{found}");
    app.restart();
    wait_for("the warning at the start", || app.log().contains("the token soon expires in 28 days").then_some(()));
    assert!(!app.log().contains("the token late"));
}

#[test]
fn what_cannot_be_is_refused_and_says_why() {
    let app = TestApp::start_with(Flavor::AsShipped, Settings::default());
    for (arguments, words) in [
        (vec!["create", "x", "--expires", "soon"], vec!["soon", "90d", "never"]),
        (vec!["create", "x", "--expires", "2001-01-01"], vec!["2001-01-01", "over"]),
        (vec!["create", "x", "--scope", "everything"], vec!["everything", "users:read"]),
        (vec!["create", "x", "--scope", ""], vec!["users:read"]),
        (vec!["create", "client x"], vec!["client x"]),
        (vec!["create", "entra"], vec!["entra", "rotate"]),
        (vec!["rotate", "nobody"], vec!["nobody", "token list"]),
        (vec!["rotate", "entra", "--keep", "long"], vec!["long"]),
        (vec!["revoke", "nobody"], vec!["nobody"]),
    ] {
        app.workplace.run(&[&["token"], arguments.as_slice()].concat()).fails_naming(&words);
    }
    let made = app.workplace.run(&["token", "create", "told"]).succeeds();
    assert_eq!(made.stdout.lines().count(), 1, "the token alone is data");
    assert!(made.stderr.contains("in 365 days") && !made.stderr.contains(made.stdout.trim()), "{made:#?}");
}

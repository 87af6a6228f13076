//! Who may speak, and what the others hear.

use std::fs;

use serde_json::Value;

use crate::support::app::TestApp;
use crate::support::entra::{encode, person};
use crate::support::http::Answer;
use crate::support::slapd::Flavor;
use crate::support::wait_for;
use crate::support::workplace::Settings;

/// A request with this Authorization header, or none.
#[track_caller]
pub(crate) fn ask(
    app: &TestApp,
    method: &str,
    path: &str,
    authorization: Option<&str>,
    body: Option<&Value>,
) -> Answer {
    let body = body.map(Value::to_string).unwrap_or_default();
    let mut request = format!("{method} {path} HTTP/1.1\r\nHost: bridge.test\r\nConnection: close\r\n");
    if let Some(authorization) = authorization {
        request.push_str(&format!("Authorization: {authorization}\r\n"));
    }
    request.push_str(&format!("Content-Type: application/scim+json\r\nContent-Length: {}\r\n\r\n{body}", body.len()));
    app.raw(request.as_bytes()).unwrap_or_else(|error| panic!("{method} {path}: {error}"))
}

#[test]
fn a_wrong_token_hears_the_same_on_every_route() {
    let app = TestApp::start();
    let id = app.user("ada");
    let user = format!("/scim/v2/Users/{id}");
    let lookup = format!("/scim/v2/Users?filter={}", encode("userName eq \"ada@contoso.com\""));
    let wrong = format!("Bearer {}x", app.token);
    let basic = format!("Basic {}", app.token);
    for authorization in [None, Some(wrong.as_str()), Some("Bearer "), Some("Bearer"), Some(&basic), Some(&app.token)] {
        let mut heard: Vec<String> = Vec::new();
        for (method, path) in [
            ("GET", lookup.as_str()),
            ("GET", &user),
            ("GET", "/scim/v2/Users/nobody"),
            ("GET", "/scim/v2/ServiceProviderConfig"),
            ("GET", "/scim/v2/Schemas"),
            ("GET", "/scim/v2/nowhere"),
            ("POST", "/scim/v2/Users"),
            ("PATCH", &user),
            ("DELETE", &user),
            ("TRACE", "/scim/v2/Users"),
        ] {
            let answer = ask(&app, method, path, authorization, Some(&person("bob"))).expect(401);
            let challenge = answer.header("www-authenticate").unwrap_or_default();
            assert!(challenge.starts_with("Bearer"), "{method} {path}: {challenge:?}");
            assert!(!answer.text().contains(&app.token), "no token in an answer");
            heard.push(answer.text());
        }
        heard.dedup();
        assert_eq!(heard.len(), 1, "the same on every route: {heard:#?}");
    }
    assert!(app.lookup_user("bob@contoso.com").is_none());
    assert!(app.lookup_user("ada@contoso.com").is_some());
}

#[test]
fn the_scheme_is_read_in_any_case() {
    let app = TestApp::start();
    for scheme in ["Bearer", "bearer", "BEARER"] {
        ask(&app, "GET", "/scim/v2/Users", Some(&format!("{scheme} {}", app.token)), None).expect(200);
    }
}

#[test]
fn several_tokens_are_good_until_each_is_revoked() {
    let app = TestApp::start();
    let second = app.workplace.create_token("second");
    assert_ne!(second, app.token);
    let status = |token: &str| ask(&app, "GET", "/scim/v2/Users", Some(&format!("Bearer {token}")), None).status;
    wait_for("the new token to be good in the running server", || (status(&second) == 200).then_some(()));
    assert_eq!(status(&app.token), 200);

    app.workplace.run(&["token", "revoke", "second"]).succeeds();
    wait_for("the revoked token to be refused by the running server", || (status(&second) == 401).then_some(()));
    assert_eq!(status(&app.token), 200, "the other stays good");
    assert!(!app.log().contains(&second), "a revoked token is no matter for the log either");
}

#[test]
fn one_more_token_may_come_from_a_file() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("token");
    fs::write(&file, "a-token-from-outside\n").unwrap();
    let settings = Settings::default().variable("SCIMBRIDGE__AUTH__TOKEN_FILE", file.to_str().unwrap());
    let app = TestApp::start_with(Flavor::AsShipped, settings);
    ask(&app, "GET", "/scim/v2/Users", Some("Bearer a-token-from-outside"), None).expect(200);
    ask(&app, "GET", "/scim/v2/Users", Some("Bearer a-token"), None).expect(401);
    app.get("/Users").expect(200);
    assert!(!app.log().contains("a-token-from-outside"));
}

#[test]
fn tokens_are_not_in_the_store() {
    let app = TestApp::start();
    app.user("ada");
    for entry in fs::read_dir(app.workplace.folder()).unwrap() {
        let path = entry.unwrap().path();
        let bytes = fs::read(&path).unwrap();
        let token = app.token.as_bytes();
        assert!(!bytes.windows(token.len()).any(|window| window == token), "the token stands in {}", path.display());
    }
}

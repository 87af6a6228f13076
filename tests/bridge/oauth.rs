//! OAuth2 client credentials (RFC 6749 §4.4): Entra asks for an access token with an id and a secret.

use std::fs;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use crate::auth::ask;
use crate::support::app::TestApp;
use crate::support::http::Answer;
use crate::support::slapd::Flavor;
use crate::support::wait_for;
use crate::support::workplace::Settings;

struct Client {
    id: String,
    secret: String,
}

impl Client {
    /// Made or rotated by the command, which prints it.
    fn of(app: &TestApp, arguments: &[&str]) -> Self {
        let made = app.workplace.run(&[&["client"], arguments, &["--format", "json"]].concat()).succeeds();
        let made: Value = serde_json::from_str(&made.stdout).unwrap();
        assert_eq!(made["token_endpoint"], "http://bridge.test/oauth2/token");
        let text = |name: &str| made[name].as_str().unwrap().to_owned();
        Self { id: text("client_id"), secret: text("client_secret") }
    }

    fn basic(&self) -> String {
        format!("Basic {}", STANDARD.encode(format!("{}:{}", self.id, self.secret)))
    }

    fn form(&self) -> String {
        format!("client_id={}&client_secret={}", self.id, self.secret)
    }

    /// An access token, which must be given.
    #[track_caller]
    fn access_token(&self, app: &TestApp, more: &str) -> String {
        let answer = post(app, Some(&self.basic()), &format!("grant_type=client_credentials{more}"));
        let body = given(&answer);
        body["access_token"].as_str().unwrap().to_owned()
    }
}

fn post(app: &TestApp, authorization: Option<&str>, form: &str) -> Answer {
    let authorization = authorization.map(|header| format!("Authorization: {header}\r\n")).unwrap_or_default();
    let request = format!(
        "POST /oauth2/token HTTP/1.1\r\nHost: bridge.test\r\nConnection: close\r\n{authorization}\
         Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {}\r\n\r\n{form}",
        form.len()
    );
    app.raw(request.as_bytes()).unwrap()
}

#[track_caller]
fn given(answer: &Answer) -> Value {
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert_eq!(answer.header("cache-control"), Some("no-store"));
    assert_eq!(answer.header("content-type"), Some("application/json"));
    let body = answer.json();
    assert_eq!(body["token_type"], "Bearer");
    body
}

fn status(app: &TestApp, token: &str) -> u16 {
    ask(app, "GET", "/scim/v2/Users", Some(&format!("Bearer {token}")), None).status
}

#[test]
fn an_access_token_is_given_for_a_secret_however_it_is_sent() {
    let app = TestApp::start();
    let client = Client::of(&app, &["create", "entra"]);
    let (basic, form) = (client.basic(), client.form());
    let grant = "grant_type=client_credentials";
    let encoded: String = client.secret.bytes().map(|byte| format!("%{byte:02x}")).collect();
    let encoded = format!("bAsIc {}", STANDARD.encode(format!("{}:{encoded}", client.id)));
    for (header, body) in [
        (Some(&basic), grant.to_owned()),
        (Some(&encoded), grant.to_owned()),
        (None, format!("{grant}&{form}")),
        (Some(&basic), format!("{form}&{grant}")),
        (Some(&basic), format!("{grant}&client_id={}", client.id)),
        (Some(&basic), format!("{grant}&scope=&resource=x")),
        (Some(&basic), format!("{grant}&scope=scim")),
        (Some(&basic), format!("{grant}&scope=https%3A%2F%2Fbridge.test%2F.default")),
    ] {
        let body = given(&post(&app, header.map(String::as_str), &body));
        assert_eq!(body["expires_in"], 3600);
        assert_eq!(body["scope"], "users:read users:write groups:read groups:write");
        assert_eq!(status(&app, body["access_token"].as_str().unwrap()), 200);
    }
    // A client's secret opens nothing by itself.
    assert_eq!(status(&app, &client.secret), 401);
    // Slashes are forgiven here as elsewhere, other methods are not.
    assert_eq!(ask(&app, "POST", "//oauth2/token/", Some(&basic), None).status, 400);
    ask(&app, "GET", "/oauth2/token", Some(&basic), None).expect(405);
}

#[test]
fn each_refusal_is_the_one_that_the_standard_names() {
    let app = TestApp::start();
    let client = Client::of(&app, &["create", "entra", "--scope", "users:write"]);
    let other = Client::of(&app, &["create", "other"]);
    let mixed = Client { id: client.id.clone(), secret: other.secret.clone() };
    let grant = "grant_type=client_credentials";
    let good = client.basic();
    let bearer = format!("Bearer {}", app.token);
    let cases: [(Option<&str>, String, u16, &str); 15] = [
        (None, grant.to_owned(), 401, "invalid_client"),
        (None, String::new(), 401, "invalid_client"),
        (Some(&mixed.basic()), grant.to_owned(), 401, "invalid_client"),
        (None, format!("{grant}&{}", mixed.form()), 401, "invalid_client"),
        (None, format!("{grant}&client_id={}", client.id), 401, "invalid_client"),
        (Some("Basic nonsense"), grant.to_owned(), 401, "invalid_client"),
        (Some(&bearer), grant.to_owned(), 401, "invalid_client"),
        (Some(&good), format!("{grant}&{}", other.form()), 400, "invalid_request"),
        (Some(&good), format!("{grant}&client_secret=x"), 400, "invalid_request"),
        (Some(&good), "scope=users:read".to_owned(), 400, "invalid_request"),
        (Some(&good), format!("{grant}&{grant}"), 400, "invalid_request"),
        (Some(&good), format!("{grant}&x={}", "x".repeat(100_000)), 400, "invalid_request"),
        (Some(&good), "grant_type=password".to_owned(), 400, "unsupported_grant_type"),
        (Some(&good), format!("{grant}&scope=groups:read"), 400, "invalid_scope"),
        (Some(&good), format!("{grant}&scope=users:read+groups:write"), 400, "invalid_scope"),
    ];
    for (header, body, status, error) in cases {
        let answer = post(&app, header, &body);
        let case = format!("{header:?} {}", &body[..body.len().min(80)]);
        assert_eq!((answer.status, &answer.json()["error"]), (status, &json!(error)), "{case}");
        assert!(answer.json()["error_description"].as_str().is_some_and(|text| !text.is_empty()));
        assert_eq!(answer.header("cache-control"), Some("no-store"));
        let challenge = answer.header("www-authenticate").unwrap_or_default();
        assert_eq!(challenge.starts_with("Basic"), status == 401, "{case}: {challenge}");
    }
    for secret in [client.secret, other.secret] {
        assert!(!app.log().contains(&secret), "a secret stands in the log");
    }
}

#[test]
fn an_access_token_may_do_what_was_asked_for() {
    let app = TestApp::start();
    let client = Client::of(&app, &["create", "entra", "--scope", "users:write", "--scope", "groups:read"]);
    let narrow = client.access_token(&app, "&scope=users:read+scim");
    let wide = client.access_token(&app, "");
    let user = app.user("ada");
    let delete =
        |token: &str| ask(&app, "DELETE", &format!("/scim/v2/Users/{user}"), Some(&format!("Bearer {token}")), None);
    assert_eq!(status(&app, &narrow), 200);
    ask(&app, "GET", "/scim/v2/Groups", Some(&format!("Bearer {narrow}")), None).expect(403);
    delete(&narrow).fails_naming(403, &["users:write", "client entra"]);
    ask(&app, "GET", "/scim/v2/Groups", Some(&format!("Bearer {wide}")), None).expect(200);
    delete(&wide).expect(204);
}

#[test]
fn a_client_is_rotated_and_revoked_with_its_access_tokens() {
    let app = TestApp::start();
    let first = Client::of(&app, &["create", "entra"]);
    let old = first.access_token(&app, "");
    let second = Client::of(&app, &["rotate", "entra"]);
    assert_eq!(first.id, second.id, "it calls itself the same");
    assert_ne!(first.secret, second.secret);
    let new = second.access_token(&app, "");
    first.access_token(&app, "");
    app.restart();
    assert_eq!((status(&app, &old), status(&app, &new)), (200, 200), "both, after a restart too");
    let list = || app.workplace.run(&["client", "list", "--format", "json"]).succeeds().stdout;
    wait_for("the uses to be noted", || {
        let list: Value = serde_json::from_str(&list()).unwrap();
        let is_noted = |secret: &Value| secret["last_used_from"] == "127.0.0.1";
        (is_noted(&list[0]) && is_noted(&list[0]["before"])).then_some(())
    });
    for secret in [&first.secret, &second.secret, &old, &new] {
        assert!(!list().contains(secret.as_str()) && !app.log().contains(secret.as_str()));
        for entry in fs::read_dir(app.workplace.folder()).unwrap() {
            let bytes = fs::read(entry.unwrap().path()).unwrap();
            assert!(!bytes.windows(secret.len()).any(|window| window == secret.as_bytes()), "kept as a hash alone");
        }
    }

    let third = Client::of(&app, &["rotate", "entra", "--keep", "2s"]);
    assert_eq!(status(&app, &old), 401, "with the secret that it was given for");
    wait_for("what was replaced to end", || (status(&app, &new) == 401).then_some(()));
    let refused = post(&app, Some(&second.basic()), "grant_type=client_credentials");
    assert_eq!((refused.status, &refused.json()["error"]), (401, &json!("invalid_client")));
    assert!(refused.text().contains("expired"), "{}", refused.text());

    let last = third.access_token(&app, "");
    assert_eq!(status(&app, &last), 200);
    app.workplace.run(&["client", "revoke", "entra"]).succeeds();
    assert_eq!(status(&app, &last), 401, "at once");
    assert_eq!(post(&app, Some(&third.basic()), "grant_type=client_credentials").status, 401);
    app.workplace.run(&["client", "revoke", "entra"]).fails_naming(&["entra", "client list"]);
}

#[test]
fn an_access_token_ends_when_the_settings_or_the_secret_say() {
    let settings = Settings::default().set("auth.access_token_lifetime", "\"10m\"");
    let app = TestApp::start_with(Flavor::AsShipped, settings);
    let grant = "grant_type=client_credentials";
    let client = Client::of(&app, &["create", "entra"]);
    assert_eq!(given(&post(&app, Some(&client.basic()), grant))["expires_in"], 600);
    let short = Client::of(&app, &["create", "short", "--expires", "4s"]);
    let body = given(&post(&app, Some(&short.basic()), grant));
    assert!(body["expires_in"].as_u64().is_some_and(|seconds| seconds <= 4), "{body}");
    let token = body["access_token"].as_str().unwrap().to_owned();
    wait_for("the access token to end with the secret", || (status(&app, &token) == 401).then_some(()));
    let answer = ask(&app, "GET", "/scim/v2/Users", Some(&format!("Bearer {token}")), None);
    answer.fails_naming(401, &["expired"]);
}

#[test]
fn a_client_is_printed_for_people_too() {
    let app = TestApp::start();
    let made = app.workplace.run(&["client", "create", "entra"]).succeeds();
    for word in ["client id ", "client secret ", "token endpoint  http://bridge.test/oauth2/token"] {
        assert!(made.stdout.contains(word), "{}", made.stdout);
    }
    assert!(made.stderr.contains("days"), "for how long: {}", made.stderr);
    let list = app.workplace.run(&["client", "list"]).succeeds().stdout;
    assert!(list.lines().any(|line| line.starts_with("entra ") && line.contains("(in 73")), "two years: {list}");
    assert!(!app.workplace.run(&["token", "list"]).succeeds().stdout.contains("client"));
}

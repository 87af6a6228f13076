//! No secret comes out where it does not belong, whatever is asked and however much is logged.

use std::fs;
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use crate::support::app::{TestApp, dn};
use crate::support::entra::{encode, patch, person, person_with};
use crate::support::http::exchange;
use crate::support::metrics::shown;
use crate::support::slapd::{ADMIN_PASSWORD, Flavor};
use crate::support::workplace::Settings;

/// Everything that is secret, by what it is.
const SECRETS: [(&str, &str); 14] = [
    ("the directory's password", ADMIN_PASSWORD),
    ("a wrong password for the directory", "Wr0ng-for-the-directory"),
    ("an unknown token", "Unkn0wn-token-of-somebody"),
    ("a token that is no bearer's", "B4sic-token-of-somebody"),
    ("a password that a POST brought", "Erstes-Geheimnis-21"),
    ("a password that a PUT brought", "Zweites-Geheimnis-22"),
    ("a password that a PATCH brought", "Drittes-Geheimnis-23"),
    ("a password that a bulk request brought", "Viertes-Geheimnis-24"),
    ("a password that a refused POST brought", "Fuenftes-Geheimnis-25"),
    ("a password that a refused PATCH brought", "Sechstes-Geheimnis-26"),
    ("a password in a body that is no JSON", "Siebtes-Geheimnis-27"),
    ("a password in a filter", "Achtes-Geheimnis-28"),
    ("a token in a query", "Neuntes-Geheimnis-29"),
    ("a token in a header that nobody knows", "Zehntes-Geheimnis-30"),
];

fn secret(what: &str) -> &'static str {
    SECRETS.iter().find(|(name, _)| *name == what).unwrap_or_else(|| panic!("{what}")).1
}

/// The forms in which a careless program could show it.
fn forms(secret: &str) -> Vec<Vec<u8>> {
    let hex: String = secret.bytes().map(|byte| format!("{byte:02x}")).collect();
    let decimal: Vec<String> = secret.bytes().map(|byte| byte.to_string()).collect();
    // Base64 in the middle of something longer begins at any of three places.
    let base64 = (0..3).map(|before| {
        let whole = STANDARD.encode([&b"xxx"[..before], secret.as_bytes()].concat());
        whole.trim_end_matches('=').get(4..whole.len().min(20)).unwrap_or_default().to_owned()
    });
    let texts = [secret.to_owned(), encode(secret), hex.to_uppercase(), hex, decimal.join(", ")];
    texts.into_iter().chain(base64).map(String::into_bytes).collect()
}

fn holds(bytes: &[u8], form: &[u8]) -> bool {
    bytes.windows(form.len()).any(|window| window == form)
}

/// What was said and kept, and where.
struct Outputs(Vec<(String, Vec<u8>)>);

impl Outputs {
    fn add(&mut self, place: impl Into<String>, said: impl Into<Vec<u8>>) {
        self.0.push((place.into(), said.into()));
    }

    fn add_files(&mut self, folder: &Path, of: &str) {
        let mut files = 0;
        for file in fs::read_dir(folder).unwrap() {
            let path = file.unwrap().path();
            files += 1;
            self.add(
                format!("{of}: {}", path.file_name().unwrap().to_string_lossy()),
                fs::read(&path).unwrap_or_default(),
            );
        }
        assert!(files > 3, "a configuration, a log, a store");
    }

    #[track_caller]
    fn hold_none_of(&self, secrets: &[(&str, &str)]) {
        for (what, secret) in secrets {
            for form in forms(secret) {
                let found = self.0.iter().find(|(_, said)| holds(said, &form));
                if let Some((place, said)) = found {
                    let text = String::from_utf8_lossy(said);
                    let shown = String::from_utf8_lossy(&form).into_owned();
                    let line = text.lines().find(|line| line.contains(&shown)).unwrap_or_default();
                    panic!("{what} stands in {place}, as {shown:?}: {line}");
                }
            }
        }
    }
}

fn settings(format: &str, level: &str) -> Settings {
    shown(Settings::default())
        .add("[[users.attribute]]\nldap = \"userPassword\"\nscim = \"password\"\n")
        .variable("SCIMBRIDGE__LOG__FORMAT", format)
        .variable("SCIMBRIDGE__LOG__LEVEL", level)
}

/// Each way in which a secret can arrive, and what is answered.
fn say_all(app: &TestApp, outputs: &mut Outputs) {
    let with = |name: &str, what: &str| person_with(name, json!({"password": secret(what)}));
    let mut hear = |what: &str, status: u16, answer: crate::support::http::Answer| {
        assert_eq!(answer.status, status, "{what}: {}", answer.text());
        outputs.add(format!("the answer to {what}"), answer.body.clone());
        answer
    };
    let ada = app.create_user(&with("ada", "a password that a POST brought"));
    let user = format!("/Users/{ada}");
    let replace = |what: &str| json!([{"op": "Replace", "path": "password", "value": secret(what)}]);
    hear("a PUT", 200, app.put(&user, &with("ada", "a password that a PUT brought")));
    hear("a PATCH", 200, app.patch(&user, &replace("a password that a PATCH brought")));
    let bulk = json!({"schemas": ["urn:ietf:params:scim:api:messages:2.0:BulkRequest"], "Operations": [
        {"method": "PATCH", "path": user, "data": patch(replace("a password that a bulk request brought"))},
        {"method": "POST", "path": "/Users", "bulkId": "b",
         "data": with("bulky", "a password that a bulk request brought")},
    ]});
    hear("a bulk request", 200, app.post("/Bulk", &bulk));
    hear("a second ada", 409, app.post("/Users", &with("ada", "a password that a refused POST brought")));
    let refused = secret("a password that a refused PATCH brought");
    let untidy = json!([{"op": "Replace", "path": "password", "value": refused}, {"op": "Replace", "path": "nope[", "value": 1}]);
    hear("a refused PATCH", 400, app.patch(&user, &untidy));
    let no_text = json!([{"op": "Replace", "path": "password", "value": [refused]}]);
    hear("a PATCH with a list", 400, app.patch(&user, &no_text));
    let no_json =
        format!("{{\"userName\": \"bob\", \"password\": \"{}\"", secret("a password in a body that is no JSON"));
    hear("no JSON", 400, app.try_request("POST", "/Users", Some(no_json.as_bytes())).unwrap());
    let sought = encode(&format!("password eq \"{}\"", secret("a password in a filter")));
    hear("a filter", 400, app.get(&format!("/Users?filter={sought}")));
    let query = format!("/Users?access_token={}", secret("a token in a query"));
    hear("a query", 200, app.get(&query));
    for (authorization, what) in [("Bearer", "an unknown token"), ("Basic", "a token that is no bearer's")] {
        let request = format!(
            "GET /scim/v2/Users HTTP/1.1\r\nHost: x\r\nAuthorization: {authorization} {}\r\nX-Api-Key: {}\r\n\
             Cookie: session={1}\r\nConnection: close\r\n\r\n",
            secret(what),
            secret("a token in a header that nobody knows"),
        );
        hear(what, 401, exchange(app.address(), request.as_bytes()).unwrap());
    }
}

/// What an operator may look at afterwards.
fn look_at_all(app: &TestApp, outputs: &mut Outputs) {
    let runs = app.workplace.run(&["undo"]).succeeds().stdout;
    let numbers: Vec<String> = runs
        .lines()
        .filter_map(|line| line.split_whitespace().next()?.parse::<u32>().ok())
        .map(|run| run.to_string())
        .collect();
    assert!(numbers.len() >= 2, "{runs}");
    let mut commands: Vec<Vec<&str>> = vec![vec!["undo"], vec!["check"], vec!["check", "--format", "json"]];
    for format in ["text", "json", "ldif"] {
        commands.push(vec!["reconcile", "--dry-run", "--format", format]);
        commands.extend(numbers.iter().map(|run| vec!["undo", run, "--dry-run", "--format", format]));
    }
    for command in commands {
        let said = app.workplace.run(&command);
        assert!(!said.stdout.is_empty(), "{command:?} says something: {said:#?}");
        outputs.add(command.join(" "), said.stdout + &said.stderr);
    }
    outputs.add("the metrics", app.metrics().text);
}

#[test]
fn no_secret_is_shown_or_kept_however_much_is_logged() {
    let mut outputs = Outputs(Vec::new());
    for (format, level) in [("text", "trace"), ("json", "trace"), ("text", "debug,scimbridge=trace"), ("json", "info")]
    {
        let app = TestApp::start_with(Flavor::AsShipped, settings(format, level));
        say_all(&app, &mut outputs);
        let hash = app.slapd.values(&dn("ada"), "userPassword").pop().expect("a hash");
        let hashed = hash.split_once('}').expect("a scheme").1.to_owned();
        if format == "text" {
            look_at_all(&app, &mut outputs);
        }
        // Whoever is deleted is kept for an undo, and not their hash.
        let ada = app.lookup_user("ada@contoso.com").unwrap()["id"].as_str().unwrap().to_owned();
        app.delete(&format!("/Users/{ada}")).expect(204);
        app.kill();
        let of = format!("{format}, {level}");
        outputs.add_files(app.workplace.folder(), &of);
        let log = app.log();
        assert!(log.len() > 1000, "{of}: {log}");
        assert!(level != "trace" || log.contains("migrations defined"), "libraries talk at that level: {log}");
        let token = app.token.clone();
        outputs.hold_none_of(&[("the token", &token), ("a hash", &hashed)]);
    }
    outputs.hold_none_of(&SECRETS);
}

#[test]
fn a_password_that_the_directory_refuses_is_not_shown_by_the_refusal() {
    let mut outputs = Outputs(Vec::new());
    let what = "a wrong password for the directory";
    let settings = settings("json", "trace").variable("SCIMBRIDGE__LDAP__BIND_PASSWORD", secret(what));
    let app = TestApp::start_with(Flavor::AsShipped, settings);
    outputs.add("the answer", app.post("/Users", &person("ada")).expect(503).body);
    for command in [&["check"][..], &["check", "--probe"], &["reconcile", "--dry-run"], &["adopt"]] {
        let said = app.workplace.run(command);
        assert_ne!(said.code, Some(0), "{command:?}: {said:#?}");
        outputs.add(command.join(" "), said.stdout + &said.stderr);
    }
    outputs.add("the metrics", {
        let log = app.log();
        let line = log.lines().find(|line| line.contains("metrics are shown")).expect("the line");
        let line: Value = serde_json::from_str(line).unwrap();
        let address = line["address"].as_str().unwrap().parse().unwrap();
        exchange(address, b"GET /metrics HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").unwrap().body
    });
    app.kill();
    outputs.add_files(app.workplace.folder(), "files");
    outputs.hold_none_of(&[(what, secret(what))]);
}

#[test]
fn the_search_for_secrets_finds_them() {
    let base64 = STANDARD.encode("something before Erstes-Geheimnis-21 and after");
    for said in [
        "x Erstes-Geheimnis-21",
        "69, 114, 115, 116, 101, 115, 45, 71, 101, 104, 101, 105, 109, 110, 105, 115, 45, 50, 49",
        &base64,
    ] {
        let found = forms("Erstes-Geheimnis-21").iter().any(|form| holds(said.as_bytes(), form));
        assert!(found, "{said}");
    }
}

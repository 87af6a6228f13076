//! When things fail: a directory that is away or hangs, values that it refuses, requests that are none.
//!
//! Entra hears the truth: 2xx only for what the directory holds, 503 for what passes, 400 with the attribute's name for
//! what will never do. Nothing panics (each story checks the log when it ends).

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use serde_json::json;

use crate::support::app::{TestApp, dn, group_dn};
use crate::support::entra::{self, group, person, person_with};
use crate::support::http::Answer;
use crate::support::slapd::{ADMIN_PASSWORD, Flavor};
use crate::support::wait_for;
use crate::support::workplace::Settings;

/// That the answer says "later", and when.
#[track_caller]
fn says_later(answer: Answer) {
    let answer = answer.expect(503);
    let after = answer.header("retry-after").unwrap_or_else(|| panic!("503 says when: {}", answer.text()));
    assert!(after.parse::<u32>().is_ok(), "Retry-After is a number of seconds: {after}");
}

fn short_timeout() -> Settings {
    Settings::default().variable("SCIMBRIDGE__LDAP__TIMEOUT", "1s")
}

#[test]
fn a_create_that_met_no_directory_is_made_good_by_itself() {
    let app = TestApp::start();
    app.slapd.stop();
    says_later(app.post("/Users", &person("ada")));
    app.slapd.start_again();
    let found = wait_for("the bridge to create Ada by itself", || app.lookup_user("ada@contoso.com"));
    let id = found["id"].as_str().unwrap();
    assert_eq!(app.read_user(id), found);
    wait_for("her entry", || app.slapd.entry(&dn("ada")));
    // Nobody has heard that she was created: the repeated request is told, with the same id, and the next one
    // that she is there already.
    let repeated = app.post("/Users", &person("ada")).expect(201).json();
    assert_eq!(repeated["id"], found["id"]);
    app.post("/Users", &person("ada")).refuses(409, "uniqueness", &[]);
    assert_eq!(app.slapd.people("uid", "ada@contoso.com").len(), 1);
}

#[test]
fn a_repeated_create_continues_the_pending_one() {
    let app = TestApp::start();
    app.slapd.stop();
    for _ in 0..3 {
        says_later(app.post("/Users", &person("ada")));
        says_later(app.post("/Groups", &group("Staff")));
    }
    app.slapd.start_again();
    for (endpoint, body) in [("/Users", person("ada")), ("/Groups", group("Staff"))] {
        let answer = wait_for("an answer that is not 503", || {
            let answer = app.post(endpoint, &body);
            (answer.status != 503).then_some(answer)
        });
        // The bridge itself may have been the first; then this is a repetition of what is done.
        assert!([201, 409].contains(&answer.status), "{}", answer.text());
        let list = app.get(endpoint).expect(200).json();
        assert_eq!(list["totalResults"], 1, "one of them, however often it was asked for: {list}");
        if answer.status == 201 {
            assert_eq!(answer.json()["id"], list["Resources"][0]["id"]);
        }
        app.post(endpoint, &body).refuses(409, "uniqueness", &[]);
    }
    assert_eq!(app.slapd.people("uid", "ada@contoso.com").len(), 1);
    assert_eq!(app.slapd.groups("Staff").len(), 1);
}

#[test]
fn a_repeated_create_brings_the_newest_wishes() {
    let app = TestApp::start();
    app.slapd.stop();
    says_later(app.post("/Users", &person_with("ada", json!({"title": "Old"}))));
    says_later(app.post("/Users", &person_with("ada", json!({"title": "New"}))));
    app.slapd.start_again();
    let entry = wait_for("Ada's entry", || app.slapd.entry(&dn("ada")));
    assert_eq!(entry.values("title"), ["New"]);
    let found = wait_for("Ada over SCIM", || app.lookup_user("ada@contoso.com"));
    assert_eq!(found["title"], "New");
}

#[test]
fn changes_wait_for_the_directory_and_reads_do_not() {
    let app = TestApp::start();
    let (ada, bob) = (app.user("ada"), app.user("bob"));
    let staff = app.create_group("Staff");
    app.add_members(&staff, &[&ada]);
    app.slapd.stop();

    says_later(app.patch(&format!("/Users/{ada}"), &json!([{"op": "Replace", "path": "title", "value": "Countess"}])));
    says_later(app.patch(&format!("/Groups/{staff}"), &entra::add_members(&[&bob])));
    says_later(app.delete(&format!("/Users/{bob}")));
    // The desired state is in the store: what only asks is answered, and never by "not there" or "not allowed".
    assert_eq!(app.read_user(&ada)["userName"], "ada@contoso.com");
    assert!(app.lookup_user("ada@contoso.com").is_some());
    assert!(app.lookup_user("nobody@contoso.com").is_none());
    assert_eq!(app.lookup_groups("Staff").len(), 1);
    app.get("/ServiceProviderConfig").expect(200);

    app.slapd.start_again();
    wait_for("what was pending to be settled", || {
        let settled = app.slapd.values(&dn("ada"), "title") == ["Countess"]
            && app.slapd.entry(&dn("bob")).is_none()
            && app.directory_members("Staff") == [dn("ada")]
            && app.get(&format!("/Users/{bob}")).status == 404
            && app.read_user(&ada)["title"] == "Countess";
        settled.then_some(())
    });
    app.patch_user(&ada, &json!([{"op": "Replace", "path": "title", "value": "Lady"}]));
}

#[test]
fn the_bridge_starts_before_its_directory() {
    let app = TestApp::start();
    let ada = app.user("ada");
    app.slapd.stop();
    app.restart();
    assert_eq!(app.read_user(&ada)["userName"], "ada@contoso.com");
    says_later(app.post("/Users", &person("bob")));
    app.slapd.start_again();
    wait_for("Bob", || app.lookup_user("bob@contoso.com"));
    app.user("cyd");
}

#[test]
fn a_directory_that_hangs_is_given_up_in_time() {
    let app = TestApp::start_with(Flavor::AsShipped, short_timeout());
    let ada = app.user("ada");
    app.slapd.pause();
    let begun = Instant::now();
    says_later(app.patch(&format!("/Users/{ada}"), &json!([{"op": "Add", "path": "title", "value": "Countess"}])));
    let took = begun.elapsed();
    assert!(took < Duration::from_secs(12), "the timeout is one second, the answer took {took:?}");
    app.get(&format!("/Users/{ada}")).expect(200);
    app.slapd.resume();
    wait_for("the change to be settled", || (app.slapd.values(&dn("ada"), "title") == ["Countess"]).then_some(()));
    app.user("bob");
}

#[test]
fn a_directory_that_was_restarted_is_found_again() {
    let app = TestApp::start();
    app.user("ada");
    for name in ["bob", "cyd", "dan"] {
        app.slapd.stop();
        app.slapd.start_again();
        // The first word on a connection that has died may be lost; "later" is then a true answer.
        wait_for("the bridge to connect again", || {
            let answer = app.post("/Users", &person(name));
            answer.check_protocol();
            (answer.status != 503).then_some(())
        });
        wait_for("the new entry", || app.slapd.entry(&dn(name)));
    }
}

#[test]
fn a_wrong_password_for_the_directory_is_not_entras_fault() {
    let settings = Settings::default().variable("SCIMBRIDGE__LDAP__BIND_PASSWORD", "wrong");
    let app = TestApp::start_with(Flavor::AsShipped, settings);
    let answer = app.post("/Users", &person("ada"));
    answer.check_protocol();
    assert!(answer.status >= 500, "never 401 or 403, which would stop the whole job: {}", answer.text());
    app.get("/Users").expect(200);
}

#[test]
fn a_refusal_names_the_scim_attribute_and_leaves_the_settled_state() {
    let app = TestApp::start();
    let ada = app.create_user(&person_with("ada", json!({"title": "Countess"})));
    let before = app.view();
    let work_mail = "emails[type eq \"work\"].value";
    for (path, value, named) in [
        (work_mail, "åsa@contoso.com", "emails"),
        ("phoneNumbers[type eq \"mobile\"].value", "Straße 5", "phoneNumbers"),
        // Only the directory can tell.
        ("phoneNumbers[type eq \"fax\"].value", "Straße 5", "phoneNumbers"),
    ] {
        let operations = json!([
            {"op": "Replace", "path": "title", "value": "Changed"},
            {"op": "Replace", "path": path, "value": value}
        ]);
        let refused = app.patch(&format!("/Users/{ada}"), &operations).refuses(400, "invalidValue", &[named]);
        assert!(!refused.text().contains(ADMIN_PASSWORD));
        assert_eq!(app.view(), before, "after a refused {path}");
    }
    // The intent is dropped: nothing of it comes back later, and nothing stands in the way.
    app.patch_user(&ada, &json!([{"op": "Replace", "path": "name.givenName", "value": "Augusta"}]));
    app.restart();
    assert_eq!(app.read_user(&ada)["title"], "Countess");
    assert_eq!(app.slapd.values(&dn("ada"), "title"), ["Countess"]);

    for (attribute, refused) in [
        ("emails", json!({"emails": [{"type": "work", "value": "bøb@contoso.com"}]})),
        ("phoneNumbers", json!({"phoneNumbers": [{"type": "fax", "value": "gehört niemandem"}]})),
    ] {
        app.post("/Users", &person_with("bob", refused)).refuses(400, "invalidValue", &[attribute]);
        assert_eq!(app.lookup_user("bob@contoso.com"), None);
    }
    app.user("bob");
}

#[test]
fn a_class_that_the_directory_does_not_know_is_no_crash() {
    let settings = Settings::default().set("users.object_classes", "[\"inetOrgPerson\", \"noSuchClass\"]");
    let app = TestApp::start_with(Flavor::AsShipped, settings);
    let answer = app.post("/Users", &person("ada"));
    answer.check_protocol();
    assert!(answer.status >= 400, "{}", answer.text());
    assert_eq!(app.slapd.ldif("ou=people"), "");
}

#[test]
fn a_branch_that_is_missing_is_said() {
    let settings = Settings::default().set("users.base_dn", "\"ou=nowhere,dc=example,dc=org\"");
    let app = TestApp::start_with(Flavor::AsShipped, settings);
    let answer = app.post("/Users", &person("ada"));
    answer.check_protocol();
    assert!(answer.status >= 400 && answer.status != 404, "{}", answer.text());
}

#[test]
fn an_entry_that_somebody_deleted_is_made_again_by_the_next_change() {
    let app = TestApp::start();
    let (ada, bob) = (app.user("ada"), app.user("bob"));
    let staff = app.create_group("Staff");
    app.add_members(&staff, &[&ada]);
    app.slapd.by_hand(&format!("dn: {}\nchangetype: delete\n", dn("ada")));
    app.slapd.by_hand(&format!("dn: {}\nchangetype: delete\n", group_dn("Staff")));

    app.patch_user(&ada, &json!([{"op": "Add", "path": "title", "value": "Countess"}]));
    assert_eq!(app.slapd.values(&dn("ada"), "title"), ["Countess"]);
    assert_eq!(app.slapd.values(&dn("ada"), "mail"), ["ada@contoso.com"]);
    app.add_members(&staff, &[&bob]);
    assert_eq!(app.directory_members("Staff"), [dn("ada"), dn("bob")]);

    app.slapd.by_hand(&format!("dn: {}\nchangetype: delete\n", dn("bob")));
    app.delete(&format!("/Users/{bob}")).expect(204);
    app.get(&format!("/Users/{bob}")).expect(404);
}

#[test]
fn an_entry_that_somebody_moved_is_followed() {
    let app = TestApp::start();
    let ada = app.user("ada");
    app.slapd.by_hand(&format!("dn: {}\nchangetype: modrdn\nnewrdn: uid=moved\ndeleteoldrdn: 0\n", dn("ada")));
    app.patch_user(&ada, &json!([{"op": "Add", "path": "title", "value": "Countess"}]));
    let entries = app.slapd.people("uid", "ada@contoso.com");
    assert_eq!(entries.len(), 1, "followed, not duplicated: {entries:#?}");
    assert_eq!(entries[0].values("title"), ["Countess"]);
}

#[test]
fn what_is_no_request_is_refused_in_scim() {
    let app = TestApp::start();
    let id = app.user("ada");
    let user = format!("/Users/{id}");
    let send = |method: &str, target: &str, body: &str| app.try_request(method, target, Some(body.as_bytes())).unwrap();
    for body in ["{", "", "null", "[]", "\"text\"", "{\"userName\":", "\u{0}", "{\"userName\":\"x\"} trailing"] {
        send("POST", "/Users", body).refuses(400, "invalidSyntax", &[]);
        send("PATCH", &user, body).refuses(400, "invalidSyntax", &[]);
    }
    app.try_request("POST", "/Users", Some(b"{\"userName\":\"\xff\xfe\"}")).unwrap().refuses(400, "invalidSyntax", &[]);
    for operations in ["{}", "{\"Operations\":{}}", "{\"Operations\":[1]}", "{\"Operations\":[{}]}"] {
        send("PATCH", &user, operations).refuses(400, "invalidSyntax", &[]);
    }
    for target in [
        "/nowhere",
        "/Users/nobody",
        "/Users/nobody/else",
        "/Groups/00000000-0000-4000-8000-000000000000",
        "/Users/%00",
        "/Users/..%2fGroups",
        "/Users/%ff",
    ] {
        app.get(target).expect(404);
        app.patch(target, &json!([])).expect(404);
        app.delete(target).expect(404);
    }
}

#[test]
fn a_method_that_a_path_does_not_know_is_told_which_it_knows() {
    let app = TestApp::start();
    let id = app.user("ada");
    for (method, target, known) in [
        ("DELETE", "/Users".to_owned(), vec!["GET", "POST"]),
        ("PATCH", "/Groups".to_owned(), vec!["GET", "POST"]),
        ("POST", format!("/Users/{id}"), vec!["GET", "PUT", "PATCH", "DELETE"]),
        ("POST", "/Schemas".to_owned(), vec!["GET"]),
        ("BREW", "/Users".to_owned(), vec!["GET", "POST"]),
    ] {
        let answer = app.request(method, &target, Some(&person("bob"))).expect(405);
        let allowed = answer.header("allow").unwrap_or_else(|| panic!("{method} {target}: 405 says what is allowed"));
        for method in known {
            assert!(allowed.split(',').any(|name| name.trim() == method), "{target}: {allowed}");
        }
    }
}

#[test]
fn a_body_that_is_too_large_is_refused() {
    let app = TestApp::start();
    let body = format!("{{\"userName\":\"{}\"}}", "x".repeat(10 * 1024 * 1024));
    app.try_request("POST", "/Users", Some(body.as_bytes())).unwrap().expect(413);
    app.user("ada");
}

#[test]
fn what_is_nested_too_deep_is_refused() {
    let app = TestApp::start();
    let id = app.user("ada");
    let deep = format!("{}userName eq \"ada@contoso.com\"{}", "(".repeat(1000), ")".repeat(1000));
    app.get(&format!("/Users?filter={}", entra::encode(&deep))).refuses(400, "invalidFilter", &[]);
    let nots = format!("{}userName pr{}", "not (".repeat(1000), ")".repeat(1000));
    app.get(&format!("/Users?filter={}", entra::encode(&nots))).refuses(400, "invalidFilter", &[]);
    let path = format!("emails[{}type eq \"work\"{}].value", "(".repeat(1000), ")".repeat(1000));
    let operations = json!([{"op": "Replace", "path": path, "value": "x@contoso.com"}]);
    let answer = app.patch(&format!("/Users/{id}"), &operations).expect(400).json();
    assert!(["invalidPath", "invalidFilter"].contains(&answer["scimType"].as_str().unwrap_or_default()), "{answer}");
    let body = format!("{{\"userName\":{}1{}}}", "[".repeat(100_000), "]".repeat(100_000));
    app.try_request("POST", "/Users", Some(body.as_bytes())).unwrap().refuses(400, "invalidSyntax", &[]);
    app.user("bob");
}

#[test]
fn half_a_request_does_no_harm() {
    let app = TestApp::start();
    let head = format!(
        "POST /scim/v2/Users HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {}\r\nContent-Length: 500\r\n\r\n{{\"user",
        app.token
    );
    for bytes in [&head.as_bytes()[..20], head.as_bytes(), b"\x16\x03\x01\x02\x00", b"nonsense\r\n\r\n"] {
        let mut stream = TcpStream::connect(app.address()).unwrap();
        stream.write_all(bytes).unwrap();
        stream.shutdown(std::net::Shutdown::Write).unwrap();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).ok();
        assert!(!answer.starts_with(b"HTTP/1.1 2"), "{}", String::from_utf8_lossy(&answer));
    }
    app.user("ada");
}

#[test]
fn the_log_holds_no_secret_even_when_it_says_much() {
    let settings = Settings::default().variable("SCIMBRIDGE__LOG__LEVEL", "trace");
    let app = TestApp::start_with(Flavor::AsShipped, settings);
    let ada = app.user("ada");
    app.patch_user(&ada, &json!([{"op": "Add", "path": "password", "value": "Not-For-The-Log-1"}]));
    app.patch(&format!("/Users/{ada}"), &json!([{"op": "Frob"}])).expect(400);
    app.try_request("POST", "/Users", Some(b"{\"password\":\"Not-For-The-Log-1\"")).unwrap().expect(400);
    app.slapd.stop();
    says_later(app.post("/Users", &person("bob")));
    for file in std::fs::read_dir(app.workplace.folder()).unwrap() {
        // The log and the store, whatever files it has.
        let path = file.unwrap().path();
        let bytes = std::fs::read(&path).unwrap();
        let secret = b"Not-For-The-Log-1";
        assert!(!bytes.windows(secret.len()).any(|window| window == secret), "a password stands in {}", path.display());
    }
    // The token and the directory's password are looked for when the story ends.
}

#[test]
fn a_refused_patch_is_logged_as_it_came_without_its_values() {
    let app = TestApp::start();
    let ada = app.user("ada");
    let target = format!("/Users/{ada}");
    app.patch(
        &target,
        &json!([{"op": "Frobnicate", "path": "emails[type eq \"work\"].value", "value": "ada@secret.org"}]),
    )
    .refuses(400, "invalidSyntax", &["Frobnicate"]);
    // What the directory refuses is looked at in the same way.
    let fax = "phoneNumbers[type eq \"fax\"].value";
    app.patch(&target, &json!([{"op": "Replace", "path": fax, "value": "sécret number"}])).expect(400);
    let log = app.log();
    let refused: Vec<&str> = log.lines().filter(|line| line.contains("PATCH refused")).collect();
    assert_eq!(refused.len(), 2, "{log}");
    assert!(refused[0].contains("Frobnicate") && refused[0].contains("type eq"), "{}", refused[0]);
    assert!(refused[0].contains("<14 characters>"), "{}", refused[0]);
    assert!(!log.contains("secret") && !log.contains("sécret"), "a value stands in the log:\n{log}");
}

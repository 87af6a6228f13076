//! What was done is told afterwards: for whom, by whom, what became of it. `scimbridge log` beside a running `serve`, as
//! an administrator calls it.

use std::io::{BufRead as _, BufReader};
use std::process::Stdio;
use std::sync::mpsc;

use serde_json::{Value, json};

use crate::support::app::{CrashAt, TestApp, dn};
use crate::support::entra::{self, person, person_with};
use crate::support::http::Answer;
use crate::support::slapd::{Flavor, signal};
use crate::support::workplace::Settings;
use crate::support::{PATIENCE, wait_for};

/// The lines of the log, read as what they are.
#[track_caller]
fn log(app: &TestApp, arguments: &[&str]) -> Vec<Value> {
    let arguments = [&["log", "--format", "json"], arguments].concat();
    let told = app.workplace.run(&arguments).succeeds();
    told.stdout.lines().map(|line| serde_json::from_str(line).unwrap_or_else(|_| panic!("JSON: {line}"))).collect()
}

#[track_caller]
fn last(app: &TestApp, arguments: &[&str]) -> Value {
    log(app, arguments).pop().unwrap_or_else(|| panic!("{arguments:?} finds a write"))
}

/// The log as people read it.
#[track_caller]
fn text(app: &TestApp, arguments: &[&str]) -> String {
    let told = app.workplace.run(&[&["log"], arguments].concat()).succeeds();
    let raw = told.stdout.chars().find(|one| one.is_control() && *one != '\n');
    assert_eq!(raw, None, "no character moves the terminal's cursor: {}", told.stdout);
    told.stdout
}

/// That the latest write tells of an answer: request and status.
#[track_caller]
fn tells_of(app: &TestApp, answer: &Answer, operation: &str, result: &str) -> Value {
    let request = answer.header("x-request-id").expect("an id of the request");
    let run = last(app, &["--request", request]);
    let told = (&run["operation"], &run["result"], &run["token"], &run["address"]);
    assert_eq!(told, (&json!(operation), &json!(result), &json!("entra"), &json!("127.0.0.1")), "{run:#}");
    let status = if answer.status < 300 { Value::Null } else { json!(answer.status) };
    assert_eq!(run["status"], status, "{run:#}");
    assert!(run["milliseconds"].is_u64() && run["finished"].is_string(), "{run:#}");
    run
}

fn operations(run: &Value) -> Vec<&str> {
    let changes = run["changes"].as_array().unwrap().iter();
    changes.map(|change| change["change"]["operation"].as_str().unwrap()).collect()
}

#[test]
fn each_write_is_told_with_who_asked_and_what_became_of_it() {
    let app = TestApp::start();
    let created = app.post("/Users", &person("ada"));
    let run = tells_of(&app, &created, "create", "done");
    let id = app.know(&created.json());
    assert_eq!((&run["kind"], &run["id"], &run["name"]), (&json!("User"), &json!(id), &json!("ada@contoso.com")));
    assert_eq!(operations(&run), ["add"]);
    assert_eq!(run["changes"][0]["reverse"], json!([{"operation": "delete", "dn": dn("ada")}]));

    let target = format!("/Users/{id}");
    let retitled = json!([{"op": "Replace", "path": "title", "value": "Countess"}]);
    let run = tells_of(&app, &app.patch(&target, &retitled), "patch", "done");
    assert_eq!((operations(&run), &run["name"]), (vec!["modify"], &json!("ada@contoso.com")));
    let run = tells_of(&app, &app.patch(&target, &retitled), "patch", "done");
    assert_eq!(operations(&run), [""; 0], "told though it changed nothing");
    let renamed = json!([{"op": "Replace", "path": "userName", "value": "king@contoso.com"}]);
    let run = tells_of(&app, &app.patch(&target, &renamed), "patch", "done");
    assert!(operations(&run).contains(&"rename"), "{run:#}");
    let run = tells_of(&app, &app.put(&target, &person("king")), "replace", "done");
    assert_eq!(run["name"], "king@contoso.com");

    // Refused, by whatever part of the program.
    let run = tells_of(&app, &app.post("/Users", &person("king")), "create", "refused");
    assert!(run["detail"].as_str().unwrap().contains("king@contoso.com"), "{run:#}");
    tells_of(&app, &app.post("/Users", &json!({"schemas": [entra::USER], "userName": 7})), "create", "refused");
    let nonsense = app.try_request("PATCH", &target, Some(b"{")).unwrap();
    tells_of(&app, &nonsense.expect(400), "patch", "refused");
    let unknown = app.patch("/Users/00000000-0000-0000-0000-000000000000", &retitled);
    tells_of(&app, &unknown.expect(404), "patch", "refused");

    let group = app.post("/Groups", &entra::group_with("Staff", "e-1", &[&id]));
    let group_id = app.know(&group.json());
    assert_eq!(tells_of(&app, &group, "create", "done")["name"], "Staff");
    let left = app.patch(&format!("/Groups/{group_id}"), &entra::remove_members(&[&id]));
    assert_eq!(tells_of(&app, &left, "patch", "done")["changes"][0]["reason"], "members");
    let run = tells_of(&app, &app.delete(&target), "delete", "done");
    assert!(operations(&run).contains(&"delete"), "{run:#}");
    let everything = log(&app, &["--limit", "1000"]);
    assert_eq!(everything.len(), 12, "{everything:#?}");
    assert!(everything.is_sorted_by_key(|run| run["run"].as_i64()), "the newest last");
    assert_eq!(log(&app, &["--limit", "2"]), everything[10..]);

    // Reading is no write, and neither is what is not let in.
    app.get("/Users").expect(200);
    let stranger = format!(
        "DELETE /scim/v2{target} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer x\r\n\
                            Connection: close\r\n\r\n"
    );
    app.raw(stranger.as_bytes()).unwrap().expect(401);
    assert_eq!(log(&app, &["--limit", "1000"]).len(), 12);
}

#[test]
fn the_story_of_somebody_who_is_gone_is_told_by_any_name_they_had() {
    let app = TestApp::start();
    let (ada, bob) = (app.user("ada"), app.user("bob"));
    app.create_group_with(&entra::group_with("Staff", "e-1", &[&ada]));
    app.rename_user(&ada, "ada.king@contoso.com");
    app.patch_user(&bob, &json!([{"op": "Add", "path": "title", "value": "Sir"}]));
    app.delete(&format!("/Users/{ada}")).expect(204);
    let story = log(&app, &["--user", &ada]);
    assert_eq!(story.len(), 3, "{story:#?}");
    for name in ["ADA@contoso.com", "ada.king@contoso.com"] {
        assert_eq!(log(&app, &["--user", name]), story, "{name}");
    }
    assert_eq!(log(&app, &["--user", "bob"]).len(), 2, "by externalId");
    assert_eq!(log(&app, &["--user", "Staff"]).len(), 0);
    assert_eq!(log(&app, &["--group", "Staff"]).len(), 1);
    assert_eq!(log(&app, &["--group", "staff"]).len(), 0, "byte for byte");
    let renamed = dn("ada.king");
    let entry: Vec<Value> = log(&app, &["--dn", &renamed.to_uppercase()]);
    assert_eq!(entry, story[1..], "renamed to that, and deleted as that");
    assert_eq!(log(&app, &["--dn", &dn("ada")]), story[..2]);
    assert_eq!(log(&app, &["--since", "2020-01-01"]).len(), 6);
    assert_eq!(log(&app, &["--since", "2d", "--token", "entra", "--origin", "push"]).len(), 6);
    for none in [&["--since", "2999-01-01"], &["--token", "x"], &["--origin", "undo"], &["--dn", "dc=x"]] {
        assert_eq!(log(&app, none).len(), 0, "{none:?}");
    }
    for wrong in [&["--since", "soon"], &["--origin", "chance"], &["--dn", "ada"]] {
        app.workplace.run(&[&["log"], wrong.as_slice()].concat()).fails_naming(&[wrong[1]]);
    }
    // What the log names is what can be taken back.
    let deletion = story[2]["run"].to_string();
    let read = text(&app, &["--user", &ada]);
    assert!(read.contains(&format!("run {deletion} ")) && read.contains("    - <"), "{read}");
    app.workplace.run(&["undo", &deletion, "--max-deletes", "100%"]).succeeds();
    assert!(app.slapd.entry(&renamed).is_some());
    let undo = last(&app, &["--origin", "undo"]);
    assert_eq!((&undo["undoes"], &undo["result"]), (&story[2]["run"], &json!("done")));
    assert!(text(&app, &["--user", &ada]).contains("; taken back since"));
}

#[test]
fn what_is_put_off_is_told_and_so_is_its_completion() {
    let app = TestApp::start();
    let ada = app.user("ada");
    app.slapd.stop();
    let answer = app.patch(&format!("/Users/{ada}"), &json!([{"op": "Add", "path": "title", "value": "Countess"}]));
    let run = tells_of(&app, &answer.expect(503), "patch", "put off");
    assert!(run["detail"].as_str().unwrap().contains("cannot connect"), "{run:#}");
    assert_eq!(log(&app, &["--failed"]), std::slice::from_ref(&run));
    let bulk = json!({"schemas": ["urn:ietf:params:scim:api:messages:2.0:BulkRequest"], "Operations": [
        {"method": "DELETE", "path": format!("/Users/{ada}")},
        {"method": "POST", "path": "/Users", "bulkId": "b", "data": person("bob")}
    ]});
    let answer = app.post("/Bulk", &bulk).expect(200);
    let each = log(&app, &["--request", answer.header("x-request-id").unwrap()]);
    let told: Vec<(&str, &str)> =
        each.iter().map(|run| (run["operation"].as_str().unwrap(), run["result"].as_str().unwrap())).collect();
    assert_eq!(told, [("delete", "put off"), ("create", "put off")]);
    app.slapd.start_again();
    let done = completion(&app);
    assert_eq!((&done["result"], &done["id"], &done["name"]), (&json!("done"), &json!(ada), &json!("ada@contoso.com")));
    assert_eq!((&done["token"], &done["operation"]), (&Value::Null, &Value::Null));
    assert_eq!(operations(&done), ["modify"]);
}

/// What the background has done, once it has.
fn completion(app: &TestApp) -> Value {
    let ended = |run: &Value| run["result"] != "under way";
    wait_for("the background to finish it", || log(app, &["--origin", "background"]).pop().filter(ended))
}

#[test]
fn a_write_that_was_cut_off_is_told_as_such() {
    for point in [CrashAt::Intent, CrashAt::Apply, CrashAt::Record] {
        let app = TestApp::start_on(Flavor::Plain);
        app.user("ada");
        app.restart_to_crash(point);
        app.try_request("POST", "/Users", Some(person("bob").to_string().as_bytes())).unwrap_err();
        app.wait_exit();
        let cut = last(&app, &["--failed"]);
        assert_eq!((&cut["result"], &cut["name"]), (&json!("cut off"), &json!("bob@contoso.com")), "{point:?}");
        assert_eq!((&cut["finished"], &cut["token"]), (&Value::Null, &json!("entra")));
        app.restart();
        let done = completion(&app);
        assert_eq!((&done["id"], &done["result"]), (&cut["id"], &json!("done")), "{point:?}");
        assert_eq!(last(&app, &["--failed"])["result"], "cut off", "it stays so");
    }
}

#[test]
fn no_password_is_in_the_log_or_the_store() {
    const SECRET: &str = "Correct-Horse-7-Battery";
    for storage in ["\"server\"", "\"{SSHA512}\""] {
        let settings = Settings::default()
            .set("users.password_storage", storage)
            .add("[[users.attribute]]\nldap = \"userPassword\"\nscim = \"password\"")
            .set("history.hide", "[\"title\"]");
        let app = TestApp::start_with(Flavor::AsShipped, settings);
        let ada = app.create_user(&person_with("ada", json!({"password": SECRET, "title": "Countess"})));
        let run = last(&app, &[]);
        let set = run["changes"].as_array().unwrap().last().unwrap();
        assert_eq!(set["change"]["modifications"][0]["values"], json!(["(hidden)"]), "{run:#}");
        app.post("/Users", &person_with("ada", json!({"password": SECRET}))).expect(409);
        let wrong = json!([{"op": "Replace", "path": "password", "value": {"x": SECRET}}]);
        app.patch(&format!("/Users/{ada}"), &wrong).expect(400);
        app.disable_user(&ada);
        let told = [text(&app, &[]), format!("{:?}", log(&app, &[])), explained(&app, &ada)];
        for told in &told {
            assert!(!told.contains(SECRET) && !told.contains("{SSHA"), "{told}");
            assert!(told.contains("(hidden)") && !told.contains("Countess"), "history.hide: {told}");
        }
        app.kill();
        for file in ["scimbridge.db", "scimbridge.db-wal"] {
            let bytes = std::fs::read(app.workplace.path(file)).unwrap_or_default();
            let has = |text: &str| bytes.windows(text.len()).any(|window| window == text.as_bytes());
            assert!(!has(SECRET) && !has("{SSHA512}"), "{file}");
        }
    }
}

fn explained(app: &TestApp, who: &str) -> String {
    app.workplace.run(&["explain", who]).succeeds().stdout
}

#[test]
fn whoever_follows_sees_what_comes_and_leaves_in_order() {
    let app = TestApp::start();
    app.user("ada");
    let mut following =
        app.workplace.command(&["log", "--follow", "--format", "json"]).stdout(Stdio::piped()).spawn().unwrap();
    let (sender, lines) = mpsc::channel();
    let stdout = following.stdout.take().unwrap();
    let reader = std::thread::spawn(move || {
        BufReader::new(stdout).lines().map_while(Result::ok).all(|line| sender.send(line).is_ok())
    });
    let next = || -> Value { serde_json::from_str(&lines.recv_timeout(PATIENCE).unwrap()).unwrap() };
    assert_eq!(next()["name"], "ada@contoso.com", "what was there");
    for name in ["bob", "cyd"] {
        app.user(name);
        assert_eq!(next()["name"], format!("{name}@contoso.com"));
    }
    app.post("/Users", &person("cyd")).expect(409);
    assert_eq!(next()["result"], "refused");
    signal("-INT", &following);
    assert_eq!(following.wait().unwrap().code(), Some(0));
    reader.join().unwrap();
    assert!(lines.try_recv().is_err(), "nothing twice");
}

#[test]
fn what_is_too_old_or_too_much_is_forgotten() {
    let app = TestApp::start();
    let ada = app.user("ada");
    for number in 0..20 {
        app.patch_user(&ada, &json!([{"op": "Replace", "path": "title", "value": format!("{number}")}]));
    }
    assert_eq!(log(&app, &[]).len(), 21);
    app.workplace.run(&["reconcile"]).succeeds();
    assert_eq!(log(&app, &[]).len(), 21, "neither old nor much");
    app.workplace.reconfigure(&Settings::default().set("history.max_size", "\"10kB\""));
    app.workplace.run(&["reconcile"]).succeeds();
    let left = log(&app, &[]);
    assert!((2..21).contains(&left.len()), "{}", left.len());
    assert_eq!(left.last().unwrap()["run"], 21, "the latest stay");
    // What takes a change back may go earlier than the change.
    app.workplace.reconfigure(&Settings::default().set("reconcile.keep_undo", "\"1ms\""));
    app.workplace.run(&["reconcile"]).succeeds();
    assert_eq!(log(&app, &[]).len(), left.len());
    let undo = app.workplace.run(&["undo", "21"]).succeeds();
    assert!(undo.stdout.contains("kept no longer (reconcile.keep_undo)"), "{undo:#?}");
    assert_eq!(app.slapd.values(&dn("ada"), "title"), ["19"]);
    // A service forgets when it starts, and every hour.
    app.workplace.reconfigure(&Settings::default().set("history.keep", "\"1ms\""));
    app.restart();
    wait_for("the service to forget", || log(&app, &[]).is_empty().then_some(()));
    app.user("bob");
    assert_eq!(last(&app, &[])["run"], 22, "no number is given twice");
}

#[test]
fn the_log_reads_well() {
    let app = TestApp::start_on(Flavor::Plain);
    let ada = app.create_user(&person_with("ada", json!({"title": "Countess"})));
    app.patch_user(&ada, &json!([{"op": "Replace", "path": "title", "value": "Lady\nLovelace"}]));
    app.rename_user(&ada, "king@contoso.com");
    app.disable_user(&ada);
    app.post("/Users", &person("king")).expect(409);
    app.delete(&format!("/Users/{ada}")).expect(204);
    insta::assert_snapshot!("log_as_text", told(&app, &text(&app, &[])));
}

/// The text without what differs in every run.
fn told(app: &TestApp, text: &str) -> String {
    let word = |word: &str| match word {
        _ if word.len() == 24 && word.ends_with('Z') => "[time]".to_owned(),
        _ if word.len() == 32 && word.bytes().all(|byte| byte.is_ascii_hexdigit()) => "[request]".to_owned(),
        _ => word.to_owned(),
    };
    let mut milliseconds = false;
    let line = |line: &str| {
        let words = line.split(' ').map(|one| {
            let shown = if milliseconds { "[n]".to_owned() } else { word(one) };
            milliseconds = one == "in" && line.starts_with("run ");
            shown
        });
        words.collect::<Vec<_>>().join(" ")
    };
    app.redact(text).lines().map(line).collect::<Vec<_>>().join("\n")
}

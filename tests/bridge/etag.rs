//! Versions as entity tags, and requests that are only meant for one of them (RFC 7644 §3.14, RFC 9110 §13).

use std::thread;

use serde_json::{Value, json};

use crate::support::app::{TestApp, dn, resources};
use crate::support::entra::{self, ENTERPRISE, add_members, group_with, person, person_with, remove_members};
use crate::support::http::Answer;

/// A request with one condition, such as `If-Match: W/"1"`.
fn request_if(app: &TestApp, method: &str, target: &str, condition: &str, body: Option<&Value>) -> Answer {
    let body = body.map(Value::to_string).unwrap_or_default();
    let request = format!(
        "{method} /scim/v2{target} HTTP/1.1\r\nHost: bridge.test\r\nAuthorization: Bearer {}\r\n{condition}\r\n\
         Content-Length: {}\r\nConnection: close\r\n\r\n{body}",
        app.token,
        body.len()
    );
    app.raw(request.as_bytes()).unwrap_or_else(|error| panic!("{method} {target}: {error}"))
}

fn patch_if(app: &TestApp, target: &str, condition: &str, operations: Value) -> Answer {
    request_if(app, "PATCH", target, condition, Some(&entra::patch(operations)))
}

/// The entity tag of an answer, which must be weak and in its form (RFC 9110 §8.8.3), and the one in its body.
#[track_caller]
fn tag(answer: &Answer) -> String {
    let tag = answer.header("etag").unwrap_or_else(|| panic!("{} without an ETag", answer.status)).to_owned();
    assert!(tag.len() > 4 && tag.starts_with("W/\"") && tag.ends_with('"'), "{tag}");
    if !answer.body.is_empty() {
        let body = answer.json();
        assert!(body.get("meta").is_none_or(|meta| meta["version"] == tag.as_str()), "{tag}: {body}");
    }
    tag
}

fn title(value: &str) -> Value {
    json!([{"op": "replace", "path": "title", "value": value}])
}

#[test]
fn header_and_body_name_one_version_in_every_answer() {
    let app = TestApp::start();
    let created = app.post("/Users", &person("ada")).expect(201);
    let user = format!("/Users/{}", created.json()["id"].as_str().unwrap());
    let read = app.get(&user).expect(200);
    assert_eq!(tag(&read), tag(&created));
    assert_eq!(read.json()["meta"]["version"], tag(&read).as_str());
    let patched = app.patch(&user, &title("Countess")).expect(200);
    assert_ne!(tag(&patched), tag(&created));
    assert_eq!(tag(&app.get(&user)), tag(&patched));
    let replaced = app.put(&user, &person_with("ada", json!({"title": "Engineer"}))).expect(200);
    assert!(![tag(&created), tag(&patched)].contains(&tag(&replaced)));
    // A part of it has the same version, shown or not.
    assert_eq!(tag(&app.get(&format!("{user}?attributes=title"))), tag(&replaced));
    assert_eq!(tag(&app.get(&format!("{user}?excludedAttributes=meta"))), tag(&replaced));
    for list in ["/Users", "/"] {
        let list = app.get(list).expect(200);
        assert_eq!(list.header("etag"), None, "a list has no version");
        assert_eq!(resources(&list.json())[0]["meta"]["version"], tag(&replaced).as_str());
    }

    let created = app.post("/Groups", &entra::group("Staff")).expect(201);
    let group = format!("/Groups/{}", created.json()["id"].as_str().unwrap());
    assert_eq!(tag(&app.get(&group)), tag(&created));
    let renamed = json!([{"op": "replace", "path": "displayName", "value": "Staff 2"}]);
    let patched = app.patch(&group, &renamed).expect(204);
    assert_ne!(tag(&patched), tag(&created));
    assert_eq!(tag(&app.get(&group)), tag(&patched));
    let patched = app.patch(&format!("{group}?attributes=displayName,meta"), &renamed).expect(200);
    assert_eq!(tag(&app.get(&group)), tag(&patched));
    let replaced = app.put(&group, &group_with("Staff 3", "entra-Staff", &[])).expect(200);
    assert_eq!(tag(&app.get(&format!("{group}?excludedAttributes=members"))), tag(&replaced));
}

#[test]
fn what_a_client_has_is_not_sent_again() {
    let app = TestApp::start();
    let ada = app.user("ada");
    let staff = app.create_group_with(&group_with("Staff", "1", &[&ada]));
    for target in [format!("/Users/{ada}"), format!("/Groups/{staff}")] {
        let version = tag(&app.get(&target).expect(200));
        let get = |condition: &str| request_if(&app, "GET", &target, condition, None);
        for known in [
            format!("If-None-Match: {version}"),
            format!("if-none-match: {}", version.trim_start_matches("W/")),
            format!("If-None-Match: W/\"no\", {version}"),
            format!("If-None-Match: W/\"no\",{version},\"neither\""),
            format!("If-None-Match: W/\"no\"\r\nIf-None-Match: {version}"),
            "If-None-Match: *".to_owned(),
            format!("If-Match: {version}\r\nIf-None-Match: {version}"),
        ] {
            let answer = get(&known).expect(304);
            assert!(answer.body.is_empty(), "{known}: {}", answer.text());
            assert_eq!(tag(&answer), version, "{known}");
            let part = request_if(&app, "GET", &format!("{target}?attributes=displayName"), &known, None);
            assert!(part.expect(304).body.is_empty(), "{known}");
        }
        for unknown in ["If-None-Match: W/\"no\"", "If-None-Match: \"\"", "If-None-Match: W/\"no\", W/\"neither\""] {
            assert_eq!(get(unknown).expect(200).body, app.get(&target).body, "{unknown}");
        }
        // Nobody has what is not there.
        request_if(&app, "GET", "/Users/nobody", "If-None-Match: *", None).expect(404);
    }
    let stale = tag(&app.get(&format!("/Users/{ada}")));
    app.patch_user(&ada, &title("Countess"));
    let answer = request_if(&app, "GET", &format!("/Users/{ada}"), &format!("If-None-Match: {stale}"), None);
    assert_eq!(answer.expect(200).json()["title"], "Countess");
}

#[test]
fn what_is_meant_for_another_version_changes_nothing() {
    let app = TestApp::start();
    let ada = app.create_user(&person_with("ada", json!({"title": "Countess"})));
    let staff = app.create_group_with(&group_with("Staff", "1", &[&ada]));
    let user_body = person_with("ada", json!({"title": "Boss"}));
    let group_body = group_with("Bosses", "1", &[]);
    let renaming = json!([{"op": "replace", "path": "displayName", "value": "Bosses"}]);
    for (target, patch, body) in [
        (format!("/Users/{ada}"), title("Boss"), user_body),
        (format!("/Groups/{staff}"), renaming, group_body.clone()),
        (format!("/Groups/{staff}"), remove_members(&[&ada]), group_body),
    ] {
        let before = app.get(&target).expect(200);
        let version = tag(&before);
        let view = app.view();
        for other in [
            "If-Match: W/\"0\"".to_owned(),
            "If-Match: \"no\"".to_owned(),
            "If-Match: W/\"no\", W/\"neither\"".to_owned(),
            "If-Match: \"*\"".to_owned(),
            format!("If-Match: W/\"{}0\"", version.trim_matches(|c| c != '1' && c != '2')),
            format!("If-None-Match: {version}"),
            "If-None-Match: *".to_owned(),
        ] {
            for (method, body) in
                [("PATCH", Some(&entra::patch(patch.clone()))), ("PUT", Some(&body)), ("DELETE", None)]
            {
                let answer = request_if(&app, method, &target, &other, body).expect(412);
                assert!(answer.json()["detail"].as_str().unwrap().contains("version"), "{method} {other}");
            }
            if other.starts_with("If-Match") {
                request_if(&app, "GET", &target, &other, None).expect(412);
            }
        }
        // Neither what is not understood nor who is not there is a matter of versions.
        request_if(&app, "PATCH", &target, "If-Match: W/\"0\"", Some(&json!({}))).expect(400);
        assert_eq!(app.get(&target).body, before.body);
        assert_eq!(app.view(), view);
    }
    patch_if(&app, "/Users/nobody", "If-Match: *", title("x")).expect(404);
    request_if(&app, "DELETE", "/Groups/nobody", "If-Match: W/\"1\"", None).expect(404);
}

#[test]
fn what_is_meant_for_this_version_is_done() {
    let app = TestApp::start();
    let ada = app.user("ada");
    let staff = app.create_group("Staff");
    let (user, group) = (format!("/Users/{ada}"), format!("/Groups/{staff}"));
    let version = |target: &str| tag(&app.get(target).expect(200));
    let conditions: [fn(&str) -> String; 6] = [
        |version| format!("If-Match: {version}"),
        |version| format!("If-Match: {}", version.trim_start_matches("W/")),
        |version| format!("If-Match: W/\"no\", {version} , W/\"neither\""),
        |version| format!("If-Match: W/\"no\"\r\nIf-Match: {version}"),
        |_| "If-Match: *".to_owned(),
        |_| "If-None-Match: W/\"no\"".to_owned(),
    ];
    for (number, condition) in conditions.iter().enumerate() {
        let wanted = title(&format!("title {number}"));
        let condition_now = condition(&version(&user));
        let patched = patch_if(&app, &user, &condition_now, wanted).expect(200);
        assert_eq!(patched.json()["title"], format!("title {number}"), "{condition_now}");
        let body = person_with("ada", json!({"title": format!("put {number}")}));
        let condition_now = condition(&version(&user));
        let replaced = request_if(&app, "PUT", &user, &condition_now, Some(&body)).expect(200);
        assert_eq!(replaced.json()["title"], format!("put {number}"));
        let change = if number % 2 == 0 { add_members(&[&ada]) } else { remove_members(&[&ada]) };
        let before = version(&group);
        let patched = patch_if(&app, &group, &condition(&before), change).expect(204);
        assert_ne!(tag(&patched), before);
        request_if(&app, "GET", &group, &format!("If-Match: {}", tag(&patched)), None).expect(200);
        let gone = app.create_group(&format!("Gone {number}"));
        let gone = format!("/Groups/{gone}");
        request_if(&app, "DELETE", &gone, &condition(&version(&gone)), None).expect(204);
        app.get(&gone).expect(404);
    }
    request_if(&app, "DELETE", &user, &format!("If-Match: {}", version(&user)), None).expect(204);
    assert_eq!(app.slapd.entry(&dn("ada")), None);
}

#[test]
fn what_changes_nothing_makes_no_version() {
    let app = TestApp::start();
    let boss = app.user("boss");
    let body = person_with("ada", json!({"title": "Countess", ENTERPRISE: {"department": "R&D", "manager": boss}}));
    let ada = app.create_user(&body);
    let staff = app.create_group_with(&group_with("Staff", "1", &[&ada, &boss]));
    let (user, group) = (format!("/Users/{ada}"), format!("/Groups/{staff}"));
    let before = (app.read_user(&ada), app.read_group(&staff));
    let version = tag(&app.get(&user));
    for nothing in [
        json!([]),
        title("Countess"),
        json!([{"op": "Add", "path": "title", "value": "Countess"}]),
        json!([{"op": "Replace", "path": "active", "value": "True"}]),
        json!([{"op": "Remove", "path": "nickName"}]),
        json!([{"op": "Add", "path": "emails[type eq \"work\"].value", "value": "ada@contoso.com"}]),
        json!([{"op": "Replace", "path": "emails", "value": before.0["emails"]}]),
        json!([{"op": "Add", "path": "manager", "value": boss}]),
        json!([{"op": "Replace", "value": {"title": "Countess", "name.givenName": "Ada"}}]),
        json!([{"op": "replace", "path": "title", "value": "x"}, {"op": "replace", "path": "title", "value": "Countess"}]),
    ] {
        let answer = app.patch(&user, &nothing).expect(200);
        assert_eq!(answer.json(), before.0, "{nothing}");
        assert_eq!(tag(&answer), version, "{nothing}");
        patch_if(&app, &user, &format!("If-Match: {version}"), nothing).expect(200);
    }
    let turned: Value = body.as_object().unwrap().clone().into_iter().rev().collect::<serde_json::Map<_, _>>().into();
    for same in [body.clone(), turned] {
        assert_eq!(app.put(&user, &same).expect(200).json(), before.0, "{same}");
    }
    let version = tag(&app.get(&group));
    for nothing in [
        json!([]),
        add_members(&[&ada]),
        add_members(&[&boss, &ada]),
        remove_members(&[&app.user("stranger")]),
        json!([{"op": "replace", "path": "members", "value": entra::member_values(&[&boss, &ada])}]),
        json!([{"op": "replace", "path": "displayName", "value": "Staff"}]),
    ] {
        assert_eq!(tag(&app.patch(&group, &nothing).expect(204)), version, "{nothing}");
        assert_eq!(app.read_group(&staff), before.1, "{nothing}");
    }
    app.put(&group, &group_with("Staff", "1", &[&boss, &ada])).expect(200);
    assert_eq!(app.read_group(&staff), before.1);
    // What is refused makes none either.
    app.patch(&user, &json!([{"op": "replace", "path": "active", "value": "maybe"}])).expect(400);
    app.patch(&group, &add_members(&["nobody"])).expect(400);
    assert_eq!((app.read_user(&ada), app.read_group(&staff)), before);
    app.restart();
    assert_eq!((app.read_user(&ada), app.read_group(&staff)), before);
}

#[test]
fn every_change_of_a_group_makes_a_version() {
    let app = TestApp::start();
    let (ada, bob, cyd) = (app.user("ada"), app.user("bob"), app.user("cyd"));
    let nested = app.create_group("Nested");
    let staff = app.create_group("Staff");
    let group = format!("/Groups/{staff}");
    let mut seen = vec![tag(&app.get(&group))];
    let mut is_new = |what: &str| {
        let answer = app.get(&group).expect(200);
        let version = tag(&answer);
        assert!(!seen.contains(&version), "{what}: {version} again");
        let stale = request_if(&app, "GET", &group, &format!("If-None-Match: {}", seen[seen.len() - 1]), None);
        assert_eq!(stale.expect(200).body, answer.body, "{what}");
        let meta = &answer.json()["meta"];
        assert!(meta["lastModified"].as_str() >= meta["created"].as_str(), "{what}: {meta}");
        patch_if(&app, &group, &format!("If-Match: {}", seen[seen.len() - 1]), title("x")).expect(412);
        seen.push(version);
    };
    app.add_members(&staff, &[&ada, &bob, &nested]);
    is_new("members join");
    app.remove_members(&staff, &[&ada]);
    is_new("a member leaves");
    app.patch_group(&staff, &json!([{"op": "replace", "path": "members", "value": [{"value": ada}, {"value": cyd}]}]));
    is_new("members are replaced");
    app.put(&group, &group_with("Staff", "entra-Staff", &[&ada, &bob, &nested])).expect(200);
    is_new("the group is replaced");
    app.rename_group(&staff, "Staff 2");
    is_new("it is renamed");
    app.delete(&format!("/Users/{bob}")).expect(204);
    is_new("a member is deleted");
    app.delete(&format!("/Groups/{nested}")).expect(204);
    is_new("a nested group is deleted");
    // A member who is only renamed is the same member.
    let before = app.read_group(&staff);
    app.rename_user(&ada, "countess@contoso.com");
    assert_eq!(app.read_group(&staff), before);
}

#[test]
fn of_racing_changes_of_one_version_one_is_made() {
    let app = TestApp::start();
    let ada = app.user("ada");
    let staff = app.create_group("Staff");
    for round in 0..10 {
        for target in [format!("/Users/{ada}"), format!("/Groups/{staff}")] {
            let version = tag(&app.get(&target).expect(200));
            let statuses = thread::scope(|scope| {
                let racers: Vec<_> = (0..4)
                    .map(|racer| {
                        let wanted = json!([
                            {"op": "replace", "path": "externalId", "value": format!("round {round} racer {racer}")}
                        ]);
                        let (app, target, condition) = (&app, &target, format!("If-Match: {version}"));
                        scope.spawn(move || patch_if(app, target, &condition, wanted).status)
                    })
                    .collect();
                racers.into_iter().map(|racer| racer.join().unwrap()).collect::<Vec<u16>>()
            });
            let refused = statuses.iter().filter(|status| **status == 412).count();
            assert_eq!(refused, 3, "{target}: {statuses:?}");
            let after = app.get(&target).expect(200);
            let winner = statuses.iter().position(|status| *status < 300).unwrap();
            assert_eq!(after.json()["externalId"], format!("round {round} racer {winner}"));
            assert_ne!(tag(&after), version);
        }
    }
    // The same for members, of which Entra changes many at once.
    let version = tag(&app.get(&format!("/Groups/{staff}")));
    let people: Vec<String> = (0..4).map(|number| app.user(&format!("user{number}"))).collect();
    let statuses = thread::scope(|scope| {
        let racers: Vec<_> = people
            .iter()
            .map(|id| {
                let (app, condition) = (&app, format!("If-Match: {version}"));
                let target = format!("/Groups/{staff}");
                scope.spawn(move || patch_if(app, &target, &condition, add_members(&[id])).status)
            })
            .collect();
        racers.into_iter().map(|racer| racer.join().unwrap()).collect::<Vec<u16>>()
    });
    assert_eq!(statuses.iter().filter(|status| **status == 204).count(), 1, "{statuses:?}");
    assert_eq!(app.members(&staff).len(), 1);
}

#[test]
fn a_version_outlives_the_end_of_the_process() {
    let app = TestApp::start();
    let ada = app.user("ada");
    let user = format!("/Users/{ada}");
    app.patch_user(&ada, &title("Countess"));
    let before = app.get(&user).expect(200);
    app.restart();
    let after = app.get(&user).expect(200);
    assert_eq!((tag(&after), after.body), (tag(&before), before.body.clone()));
    request_if(&app, "GET", &user, &format!("If-None-Match: {}", tag(&before)), None).expect(304);
    patch_if(&app, &user, &format!("If-Match: {}", tag(&before)), title("Boss")).expect(200);
    patch_if(&app, &user, &format!("If-Match: {}", tag(&before)), title("Chef")).expect(412);
    app.delete(&user).expect(204);
    request_if(&app, "GET", &user, "If-Match: *", None).expect(404);
}

#[test]
fn a_managers_name_is_part_of_who_reports_to_them() {
    let app = TestApp::start();
    let boss = app.user("boss");
    let ada = app.create_user(&person_with("ada", json!({ENTERPRISE: {"manager": boss}})));
    let version = || app.read_user(&ada)["meta"]["version"].clone();
    let first = version();
    app.patch_user(&boss, &json!([{"op": "replace", "path": "title", "value": "Chief"}]));
    assert_eq!(version(), first, "a title is not shown");
    app.patch_user(&boss, &json!([{"op": "replace", "path": "displayName", "value": "The Boss"}]));
    let second = version();
    assert_ne!(second, first);
    app.delete(&format!("/Users/{boss}")).expect(204);
    assert_ne!(version(), second, "nobody is shown any more");
}

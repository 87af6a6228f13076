//! Many at once: Entra sends the changes of one group in parallel, and repeats itself.

use std::thread;
use std::time::Instant;

use serde_json::json;

use crate::support::app::{PLACEHOLDER, TestApp, dn};
use crate::support::entra::{self, add_members, group, group_with, person, remove_members};
use crate::support::http::Answer;
use crate::support::slapd::Flavor;
use crate::support::wait_for;
use crate::support::workplace::Settings;

/// Sends all at once, each over a connection of its own.
fn at_once<I: Sync>(items: &[I], send: impl Fn(&I) -> Answer + Sync) -> Vec<Answer> {
    thread::scope(|scope| {
        let senders: Vec<_> = items.iter().map(|item| scope.spawn(|| send(item))).collect();
        senders.into_iter().map(|sender| sender.join().unwrap()).collect()
    })
}

#[test]
fn parallel_changes_of_one_group_lose_nothing() {
    let app = TestApp::start();
    let names: Vec<String> = (0..20).map(|number| format!("user{number:02}")).collect();
    let ids: Vec<String> = names.iter().map(|name| app.user(name)).collect();
    let target = format!("/Groups/{}", app.create_group("Staff"));

    for answer in at_once(&ids, |id| app.patch(&target, &add_members(&[id]))) {
        answer.expect(204);
    }
    let everybody: Vec<String> = names.iter().map(|name| dn(name)).collect();
    assert_eq!(app.directory_members("Staff"), everybody);

    // Half are removed while the other half are added once more.
    let changes: Vec<_> = ids
        .iter()
        .enumerate()
        .map(|(number, id)| if number < 10 { remove_members(&[id]) } else { add_members(&[id]) })
        .collect();
    for answer in at_once(&changes, |change| app.patch(&target, change)) {
        answer.expect(204);
    }
    assert_eq!(app.directory_members("Staff"), everybody[10..]);

    // All go at once, in both dialects: one of them is the last, and the placeholder comes exactly once.
    let removals: Vec<_> = ids
        .iter()
        .enumerate()
        .map(|(number, id)| if number % 2 == 0 { remove_members(&[id]) } else { entra::remove_member_by_path(id) })
        .collect();
    for answer in at_once(&removals, |removal| app.patch(&target, removal)) {
        answer.expect(204);
    }
    assert_eq!(app.directory_members("Staff"), [PLACEHOLDER]);
}

#[test]
fn adds_and_removals_of_one_member_end_alike_on_both_sides() {
    let app = TestApp::start();
    let ada = app.user("ada");
    let staff = app.create_group("Staff");
    let target = format!("/Groups/{staff}");
    let changes: Vec<_> =
        (0..20).map(|turn| if turn % 2 == 0 { add_members(&[&ada]) } else { remove_members(&[&ada]) }).collect();
    for answer in at_once(&changes, |change| app.patch(&target, change)) {
        answer.expect(204);
    }
    let expected = if app.members(&staff).contains(&ada) { dn("ada") } else { PLACEHOLDER.to_owned() };
    assert_eq!(app.directory_members("Staff"), [expected]);
}

#[test]
fn the_same_create_four_times_at_once_creates_one() {
    let app = TestApp::start();
    for (endpoint, body) in [("/Users", person("ada")), ("/Groups", group("Staff"))] {
        let mut statuses: Vec<u16> = at_once(&[(); 4], |()| app.post(endpoint, &body))
            .into_iter()
            .map(|answer| {
                answer.check_protocol();
                answer.status
            })
            .collect();
        statuses.sort_unstable();
        assert_eq!(statuses, [201, 409, 409, 409], "{endpoint}");
    }
    assert_eq!(app.slapd.people("uid", "ada@contoso.com").len(), 1);
    assert_eq!(app.slapd.groups("Staff").len(), 1);
}

#[test]
fn groups_whose_names_collide_may_come_at_once() {
    let app = TestApp::start();
    let names = ["Research", "research", "RESEARCH", "rESEARCH", "Research ", " Research"];
    for answer in at_once(&names, |name| app.post("/Groups", &group(name))) {
        answer.expect(201);
    }
    for name in names {
        assert_eq!(app.slapd.groups(name).len(), 1, "{name:?}");
        assert_eq!(app.lookup_groups(name).len(), 1, "{name:?}");
    }
}

#[test]
fn a_user_may_be_changed_on_all_sides_at_once() {
    let app = TestApp::start();
    let ada = app.user("ada");
    let staff = app.create_group("Staff");
    let user = format!("/Users/{ada}");
    let replace = |path: &str, value: &str| json!([{"op": "Replace", "path": path, "value": value}]);
    let group = format!("/Groups/{staff}");
    let changes = [
        (user.as_str(), replace("title", "Countess"), 200),
        (&user, replace("userName", "ada.king@contoso.com"), 200),
        (&user, replace("active", "False"), 200),
        (&user, replace("preferredLanguage", "en-GB"), 200),
        (&group, add_members(&[&ada]), 204),
        (&group, replace("displayName", "Crew"), 204),
    ];
    let answers = at_once(&changes, |(target, operations, _)| app.patch(target, operations));
    for (answer, (_, _, status)) in answers.into_iter().zip(&changes) {
        answer.expect(*status);
    }
    let entry = app.slapd.entry(&dn("ada.king")).unwrap();
    assert_eq!(entry.values("title"), ["Countess"]);
    assert_eq!(entry.values("preferredLanguage"), ["en-GB"]);
    assert!(app.is_locked(&dn("ada.king")));
    wait_for("the group to have the new name of its member", || {
        (app.directory_members("Crew") == [dn("ada.king")]).then_some(())
    });
}

#[test]
fn a_thousand_members_in_one_request() {
    // The memberof overlay writes a thousand entries within one operation, on a machine that has other stories to tell.
    let app = TestApp::start_with(Flavor::AsShipped, Settings::default().variable("SCIMBRIDGE__LDAP__TIMEOUT", "60s"));
    let names: Vec<String> = (0..1000).map(|number| format!("user{number:04}")).collect();
    let ids: Vec<String> = thread::scope(|scope| {
        let app = &app;
        let senders: Vec<_> = names
            .chunks(125)
            .map(|share| scope.spawn(move || share.iter().map(|name| app.user(name)).collect::<Vec<_>>()))
            .collect();
        senders.into_iter().flat_map(|sender| sender.join().unwrap()).collect()
    });
    let staff = app.create_group("Staff");
    let begun = Instant::now();
    app.add_members(&staff, &ids);
    eprintln!("a thousand members added in {:?}", begun.elapsed());
    let everybody: Vec<String> = names.iter().map(|name| dn(name)).collect();
    assert_eq!(app.directory_members("Staff"), everybody);
    assert_eq!(app.members(&staff).len(), 1000);

    app.add_members(&staff, &ids);
    app.remove_members(&staff, &ids[..999]);
    assert_eq!(app.directory_members("Staff"), everybody[999..]);
    app.patch_group(&staff, &json!([{"op": "remove", "path": "members"}]));
    assert_eq!(app.directory_members("Staff"), [PLACEHOLDER]);

    let crew =
        app.create_group_with(&group_with("Crew", "entra-2", &ids.iter().map(String::as_str).collect::<Vec<_>>()));
    assert_eq!(app.directory_members("Crew").len(), 1000);
    app.delete(&format!("/Groups/{crew}")).expect(204);
}

#[test]
fn a_stop_finishes_what_is_in_flight() {
    // The directory may take its time: what is in flight shall wait for it, and not give up.
    let patient = Settings::default().variable("SCIMBRIDGE__LDAP__TIMEOUT", "60s");
    let app = TestApp::start_with(Flavor::AsShipped, patient);
    let ada = app.user("ada");
    app.slapd.pause();
    let address = app.address();
    thread::scope(|scope| {
        let app = &app;
        let target = format!("/Users/{ada}");
        let body = entra::patch(json!([{"op": "Add", "path": "title", "value": "Countess"}])).to_string();
        let change = scope.spawn(move || app.try_request_at(address, "PATCH", &target, Some(body.as_bytes())));
        // After so many round trips the change has long been read and waits for the directory.
        for _ in 0..50 {
            app.get("/ServiceProviderConfig").expect(200);
        }
        app.terminate();
        wait_for("the server to take no more requests", || {
            match app.try_request("GET", "/ServiceProviderConfig", None) {
                Err(_) => Some(()),
                Ok(answer) if answer.status == 503 => Some(()),
                Ok(_) => None,
            }
        });
        app.slapd.resume();
        let answer = change.join().unwrap().expect("what was in flight is answered");
        assert_eq!(answer.expect(200).json()["title"], "Countess");
    });
    assert!(app.wait_exit().success(), "a stop that was asked for is a success");
    assert_eq!(app.slapd.values(&dn("ada"), "title"), ["Countess"]);
    app.restart();
    assert_eq!(app.read_user(&ada)["title"], "Countess");
}

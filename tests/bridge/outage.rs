//! What was asked for while the directory was away, would not be written to, or showed only a part of itself: it is made
//! good, once, and as Entra last asked for it.

use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::support::app::{TestApp, dn, group_dn};
use crate::support::entra::{self, ENTERPRISE, group, person, person_with};
use crate::support::http::Answer;
use crate::support::slapd::{ADMIN_PASSWORD, Flavor};
use crate::support::wait_for;
use crate::support::workplace::Settings;

fn title(value: &str) -> Value {
    json!([{"op": "Add", "path": "title", "value": value}])
}

/// Repeats a request while the answer is "later", as Entra does.
fn until_answered(send: impl Fn() -> Answer) -> Answer {
    wait_for("an answer that is not 503", || {
        let answer = send();
        answer.check_protocol();
        (answer.status != 503).then_some(answer)
    })
}

#[test]
fn a_disabling_that_waits_is_not_dropped_with_a_later_refusal() {
    let app = TestApp::start();
    let ada = app.user("ada");
    let user = format!("/Users/{ada}");
    let bad_mail = json!([{"op": "Replace", "path": "emails[type eq \"work\"].value", "value": "åsa@x"}]);
    app.slapd.stop();
    app.patch(&user, &json!([{"op": "Replace", "path": "active", "value": "False"}])).expect(503);
    app.patch(&user, &bad_mail).expect(503);
    app.slapd.start_again();

    wait_for("Ada to be locked", || app.is_locked(&dn("ada")).then_some(()));
    wait_for("Entra to be shown it", || (app.read_user(&ada)["active"] == false).then_some(()));
    // Whatever came of the other value is over once the next change is made.
    until_answered(|| app.patch(&user, &title("Countess"))).expect(200);
    let view = app.view();
    assert!(!view.contains("sa@x"), "what the directory refuses is nowhere: {view}");
    assert_eq!(app.read_user(&ada)["emails"][0]["value"], "ada@contoso.com");
    assert_eq!(app.slapd.values(&dn("ada"), "mail"), ["ada@contoso.com"]);
    assert!(app.is_locked(&dn("ada")), "and she is still locked");

    app.patch(&user, &bad_mail).refuses(400, "invalidValue", &["emails"]);
    assert!(app.is_locked(&dn("ada")));
    assert_eq!(app.read_user(&ada)["active"], false);
}

#[test]
fn who_leaves_and_comes_back_during_an_outage_is_a_member() {
    let app = TestApp::start();
    let (ada, bob) = (app.user("ada"), app.user("bob"));
    let staff = app.create_group("Staff");
    app.add_members(&staff, &[&ada, &bob]);
    let target = format!("/Groups/{staff}");
    app.slapd.stop();
    app.patch(&target, &entra::remove_members(&[&ada])).expect(503);
    app.patch(&target, &entra::add_members(&[&ada])).expect(503);
    app.slapd.start_again();

    until_answered(|| app.patch(&target, &entra::add_members(&[&ada]))).expect(204);
    assert_eq!(app.directory_members("Staff"), [dn("ada"), dn("bob")]);
    assert_eq!(app.members(&staff), [ada.clone(), bob].into());
    // A removal that waited does not come afterwards.
    app.user("cyd");
    app.restart();
    app.patch_user(&ada, &title("Countess"));
    assert_eq!(app.directory_members("Staff"), [dn("ada"), dn("bob")]);
}

#[test]
fn a_directory_that_takes_no_writes_is_waited_for() {
    let app = TestApp::start();
    let ada = app.user("ada");
    let disable = json!([{"op": "Replace", "path": "active", "value": "False"}]);
    app.slapd.reconfigure("readonly on\n");

    let answer = app.patch(&format!("/Users/{ada}"), &disable);
    answer.check_protocol();
    assert!(answer.status >= 500, "that nothing can be written is not Entra's fault: {}", answer.text());
    for (endpoint, body) in [("/Users", person("bob")), ("/Groups", group("Staff"))] {
        let answer = app.post(endpoint, &body);
        answer.check_protocol();
        assert!(answer.status >= 500, "{endpoint}: {} {}", answer.status, answer.text());
    }
    assert!(!app.is_locked(&dn("ada")));

    app.slapd.reconfigure("");
    wait_for("Ada to be locked", || app.is_locked(&dn("ada")).then_some(()));
    wait_for("Entra to be shown it", || (app.read_user(&ada)["active"] == false).then_some(()));
    until_answered(|| app.post("/Users", &person("bob"))).expect(201);
    until_answered(|| app.post("/Groups", &group("Staff"))).expect(201);
    assert_eq!(app.slapd.people("uid", "bob@contoso.com").len(), 1);
    assert_eq!(app.slapd.groups("Staff").len(), 1);
}

#[test]
fn many_groups_that_wait_are_asked_for_again_at_once() {
    let app = TestApp::start();
    let ada = app.user("ada");
    let names: Vec<String> = (0..20).map(|number| format!("Group {number:02}")).collect();
    app.slapd.stop();
    for name in &names {
        app.post("/Groups", &group(name)).expect(503);
    }
    app.slapd.start_again();
    // The bridge has found its directory again when this is done; the groups are being made meanwhile.
    until_answered(|| app.patch(&format!("/Users/{ada}"), &title("Countess"))).expect(200);

    let answers: Vec<(Answer, Duration)> = thread::scope(|scope| {
        let post = |name: &String| {
            let begun = Instant::now();
            (app.post("/Groups", &group(name)), begun.elapsed())
        };
        let senders: Vec<_> = names.iter().map(|name| scope.spawn(move || post(name))).collect();
        senders.into_iter().map(|sender| sender.join().unwrap()).collect()
    });

    for (name, (answer, took)) in names.iter().zip(answers) {
        answer.check_protocol();
        assert!([201, 409].contains(&answer.status), "{name}: {} {}", answer.status, answer.text());
        assert!(took < Duration::from_secs(10), "{name} was kept waiting for {took:?}");
        let found = app.lookup_groups(name);
        assert_eq!(found.len(), 1, "{name}: {found:#?}");
        if answer.status == 201 {
            assert_eq!(answer.json()["id"], found[0]["id"], "{name} has one id");
        }
    }
    let list = app.get("/Groups?count=1000").expect(200).json();
    assert_eq!(list["totalResults"], names.len(), "{list}");
    let entries: Vec<Vec<String>> = app.slapd.entries("ou=groups").iter().map(|entry| entry.values("cn")).collect();
    assert_eq!(entries.iter().filter(|names| !names.is_empty()).count(), names.len(), "{entries:?}");
    for name in &names {
        app.post("/Groups", &group(name)).refuses(409, "uniqueness", &[name]);
    }
}

const BRIDGE: &str = "cn=bridge,ou=policies,dc=example,dc=org";
const MANY: usize = 12;

/// A bridge that has an identity of its own, to which the directory shows five entries at a time; and Ada, who is in
/// more groups than that and is the manager of as many people. Returns her id and the ids of the groups.
fn somebody_with_many_references(flavor: Flavor) -> (TestApp, String, Vec<String>) {
    let settings = Settings::default().variable("SCIMBRIDGE__LDAP__BIND_DN", BRIDGE);
    let app = TestApp::start_with(flavor, settings);
    app.slapd.by_hand(&format!(
        "dn: {BRIDGE}\nobjectClass: organizationalRole\nobjectClass: simpleSecurityObject\ncn: bridge\n\
         userPassword: {ADMIN_PASSWORD}\n"
    ));
    app.slapd.reconfigure(&format!(
        "limits dn.exact=\"{BRIDGE}\" size=5\naccess to *\n    by dn.exact=\"{BRIDGE}\" write\n    by * break\n"
    ));
    app.restart();
    let ada = app.user("ada");
    let groups: Vec<String> = (0..MANY).map(|number| app.create_group(&format!("Group {number:02}"))).collect();
    for (number, group) in groups.iter().enumerate() {
        app.add_members(group, &[&ada]);
        let manager = json!({ENTERPRISE: {"manager": {"value": ada}}});
        app.create_user(&person_with(&format!("user{number:02}"), manager));
    }
    (app, ada, groups)
}

/// Whether anything in the directory points at a DN.
fn is_pointed_at(app: &TestApp, target: &str) -> bool {
    let groups =
        app.slapd.entries("ou=groups").into_iter().any(|entry| entry.values("member").contains(&target.into()));
    groups || app.slapd.entries("ou=people").into_iter().any(|entry| entry.values("manager").contains(&target.into()))
}

fn somebody_with_many_references_is_deleted(flavor: Flavor) {
    let (app, ada, groups) = somebody_with_many_references(flavor);
    let target = format!("/Users/{ada}");

    let answer = app.delete(&target);
    answer.check_protocol();
    assert!([204, 503].contains(&answer.status), "{} {}", answer.status, answer.text());

    wait_for("Ada to be gone over SCIM", || (app.get(&target).status == 404).then_some(()));
    assert_eq!(app.slapd.entry(&dn("ada")), None);
    wait_for("nothing to point at Ada", || (!is_pointed_at(&app, &dn("ada"))).then_some(()));
    for group in &groups {
        assert!(app.members(group).is_empty());
    }
    // Nothing that is done later brings her back.
    app.restart();
    let bob = app.user("bob");
    app.add_members(&groups[0], &[&bob]);
    app.delete(&target).expect(404);
    assert_eq!(app.slapd.entry(&dn("ada")), None);
    assert!(!is_pointed_at(&app, &dn("ada")));
    assert_eq!(app.lookup_user("ada@contoso.com"), None);
}

#[test]
fn somebody_with_more_references_than_the_bridge_is_shown_is_deleted() {
    somebody_with_many_references_is_deleted(Flavor::Plain);
}

#[test]
fn the_same_where_the_server_keeps_references() {
    somebody_with_many_references_is_deleted(Flavor::AsShipped);
}

#[test]
fn somebody_with_more_references_than_the_bridge_is_shown_is_renamed() {
    let (app, ada, groups) = somebody_with_many_references(Flavor::Plain);
    app.rename_user(&ada, "ada.king@contoso.com");
    wait_for("everything to follow", || (!is_pointed_at(&app, &dn("ada"))).then_some(()));
    for (number, group) in groups.iter().enumerate() {
        let name = format!("Group {number:02}");
        assert_eq!(app.directory_members(&name), [dn("ada.king")], "{name}");
        assert_eq!(app.slapd.groups(&name)[0].dn, group_dn(&name));
        assert_eq!(app.members(group), [ada.clone()].into());
        assert_eq!(app.slapd.values(&dn(&format!("user{number:02}")), "manager"), [dn("ada.king")]);
    }
}

//! What other bridges between SCIM and LDAP were seen to do wrong, each as a story that must end well here.

use serde_json::json;

use crate::support::app::{PLACEHOLDER, TestApp, dn, group_dn, resources};
use crate::support::entra::{self, ENTERPRISE, group, group_with, person, person_with};
use crate::support::slapd::Flavor;
use crate::support::workplace::Settings;

/// A program whose groups are of a class that demands no member, where nothing but care keeps members from being wiped.
fn optional_member() -> TestApp {
    let settings = Settings::default().set("groups.object_classes", "[\"groupOfMembers\"]");
    TestApp::start_with(Flavor::OptionalMember, settings)
}

#[test]
fn adding_several_members_wipes_nobody() {
    for app in [optional_member(), TestApp::start()] {
        let ids: Vec<String> = ["ada", "bob", "cyd", "dan"].iter().map(|name| app.user(name)).collect();
        let staff = app.create_group_with(&group_with("Staff", "entra-1", &[&ids[0], &ids[1]]));
        app.add_members(&staff, &ids[2..]);
        assert_eq!(app.directory_members("Staff"), [dn("ada"), dn("bob"), dn("cyd"), dn("dan")]);
        assert_eq!(app.members(&staff).len(), 4);
    }
}

#[test]
fn removing_several_members_leaves_the_others() {
    for app in [optional_member(), TestApp::start()] {
        let ids: Vec<String> = ["ada", "bob", "cyd", "dan", "eve"].iter().map(|name| app.user(name)).collect();
        let staff = app.create_group("Staff");
        app.add_members(&staff, &ids);
        app.remove_members(&staff, &ids[..2]);
        assert_eq!(app.directory_members("Staff"), [dn("cyd"), dn("dan"), dn("eve")]);
        app.patch_group(&staff, &json!([{"op": "replace", "path": "members", "value": [{"value": ids[0]}]}]));
        assert_eq!(app.directory_members("Staff"), [dn("ada")]);
    }
}

#[test]
fn removing_the_last_member_really_removes_it() {
    let app = TestApp::start();
    let ada = app.user("ada");
    let staff = app.create_group_with(&group_with("Staff", "entra-1", &[&ada]));
    app.remove_members(&staff, &[&ada]);
    assert_eq!(app.directory_members("Staff"), [PLACEHOLDER]);
    assert!(app.members(&staff).is_empty(), "and the placeholder is not shown");
}

#[test]
fn an_empty_group_can_be_created() {
    for body in [group("Staff"), json!({"schemas": [entra::GROUP], "displayName": "Staff", "externalId": "entra-1"})] {
        let app = TestApp::start();
        let staff = app.create_group_with(&body);
        assert_eq!(app.directory_members("Staff"), [PLACEHOLDER]);
        assert!(app.members(&staff).is_empty());
    }
}

#[test]
fn a_name_with_and_or_or_in_it_is_found() {
    let app = TestApp::start();
    for name in ["Research and Development", "Alice or Bob", "not eq and pr or co", "\"and\" and \"or\""] {
        let id = app.create_group(name);
        assert_eq!(app.lookup_groups(name)[0]["id"], id.as_str(), "{name}");
        app.post("/Groups", &group(name)).refuses(409, "uniqueness", &[name]);
    }
}

#[test]
fn a_star_is_a_star() {
    let app = TestApp::start();
    app.user("ada");
    app.create_group("Research");
    for value in ["*", "a*", "ada*", "*)(uid=*"] {
        assert!(app.lookup_user(value).is_none(), "{value}");
        assert!(app.find("Users", &format!("externalId eq {}", entra::quoted(value))).is_empty(), "{value}");
    }
    assert!(app.lookup_groups("Research*").is_empty() && app.lookup_groups("*").is_empty());
    let star = app.create_user(&person_with("star", json!({"userName": "a*"})));
    assert_eq!(app.lookup_user("a*").unwrap()["id"], star.as_str());
}

#[test]
fn a_rename_and_a_member_change_in_one_request_are_both_done() {
    let app = TestApp::start();
    let (ada, bob) = (app.user("ada"), app.user("bob"));
    let sales = app.create_group_with(&group_with("Sales", "entra-1", &[&ada]));
    app.patch_group(
        &sales,
        &json!([
            {"op": "Replace", "path": "displayName", "value": "Sales EU"},
            {"op": "Replace", "path": "externalId", "value": "entra-2"},
            {"op": "Add", "path": "members", "value": [{"value": bob}]}
        ]),
    );
    assert_eq!(app.directory_members("Sales EU"), [dn("ada"), dn("bob")]);
    assert!(app.slapd.groups("Sales").is_empty());
    let seen = app.read_group(&sales);
    assert_eq!((&seen["displayName"], &seen["externalId"]), (&json!("Sales EU"), &json!("entra-2")));
}

#[test]
fn an_id_outlives_every_rename() {
    let app = TestApp::start();
    let (ada, staff) = (app.user("ada"), app.create_group("Staff"));
    for turn in 0..3 {
        app.rename_user(&ada, &format!("ada{turn}@contoso.com"));
        app.rename_group(&staff, &format!("Staff {turn}"));
        assert_eq!(app.lookup_user(&format!("ada{turn}@contoso.com")).unwrap()["id"], ada.as_str());
        assert_eq!(app.lookup_groups(&format!("Staff {turn}"))[0]["id"], staff.as_str());
    }
    assert!(!ada.contains("contoso") && !staff.contains("Staff"), "an id says nothing of the name");
}

#[test]
fn only_as_many_as_asked_for_are_listed() {
    let app = TestApp::start();
    app.user("ada");
    app.user("bob");
    let page = app.get("/Users?startIndex=1&count=1").expect(200).json();
    assert_eq!((resources(&page).len(), &page["totalResults"], &page["itemsPerPage"]), (1, &json!(2), &json!(1)));
}

#[test]
fn a_directory_that_is_away_is_neither_bad_data_nor_somebody_gone() {
    let app = TestApp::start();
    let ada = app.user("ada");
    app.slapd.stop();
    app.get(&format!("/Users/{ada}")).expect(200);
    assert!(app.lookup_user("ada@contoso.com").is_some());
    for answer in [
        app.post("/Users", &person("bob")),
        app.post("/Groups", &group("Staff")),
        app.patch(&format!("/Users/{ada}"), &json!([{"op": "Add", "path": "title", "value": "x"}])),
        app.delete(&format!("/Users/{ada}")),
    ] {
        let answer = answer.expect(503);
        assert!(answer.header("retry-after").is_some());
    }
}

#[test]
fn disabling_twice_does_not_enable() {
    let app = TestApp::start();
    let ada = app.user("ada");
    for _ in 0..3 {
        app.disable_user(&ada);
        assert!(app.is_locked(&dn("ada")));
    }
    app.enable_user(&ada);
    app.enable_user(&ada);
    assert!(!app.is_locked(&dn("ada")));
}

#[test]
fn who_is_in_several_groups_is_renamed_in_all_of_them() {
    for flavor in [Flavor::Plain, Flavor::AsShipped] {
        let app = TestApp::start_on(flavor);
        let (ada, bob) = (app.user("ada"), app.user("bob"));
        app.create_group_with(&group_with("Alone", "entra-1", &[&ada]));
        app.create_group_with(&group_with("Only", "entra-2", &[&ada]));
        app.create_group_with(&group_with("Both", "entra-3", &[&ada, &bob]));
        app.rename_user(&ada, "king@contoso.com");
        crate::support::wait_for("all groups to follow", || {
            let follow = app.directory_members("Alone") == [dn("king")]
                && app.directory_members("Only") == [dn("king")]
                && app.directory_members("Both") == [dn("bob"), dn("king")];
            follow.then_some(())
        });
    }
}

#[test]
fn who_is_deleted_is_in_no_group() {
    let app = TestApp::start_on(Flavor::Plain);
    let (ada, bob) = (app.user("ada"), app.user("bob"));
    for name in ["Staff", "Board"] {
        app.create_group_with(&group_with(name, &format!("entra-{name}"), &[&ada, &bob]));
    }
    app.delete(&format!("/Users/{ada}")).expect(204);
    assert_eq!(app.directory_members("Staff"), [dn("bob")]);
    assert_eq!(app.directory_members("Board"), [dn("bob")]);
    app.delete(&format!("/Users/{ada}")).expect(404);
}

#[test]
fn adding_who_is_there_beside_who_is_not_adds_the_new_one() {
    let app = TestApp::start();
    let (ada, bob, cyd) = (app.user("ada"), app.user("bob"), app.user("cyd"));
    let staff = app.create_group_with(&group_with("Staff", "entra-1", &[&ada, &cyd]));
    app.add_members(&staff, &[&ada, &bob]);
    assert_eq!(app.directory_members("Staff"), [dn("ada"), dn("bob"), dn("cyd")]);
    let dan = app.user("dan");
    app.remove_members(&staff, &[&dan, &ada]);
    assert_eq!(app.directory_members("Staff"), [dn("bob"), dn("cyd")]);
}

#[test]
fn members_that_somebody_changed_by_hand_do_not_stop_a_change() {
    // What the store holds and what the directory holds may have drifted apart: "already there" and "not there" are well.
    for app in [TestApp::start(), optional_member()] {
        let (ada, bob, cyd) = (app.user("ada"), app.user("bob"), app.user("cyd"));
        let staff = app.create_group_with(&group_with("Staff", "entra-1", &[&ada, &bob]));
        app.slapd.by_hand(&format!(
            "dn: {}\nchangetype: modify\nadd: member\nmember: {}\n-\ndelete: member\nmember: {}\n",
            group_dn("Staff"),
            dn("cyd"),
            dn("ada")
        ));
        app.add_members(&staff, &[&cyd]);
        app.remove_members(&staff, &[&ada]);
        assert_eq!(app.directory_members("Staff"), [dn("bob"), dn("cyd")]);
        assert_eq!(app.members(&staff), [bob, cyd].into());
    }
}

#[test]
fn an_empty_value_is_never_written() {
    let app = TestApp::start();
    let manager = json!({ENTERPRISE: {"manager": app.user("bob")}, "title": "x", "phoneNumbers": [{"type": "work", "value": "1"}]});
    let ada = app.create_user(&person_with("ada", manager));
    app.patch_user(
        &ada,
        &json!([
            {"op": "Remove", "path": "emails[type eq \"work\"].value"},
            {"op": "Replace", "path": "title", "value": ""},
            {"op": "Replace", "path": "phoneNumbers[type eq \"work\"].value", "value": null},
            {"op": "Remove", "path": format!("{ENTERPRISE}:manager")}
        ]),
    );
    let entry = app.slapd.entry(&dn("ada")).unwrap();
    for attribute in ["mail", "title", "telephoneNumber", "manager"] {
        assert_eq!(entry.values(attribute), [""; 0], "{attribute}");
    }
}

#[test]
fn an_id_that_was_never_issued_reaches_nothing() {
    let app = TestApp::start();
    let (ada, staff) = (app.user("ada"), app.create_group("Staff"));
    let before = app.view();
    let service = "cn=service,dc=example,dc=org";
    app.slapd
        .by_hand(&format!("dn: {service}\nobjectClass: inetOrgPerson\ncn: service\nsn: x\nuserPassword: Kept-1\n"));
    let password = json!([{"op": "Add", "path": "password", "value": "Taken-1"}]);
    for name in [service, "dc=example,dc=org", &dn("ada"), &group_dn("Staff"), "uid=ada@contoso.com", "1", "*"] {
        let target = format!("/Users/{}", entra::encode(name).replace('+', "%20"));
        app.get(&target).expect(404);
        app.patch(&target, &password).expect(404);
        app.delete(&target).expect(404);
        assert!(app.find("Users", &format!("id eq {}", entra::quoted(name))).is_empty());
    }
    for (endpoint, id) in [("Users", &staff), ("Groups", &ada)] {
        app.get(&format!("/{endpoint}/{id}")).expect(404);
        app.patch(&format!("/{endpoint}/{id}"), &password).expect(404);
        app.delete(&format!("/{endpoint}/{id}")).expect(404);
        assert!(app.find(endpoint, &format!("id eq \"{id}\"")).is_empty());
    }
    assert!(app.slapd.bind(service, "Kept-1"));
    assert_eq!(app.view(), before);
}

#[test]
fn a_name_cannot_reach_another_branch() {
    let app = TestApp::start();
    for name in ["x,ou=groups", "x,ou=groups,dc=example,dc=org", "a+uid=admin", "*)(uid=*", "x\\2cou=groups"] {
        let id = app.create_user(&person_with("x", json!({"userName": name, "externalId": name})));
        let entries = app.slapd.people("uid", name);
        assert_eq!(entries.len(), 1, "{name}");
        assert_eq!(entries[0].values("uid"), [name]);
        assert!(entries[0].dn.ends_with(",ou=people,dc=example,dc=org"), "{}", entries[0].dn);
        assert_eq!(app.slapd.ldif("ou=groups"), "");
        app.delete(&format!("/Users/{id}")).expect(204);
    }
    assert_eq!(app.slapd.ldif("ou=people"), "");
}

#[test]
fn very_long_values_are_stored_or_refused_but_break_nothing() {
    let app = TestApp::start();
    let long = "x".repeat(100_000);
    let answer = app.post("/Users", &person_with("long", json!({"title": long})));
    answer.check_protocol();
    assert!([201, 400].contains(&answer.status), "{}", answer.status);
    // A name longer than the directory's own limit for keys is no passing failure: to try again would never end.
    let name = format!("{}@contoso.com", "y".repeat(600));
    let answer = app.post("/Users", &person_with("y", json!({"userName": name})));
    answer.check_protocol();
    assert!([201, 400, 500].contains(&answer.status), "{}", answer.text());
    assert_eq!(app.lookup_user(&name).is_some(), answer.status == 201);
    app.user("ada");
}

#[test]
fn a_user_without_a_surname_or_a_display_name_is_created() {
    let app = TestApp::start();
    app.create_user(&json!({"schemas": [entra::USER], "userName": "ada@contoso.com", "active": true}));
    let entry = app.slapd.entry(&dn("ada")).unwrap();
    assert_eq!(entry.values("sn"), ["-"]);
    assert_eq!(entry.values("cn"), ["ada@contoso.com"]);
}

#[test]
fn what_is_not_mapped_is_not_lost() {
    let app = TestApp::start();
    let ada = app.create_user(&person_with("ada", json!({"timezone": "Europe/Berlin", "nickName": "Countess"})));
    let seen = app.read_user(&ada);
    assert_eq!((&seen["timezone"], &seen["nickName"]), (&json!("Europe/Berlin"), &json!("Countess")));
}

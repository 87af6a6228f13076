//! Names with everything in them that means something to DNs, filters, URLs or JSON. Each is created, found, changed,
//! read back byte for byte, renamed and deleted, and nothing else is touched.

use serde_json::json;

use crate::support::app::{PLACEHOLDER, TestApp};
use crate::support::entra::{group, person_with};

pub(crate) const NAMES: [&str; 33] = [
    "Smith, John \"JJ\" <x>; #1 + =",
    "a,b",
    "Sales, EMEA",
    "A+B",
    "a;b",
    "<tag>",
    "q \"quoted\" name",
    "Team = X",
    "R&D / Ops (Sweden)",
    "back\\slash",
    "back\\,comma",
    "trailing\\",
    "a/b",
    "../up",
    "per%cent",
    "50%20club",
    "a*b",
    "(|(cn=*))",
    "#hash",
    "C#",
    "=equals",
    " leading",
    "trailing ",
    "  both  ",
    "Research and Development or not",
    "[type eq \"work\"]",
    "{{ userName }}",
    "O'Brien",
    "Süd-Vertrieb",
    "åsa.öström@exämple.org",
    "李小龍",
    "crew 🚀🏴‍☠️",
    "Zoe\u{308} Zoë",
];

#[test]
fn groups_may_have_any_name() {
    let app = TestApp::start();
    let ada = app.user("ada");
    let bystander = app.create_group("Bystander");
    for name in NAMES {
        let id = app.create_group(name);
        let found = app.lookup_groups(name);
        assert_eq!(found.len(), 1, "{name:?} is found: {found:#?}");
        assert_eq!((&found[0]["id"], &found[0]["displayName"]), (&json!(id), &json!(name)));
        app.post("/Groups", &group(name)).refuses(409, "uniqueness", &[]);

        let entries = app.slapd.groups(name);
        assert_eq!(entries.len(), 1, "one entry for {name:?}: {}", app.slapd.ldif("ou=groups"));
        assert_eq!(entries[0].values("cn"), [name], "and no other name");
        app.add_members(&id, &[&ada]);
        assert_eq!(app.directory_members(name), [crate::support::app::dn("ada")], "{name:?}");
        app.remove_members(&id, &[&ada]);
        assert_eq!(app.directory_members(name), [PLACEHOLDER], "{name:?}");

        let renamed = format!("{name}, {name}");
        app.rename_group(&id, &renamed);
        assert_eq!(app.slapd.groups(&renamed)[0].values("cn"), [renamed.as_str()]);
        assert!(app.slapd.groups(name).is_empty() && app.lookup_groups(name).is_empty());
        app.rename_group(&id, name);
        assert_eq!(app.slapd.groups(name)[0].values("cn"), [name]);

        app.delete(&format!("/Groups/{id}")).expect(204);
        assert!(app.lookup_groups(name).is_empty());
        assert_eq!(app.slapd.entries("ou=groups").len(), 2, "the branch and the bystander are left, after {name:?}");
    }
    assert_eq!(app.read_group(&bystander)["displayName"], "Bystander");
}

#[test]
fn users_may_have_any_name() {
    let app = TestApp::start();
    let staff = app.create_group("Staff");
    for name in NAMES {
        let id = app.create_user(&person_with("any", json!({"userName": name, "displayName": name})));
        let found = app.lookup_user(name).unwrap_or_else(|| panic!("{name:?} is found"));
        assert_eq!((&found["id"], &found["userName"], &found["displayName"]), (&json!(id), &json!(name), &json!(name)));

        let entries = app.slapd.people("uid", name);
        assert_eq!(entries.len(), 1, "one entry for {name:?}: {}", app.slapd.ldif("ou=people"));
        assert_eq!(entries[0].values("uid"), [name]);
        assert_eq!(entries[0].values("cn"), [name]);
        app.add_members(&staff, &[&id]);
        assert_eq!(app.directory_members("Staff"), [entries[0].dn.clone()]);
        app.patch_user(&id, &json!([{"op": "Replace", "path": "title", "value": name}]));
        assert_eq!(app.slapd.values(&entries[0].dn, "title"), [name]);

        let renamed = format!("{name}, {name}");
        app.rename_user(&id, &renamed);
        let entries = app.slapd.people("uid", &renamed);
        assert_eq!(entries[0].values("uid"), [renamed.as_str()]);
        crate::support::wait_for("the group to follow", || {
            (app.directory_members("Staff") == [entries[0].dn.clone()]).then_some(())
        });

        app.delete(&format!("/Users/{id}")).expect(204);
        assert!(app.slapd.people("uid", &renamed).is_empty());
        crate::support::wait_for("the group to be empty", || {
            (app.directory_members("Staff") == [PLACEHOLDER]).then_some(())
        });
    }
    assert_eq!(app.slapd.entries("ou=people").len(), 1, "only the branch is left");
}

#[test]
fn names_that_are_no_names_are_refused() {
    let app = TestApp::start();
    for name in ["", " ", "   "] {
        app.post("/Groups", &group(name)).refuses(400, "invalidValue", &["displayName"]);
        let user = person_with("any", json!({"userName": name}));
        app.post("/Users", &user).refuses(400, "invalidValue", &["userName"]);
    }
    for wrong in [json!(17), json!({"value": "x"}), json!(["x", "y"])] {
        let user = person_with("any", json!({"userName": wrong}));
        app.post("/Users", &user).refuses(400, "invalidValue", &["userName"]);
    }
    assert_eq!(app.slapd.ldif("ou=people") + &app.slapd.ldif("ou=groups"), "");
}

//! What somebody changed by hand, and what a run makes of it: users, their entries, and what was left undone.

use serde_json::{Value, json};

use super::{
    command, delete_by_hand, is_in_sync, look, mend, modify_by_hand, move_by_hand, rename_by_hand, roomy, told,
};
use crate::support::app::{CrashAt, TestApp, dn, group_dn};
use crate::support::entra::{self, ENTERPRISE, group_with, person_with};
use crate::support::slapd::{ADMIN_PASSWORD, Flavor, SUFFIX, Slapd};
use crate::support::wait_for;
use crate::support::workplace::Settings;

const BOTH: [Flavor; 2] = [Flavor::AsShipped, Flavor::Plain];
const PASSWORD: &str = "Correct-Horse-1";

/// Whether a value by hand is taken back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fate {
    Mended,
    Stays,
}

fn ada_in_full() -> Value {
    person_with(
        "ada",
        json!({
            "title": "Countess",
            "phoneNumbers": [{"type": "work", "value": "+44 20 7946 0000"}],
            ENTERPRISE: {"department": "Engines", "employeeNumber": "1815"}
        }),
    )
}

#[test]
fn values_that_are_owned_are_put_right_and_others_are_left() {
    let settings = roomy().add(
        "[[users.attribute]]\nldap = \"businessCategory\"\nvalue = \"staff\"\nownership = \"shared\"\n\
         [[users.attribute]]\nldap = \"roomNumber\"\nvalue = \"reception\"\nownership = \"initial\"\n",
    );
    let app = TestApp::start_with(Flavor::AsShipped, settings);
    let bob = app.user("bob");
    let ada = app.create_user(&ada_in_full());
    app.patch_user(&ada, &json!([{"op": "Add", "path": format!("{ENTERPRISE}:manager"), "value": bob}]));
    is_in_sync(&app);

    let cases = [
        ("a value changed", "replace: title\ntitle: Boss", Fate::Mended),
        ("in other letters", "replace: displayName\ndisplayName: ADA CONTOSO", Fate::Mended),
        ("a value more", "add: mail\nmail: ada@private.example", Fate::Mended),
        ("a value gone", "delete: telephoneNumber", Fate::Mended),
        ("what Entra leaves empty", "add: mobile\nmobile: +44 7700 900000", Fate::Mended),
        (
            "three attributes at once",
            "replace: cn\ncn: A\ncn: B\n-\nreplace: sn\nsn: C\n-\ndelete: givenName",
            Fate::Mended,
        ),
        ("another manager", "replace: manager\nmanager: cn=admin,dc=example,dc=org", Fate::Mended),
        ("no manager", "delete: manager", Fate::Mended),
        ("a shared value gone", "delete: businessCategory", Fate::Mended),
        ("a value beside a shared one", "add: businessCategory\nbusinessCategory: choir", Fate::Stays),
        ("an initial value changed", "replace: roomNumber\nroomNumber: 7", Fate::Stays),
        ("an initial value gone", "delete: roomNumber", Fate::Stays),
        ("an attribute that nobody maps", "add: carLicense\ncarLicense: LOV 3", Fate::Stays),
        (
            "a class and its attributes",
            "add: objectClass\nobjectClass: uidObject\n-\nadd: employeeType\nemployeeType: x",
            Fate::Stays,
        ),
    ];
    let mut story = String::new();
    for (what, lines, fate) in cases {
        let before = app.directory();
        modify_by_hand(&app, &dn("ada"), lines);
        match fate {
            Fate::Mended => {
                story.push_str(&mend(&app, what));
                assert_eq!(app.directory(), before, "{what}");
            }
            Fate::Stays => {
                assert_ne!(app.directory(), before, "{what}");
                is_in_sync(&app);
                look(&app, &["reconcile", "--dry-run"], 0);
            }
        }
    }
    insta::assert_snapshot!("owned_values", story);
}

/// Staff with Ada and Bob, Board with Ada alone, and Staff in Board.
fn staff_and_board(app: &TestApp) {
    let (ada, bob) = (app.user("ada"), app.user("bob"));
    let staff = app.create_group_with(&group_with("Staff", "entra-1", &[&ada, &bob]));
    app.create_group_with(&group_with("Board", "entra-2", &[&ada, &staff]));
    is_in_sync(app);
}

#[test]
fn an_entry_that_was_deleted_by_hand_comes_back_with_its_memberships() {
    for flavor in BOTH {
        let app = TestApp::start_with(flavor, roomy());
        staff_and_board(&app);
        app.slapd.set_password(&dn("ada"), PASSWORD);
        let before = app.directory();
        delete_by_hand(&app, &dn("ada"));
        if flavor == Flavor::AsShipped {
            wait_for("the server to take her out", || {
                (!app.slapd.ldif("ou=groups").contains(&dn("ada"))).then_some(())
            });
        }
        let story = mend(&app, &format!("Ada's entry is gone, {flavor:?}"));
        let without_passwords = |text: &str| text.lines().filter(|line| !line.starts_with("userPassword")).count();
        assert_eq!(without_passwords(&app.directory()), without_passwords(&before));
        assert_eq!(app.directory_members("Staff"), [dn("ada"), dn("bob")], "{flavor:?}");
        assert_eq!(app.directory_members("Board"), [group_dn("Staff"), dn("ada")], "{flavor:?}");
        assert!(!app.slapd.bind(&dn("ada"), PASSWORD));
        insta::assert_snapshot!(format!("missing_user_{flavor:?}"), story);
    }
}

#[test]
fn a_group_that_was_deleted_by_hand_is_made_anew_with_all_members() {
    for flavor in BOTH {
        let app = TestApp::start_with(flavor, roomy());
        staff_and_board(&app);
        let before = app.directory();
        delete_by_hand(&app, &group_dn("Staff"));
        if flavor == Flavor::AsShipped {
            wait_for("the server to take it out", || (app.directory_members("Board") == [dn("ada")]).then_some(()));
        }
        let story = mend(&app, &format!("the entry of Staff is gone, {flavor:?}"));
        assert_eq!(app.directory(), before, "{flavor:?}");
        insta::assert_snapshot!(format!("missing_group_{flavor:?}"), story);
    }
}

#[test]
fn an_entry_that_was_renamed_by_hand_gets_its_name_back() {
    for flavor in BOTH {
        let app = TestApp::start_with(flavor, roomy());
        staff_and_board(&app);
        let (before, anchor) = (app.directory(), app.slapd.values(&dn("ada"), "entryUUID"));
        rename_by_hand(&app, &dn("ada"), "uid=countess");
        let there = format!("uid=countess,ou=people,{SUFFIX}");
        if flavor == Flavor::AsShipped {
            wait_for("the server to follow", || (app.directory_members("Board").contains(&there)).then_some(()));
        }
        let shown = look(&app, &["reconcile", "--dry-run"], 2).stdout;
        command(&app, &["reconcile"], 0);
        wait_for("all to be as it was", || (app.directory() == before).then_some(()));
        is_in_sync(&app);
        assert_eq!(app.slapd.values(&dn("ada"), "entryUUID"), anchor);
        insta::assert_snapshot!(format!("renamed_user_{flavor:?}"), told(&app, &shown));
    }
}

fn branch_by_hand(app: &TestApp, name: &str, parent: &str) -> String {
    app.slapd.by_hand(&format!("dn: ou={name},{parent}\nobjectClass: organizationalUnit\nou: {name}\n"));
    format!("ou={name},{parent}")
}

#[test]
fn an_entry_that_was_moved_within_the_base_stays_and_its_groups_follow() {
    for flavor in BOTH {
        let app = TestApp::start_with(flavor, roomy());
        staff_and_board(&app);
        let people = format!("ou=people,{SUFFIX}");
        let london = branch_by_hand(&app, "London", &people);
        move_by_hand(&app, "uid=ada@contoso.com", &people, &london);
        let there = format!("uid=ada@contoso.com,{london}");
        if flavor == Flavor::AsShipped {
            wait_for("the server to follow", || app.directory_members("Board").contains(&there).then_some(()));
            is_in_sync(&app);
        } else {
            insta::assert_snapshot!("moved_within_the_base", mend(&app, "Ada is in London now"));
        }
        assert_eq!(app.directory_members("Board"), [group_dn("Staff"), there.clone()]);
        assert_eq!(app.slapd.people("uid", "ada@contoso.com").len(), 1);
        assert!(app.slapd.entry(&there).is_some(), "she stays");
    }
}

#[test]
fn an_entry_that_was_moved_away_from_where_its_template_has_it_goes_back() {
    let settings = roomy()
        .set("users.base_dn", "\"ou={{ department }},ou=people,dc=example,dc=org\"")
        .set("users.create_containers", "true");
    let app = TestApp::start_with(Flavor::Plain, settings);
    let works_in = |name, department| person_with(name, json!({ENTERPRISE: {"department": department}}));
    let ada = app.create_user(&works_in("ada", "R&D, \"old\""));
    app.create_user(&works_in("bob", "Sales"));
    app.create_group_with(&group_with("Staff", "entra-1", &[&ada]));
    let (before, home) = (app.directory(), app.slapd.people("uid", "ada@contoso.com")[0].parent().to_owned());
    move_by_hand(&app, "uid=ada@contoso.com", &home, &format!("ou=Sales,ou=people,{SUFFIX}"));
    let story = mend(&app, "Ada stands among the people of Sales");
    assert_eq!(app.directory(), before);
    // Her place is gone too.
    move_by_hand(&app, "uid=ada@contoso.com", &home, &format!("ou=Sales,ou=people,{SUFFIX}"));
    delete_by_hand(&app, &home);
    let story = story + &mend(&app, "and her own place was deleted");
    assert_eq!(app.directory(), before);
    insta::assert_snapshot!("moved_from_a_template", story);
}

#[test]
fn an_entry_that_was_moved_out_of_reach_is_a_problem_and_is_not_made_twice() {
    let app = TestApp::start_with(Flavor::AsShipped, roomy());
    staff_and_board(&app);
    let (people, former) = (format!("ou=people,{SUFFIX}"), branch_by_hand(&app, "former", SUFFIX));
    move_by_hand(&app, "uid=ada@contoso.com", &people, &former);
    modify_by_hand(&app, &dn("bob"), "add: title\ntitle: Boss");
    wait_for("the server to follow", || (!app.directory().contains(&dn("ada"))).then_some(()));
    let shown = look(&app, &["reconcile", "--dry-run"], 3).stdout;
    let done = command(&app, &["reconcile"], 3);
    assert_eq!(app.slapd.entry(&dn("ada")), None, "no second entry");
    assert!(app.slapd.entry(&format!("uid=ada@contoso.com,{former}")).is_some(), "the one there is stays");
    assert_eq!(app.slapd.values(&dn("bob"), "title"), [""; 0], "what can be done is done");
    let again = look(&app, &["reconcile"], 3);
    let story = format!("## shown\n{shown}\n## done\n{}\n## again\n{}", done.stdout, again.stdout);
    insta::assert_snapshot!("moved_out_of_reach", told(&app, &story));
    move_by_hand(&app, "uid=ada@contoso.com", &former, &people);
    wait_for("the server to follow", || app.directory_members("Board").contains(&dn("ada")).then_some(()));
    is_in_sync(&app);
}

const GONE: &str = "ou=gone,dc=example,dc=org";

/// A way of keeping people out, and how somebody who means well lets Ada in again by hand.
struct Letting {
    what: &'static str,
    settings: Settings,
    by_hand: fn(&TestApp),
}

fn lettings() -> [Letting; 4] {
    let only = || roomy().set("users.disable.lock", "false");
    [
        Letting {
            what: "lock",
            settings: roomy(),
            by_hand: |app| modify_by_hand(app, &dn("ada"), "delete: pwdAccountLockedTime"),
        },
        Letting {
            what: "password",
            settings: only().set("users.disable.password", "true"),
            by_hand: |app| app.slapd.set_password(&dn("ada"), PASSWORD),
        },
        Letting {
            what: "set",
            settings: roomy().add("[[users.disable.set]]\nldap = \"employeeType\"\nvalue = \"inactive\""),
            by_hand: |app| modify_by_hand(app, &dn("ada"), "replace: employeeType\nemployeeType: contractor"),
        },
        Letting {
            what: "move_to",
            settings: roomy().set("users.disable.move_to", &format!("\"{GONE}\"")),
            by_hand: |app| move_by_hand(app, "uid=ada@contoso.com", GONE, &format!("ou=people,{SUFFIX}")),
        },
    ]
}

#[test]
fn somebody_who_is_disabled_and_was_let_in_by_hand_is_kept_out_again() {
    let mut story = String::new();
    for Letting { what, settings, by_hand } in lettings() {
        let slapd = Slapd::start(Flavor::Plain);
        slapd.by_hand(&format!("dn: {GONE}\nobjectClass: organizationalUnit\nou: gone\n"));
        let app = TestApp::start_before(slapd, &settings);
        let ada = app.user("ada");
        app.slapd.set_password(&dn("ada"), PASSWORD);
        let staff = app.create_group("Staff");
        app.add_members(&staff, &[&ada]);
        app.disable_user(&ada);
        is_in_sync(&app);
        let everything = || {
            let text = app.directory() + &app.slapd.ldif("ou=gone");
            text.lines().filter(|line| !line.starts_with("userPassword")).collect::<Vec<_>>().join("\n")
        };
        let disabled = everything();
        by_hand(&app);
        let told = mend(&app, what);
        assert!(told.contains("\n! <"), "a disabling has its sign: {told}");
        assert!(!told.contains(PASSWORD) && !told.contains("{SSHA}") && !told.contains("{CRYPT}"), "{told}");
        assert_eq!(everything(), disabled, "{what}");
        if what == "password" {
            assert!(!app.slapd.bind(&dn("ada"), PASSWORD));
        }
        story.push_str(&told);
    }
    insta::assert_snapshot!("let_in_by_hand", story);
}

#[test]
fn what_waits_for_the_directory_is_done_by_a_run_alone() {
    let app = TestApp::start_with(Flavor::Plain, roomy());
    let [ada, bob, cyd] = ["ada", "bob", "cyd"].map(|name| app.user(name));
    let staff = app.create_group_with(&group_with("Staff", "entra-1", &[&ada, &bob]));
    app.create_group_with(&group_with("Board", "entra-2", &[&bob]));
    app.slapd.stop();
    app.delete(&format!("/Users/{bob}")).expect(503);
    app.patch(&format!("/Users/{ada}"), &json!([{"op": "Add", "path": "title", "value": "Countess"}])).expect(503);
    app.patch(&format!("/Groups/{staff}"), &entra::add_members(&[&cyd])).expect(503);
    app.post("/Users", &entra::person("dan")).expect(503);
    app.kill();
    app.slapd.start_again();
    let story = mend(&app, "a deletion, a change, a membership and a creation that waited");
    assert_eq!(app.slapd.entry(&dn("bob")), None);
    assert_eq!(app.directory_members("Staff"), [dn("ada"), dn("cyd")]);
    assert_eq!(app.slapd.values(&dn("ada"), "title"), ["Countess"]);
    assert!(app.slapd.entry(&dn("dan")).is_some());
    insta::assert_snapshot!("what_waited", story);
    app.restart();
    app.get(&format!("/Users/{bob}")).expect(404);
    assert_eq!(app.read_user(&ada)["title"], "Countess");
    assert!(app.lookup_user("dan@contoso.com").is_some());
}

#[test]
fn what_a_crash_left_is_done_by_a_run_alone() {
    for point in [CrashAt::Intent, CrashAt::Apply, CrashAt::Record] {
        let app = TestApp::start_with(Flavor::Plain, roomy());
        let (ada, bob) = (app.user("ada"), app.user("bob"));
        app.create_group_with(&group_with("Staff", "entra-1", &[&ada, &bob]));
        let rename = json!([{"op": "Replace", "path": "userName", "value": "ada.king@contoso.com"}]);
        app.restart_to_crash(point);
        app.try_request("PATCH", &format!("/Users/{ada}"), Some(entra::patch(rename).to_string().as_bytes()))
            .unwrap_err();
        app.wait_exit();
        look(&app, &["reconcile", "--dry-run"], if point == CrashAt::Record { 0 } else { 2 });
        command(&app, &["reconcile"], 0);
        is_in_sync(&app);
        assert_eq!(app.directory_members("Staff"), [dn("ada.king"), dn("bob")], "{point:?}");
        assert_eq!(app.slapd.entry(&dn("ada")), None);
        app.restart();
        assert_eq!(app.read_user(&ada)["userName"], "ada.king@contoso.com", "{point:?}");
    }
}

#[test]
fn a_new_line_of_the_map_reaches_everybody_and_one_that_is_gone_takes_nothing_away() {
    let app = TestApp::start_with(Flavor::AsShipped, roomy());
    let _people = ["ada", "bob"].map(|name| app.user(name));
    app.create_group("Staff");
    let before = app.directory();
    app.workplace.reconfigure(&roomy().add(
        "[[users.attribute]]\nldap = \"o\"\nvalue = \"Contoso, Ltd.\"\n\
         [[groups.attribute]]\nldap = \"description\"\ntemplate = \"{{ displayName }} at Contoso\"\n",
    ));
    insta::assert_snapshot!("a_new_line_of_the_map", mend(&app, "two more lines in the map"));
    assert_eq!(app.slapd.values(&dn("bob"), "o"), ["Contoso, Ltd."]);
    assert_eq!(app.slapd.values(&group_dn("Staff"), "description"), ["Staff at Contoso"]);
    app.workplace.reconfigure(&roomy());
    is_in_sync(&app);
    assert_ne!(app.directory(), before, "the values stay");
}

#[test]
fn a_number_that_was_taken_away_comes_back() {
    let settings = roomy().set("users.object_classes", "[\"inetOrgPerson\", \"posixAccount\"]").add(
        "[[users.attribute]]\nldap = \"uidNumber\"\nallocate = { from = 5000, to = 5999 }\n\
         [[users.attribute]]\nldap = \"gidNumber\"\nvalue = \"100\"\n\
         [[users.attribute]]\nldap = \"homeDirectory\"\ntemplate = \"/home/{{ userName | localpart }}\"\n",
    );
    let app = TestApp::start_with(Flavor::AsShipped, settings);
    let _people = ["ada", "bob"].map(|name| app.user(name));
    let before = app.directory();
    modify_by_hand(
        &app,
        &dn("ada"),
        "delete: objectClass\nobjectClass: posixAccount\n-\ndelete: uidNumber\n-\ndelete: gidNumber\n-\n\
         delete: homeDirectory",
    );
    let story = mend(&app, "Ada is no account any more");
    assert_eq!(app.directory(), before);
    delete_by_hand(&app, &dn("bob"));
    let story = story + &mend(&app, "Bob is gone");
    assert_eq!(app.directory(), before);
    insta::assert_snapshot!("numbers", story);
}

#[test]
fn entries_that_nobody_pushed_are_listed_and_left_alone() {
    let app = TestApp::start_with(Flavor::AsShipped, roomy());
    app.user("ada");
    app.slapd.by_hand(&format!(
        "dn: uid=hand,ou=people,{SUFFIX}\nobjectClass: inetOrgPerson\nuid: hand\ncn: Hand\nsn: Made\n\n\
         dn: cn=Choir,ou=groups,{SUFFIX}\nobjectClass: groupOfNames\ncn: Choir\nmember: {}\n\n\
         dn: cn=printer,ou=people,{SUFFIX}\nobjectClass: device\ncn: printer\n",
        dn("ada")
    ));
    let before = super::contents(&app);
    let mut story = is_in_sync(&app).stdout;
    modify_by_hand(&app, &dn("ada"), "add: title\ntitle: Boss");
    story = story + "\n" + &mend(&app, "beside a change");
    delete_by_hand(&app, &dn("ada"));
    mend(&app, "and beside a creation");
    for dn in [format!("uid=hand,ou=people,{SUFFIX}"), format!("cn=printer,ou=people,{SUFFIX}")] {
        assert!(before.contains(&app.slapd.values(&dn, "entryCSN")[0]), "{dn} is as it was");
    }
    insta::assert_snapshot!("unmanaged", story);
}

const BRIDGE: &str = "cn=bridge,ou=policies,dc=example,dc=org";

#[test]
fn who_changed_an_entry_and_when_is_told() {
    let settings = roomy().variable("SCIMBRIDGE__LDAP__BIND_DN", BRIDGE);
    let app = TestApp::start_with(Flavor::AsShipped, settings);
    app.slapd.by_hand(&format!(
        "dn: {BRIDGE}\nobjectClass: organizationalRole\nobjectClass: simpleSecurityObject\ncn: bridge\n\
         userPassword: {ADMIN_PASSWORD}\n"
    ));
    app.slapd.reconfigure(&format!(
        "limits dn.exact=\"{BRIDGE}\" size=unlimited\naccess to *\n    by dn.exact=\"{BRIDGE}\" write\n    by * break\n"
    ));
    app.restart();
    app.user("ada");
    assert_eq!(app.slapd.values(&dn("ada"), "modifiersName"), [BRIDGE]);
    modify_by_hand(&app, &dn("ada"), "add: title\ntitle: Boss");
    let day = &app.slapd.values(&dn("ada"), "modifyTimestamp")[0];
    let day = format!("{}-{}-{}T{}:{}:{}Z", &day[..4], &day[4..6], &day[6..8], &day[8..10], &day[10..12], &day[12..14]);
    let shown = look(&app, &["reconcile", "--dry-run"], 2).stdout;
    assert!(shown.contains(&format!("changed by cn=admin,dc=example,dc=org at {day}")), "{shown}");
    mend(&app, "a title by hand");
    assert_eq!(app.slapd.values(&dn("ada"), "modifiersName"), [BRIDGE]);
}

/// Names that people really have, and some that nobody should.
const NAMES: [&str; 10] = [
    "Smith, John",
    "the \"A\" team",
    "C++ & C#; <R&D> = fun",
    " spaces around  and  within ",
    "#1",
    "Größe und Maß",
    "🦀 crabs 👩‍👩‍👧",
    "a \u{1b}[31mred\u{7} bell",
    "two\nlines\tand a \u{7f} delete",
    "back\u{202e}wards\\",
];

#[test]
fn names_of_all_kinds_are_shown_and_put_right() {
    let app = TestApp::start_with(Flavor::Plain, roomy());
    let mut members = Vec::new();
    for (number, name) in NAMES.iter().enumerate() {
        let user_name = format!("u{number} {name}");
        let answer = app.post(
            "/Users",
            &person_with(
                "x",
                json!({
                    "externalId": user_name, "userName": user_name, "displayName": name, "name": null, "emails": null
                }),
            ),
        );
        members.push(app.know(&answer.expect(201).json()));
        app.create_group_with(&group_with(name, &format!("entra-{number}"), &[members.last().unwrap()]));
    }
    is_in_sync(&app);
    let before = app.directory();
    for (number, name) in NAMES.iter().enumerate() {
        let group = &app.slapd.groups(name)[0];
        let user = &app.slapd.people("displayName", name)[0];
        match number % 2 {
            0 => delete_by_hand(&app, &group.dn),
            _ => modify_by_hand(&app, &group.dn, "replace: member\nmember: cn=empty-group"),
        }
        modify_by_hand(&app, &user.dn, "replace: displayName\ndisplayName: By Hand");
    }
    let story = mend(&app, "names of all kinds");
    assert_eq!(app.directory(), before);
    insta::assert_snapshot!("names", story);
}

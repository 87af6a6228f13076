//! All that there is to know of one identity, on one page: `scimbridge explain` beside a running `serve`.

use serde_json::{Value, json};

use crate::support::app::{TestApp, dn, group_dn};
use crate::support::entra::{group_with, person_with};
use crate::support::ldif;
use crate::support::slapd::Flavor;
use crate::support::workplace::Settings;

/// What is told to programs.
#[track_caller]
fn explain(app: &TestApp, who: &str) -> Value {
    let before = ldif::render(&app.slapd.tree(&["entryCSN", "pwdAccountLockedTime"]));
    let told = app.workplace.run(&["explain", who, "--format", "json"]).succeeds();
    assert_eq!(ldif::render(&app.slapd.tree(&["entryCSN", "pwdAccountLockedTime"])), before, "nothing is changed");
    let page: Value = serde_json::from_str(&told.stdout).unwrap_or_else(|_| panic!("JSON: {told:#?}"));
    assert_eq!(told.stdout.lines().count(), 1);
    page
}

/// What is told to people.
#[track_caller]
fn text(app: &TestApp, who: &str) -> String {
    let told = app.workplace.run(&["explain", who]).succeeds().stdout;
    let raw = told.chars().find(|one| one.is_control() && *one != '\n');
    assert_eq!(raw, None, "no character moves the terminal's cursor: {told}");
    told
}

#[track_caller]
fn attribute<'a>(page: &'a Value, name: &str) -> &'a Value {
    let rows = page["explanation"]["attributes"].as_array().unwrap();
    rows.iter().find(|row| row["attribute"] == name).unwrap_or_else(|| panic!("{name} is told: {page:#}"))
}

fn modify(app: &TestApp, dn: &str, lines: &str) {
    app.slapd.by_hand(&format!("dn: {dn}\nchangetype: modify\n{lines}\n"));
}

#[test]
fn a_user_is_found_by_any_name_and_what_drifted_is_marked() {
    let app = TestApp::start_on(Flavor::Plain);
    let ada = app.create_user(&person_with("ada", json!({"title": "Countess"})));
    let staff = app.create_group_with(&group_with("Staff", "e-1", &[&ada]));
    app.create_group_with(&group_with("Board", "e-2", &[&ada]));
    let page = explain(&app, &ada);
    for who in ["ADA@contoso.com", "ada", &dn("ada"), &dn("ADA").replace("ou=people", "OU=People")] {
        assert_eq!(explain(&app, who), page, "{who}");
    }
    let known = &page["explanation"]["resource"];
    assert_eq!(
        (&known["name"], &known["active"], &known["version"]),
        (&json!("ada@contoso.com"), &json!(true), &json!(1))
    );
    assert_eq!(known["pending"], Value::Null);
    assert_eq!(page["explanation"]["found"], json!({"entry": "at", "detail": dn("ada")}));
    let rows = page["explanation"]["attributes"].as_array().unwrap();
    assert!(rows.iter().all(|row| row["agreement"] == "agrees"), "{page:#}");
    let title = attribute(&page, "title");
    assert_eq!((&title["sources"], &title["ownership"]), (&json!(["title"]), &json!("owned")));

    modify(
        &app,
        &dn("ada"),
        "replace: title\ntitle: Boss\n-\nadd: carLicense\ncarLicense: L 1\n-\n\
                              replace: userPassword\nuserPassword: hunter2",
    );
    modify(
        &app,
        &group_dn("Board"),
        "add: member\nmember: cn=x\n-\ndelete: member\nmember: uid=ada@contoso.com,ou=people,dc=example,dc=org",
    );
    let page = explain(&app, &ada);
    let title = attribute(&page, "title");
    let told = (&title["wanted"], &title["held"], &title["agreement"]);
    assert_eq!(told, (&json!(["Countess"]), &json!(["Boss"]), &json!("drifted")));
    assert_eq!(page["explanation"]["last_change"]["by"], "cn=admin,dc=example,dc=org");
    assert_eq!(page["explanation"]["unmapped"]["carLicense"], json!(["L 1"]));
    assert_eq!(page["explanation"]["unmapped"]["userPassword"], json!(["(hidden)"]));
    let groups = page["explanation"]["groups"].as_array().unwrap();
    let told: Vec<(&str, &str)> =
        groups.iter().map(|group| (group["name"].as_str().unwrap(), group["listing"].as_str().unwrap())).collect();
    assert_eq!(told, [("Board", "missing"), ("Staff", "listed")]);
    assert_eq!(page["events"].as_array().unwrap().len(), 1, "{page:#}");
    let read = text(&app, "ada");
    for line in [
        "  ~ title: drifted",
        "      wanted: \"Countess\"",
        "      holds:  \"Boss\"",
        "changed by cn=admin",
        "    userPassword: (hidden)",
        "  ~ group \"Board\"",
        "  = group \"Staff\"",
        "login: may log in",
    ] {
        assert!(read.contains(line), "{line}: {read}");
    }
    assert!(!read.contains("hunter2"));

    app.slapd.by_hand(&format!("dn: {}\nchangetype: modrdn\nnewrdn: uid=moved\ndeleteoldrdn: 1\n", dn("ada")));
    let page = explain(&app, &ada);
    assert_eq!(page["explanation"]["wanted_name"], dn("ada"));
    assert_eq!(attribute(&page, "uid")["agreement"], "drifted");
    app.slapd.by_hand("dn: uid=moved,ou=people,dc=example,dc=org\nchangetype: delete\n");
    assert_eq!(explain(&app, &ada)["explanation"]["found"]["entry"], "missing");
    assert!(text(&app, &staff).contains("group \"Staff\""));
}

#[test]
fn who_is_kept_out_and_by_what_is_told() {
    let settings = Settings::default()
        .set("users.disable.password", "true")
        .add("[[users.disable.set]]\nldap = \"employeeType\"\nvalue = \"gone\"");
    let app = TestApp::start_with(Flavor::AsShipped, settings);
    let ada = app.user("ada");
    app.slapd.set_password(&dn("ada"), "hunter2");
    modify(&app, &dn("ada"), "add: employeeType\nemployeeType: staff");
    app.disable_user(&ada);
    let access = explain(&app, &ada)["explanation"]["access"].clone();
    assert_eq!((&access["disabled"], &access["ours"]), (&json!(true), &json!(true)));
    let by = access["kept_out_by"].to_string();
    for word in ["pwdAccountLockedTime", "made unusable", "employeeType"] {
        assert!(by.contains(word), "{word}: {by}");
    }
    assert_eq!(access["before"], json!(["employeeType: \"staff\""]));
    let read = text(&app, &ada);
    assert!(read.contains("login: is to be kept out; kept out by the lock"), "{read}");
    assert!(!read.contains("hunter2") && !read.contains("{CRYPT}"), "{read}");
    app.enable_user(&ada);
    let access = explain(&app, &ada)["explanation"]["access"].clone();
    assert_eq!((&access["kept_out_by"], &access["ours"]), (&json!([]), &json!(false)));
}

#[test]
fn a_group_tells_who_is_in_it_and_who_is_a_stranger() {
    let app = TestApp::start_on(Flavor::Plain);
    let people: Vec<String> = ["ada", "bob", "cyd"].iter().map(|name| app.user(name)).collect();
    let ids: Vec<&str> = people.iter().map(String::as_str).collect();
    let staff = app.create_group_with(&group_with("Staff", "e-1", &ids));
    let twin = app.create_group_with(&group_with("Staff", "e-2", &[]));
    modify(
        &app,
        &group_dn("Staff"),
        &format!(
            "add: member\nmember: cn=stranger,dc=example,dc=org\n-\n\
                                               delete: member\nmember: {}",
            dn("bob")
        ),
    );
    let page = explain(&app, &staff);
    let roster = &page["explanation"]["roster"];
    let told = (&roster["settled"], &roster["joining"], &roster["missing"], &roster["strangers"], &roster["strays"]);
    assert_eq!(told, (&json!(3), &json!(0), &json!(1), &json!(1), &json!(0)), "{page:#}");
    assert_eq!(roster["others"], json!(["cn=stranger,dc=example,dc=org"]));
    let mut members: Vec<(&str, &str)> = roster["members"]
        .as_array()
        .unwrap()
        .iter()
        .map(|member| (member["name"].as_str().unwrap(), member["listing"].as_str().unwrap()))
        .collect();
    members.sort_unstable();
    assert_eq!(members, [("ada@contoso.com", "listed"), ("bob@contoso.com", "missing"), ("cyd@contoso.com", "listed")]);
    assert_eq!(page["explanation"]["sharing"][0]["id"], twin);
    // Two of one name are told apart.
    let told = app.workplace.run(&["explain", "Staff"]);
    assert_eq!((told.code, told.stdout.as_str()), (Some(1), ""));
    assert!(told.stderr.contains(&staff) && told.stderr.contains(&twin), "{told:#?}");
    app.workplace.run(&["explain", "staff"]).fails_naming(&["nobody here is or was called"]);
}

#[test]
fn an_entry_that_nobody_pushed_is_told_with_what_would_adopt_it() {
    let app = TestApp::start();
    let carl = "uid=carl@contoso.com,ou=people,dc=example,dc=org";
    app.slapd.by_hand(&format!("dn: {carl}\nobjectClass: inetOrgPerson\ncn: Carl\nsn: C\nuserPassword: hunter2\n"));
    let page = explain(&app, carl);
    assert_eq!(page["explanation"]["resource"], Value::Null);
    let adoption = page["explanation"]["adoption"].as_str().unwrap();
    assert!(adoption.contains("userName is \"carl@contoso.com\"") && adoption.contains("users.match"), "{adoption}");
    let read = text(&app, carl);
    assert!(read.starts_with("unmanaged: ") && !read.contains("hunter2"), "{read}");
    assert!(text(&app, "ou=people,dc=example,dc=org").contains("nothing adopts it"));
    app.workplace.run(&["explain", "uid=x,dc=example,dc=org"]).fails_naming(&["there is no such entry"]);
    // And then it is pushed.
    let id = app.create_user(&person_with("carl", json!({})));
    assert_eq!(explain(&app, carl)["explanation"]["resource"]["id"], id);
}

#[test]
fn the_rest_is_told_when_the_directory_is_away_or_somebody_gone() {
    let app = TestApp::start();
    let ada = app.user("ada");
    let bob = app.user("bob");
    app.create_group_with(&group_with("Staff", "e-1", &[&ada]));
    app.delete(&format!("/Users/{bob}")).expect(204);
    let page = explain(&app, "bob@contoso.com");
    assert_eq!(page["explanation"], Value::Null);
    let events: Vec<&Value> = page["events"].as_array().unwrap().iter().map(|event| &event["operation"]).collect();
    assert_eq!(events, ["create", "delete"]);
    for who in [&bob, &dn("bob")] {
        assert_eq!(explain(&app, who)["events"], page["events"], "{who}");
    }
    app.slapd.stop();
    app.patch(&format!("/Users/{ada}"), &json!([{"op": "Add", "path": "title", "value": "Countess"}])).expect(503);
    for who in [&ada, &dn("ada")] {
        let told = app.workplace.run(&["explain", who, "--format", "json"]);
        assert_eq!(told.code, Some(1), "{told:#?}");
        assert!(told.stderr.contains("the directory does not answer"), "{told:#?}");
        let page: Value = serde_json::from_str(&told.stdout).unwrap();
        assert_eq!(page["explanation"]["found"]["entry"], "unknown");
        assert_eq!(page["explanation"]["resource"]["pending"]["what"], "change");
        assert!(page["explanation"]["resource"]["pending"]["since"].is_string());
        let title = attribute(&page, "title");
        assert_eq!(
            (&title["wanted"], &title["held"], &title["agreement"]),
            (&json!(["Countess"]), &Value::Null, &json!("unknown"))
        );
        assert_eq!(page["explanation"]["groups"][0]["listing"], "unknown");
        assert_eq!(page["events"].as_array().unwrap().last().unwrap()["result"], "put off");
    }
    let told = app.workplace.run(&["explain", "ada"]).stdout;
    assert!(told.contains("pending: to change since") && told.contains("is not known"), "{told}");
}

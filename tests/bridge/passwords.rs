//! Passwords: pushed by Entra or made when an entry is created, hashed by the server or here, and to be found nowhere.

use std::fs;

use serde_json::{Value, json};

use crate::support::app::{TestApp, dn};
use crate::support::entra::{USER, person, person_with};
use crate::support::slapd::{ADMIN_PASSWORD, Flavor, Slapd};
use crate::support::workplace::{Settings, Workplace};

const FIRST: &str = "Erstes-Passwort-17 ü";
const SECOND: &str = "Zweites-Passwort-18 🦀";
const BRIDGE: &str = "cn=bridge,dc=example,dc=org";

fn pushed() -> Settings {
    Settings::default().add("[[users.attribute]]\nldap = \"userPassword\"\nscim = \"password\"\n")
}

fn with_password(name: &str, password: &str) -> Value {
    person_with(name, json!({"password": password}))
}

fn change(password: &str) -> Value {
    json!([{"op": "Replace", "path": "password", "value": password}])
}

/// That a password stands in no file of the program: not in the store, not in the log.
fn is_kept_nowhere(app: &TestApp, password: &str) {
    for file in fs::read_dir(app.workplace.folder()).unwrap() {
        let path = file.unwrap().path();
        let bytes = fs::read(&path).unwrap_or_default();
        let found = bytes.windows(password.len()).any(|window| window == password.as_bytes());
        assert!(!found, "the password stands in {}", path.display());
    }
}

#[test]
fn a_pushed_password_lets_in_and_is_kept_nowhere() {
    let app = TestApp::start_with(Flavor::AsShipped, pushed());
    let answer = app.post("/Users", &with_password("ada", FIRST)).expect(201);
    assert!(!answer.text().contains("assword"), "{}", answer.text());
    let ada = app.know(&answer.json());
    assert!(app.slapd.bind(&dn("ada"), FIRST));
    assert!(app.slapd.values(&dn("ada"), "userPassword")[0].starts_with("{SSHA}"), "hashed by the server");
    let version = app.read_user(&ada)["meta"]["version"].clone();
    app.patch_user(&ada, &change(SECOND));
    assert!(!app.slapd.bind(&dn("ada"), FIRST) && app.slapd.bind(&dn("ada"), SECOND));
    assert_eq!(app.read_user(&ada)["meta"]["version"], version, "nothing that is shown has changed");
    // A change of something else, or nothing at all, leaves it.
    app.patch_user(&ada, &json!([{"op": "Replace", "path": "title", "value": "Countess"}]));
    app.patch_user(&ada, &change(""));
    app.patch_user(&ada, &json!([{"op": "Replace", "value": {"password": null, "title": "Queen"}}]));
    app.put(&format!("/Users/{ada}"), &person("ada")).expect(200);
    assert!(app.slapd.bind(&dn("ada"), SECOND));
    app.patch_user(&ada, &json!([{"op": "Add", "value": {"Password": FIRST}}]));
    assert!(app.slapd.bind(&dn("ada"), FIRST));
    app.patch_user(&ada, &json!([{"op": "Replace", "path": format!("{USER}:password"), "value": SECOND}]));
    assert!(app.slapd.bind(&dn("ada"), SECOND));
    app.put(&format!("/Users/{ada}"), &with_password("ada", FIRST)).expect(200);
    assert!(app.slapd.bind(&dn("ada"), FIRST));
    let target = format!("/Users/{ada}");
    app.patch(&target, &json!([{"op": "Remove", "path": "password"}])).refuses(400, "mutability", &["password"]);
    app.patch(&target, &change_to(json!(7))).refuses(400, "invalidValue", &["password must be a text"]);
    app.get("/Users?filter=password+eq+%22x%22").refuses(400, "invalidFilter", &["password"]);
    app.restart();
    is_kept_nowhere(&app, FIRST);
    is_kept_nowhere(&app, SECOND);
}

fn change_to(value: Value) -> Value {
    json!([{"op": "Replace", "path": "password", "value": value}])
}

#[test]
fn what_the_service_says_of_passwords_is_so() {
    let published = |app: &TestApp| {
        let schema = app.get(&format!("/Schemas/{USER}")).expect(200).json();
        let attributes = schema["attributes"].as_array().unwrap().clone();
        let password = attributes.into_iter().find(|attribute| attribute["name"] == "password");
        let config = app.get("/ServiceProviderConfig").expect(200).json();
        (password.map(|found| found["returned"].clone()), config["changePassword"]["supported"].clone())
    };
    assert_eq!(published(&TestApp::start()), (None, json!(false)));
    let app = TestApp::start_with(Flavor::AsShipped, pushed());
    assert_eq!(published(&app), (Some(json!("never")), json!(true)));
}

#[test]
fn without_a_line_in_the_map_a_password_is_not_looked_at() {
    let app = TestApp::start();
    let ada = app.create_user(&with_password("ada", FIRST));
    app.patch_user(&ada, &change(SECOND));
    assert_eq!(app.slapd.values(&dn("ada"), "userPassword"), [""; 0]);
    is_kept_nowhere(&app, FIRST);
}

#[test]
fn a_hash_of_our_own_is_one_that_the_server_knows() {
    for (storage, module) in [("{SSHA512}", "pw-sha2.so"), ("{ARGON2}", "argon2.so")] {
        let slapd = Slapd::start(Flavor::AsShipped);
        slapd.reconfigure_server(&format!("moduleload {module}\n"));
        let settings = pushed().set("users.password_storage", &format!("{storage:?}"));
        let app = TestApp::start_before(slapd, &settings);
        let ada = app.create_user(&with_password("ada", FIRST));
        assert!(app.slapd.values(&dn("ada"), "userPassword")[0].starts_with(storage));
        assert!(app.slapd.bind(&dn("ada"), FIRST) && !app.slapd.bind(&dn("ada"), SECOND));
        app.patch_user(&ada, &change(SECOND));
        assert!(app.slapd.bind(&dn("ada"), SECOND));
        assert_eq!(app.slapd.values(&dn("ada"), "userPassword").len(), 1);
    }
}

/// A bridge whose passwords are judged by the policy: those of the directory's own administrator are not.
fn judged() -> TestApp {
    let settings = pushed().variable("SCIMBRIDGE__LDAP__BIND_DN", BRIDGE);
    let app = TestApp::start_with(Flavor::AsShipped, settings);
    app.slapd.by_hand(&format!(
        "dn: {BRIDGE}\nobjectClass: organizationalRole\nobjectClass: simpleSecurityObject\ncn: bridge\n\
         userPassword: {ADMIN_PASSWORD}\n\n\
         dn: cn=default,ou=policies,dc=example,dc=org\nchangetype: modify\n\
         add: pwdCheckQuality\npwdCheckQuality: 1\n-\nadd: pwdMinLength\npwdMinLength: 12\n"
    ));
    app.slapd.reconfigure(&format!("access to *\n    by dn.exact=\"{BRIDGE}\" write\n    by * break\n"));
    app.restart();
    app
}

#[test]
fn a_password_that_the_policy_refuses_leaves_nothing_half_done() {
    let app = judged();
    let before = app.slapd.ldif("ou=people");
    app.post("/Users", &with_password("ada", "kurz")).refuses(400, "invalidValue", &["password cannot be set"]);
    assert_eq!(app.slapd.ldif("ou=people"), before);
    assert!(app.lookup_user("ada@contoso.com").is_none());
    let ada = app.create_user(&with_password("ada", FIRST));
    let before = app.slapd.ldif("ou=people");
    let both = json!([{"op": "Replace", "path": "title", "value": "Queen"}, change("kurz")[0]]);
    app.patch(&format!("/Users/{ada}"), &both).refuses(400, "invalidValue", &["password cannot be set"]);
    assert_eq!(app.slapd.ldif("ou=people"), before);
    assert!(app.slapd.bind(&dn("ada"), FIRST) && app.read_user(&ada).get("title").is_none());
    is_kept_nowhere(&app, "kurz");
}

#[test]
fn a_password_for_somebody_who_is_disabled_lets_nobody_in() {
    for settings in [pushed(), pushed().set("users.disable.lock", "false").set("users.disable.password", "true")] {
        let app = TestApp::start_with(Flavor::AsShipped, settings);
        let ada = app.create_user(&with_password("ada", FIRST));
        app.disable_user(&ada);
        app.patch_user(&ada, &change(SECOND));
        assert!(!app.slapd.bind(&dn("ada"), SECOND));
        app.enable_user(&ada);
        assert!(app.slapd.bind(&dn("ada"), SECOND));
        let bob = person_with("bob", json!({"password": FIRST, "active": false}));
        let bob = app.create_user(&bob);
        assert!(!app.slapd.bind(&dn("bob"), FIRST));
        app.enable_user(&bob);
        assert!(app.slapd.bind(&dn("bob"), FIRST));
    }
}

#[test]
fn an_initial_password_is_given_once() {
    let template = "[[users.attribute]]\nldap = \"userPassword\"\nownership = \"initial\"\n\
                    template = \"{{ userName | localpart }}-{{ name.familyName }}-2026\"\n";
    let slapd = Slapd::start(Flavor::AsShipped);
    slapd.by_hand(&format!(
        "dn: {}\nobjectClass: inetOrgPerson\nuid: bob@contoso.com\ncn: x\nsn: x\nuserPassword: by hand\n",
        dn("bob")
    ));
    let app = TestApp::start_before(slapd, &Settings::default().add(template));
    let ada = app.user("ada");
    assert!(app.slapd.bind(&dn("ada"), "ada-Contoso-2026"));
    app.slapd.set_password(&dn("ada"), "her own");
    app.rename_user(&ada, "ada.king@contoso.com");
    app.patch_user(&ada, &change("pushed"));
    assert!(app.slapd.bind(&dn("ada.king"), "her own"));
    app.user("bob");
    assert!(app.slapd.bind(&dn("bob"), "by hand"), "who was there already keeps it");
    let once = Settings::default()
        .add("[[users.attribute]]\nldap = \"userPassword\"\nscim = \"password\"\nownership = \"initial\"\n");
    let app = TestApp::start_with(Flavor::AsShipped, once);
    let ada = app.create_user(&with_password("ada", FIRST));
    app.patch_user(&ada, &change(SECOND));
    assert!(app.slapd.bind(&dn("ada"), FIRST));
}

#[test]
fn a_value_that_says_where_the_password_is_follows_the_name() {
    let sasl = "[[users.attribute]]\nldap = \"userPassword\"\ntemplate = \"{SASL}{{ userName }}\"\n";
    let app = TestApp::start_with(Flavor::AsShipped, Settings::default().add(sasl));
    let ada = app.user("ada");
    assert_eq!(app.slapd.values(&dn("ada"), "userPassword"), ["{SASL}ada@contoso.com"]);
    app.rename_user(&ada, "ada.king@contoso.com");
    assert_eq!(app.slapd.values(&dn("ada.king"), "userPassword"), ["{SASL}ada.king@contoso.com"]);
}

#[test]
fn what_would_show_a_password_is_told_before_anything_runs() {
    let check = |settings: Settings, url: &str| Workplace::new(&settings, url).run(&["check", "--config-only"]);
    let (near, far) = ("ldap://127.0.0.1:1", "ldap://ldap.example.org");
    check(pushed(), near).succeeds();
    check(pushed(), "ldaps://ldap.example.org").succeeds();
    check(pushed(), far).fails_naming(&["password_storage", "in clear"]);
    check(pushed().set("users.password_storage", "\"{ARGON2}\""), far).succeeds();
    let line = |line: &str| Settings::default().add(&format!("[[users.attribute]]\nldap = \"userPassword\"\n{line}\n"));
    check(line("template = \"{{ userName }}\""), near).fails_naming(&["ownership", "initial"]);
    check(line("value = \"secret\""), near).fails_naming(&["a password comes from"]);
    check(line("scim = \"title\""), near).fails_naming(&["a password comes from"]);
    check(line("scim = \"password\"\ndefault = \"x\""), near).fails_naming(&["default"]);
    check(pushed().set("users.password_storage", "\"clear\""), near).fails_naming(&["password_storage", "{ARGON2}"]);
}

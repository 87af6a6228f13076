//! `scimbridge check` in front of a directory: all that an administrator would have to put right, the worst first, and
//! nothing left behind.

use std::fs;

use serde_json::Value;

use crate::support::app::{TestApp, dn};
use crate::support::certificates::Certificates;
use crate::support::entra::group_with;
use crate::support::slapd::{ADMIN_PASSWORD, Flavor, Slapd};
use crate::support::workplace::{Finished, Settings, Workplace};

/// An identity of the bridge's own, whose rights a story can take away.
const BRIDGE: &str = "cn=bridge,dc=example,dc=org";
/// The configuration, shown to the identity of the example; the monitor is shown to it as the project ships it.
const SHOWN: &str = "database config\n\
    access to * by dn.exact=\"cn=admin,dc=example,dc=org\" read by * none\n";
const USABLE: &str = "the configuration with this directory can be used\n";

fn check(slapd: &Slapd, settings: &Settings) -> Finished {
    Workplace::new(settings, &slapd.url()).run(&["check"])
}

fn checked(slapd: &Slapd) -> Finished {
    check(slapd, &Settings::default())
}

/// A directory with an identity that may do what the lines say, and read everything.
fn with_rights(lines: &str) -> (Slapd, Settings) {
    let slapd = Slapd::start(Flavor::AsShipped);
    slapd.by_hand(&format!(
        "dn: {BRIDGE}\nobjectClass: organizationalRole\nobjectClass: simpleSecurityObject\ncn: bridge\n\
         userPassword: {ADMIN_PASSWORD}\n"
    ));
    slapd.reconfigure(lines);
    (slapd, Settings::default().variable("SCIMBRIDGE__LDAP__BIND_DN", BRIDGE))
}

impl Finished {
    /// That it failed with these errors and no others, each of them said in words that hold these.
    #[track_caller]
    fn has_errors(&self, expected: &[&str]) {
        let errors: Vec<&str> = self.stdout.lines().filter(|line| line.starts_with("error: ")).collect();
        assert_eq!(errors.len(), expected.len(), "{}", self.stdout);
        for expected in expected {
            assert!(errors.iter().any(|error| error.contains(expected)), "{expected:?} in:\n{}", self.stdout);
        }
        assert_eq!(self.code, Some(i32::from(!expected.is_empty())), "{self:#?}");
    }

    #[track_caller]
    fn says(&self, words: &[&str]) {
        for word in words {
            assert!(self.stdout.contains(word), "{word:?} in:\n{}", self.stdout);
        }
    }
}

#[test]
fn a_good_directory_gives_no_error() {
    let slapd = Slapd::start(Flavor::AsShipped);
    // With what would tell of a change that was taken back: who changed it when.
    let tree = |slapd: &Slapd| {
        let branches = ["ou=people", "ou=groups", "ou=policies"].map(|branch| format!("{branch},dc=example,dc=org"));
        let entries = branches.map(|dn| slapd.entry_with(&dn, &["+"]));
        (entries, slapd.ldif("ou=people"), slapd.ldif("ou=groups"))
    };
    let before = tree(&slapd);
    let hidden = checked(&slapd).succeeds();
    assert_eq!(tree(&slapd), before, "nothing is left behind");
    slapd.reconfigure_server(SHOWN);
    let shown = checked(&slapd).succeeds();
    let text = format!("## What may not be seen\n{}\n## The configuration is shown\n{}", hidden.stdout, shown.stdout);
    insta::assert_snapshot!(text);
    assert_eq!((hidden.stderr.as_str(), shown.stderr.as_str()), ("", ""));
}

#[test]
fn the_directory_is_asked_whether_it_takes_the_map() {
    let slapd = Slapd::start(Flavor::AsShipped);
    let before = slapd.entry_with("dc=example,dc=org", &["+"]);
    let settings = Settings::default()
        .set("groups.base_dn", "\"ou=nowhere,dc=example,dc=org\"")
        .set("groups.object_classes", "[\"groupOfNamse\"]")
        .without("default = \"-\"")
        .add("[[users.attribute]]\nldap = \"shoeSize\"\nscim = \"title\"")
        .add("[[users.attribute]]\nldap = \"uidNumber\"\nvalue = \"1\"")
        .add("[[users.attribute]]\nldap = \"employeeNumber\"\nscim = \"roles.value\"");
    let bad = check(&slapd, &settings);
    bad.has_errors(&[
        "groups.base_dn: the directory has no entry ou=nowhere",
        "groups.object_classes: the directory has no object class groupOfNamse",
        "users: the directory has no attribute shoeSize",
        "users: none of the object classes allows the attribute uidNumber",
    ]);
    bad.says(&["warning: users: employeeNumber holds one value, and roles.value may lead to several", "\n  do: "]);
    assert_eq!(bad.stderr, "the configuration with this directory has 4 errors\n");
    let severities: Vec<&str> = bad
        .stdout
        .lines()
        .filter(|line| !line.starts_with(' '))
        .filter_map(|line| Some(line.split_once(": ")?.0))
        .collect();
    let mut sorted = severities.clone();
    sorted.sort_by_key(|severity| ["error", "warning", "note"].iter().position(|known| known == severity));
    assert_eq!(severities, sorted, "the worst first");
    assert!(severities.contains(&"note"), "{}", bad.stdout);

    assert_eq!(slapd.entry_with("dc=example,dc=org", &["+"]), before, "nothing is written");
    assert_eq!(slapd.ldif("ou=people") + &slapd.ldif("ou=groups"), "", "nothing is left behind");

    // What the class demands and nothing gives.
    let settings = Settings::default().set("users.object_classes", "[\"inetOrgPerson\", \"posixAccount\"]");
    let json = Workplace::new(&settings, &slapd.url()).run(&["check", "--format", "json"]);
    let findings: Value = serde_json::from_str(&json.stdout).unwrap();
    let errors = findings.as_array().unwrap().iter().filter(|finding| finding["severity"] == "error");
    let details: Vec<&str> = errors.map(|finding| finding["detail"].as_str().unwrap()).collect();
    assert_eq!(details.len(), 3, "{details:#?}");
    assert!(details.iter().all(|detail| detail.contains("demand the attribute")), "{details:#?}");
    assert!(findings.as_array().unwrap().iter().all(|finding| finding["remedy"] != ""), "{findings:#}");
    assert_eq!(json.code, Some(1));
}

#[test]
fn every_server_is_tried() {
    let slapd = Slapd::start(Flavor::AsShipped);
    let urls = |urls: &str| Settings::default().variable("SCIMBRIDGE__LDAP__URLS", urls);
    // One that is away is stood in for; the second is seen to be away too.
    let away = check(&slapd, &urls(&format!("{},ldap://127.0.0.1:1", slapd.url()))).succeeds();
    away.says(&["warning: ldap://127.0.0.1:1: the server cannot be used: cannot connect", USABLE]);
    let all = check(&slapd, &urls("ldap://127.0.0.1:1,ldap://127.0.0.1:2"));
    all.has_errors(&["ldap://127.0.0.1:1: ", "ldap://127.0.0.1:2: "]);
    let password = Settings::default().variable("SCIMBRIDGE__LDAP__BIND_PASSWORD", "wrong");
    let refused = check(&slapd, &password);
    refused.has_errors(&["refuses to bind \"cn=admin,dc=example,dc=org\": invalidCredentials (49)"]);
    refused.says(&["correct ldap.bind_dn and ldap.bind_password"]);
    assert!(!refused.stdout.contains("wrong"), "a password is not printed:\n{}", refused.stdout);
}

#[test]
fn a_server_that_stands_in_must_be_alike() {
    let (first, other) = (Slapd::start(Flavor::AsShipped), Slapd::start(Flavor::AsShipped));
    other.reconfigure("readonly on\n");
    let urls =
        |other: &str| Settings::default().variable("SCIMBRIDGE__LDAP__URLS", &format!("{},{other}", first.url()));
    check(&first, &urls(&other.url())).has_errors(&[
        &format!("{}: users.base_dn: ou=people,dc=example,dc=org is not the entry that", other.url()),
        &format!("{}: groups.base_dn: ou=groups,dc=example,dc=org is not the entry that", other.url()),
        &format!("{}: users.base_dn: the server does not write below", other.url()),
        &format!("{}: groups.base_dn: the server does not write below", other.url()),
    ]);
    check(&first, &urls(&first.socket_url())).succeeds();
}

#[test]
fn why_tls_cannot_be_had_is_said() {
    let (good, old) = (Certificates::new(), Certificates::expired());
    let ca = |certificates: &Certificates| certificates.path("ca.pem").display().to_string();
    let at = |url: &str| Settings::default().variable("SCIMBRIDGE__LDAP__URLS", url);
    let trusting = |url: &str, ca: &str| at(url).variable("SCIMBRIDGE__LDAP__CA_FILE", ca);
    let slapd = Slapd::start(Flavor::AsShipped);
    let plain = slapd.url();

    let starting = trusting(&plain, &ca(&good)).variable("SCIMBRIDGE__LDAP__START_TLS", "true");
    let not_offered = check(&slapd, &starting);
    not_offered.has_errors(&["the server does not offer StartTLS"]);
    not_offered.says(&["ldap.start_tls = false"]);
    let not_spoken = check(&slapd, &at(&plain.replace("ldap:", "ldaps:")));
    not_spoken.has_errors(&["the server speaks no TLS at this port"]);
    not_spoken.says(&[&plain, "ldap.start_tls = true"]);

    let secure = slapd.listen_with_tls(&good.lines());
    let untrusted = check(&slapd, &at(&secure));
    untrusted.has_errors(&["the server's certificate is not trusted"]);
    untrusted.says(&["ldap.ca_file"]);
    let by_name = check(&slapd, &trusting(&secure.replace("127.0.0.1", "localhost"), &ca(&good)));
    by_name.has_errors(&["the server's certificate is not for the host of this URL: it is for 127.0.0.1"]);
    by_name.says(&["ldap.urls"]);
    let both = check(&slapd, &at(&format!("{plain},{secure}")));
    both.has_errors(&["the server's certificate is not trusted"]);
    check(&slapd, &trusting(&secure, &ca(&good))).succeeds();
    let no_pem = check(&slapd, &trusting(&secure, &good.path("key.pem").display().to_string()));
    no_pem.has_errors(&["ldap.ca_file holds no certificate"]);

    let secure = slapd.listen_with_tls(&old.lines());
    check(&slapd, &trusting(&secure, &ca(&old))).has_errors(&["the server's certificate has expired"]);
}

#[test]
fn a_lock_that_lets_everybody_in_is_an_error() {
    let slapd = Slapd::start(Flavor::WithoutPolicy);
    let stored = "the overlay ppolicy is not on the database of ou=people,dc=example,dc=org";
    // Its attributes and its control are there, for the module is loaded: it is asked whether the control is heeded.
    checked(&slapd).has_errors(&[stored]);
    slapd.reconfigure_server(SHOWN);
    checked(&slapd).has_errors(&[stored]);
    let unlocked = Settings::default().set("users.disable.lock", "false");
    check(&slapd, &unlocked).succeeds().says(&["warning: [users.disable] has nothing"]);
}

#[test]
fn a_policy_without_lockout_is_an_error_with_the_ldif_that_cures_it() {
    let slapd = Slapd::start(Flavor::AsShipped);
    let policy = "cn=default,ou=policies,dc=example,dc=org";
    slapd.by_hand(&format!("dn: {policy}\nchangetype: modify\nreplace: pwdLockout\npwdLockout: FALSE\n"));
    checked(&slapd).has_errors(&["no password policy has pwdLockout: TRUE"]);
    let json = Workplace::new(&Settings::default(), &slapd.url()).run(&["check", "--format", "json"]);
    let findings: Vec<Value> = serde_json::from_str(&json.stdout).unwrap();
    let remedy = findings[0]["remedy"].as_str().unwrap();
    let (_, ldif) = remedy.split_once('\n').unwrap();
    slapd.by_hand(ldif);
    checked(&slapd).succeeds();

    slapd.by_hand(
        "dn: cn=guests,ou=policies,dc=example,dc=org\nobjectClass: organizationalRole\nobjectClass: pwdPolicy\n\
         cn: guests\npwdAttribute: userPassword\n",
    );
    checked(&slapd).succeeds().says(&["warning: users.disable.lock: who is under one of these", "cn=guests"]);
}

#[test]
fn a_missing_index_is_seen_in_the_configuration() {
    let slapd = Slapd::start(Flavor::AsShipped);
    slapd.reconfigure_server(SHOWN);
    assert!(!checked(&slapd).succeeds().stdout.contains("index"));
    let other = Settings::default().set("users.match", "\"employeeNumber\"").set("ldap.anchor", "\"entryCSN\"");
    let missing = check(&slapd, &other).succeeds();
    missing.says(&[
        "warning: employeeNumber, by which users are found below ou=people,dc=example,dc=org, has no equality index",
        "warning: entryCSN, by which entries that were renamed are found again below ou=groups",
        "dn: olcDatabase={1}mdb,cn=config\n      changetype: modify\n      add: olcDbIndex\n      \
         olcDbIndex: employeeNumber eq\n",
    ]);
    assert_eq!(missing.stdout.matches("has no equality index").count(), 3, "{}", missing.stdout);
}

#[test]
fn an_identity_without_rights_is_told_before_it_writes() {
    let (slapd, settings) = with_rights("");
    let refused = check(&slapd, &settings);
    refused.has_errors(&[
        "users.base_dn: ldap.bind_dn may not add an entry below ou=people,dc=example,dc=org",
        "groups.base_dn: ldap.bind_dn may not add an entry below ou=groups,dc=example,dc=org",
    ]);
    refused.says(&["note: overlays cannot be seen", "note: changes are sent one by one"]);
    refused.says(&["insufficientAccessRights (50)", &format!("by dn.exact=\"{BRIDGE}\" write")]);
    // The remedy is one.
    let rule = |base: &str| format!("access to dn.subtree=\"{base}\" by dn.exact=\"{BRIDGE}\" write by * break\n");
    slapd.reconfigure(&rule("ou=people,dc=example,dc=org"));
    check(&slapd, &settings).has_errors(&["groups.base_dn: ldap.bind_dn may not add an entry"]);
    slapd.reconfigure(&(rule("ou=people,dc=example,dc=org") + &rule("ou=groups,dc=example,dc=org")));
    check(&slapd, &settings).succeeds();
    // What the schema refuses does not hide what the rights refuse.
    slapd.reconfigure("");
    let several = settings.add("[[users.attribute]]\nldap = \"shoeSize\"\nscim = \"title\"");
    check(&slapd, &several).has_errors(&[
        "no attribute shoeSize",
        "users.base_dn: ldap.bind_dn",
        "groups.base_dn: ldap.bind_dn",
    ]);
    slapd.reconfigure("readonly on\n");
    checked(&slapd).has_errors(&[
        "users.base_dn: the server does not write below",
        "groups.base_dn: the server does not write below",
    ]);
    assert_eq!(slapd.ldif("ou=people") + &slapd.ldif("ou=groups"), "", "nothing is left behind");
}

#[test]
fn what_other_overlays_refuse_is_nobodys_mistake() {
    let slapd = Slapd::start(Flavor::AsShipped);
    slapd.reconfigure_server(&format!("moduleload constraint\nmoduleload unique\n{SHOWN}"));
    let overlays = "overlay constraint\nconstraint_attribute ou regex ^people$\n\
                    overlay unique\nunique_uri ldap:///?mail?sub\n";
    slapd.reconfigure(overlays);
    let checked = checked(&slapd).succeeds();
    checked.says(&["note: users.base_dn: write rights cannot be seen", "constraintViolation (19)"]);
    checked.says(&["note: the overlay unique is on", "note: the overlay refint is on"]);
}

#[test]
fn a_database_that_was_asked_is_as_sound_as_before() {
    let app = TestApp::start();
    app.workplace.run(&["check"]).succeeds();
    // Attributes that the database has never held: one that is asked about with them takes them for known.
    let ada = app.user("ada");
    app.create_group_with(&group_with("Staff", "entra-1", &[&ada]));
    let before = app.directory();
    app.slapd.stop();
    app.slapd.start_again();
    assert_eq!(app.directory(), before);
    assert_eq!(app.slapd.values(&dn("ada"), "sn"), ["Contoso"]);
}

#[test]
fn a_database_that_cannot_be_asked_is_not_written_to() {
    let folder = tempfile::tempdir().unwrap();
    let slapd = Slapd::start(Flavor::AsShipped);
    // It knows neither the No-Op control nor indexes.
    let files = format!(
        "database ldif\nsuffix dc=files,dc=org\nrootdn cn=admin,dc=example,dc=org\ndirectory \"{}\"\n",
        folder.path().display()
    );
    slapd.reconfigure_server(&(files + SHOWN));
    slapd.by_hand("dn: dc=files,dc=org\nobjectClass: dcObject\nobjectClass: organization\ndc: files\no: Files\n");
    let entries = || fs::read_dir(folder.path().join("dc=files,dc=org")).map(Iterator::count).unwrap_or_default();
    let base = "\"dc=files,dc=org\"";
    let settings = Settings::default().set("users.base_dn", base).set("groups.base_dn", base);
    let checked = check(&slapd, &settings);
    checked.has_errors(&["the overlay ppolicy is not on the database of dc=files,dc=org"]);
    checked.says(&["note: write rights cannot be seen", "check --probe", "note: indexes cannot be seen"]);
    assert_eq!(entries(), 0, "nothing is left behind");
    let person = "dn: uid=a,dc=files,dc=org\nobjectClass: inetOrgPerson\nuid: a\ncn: a\nsn: a\n";
    slapd.by_hand(person);
    assert_eq!(entries(), 1, "what is written would be seen");
}

#[test]
fn a_size_limit_is_an_error() {
    let manage = format!("access to * by dn.exact=\"{BRIDGE}\" manage by * break\n");
    let (slapd, settings) = with_rights(&manage);
    let person = |number: usize| {
        format!(
            "dn: uid=p{number},ou=people,dc=example,dc=org\nobjectClass: inetOrgPerson\nuid: p{number}\ncn: p\nsn: p\n"
        )
    };
    slapd.by_hand(&(0..600).map(person).collect::<Vec<_>>().join("\n"));
    let limited = check(&slapd, &settings);
    limited.has_errors(&["users.base_dn: a search below ou=people,dc=example,dc=org is cut off after 500 entries"]);
    let remedy = format!("limits dn.exact=\"{BRIDGE}\" size=unlimited time=unlimited");
    limited.says(&[&remedy]);
    slapd.reconfigure(&(remedy + "\n" + &manage));
    check(&slapd, &settings).succeeds();
}

const PROVED: &str = "was disabled and not let in, was enabled and logged in again";

fn probe(slapd: &Slapd, settings: &Settings) -> Finished {
    Workplace::new(settings, &slapd.url()).run(&["check", "--probe"])
}

#[test]
fn a_probe_proves_that_who_is_disabled_is_not_let_in_and_leaves_nothing() {
    let slapd = Slapd::start(Flavor::AsShipped);
    slapd.by_hand("dn: ou=gone,dc=example,dc=org\nobjectClass: organizationalUnit\nou: gone\n");
    let password = Settings::default().set("users.disable.lock", "false").set("users.disable.password", "true");
    let moved = Settings::default().set("users.disable.move_to", "\"ou=gone,dc=example,dc=org\"");
    let placed = Settings::default()
        .set("users.base_dn", "\"ou={{ department }},ou=people,dc=example,dc=org\"")
        .set("users.create_containers", "true");
    for settings in [Settings::default(), password, moved, placed] {
        let probed = probe(&slapd, &settings).succeeds();
        probed.says(&[PROVED, USABLE]);
        assert!(!probed.stdout.contains("--probe"), "{}", probed.stdout);
        let left: Vec<_> =
            slapd.entries("ou=people").into_iter().filter(|entry| entry.rdn().contains("uid=")).collect();
        assert!(left.is_empty(), "{left:#?}");
        assert_eq!(slapd.ldif("ou=groups") + &slapd.ldif("ou=gone"), "");
    }
}

#[test]
fn a_probe_tells_what_lets_somebody_in_who_is_disabled() {
    let slapd = Slapd::start(Flavor::AsShipped);
    let policy = "cn=default,ou=policies,dc=example,dc=org";
    slapd.by_hand(&format!("dn: {policy}\nchangetype: modify\nreplace: pwdLockout\npwdLockout: FALSE\n"));
    let before = slapd.ldif("ou=people");
    probe(&slapd, &Settings::default()).has_errors(&["was let in all the same", "no password policy has pwdLockout"]);
    let telling = Settings::default()
        .set("users.disable.lock", "false")
        .add("[[users.disable.set]]\nldap = \"employeeType\"\nvalue = \"inactive\"\n");
    probe(&slapd, &telling).succeeds().says(&["warning: the throwaway user", "was let in all the same"]);
    let without = Slapd::start(Flavor::WithoutPolicy);
    probe(&without, &Settings::default()).has_errors(&["was let in all the same", "the overlay ppolicy is not on"]);
    assert_eq!(slapd.ldif("ou=people") + &without.ldif("ou=people"), before);
}

#[test]
fn a_probe_without_rights_says_which_and_leaves_nothing_that_it_can_delete() {
    let (slapd, settings) = with_rights("");
    let refused = probe(&slapd, &settings);
    assert_eq!(refused.code, Some(1));
    refused.says(&["a throwaway User could not be created", "insufficientAccessRights"]);
    // It may write all but passwords.
    let rule = |base: &str| format!("access to dn.subtree=\"{base}\" by dn.exact=\"{BRIDGE}\" write by * break\n");
    let all = rule("ou=people,dc=example,dc=org") + &rule("ou=groups,dc=example,dc=org");
    slapd.reconfigure(&format!("access to attrs=userPassword by anonymous auth by * none\n{all}"));
    let unproved = probe(&slapd, &settings).succeeds();
    unproved.says(&["warning: no password could be set for the throwaway user"]);
    let by_password = settings.clone().set("users.disable.password", "true");
    probe(&slapd, &by_password).has_errors(&["no password could be set for the throwaway user"]);
    // Passwords, and nobody may log in.
    slapd.reconfigure(&format!(
        "access to attrs=userPassword dn.subtree=\"ou=people,dc=example,dc=org\" by dn.exact=\"{BRIDGE}\" write by * none\n{all}"
    ));
    probe(&slapd, &settings).has_errors(&["was not let in before it was disabled"]);
    slapd.reconfigure(&all);
    probe(&slapd, &settings).succeeds().says(&[PROVED]);
    assert_eq!(slapd.ldif("ou=people") + &slapd.ldif("ou=groups"), "");
}

#[test]
fn a_probe_sets_passwords_as_those_of_entra_are_set() {
    let slapd = Slapd::start(Flavor::AsShipped);
    let pushed = "[[users.attribute]]\nldap = \"userPassword\"\nscim = \"password\"\n";
    let hashed = Settings::default().add(pushed).set("users.password_storage", "\"{ARGON2}\"");
    probe(&slapd, &hashed).has_errors(&["was not let in before it was disabled"]);
    slapd.reconfigure_server("moduleload argon2.so\n");
    probe(&slapd, &hashed).succeeds().says(&[PROVED]);
    let elsewhere = "[[users.attribute]]\nldap = \"userPassword\"\ntemplate = \"{SASL}{{ userName }}\"\n";
    let said = probe(&slapd, &Settings::default().add(elsewhere)).succeeds();
    said.says(&["note: whether a disabled user is let in cannot be tried"]);
    assert_eq!(slapd.ldif("ou=people") + &slapd.ldif("ou=groups"), "");
}

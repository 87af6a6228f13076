//! Filters, each asked in every way in which it can be asked: as a URL and as a body, of one kind and of all, so that
//! the store's indexes answer it, so that each resource is looked at, and so that both happen. All must agree.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::support::app::{TestApp, resources};
use crate::support::entra::{self, ENTERPRISE, GROUP, USER, group_with, person_with};
use crate::support::slapd::Flavor;
use crate::support::workplace::Settings;

const CONTOSO: &str = "urn:ietf:params:scim:schemas:extension:Contoso:2.0:User";
/// Fulfilled by nobody, and in no index.
const NOBODY: &str = "meta.version eq \"none\"";
/// Fulfilled by everybody, and in no index.
const EVERYBODY: &str = "meta.location pr";

/// Some resources, known by name.
struct Directory {
    app: TestApp,
    ids: BTreeMap<String, String>,
}

impl Directory {
    /// Ada has everything, Bob some of it, Cyd is disabled and has no mail, Dan has what one must have.
    fn of_people() -> Self {
        let attribute = |ldap: &str, scim: &str, kind: Option<&str>| {
            let kind = kind.map(|kind| format!("type = \"{kind}\"\n")).unwrap_or_default();
            format!("[[users.attribute]]\nldap = \"{ldap}\"\nscim = \"{scim}\"\n{kind}")
        };
        let settings = [
            ("roomNumber", "grade", Some("integer")),
            ("businessCategory", "rate", Some("decimal")),
            ("carLicense", "remote", Some("boolean")),
            ("employeeType", "since", Some("dateTime")),
            ("initials", "color", None),
        ]
        .into_iter()
        .fold(Settings::default(), |settings, (ldap, name, kind)| {
            settings.add(&attribute(ldap, &format!("{CONTOSO}:{name}"), kind))
        })
        .add(&attribute("pager", "x509Certificates.value", None));
        let mut directory = Self { app: TestApp::start_with(Flavor::AsShipped, settings), ids: BTreeMap::new() };
        directory.person(
            "ada",
            json!({
                "displayName": "Ada Lovelace",
                "name": {"formatted": "Ada Lovelace", "familyName": "Lovelace", "givenName": "Ada"},
                "title": "Engineer",
                "nickName": "Countess",
                "userType": "Employee",
                "profileUrl": "https://contoso.com/Ada",
                "emails": [
                    {"type": "work", "value": "ada@contoso.com", "primary": true},
                    {"type": "home", "value": "Ada@Home.example"},
                ],
                "phoneNumbers": [{"type": "work", "value": "+44 20 7946 0000"}],
                "addresses": [{"type": "work", "locality": "London", "streetAddress": "12 St James's Square"}],
                "roles": [{"value": "reader"}, {"value": "writer", "primary": true}],
                "x509Certificates": [{"value": "QUJD"}],
                ENTERPRISE: {"employeeNumber": "0042", "department": "R&D"},
                CONTOSO: {"grade": 7, "rate": 1.5, "remote": true, "since": "2026-01-31T08:00:00Z", "color": "Red"},
            }),
        );
        let ada = directory.ids["ada"].clone();
        directory.person(
            "bob",
            json!({
                "displayName": "Bob",
                "title": "engineer",
                ENTERPRISE: {"employeeNumber": "9", "department": "Sales", "manager": ada},
                // The same moment as Ada's.
                CONTOSO: {"grade": 10, "rate": 1, "remote": false, "since": "2026-01-31T10:00:00+02:00", "color": "blue"},
            }),
        );
        let bob = directory.ids["bob"].clone();
        directory.person(
            "cyd",
            json!({
                "displayName": "cyd",
                "active": false,
                "emails": null,
                ENTERPRISE: {"manager": bob},
                CONTOSO: {"grade": 100, "since": "2025-12-31T23:59:59.999Z", "color": {"name": "Green"}},
            }),
        );
        let unset = json!({"externalId": null, "displayName": null, "active": null, "emails": null, "name": null});
        directory.person("dan", unset);
        directory
    }

    /// Staff are Ada and Bob, All are Staff and Cyd, and the two others differ in case alone.
    fn of_groups() -> Self {
        let mut directory = Self { app: TestApp::start(), ids: BTreeMap::new() };
        for name in ["ada", "bob", "cyd"] {
            directory.person(name, json!({}));
        }
        directory.group("Staff", &["ada", "bob"]);
        directory.group("All", &["Staff", "cyd"]);
        directory.group("empty", &[]);
        directory.group("EMPTY", &[]);
        directory
    }

    fn person(&mut self, name: &str, attributes: Value) {
        let id = self.app.create_user(&person_with(name, attributes));
        self.ids.insert(name.to_owned(), id);
    }

    fn group(&mut self, name: &str, members: &[&str]) {
        let members: Vec<&str> = members.iter().map(|member| self.ids[*member].as_str()).collect();
        let id = self.app.create_group_with(&group_with(name, &format!("entra-{name}"), &members));
        self.ids.insert(name.to_owned(), id);
    }

    /// The filter with ids for `{names}`.
    fn fill(&self, filter: &str) -> String {
        self.ids.iter().fold(filter.to_owned(), |filter, (name, id)| filter.replace(&format!("{{{name}}}"), id))
    }

    #[track_caller]
    fn names(&self, list: &Value) -> Vec<String> {
        let found = resources(list);
        assert_eq!(list["totalResults"], found.len(), "{list}");
        let name = |found: &Value| {
            let known = self.ids.iter().find(|(_, id)| found["id"] == id.as_str());
            known.unwrap_or_else(|| panic!("somebody unknown is found: {found}")).0.clone()
        };
        let mut names: Vec<String> = found.iter().map(name).collect();
        names.sort();
        names
    }

    /// Asks in every way.
    #[track_caller]
    fn check(&self, kind: &str, filter: &str, expected: &[&str]) {
        let filter = self.fill(filter);
        let of_kind = format!("meta.resourceType eq \"{kind}\" and ({filter})");
        let get =
            |target: &str, filter: &str| self.app.get(&format!("{target}{}", entra::encode(filter))).expect(200).json();
        let post = |target: &str, filter: &str| {
            self.app.post(target, &json!({"schemas": [SEARCH], "filter": filter})).expect(200).json()
        };
        let endpoint = format!("/{kind}s");
        let ways = [
            ("as it is", get(&format!("{endpoint}?filter="), &filter)),
            ("looked at", get(&format!("{endpoint}?filter="), &format!("({filter}) or {NOBODY}"))),
            ("both", get(&format!("{endpoint}?filter="), &format!("{EVERYBODY} and ({filter})"))),
            ("sorted", get(&format!("{endpoint}?sortBy=meta.created&filter="), &filter)),
            ("by cursor", get(&format!("{endpoint}?cursor=&filter="), &filter)),
            ("in a body", post(&format!("{endpoint}/.search"), &format!("not (not ({filter}))"))),
            ("of all", get("/?filter=", &of_kind)),
            ("of all, in a body", post("/.search", &of_kind)),
        ];
        for (way, list) in ways {
            assert_eq!(self.names(&list), expected, "{way}: {filter}");
        }
    }
}

const SEARCH: &str = "urn:ietf:params:scim:api:messages:2.0:SearchRequest";

#[test]
fn every_operator_is_answered_for_texts() {
    let people = Directory::of_people();
    let check = |filter: &str, expected: &[&str]| people.check("User", filter, expected);
    let all = ["ada", "bob", "cyd", "dan"];

    // Without case (RFC 7643 §4.1.1), in an index.
    check("userName eq \"ADA@Contoso.com\"", &["ada"]);
    check("userName ne \"ADA@Contoso.com\"", &["bob", "cyd", "dan"]);
    check("userName co \"A@CONTOSO\"", &["ada"]);
    check("userName sw \"B\"", &["bob"]);
    check("userName sw \"bob@contoso.com\"", &["bob"]);
    check("userName sw \"bob@contoso.comm\"", &[]);
    check("userName ew \".COM\"", &all);
    check("userName gt \"BOB@contoso.com\"", &["cyd", "dan"]);
    check("userName ge \"bob@contoso.com\"", &["bob", "cyd", "dan"]);
    check("userName lt \"BOB@contoso.com\"", &["ada"]);
    check("userName le \"bob@contoso.com\"", &["ada", "bob"]);
    check("userName pr", &all);
    check("userName eq null", &[]);
    check("userName ne null", &all);
    check("userName eq \"\"", &[]);
    // Its parts have no wildcards.
    check("userName co \"%\" or userName sw \"_\" or userName ew \"*\"", &[]);

    // In the map, and with a value that not all have.
    check("title eq \"ENGINEER\"", &["ada", "bob"]);
    check("title ne \"engineer\"", &["cyd", "dan"]);
    check("title co \"gin\"", &["ada", "bob"]);
    check("title sw \"ENG\"", &["ada", "bob"]);
    check("title ew \"neer\"", &["ada", "bob"]);
    check("title pr", &["ada", "bob"]);
    check("not (title pr)", &["cyd", "dan"]);
    check("title eq null", &["cyd", "dan"]);
    check("title ne null", &["ada", "bob"]);
    check("title gt \"engine\"", &["ada", "bob"]);
    check("title lt \"Engine\"", &[]);

    // In no index.
    check("nickName eq \"COUNTESS\"", &["ada"]);
    check("nickName ne \"countess\"", &["bob", "cyd", "dan"]);
    check("nickName pr", &["ada"]);
    check("userType eq \"employee\"", &["ada"]);
    // A URI's case counts (RFC 7643 §2.3.7).
    check("profileUrl eq \"https://contoso.com/Ada\"", &["ada"]);
    check("profileUrl eq \"https://contoso.com/ada\"", &[]);
    check("profileUrl sw \"https://\"", &["ada"]);

    // With case (RFC 7643 §3.1).
    check("externalId eq \"ada\"", &["ada"]);
    check("externalId eq \"ADA\"", &[]);
    check("externalId ne \"ADA\"", &all);
    check("externalId sw \"a\"", &["ada"]);
    check("externalId sw \"A\"", &[]);
    check("externalId co \"d\"", &["ada", "cyd"]);
    check("externalId ew \"B\"", &[]);
    check("externalId gt \"bob\"", &["cyd"]);
    check("externalId gt \"B\"", &["ada", "bob", "cyd"]);
    check("externalId pr", &["ada", "bob", "cyd"]);
    check("externalId eq null", &["dan"]);
    check("id eq \"{ada}\"", &["ada"]);
    check("id ne \"{ada}\"", &["bob", "cyd", "dan"]);
    check("id sw \"{bob}\"", &["bob"]);
    check("id co \"-\" and id pr", &all);
    check("id ge \"{cyd}\" and id le \"{cyd}\"", &["cyd"]);
    check("displayName sw \"ADA\"", &["ada"]);
    check("displayName eq null", &["dan"]);
}

#[test]
fn operators_and_names_have_no_case_and_paths_may_have_their_urn() {
    let people = Directory::of_people();
    let check = |filter: &str, expected: &[&str]| people.check("User", filter, expected);
    check("USERNAME Eq \"ada@contoso.com\"", &["ada"]);
    check(&format!("{USER}:userName SW \"ada\""), &["ada"]);
    check(&format!("{}:NAME.familyname eq \"lovelace\"", USER.to_uppercase()), &["ada"]);
    check("Title PR AND NOT (nickName PR)", &["bob"]);
    check(&format!("{ENTERPRISE}:department eq \"r&d\""), &["ada"]);
    check(&format!("{}:DEPARTMENT co \"&\"", ENTERPRISE.to_lowercase()), &["ada"]);
    check(&format!("{CONTOSO}:color eq \"RED\""), &["ada"]);
    check(&format!("{}:COLOR eq \"blue\"", CONTOSO.to_lowercase()), &["bob"]);
    check("id eq \"{bob}\" and manager eq \"{ada}\"", &["bob"]);
    check("id eq {bob} and manager eq {ada}", &["bob"]);
}

#[test]
fn every_type_is_compared_as_what_it_is() {
    let people = Directory::of_people();
    let check = |filter: &str, expected: &[&str]| people.check("User", filter, expected);
    let custom = |filter: &str, expected: &[&str]| check(&filter.replace('~', &format!("{CONTOSO}:")), expected);

    // What is not said is shown as true, and found as it is shown (RFC 7644 §3.4.2.2, defaulted attributes).
    check("active eq true", &["ada", "bob", "dan"]);
    check("active eq false", &["cyd"]);
    check("active ne true", &["cyd"]);
    check("active eq \"False\"", &["cyd"]);
    check("active pr", &["ada", "bob", "cyd", "dan"]);
    check("active eq null", &[]);
    custom("~remote eq true", &["ada"]);
    custom("~remote eq \"FALSE\"", &["bob"]);
    custom("~remote ne true", &["bob", "cyd", "dan"]);
    custom("~remote pr", &["ada", "bob"]);
    custom("~remote eq null", &["cyd", "dan"]);

    custom("~grade eq 7", &["ada"]);
    custom("~grade eq \"7\"", &["ada"]);
    custom("~grade eq 7.0", &["ada"]);
    custom("~grade ne 7", &["bob", "cyd", "dan"]);
    custom("~grade gt 7", &["bob", "cyd"]);
    custom("~grade ge 10", &["bob", "cyd"]);
    custom("~grade lt 10", &["ada"]);
    custom("~grade le 1e1", &["ada", "bob"]);
    custom("~grade gt -1", &["ada", "bob", "cyd"]);
    custom("~grade pr", &["ada", "bob", "cyd"]);
    custom("~rate gt 1", &["ada"]);
    custom("~rate eq 1.50", &["ada"]);
    custom("~rate le 1.5", &["ada", "bob"]);

    // A moment is one moment in every time zone, and with any number of digits.
    custom("~since eq \"2026-01-31T08:00:00Z\"", &["ada", "bob"]);
    custom("~since eq \"2026-01-31T03:00:00.000-05:00\"", &["ada", "bob"]);
    custom("~since ne \"2026-01-31T08:00:00Z\"", &["cyd", "dan"]);
    custom("~since gt \"2025-12-31T23:59:59.99Z\"", &["ada", "bob", "cyd"]);
    custom("~since lt \"2026-01-01T00:30:00+01:00\"", &[]);
    custom("~since ge \"2026-01-01T00:00:00Z\"", &["ada", "bob"]);
    custom("~since le \"2026-01-01T00:00:00Z\"", &["cyd"]);
    custom("~since pr", &["ada", "bob", "cyd"]);

    // Nobody said what it is: a text, and no number.
    custom("~color gt \"BLUE\"", &["ada"]);
    custom("~color ne \"red\"", &["bob", "cyd", "dan"]);
    custom("~color pr", &["ada", "bob", "cyd"]);
    custom("~color eq null", &["dan"]);
    custom("~color.name eq \"green\"", &["cyd"]);
    check(&format!("{ENTERPRISE}:employeeNumber gt \"0042\""), &["bob"]);
    check("employeeNumber eq 0042", &["ada"]);

    // Base64 is compared byte for byte.
    check("x509Certificates.value eq \"QUJD\"", &["ada"]);
    check("x509Certificates eq \"QUJD\"", &["ada"]);
    check("x509Certificates.value eq \"qujd\"", &[]);
    check("x509Certificates.value ne \"qujd\"", &["ada", "bob", "cyd", "dan"]);
    check("x509Certificates.value pr", &["ada"]);
}

#[test]
fn several_values_and_their_parts_are_compared_together_and_apart() {
    let people = Directory::of_people();
    let check = |filter: &str, expected: &[&str]| people.check("User", filter, expected);
    // One of several is enough; without a sub-attribute it is the value that is compared.
    check("emails co \"HOME.example\"", &["ada"]);
    check("emails.value co \"home.EXAMPLE\"", &["ada"]);
    check("emails eq \"ada@home.example\"", &["ada"]);
    check("emails sw \"bob\" or emails ew \".example\"", &["ada", "bob"]);
    check("emails.type eq \"home\"", &["ada"]);
    check("emails.primary eq true", &["ada", "bob"]);
    check("emails pr", &["ada", "bob"]);
    check("emails eq null", &["cyd", "dan"]);
    check("emails.display pr", &[]);
    // In brackets all is said of one value.
    check("emails[type eq \"work\" and value co \"@CONTOSO\"]", &["ada", "bob"]);
    check("emails[type eq \"home\" and value co \"@contoso\"]", &[]);
    check("emails.type eq \"home\" and emails.value co \"@contoso\"", &["ada"]);
    check("emails[type eq \"home\" and primary eq true]", &[]);
    check("emails[not (type eq \"work\")]", &["ada"]);
    check("emails[not (primary eq true) and value pr]", &["ada"]);
    check("emails[type eq \"home\" or value sw \"bob\"]", &["ada", "bob"]);
    check("emails[type sw \"h\" or type sw \"w\" and value sw \"bob\"]", &["ada", "bob"]);
    check("emails[(type sw \"h\" or type sw \"w\") and value sw \"bob\"]", &["bob"]);
    check("not (emails[type eq \"home\"])", &["bob", "cyd", "dan"]);
    check("emails[type eq \"work\" and value ne \"ada@contoso.com\"]", &["bob"]);
    check("emails[type eq \"work\"].value eq \"ADA@contoso.com\"", &["ada"]);
    check("emails[type eq \"work\"].value sw \"bob\"", &["bob"]);
    check("emails[type eq \"work\"] eq \"bob@contoso.com\"", &["bob"]);
    check("emails[value eq \"bob@contoso.com\" and type eq \"work\"]", &["bob"]);
    check("emails[type eq \"work\"] and title pr", &["ada", "bob"]);
    check("phoneNumbers[type eq \"work\"].value eq \"+44 20 7946 0000\"", &["ada"]);
    check("phoneNumbers co \"7946\"", &["ada"]);
    check("addresses[type eq \"work\"].locality eq \"london\"", &["ada"]);
    check("addresses[type eq \"work\" and locality sw \"Lon\"]", &["ada"]);
    check("addresses.streetAddress co \"'s\"", &["ada"]);
    check("addresses pr", &["ada"]);
    check("roles[value eq \"writer\" and primary eq \"True\"]", &["ada"]);
    check("roles[primary eq true].value eq \"reader\"", &[]);
    check("name.familyName eq \"lovelace\"", &["ada"]);
    check("name pr", &["ada", "bob", "cyd"]);
    check("name.givenName gt \"ada\"", &["bob", "cyd"]);
    check("name.honorificPrefix eq null", &["ada", "bob", "cyd", "dan"]);
}

#[test]
fn managers_are_found_by_what_is_shown_of_them() {
    let people = Directory::of_people();
    let check = |filter: &str, expected: &[&str]| people.check("User", filter, expected);
    let manager = format!("{ENTERPRISE}:manager");
    check("manager eq \"{ada}\"", &["bob"]);
    check(&format!("{manager} eq \"{{bob}}\""), &["cyd"]);
    check(&format!("{manager}.value eq \"{{bob}}\""), &["cyd"]);
    check("manager.value ne \"{ada}\"", &["ada", "cyd", "dan"]);
    check("manager pr", &["bob", "cyd"]);
    check("manager.value pr", &["bob", "cyd"]);
    check("not (manager pr)", &["ada", "dan"]);
    check("manager eq null", &["ada", "dan"]);
    check("manager.displayName eq \"ada LOVELACE\"", &["bob"]);
    check(&format!("{manager}.displayName co \"o\""), &["bob", "cyd"]);
    check("manager.displayName pr", &["bob", "cyd"]);
    check("manager.$ref ew \"/Users/{ada}\"", &["bob"]);
    check("manager[value eq \"{ada}\"]", &["bob"]);
    check("manager[value eq \"{ada}\" and displayName sw \"Bob\"]", &[]);

    let renaming = json!([{"op": "replace", "path": "displayName", "value": "Countess"}]);
    people.app.patch_user(&people.ids["ada"], &renaming);
    check("manager.displayName eq \"countess\"", &["bob"]);
    check("manager.displayName eq \"ada lovelace\"", &[]);

    // Who is gone is nobody's manager.
    people.app.delete(&format!("/Users/{}", people.ids["bob"])).expect(204);
    assert_eq!(people.app.read_user(&people.ids["cyd"]).get(ENTERPRISE), None);
    check("manager eq \"{bob}\"", &[]);
    check("manager.value eq \"{bob}\"", &[]);
    check("id eq \"{cyd}\" and manager eq \"{bob}\"", &[]);
    check("manager pr or manager.value pr or manager.displayName pr", &[]);
    check("not (manager.value pr)", &["ada", "cyd", "dan"]);
    check("manager.value ne \"{bob}\"", &["ada", "cyd", "dan"]);
    check("manager eq null", &["ada", "cyd", "dan"]);
}

#[test]
fn what_only_the_server_writes_is_found_too() {
    let people = Directory::of_people();
    let check = |filter: &str, expected: &[&str]| people.check("User", filter, expected);
    let all = ["ada", "bob", "cyd", "dan"];
    let bob = people.app.read_user(&people.ids["bob"]);
    let created = bob["meta"]["created"].as_str().unwrap();
    check("meta.resourceType eq \"User\"", &all);
    check("meta.resourceType eq \"Group\"", &[]);
    check(&format!("meta.created eq \"{created}\" and userName sw \"bob\""), &["bob"]);
    check(&format!("meta.created lt \"{created}\" and userName gt \"bob\""), &[]);
    check(&format!("meta.created ge \"{created}\" and userName ge \"bob\""), &["bob", "cyd", "dan"]);
    check("meta.created gt \"2026-01-01T00:00:00Z\"", &all);
    check("meta.lastModified lt \"2026-01-01T00:00:00Z\"", &[]);
    check("meta.location ew \"/Users/{cyd}\"", &["cyd"]);
    check("meta.version eq \"W/\\\"1\\\"\"", &all);
    check("meta pr and meta.version pr", &all);
    check(&format!("schemas eq \"{ENTERPRISE}\""), &["ada", "bob", "cyd"]);
    check(&format!("schemas eq \"{CONTOSO}\""), &["ada", "bob", "cyd"]);
    check(&format!("not (schemas eq \"{CONTOSO}\")"), &["dan"]);
    check("schemas co \"core:2.0:User\"", &all);

    people.app.patch_user(&people.ids["bob"], &json!([{"op": "replace", "path": "title", "value": "Boss"}]));
    let changed = people.app.read_user(&people.ids["bob"])["meta"]["lastModified"].as_str().unwrap().to_owned();
    check(&format!("meta.lastModified ge \"{changed}\""), &["bob"]);
    check("meta.version ne \"W/\\\"1\\\"\"", &["bob"]);
}

#[test]
fn not_binds_closest_then_and_then_or() {
    let people = Directory::of_people();
    let check = |filter: &str, expected: &[&str]| people.check("User", filter, expected);
    check("title pr or userName sw \"dan\" and active eq false", &["ada", "bob"]);
    check("(title pr or userName sw \"dan\") and active eq false", &[]);
    check("userName sw \"dan\" and active eq false or title pr", &["ada", "bob"]);
    check("active eq true and title pr or active eq false and title pr", &["ada", "bob"]);
    check("not (title pr) and active eq true", &["dan"]);
    check("not (title pr and active eq true)", &["cyd", "dan"]);
    check("not (title pr) or nickName pr", &["ada", "cyd", "dan"]);
    check("not (title pr or active eq false)", &["dan"]);
    check("not (not (not (title pr)))", &["cyd", "dan"]);
    check("((((title pr))))", &["ada", "bob"]);
    check("userName sw \"a\" or userName sw \"b\" or nickName pr", &["ada", "bob"]);
    check("userName pr and title pr and nickName pr and not (manager pr)", &["ada"]);
    // Words inside a value are a value.
    check("title eq \"Engineer\" and displayName eq \"x) or (userName pr\"", &[]);
    check("displayName ne \"a\" and displayName ne \"not (b)\"", &["ada", "bob", "cyd", "dan"]);
}

#[test]
fn groups_are_found_by_name_and_by_member() {
    let groups = Directory::of_groups();
    let check = |filter: &str, expected: &[&str]| groups.check("Group", filter, expected);
    // Group names are compared byte for byte, as Entra tells them apart.
    check("displayName eq \"Staff\"", &["Staff"]);
    check("displayName eq \"staff\"", &[]);
    check("displayName ne \"empty\"", &["All", "EMPTY", "Staff"]);
    check("displayName co \"a\"", &["Staff"]);
    check("displayName sw \"emp\"", &["empty"]);
    check("displayName ew \"Y\"", &["EMPTY"]);
    check("displayName gt \"Staff\"", &["empty"]);
    check("displayName le \"EMPTY\"", &["All", "EMPTY"]);
    check("externalId eq \"entra-All\"", &["All"]);
    check("externalId sw \"entra-\"", &["All", "EMPTY", "Staff", "empty"]);
    check(&format!("{GROUP}:displayName eq \"All\""), &["All"]);

    check("members eq \"{ada}\"", &["Staff"]);
    check("members.value eq \"{cyd}\"", &["All"]);
    check("members eq \"{Staff}\"", &["All"]);
    check("members[value eq \"{bob}\"]", &["Staff"]);
    check("members[value eq \"{bob}\" and type eq \"User\"]", &["Staff"]);
    check("members[value eq \"{bob}\" and type eq \"Group\"]", &[]);
    check("members[type eq \"group\"]", &["All"]);
    check("members.type eq \"Group\"", &["All"]);
    check("members.type eq \"User\"", &["All", "Staff"]);
    check("members[type eq \"Group\"].value eq \"{Staff}\"", &["All"]);
    check("members.$ref ew \"/Users/{ada}\"", &["Staff"]);
    check("members co \"{ada}\"", &["Staff"]);
    check("members pr", &["All", "Staff"]);
    check("members.value pr", &["All", "Staff"]);
    check("not (members pr)", &["EMPTY", "empty"]);
    check("members eq null", &["EMPTY", "empty"]);
    check("not (members eq \"{ada}\")", &["All", "EMPTY", "empty"]);
    check("members eq \"{ada}\" or members eq \"{cyd}\"", &["All", "Staff"]);
    check("members eq \"{ada}\" and members eq \"{bob}\"", &["Staff"]);
    check("members eq \"nobody\"", &[]);
    check("id eq \"{Staff}\" and members eq \"{ada}\"", &["Staff"]);
    check("id eq \"{All}\" and members eq \"{ada}\"", &[]);
    check("meta.resourceType eq \"Group\" and displayName pr", &["All", "EMPTY", "Staff", "empty"]);

    groups.app.remove_members(&groups.ids["Staff"], &[&groups.ids["ada"], &groups.ids["bob"]]);
    check("members pr", &["All"]);
    groups.app.delete(&format!("/Users/{}", groups.ids["cyd"])).expect(204);
    check("members.type eq \"User\"", &[]);
    check("members eq \"{cyd}\"", &[]);
}

#[test]
fn of_all_kinds_what_a_kind_does_not_have_has_no_value() {
    // RFC 7644 §3.4.2.1.
    let all = Directory::of_groups();
    let check = |filter: &str, expected: &[&str]| {
        let filter = all.fill(filter);
        for filter in [filter.clone(), format!("({filter}) or {NOBODY}"), format!("{EVERYBODY} and ({filter})")] {
            let list = all.app.get(&format!("/?filter={}", entra::encode(&filter))).expect(200).json();
            assert_eq!(all.names(&list), expected, "{filter}");
            assert_eq!(all.app.post("/.search", &json!({"filter": filter})).expect(200).json(), list, "{filter}");
        }
    };
    let everything = ["All", "EMPTY", "Staff", "ada", "bob", "cyd", "empty"];
    check("(meta.resourceType eq User) or (meta.resourceType eq Group)", &everything);
    check("meta.resourceType eq \"Group\"", &["All", "EMPTY", "Staff", "empty"]);
    check("displayName co \"a\"", &["Staff", "ada"]);
    check("externalId sw \"a\" or externalId sw \"entra-A\"", &["All", "ada"]);
    check("id eq \"{ada}\" or id eq \"{Staff}\"", &["Staff", "ada"]);
    check("userName sw \"a\"", &["ada"]);
    check("members eq \"{ada}\"", &["Staff"]);
    check("userName eq \"ada@contoso.com\" or displayName eq \"Staff\"", &["Staff", "ada"]);
    check("userName sw \"a\" or members eq \"{cyd}\"", &["All", "ada"]);
    check("emails[type eq \"work\" and value sw \"bob\"] or members[value eq \"{ada}\"]", &["Staff", "bob"]);
    check("not (userName pr)", &["All", "EMPTY", "Staff", "empty"]);
    check("not (members pr)", &["EMPTY", "ada", "bob", "cyd", "empty"]);
    check("userName eq null", &["All", "EMPTY", "Staff", "empty"]);
    check("userName ne \"ada@contoso.com\"", &["All", "EMPTY", "Staff", "bob", "cyd", "empty"]);
    check("active eq true and displayName pr", &["ada", "bob", "cyd"]);
    check(&format!("{USER}:displayName sw \"Ada\""), &["ada"]);
    check(&format!("{GROUP}:displayName sw \"Sta\""), &["Staff"]);
    check(&format!("schemas eq \"{GROUP}\" or active eq true"), &everything);

    for filter in ["userNam eq \"x\"", "members eq \"x\" or favouriteColour pr", "name eq \"x\"", "active gt true"] {
        all.app.get(&format!("/?filter={}", entra::encode(filter))).refuses(400, "invalidFilter", &[]);
    }
}

#[test]
fn what_has_no_answer_is_refused_everywhere() {
    let people = Directory::of_people();
    let deep = format!("{}userName pr{}", "(".repeat(100_000), ")".repeat(100_000));
    let many = vec!["userName eq \"x\""; 20_000].join(" or ");
    for filter in [
        "",
        " ",
        "userName",
        "userName eq",
        "userName matches \"a.*\"",
        "userName eq \"a\" and",
        "and userName eq \"a\"",
        "not userName eq \"a\"",
        "userName eq \"a",
        "(userName pr",
        "userName pr)",
        "emails[type eq \"work\"",
        "emails[]",
        "emails[type eq \"work\" and]",
        "emails[kind eq \"work\"]",
        "emails[addresses[type eq \"work\"]]",
        // Nobody knows these.
        "userNam eq \"ada@contoso.com\"",
        "name.family eq \"x\"",
        "urn:example:2.0:User:badge eq 1",
        &format!("{ENTERPRISE}:badge pr"),
        &format!("{CONTOSO}:badge pr"),
        "members pr",
        "password eq \"secret\"",
        // No comparison of these has a meaning (RFC 7644 §3.4.2.2, table 3).
        "name eq \"Ada Lovelace\"",
        "addresses co \"London\"",
        "meta eq \"x\"",
        "active gt true",
        "active ge false",
        "active lt true",
        "active le false",
        "active co \"tr\"",
        "active eq \"yes\"",
        "x509Certificates.value gt \"QUJD\"",
        "x509Certificates.value le \"QUJD\"",
        "meta.created gt \"yesterday\"",
        "meta.created eq \"2026-01-31\"",
        "title gt null",
        "title co null",
        &format!("{CONTOSO}:grade eq \"seven\""),
        &format!("{CONTOSO}:grade co 7"),
        &format!("{CONTOSO}:remote gt false"),
        // One half that cannot be answered spoils the other, though that alone would tell.
        "userName eq \"ada@contoso.com\" or favouriteColour pr",
        "userName eq \"nobody\" and favouriteColour pr",
        "not (favouriteColour eq \"green\")",
        &deep,
        &many,
    ] {
        for target in ["/Users/.search", "/.search"] {
            if target == "/.search" && filter == "members pr" {
                continue;
            }
            let answer = people.app.post(target, &json!({"schemas": [SEARCH], "filter": filter}));
            answer.refuses(400, "invalidFilter", &[]);
        }
        if filter.len() < 1000 {
            let target = format!("/Users?filter={}", entra::encode(filter));
            let answer = people.app.get(&target).refuses(400, "invalidFilter", &[]);
            assert!(!answer.text().contains("Resources"), "{filter}");
        }
    }
    people.app.get("/Users?filter=userName%20eq%20%22a%00b%22").check_protocol();
}

#[test]
fn a_body_asks_what_a_url_asks() {
    let people = Directory::of_people();
    for (query, body) in [
        ("", json!({})),
        ("", json!({"schemas": [SEARCH], "filter": null, "count": null})),
        ("?count=2&startIndex=2", json!({"count": 2, "startIndex": 2})),
        ("?count=2&startIndex=2", json!({"COUNT": "2", "startindex": "2"})),
        ("?attributes=userName,name.givenName", json!({"attributes": ["userName", "name.givenName"]})),
        ("?attributes=userName", json!({"attributes": "userName"})),
        ("?excludedAttributes=meta,emails", json!({"excludedAttributes": ["meta", "emails"]})),
        ("?sortBy=id&sortOrder=descending", json!({"sortBy": "id", "sortOrder": "descending"})),
        ("?cursor&count=1", json!({"cursor": "", "count": 1})),
        ("?aadOptscim062020", json!({"aadOptscim062020": true, "unknown": {"to": "everybody"}})),
    ] {
        for endpoint in ["/Users", "/Groups", "/"] {
            let asked = people.app.get(&format!("{endpoint}{query}")).expect(200).json();
            let target = format!("{}/.search", endpoint.trim_end_matches('/'));
            assert_eq!(people.app.post(&target, &body).expect(200).json(), asked, "{endpoint}{query}");
        }
    }
    for body in [json!([]), json!("userName pr"), json!({"filter": 5})] {
        let answer = people.app.post("/Users/.search", &body).expect(400).json();
        assert_ne!(answer.get("scimType"), None, "{body}: {answer}");
    }
    for body in [json!({"count": true}), json!({"attributes": [1]}), json!({"startIndex": {}})] {
        people.app.post("/Users/.search", &body).refuses(400, "invalidSyntax", &[]);
    }
    // It creates nothing.
    people.app.post("/Users/.search", &json!({"userName": "eve@contoso.com"})).expect(200);
    assert_eq!(people.app.lookup_user("eve@contoso.com"), None);
    people.app.get("/Users/.search").check_protocol();
    assert!(people.app.get("/Users/.search").status >= 400, "there is no user of that id");
}

//! Attributes with a language tag (RFC 3866) stand beside those without one: some are in the map, others are an
//! administrator's and stay as they are.

use serde_json::{Value, json};

use crate::support::app::{TestApp, dn};
use crate::support::entra::person_with;
use crate::support::slapd::{Flavor, SUFFIX};
use crate::support::workplace::Settings;

const BADGES: &str = "urn:ietf:params:scim:schemas:extension:Badges:2.0:User";
const FAX: &str = "phoneNumbers[type eq \"fax\"].value";

/// What nobody mapped, in the order in which the directory is asked.
const BY_HAND: [(&str, &str); 6] = [
    ("displayName;lang-fr", "Ada de  Contoso"),
    ("displayName;lang-de-at", "Ada Contoso"),
    ("cn;lang-ja", "エイダ"),
    ("uid;lang-ja", "ada@contoso.com"),
    // These have no equality rule: all their values are written at once.
    ("facsimileTelephoneNumber;lang-fr", "+33 1 23 45"),
    ("facsimileTelephoneNumber;lang-de", "+49 30 1234"),
];

fn app() -> TestApp {
    let attribute =
        |ldap: &str, name: &str| format!("[[users.attribute]]\nldap = \"{ldap}\"\nscim = \"{BADGES}:{name}\"");
    let settings = Settings::default()
        .add(&attribute("displayName;lang-de", "germanName"))
        .add(&attribute("facsimileTelephoneNumber;lang-it", "italianFax"));
    TestApp::start_with(Flavor::AsShipped, settings)
}

#[test]
fn a_tag_that_is_mapped_is_written_and_those_that_are_not_stay() {
    let app = app();
    let badge = json!({"germanName": "Ada Köln", "italianFax": "+39 1"});
    let fax = json!([{"type": "fax", "value": "+1 1"}]);
    let ada = app.create_user(&person_with("ada", json!({BADGES: badge, "phoneNumbers": fax})));
    let lines: String = BY_HAND.iter().map(|(name, value)| format!("add: {name}\n{name}: {value}\n-\n")).collect();
    app.slapd.by_hand(&format!("dn: {}\nchangetype: modify\n{lines}", dn("ada")));

    let ours = |entry: &str| {
        ["displayName", "displayName;lang-de", "facsimileTelephoneNumber", "facsimileTelephoneNumber;lang-it"]
            .map(|name| app.slapd.values(entry, name).concat())
    };
    let check = |operations: Value, name: &str, expected: [&str; 4]| {
        app.patch_user(&ada, &operations);
        assert_eq!(ours(&dn(name)), expected, "after {operations}");
        for (attribute, value) in BY_HAND {
            assert_eq!(app.slapd.values(&dn(name), attribute), [value], "{attribute} after {operations}");
        }
    };
    let replace = |path: &str, value: &str| json!([{"op": "Replace", "path": path, "value": value}]);
    let german = format!("{BADGES}:germanName");
    let italian = format!("{BADGES}:italianFax");
    check(replace("displayName", "Ada King"), "ada", ["Ada King", "Ada Köln", "+1 1", "+39 1"]);
    check(replace(&german, "Ada König"), "ada", ["Ada King", "Ada König", "+1 1", "+39 1"]);
    check(replace(FAX, "+1 2"), "ada", ["Ada King", "Ada König", "+1 2", "+39 1"]);
    check(replace(&italian, "+39 2"), "ada", ["Ada King", "Ada König", "+1 2", "+39 2"]);
    check(replace("displayName", "Ada König"), "ada", ["Ada König", "Ada König", "+1 2", "+39 2"]);
    check(replace("userName", "king@contoso.com"), "king", ["Ada König", "Ada König", "+1 2", "+39 2"]);
    check(json!([{"op": "Remove", "path": FAX}]), "king", ["Ada König", "Ada König", "", "+39 2"]);
    check(json!([{"op": "Remove", "path": "displayName"}]), "king", ["", "Ada König", "", "+39 2"]);
    check(json!([{"op": "Remove", "path": german}]), "king", ["", "", "", "+39 2"]);
    check(json!([{"op": "Remove", "path": italian}]), "king", ["", "", "", ""]);
    check(replace(&german, "Ada Köln"), "king", ["", "Ada Köln", "", ""]);
    check(replace("displayName", "Ada"), "king", ["Ada", "Ada Köln", "", ""]);
}

#[test]
fn a_tagged_name_is_not_the_name_by_which_an_entry_is_adopted() {
    let app = app();
    let eve = format!("uid=eve,ou=people,{SUFFIX}");
    app.slapd.by_hand(&format!(
        "dn: {eve}\nobjectClass: inetOrgPerson\nuid: eve\nuid;lang-de: ada@contoso.com\ncn: Eve\nsn: Eve\n"
    ));
    let before = app.slapd.entry_with(&eve, &["+"]);
    app.user("ada");
    assert_eq!(app.slapd.entry_with(&eve, &["+"]), before, "Eve's entry is not Ada's");
    assert_eq!(app.slapd.values(&dn("ada"), "sn"), ["Contoso"]);
}

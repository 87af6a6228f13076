//! Values in the forms that the directory's schema takes them in, and what is said of those that have none.

use serde_json::json;

use crate::support::app::{TestApp, dn};
use crate::support::entra::person_with;
use crate::support::slapd::{Flavor, Slapd};
use crate::support::workplace::Settings;

const BADGES: &str = "urn:ietf:params:scim:schemas:extension:Badges:2.0:User";

/// A class of a site's own, with an attribute of each syntax that SCIM writes otherwise.
const SCHEMA: &str = "\
attributetype ( 1.3.6.1.4.1.99999.1 NAME 'siteRemote' EQUALITY booleanMatch SYNTAX 1.3.6.1.4.1.1466.115.121.1.7 SINGLE-VALUE )
attributetype ( 1.3.6.1.4.1.99999.2 NAME 'siteFloor' EQUALITY integerMatch SYNTAX 1.3.6.1.4.1.1466.115.121.1.27 SINGLE-VALUE )
attributetype ( 1.3.6.1.4.1.99999.3 NAME 'siteHired' EQUALITY generalizedTimeMatch SYNTAX 1.3.6.1.4.1.1466.115.121.1.24 SINGLE-VALUE )
attributetype ( 1.3.6.1.4.1.99999.5 NAME 'siteCountry' EQUALITY caseIgnoreMatch SYNTAX 1.3.6.1.4.1.1466.115.121.1.11 SINGLE-VALUE )
attributetype ( 1.3.6.1.4.1.99999.6 NAME 'siteNumber' EQUALITY numericStringMatch SYNTAX 1.3.6.1.4.1.1466.115.121.1.36{8} )
attributetype ( 1.3.6.1.4.1.99999.7 NAME 'siteCode' EQUALITY caseIgnoreMatch SYNTAX 1.3.6.1.4.1.1466.115.121.1.44{4} )
attributetype ( 1.3.6.1.4.1.99999.8 NAME 'siteSponsor' EQUALITY distinguishedNameMatch SYNTAX 1.3.6.1.4.1.1466.115.121.1.12 )
objectclass ( 1.3.6.1.4.1.99999.4 NAME 'sitePerson' SUP top AUXILIARY MAY ( siteRemote $ siteFloor $ siteHired $
  siteCountry $ siteNumber $ siteCode $ siteSponsor ) )
";

const ADDRESS: &str = "addresses[type eq \"work\"].formatted";

fn app() -> TestApp {
    let slapd = Slapd::start(Flavor::AsShipped);
    slapd.reconfigure(SCHEMA);
    let attribute = |ldap: &str, name: &str, kind: &str| {
        format!("[[users.attribute]]\nldap = \"{ldap}\"\nscim = \"{BADGES}:{name}\"\n{kind}\n")
    };
    let settings = Settings::default()
        .set("users.object_classes", "[\"inetOrgPerson\", \"sitePerson\"]")
        .add(&attribute("siteRemote", "remote", "type = \"boolean\""))
        .add(&attribute("siteFloor", "floor", "type = \"integer\""))
        .add(&attribute("siteHired", "hired", ""))
        .add(&attribute("siteCountry", "country", ""))
        .add(&attribute("siteNumber", "number", ""))
        .add(&attribute("siteCode", "code", ""))
        .add(&attribute("siteSponsor", "sponsor", ""))
        .add(&format!("[[users.attribute]]\nldap = \"postalAddress\"\nscim = '{ADDRESS}'"))
        .add("[[users.attribute]]\nldap = \"homePostalAddress\"\ntemplate = \"{{ displayName }}\\nUS$ 5\"");
    TestApp::start_before(slapd, &settings)
}

#[test]
fn values_are_written_as_their_syntax_has_them() {
    let app = app();
    let badge = json!({"remote": "True", "floor": 7, "hired": "2026-01-31T08:00:00+01:00"});
    let ada = app.create_user(&person_with("ada", json!({BADGES: badge})));
    let held = |attribute: &str| app.slapd.values(&dn("ada"), attribute);
    assert_eq!(held("siteRemote"), ["TRUE"]);
    assert_eq!(held("siteFloor"), ["7"]);
    assert_eq!(held("siteHired"), ["20260131080000+0100"]);
    let shown = app.read_user(&ada)[BADGES].clone();
    assert_eq!(shown, json!({"remote": true, "floor": 7, "hired": "2026-01-31T08:00:00+01:00"}), "as it was sent");
    app.patch_user(&ada, &json!([{"op": "Replace", "path": format!("{BADGES}:remote"), "value": "False"}]));
    assert_eq!(held("siteRemote"), ["FALSE"]);
    let before = app.slapd.ldif("ou=people");
    app.patch_user(&ada, &json!([{"op": "Replace", "path": format!("{BADGES}:remote"), "value": false}]));
    assert_eq!(app.slapd.ldif("ou=people"), before, "what is so already is not written again");
}

#[test]
fn a_value_that_its_syntax_does_not_have_is_named_with_it() {
    let app = app();
    let ada = app.create_user(&person_with("ada", json!({})));
    let target = format!("/Users/{ada}");
    let hired = format!("{BADGES}:hired");
    app.patch(&target, &json!([{"op": "Add", "path": hired, "value": "last spring"}])).refuses(
        400,
        "invalidValue",
        &[&hired, "siteHired", "last spring", "Generalized Time"],
    );
    let mail = "emails[type eq \"work\"].value";
    app.patch(&target, &json!([{"op": "Replace", "path": mail, "value": "ädä@contoso.com"}])).refuses(
        400,
        "invalidValue",
        &[mail, "mail", "IA5 String"],
    );
    let user = app.read_user(&ada);
    assert_eq!((user.get(BADGES), &user["emails"][0]["value"]), (None, &json!("ada@contoso.com")));
    assert_eq!(app.slapd.values(&dn("ada"), "mail"), ["ada@contoso.com"]);
}

#[test]
fn strings_are_sent_as_they_are_or_refused_before_they_are_sent() {
    let app = app();
    let ada = app.create_user(&person_with("ada", json!({})));
    let put = |path: &str, value: &str| {
        app.patch(&format!("/Users/{ada}"), &json!([{"op": "Add", "path": path, "value": value}]))
    };
    let badge = |name: &str| format!("{BADGES}:{name}");
    let (work, mobile) = ("phoneNumbers[type eq \"work\"].value", "phoneNumbers[type eq \"mobile\"].value");
    for (path, attribute, good, bad, syntax) in [
        (work.to_owned(), "telephoneNumber", "+49 (30) 123-45/6", "gehört niemandem", "Telephone Number"),
        (mobile.to_owned(), "mobile", "0171.1", "#31#0171", "Telephone Number"),
        (badge("country"), "siteCountry", "DE", "Germany", "Country String"),
        // Longer than the schema says: that is a hint.
        (badge("number"), "siteNumber", "15 079 672 00", "15-079", "Numeric String"),
        (badge("code"), "siteCode", "R2D2 (droid)", "R2_D2", "Printable String"),
        (badge("sponsor"), "siteSponsor", "cn=Bob,dc=example,dc=org", "Bob", "DN"),
    ] {
        put(&path, good).expect(200);
        assert_eq!(app.slapd.values(&dn("ada"), attribute), [good]);
        let before = app.view();
        put(&path, bad).refuses(400, "invalidValue", &[&path, attribute, bad, syntax]);
        assert_eq!(app.view(), before, "after {bad}");
    }
}

#[test]
fn an_address_is_written_line_by_line() {
    let app = app();
    let ada = app.create_user(&person_with("ada", json!({})));
    let replace = |text: &str| {
        app.patch_user(&ada, &json!([{"op": "Replace", "path": ADDRESS, "value": text}]));
        app.slapd.values(&dn("ada"), "postalAddress")
    };
    let lines = "1 Main St\r\nSpringfield\n\nUSA";
    assert_eq!(replace(lines), ["1 Main St$Springfield$USA"]);
    assert_eq!(app.slapd.values(&dn("ada"), "homePostalAddress"), ["Ada Contoso$US\\24 5"], "of a template too");
    assert_eq!(app.read_user(&ada)["addresses"][0]["formatted"], lines, "as it was sent");
    let written = || app.slapd.values(&dn("ada"), "entryCSN");
    let before = written();
    replace(lines);
    assert_eq!(written(), before, "what is so already is not written again");
    assert_eq!(replace("1 Main ST\r\nSpringfield\n\nUSA"), ["1 Main ST$Springfield$USA"], "case alone arrives");
    assert_eq!(replace("$1,000\\2\nBox 7"), ["\\241,000\\5C2$Box 7"]);
    app.patch_user(&ada, &json!([{"op": "Remove", "path": ADDRESS}]));
    assert_eq!(app.slapd.values(&dn("ada"), "postalAddress"), [""; 0]);
}

#[test]
fn a_time_or_a_name_that_is_written_otherwise_is_no_difference() {
    let app = app();
    let badge = json!({"hired": "2026-01-31T08:00:00Z", "sponsor": "cn=Bob,dc=example,dc=org"});
    let ada = app.create_user(&person_with("ada", json!({BADGES: badge})));
    let hired = |value: &str| {
        app.patch_user(&ada, &json!([{"op": "Replace", "path": format!("{BADGES}:hired"), "value": value}]));
        app.slapd.values(&dn("ada"), "siteHired")
    };
    for same in ["20260131080000.0Z", "20260131080000+0000", "20260131090000+0100"] {
        app.slapd.by_hand(&format!("dn: {}\nchangetype: modify\nreplace: siteHired\nsiteHired: {same}\n", dn("ada")));
        let before = app.slapd.values(&dn("ada"), "entryCSN");
        assert_eq!(hired("2026-01-31T07:00:00-01:00"), [same]);
        assert_eq!(hired("2026-01-31T08:00:00Z"), [same]);
        let sponsor =
            json!([{"op": "Replace", "path": format!("{BADGES}:sponsor"), "value": "CN=bob, DC=example,dc=org"}]);
        app.patch_user(&ada, &sponsor);
        assert_eq!(app.slapd.values(&dn("ada"), "entryCSN"), before, "{same} is what it should be");
    }
    assert_eq!(hired("2026-01-31T08:00:01Z"), ["20260131080001Z"]);
}

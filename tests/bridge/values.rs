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
objectclass ( 1.3.6.1.4.1.99999.4 NAME 'sitePerson' SUP top AUXILIARY MAY ( siteRemote $ siteFloor $ siteHired ) )
";

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
        .add(&attribute("siteHired", "hired", ""));
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

//! Maps, and what an administrator is told of each.

use super::graph::{Flows, Provisioned, synchronization_schema};
use super::*;
use crate::directory::{AttributeName, NumberRange, Ownership};
use crate::mapping::{Disable, Place, Template};

const BADGES: &str = "urn:ietf:params:scim:schemas:extension:Badges:2.0:User";

fn rule(ldap: &'static str, source: Source) -> AttributeRule {
    let ldap = AttributeName::of(ldap);
    AttributeRule { ldap, source, scim_type: None, default: None, reference: false, ownership: Ownership::Owned }
}

fn path(text: &str) -> Source {
    Source::Scim(AttributePath::parse(&Schema::standard(Kind::User), text).unwrap())
}

fn template(text: &str) -> Source {
    Source::Template(Template::compile(text).unwrap())
}

fn users(base: &str, attributes: Vec<AttributeRule>) -> UserRules {
    let place = Place::parse(base).unwrap();
    UserRules {
        base_dn: place.base.clone(),
        place,
        create_containers: false,
        object_classes: vec!["inetOrgPerson".into()],
        rdn: AttributeName::of("uid"),
        match_attribute: AttributeName::of("uid"),
        attributes: [vec![rule("uid", path("userName"))], attributes].concat(),
        disable: Disable { lock: true, ..Disable::default() },
        password: None,
    }
}

fn targets(advised: &Advised, advice: Advice) -> Vec<&str> {
    advised.with(advice).map(|mapping| mapping.target.as_str()).collect()
}

#[test]
fn what_nothing_looks_at_is_to_be_deleted_and_what_tells_who_it_is_never() {
    let advised = advise_on_users(&users("ou=people,dc=x", Vec::new()));
    assert_eq!(targets(&advised, Advice::Keep), ["userName", "active", "externalId"]);
    assert_eq!(advised.with(Advice::Delete).count(), USER.len() - 3);
    assert_eq!(targets(&advised, Advice::Add), [""; 0]);
    let name = advised.mappings.first().unwrap();
    assert_eq!((name.source, name.matching, name.required), (Sent::Direct("userPrincipalName"), Some(1), true));
    assert_eq!(name.readers, ["uid"]);
    assert_eq!(advised.mappings[1].readers, ["users.disable"]);
}

#[test]
fn a_template_and_a_place_look_at_attributes_too() {
    let cn = rule("cn", template("{{ displayName or name.formatted or userName }}"));
    let advised = advise_on_users(&users("ou={{ department }},dc=x", vec![cn]));
    let kept = targets(&advised, Advice::Keep);
    assert!(kept.contains(&"displayName") && kept.contains(&"name.formatted"), "{kept:?}");
    let department = advised.mappings.iter().find(|mapping| mapping.target.ends_with(":department")).unwrap();
    assert_eq!(
        (department.advice, department.readers.as_slice()),
        (Advice::Keep, ["users.base_dn".to_owned()].as_slice())
    );
    let nick = rule("description", template("{{ nickName }} of {{ badge }}"));
    let advised = advise_on_users(&users("ou={{ division }},dc=x", vec![nick]));
    assert_eq!(targets(&advised, Advice::Add), ["nickName", &format!("{ENTERPRISE_USER}:division")]);
    assert!(advised.notes.iter().any(|note| note.contains("badge")), "{:?}", advised.notes);
}

#[test]
fn a_wide_path_looks_at_every_value_that_entra_sends() {
    let wide = vec![rule("mail", path("emails")), rule("mobile", path("phoneNumbers[type eq \"mobile\"]"))];
    let advised = advise_on_users(&users("dc=x", wide));
    let kept = targets(&advised, Advice::Keep);
    assert!(kept.contains(&"emails[type eq \"work\"].value"), "{kept:?}");
    assert!(kept.contains(&"phoneNumbers[type eq \"mobile\"].value"), "{kept:?}");
    assert!(!kept.contains(&"phoneNumbers[type eq \"work\"].value"), "{kept:?}");
    assert_eq!(targets(&advised, Advice::Add), [""; 0]);
}

#[test]
fn what_entra_does_not_send_is_to_be_added_and_a_custom_attribute_made_first() {
    let number =
        AttributeRule { scim_type: Some(Type::Integer), ..rule("roomNumber", path(&format!("{BADGES}:number"))) };
    let odd = rule("description", path("urn:example:odd:tag"));
    let role = rule("employeeType", path("roles[primary eq \"True\"].value"));
    let ims = rule("labeledURI", path("ims.value"));
    let gid = rule("gidNumber", Source::Allocated(NumberRange { from: 1, to: 2 }));
    let advised = advise_on_users(&users("dc=x", vec![number, odd, role, ims, gid]));
    assert_eq!(
        targets(&advised, Advice::Add),
        [&format!("{BADGES}:number"), "urn:example:odd:tag", "roles[primary eq \"True\"].value", "ims.value"]
    );
    let [number, odd] = advised.customs.as_slice() else { panic!("{:?}", advised.customs) };
    assert_eq!((number.value_type, number.obstacle), ("Integer", None));
    assert_eq!(odd.value_type, "String");
    assert!(odd.obstacle.is_some());
    let role = advised.with(Advice::Add).nth(2).unwrap();
    assert_eq!(role.source, Sent::Expression("SingleAppRoleAssignment([appRoleAssignments])"));
    assert!(advised.notes.iter().any(|note| note.starts_with("ims.value")), "{:?}", advised.notes);
}

#[test]
fn graph_is_told_the_same_and_no_source_is_made_up() {
    let badge = rule("description", path(&format!("{BADGES}:color")));
    let manager = AttributeRule { reference: true, ..rule("manager", path("manager")) };
    let advised = advise_on_users(&users("dc=x", vec![badge, manager]));
    let flows = Flows { add: true, update: true, delete: false };
    let kinds = [
        Provisioned { kind: Kind::User, advised: Some(&advised), flows },
        Provisioned { kind: Kind::Group, advised: None, flows },
    ];
    let schema = synchronization_schema(&kinds);
    let mappings = &schema["synchronizationRules"][0]["objectMappings"];
    assert_eq!(mappings[0]["flowTypes"], "Add,Update");
    assert_eq!((&mappings[0]["enabled"], &mappings[1]["enabled"]), (&json!(true), &json!(false)));
    let mapped: Vec<&str> = mappings[0]["attributeMappings"]
        .as_array()
        .unwrap()
        .iter()
        .map(|mapping| mapping["targetAttributeName"].as_str().unwrap())
        .collect();
    assert_eq!(mapped, ["userName", "active", "externalId", &format!("{ENTERPRISE_USER}:manager")]);
    let attributes = schema["directories"][0]["objects"][0]["attributes"].as_array().unwrap();
    let anchors = attributes.iter().filter(|attribute| attribute["anchor"] == true).count();
    assert_eq!(anchors, 1);
    let of = |name: &str| attributes.iter().find(|attribute| attribute["name"] == name).unwrap();
    assert_eq!(of(&format!("{BADGES}:color"))["metadata"][0]["key"], "IsCustomerDefined");
    assert_eq!(of(&format!("{ENTERPRISE_USER}:manager"))["type"], "Reference");
    assert_eq!(of("active")["type"], "Boolean");
}

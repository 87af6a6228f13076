//! Diffs case by case, and the laws that hold for all of them.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;
use crate::plan::Step;

fn name(text: &str) -> AttributeName {
    AttributeName::parse(text).unwrap()
}

fn values(texts: &[&str]) -> Vec<Value> {
    texts.iter().map(|text| Value::from(*text)).collect()
}

fn schema() -> Schema {
    let attributes = [
        "( 1 NAME 'uid' EQUALITY caseIgnoreMatch )",
        "( 2 NAME 'telephoneNumber' EQUALITY telephoneNumberMatch )",
        "( 3 NAME 'fax' )",
        "( 4 NAME 'manager' EQUALITY distinguishedNameMatch )",
        "( 5 NAME 'floor' EQUALITY integerMatch )",
        "( 6 NAME 'remote' EQUALITY booleanMatch )",
        "( 7 NAME 'hired' EQUALITY generalizedTimeMatch )",
        "( 8 NAME 'postalAddress' EQUALITY caseIgnoreListMatch )",
        "( 9 NAME 'x121Address' EQUALITY numericStringMatch )",
    ];
    Schema::parse(&attributes.map(Value::from), &[])
}

fn desired(rdn: &str, attributes: &[(&str, Ownership, &[&str])]) -> DesiredEntry {
    let attributes = attributes
        .iter()
        .map(|(attribute, ownership, texts)| (name(attribute), DesiredAttribute::new(*ownership, values(texts))));
    DesiredEntry {
        parent: "ou=people".parse().unwrap(),
        rdn: Rdn::new(name("uid"), Value::from(rdn)),
        placement: Placement::Initial,
        naming: Naming::Part,
        attributes: attributes.collect(),
    }
}

fn observed(dn: &str, attributes: &[(&str, &[&str])]) -> Entry {
    let attributes = attributes.iter().map(|(attribute, texts)| (name(attribute), values(texts))).collect();
    Entry { dn: dn.parse().unwrap(), attributes }
}

/// What a directory does with a change, on a model of one entry.
fn apply(entry: &mut Entry, change: &Change, schema: &Schema) {
    match change {
        Change::Add { dn, attributes } => *entry = Entry { dn: dn.clone(), attributes: attributes.clone() },
        Change::Rename { new_rdn, new_parent, .. } => {
            rename_to(entry, new_rdn.clone(), schema);
            if let Some(parent) = new_parent {
                entry.dn = parent.child(new_rdn.clone());
            }
        }
        Change::Delete { .. } => unreachable!("a diff deletes nothing"),
        Change::Modify { modifications, .. } => {
            for Modification { attribute, action, values } in modifications {
                let held = entry.attributes.entry(attribute.clone()).or_default();
                match action {
                    Action::Add => {
                        for value in values {
                            assert!(!held.iter().any(|other| same(schema, attribute, other, value)), "added twice");
                            held.push(value.clone());
                        }
                    }
                    Action::Delete => {
                        for value in values {
                            let before = held.len();
                            held.retain(|other| !same(schema, attribute, other, value));
                            assert_eq!(held.len(), before - 1, "deleted what was not there");
                        }
                    }
                    Action::Replace => *held = values.clone(),
                }
            }
        }
    }
}

#[track_caller]
fn check(desired: &DesiredEntry, observed: &Entry, expected: &[&str]) {
    let plan = diff(desired, Some(observed), &schema());
    let shown: Vec<String> = plan
        .steps
        .iter()
        .flat_map(|step| match &step.change {
            Change::Rename { dn, new_rdn, new_parent } => {
                let below = new_parent.as_ref().map(|parent| format!(" below {parent}")).unwrap_or_default();
                vec![format!("rename {dn} to {new_rdn}{below}")]
            }
            Change::Modify { modifications, .. } => modifications
                .iter()
                .map(|change| format!("{:?} {} {:?}", change.action, change.attribute, change.values))
                .collect(),
            other => vec![format!("{other:?}")],
        })
        .collect();
    assert_eq!(shown, expected);
}

#[test]
fn owned_values_are_exactly_the_desired_ones() {
    let wanted = desired(
        "ada",
        &[("uid", Ownership::Owned, &["ada"]), ("mail", Ownership::Owned, &["a@x"]), ("title", Ownership::Owned, &[])],
    );
    let entry = observed(
        "uid=ada,ou=people",
        &[("uid", &["ada"]), ("mail", &["b@x"]), ("title", &["CTO"]), ("note", &["mine"])],
    );
    check(&wanted, &entry, &["Delete mail [\"b@x\"]", "Add mail [\"a@x\"]", "Delete title [\"CTO\"]"]);
}

#[test]
fn a_change_of_case_alone_arrives() {
    let wanted = desired("Ada", &[("uid", Ownership::Owned, &["Ada"]), ("sn", Ownership::Owned, &["McDonald"])]);
    let entry = observed("uid=ada,ou=people", &[("uid", &["ada"]), ("sn", &["Mcdonald"])]);
    check(
        &wanted,
        &entry,
        &["Delete sn [\"Mcdonald\"]", "Add sn [\"McDonald\"]", "rename uid=ada,ou=people to uid=Ada"],
    );
}

#[test]
fn a_dn_that_the_server_prints_its_own_way_is_no_difference() {
    let wanted = desired("ada", &[("manager", Ownership::Owned, &["uid=Bob,ou=people"])]);
    check(&wanted, &observed("uid=ada,ou=people", &[("manager", &["UID=bob, OU=People"])]), &[]);
}

#[test]
fn a_number_or_a_time_in_another_writing_is_no_difference() {
    let wanted = |floor, remote, hired| {
        let attributes: [(&str, Ownership, &[&str]); 3] = [
            ("floor", Ownership::Owned, &[floor]),
            ("remote", Ownership::Owned, &[remote]),
            ("hired", Ownership::Owned, &[hired]),
        ];
        desired("ada", &attributes)
    };
    let entry = observed(
        "uid=ada,ou=people",
        &[("floor", &["07"]), ("remote", &["true"]), ("hired", &["20260131080000.0Z", "20250101000000Z"])],
    );
    check(&wanted("7", "TRUE", "20260131090000+0100"), &entry, &["Delete hired [\"20250101000000Z\"]"]);
    check(
        &wanted("8", "TRUE", "20250101000000.0Z"),
        &entry,
        &["Delete floor [\"07\"]", "Add floor [\"8\"]", "Delete hired [\"20260131080000.0Z\"]"],
    );
}

#[test]
fn a_text_in_another_writing_arrives_whatever_its_rule() {
    let wanted = desired(
        "ada",
        &[("postalAddress", Ownership::Owned, &["1 Main St$X"]), ("x121Address", Ownership::Owned, &["15 07"])],
    );
    let entry = observed("uid=ada,ou=people", &[("postalAddress", &["1 main st$X"]), ("x121Address", &["1507"])]);
    check(
        &wanted,
        &entry,
        &[
            "Delete postalAddress [\"1 main st$X\"]",
            "Add postalAddress [\"1 Main St$X\"]",
            "Delete x121Address [\"1507\"]",
            "Add x121Address [\"15 07\"]",
        ],
    );
}

#[test]
fn an_attribute_with_another_option_is_another_attribute() {
    let wanted = desired("ada", &[("fax", Ownership::Owned, &[]), ("cn;lang-de", Ownership::Owned, &["Ada"])]);
    let entry = observed("uid=ada,ou=people", &[("fax", &["1"]), ("fax;lang-fr", &["2"]), ("cn", &["Ada"])]);
    check(&wanted, &entry, &["Add cn;lang-de [\"Ada\"]", "Replace fax []"]);
}

#[test]
fn shared_values_are_added_and_others_stay() {
    let mut wanted = desired("ada", &[("objectClass", Ownership::Shared, &["inetOrgPerson"])]);
    let entry = observed("uid=ada,ou=people", &[("objectClass", &["inetorgperson", "posixAccount"])]);
    check(&wanted, &entry, &[]);
    wanted.attributes.get_mut(&name("objectClass")).unwrap().unwanted = values(&["POSIXACCOUNT"]);
    check(&wanted, &entry, &["Delete objectClass [\"posixAccount\"]"]);
}

#[test]
fn initial_values_are_never_looked_at_again() {
    let wanted = desired("ada", &[("homeDirectory", Ownership::Initial, &["/home/ada"])]);
    check(&wanted, &observed("uid=ada,ou=people", &[("homeDirectory", &["/srv/ada"])]), &[]);
    let plan = diff(&wanted, None, &schema());
    assert!(
        matches!(&plan.steps[..], [Step { change: Change::Add { attributes, .. }, .. }] if attributes.contains_key(&name("homeDirectory")))
    );
}

#[test]
fn values_without_an_equality_rule_are_replaced_as_one() {
    let wanted = desired("ada", &[("fax", Ownership::Owned, &["2"])]);
    check(&wanted, &observed("uid=ada,ou=people", &[("fax", &["1"])]), &["Replace fax [\"2\"]"]);
}

#[test]
fn a_name_that_the_server_prints_its_own_way_is_no_difference() {
    let wanted = desired("ada  b", &[("uid", Ownership::Owned, &["ada  b"])]);
    check(&wanted, &observed("uid=ada b,ou=people", &[("uid", &["ada  b"])]), &[]);
    check(
        &wanted,
        &observed("uid=ada b,ou=people", &[("uid", &["ada b"])]),
        &["rename uid=ada b,ou=people to uid=ada  b"],
    );
}

#[test]
fn a_rename_keeps_parts_of_the_name_that_are_not_ours() {
    let entry = observed("uid=ada+ou=x,ou=old,ou=people", &[("uid", &["ada"])]);
    check(
        &desired("eve", &[("uid", Ownership::Owned, &["eve"])]),
        &entry,
        &["rename uid=ada+ou=x,ou=old,ou=people to uid=eve+ou=x"],
    );
    let foreign = observed("cn=Ada,ou=people", &[("uid", &["ada"])]);
    check(
        &desired("eve", &[("uid", Ownership::Owned, &["eve"])]),
        &foreign,
        &["Delete uid [\"ada\"]", "Add uid [\"eve\"]"],
    );
}

#[test]
fn an_entry_is_moved_where_its_place_is_owned() {
    let entry = observed("uid=ada,ou=old,ou=people", &[("uid", &["ada"])]);
    let mut wanted = desired("ada", &[("uid", Ownership::Owned, &["ada"])]);
    check(&wanted, &entry, &[]);
    wanted.placement = Placement::Owned;
    check(&wanted, &entry, &["rename uid=ada,ou=old,ou=people to uid=ada below ou=people"]);
    check(&wanted, &observed("uid=ada,OU=People", &[("uid", &["ada"])]), &[]);
    let mut renamed = desired("eve", &[("uid", Ownership::Owned, &["eve"])]);
    renamed.placement = Placement::Owned;
    check(&renamed, &entry, &["rename uid=ada,ou=old,ou=people to uid=eve below ou=people"]);
}

#[test]
fn a_value_that_names_the_entry_stays() {
    let entry = observed("cn=Ada by hand,ou=people", &[("uid", &["ada"]), ("cn", &["Ada by hand", "Countess"])]);
    let wanted = desired("ada", &[("uid", Ownership::Owned, &["ada"]), ("cn", Ownership::Owned, &["Ada Byron"])]);
    check(&wanted, &entry, &["Delete cn [\"Countess\"]", "Add cn [\"Ada Byron\"]"]);
    let same_but_for_case = desired("ada", &[("cn", Ownership::Owned, &["ADA BY HAND"])]);
    check(&same_but_for_case, &entry, &["Delete cn [\"Countess\"]"]);
}

fn any_values() -> impl Strategy<Value = Vec<Value>> {
    prop::collection::btree_set("[aAbB012]{1,2}", 0..4).prop_map(|texts| texts.into_iter().map(Value::from).collect())
}

fn any_desired() -> impl Strategy<Value = DesiredEntry> {
    let ownership = prop::sample::select(vec![Ownership::Owned, Ownership::Shared, Ownership::Initial]);
    let attribute =
        (prop::sample::select(vec!["mail", "title", "fax", "telephoneNumber", "floor"]), ownership, any_values());
    let place = (prop::sample::select(vec![Placement::Owned, Placement::Initial]), "ou=[ab]");
    ("[abAB]{1,2}", prop::collection::vec(attribute, 0..4), place).prop_map(|(rdn, attributes, (placement, parent))| {
        let mut entry = desired(&rdn, &[("uid", Ownership::Owned, &[&rdn])]);
        entry.placement = placement;
        entry.parent = parent.parse().unwrap();
        let attributes: BTreeMap<_, _> = attributes
            .into_iter()
            .map(|(attribute, ownership, values)| (name(attribute), DesiredAttribute::new(ownership, values)))
            .collect();
        entry.attributes.extend(attributes);
        entry
    })
}

fn any_observed() -> impl Strategy<Value = Entry> {
    let attribute =
        (prop::sample::select(vec!["mail", "title", "fax", "telephoneNumber", "floor", "note"]), any_values());
    ("[abAB]{1,2}", prop::collection::vec(attribute, 0..5)).prop_map(|(rdn, attributes)| {
        let mut entry = observed("uid=x,ou=people", &[]);
        entry.dn = entry.dn.parent().unwrap().child(Rdn::new(name("uid"), Value::from(rdn.as_str())));
        let schema = schema();
        entry.attributes.insert(name("uid"), vec![Value::from(rdn)]);
        for (attribute, values) in attributes {
            let attribute = name(attribute);
            let values = distinct(&values, schema.matching(&attribute));
            entry.attributes.insert(attribute, values);
        }
        entry
    })
}

proptest! {
    #[test]
    fn applying_a_diff_leaves_nothing_to_diff(desired in any_desired(), observed in any_observed()) {
        let schema = schema();
        let mut entry = observed;
        for step in diff(&desired, Some(&entry.clone()), &schema).steps {
            apply(&mut entry, &step.change, &schema);
        }
        prop_assert_eq!(diff(&desired, Some(&entry), &schema), Plan::default());
    }

    #[test]
    fn what_is_not_named_stays(desired in any_desired(), observed in any_observed()) {
        let schema = schema();
        let mut entry = observed.clone();
        for step in diff(&desired, Some(&observed), &schema).steps {
            apply(&mut entry, &step.change, &schema);
        }
        for (attribute, values) in observed.attributes.iter().filter(|(name, _)| !desired.attributes.contains_key(name)) {
            prop_assert_eq!(entry.values(attribute), values.as_slice());
        }
    }

    #[test]
    fn a_created_entry_is_as_desired(desired in any_desired()) {
        let schema = schema();
        let mut entry = observed("uid=x,ou=people", &[]);
        for step in diff(&desired, None, &schema).steps {
            apply(&mut entry, &step.change, &schema);
        }
        prop_assert_eq!(diff(&desired, Some(&entry), &schema), Plan::default());
    }
}

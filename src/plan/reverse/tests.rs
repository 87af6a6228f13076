//! Reverses case by case, and the law that they leave an entry as it was.

use std::collections::BTreeSet;

use proptest::prelude::*;

use super::*;

fn name(text: &str) -> AttributeName {
    AttributeName::parse(text).unwrap()
}

fn values(texts: &[&str]) -> Vec<Value> {
    texts.iter().map(|text| Value::from(*text)).collect()
}

fn schema() -> Schema {
    let attributes = [
        "( 1 NAME 'uid' EQUALITY caseIgnoreMatch )",
        "( 2 NAME 'fax' )",
        "( 3 NAME 'member' EQUALITY distinguishedNameMatch )",
        "( 4 NAME 'entryUUID' EQUALITY UUIDMatch USAGE directoryOperation )",
        "( 5 NAME 'pwdAccountLockedTime' EQUALITY generalizedTimeMatch USAGE directoryOperation )",
        "( 6 NAME 'modifiersName' EQUALITY distinguishedNameMatch USAGE directoryOperation )",
    ];
    Schema::parse(&attributes.map(Value::from), &[])
}

fn entry(attributes: &[(&str, &[&str])]) -> Entry {
    let attributes = attributes.iter().map(|(attribute, texts)| (name(attribute), values(texts))).collect();
    Entry { dn: "uid=a,ou=p".parse().unwrap(), attributes }
}

fn modify(tolerance: Tolerance, modifications: &[(Action, &str, &[&str])]) -> Change {
    let modification = |(action, attribute, texts): &(Action, &str, &[&str])| Modification {
        attribute: name(attribute),
        action: *action,
        values: values(texts),
    };
    let modifications = modifications.iter().map(modification).collect();
    Change::Modify { dn: "uid=a,ou=p".parse().unwrap(), modifications, tolerance }
}

#[track_caller]
fn check(change: &Change, before: Option<&Entry>, expected: &[&str], lost: Option<&str>) {
    let reverse = reverse(change, before, &schema());
    let shown = |change: &Change| match change {
        Change::Modify { modifications, .. } => {
            modifications.iter().map(|one| format!("{:?} {} {:?}", one.action, one.attribute, one.values)).collect()
        }
        Change::Rename { dn, new_rdn, new_parent } => {
            let below = new_parent.as_ref().map(|parent| format!(" below {parent}")).unwrap_or_default();
            vec![format!("rename {dn} to {new_rdn}{below}")]
        }
        Change::Add { dn, attributes } => {
            let held: Vec<String> = attributes.iter().map(|(name, values)| format!("{name} {values:?}")).collect();
            vec![format!("add {dn}: {}", held.join(", "))]
        }
        Change::Delete { dn } => vec![format!("delete {dn}")],
    };
    assert_eq!(reverse.changes.iter().flat_map(shown).collect::<Vec<String>>(), expected);
    assert_eq!(reverse.lost.as_deref(), lost);
}

#[test]
fn what_was_created_goes_and_what_was_deleted_comes_back() {
    let dn: Dn = "uid=a,ou=p".parse().unwrap();
    let attributes = entry(&[("uid", &["a"])]).attributes;
    check(&Change::Add { dn: dn.clone(), attributes }, None, &["delete uid=a,ou=p"], None);
    let delete = Change::Delete { dn };
    check(&delete, None, &[], Some("the entry, which was not read before"));
    let held = entry(&[
        ("objectClass", &["top", "person"]),
        ("uid", &["a"]),
        ("entryUUID", &["1"]),
        ("modifiersName", &["cn=admin"]),
        ("description", &[]),
    ]);
    check(&delete, Some(&held), &["add uid=a,ou=p: objectClass [\"top\", \"person\"], uid [\"a\"]"], None);
    // Somebody who was kept out stays so.
    let secret =
        entry(&[("uid", &["a"]), ("userPassword;x-a", &["{SSHA}x"]), ("pwdAccountLockedTime", &["000001010000Z"])]);
    let kept = "add uid=a,ou=p: pwdAccountLockedTime [\"000001010000Z\"], uid [\"a\"]";
    check(&delete, Some(&secret), &[kept], Some("the password, which is not kept"));
}

#[test]
fn an_exact_modify_is_taken_back_without_looking() {
    let change = modify(
        Tolerance::Exact,
        &[
            (Action::Delete, "sn", &["Mcdonald"]),
            (Action::Add, "sn", &["McDonald"]),
            (Action::Add, "mail", &["x", "y"]),
        ],
    );
    let back = ["Delete mail [\"x\", \"y\"]", "Delete sn [\"McDonald\"]", "Add sn [\"Mcdonald\"]"];
    check(&change, None, &back, None);
    check(&change, Some(&entry(&[("sn", &["Mcdonald"])])), &back, None);
    // As it was written, not as it was named.
    let named = modify(Tolerance::Exact, &[(Action::Delete, "member", &["uid=A, ou=P"])]);
    check(&named, Some(&entry(&[("member", &["UID=a,ou=P"])])), &["Add member [\"UID=a,ou=P\"]"], None);
}

#[test]
fn values_that_came_instead_of_others_go_for_them() {
    let change = modify(Tolerance::Exact, &[(Action::Replace, "fax", &["2"])]);
    check(&change, Some(&entry(&[("fax", &["1", "0"])])), &["Replace fax [\"1\", \"0\"]"], None);
    check(&change, Some(&entry(&[])), &["Replace fax []"], None);
    check(&change, None, &[], Some("what fax held, which was not read before"));
    let emptied = modify(Tolerance::Exact, &[(Action::Delete, "fax", &[])]);
    check(&emptied, Some(&entry(&[("fax", &["1"])])), &["Add fax [\"1\"]"], None);
}

#[test]
fn a_tolerant_modify_is_taken_back_as_far_as_it_did_anything() {
    let change = modify(
        Tolerance::AlreadySo,
        &[(Action::Add, "member", &["uid=a", "uid=b"]), (Action::Delete, "member", &["uid=c", "uid=d"])],
    );
    let before = entry(&[("member", &["UID=A", "uid=c"])]);
    check(&change, Some(&before), &["Add member [\"uid=c\"]", "Delete member [\"uid=b\"]"], None);
    check(&change, None, &["Add member [\"uid=c\", \"uid=d\"]", "Delete member [\"uid=a\", \"uid=b\"]"], None);
    check(&change, Some(&entry(&[("member", &["uid=a", "uid=b"])])), &[], None);
}

#[test]
fn passwords_do_not_come_back() {
    let change =
        modify(Tolerance::Exact, &[(Action::Replace, "USERPASSWORD", &["{SSHA}x"]), (Action::Add, "mail", &["x"])]);
    check(&change, None, &["Delete mail [\"x\"]"], Some("the password, which is not kept"));
}

#[test]
fn a_name_comes_back_and_a_place_only_if_it_was_left() {
    let rename = |parent: Option<&str>| Change::Rename {
        dn: "uid=a,ou=p".parse().unwrap(),
        new_rdn: "uid=b".parse::<Dn>().unwrap().rdn().unwrap().clone(),
        new_parent: parent.map(|text| text.parse().unwrap()),
    };
    check(&rename(None), None, &["rename uid=b,ou=p to uid=a"], None);
    check(&rename(Some("OU=P")), None, &["rename uid=b,OU=P to uid=a"], None);
    check(&rename(Some("ou=q")), None, &["rename uid=b,ou=q to uid=a below ou=p"], None);
}

#[test]
fn a_value_that_became_the_name_and_was_there_before_stays() {
    let rename = |rdn: &str| Change::Rename {
        dn: "uid=a,ou=p".parse().unwrap(),
        new_rdn: rdn.parse::<Dn>().unwrap().rdn().unwrap().clone(),
        new_parent: None,
    };
    let before = entry(&[("uid", &["a", "B"])]);
    check(&rename("uid=b"), Some(&before), &["rename uid=b,ou=p to uid=a", "Add uid [\"B\"]"], None);
    check(&rename("uid=c"), Some(&before), &["rename uid=c,ou=p to uid=a"], None);
    check(&rename("uid=A"), Some(&before), &["rename uid=A,ou=p to uid=a"], None);
}

/// A directory of one entry, as a server would treat it. `None`: it refuses the change.
fn applied(held: Option<&Entry>, change: &Change, schema: &Schema) -> Option<Option<Entry>> {
    let mut entry = match (held, change) {
        (None, Change::Add { dn, attributes }) => {
            return Some(Some(Entry { dn: dn.clone(), attributes: attributes.clone() }));
        }
        (Some(_), Change::Delete { .. }) => return Some(None),
        (Some(entry), Change::Modify { .. } | Change::Rename { .. }) => entry.clone(),
        _ => return None,
    };
    let same = |name: &AttributeName, one: &Value, other: &Value| {
        schema.matching(name).unwrap_or(Matching::Octets).equal(one, other)
    };
    match change {
        Change::Modify { modifications, tolerance, .. } => {
            for Modification { attribute, action, values } in modifications {
                let held = entry.attributes.entry(attribute.clone()).or_default();
                if *action == Action::Replace || values.is_empty() {
                    let is_twice = |(at, value)| values.iter().skip(at + 1).any(|other| same(attribute, value, other));
                    if values.iter().enumerate().any(is_twice) {
                        return None;
                    }
                    held.clone_from(values);
                    continue;
                }
                for value in values {
                    let at = held.iter().position(|other| same(attribute, other, value));
                    match (action, at) {
                        (Action::Add, None) => held.push(value.clone()),
                        (Action::Delete, Some(at)) => drop(held.remove(at)),
                        _ if *tolerance == Tolerance::AlreadySo => {}
                        _ => return None,
                    }
                }
            }
        }
        Change::Rename { new_rdn, new_parent, .. } => {
            for (name, value) in entry.dn.rdn()?.parts() {
                entry.attributes.get_mut(name)?.retain(|other| !same(name, other, value));
            }
            for (name, value) in new_rdn.parts() {
                let held = entry.attributes.entry(name.clone()).or_default();
                if !held.iter().any(|other| same(name, other, value)) {
                    held.push(value.clone());
                }
            }
            entry.dn = new_parent.clone().or_else(|| entry.dn.parent())?.child(new_rdn.clone());
        }
        Change::Add { .. } | Change::Delete { .. } => return None,
    }
    Some(Some(entry))
}

/// What an entry is, whatever the order of its values.
fn content(entry: Option<&Entry>) -> Option<(String, BTreeSet<(String, Value)>)> {
    let held = |(name, values): (&AttributeName, &Vec<Value>)| {
        values.iter().map(|value| (name.folded(), value.clone())).collect::<Vec<_>>()
    };
    entry.map(|entry| (entry.dn.to_string(), entry.attributes.iter().flat_map(held).collect()))
}

const ATTRIBUTES: [&str; 3] = ["mail", "fax", "member"];

fn any_values() -> impl Strategy<Value = Vec<Value>> {
    prop::collection::btree_set("cn=[abA]", 0..3).prop_map(|texts| texts.into_iter().map(Value::from).collect())
}

fn any_attributes() -> impl Strategy<Value = Attributes> {
    let name = prop::sample::select(ATTRIBUTES.to_vec()).prop_map(AttributeName::of);
    let uids = prop::sample::select(vec![vec!["a"], vec!["a", "b"], vec!["c", "a"]]);
    (prop::collection::btree_map(name, any_values(), 0..4), uids).prop_map(|(attributes, uids)| {
        let mut distinct: Attributes = Attributes::new();
        for (name, values) in attributes {
            let rule = schema().matching(&name).unwrap_or(Matching::Octets);
            let kept = distinct.entry(name).or_default();
            for value in values {
                if !kept.iter().any(|other| rule.equal(other, &value)) {
                    kept.push(value);
                }
            }
        }
        distinct.insert(AttributeName::of("uid"), values(&uids));
        distinct
    })
}

fn any_change() -> impl Strategy<Value = Change> {
    let dn = || "uid=a,ou=p".parse::<Dn>().unwrap();
    let actions = prop::sample::select(vec![Action::Add, Action::Delete, Action::Replace]);
    let attribute = prop::sample::select(ATTRIBUTES.to_vec()).prop_map(AttributeName::of);
    let modification = (attribute, actions, any_values())
        .prop_map(|(attribute, action, values)| Modification { attribute, action, values })
        .prop_filter("an add has values", |one| one.action != Action::Add || !one.values.is_empty());
    let tolerance = prop::sample::select(vec![Tolerance::Exact, Tolerance::AlreadySo]);
    let rdn = "uid=[bcB]".prop_map(|text| text.parse::<Dn>().unwrap().rdn().unwrap().clone());
    let parent = prop::option::of("ou=[pq]".prop_map(|text| text.parse().unwrap()));
    prop_oneof![
        (prop::collection::vec(modification, 1..4), tolerance)
            .prop_map(move |(modifications, tolerance)| { Change::Modify { dn: dn(), modifications, tolerance } }),
        (rdn, parent).prop_map(move |(new_rdn, new_parent)| Change::Rename { dn: dn(), new_rdn, new_parent }),
        any_attributes().prop_map(move |attributes| Change::Add { dn: dn(), attributes }),
        Just(Change::Delete { dn: dn() }),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { max_global_rejects: 20_000, ..ProptestConfig::default() })]

    #[test]
    fn a_change_and_its_reverse_leave_an_entry_as_it_was(
        attributes in prop::option::weighted(0.8, any_attributes()),
        change in any_change(),
    ) {
        let schema = schema();
        let before = attributes.map(|attributes| Entry { dn: "uid=a,ou=p".parse().unwrap(), attributes });
        let Some(after) = applied(before.as_ref(), &change, &schema) else {
            return Err(TestCaseError::reject("the server refuses the change"));
        };
        let reverse = reverse(&change, before.as_ref(), &schema);
        prop_assert_eq!(&reverse.lost, &None);
        let mut entry = after;
        for change in &reverse.changes {
            let taken_back = applied(entry.as_ref(), change, &schema);
            prop_assert!(taken_back.is_some(), "the server refuses {:?}", change);
            entry = taken_back.unwrap();
        }
        prop_assert_eq!(content(entry.as_ref()), content(before.as_ref()));
    }
}

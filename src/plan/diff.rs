//! The difference between an entry as desired and as observed.

use std::collections::{BTreeMap, BTreeSet};

use super::{Plan, Reason};
use crate::directory::attribute::PASSWORD_ATTRIBUTE;
use crate::directory::{
    Action, AttributeName, Attributes, Change, DesiredAttribute, DesiredEntry, Dn, Entry, Matching, Modification,
    Naming, Ownership, Placement, Rdn, Schema, Tolerance, Value,
};

/// What makes the observed entry the desired one; a new entry where none was observed.
///
/// An observed entry keeps a name that is not made of the desired naming attribute: only the part of its
/// name that the map speaks of is changed. `schema` tells which values the directory holds equal, and which
/// attributes have no such rule.
pub fn diff(desired: &DesiredEntry, observed: Option<&Entry>, schema: &Schema) -> Plan {
    let mut plan = Plan::default();
    let Some(observed) = observed else {
        let attributes = distinct_attributes(desired.initial_attributes(), schema);
        plan.push(Change::Add { dn: desired.dn(), attributes }, Reason::Missing);
        return plan;
    };
    let rename = wanted_name(desired, observed, schema);
    let mut present = observed.clone();
    if let Some((new_rdn, _)) = &rename {
        rename_to(&mut present, new_rdn.clone(), schema);
    }
    let modifications = attribute_changes(&desired.attributes, &present, schema);
    if !modifications.is_empty() {
        // Under the old name, before the rename: a value that the directory refuses leaves nothing half done.
        let change = Change::Modify { dn: observed.dn.clone(), modifications, tolerance: Tolerance::Exact };
        plan.push(change, Reason::Differs);
    }
    if let Some((new_rdn, new_parent)) = rename {
        plan.push(Change::Rename { dn: observed.dn.clone(), new_rdn, new_parent }, Reason::Renamed);
    }
    plan
}

/// What attributes of an entry need to be as wanted.
pub fn attribute_changes(
    wanted: &BTreeMap<AttributeName, DesiredAttribute>,
    entry: &Entry,
    schema: &Schema,
) -> Vec<Modification> {
    let classes =
        wanted.get(&AttributeName::of("objectClass")).map(|wanted| wanted.values.as_slice()).unwrap_or_default();
    wanted.iter().flat_map(|(name, wanted)| modifications(name, wanted, entry, classes, schema)).collect()
}

/// The name that an entry is to be given, and the entry that it is moved below, where it is not as desired.
fn wanted_name(desired: &DesiredEntry, observed: &Entry, schema: &Schema) -> Option<(Rdn, Option<Dn>)> {
    let (dn, new_rdn) = (&observed.dn, wanted_rdn(desired, observed, schema));
    let elsewhere = desired.placement == Placement::Owned && dn.parent().as_ref() != Some(&desired.parent);
    match (new_rdn, elsewhere) {
        (None, false) => None,
        (Some(new_rdn), false) => Some((new_rdn, None)),
        (new_rdn, true) => Some((new_rdn.or_else(|| dn.rdn().cloned())?, Some(desired.parent.clone()))),
    }
}

/// The new relative name, if the entry is not named by the desired value byte for byte.
///
/// A server may print names in its own way, and the naming value as it was written: 389 Directory Server folds the
/// blanks of a DN, and `cn=A B` is then the name of an entry whose `cn` has two of them.
fn wanted_rdn(desired: &DesiredEntry, observed: &Entry, schema: &Schema) -> Option<Rdn> {
    let (attribute, value) = desired.rdn.parts().first()?;
    let present = observed.dn.rdn()?;
    let named = present.value(attribute)?;
    let held = || same(schema, attribute, named, value) && observed.values(attribute).contains(value);
    if named == value || held() {
        return None;
    }
    let ours = match &desired.naming {
        Naming::Part => return Some(present.with_value(attribute, value.clone())),
        Naming::With(ours) => ours,
    };
    let is_theirs = |(name, value): &&(AttributeName, Value)| name != attribute && !ours.contains(value);
    let kept = present.parts().iter().filter(is_theirs);
    let added = desired.rdn.parts().iter().skip(1);
    let mut new_rdn = Rdn::new(attribute.clone(), value.clone());
    for (name, value) in kept.chain(added) {
        // A name has one value of an attribute (RFC 4512 §2.3.1), and theirs tells it apart as well as ours.
        if new_rdn.value(name).is_none() {
            new_rdn = new_rdn.and(name.clone(), value.clone());
        }
    }
    Some(new_rdn)
}

/// What the directory makes of an entry when it is renamed and the old name's values go.
fn rename_to(entry: &mut Entry, new_rdn: Rdn, schema: &Schema) {
    let old_parts = entry.dn.rdn().map(|rdn| rdn.parts().to_vec()).unwrap_or_default();
    for (name, value) in &old_parts {
        if let Some(values) = entry.attributes.get_mut(name) {
            values.retain(|present| !same(schema, name, present, value));
        }
    }
    for (name, value) in new_rdn.parts() {
        let values = entry.attributes.entry(name.clone()).or_default();
        if !values.contains(value) {
            values.push(value.clone());
        }
    }
    entry.dn = entry.dn.parent().unwrap_or_default().child(new_rdn);
}

fn same(schema: &Schema, attribute: &AttributeName, left: &Value, right: &Value) -> bool {
    schema.matching(attribute).unwrap_or(Matching::Octets).equal(left, right)
}

/// What an attribute needs to be as wanted.
///
/// Owned texts are wanted byte for byte, so that a change of case alone arrives: the directory keeps
/// what it is sent. Names of entries, numbers, truth values and times are wanted by their meaning: every
/// server prints them in its own way.
fn modifications(
    name: &AttributeName,
    wanted: &DesiredAttribute,
    entry: &Entry,
    classes: &[Value],
    schema: &Schema,
) -> Vec<Modification> {
    let present = entry.values(name);
    let rule = schema.matching(name);
    let values = distinct(&wanted.values, rule);
    let identical = |left: &Value, right: &Value| match rule {
        Some(
            rule @ (Matching::DistinguishedName | Matching::Integer | Matching::Boolean | Matching::GeneralizedTime),
        ) => rule.equal(left, right),
        _ => left == right,
    };
    let holds = |values: &[Value], value: &Value| values.iter().any(|other| identical(other, value));
    let (surplus, lacking): (Vec<Value>, Vec<Value>) = match wanted.ownership {
        Ownership::Initial if present.is_empty() && is_newly_demanded(name, entry, classes, schema) => {
            (Vec::new(), values.clone())
        }
        Ownership::Initial => (Vec::new(), Vec::new()),
        Ownership::Owned => (
            present.iter().filter(|value| !holds(&values, value)).cloned().collect(),
            values.iter().filter(|value| !holds(present, value)).cloned().collect(),
        ),
        Ownership::Shared => {
            let equal = |left: &Value, right: &Value| rule.unwrap_or(Matching::Octets).equal(left, right);
            (
                present
                    .iter()
                    .filter(|value| wanted.unwanted.iter().any(|other| equal(other, value)))
                    .cloned()
                    .collect(),
                values.iter().filter(|value| !present.iter().any(|other| equal(other, value))).cloned().collect(),
            )
        }
    };
    // What names the entry cannot be taken from it (RFC 4511 §4.6), and where somebody else chose the
    // naming attribute it is not ours to choose another.
    let named = entry.dn.rdn().and_then(|rdn| rdn.value(name));
    let surplus: Vec<Value> =
        surplus.into_iter().filter(|value| named.is_none_or(|named| !same(schema, name, named, value))).collect();
    let stays = |value: &&Value| !surplus.contains(value);
    let lacking: Vec<Value> = lacking
        .into_iter()
        .filter(|value| !present.iter().filter(stays).any(|kept| same(schema, name, kept, value)))
        .collect();
    if surplus.is_empty() && lacking.is_empty() {
        return Vec::new();
    }
    // Passwords are exchanged as one too: a policy asks whoever names the old one to delete it for the old one in clear.
    if rule.is_none() || *name == AttributeName::of(PASSWORD_ATTRIBUTE) {
        let kept = present.iter().filter(|value| !surplus.contains(value)).cloned();
        let values = kept.chain(lacking).collect();
        return vec![Modification { attribute: name.clone(), action: Action::Replace, values }];
    }
    let change = |action, values: Vec<Value>| {
        (!values.is_empty()).then(|| Modification { attribute: name.clone(), action, values })
    };
    [change(Action::Delete, surplus), change(Action::Add, lacking)].into_iter().flatten().collect()
}

/// Whether a class that the entry is about to get demands the attribute: an entry that was made by somebody else is
/// given what a new one would be.
fn is_newly_demanded(name: &AttributeName, entry: &Entry, classes: &[Value], schema: &Schema) -> bool {
    let present = entry.values(&AttributeName::of("objectClass"));
    let is_new = |class: &&Value| !present.iter().any(|other| Matching::CaseIgnore.equal(class, other));
    let new: Vec<Value> = classes.iter().filter(is_new).cloned().collect();
    schema.demands(&new, name)
}

/// The values without those that the directory holds equal to an earlier one and would refuse.
fn distinct(values: &[Value], rule: Option<Matching>) -> Vec<Value> {
    let rule = rule.unwrap_or(Matching::Octets);
    let mut seen = BTreeSet::new();
    values.iter().filter(|value| seen.insert(rule.normalize(value))).cloned().collect()
}

fn distinct_attributes(attributes: Attributes, schema: &Schema) -> Attributes {
    attributes.into_iter().map(|(name, values)| (name.clone(), distinct(&values, schema.matching(&name)))).collect()
}

#[cfg(test)]
mod tests;

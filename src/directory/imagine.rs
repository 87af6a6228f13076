//! What an entry is after a change, and why a server would refuse the change (RFC 4511 §4.6 to §4.9).
//!
//! Not the directory: whether an entry is there, and what is above and below it, its caller knows. Not imagined are the
//! syntax of values, rights and policies, what a server notes of a change (such as `modifyTimestamp`), and what overlays
//! do to other entries.

use std::collections::BTreeSet;

use super::attribute::{AttributeName, Matching, Value};
use super::change::{Action, Modification, Tolerance};
use super::dn::{Dn, Rdn};
use super::entry::{Attributes, Entry};
use super::schema::{Schema, Structure};
use super::violation::{STRUCTURAL_CLASS, violations};

/// Why a server would not make a change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// The LDAP result code (RFC 4511 appendix A).
    pub code: u32,
    /// What a server would say beside it.
    pub text: String,
}

impl Refusal {
    /// A refusal with that result code.
    pub fn new(code: u32, text: impl Into<String>) -> Refusal {
        Refusal { code, text: text.into() }
    }

    /// There is no such entry.
    pub fn no_such_object() -> Refusal {
        Refusal::new(32, "")
    }

    /// There is an entry of that name.
    pub fn entry_already_exists() -> Refusal {
        Refusal::new(68, "")
    }
}

/// Whether a server judges the structural classes of entries (RFC 4512 §2.4.2): some do not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Structures {
    /// It keeps them, and they cannot change.
    Kept,
    /// It does not care.
    Ignored,
}

impl Structures {
    /// As far as an entry of the server shows it.
    pub fn of(entry: &Entry) -> Structures {
        let kept = !entry.values(&AttributeName::of(STRUCTURAL_CLASS)).is_empty();
        if kept { Structures::Kept } else { Structures::Ignored }
    }
}

/// The entry that an addition makes.
///
/// # Errors
/// Why a server would refuse it.
pub fn added(dn: &Dn, attributes: &Attributes, structures: Structures, schema: &Schema) -> Result<Entry, Refusal> {
    let mut entry = Entry { dn: dn.clone(), attributes: Attributes::new() };
    for (name, values) in acceptable(attributes.iter().map(|(name, values)| (Action::Add, name, values)), schema)? {
        let name = schema.shown_as(name);
        if entry.attributes.contains_key(&name) {
            return Err(Refusal::new(20, format!("attribute '{name}' provided more than once")));
        }
        entry.attributes.insert(name, values);
    }
    // The values of its name need not be among those sent (RFC 4511 §4.7).
    for (name, value) in parts(dn.rdn()) {
        let name = schema.shown_as(name);
        let taken = schema.is_single_valued(&name) && !entry.values(&name).is_empty();
        if !taken {
            include(&mut entry, &name, value, schema);
        }
    }
    if structures == Structures::Kept {
        let classes = entry.values(&AttributeName::of("objectClass"));
        let kept = match schema.structure(classes) {
            Structure::Of(class) => class,
            Structure::Missing | Structure::Torn(..) => Value::from("top"),
        };
        entry.attributes.insert(AttributeName::of(STRUCTURAL_CLASS), vec![kept]);
    }
    judged(None, entry, schema)
}

/// The entry that modifications make of one; `None`: there is none.
///
/// # Errors
/// Why a server would refuse them.
pub fn modified(
    entry: Option<&Entry>,
    modifications: &[Modification],
    tolerance: Tolerance,
    schema: &Schema,
) -> Result<Entry, Refusal> {
    match (modified_once(entry, modifications, tolerance, schema), entry) {
        // One value twice: none of it is sent again if it is there.
        (Err(Refusal { code: 16 | 20, .. }), Some(entry)) if tolerance == Tolerance::AlreadySo => {
            let left = still_to_do(entry, modifications, schema);
            modified_once(Some(entry), &left, tolerance, schema)
        }
        (outcome, _) => outcome,
    }
}

/// The modifications without values that are as wanted already.
fn still_to_do(entry: &Entry, modifications: &[Modification], schema: &Schema) -> Vec<Modification> {
    let left = modifications.iter().map(|modification| {
        let name = schema.shown_as(&modification.attribute);
        let rule = schema.matching(&name).unwrap_or(Matching::Octets);
        let wanted = modification.action == Action::Add;
        let is_so = |value: &&Value| entry.values(&name).iter().any(|held| rule.equal(held, value)) == wanted;
        let values = modification.values.iter().filter(|value| !is_so(value)).cloned().collect();
        Modification { values, ..modification.clone() }
    });
    left.filter(|modification| !modification.values.is_empty()).collect()
}

fn modified_once(
    entry: Option<&Entry>,
    modifications: &[Modification],
    tolerance: Tolerance,
    schema: &Schema,
) -> Result<Entry, Refusal> {
    let sent = modifications.iter().map(|part| (part.action, &part.attribute, &part.values));
    let acceptable = acceptable(sent, schema)?;
    let entry = entry.ok_or_else(Refusal::no_such_object)?;
    let mut after = entry.clone();
    for (modification, (attribute, values)) in modifications.iter().zip(acceptable) {
        let name = schema.shown_as(attribute);
        let rule = schema.matching(&name);
        let held = after.attributes.entry(name.clone()).or_default();
        match modification.action {
            Action::Add => add_values(held, values, rule, tolerance).map_err(|why| why.of("add", &name))?,
            Action::Delete => delete_values(held, &values, rule, tolerance).map_err(|why| why.of("delete", &name))?,
            Action::Replace => *held = values,
        }
        if held.is_empty() {
            after.attributes.remove(&name);
        }
    }
    keep_structure(entry, &after, schema)?;
    judged(Some(entry), after, schema)
}

/// The entry by another name: the old name's values go, and the new one's come.
///
/// # Errors
/// Why a server would refuse the name.
pub fn renamed(entry: &Entry, new_rdn: &Rdn, new_parent: Option<&Dn>, schema: &Schema) -> Result<Entry, Refusal> {
    let mut after = entry.clone();
    for (name, value) in parts(entry.dn.rdn()) {
        let name = schema.shown_as(name);
        let rule = schema.matching(&name).unwrap_or(Matching::Octets);
        if let Some(held) = after.attributes.get_mut(&name) {
            held.retain(|other| !rule.equal(other, value));
            if held.is_empty() {
                after.attributes.remove(&name);
            }
        }
    }
    for (name, value) in new_rdn.parts() {
        include(&mut after, &schema.shown_as(name), value, schema);
    }
    let parent = new_parent.cloned().or_else(|| entry.dn.parent()).unwrap_or_default();
    after.dn = parent.child(new_rdn.clone());
    // Servers that show an entry's name among its attributes (RFC 5020) show the new one.
    if let Some(shown) = after.attributes.get_mut(&AttributeName::of("entryDN")) {
        *shown = vec![Value::from(&after.dn)];
    }
    judged(Some(entry), after, schema)
}

fn parts(rdn: Option<&Rdn>) -> &[(AttributeName, Value)] {
    rdn.map(Rdn::parts).unwrap_or_default()
}

fn include(entry: &mut Entry, name: &AttributeName, value: &Value, schema: &Schema) {
    let rule = schema.matching(name).unwrap_or(Matching::Octets);
    let held = entry.attributes.entry(name.clone()).or_default();
    if !held.iter().any(|other| rule.equal(other, value)) {
        held.push(value.clone());
    }
}

/// The attributes of a request, in which the same bytes go over the wire once. What is wrong with the request is found
/// before the entry is looked at.
fn acceptable<'a>(
    sent: impl Iterator<Item = (Action, &'a AttributeName, &'a Vec<Value>)>,
    schema: &Schema,
) -> Result<Vec<(&'a AttributeName, Vec<Value>)>, Refusal> {
    let mut attributes = Vec::new();
    for (action, name, values) in sent {
        attributes.push((name, acceptable_values(action, name, values, schema)?));
    }
    match attributes.iter().find(|(name, _)| schema.is_for_the_server_alone(name)) {
        Some((name, _)) => Err(Refusal::new(19, format!("{name}: no user modification allowed"))),
        None => Ok(attributes),
    }
}

fn acceptable_values(
    action: Action,
    name: &AttributeName,
    values: &[Value],
    schema: &Schema,
) -> Result<Vec<Value>, Refusal> {
    if !schema.knows_attribute(name) {
        return Err(Refusal::new(17, format!("{name}: attribute type undefined")));
    }
    let mut sent = BTreeSet::new();
    let values: Vec<Value> = values.iter().filter(|value| sent.insert(*value)).cloned().collect();
    if name.attribute_type() == "objectclass"
        && let Some(at) = values.iter().position(|class| !schema.knows_class(class))
    {
        // To OpenLDAP a class that it does not know is no value at all.
        return Err(Refusal::new(21, format!("{name}: value #{at} invalid per syntax")));
    }
    if action == Action::Delete {
        return Ok(values);
    }
    if values.len() > 1 && schema.is_single_valued(name) {
        return Err(Refusal::new(19, format!("{name}: multiple values provided")));
    }
    if let Some(rule) = schema.matching(name) {
        let mut seen = BTreeSet::new();
        if let Some(at) = values.iter().position(|value| !seen.insert(rule.normalize(value))) {
            return Err(Refusal::new(20, format!("{name}: value #{at} provided more than once")));
        }
    }
    Ok(values)
}

/// Why the values of one attribute cannot be changed so.
enum Obstacle {
    AlreadyThere(usize),
    NoSuchValue,
    NoSuchAttribute,
    NoRule,
}

impl Obstacle {
    fn of(&self, action: &str, name: &AttributeName) -> Refusal {
        let (code, what) = match self {
            Obstacle::AlreadyThere(at) => (20, format!("value #{at} already exists")),
            Obstacle::NoSuchValue => (16, "no such value".to_owned()),
            Obstacle::NoSuchAttribute => (16, "no such attribute".to_owned()),
            Obstacle::NoRule => (18, "no equality matching rule".to_owned()),
        };
        Refusal::new(code, format!("modify/{action}: {name}: {what}"))
    }
}

fn add_values(
    held: &mut Vec<Value>,
    values: Vec<Value>,
    rule: Option<Matching>,
    tolerance: Tolerance,
) -> Result<(), Obstacle> {
    let Some(rule) = rule.or(held.is_empty().then_some(Matching::Octets)) else {
        return Err(Obstacle::NoRule);
    };
    let present: BTreeSet<Vec<u8>> = held.iter().map(|value| rule.normalize(value)).collect();
    for (at, value) in values.into_iter().enumerate() {
        match (present.contains(&rule.normalize(&value)), tolerance) {
            (false, _) => held.push(value),
            (true, Tolerance::AlreadySo) => {}
            (true, Tolerance::Exact) => return Err(Obstacle::AlreadyThere(at)),
        }
    }
    Ok(())
}

/// No values: all of them.
fn delete_values(
    held: &mut Vec<Value>,
    values: &[Value],
    rule: Option<Matching>,
    tolerance: Tolerance,
) -> Result<(), Obstacle> {
    if rule.is_none() && !values.is_empty() {
        return Err(Obstacle::NoRule);
    }
    match (held.is_empty(), tolerance) {
        (true, Tolerance::AlreadySo) => return Ok(()),
        (true, Tolerance::Exact) => return Err(Obstacle::NoSuchAttribute),
        (false, _) if values.is_empty() => {
            held.clear();
            return Ok(());
        }
        (false, _) => {}
    }
    let rule = rule.unwrap_or(Matching::Octets);
    let unwanted: BTreeSet<Vec<u8>> = values.iter().map(|value| rule.normalize(value)).collect();
    let before = held.len();
    held.retain(|value| !unwanted.contains(&rule.normalize(value)));
    let all_were_there = before - held.len() == unwanted.len();
    if all_were_there || tolerance == Tolerance::AlreadySo { Ok(()) } else { Err(Obstacle::NoSuchValue) }
}

/// What kind of thing an entry is never changes (RFC 4512 §2.4.2).
fn keep_structure(before: &Entry, after: &Entry, schema: &Schema) -> Result<(), Refusal> {
    let Some(kept) = before.values(&AttributeName::of(STRUCTURAL_CLASS)).first() else {
        return Ok(());
    };
    match schema.structure(after.values(&AttributeName::of("objectClass"))) {
        Structure::Of(class) if !schema.same_class(&class, kept) => {
            let name = |class: &Value| String::from_utf8_lossy(class.as_bytes()).into_owned();
            let (kept, class) = (name(kept), name(&class));
            let text = format!("structural object class modification from '{kept}' to '{class}' not allowed");
            Err(Refusal::new(69, text))
        }
        _ => Ok(()),
    }
}

/// The entry, unless it is against the schema in a way in which it was not before.
fn judged(before: Option<&Entry>, after: Entry, schema: &Schema) -> Result<Entry, Refusal> {
    let found = violations(&after, schema);
    let known = before.map(|before| violations(before, schema)).unwrap_or_default();
    match found.difference(&known).next() {
        Some(violation) => Err(Refusal::new(violation.code(), violation.text())),
        None => Ok(after),
    }
}

#[cfg(test)]
mod tests;

//! Where an entry is against the schema (RFC 4512 §2.3 and §2.4), and what a server says of it.
//!
//! Not the syntax of values. An entry may have been against the schema for years, because the schema was another one
//! then: what a change is to blame for is what was not so before it.

use std::collections::BTreeSet;

use super::attribute::{AttributeName, Matching, Value};
use super::entry::Entry;
use super::schema::{Schema, Structure};

/// The attribute in which servers keep the structural class of an entry (RFC 4512 §3.4.6). Not all do, and those do not
/// judge it either.
pub const STRUCTURAL_CLASS: &str = "structuralObjectClass";

/// One thing that is against the schema, in the order in which OpenLDAP looks for them.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Violation {
    /// An attribute that may have one value has more.
    SeveralValues(AttributeName),
    /// The entry is of no class.
    NoClass,
    /// No class says what kind of thing the entry is.
    NoStructure,
    /// Two classes say so, and differ.
    TornStructure(String, String),
    /// A value of the entry's name is not among its values.
    NotNamed(AttributeName),
    /// A class demands an attribute that the entry lacks.
    Missing {
        /// The class.
        class: String,
        /// The attribute.
        attribute: AttributeName,
    },
    /// No class allows an attribute.
    NotAllowed(AttributeName),
}

impl Violation {
    /// The LDAP result code of a change that brings it about (RFC 4511 appendix A).
    pub fn code(&self) -> u32 {
        match self {
            Violation::SeveralValues(_) => 19,
            Violation::NotNamed(_) => 64,
            Violation::NoClass
            | Violation::NoStructure
            | Violation::TornStructure(..)
            | Violation::Missing { .. }
            | Violation::NotAllowed(_) => 65,
        }
    }

    /// What OpenLDAP says beside the result code.
    pub fn text(&self) -> String {
        match self {
            Violation::SeveralValues(attribute) => format!("attribute '{attribute}' cannot have multiple values"),
            Violation::NoClass => "no objectClass attribute".to_owned(),
            Violation::NoStructure => "no structural object class provided".to_owned(),
            Violation::TornStructure(one, other) => format!("invalid structural object class chain ({one}/{other})"),
            Violation::NotNamed(attribute) => {
                format!("value of naming attribute '{attribute}' is not present in entry")
            }
            Violation::Missing { class, attribute } => {
                format!("object class '{class}' requires attribute '{attribute}'")
            }
            Violation::NotAllowed(attribute) => format!("attribute '{attribute}' not allowed"),
        }
    }
}

/// All that is against the schema in an entry.
pub fn violations(entry: &Entry, schema: &Schema) -> BTreeSet<Violation> {
    let classes = entry.values(&AttributeName::of("objectClass"));
    let mut found = violations_of_classes(entry, classes, schema);
    for (name, values) in entry.attributes.iter().filter(|(_, values)| !values.is_empty()) {
        if values.len() > 1 && schema.is_single_valued(name) {
            found.insert(Violation::SeveralValues(name.clone()));
        }
        let is_class = name.attribute_type() == "objectclass";
        if !is_class && !schema.is_operational(name) && !schema.allows(classes, name) {
            found.insert(Violation::NotAllowed(name.clone()));
        }
    }
    for (name, value) in entry.dn.rdn().map(|rdn| rdn.parts()).unwrap_or_default() {
        let name = schema.shown_as(name);
        let rule = schema.matching(&name).unwrap_or(Matching::Octets);
        if !entry.values(&name).iter().any(|held| rule.equal(held, value)) {
            found.insert(Violation::NotNamed(name));
        }
    }
    found
}

fn violations_of_classes(entry: &Entry, classes: &[Value], schema: &Schema) -> BTreeSet<Violation> {
    let mut found = BTreeSet::new();
    if classes.is_empty() {
        found.insert(Violation::NoClass);
    }
    let held: BTreeSet<AttributeName> = entry
        .attributes
        .iter()
        .filter(|(_, values)| !values.is_empty())
        .filter_map(|(name, _)| AttributeName::parse(&name.attribute_type()))
        .map(|name| schema.shown_as(&name))
        .collect();
    // A class that is in no definition demands nothing.
    for class in classes {
        let name = String::from_utf8_lossy(class.as_bytes()).into_owned();
        let demanded = schema.demanded(std::slice::from_ref(class));
        let demanded = demanded.iter().filter_map(|name| AttributeName::parse(name));
        let missing = demanded.map(|name| schema.shown_as(&name)).filter(|name| !held.contains(name));
        found.extend(missing.map(|attribute| Violation::Missing { class: name.clone(), attribute }));
    }
    if !entry.values(&AttributeName::of(STRUCTURAL_CLASS)).is_empty() {
        match schema.structure(classes) {
            Structure::Of(_) => {}
            Structure::Missing => _ = found.insert(Violation::NoStructure),
            Structure::Torn(one, other) => _ = found.insert(Violation::TornStructure(one, other)),
        }
    }
    found
}

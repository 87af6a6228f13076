//! Entries: as observed in the directory, and as desired by the mapping.
//!
//! Not the difference between the two; that is `plan`'s.

use std::collections::BTreeMap;
use std::fmt;

use super::attribute::{AttributeName, Value};
use super::dn::{Dn, Rdn};

/// Attributes with their values, in a stable order.
pub type Attributes = BTreeMap<AttributeName, Vec<Value>>;

/// An entry as observed, restricted to the attributes that were asked for.
#[derive(Clone, Debug, PartialEq)]
pub struct Entry {
    /// Where the entry is.
    pub dn: Dn,
    /// What it holds of the attributes asked for.
    pub attributes: Attributes,
}

impl Entry {
    /// The values of an attribute; none when the entry lacks it.
    pub fn values(&self, attribute: &AttributeName) -> &[Value] {
        self.attributes.get(attribute).map(Vec::as_slice).unwrap_or_default()
    }

    /// The entry's anchor, if that attribute was asked for.
    pub fn anchor(&self, attribute: &AttributeName) -> Option<Anchor> {
        let value = self.values(attribute).first()?;
        Some(Anchor(value.as_str()?.to_owned()))
    }
}

/// What identifies an entry for its whole life, such as its `entryUUID` (RFC 4530).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Anchor(pub String);

impl fmt::Display for Anchor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Which entry belongs to a resource. Identity is the anchor; the DN is where it was last seen.
#[derive(Clone, Debug, PartialEq)]
pub struct Link {
    /// The entry's identity.
    pub anchor: Anchor,
    /// The entry's last known name.
    pub dn: Dn,
    /// What groups list it by that do not list DNs, such as its `uid`.
    pub key: Option<Value>,
    /// The names before a change that references have not all followed yet.
    pub previous: Option<Names>,
}

impl Link {
    /// By what others refer to the entry.
    pub fn names(&self) -> Names {
        Names { dn: self.dn.clone(), key: self.key.clone() }
    }
}

/// By what others refer to an entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Names {
    /// Its DN.
    pub dn: Dn,
    /// The value of an attribute of it.
    pub key: Option<Value>,
}

impl Names {
    /// The names of an entry. Of several values of the key attribute the one that names the entry counts, or the
    /// first in order.
    pub fn of(entry: &Entry, key: Option<&AttributeName>) -> Names {
        let named = |key: &AttributeName| {
            let naming = entry.dn.rdn().and_then(|rdn| rdn.value(key));
            naming.or_else(|| entry.values(key).iter().min()).cloned()
        };
        Names { dn: entry.dn.clone(), key: key.and_then(named) }
    }
}

/// Whose an attribute of an entry is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ownership {
    /// Exactly the desired values; none desired means that the attribute goes.
    Owned,
    /// At least the desired values; others stay.
    Shared,
    /// Written when the entry is created, never looked at again.
    Initial,
}

/// What the mapping wants of one attribute.
#[derive(Clone, Debug, PartialEq)]
pub struct DesiredAttribute {
    /// How far the desire reaches.
    pub ownership: Ownership,
    /// The values wanted, in the order given.
    pub values: Vec<Value>,
    /// Values that must not be there although the attribute is not owned.
    pub unwanted: Vec<Value>,
}

impl DesiredAttribute {
    /// A desire for `values`, with nothing unwanted.
    pub fn new(ownership: Ownership, values: Vec<Value>) -> DesiredAttribute {
        DesiredAttribute { ownership, values, unwanted: Vec::new() }
    }
}

/// How much of an entry's relative name a rename exchanges.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Naming {
    /// The value of the naming attribute; other parts of the name were put there by somebody else.
    Part,
    /// Parts with one of these values too: they are ours, and go when they are needed no longer.
    With(Vec<Value>),
}

/// Whether an existing entry is moved.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Placement {
    /// It stays where it is: somebody may have sorted the entries by hand.
    Initial,
    /// It belongs below the desired parent.
    Owned,
}

/// What stood in an entry before its user was disabled, for the day when they are enabled again.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct BeforeDisable {
    /// Below which entry it stood; `None`: where new ones are created.
    pub parent: Option<Dn>,
    /// What the attributes held; no values: it was not there.
    pub attributes: Attributes,
    /// Whether a lock was set for it, by whatever was configured then.
    pub lock: bool,
    /// Whether hashes were made unusable for it.
    pub password: bool,
}

/// An entry as the mapping wants it.
#[derive(Clone, Debug, PartialEq)]
pub struct DesiredEntry {
    /// Below which entry a new one is created.
    pub parent: Dn,
    /// Whether an existing one belongs there too.
    pub placement: Placement,
    /// The name wanted.
    pub rdn: Rdn,
    /// How much of an existing entry's name the desire reaches.
    pub naming: Naming,
    /// What is wanted of each attribute; one that is not named here is never touched.
    pub attributes: BTreeMap<AttributeName, DesiredAttribute>,
}

impl DesiredEntry {
    /// The name of the entry if it were created now.
    pub fn dn(&self) -> Dn {
        self.parent.child(self.rdn.clone())
    }

    /// What the entry holds when it is created: every desired value and those of its name.
    pub fn initial_attributes(&self) -> Attributes {
        let mut attributes: Attributes = self
            .attributes
            .iter()
            .filter(|(_, desired)| !desired.values.is_empty())
            .map(|(name, desired)| (name.clone(), desired.values.clone()))
            .collect();
        for (name, value) in self.rdn.parts() {
            let values = attributes.entry(name.clone()).or_default();
            if !values.contains(value) {
                values.push(value.clone());
            }
        }
        attributes
    }
}

//! Changes: one value of [`Change`] is one LDAP update operation (RFC 4511 §4.6 to §4.9).
//!
//! Not a plan: the reason for a change and the order of several are `plan`'s.

use super::attribute::{AttributeName, Value};
use super::dn::{Dn, Rdn};
use super::entry::Attributes;

/// One update of the directory.
#[derive(Clone, Debug, PartialEq)]
pub enum Change {
    /// Create an entry.
    Add {
        /// Its name.
        dn: Dn,
        /// Its attributes.
        attributes: Attributes,
    },
    /// Change values of an entry, all or none.
    Modify {
        /// Its name.
        dn: Dn,
        /// What to add and what to take away.
        modifications: Vec<Modification>,
        /// What a value that is already as wanted means.
        tolerance: Tolerance,
    },
    /// Give an entry another name, below the same parent or another; the old name's values go.
    Rename {
        /// Its present name.
        dn: Dn,
        /// Its new relative name.
        new_rdn: Rdn,
        /// The entry that it is moved below; `None`: it stays where it is.
        new_parent: Option<Dn>,
    },
    /// Remove an entry.
    Delete {
        /// Its name.
        dn: Dn,
    },
}

impl Change {
    /// Below which names the change needs the right to write: that of its entry, and where it is moved to.
    pub fn reach(&self) -> impl Iterator<Item = Dn> {
        let target = match self {
            Change::Rename { new_rdn, new_parent: Some(parent), .. } => Some(parent.child(new_rdn.clone())),
            _ => None,
        };
        std::iter::once(self.dn().clone()).chain(target)
    }

    /// The entry that the change is about, by its name before the change.
    pub fn dn(&self) -> &Dn {
        match self {
            Change::Add { dn, .. } | Change::Modify { dn, .. } | Change::Rename { dn, .. } | Change::Delete { dn } => {
                dn
            }
        }
    }
}

/// One attribute's part of a [`Change::Modify`].
#[derive(Clone, Debug, PartialEq)]
pub struct Modification {
    /// The attribute.
    pub attribute: AttributeName,
    /// What happens to the values.
    pub action: Action,
    /// The values it happens to.
    pub values: Vec<Value>,
}

/// What a modification does with its values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// Add these values.
    Add,
    /// Take these values away.
    Delete,
    /// These values instead of all others: only for attributes without an equality rule, whose
    /// values cannot be named one by one (RFC 4511 §4.6).
    Replace,
}

/// What it means when a value to be added is there already, or one to be deleted is not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tolerance {
    /// The entry is not as it was observed: look again.
    Exact,
    /// As wanted. For members, which are changed without reading the list.
    AlreadySo,
}

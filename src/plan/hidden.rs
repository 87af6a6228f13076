//! What of a plan nobody may see: the values of passwords, hashed or not.
//!
//! Not how a plan looks; that is `render`'s. Invariant: whatever is written or printed of a plan went through here, and
//! what went through here goes through again unchanged.

use std::collections::BTreeSet;

use serde::{Serialize, Serializer};

use crate::directory::attribute::PASSWORD_ATTRIBUTE;
use crate::directory::{AttributeName, Attributes, Change, Modification, Value};

/// What stands where a password would.
pub const HIDDEN: &str = "(hidden)";

/// `userPassword` as RFC 4519 §2.41 numbers it.
const PASSWORD_OID: &str = "2.5.4.35";

/// What others keep passwords in, or what lets in as one does. Entries hold it beside what is mapped: an entry that is
/// deleted is read in full.
const OTHER_PASSWORDS: [&str; 9] = [
    "authPassword",
    "ipaNTHash",
    "krbPrincipalKey",
    "radiusTunnelPassword",
    "sambaClearTextPassword",
    "sambaLMPassword",
    "sambaNTPassword",
    "sambaPasswordHistory",
    "unicodePwd",
];

/// Whether the values of the attribute are passwords, whatever options it has.
pub fn is_password(attribute: &AttributeName) -> bool {
    let attribute_type = attribute.attribute_type();
    let mut names = OTHER_PASSWORDS.iter().chain([&PASSWORD_ATTRIBUTE]);
    names.any(|name| attribute_type.eq_ignore_ascii_case(name)) || attribute_type == PASSWORD_OID
}

/// The change with [`HIDDEN`] for every password. Two changes that differ in passwords alone are the same then.
pub fn without_passwords(change: &Change) -> Change {
    shown_change(change, &BTreeSet::new())
}

/// The attributes with [`HIDDEN`] for every password.
pub fn attributes_without_passwords(attributes: &Attributes) -> Attributes {
    let show = |(name, values): (&AttributeName, &Vec<Value>)| (name.clone(), shown(name, values, &BTreeSet::new()));
    attributes.iter().map(show).collect()
}

/// The values of an attribute as they may be shown: [`HIDDEN`] for those of a password, and of an attribute that an
/// operator wants hidden, whatever options it has.
pub fn shown(attribute: &AttributeName, values: &[Value], hide: &BTreeSet<AttributeName>) -> Vec<Value> {
    let is_hidden = || hide.iter().any(|hidden| hidden.attribute_type() == attribute.attribute_type());
    if is_password(attribute) || is_hidden() {
        return values.iter().map(|_| Value::from(HIDDEN)).collect();
    }
    values.to_vec()
}

/// A change as it may be shown, its values as [`shown`] has them. Names of entries stay as they are.
pub fn shown_change(change: &Change, hide: &BTreeSet<AttributeName>) -> Change {
    match change {
        Change::Add { dn, attributes } => {
            let show = |(name, values): (&AttributeName, &Vec<Value>)| (name.clone(), shown(name, values, hide));
            Change::Add { dn: dn.clone(), attributes: attributes.iter().map(show).collect() }
        }
        Change::Modify { dn, modifications, tolerance } => {
            let show = |one: &Modification| Modification {
                attribute: one.attribute.clone(),
                action: one.action,
                values: shown(&one.attribute, &one.values, hide),
            };
            let modifications = modifications.iter().map(show).collect();
            Change::Modify { dn: dn.clone(), modifications, tolerance: *tolerance }
        }
        Change::Rename { .. } | Change::Delete { .. } => change.clone(),
    }
}

/// Writes a change without its passwords.
///
/// # Errors
/// The serializer's.
pub(super) fn serialize_change<S: Serializer>(change: &Change, serializer: S) -> Result<S::Ok, S::Error> {
    without_passwords(change).serialize(serializer)
}

/// Writes attributes without their passwords.
///
/// # Errors
/// The serializer's.
pub(super) fn serialize_attributes<S: Serializer>(attributes: &Attributes, serializer: S) -> Result<S::Ok, S::Error> {
    attributes_without_passwords(attributes).serialize(serializer)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_an_operator_wants_hidden_is_hidden_beside_passwords() {
        let hide = [AttributeName::of("employeeNumber")].into();
        let values = [Value::from("7"), Value::from("8")];
        let seen = |name| shown(&AttributeName::of(name), &values, &hide);
        assert_eq!(seen("EMPLOYEENUMBER;x-old"), [Value::from(HIDDEN), Value::from(HIDDEN)]);
        assert_eq!(seen("userPassword"), [Value::from(HIDDEN), Value::from(HIDDEN)]);
        assert_eq!(seen("employeeType"), values);
    }

    #[test]
    fn a_password_is_one_in_every_writing() {
        for text in ["userPassword", "USERPASSWORD;x-old", "2.5.4.35", "sambantpassword", "krbPrincipalKey"] {
            assert!(is_password(&AttributeName::parse(text).unwrap()), "{text}");
        }
        for text in ["userPasswordHint", "uid", "pwdHistory;userPassword"] {
            assert!(!is_password(&AttributeName::parse(text).unwrap()), "{text}");
        }
    }
}

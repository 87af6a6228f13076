//! Which directory server this is, and what follows from it. The only place that asks.
//!
//! Not a feature list of servers: what a server advertises is believed, what it is known to do
//! without saying so stands here.

use super::attribute::AttributeName;
use super::entry::Entry;

/// Permissive modify: values already there and values already gone are no error.
pub const PERMISSIVE_MODIFY: &str = "1.2.840.113556.1.4.1413";
/// Post-read (RFC 4527 §3.2).
pub const POST_READ: &str = "1.3.6.1.1.13.2";

/// What locks an account where OpenLDAP's ppolicy overlay is in force. The policy needs
/// `pwdLockout: TRUE`: without it the value is stored and the user still binds.
pub const LOCK_ATTRIBUTE: &str = "pwdAccountLockedTime";
/// The value of [`LOCK_ATTRIBUTE`] that only an administrator takes away (draft-behera-ldap-password-policy
/// §5.3.3); any other is the time of a lock after failed logins, which is not ours.
pub const LOCKED_FOR_GOOD: &str = "000001010000Z";

/// The root DSE attributes that tell the flavor, and where the schema and the entries are.
pub const ROOT_DSE_ATTRIBUTES: [&str; 4] = ["objectClass", "supportedControl", "subschemaSubentry", "namingContexts"];

/// What a server can do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Flavor {
    /// Whether the permissive-modify control may be sent.
    pub permissive_modify: bool,
    /// Whether an add can return the new entry's anchor.
    pub post_read: bool,
}

impl Flavor {
    /// Reads the flavor from the root DSE (RFC 4512 §5.1).
    pub fn of(root_dse: &Entry) -> Flavor {
        let has = |attribute: &'static str, wanted: &str| {
            let values = root_dse.values(&AttributeName::of(attribute));
            values.iter().any(|value| value.as_str().is_some_and(|text| text.eq_ignore_ascii_case(wanted)))
        };
        // OpenLDAP honours the permissive-modify control without advertising it (for additions; for
        // deletions in part, which the client makes up for).
        let openldap = has("objectClass", "OpenLDAProotDSE");
        Flavor {
            permissive_modify: openldap || has("supportedControl", PERMISSIVE_MODIFY),
            post_read: has("supportedControl", POST_READ),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::directory::{Dn, Value};

    #[track_caller]
    fn check(attributes: &[(&'static str, &str)], permissive_modify: bool, post_read: bool) {
        let mut entry = Entry { dn: Dn::default(), attributes: Default::default() };
        for (name, value) in attributes {
            entry.attributes.entry(AttributeName::of(name)).or_default().push(Value::from(*value));
        }
        assert_eq!(Flavor::of(&entry), Flavor { permissive_modify, post_read });
    }

    #[test]
    fn openldap_is_known_to_be_permissive_and_others_are_believed() {
        check(&[("objectClass", "OpenLDAProotDSE"), ("supportedControl", POST_READ)], true, true);
        check(&[("objectClass", "top")], false, false);
        check(&[("supportedControl", PERMISSIVE_MODIFY)], true, false);
    }
}

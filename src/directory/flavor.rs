//! Which directory server this is, and what follows from it. The only place that asks.
//!
//! Not a feature list of servers: what a server advertises is believed, what it is known to do
//! without saying so stands here.

use super::attribute::{AttributeName, Matching, Value};
use super::entry::Entry;

/// Permissive modify: values already there and values already gone are no error.
pub const PERMISSIVE_MODIFY: &str = "1.2.840.113556.1.4.1413";
/// Post-read (RFC 4527 §3.2).
pub const POST_READ: &str = "1.3.6.1.1.13.2";
/// Results in pages (RFC 2696).
pub const PAGED_RESULTS: &str = "1.2.840.113556.1.4.319";
/// Transactions (RFC 5805 §4), an extended operation.
pub const TRANSACTIONS: &str = "1.3.6.1.1.21.1";
/// The password policy (draft-behera-ldap-password-policy §6). OpenLDAP advertises it when the overlay's module is
/// loaded, wherever it is on.
pub const PASSWORD_POLICY: &str = "1.3.6.1.4.1.42.2.27.8.5.1";
/// OpenLDAP's No-Op: a change is judged and not made. OpenLDAP honours it without advertising it.
pub const NO_OPERATION: &str = "1.3.6.1.4.1.4203.666.5.2";

/// The root DSE attributes that tell the flavor, and where the schema and the entries are.
pub const ROOT_DSE_ATTRIBUTES: [&str; 4] = ["objectClass", "supportedControl", "subschemaSubentry", "namingContexts"];

/// What keeps somebody from logging in: an operational attribute, shown to who asks for it by name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AccountLock {
    attribute: &'static str,
    locked: &'static str,
}

impl AccountLock {
    /// All that some server has.
    pub const ALL: [AccountLock; 2] = [AccountLock::PASSWORD_POLICY, AccountLock::ACCOUNT_INACTIVATION];

    /// OpenLDAP's, where the overlay ppolicy is in force. The policy needs `pwdLockout: TRUE`: without it the value is
    /// stored and the user still binds. This value only an administrator takes away (draft-behera-ldap-password-policy
    /// §5.3.3); any other is the time of a lock after failed logins, which is not ours.
    pub const PASSWORD_POLICY: AccountLock = AccountLock { attribute: "pwdAccountLockedTime", locked: "000001010000Z" };

    /// That of 389 Directory Server, which needs no policy.
    pub const ACCOUNT_INACTIVATION: AccountLock = AccountLock { attribute: "nsAccountLock", locked: "TRUE" };

    /// The attribute.
    pub fn attribute(&self) -> AttributeName {
        AttributeName::of(self.attribute)
    }

    /// The value that locks for good.
    pub fn locked(&self) -> Value {
        Value::from(self.locked)
    }

    /// Whether a value means the same to the server, which takes `true` for `TRUE`, and a time for the same time
    /// written otherwise.
    pub fn is_locked(&self, value: &Value) -> bool {
        let is_same = |text: &str| text.eq_ignore_ascii_case(self.locked);
        value.as_str().is_some_and(is_same) || Matching::GeneralizedTime.equal(value, &self.locked())
    }
}

/// What a server can do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Flavor {
    /// Whether the permissive-modify control may be sent.
    pub permissive_modify: bool,
    /// Whether an add can return the new entry's anchor.
    pub post_read: bool,
    /// What locks an account.
    pub lock: AccountLock,
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
            lock: AccountLock::PASSWORD_POLICY,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::directory::Dn;

    #[track_caller]
    fn check(attributes: &[(&'static str, &str)], permissive_modify: bool, post_read: bool) {
        let mut entry = Entry { dn: Dn::default(), attributes: Default::default() };
        for (name, value) in attributes {
            entry.attributes.entry(AttributeName::of(name)).or_default().push(Value::from(*value));
        }
        assert_eq!(Flavor::of(&entry), Flavor { permissive_modify, post_read, lock: AccountLock::PASSWORD_POLICY });
    }

    #[test]
    fn openldap_is_known_to_be_permissive_and_others_are_believed() {
        check(&[("objectClass", "OpenLDAProotDSE"), ("supportedControl", POST_READ)], true, true);
        check(&[("objectClass", "top")], false, false);
        check(&[("supportedControl", PERMISSIVE_MODIFY)], true, false);
    }
}

//! Which directory server this is, and what follows from it. The only place that asks.
//!
//! Not a feature list of servers: what a server advertises is believed, what it is known to do
//! without saying so stands here.

use super::attribute::{AttributeName, Matching, Value};
use super::entry::Entry;

/// Permissive modify: values already there and values already gone are no error.
pub const PERMISSIVE_MODIFY: &str = "1.2.840.113556.1.4.1413";
/// OpenLDAP names itself by the class of its root DSE alone.
const OPENLDAP_ROOT_DSE: &str = "OpenLDAProotDSE";
/// Post-read (RFC 4527 §3.2).
pub const POST_READ: &str = "1.3.6.1.1.13.2";
/// Results in pages (RFC 2696).
pub const PAGED_RESULTS: &str = "1.2.840.113556.1.4.319";
/// Setting a password (RFC 3062), an extended operation.
pub const PASSWORD_MODIFY: &str = "1.3.6.1.4.1.4203.1.11.1";
/// Transactions (RFC 5805 §4), an extended operation.
pub const TRANSACTIONS: &str = "1.3.6.1.1.21.1";
/// The overlays of OpenLDAP that are as if nothing had happened when a transaction is taken back. What others are on
/// may have told somebody by then: `syncprov` its replicas, `accesslog` and `auditlog` their logs.
const OVERLAYS_THAT_ROLL_BACK: [&str; 9] =
    ["constraint", "deref", "dynlist", "memberof", "ppolicy", "refint", "sssvlv", "unique", "valsort"];
/// The password policy (draft-behera-ldap-password-policy §6). OpenLDAP advertises it when the overlay's module is
/// loaded, wherever it is on.
pub const PASSWORD_POLICY: &str = "1.3.6.1.4.1.42.2.27.8.5.1";
/// OpenLDAP's No-Op: a change is judged and not made. OpenLDAP honours it without advertising it.
pub const NO_OPERATION: &str = "1.3.6.1.4.1.4203.666.5.2";

/// What identifies an entry for its whole life (RFC 4530 §2.1).
pub const ENTRY_UUID: &str = "entryUUID";
/// The same on 389 Directory Server, where only entries have an `entryUUID` that were made after the plugin for it
/// was loaded.
const NS_UNIQUE_ID: &str = "nsUniqueId";

/// The root DSE attributes that tell the flavor, and where the schema and the entries are.
pub const ROOT_DSE_ATTRIBUTES: [&str; 8] = [
    "objectClass",
    "supportedControl",
    "supportedExtension",
    "subschemaSubentry",
    "namingContexts",
    "monitorContext",
    "vendorName",
    "vendorVersion",
];

/// What an operator lets the bridge do with transactions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transactions {
    /// They are used where that is safe. No server is known where it is: slapd 2.5.13 numbers the attributes of a
    /// transaction that is taken back in memory alone, and entries that are added with them afterwards cannot be read, or
    /// lose them at the next start (seen).
    Auto,
    /// They are used where the server offers them, whatever that does to it.
    Unsafe,
    /// Every change goes alone.
    Off,
}

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
    /// Whether changes may be sent in transactions, to a server that shows what becomes of a connection (see
    /// `ldap`'s `batch`): OpenLDAP does, and no other server is known to need it or to offer transactions.
    pub transactions: bool,
    /// What locks an account.
    pub lock: AccountLock,
    anchor: &'static str,
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
        let openldap = has("objectClass", OPENLDAP_ROOT_DSE);
        let ds389 = has("vendorName", "389 Project");
        Flavor {
            permissive_modify: openldap || has("supportedControl", PERMISSIVE_MODIFY),
            post_read: has("supportedControl", POST_READ),
            transactions: openldap && has("supportedExtension", TRANSACTIONS),
            lock: if ds389 { AccountLock::ACCOUNT_INACTIVATION } else { AccountLock::PASSWORD_POLICY },
            anchor: if ds389 { NS_UNIQUE_ID } else { ENTRY_UUID },
        }
    }

    /// The attribute that identifies an entry for its whole life.
    pub fn anchor(&self) -> AttributeName {
        AttributeName::of(self.anchor)
    }
}

/// Whether a transaction can be taken back on a database with that overlay, and nobody has heard of it.
pub fn rolls_back(overlay: &str) -> bool {
    OVERLAYS_THAT_ROLL_BACK.iter().any(|known| known.eq_ignore_ascii_case(overlay))
}

/// How a server names itself in its root DSE (RFC 3045), for people.
pub fn name_of(root_dse: &Entry) -> String {
    let first = |attribute| root_dse.values(&AttributeName::of(attribute)).first().and_then(Value::as_str);
    let openldap = || {
        let mut classes = root_dse.values(&AttributeName::of("objectClass")).iter().filter_map(Value::as_str);
        classes.any(|class| class.eq_ignore_ascii_case(OPENLDAP_ROOT_DSE)).then_some("OpenLDAP")
    };
    let name = first("vendorVersion").or_else(|| first("vendorName")).or_else(openldap);
    name.unwrap_or("a server that does not name itself").to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::directory::Dn;

    #[track_caller]
    fn check(attributes: &[(&'static str, &str)], expected: &Flavor, name: &str) {
        let mut entry = Entry { dn: Dn::default(), attributes: Default::default() };
        for (name, value) in attributes {
            entry.attributes.entry(AttributeName::of(name)).or_default().push(Value::from(*value));
        }
        assert_eq!(Flavor::of(&entry), *expected);
        assert_eq!(name_of(&entry), name);
    }

    const UNKNOWN: Flavor = Flavor {
        permissive_modify: false,
        post_read: false,
        transactions: false,
        lock: AccountLock::PASSWORD_POLICY,
        anchor: ENTRY_UUID,
    };

    #[test]
    fn openldap_is_known_to_be_permissive_and_others_are_believed() {
        let openldap = Flavor { permissive_modify: true, post_read: true, ..UNKNOWN };
        check(&[("objectClass", "OpenLDAProotDSE"), ("supportedControl", POST_READ)], &openldap, "OpenLDAP");
        let transactions = ("supportedExtension", TRANSACTIONS);
        let with_transactions = Flavor { permissive_modify: true, transactions: true, ..UNKNOWN };
        check(&[("objectClass", "OpenLDAProotDSE"), transactions], &with_transactions, "OpenLDAP");
        check(&[("vendorName", "Acme"), transactions], &UNKNOWN, "Acme");
        check(&[("objectClass", "top")], &UNKNOWN, "a server that does not name itself");
        let permissive = Flavor { permissive_modify: true, ..UNKNOWN };
        check(&[("supportedControl", PERMISSIVE_MODIFY), ("vendorName", "Acme")], &permissive, "Acme");
    }

    #[test]
    fn ds389_has_a_lock_and_an_anchor_of_its_own() {
        let ds389 =
            Flavor { post_read: true, lock: AccountLock::ACCOUNT_INACTIVATION, anchor: NS_UNIQUE_ID, ..UNKNOWN };
        let version = "389-Directory/2.3.1 B2025.016.1616";
        let root_dse = [("vendorName", "389 Project"), ("vendorVersion", version), ("supportedControl", POST_READ)];
        check(&root_dse, &ds389, version);
    }
}

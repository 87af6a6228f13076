//! Who is in the benches: a user as Entra sends it, and the same user as an entry of the directory.
//!
//! Not random: a number makes a person, with the same id and anchor in every run, so that the store and the directory
//! that are filled apart from each other agree. Invariant: the entry has the attributes that the program makes of the
//! user by `config.example.toml`; [`super::writes`] compares the two.

use std::fmt::Write as _;

use serde_json::{Value, json};
use uuid::Uuid;

pub(crate) const SUFFIX: &str = "dc=example,dc=org";
pub(crate) const ENTERPRISE: &str = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User";
const PATCH: &str = "urn:ietf:params:scim:api:messages:2.0:PatchOp";

/// The value of `pwdAccountLockedTime` that locks for good.
pub(crate) const LOCKED: &str = "000001010000Z";
/// What stands in a group that has no members.
pub(crate) const NOBODY: &str = "cn=empty-group";

/// One user of a series.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Person<'a> {
    pub(crate) series: &'a str,
    pub(crate) number: usize,
}

impl Person<'_> {
    pub(crate) fn user_name(&self) -> String {
        format!("{}{}@contoso.com", self.series, self.number)
    }

    pub(crate) fn dn(&self) -> String {
        format!("uid={},ou=people,{SUFFIX}", self.user_name())
    }

    /// What Entra posts: its default mapping, for somebody whose profile is filled in.
    pub(crate) fn scim(&self) -> Value {
        let Person { number, .. } = self;
        let (user_name, family_name) = (self.user_name(), self.family_name());
        json!({
            "schemas": ["urn:ietf:params:scim:schemas:core:2.0:User", ENTERPRISE],
            "externalId": self.uuid("object").to_string(),
            "userName": user_name,
            "active": true,
            "displayName": format!("Mary {family_name}"),
            "name": {
                "formatted": format!("Mary {family_name}"), "familyName": family_name, "givenName": "Mary",
            },
            "emails": [{"primary": true, "type": "work", "value": user_name}],
            "meta": {"resourceType": "User"},
            "title": "Engineer",
            "preferredLanguage": "en-US",
            "phoneNumbers": [{"type": "work", "value": format!("+1 555 {number:07}")}],
            "addresses": [{
                "type": "work", "streetAddress": format!("{number} Main Street"), "locality": "Reno",
                "postalCode": format!("{:05}", number % 100_000),
            }],
            "roles": [],
            ENTERPRISE: {"employeeNumber": number.to_string(), "department": self.department()},
        })
    }

    /// The same as an entry.
    pub(crate) fn entry(&self) -> Vec<(&'static str, String)> {
        let Person { number, .. } = self;
        let family_name = self.family_name();
        vec![
            ("objectClass", "inetOrgPerson".to_owned()),
            ("uid", self.user_name()),
            ("cn", format!("Mary {family_name}")),
            ("displayName", format!("Mary {family_name}")),
            ("givenName", "Mary".to_owned()),
            ("sn", family_name),
            ("mail", self.user_name()),
            ("title", "Engineer".to_owned()),
            ("preferredLanguage", "en-US".to_owned()),
            ("telephoneNumber", format!("+1 555 {number:07}")),
            ("street", format!("{number} Main Street")),
            ("l", "Reno".to_owned()),
            ("postalCode", format!("{:05}", number % 100_000)),
            ("employeeNumber", number.to_string()),
            ("departmentNumber", self.department()),
        ]
    }

    /// The same in LDIF, with the anchor by which the store knows it.
    pub(crate) fn ldif(&self) -> String {
        let mut text = format!("dn: {}\n", self.dn());
        for (name, value) in self.entry() {
            // Writing to a String cannot fail.
            _ = writeln!(text, "{name}: {value}");
        }
        _ = writeln!(text, "entryUUID: {}\n", self.anchor());
        text
    }

    /// The id that the store gives.
    pub(crate) fn id(&self) -> String {
        self.uuid("id").to_string()
    }

    /// The `entryUUID`.
    pub(crate) fn anchor(&self) -> String {
        self.uuid("anchor").to_string()
    }

    fn family_name(&self) -> String {
        format!("Contoso{}", self.number)
    }

    fn department(&self) -> String {
        format!("Department {}", self.number % 100)
    }

    fn uuid(&self, purpose: &str) -> Uuid {
        uuid(&format!("{purpose} {}", self.series), self.number)
    }
}

/// One group of a series, and how many are in it when it is made.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Group<'a> {
    pub(crate) series: &'a str,
    pub(crate) number: usize,
}

impl Group<'_> {
    pub(crate) fn name(&self) -> String {
        format!("{} {}", self.series, self.number)
    }

    pub(crate) fn dn(&self) -> String {
        format!("cn={},ou=groups,{SUFFIX}", self.name())
    }

    pub(crate) fn scim(&self) -> Value {
        json!({
            "schemas": ["urn:ietf:params:scim:schemas:core:2.0:Group"],
            "externalId": uuid(&format!("object of {}", self.series), self.number).to_string(),
            "displayName": self.name(),
            "meta": {"resourceType": "Group"},
        })
    }

    /// The group in LDIF, with the anchor by which the store knows it.
    pub(crate) fn ldif<'a>(&self, members: impl Iterator<Item = Person<'a>>) -> String {
        let mut text = format!("dn: {}\nobjectClass: groupOfNames\ncn: {}\n", self.dn(), self.name());
        for member in members {
            _ = writeln!(text, "member: {}", member.dn());
        }
        _ = writeln!(text, "entryUUID: {}\n", self.anchor());
        text
    }

    pub(crate) fn id(&self) -> String {
        uuid(&format!("id of {}", self.series), self.number).to_string()
    }

    pub(crate) fn anchor(&self) -> String {
        uuid(&format!("anchor of {}", self.series), self.number).to_string()
    }
}

/// A PATCH of one operation, in Entra's spelling.
pub(crate) fn patch(op: &str, path: &str, value: Value) -> Vec<u8> {
    patches(json!([{"op": op, "path": path, "value": value}]))
}

/// A PATCH of several operations.
pub(crate) fn patches(operations: Value) -> Vec<u8> {
    json!({"schemas": [PATCH], "Operations": operations}).to_string().into_bytes()
}

/// A PATCH that adds or removes one member.
pub(crate) fn member(op: &str, id: &str) -> Vec<u8> {
    patch(op, "members", json!([{"$ref": null, "value": id}]))
}

/// The query by which Entra looks for a user.
pub(crate) fn user_query(user_name: &str) -> String {
    format!("/scim/v2/Users?filter=userName+eq+%22{}%22", user_name.replace('@', "%40"))
}

/// The query by which Entra looks for a group.
pub(crate) fn group_query(name: &str) -> String {
    let name = name.replace(' ', "+");
    format!("/scim/v2/Groups?excludedAttributes=members&filter=displayName+eq+%22{name}%22")
}

/// Spread like a random one, as the ids of real stores are.
fn uuid(purpose: &str, number: usize) -> Uuid {
    let seed = purpose.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| mixed(hash ^ u64::from(byte)));
    let high = mixed(seed.wrapping_add(number as u64));
    uuid::Builder::from_u128(u128::from(high) << 64 | u128::from(mixed(high)))
        .with_version(uuid::Version::Random)
        .with_variant(uuid::Variant::RFC4122)
        .into_uuid()
}

/// The next number after a state, as splitmix64 has it.
pub(crate) fn mixed(state: u64) -> u64 {
    let mut z = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

//! How names, values and changes are written as JSON, in plans and in the record of what was done.
//!
//! Not a schema for clients: SCIM's JSON is `scim`'s. Invariant: what is written is read back the same. A value is a
//! text where it is one, and `{"base64": "…"}` where it is not.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::{Action, AttributeName, Attributes, Change, Dn, Modification, Rdn, Tolerance, Value};

#[derive(Deserialize, Serialize)]
#[serde(untagged)]
enum Written {
    Text(String),
    Bytes { base64: String },
}

impl Serialize for Value {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let written = match self.as_str() {
            Some(text) => Written::Text(text.to_owned()),
            None => Written::Bytes { base64: STANDARD.encode(self.as_bytes()) },
        };
        written.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Value {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Value, D::Error> {
        match Written::deserialize(deserializer)? {
            Written::Text(text) => Ok(Value::from(text)),
            Written::Bytes { base64 } => STANDARD.decode(base64).map(Value::from).map_err(D::Error::custom),
        }
    }
}

impl Serialize for AttributeName {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl<'de> Deserialize<'de> for AttributeName {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<AttributeName, D::Error> {
        let text = String::deserialize(deserializer)?;
        AttributeName::parse(&text).ok_or_else(|| D::Error::custom(format!("{text:?} is not the name of an attribute")))
    }
}

impl Serialize for Dn {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Dn {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Dn, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(D::Error::custom)
    }
}

impl Serialize for Rdn {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Rdn {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Rdn, D::Error> {
        let dn = Dn::deserialize(deserializer)?;
        let is_relative = dn.parent().is_some_and(|parent| parent.rdn().is_none());
        let rdn = dn.rdn().filter(|_| is_relative).cloned();
        rdn.ok_or_else(|| D::Error::custom(format!("{dn} is not a relative name")))
    }
}

/// A change with its operation as a tag.
#[derive(Deserialize, Serialize)]
#[serde(tag = "operation", rename_all = "lowercase")]
enum Operation {
    Add {
        dn: Dn,
        attributes: BTreeMap<AttributeName, Vec<Value>>,
    },
    Modify {
        dn: Dn,
        modifications: Vec<Modified>,
        #[serde(default)]
        tolerant: bool,
    },
    Rename {
        dn: Dn,
        new_rdn: Rdn,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        new_parent: Option<Dn>,
    },
    Delete {
        dn: Dn,
    },
}

#[derive(Deserialize, Serialize)]
struct Modified {
    attribute: AttributeName,
    action: Verb,
    values: Vec<Value>,
}

#[derive(Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
enum Verb {
    Add,
    Delete,
    Replace,
}

impl Serialize for Change {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let written = match self.clone() {
            Change::Add { dn, attributes } => Operation::Add { dn, attributes },
            Change::Modify { dn, modifications, tolerance } => Operation::Modify {
                dn,
                modifications: modifications.into_iter().map(Modified::from).collect(),
                tolerant: tolerance == Tolerance::AlreadySo,
            },
            Change::Rename { dn, new_rdn, new_parent } => Operation::Rename { dn, new_rdn, new_parent },
            Change::Delete { dn } => Operation::Delete { dn },
        };
        written.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Change {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Change, D::Error> {
        Ok(match Operation::deserialize(deserializer)? {
            Operation::Add { dn, attributes } => Change::Add { dn, attributes: Attributes::from_iter(attributes) },
            Operation::Modify { dn, modifications, tolerant } => Change::Modify {
                dn,
                modifications: modifications.into_iter().map(Modification::from).collect(),
                tolerance: if tolerant { Tolerance::AlreadySo } else { Tolerance::Exact },
            },
            Operation::Rename { dn, new_rdn, new_parent } => Change::Rename { dn, new_rdn, new_parent },
            Operation::Delete { dn } => Change::Delete { dn },
        })
    }
}

impl From<Modification> for Modified {
    fn from(modification: Modification) -> Modified {
        let action = match modification.action {
            Action::Add => Verb::Add,
            Action::Delete => Verb::Delete,
            Action::Replace => Verb::Replace,
        };
        Modified { attribute: modification.attribute, action, values: modification.values }
    }
}

impl From<Modified> for Modification {
    fn from(written: Modified) -> Modification {
        let action = match written.action {
            Verb::Add => Action::Add,
            Verb::Delete => Action::Delete,
            Verb::Replace => Action::Replace,
        };
        Modification { attribute: written.attribute, action, values: written.values }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(change: &Change) {
        let text = serde_json::to_string(change).unwrap();
        assert_eq!(serde_json::from_str::<Change>(&text).unwrap(), *change, "{text}");
    }

    #[test]
    fn changes_are_read_back_as_they_were_written() {
        let dn: Dn = r"cn=\20a\2C b \2B ö\20,ou=x".parse().unwrap();
        let values = vec![Value::from("ö"), Value::from(vec![0xff, 0x00]), Value::from("{\"base64\": 1}")];
        let name = AttributeName::of("cn;lang-de");
        check(&Change::Add { dn: dn.clone(), attributes: [(name.clone(), values.clone())].into() });
        for (action, tolerance) in [
            (Action::Add, Tolerance::Exact),
            (Action::Delete, Tolerance::AlreadySo),
            (Action::Replace, Tolerance::Exact),
        ] {
            let modifications = vec![Modification { attribute: name.clone(), action, values: values.clone() }];
            check(&Change::Modify { dn: dn.clone(), modifications, tolerance });
        }
        let new_rdn = dn.rdn().unwrap().clone().and(AttributeName::of("ou"), Value::from("x+y"));
        check(&Change::Rename { dn: dn.clone(), new_rdn: new_rdn.clone(), new_parent: dn.parent() });
        check(&Change::Rename { dn: dn.clone(), new_rdn, new_parent: None });
        check(&Change::Delete { dn });
    }

    #[test]
    fn what_is_no_change_is_refused() {
        for text in [
            r#"{"operation": "burn", "dn": "cn=a"}"#,
            r#"{"operation": "delete", "dn": "a"}"#,
            r#"{"operation": "rename", "dn": "cn=a", "new_rdn": "cn=a,cn=b"}"#,
            r#"{"operation": "add", "dn": "cn=a", "attributes": {"a b": []}}"#,
        ] {
            assert!(serde_json::from_str::<Change>(text).is_err(), "{text}");
        }
    }
}

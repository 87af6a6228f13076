//! A resource's row, and what its columns mean.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::super::{Error, Intent, MemberState, State};
use crate::directory::{Anchor, AttributeName, Attributes, BeforeDisable, Dn, Link, Names, Value};
use crate::scim::{Document, Kind, Resource, ResourceId};

/// What stood in an entry before its user was disabled, as it is written: values are bytes.
#[derive(serde::Deserialize, serde::Serialize)]
struct Kept {
    parent: Option<String>,
    attributes: BTreeMap<String, Vec<String>>,
    lock: bool,
    password: bool,
}

pub(super) fn before_text(before: &BeforeDisable) -> String {
    let encode = |value: &Value| STANDARD.encode(value.as_bytes());
    let attributes = before.attributes.iter();
    let kept = Kept {
        parent: before.parent.as_ref().map(Dn::to_string),
        attributes: attributes.map(|(name, values)| (name.to_string(), values.iter().map(encode).collect())).collect(),
        lock: before.lock,
        password: before.password,
    };
    serde_json::json!(kept).to_string()
}

/// The columns of a [`Row`], as text for a statement.
macro_rules! columns {
    () => {
        "id, kind, document, version, created, modified, anchor, dn, member_key, previous_dn, previous_key, intent, \
         intent_document, pending_since, answered, may_be_disabled, before_disable, merged, adds_entry"
    };
}
pub(super) use columns;

/// The same for a statement that is put together.
pub(super) const SELECT: &str = concat!("SELECT ", columns!());

/// A resource's row.
pub(super) struct Row {
    pub(super) id: String,
    pub(super) kind: String,
    pub(super) document: Option<String>,
    pub(super) version: i64,
    pub(super) created: String,
    pub(super) modified: String,
    pub(super) anchor: Option<String>,
    pub(super) dn: Option<String>,
    pub(super) member_key: Option<Vec<u8>>,
    pub(super) previous_dn: Option<String>,
    pub(super) previous_key: Option<Vec<u8>>,
    pub(super) intent: Option<String>,
    pub(super) intent_document: Option<String>,
    pub(super) pending_since: Option<String>,
    pub(super) answered: i64,
    pub(super) may_be_disabled: i64,
    pub(super) before_disable: Option<String>,
    pub(super) merged: i64,
    pub(super) adds_entry: i64,
}

impl Row {
    /// In the order of `columns!`: to look each up by its name costs more than to read it.
    pub(super) fn read(row: &rusqlite::Row<'_>) -> rusqlite::Result<Row> {
        Ok(Row {
            id: row.get(0)?,
            kind: row.get(1)?,
            document: row.get(2)?,
            version: row.get(3)?,
            created: row.get(4)?,
            modified: row.get(5)?,
            anchor: row.get(6)?,
            dn: row.get(7)?,
            member_key: row.get(8)?,
            previous_dn: row.get(9)?,
            previous_key: row.get(10)?,
            intent: row.get(11)?,
            intent_document: row.get(12)?,
            pending_since: row.get(13)?,
            answered: row.get(14)?,
            may_be_disabled: row.get(15)?,
            before_disable: row.get(16)?,
            merged: row.get(17)?,
            adds_entry: row.get(18)?,
        })
    }

    pub(super) fn damaged(&self, what: &'static str) -> Error {
        Error::Damaged { what, id: self.id.clone() }
    }

    pub(super) fn kind(&self) -> Result<Kind, Error> {
        Kind::named(&self.kind).ok_or_else(|| self.damaged("kind"))
    }

    fn parse_document(&self, text: &str) -> Result<Document, Error> {
        serde_json::from_str(text).map_err(|_| self.damaged("document"))
    }

    fn parse_dn(&self, text: &str) -> Result<Dn, Error> {
        text.parse().map_err(|_| self.damaged("dn"))
    }

    pub(super) fn resource(&self) -> Result<Option<Resource>, Error> {
        let Some(document) = &self.document else {
            return Ok(None);
        };
        Ok(Some(Resource {
            id: ResourceId(self.id.clone()),
            kind: self.kind()?,
            document: self.parse_document(document)?,
            version: self.version,
            created: self.created.clone(),
            modified: self.modified.clone(),
        }))
    }

    pub(super) fn link(&self) -> Result<Option<Link>, Error> {
        let (Some(anchor), Some(dn)) = (&self.anchor, &self.dn) else {
            return Ok(None);
        };
        Ok(Some(Link {
            anchor: Anchor(anchor.clone()),
            dn: self.parse_dn(dn)?,
            key: self.member_key.clone().map(Value::from),
            previous: match &self.previous_dn {
                Some(dn) => Some(Names { dn: self.parse_dn(dn)?, key: self.previous_key.clone().map(Value::from) }),
                None => None,
            },
        }))
    }

    fn before_disable(&self) -> Result<Option<BeforeDisable>, Error> {
        let Some(text) = &self.before_disable else {
            return Ok(None);
        };
        let kept: Kept = serde_json::from_str(text).map_err(|_| self.damaged("before_disable"))?;
        let decode = |value: &String| Some(Value::from(STANDARD.decode(value).ok()?));
        let attribute = |(name, values): (&String, &Vec<String>)| {
            Some((AttributeName::parse(name)?, values.iter().map(decode).collect::<Option<Vec<Value>>>()?))
        };
        let attributes = kept.attributes.iter().map(attribute).collect::<Option<Attributes>>();
        Ok(Some(BeforeDisable {
            parent: kept.parent.as_deref().map(|dn| self.parse_dn(dn)).transpose()?,
            attributes: attributes.ok_or_else(|| self.damaged("before_disable"))?,
            lock: kept.lock,
            password: kept.password,
        }))
    }

    pub(super) fn state(&self) -> Result<State, Error> {
        let link = self.link()?;
        let intent = match (self.intent.as_deref(), &self.intent_document) {
            (None, _) => None,
            (Some("put"), Some(document)) => Some(Intent::Put(self.parse_document(document)?)),
            (Some("delete"), _) => Some(Intent::Delete),
            _ => return Err(self.damaged("intent")),
        };
        Ok(State {
            id: ResourceId(self.id.clone()),
            kind: self.kind()?,
            settled: self.resource()?,
            link,
            pending_since: self.pending_since.clone(),
            intent,
            answered: self.answered != 0,
            may_be_disabled: self.may_be_disabled != 0,
            before_disable: self.before_disable()?,
            merged: self.merged != 0,
            adds_entry: self.adds_entry != 0,
        })
    }
}

const MEMBER_STATES: [(MemberState, &str); 5] = [
    (MemberState::Settled, "settled"),
    (MemberState::Renewing, "renewing"),
    (MemberState::Joining, "joining"),
    (MemberState::Leaving, "leaving"),
    (MemberState::Stripped, "stripped"),
];

pub(super) fn state_text(state: MemberState) -> &'static str {
    MEMBER_STATES.iter().find(|(known, _)| *known == state).map(|(_, text)| *text).unwrap_or_default()
}

pub(super) fn member_state(group: &ResourceId, text: &str) -> Result<MemberState, Error> {
    let known = MEMBER_STATES.iter().find(|(_, known)| *known == text);
    known.map(|(state, _)| *state).ok_or_else(|| Error::Damaged { what: "member state", id: group.0.clone() })
}

pub(super) fn document_text(document: &Document) -> String {
    serde_json::Value::Object(document.clone()).to_string()
}

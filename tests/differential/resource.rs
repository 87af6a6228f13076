//! The users and groups that requests are made of: from few words, so that what a request names is often there.

use proptest::collection::{btree_set, vec};
use proptest::option::{self, weighted};
use proptest::prelude::*;
use proptest::sample::{select, subsequence};
use serde_json::{Map, Value, json};

pub(crate) const USER: &str = "urn:ietf:params:scim:schemas:core:2.0:User";
pub(crate) const GROUP: &str = "urn:ietf:params:scim:schemas:core:2.0:Group";
pub(crate) const ENTERPRISE: &str = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User";

/// Attributes with one text as their value.
pub(crate) const TEXTS: [&str; 8] =
    ["displayName", "title", "nickName", "userType", "locale", "preferredLanguage", "timezone", "externalId"];
pub(crate) const NAME_PARTS: [&str; 6] =
    ["givenName", "familyName", "middleName", "formatted", "honorificPrefix", "honorificSuffix"];
/// Multi-valued attributes whose values have `value`, `display`, `type` and `primary`.
pub(crate) const PLURALS: [&str; 4] = ["emails", "phoneNumbers", "roles", "ims"];
pub(crate) const ADDRESS_PARTS: [&str; 4] = ["formatted", "locality", "postalCode", "country"];
pub(crate) const ENTERPRISE_TEXTS: [&str; 4] = ["department", "employeeNumber", "organization", "division"];
pub(crate) const TYPES: [&str; 4] = ["work", "home", "other", "mobile"];
/// Ids as requests name them. The server's own are in lower case.
pub(crate) const IDS: [&str; 4] = ["u1", "u2", "u3", "U2"];

/// When resources were made and changed, as the server writes it.
pub(crate) const INSTANTS: [&str; 3] =
    ["2026-01-01T00:00:00.000Z", "2026-03-04T05:06:07.890Z", "2025-12-31T23:59:59.999Z"];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    User,
    Group,
}

impl Kind {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Kind::User => "User",
            Kind::Group => "Group",
        }
    }

    fn schema(self) -> &'static str {
        match self {
            Kind::User => USER,
            Kind::Group => GROUP,
        }
    }
}

pub(crate) fn word() -> impl Strategy<Value = &'static str> {
    select(vec![
        "Ada",
        "ADA",
        "ada",
        "King",
        "work",
        "Zoë",
        "ZOË",
        "Straße",
        "10",
        "9",
        "ada@example.com",
        "Ada@Example.com",
        "king@example.com",
        "Grace \"Amazing\" Hopper",
        "R\\D",
        "a/b",
        "Research and Development",
        "a ] b ) c",
        "日本",
        "🦀",
        "true",
    ])
}

/// An object of those attributes that have a value.
pub(crate) fn object(attributes: impl IntoIterator<Item = (&'static str, Option<Value>)>) -> Value {
    let assigned = attributes.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?)));
    Value::Object(assigned.collect())
}

/// Some of the attributes, each with a word.
pub(crate) fn words(names: &'static [&'static str], most: usize) -> impl Strategy<Value = Value> {
    subsequence(names, 0..=most).prop_flat_map(|names| {
        let count = names.len();
        vec(word(), count)
            .prop_map(move |words| object(names.iter().copied().zip(words.into_iter().map(|word| Some(json!(word))))))
    })
}

/// One value of a multi-valued attribute. Few differ: what is added may be there already.
pub(crate) fn element() -> impl Strategy<Value = Value> {
    let value = prop_oneof![select(vec!["Ada", "ada", "Zoë", "ZOË"]), word()];
    let display = weighted(0.1, word());
    let kind = weighted(0.9, select(&TYPES[..]));
    (value, display, kind, weighted(0.3, any::<bool>())).prop_map(|(value, display, kind, primary)| {
        object([
            ("value", Some(json!(value))),
            ("display", display.map(|text| json!(text))),
            ("type", kind.map(|text| json!(text))),
            ("primary", primary.map(|flag| json!(flag))),
        ])
    })
}

pub(crate) fn address() -> impl Strategy<Value = Value> {
    (words(&ADDRESS_PARTS, 3), select(&TYPES[..])).prop_map(|(mut address, kind)| {
        address["type"] = json!(kind);
        address
    })
}

/// Values of which one at most is primary (RFC 7643 §2.4).
fn elements(element: impl Strategy<Value = Value>) -> impl Strategy<Value = Option<Value>> {
    weighted(0.7, vec(element, 1..4)).prop_map(|elements| {
        let mut found = false;
        let one_primary = |mut element: Value| {
            if element["primary"] == true && std::mem::replace(&mut found, true) {
                element["primary"] = json!(false);
            }
            without_null(element)
        };
        Some(elements?.into_iter().map(one_primary).collect())
    })
}

/// Indexing a JSON object leaves a null behind.
fn without_null(mut element: Value) -> Value {
    if let Some(attributes) = element.as_object_mut() {
        attributes.retain(|_, value| !value.is_null());
    }
    element
}

fn enterprise() -> impl Strategy<Value = Value> {
    (words(&ENTERPRISE_TEXTS, 3), weighted(0.5, select(&IDS[..3]))).prop_map(|(mut extension, manager)| {
        if let Some(id) = manager {
            extension["manager"] = json!({"value": id});
        }
        extension
    })
}

fn is_assigned(value: &Value) -> bool {
    value.as_object().is_none_or(|attributes| !attributes.is_empty())
}

/// A user as the store holds one.
pub(crate) fn user() -> impl Strategy<Value = Value> {
    let parts = (
        words(&TEXTS, 5),
        words(&NAME_PARTS, 3),
        option::of(any::<bool>()),
        vec(elements(element()), PLURALS.len()),
        elements(address()),
        enterprise(),
        word(),
    );
    parts.prop_map(|(texts, name, active, plurals, addresses, enterprise, user_name)| {
        let mut user = Map::from_iter([("userName".to_owned(), json!(user_name))]);
        user.extend(texts.as_object().cloned().unwrap_or_default());
        let others = [("name", Some(name)), ("active", active.map(Value::from)), ("addresses", addresses)];
        let plurals = PLURALS.into_iter().zip(plurals);
        for (name, value) in others.into_iter().chain(plurals).chain([(ENTERPRISE, Some(enterprise))]) {
            if let Some(value) = value.filter(is_assigned) {
                user.insert(name.to_owned(), value);
            }
        }
        Value::Object(user)
    })
}

pub(crate) fn group() -> impl Strategy<Value = Value> {
    (word(), option::of(word()), btree_set(select(&IDS[..3]), 0..4)).prop_map(|(name, external_id, members)| {
        let members: Vec<Value> = members.into_iter().map(|id| json!({"value": id})).collect();
        let external_id = external_id.map(|text| json!(text));
        object([
            ("displayName", Some(json!(name))),
            ("externalId", external_id),
            ("members", (!members.is_empty()).then(|| json!(members))),
        ])
    })
}

/// A resource as it is shown to clients.
pub(crate) fn shown(kind: Kind, resource: impl Strategy<Value = Value>) -> impl Strategy<Value = Value> {
    let instant = || select(&INSTANTS[..]);
    (resource, select(&IDS[..3]), instant(), instant()).prop_map(move |(mut resource, id, created, modified)| {
        let mut schemas = vec![kind.schema()];
        schemas.extend(resource.get(ENTERPRISE).map(|_| ENTERPRISE));
        resource["schemas"] = json!(schemas);
        resource["id"] = json!(id);
        if kind == Kind::User && resource["active"].is_null() {
            resource["active"] = json!(true);
        }
        resource["meta"] = json!({
            "resourceType": kind.as_str(), "created": created, "lastModified": modified,
            "location": format!("/{}s/{id}", kind.as_str()), "version": "W/\"1\"",
        });
        resource
    })
}

/// The first simple value at a path, whatever the case of its letters; of a complex one its `value`.
pub(crate) fn value_at(resource: &Value, path: &str) -> Option<Value> {
    let (urn, rest) = if starts_with_urn(path) { path.rsplit_once(':')? } else { ("", path) };
    let mut value = if urn.eq_ignore_ascii_case(ENTERPRISE) { resource.get(ENTERPRISE)? } else { resource };
    for name in rest.split('.').chain(["value"]) {
        value = value.as_array().and_then(|elements| elements.first()).unwrap_or(value);
        let Some(attributes) = value.as_object() else { break };
        value = attributes.iter().find(|(key, _)| key.eq_ignore_ascii_case(name))?.1;
    }
    (!value.is_object() && !value.is_array()).then(|| value.clone())
}

pub(crate) fn starts_with_urn(path: &str) -> bool {
    path.to_lowercase().starts_with("urn:")
}

pub(crate) fn in_other_case(letter: char) -> char {
    if letter.is_ascii_uppercase() { letter.to_ascii_lowercase() } else { letter.to_ascii_uppercase() }
}

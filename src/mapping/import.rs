//! A resource read from an entry that somebody else made: the attribute map, backwards.
//!
//! Not a guess: templates and constants say nothing of the resource and are left out, and so is a value that has not
//! the form of its SCIM attribute. Invariant: the document is in the form that one of a client's takes
//! ([`Draft::read`]), and the same for the same entry, in whatever order the server lists values.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value as Json, json};

use super::{AttributeRule, GroupRules, References, Source, UserRules};
use crate::directory::{
    AccountLock, AttributeName, Dn, Entry, GeneralizedTime, Matching, Schema as Types, Syntax, Value,
};
use crate::scim::schema::{Definition, Type};
use crate::scim::{AttributePath, Document, Draft, Schema, patch, resource};

/// The user that an entry is. `references` are the resources at [`referred`], by their ids.
///
/// # Errors
/// Why the entry cannot be a user, for people.
pub fn read_user(
    rules: &UserRules,
    schema: &Schema,
    entry: &Entry,
    types: &Types,
    lock: AccountLock,
    references: &References,
) -> Result<Document, String> {
    let mut document = read(&rules.attributes, schema, entry, types, references);
    let disabled = rules.disable.is_barred(lock, entry);
    if disabled || resource::attribute(&document, "active").is_none() {
        document.insert("active".to_owned(), json!(!disabled));
    }
    judged(&rules.attributes, schema, document)
}

/// The group that an entry is, without its members.
///
/// # Errors
/// Why the entry cannot be a group, for people.
pub fn read_group(rules: &GroupRules, schema: &Schema, entry: &Entry, types: &Types) -> Result<Document, String> {
    let document = read(&rules.attributes, schema, entry, types, &References::new());
    judged(&rules.attributes, schema, document)
}

/// The entries that an entry refers to where the resource refers to resources.
pub fn referred(rules: &[AttributeRule], entry: &Entry) -> Vec<Dn> {
    let values = rules.iter().filter(|rule| rule.reference).flat_map(|rule| entry.values(&rule.ldap));
    values.filter_map(|value| value.as_str()?.parse().ok()).collect()
}

/// The document as if a client had sent it.
fn judged(rules: &[AttributeRule], schema: &Schema, document: Document) -> Result<Document, String> {
    let source = |path: &AttributePath| {
        let gives = |rule: &&AttributeRule| matches!(&rule.source, Source::Scim(from) if from.key() == path.key());
        match rules.iter().find(gives) {
            Some(rule) => format!("{path} (no value of {} can be one)", rule.ldap),
            None => format!("{path} (no attribute of the map has it as its scim path)"),
        }
    };
    let missing: Vec<String> = resource::missing(schema, &document).iter().map(source).collect();
    if !missing.is_empty() {
        return Err(format!("it lacks {}", missing.join(" and ")));
    }
    Draft::read(schema, &Json::Object(document)).map(|draft| draft.document).map_err(|error| error.detail)
}

fn read(rules: &[AttributeRule], schema: &Schema, entry: &Entry, types: &Types, references: &References) -> Document {
    let mut reader = Reader {
        rules,
        schema,
        entry,
        types,
        references,
        used: BTreeSet::new(),
        given: BTreeSet::new(),
        elements: BTreeMap::new(),
    };
    let plain = rules.iter().filter_map(|rule| match &rule.source {
        Source::Scim(path) => Some((rule, path)),
        Source::Template(_) | Source::Constant(_) | Source::Allocated(_) => None,
    });
    let mut plain: Vec<(&AttributeRule, &AttributePath)> = plain.collect();
    // Who asks for all values of an attribute takes those that nobody asks for by their type.
    plain.sort_by_key(|(_, path)| path.filter.is_none());
    let mut document = Document::new();
    for (rule, path) in plain {
        reader.place(&mut document, rule, path);
    }
    document
}

struct Reader<'a> {
    rules: &'a [AttributeRule],
    schema: &'a Schema,
    entry: &'a Entry,
    types: &'a Types,
    references: &'a References,
    /// The values that went somewhere: what several rules add up to one attribute is taken apart once.
    used: BTreeSet<(AttributeName, Value)>,
    /// The paths that have their values: of several rules for one path the first counts.
    given: BTreeSet<String>,
    /// Where the elements stand that belong to one filter.
    elements: BTreeMap<String, Vec<usize>>,
}

impl Reader<'_> {
    fn place(&mut self, document: &mut Document, rule: &AttributeRule, path: &AttributePath) {
        let definition = self.schema.declared(path.extension.as_deref(), &path.name);
        let is_complex = definition.is_some_and(|known| known.kind == Type::Complex) || path.filter.is_some();
        let sub = path.sub.clone().or_else(|| is_complex.then(|| "value".to_owned()));
        let path = AttributePath { sub, ..path.clone() };
        let Some(described) = patch::described(self.schema, &path) else {
            return;
        };
        let mut values = self.values(rule, &path);
        if values.is_empty() || self.given.contains(&path.key()) {
            return;
        }
        self.given.insert(path.key());
        let is_many = match definition {
            Some(definition) => definition.multi_valued,
            // Nobody said whether it is one: several are kept as several.
            None => path.filter.is_some() || values.len() > 1,
        };
        if !is_many {
            values.truncate(1);
        }
        self.used.extend(values.iter().map(|(value, _)| (rule.ldap.clone(), value.clone())));
        let values: Vec<Json> = values.into_iter().map(|(_, value)| value).collect();
        let container = match &path.extension {
            None => document,
            Some(urn) => match document.entry(urn.clone()).or_insert_with(|| json!({})) {
                Json::Object(extension) => extension,
                _ => return,
            },
        };
        if is_many {
            self.place_many(container, &path, described, values);
        } else if let Some(value) = values.into_iter().next() {
            place_one(container, &path, value);
        }
    }

    /// The values of one rule become one element each; the first ones of all rules with one filter share an element,
    /// and so on: the street and the place of the work address.
    fn place_many(&mut self, container: &mut Document, path: &AttributePath, described: Document, values: Vec<Json>) {
        let Json::Array(array) = container.entry(path.name.clone()).or_insert_with(|| json!([])) else {
            return;
        };
        let Some(sub) = &path.sub else {
            array.extend(values);
            return;
        };
        let elements = self.elements.entry(AttributePath { sub: None, ..path.clone() }.key()).or_default();
        for (number, value) in values.into_iter().enumerate() {
            let present = elements.get(number).and_then(|index| array.get_mut(*index)).and_then(Json::as_object_mut);
            if let Some(element) = present {
                element.insert(sub.clone(), value);
            } else if path.filter.is_some() || !array.iter().any(|element| element.get(sub) == Some(&value)) {
                let mut element = described.clone();
                element.insert(sub.clone(), value);
                elements.push(array.len());
                array.push(Json::Object(element));
            }
        }
    }

    /// The values that a rule can have written, as SCIM has them; the one that names the entry first.
    fn values(&self, rule: &AttributeRule, path: &AttributePath) -> Vec<(Value, Json)> {
        let leaf = self.schema.leaf(path).and_then(Definition::comparable);
        let of_no_one = |value: &Value| {
            let text = value.as_str();
            let constant = |other: &AttributeRule| match &other.source {
                Source::Constant(constants) if other.ldap == rule.ldap => {
                    constants.iter().any(|constant| Some(constant.as_str()) == text)
                }
                _ => false,
            };
            text.is_some_and(str::is_empty)
                || rule.default.is_some() && rule.default.as_deref() == text
                || self.rules.iter().any(constant)
                || self.used.contains(&(rule.ldap.clone(), value.clone()))
        };
        let values = self.ordered(&rule.ldap).into_iter().filter(|value| !of_no_one(value));
        let read = |value: Value| {
            let json = if rule.reference { self.reference(&value) } else { self.as_json(rule, leaf, &value) };
            json.map(|json| (value, json))
        };
        values.filter_map(read).collect()
    }

    fn ordered(&self, attribute: &AttributeName) -> Vec<Value> {
        let mut values = self.entry.values(attribute).to_vec();
        values.sort();
        if let Some(name) = self.entry.dn.rdn().and_then(|rdn| rdn.value(attribute)) {
            let rule = self.types.matching(attribute).unwrap_or(Matching::Octets);
            values.retain(|value| !rule.equal(value, name));
            values.insert(0, name.clone());
        }
        values
    }

    /// A value in the form of the SCIM attribute; `None` when it has none.
    fn as_json(&self, rule: &AttributeRule, leaf: Option<&Definition>, value: &Value) -> Option<Json> {
        let syntax = self.types.syntax(&rule.ldap);
        let text = match syntax {
            // Octets may be text, and are where SCIM has them so.
            Some(syntax) if syntax != Syntax::OctetString || rule.is_binary() => syntax.read_back(value)?,
            _ if value.as_str().is_none() && rule.is_binary() => Syntax::Binary.read_back(value)?,
            _ => value.as_str()?.to_owned(),
        };
        let kind = leaf.map_or(Type::String, |leaf| leaf.kind);
        let time = GeneralizedTime::parse(&text).filter(|_| kind == Type::DateTime);
        let time = time.and_then(|time| time.to_rfc3339());
        let json = Json::String(time.unwrap_or(text));
        resource::clean_value(leaf, "", &json).ok().flatten()
    }

    fn reference(&self, value: &Value) -> Option<Json> {
        let dn: Dn = value.as_str()?.parse().ok()?;
        self.references.iter().find(|(_, place)| **place == dn).map(|(id, _)| json!(id))
    }
}

fn place_one(container: &mut Document, path: &AttributePath, value: Json) {
    match &path.sub {
        None => _ = container.insert(path.name.clone(), value),
        Some(sub) => {
            if let Json::Object(parts) = container.entry(path.name.clone()).or_insert_with(|| json!({})) {
                parts.insert(sub.clone(), value);
            }
        }
    }
}

#[cfg(test)]
mod tests;

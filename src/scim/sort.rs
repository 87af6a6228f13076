//! The order of a list (RFC 7644 §3.4.2.3), and places in it.
//!
//! Invariant: the order is total. What a client sorts by may be equal; then creation and id decide, which never change,
//! so that a walk through pages meets nobody twice and misses nobody.

use std::cmp::Ordering;

use serde_json::Value;

use super::compare::SortKey;
use super::error::{Error, ScimType};
use super::path::AttributePath;
use super::resource::{self, Document, Kind, Resource, ResourceId};
use super::schema::{Definition, Schema};

/// What a client wants a list sorted by.
#[derive(Clone, Debug)]
pub struct Sort {
    /// The attribute, for each kind that has it.
    by: Vec<(Kind, AttributePath, Definition)>,
    descending: bool,
}

/// Where a resource stands in the order of a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// What it is sorted by; `None` when it has no such value, or nothing is sorted by.
    pub key: Option<SortKey>,
    /// Its kind: users stand before groups.
    pub kind: Kind,
    /// When it came to be.
    pub created: String,
    /// Its id.
    pub id: ResourceId,
}

impl Sort {
    /// Reads `sortBy` and `sortOrder`; `None` when nothing is to be sorted by.
    ///
    /// # Errors
    /// `invalidPath` for an attribute that no kind has or that has no order, `invalidValue` for an order that is neither
    /// `ascending` nor `descending`.
    pub fn read(schemas: &[&Schema], by: Option<&str>, order: Option<&str>) -> Result<Option<Sort>, Error> {
        let Some(text) = by.map(str::trim).filter(|text| !text.is_empty()) else {
            return Ok(None);
        };
        let descending = match order.map(str::trim) {
            None | Some("") => false,
            Some(order) if order.eq_ignore_ascii_case("ascending") => false,
            Some(order) if order.eq_ignore_ascii_case("descending") => true,
            Some(order) => {
                let detail = format!("sortOrder must be ascending or descending, not '{order}'");
                return Err(Error::new(ScimType::InvalidValue, detail));
            }
        };
        let mut by = Vec::new();
        for schema in schemas {
            let path = AttributePath::parse(schema, text)?;
            // The parts of a custom attribute whose form nobody declared are its own.
            let undeclared = || schema.attribute(&path).filter(|definition| !definition.declared);
            let leaf = schema.leaf(&path).or_else(undeclared).filter(|leaf| leaf.comparable().is_some()).cloned();
            by.extend(leaf.map(|leaf| (schema.kind(), path, leaf)));
        }
        if by.is_empty() {
            let detail = format!("sortBy '{text}' is no attribute that resources can be sorted by");
            return Err(Error::new(ScimType::InvalidPath, detail));
        }
        Ok(Some(Sort { by, descending }))
    }

    /// The attribute that resources of a kind are sorted by.
    pub fn path(&self, kind: Kind) -> Option<&AttributePath> {
        self.by.iter().find(|(sorted, ..)| *sorted == kind).map(|(_, path, _)| path)
    }

    fn key(&self, kind: Kind, shown: &Document) -> Option<SortKey> {
        let (_, path, leaf) = self.by.iter().find(|(sorted, ..)| *sorted == kind)?;
        let whole = AttributePath { sub: None, ..path.clone() };
        let values = whole.values(shown);
        // RFC 7644 §3.4.2.3: of several values the primary one, or else the first.
        let is_primary = |value: &&&Value| {
            let primary = value.as_object().and_then(|complex| resource::attribute(complex, "primary"));
            primary.and_then(Value::as_bool) == Some(true)
        };
        let value = values.iter().find(is_primary).or_else(|| values.first())?;
        match &path.sub {
            Some(sub) => SortKey::new(leaf, value.as_object().and_then(|complex| resource::attribute(complex, sub))?),
            None => SortKey::new(leaf, value),
        }
    }

    /// A key that was written as JSON.
    pub(super) fn key_from_json(&self, kind: Kind, written: &Value) -> Option<SortKey> {
        let (_, _, leaf) = self.by.iter().find(|(sorted, ..)| *sorted == kind)?;
        SortKey::new(leaf, written)
    }

    /// What tells this order from others.
    pub(super) fn name(&self) -> String {
        let paths: Vec<String> = self.by.iter().map(|(kind, path, _)| format!("{kind} {}", path.key())).collect();
        format!("{} {}", paths.join(" "), if self.descending { "descending" } else { "ascending" })
    }
}

/// The place of a resource, as it is shown.
pub fn place(sort: Option<&Sort>, resource: &Resource, shown: &Document) -> Place {
    Place {
        key: sort.and_then(|sort| sort.key(resource.kind, shown)),
        kind: resource.kind,
        created: resource.created.clone(),
        id: resource.id.clone(),
    }
}

/// Which place comes first. Resources without a value come last, and first in descending order (RFC 7644 §3.4.2.3).
pub fn compare(sort: Option<&Sort>, left: &Place, right: &Place) -> Ordering {
    let by_key = match (&left.key, &right.key) {
        (None, None) => Ordering::Equal,
        (None, Some(_)) => Ordering::Greater,
        (Some(_), None) => Ordering::Less,
        (Some(left), Some(right)) => left.cmp(right),
    };
    let by_key = if sort.is_some_and(|sort| sort.descending) { by_key.reverse() } else { by_key };
    let age = |place: &Place| (place.kind, place.created.clone(), place.id.clone());
    by_key.then_with(|| age(left).cmp(&age(right)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[track_caller]
    fn check(by: &str, order: Option<&str>, expected: &[&str]) {
        let user = Schema::standard(Kind::User);
        let sort = Sort::read(&[&user], Some(by), order).unwrap();
        let documents = [
            ("a", json!({"title": "b", "active": true, "emails": [{"value": "z"}, {"value": "b", "primary": true}]})),
            ("b", json!({"title": "C", "active": false, "emails": [{"value": "C"}]})),
            ("c", json!({"title": "a", "active": true})),
            ("d", json!({"active": true, "emails": [{"value": "a"}]})),
        ];
        let mut places: Vec<Place> = documents
            .iter()
            .map(|(id, document)| {
                let document = document.as_object().unwrap();
                let resource = Resource {
                    id: ResourceId((*id).to_owned()),
                    kind: Kind::User,
                    document: document.clone(),
                    version: 1,
                    created: String::new(),
                    modified: String::new(),
                };
                place(sort.as_ref(), &resource, document)
            })
            .collect();
        places.sort_by(|left, right| compare(sort.as_ref(), left, right));
        let ids: Vec<&str> = places.iter().map(|place| place.id.as_str()).collect();
        assert_eq!(ids, expected, "{by} {order:?}");
    }

    #[test]
    fn resources_are_sorted_by_type_and_primary_value() {
        check("title", None, &["c", "a", "b", "d"]);
        check("TITLE", Some("descending"), &["d", "b", "a", "c"]);
        check("active", Some("ascending"), &["b", "a", "c", "d"]);
        check("emails", None, &["d", "a", "b", "c"]);
        check("emails.value", None, &["d", "a", "b", "c"]);
        check("", None, &["a", "b", "c", "d"]);
    }

    #[test]
    fn what_has_no_order_is_refused() {
        let read = |by, order| {
            let user = Schema::standard(Kind::User);
            Sort::read(&[&user], Some(by), order).unwrap_err().scim_type
        };
        assert_eq!(read("name", None), ScimType::InvalidPath);
        assert_eq!(read("nothing", None), ScimType::InvalidPath);
        assert_eq!(read("title", Some("upwards")), ScimType::InvalidValue);
    }
}

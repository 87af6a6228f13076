//! List answers, paging and projection (RFC 7644 §3.4.2.4, §3.4.2.5).
//!
//! Not the query itself: that is [`super::Search`].

use serde_json::{Value, json};

use super::error::{Error, ScimType};
use super::path::AttributePath;
use super::resource::{self, Document, Kind};

/// How many resources one answer holds at most.
pub const MAX_COUNT: u32 = 1000;
/// How many it holds when the client does not say.
pub const DEFAULT_COUNT: u32 = 100;

/// Which part of the result a client asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Paging {
    /// The first result wanted, from 1.
    pub start_index: u32,
    /// How many are wanted; 0 asks for the total alone.
    pub count: u32,
}

impl Paging {
    /// Reads `startIndex` and `count`. Below-range values are taken for the smallest
    /// (RFC 7644 §3.4.2.4), too large counts for [`MAX_COUNT`].
    ///
    /// # Errors
    /// `invalidValue` when one of them is not a whole number.
    pub fn read(start_index: Option<&str>, count: Option<&str>) -> Result<Paging, Error> {
        let number = |name: &str, text: Option<&str>, least: i64, otherwise: u32| match text {
            None => Ok(otherwise),
            Some(text) => match text.trim().parse::<i64>() {
                Ok(number) => Ok(u32::try_from(number.max(least)).unwrap_or(u32::MAX)),
                Err(_) => {
                    Err(Error::new(ScimType::InvalidValue, format!("{name} must be a whole number, not {text:?}")))
                }
            },
        };
        let count = number("count", count, 0, DEFAULT_COUNT)?.min(MAX_COUNT);
        Ok(Paging { start_index: number("startIndex", start_index, 1, 1)?, count })
    }

    /// The same page of what comes after `before` results, of which `shown` are on the page already.
    pub fn after(self, before: u64, shown: usize) -> Paging {
        let before = u32::try_from(before).unwrap_or(u32::MAX);
        let shown = u32::try_from(shown).unwrap_or(u32::MAX);
        Paging { start_index: self.start_index.saturating_sub(before).max(1), count: self.count.saturating_sub(shown) }
    }
}

/// A ListResponse. A query is always answered by one, also for no hits.
pub fn response(total: u64, paging: Paging, resources: Vec<Document>) -> Value {
    json!({
        "schemas": [scim_v2::schema_urns::LIST_RESPONSE],
        "totalResults": total,
        "startIndex": paging.start_index,
        "itemsPerPage": resources.len(),
        "Resources": resources,
    })
}

/// Which attributes a client wants to see.
#[derive(Clone, Debug, Default)]
pub struct Projection {
    only: Vec<AttributePath>,
    without: Vec<AttributePath>,
}

impl Projection {
    /// Reads `attributes` and `excludedAttributes`, comma-separated paths.
    ///
    /// # Errors
    /// `invalidPath` for a name that cannot be read.
    pub fn read(kind: Kind, attributes: Option<&str>, excluded: Option<&str>) -> Result<Projection, Error> {
        let paths = |list: Option<&str>| -> Result<Vec<AttributePath>, Error> {
            let names = list.unwrap_or_default().split(',').map(str::trim).filter(|name| !name.is_empty());
            names.map(|name| AttributePath::parse(kind, name)).collect()
        };
        Ok(Projection { only: paths(attributes)?, without: paths(excluded)? })
    }

    /// Whether a top-level attribute is shown at all: `members` need not be read if not.
    pub fn shows(&self, name: &str) -> bool {
        let names = |paths: &[AttributePath], whole: bool| {
            paths.iter().any(|path| {
                path.extension.is_none() && path.name.eq_ignore_ascii_case(name) && !(whole && path.sub.is_some())
            })
        };
        (self.only.is_empty() || names(&self.only, false)) && !names(&self.without, true)
    }

    /// The part of a representation that the client wants; `schemas` and `id` are always shown
    /// (RFC 7643 §7, "returned").
    pub fn apply(&self, shown: Document) -> Document {
        let mut projected = if self.only.is_empty() { shown } else { self.select(&shown) };
        for path in &self.without {
            exclude(&mut projected, path);
        }
        projected
    }

    fn select(&self, shown: &Document) -> Document {
        let mut selected = Document::new();
        let always = ["schemas", "id"].into_iter();
        selected.extend(always.filter_map(|name| Some((name.to_owned(), shown.get(name)?.clone()))));
        for path in &self.only {
            match &path.extension {
                None => copy(shown, &mut selected, path),
                Some(urn) => {
                    let Some((urn, Value::Object(attributes))) =
                        shown.iter().find(|(name, _)| name.eq_ignore_ascii_case(urn))
                    else {
                        continue;
                    };
                    let mut extension = selected.get(urn).and_then(Value::as_object).cloned().unwrap_or_default();
                    copy(attributes, &mut extension, path);
                    if !extension.is_empty() {
                        selected.insert(urn.clone(), Value::Object(extension));
                    }
                }
            }
        }
        selected
    }
}

/// Copies what the path names, sub-attributes beside those that are there already.
fn copy(from: &Document, to: &mut Document, path: &AttributePath) {
    let Some((name, value)) = from.iter().find(|(name, _)| name.eq_ignore_ascii_case(&path.name)) else {
        return;
    };
    let Some(sub) = &path.sub else {
        to.insert(name.clone(), value.clone());
        return;
    };
    let part = |complex: &Document| -> Document {
        resource::attribute(complex, sub).map(|value| (sub.clone(), value.clone())).into_iter().collect()
    };
    match (value, to.get_mut(name)) {
        (Value::Object(complex), Some(Value::Object(present))) => present.extend(part(complex)),
        (Value::Object(complex), _) => _ = to.insert(name.clone(), Value::Object(part(complex))),
        (Value::Array(elements), Some(Value::Array(present))) => {
            for (element, present) in elements.iter().zip(present) {
                if let (Value::Object(element), Value::Object(present)) = (element, present) {
                    present.extend(part(element));
                }
            }
        }
        (Value::Array(elements), _) => {
            let parts = elements.iter().filter_map(Value::as_object).map(|complex| Value::Object(part(complex)));
            to.insert(name.clone(), Value::Array(parts.collect()));
        }
        _ => {}
    }
}

fn exclude(shown: &mut Document, path: &AttributePath) {
    let container = match &path.extension {
        None => Some(shown),
        Some(urn) => {
            let key = shown.keys().find(|key| key.eq_ignore_ascii_case(urn)).cloned();
            key.and_then(|key| shown.get_mut(&key)).and_then(Value::as_object_mut)
        }
    };
    let Some(container) = container else {
        return;
    };
    let key = container.keys().find(|key| key.eq_ignore_ascii_case(&path.name)).cloned();
    let Some(key) = key.filter(|key| path.extension.is_some() || !["schemas", "id"].contains(&key.as_str())) else {
        return;
    };
    match (&path.sub, container.get_mut(&key)) {
        (None, _) => _ = container.shift_remove(&key),
        (Some(sub), Some(Value::Object(complex))) => _ = complex.shift_remove(sub),
        (Some(sub), Some(Value::Array(elements))) => {
            for complex in elements.iter_mut().filter_map(Value::as_object_mut) {
                complex.shift_remove(sub);
            }
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(attributes: &str, excluded: &str, expected: Value) {
        let shown = json!({"schemas": [], "id": "1", "userName": "a", "name": {"givenName": "g", "familyName": "f"},
            "emails": [{"type": "work", "value": "w"}],
            "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User": {"department": "d", "manager": {"value": "U2"}}});
        let projection = Projection::read(Kind::User, Some(attributes), Some(excluded)).unwrap();
        assert_eq!(Value::Object(projection.apply(shown.as_object().unwrap().clone())), expected);
    }

    #[test]
    fn shows_what_was_asked_for() {
        check("id", "", json!({"schemas": [], "id": "1"}));
        check(
            "USERNAME,name.givenName,name.familyName",
            "",
            json!({"schemas": [], "id": "1", "userName": "a", "name": {"givenName": "g", "familyName": "f"}}),
        );
        check(
            "emails.value,manager",
            "",
            json!({"schemas": [], "id": "1", "emails": [{"value": "w"}],
            "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User": {"manager": {"value": "U2"}}}),
        );
        check(
            "",
            "id,name,emails.type,department",
            json!({"schemas": [], "id": "1", "userName": "a", "emails": [{"value": "w"}],
            "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User": {"manager": {"value": "U2"}}}),
        );
    }

    #[test]
    fn members_are_not_read_when_they_are_not_shown() {
        let shows =
            |attributes, excluded| Projection::read(Kind::Group, attributes, excluded).unwrap().shows("members");
        assert!(shows(None, None));
        assert!(shows(Some("members.value"), None));
        assert!(!shows(Some("id"), None));
        assert!(!shows(None, Some("members")));
    }

    #[test]
    fn paging_is_read_as_the_rfc_says() {
        let read = |start, count| Paging::read(start, count).unwrap();
        assert_eq!(read(None, None), Paging { start_index: 1, count: DEFAULT_COUNT });
        assert_eq!(read(Some("-3"), Some("-1")), Paging { start_index: 1, count: 0 });
        assert_eq!(read(Some("6"), Some("5000")), Paging { start_index: 6, count: MAX_COUNT });
        assert!(Paging::read(Some("one"), None).is_err());
        assert_eq!(read(Some("3"), Some("5")).after(4, 2), Paging { start_index: 1, count: 3 });
        assert_eq!(read(Some("9"), Some("5")).after(4, 0), Paging { start_index: 5, count: 5 });
    }
}

//! Which attributes a client wants to see (RFC 7644 §3.9).

use serde_json::Value;

use super::error::{Error, ScimType};
use super::path::{AttributePath, Path};
use super::resource::{self, Document};
use super::schema::Schema;

/// Which attributes a client wants to see.
#[derive(Clone, Debug, Default)]
pub struct Projection {
    only: Vec<Path>,
    without: Vec<Path>,
}

impl Projection {
    /// Reads `attributes` and `excludedAttributes`, comma-separated paths.
    ///
    /// # Errors
    /// `invalidPath` for a name that cannot be read, or has a filter in it, which RFC 7644 §3.10 does not have here.
    pub fn read(schema: &Schema, attributes: Option<&str>, excluded: Option<&str>) -> Result<Projection, Error> {
        let paths = |list: Option<&str>| -> Result<Vec<Path>, Error> {
            let names = list.unwrap_or_default().split(',').map(str::trim).filter(|name| !name.is_empty());
            resource::check_size("a list of attributes", names.clone().count())?;
            names.map(|name| check(Path::parse(schema, name)?, name)).collect()
        };
        Ok(Projection { only: paths(attributes)?, without: paths(excluded)? })
    }

    /// Whether any of an attribute is shown: members and managers need not be read if not.
    pub fn shows(&self, extension: Option<&str>, name: &str) -> bool {
        let is_it = |path: &AttributePath| {
            let same_place = match (path.extension.as_deref(), extension) {
                (None, None) => true,
                (Some(left), Some(right)) => left.eq_ignore_ascii_case(right),
                _ => false,
            };
            same_place && path.name.eq_ignore_ascii_case(name)
        };
        let names = |path: &Path| match path {
            Path::Core => extension.is_none(),
            Path::Extension(urn) => extension.is_some_and(|extension| extension.eq_ignore_ascii_case(urn)),
            Path::Attribute(path) => is_it(path),
        };
        let names_all = |path: &Path| names(path) && !matches!(path, Path::Attribute(path) if path.sub.is_some());
        (self.only.is_empty() || self.only.iter().any(names)) && !self.without.iter().any(names_all)
    }

    /// The part of a representation that the client wants; `schemas` and `id` are always shown
    /// (RFC 7643 §7, "returned").
    pub fn apply(&self, shown: Document) -> Document {
        let mut projected = if self.only.is_empty() { shown } else { self.select(&shown) };
        for path in &self.without {
            exclude(&mut projected, path);
        }
        drop_empty(&mut projected);
        projected
    }

    fn select(&self, shown: &Document) -> Document {
        let mut selected = Document::new();
        let always = ["schemas", "id"].into_iter();
        selected.extend(always.filter_map(|name| Some((name.to_owned(), shown.get(name)?.clone()))));
        for path in &self.only {
            match path {
                Path::Core => selected.extend(core(shown).map(|(name, value)| (name.clone(), value.clone()))),
                Path::Extension(urn) => {
                    let found = shown.iter().find(|(name, _)| name.eq_ignore_ascii_case(urn));
                    selected.extend(found.map(|(name, value)| (name.clone(), value.clone())));
                }
                Path::Attribute(path @ AttributePath { extension: None, .. }) => copy(shown, &mut selected, path),
                Path::Attribute(path @ AttributePath { extension: Some(urn), .. }) => {
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

fn check(path: Path, name: &str) -> Result<Path, Error> {
    match &path {
        Path::Attribute(AttributePath { filter: Some(_), .. }) => {
            let detail = format!("'{name}' chooses among values: attributes are chosen by their names");
            Err(Error::new(ScimType::InvalidPath, detail))
        }
        _ => Ok(path),
    }
}

/// The attributes of a representation that stand in no extension.
fn core(shown: &Document) -> impl Iterator<Item = (&String, &Value)> {
    shown.iter().filter(|(name, _)| !name.contains(':'))
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

fn exclude(shown: &mut Document, path: &Path) {
    let path = match path {
        Path::Attribute(path) => path,
        Path::Extension(urn) => return shown.retain(|name, _| !name.eq_ignore_ascii_case(urn)),
        Path::Core => return shown.retain(|name, _| name.contains(':') || ["schemas", "id"].contains(&name.as_str())),
    };
    let container = match &path.extension {
        None => Some(&mut *shown),
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

/// Takes away what has no parts left. A list that had no elements to begin with stays.
fn drop_empty(shown: &mut Document) {
    let has_parts = |value: &Value| value.as_object().is_none_or(|complex| !complex.is_empty());
    shown.retain(|name, value| match value {
        Value::Array(elements) => {
            let was_empty = elements.is_empty();
            elements.retain(has_parts);
            was_empty || !elements.is_empty()
        }
        Value::Object(extension) if name.contains(':') => {
            drop_empty(extension);
            !extension.is_empty()
        }
        other => has_parts(other),
    });
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scim::Kind;
    use serde_json::json;

    #[track_caller]
    fn check_shown(attributes: &str, excluded: &str, expected: Value) {
        let shown = json!({"schemas": [], "id": "1", "userName": "a", "name": {"givenName": "g", "familyName": "f"},
            "emails": [{"type": "work", "value": "w"}],
            "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User": {"department": "d", "manager": {"value": "U2"}}});
        let projection = Projection::read(&Schema::standard(Kind::User), Some(attributes), Some(excluded)).unwrap();
        assert_eq!(Value::Object(projection.apply(shown.as_object().unwrap().clone())), expected);
    }

    #[test]
    fn shows_what_was_asked_for() {
        check_shown("id", "", json!({"schemas": [], "id": "1"}));
        check_shown(
            "USERNAME,name.givenName,name.familyName",
            "",
            json!({"schemas": [], "id": "1", "userName": "a", "name": {"givenName": "g", "familyName": "f"}}),
        );
        check_shown(
            "emails.value,manager",
            "",
            json!({"schemas": [], "id": "1", "emails": [{"value": "w"}],
            "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User": {"manager": {"value": "U2"}}}),
        );
        check_shown(
            "",
            "id,name,emails.type,department",
            json!({"schemas": [], "id": "1", "userName": "a", "emails": [{"value": "w"}],
            "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User": {"manager": {"value": "U2"}}}),
        );
    }

    #[test]
    fn what_has_no_parts_left_is_not_shown() {
        check_shown("name.middleName,emails.display,emails.value", "emails.value", json!({"schemas": [], "id": "1"}));
        check_shown("department,name.givenName", "name.givenName,department", json!({"schemas": [], "id": "1"}));
    }

    #[test]
    fn members_are_not_read_when_they_are_not_shown() {
        let shows = |attributes, excluded| {
            Projection::read(&Schema::standard(Kind::Group), attributes, excluded).unwrap().shows(None, "members")
        };
        assert!(shows(None, None));
        assert!(shows(Some("members.value"), None));
        assert!(!shows(Some("id"), None));
        assert!(!shows(None, Some("members")));
    }
}

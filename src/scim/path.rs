//! Attribute paths (RFC 7644 §3.10), as PATCH, filters and the attribute map use them.
//!
//! Parsed by the `scim_v2` grammar; here they are resolved: schema prefixes, the enterprise
//! attributes that clients name without their URN, and names in any case.

use std::fmt;

use scim_v2::filter::{AttrPath, PatchPath, ValFilter};
use serde_json::Value;

use super::error::{Error, ScimType};
use super::filter;
use super::resource::{self, Document, Kind, canonical_name, canonical_urn};
use super::schema;

/// Where a PATCH operation aims.
#[derive(Clone, Debug, PartialEq)]
pub enum Path {
    /// A whole extension, by its URN.
    Extension(String),
    /// An attribute, some of its values, or a part of them.
    Attribute(AttributePath),
}

impl Path {
    /// Parses a path.
    ///
    /// # Errors
    /// `invalidPath` with the path as it was sent.
    pub fn parse(kind: Kind, text: &str) -> Result<Path, Error> {
        let text = text.trim();
        if text.eq_ignore_ascii_case(schema::ENTERPRISE_USER) {
            return Ok(Path::Extension(canonical_urn(text)));
        }
        let parsed: PatchPath =
            text.parse().map_err(|_| Error::new(ScimType::InvalidPath, format!("the path {text:?} cannot be read")))?;
        if let PatchPath::Value(path) = &parsed {
            let refuse = |reason| Error::new(ScimType::InvalidPath, format!("the path {text:?} {reason}"));
            filter::check_value_filter(&path.filter).map_err(refuse)?;
        }
        Ok(Path::Attribute(match parsed {
            PatchPath::Attr(path) => AttributePath::resolve(kind, path, None, None),
            PatchPath::Value(path) => AttributePath::resolve(kind, path.attr, Some(path.filter), path.sub_attr),
        }))
    }
}

/// An attribute, optionally narrowed to the values that a filter selects and to a sub-attribute.
#[derive(Clone, Debug, PartialEq)]
pub struct AttributePath {
    /// The URN of the extension that holds the attribute; `None` for a core attribute.
    pub extension: Option<String>,
    /// The attribute's name, in the schema's spelling where there is one.
    pub name: String,
    /// Which of several values.
    pub filter: Option<ValFilter>,
    /// Which part of a complex value.
    pub sub: Option<String>,
}

impl AttributePath {
    /// Parses a path that must lead to an attribute.
    ///
    /// # Errors
    /// `invalidPath` when the text is no path, or names a whole extension.
    pub fn parse(kind: Kind, text: &str) -> Result<AttributePath, Error> {
        match Path::parse(kind, text)? {
            Path::Attribute(path) => Ok(path),
            Path::Extension(urn) => {
                Err(Error::new(ScimType::InvalidPath, format!("{urn} is a schema, not an attribute")))
            }
        }
    }

    /// Gives a parsed path its meaning for that kind of resource.
    pub fn resolve(kind: Kind, parsed: AttrPath, filter: Option<ValFilter>, sub: Option<String>) -> AttributePath {
        let extension = match parsed.uri {
            Some(urn) if urn.eq_ignore_ascii_case(kind.schema()) => None,
            Some(urn) => Some(canonical_urn(&urn)),
            // Entra names enterprise attributes without their URN in places: `"path": "manager"`.
            None => {
                let core = schema::core_attribute(kind, &parsed.name).is_some();
                let enterprise = schema::extension_attribute(schema::ENTERPRISE_USER, &parsed.name).is_some();
                (kind == Kind::User && !core && enterprise).then(|| schema::ENTERPRISE_USER.to_owned())
            }
        };
        let sub = sub.or(parsed.sub_attr);
        let mut path = AttributePath { extension, name: parsed.name, filter, sub };
        let definition = schema::attribute(kind, &path);
        path.name = canonical_name(definition, &path.name);
        path.sub = path.sub.map(|sub| canonical_name(definition.and_then(|known| known.sub_attribute(&sub)), &sub));
        path
    }

    /// The name under which lookups by this path are indexed: equal for all spellings of a path.
    pub fn key(&self) -> String {
        self.to_string().to_ascii_lowercase()
    }

    /// The values that the path leads to in a document.
    pub fn values<'a>(&self, document: &'a Document) -> Vec<&'a Value> {
        let container = match &self.extension {
            None => Some(document),
            Some(urn) => resource::attribute(document, urn).and_then(Value::as_object),
        };
        let Some(value) = container.and_then(|container| resource::attribute(container, &self.name)) else {
            return Vec::new();
        };
        let elements = value.as_array().map_or_else(|| vec![value], |elements| elements.iter().collect());
        let selected = elements
            .into_iter()
            .filter(|element| self.filter.as_ref().is_none_or(|filter| filter::selects(filter, element)));
        match &self.sub {
            None => selected.collect(),
            Some(sub) => selected
                .filter_map(|element| element.as_object().and_then(|element| resource::attribute(element, sub)))
                .collect(),
        }
    }

    /// The same values as texts; of a complex value its `value`.
    pub fn texts(&self, document: &Document) -> Vec<String> {
        self.values(document).into_iter().filter_map(text_of).collect()
    }
}

/// A simple value as text, a complex one by its `value`.
pub fn text_of(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Bool(flag) => Some(flag.to_string()),
        Value::Number(number) => Some(number.to_string()),
        Value::Object(complex) => text_of(resource::attribute(complex, "value")?),
        Value::Null | Value::Array(_) => None,
    }
}

impl fmt::Display for AttributePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(urn) = &self.extension {
            write!(f, "{urn}:")?;
        }
        f.write_str(&self.name)?;
        if let Some(filter) = &self.filter {
            write!(f, "[{filter}]")?;
        }
        self.sub.iter().try_for_each(|sub| write!(f, ".{sub}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    #[track_caller]
    fn check(text: &str, expected: &str) {
        assert_eq!(AttributePath::parse(Kind::User, text).unwrap().to_string(), expected);
    }

    #[test]
    fn every_spelling_resolves_to_one_path() {
        let manager = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:manager";
        check("manager", manager);
        check("URN:ietf:params:scim:schemas:extension:enterprise:2.0:USER:Manager", manager);
        check(&format!("{manager}.Value"), &format!("{manager}.value"));
        check("urn:ietf:params:scim:schemas:core:2.0:User:USERNAME", "userName");
        check("name.GivenName", "name.givenName");
        check("emails[type eq \"work\"].Value", "emails[type eq \"work\"].value");
        check(
            "urn:ietf:params:scim:schemas:extension:Custom:2.0:User:Badge",
            "urn:ietf:params:scim:schemas:extension:Custom:2.0:User:Badge",
        );
    }

    #[test]
    fn a_schema_alone_is_a_whole_extension() {
        let urn = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User";
        assert_eq!(Path::parse(Kind::User, urn).unwrap(), Path::Extension(urn.to_owned()));
        assert!(AttributePath::parse(Kind::User, urn).is_err());
    }

    #[test]
    fn values_are_found_in_any_spelling() {
        let document = json!({
            "emails": [{"type": "Work", "value": "w"}, {"type": "home", "value": "h"}],
            "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User": {"manager": {"value": "U2"}},
        });
        let texts = |path: &str| AttributePath::parse(Kind::User, path).unwrap().texts(document.as_object().unwrap());
        assert_eq!(texts("emails[type eq \"work\"].value"), ["w"]);
        assert_eq!(texts("emails.value"), ["w", "h"]);
        assert_eq!(texts("emails"), ["w", "h"]);
        assert_eq!(texts("manager"), ["U2"]);
        assert_eq!(texts("title"), [""; 0]);
    }

    proptest! {
        #[test]
        fn no_text_makes_the_parser_panic(text in ".{0,60}") {
            let _ = Path::parse(Kind::User, &text);
        }
    }
}

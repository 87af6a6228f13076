//! Attribute paths (RFC 7644 §3.10), as PATCH, filters and the attribute map use them.
//!
//! Parsed by the `scim_v2` grammar; here they are resolved: schema prefixes, the enterprise
//! attributes that clients name without their URN, and names in any case.

use std::fmt;

use scim_v2::filter::{AttrPath, PatchPath, ValFilter};
use serde_json::Value;

use super::error::{Error, ScimType};
use super::filter;
use super::quirks;
use super::redact;
use super::resource::{self, Document, canonical_name};
use super::schema::{self, Schema};

/// Where a PATCH operation aims.
#[derive(Clone, Debug, PartialEq)]
pub enum Path {
    /// All core attributes.
    Core,
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
    pub fn parse(schema: &Schema, text: &str) -> Result<Path, Error> {
        let text = text.trim();
        if let Some(urn) = schema.extension(text) {
            return Ok(Path::Extension(urn.to_owned()));
        }
        if text.eq_ignore_ascii_case(schema.kind().schema()) {
            return Ok(Path::Core);
        }
        let refuse =
            |reason: &str| Error::new(ScimType::InvalidPath, format!("the path '{}' {reason}", redact::path(text)));
        let parsed: PatchPath = quirks::path(text).parse().map_err(|_| refuse("cannot be read"))?;
        Ok(Path::Attribute(match parsed {
            PatchPath::Attr(path) => AttributePath::resolve(schema, path, None, None),
            PatchPath::Value(path) => {
                let filter = path.filter;
                let path = AttributePath::resolve(schema, path.attr, Some(filter.clone()), path.sub_attr);
                filter::check_selection(schema.attribute(&path), &filter).map_err(|reason| refuse(&reason))?;
                path
            }
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
    pub fn parse(schema: &Schema, text: &str) -> Result<AttributePath, Error> {
        match Path::parse(schema, text)? {
            Path::Attribute(path) => Ok(path),
            Path::Core | Path::Extension(_) => {
                Err(Error::new(ScimType::InvalidPath, format!("{} is a schema, not an attribute", text.trim())))
            }
        }
    }

    /// Gives a parsed path its meaning for that kind of resource.
    pub fn resolve(schema: &Schema, parsed: AttrPath, filter: Option<ValFilter>, sub: Option<String>) -> AttributePath {
        let extension = match parsed.uri {
            Some(urn) if urn.eq_ignore_ascii_case(schema.kind().schema()) => None,
            Some(urn) => Some(schema.extension(&urn).map(str::to_owned).unwrap_or(urn)),
            // Entra names enterprise attributes without their URN in places: `"path": "manager"`.
            None => {
                let enterprise = schema.named(Some(schema::ENTERPRISE_USER), &parsed.name).is_some();
                let core = schema.named(None, &parsed.name).is_some();
                (!core && enterprise).then(|| schema::ENTERPRISE_USER.to_owned())
            }
        };
        let sub = sub.or(parsed.sub_attr).map(|sub| quirks::sub_attribute(&sub).to_owned());
        let mut path = AttributePath { extension, name: parsed.name, filter, sub };
        let definition = schema.attribute(&path);
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
        let selects = self.filter.as_ref().map(|filter| filter::selector(None, filter));
        let selected = elements.into_iter().filter(|element| selects.as_ref().is_none_or(|selects| selects(element)));
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
    use crate::scim::Kind;
    use proptest::prelude::*;
    use serde_json::json;

    #[track_caller]
    fn check(text: &str, expected: &str) {
        assert_eq!(AttributePath::parse(&Schema::standard(Kind::User), text).unwrap().to_string(), expected);
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
        check("emails[type eq work].value", "emails[type eq \"work\"].value");
        check("roles[primary EQ True].value", "roles[primary eq true].value");
        check("manager.$REF", &format!("{manager}.$ref"));
        check(
            "urn:ietf:params:scim:schemas:extension:Custom:2.0:User:Badge",
            "urn:ietf:params:scim:schemas:extension:Custom:2.0:User:Badge",
        );
    }

    #[test]
    fn a_schema_alone_is_a_whole_extension() {
        let urn = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User";
        assert_eq!(Path::parse(&Schema::standard(Kind::User), urn).unwrap(), Path::Extension(urn.to_owned()));
        assert!(AttributePath::parse(&Schema::standard(Kind::User), urn).is_err());
    }

    #[test]
    fn values_are_found_in_any_spelling() {
        let document = json!({
            "emails": [{"type": "Work", "value": "w"}, {"type": "home", "value": "h"}],
            "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User": {"manager": {"value": "U2"}},
        });
        let texts = |path: &str| {
            AttributePath::parse(&Schema::standard(Kind::User), path).unwrap().texts(document.as_object().unwrap())
        };
        assert_eq!(texts("emails[type eq \"work\"].value"), ["w"]);
        assert_eq!(texts("emails.value"), ["w", "h"]);
        assert_eq!(texts("emails"), ["w", "h"]);
        assert_eq!(texts("manager"), ["U2"]);
        assert_eq!(texts("title"), [""; 0]);
    }

    proptest! {
        #[test]
        fn no_text_makes_the_parser_panic(text in ".{0,60}") {
            let _ = Path::parse(&Schema::standard(Kind::User), &text);
        }
    }
}

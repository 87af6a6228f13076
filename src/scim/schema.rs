//! The attributes that RFC 7643 defines: their types, how they compare, what they contain.
//!
//! Not a fence: an attribute without a definition is kept as it came.

use std::sync::LazyLock;

use serde_json::Value;

use super::path::AttributePath;
use super::resource::Kind;

/// The URN of the enterprise extension (RFC 7643 §4.3).
pub const ENTERPRISE_USER: &str = scim_v2::schema_urns::ENTERPRISE_USER;

/// The type of an attribute (RFC 7643 §2.3), as far as it changes how a value is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Type {
    /// A JSON boolean.
    Boolean,
    /// An object of sub-attributes.
    Complex,
    /// Text; dates, references and binary values are text on the wire.
    Text,
}

/// What a schema says of one attribute.
#[derive(Clone, Debug)]
pub struct Definition {
    /// The name in the schema's spelling.
    pub name: String,
    /// The type of its value, or of each of its values.
    pub kind: Type,
    /// Whether the value is an array.
    pub multi_valued: bool,
    /// Whether case counts in comparisons.
    pub case_exact: bool,
    /// The attributes inside a complex one.
    pub sub_attributes: Vec<Definition>,
}

impl Definition {
    fn read(schema: &Value) -> Option<Definition> {
        let flag = |name: &str| schema.get(name).and_then(Value::as_bool).unwrap_or(false);
        let kind = match schema.get("type").and_then(Value::as_str) {
            Some("boolean") => Type::Boolean,
            Some("complex") => Type::Complex,
            _ => Type::Text,
        };
        let subs = schema.get("subAttributes").and_then(Value::as_array);
        Some(Definition {
            name: schema.get("name")?.as_str()?.to_owned(),
            kind,
            multi_valued: flag("multiValued"),
            case_exact: flag("caseExact"),
            sub_attributes: subs.into_iter().flatten().filter_map(Definition::read).collect(),
        })
    }

    /// The sub-attribute of that name, in any case.
    pub fn sub_attribute(&self, name: &str) -> Option<&Definition> {
        find(&self.sub_attributes, name)
    }
}

struct Definitions {
    user: Vec<Definition>,
    group: Vec<Definition>,
    enterprise: Vec<Definition>,
}

static DEFINITIONS: LazyLock<Definitions> = LazyLock::new(|| Definitions {
    user: core("user"),
    group: core("group"),
    enterprise: published("enterprise_user"),
});

/// The published attributes and the common `externalId` (RFC 7643 §3.1), which compares exactly.
fn core(schema: &str) -> Vec<Definition> {
    let mut definitions = published(schema);
    for definition in &mut definitions {
        // A group's name is compared byte for byte: two groups may differ in case alone.
        definition.case_exact |= schema == "group" && definition.name == "displayName";
    }
    let text = |name: &str| Definition {
        name: name.to_owned(),
        kind: Type::Text,
        multi_valued: false,
        case_exact: true,
        sub_attributes: Vec::new(),
    };
    definitions.extend([text("id"), text("externalId")]);
    definitions
}

fn published(schema: &str) -> Vec<Definition> {
    let document = document(schema);
    let attributes = document.get("attributes").and_then(Value::as_array);
    attributes.into_iter().flatten().filter_map(Definition::read).collect()
}

/// The schema document of RFC 7643 §8.7.1 for `user`, `group` or `enterprise_user`.
pub fn document(schema: &str) -> Value {
    let schemas = scim_v2::models::scim_schema::get_schemas(vec![schema]).unwrap_or_default();
    schemas.first().and_then(|schema| serde_json::to_value(schema).ok()).unwrap_or_default()
}

fn find<'a>(definitions: &'a [Definition], name: &str) -> Option<&'a Definition> {
    definitions.iter().find(|definition| definition.name.eq_ignore_ascii_case(name))
}

/// The definition of a core attribute of that kind of resource.
pub fn core_attribute(kind: Kind, name: &str) -> Option<&'static Definition> {
    let definitions = match kind {
        Kind::User => &DEFINITIONS.user,
        Kind::Group => &DEFINITIONS.group,
    };
    find(definitions, name)
}

/// The definition of an attribute of an extension, if the extension is the enterprise one.
pub fn extension_attribute(urn: &str, name: &str) -> Option<&'static Definition> {
    urn.eq_ignore_ascii_case(ENTERPRISE_USER).then(|| find(&DEFINITIONS.enterprise, name))?
}

/// The definition of the attribute that a path leads to, sub-attribute not followed.
pub fn attribute(kind: Kind, path: &AttributePath) -> Option<&'static Definition> {
    match &path.extension {
        Some(urn) => extension_attribute(urn, &path.name),
        None => core_attribute(kind, &path.name),
    }
}

/// The core attribute whose name is most like this one, if one is.
pub fn nearest(kind: Kind, name: &str) -> Option<&'static str> {
    let definitions = match kind {
        Kind::User => &DEFINITIONS.user,
        Kind::Group => &DEFINITIONS.group,
    };
    let similarity =
        |known: &&Definition| (strsim::jaro_winkler(&name.to_lowercase(), &known.name.to_lowercase()) * 1000.0) as u32;
    let nearest = definitions.iter().max_by_key(similarity).filter(|known| similarity(known) > 800)?;
    Some(&nearest.name)
}

/// Whether a schema defines what the path leads to, sub-attribute included.
pub fn defines(kind: Kind, path: &AttributePath) -> bool {
    attribute(kind, path)
        .is_some_and(|definition| path.sub.as_ref().is_none_or(|sub| definition.sub_attribute(sub).is_some()))
}

/// Whether case counts where the path leads. What no schema defines is compared exactly.
pub fn case_exact(kind: Kind, path: &AttributePath) -> bool {
    let Some(definition) = attribute(kind, path) else {
        return true;
    };
    let sub = match (&path.sub, definition.kind) {
        (Some(sub), _) => definition.sub_attribute(sub),
        (None, Type::Complex) => definition.sub_attribute("value"),
        (None, _) => Some(definition),
    };
    sub.is_none_or(|definition| definition.case_exact)
}

/// The definition that a full path such as `urn:…:enterprise:2.0:User:manager` leads to: what tells the
/// path of an attribute from the URN of an extension.
pub fn extension_attribute_of(path: &str) -> Option<&'static Definition> {
    let (urn, name) = path.rsplit_once(':')?;
    extension_attribute(urn, name.split('.').next()?)
}

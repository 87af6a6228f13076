//! What is known of the attributes of a kind of resource: those of RFC 7643, and those of custom extensions that the
//! attribute map names.
//!
//! Not a fence: an attribute without a definition is kept as it came. Invariant: discovery publishes what is here, and
//! filters, PATCH and sorting go by it.

use std::sync::{Arc, LazyLock};

use serde_json::{Value, json};

use super::path::AttributePath;
use super::resource::Kind;

/// The URN of the enterprise extension (RFC 7643 §4.3).
pub const ENTERPRISE_USER: &str = scim_v2::schema_urns::ENTERPRISE_USER;

/// The type of an attribute (RFC 7643 §2.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Type {
    /// Text.
    String,
    /// A JSON boolean.
    Boolean,
    /// A number with a fraction.
    Decimal,
    /// A whole number.
    Integer,
    /// A point in time, as text.
    DateTime,
    /// Base64, as text.
    Binary,
    /// A URI, as text.
    Reference,
    /// An object of sub-attributes.
    Complex,
}

const TYPES: [(Type, &str); 8] = [
    (Type::String, "string"),
    (Type::Boolean, "boolean"),
    (Type::Decimal, "decimal"),
    (Type::Integer, "integer"),
    (Type::DateTime, "dateTime"),
    (Type::Binary, "binary"),
    (Type::Reference, "reference"),
    (Type::Complex, "complex"),
];

impl Type {
    /// The type of that name, as schemas write it.
    pub fn named(name: &str) -> Option<Type> {
        TYPES.iter().find(|(_, known)| *known == name).map(|(kind, _)| *kind)
    }

    /// The name that schemas write.
    pub fn as_str(self) -> &'static str {
        TYPES.iter().find(|(kind, _)| *kind == self).map(|(_, name)| *name).unwrap_or_default()
    }
}

/// What a schema says of one attribute (RFC 7643 §2.2, §7).
#[derive(Clone, Debug, PartialEq)]
pub struct Definition {
    /// The name in the schema's spelling.
    pub name: String,
    /// The type of its value, or of each of its values.
    pub kind: Type,
    /// Whether `kind` and `multi_valued` are known, and values are held to them. Of an attribute that only the
    /// attribute map names, they are not, unless the map says so.
    pub declared: bool,
    /// Whether the value is an array.
    pub multi_valued: bool,
    /// Whether case counts in comparisons.
    pub case_exact: bool,
    /// Whether a resource cannot be without it.
    pub required: bool,
    /// Whether only the server writes it.
    pub read_only: bool,
    /// The attributes inside a complex one.
    pub sub_attributes: Vec<Definition>,
    /// What else the published document says, word for word.
    rest: Value,
}

impl Definition {
    fn read(published: &Value) -> Option<Definition> {
        let flag = |name: &str| published.get(name).and_then(Value::as_bool).unwrap_or(false);
        let kind = published.get("type").and_then(Value::as_str).and_then(Type::named)?;
        let subs = published.get("subAttributes").and_then(Value::as_array);
        Some(Definition {
            name: published.get("name")?.as_str()?.to_owned(),
            kind,
            declared: true,
            multi_valued: flag("multiValued"),
            // Base64 and URIs have meaning in their case, whatever RFC 7643 §8.7.1 prints (§2.3.6, §2.3.7).
            case_exact: flag("caseExact") || matches!(kind, Type::Binary | Type::Reference),
            required: flag("required"),
            read_only: published.get("mutability").and_then(Value::as_str) == Some("readOnly"),
            sub_attributes: subs.into_iter().flatten().filter_map(Definition::read).collect(),
            rest: published.clone(),
        })
    }

    /// An attribute with the defaults of RFC 7643 §2.2.
    fn plain(name: &str, kind: Type) -> Definition {
        Definition {
            name: name.to_owned(),
            kind,
            declared: true,
            multi_valued: false,
            case_exact: matches!(kind, Type::Binary | Type::Reference),
            required: false,
            read_only: false,
            sub_attributes: Vec::new(),
            rest: Value::Null,
        }
    }

    fn exact(name: &str) -> Definition {
        Definition { case_exact: true, ..Definition::plain(name, Type::String) }
    }

    /// The sub-attribute of that name, in any case.
    pub fn sub_attribute(&self, name: &str) -> Option<&Definition> {
        find(&self.sub_attributes, name)
    }

    /// Where a value stands that is compared: in a complex attribute its `value`. `None` when it has none.
    pub fn comparable(&self) -> Option<&Definition> {
        if self.kind == Type::Complex { self.sub_attribute("value") } else { Some(self) }
    }

    /// The attribute as a schema document shows it (RFC 7643 §7).
    fn document(&self) -> Value {
        let said = |name: &str, otherwise: Value| match self.rest.get(name) {
            Some(Value::Null) | None => otherwise,
            Some(said) => said.clone(),
        };
        let mut document = json!({
            "name": self.name,
            "type": self.kind.as_str(),
            "multiValued": self.multi_valued,
            "description": said("description", json!("A custom attribute that the attribute map names")),
            "required": self.required,
            "caseExact": self.case_exact,
            "mutability": said("mutability", json!("readWrite")),
            "returned": said("returned", json!("default")),
            "uniqueness": said("uniqueness", json!("none")),
        });
        let Some(members) = document.as_object_mut() else {
            return document;
        };
        for name in ["canonicalValues", "referenceTypes"] {
            let values = said(name, json!([]));
            if values.as_array().is_some_and(|values| !values.is_empty()) {
                members.insert(name.to_owned(), values);
            }
        }
        if self.kind == Type::Complex {
            members.insert("subAttributes".to_owned(), self.sub_attributes.iter().map(Definition::document).collect());
        }
        document
    }
}

/// The attributes under one URN.
#[derive(Clone, Debug, PartialEq)]
struct Namespace {
    urn: String,
    name: String,
    description: String,
    attributes: Vec<Definition>,
}

impl Namespace {
    fn published(schema: &str) -> Namespace {
        let schemas = scim_v2::models::scim_schema::get_schemas(vec![schema]).unwrap_or_default();
        let document = schemas.first().and_then(|schema| serde_json::to_value(schema).ok()).unwrap_or_default();
        let text = |name: &str| document.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
        let attributes = document.get("attributes").and_then(Value::as_array);
        Namespace {
            urn: text("id"),
            name: text("name"),
            description: text("description"),
            attributes: attributes.into_iter().flatten().filter_map(Definition::read).collect(),
        }
    }

    fn custom(urn: &str) -> Namespace {
        // `urn:ietf:params:scim:schemas:extension:Badges:2.0:User` is about badges.
        let words: Vec<&str> = urn.split(':').collect();
        let name = words.iter().rev().find(|word| {
            !word.is_empty() && Kind::named(word).is_none() && !word.starts_with(|c: char| c.is_ascii_digit())
        });
        Namespace {
            urn: urn.to_owned(),
            name: (*name.unwrap_or(&"Custom")).to_owned(),
            description: "Custom attributes that the attribute map names".to_owned(),
            attributes: Vec::new(),
        }
    }

    fn document(&self) -> Value {
        json!({
            "schemas": [scim_v2::schema_urns::SCHEMA],
            "id": self.urn,
            "name": self.name,
            "description": self.description,
            "attributes": self.attributes.iter().map(Definition::document).collect::<Vec<Value>>(),
        })
    }
}

/// The attributes of a kind of resource.
#[derive(Clone, Debug, PartialEq)]
pub struct Schema(Arc<Namespaces>);

#[derive(Clone, Debug, PartialEq)]
struct Namespaces {
    kind: Kind,
    core: Namespace,
    /// What every resource has and no schema document shows (RFC 7643 §3.1).
    common: Vec<Definition>,
    extensions: Vec<Namespace>,
    /// What can be written and is never kept nor returned: shown in schema documents alone.
    write_only: Vec<Definition>,
}

static USER: LazyLock<Schema> = LazyLock::new(|| {
    let mut core = Namespace::published("user");
    // Not kept: passwords never are (`with_password`), and memberships are asked for at the group.
    core.attributes.retain(|attribute| !["password", "groups"].contains(&attribute.name.as_str()));
    // It can be true or false and never be taken away.
    require(&mut core.attributes, "active");
    // RFC 7643 §2.4 and §8.2 have it; the schema of §8.7.1 forgets it.
    let primary = find(&core.attributes, "emails").and_then(|emails| emails.sub_attribute("primary")).cloned();
    let addresses = core.attributes.iter_mut().find(|attribute| attribute.name == "addresses");
    if let Some(addresses) = addresses.filter(|addresses| addresses.sub_attribute("primary").is_none()) {
        addresses.sub_attributes.extend(primary);
    }
    Schema::of(Kind::User, core, vec![Namespace::published("enterprise_user")])
});

static GROUP: LazyLock<Schema> = LazyLock::new(|| {
    let mut core = Namespace::published("group");
    require(&mut core.attributes, "displayName");
    // A group's name is compared byte for byte: two groups may differ in case alone.
    for attribute in core.attributes.iter_mut().filter(|attribute| attribute.name == "displayName") {
        attribute.case_exact = true;
    }
    Schema::of(Kind::Group, core, Vec::new())
});

impl Schema {
    fn of(kind: Kind, core: Namespace, extensions: Vec<Namespace>) -> Schema {
        let server = |definition: Definition| Definition { read_only: true, ..definition };
        let meta = ["resourceType", "version"].map(Definition::exact);
        let dates = ["created", "lastModified"].map(|name| Definition::plain(name, Type::DateTime));
        let location = Definition::plain("location", Type::Reference);
        let common = vec![
            server(Definition::exact("id")),
            Definition::exact("externalId"),
            server(Definition { multi_valued: true, ..Definition::exact("schemas") }),
            server(Definition {
                sub_attributes: meta.into_iter().chain(dates).chain([location]).map(server).collect(),
                ..Definition::plain("meta", Type::Complex)
            }),
        ];
        Schema(Arc::new(Namespaces { kind, core, common, extensions, write_only: Vec::new() }))
    }

    /// The attributes of RFC 7643 alone.
    pub fn standard(kind: Kind) -> Schema {
        match kind {
            Kind::User => USER.clone(),
            Kind::Group => GROUP.clone(),
        }
    }

    /// The attributes of RFC 7643 and the custom ones that an attribute map names, with their types where the map says
    /// them. `required` is what the map cannot do without.
    pub fn new<'a>(
        kind: Kind,
        mapped: impl IntoIterator<Item = (&'a AttributePath, Option<Type>)>,
        required: &[AttributePath],
    ) -> Schema {
        let mut schema = Schema::standard(kind);
        let namespaces = Arc::make_mut(&mut schema.0);
        for (path, kind) in mapped {
            namespaces.add(path, kind);
        }
        for path in required {
            namespaces.require(path);
        }
        schema
    }

    /// The same where clients may send passwords.
    pub fn with_password(mut self) -> Schema {
        let published = Namespace::published(if self.kind() == Kind::User { "user" } else { "group" });
        let password = published.attributes.into_iter().filter(|attribute| attribute.name == "password");
        Arc::make_mut(&mut self.0).write_only = password.collect();
        self
    }

    /// Whether clients may send passwords.
    pub fn has_password(&self) -> bool {
        !self.0.write_only.is_empty()
    }

    /// The kind of resource.
    pub fn kind(&self) -> Kind {
        self.0.kind
    }

    /// The schema documents, core first (RFC 7643 §7).
    pub fn documents(&self) -> Vec<Value> {
        let mut core = self.0.core.clone();
        core.attributes.extend(self.0.write_only.clone());
        std::iter::once(&core).chain(&self.0.extensions).map(Namespace::document).collect()
    }

    /// The URNs of the extensions.
    pub fn extensions(&self) -> impl Iterator<Item = &str> {
        self.0.extensions.iter().map(|extension| extension.urn.as_str())
    }

    /// The URN in the schema's spelling if it is that of a known extension.
    pub fn extension(&self, urn: &str) -> Option<&str> {
        self.extensions().find(|known| known.eq_ignore_ascii_case(urn))
    }

    /// The definition of a core or common attribute, or of one of an extension.
    pub fn named(&self, extension: Option<&str>, name: &str) -> Option<&Definition> {
        match extension {
            None => find(&self.0.core.attributes, name).or_else(|| find(&self.0.common, name)),
            Some(urn) => {
                let namespace = self.0.extensions.iter().find(|extension| extension.urn.eq_ignore_ascii_case(urn))?;
                find(&namespace.attributes, name)
            }
        }
    }

    /// The definition of the attribute that a path leads to, sub-attribute not followed.
    pub fn attribute(&self, path: &AttributePath) -> Option<&Definition> {
        self.named(path.extension.as_deref(), &path.name)
    }

    /// What the path leads to, sub-attribute included.
    pub fn leaf(&self, path: &AttributePath) -> Option<&Definition> {
        let definition = self.attribute(path)?;
        match &path.sub {
            Some(sub) => definition.sub_attribute(sub),
            None => Some(definition),
        }
    }

    /// The definition to which values are held: none of an attribute whose type nobody declared.
    pub fn declared(&self, extension: Option<&str>, name: &str) -> Option<&Definition> {
        self.named(extension, name).filter(|definition| definition.declared)
    }

    /// Whether case counts where the path leads. What no schema defines is compared exactly.
    pub fn case_exact(&self, path: &AttributePath) -> bool {
        self.leaf(path).and_then(Definition::comparable).is_none_or(|definition| definition.case_exact)
    }

    /// The core attribute whose name is most like this one, if one is.
    pub fn nearest(&self, name: &str) -> Option<&str> {
        let similarity = |known: &&Definition| {
            (strsim::jaro_winkler(&name.to_lowercase(), &known.name.to_lowercase()) * 1000.0) as u32
        };
        // To find out that a very long name is like none would take long.
        let all = self.0.core.attributes.iter().chain(&self.0.common).filter(|_| name.len() < 100);
        let nearest = all.max_by_key(similarity).filter(|known| similarity(known) > 800)?;
        Some(&nearest.name)
    }

    /// The paths that a resource cannot be without.
    pub fn required(&self) -> Vec<AttributePath> {
        let core = self.0.core.attributes.iter().map(|definition| (None, definition));
        let extensions = self.0.extensions.iter().flat_map(|extension| {
            extension.attributes.iter().map(move |definition| (Some(extension.urn.clone()), definition))
        });
        let mut paths = Vec::new();
        for (extension, definition) in core.chain(extensions).filter(|(_, definition)| definition.required) {
            let path = AttributePath { extension, name: definition.name.clone(), filter: None, sub: None };
            let subs = definition.sub_attributes.iter().filter(|sub| sub.required);
            let parts: Vec<AttributePath> =
                subs.map(|sub| AttributePath { sub: Some(sub.name.clone()), ..path.clone() }).collect();
            paths.extend(if parts.is_empty() { vec![path] } else { parts });
        }
        paths
    }
}

impl Namespaces {
    fn add(&mut self, path: &AttributePath, kind: Option<Type>) {
        let Some(urn) = &path.extension else {
            return;
        };
        let position = self.extensions.iter().position(|known| known.urn.eq_ignore_ascii_case(urn));
        let position = position.unwrap_or_else(|| {
            self.extensions.push(Namespace::custom(urn));
            self.extensions.len() - 1
        });
        let Some(extension) = self.extensions.get_mut(position) else {
            return;
        };
        let leaf = |name: &str| Definition {
            declared: kind.is_some(),
            ..Definition::plain(name, kind.unwrap_or(Type::String))
        };
        let position = extension.attributes.iter().position(|known| known.name.eq_ignore_ascii_case(&path.name));
        let Some(known) = position.and_then(|position| extension.attributes.get_mut(position)) else {
            extension.attributes.push(match &path.sub {
                None => leaf(&path.name),
                Some(sub) => Definition {
                    declared: false,
                    multi_valued: path.filter.is_some(),
                    sub_attributes: vec![leaf(sub)],
                    ..Definition::plain(&path.name, Type::Complex)
                },
            });
            return;
        };
        if let Some(sub) = &path.sub
            && known.kind == Type::Complex
            && known.sub_attribute(sub).is_none()
        {
            known.sub_attributes.push(leaf(sub));
        }
    }

    fn require(&mut self, path: &AttributePath) {
        let attributes = match &path.extension {
            None => Some(&mut self.core.attributes),
            Some(urn) => {
                let mut extensions = self.extensions.iter_mut();
                extensions.find(|known| known.urn.eq_ignore_ascii_case(urn)).map(|known| &mut known.attributes)
            }
        };
        let Some(attributes) = attributes else {
            return;
        };
        require(attributes, &path.name);
        let attribute = attributes.iter_mut().find(|known| known.name.eq_ignore_ascii_case(&path.name));
        if let (Some(attribute), Some(sub)) = (attribute, &path.sub) {
            require(&mut attribute.sub_attributes, sub);
        }
    }
}

fn require(attributes: &mut [Definition], name: &str) {
    for attribute in attributes.iter_mut().filter(|attribute| attribute.name.eq_ignore_ascii_case(name)) {
        attribute.required = true;
    }
}

fn find<'a>(definitions: &'a [Definition], name: &str) -> Option<&'a Definition> {
    definitions.iter().find(|definition| definition.name.eq_ignore_ascii_case(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    const BADGES: &str = "urn:ietf:params:scim:schemas:extension:Badges:2.0:User";

    fn path(text: &str) -> AttributePath {
        AttributePath::parse(&Schema::standard(Kind::User), text).unwrap()
    }

    #[test]
    fn what_the_map_names_is_known_with_the_type_that_it_says() {
        let number = path(&format!("{BADGES}:number"));
        let color = path(&format!("{BADGES}:color"));
        let family_name = path("name.familyName");
        let mapped = [(&number, Some(Type::Integer)), (&color, None), (&family_name, None)];
        let schema = Schema::new(Kind::User, mapped, std::slice::from_ref(&family_name));
        assert_eq!(schema.extensions().collect::<Vec<_>>(), [ENTERPRISE_USER, BADGES]);
        assert_eq!(schema.leaf(&number).unwrap().kind, Type::Integer);
        assert!(schema.declared(Some(BADGES), "NUMBER").is_some());
        assert!(schema.declared(Some(BADGES), "color").is_none());
        assert!(schema.named(Some(BADGES), "color").is_some());
        assert!(!schema.case_exact(&color));
        assert!(schema.case_exact(&path("urn:example:2.0:User:unknown")));
        let required: Vec<String> = schema.required().iter().map(ToString::to_string).collect();
        assert_eq!(required, ["userName", "name.familyName", "active"]);
    }
}

//! Resources: a user or a group as the client wants it (RFC 7643 §3).
//!
//! Not the members of a group: those are rows of the store, because a change of one must not cost
//! the size of the group. Invariant: a document holds no nulls, no empty values, and nothing that
//! [`is_reserved`].

use std::collections::BTreeMap;
use std::fmt;

use serde_json::{Map, Value, json};

use super::compare;
use super::error::{Error, ScimType};
use super::password::Password;
use super::path::{AttributePath, text_of};
use super::quirks;
use super::schema::{self, Definition, Schema, Type};
use super::version;

/// The attributes of a resource, unknown ones and extensions included, in the order they came.
pub type Document = Map<String, Value>;

/// How many attributes a resource has at most, and how many values one of them, members aside. Operations look at what is
/// there: without an end to it, a request could be made to take quadratic time.
pub const MOST_VALUES: usize = 1_000;

/// The two kinds of resource.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// RFC 7643 §4.1.
    User,
    /// RFC 7643 §4.2.
    Group,
}

impl Kind {
    /// The name of the resource type: `User` or `Group`.
    pub fn as_str(self) -> &'static str {
        match self {
            Kind::User => "User",
            Kind::Group => "Group",
        }
    }

    /// The kind of that name.
    pub fn named(name: &str) -> Option<Kind> {
        [Kind::User, Kind::Group].into_iter().find(|kind| kind.as_str() == name)
    }

    /// The endpoint below the base: `Users` or `Groups`.
    pub fn endpoint(self) -> &'static str {
        match self {
            Kind::User => "Users",
            Kind::Group => "Groups",
        }
    }

    /// The URN of the core schema.
    pub fn schema(self) -> &'static str {
        match self {
            Kind::User => scim_v2::schema_urns::USER,
            Kind::Group => scim_v2::schema_urns::GROUP,
        }
    }

    /// The attribute without which there is no such resource.
    pub fn required(self) -> &'static str {
        match self {
            Kind::User => "userName",
            Kind::Group => "displayName",
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The id that the store issued: a random UUID that says nothing of the entry and never changes.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ResourceId(pub String);

impl ResourceId {
    /// The id as it stands in URLs.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The first eight digits: what tells a group's entry from its twin.
    pub fn short(&self) -> &str {
        self.0.get(..8).unwrap_or(&self.0)
    }
}

impl fmt::Display for ResourceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A member of a group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Member {
    /// The resource that is the member.
    pub id: ResourceId,
    /// Whether it is a user or a nested group.
    pub kind: Kind,
}

/// What a client sent as a whole resource, checked and cleaned.
#[derive(Clone, Debug, PartialEq)]
pub struct Draft {
    /// The attributes.
    pub document: Document,
    /// The ids of the members, when the client named any list, even an empty one.
    pub members: Option<Vec<ResourceId>>,
    /// The password, when a client sent one for a user.
    pub password: Option<Password>,
}

impl Draft {
    /// Reads the body of a POST or PUT.
    ///
    /// Nulls and empty values count as absent (RFC 7643 §2.5). Attributes that only the server
    /// writes are dropped, and `password` is no part of the document.
    ///
    /// # Errors
    /// `invalidSyntax` when the body is not an object, `invalidValue` for each value of a wrong type
    /// and for a missing `userName` or `displayName`.
    pub fn read(schema: &Schema, body: &Value) -> Result<Draft, Error> {
        let Some(body) = body.as_object() else {
            return Err(Error::new(ScimType::InvalidSyntax, "the body is not a JSON object"));
        };
        let core = schema.kind().schema();
        let mut problems = Vec::new();
        let mut document = Document::new();
        let (mut members, mut password) = (None, None);
        let under_core = attributes_under(body, core);
        for (name, value) in body.iter().chain(under_core).filter(|(name, _)| !name.eq_ignore_ascii_case(core)) {
            let name = without_urn(core, name);
            if schema.kind() == Kind::Group && name.eq_ignore_ascii_case("members") {
                match quirks::member_ids(value) {
                    Ok(ids) => members = Some(ids),
                    Err(problem) => problems.push(problem),
                }
            } else if schema.kind() == Kind::User && name.eq_ignore_ascii_case("password") {
                match Password::read(value) {
                    Ok(read) => password = read.or(password),
                    Err(problem) => problems.push(problem),
                }
            } else if !is_reserved(name) {
                match clean_attribute(schema, name, value) {
                    Ok(Some((name, value))) => _ = document.insert(name, value),
                    Ok(None) => {}
                    Err(problem) => problems.push(problem),
                }
            }
        }
        if problems.is_empty() {
            problems.extend(missing(schema, &document).iter().map(demand));
        }
        problems.extend(check_size("the resource", document.len()).err());
        match Error::all(problems) {
            Some(error) => Err(error),
            None => Ok(Draft { document, members, password }),
        }
    }
}

/// The core attributes of a client that puts them under the URN of their schema.
fn attributes_under<'a>(body: &'a Document, urn: &str) -> impl Iterator<Item = (&'a String, &'a Value)> {
    attribute(body, urn).and_then(Value::as_object).into_iter().flatten()
}

/// `urn:ietf:params:scim:schemas:core:2.0:User:password` is `password`, and never kept under another name.
fn without_urn<'a>(urn: &str, name: &'a str) -> &'a str {
    match (name.get(..urn.len()), name.get(urn.len()..).and_then(|rest| rest.strip_prefix(':'))) {
        (Some(start), Some(rest)) if start.eq_ignore_ascii_case(urn) => rest,
        _ => name,
    }
}

/// Whether only the server writes the attribute, or it is never kept.
pub fn is_reserved(name: &str) -> bool {
    ["id", "meta", "schemas", "groups", "members", "password"]
        .iter()
        .any(|reserved| reserved.eq_ignore_ascii_case(name))
}

/// What the resource cannot be without and does not have. `active` is never missed: absent means true.
pub fn missing(schema: &Schema, document: &Document) -> Vec<AttributePath> {
    let is_there = |path: &AttributePath| {
        let is_default = path.extension.is_none() && path.name == "active";
        is_default || path.texts(document).iter().any(|text| !text.trim().is_empty())
    };
    schema.required().into_iter().filter(|path| !is_there(path)).collect()
}

/// What a client is told of an attribute that it left out.
fn demand(path: &AttributePath) -> Error {
    Error::new(ScimType::InvalidValue, format!("{path} is required and must be a text that is not blank"))
}

/// One top-level attribute in the schema's spelling and form; `None` when it is unassigned.
fn clean_attribute(schema: &Schema, name: &str, value: &Value) -> Result<Option<(String, Value)>, Error> {
    if name.get(..4).is_some_and(|start| start.eq_ignore_ascii_case("urn:")) {
        let Some(attributes) = value.as_object() else {
            return Ok(quirks::without_nulls(value).map(|value| (name.to_owned(), value)));
        };
        let urn = schema.extension(name).unwrap_or(name);
        let mut extension = Document::new();
        for (name, value) in attributes {
            if let Some(value) = clean_value(schema.declared(Some(urn), name), name, value)? {
                extension.insert(canonical_name(schema.named(Some(urn), name), name), value);
            }
        }
        return Ok((!extension.is_empty()).then(|| (urn.to_owned(), Value::Object(extension))));
    }
    let definition = schema.named(None, name);
    Ok(clean_value(definition, name, value)?.map(|value| (canonical_name(definition, name), value)))
}

/// The attribute's name in the schema's spelling if it is a known one.
pub fn canonical_name(definition: Option<&Definition>, name: &str) -> String {
    definition.map_or(name, |definition| definition.name.as_str()).to_owned()
}

/// A value in the form that its definition asks for; `None` when it is null or empty.
///
/// # Errors
/// `invalidValue` when the value cannot have the type of the attribute.
pub fn clean_value(definition: Option<&Definition>, name: &str, value: &Value) -> Result<Option<Value>, Error> {
    let Some(value) = quirks::without_nulls(value) else {
        return Ok(None);
    };
    let parts = match &value {
        Value::Array(elements) => elements.len(),
        Value::Object(parts) => parts.len(),
        _ => 1,
    };
    check_size(name, parts)?;
    if is_deeper(&value, DEEPEST) {
        return Err(Error::new(ScimType::InvalidValue, format!("{name} has values in more than {DEEPEST} values")));
    }
    let Some(definition) = definition else {
        return Ok(Some(value));
    };
    if !definition.multi_valued {
        let value = quirks::unwrap_single(definition, value);
        return clean_single(definition, name, &value);
    }
    let elements = match value {
        Value::Array(elements) => elements,
        single => vec![single],
    };
    let mut cleaned = Vec::new();
    for element in &elements {
        cleaned.extend(clean_single(definition, name, element)?);
    }
    Ok((!cleaned.is_empty()).then_some(Value::Array(cleaned)))
}

/// Refuses what has too many values.
pub(super) fn check_size(name: &str, values: usize) -> Result<(), Error> {
    if values <= MOST_VALUES {
        return Ok(());
    }
    let detail = format!("{name} may hold {MOST_VALUES} values at most, and would hold {values}");
    Err(Error::new(ScimType::InvalidValue, detail))
}

/// In how many arrays and objects a value may stand. JSON is read to a depth of 127, and a document must be read back from
/// the store wherever in it a PATCH or a role that was JSON text has put the value.
const DEEPEST: usize = 100;

fn is_deeper(value: &Value, most: usize) -> bool {
    let is_inside = |inner: &Value| most == 0 || is_deeper(inner, most - 1);
    match value {
        Value::Array(elements) => elements.iter().any(is_inside),
        Value::Object(members) => members.values().any(is_inside),
        _ => false,
    }
}

fn clean_single(definition: &Definition, name: &str, value: &Value) -> Result<Option<Value>, Error> {
    let wrong = |expected: &str| {
        Error::new(ScimType::InvalidValue, format!("{name} must be {expected}, not {}", describe(value)))
    };
    match (definition.kind, value) {
        (Type::Boolean, value) => {
            quirks::boolean(value).map(|flag| Some(json!(flag))).ok_or_else(|| wrong("true or false"))
        }
        (Type::Integer, value) => match quirks::number(value).filter(|number| !number.is_f64()) {
            Some(number) => Ok(Some(Value::Number(number))),
            None => Err(wrong("a whole number")),
        },
        (Type::Decimal, value) => match quirks::number(value) {
            Some(number) => Ok(Some(Value::Number(number))),
            None => Err(wrong("a number")),
        },
        (Type::DateTime, Value::String(text)) if compare::instant(text).is_none() => {
            Err(wrong("a date and time such as 2026-01-31T08:00:00Z"))
        }
        (Type::String | Type::Reference | Type::Binary | Type::DateTime, Value::String(_)) => Ok(Some(value.clone())),
        (Type::String | Type::Reference | Type::Binary | Type::DateTime, _) => Err(wrong("a text")),
        (Type::Complex, Value::Object(attributes)) => {
            let decoded = quirks::role(definition, attributes).or_else(|| quirks::reference(definition, attributes));
            let mut cleaned = Document::new();
            for (sub, value) in decoded.as_ref().unwrap_or(attributes) {
                let sub_definition = definition.sub_attribute(sub);
                if sub_definition.is_some_and(|known| known.read_only) {
                    continue;
                }
                if let Some(value) = clean_value(sub_definition, &format!("{name}.{sub}"), value)? {
                    cleaned.insert(canonical_name(sub_definition, sub), value);
                }
            }
            Ok((!cleaned.is_empty()).then_some(Value::Object(cleaned)))
        }
        (Type::Complex, _) => match quirks::complex_from_scalar(definition, value) {
            Some(complex) => Ok(Some(complex)),
            None => Err(wrong("an object")),
        },
    }
}

fn describe(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "a text",
        Value::Array(_) => "an array",
        Value::Object(_) => "an object",
    }
}

/// An attribute of a document by its name in any case (RFC 7643 §2.1).
pub fn attribute<'a>(document: &'a Document, name: &str) -> Option<&'a Value> {
    document.get(name).or_else(|| {
        let mut others = document.iter();
        others.find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    })
}

/// A top-level attribute that is a text.
pub fn text<'a>(document: &'a Document, name: &str) -> Option<&'a str> {
    attribute(document, name)?.as_str()
}

/// A resource as it stands in the store.
#[derive(Clone, Debug, PartialEq)]
pub struct Resource {
    /// Its id.
    pub id: ResourceId,
    /// Its kind.
    pub kind: Kind,
    /// Its attributes.
    pub document: Document,
    /// Counts its changes, from 1.
    pub version: i64,
    /// When it came to be, RFC 3339 in UTC.
    pub created: String,
    /// When it last changed, RFC 3339 in UTC.
    pub modified: String,
}

impl Resource {
    /// Whether the user may log in. Absent never means false.
    pub fn is_active(&self) -> bool {
        is_active(&self.document)
    }

    /// The address of the resource below `base_url`.
    pub fn location(&self, base_url: &str) -> String {
        format!("{base_url}/{}/{}", self.kind.endpoint(), self.id)
    }

    /// The resource as clients see it (RFC 7643 §3).
    pub fn representation(&self, base_url: &str, surroundings: &Surroundings) -> Document {
        let mut shown = Document::new();
        // What the schemas are is known last: a manager who is gone may have been all of an extension.
        shown.insert("schemas".to_owned(), Value::Null);
        shown.insert("id".to_owned(), json!(self.id.as_str()));
        shown.extend(self.document.clone());
        if self.kind == Kind::User {
            shown.insert("active".to_owned(), json!(self.is_active()));
            show_manager(&mut shown, base_url, &surroundings.managers);
        }
        if let Some(members) = &surroundings.members {
            let member = |member: &Member| {
                json!({
                    "value": member.id.as_str(),
                    "$ref": format!("{base_url}/{}/{}", member.kind.endpoint(), member.id),
                    "type": member.kind.as_str(),
                })
            };
            shown.insert("members".to_owned(), members.iter().map(member).collect());
        }
        let extensions = shown.iter().filter(|(name, value)| is_extension(name, value)).map(|(name, _)| json!(name));
        let schemas = std::iter::once(json!(self.kind.schema())).chain(extensions).collect();
        shown.insert("schemas".to_owned(), schemas);
        shown.insert(
            "meta".to_owned(),
            json!({
                "resourceType": self.kind.as_str(),
                "created": self.created,
                "lastModified": self.modified,
                "location": self.location(base_url),
                "version": version::tag(self.version),
            }),
        );
        shown
    }

    /// The id that `manager` holds.
    pub fn manager(&self) -> Option<ResourceId> {
        let extension = attribute(&self.document, schema::ENTERPRISE_USER)?.as_object()?;
        let id = text_of(attribute(extension, "manager")?)?;
        Some(ResourceId(id))
    }
}

/// What of other resources a representation shows.
#[derive(Clone, Debug, Default)]
pub struct Surroundings {
    /// The members of a group, when they are to be shown.
    pub members: Option<Vec<Member>>,
    /// The users whom others name as their managers.
    pub managers: BTreeMap<ResourceId, Resource>,
}

/// Whether the document says that the user may log in. Absent never means false: a client that
/// does not speak of `active` must not lock anybody out.
pub fn is_active(document: &Document) -> bool {
    attribute(document, "active").and_then(Value::as_bool).unwrap_or(true)
}

fn is_extension(name: &str, value: &Value) -> bool {
    name.get(..4).is_some_and(|start| start.eq_ignore_ascii_case("urn:")) && value.is_object()
}

/// `manager` is shown as `{value, $ref, displayName}` or not at all: a bare id makes Entra see a difference for ever,
/// and one that leads nowhere would be no reference. `displayName` is the manager's own; who has none gets none, for what
/// is made up would differ from what was sent.
fn show_manager(shown: &mut Document, base_url: &str, managers: &BTreeMap<ResourceId, Resource>) {
    let Some(extension) = shown.get_mut(schema::ENTERPRISE_USER).and_then(Value::as_object_mut) else {
        return;
    };
    let id = extension.get("manager").and_then(text_of).map(ResourceId);
    match id.as_ref().and_then(|id| managers.get(id)) {
        Some(manager) => {
            let mut reference = json!({"value": manager.id.as_str(), "$ref": manager.location(base_url)});
            if let (Some(name), Some(members)) = (text(&manager.document, "displayName"), reference.as_object_mut()) {
                members.insert("displayName".to_owned(), json!(name));
            }
            extension.insert("manager".to_owned(), reference);
        }
        None => _ = extension.shift_remove("manager"),
    }
    if extension.is_empty() {
        shown.shift_remove(schema::ENTERPRISE_USER);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(kind: Kind, body: Value, expected: Value) {
        let draft = Draft::read(&Schema::standard(kind), &body).unwrap();
        assert_eq!(Value::Object(draft.document), expected);
    }

    #[track_caller]
    fn check_refused(kind: Kind, body: Value, detail: &str) {
        assert_eq!(Draft::read(&Schema::standard(kind), &body).unwrap_err().detail, detail);
    }

    #[test]
    fn unassigned_and_reserved_attributes_are_left_out() {
        check(
            Kind::User,
            json!({"schemas": ["x"], "id": "1", "meta": {}, "password": "p", "userName": "a", "title": null,
                   "nickName": "", "roles": [], "addresses": null, "name": {"givenName": null},
                   "emails": [{"type": "work", "value": null}, null]}),
            json!({"userName": "a", "emails": [{"type": "work"}]}),
        );
    }

    #[test]
    fn names_and_booleans_take_the_form_of_the_schema() {
        check(
            Kind::User,
            json!({"USERNAME": "a", "Active": "False", "emails": [{"Primary": "True", "Value": "x"}],
                   "urn:ietf:params:scim:schemas:extension:ENTERPRISE:2.0:user": {"Department": "R&D", "manager": "U2"}}),
            json!({"userName": "a", "active": false, "emails": [{"primary": true, "value": "x"}],
                   "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User":
                       {"department": "R&D", "manager": {"value": "U2"}}}),
        );
    }

    #[test]
    fn unknown_attributes_and_extensions_are_kept_as_they_came() {
        check(
            Kind::User,
            json!({"userName": "a", "shoeSize": 43, "urn:example:2.0:User": {"Badge": "7", "gone": null}}),
            json!({"userName": "a", "shoeSize": 43, "urn:example:2.0:User": {"Badge": "7"}}),
        );
    }

    #[test]
    fn core_attributes_under_their_urn_are_core_attributes() {
        let core = Kind::User.schema();
        check(
            Kind::User,
            json!({core: {"userName": "a", "password": "p", core: {"password": "p"}}, format!("{core}:Title"): "t",
                   format!("{}:PASSWORD", core.to_uppercase()): "p"}),
            json!({"title": "t", "userName": "a"}),
        );
    }

    #[test]
    fn what_the_store_could_not_read_back_is_refused() {
        let nested = |depth: usize| format!("{}1{}", "[".repeat(depth), "]".repeat(depth));
        let read = |text: &str| Draft::read(&Schema::standard(Kind::User), &serde_json::from_str(text).unwrap());
        assert!(read(&format!("{{\"userName\": \"a\", \"x\": {}}}", nested(100))).is_ok());
        assert!(read(&format!("{{\"userName\": \"a\", \"x\": {}}}", nested(101))).is_err());
        // A role that is JSON text may be as deep as a whole body.
        let role = json!({"userName": "a", "roles": [{"value": format!("{{\"x\": {}}}", nested(126))}]});
        assert_eq!(read(&role.to_string()).unwrap_err().scim_type, ScimType::InvalidValue);
    }

    #[test]
    fn every_problem_is_named_at_once() {
        check_refused(
            Kind::User,
            json!({"userName": 5, "active": "maybe", "name": 1}),
            "userName must be a text, not a number; active must be true or false, not a text; name must be an object, not a number",
        );
        check_refused(
            Kind::User,
            json!({"displayName": "x"}),
            "userName is required and must be a text that is not blank",
        );
        check_refused(
            Kind::Group,
            json!({"displayName": ""}),
            "displayName is required and must be a text that is not blank",
        );
        check_refused(Kind::User, json!([]), "the body is not a JSON object");
    }

    #[test]
    fn members_are_told_apart_from_the_document() {
        let draft =
            Draft::read(&Schema::standard(Kind::Group), &json!({"displayName": "g", "members": [{"value": "U1"}]}))
                .unwrap();
        assert_eq!(draft.members, Some(vec![ResourceId("U1".to_owned())]));
        assert!(!draft.document.contains_key("members"));
    }
}

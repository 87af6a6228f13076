//! PATCH (RFC 7644 §3.5.2): read from the body, applied to a document.
//!
//! Not a write: the result is a new document and the changes of a member list, which is never read here. What one
//! operation makes of a document is in `change`. Invariant: operations apply in order, and a refused one leaves nothing
//! applied.

mod change;

use scim_v2::filter::{AttrExp, CompValue, CompareOp, ValFilter};
use serde_json::Value;

use super::error::{Error, ScimType};
use super::password::Password;
use super::path::{AttributePath, Path};
use super::quirks;
use super::redact;
use super::resource::{self, Document, Kind, ResourceId};
use super::schema::Schema;
use change::{change_at, change_extension, element_from_filter};

/// The kind of a PATCH operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Op {
    /// RFC 7644 §3.5.2.1.
    Add,
    /// RFC 7644 §3.5.2.3.
    Replace,
    /// RFC 7644 §3.5.2.2.
    Remove,
}

/// A change of a group's member list.
#[derive(Clone, Debug, PartialEq)]
pub enum MemberChange {
    /// These become members.
    Add(Vec<ResourceId>),
    /// These are members no longer.
    Remove(Vec<ResourceId>),
    /// These and nobody else are members.
    Replace(Vec<ResourceId>),
}

/// The operations of a PATCH request.
#[derive(Clone, Debug)]
pub struct Patch {
    schema: Schema,
    operations: Vec<Operation>,
    password: Option<Password>,
}

#[derive(Clone, Debug)]
struct Operation {
    op: Op,
    target: Target,
    /// `null` where the client sent none.
    value: Value,
    /// Whether it sent one, be it `null`.
    says_value: bool,
    /// How the client wrote it, for error messages.
    named: String,
}

#[derive(Clone, Debug)]
enum Target {
    /// The member list, or the members that a value filter names.
    Members(Option<Vec<ResourceId>>),
    Attribute(Path),
}

/// What applying a [`Patch`] comes to.
#[derive(Clone, Debug, PartialEq)]
pub struct Patched {
    /// The new document.
    pub document: Document,
    /// The changes of the member list, in order.
    pub members: Vec<MemberChange>,
    /// Whether the client speaks of `active`, be it as it was before.
    pub says_active: bool,
    /// The password that the client sent.
    pub password: Option<Password>,
}

/// The value that a path to one of several describes: `emails[type eq "work"]` is `{"type": "work"}`. `None` when it
/// describes none, as `emails[type ne "work"]`.
pub fn described(schema: &Schema, path: &AttributePath) -> Option<Document> {
    element_from_filter(schema.declared(path.extension.as_deref(), &path.name), path).ok()
}

impl Patch {
    /// Reads the body of a PATCH request.
    ///
    /// # Errors
    /// `invalidSyntax` for a body that is no PatchOp, `invalidPath` for a path that cannot be read,
    /// `mutability` for a path to what only the server writes, `noTarget` for a remove without path.
    pub fn read(schema: &Schema, body: &Value) -> Result<Patch, Error> {
        let syntax = |detail: String| Error::new(ScimType::InvalidSyntax, detail);
        let operations = body
            .as_object()
            .and_then(|body| resource::attribute(body, "Operations"))
            .and_then(Value::as_array)
            .ok_or_else(|| syntax("a PATCH body must be an object with an array named Operations".to_owned()))?;
        let mut patch = Patch { schema: schema.clone(), operations: Vec::new(), password: None };
        for (index, operation) in operations.iter().enumerate() {
            let field = |name: &str| operation.as_object().and_then(|operation| resource::attribute(operation, name));
            let sent = field("op").unwrap_or(&Value::Null);
            let op = sent
                .as_str()
                .and_then(quirks::operation)
                .ok_or_else(|| syntax(format!("Operations[{index}]: op must be add, replace or remove, not {sent}")))?;
            let value = field("value").cloned();
            match field("path") {
                None | Some(Value::Null) => patch.push_pathless(index, op, value.unwrap_or_default())?,
                Some(Value::String(path)) if path.is_empty() => {
                    patch.push_pathless(index, op, value.unwrap_or_default())?;
                }
                Some(Value::String(path)) => {
                    patch.push(format!("Operations[{index}], path '{}'", redact::path(path)), op, path, value)?
                }
                Some(_) => return Err(syntax(format!("Operations[{index}]: path must be a text"))),
            }
        }
        Ok(patch)
    }

    /// An operation without a path: each key of its value is a path of its own, dotted and URN keys
    /// included, which is how Entra batches attributes; nested objects are the RFC's form.
    fn push_pathless(&mut self, index: usize, op: Op, value: Value) -> Result<(), Error> {
        if op == Op::Remove {
            return Err(Error::new(ScimType::NoTarget, format!("Operations[{index}]: remove needs a path")));
        }
        let Value::Object(attributes) = value else {
            let detail = format!("Operations[{index}]: without a path the value must be an object");
            return Err(Error::new(ScimType::InvalidSyntax, detail));
        };
        let kind = self.schema.kind();
        for (path, value) in attributes {
            let is_members = kind == Kind::Group && path.eq_ignore_ascii_case("members");
            let is_password = kind == Kind::User && path.eq_ignore_ascii_case("password");
            if resource::is_reserved(&path) && !is_members && !is_password {
                continue;
            }
            let named = format!("Operations[{index}], attribute '{path}'");
            let is_urn = path.get(..4).is_some_and(|start| start.eq_ignore_ascii_case("urn:"));
            if path.eq_ignore_ascii_case(kind.schema()) {
                self.push_pathless(index, op, value)?;
            } else if is_urn && value.is_object() && !self.names_attribute(&path) {
                let urn = self.schema.extension(&path).unwrap_or(&path).to_owned();
                let target = Target::Attribute(Path::Extension(urn));
                self.operations.push(Operation { op, target, value, says_value: true, named });
            } else {
                self.push(named, op, &path, Some(value))?;
            }
        }
        Ok(())
    }

    /// Whether a URN leads to an attribute that is known: it tells `urn:…:enterprise:2.0:User:manager` from the URN of
    /// an extension.
    fn names_attribute(&self, urn: &str) -> bool {
        AttributePath::parse(&self.schema, urn).is_ok_and(|path| self.schema.attribute(&path).is_some())
    }

    fn push(&mut self, named: String, op: Op, path: &str, value: Option<Value>) -> Result<(), Error> {
        let mutability = |detail: String| Error::new(ScimType::Mutability, format!("{named}: {detail}"));
        let target = match Path::parse(&self.schema, path)? {
            Path::Core => return Err(mutability(format!("{path} is the schema of the resource and not an attribute"))),
            Path::Attribute(path) if is_member_list(self.schema.kind(), &path) => {
                Target::Members(selected_members(&path)?)
            }
            Path::Attribute(path) if path.extension.is_none() && resource::is_reserved(&path.name) => {
                if path.name.eq_ignore_ascii_case("password") {
                    return self.push_password(&named, op, value.as_ref());
                }
                return Err(mutability(format!("{path} is written by the server alone")));
            }
            Path::Attribute(path) if self.schema.leaf(&path).is_some_and(|leaf| leaf.read_only) => {
                return Err(mutability(format!("{path} is written by the server alone")));
            }
            path => Target::Attribute(path),
        };
        let says_value = value.is_some();
        self.operations.push(Operation { op, target, value: value.unwrap_or_default(), says_value, named });
        Ok(())
    }

    /// Remembers a password, which is no part of the document. A group has none, and what is said of it is not heard.
    fn push_password(&mut self, named: &str, op: Op, value: Option<&Value>) -> Result<(), Error> {
        let place = |error: Error| Error::new(error.scim_type, format!("{named}: {}", error.detail));
        match (self.schema.kind(), op) {
            (Kind::Group, _) => Ok(()),
            (Kind::User, Op::Remove) => {
                let detail = format!("{named}: a password can be exchanged and not be taken away; set active to false");
                Err(Error::new(ScimType::Mutability, detail))
            }
            (Kind::User, Op::Add | Op::Replace) => {
                let read = Password::read(value.unwrap_or(&Value::Null)).map_err(place)?;
                self.password = read.or(self.password.take());
                Ok(())
            }
        }
    }

    /// Applies the operations to a document.
    ///
    /// # Errors
    /// `invalidValue` for a value that does not fit, `noTarget` for a path that leads nowhere and from
    /// which no new value can be made. The error names the operation.
    pub fn apply(&self, document: &Document) -> Result<Patched, Error> {
        let mut patched = Patched {
            document: document.clone(),
            members: Vec::new(),
            says_active: false,
            password: self.password.clone(),
        };
        for operation in &self.operations {
            let place = |error: Error| Error::new(error.scim_type, format!("{}: {}", operation.named, error.detail));
            match &operation.target {
                Target::Members(selected) => {
                    let changes = member_changes(operation, selected.as_ref()).map_err(place)?;
                    // The whole list is read for each of these: what came before does not count any more.
                    if matches!(changes.as_slice(), [MemberChange::Replace(_)]) {
                        patched.members.clear();
                    }
                    patched.members.extend(changes);
                }
                Target::Attribute(Path::Core) => {}
                Target::Attribute(Path::Extension(urn)) => {
                    change_extension(&mut patched.document, &self.schema, urn, operation.op, &operation.value)
                        .map_err(place)?;
                }
                Target::Attribute(Path::Attribute(path)) if names_extension(&patched.document, path) => {
                    change_extension(
                        &mut patched.document,
                        &self.schema,
                        &path.to_string(),
                        operation.op,
                        &operation.value,
                    )
                    .map_err(place)?;
                }
                Target::Attribute(Path::Attribute(path)) => {
                    patched.says_active |= path.extension.is_none() && path.name == "active";
                    let (op, value) = (operation.op, &operation.value);
                    change_at(&mut patched.document, &self.schema, path, op, value).map_err(place)?;
                }
            }
        }
        // What was missing before, since the attribute map demands more than it did, keeps nobody from being disabled.
        let missing_before = resource::missing(&self.schema, document);
        let missing = resource::missing(&self.schema, &patched.document);
        match missing.iter().find(|path| !missing_before.contains(path)) {
            Some(path) => {
                let detail = format!("{path} is required and cannot be taken away or be blank");
                Err(Error::new(ScimType::Mutability, detail))
            }
            None => Ok(patched),
        }
    }
}

/// Whether the path is the URN of an extension that the document holds: to the grammar, the last word of a
/// URN that nobody told us of looks like an attribute.
fn names_extension(document: &Document, path: &AttributePath) -> bool {
    path.extension.is_some() && resource::attribute(document, &path.to_string()).is_some_and(Value::is_object)
}

fn is_member_list(kind: Kind, path: &AttributePath) -> bool {
    kind == Kind::Group && path.extension.is_none() && path.name == "members"
}

/// The ids that `members[value eq "U1"]` names; `None` for the whole list.
fn selected_members(path: &AttributePath) -> Result<Option<Vec<ResourceId>>, Error> {
    fn collect(filter: &ValFilter, ids: &mut Vec<ResourceId>) -> bool {
        match filter {
            ValFilter::Attr(AttrExp::Comparison(part, CompareOp::Eq, CompValue::Str(id))) => {
                ids.push(ResourceId(id.clone()));
                part.name.eq_ignore_ascii_case("value")
            }
            ValFilter::Or(all) => all.iter().all(|filter| collect(filter, ids)),
            _ => false,
        }
    }
    if path.sub.as_ref().is_some_and(|sub| path.filter.is_some() || sub != "value") {
        let detail = format!("{path}: a member is added or removed, not changed in part");
        return Err(Error::new(ScimType::Mutability, detail));
    }
    let Some(filter) = &path.filter else {
        return Ok(None);
    };
    let mut ids = Vec::new();
    if collect(filter, &mut ids) {
        return Ok(Some(ids));
    }
    let detail = format!("{path}: members are chosen by value eq \"id\", joined by or");
    Err(Error::new(ScimType::InvalidPath, detail))
}

fn member_changes(operation: &Operation, selected: Option<&Vec<ResourceId>>) -> Result<Vec<MemberChange>, Error> {
    let named = quirks::member_ids(&operation.value)?;
    Ok(match (operation.op, selected) {
        (Op::Remove, Some(ids)) => vec![MemberChange::Remove(ids.clone())],
        // Entra without the flag names the members to remove in the value; read to the letter of the
        // RFC, that would empty the group (`quirks`).
        (Op::Remove, None) if !operation.says_value => vec![MemberChange::Replace(Vec::new())],
        (Op::Remove, None) => vec![MemberChange::Remove(named)],
        (Op::Add | Op::Replace, Some(ids)) if named.is_empty() => vec![MemberChange::Add(ids.clone())],
        (Op::Replace, Some(ids)) => vec![MemberChange::Remove(ids.clone()), MemberChange::Add(named)],
        (Op::Add, _) => vec![MemberChange::Add(named)],
        (Op::Replace, None) => vec![MemberChange::Replace(named)],
    })
}

#[cfg(test)]
mod tests;

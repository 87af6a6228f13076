//! Bulk requests (RFC 7644 §3.7), as they are read from the body.
//!
//! Not the writes, and not their order: that is [`Progress`]'s.

mod progress;

pub use progress::{Progress, Step};

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::error::{Error, ScimType};
use super::resource::{self, Kind, ResourceId};
use super::version::Versions;

/// How many operations one request may have.
pub const MAX_OPERATIONS: usize = 1000;
/// How many bytes any request may have: some 60,000 members in one PATCH.
pub const MAX_PAYLOAD: usize = 8 * 1024 * 1024;

/// What a value begins with that stands for the id of a resource created in the same request.
const REFERENCE: &str = "bulkId:";

/// A bulk request.
#[derive(Clone, Debug)]
pub struct Bulk {
    /// After how many errors no further operation is tried; `None`: all are.
    pub fail_on_errors: Option<usize>,
    operations: Vec<Operation>,
}

#[derive(Clone, Debug)]
struct Operation {
    /// The method as it is told in the answer.
    method: String,
    bulk_id: Option<String>,
    /// What is to be done, or what is wrong with it.
    task: Result<Task, Error>,
    /// The bulkIds of other operations that it needs.
    needs: BTreeSet<String>,
}

/// What one operation is to do.
#[derive(Clone, Debug, PartialEq)]
pub enum Task {
    /// Create a resource of that kind from the data.
    Create(Kind, Value),
    /// Replace a resource by the data.
    Replace(Kind, ResourceId, Value, Option<Versions>),
    /// Apply the data as a PATCH.
    Patch(Kind, ResourceId, Value, Option<Versions>),
    /// Delete a resource.
    Delete(Kind, ResourceId, Option<Versions>),
}

/// What became of an operation.
#[derive(Clone, Debug, PartialEq)]
pub enum Outcome {
    /// It was done.
    Done {
        /// The HTTP status.
        status: u16,
        /// The resource.
        id: ResourceId,
        /// The kind of resource.
        kind: Kind,
        /// Its version; `None` when it is gone.
        version: Option<i64>,
    },
    /// It was not done.
    Failed {
        /// The HTTP status.
        status: u16,
        /// The body of the error answer.
        body: Value,
    },
}

impl Bulk {
    /// Reads the body of a bulk request. What is wrong with one operation is told in its place of the answer.
    ///
    /// # Errors
    /// `invalidSyntax` when the body is no BulkRequest.
    pub fn read(body: &Value) -> Result<Bulk, Error> {
        let wrong = |detail: &str| Error::new(ScimType::InvalidSyntax, detail);
        let members = body.as_object().ok_or_else(|| wrong("the body is not a JSON object"))?;
        let operations = resource::attribute(members, "Operations").and_then(Value::as_array);
        let operations = operations.ok_or_else(|| wrong("a bulk request needs an array named Operations"))?;
        let fail_on_errors = match resource::attribute(members, "failOnErrors") {
            None | Some(Value::Null) => None,
            Some(number) => {
                let number = number.as_u64().filter(|number| *number > 0);
                let number = number.ok_or_else(|| wrong("failOnErrors must be a whole number of at least 1"))?;
                Some(usize::try_from(number).unwrap_or(usize::MAX))
            }
        };
        let mut operations: Vec<Operation> = operations.iter().map(Operation::read).collect();
        let mut seen = BTreeSet::new();
        for operation in &mut operations {
            let creates = matches!(operation.task, Ok(Task::Create(..)));
            if let Some(id) = operation.bulk_id.as_ref().filter(|_| creates)
                && !seen.insert(id.clone())
            {
                operation.task = Err(wrong(&format!("the bulkId '{id}' is used by an earlier operation")));
            }
        }
        for operation in &mut operations {
            if let Ok(task) = &operation.task {
                let mut named = BTreeSet::new();
                task.visit(&mut |reference| _ = named.insert(reference.to_owned()));
                operation.needs = named.into_iter().filter(|id| seen.contains(id)).collect();
            }
        }
        Ok(Bulk { fail_on_errors, operations })
    }

    /// How many operations there are.
    pub fn len(&self) -> usize {
        self.operations.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.operations.is_empty()
    }
}

impl Operation {
    fn read(operation: &Value) -> Operation {
        let members = operation.as_object().cloned().unwrap_or_default();
        let text = |name: &str| resource::text(&members, name).filter(|text| !text.is_empty()).map(str::to_owned);
        let method = text("method").unwrap_or_default().to_ascii_uppercase();
        let bulk_id = text("bulkId");
        let data = resource::attribute(&members, "data").cloned().unwrap_or_default();
        let task = Operation::task(&method, bulk_id.as_deref(), text("path"), text("version"), data);
        Operation { method, bulk_id, task, needs: BTreeSet::new() }
    }

    fn task(
        method: &str,
        bulk_id: Option<&str>,
        path: Option<String>,
        version: Option<String>,
        data: Value,
    ) -> Result<Task, Error> {
        let wrong = |detail: String| Error::new(ScimType::InvalidSyntax, detail);
        let path = path.ok_or_else(|| wrong("the operation has no path".to_owned()))?;
        let mut words = path.trim_matches('/').splitn(2, '/');
        let endpoint = words.next().unwrap_or_default();
        let id = words.next().map(|id| ResourceId(id.to_owned()));
        let kind = [Kind::User, Kind::Group].into_iter().find(|kind| kind.endpoint().eq_ignore_ascii_case(endpoint));
        let kind = kind.ok_or_else(|| {
            let detail = format!("the path '{path}' is neither /Users or /Groups nor that of a user or a group");
            Error::new(ScimType::InvalidPath, detail)
        })?;
        let version = version.as_deref().map(Versions::parse);
        match (method, id) {
            ("POST", None) if bulk_id.is_none() => Err(wrong("a POST needs a bulkId".to_owned())),
            ("POST", None) => Ok(Task::Create(kind, data)),
            ("PUT", Some(id)) => Ok(Task::Replace(kind, id, data, version)),
            ("PATCH", Some(id)) => Ok(Task::Patch(kind, id, data, version)),
            ("DELETE", Some(id)) => Ok(Task::Delete(kind, id, version)),
            ("POST" | "PUT" | "PATCH" | "DELETE", _) => Err(wrong(format!("{method} cannot be used on '{path}'"))),
            _ => Err(wrong(format!("the method must be POST, PUT, PATCH or DELETE, not '{method}'"))),
        }
    }
}

impl Task {
    /// The resource that is to be changed, and its kind.
    pub fn target(&self) -> (Kind, Option<&ResourceId>) {
        match self {
            Task::Create(kind, _) => (*kind, None),
            Task::Replace(kind, id, ..) | Task::Patch(kind, id, ..) | Task::Delete(kind, id, _) => (*kind, Some(id)),
        }
    }

    fn data(&self) -> Option<&Value> {
        match self {
            Task::Create(_, data) | Task::Replace(_, _, data, _) | Task::Patch(_, _, data, _) => Some(data),
            Task::Delete(..) => None,
        }
    }

    fn visit(&self, seen: &mut impl FnMut(&str)) {
        if let Some(id) = self.target().1.and_then(|id| id.as_str().strip_prefix(REFERENCE)) {
            seen(id);
        }
        if let Some(data) = self.data() {
            visit(data, seen);
        }
    }

    fn resolve(mut self, ids: &BTreeMap<String, ResourceId>) -> Task {
        let (target, data) = match &mut self {
            Task::Create(_, data) => (None, Some(data)),
            Task::Replace(_, id, data, _) | Task::Patch(_, id, data, _) => (Some(id), Some(data)),
            Task::Delete(_, id, _) => (Some(id), None),
        };
        if let Some(target) = target
            && let Some(id) = target.as_str().strip_prefix(REFERENCE).and_then(|id| ids.get(id))
        {
            *target = id.clone();
        }
        if let Some(data) = data {
            resolve(data, ids);
        }
        self
    }
}

/// The bulkIds that a text refers to: all of it, or in quotes inside the path of a PATCH operation.
fn references(text: &str) -> impl Iterator<Item = &str> {
    let whole = text.strip_prefix(REFERENCE);
    let quoted = text.split('"').skip(1).step_by(2).filter_map(|quoted| quoted.strip_prefix(REFERENCE));
    whole.into_iter().chain(quoted.filter(move |_| whole.is_none()))
}

fn visit(value: &Value, seen: &mut impl FnMut(&str)) {
    match value {
        Value::String(text) => references(text).for_each(seen),
        Value::Array(elements) => elements.iter().for_each(|element| visit(element, seen)),
        Value::Object(members) => members.values().for_each(|member| visit(member, seen)),
        _ => {}
    }
}

fn resolve(value: &mut Value, ids: &BTreeMap<String, ResourceId>) {
    match value {
        Value::String(text) => {
            // As in `references`: all of it, or what stands in quotes.
            if let Some(id) = text.strip_prefix(REFERENCE) {
                if let Some(id) = ids.get(id) {
                    *text = id.0.clone();
                }
                return;
            }
            let parts = text.split('"').enumerate().map(|(index, part)| {
                let id = part.strip_prefix(REFERENCE).filter(|_| index % 2 == 1).and_then(|id| ids.get(id));
                id.map_or(part, ResourceId::as_str)
            });
            *text = parts.collect::<Vec<&str>>().join("\"");
        }
        Value::Array(elements) => elements.iter_mut().for_each(|element| resolve(element, ids)),
        Value::Object(members) => members.values_mut().for_each(|member| resolve(member, ids)),
        _ => {}
    }
}

#[cfg(test)]
mod tests;

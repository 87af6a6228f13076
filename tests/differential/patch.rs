//! PATCH requests (RFC 7644 §3.5.2), and why the two implementations come to different resources.

mod explained;
mod readings;
mod requests;

use serde_json::{Map, Value, json};

use crate::difference::{Answer, Request, compare, generate};
use crate::ours;
use crate::resource::{ENTERPRISE, Kind, PLURALS, object, starts_with_urn};

const CASES: usize = 3000;

#[test]
fn patches_come_to_the_same_resources() {
    compare(generate(CASES, requests::requests()), &explained::explanations());
}

#[derive(Clone, Debug)]
struct PatchRequest {
    kind: Kind,
    resource: Value,
    operations: Vec<Value>,
}

impl PatchRequest {
    fn body(&self) -> Value {
        json!({"schemas": ["urn:ietf:params:scim:api:messages:2.0:PatchOp"], "Operations": self.operations})
    }
}

impl Request for PatchRequest {
    fn ours(&self) -> Answer {
        ours::patched(self.kind, &self.resource, &self.body())
    }

    fn question(&self) -> Value {
        json!({"kind": self.kind.as_str(), "resource": self.resource, "patch": self.body()})
    }

    /// Each operation alone, and each attribute of one without a path, on what we came to before it. That is stored as
    /// if it were new, so that a mistake of ours stays with the operation that makes it.
    fn parts(&self) -> Vec<PatchRequest> {
        let mut parts = Vec::new();
        let mut resource = self.resource.clone();
        for operation in self.operations.iter().flat_map(single_operations) {
            let part = PatchRequest { resource: resource.clone(), operations: vec![operation], ..*self };
            let ours = part.ours();
            parts.push(part);
            let Answer::Document(document) = ours else { break };
            let Some(stored) = ours::stored(self.kind, &with_members(document)) else { break };
            resource = stored;
        }
        parts
    }
}

fn single_operations(operation: &Value) -> Vec<Value> {
    let (None, Some(attributes)) = (operation.get("path"), operation["value"].as_object()) else {
        return vec![operation.clone()];
    };
    let mut values = Vec::new();
    for (name, value) in attributes {
        match value.as_object().filter(|_| name.eq_ignore_ascii_case(ENTERPRISE)) {
            Some(inner) => values.extend(inner.iter().map(|(inner, value)| json!({name: {inner: value}}))),
            None => values.push(json!({name: value})),
        }
    }
    values.into_iter().map(|value| json!({"op": operation["op"], "value": value})).collect()
}

/// The members of an answer as those of a resource.
fn with_members(mut document: Value) -> Value {
    if let Some(members) = document.get_mut("members").and_then(Value::as_array_mut) {
        members.iter_mut().for_each(|id| *id = json!({"value": id.take()}));
    }
    document
}

/// An operation as the standard has it: with a path. One without a path is one for each of its attributes (RFC 7644
/// §3.5.2.1).
#[derive(Clone, Debug, PartialEq)]
struct Change {
    op: String,
    path: String,
    value: Option<Value>,
}

impl Change {
    fn all_of(request: &PatchRequest) -> Vec<Change> {
        let mut changes = Vec::new();
        for operation in &request.operations {
            let op = operation["op"].as_str().unwrap_or_default().to_lowercase();
            let value = operation.get("value").cloned();
            match (operation["path"].as_str(), value) {
                (Some(path), Some(Value::Object(attributes)))
                    if path.eq_ignore_ascii_case(ENTERPRISE) && op != "remove" =>
                {
                    Change::spread(&op, &format!("{path}:"), &attributes, &mut changes);
                }
                (Some(path), value) => changes.push(Change { op, path: path.to_owned(), value }),
                (None, Some(Value::Object(attributes))) => Change::spread(&op, "", &attributes, &mut changes),
                (None, _) => {}
            }
        }
        changes
    }

    fn spread(op: &str, prefix: &str, attributes: &Map<String, Value>, changes: &mut Vec<Change>) {
        for (name, value) in attributes {
            match value {
                Value::Object(inner) if name.eq_ignore_ascii_case(ENTERPRISE) => {
                    Change::spread(op, &format!("{name}:"), inner, changes);
                }
                _ => changes.push(Change {
                    op: op.to_owned(),
                    path: format!("{prefix}{name}"),
                    value: Some(value.clone()),
                }),
            }
        }
    }

    fn operation(self) -> Value {
        let texts = [("op", Some(json!(self.op))), ("path", Some(json!(self.path)))];
        object(texts.into_iter().chain([("value", self.value)]))
    }

    fn aim(&self) -> Aim {
        Aim::at(&self.path)
    }
}

/// The parts of a path, in lower case but for the filter.
#[derive(Debug)]
struct Aim {
    urn: String,
    name: String,
    filter: Option<String>,
    sub: Option<String>,
}

impl Aim {
    fn at(path: &str) -> Aim {
        let (head, filter, tail) = match (path.find('['), path.rfind(']')) {
            (Some(open), Some(close)) if open < close => {
                (&path[..open], Some(path[open + 1..close].to_owned()), &path[close + 1..])
            }
            _ => (path, None, ""),
        };
        let (urn, name) = if starts_with_urn(head) { head.rsplit_once(':').unwrap() } else { ("", head) };
        let (name, sub) = name.split_once('.').unwrap_or((name, tail.trim_start_matches('.')));
        let sub = Some(sub.to_lowercase()).filter(|sub| !sub.is_empty());
        Aim { urn: urn.to_lowercase(), name: name.to_lowercase(), filter, sub }
    }

    fn is_one_of(&self, names: &[&str]) -> bool {
        names.iter().any(|name| name.eq_ignore_ascii_case(&self.name))
    }

    fn is_plural(&self) -> bool {
        self.is_one_of(&PLURALS) || self.is_one_of(&["addresses", "members"])
    }

    /// Whether what it leads to is one complex value.
    fn is_complex(&self) -> bool {
        self.is_one_of(&["name", "manager"]) && self.sub.is_none()
    }

    /// Whether what it leads to is one simple value.
    fn is_simple(&self) -> bool {
        self.sub.is_some() || !self.is_plural() && !self.is_complex() && !self.is_extension()
    }

    fn is_extension(&self) -> bool {
        format!("{}:{}", self.urn, self.name) == ENTERPRISE.to_lowercase()
    }
}

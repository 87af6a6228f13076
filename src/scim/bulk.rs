//! Bulk requests (RFC 7644 §3.7): read from the body, put into an order in which references can be resolved, answered.
//!
//! Not the writes: whoever carries an operation out says what came of it. Invariant: a reference to what was not created
//! is never sent on as if it were an id.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use super::error::{self, Error, ScimType};
use super::resource::{self, Document, Kind, ResourceId};
use super::version::{self, Versions};

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
    fn target(&self) -> (Kind, Option<&ResourceId>) {
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

/// A bulk request on its way: what is left to do, and what came of the rest.
///
/// What waits for a bulkId is kept under it, and looked at again when that is known: operations can be many, and name
/// each other.
#[derive(Debug)]
pub struct Progress {
    bulk: Bulk,
    outcomes: Vec<Option<Outcome>>,
    errors: usize,
    /// The ids of what was created.
    ids: BTreeMap<String, ResourceId>,
    /// What failed, or will never be tried.
    lost: BTreeSet<String>,
    /// The operations that wait for a bulkId.
    waiting: BTreeMap<String, Vec<usize>>,
    /// For how many bulkIds each operation waits.
    unknown: Vec<usize>,
    /// What is left to do and waits for nothing.
    ready: BTreeSet<usize>,
    /// The creations that are left to do and wait.
    blocked: BTreeSet<usize>,
    /// Created without what they refer to in a circle, and what is to be added.
    incomplete: BTreeMap<usize, Value>,
    /// Those of them that wait for nothing any more.
    completable: BTreeSet<usize>,
}

/// What to do next.
#[derive(Clone, Debug, PartialEq)]
pub struct Step {
    /// Which operation it is part of.
    pub position: usize,
    /// What to do.
    pub task: Task,
}

impl Progress {
    /// Nothing done yet.
    pub fn new(bulk: Bulk) -> Progress {
        let mut waiting: BTreeMap<String, Vec<usize>> = BTreeMap::new();
        let (mut ready, mut blocked) = (BTreeSet::new(), BTreeSet::new());
        for (position, operation) in bulk.operations.iter().enumerate() {
            for id in &operation.needs {
                waiting.entry(id.clone()).or_default().push(position);
            }
            match &operation.task {
                _ if operation.needs.is_empty() => _ = ready.insert(position),
                Ok(Task::Create(..)) => _ = blocked.insert(position),
                _ => {}
            }
        }
        Progress {
            outcomes: vec![None; bulk.operations.len()],
            errors: 0,
            ids: BTreeMap::new(),
            lost: BTreeSet::new(),
            waiting,
            unknown: bulk.operations.iter().map(|operation| operation.needs.len()).collect(),
            ready,
            blocked,
            incomplete: BTreeMap::new(),
            completable: BTreeSet::new(),
            bulk,
        }
    }

    /// What to do next, in the order of the request as far as references allow. `None`: all is done, or the client wants
    /// no more after so many errors. Operations that refer to each other in a circle are created without the references
    /// first, which are added when there is something to refer to (RFC 7644 §3.7.1).
    pub fn next_step(&mut self) -> Option<Step> {
        loop {
            if self.bulk.fail_on_errors.is_some_and(|most| self.errors >= most) {
                return None;
            }
            if let Some(step) = self.completion() {
                return Some(step);
            }
            let position = *self.ready.first().or_else(|| self.blocked.first())?;
            let operation = self.bulk.operations.get(position)?;
            let lost = operation.needs.iter().find(|id| self.lost.contains(*id));
            let task = match (&operation.task, lost) {
                (Err(error), _) => Err(error.clone()),
                (Ok(_), Some(id)) => {
                    let detail = format!("it refers to {REFERENCE}{id}, which was not created");
                    Err(Error::new(ScimType::InvalidValue, detail))
                }
                (Ok(task), None) => Ok(task.clone()),
            };
            match task {
                Err(error) => self.note(position, failed(&error)),
                Ok(task) => {
                    let is_unknown = |id: &&String| !self.ids.contains_key(*id);
                    let unknown = operation.needs.iter().filter(is_unknown).cloned().collect();
                    return Some(Step { position, task: self.without(position, task, unknown) });
                }
            }
        }
    }

    /// The task without what cannot be resolved yet, which is noted to be added later.
    fn without(&mut self, position: usize, task: Task, unknown: BTreeSet<String>) -> Task {
        let task = match task {
            Task::Create(kind, data) if !unknown.is_empty() => {
                let (kept, missing) = split(data, &unknown);
                if let Some(missing) = missing {
                    self.incomplete.insert(position, missing);
                }
                Task::Create(kind, kept.unwrap_or_default())
            }
            other => other,
        };
        task.resolve(&self.ids)
    }

    /// The references of something that was created without them, once they can be resolved.
    fn completion(&mut self) -> Option<Step> {
        while let Some(position) = self.completable.pop_first() {
            let missing = self.incomplete.remove(&position);
            let created = self.outcomes.get(position).cloned().flatten();
            let (Some(missing), Some(Outcome::Done { id, kind, .. })) = (missing, created) else {
                continue;
            };
            let mut needs = self.bulk.operations.get(position).into_iter().flat_map(|operation| &operation.needs);
            if let Some(lost) = needs.find(|id| self.lost.contains(*id)) {
                let detail = format!(
                    "{kind} {id} was created without its reference to {REFERENCE}{lost}, which was not created"
                );
                self.note(position, failed(&Error::new(ScimType::InvalidValue, detail)));
                continue;
            }
            let patch = json!({"Operations": [{"op": "add", "value": missing}]});
            return Some(Step { position, task: Task::Patch(kind, id, patch, None).resolve(&self.ids) });
        }
        None
    }

    /// Notes what became of a step.
    pub fn note(&mut self, position: usize, outcome: Outcome) {
        let Some(noted) = self.outcomes.get_mut(position) else {
            return;
        };
        let is_failure = |outcome: &Outcome| matches!(outcome, Outcome::Failed { .. });
        let created = match &outcome {
            Outcome::Done { id, .. } => Some(id.clone()),
            Outcome::Failed { .. } => None,
        };
        self.errors -= usize::from(noted.as_ref().is_some_and(is_failure));
        self.errors += usize::from(is_failure(&outcome));
        // The completion of a creation is answered as that creation.
        *noted = Some(match (noted.take(), outcome) {
            (Some(Outcome::Done { status, id, kind, .. }), Outcome::Done { version, .. }) => {
                Outcome::Done { status, id, kind, version }
            }
            (_, outcome) => outcome,
        });
        self.ready.remove(&position);
        self.blocked.remove(&position);
        self.make_known(position, created);
    }

    /// Tells those who wait for a creation what became of it.
    fn make_known(&mut self, position: usize, created: Option<ResourceId>) {
        let Some(Operation { bulk_id: Some(bulk_id), task: Ok(Task::Create(..)), .. }) =
            self.bulk.operations.get(position)
        else {
            return;
        };
        match created {
            Some(id) => _ = self.ids.insert(bulk_id.clone(), id),
            // What was created and could not be completed is there all the same.
            None if self.ids.contains_key(bulk_id) => {}
            None => _ = self.lost.insert(bulk_id.clone()),
        }
        for waiting in self.waiting.remove(bulk_id).unwrap_or_default() {
            let Some(unknown) = self.unknown.get_mut(waiting) else { continue };
            *unknown -= 1;
            if *unknown > 0 {
                continue;
            }
            self.blocked.remove(&waiting);
            match self.outcomes.get(waiting) {
                Some(None) => _ = self.ready.insert(waiting),
                _ => _ = self.completable.insert(waiting),
            }
        }
    }

    /// The BulkResponse: what was tried, in the order of the request (RFC 7644 §3.7.3).
    pub fn response(mut self, base_url: &str) -> Value {
        for position in std::mem::take(&mut self.incomplete).into_keys() {
            if let Some(Some(Outcome::Done { id, kind, .. })) = self.outcomes.get(position).cloned() {
                let detail = format!("{kind} {id} was created without its references, since the request ended early");
                self.note(position, failed(&Error::new(ScimType::InvalidValue, detail)));
            }
        }
        let tried = self.bulk.operations.iter().zip(&self.outcomes);
        let results: Vec<Value> = tried
            .filter_map(|(operation, outcome)| Some(self.result(operation, outcome.as_ref()?, base_url)))
            .collect();
        json!({"schemas": ["urn:ietf:params:scim:api:messages:2.0:BulkResponse"], "Operations": results})
    }

    fn result(&self, operation: &Operation, outcome: &Outcome, base_url: &str) -> Value {
        let mut result = Document::new();
        result.insert("method".to_owned(), json!(operation.method));
        let location = |kind: Kind, id: &ResourceId| format!("{base_url}/{}/{id}", kind.endpoint());
        let target = operation.task.as_ref().ok().map(|task| task.clone().resolve(&self.ids));
        if let Some(bulk_id) = &operation.bulk_id {
            result.insert("bulkId".to_owned(), json!(bulk_id));
        }
        match outcome {
            Outcome::Done { status, id, kind, version } => {
                if let Some(version) = version {
                    result.insert("version".to_owned(), json!(version::tag(*version)));
                }
                result.insert("location".to_owned(), json!(location(*kind, id)));
                result.insert("status".to_owned(), json!(status.to_string()));
            }
            Outcome::Failed { status, body } => {
                if let Some((kind, Some(id))) = target.as_ref().map(Task::target) {
                    result.insert("location".to_owned(), json!(location(kind, id)));
                }
                result.insert("status".to_owned(), json!(status.to_string()));
                result.insert("response".to_owned(), body.clone());
            }
        }
        Value::Object(result)
    }
}

fn failed(error: &Error) -> Outcome {
    Outcome::Failed { status: 400, body: error::body(400, Some(error.scim_type), &error.detail) }
}

/// The value without the references named, and those references in the same places. A complex value goes with its
/// `value`.
fn split(value: Value, unknown: &BTreeSet<String>) -> (Option<Value>, Option<Value>) {
    let is_unknown = |value: &Value| {
        value.as_str().and_then(|text| text.strip_prefix(REFERENCE)).is_some_and(|id| unknown.contains(id))
    };
    match value {
        Value::Array(elements) => {
            let (mut kept, mut missing) = (Vec::new(), Vec::new());
            for (left, taken) in elements.into_iter().map(|element| split(element, unknown)) {
                kept.extend(left);
                missing.extend(taken);
            }
            (Some(Value::Array(kept)), (!missing.is_empty()).then_some(Value::Array(missing)))
        }
        Value::Object(members) if resource::attribute(&members, "value").is_some_and(is_unknown) => {
            (None, Some(Value::Object(members)))
        }
        Value::Object(members) => {
            let (mut kept, mut missing) = (Document::new(), Document::new());
            for (name, member) in members {
                let (left, taken) = split(member, unknown);
                kept.extend(left.map(|left| (name.clone(), left)));
                missing.extend(taken.map(|taken| (name, taken)));
            }
            (Some(Value::Object(kept)), (!missing.is_empty()).then_some(Value::Object(missing)))
        }
        text if is_unknown(&text) => (None, Some(text)),
        other => (Some(other), None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Carries a request out: each creation gets the id `ID-` and its bulkId; those of `failing` fail.
    fn run(operations: Value, fail_on_errors: Option<usize>, failing: &[&str]) -> (Vec<String>, Value) {
        let mut body = json!({ "Operations": operations });
        if let Some(most) = fail_on_errors {
            body["failOnErrors"] = json!(most);
        }
        let bulk = Bulk::read(&body).unwrap();
        let mut progress = Progress::new(bulk.clone());
        let mut steps = Vec::new();
        while let Some(Step { position, task }) = progress.next_step() {
            let bulk_id = bulk.operations[position].bulk_id.clone().unwrap_or_default();
            let outcome = match &task {
                _ if failing.contains(&bulk_id.as_str()) => Outcome::Failed { status: 409, body: Value::Null },
                Task::Create(kind, data) => {
                    steps.push(format!("create {kind} {data}"));
                    Outcome::Done {
                        status: 201,
                        id: ResourceId(format!("ID-{bulk_id}")),
                        kind: *kind,
                        version: Some(1),
                    }
                }
                Task::Patch(kind, id, data, _) | Task::Replace(kind, id, data, _) => {
                    steps.push(format!("change {kind} {id} {data}"));
                    Outcome::Done { status: 200, id: id.clone(), kind: *kind, version: Some(2) }
                }
                Task::Delete(kind, id, _) => {
                    steps.push(format!("delete {kind} {id}"));
                    Outcome::Done { status: 204, id: id.clone(), kind: *kind, version: None }
                }
            };
            progress.note(position, outcome);
        }
        (steps, progress.response("")["Operations"].clone())
    }

    fn post(path: &str, bulk_id: &str, data: Value) -> Value {
        json!({"method": "POST", "path": path, "bulkId": bulk_id, "data": data})
    }

    #[test]
    fn references_are_resolved_in_any_order() {
        let (steps, results) = run(
            json!([
                post("/Groups", "g", json!({"members": [{"value": "bulkId:u"}]})),
                {"method": "patch", "path": "/Groups/bulkId:g",
                 "data": {"Operations": [{"op": "remove", "path": "members[value eq \"bulkId:u\"]"}]}},
                post("Users", "u", json!({"title": "bulkId:nobody"})),
                {"method": "DELETE", "path": "/Users/U1", "version": "W/\"3\""},
            ]),
            None,
            &[],
        );
        assert_eq!(
            steps,
            [
                "create User {\"title\":\"bulkId:nobody\"}",
                "create Group {\"members\":[{\"value\":\"ID-u\"}]}",
                "change Group ID-g {\"Operations\":[{\"op\":\"remove\",\"path\":\"members[value eq \\\"ID-u\\\"]\"}]}",
                "delete User U1",
            ]
        );
        let told =
            |result: &Value| ["method", "status", "location"].map(|name| result[name].as_str().unwrap().to_owned());
        let told: Vec<String> = results.as_array().unwrap().iter().map(|result| told(result).join(" ")).collect();
        assert_eq!(
            told,
            ["POST 201 /Groups/ID-g", "PATCH 200 /Groups/ID-g", "POST 201 /Users/ID-u", "DELETE 204 /Users/U1"]
        );
    }

    #[test]
    fn a_circle_is_closed_afterwards() {
        let (steps, results) = run(
            json!([
                post("/Groups", "a", json!({"displayName": "a", "members": [{"value": "bulkId:b"}, {"value": "U1"}]})),
                post("/Groups", "b", json!({"displayName": "b", "members": [{"value": "bulkId:a"}]})),
            ]),
            None,
            &[],
        );
        assert_eq!(
            steps,
            [
                "create Group {\"displayName\":\"a\",\"members\":[{\"value\":\"U1\"}]}",
                "create Group {\"displayName\":\"b\",\"members\":[{\"value\":\"ID-a\"}]}",
                "change Group ID-a {\"Operations\":[{\"op\":\"add\",\"value\":{\"members\":[{\"value\":\"ID-b\"}]}}]}",
            ]
        );
        assert_eq!(results[0]["status"], "201");
        assert_eq!(results[0]["version"], "W/\"2\"");
    }

    #[test]
    fn what_refers_to_a_failure_fails() {
        let group = post("/Groups", "g", json!({"members": [{"value": "bulkId:u"}]}));
        let circle = post("/Users", "u", json!({"manager": {"value": "bulkId:v"}}));
        let back = post("/Users", "v", json!({"manager": {"value": "bulkId:u"}}));
        let (_, results) = run(json!([group, circle, back]), None, &["u"]);
        let statuses: Vec<&Value> = results.as_array().unwrap().iter().map(|result| &result["status"]).collect();
        assert_eq!(statuses, ["400", "409", "400"]);
        assert!(results[0]["response"]["detail"].as_str().unwrap().contains("bulkId:u"));
    }

    #[test]
    fn a_bulk_id_that_is_used_again_stays_with_the_first() {
        let group = post("/Groups", "g", json!({"members": [{"value": "bulkId:u"}]}));
        let waits = post("/Users", "u", json!({"manager": {"value": "bulkId:v"}}));
        let again = post("/Users", "u", json!({}));
        let (_, results) = run(json!([group, waits, again, post("/Users", "v", json!({}))]), None, &[]);
        let statuses: Vec<&Value> = results.as_array().unwrap().iter().map(|result| &result["status"]).collect();
        assert_eq!(statuses, ["201", "201", "400", "201"]);
    }

    #[test]
    fn references_in_quotes_are_resolved_where_they_stand() {
        let path = "members[value eq \"bulkId:u\" or value eq \"bulkId:nobody\" or value eq \"bulkId:u\"]";
        let patch = json!({"method": "PATCH", "path": "/Groups/G1", "data": {"path": path, "value": "bulkId:a\"b"}});
        let (steps, _) =
            run(json!([patch, post("/Users", "u", json!({})), post("/Users", "a\"b", json!({}))]), None, &[]);
        let resolved = json!({"path": path.replace("bulkId:u", "ID-u"), "value": "ID-a\"b"});
        assert_eq!(steps.last().unwrap(), &format!("change Group G1 {resolved}"));
    }

    #[test]
    fn enough_errors_end_the_request() {
        let operations = json!([
            {"method": "GET", "path": "/Users"},
            post("/Users", "u", json!({})),
            {"method": "PUT", "path": "/Users"},
            {"method": "DELETE", "path": "/Devices/1"},
            {"method": "POST", "path": "/Users", "data": {}},
            post("/Users", "u", json!({})),
        ]);
        let (steps, results) = run(operations.clone(), Some(2), &[]);
        assert_eq!((steps.len(), results.as_array().unwrap().len()), (1, 3));
        let (steps, results) = run(operations, None, &[]);
        assert_eq!((steps.len(), results.as_array().unwrap().len()), (1, 6));
    }

    #[test]
    fn a_body_that_is_no_bulk_request_is_refused() {
        for body in [json!([]), json!({}), json!({"Operations": [], "failOnErrors": 0})] {
            assert_eq!(Bulk::read(&body).unwrap_err().scim_type, ScimType::InvalidSyntax);
        }
    }
}

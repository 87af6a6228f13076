//! A bulk request on its way: an order in which references can be resolved, and the answer.
//!
//! Not the writes: whoever carries a step out says what came of it. Invariant: a reference to what was not created is
//! never sent on as if it were an id.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use super::{Bulk, Operation, Outcome, REFERENCE, Task};
use crate::scim::error::{self, Error, ScimType};
use crate::scim::resource::{self, Document, Kind, ResourceId};
use crate::scim::version;

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

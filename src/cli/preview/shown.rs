//! How a preview looks: the changes, why each attribute is as it is, and what nothing looks at.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use super::super::print;
use super::super::reconcile::{Format, one_line};
use crate::directory::{AttributeName, Change};
use crate::http::Failure;
use crate::plan::render::{ItemText, Reasoned};
use crate::plan::{Item, Proposal, Reason, Step, Subject};
use crate::scim::{Document, Kind, resource};
use crate::settle::Rules;

/// What is told of a request.
pub(super) struct Shown {
    pub(super) item: Item,
    /// Why attributes are as they are.
    reasons: BTreeMap<AttributeName, Vec<String>>,
    /// What the request says and nothing looks at.
    ignored: Vec<String>,
    /// The body of the answer to a request that is refused.
    answer: Option<Value>,
}

impl Shown {
    /// A request that would be done.
    pub(super) fn of(rules: &Rules, kind: Kind, before: &Document, after: &Document, mut item: Item) -> Shown {
        let touched = item.steps.iter().filter(|step| is_of_the_map(&step.step)).flat_map(|step| touched(&step.step));
        let reasons = touched.map(|name| (name.clone(), origins(rules, kind, after, &name))).collect();
        let ignored = ignored(rules, kind, before, after);
        if item.steps.is_empty() && item.problem.is_none() && item.notes.is_empty() {
            item.notes.push("nothing is to be done: all is so already".to_owned());
        }
        item.notes.extend(ignored.iter().map(|path| format!("nothing in the map reads {path}")));
        Shown { item, reasons, ignored, answer: None }
    }

    /// A request that is understood and would be refused.
    pub(super) fn refused(rules: &Rules, kind: Kind, before: &Document, after: &Document, failure: &Failure) -> Shown {
        let name = resource::text(after, kind.required()).unwrap_or_default();
        let ignored = ignored(rules, kind, before, after);
        let mut shown = Shown::refusal(&kind.as_str().to_lowercase(), name, failure);
        shown.item.notes.extend(ignored.iter().map(|path| format!("nothing in the map reads {path}")));
        Shown { ignored, ..shown }
    }

    /// A request that would be refused before it is known what it is about.
    pub(super) fn unread(file: &str, failure: &Failure) -> Shown {
        Shown::refusal("request", file, failure)
    }

    fn refusal(kind: &str, name: &str, failure: &Failure) -> Shown {
        let answer = failure.body();
        let told = |name: &str| answer.get(name).and_then(Value::as_str).unwrap_or_default();
        let words = [told("status"), told("scimType")].join(" ");
        let problem = Some(format!("{}: {}", words.trim_end(), told("detail")));
        let subject = Subject { kind: kind.to_owned(), name: name.to_owned(), ..Subject::default() };
        let item = Item { subject, problem, ..Item::default() };
        Shown { item, reasons: BTreeMap::new(), ignored: Vec::new(), answer: Some(answer) }
    }

    pub(super) fn print(self, format: Format) -> anyhow::Result<()> {
        match format {
            Format::Json => print(&format!("{:#}", self.as_json())),
            Format::Text => print(self.as_text().trim_end()),
            Format::Ldif => {
                let Shown { item, reasons, .. } = self;
                let reasons = |step: &Step| reasons_for(step, &reasons);
                let proposal = Proposal { items: vec![item], ..Proposal::default() };
                print(Reasoned { proposal: &proposal, reasons: &reasons }.to_string().trim_end())
            }
        }
    }

    fn as_text(&self) -> String {
        let mut text = ItemText(&self.item).to_string();
        for (name, reasons) in &self.reasons {
            for reason in reasons {
                text.push_str(&format!("    {name}: {}\n", one_line(reason)));
            }
        }
        text
    }

    fn as_json(&self) -> Value {
        let reasons = self.reasons.iter().map(|(name, reasons)| (name.to_string(), json!(reasons)));
        json!({
            "item": self.item,
            "reasons": reasons.collect::<Document>(),
            "ignored": self.ignored,
            "answer": self.answer,
        })
    }
}

/// Of what a request would change, what the map says nothing of.
fn ignored(rules: &Rules, kind: Kind, before: &Document, after: &Document) -> Vec<String> {
    let is_new = |(name, value): &(&String, &Value)| before.get(*name) != Some(*value);
    let said: Document =
        after.iter().filter(is_new).map(|(name, value)| (name.clone(), news(before.get(name), value))).collect();
    match (kind, &rules.groups) {
        (Kind::User, _) => rules.users.passed_over(&said),
        (Kind::Group, Some(groups)) => groups.passed_over(&said),
        (Kind::Group, None) => Vec::new(),
    }
}

/// The parts of a value that were not there before.
fn news(before: Option<&Value>, after: &Value) -> Value {
    match (before, after) {
        (Some(Value::Object(before)), Value::Object(after)) => {
            let new = after.iter().filter(|(name, value)| before.get(*name) != Some(*value));
            Value::Object(new.map(|(name, value)| (name.clone(), value.clone())).collect())
        }
        (Some(Value::Array(before)), Value::Array(after)) => {
            Value::Array(after.iter().filter(|value| !before.contains(value)).cloned().collect())
        }
        _ => after.clone(),
    }
}

fn origins(rules: &Rules, kind: Kind, document: &Document, name: &AttributeName) -> Vec<String> {
    match (kind, &rules.groups) {
        (Kind::User, _) => rules.users.origins(document, name),
        (Kind::Group, Some(groups)) => groups.origins(document, name),
        (Kind::Group, None) => Vec::new(),
    }
}

/// Whether the step makes the resource's own entry what the map makes of it.
fn is_of_the_map(step: &Step) -> bool {
    match step.reason {
        Reason::Missing | Reason::Differs | Reason::Renamed | Reason::Disabled | Reason::Members => true,
        Reason::Container | Reason::Tombstone | Reason::Reference | Reason::Undone => false,
    }
}

/// The attributes that a step speaks of, each once.
fn touched(step: &Step) -> BTreeSet<AttributeName> {
    match &step.change {
        Change::Add { attributes, .. } => attributes.keys().cloned().collect(),
        Change::Modify { modifications, .. } => modifications.iter().map(|one| one.attribute.clone()).collect(),
        Change::Rename { new_rdn, .. } => new_rdn.parts().iter().map(|(name, _)| name.clone()).collect(),
        Change::Delete { .. } => BTreeSet::new(),
    }
}

/// The reasons for one step, a comment for each.
fn reasons_for(step: &Step, reasons: &BTreeMap<AttributeName, Vec<String>>) -> Vec<String> {
    match step.reason {
        Reason::Container => vec!["users.create_containers: the entry stands below it".to_owned()],
        Reason::Reference => vec!["it follows the entry that it refers to".to_owned()],
        _ if !is_of_the_map(step) => Vec::new(),
        _ => touched(step)
            .iter()
            .flat_map(|name| reasons.get(name).into_iter().flatten().map(move |reason| format!("{name}: {reason}")))
            .collect(),
    }
}

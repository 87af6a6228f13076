//! What we take a PATCH request to say, in words that the RFCs have.

use serde_json::{Map, Value, json};

use super::{Change, PatchRequest};
use crate::resource::{ENTERPRISE, ENTERPRISE_TEXTS, Kind, PLURALS, TEXTS, value_at};

/// The request with its changes rewritten; `None` when nothing is.
fn rewritten(request: &PatchRequest, rewrite: impl Fn(Change) -> Change) -> Option<PatchRequest> {
    let before = Change::all_of(request);
    let after: Vec<Change> = before.iter().cloned().map(rewrite).collect();
    (before != after).then(|| of_changes(request, after))
}

fn of_changes(request: &PatchRequest, changes: Vec<Change>) -> PatchRequest {
    PatchRequest { operations: changes.into_iter().map(Change::operation).collect(), ..request.clone() }
}

pub(super) fn with_keys_as_paths(request: &PatchRequest) -> Option<PatchRequest> {
    let has_filter = |operation: &Value| {
        let mut names = operation["value"].as_object().into_iter().flat_map(Map::keys);
        operation["path"].is_null() && names.any(|name| name.contains('['))
    };
    request.operations.iter().any(has_filter).then(|| of_changes(request, Change::all_of(request)))
}

pub(super) fn without_reserved(request: &PatchRequest) -> Option<PatchRequest> {
    let mut operations = request.operations.clone();
    for operation in operations.iter_mut().filter(|operation| operation["path"].is_null()) {
        if let Some(attributes) = operation["value"].as_object_mut() {
            let reserved = ["id", "groups", "meta", "schemas", "password"];
            attributes.retain(|name, _| !reserved.contains(&name.to_lowercase().as_str()));
        }
    }
    (operations != request.operations).then(|| PatchRequest { operations, ..request.clone() })
}

pub(super) fn with_urns(request: &PatchRequest) -> Option<PatchRequest> {
    rewritten(request, |mut change| {
        let aim = change.aim();
        if aim.urn.is_empty() && (aim.is_one_of(&ENTERPRISE_TEXTS) || aim.is_one_of(&["manager"])) {
            change.path = format!("{ENTERPRISE}:{}", change.path);
        }
        change
    })
}

pub(super) fn without_lists_of_one(request: &PatchRequest) -> Option<PatchRequest> {
    rewritten(request, |mut change| {
        let aim = change.aim();
        if let Some(Value::Array(elements)) = &change.value
            && let [element] = &elements[..]
            && (aim.is_simple() || aim.is_complex())
        {
            let element = element.get("value").filter(|_| aim.is_simple()).unwrap_or(element);
            change.value = Some(element.clone());
        }
        change
    })
}

pub(super) fn with_complex_values(request: &PatchRequest) -> Option<PatchRequest> {
    let complex = |value: &mut Value| {
        if value.as_str().is_some_and(|text| !text.is_empty()) {
            *value = json!({"value": value.take()});
        }
    };
    rewritten(request, |mut change| {
        let aim = change.aim();
        match &mut change.value {
            Some(Value::Array(elements)) if aim.is_plural() && aim.sub.is_none() => {
                elements.iter_mut().for_each(complex);
            }
            Some(value) if aim.is_complex() || aim.is_plural() && aim.sub.is_none() => complex(value),
            _ => {}
        }
        change
    })
}

/// What changes nothing.
fn nothing(request: &PatchRequest) -> Change {
    let list = if request.kind == Kind::Group { "members" } else { "emails" };
    Change { op: "add".to_owned(), path: list.to_owned(), value: Some(json!([])) }
}

/// The value of a single-valued attribute, as text; of a complex one its `value`.
fn held(request: &PatchRequest, path: &str) -> Option<String> {
    text_of(&value_at(&request.resource, path)?)
}

pub(super) fn text_of(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Bool(_) | Value::Number(_) => Some(value.to_string()),
        Value::Object(_) => text_of(value.get("value")?),
        _ => None,
    }
}

/// The texts that a removal names.
fn named(value: &Value) -> Vec<String> {
    let texts = match value {
        Value::Array(elements) => elements.iter().filter_map(text_of).collect(),
        single => Vec::from_iter(text_of(single)),
    };
    texts.into_iter().filter(|text: &String| !text.is_empty()).collect()
}

pub(super) fn without_named_values(request: &PatchRequest) -> Option<PatchRequest> {
    rewritten(request, |mut change| {
        let aim = change.aim();
        let is_part_of_text = aim.sub.is_some() && aim.is_one_of(&TEXTS);
        let removes = change.op == "remove" && !aim.is_extension() && !is_part_of_text;
        let Some(value) = change.value.as_ref().filter(|_| removes) else {
            return change;
        };
        let names = named(value);
        if aim.is_plural() && aim.sub.is_none() {
            let is_text = |value: &Value| value.as_str().is_some_and(|text| !text.is_empty());
            let object = |text: &String| json!({"value": text});
            match (&aim.filter, value) {
                (None, Value::Array(elements)) if elements.iter().any(is_text) => {
                    change.value = Some(names.iter().map(object).collect());
                }
                (None, Value::String(_)) => change.value = names.first().map(object),
                (Some(filter), _) if aim.is_one_of(&PLURALS) && !names.is_empty() => {
                    let names: Vec<String> = names.iter().map(|name| format!("value eq {}", json!(name))).collect();
                    let filter = format!("({filter}) and ({})", names.join(" or "));
                    return Change { path: format!("{}[{filter}]", aim.name), value: None, ..change };
                }
                (Some(_), _) => change.value = None,
                (None, _) => {}
            }
        } else if names.is_empty() && matches!(value, Value::Array(_) | Value::Object(_)) {
            // Parts of a value, or nobody: that cannot be said in the RFC's words.
        } else if aim.is_plural()
            || names.is_empty()
            || held(request, &change.path).is_some_and(|held| {
                let held = held.to_lowercase();
                names.iter().any(|name| name.to_lowercase() == held)
            })
        {
            change.value = None;
        } else {
            change = nothing(request);
        }
        change
    })
}

pub(super) fn without_filters_on_one(request: &PatchRequest) -> Option<PatchRequest> {
    rewritten(request, |change| {
        let aim = change.aim();
        let Some(filter) = aim.filter.as_ref().filter(|_| !aim.is_plural()) else {
            return change;
        };
        let (urn, _) = change.path.rsplit_once(':').unwrap_or_default();
        let path = if urn.is_empty() { aim.name.clone() } else { format!("{urn}:{}", aim.name) };
        // `value eq "u2"`.
        let wanted = filter.split('"').nth(1).unwrap_or_default();
        let is_that_one = held(request, &path).is_some_and(|held| held.eq_ignore_ascii_case(wanted));
        if change.op == "remove" && !is_that_one { nothing(request) } else { Change { path, ..change } }
    })
}

fn without_empty_texts(value: Value) -> Option<Value> {
    match value {
        Value::Null => None,
        Value::String(text) => (!text.is_empty()).then_some(Value::String(text)),
        Value::Array(elements) => {
            let kept: Vec<Value> = elements.into_iter().filter_map(without_empty_texts).collect();
            (!kept.is_empty()).then_some(Value::Array(kept))
        }
        Value::Object(attributes) => {
            let kept = attributes.into_iter().filter_map(|(name, value)| Some((name, without_empty_texts(value)?)));
            let kept: Map<String, Value> = kept.collect();
            (!kept.is_empty()).then_some(Value::Object(kept))
        }
        simple => Some(simple),
    }
}

pub(super) fn with_removals(request: &PatchRequest) -> Option<PatchRequest> {
    rewritten(request, |change| {
        let aim = change.aim();
        match (&change.value, change.op.as_str()) {
            (_, "remove") | (None, _) => change,
            (Some(Value::Object(_)), _) if aim.is_complex() => change,
            (Some(value), op) => match without_empty_texts(value.clone()) {
                Some(_) => change,
                None if op == "add" && aim.is_plural() && aim.filter.is_none() && aim.sub.is_none() => {
                    Change { value: Some(json!([])), ..change }
                }
                None => Change { op: "remove".to_owned(), value: None, ..change },
            },
        }
    })
}

//! What one operation makes of a document.
//!
//! Not the request: which operations there are is [`super::Patch`]'s. Invariant: what is there takes the schema's form, and
//! no attribute grows without end.

use scim_v2::filter::{AttrExp, CompValue, CompareOp, ValFilter};
use serde_json::{Value, json};

use super::Op;
use crate::scim::bulk::MAX_PAYLOAD;
use crate::scim::error::{Error, ScimType};
use crate::scim::filter::selector;
use crate::scim::index::fold;
use crate::scim::path::{AttributePath, text_of};
use crate::scim::quirks;
use crate::scim::resource::{self, Document, clean_value};
use crate::scim::schema::{Definition, Schema, Type};

pub(super) fn change_extension(
    document: &mut Document,
    schema: &Schema,
    urn: &str,
    op: Op,
    value: &Value,
) -> Result<(), Error> {
    let attributes = match (op, value) {
        // A remove that names attributes takes away those.
        (Op::Remove, Value::Object(attributes)) if !attributes.is_empty() => attributes,
        (Op::Remove, _) | (_, Value::Null) => {
            remove(document, urn);
            return Ok(());
        }
        (_, Value::Object(attributes)) => attributes,
        _ => return Err(Error::new(ScimType::InvalidValue, "an extension must be an object")),
    };
    for (name, value) in attributes {
        let name = resource::canonical_name(schema.named(Some(urn), name), name);
        let path = AttributePath { extension: Some(urn.to_owned()), name, filter: None, sub: None };
        change_at(document, schema, &path, op, value)?;
    }
    Ok(())
}

/// One attribute of a document, in the extension that holds it.
pub(super) fn change_at(
    document: &mut Document,
    schema: &Schema,
    path: &AttributePath,
    op: Op,
    value: &Value,
) -> Result<(), Error> {
    let definition = schema.declared(path.extension.as_deref(), &path.name);
    let Some(urn) = &path.extension else {
        // Absent must never come to mean false, nor a removal to mean true.
        if path.name == "active" && op == Op::Remove {
            return Err(Error::new(ScimType::Mutability, "active is true or false and cannot be taken away"));
        }
        if path.name == "active" && quirks::without_nulls(value).is_none() {
            return Ok(());
        }
        return change(document, definition, path, op, value);
    };
    let key = key_of(document, urn);
    let mut extension = match document.get(&key) {
        Some(Value::Object(extension)) => extension.clone(),
        _ => Document::new(),
    };
    change(&mut extension, definition, path, op, value)?;
    if extension.is_empty() {
        document.shift_remove(&key);
    } else {
        document.insert(key, Value::Object(extension));
        resource::check_size("the resource", document.len())?;
    }
    Ok(())
}

/// The key under which a document holds the attribute, or the name given if it does not.
fn key_of(document: &Document, name: &str) -> String {
    let held = document.keys().find(|key| key.eq_ignore_ascii_case(name));
    held.map_or(name, String::as_str).to_owned()
}

fn remove(document: &mut Document, name: &str) {
    let key = key_of(document, name);
    document.shift_remove(&key);
}

fn change(
    container: &mut Document,
    definition: Option<&Definition>,
    path: &AttributePath,
    op: Op,
    value: &Value,
) -> Result<(), Error> {
    if let (Some(simple), Some(sub)) = (definition.filter(|known| known.kind != Type::Complex), &path.sub) {
        let detail = format!("{} has no part {sub}", simple.name);
        return Err(Error::new(ScimType::InvalidPath, detail));
    }
    let key = key_of(container, &path.name);
    let present = container.get(&key);
    let multi_valued = match definition {
        Some(definition) => definition.multi_valued,
        None => path.filter.is_some() || present.is_some_and(Value::is_array),
    };
    let complex = definition.is_some_and(|definition| definition.kind == Type::Complex);
    let next = if multi_valued || path.filter.is_some() {
        let elements = match present {
            Some(Value::Array(elements)) => elements.clone(),
            Some(single) => vec![single.clone()],
            None => Vec::new(),
        };
        let elements = change_elements(elements, definition, path, op, value)?;
        // A value filter on a single-valued attribute, `manager[value eq "U2"]`, is Entra's.
        if multi_valued {
            (!elements.is_empty()).then_some(Value::Array(elements))
        } else {
            elements.into_iter().last()
        }
    } else if let Some(sub) = &path.sub {
        let part = AttributePath { extension: None, name: sub.clone(), filter: None, sub: None };
        let mut parts = present.and_then(Value::as_object).cloned().unwrap_or_default();
        change(&mut parts, definition.and_then(|definition| definition.sub_attribute(sub)), &part, op, value)?;
        let by_value = definition.and_then(|definition| quirks::reference(definition, &parts));
        let parts = by_value.unwrap_or(parts);
        (!parts.is_empty()).then_some(Value::Object(parts))
    } else if op == Op::Remove {
        remains_after_removal(definition, present, value)
    } else if let (true, Value::Object(parts)) = (complex, value) {
        // RFC 7644 §3.5.2.3: sub-attributes that the value does not name stay as they are.
        let mut merged = present.and_then(Value::as_object).cloned().unwrap_or_default();
        let by_value = definition.and_then(|definition| quirks::reference(definition, parts));
        for (sub, value) in by_value.as_ref().unwrap_or(parts) {
            let sub_definition = definition.and_then(|definition| definition.sub_attribute(sub));
            if sub_definition.is_some_and(|known| known.read_only) {
                continue;
            }
            let name = resource::canonical_name(sub_definition, sub);
            change(
                &mut merged,
                sub_definition,
                &AttributePath { extension: None, name, filter: None, sub: None },
                op,
                value,
            )?;
        }
        (!merged.is_empty()).then_some(Value::Object(merged))
    } else {
        clean_value(definition, &path.to_string(), value)?
    };
    match next {
        Some(value) => _ = container.insert(key, value),
        None => _ = container.shift_remove(&key),
    }
    resource::check_size("the resource", container.len())
}

/// What is left of a single value. A remove that names one, `"value": [{"value": "U2"}]`, takes away that one and no
/// other; one that names parts of a complex value takes away those.
fn remains_after_removal(definition: Option<&Definition>, present: Option<&Value>, value: &Value) -> Option<Value> {
    let mut present = present?.clone();
    for named in named_values(value)? {
        match (&mut present, named) {
            (Value::Object(parts), Value::Object(named)) if resource::attribute(named, "value").is_none() => {
                parts.retain(|sub, part| {
                    let part_definition = definition.and_then(|definition| definition.sub_attribute(sub));
                    let named = resource::attribute(named, sub);
                    named.is_none_or(|named| !is_named(part_definition, part, named))
                });
                if parts.is_empty() {
                    return None;
                }
            }
            (present, named) if is_named(definition, present, named) => return None,
            _ => {}
        }
    }
    Some(present)
}

/// The values that a remove names; `None` when it means all. An empty list names none.
fn named_values(value: &Value) -> Option<Vec<&Value>> {
    match value {
        Value::Array(elements) => Some(elements.iter().filter(|element| !element.is_null()).collect()),
        single => quirks::without_nulls(single).map(|_| vec![single]),
    }
}

/// Whether a remove that names `named` means this value: by its `value` and the `type` beside it, or else by all parts
/// that are named.
fn is_named(definition: Option<&Definition>, element: &Value, named: &Value) -> bool {
    let role = definition.zip(named.as_object()).and_then(|(definition, named)| quirks::role(definition, named));
    let role = role.map(Value::Object);
    let named = role.as_ref().unwrap_or(named);
    let exact = definition.and_then(Definition::comparable).is_none_or(|leaf| leaf.case_exact);
    match (text_of(named), named) {
        (Some(text), named) => {
            let part = |value: &Value| text_of(value.as_object().and_then(|parts| resource::attribute(parts, "type"))?);
            let other_type = match (part(named), part(element)) {
                (Some(named), Some(present)) => !named.eq_ignore_ascii_case(&present),
                _ => false,
            };
            !other_type && text_of(element).is_some_and(|present| fold(exact, &present) == fold(exact, &text))
        }
        (None, Value::Object(parts)) if !parts.is_empty() => parts.iter().all(|(sub, named)| {
            let part = element.as_object().and_then(|element| resource::attribute(element, sub));
            let definition = definition.and_then(|definition| definition.sub_attribute(sub));
            part.is_some_and(|part| is_named(definition, part, named))
        }),
        _ => false,
    }
}

/// The values of a multi-valued attribute after the operation.
fn change_elements(
    mut elements: Vec<Value>,
    definition: Option<&Definition>,
    path: &AttributePath,
    op: Op,
    value: &Value,
) -> Result<Vec<Value>, Error> {
    let selects = path.filter.as_ref().map(|filter| selector(definition, filter));
    let selected = |element: &Value| selects.as_ref().is_none_or(|selects| selects(element));
    let part_definition = path.sub.as_ref().map(|sub| definition.and_then(|definition| definition.sub_attribute(sub)));
    let cleaned = match part_definition {
        Some(part) => clean_value(part, &path.to_string(), value)?,
        None => clean_value(definition, &path.to_string(), value)?,
    };
    let Some(cleaned) = cleaned.filter(|_| op != Op::Remove) else {
        if op == Op::Add && path.sub.is_none() && definition.is_none_or(|known| known.multi_valued) {
            // Nothing is added.
            return Ok(elements);
        }
        let named = if op == Op::Remove && path.sub.is_none() { named_values(value) } else { None };
        let is_meant = |element: &Value| {
            let is_named = |named: &Vec<&Value>| named.iter().any(|named| is_named(definition, element, named));
            selected(element) && named.as_ref().is_none_or(is_named)
        };
        return Ok(without(elements, path, is_meant));
    };
    let mut touched = Vec::new();
    match (&path.filter, &path.sub) {
        (None, None) => {
            let named = if let Value::Array(named) = cleaned { named } else { vec![cleaned] };
            if op == Op::Replace {
                elements.clear();
            }
            for element in named {
                if !elements.contains(&element) {
                    touched.push(elements.len());
                    elements.push(element);
                }
            }
        }
        _ => {
            let matching = elements.iter().enumerate().filter(|(_, element)| selected(element));
            touched.extend(matching.map(|(index, _)| index));
            let part = match (&path.sub, cleaned) {
                (Some(sub), value) => Document::from_iter([(sub.clone(), value)]),
                (None, Value::Object(parts)) => parts,
                (None, Value::Array(one)) => {
                    one.into_iter().next().and_then(|one| one.as_object().cloned()).unwrap_or_default()
                }
                (None, scalar) => Document::from_iter([("value".to_owned(), scalar)]),
            };
            check_spread(path, &part, touched.len())?;
            for index in &touched {
                if let Some(element) = elements.get_mut(*index) {
                    overlay(element, &part);
                }
            }
            if touched.is_empty() {
                let mut element = Value::Object(element_from_filter(definition, path)?);
                if definition.is_some_and(|definition| definition.kind != Type::Complex) {
                    element = Value::Null;
                }
                overlay(&mut element, &part);
                if !elements.contains(&element) {
                    touched.push(elements.len());
                    elements.push(element);
                }
            }
        }
    }
    resource::check_size(&path.to_string(), elements.len())?;
    keep_one_primary(&mut elements, &touched);
    Ok(elements)
}

/// One long text in many places would be more than any request that brings it.
fn check_spread(path: &AttributePath, part: &Document, places: usize) -> Result<(), Error> {
    if places < 2 {
        return Ok(());
    }
    let bytes: usize = part.values().map(|value| value.to_string().len()).sum();
    if bytes.saturating_mul(places) <= MAX_PAYLOAD {
        return Ok(());
    }
    Err(Error::new(ScimType::InvalidValue, format!("{path} would put {bytes} bytes into {places} values")))
}

fn overlay(element: &mut Value, part: &Document) {
    if let Value::Object(complex) = element {
        complex.extend(part.clone());
    } else if let Some(value) = part.get("value") {
        *element = value.clone();
    }
}

/// The new value that a path to a value that is not there describes: `emails[type eq "work"]` makes
/// `{"type": "work"}`. The RFC would answer `noTarget`; Entra then repeats the request for ever.
pub(super) fn element_from_filter(definition: Option<&Definition>, path: &AttributePath) -> Result<Document, Error> {
    fn collect(definition: Option<&Definition>, filter: &ValFilter, element: &mut Document) -> bool {
        match filter {
            ValFilter::Attr(AttrExp::Comparison(part, CompareOp::Eq, value)) => {
                let value = match value {
                    CompValue::Str(text) if part.name.eq_ignore_ascii_case("primary") => {
                        json!(text.eq_ignore_ascii_case("true"))
                    }
                    CompValue::Str(text) => json!(text),
                    CompValue::True => json!(true),
                    CompValue::False => json!(false),
                    CompValue::Number(number) => json!(number),
                    CompValue::Null => return true,
                };
                let sub = quirks::sub_attribute(&part.name);
                let known = definition.and_then(|definition| definition.sub_attribute(sub));
                let Ok(cleaned) = clean_value(known, sub, &value) else { return false };
                element.extend(cleaned.map(|value| (resource::canonical_name(known, sub), value)));
                true
            }
            ValFilter::And(all) => all.iter().all(|filter| collect(definition, filter, element)),
            _ => false,
        }
    }
    let mut element = Document::new();
    let describes = path.filter.as_ref().is_none_or(|filter| collect(definition, filter, &mut element));
    if !describes {
        return Err(Error::new(ScimType::NoTarget, format!("{path} selects no value")));
    }
    Ok(definition.and_then(|definition| quirks::reference(definition, &element)).unwrap_or(element))
}

/// The values without those meant, or without the part of them that the path leads to.
fn without(elements: Vec<Value>, path: &AttributePath, is_meant: impl Fn(&Value) -> bool) -> Vec<Value> {
    let remains = |mut element: Value| match &path.sub {
        _ if !is_meant(&element) => Some(element),
        None => None,
        Some(sub) => {
            let parts = element.as_object_mut()?;
            remove(parts, sub);
            let says_something = parts.keys().any(|key| !["type", "primary", "display"].contains(&key.as_str()));
            says_something.then_some(element)
        }
    };
    elements.into_iter().filter_map(remains).collect()
}

/// RFC 7644 §3.5.2: when a value becomes primary, the one that was so before is so no longer.
fn keep_one_primary(elements: &mut [Value], touched: &[usize]) {
    let is_primary = |element: &Value| element.get("primary").and_then(Value::as_bool) == Some(true);
    let newest = touched.iter().rev().find(|index| elements.get(**index).is_some_and(is_primary)).copied();
    let Some(newest) = newest else {
        return;
    };
    for (index, element) in elements.iter_mut().enumerate() {
        if index != newest
            && is_primary(element)
            && let Some(complex) = element.as_object_mut()
        {
            complex.insert("primary".to_owned(), json!(false));
        }
    }
}

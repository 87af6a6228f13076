//! Why the two implementations come to different resources.

use serde_json::{Map, Value, json};

use super::{Aim, Change, PatchRequest, readings};
use crate::difference::{Answer, Explanation, How};
use crate::resource::{ENTERPRISE, Kind, PLURALS};

pub(super) fn explanations() -> Vec<Explanation<PatchRequest>> {
    vec![
        Explanation {
            name: "what only the server writes, among others",
            why: "RFC 7644 §3.5.2 refuses a path to it; in a value without a path clients repeat what they were \
                  shown, which §3.3 ignores in a POST",
            how: How::Reading(readings::without_reserved),
        },
        Explanation {
            name: "a key with a filter is a path",
            why: "Entra batches `emails[type eq \"work\"].value` as a key of an operation without a path; RFC 7644 \
                  §3.5.2.1 has attributes there",
            how: How::Reading(readings::with_keys_as_paths),
        },
        Explanation {
            name: "an enterprise attribute without its URN",
            why: "RFC 7644 §3.10 demands the URN; Entra leaves it away in places",
            how: How::Reading(readings::with_urns),
        },
        Explanation {
            name: "a list of one for a single value",
            why: "RFC 7643 §2.3 has no such form; Entra and older clients of Microsoft send it",
            how: How::Reading(readings::without_lists_of_one),
        },
        Explanation {
            name: "a text for a complex value",
            why: "RFC 7643 §2.3.8 wants an object; Entra sends the manager as its id, and so do others for whatever \
                  has a `value`",
            how: How::Reading(readings::with_complex_values),
        },
        Explanation {
            name: "null and empty texts clear",
            why: "RFC 7643 §2.5 holds null for unassigned and so for a removal; Entra clears with \"\" too, and no \
                  directory can hold an empty text",
            how: How::Reading(readings::with_removals),
        },
        Explanation {
            name: "a filter on a single value",
            why: "RFC 7644 §3.5.2 selects among several values; Entra removes `manager[value eq \"U2\"]`, which is \
                  the manager if it is that one",
            how: How::Reading(readings::without_filters_on_one),
        },
        Explanation {
            name: "a removal that names values",
            why: "RFC 7644 §3.5.2.2 knows no value in a removal; Entra names there what is to go, for members and so \
                  for all else, and a text names what has it as its `value`",
            how: How::Reading(readings::without_named_values),
        },
        Explanation {
            name: "active is never absent",
            why: "RFC 7644 §3.5.2.2 would unassign it; absent must mean neither that somebody may log in nor that \
                  nobody may, so what takes it away is refused or changes nothing",
            how: How::Meant(|request, ours, theirs| {
                let Some(change) = only_change(request) else { return false };
                let stays = same(ours, theirs, |document| _ = document.shift_remove("active"));
                change.op == "remove" && change.aim().is_one_of(&["active"]) && (stays || ours.refuses("active is"))
            }),
        },
        Explanation {
            name: "a part of values that are not there",
            why: "RFC 7644 §3.5.2.1 and §3.5.2.3: what does not exist is added; the other has nowhere to write and \
                  does nothing",
            how: How::Meant(|request, ours, theirs| {
                let Some(change) = only_change(request) else { return false };
                let (aim, name) = (change.aim(), attribute_of(request, &change.path));
                let made = |document: &Value| document[&name].as_array().is_some_and(|elements| elements.len() == 1);
                change.op != "remove"
                    && aim.is_plural()
                    && aim.filter.is_none()
                    && aim.sub.is_some()
                    && request.resource.get(&name).is_none()
                    && matches!(ours, Answer::Document(document) if made(document))
                    && same(ours, theirs, |document| _ = document.shift_remove(&name))
            }),
        },
        Explanation {
            name: "what is left of a value",
            why: "RFC 7644 §3.5.2.2 removes the sub-attribute alone; Entra clears a typed value by removing its \
                  `value`, and a type without a value says nothing",
            how: How::Meant(|request, ours, theirs| {
                let Some(change) = only_change(request) else { return false };
                change.op == "remove" && change.aim().sub.is_some() && same(ours, theirs, without_leftovers)
            }),
        },
        Explanation {
            name: "a value that contradicts its filter",
            why: "RFC 7644 §3.5.2.3 answers noTarget when nothing is selected; for Entra the value is made that the \
                  filter describes, and what is said beside it prevails",
            how: How::Meant(|request, ours, theirs| {
                request.kind == Kind::User
                    && matches!(ours, Answer::Document(_))
                    && theirs.refuses("contradicts the filter of")
            }),
        },
        Explanation {
            name: "an attribute that no schema has",
            why: "RFC 7644 §3.5.2 lets a provider refuse it; a client's own attributes are kept as they came, because \
                  a refusal would stop Entra from provisioning the user at all",
            how: How::Meant(|request, ours, theirs| {
                let Some(change) = only_change(request) else { return false };
                let path = change.path.to_lowercase();
                let unknown = ["shoesize", "urn:example:"].iter().any(|unknown| path.contains(unknown));
                let refusals = ["is not an attribute of the schema", "is not declared by the", "Field not found"];
                unknown && matches!(ours, Answer::Document(_)) && refusals.iter().any(|refusal| theirs.refuses(refusal))
            }),
        },
        Explanation {
            name: "a manager without id",
            why: "RFC 7643 §4.3 recommends the id and §8.7.1 requires it; when it is removed, so is the manager",
            how: How::Meant(|request, ours, theirs| {
                let Some(change) = only_change(request) else { return false };
                let gone = |document: &Value| document[ENTERPRISE].get("manager").is_none();
                change.aim().is_one_of(&["manager"])
                    && matches!(ours, Answer::Document(document) if gone(document))
                    && theirs.refuses("required attribute 'value' became unassigned")
            }),
        },
        Explanation {
            name: "a type in the schema's spelling",
            why: "RFC 7643 §7 suggests canonical values and §2.2 compares them without case; we keep what was sent, \
                  the other writes `work` for `WORK`",
            how: How::Meant(|_, ours, theirs| same(ours, theirs, |_| {})),
        },
        Explanation {
            name: "several values made primary at once",
            why: "RFC 7644 §3.5.2 lets the newest be the only one (RFC 7643 §2.4), of several the last; the other \
                  refuses, or takes the one that was not so before",
            how: How::Meant(|_, ours, theirs| {
                let is_primary = |element: &&Value| element["primary"] == true;
                let one_each = |document: &Value| {
                    let lists = document.as_object().into_iter().flatten().filter_map(|(_, value)| value.as_array());
                    lists.into_iter().all(|elements| elements.iter().filter(is_primary).count() <= 1)
                };
                let same_but_for_marks = || same(ours, theirs, |document| each_complex(document, without_mark));
                matches!(ours, Answer::Document(document) if one_each(document))
                    && (theirs.refuses("Multiple values marked as primary") || same_but_for_marks())
            }),
        },
        Explanation {
            name: "members changed through a filter",
            why: "RFC 7644 §3.5.2.3 replaces whom the filter selects, and so do we, be they members or not; the other \
                  holds the ids of members for immutable (RFC 7643 §8.7.1), and has noTarget for those who are none",
            how: How::Meant(|request, ours, theirs| {
                let Some(change) = only_change(request) else { return false };
                let (aim, value) = (change.aim(), change.value.as_ref().and_then(readings::text_of));
                let Some((filter, value)) = aim.filter.as_ref().filter(|_| aim.is_one_of(&["members"])).zip(value)
                else {
                    return false;
                };
                let selected: Vec<&str> = filter.split('"').skip(1).step_by(2).collect();
                let held =
                    request.resource["members"].as_array().into_iter().flatten().map(|member| member["value"].clone());
                let stays = |id: &Value| change.op == "add" || !selected.iter().any(|selected| id == selected);
                let members: Vec<Value> = held.filter(stays).chain([json!(value)]).collect();
                let members = members.into_iter().map(|id| json!({"value": id})).collect();
                let mut expected = request.resource.clone();
                expected["members"] = members;
                ours.agrees(&Answer::document(expected)) && !ours.agrees(theirs)
            }),
        },
        Explanation {
            name: "a value that does not fit, where nothing is written",
            why: "RFC 7644 §3.12 has invalidValue for it; the other does not look at a value that it has no place for",
            how: How::Meant(|request, ours, theirs| {
                ours.refuses("must be") && theirs.agrees(&Answer::document(request.resource.clone()))
            }),
        },
        Explanation {
            name: "a required attribute that is taken away and given back",
            why: "RFC 7644 §3.5.2.2 refuses the removal; we look at what comes of the whole request, of which nobody \
                  sees a part (§3.5.2)",
            how: How::Meant(|request, ours, theirs| {
                request.operations.len() > 1
                    && matches!(ours, Answer::Document(_))
                    && theirs.refuses("required attribute cannot be removed")
            }),
        },
        Explanation {
            name: "a value that is there twice",
            why: "RFC 7643 §2.4: the same value should not be there more than once",
            how: How::Meant(|request, ours, theirs| {
                let Some(change) = only_change(request) else { return false };
                change.op == "replace" && change.aim().is_plural() && same(ours, theirs, without_twins)
            }),
        },
        Explanation {
            name: "a value that is added in other letters",
            why: "RFC 7643 §2.2 compares most texts without case, so the other adds nothing; what Entra sends is kept \
                  letter by letter, or Entra sends it again for ever",
            how: How::Meant(|request, ours, theirs| {
                only_change(request).is_some_and(|change| change.op == "add")
                    && same(ours, theirs, |document| {
                        each_complex(document, without_mark);
                        without_twins(document);
                    })
            }),
        },
        Explanation {
            name: "a removal that names a value in other letters or parts",
            why: "RFC 7643 §2.2 compares most texts without case, ids of managers among them; and who names a value and \
                  its type means that value, whatever else stands beside it",
            how: How::Meant(|request, ours, theirs| {
                let Some(change) = only_change(request) else { return false };
                let name = attribute_of(request, &change.path);
                let removes = change.op == "remove" && change.value.is_some();
                removes
                    && same(ours, theirs, |document| {
                        document.shift_remove(&name);
                        if let Some(extension) = document.get_mut(ENTERPRISE).and_then(Value::as_object_mut) {
                            extension.shift_remove(&name);
                        }
                        document.retain(|urn, extension| urn != ENTERPRISE || *extension != json!({}));
                    })
            }),
        },
        Explanation {
            name: "a removal whose value names nothing by its `value`",
            why: "the value of a removal tells what goes: those that have the parts named, those parts of a single \
                  value, and by an empty list nobody; RFC 7644 §3.5.2.2 has no value there, and takes everything",
            how: How::Meant(|request, ours, _| {
                let Some(change) = only_change(request) else { return false };
                let elements = match &change.value {
                    Some(Value::Array(elements)) => elements.clone(),
                    Some(single) => vec![single.clone()],
                    None => return false,
                };
                let unnamed =
                    elements.is_empty() || elements.iter().any(|element| readings::text_of(element).is_none());
                change.op == "remove" && unnamed && matches!(ours, Answer::Document(_))
            }),
        },
    ]
}

/// The change that a request consists of, if it is one.
fn only_change(request: &PatchRequest) -> Option<Change> {
    let mut changes = Change::all_of(request);
    changes.pop().filter(|_| changes.is_empty())
}

/// Whether both are documents that are equal once this is done to them, whatever the case of types.
fn same(ours: &Answer, theirs: &Answer, relax: impl Fn(&mut Map<String, Value>)) -> bool {
    let relaxed = |answer: &Answer| {
        let Answer::Document(document) = answer else { return None };
        let mut document = document.as_object().cloned()?;
        relax(&mut document);
        each_complex(&mut document, with_type_in_lower_case);
        Some(document)
    };
    relaxed(ours).is_some_and(|ours| relaxed(theirs) == Some(ours))
}

/// The top-level attribute that a path leads into, in the schema's spelling.
fn attribute_of(request: &PatchRequest, path: &str) -> String {
    let aim = Aim::at(path);
    let plurals = PLURALS.into_iter().chain(["addresses", "members"]);
    let held = request.resource.as_object().into_iter().flat_map(Map::keys).map(String::as_str);
    let known = plurals.chain(held).find(|name| aim.is_one_of(&[name])).map(str::to_owned);
    known.unwrap_or(aim.name)
}

/// Leaves values out that have nothing but a type, a name to show or a mark.
fn without_leftovers(document: &mut Map<String, Value>) {
    document.retain(|_, value| {
        let Some(elements) = value.as_array_mut() else { return true };
        let says = |name: &String| !["type", "primary", "display"].contains(&name.as_str());
        elements.retain(|element| element.as_object().is_none_or(|parts| parts.keys().any(says)));
        !elements.is_empty()
    });
}

/// Does something to every complex value, but to no whole extension.
fn each_complex(document: &mut Map<String, Value>, change: fn(&mut Map<String, Value>)) {
    for (name, value) in document {
        match value {
            Value::Array(elements) => elements.iter_mut().filter_map(Value::as_object_mut).for_each(change),
            Value::Object(extension) if name == ENTERPRISE => each_complex(extension, change),
            Value::Object(complex) => change(complex),
            _ => {}
        }
    }
}

fn with_type_in_lower_case(element: &mut Map<String, Value>) {
    if let Some(kind) = element.get_mut("type") {
        *kind = json!(kind.as_str().map(str::to_lowercase));
    }
}

fn without_mark(element: &mut Map<String, Value>) {
    element.shift_remove("primary");
}

/// Leaves values out that are equal to an earlier one but for the case of their letters.
fn without_twins(document: &mut Map<String, Value>) {
    for elements in document.values_mut().filter_map(Value::as_array_mut) {
        let mut seen = Vec::new();
        elements.retain(|element| {
            let element = element.to_string().to_lowercase();
            let new = !seen.contains(&element);
            seen.push(element);
            new
        });
    }
}

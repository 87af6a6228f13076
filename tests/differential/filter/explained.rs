//! Why the two implementations select different resources.

use serde_json::{Value, json};

use super::{Comparison, FilterRequest, Literal, full_path, readings};
use crate::difference::{Answer, Explanation, How};
use crate::resource::Kind;

pub(super) fn explanations() -> Vec<Explanation<FilterRequest>> {
    vec![
        Explanation {
            name: "an enterprise attribute without its URN",
            why: "RFC 7644 §3.10 demands the URN; Entra leaves it away in places",
            how: How::Reading(readings::with_urns),
        },
        Explanation {
            name: "a text without quotes, or with quotes inside",
            why: "RFC 7644 §3.4.2.2 has JSON values; Entra sends `externalId eq jyoung`, and names whose quotes \
                  nobody escaped",
            how: How::Reading(readings::with_quotes),
        },
        Explanation {
            name: "a number or a boolean for a text",
            why: "RFC 7644 §3.4.2.2 compares values of one type; Entra leaves quotes away, so `externalId eq 0012` \
                  and `externalId eq 12` are about texts",
            how: How::Reading(readings::with_texts),
        },
        Explanation {
            name: "a comparison of what is selected",
            why: "RFC 7644 §3.4.2.2 has no such form; Entra sends `emails[type eq \"work\"] eq \"x\"` too",
            how: How::Reading(readings::with_value_compared),
        },
        Explanation {
            name: "null among several values",
            why: "RFC 7643 §2.5: null is no value, so we ask whether there is any; the other asks each value",
            how: How::Meant(|request, ours, theirs| {
                answered(request, ours, theirs, |path, comparison| {
                    comparison.literal == Literal::Json(Value::Null)
                        && ["emails", "roles", "phonenumbers", "addresses", "members"]
                            .iter()
                            .any(|list| path.contains(list))
                })
            }),
        },
        Explanation {
            name: "an order of null",
            why: "RFC 7644 §3.4.2.2 gives null neither an order nor parts, and §3.12 has invalidFilter for what \
                  cannot be compared",
            how: How::Meant(|_, ours, theirs| ours.refuses("compares null") && matches!(theirs, Answer::Matches(_))),
        },
        Explanation {
            name: "a time without a zone",
            why: "RFC 7643 §2.3.5 does not say what it means; we take it for UTC, to the other it is like no other \
                  time",
            how: How::Meant(|request, ours, theirs| {
                answered(request, ours, theirs, |path, comparison| {
                    readings::is_instant(path) && comparison.literal == Literal::Json(json!("2026-01-01T00:00:00"))
                })
            }),
        },
        Explanation {
            name: "a part of a time",
            why: "RFC 7644 §3.4.2.2 has no words for it; we look into the text that clients see, the other never \
                  matches",
            how: How::Meant(|request, ours, theirs| {
                answered(request, ours, theirs, |path, comparison| {
                    readings::is_instant(path)
                        && ["co", "sw", "ew"].contains(&comparison.operator.to_lowercase().as_str())
                }) && ours.agrees(&Answer::Matches(true))
            }),
        },
        Explanation {
            name: "a date for a time",
            why: "RFC 7643 §2.3.5 demands date and time; the other takes midnight for what is missing",
            how: How::Meant(|_, ours, theirs| {
                ours.refuses("compares a date with something else") && matches!(theirs, Answer::Matches(_))
            }),
        },
        Explanation {
            name: "a comparison of a complex attribute",
            why: "RFC 7644 §3.4.2.2 compares its sub-attributes; an answer of nobody would hide the mistake (§3.12)",
            how: How::Meant(|_, ours, theirs| {
                ours.refuses("compares a complex attribute") && matches!(theirs, Answer::Matches(_))
            }),
        },
        Explanation {
            name: "a number for a boolean",
            why: "RFC 7643 §2.3.2 has true and false; the other takes 1 for true",
            how: How::Meant(|_, ours, theirs| {
                ours.refuses("compares a boolean with something else") && matches!(theirs, Answer::Matches(_))
            }),
        },
        Explanation {
            name: "the manager by its id",
            why: "RFC 7644 §3.4.2.2 gives a `value` to compare to multi-valued attributes alone; Entra asks `manager \
                  eq \"U2\"`",
            how: How::Meant(|request, ours, theirs| {
                answered(request, ours, theirs, |path, _| path.ends_with(":manager"))
            }),
        },
        Explanation {
            name: "the ids of members and managers in other letters",
            why: "RFC 7643 §8.7.1 has them without case, the other with",
            how: How::Meant(|request, ours, theirs| {
                answered(request, ours, theirs, |path, comparison| {
                    let path = path.trim_end_matches(".value");
                    let Literal::Json(Value::String(id)) = &comparison.literal else { return false };
                    (path.ends_with("members") || path.ends_with("manager")) && *id != id.to_lowercase()
                })
            }),
        },
        Explanation {
            name: "a URI in other letters",
            why: "RFC 7643 §2.3.7: a reference is compared exactly",
            how: How::Meant(|request, ours, theirs| {
                answered(request, ours, theirs, |path, _| ["meta.location", "schemas"].contains(&path))
            }),
        },
        Explanation {
            name: "the name of a group by its letters",
            why: "RFC 7643 §8.7.1 has it without case; two groups of Entra may differ in nothing else, and are not \
                  one",
            how: How::Meant(|request, ours, theirs| {
                answered(request, ours, theirs, |path, _| request.kind == Kind::Group && path.ends_with("displayname"))
            }),
        },
        Explanation {
            name: "letters composed in another way, where letters count",
            why: "RFC 7644 §5 has a userName compared in NFC, and so is all that is compared without case; what is \
                  compared exactly is compared byte for byte, and by the other in NFC",
            how: How::Meant(|request, ours, theirs| {
                answered(request, ours, theirs, |_, comparison| {
                    matches!(&comparison.literal, Literal::Json(Value::String(text))
                        if ["Zoe\u{308}", "A\u{30a}ngstro\u{308}m", "\u{212a}ing"].contains(&text.as_str()))
                })
            }),
        },
    ]
}

/// Whether both answer, and the request compares something of which this holds. The path is in lower case.
fn answered(
    request: &FilterRequest,
    ours: &Answer,
    theirs: &Answer,
    holds: impl Fn(&str, &Comparison) -> bool,
) -> bool {
    let mut found = false;
    request.filter.clone().comparisons(&mut |selected, comparison| {
        found |= holds(&full_path(selected, comparison), comparison);
    });
    found && matches!((ours, theirs), (Answer::Matches(_), Answer::Matches(_)))
}

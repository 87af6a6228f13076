//! What a client sent, without what it says of people: for the log.
//!
//! Invariant: attribute names, paths and the shape of values stay as they came; texts and numbers do not, but for the
//! words that schemas suggest, such as `work`.

use serde_json::{Value, json};

use super::resource::{self, Document};

/// How many elements of a list are shown.
const MOST_ELEMENTS: usize = 3;
/// How long the whole may be.
const LONGEST: usize = 4000;
/// Values that say something of a form and nothing of a person.
const WORDS: [&str; 14] = [
    "work",
    "home",
    "other",
    "mobile",
    "fax",
    "pager",
    "true",
    "false",
    "User",
    "Group",
    "photo",
    "thumbnail",
    "direct",
    "",
];

/// The operations of a PATCH request.
pub fn operations(body: &Value) -> String {
    let operations = body.as_object().and_then(|body| resource::attribute(body, "Operations"));
    let text = operations.map(operation).unwrap_or_else(|| value(body)).to_string();
    match text.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{}…", text.get(..end).unwrap_or_default()),
        None => text,
    }
}

fn operation(sent: &Value) -> Value {
    match sent {
        Value::Array(operations) => operations.iter().map(operation).collect(),
        Value::Object(members) => {
            let member = |(name, member): (&String, &Value)| {
                let is_form = ["op", "path"].iter().any(|known| name.eq_ignore_ascii_case(known));
                let shown = match member {
                    Value::String(text) if is_form => Value::from(path(text)),
                    other => value(other),
                };
                (name.clone(), shown)
            };
            Value::Object(members.iter().map(member).collect())
        }
        other => value(other),
    }
}

fn value(sent: &Value) -> Value {
    match sent {
        Value::String(text) => Value::from(word(text)),
        Value::Number(_) => json!("<number>"),
        Value::Array(elements) => {
            let mut shown: Vec<Value> = elements.iter().take(MOST_ELEMENTS).map(value).collect();
            if elements.len() > MOST_ELEMENTS {
                shown.push(json!(format!("<{} more>", elements.len() - MOST_ELEMENTS)));
            }
            Value::Array(shown)
        }
        // A key without a path is one itself.
        Value::Object(members) => {
            Value::Object(members.iter().map(|(name, member)| (path(name), value(member))).collect::<Document>())
        }
        other => other.clone(),
    }
}

fn word(text: &str) -> String {
    let is_word = WORDS.iter().any(|word| word.eq_ignore_ascii_case(text));
    if is_word { text.to_owned() } else { format!("<{} characters>", text.chars().count()) }
}

/// A path with what stands in quotes redacted.
fn path(text: &str) -> String {
    let parts = text.split('"').enumerate();
    let parts: Vec<String> =
        parts.map(|(index, part)| if index % 2 == 1 { word(part) } else { part.to_owned() }).collect();
    parts.join("\"")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(sent: Value, expected: &str) {
        assert_eq!(operations(&json!({ "Operations": sent })), expected);
    }

    #[test]
    fn forms_stay_and_values_go() {
        check(
            json!([{"op": "Frob", "path": "emails[type eq \"work\" and value eq \"ada@x\"].value", "value": "ada@y"}]),
            "[{\"op\":\"Frob\",\"path\":\"emails[type eq \\\"work\\\" and value eq \\\"<5 characters>\\\"].value\",\"value\":\"<5 characters>\"}]",
        );
        check(
            json!([{"op": "add", "value": {"name.givenName": "Ada", "active": "True", "x": 5, "y": null, "z": [1, 2, 3, 4]}}]),
            "[{\"op\":\"add\",\"value\":{\"name.givenName\":\"<3 characters>\",\"active\":\"True\",\"x\":\"<number>\",\"y\":null,\"z\":[\"<number>\",\"<number>\",\"<number>\",\"<1 more>\"]}}]",
        );
        check(json!("nonsense"), "\"<8 characters>\"");
        assert_eq!(operations(&json!({"no": "operations"})), "{\"no\":\"<10 characters>\"}");
    }
}

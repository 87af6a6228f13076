//! What a client sent, without what it says of people: for the log, and for refusals, which stand in logs.
//!
//! Invariant: attribute names, paths and the shape of values stay as they came; texts and numbers do not, but for the
//! words that schemas suggest, such as `work`.

use serde_json::{Value, json};

use super::quirks;
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

/// A path or a filter without the values that it compares with: those in quotes, what follows an operator, and in brackets and after
/// them all that is no name and no word of the grammar.
pub(super) fn path(text: &str) -> String {
    let pieces: Vec<&str> = quirks::pieces(text).collect();
    let mut shown = String::new();
    let (mut in_value, mut is_narrowed, mut before) = (false, false, "");
    for (index, piece) in pieces.iter().enumerate() {
        if is_blank(piece) {
            shown.push_str(piece);
            continue;
        }
        let next = pieces.iter().skip(index + 1).find(|next| !is_blank(next)).unwrap_or(&"");
        let joins = is_one_of(&["and", "or"], piece);
        let closes_or_opens = ["[", "]"].contains(piece);
        in_value &= !joins && !closes_or_opens;
        is_narrowed |= closes_or_opens;
        let compares = is_one_of(&quirks::COMPARISONS, piece) && !before.is_empty();
        let is_name = is_one_of(&quirks::COMPARISONS, next)
            || is_one_of(&["pr"], next)
            || piece.starts_with('.') && before == "]"
            || !is_narrowed;
        let is_grammar = joins || compares || is_one_of(&["[", "]", "(", ")", "not", "pr"], piece);
        match piece.strip_prefix('"') {
            Some(rest) => shown.push_str(&quoted(rest)),
            None if in_value && !["(", ")"].contains(piece) || !is_name && !is_grammar => shown.push_str(&word(piece)),
            None => shown.push_str(piece),
        }
        in_value |= compares;
        before = piece;
    }
    shown
}

/// A value in quotes, of which the first is taken away already.
fn quoted(rest: &str) -> String {
    match rest.strip_suffix('"') {
        Some(inner) => format!("\"{}\"", word(inner)),
        None => format!("\"{}", word(rest)),
    }
}

fn is_blank(piece: &str) -> bool {
    piece.starts_with(char::is_whitespace)
}

fn is_one_of(words: &[&str], piece: &str) -> bool {
    words.iter().any(|word| word.eq_ignore_ascii_case(piece))
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

    #[track_caller]
    fn check_path(sent: &str, expected: &str) {
        assert_eq!(path(sent), expected);
    }

    #[test]
    fn a_path_says_nothing_of_people() {
        check_path("name.givenName", "name.givenName");
        check_path("emails[ type EQ \"work\" ].value", "emails[ type EQ \"work\" ].value");
        check_path("emails[value eq ada@x].value", "emails[value eq <5 characters>].value");
        check_path("EMAILS[not (VALUE Eq ada@x)]", "EMAILS[not (VALUE Eq <5 characters>)]");
        check_path(
            "emails[type eq work and display sw Ada King].value",
            "emails[type eq work and display sw <3 characters> <4 characters>].value",
        );
        check_path(
            "emails[display eq Ada and King or primary pr]",
            "emails[display eq <3 characters> and <4 characters> or primary pr]",
        );
        check_path("emails[display eq \"Ada \\\"Countess\\\" King\"]", "emails[display eq \"<21 characters>\"]");
        check_path("emails[display eq \"Ada \"Countess\" King\"]", "emails[display eq \"<19 characters>\"]");
        check_path(
            "emails[value eq ada[1]@x].value",
            "emails[value eq <3 characters>[<1 characters>]<2 characters>].value",
        );
        check_path("emails[ada@x].value", "emails[<5 characters>].value");
        check_path("emails[value eq \"ada@x].value", "emails[value eq \"<12 characters>");
        check_path("userName eq ada", "userName eq <3 characters>");
    }
}

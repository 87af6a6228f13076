//! What a story's snapshot holds: what Entra heard and what the directory then showed, one after the other.
//!
//! Ids, times, versions and the short ids of colliding groups differ in every run; they are replaced by what they
//! stand for.

use std::collections::BTreeMap;
use std::fmt;

use serde_json::Value;

use super::app::TestApp;
use super::http::Answer;

pub(crate) struct Story<'a> {
    app: &'a TestApp,
    text: String,
}

impl<'a> Story<'a> {
    pub(crate) fn of(app: &'a TestApp) -> Self {
        Self { app, text: String::new() }
    }

    /// What Entra heard.
    pub(crate) fn heard(&mut self, what: &str, answer: &Answer) {
        self.text.push_str(&format!("## {what}: {}\n", answer.status));
        if !answer.body.is_empty() {
            self.text.push_str(&format!("{:#}\n", self.app.normalised(answer.json())));
        }
        self.text.push('\n');
    }

    /// What the directory shows now.
    pub(crate) fn directory(&mut self, when: &str) {
        self.text.push_str(&format!("## The directory {when}\n{}\n", self.app.directory()));
    }
}

impl fmt::Display for Story<'_> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.app.redact(&self.text))
    }
}

/// A resource or list as a snapshot shows it. Times and versions are replaced here, where their place tells what they
/// are. Members have no order of their own: they are sorted once the ids have given way to names.
pub(crate) fn normalise(value: &mut Value, names: &BTreeMap<String, String>) {
    match value {
        Value::Object(fields) => {
            for (name, field) in fields {
                match name.as_str() {
                    "created" | "lastModified" => *field = Value::from("[time]"),
                    "version" => *field = Value::from("[version]"),
                    _ => normalise(field, names),
                }
                if let ("members", Value::Array(members)) = (name.as_str(), field) {
                    members.sort_by_cached_key(Value::to_string);
                }
            }
        }
        Value::Array(items) => items.iter_mut().for_each(|item| normalise(item, names)),
        Value::String(text) => *text = redact(text, names),
        _ => {}
    }
}

/// Puts names for ids, and one word for the short ids of colliding groups.
pub(crate) fn redact(text: &str, names: &BTreeMap<String, String>) -> String {
    let mut text = text.to_owned();
    for (id, name) in names {
        text = text.replace(id, &format!("[{name}]"));
    }
    while let Some(short) = short_id(&text) {
        text = text.replace(&short, "[short id]");
    }
    text
}

/// The eight hexadecimal digits that follow `+ou=` in the DN of a group whose name collides with another's.
pub(crate) fn short_id(text: &str) -> Option<String> {
    text.match_indices("+ou=").find_map(|(at, key)| {
        let short = text.get(at + key.len()..at + key.len() + 8)?;
        let ends = text[at + key.len() + 8..].starts_with(',');
        (ends && short.bytes().all(|digit| digit.is_ascii_hexdigit())).then(|| short.to_owned())
    })
}

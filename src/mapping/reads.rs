//! What of a resource a map looks at, and what it passes over.
//!
//! Not what it makes of it. Invariant: an attribute is passed over only if no line of the map, no template of a place and
//! nothing else of the configuration looks at it, whatever its value.

use serde_json::{Value, json};

use super::password::PasswordSource;
use super::{AttributeRule, GroupRules, Source, UserRules};
use crate::scim::Document;
use crate::scim::resource::attribute;

/// What tells one value of several from the others: looked at only to choose between them.
const LABELS: [&str; 4] = ["type", "primary", "display", "$ref"];
/// What is kept for clients to find a resource by, whatever the map says.
pub(super) const ALWAYS_KEPT: [&str; 2] = ["externalId", "userName"];

impl AttributeRule {
    /// Whether the line looks at anything that the document holds.
    pub fn reads(&self, document: &Document) -> bool {
        match &self.source {
            Source::Scim(path) => !path.texts(document).is_empty(),
            Source::Template(template) => template.reads(document),
            Source::Constant(_) | Source::Allocated(_) => false,
        }
    }
}

impl UserRules {
    /// What looks at anything that the document holds: LDAP attributes, and settings beside the map.
    pub fn readers(&self, document: &Document) -> Vec<String> {
        let mut readers = readers(&self.attributes, document);
        let initial = self.password.as_ref().and_then(|rule| match &rule.source {
            PasswordSource::Initial(template) => Some(template),
            PasswordSource::Pushed | PasswordSource::PushedOnCreation => None,
        });
        if initial.is_some_and(|template| template.reads(document)) {
            readers.push(super::disable::PASSWORD_ATTRIBUTE.to_owned());
        }
        if self.place.reads(document) {
            readers.push("users.base_dn".to_owned());
        }
        if attribute(document, "active").is_some() && self.disable.is_any() {
            readers.push("users.disable".to_owned());
        }
        readers
    }

    /// What the document holds and nothing looks at, as paths.
    pub fn passed_over(&self, document: &Document) -> Vec<String> {
        passed_over(document, |sample| !self.readers(sample).is_empty())
    }
}

impl GroupRules {
    /// The LDAP attributes whose lines look at anything that the document holds.
    pub fn readers(&self, document: &Document) -> Vec<String> {
        readers(&self.attributes, document)
    }

    /// What the document holds and nothing looks at, as paths.
    pub fn passed_over(&self, document: &Document) -> Vec<String> {
        passed_over(document, |sample| !self.readers(sample).is_empty())
    }
}

fn readers(rules: &[AttributeRule], document: &Document) -> Vec<String> {
    let mut readers: Vec<String> = Vec::new();
    for rule in rules.iter().filter(|rule| rule.reads(document)) {
        let name = rule.ldap.to_string();
        if !readers.contains(&name) {
            readers.push(name);
        }
    }
    readers
}

fn passed_over(document: &Document, is_read: impl Fn(&Document) -> bool) -> Vec<String> {
    let is_kept = |path: &str| ALWAYS_KEPT.iter().chain(&["active"]).any(|kept| path.eq_ignore_ascii_case(kept));
    let mut paths: Vec<String> = Vec::new();
    for (path, sample) in leaves(document) {
        if !is_kept(&path) && !is_read(&sample) && !paths.contains(&path) {
            paths.push(path);
        }
    }
    paths
}

/// Every value of a document by its path, in a document that holds nothing else.
fn leaves(document: &Document) -> Vec<(String, Document)> {
    let mut leaves = Vec::new();
    for (name, value) in document {
        match value {
            Value::Object(extension) if name.contains(':') => {
                for (inner, value) in extension {
                    let parts = parts(&format!("{name}:{inner}"), value).into_iter();
                    leaves.extend(parts.map(|(path, value)| {
                        let attributes: Document = [(inner.clone(), value)].into_iter().collect();
                        (path, [(name.clone(), Value::Object(attributes))].into_iter().collect())
                    }));
                }
            }
            _ => {
                let parts = parts(name, value).into_iter();
                leaves.extend(parts.map(|(path, value)| (path, [(name.clone(), value)].into_iter().collect())));
            }
        }
    }
    leaves
}

/// The parts of one attribute's value, each with the labels that choose it.
fn parts(path: &str, value: &Value) -> Vec<(String, Value)> {
    match value {
        Value::Array(elements) => elements.iter().flat_map(|element| parts_of_element(path, element)).collect(),
        Value::Object(complex) => {
            let shown = |sub: &String| if sub == "value" { path.to_owned() } else { format!("{path}.{sub}") };
            unlabelled(complex).map(|(sub, value)| (shown(sub), json!({ sub: value }))).collect()
        }
        simple => vec![(path.to_owned(), simple.clone())],
    }
}

fn parts_of_element(path: &str, element: &Value) -> Vec<(String, Value)> {
    let Value::Object(complex) = element else {
        return vec![(path.to_owned(), json!([element]))];
    };
    let chosen = match attribute(complex, "type").and_then(Value::as_str) {
        Some(label) => format!("{path}[type eq {}]", Value::from(label)),
        None => path.to_owned(),
    };
    let part = |(sub, value): (&String, &Value)| {
        let labels = complex.iter().filter(|(name, _)| is_label(name));
        let mut sample: Document = labels.map(|(name, value)| (name.clone(), value.clone())).collect();
        sample.insert(sub.clone(), value.clone());
        (format!("{chosen}.{sub}"), json!([sample]))
    };
    unlabelled(complex).map(part).collect()
}

fn unlabelled(complex: &Document) -> impl Iterator<Item = (&String, &Value)> {
    complex.iter().filter(|(name, _)| !is_label(name))
}

fn is_label(name: &str) -> bool {
    LABELS.iter().any(|label| label.eq_ignore_ascii_case(name))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::directory::{AttributeName, Ownership};
    use crate::mapping::Template;
    use crate::scim::{AttributePath, Kind, Schema};

    fn rule(ldap: &'static str, source: Source) -> AttributeRule {
        let ldap = AttributeName::of(ldap);
        AttributeRule { ldap, source, scim_type: None, default: None, reference: false, ownership: Ownership::Owned }
    }

    fn path(text: &str) -> Source {
        Source::Scim(AttributePath::parse(&Schema::standard(Kind::User), text).unwrap())
    }

    #[test]
    fn what_no_line_looks_at_is_named_as_a_path() {
        let rules = [
            rule("cn", Source::Template(Template::compile("{{ displayName or userName }}").unwrap())),
            rule("mail", path("emails[type eq \"work\"].value")),
            rule("givenName", path("name.givenName")),
            rule("manager", path("manager")),
        ];
        let document = json!({
            "userName": "ada", "externalId": "a", "active": true, "displayName": "Ada", "nickName": "Countess",
            "name": {"givenName": "Ada", "familyName": "King"},
            "emails": [{"type": "work", "primary": true, "value": "w"}, {"type": "home", "value": "h"}, {"value": "n"}],
            "tags": ["x"],
            "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User": {"manager": {"value": "U2"}, "division": "D"},
        });
        let is_read = |sample: &Document| rules.iter().any(|rule| rule.reads(sample));
        assert_eq!(
            passed_over(document.as_object().unwrap(), is_read),
            [
                "nickName",
                "name.familyName",
                "emails[type eq \"home\"].value",
                "emails.value",
                "tags",
                "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:division",
            ]
        );
    }
}

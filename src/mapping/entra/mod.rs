//! What Microsoft Entra ID sends by default, against what a map looks at: which of its attribute mappings to keep, which to
//! delete, and which to add.
//!
//! Not a decision of the program, which reads the same from everybody: it is what an administrator is told to type.
//! Invariant: nothing is told to be deleted that the configuration looks at, for whatever value.

mod defaults;
pub mod graph;

use serde_json::{Value, json};

use super::reads::ALWAYS_KEPT;
use super::{AttributeRule, GroupRules, PasswordRule, Source, UserRules};
use crate::scim::patch::described;
use crate::scim::schema::{ENTERPRISE_USER, Type};
use crate::scim::{AttributePath, Document, Kind, Schema};
use defaults::{DefaultMapping, GROUP, KNOWN, USER};

/// What templates name that is no attribute.
const TEMPLATE_GLOBALS: [&str; 5] = ["debug", "dict", "loop", "namespace", "range"];

/// Where Entra takes a value from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sent {
    /// An attribute of the user or group, by the name that Entra's mappings have for it.
    Direct(&'static str),
    /// An expression.
    Expression(&'static str),
    /// What the administrator chooses.
    Chosen,
}

/// What to do with a mapping.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Advice {
    /// Entra has it, and it is looked at.
    Keep,
    /// Entra does not have it by default, and it is looked at.
    Add,
    /// Entra has it by default, and nothing looks at it.
    Delete,
}

/// When a mapping is applied.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Applied {
    /// Always.
    Always,
    /// Only during object creation.
    OnCreation,
}

/// One of Entra's attribute mappings.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mapping {
    /// Where the value comes from.
    pub source: Sent,
    /// The SCIM attribute that it goes to, as Entra writes it.
    pub target: String,
    /// In which order Entra looks for the user or group by it; `None`: not at all.
    pub matching: Option<u8>,
    /// When it is applied.
    pub applied: Applied,
    /// What to do with it.
    pub advice: Advice,
    /// What looks at it: LDAP attributes, and settings beside the map.
    pub readers: Vec<String>,
    /// Whether a resource without it is refused.
    pub required: bool,
    /// The type of the target, as Entra's attribute list has it.
    pub value_type: &'static str,
}

/// An attribute that Entra's attribute list does not have, and that is to be added there before it can be mapped.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Custom {
    /// Its name: the whole URN.
    pub name: String,
    /// Its type, as the list has it.
    pub value_type: &'static str,
    /// Why Entra may not take it.
    pub obstacle: Option<&'static str>,
}

/// What an administrator is told of one kind of resource.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Advised {
    /// The mappings, in the order of Entra's table; those to add stand last.
    pub mappings: Vec<Mapping>,
    /// The attributes to add to the list first.
    pub customs: Vec<Custom>,
    /// What else is good to know.
    pub notes: Vec<String>,
}

impl Advised {
    /// The mappings of which that is told.
    pub fn with(&self, advice: Advice) -> impl Iterator<Item = &Mapping> {
        self.mappings.iter().filter(move |mapping| mapping.advice == advice)
    }
}

/// What to do with Entra's mappings of users.
pub fn advise_on_users(rules: &UserRules) -> Advised {
    let schema = rules.schema();
    let variables = rules.place.variables().map(|name| (name, "users.base_dn"));
    let wanted = Wanted { schema: &schema, rules: &rules.attributes, variables: variables.collect() };
    let mut advised = wanted.advise(USER, |sample| rules.readers(sample));
    let note = "active: Not([IsSoftDeleted]) does the same; a mapping from accountEnabled does not, for it lets in whoever \
                is only taken out of the application";
    advised.notes.push(note.to_owned());
    if rules.password.as_ref().is_some_and(PasswordRule::is_pushed) {
        advised.mappings.push(Mapping {
            source: Sent::Chosen,
            target: "password".to_owned(),
            matching: None,
            applied: Applied::OnCreation,
            advice: Advice::Add,
            readers: vec![super::disable::PASSWORD_ATTRIBUTE.to_owned()],
            required: false,
            value_type: "String",
        });
        let note = "password takes an expression that makes one up: Entra never sends the one that somebody has";
        advised.notes.push(note.to_owned());
    }
    if let Some(other) = matched_by_another(rules) {
        let detail = format!(
            "users.match = \"{}\": entries that are there already are recognised by {other}, so it must reach \
             scimbridge with the first request",
            rules.match_attribute
        );
        advised.notes.push(detail);
    }
    advised
}

/// What to do with Entra's mappings of groups.
pub fn advise_on_groups(rules: &GroupRules) -> Advised {
    let schema = rules.schema();
    let wanted = Wanted { schema: &schema, rules: &rules.attributes, variables: Vec::new() };
    let lists: Vec<String> = rules.members.iter().map(|member| member.attribute.to_string()).collect();
    let is_members = |sample: &Document| sample.contains_key("members");
    wanted.advise(GROUP, |sample| if is_members(sample) { lists.clone() } else { rules.readers(sample) })
}

/// What recognises entries that were there before, where it is not the `userName`.
fn matched_by_another(rules: &UserRules) -> Option<String> {
    let rule = rules.attributes.iter().find(|rule| rule.ldap == rules.match_attribute)?;
    match &rule.source {
        Source::Scim(path) if path.key() == "username" => None,
        Source::Scim(path) => Some(path.to_string()),
        Source::Template(template) if template.variables().iter().all(|name| name == "userName") => None,
        source => Some(source.to_string()),
    }
}

/// A map, as it wants to be fed.
struct Wanted<'a> {
    schema: &'a Schema,
    rules: &'a [AttributeRule],
    /// What templates beside the map look at, and which.
    variables: Vec<(String, &'static str)>,
}

impl Wanted<'_> {
    fn advise(&self, defaults: &[DefaultMapping], readers: impl Fn(&Document) -> Vec<String>) -> Advised {
        let required: Vec<String> = self.schema.required().iter().map(AttributePath::key).collect();
        // `active` is not missed: absent means true.
        let is_required = |target: &AttributePath| target.key() != "active" && required.contains(&target.key());
        let mapping = |source, target: &AttributePath, readers: Vec<String>| Mapping {
            source,
            target: as_entra_writes(target),
            matching: None,
            applied: Applied::Always,
            advice: Advice::Add,
            readers,
            required: is_required(target),
            value_type: self.value_type(target),
        };
        let mut advised = Advised { mappings: Vec::new(), customs: Vec::new(), notes: Vec::new() };
        let mut sent = Vec::new();
        for default in defaults {
            let Ok(target) = AttributePath::parse(self.schema, default.target) else {
                continue;
            };
            let sample = self.sample(&target);
            let read_by = readers(&sample);
            // Whom to disable, and who it is, is looked at whatever the map says.
            let is_kept = ALWAYS_KEPT.contains(&default.target) || default.target == "active";
            let advice = if is_kept || !read_by.is_empty() { Advice::Keep } else { Advice::Delete };
            let mapping = mapping(default.source, &target, read_by);
            advised.mappings.push(Mapping { advice, matching: default.matching, ..mapping });
            sent.push(sample);
        }
        for target in self.paths_beside(&sent, &mut advised.notes) {
            if advised.mappings.iter().any(|mapping| mapping.target == as_entra_writes(&target)) {
                continue;
            }
            let known = KNOWN.iter().find(|(name, _)| name.eq_ignore_ascii_case(&as_entra_writes(&target)));
            let source = known.map_or(Sent::Chosen, |(_, source)| *source);
            advised.notes.extend(self.obstacle(&target));
            let read_by = readers(&self.sample(&target));
            advised.customs.extend(self.custom(&target));
            advised.mappings.push(mapping(source, &target, read_by));
        }
        advised
    }

    /// The paths that the map looks at and none of these documents has.
    fn paths_beside(&self, sent: &[Document], notes: &mut Vec<String>) -> Vec<AttributePath> {
        let mut paths = Vec::new();
        for rule in self.rules {
            match &rule.source {
                Source::Scim(path) if !sent.iter().any(|sample| rule.reads(sample)) => paths.push(path.clone()),
                Source::Template(template) => {
                    let of_template = template.variables().into_iter().map(|name| (name, rule.ldap.to_string()));
                    self.resolve(of_template.collect(), sent, &mut paths, notes);
                }
                Source::Scim(_) | Source::Constant(_) | Source::Allocated(_) => {}
            }
        }
        let beside = self.variables.iter().map(|(name, setting)| (name.clone(), (*setting).to_owned()));
        self.resolve(beside.collect(), sent, &mut paths, notes);
        paths
    }

    /// What a template's names of attributes stand for, where Entra does not send them.
    fn resolve(
        &self,
        variables: Vec<(String, String)>,
        sent: &[Document],
        paths: &mut Vec<AttributePath>,
        notes: &mut Vec<String>,
    ) {
        for (name, reader) in variables {
            let Ok(path) = AttributePath::parse(self.schema, &name) else {
                continue;
            };
            let is_sent = sent.iter().any(|sample| !path.values(sample).is_empty());
            // An attribute of an extension of the operator's own stands in the map under its whole name too, or nobody
            // can say what it is.
            let is_custom = self.schema.extensions().any(|urn| self.schema.named(Some(urn), &name).is_some());
            match self.schema.leaf(&path).is_some() {
                true if !is_sent => paths.push(path),
                false if !is_custom && !TEMPLATE_GLOBALS.contains(&name.as_str()) => {
                    let detail = format!(
                        "the template of {reader} looks at {name}: Entra's name for it is the URN of its extension, a \
                         colon and {name}"
                    );
                    notes.push(detail);
                }
                _ => {}
            }
        }
    }

    /// A document that holds what a mapping to the path would put there.
    fn sample(&self, path: &AttributePath) -> Document {
        const TEXT: &str = "x";
        let definition = self.schema.attribute(path);
        let is_complex = definition.is_some_and(|known| known.kind == Type::Complex);
        let sub = path.sub.as_deref().or(Some("value").filter(|_| is_complex || path.filter.is_some()));
        let value = match sub {
            None => json!(TEXT),
            Some(sub) => {
                let mut element = described(self.schema, path).unwrap_or_default();
                element.insert(sub.to_owned(), json!(TEXT));
                Value::Object(element)
            }
        };
        let is_list = path.filter.is_some() || definition.is_some_and(|known| known.multi_valued);
        let value = if is_list { json!([value]) } else { value };
        let attribute: Document = [(path.name.clone(), value)].into_iter().collect();
        match &path.extension {
            None => attribute,
            Some(urn) => [(urn.clone(), Value::Object(attribute))].into_iter().collect(),
        }
    }

    /// An attribute that Entra does not know of itself.
    fn custom(&self, path: &AttributePath) -> Option<Custom> {
        let urn = path.extension.as_deref().filter(|urn| !urn.eq_ignore_ascii_case(ENTERPRISE_USER))?;
        let obstacle = if path.filter.is_some() || path.sub.is_some() {
            Some("Entra takes plain values alone here: none with parts, and no several")
        } else if !is_of_entras_pattern(self.schema.kind(), urn) {
            Some("Entra wants such names to begin with urn:ietf:params:scim:schemas:extension:NAME:2.0:User:")
        } else {
            None
        };
        Some(Custom { name: path.to_string(), value_type: self.value_type(path), obstacle })
    }

    /// The type that Entra's attribute list has for it. It has none for numbers with a fraction, which may be texts.
    fn value_type(&self, path: &AttributePath) -> &'static str {
        let is_reference = |rule: &AttributeRule| {
            rule.reference && matches!(&rule.source, Source::Scim(source) if source.key() == path.key())
        };
        let names_somebody = path.name == "manager" || path.name == "members" || self.rules.iter().any(is_reference);
        let leaf = self.schema.leaf(path).map(|known| known.kind);
        match leaf {
            _ if names_somebody => "Reference",
            Some(Type::Boolean) => "Boolean",
            Some(Type::Integer) => "Integer",
            Some(Type::DateTime) => "DateTime",
            Some(Type::Binary) => "Binary",
            _ => "String",
        }
    }

    /// Why Entra may be unable to send it.
    fn obstacle(&self, path: &AttributePath) -> Option<String> {
        let is_list = self.schema.attribute(path).is_some_and(|known| known.multi_valued);
        if path.extension.is_none() && path.name == "entitlements" {
            return Some("entitlements: Entra does not provision them".to_owned());
        }
        if path.extension.is_none() && is_list && path.filter.is_none() && path.name != "roles" {
            let detail =
                format!("{path}: Entra writes one value of a type, such as {}[type eq \"work\"].value", path.name);
            return Some(detail);
        }
        None
    }
}

/// Entra compares with texts, be it a truth value.
fn as_entra_writes(path: &AttributePath) -> String {
    path.to_string().replace("primary eq true", "primary eq \"True\"")
}

fn is_of_entras_pattern(kind: Kind, urn: &str) -> bool {
    let name = urn.strip_prefix("urn:ietf:params:scim:schemas:extension:");
    let name = name.and_then(|rest| rest.strip_suffix(&format!(":2.0:{kind}")));
    name.is_some_and(|name| !name.is_empty() && !name.contains(':'))
}

#[cfg(test)]
mod tests;

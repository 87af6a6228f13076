//! Where the values of an LDAP attribute come from, in words: for whoever asks why an entry is as it is.
//!
//! Not the values; no word here holds one.

use super::disable::PASSWORD_ATTRIBUTE;
use super::{AttributeRule, GroupRules, Source, UserRules};
use crate::directory::{AccountLock, AttributeName};
use crate::scim::Document;

impl UserRules {
    /// Why the entry of that user has the attribute, or has it no longer.
    pub fn origins(&self, document: &Document, attribute: &AttributeName) -> Vec<String> {
        let mut origins = of_map(&self.attributes, document, attribute);
        let password = AttributeName::of(PASSWORD_ATTRIBUTE);
        if *attribute == AttributeName::of("objectClass") {
            origins.push("users.object_classes".to_owned());
        }
        if self.disable.lock && AccountLock::ALL.iter().any(|lock| lock.attribute() == *attribute) {
            origins.push("users.disable.lock, by active".to_owned());
        }
        if self.disable.set.contains_key(attribute) {
            origins.push("users.disable.set, by active".to_owned());
        }
        if self.disable.password && *attribute == password {
            origins.push("users.disable.password, by active".to_owned());
        }
        if self.password.is_some() && *attribute == password {
            origins.push("the password of the request, or the initial one".to_owned());
        }
        origins
    }
}

impl GroupRules {
    /// Why the entry of that group has the attribute, or has it no longer.
    pub fn origins(&self, document: &Document, attribute: &AttributeName) -> Vec<String> {
        let mut origins = of_map(&self.attributes, document, attribute);
        if *attribute == AttributeName::of("objectClass") {
            origins.push("groups.object_classes".to_owned());
        }
        if self.members.iter().any(|rule| rule.attribute == *attribute) {
            origins.push("from members; groups.placeholder where there are none".to_owned());
        }
        if origins.is_empty() {
            origins.push("groups.on_collision: the directory takes another group's name for the same".to_owned());
        }
        origins
    }
}

fn of_map(rules: &[AttributeRule], document: &Document, attribute: &AttributeName) -> Vec<String> {
    rules.iter().filter(|rule| rule.ldap == *attribute).map(|rule| origin(rule, document)).collect()
}

fn origin(rule: &AttributeRule, document: &Document) -> String {
    let once = if rule.ownership == crate::directory::Ownership::Initial { ", on creation" } else { "" };
    match (&rule.source, &rule.default) {
        (Source::Scim(path), default) => {
            let is_empty = path.texts(document).iter().all(String::is_empty);
            match (is_empty, default) {
                (false, _) if rule.reference => format!("from {path}: the entry of that user{once}"),
                (false, _) => format!("from {path}{once}"),
                (true, Some(_)) => format!("the default of the map, for {path} has no value{once}"),
                (true, None) => format!("{path} has no value"),
            }
        }
        (Source::Template(template), _) => format!("from the template {template}{once}"),
        (Source::Constant(_), _) => format!("the same for everybody{once}"),
        (Source::Allocated(range), _) => format!("a number of its own, of {range}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::directory::Ownership;
    use crate::scim::{AttributePath, Kind, Schema};
    use serde_json::json;

    #[test]
    fn a_default_is_told_from_a_value_and_from_nothing() {
        let path = AttributePath::parse(&Schema::standard(Kind::User), "name.familyName").unwrap();
        let rule = |default: Option<&str>| AttributeRule {
            ldap: AttributeName::of("sn"),
            source: Source::Scim(path.clone()),
            scim_type: None,
            default: default.map(str::to_owned),
            reference: false,
            ownership: Ownership::Owned,
        };
        let king = json!({"name": {"familyName": "King"}});
        let told = |default, document: &serde_json::Value| origin(&rule(default), document.as_object().unwrap());
        assert_eq!(told(Some("-"), &king), "from name.familyName");
        assert_eq!(told(Some("-"), &json!({})), "the default of the map, for name.familyName has no value");
        assert_eq!(told(None, &json!({})), "name.familyName has no value");
    }
}

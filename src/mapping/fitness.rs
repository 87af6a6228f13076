//! What of an attribute map a server's schema does not take, told before the first entry is written.
//!
//! Not the values: those are judged one by one ([`super::fit_syntaxes`]).

use std::fmt;

use super::{AttributeRule, Source};
use crate::directory::{AttributeName, Schema, Syntax, Value};

/// Something that an operator should know.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Finding {
    /// How bad it is: the worst first.
    pub severity: Severity,
    /// What is so.
    pub detail: String,
    /// What to do.
    pub remedy: String,
}

/// How bad a finding is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// Entries cannot be written, or people not be locked out.
    Error,
    /// It can be so; it is seldom meant.
    Warning,
    /// It is good to know, or could not be seen.
    Note,
}

impl Finding {
    /// Something that must be put right.
    pub fn error(detail: impl Into<String>, remedy: impl Into<String>) -> Finding {
        Finding { severity: Severity::Error, detail: detail.into(), remedy: remedy.into() }
    }

    /// Something that should be looked at.
    pub fn warning(detail: impl Into<String>, remedy: impl Into<String>) -> Finding {
        Finding { severity: Severity::Warning, detail: detail.into(), remedy: remedy.into() }
    }

    /// Something that is good to know.
    pub fn note(detail: impl Into<String>, remedy: impl Into<String>) -> Finding {
        Finding { severity: Severity::Note, detail: detail.into(), remedy: remedy.into() }
    }
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Severity::Error => "error",
            Severity::Warning => "warning",
            Severity::Note => "note",
        })
    }
}

/// What a server's schema has against a map. `section` is `users` or `groups`; `others` are attributes that are written
/// without being in the map, such as the members.
pub fn findings(
    section: &str,
    rules: &[AttributeRule],
    classes: &[Value],
    others: &[&AttributeName],
    schema: &Schema,
) -> Vec<Finding> {
    let mut findings = Vec::new();
    for class in classes.iter().filter(|class| !schema.knows_class(class)) {
        let class = class.as_str().unwrap_or_default();
        findings.push(Finding::error(
            format!("{section}.object_classes: the directory has no object class {class}"),
            "correct its name, or load the schema that defines it into the server",
        ));
    }
    let known_classes = classes.iter().all(|class| schema.knows_class(class));
    let mapped = rules.iter().map(|rule| &rule.ldap).chain(others.iter().copied());
    let mut seen = Vec::new();
    for attribute in mapped.filter(|attribute| **attribute != AttributeName::of("objectClass")) {
        if seen.contains(&attribute) {
            continue;
        }
        seen.push(attribute);
        if !schema.knows_attribute(attribute) {
            findings.push(Finding::error(
                format!("{section}: the directory has no attribute {attribute}"),
                "correct its name in the map, or load the schema that defines it into the server",
            ));
        } else if known_classes && !schema.is_operational(attribute) && !schema.allows(classes, attribute) {
            findings.push(Finding::error(
                format!("{section}: none of the object classes allows the attribute {attribute}"),
                format!("add a class that does to {section}.object_classes, or take it out of the map"),
            ));
        }
        let needs_option = schema.syntax(attribute).is_some_and(Syntax::needs_binary_option);
        if needs_option && !attribute.has_option("binary") {
            findings.push(Finding::error(
                format!("{section}: the directory takes {attribute} as {attribute};binary and no other way"),
                format!("write {attribute};binary in the map"),
            ));
        }
    }
    findings.extend(rules.iter().filter(|rule| is_many(rule) && schema.is_single_valued(&rule.ldap)).map(|rule| {
        Finding::warning(
            format!("{section}: {} holds one value, and {} may lead to several", rule.ldap, rule.source),
            "choose one in the path, such as emails[type eq \"work\"].value",
        )
    }));
    let has_source = |name: &String| seen.iter().any(|attribute| attribute.folded() == *name);
    let demanded = schema.demanded(classes);
    findings.extend(demanded.iter().filter(|name| *name != "objectclass" && !has_source(name)).map(|name| {
        Finding::error(
            format!("{section}: the object classes demand the attribute {name}, and the map does not have it"),
            format!("add a [[{section}.attribute]] for it, with a scim path and a default, or a value"),
        )
    }));
    findings
}

/// Whether a path leads to all values of an attribute that has several.
fn is_many(rule: &AttributeRule) -> bool {
    const PLURALS: [&str; 9] = [
        "emails",
        "phoneNumbers",
        "ims",
        "photos",
        "addresses",
        "entitlements",
        "roles",
        "x509Certificates",
        "members",
    ];
    matches!(&rule.source, Source::Scim(path) if path.extension.is_none() && path.filter.is_none()
        && PLURALS.contains(&path.name.as_str()))
}

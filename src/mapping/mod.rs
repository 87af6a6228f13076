//! SCIM to directory: what entry a resource should be. Pure.
//!
//! Not the comparison with what is there; that is `plan`'s. Invariant: a resource maps to an entry or
//! to all the reasons why it cannot, never to the first.

pub mod disable;
pub mod entra;
pub mod fitness;
pub mod group;
pub mod import;
pub mod origin;
pub mod password;
pub mod place;
pub mod provenance;
pub mod reads;
pub mod rules;
pub mod syntax;
pub mod template;
pub mod user;

pub use disable::Disable;
pub use fitness::{Finding, Severity};
pub use password::PasswordRule;
pub use place::Place;
pub use provenance::{Derivation, Provenance, derivations};
pub use rules::{AttributeRule, GroupRules, MemberOwnership, MemberRule, MemberValue, OnCollision, Source, UserRules};
pub use syntax::fit_syntaxes;
pub use template::Template;

use std::collections::BTreeMap;

use crate::directory::{AttributeName, DesiredAttribute, Dn, Ownership, Value};
use crate::scim::{Document, Error, ScimType};

/// The entries of the resources that a document refers to, by SCIM id.
pub type References = BTreeMap<String, Dn>;

/// What the rules want of each attribute. Several rules for one attribute add their values up.
fn map_attributes(
    rules: &[AttributeRule],
    document: &Document,
    references: &References,
    problems: &mut Vec<Error>,
) -> BTreeMap<AttributeName, DesiredAttribute> {
    let mut attributes: BTreeMap<AttributeName, DesiredAttribute> = BTreeMap::new();
    for rule in rules.iter().filter(|rule| !matches!(rule.source, Source::Allocated(_))) {
        let desired =
            attributes.entry(rule.ldap.clone()).or_insert_with(|| DesiredAttribute::new(rule.ownership, Vec::new()));
        match rule.values(document, references) {
            Ok(values) => {
                for value in values {
                    if !desired.values.contains(&value) {
                        desired.values.push(value);
                    }
                }
            }
            Err(problem) => problems.push(problem),
        }
    }
    attributes
}

/// `objectClass` is shared: an entry that was there before keeps the classes that it has.
fn object_classes(classes: &[Value]) -> (AttributeName, DesiredAttribute) {
    (AttributeName::of("objectClass"), DesiredAttribute::new(Ownership::Shared, classes.to_vec()))
}

/// The value that names the entry.
fn naming_value(
    rdn: &AttributeName,
    attributes: &BTreeMap<AttributeName, DesiredAttribute>,
    rules: &[AttributeRule],
) -> Result<Value, Error> {
    let named = attributes.get(rdn).and_then(|desired| desired.values.first()).cloned();
    named.ok_or_else(|| {
        let source = rules.iter().find(|rule| rule.ldap == *rdn).map(|rule| rule.source.to_string());
        let source = source.unwrap_or_else(|| rdn.to_string());
        Error::new(ScimType::InvalidValue, format!("{source} is needed: it names the directory entry ({rdn})"))
    })
}

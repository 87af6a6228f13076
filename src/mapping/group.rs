//! A group as an entry, without its members: those are changed by value and never listed here.

use super::{GroupRules, OnCollision, References, map_attributes, naming_value, object_classes, rules};
use crate::directory::{AttributeName, DesiredEntry, Naming, Placement, Rdn, Schema, Value};
use crate::scim::{Document, Error};

/// The entry that a group should be.
///
/// # Errors
/// Every reason why the group cannot be an entry.
pub fn map_group(rules: &GroupRules, document: &Document) -> Result<DesiredEntry, Vec<Error>> {
    let mut problems = Vec::new();
    let mut attributes = map_attributes(&rules.attributes, document, &References::new(), &mut problems);
    attributes.extend([object_classes(&rules.object_classes)]);
    match naming_value(&rules.rdn, &attributes, &rules.attributes) {
        Ok(value) if problems.is_empty() => {
            let rdn = Rdn::new(rules.rdn.clone(), value);
            let parent = rules.base_dn.clone();
            Ok(DesiredEntry { parent, placement: Placement::Initial, rdn, naming: Naming::Part, attributes })
        }
        Ok(_) => Err(problems),
        Err(problem) => {
            problems.push(problem);
            Err(problems)
        }
    }
}

/// The name of an entry whose plain name is taken by one that the directory cannot tell from it:
/// `cn=research+ou=1b4e28ba`. Its `cn` is still the group's name, byte for byte.
///
/// `None` when names that differ only in case or spaces are to be rejected, or when the classes allow
/// no second naming attribute.
pub fn distinguished(rules: &GroupRules, plain: &Rdn, by: &str, schema: &Schema) -> Option<Rdn> {
    if rules.on_collision == OnCollision::Reject {
        return None;
    }
    let attribute = rules.distinguish_with.clone().or_else(|| {
        let candidates = ["ou", "description", "o"].map(AttributeName::of);
        candidates.into_iter().find(|name| schema.allows(&rules.object_classes, name))
    })?;
    Some(plain.clone().and(attribute, Value::from(by)))
}

/// The attributes to ask for when a group's entry is observed; never its members.
pub fn observed_attributes(rules: &GroupRules) -> Vec<AttributeName> {
    let mut names: Vec<AttributeName> = rules::attribute_names(&rules.attributes).collect();
    names.extend([AttributeName::of("objectClass"), rules.rdn.clone()]);
    names.sort();
    names.dedup();
    names
}

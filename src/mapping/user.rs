//! A user as an entry.

use super::{References, UserRules, map_attributes, naming_value, object_classes, rules};
use crate::directory::flavor::{LOCK_ATTRIBUTE, LOCKED_FOR_GOOD};
use crate::directory::{AttributeName, DesiredAttribute, DesiredEntry, Naming, Ownership, Rdn, Value};
use crate::scim::{Document, Error, resource};

/// The entry that a user should be.
///
/// # Errors
/// Every reason why the user cannot be an entry.
pub fn map_user(
    rules: &UserRules,
    document: &Document,
    references: &References,
    lock: Lock,
) -> Result<DesiredEntry, Vec<Error>> {
    let mut problems = Vec::new();
    let mut attributes = map_attributes(&rules.attributes, document, references, &mut problems);
    if problems.is_empty() && rules.lock_inactive {
        attributes.insert(AttributeName::of(LOCK_ATTRIBUTE), desired_lock(resource::is_active(document), lock));
    }
    attributes.extend([object_classes(&rules.object_classes)]);
    match naming_value(&rules.rdn, &attributes, &rules.attributes) {
        Ok(value) if problems.is_empty() => {
            let rdn = Rdn::new(rules.rdn.clone(), value);
            Ok(DesiredEntry { parent: rules.base_dn.clone(), rdn, naming: Naming::Part, attributes })
        }
        Ok(_) => Err(problems),
        Err(problem) => {
            problems.push(problem);
            Err(problems)
        }
    }
}

/// Whose a lock is that an active user's entry may have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lock {
    /// Ours: it is lifted.
    Ours,
    /// An administrator's, set by hand: it stays.
    Others,
}

/// Inactive: locked for good, whatever lock was there. Active: not locked for good by us; a lock after failed
/// logins is the directory's own and stays.
fn desired_lock(active: bool, lock: Lock) -> DesiredAttribute {
    let locked = vec![Value::from(LOCKED_FOR_GOOD)];
    match (active, lock) {
        (false, _) => DesiredAttribute::new(Ownership::Owned, locked),
        (true, Lock::Ours) => DesiredAttribute { ownership: Ownership::Shared, values: Vec::new(), unwanted: locked },
        (true, Lock::Others) => DesiredAttribute::new(Ownership::Shared, Vec::new()),
    }
}

/// The attributes to ask for when a user's entry is observed.
pub fn observed_attributes(rules: &UserRules) -> Vec<AttributeName> {
    let mut names: Vec<AttributeName> = rules::attribute_names(&rules.attributes).collect();
    names.extend([AttributeName::of("objectClass"), rules.match_attribute.clone(), rules.rdn.clone()]);
    if rules.lock_inactive {
        names.push(AttributeName::of(LOCK_ATTRIBUTE));
    }
    names.sort();
    names.dedup();
    names
}

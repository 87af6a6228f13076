//! A user as an entry.

use super::{References, UserRules, map_attributes, naming_value, object_classes, rules};
use crate::directory::{AccountLock, AttributeName, DesiredEntry, Naming, Placement, Rdn};
use crate::scim::{Document, Error, resource};

/// The entry that a user should be, whether or not they may log in: that is [`super::Disable`]'s.
///
/// # Errors
/// Every reason why the user cannot be an entry.
pub fn map_user(rules: &UserRules, document: &Document, references: &References) -> Result<DesiredEntry, Vec<Error>> {
    let mut problems = Vec::new();
    let mut attributes = map_attributes(&rules.attributes, document, references, &mut problems);
    attributes.extend([object_classes(&rules.object_classes)]);
    // Where all stand in one place, somebody may have sorted them by hand.
    let sorted = if rules.place.containers.is_empty() { Placement::Initial } else { Placement::Owned };
    let place = match rules.place.parent_of(document) {
        // Who leaves often has no department any more, and is kept out all the same, wherever the entry stands.
        Err(_) if !resource::is_active(document) => Ok((rules.base_dn.clone(), Placement::Initial)),
        other => other.map(|parent| (parent, sorted)).map_err(|problem| problems.push(problem)),
    };
    let named = naming_value(&rules.rdn, &attributes, &rules.attributes).map_err(|problem| problems.push(problem));
    match (place, named) {
        (Ok((parent, placement)), Ok(value)) if problems.is_empty() => {
            let rdn = Rdn::new(rules.rdn.clone(), value);
            Ok(DesiredEntry { parent, placement, rdn, naming: Naming::Part, attributes })
        }
        _ => Err(problems),
    }
}

/// The attributes to ask for when a user's entry is observed.
pub fn observed_attributes(rules: &UserRules, lock: AccountLock) -> Vec<AttributeName> {
    let mut names: Vec<AttributeName> = rules::attribute_names(&rules.attributes).collect();
    names.extend([AttributeName::of("objectClass"), rules.match_attribute.clone(), rules.rdn.clone()]);
    names.extend(rules.disable.attributes(lock));
    names.sort();
    names.dedup();
    names
}

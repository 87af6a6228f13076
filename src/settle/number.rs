//! Numbers for entries that need one of their own, such as `uidNumber`.
//!
//! Taken in the store before the directory sees it: a crash in between costs nothing, for the resource finds its number
//! again. Invariant: no number is given twice, not even after its entry is gone.

use std::collections::BTreeSet;

use super::{Error, Work};
use crate::directory::{AttributeName, DesiredAttribute, DesiredEntry, Dn, Entry, NumberRange, Ownership, Value};
use crate::ldap::{Depth, Filter};
use crate::mapping::{AttributeRule, rules};
use crate::scim::ResourceId;
use crate::store;

/// How many numbers the directory is asked about at a time.
const AT_ONCE: u32 = 64;

impl Work<'_> {
    /// Puts into `desired` a number for each attribute that is to have one and has none.
    pub(super) async fn number(
        &self,
        rules: &[AttributeRule],
        id: &ResourceId,
        entry: Option<&Entry>,
        desired: &mut DesiredEntry,
    ) -> Result<(), Error> {
        for (attribute, range) in rules::allocated(rules) {
            if entry.is_some_and(|entry| !entry.values(attribute).is_empty()) {
                continue;
            }
            let number = self.free_number(attribute, range, id, &desired.parent).await?;
            let value = vec![Value::from(number.to_string())];
            desired.attributes.insert(attribute.clone(), DesiredAttribute::new(Ownership::Shared, value));
        }
        Ok(())
    }

    /// Sees that the numbers of an entry that is about to go are not given to another one.
    pub(super) async fn retire_numbers(&self, rules: &[AttributeRule], entry: &Entry) -> Result<(), Error> {
        for (attribute, range) in rules::allocated(rules) {
            let numbers = entry.values(attribute).iter().filter_map(|value| value.as_str()?.parse::<u64>().ok());
            for number in numbers.filter(|number| (u64::from(range.from)..=u64::from(range.to)).contains(number)) {
                match self.store.take_number(attribute, number, None).await {
                    Err(store::Error::Taken { .. }) => {}
                    other => other?,
                }
            }
        }
        Ok(())
    }

    async fn free_number(
        &self,
        attribute: &AttributeName,
        range: NumberRange,
        id: &ResourceId,
        place: &Dn,
    ) -> Result<u64, Error> {
        let taken = self.store.numbers_of(id, attribute).await?;
        for number in taken.into_iter().filter_map(|number| u32::try_from(number).ok()) {
            let is_ours = (range.from..=range.to).contains(&number);
            if is_ours && self.numbers_in_use(attribute, number, number, place).await?.is_empty() {
                return Ok(number.into());
            }
        }
        let mut next = self.next_number(attribute, range).await?;
        while next <= range.to {
            let last = next.saturating_add(AT_ONCE - 1).min(range.to);
            let used = self.numbers_in_use(attribute, next, last, place).await?;
            let free = (next..=last).find(|number| !used.contains(number));
            // What is skipped is remembered by its last one: it is not asked for again.
            let taken = free.unwrap_or(last);
            match self.store.take_number(attribute, taken.into(), Some(id)).await {
                Ok(()) if free.is_some() => return Ok(taken.into()),
                // Another entry was faster, or had it once, or all of these are in use.
                Ok(()) | Err(store::Error::Taken { .. }) => {
                    next = self.next_number(attribute, range).await?.max(taken.saturating_add(1));
                }
                Err(error) => return Err(error.into()),
            }
        }
        Err(Error::Exhausted { attribute: attribute.clone(), range })
    }

    /// The one after the highest that was ever given; past the end of the range when it is used up.
    async fn next_number(&self, attribute: &AttributeName, range: NumberRange) -> Result<u32, Error> {
        let highest = self.store.highest_number(attribute, range).await?;
        Ok(highest.and_then(|number| u32::try_from(number).ok()?.checked_add(1)).unwrap_or(range.from))
    }

    /// Which of the numbers some entry has, anywhere in the tree that the place belongs to.
    async fn numbers_in_use(
        &self,
        attribute: &AttributeName,
        first: u32,
        last: u32,
        place: &Dn,
    ) -> Result<BTreeSet<u32>, Error> {
        let profile = self.directory.profile().await?;
        let tree = profile.suffixes.iter().find(|suffix| place.is_under(suffix) || place == *suffix);
        let conditions = (first..=last).map(|number| Filter::equal(attribute.clone(), number.to_string()));
        let filter = Filter::Or(conditions.collect());
        let attributes = std::slice::from_ref(attribute);
        let found = self.directory.search(tree.unwrap_or(place), Depth::Subtree, &filter, attributes).await?;
        let values = found.iter().flat_map(|entry| entry.values(attribute));
        Ok(values.filter_map(|value| value.as_str()?.parse().ok()).collect())
    }
}

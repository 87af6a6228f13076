//! What takes a change back.
//!
//! Not carried out here, and not looked at whether it still can be: what somebody changed since is found by whoever makes
//! the reverse. Invariant: a change that was made and its reverse leave an entry as it was, but for its passwords, which
//! are not kept, and for what the server alone writes.

use super::hidden::is_password;
use crate::directory::{
    AccountLock, Action, AttributeName, Attributes, Change, Dn, Entry, Matching, Modification, Rdn, Schema, Tolerance,
    Value,
};

const LOST_PASSWORD: &str = "the password, which is not kept";

/// What takes a change back.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Reverse {
    /// What is to be done, in this order; nothing when the change did nothing that can be taken back.
    pub changes: Vec<Change>,
    /// What does not come back.
    pub lost: Option<String>,
}

impl Reverse {
    fn of(change: Change) -> Reverse {
        Reverse { changes: vec![change], lost: None }
    }
}

/// What takes a change back that was made of the entry `before`.
///
/// A modify that is exact did all that it says, and one of members only what was not so already: without `before` all of
/// it is taken to have been done. `schema` tells which values the directory holds equal, and which it writes itself.
pub fn reverse(change: &Change, before: Option<&Entry>, schema: &Schema) -> Reverse {
    match change {
        Change::Add { dn, .. } => Reverse::of(Change::Delete { dn: dn.clone() }),
        Change::Delete { dn } => recreated(dn, before, schema),
        Change::Modify { dn, modifications, tolerance } => taken_back(dn, modifications, *tolerance, before, schema),
        Change::Rename { dn, new_rdn, new_parent } => renamed_back(dn, new_rdn, new_parent.as_ref(), before, schema),
    }
}

/// The entry again, as it was.
fn recreated(dn: &Dn, before: Option<&Entry>, schema: &Schema) -> Reverse {
    let Some(before) = before else {
        return Reverse { changes: Vec::new(), lost: Some("the entry, which was not read before".to_owned()) };
    };
    // A lock is the server's own attribute and is set like any other: without it somebody who was kept out comes back in.
    let is_lock = |name: &AttributeName| AccountLock::ALL.iter().any(|lock| lock.attribute() == *name);
    let comes_back = |name: &AttributeName| !is_password(name) && (is_lock(name) || !schema.is_operational(name));
    let kept = before.attributes.iter().filter(|(name, values)| comes_back(name) && !values.is_empty());
    let attributes: Attributes = kept.map(|(name, values)| (name.clone(), values.clone())).collect();
    let has_password = before.attributes.iter().any(|(name, values)| is_password(name) && !values.is_empty());
    Reverse {
        changes: vec![Change::Add { dn: dn.clone(), attributes }],
        lost: has_password.then(|| LOST_PASSWORD.to_owned()),
    }
}

/// The old name below the old parent. The values of the new name go with it, and those of the old one come back; what
/// the entry held of the new name already is put in again.
fn renamed_back(dn: &Dn, new_rdn: &Rdn, new_parent: Option<&Dn>, before: Option<&Entry>, schema: &Schema) -> Reverse {
    let Some(old_rdn) = dn.rdn() else {
        return Reverse::default();
    };
    let old_parent = dn.parent().unwrap_or_default();
    let parent = new_parent.unwrap_or(&old_parent);
    let moved_from = (*parent != old_parent).then(|| old_parent.clone());
    let renamed = parent.child(new_rdn.clone());
    let mut reverse = Reverse::of(Change::Rename { dn: renamed, new_rdn: old_rdn.clone(), new_parent: moved_from });
    let held = new_rdn.parts().iter().filter_map(|(name, value)| {
        let rule = schema.matching(name).unwrap_or(Matching::Octets);
        let comes_back = |old: &Value| rule.equal(old, value);
        let held = before?.values(name).iter().find(|held| rule.equal(held, value))?;
        (!old_rdn.value(name).is_some_and(comes_back)).then(|| Modification {
            attribute: name.clone(),
            action: Action::Add,
            values: vec![held.clone()],
        })
    });
    let modifications: Vec<Modification> = held.collect();
    if !modifications.is_empty() {
        reverse.changes.push(Change::Modify { dn: dn.clone(), modifications, tolerance: Tolerance::Exact });
    }
    reverse
}

fn taken_back(
    dn: &Dn,
    modifications: &[Modification],
    tolerance: Tolerance,
    before: Option<&Entry>,
    schema: &Schema,
) -> Reverse {
    let mut undoing =
        Undoing { tolerance, present: before.map(|entry| entry.attributes.clone()), schema, lost: Vec::new() };
    let mut modifications: Vec<Modification> =
        modifications.iter().filter_map(|modification| undoing.take_back(modification)).collect();
    modifications.reverse();
    let changes = match modifications.is_empty() {
        true => Vec::new(),
        false => vec![Change::Modify { dn: dn.clone(), modifications, tolerance }],
    };
    Reverse { changes, lost: (!undoing.lost.is_empty()).then(|| undoing.lost.join(", and ")) }
}

/// The modifications of a change, followed one after the other.
struct Undoing<'a> {
    tolerance: Tolerance,
    /// What the entry holds before the modification that is looked at; `None` when it was not read.
    present: Option<Attributes>,
    schema: &'a Schema,
    lost: Vec<String>,
}

impl Undoing<'_> {
    /// What takes one modification back; `None` when it did nothing that can be.
    fn take_back(&mut self, modification: &Modification) -> Option<Modification> {
        let Modification { attribute, action, values } = modification;
        if is_password(attribute) {
            self.lose(LOST_PASSWORD.to_owned());
            return None;
        }
        let reversed = |action, values: Vec<Value>| {
            (!values.is_empty()).then(|| Modification { attribute: attribute.clone(), action, values })
        };
        match action {
            Action::Add => reversed(Action::Delete, self.add(attribute, values)),
            Action::Delete if values.is_empty() => reversed(Action::Add, self.replace(attribute, &[])),
            Action::Delete => reversed(Action::Add, self.delete(attribute, values)),
            Action::Replace => {
                let is_known = self.present.is_some();
                let values = self.replace(attribute, values);
                is_known.then(|| Modification { attribute: attribute.clone(), action: Action::Replace, values })
            }
        }
    }

    /// Follows an add, and says which of the values were not there.
    fn add(&mut self, attribute: &AttributeName, values: &[Value]) -> Vec<Value> {
        let (rule, is_tolerant) = (self.rule(attribute), self.tolerance == Tolerance::AlreadySo);
        let Some(present) = &mut self.present else {
            return values.to_vec();
        };
        let held = present.entry(attribute.clone()).or_default();
        let mut added = Vec::new();
        for value in values {
            let is_there = held.iter().any(|other| rule.equal(other, value));
            if !(is_tolerant && is_there) {
                held.push(value.clone());
                added.push(value.clone());
            }
        }
        added
    }

    /// Follows a delete, and says which of the values were there, as they were written there.
    fn delete(&mut self, attribute: &AttributeName, values: &[Value]) -> Vec<Value> {
        let (rule, is_tolerant) = (self.rule(attribute), self.tolerance == Tolerance::AlreadySo);
        let Some(present) = &mut self.present else {
            return values.to_vec();
        };
        let held = present.entry(attribute.clone()).or_default();
        let mut deleted = Vec::new();
        for value in values {
            match held.iter().position(|other| rule.equal(other, value)) {
                Some(at) => deleted.push(held.remove(at)),
                // The server said that it was there.
                None if !is_tolerant => deleted.push(value.clone()),
                None => {}
            }
        }
        deleted
    }

    /// Follows a replace, and says what stood there.
    fn replace(&mut self, attribute: &AttributeName, values: &[Value]) -> Vec<Value> {
        match &mut self.present {
            Some(present) => present.insert(attribute.clone(), values.to_vec()).unwrap_or_default(),
            None => {
                self.lose(format!("what {attribute} held, which was not read before"));
                Vec::new()
            }
        }
    }

    fn rule(&self, attribute: &AttributeName) -> Matching {
        self.schema.matching(attribute).unwrap_or(Matching::Octets)
    }

    fn lose(&mut self, what: String) {
        if !self.lost.contains(&what) {
            self.lost.push(what);
        }
    }
}

#[cfg(test)]
mod tests;

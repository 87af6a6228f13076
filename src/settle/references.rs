//! References to an entry that was renamed or deleted: group members and attributes such as `manager`.
//!
//! A server with referential integrity does this too, in its own time. Values are changed so that
//! whoever comes second finds nothing left to do.

use super::{ATTEMPTS, Bridge, Error};
use crate::directory::{Action, AttributeName, Change, Dn, Link, Modification, Tolerance, Value};
use crate::ldap::{Depth, Filter};
use crate::plan::{MemberDelta, Placeholder, Plan, Reason, member_changes};

/// What became of an entry that others refer to.
#[derive(Clone, Copy, Debug)]
pub(super) enum Fate<'a> {
    Renamed(&'a Dn),
    Deleted,
}

impl Bridge {
    /// Lets all references to `old` follow.
    pub(super) async fn follow(&self, old: &Dn, fate: Fate<'_>) -> Result<(), Error> {
        if matches!(fate, Fate::Renamed(new) if new == old) {
            return Ok(());
        }
        if let Some(groups) = &self.rules.groups {
            self.follow_in(&groups.base_dn, &groups.member, old, fate).await?;
        }
        let references = self.rules.users.attributes.iter().filter(|rule| rule.reference);
        for rule in references {
            self.follow_in(&self.rules.users.base_dn, &rule.ldap, old, fate).await?;
        }
        Ok(())
    }

    async fn follow_in(&self, base: &Dn, attribute: &AttributeName, old: &Dn, fate: Fate<'_>) -> Result<(), Error> {
        for _ in 0..ATTEMPTS {
            let filter = Filter::Equal(attribute.clone(), Value::from(old));
            let referring = match self.directory.search(base, Depth::Subtree, &filter, &[]).await {
                Err(error) if error.is_no_such_object() => return Ok(()),
                other => other?,
            };
            if referring.is_empty() {
                return Ok(());
            }
            for entry in referring {
                match self.follow_one(&entry.dn, attribute, old, fate).await {
                    // The entry went or was renamed meanwhile: the next search tells.
                    Err(Error::Directory(error)) if error.is_no_such_object() => {}
                    other => other?,
                }
            }
        }
        Err(Error::Busy)
    }

    async fn follow_one(&self, entry: &Dn, attribute: &AttributeName, old: &Dn, fate: Fate<'_>) -> Result<(), Error> {
        let modification =
            |action, dn: &Dn| Modification { attribute: attribute.clone(), action, values: vec![dn.into()] };
        let mut modifications = vec![modification(Action::Delete, old)];
        if let Fate::Renamed(new) = fate {
            modifications.push(modification(Action::Add, new));
        }
        let mut plan = Plan::default();
        plan.push(
            Change::Modify { dn: entry.clone(), modifications, tolerance: Tolerance::AlreadySo },
            Reason::Reference,
        );
        match (self.carry_out(plan).await, &self.rules.groups) {
            // The last member of a group whose class demands one.
            (Err(Error::Directory(error)), Some(groups)) if error.is_object_class_violation() => {
                let delta = MemberDelta { joining: Vec::new(), leaving: vec![old.clone()] };
                let plan = member_changes(entry, attribute, &delta, (&groups.placeholder, Placeholder::In));
                self.carry_out(plan).await.map(|_| ())
            }
            (other, _) => other.map(|_| ()),
        }
    }

    /// Deletes the entry of a link, wherever it is. Returns where it was.
    pub(super) async fn delete_linked(&self, link: &Link, base: &Dn) -> Result<Option<Dn>, Error> {
        for _ in 0..ATTEMPTS {
            let Some(entry) = self.linked_entry(link, base, &[]).await? else {
                return Ok(None);
            };
            let mut plan = Plan::default();
            plan.push(Change::Delete { dn: entry.dn.clone() }, Reason::Tombstone);
            match self.carry_out(plan).await {
                Err(Error::Directory(error)) if error.is_no_such_object() => {}
                other => return other.map(|_| Some(entry.dn)),
            }
        }
        Err(Error::Busy)
    }

    /// Takes every name that the entry of a link had out of all references.
    pub(super) async fn forget_names(&self, link: &Link, last: Option<&Dn>) -> Result<(), Error> {
        let mut names = vec![&link.dn];
        names.extend(link.previous_dn.as_ref());
        names.extend(last.filter(|dn| **dn != link.dn));
        for dn in names {
            self.follow(dn, Fate::Deleted).await?;
        }
        Ok(())
    }
}

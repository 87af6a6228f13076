//! References to an entry that was renamed or deleted: group members and attributes such as `manager`.
//!
//! A server with referential integrity does this too, in its own time. Values are changed so that
//! whoever comes second finds nothing left to do.

use super::{ATTEMPTS, Bridge, Error};
use crate::directory::{Action, AttributeName, Change, Dn, Link, Modification, Tolerance, Value};
use crate::ldap::Filter;
use crate::plan::{MemberDelta, Placeholder, Plan, Reason, member_changes};
use crate::scim::ResourceId;

/// How many rounds of finding and changing references there are at most: with a server that shows some hundred
/// entries at a time, enough for a million.
const ROUNDS: usize = 2_000;

/// What became of an entry that others refer to.
#[derive(Clone, Copy, Debug)]
pub(super) enum Fate<'a> {
    Renamed(&'a Dn),
    Deleted,
}

impl Bridge {
    /// Lets all references to `old` follow, unless another entry has that name by now: then they are its.
    pub(super) async fn follow(&self, old: &Dn, fate: Fate<'_>) -> Result<(), Error> {
        if matches!(fate, Fate::Renamed(new) if new == old) {
            return Ok(());
        }
        if self.directory.read(old, &[]).await?.is_some() {
            tracing::warn!("another entry has taken a name that references still used; they are left alone");
            return Ok(());
        }
        if let Some(groups) = &self.rules.groups {
            self.follow_in(&groups.base_dn, &groups.member, old, fate).await?;
        }
        for rule in self.rules.users.attributes.iter().filter(|rule| rule.reference) {
            for base in self.rules.users.trees() {
                self.follow_in(base, &rule.ldap, old, fate).await?;
            }
        }
        Ok(())
    }

    async fn follow_in(&self, base: &Dn, attribute: &AttributeName, old: &Dn, fate: Fate<'_>) -> Result<(), Error> {
        let filter = Filter::Equal(attribute.clone(), Value::from(old));
        for _ in 0..ROUNDS {
            let referring = match self.directory.search_some(base, &filter).await {
                Err(error) if error.is_no_such_object() => return Ok(()),
                other => other?,
            };
            if referring.is_empty() {
                return Ok(());
            }
            let (found, mut refused) = (referring.len(), Vec::new());
            for entry in referring {
                match self.follow_one(&entry.dn, attribute, old, fate).await {
                    // The entry went or was renamed meanwhile: the next search tells.
                    Err(Error::Directory(error)) if error.is_no_such_object() => {}
                    Err(error) if !error.is_passing() => refused.push(error),
                    other => other?,
                }
            }
            // One entry that cannot be changed keeps no other from being so.
            if refused.len() == found
                && let Some(error) = refused.pop()
            {
                return Err(error);
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
        let change = Change::Modify { dn: entry.clone(), modifications, tolerance: Tolerance::AlreadySo };
        plan.push(change, Reason::Reference);
        let groups = self.rules.groups.as_ref().filter(|groups| groups.member == *attribute);
        match (self.carry_out(plan).await, groups) {
            // The last member of a group whose class demands one.
            (Err(Error::Directory(error)), Some(groups)) if error.is_object_class_violation() => {
                let delta = MemberDelta { joining: Vec::new(), leaving: vec![old.clone()] };
                let plan = member_changes(entry, attribute, &delta, (&groups.placeholder, Placeholder::In));
                self.carry_out(plan).await.map(|_| ())
            }
            (other, _) => other.map(|_| ()),
        }
    }

    /// Lets references follow that an earlier rename has left behind, before the entry is renamed again. Those that
    /// do not follow stay to be seen to, and keep nobody from being locked and nothing from being changed.
    pub(super) async fn finish_rename(
        &self,
        id: &ResourceId,
        link: Option<&Link>,
        base: &Dn,
    ) -> Result<Option<Link>, Error> {
        let (Some(link), Some(old)) = (link, link.and_then(|link| link.previous_dn.as_ref())) else {
            return Ok(link.cloned());
        };
        let Some(entry) = self.linked_entry(link, base, &[]).await? else {
            return Ok(Some(link.clone()));
        };
        match self.follow(old, Fate::Renamed(&entry.dn)).await {
            Err(error) if error.is_outage() => Err(error),
            Err(error) => {
                let error = &error as &dyn std::error::Error;
                tracing::warn!(scim.id = %id, error, "not all references to a renamed entry have followed yet");
                Ok(Some(link.clone()))
            }
            Ok(()) => {
                let finished = Link { previous_dn: None, ..link.clone() };
                self.store.link(id, &finished).await?;
                Ok(Some(finished))
            }
        }
    }

    /// Lets references follow a rename that was just made. Returns why some did not; they stay to be seen to.
    pub(super) async fn follow_rename(
        &self,
        id: &ResourceId,
        before: Option<&Link>,
        link: &mut Link,
    ) -> Result<Option<Error>, Error> {
        let stayed = before.is_some_and(|before| before.dn == link.dn);
        let Some(old) = link.previous_dn.clone().filter(|_| !stayed) else {
            return Ok(None);
        };
        // Where the entry is now is recorded before references follow: a group that it joins meanwhile uses
        // either name, and sees the change or is seen.
        self.store.link(id, link).await?;
        match self.follow(&old, Fate::Renamed(&link.dn)).await {
            Ok(()) => {
                link.previous_dn = None;
                Ok(None)
            }
            Err(error) if error.is_outage() => Err(error),
            Err(error) => Ok(Some(error)),
        }
    }

    /// Deletes the entry of a link, wherever it is below `base`. Returns where it was.
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
    ///
    /// # Errors
    /// [`Error::Unfinished`]: the entry is gone, and what could not be done must be done later.
    pub(super) async fn forget_names(&self, link: &Link, last: Option<&Dn>) -> Result<(), Error> {
        let mut names = vec![&link.dn];
        names.extend(link.previous_dn.as_ref());
        names.extend(last.filter(|dn| **dn != link.dn));
        for dn in names {
            match self.follow(dn, Fate::Deleted).await {
                Err(error) if error.gives_up() => {
                    let error = &error as &dyn std::error::Error;
                    tracing::warn!(error, "a reference to a deleted entry cannot be taken away, and stays");
                }
                other => other.map_err(|error| Error::Unfinished(Box::new(error)))?,
            }
        }
        Ok(())
    }
}

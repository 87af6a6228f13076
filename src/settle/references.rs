//! References to an entry that was renamed or deleted: group members and attributes such as `manager`.
//!
//! A server with referential integrity does this too, in its own time. Values are changed so that
//! whoever comes second finds nothing left to do.

use std::collections::BTreeSet;

use super::{ATTEMPTS, Error, Work};
use crate::directory::{
    Action, AttributeName, Change, Dn, Entry, Link, Matching, Modification, Names, Tolerance, Value,
};
use crate::ldap::Filter;
use crate::mapping::{AttributeRule, MemberValue, rules};
use crate::plan::{MemberDelta, Placeholder, Plan, Reason, StandIn, member_changes};
use crate::scim::ResourceId;

/// How many rounds of finding and changing references there are at most: with a server that shows some hundred
/// entries at a time, enough for a million.
const ROUNDS: usize = 2_000;

/// What became of an entry that others refer to.
#[derive(Clone, Copy, Debug)]
pub(super) enum Fate<'a> {
    Renamed(&'a Names),
    Deleted,
}

/// A value by which others refer to an entry, and the one that takes its place, if any does.
struct Succession {
    old: Value,
    new: Option<Value>,
}

impl Work<'_> {
    /// Lets all references to `old` follow, unless another entry has that name by now: then they are its.
    pub(super) async fn follow(&self, old: &Names, fate: Fate<'_>) -> Result<(), Error> {
        let new = match fate {
            Fate::Renamed(new) => Some(new),
            Fate::Deleted => None,
        };
        if new.is_none_or(|new| new.dn != old.dn) {
            self.follow_dn(&old.dn, new.map(|new| &new.dn)).await?;
        }
        match &old.key {
            Some(key) if new.is_none_or(|new| new.key != old.key) => self.follow_key(key, new).await,
            _ => Ok(()),
        }
    }

    async fn follow_dn(&self, old: &Dn, new: Option<&Dn>) -> Result<(), Error> {
        if self.directory.read(old, &[]).await?.is_some() {
            tracing::warn!("another entry has taken a name that references still used; they are left alone");
            return Ok(());
        }
        let succession = Succession { old: Value::from(old), new: new.map(Value::from) };
        let schema = &self.directory.profile().await?.schema;
        let foreign = self.rules.references.iter().filter(|name| schema.knows_attribute(name));
        if let Some(groups) = &self.rules.groups {
            let lists: BTreeSet<&AttributeName> = groups.dn_list().into_iter().chain(foreign.clone()).collect();
            for attribute in lists {
                self.follow_in(&groups.base_dn, attribute, &succession).await?;
            }
        }
        let mapped = self.rules.users.attributes.iter().filter(|rule| rule.reference).map(|rule| &rule.ldap);
        let attributes: BTreeSet<&AttributeName> = mapped.chain(foreign).collect();
        for attribute in attributes {
            for base in self.rules.users.trees() {
                self.follow_in(base, attribute, &succession).await?;
            }
        }
        Ok(())
    }

    async fn follow_key(&self, old: &Value, new: Option<&Names>) -> Result<(), Error> {
        let Some((groups, key)) = self.rules.groups.as_ref().and_then(|groups| Some((groups, groups.key()?))) else {
            return Ok(());
        };
        let filter = Filter::Equal(key.clone(), old.clone());
        // The directory finds the entry itself by a value that differs in case alone, or that it has beside the new one.
        let is_another = |entry: &Entry| new.is_none_or(|new| new.dn != entry.dn);
        for base in self.rules.users.trees() {
            let found = match self.directory.search_some(base, &filter).await {
                Err(error) if error.is_no_such_object() => continue,
                other => other?,
            };
            if found.iter().any(is_another) {
                tracing::warn!("another entry has taken a value that groups still list; they are left alone");
                return Ok(());
            }
        }
        let succession = Succession { old: old.clone(), new: new.and_then(|new| new.key.clone()) };
        let schema = &self.directory.profile().await?.schema;
        for rule in groups.members.iter().filter(|rule| rule.by != MemberValue::Dn) {
            let matching = schema.matching(&rule.attribute).unwrap_or(Matching::Octets);
            // A list that takes both for the same would be found by the old value for ever.
            if succession.new.as_ref().is_some_and(|new| matching.equal(old, new)) {
                continue;
            }
            self.follow_in(&groups.base_dn, &rule.attribute, &succession).await?;
        }
        Ok(())
    }

    async fn follow_in(&self, base: &Dn, attribute: &AttributeName, succession: &Succession) -> Result<(), Error> {
        let filter = Filter::Equal(attribute.clone(), succession.old.clone());
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
                match self.follow_one(&entry.dn, attribute, succession).await {
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

    async fn follow_one(&self, entry: &Dn, attribute: &AttributeName, succession: &Succession) -> Result<(), Error> {
        let modification =
            |action, value: &Value| Modification { attribute: attribute.clone(), action, values: vec![value.clone()] };
        let mut modifications = vec![modification(Action::Delete, &succession.old)];
        modifications.extend(succession.new.as_ref().map(|new| modification(Action::Add, new)));
        let change = Change::Modify { dn: entry.clone(), modifications, tolerance: Tolerance::Exact };
        let groups = self.rules.groups.as_ref().filter(|groups| groups.dn_list() == Some(attribute));
        match (self.carry_out(Plan::of(change, Reason::Reference)).await, groups) {
            // The old value went since it was found, and whoever took it away did not want the new one there; or the
            // new one came, and the old one is left to go.
            (Err(Error::Directory(error)), _) if error.is_already_so() => {
                let modifications = vec![modification(Action::Delete, &succession.old)];
                let change = Change::Modify { dn: entry.clone(), modifications, tolerance: Tolerance::AlreadySo };
                self.carry_out(Plan::of(change, Reason::Reference)).await.map(|_| ())
            }
            // The last member of a group whose class demands one.
            (Err(Error::Directory(error)), Some(groups)) if error.is_object_class_violation() => {
                let leaving = vec![succession.old.clone()];
                let delta = MemberDelta { attribute: attribute.clone(), joining: Vec::new(), leaving };
                let stand_in = StandIn { attribute, dn: &groups.placeholder };
                let plan = member_changes(entry, &[delta], Some(stand_in), Placeholder::In);
                self.carry_out(plan).await?;
                self.clear_unneeded(entry, stand_in).await
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
        let (Some(link), Some(old)) = (link, link.and_then(|link| link.previous.as_ref())) else {
            return Ok(link.cloned());
        };
        let Some(entry) = self.linked_entry(link, base, &[]).await? else {
            return Ok(Some(link.clone()));
        };
        match self.follow(old, Fate::Renamed(&Names { dn: entry.dn, key: link.key.clone() })).await {
            Err(error) if error.is_outage() => Err(error),
            Err(error) => {
                let error = &error as &dyn std::error::Error;
                tracing::warn!(scim.id = %id, error, "not all references to a renamed entry have followed yet");
                Ok(Some(link.clone()))
            }
            Ok(()) => {
                let finished = Link { previous: None, ..link.clone() };
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
        let stayed = before.is_some_and(|before| before.names() == link.names());
        let Some(old) = link.previous.clone().filter(|_| !stayed) else {
            return Ok(None);
        };
        // Where the entry is now is recorded before references follow: a group that it joins meanwhile uses
        // either name, and sees the change or is seen.
        self.store.link(id, link).await?;
        match self.follow(&old, Fate::Renamed(&link.names())).await {
            Ok(()) => {
                link.previous = None;
                Ok(None)
            }
            Err(error) if error.is_outage() => Err(error),
            Err(error) => Ok(Some(error)),
        }
    }

    /// Lets those references follow that have followed a rename by hand, which was just taken back. Those that do not are
    /// left where they lead to nobody.
    pub(super) async fn follow_back(
        &self,
        id: &ResourceId,
        seen: &Names,
        before: Option<&Link>,
        link: &Link,
    ) -> Result<(), Error> {
        if *seen == link.names() || before.is_none_or(|before| before.names() == *seen) {
            return Ok(());
        }
        match self.follow(seen, Fate::Renamed(&link.names())).await {
            Err(error) if !error.is_outage() => {
                let error = &error as &dyn std::error::Error;
                tracing::warn!(scim.id = %id, error, "a reference to a name that was given by hand stays");
                Ok(())
            }
            other => other,
        }
    }

    /// Deletes the entry of a link, wherever it is below `base`. Returns where it was.
    pub(super) async fn delete_linked(
        &self,
        link: &Link,
        base: &Dn,
        rules: &[AttributeRule],
    ) -> Result<Option<Dn>, Error> {
        for _ in 0..ATTEMPTS {
            let numbers: Vec<AttributeName> = rules::allocated(rules).map(|(attribute, _)| attribute.clone()).collect();
            let Some(entry) = self.linked_entry(link, base, &numbers).await? else {
                return Ok(None);
            };
            self.retire_numbers(rules, &entry).await?;
            let change = Change::Delete { dn: entry.dn.clone() };
            match self.carry_out(Plan::of(change, Reason::Tombstone)).await {
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
        let mut names = vec![link.names()];
        names.extend(link.previous.clone());
        names.extend(last.filter(|dn| **dn != link.dn).map(|dn| Names { dn: dn.clone(), key: None }));
        for names in names {
            match self.follow(&names, Fate::Deleted).await {
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

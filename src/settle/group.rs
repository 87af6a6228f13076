//! Settling a group: which entry carries its name, byte for byte, and who is in it.
//!
//! Several SCIM groups with one name share one entry: its members are the union, and it goes with the
//! last of them.

use std::collections::BTreeSet;

use super::error::{refused, unmappable};
use super::members::Roster;
use super::references::Fate;
use super::{ATTEMPTS, Audience, Bridge, CrashPoint, Error, Settlement, crash_point, is_deletion, link_at, now};
use crate::directory::{AttributeName, DesiredAttribute, DesiredEntry, Entry, Link, Ownership, Value};
use crate::ldap::{Depth, Fault, Filter, Profile};
use crate::mapping::{GroupRules, group};
use crate::plan::diff;
use crate::scim::ResourceId;
use crate::store::{MemberState, Occupancy, Settled, State};

/// The entry that a group has after converging, and how it came to it.
struct Home {
    link: Link,
    arrival: Arrival,
}

/// How a group came to its entry.
#[derive(Clone, Debug, PartialEq)]
enum Arrival {
    /// It had it before.
    Stayed,
    /// It was created, members and all.
    Created,
    /// It was there: made by hand, or another group's of that name. The entry that it had before, if
    /// any, is left.
    Joined,
}

impl Bridge {
    pub(super) async fn settle_group(&self, state: &State, audience: Audience) -> Result<Settlement, Error> {
        let Some(rules) = &self.rules.groups else {
            return Err(Error::NotFound(state.id.clone()));
        };
        if is_deletion(state) {
            return self.delete_group(rules, state).await;
        }
        let document = state.desired().ok_or_else(|| Error::NotFound(state.id.clone()))?;
        let desired = group::map_group(rules, document).map_err(unmappable)?;
        let home = self.converge_group(rules, state, &desired).await?;
        let members_changed = self.settle_members(rules, state, &home).await?;
        let mut link = home.link;
        if let Some(left) = state.link.as_ref().filter(|left| left.anchor != link.anchor) {
            self.leave_entry(rules, state, left).await?;
        }
        if let Some(old) = &link.previous_dn {
            self.store.link(&state.id, &link).await?;
            self.follow(old, Fate::Renamed(&link.dn)).await?;
            link.previous_dn = None;
        }
        if let (None, false, Some(settled)) = (&state.intent, members_changed, &state.settled)
            && state.link.as_ref() == Some(&link)
        {
            return Ok(Settlement::Present(settled.clone()));
        }
        crash_point(CrashPoint::Record);
        let settled = Settled {
            id: state.id.clone(),
            index: self.groups.entries(document),
            name_claim: None,
            document: document.clone(),
            link,
            answered: audience == Audience::Client,
            now: now(),
        };
        Ok(Settlement::Present(self.store.settle(&settled).await?))
    }

    /// Makes an entry carry the group's name and attributes.
    async fn converge_group(&self, rules: &GroupRules, state: &State, plain: &DesiredEntry) -> Result<Home, Error> {
        let profile = self.directory.profile().await?;
        let attributes = group::observed_attributes(rules);
        let mut twin_in_the_way = false;
        let mut last = None;
        for _ in 0..ATTEMPTS {
            let own = match &state.link {
                Some(link) => self
                    .linked_entry(link, &rules.base_dn, &attributes)
                    .await
                    .map_err(|error| missing_base(rules, error))?,
                None => None,
            };
            let siblings = match &state.link {
                Some(link) => self.siblings(&link.anchor, &state.id).await?,
                None => Vec::new(),
            };
            let named = own.as_ref().is_some_and(|entry| carries_name(entry, plain));
            let (target, arrival) = if named {
                (own, Arrival::Stayed)
            } else {
                match self.entry_named(rules, plain, &mut twin_in_the_way).await? {
                    Some(entry) => (Some(entry), Arrival::Joined),
                    // The other groups of the old name keep the entry.
                    None if own.is_some() && siblings.is_empty() => (own, Arrival::Stayed),
                    None => (None, Arrival::Created),
                }
            };
            let mut desired = plain.clone();
            if twin_in_the_way && !named {
                let distinguished = group::distinguished(rules, &plain.rdn, state.id.short(), &profile.schema);
                desired.rdn = distinguished.ok_or_else(|| collision(plain))?;
            }
            if arrival == Arrival::Created {
                let members = self.initial_members(rules, state, &profile).await?;
                desired.attributes.insert(rules.member.clone(), members);
            }
            let plan = diff(&desired, target.as_ref(), &profile.schema);
            let dn = plan
                .outcome_dn()
                .or_else(|| target.as_ref().map(|entry| entry.dn.clone()))
                .unwrap_or_else(|| desired.dn());
            let anchor = match self.carry_out(plan).await {
                Ok(anchor) => anchor,
                Err(Error::Directory(error)) if error.fault() == Fault::Moved => {
                    // No entry carries the name exactly, and yet the DN is taken: by a twin.
                    twin_in_the_way |= error.is_entry_already_exists();
                    last = Some(error);
                    continue;
                }
                Err(Error::Directory(error)) if error.fault() == Fault::Refused => {
                    return Err(refused(&rules.attributes, error));
                }
                Err(other) => return Err(other),
            };
            let anchor = match (anchor, &target) {
                (Some(anchor), _) => anchor,
                (None, Some(entry)) => self.anchor_of(entry)?,
                (None, None) => continue,
            };
            return Ok(Home { link: link_at(anchor, dn, state.link.as_ref()), arrival });
        }
        Err(match last {
            Some(error) if error.is_entry_already_exists() => collision(plain),
            Some(error) if error.is_no_such_object() => Error::missing_base("groups.base_dn", &rules.base_dn, error),
            Some(error) => Error::Directory(error),
            None => Error::Busy,
        })
    }

    /// The entry whose name equals the group's byte for byte. The directory finds candidates ignoring case
    /// and spaces; one of them at the very DN that a new entry would get stands in the way.
    async fn entry_named(
        &self,
        rules: &GroupRules,
        desired: &DesiredEntry,
        twin_in_the_way: &mut bool,
    ) -> Result<Option<Entry>, Error> {
        let Some(name) = name_of(desired) else {
            return Ok(None);
        };
        let mut conditions = vec![Filter::Equal(rules.rdn.clone(), name.clone())];
        conditions.extend(
            rules.object_classes.first().map(|class| Filter::equal(AttributeName::of("objectClass"), class.clone())),
        );
        let attributes = group::observed_attributes(rules);
        let candidates =
            self.directory.search(&rules.base_dn, Depth::Subtree, &Filter::And(conditions), &attributes).await;
        let candidates = candidates.map_err(|error| missing_base(rules, error.into()))?;
        let (exact, twins): (Vec<Entry>, Vec<Entry>) =
            candidates.into_iter().partition(|entry| carries_name(entry, desired));
        *twin_in_the_way |= twins.iter().any(|twin| twin.dn == desired.dn());
        if exact.len() < 2 {
            return Ok(exact.into_iter().next());
        }
        let mut linked = Vec::new();
        for entry in &exact {
            if !self.store.linked(&self.anchor_of(entry)?).await?.is_empty() {
                linked.push(entry.clone());
            }
        }
        match linked.len() {
            1 => Ok(linked.into_iter().next()),
            _ => {
                let dns: Vec<String> = exact.iter().map(|entry| format!("{:?}", entry.dn.to_string())).collect();
                let detail = format!("several directory entries carry this displayName: {}", dns.join(", "));
                Err(Error::conflict(detail))
            }
        }
    }

    /// The members of an entry that is about to be created; the placeholder where the class demands one
    /// and there is none.
    async fn initial_members(
        &self,
        rules: &GroupRules,
        state: &State,
        profile: &Profile,
    ) -> Result<DesiredAttribute, Error> {
        let wanted: BTreeSet<ResourceId> = self.store.wanted_members(&state.id).await?.into_iter().collect();
        let known = self.store.known(&wanted).await?;
        let mut values: Vec<Value> = known.values().map(|known| Value::from(&known.dn)).collect();
        if values.is_empty() && profile.schema.demands(&rules.object_classes, &rules.member) {
            values.push(Value::from(&rules.placeholder));
        }
        Ok(DesiredAttribute::new(Ownership::Initial, values))
    }

    /// Lets members join and leave; says whether any were to.
    async fn settle_members(&self, rules: &GroupRules, state: &State, home: &Home) -> Result<bool, Error> {
        let mut roster = Roster::default();
        let members = self.store.unsettled_members(&state.id).await?;
        let unsettled = !members.is_empty();
        for (id, member) in members {
            match member {
                MemberState::Joining => _ = roster.joining.insert(id),
                MemberState::Leaving => _ = roster.leaving.insert(id),
                MemberState::Stripped => _ = roster.stripped.insert(id),
                MemberState::Settled => {}
            }
        }
        if home.arrival != Arrival::Stayed {
            // All who are wanted come along; who leaves was never in this entry for this group's sake.
            roster.joining = self.store.wanted_members(&state.id).await?.into_iter().collect();
        }
        let siblings = self.siblings(&home.link.anchor, &state.id).await?;
        roster.leaving = self.exclusive(roster.leaving, &siblings).await?;
        roster.stripped = self.exclusive(roster.stripped, &siblings).await?;
        if home.arrival == Arrival::Created {
            // They were created with the entry; only names that changed meanwhile are left to see to.
            let known = self.store.known(&roster.joining).await?;
            self.follow_names(rules, &home.link.dn, &roster.joining, known).await?;
            return Ok(true);
        }
        let others = self.occupancy_of(&siblings).await?;
        let own = self.store.occupancy(&state.id).await?;
        // What this group held, it held in the entry that it comes from.
        let held = others.held || own.held && home.arrival == Arrival::Stayed;
        let occupancy = Occupancy { held, wanted: others.wanted || own.wanted };
        self.move_members(rules, &home.link.dn, &roster, occupancy).await?;
        Ok(unsettled)
    }

    /// Leaves an entry for another one: to the groups that share it, or for good.
    async fn leave_entry(&self, rules: &GroupRules, state: &State, left: &Link) -> Result<(), Error> {
        let siblings = self.siblings(&left.anchor, &state.id).await?;
        if siblings.is_empty() {
            let dn = self.delete_linked(left, &rules.base_dn).await?;
            return self.forget_names(left, dn.as_ref()).await;
        }
        let Some(entry) = self.linked_entry(left, &rules.base_dn, &[]).await? else {
            return Ok(());
        };
        let mut mine: BTreeSet<ResourceId> = self.store.wanted_members(&state.id).await?.into_iter().collect();
        mine.extend(self.store.unsettled_members(&state.id).await?.into_iter().map(|(id, _)| id));
        let roster = Roster { leaving: self.exclusive(mine, &siblings).await?, ..Roster::default() };
        let occupancy = Occupancy { held: true, wanted: self.occupancy_of(&siblings).await?.wanted };
        self.move_members(rules, &entry.dn, &roster, occupancy).await
    }

    async fn delete_group(&self, rules: &GroupRules, state: &State) -> Result<Settlement, Error> {
        if let Some(link) = &state.link {
            self.leave_entry(rules, state, link).await.map_err(|error| match error {
                Error::Directory(error) if error.fault() == Fault::Refused => refused(&rules.attributes, error),
                other => other,
            })?;
        }
        crash_point(CrashPoint::Record);
        self.store.remove(&state.id).await?;
        Ok(Settlement::Gone)
    }
}

fn name_of(desired: &DesiredEntry) -> Option<&Value> {
    desired.rdn.parts().first().map(|(_, value)| value)
}

/// Group names are byte for byte: LDAP's own comparison ignores case and folds spaces.
fn carries_name(entry: &Entry, desired: &DesiredEntry) -> bool {
    let naming = desired.rdn.parts().first();
    naming.is_some_and(|(attribute, name)| entry.values(attribute).contains(name))
}

fn collision(desired: &DesiredEntry) -> Error {
    let name = name_of(desired).and_then(Value::as_str).unwrap_or_default();
    Error::conflict(format!(
        "the directory cannot tell the displayName \"{name}\" from another that differs only in case or spaces"
    ))
}

fn missing_base(rules: &GroupRules, error: Error) -> Error {
    match error {
        Error::Directory(error) if error.is_no_such_object() => {
            Error::missing_base("groups.base_dn", &rules.base_dn, error)
        }
        other => other,
    }
}

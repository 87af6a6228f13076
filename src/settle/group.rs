//! Settling a group: which entry carries its name, byte for byte, and who is in it.
//!
//! Several SCIM groups with one name share one entry: its members are the union, and it goes with the
//! last of them.

use std::collections::BTreeSet;

use super::error::{refused, unmappable};
use super::members::{Before, Roster, listed};
use super::{ATTEMPTS, Audience, CrashPoint, Error, Settlement, Work, crash_point, is_deletion, link_to, now};
use crate::directory::{
    AttributeName, DesiredAttribute, DesiredEntry, Dn, Entry, Link, Names, Naming, Ownership, Value,
};
use crate::ldap::{Depth, Fault, Filter, Profile};
use crate::mapping::{GroupRules, fit_syntaxes, group};
use crate::plan::{VALUES_PER_CHANGE, diff};
use crate::scim::ResourceId;
use crate::store::{MemberState, Settled, State};

/// The entry that a group has after converging, and how it came to it.
struct Home {
    link: Link,
    arrival: Arrival,
}

/// How a group came to its entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Arrival {
    /// It had it before.
    Stayed,
    /// It was created, with all members, or with as many as one change carries.
    Created,
    /// It was there: made by hand, or another group's of that name. The entry that it had before, if
    /// any, is left.
    Joined,
}

/// The entry that is to carry a group's name.
struct Choice {
    entry: Option<Entry>,
    arrival: Arrival,
    plain_name: PlainName,
}

/// Whether an entry can be named by the group's name alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum PlainName {
    Free,
    /// An entry has it whose name the directory cannot tell from this one.
    Taken,
    /// And another one has it with the short id beside it.
    TakenTwice,
}

impl Work<'_> {
    pub(super) async fn settle_group(&self, state: &State, audience: Audience<'_>) -> Result<Settlement, Error> {
        let Some(rules) = &self.rules.groups else {
            return Err(Error::NotFound(state.id.clone()));
        };
        if is_deletion(state) {
            return self.delete_group(rules, state).await;
        }
        let document = state.desired().ok_or_else(|| Error::NotFound(state.id.clone()))?;
        let mut desired = group::map_group(rules, document).map_err(unmappable)?;
        let profile = self.directory.profile().await?;
        fit_syntaxes(&rules.attributes, &mut desired, &profile.schema).map_err(unmappable)?;
        let before = self.finish_rename(&state.id, state.link.as_ref(), &rules.base_dn).await?;
        let home = self.converge_group(rules, &state.id, before.as_ref(), &desired).await?;
        let members_changed = self.settle_members(rules, &state.id, &home).await?;
        let mut link = home.link;
        if let Some(left) = before.as_ref().filter(|left| left.anchor != link.anchor) {
            // Groups that have this one as a member are to list its present entry.
            self.store.renew_memberships(&state.id, &now()).await?;
            self.wake.notify_one();
            self.leave_entry(rules, &state.id, left, Some(&link.dn)).await?;
        }
        let unfinished = self.follow_rename(&state.id, before.as_ref(), &mut link).await?;
        if let (None, false, Some(settled)) = (&state.intent, members_changed, &state.settled)
            && state.link.as_ref() == Some(&link)
        {
            return Ok(Settlement::Present(settled.clone()));
        }
        crash_point(CrashPoint::Record);
        let settled = Settled {
            id: state.id.clone(),
            index: self.groups.entries(document),
            shown_by: None,
            name_claim: None,
            document: document.clone(),
            link,
            answered: audience.hears(),
            inactive: false,
            now: now(),
        };
        let resource = self.store.settle(&settled).await?;
        match unfinished {
            Some(error) => Err(Error::Unfinished(Box::new(error))),
            None => Ok(Settlement::Present(resource)),
        }
    }

    /// Makes an entry carry the group's name and attributes.
    async fn converge_group(
        &self,
        rules: &GroupRules,
        id: &ResourceId,
        link: Option<&Link>,
        plain: &DesiredEntry,
    ) -> Result<Home, Error> {
        let profile = self.directory.profile().await?;
        let mut plain_name = PlainName::Free;
        let mut last = None;
        for _ in 0..ATTEMPTS {
            let choice = self.choose_entry(rules, id, link, plain).await.map_err(|error| missing_base(rules, error))?;
            let mut desired = plain.clone();
            // What tells twins apart is one of these; any other second part of a name was put there by hand.
            desired.naming = Naming::With([id.short(), id.as_str()].map(Value::from).to_vec());
            let keeps_name = choice.entry.as_ref().is_some_and(|entry| carries_name(entry, plain));
            if !keeps_name && (plain_name != PlainName::Free || choice.plain_name != PlainName::Free) {
                // The short id stays with an entry that this group left to others; then the whole one tells them apart.
                let by = if plain_name == PlainName::TakenTwice { id.as_str() } else { id.short() };
                let distinguished = group::distinguished(rules, &plain.rdn, by, &profile.schema);
                desired.rdn = distinguished.ok_or_else(|| collision(plain))?;
            }
            self.number(&rules.attributes, id, choice.entry.as_ref(), &mut desired).await?;
            if choice.arrival == Arrival::Created {
                desired.attributes.extend(self.initial_members(rules, id, &profile).await?);
            }
            let plan = diff(&desired, choice.entry.as_ref(), &profile.schema);
            let dn = plan
                .outcome_dn()
                .or_else(|| choice.entry.as_ref().map(|entry| entry.dn.clone()))
                .unwrap_or_else(|| desired.dn());
            let anchor = match self.carry_out(plan).await {
                Ok(anchor) => anchor,
                // What a run is not allowed is not tried; that the name is taken, as it was when the plan was made, is seen.
                Err(Error::Unplanned { dn: unplanned }) => {
                    let is_ours = choice.entry.as_ref().is_some_and(|entry| entry.dn == dn);
                    if is_ours || plain_name != PlainName::Free || self.directory.read(&dn, &[]).await?.is_none() {
                        return Err(Error::Unplanned { dn: unplanned });
                    }
                    plain_name = PlainName::Taken;
                    continue;
                }
                Err(Error::Directory(error)) if error.fault() == Fault::Moved => {
                    if error.is_entry_already_exists() {
                        // No entry carries the name exactly, and yet it is taken: by a twin.
                        let told_apart = desired.rdn.parts().len() > 1;
                        plain_name = if told_apart { PlainName::TakenTwice } else { PlainName::Taken };
                    }
                    last = Some(error);
                    continue;
                }
                Err(Error::Directory(error)) if error.fault() == Fault::Refused => {
                    return Err(refused(&rules.attributes, error));
                }
                Err(other) => return Err(other),
            };
            let before = match &choice.entry {
                Some(entry) => Some(link_to(self.anchor_of(entry)?, names(entry.dn.clone()), link)),
                None => None,
            };
            let Some(anchor) = anchor.or_else(|| before.as_ref().map(|before| before.anchor.clone())) else {
                continue;
            };
            return Ok(Home { link: link_to(anchor, names(dn), before.as_ref()), arrival: choice.arrival });
        }
        Err(match last {
            Some(error) if error.is_entry_already_exists() => collision(plain),
            Some(error) if error.is_no_such_object() => Error::missing_base("groups.base_dn", &rules.base_dn, error),
            Some(error) => Error::Directory(error),
            None => Error::Busy,
        })
    }

    /// Looks for the entry whose name equals the group's byte for byte. The directory finds candidates ignoring
    /// case and spaces.
    async fn choose_entry(
        &self,
        rules: &GroupRules,
        id: &ResourceId,
        link: Option<&Link>,
        desired: &DesiredEntry,
    ) -> Result<Choice, Error> {
        let attributes = group::observed_attributes(rules);
        let (own, siblings) = match link {
            Some(link) => {
                (self.linked_entry(link, &rules.base_dn, &attributes).await?, self.siblings(&link.anchor, id).await?)
            }
            None => (None, Vec::new()),
        };
        if own.as_ref().is_some_and(|entry| carries_name(entry, desired)) {
            return Ok(Choice { entry: own, arrival: Arrival::Stayed, plain_name: PlainName::Free });
        }
        let (exact, mut twins) = self.entries_named(rules, desired, &attributes).await?;
        // An entry that nobody else has is renamed, and then its present name is in nobody's way.
        let own = own.filter(|_| siblings.is_empty());
        twins.retain(|twin| own.as_ref().is_none_or(|own| own.dn != twin.dn));
        let taken = twins.iter().any(|twin| twin.dn == desired.dn());
        let plain_name = if taken { PlainName::Taken } else { PlainName::Free };
        Ok(match (self.one_of(exact).await?, own) {
            (Some(entry), _) => Choice { entry: Some(entry), arrival: Arrival::Joined, plain_name },
            (None, Some(own)) => Choice { entry: Some(own), arrival: Arrival::Stayed, plain_name },
            (None, None) => Choice { entry: None, arrival: Arrival::Created, plain_name },
        })
    }

    /// The entries that carry the name byte for byte, and those that the directory takes for the same.
    async fn entries_named(
        &self,
        rules: &GroupRules,
        desired: &DesiredEntry,
        attributes: &[AttributeName],
    ) -> Result<(Vec<Entry>, Vec<Entry>), Error> {
        let Some(name) = name_of(desired) else {
            return Ok((Vec::new(), Vec::new()));
        };
        let mut conditions = vec![Filter::Equal(rules.rdn.clone(), name.clone())];
        let class = rules.object_classes.first();
        conditions.extend(class.map(|class| Filter::equal(AttributeName::of("objectClass"), class.clone())));
        let filter = Filter::And(conditions);
        let candidates = self.directory.search(&rules.base_dn, Depth::Subtree, &filter, attributes).await?;
        Ok(candidates.into_iter().partition(|entry| carries_name(entry, desired)))
    }

    /// The one entry, or of several the one that is a group's here.
    async fn one_of(&self, entries: Vec<Entry>) -> Result<Option<Entry>, Error> {
        if entries.len() < 2 {
            return Ok(entries.into_iter().next());
        }
        let mut linked = Vec::new();
        for entry in &entries {
            if !self.store.linked(&self.anchor_of(entry)?).await?.is_empty() {
                linked.push(entry.clone());
            }
        }
        if linked.len() == 1 {
            return Ok(linked.pop());
        }
        let dns: Vec<String> = entries.iter().map(|entry| format!("{:?}", entry.dn.to_string())).collect();
        Err(Error::conflict(format!("several directory entries carry this displayName: {}", dns.join(", "))))
    }

    /// The members of an entry that is about to be created; the placeholder where the class demands one
    /// and there is none.
    async fn initial_members(
        &self,
        rules: &GroupRules,
        id: &ResourceId,
        profile: &Profile,
    ) -> Result<Vec<(AttributeName, DesiredAttribute)>, Error> {
        let wanted: BTreeSet<ResourceId> = self.store.wanted_members(id).await?.into_iter().collect();
        let places = self.places(&wanted).await?;
        let first: Vec<(&ResourceId, &Names)> =
            places.iter().take(VALUES_PER_CHANGE).map(|(id, place)| (id, &place.now)).collect();
        let mut lists = Vec::new();
        for rule in &rules.members {
            let mut values = listed(rules, rule, &first)?;
            let is_dn_list = rules.dn_list() == Some(&rule.attribute);
            if values.is_empty() && is_dn_list && profile.schema.demands(&rules.object_classes, &rule.attribute) {
                values.push(Value::from(&rules.placeholder));
            }
            lists.push((rule.attribute.clone(), DesiredAttribute::new(Ownership::Initial, values)));
        }
        Ok(lists)
    }

    /// Lets members join and leave; says whether any were to.
    async fn settle_members(&self, rules: &GroupRules, id: &ResourceId, home: &Home) -> Result<bool, Error> {
        let mut roster = Roster::default();
        let members = self.store.unsettled_members(id).await?;
        let unsettled = !members.is_empty();
        for (member, state) in members {
            match state {
                MemberState::Joining => _ = roster.joining.insert(member),
                MemberState::Renewing => _ = roster.renewing.insert(member),
                MemberState::Leaving => _ = roster.leaving.insert(member),
                MemberState::Stripped => _ = roster.stripped.insert(member),
                MemberState::Settled => {}
            }
        }
        if home.arrival != Arrival::Stayed {
            // All who are wanted come along; who leaves was never in this entry for this group's sake.
            roster.joining = self.store.wanted_members(id).await?.into_iter().collect();
            roster.renewing.clear();
        }
        if home.arrival == Arrival::Created && roster.joining.len() <= VALUES_PER_CHANGE {
            // They were created with the entry; only names that changed meanwhile are left to see to.
            let known = self.store.known(&roster.joining).await?;
            let names = known.into_iter().map(|(id, known)| (id, known.link.names())).collect();
            self.follow_names(rules, &home.link.dn, &roster, names).await?;
            return Ok(true);
        }
        let siblings = self.siblings(&home.link.anchor, id).await?;
        roster.leaving = self.exclusive(roster.leaving, &siblings).await?;
        roster.stripped = self.exclusive(roster.stripped, &siblings).await?;
        // What this group holds, it holds in the entry that it comes from.
        let mut occupied = home.arrival == Arrival::Stayed && self.store.has_members(id).await?;
        for sibling in &siblings {
            occupied |= self.store.has_members(sibling).await?;
        }
        let before = if occupied { Before::Occupied } else { Before::Empty };
        self.move_members(rules, Some(id), &home.link.dn, &roster, before).await?;
        Ok(unsettled)
    }

    /// Leaves an entry, for another one or for good: to the groups that share it, or to nobody.
    async fn leave_entry(
        &self,
        rules: &GroupRules,
        id: &ResourceId,
        left: &Link,
        now_at: Option<&Dn>,
    ) -> Result<(), Error> {
        let siblings = self.siblings(&left.anchor, id).await?;
        if siblings.is_empty() {
            let dn = self.delete_linked(left, &rules.base_dn, &rules.attributes).await?;
            // An entry that was made anew has the name of the old one, and what refers to it refers to it.
            if now_at == Some(&left.dn) {
                return Ok(());
            }
            return self.forget_names(left, dn.as_ref()).await;
        }
        let Some(entry) = self.linked_entry(left, &rules.base_dn, &[]).await? else {
            return Ok(());
        };
        let mut mine: BTreeSet<ResourceId> = self.store.wanted_members(id).await?.into_iter().collect();
        mine.extend(self.store.unsettled_members(id).await?.into_iter().map(|(id, _)| id));
        let roster = Roster { leaving: self.exclusive(mine, &siblings).await?, ..Roster::default() };
        self.move_members(rules, None, &entry.dn, &roster, Before::Occupied).await
    }

    async fn delete_group(&self, rules: &GroupRules, state: &State) -> Result<Settlement, Error> {
        if let Some(link) = &state.link {
            self.leave_entry(rules, &state.id, link, None).await.map_err(|error| match error {
                Error::Directory(error) if error.fault() == Fault::Refused => refused(&rules.attributes, error),
                other => other,
            })?;
        }
        crash_point(CrashPoint::Record);
        self.store.remove(&state.id, None, &now()).await?;
        Ok(Settlement::Gone)
    }
}

/// A group is listed by its DN alone.
fn names(dn: Dn) -> Names {
    Names { dn, key: None }
}

fn name_of(desired: &DesiredEntry) -> Option<&Value> {
    desired.rdn.parts().first().map(|(_, value)| value)
}

/// Group names are byte for byte: LDAP's own comparison ignores case and folds spaces.
pub(super) fn carries_name(entry: &Entry, desired: &DesiredEntry) -> bool {
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

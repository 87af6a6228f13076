//! A group's members: who joins and leaves, by value.
//!
//! Costs what changes: the member list is neither read nor written as a whole.

use std::collections::{BTreeMap, BTreeSet};

use super::{ATTEMPTS, Error, Work, link_to, refuse_unknown};
use crate::directory::{Action, Anchor, Change, Dn, Modification, Names, Tolerance, Value};
use crate::mapping::{GroupRules, MemberRule, MemberValue};
use crate::plan::{MemberDelta, Placeholder, Plan, Reason, StandIn, member_changes};
use crate::scim::{self, Kind, MemberChange, ResourceId, ScimType};
use crate::store::{Known, MemberState};

/// Up to how many members the directory is asked about before they are added again or removed to be sure, so that
/// a change of nobody writes nothing.
const ASK_AT_MOST: usize = 100;
/// How many entries are looked up at a time.
const AT_ONCE: usize = 64;

/// Who joins and leaves a group.
#[derive(Clone, Debug, Default)]
pub(super) struct Roster {
    pub(super) joining: BTreeSet<ResourceId>,
    /// Members already, as far as is known; added if the directory says otherwise.
    pub(super) renewing: BTreeSet<ResourceId>,
    pub(super) leaving: BTreeSet<ResourceId>,
    /// Not known to be members; removed if the directory says that they are.
    pub(super) stripped: BTreeSet<ResourceId>,
}

impl Roster {
    fn everybody(&self) -> BTreeSet<ResourceId> {
        [&self.joining, &self.renewing, &self.leaving, &self.stripped].into_iter().flatten().cloned().collect()
    }
}

/// Whether the entry has a real member before anybody joins or leaves, as far as the store can tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Before {
    Empty,
    Occupied,
}

impl Work<'_> {
    /// The rows that member changes come to. Applied in order, the last word on a member counts.
    ///
    /// # Errors
    /// `invalidValue` naming the ids to be added that are not known.
    pub(super) async fn member_rows(
        &self,
        group: &ResourceId,
        changes: Vec<MemberChange>,
    ) -> Result<Vec<(ResourceId, MemberState)>, Error> {
        let mut wanted: BTreeMap<ResourceId, bool> = BTreeMap::new();
        for change in changes {
            match change {
                MemberChange::Add(ids) => wanted.extend(ids.into_iter().map(|id| (id, true))),
                MemberChange::Remove(ids) => wanted.extend(ids.into_iter().map(|id| (id, false))),
                MemberChange::Replace(ids) => {
                    let present = self.store.wanted_members(group).await?;
                    for id in wanted.keys().cloned().chain(present).collect::<Vec<_>>() {
                        wanted.insert(id, false);
                    }
                    wanted.extend(ids.into_iter().map(|id| (id, true)));
                }
            }
        }
        let named: BTreeSet<ResourceId> = wanted.keys().cloned().collect();
        let known = self.store.known(&named).await?;
        let present = self.store.member_states(group, &named).await?;
        let can_join = |id: &ResourceId| known.get(id).is_some_and(|known| !known.deleting);
        let unknown = wanted.iter().filter(|(id, member)| **member && !can_join(id)).map(|(id, _)| id);
        refuse_unknown(unknown.collect(), "adds the member")?;
        let nestable = self.rules.groups.as_ref().is_none_or(|groups| groups.dn_list().is_some());
        let is_group = |id: &&ResourceId| known.get(*id).is_some_and(|known| known.kind == Kind::Group);
        let nested = wanted.iter().filter(|(_, member)| **member).map(|(id, _)| id).find(is_group);
        if let Some(group) = nested.filter(|_| !nestable) {
            let detail = format!("the group {group} cannot be a member: groups.member_value lists users alone");
            return Err(Error::Invalid(scim::Error::new(ScimType::InvalidValue, detail)));
        }
        let row = |(id, member): (ResourceId, bool)| {
            let was_member = present.get(&id).is_some_and(|state| {
                matches!(state, MemberState::Settled | MemberState::Renewing | MemberState::Leaving)
            });
            let state = match (member, was_member) {
                (true, true) => MemberState::Renewing,
                (true, false) => MemberState::Joining,
                (false, true) => MemberState::Leaving,
                (false, false) => MemberState::Stripped,
            };
            // Nobody is removed whom nobody knows.
            (state != MemberState::Stripped || known.contains_key(&id)).then_some((id, state))
        };
        Ok(wanted.into_iter().filter_map(row).collect())
    }

    /// Lets members join and leave the entry, and sees that names which changed meanwhile are right.
    /// `group` is the one whose members stay in the entry, if any do.
    pub(super) async fn move_members(
        &self,
        rules: &GroupRules,
        group: Option<&ResourceId>,
        entry: &Dn,
        roster: &Roster,
        before: Before,
    ) -> Result<(), Error> {
        let everybody = roster.everybody();
        if everybody.is_empty() {
            return Ok(());
        }
        let places = self.places(&everybody).await?;
        let names = |ids: &BTreeSet<ResourceId>| -> Vec<(ResourceId, Names)> {
            ids.iter().filter_map(|id| Some((id.clone(), places.get(id)?.now.clone()))).collect()
        };
        // A member that was renamed may stand in the list under an old name still.
        let mut old_names = Vec::new();
        for place in roster.leaving.iter().filter_map(|id| places.get(id)) {
            for old in place.before.iter().filter(|names| **names != place.now) {
                // Unless somebody else has that name by now.
                if old.dn == place.now.dn || self.directory.read(&old.dn, &[]).await?.is_none() {
                    old_names.push(old);
                }
            }
        }
        let mut before = before;
        let mut deltas = Vec::new();
        for rule in &rules.members {
            let list = |named: &[(ResourceId, Names)]| {
                let named: Vec<(&ResourceId, &Names)> = named.iter().map(|(id, names)| (id, names)).collect();
                listed(rules, rule, &named)
            };
            let mut joining = list(&names(&roster.joining))?;
            // Who has lost the key leaves all the same: there is nothing of theirs in the list.
            let gone = |ids| -> Vec<Value> { names(ids).iter().filter_map(|(_, names)| rule.value(names)).collect() };
            let mut leaving = gone(&roster.leaving);
            for old in old_names.iter().filter_map(|names| rule.value(names)) {
                if !leaving.contains(&old) {
                    leaving.push(old);
                }
            }
            let renewed = self.ask(rule, entry, list(&names(&roster.renewing))?, Answer::Absent).await?;
            if !renewed.is_empty() && self.has_placeholder(rules, entry).await? {
                // Who is missing although the store says otherwise has left the placeholder behind.
                before = Before::Empty;
            }
            joining.extend(renewed);
            leaving.extend(self.ask(rule, entry, gone(&roster.stripped), Answer::Present).await?);
            // A value that joins under another member's name is not to leave.
            leaving.retain(|value| !joining.contains(value));
            if let (MemberValue::Attribute(_), Some(group)) = (&rule.by, group) {
                leaving = self.keyed_by_nobody_else(group, leaving).await?;
            }
            deltas.push(MemberDelta { attribute: rule.attribute.clone(), joining, leaving });
        }
        self.change_members(rules, entry, &deltas, before).await?;
        let names = places.into_iter().map(|(id, place)| (id, place.now)).collect();
        self.follow_names(rules, entry, roster, names).await
    }

    async fn has_placeholder(&self, rules: &GroupRules, entry: &Dn) -> Result<bool, Error> {
        match rules.dn_list() {
            Some(list) => Ok(self.directory.holds(entry, list, &Value::from(&rules.placeholder)).await?),
            None => Ok(false),
        }
    }

    /// Takes values out of the lists of an entry, and a placeholder that nobody needs.
    pub(super) async fn take_out(&self, rules: &GroupRules, entry: &Dn, deltas: &[MemberDelta]) -> Result<(), Error> {
        self.change_members(rules, entry, deltas, Before::Occupied).await?;
        match rules.dn_list() {
            Some(attribute) => self.clear_unneeded(entry, StandIn { attribute, dn: &rules.placeholder }).await,
            None => Ok(()),
        }
    }

    /// The keys that no other member of the group has: what stands for two leaves with the second.
    async fn keyed_by_nobody_else(&self, group: &ResourceId, keys: Vec<Value>) -> Result<Vec<Value>, Error> {
        let mut alone = Vec::new();
        for key in keys {
            if self.store.wanted_with_key(group, &key).await?.is_empty() {
                alone.push(key);
            }
        }
        Ok(alone)
    }

    /// Those of the values that the entry does or does not list; of very many, all.
    async fn ask(
        &self,
        rule: &MemberRule,
        entry: &Dn,
        values: Vec<Value>,
        wanted: Answer,
    ) -> Result<Vec<Value>, Error> {
        if values.len() > ASK_AT_MOST {
            return Ok(values);
        }
        let mut answered = Vec::new();
        for value in values {
            let held = self.directory.holds(entry, &rule.attribute, &value).await?;
            if held == (wanted == Answer::Present) {
                answered.push(value);
            }
        }
        Ok(answered)
    }

    /// Changes member values, the placeholder with them.
    async fn change_members(
        &self,
        rules: &GroupRules,
        entry: &Dn,
        deltas: &[MemberDelta],
        before: Before,
    ) -> Result<(), Error> {
        if deltas.iter().all(MemberDelta::is_empty) {
            return Ok(());
        }
        let joins = deltas.iter().any(|delta| !delta.joining.is_empty());
        let leaves = deltas.iter().any(|delta| !delta.leaving.is_empty());
        let stand_in = rules.dn_list().map(|attribute| StandIn { attribute, dn: &rules.placeholder });
        let swap = if joins && before == Before::Empty { Placeholder::Out } else { Placeholder::Untouched };
        let plan = |swap| member_changes(entry, deltas, stand_in, swap);
        match (self.carry_out(plan(swap)).await, stand_in) {
            // The class demands a member, and the last one leaves. The directory alone knows that: members that
            // were added by hand would have kept the entry valid without the placeholder.
            (Err(Error::Directory(error)), Some(stand_in)) if error.is_object_class_violation() && leaves => {
                self.carry_out(plan(Placeholder::In)).await?;
                self.clear_unneeded(entry, stand_in).await
            }
            (done, Some(stand_in)) if joins && before == Before::Occupied => {
                done?;
                self.clear_left(entry, stand_in).await
            }
            (done, _) => done.map(|_| ()),
        }
    }

    /// Takes the placeholder away that was put in for a last member, if somebody joined meanwhile. Whoever joins looks
    /// for it afterwards too: the later of the two sees what the other did.
    pub(super) async fn clear_unneeded(&self, entry: &Dn, stand_in: StandIn<'_>) -> Result<(), Error> {
        let found = self.directory.read(entry, std::slice::from_ref(stand_in.attribute)).await?;
        let others = found.is_some_and(|found| found.values(stand_in.attribute).len() > 1);
        if others { self.clear_left(entry, stand_in).await } else { Ok(()) }
    }

    /// Takes the placeholder away that stands beside a member: somebody left meanwhile, or another tool left it there.
    async fn clear_left(&self, entry: &Dn, stand_in: StandIn<'_>) -> Result<(), Error> {
        let value = Value::from(stand_in.dn);
        if !self.directory.holds(entry, stand_in.attribute, &value).await? {
            return Ok(());
        }
        let attribute = stand_in.attribute.clone();
        let modifications = vec![Modification { attribute, action: Action::Delete, values: vec![value] }];
        let change = Change::Modify { dn: entry.clone(), modifications, tolerance: Tolerance::AlreadySo };
        match self.carry_out(Plan::of(change, Reason::Members)).await {
            // It is needed again.
            Err(Error::Directory(error)) if error.is_object_class_violation() => Ok(()),
            done => done.map(|_| ()),
        }
    }

    /// A member that was renamed or deleted while it joined or left may have been overlooked by that write; it is
    /// not overlooked here. Whoever comes second sees what the first one did.
    pub(super) async fn follow_names(
        &self,
        rules: &GroupRules,
        entry: &Dn,
        roster: &Roster,
        mut names: BTreeMap<ResourceId, Names>,
    ) -> Result<(), Error> {
        for _ in 0..ATTEMPTS {
            let now = self.store.known(&names.keys().cloned().collect()).await?;
            let mut deltas = Vec::new();
            for rule in &rules.members {
                let mut delta =
                    MemberDelta { attribute: rule.attribute.clone(), joining: Vec::new(), leaving: Vec::new() };
                for (id, old) in &names {
                    let new = now.get(id).and_then(|known| rule.value(&known.link.names()));
                    let old = rule.value(old);
                    if new != old {
                        let leaves = roster.leaving.contains(id) || roster.stripped.contains(id);
                        delta.leaving.extend(old);
                        let changed = if leaves { &mut delta.leaving } else { &mut delta.joining };
                        changed.extend(new);
                    }
                }
                deltas.push(delta);
            }
            if deltas.iter().all(MemberDelta::is_empty) {
                return Ok(());
            }
            self.change_members(rules, entry, &deltas, Before::Occupied).await?;
            names = now.into_iter().map(|(id, known)| (id, known.link.names())).collect();
        }
        Err(Error::Busy)
    }

    /// Where the entries of members are, by their anchors: the last known name may have been changed by hand.
    pub(super) async fn places(&self, ids: &BTreeSet<ResourceId>) -> Result<BTreeMap<ResourceId, Place>, Error> {
        let known: Vec<(ResourceId, Known)> = self.store.known(ids).await?.into_iter().collect();
        let mut places = BTreeMap::new();
        for chunk in known.chunks(AT_ONCE) {
            let looks = chunk.iter().map(|(id, known)| self.place(id, known));
            let found = futures_util::future::try_join_all(looks).await?;
            places.extend(chunk.iter().map(|(id, _)| id.clone()).zip(found));
        }
        Ok(places)
    }

    async fn place(&self, id: &ResourceId, known: &Known) -> Result<Place, Error> {
        let base = match (known.kind, &self.rules.groups) {
            (Kind::Group, Some(groups)) => &groups.base_dn,
            _ => &self.rules.users.base_dn,
        };
        let link = &known.link;
        let before: Vec<Names> = std::iter::once(link.names()).chain(link.previous.clone()).collect();
        let key = self.rules.groups.as_ref().and_then(GroupRules::key).filter(|_| known.kind == Kind::User);
        let attributes: Vec<_> = key.cloned().into_iter().collect();
        let Some(entry) = self.entry_anywhere(link, base, &attributes).await? else {
            // Deleted by hand: when its resource is next settled it is made anew, under its name.
            return Ok(Place { before, now: link.names() });
        };
        let now = Names::of(&entry, key);
        // With an older name still to be followed, the link waits for that.
        if now != link.names() && link.previous.is_none() {
            self.store.link(id, &link_to(link.anchor.clone(), now.clone(), Some(link))).await?;
            self.wake.notify_one();
        }
        Ok(Place { before, now })
    }

    /// The members of this group that no other group wants which shares the entry.
    pub(super) async fn exclusive(
        &self,
        members: BTreeSet<ResourceId>,
        siblings: &[ResourceId],
    ) -> Result<BTreeSet<ResourceId>, Error> {
        let mut exclusive = members;
        for sibling in siblings {
            let shared = self.store.member_states(sibling, &exclusive).await?;
            exclusive.retain(|id| {
                let state = shared.get(id);
                !matches!(state, Some(MemberState::Settled | MemberState::Renewing | MemberState::Joining))
            });
        }
        Ok(exclusive)
    }

    /// The other groups that share the entry.
    pub(super) async fn siblings(&self, anchor: &Anchor, group: &ResourceId) -> Result<Vec<ResourceId>, Error> {
        let mut linked = self.store.linked(anchor).await?;
        linked.retain(|id| id != group);
        Ok(linked)
    }
}

/// Under which names a member's entry was known and where it is.
pub(super) struct Place {
    before: Vec<Names>,
    pub(super) now: Names,
}

/// How a list names these members.
///
/// # Errors
/// `invalidValue` when there is no other list that names a member which this one cannot name.
pub(super) fn listed(
    rules: &GroupRules,
    rule: &MemberRule,
    members: &[(&ResourceId, &Names)],
) -> Result<Vec<Value>, Error> {
    let mut values = Vec::new();
    for (id, names) in members {
        match rule.value(names) {
            Some(value) => values.push(value),
            None if rules.members.len() > 1 => {}
            None => {
                let key = rules.key().map(|key| format!(" {key}")).unwrap_or_default();
                let detail = format!("{id} cannot be a member: groups list their members by{key}, and it has none");
                return Err(Error::Invalid(scim::Error::new(ScimType::InvalidValue, detail)));
            }
        }
    }
    Ok(values)
}

/// What the directory says of a member.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Answer {
    Present,
    Absent,
}

//! A group's members: who joins and leaves, by value.
//!
//! Costs what changes: the member list is neither read nor written as a whole.

use std::collections::{BTreeMap, BTreeSet};

use super::{ATTEMPTS, Bridge, Error, refuse_unknown};
use crate::directory::{Anchor, Dn, Value};
use crate::mapping::GroupRules;
use crate::plan::{MemberDelta, Placeholder, member_changes};
use crate::scim::{MemberChange, ResourceId};
use crate::store::{Known, MemberState, Occupancy};

/// Up to how many members that are not known to be there the directory is asked before they are removed,
/// so that a removal of nobody writes nothing.
const ASK_AT_MOST: usize = 100;

/// Who joins and leaves a group, by id.
#[derive(Clone, Debug, Default)]
pub(super) struct Roster {
    pub(super) joining: BTreeSet<ResourceId>,
    pub(super) leaving: BTreeSet<ResourceId>,
    /// Not known to be members; removed if the directory says that they are.
    pub(super) stripped: BTreeSet<ResourceId>,
}

impl Bridge {
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
        let unknown = wanted.iter().filter(|(id, member)| **member && !known.contains_key(*id)).map(|(id, _)| id);
        refuse_unknown(unknown.collect(), "adds the member")?;
        let row = |(id, member): (ResourceId, bool)| {
            let state = match (member, present.get(&id)) {
                (true, Some(MemberState::Settled)) => return None,
                (true, _) => MemberState::Joining,
                (false, Some(MemberState::Settled | MemberState::Leaving)) => MemberState::Leaving,
                (false, _) => MemberState::Stripped,
            };
            // Nobody is removed whom nobody knows.
            (state != MemberState::Stripped || known.contains_key(&id)).then_some((id, state))
        };
        Ok(wanted.into_iter().filter_map(row).collect())
    }

    /// Lets members join and leave the entry, and sees that names which changed meanwhile are right.
    pub(super) async fn move_members(
        &self,
        rules: &GroupRules,
        entry: &Dn,
        roster: &Roster,
        occupancy: Occupancy,
    ) -> Result<(), Error> {
        let mut named: BTreeSet<ResourceId> = roster.joining.clone();
        named.extend(roster.leaving.iter().cloned());
        named.extend(roster.stripped.iter().cloned());
        if named.is_empty() {
            return Ok(());
        }
        let known = self.store.known(&named).await?;
        let dns = |ids: &BTreeSet<ResourceId>| -> Vec<Dn> {
            ids.iter().filter_map(|id| known.get(id)).map(|known| known.dn.clone()).collect()
        };
        let mut delta = MemberDelta { joining: dns(&roster.joining), leaving: dns(&roster.leaving) };
        for dn in dns(&roster.stripped) {
            let ask = roster.stripped.len() <= ASK_AT_MOST;
            if !ask || self.directory.holds(entry, &rules.member, &Value::from(&dn)).await? {
                delta.leaving.push(dn);
            }
        }
        self.change_members(rules, entry, &delta, occupancy).await?;
        self.follow_names(rules, entry, &roster.joining, known).await
    }

    /// Changes member values, the placeholder with them.
    async fn change_members(
        &self,
        rules: &GroupRules,
        entry: &Dn,
        delta: &MemberDelta,
        occupancy: Occupancy,
    ) -> Result<(), Error> {
        if delta.is_empty() {
            return Ok(());
        }
        let arrives = !occupancy.held && !delta.joining.is_empty();
        let swap = if arrives { Placeholder::Out } else { Placeholder::Untouched };
        let plan = |swap| member_changes(entry, &rules.member, delta, (&rules.placeholder, swap));
        match self.carry_out(plan(swap)).await {
            // The class demands a member, and the last one leaves. Members that were added by hand would
            // have kept the entry valid without the placeholder.
            Err(Error::Directory(error)) if error.is_object_class_violation() && !occupancy.wanted => {
                self.carry_out(plan(Placeholder::In)).await.map(|_| ())
            }
            other => other.map(|_| ()),
        }
    }

    /// A member that was renamed or deleted while it joined may have been overlooked by that write; it is
    /// not overlooked here. Whoever comes second sees what the first one did.
    pub(super) async fn follow_names(
        &self,
        rules: &GroupRules,
        entry: &Dn,
        joined: &BTreeSet<ResourceId>,
        mut before: BTreeMap<ResourceId, Known>,
    ) -> Result<(), Error> {
        for _ in 0..ATTEMPTS {
            let now = self.store.known(joined).await?;
            let mut delta = MemberDelta::default();
            for (id, old) in before.iter().filter(|(id, _)| joined.contains(*id)) {
                let new = now.get(id);
                if new.is_none_or(|new| new.dn != old.dn) {
                    delta.leaving.push(old.dn.clone());
                    delta.joining.extend(new.map(|new| new.dn.clone()));
                }
            }
            if delta.is_empty() {
                return Ok(());
            }
            let occupancy = Occupancy { held: true, wanted: false };
            self.change_members(rules, entry, &delta, occupancy).await?;
            before = now;
        }
        Err(Error::Busy)
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
            exclusive.retain(|id| !matches!(shared.get(id), Some(MemberState::Settled | MemberState::Joining)));
        }
        Ok(exclusive)
    }

    /// Whether any of the groups has members or wants some.
    pub(super) async fn occupancy_of(&self, groups: &[ResourceId]) -> Result<Occupancy, Error> {
        let mut all = Occupancy::default();
        for group in groups {
            let one = self.store.occupancy(group).await?;
            all = Occupancy { held: all.held || one.held, wanted: all.wanted || one.wanted };
        }
        Ok(all)
    }

    /// The other groups that share the entry.
    pub(super) async fn siblings(&self, anchor: &Anchor, group: &ResourceId) -> Result<Vec<ResourceId>, Error> {
        let mut linked = self.store.linked(anchor).await?;
        linked.retain(|id| id != group);
        Ok(linked)
    }
}

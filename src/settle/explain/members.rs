//! Which groups a resource is in, and who is in a group.

use std::collections::BTreeSet;

use super::{Explanation, Found, Listing, Membership, Named, Roster};
use crate::directory::{Entry, Names, Value};
use crate::mapping::GroupRules;
use crate::scim::{ResourceId, resource};
use crate::settle::{Bridge, Error};
use crate::store::{MemberState, State};

/// How many members are named, and how many values that stand for nobody here.
const NAMED: u32 = 20;
/// Of how many groups the directory is asked whether they list somebody.
const GROUPS_ASKED: usize = 200;

impl Bridge {
    /// The groups that a resource is in. The directory is not asked when it has not answered before.
    pub(super) async fn explain_groups(&self, state: &State, explanation: &mut Explanation) -> Result<(), Error> {
        let is_away = matches!(explanation.found, Found::Unknown(_));
        let memberships = self.store.memberships(&state.id).await?;
        for (number, (group, member_state)) in memberships.into_iter().enumerate() {
            let mut listing = Listing::Unknown;
            let asked = !is_away && number < GROUPS_ASKED;
            if let (true, Some(rules), Some(link)) = (asked, &self.rules.groups, &state.link) {
                let answer = self.listing(rules, &group, &link.names()).await;
                listing = self.or_problem(answer, &mut explanation.problems).unwrap_or(Listing::Unknown);
            }
            if let Some(named) = self.named(&group).await? {
                explanation.groups.push(Membership { named, state: word(member_state), listing });
            }
        }
        explanation.groups.sort_by(|one, other| one.named.name.cmp(&other.named.name));
        Ok(())
    }

    /// Whether the lists of a group's entry have a member.
    async fn listing(&self, rules: &GroupRules, group: &ResourceId, names: &Names) -> Result<Listing, Error> {
        let Some(link) = self.store.state(group).await?.and_then(|state| state.link) else {
            return Ok(Listing::Missing);
        };
        for rule in &rules.members {
            let Some(value) = rule.value(names) else { continue };
            if !self.directory.holds(&link.dn, &rule.attribute, &value).await? {
                return Ok(Listing::Missing);
            }
        }
        Ok(Listing::Listed)
    }

    pub(super) async fn roster(
        &self,
        state: &State,
        entry: Option<&Entry>,
        problems: &mut Vec<String>,
    ) -> Result<Roster, Error> {
        let counts = self.store.member_counts(&state.id).await?;
        let mut roster = Roster {
            settled: counts.settled,
            renewing: counts.renewing,
            joining: counts.joining,
            leaving: counts.leaving,
            ..Roster::default()
        };
        let mut missing = None;
        if let (Some(rules), Some(link), Some(entry)) = (&self.rules.groups, &state.link, entry) {
            let answer = self.members_of_entry(rules, entry, link).await;
            if let Some(drift) = self.or_problem(answer, problems) {
                roster.missing = Some(drift.missing.len());
                roster.strays = drift.strays.len();
                roster.strangers = drift.strangers.len();
                let strays = drift.strays.into_iter().map(|stray| stray.value);
                let mut others: Vec<Value> = strays.chain(drift.strangers).collect();
                others.truncate(NAMED as usize);
                roster.others = others;
                missing = Some(drift.missing);
            }
        }
        roster.members = self.first_members(&state.id, missing.as_ref()).await?;
        Ok(roster)
    }

    async fn first_members(
        &self,
        group: &ResourceId,
        missing: Option<&BTreeSet<ResourceId>>,
    ) -> Result<Vec<Membership>, Error> {
        let listed = self.store.listed_after(group, None, NAMED).await?;
        let ids: BTreeSet<ResourceId> = listed.into_iter().map(|listed| listed.id).collect();
        let states = self.store.member_states(group, &ids).await?;
        let mut members = Vec::new();
        for (id, member) in self.store.resources(&ids).await? {
            let state = states.get(&id).copied().unwrap_or(MemberState::Settled);
            let name = resource::text(&member.document, member.kind.required()).unwrap_or_default();
            let named = Named { kind: member.kind.as_str(), id: id.as_str().to_owned(), name: name.to_owned() };
            let listing = match missing {
                None => Listing::Unknown,
                // One that joins is not compared yet.
                Some(missing) if missing.contains(&id) => Listing::Missing,
                Some(_) => Listing::Listed,
            };
            members.push(Membership { named, state: word(state), listing });
        }
        Ok(members)
    }
}

fn word(state: MemberState) -> &'static str {
    match state {
        MemberState::Settled => "settled",
        MemberState::Renewing => "renewing",
        MemberState::Joining => "joining",
        MemberState::Leaving => "leaving",
        MemberState::Stripped => "stripped",
    }
}

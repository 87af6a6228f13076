//! Whether a group's entry is plainly as wanted, and who is in it.

use std::collections::{BTreeMap, BTreeSet};

use super::marks::{Marks, Validity};
use super::right::version_of;
use super::scan::{Scan, everything, missing_base};
use super::users::has_class_of;
use super::{Progress, RosterDrift, Stray};
use crate::directory::{AttributeName, Dn, Entry, Link, Matching, Naming, Value};
use crate::ldap::{Filter, Profile};
use crate::mapping::group::{map_group, observed_attributes};
use crate::mapping::{GroupRules, MemberOwnership, MemberRule, MemberValue, fit_syntaxes, rules};
use crate::plan::{diff, list_drift};
use crate::scim::{Kind, ResourceId};
use crate::settle::group::carries_name;
use crate::settle::{Bridge, Error, is_pending};
use crate::store::{MemberState, State};

/// How many entries the directory is asked for at a time: each may list many members.
const ENTRIES_PER_PAGE: u16 = 100;
/// How many members the store is asked for at a time.
const MEMBERS_PER_PAGE: u32 = 10_000;
/// How many values are looked up at a time.
const AT_ONCE: usize = 64;

/// How many members that nobody pushed are named.
const STRANGERS_NAMED: usize = 5;

/// What an entry looks like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verdict {
    /// There is nothing to do and nothing to tell.
    Right,
    /// It is looked at, and looked at again the next time.
    Doubtful,
}

/// Whom a value of a list stands for.
#[derive(Debug, PartialEq, Eq)]
enum Standing {
    /// Somebody who is wanted there, under another name.
    Wanted,
    /// Users or groups of ours who are not.
    Unwanted(BTreeSet<ResourceId>),
    /// Nobody here.
    Stranger,
}

impl Bridge {
    pub(super) async fn scan_groups(
        &self,
        rules: &GroupRules,
        scan: &mut Scan,
        progress: &dyn Progress,
    ) -> Result<(), Error> {
        let attributes = attributes_with_members(rules);
        let marks = Marks::new(self, &attributes).await?;
        let missing = missing_base("groups.base_dn", &rules.base_dn);
        let pages = self.directory.search_pages(&rules.base_dn, &everything(), &attributes, ENTRIES_PER_PAGE).await;
        let mut pages = pages.map_err(&missing)?.ahead();
        while let Some(entries) = pages.next().await.map_err(&missing)? {
            scan.count(entries.len(), progress);
            let (doubtful, digests) = self.doubtful(scan, &marks, Kind::Group, entries).await?;
            self.scan_doubtful_groups(rules, scan, &marks, &doubtful, &digests).await?;
        }
        scan.refer(pages.referrals());
        Ok(())
    }

    async fn scan_doubtful_groups(
        &self,
        rules: &GroupRules,
        scan: &mut Scan,
        marks: &Marks,
        entries: &[Entry],
        digests: &[[u8; 32]],
    ) -> Result<(), Error> {
        let owners = self.owners(entries).await?;
        let mut right = Vec::new();
        for ((entry, states), digest) in entries.iter().zip(&owners).zip(digests) {
            states.iter().for_each(|state| scan.see(&state.id));
            if !entry.dn.is_under(&rules.base_dn) {
                continue;
            }
            if states.is_empty() && has_class_of(&rules.object_classes, entry) {
                scan.unmanaged.push(entry.dn.clone());
            }
            let verdict = self.judge_group(rules, scan, &marks.profile, entry, states).await?;
            if let (Verdict::Right, [state]) = (verdict, states.as_slice()) {
                right.push((state.id.clone(), version_of(state), marks.mark(digest, Validity::WhileNamesStand)));
            }
        }
        if right.is_empty() { Ok(()) } else { Ok(self.store.check(&right).await?) }
    }

    /// The entry of one group alone.
    pub(super) async fn compare_group(&self, rules: &GroupRules, scan: &mut Scan, link: &Link) -> Result<(), Error> {
        let Some(entry) = self.entry_anywhere(link, &rules.base_dn, &attributes_with_members(rules)).await? else {
            return Ok(());
        };
        let states = self.store.linked_states(std::slice::from_ref(&link.anchor)).await?;
        let profile = self.directory.profile().await?;
        self.judge_group(rules, scan, &profile, &entry, &states).await.map(|_| ())
    }

    /// How the lists of a group's entry differ from who is wanted, of all groups that share it.
    pub(in crate::settle) async fn members_of_entry(
        &self,
        rules: &GroupRules,
        entry: &Entry,
        link: &Link,
    ) -> Result<RosterDrift, Error> {
        let states = self.store.linked_states(std::slice::from_ref(&link.anchor)).await?;
        let groups: Vec<&State> = states.iter().filter(|state| state.kind == Kind::Group).collect();
        let profile = self.directory.profile().await?;
        let mut all = RosterDrift::default();
        for (_, drift) in self.roster_drift(rules, &profile, entry, &groups).await? {
            all.missing.extend(drift.missing);
            all.strays.extend(drift.strays);
            all.strangers.extend(drift.strangers);
            all.idle_placeholder |= drift.idle_placeholder;
        }
        Ok(all)
    }

    async fn judge_group(
        &self,
        rules: &GroupRules,
        scan: &mut Scan,
        profile: &Profile,
        entry: &Entry,
        states: &[State],
    ) -> Result<Verdict, Error> {
        let mut verdict = Verdict::Right;
        let groups: Vec<&State> = states.iter().filter(|state| state.kind == Kind::Group).collect();
        for state in groups.iter().filter(|state| !is_group_right(rules, profile, state, entry)) {
            scan.suspect(&state.id, Kind::Group);
            verdict = Verdict::Doubtful;
        }
        let Some(first) = groups.first() else {
            return Ok(Verdict::Doubtful);
        };
        for (id, mut drift) in self.roster_drift(rules, profile, entry, &groups).await? {
            let strangers = drift.strangers.len();
            if strangers > 0 {
                // They are told of at every run.
                verdict = Verdict::Doubtful;
                drift.strangers.truncate(STRANGERS_NAMED);
                scan.strangers.insert(id.clone(), (strangers, std::mem::take(&mut drift.strangers)));
            }
            if !drift.is_empty() {
                scan.suspect(&id, first.kind).roster = drift;
                verdict = Verdict::Doubtful;
            }
        }
        Ok(verdict)
    }

    /// Who is missing in the lists of an entry, group by group, and what is too much, told to the first of them.
    async fn roster_drift(
        &self,
        rules: &GroupRules,
        profile: &Profile,
        entry: &Entry,
        groups: &[&State],
    ) -> Result<BTreeMap<ResourceId, RosterDrift>, Error> {
        let mut found: BTreeMap<ResourceId, RosterDrift> = BTreeMap::new();
        let mut wanted = Vec::new();
        for state in groups {
            let mut after: Option<ResourceId> = None;
            loop {
                let page = self.store.listed_after(&state.id, after.as_ref(), MEMBERS_PER_PAGE).await?;
                let Some(last) = page.last() else {
                    break;
                };
                after = Some(last.id.clone());
                wanted.extend(page.into_iter().map(|listed| (&state.id, listed)));
            }
        }
        let placeholder = Value::from(&rules.placeholder);
        for rule in &rules.members {
            let matching = profile.schema.matching(&rule.attribute).unwrap_or(Matching::Octets);
            let present = entry.values(&rule.attribute);
            let named = wanted.iter().filter_map(|(group, listed)| {
                let value = match &rule.by {
                    MemberValue::Dn => listed.dn.clone(),
                    MemberValue::Attribute(_) => listed.key.clone(),
                };
                Some(((*group, &listed.id), value?))
            });
            let mut drift = list_drift(present, named, matching);
            for (group, member) in drift.missing {
                found.entry(group.clone()).or_default().missing.insert(member.clone());
            }
            let Some(first) = groups.first() else {
                continue;
            };
            let listed = drift.surplus.len();
            drift.surplus.retain(|value| !matching.equal(value, &placeholder));
            if drift.surplus.len() < listed && present.len() > 1 && rules.dn_list() == Some(&rule.attribute) {
                found.entry(first.id.clone()).or_default().idle_placeholder = true;
            }
            let (strays, strangers) = self.judge_surplus(rules, rule, groups, drift.surplus).await?;
            let drift = found.entry(first.id.clone()).or_default();
            drift.strays.extend(strays);
            drift.strangers.extend(strangers);
        }
        Ok(found)
    }

    /// Which of the values are not to stay, and which are nobody's here and do.
    pub(super) async fn judge_surplus(
        &self,
        rules: &GroupRules,
        rule: &MemberRule,
        groups: &[&State],
        surplus: Vec<Value>,
    ) -> Result<(Vec<Stray>, Vec<Value>), Error> {
        let (mut strays, mut strangers) = (Vec::new(), Vec::new());
        for chunk in surplus.chunks(AT_ONCE) {
            let looks = chunk.iter().map(|value| self.standing(rule, groups, value));
            let standings = futures_util::future::try_join_all(looks).await?;
            for (value, standing) in chunk.iter().zip(standings) {
                let stray = |owners| Stray { attribute: rule.attribute.clone(), value: value.clone(), owners };
                match (standing, rules.member_ownership) {
                    (Standing::Wanted, _) => {}
                    (Standing::Unwanted(owners), MemberOwnership::Owned | MemberOwnership::Exclusive) => {
                        strays.push(stray(owners));
                    }
                    (Standing::Stranger, MemberOwnership::Exclusive) => strays.push(stray(BTreeSet::new())),
                    (Standing::Unwanted(_) | Standing::Stranger, _) => strangers.push(value.clone()),
                }
            }
        }
        Ok((strays, strangers))
    }

    async fn standing(&self, rule: &MemberRule, groups: &[&State], value: &Value) -> Result<Standing, Error> {
        let entries = match &rule.by {
            MemberValue::Dn => match value.as_str().and_then(|text| text.parse::<Dn>().ok()) {
                Some(dn) => self.directory.read(&dn, &[]).await?.into_iter().collect(),
                None => Vec::new(),
            },
            MemberValue::Attribute(key) => self.holders(key, value).await?,
        };
        let mut owners = BTreeSet::new();
        for entry in &entries {
            owners.extend(self.store.linked(&self.anchor_of(entry)?).await?);
        }
        if owners.is_empty() {
            return Ok(Standing::Stranger);
        }
        for state in groups {
            let states = self.store.member_states(&state.id, &owners).await?;
            // Who leaves is taken out by the settling of the group.
            if states.values().any(|state| *state != MemberState::Stripped) {
                return Ok(Standing::Wanted);
            }
        }
        // A list by another attribute may name somebody whom it would not be the value of.
        let is_ours = |entry: &Entry| rule.by == MemberValue::Dn || self.names_of(entry).key.as_ref() == Some(value);
        Ok(if entries.iter().any(is_ours) { Standing::Unwanted(owners) } else { Standing::Stranger })
    }

    /// The entries of users that have a key.
    async fn holders(&self, key: &AttributeName, value: &Value) -> Result<Vec<Entry>, Error> {
        let filter = Filter::Equal(key.clone(), value.clone());
        let mut entries = Vec::new();
        for base in self.rules.users.trees() {
            let attributes = std::slice::from_ref(key);
            entries.extend(self.directory.search(base, crate::ldap::Depth::Subtree, &filter, attributes).await?);
        }
        Ok(entries)
    }
}

pub(in crate::settle) fn attributes_with_members(rules: &GroupRules) -> Vec<AttributeName> {
    let mut attributes = observed_attributes(rules);
    attributes.extend(rules.members.iter().map(|rule| rule.attribute.clone()));
    attributes
}

/// Whether settling would find nothing to do, members aside. In doubt it is not.
fn is_group_right(rules: &GroupRules, profile: &Profile, state: &State, entry: &Entry) -> bool {
    let (Some(document), Some(link), false) = (state.desired(), &state.link, is_pending(state)) else {
        return false;
    };
    let Ok(mut desired) = map_group(rules, document) else {
        return false;
    };
    if fit_syntaxes(&rules.attributes, &mut desired, &profile.schema).is_err() {
        return false;
    }
    desired.naming = Naming::With([state.id.short(), state.id.as_str()].map(Value::from).to_vec());
    let has_numbers = rules::allocated(&rules.attributes).all(|(name, _)| !entry.values(name).is_empty());
    let is_there = entry.dn == link.dn && carries_name(entry, &desired);
    has_numbers && is_there && diff(&desired, Some(entry), &profile.schema).is_empty()
}

//! What a write comes to where the directory is not asked: map and diff, before an entry that is as it was wanted last.
//!
//! Not what settling would do: entries made by hand, names that are taken and the server's schema are not seen. The store is
//! read where there is one. Nothing is written.

use std::collections::BTreeSet;

use super::error::unmappable;
use super::members::listed;
use super::preview::{Preview, SETS_A_PASSWORD, Write};
use super::{Error, Rules, refuse_unknown};
use crate::directory::schema::is_demanded;
use crate::directory::{
    AccountLock, Attributes, Change, DesiredAttribute, Entry, Link, Names, Naming, Ownership, Schema, Tolerance, Value,
};
use crate::mapping::group::map_group;
use crate::mapping::password::EntryAge;
use crate::mapping::user::map_user;
use crate::mapping::{AttributeRule, GroupRules, References, UserRules, rules};
use crate::plan::{MemberDelta, Placeholder, Plan, Proposed, Reason, StandIn, attribute_changes, diff, member_changes};
use crate::scim::{Document, Kind, MemberChange, Patched, ResourceId, resource};
use crate::store::{State, Store};

/// The lock that is shown: which one the server has is not known.
const LOCK: AccountLock = AccountLock::PASSWORD_POLICY;

/// What a write comes to, by the map alone.
///
/// # Errors
/// Why it would be refused, as far as that can be known, and the store's.
pub async fn sketch(rules: &Rules, store: Option<&dyn Store>, kind: Kind, write: &Write) -> Result<Preview, Error> {
    let state = match (write.target(), store) {
        (Some(id), Some(store)) => Some(store.state(id).await?.ok_or_else(|| Error::NotFound(id.clone()))?),
        (Some(id), None) => return Err(Error::NotFound(id.clone())),
        (None, _) => None,
    };
    let before = state.as_ref().and_then(State::desired).cloned();
    let after = write.apply(&before.clone().unwrap_or_default())?;
    let desk = Desk { store, state: state.as_ref(), before: before.as_ref(), notes: Vec::new() };
    let (plan, notes) = match (kind, &rules.groups) {
        (Kind::User, _) => desk.user(&rules.users, &after).await?,
        (Kind::Group, Some(groups)) => desk.group(groups, &after).await?,
        (Kind::Group, None) => (Plan::default(), Vec::new()),
    };
    let proposed = |step| Proposed { step, before: Attributes::new(), last_change: None };
    let steps = plan.steps.into_iter().map(proposed).collect();
    let mut preview = Preview::of(kind, write.target(), &after.document, steps);
    preview.item.notes = notes;
    Ok(preview)
}

/// What is known beside the rules.
struct Desk<'a> {
    store: Option<&'a dyn Store>,
    state: Option<&'a State>,
    before: Option<&'a Document>,
    notes: Vec<String>,
}

impl Desk<'_> {
    async fn user(mut self, rules: &UserRules, after: &Patched) -> Result<(Plan, Vec<String>), Error> {
        let references = self.references(rules, &after.document).await?;
        let mut desired = map_user(rules, &after.document, &references).map_err(unmappable)?;
        let observed = match self.entry() {
            Some((before, link)) => Some(entry_of_user(rules, before, link, &references)?),
            None => None,
        };
        if observed.is_none() {
            self.tell_numbers(&rules.attributes);
        }
        let age = if observed.is_some() { EntryAge::Old } else { EntryAge::New };
        if let Some(rule) = &rules.password
            && rule.wanted(&after.document, after.password.as_ref(), age)?.is_some()
        {
            self.notes.push(SETS_A_PASSWORD.to_owned());
        }
        let is_active = resource::is_active(&after.document);
        let Some(mut entry) = observed else {
            if !is_active {
                let unborn = Entry { dn: desired.dn(), attributes: desired.initial_attributes() };
                rules.disable.bar(&mut desired, LOCK, &unborn);
            }
            return Ok((diff(&desired, None, &Schema::default()), self.notes));
        };
        let mut plan = Plan::default();
        if !is_active {
            let barring = rules.disable.barring(LOCK, &entry);
            let modifications = attribute_changes(&barring, &entry, &Schema::default());
            if !modifications.is_empty() {
                let tolerance = Tolerance::Exact;
                plan.push(Change::Modify { dn: entry.dn.clone(), modifications, tolerance }, Reason::Disabled);
            }
            entry.attributes.extend(barring.into_iter().map(|(name, barring)| (name, barring.values)));
            rules.disable.bar(&mut desired, LOCK, &entry);
        } else if self.before.is_some_and(|before| !resource::is_active(before)) {
            let remembered = self.state.and_then(|state| state.before_disable.as_ref());
            rules.disable.readmit(&mut desired, LOCK, &entry, remembered);
        }
        plan.steps.extend(diff(&desired, Some(&entry), &Schema::default()).steps);
        Ok((plan, self.notes))
    }

    async fn group(mut self, rules: &GroupRules, after: &Patched) -> Result<(Plan, Vec<String>), Error> {
        let mut desired = map_group(rules, &after.document).map_err(unmappable)?;
        let members = self.members(&after.members).await?;
        let Some((before, link)) = self.entry() else {
            self.tell_numbers(&rules.attributes);
            for rule in &rules.members {
                let mut values = listed(rules, rule, &named(&members.joining))?;
                let is_dn_list = rules.dn_list() == Some(&rule.attribute);
                if values.is_empty() && is_dn_list && is_demanded(&rules.object_classes, &rule.attribute) {
                    values.push(Value::from(&rules.placeholder));
                }
                let list = DesiredAttribute::new(Ownership::Initial, values);
                desired.attributes.insert(rule.attribute.clone(), list);
            }
            return Ok((diff(&desired, None, &Schema::default()), self.notes));
        };
        let present = map_group(rules, before).map_err(unmappable)?;
        let entry = Entry { dn: link.dn.clone(), attributes: present.initial_attributes() };
        if let Some(state) = self.state {
            // What tells a group's entry from its twin stays in the name.
            desired.naming = Naming::With([state.id.short(), state.id.as_str()].map(Value::from).to_vec());
        }
        let mut plan = diff(&desired, Some(&entry), &Schema::default());
        let dn = plan.outcome_dn().unwrap_or_else(|| link.dn.clone());
        let mut deltas = Vec::new();
        for rule in &rules.members {
            let joining = listed(rules, rule, &named(&members.joining))?;
            let leaving = members.leaving.iter().filter_map(|(_, names)| rule.value(names)).collect();
            deltas.push(MemberDelta { attribute: rule.attribute.clone(), joining, leaving });
        }
        let demanded = rules.dn_list().filter(|list| is_demanded(&rules.object_classes, list));
        let stand_in = demanded.map(|attribute| StandIn { attribute, dn: &rules.placeholder });
        plan.steps.extend(member_changes(&dn, &deltas, stand_in, members.placeholder).steps);
        Ok((plan, self.notes))
    }

    /// What was wanted before, and the entry of it.
    fn entry(&self) -> Option<(&Document, &Link)> {
        Some((self.before?, self.state?.link.as_ref()?))
    }

    /// The entries of those whom the documents refer to.
    async fn references(&mut self, rules: &UserRules, after: &Document) -> Result<References, Error> {
        let named = rules::referenced(&rules.attributes, after);
        let named_before = self.before.map(|before| rules::referenced(&rules.attributes, before)).unwrap_or_default();
        let Some(store) = self.store else {
            let told = named
                .iter()
                .map(|id| format!("whose entry {id} is, the store knows alone: what refers to it is not shown"));
            self.notes.extend(told);
            return Ok(References::new());
        };
        let ids: BTreeSet<ResourceId> = named.union(&named_before).cloned().map(ResourceId).collect();
        let known = store.known(&ids).await?;
        let is_known = |id: &ResourceId| known.get(id).is_some_and(|known| !known.deleting);
        let new: Vec<ResourceId> = named.difference(&named_before).cloned().map(ResourceId).collect();
        refuse_unknown(new.iter().filter(|id| !is_known(id)).collect(), "refers to")?;
        Ok(known.into_iter().map(|(id, known)| (id.0, known.link.dn)).collect())
    }

    /// Who joins and leaves.
    async fn members(&mut self, changes: &[MemberChange]) -> Result<Moves, Error> {
        let Some(store) = self.store else {
            if changes.iter().any(|change| !matches!(change, MemberChange::Replace(ids) if ids.is_empty())) {
                self.notes.push("whose entries the members are, the store knows alone: they are not shown".to_owned());
            }
            return Ok(Moves::default());
        };
        let present: BTreeSet<ResourceId> = match self.state {
            Some(state) => store.wanted_members(&state.id).await?.into_iter().collect(),
            None => BTreeSet::new(),
        };
        let mut wanted = present.clone();
        for change in changes {
            match change {
                MemberChange::Add(ids) => wanted.extend(ids.iter().cloned()),
                MemberChange::Remove(ids) => wanted.retain(|id| !ids.contains(id)),
                MemberChange::Replace(ids) => wanted = ids.iter().cloned().collect(),
            }
        }
        let known = store.known(&wanted.symmetric_difference(&present).cloned().collect()).await?;
        let names = |id: &ResourceId| known.get(id).map(|known| (id.clone(), known.link.names()));
        let unknown = wanted.difference(&present).filter(|id| known.get(*id).is_none_or(|known| known.deleting));
        refuse_unknown(unknown.collect(), "adds the member")?;
        Ok(Moves {
            joining: wanted.difference(&present).filter_map(names).collect(),
            leaving: present.difference(&wanted).filter_map(names).collect(),
            placeholder: match (present.is_empty(), wanted.is_empty()) {
                (true, false) => Placeholder::Out,
                (false, true) => Placeholder::In,
                _ => Placeholder::Untouched,
            },
        })
    }

    /// Says of numbers that a new entry is given that they cannot be told.
    fn tell_numbers(&mut self, attributes: &[AttributeRule]) {
        let told = rules::allocated(attributes).map(|(name, range)| {
            format!("{name} is given the first free number of {range}: which one, the directory knows alone")
        });
        self.notes.extend(told);
    }
}

/// Who joins and leaves a group, and what that makes of the value that stands in for nobody.
struct Moves {
    joining: Vec<(ResourceId, Names)>,
    leaving: Vec<(ResourceId, Names)>,
    placeholder: Placeholder,
}

impl Default for Moves {
    fn default() -> Moves {
        Moves { joining: Vec::new(), leaving: Vec::new(), placeholder: Placeholder::Untouched }
    }
}

fn named(members: &[(ResourceId, Names)]) -> Vec<(&ResourceId, &Names)> {
    members.iter().map(|(id, names)| (id, names)).collect()
}

/// The entry of a user as it should be: kept out, if they are.
fn entry_of_user(rules: &UserRules, document: &Document, link: &Link, references: &References) -> Result<Entry, Error> {
    let wanted = map_user(rules, document, references).map_err(unmappable)?;
    let mut entry = Entry { dn: link.dn.clone(), attributes: wanted.initial_attributes() };
    if !resource::is_active(document) {
        let barring = rules.disable.barring(LOCK, &entry);
        entry.attributes.extend(barring.into_iter().map(|(name, barring)| (name, barring.values)));
    }
    Ok(entry)
}

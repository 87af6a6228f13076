//! What would be done: the suspects are settled before an imagined directory and a copy of the store.
//!
//! Nothing is done here. What is found is what a run would do, because it is the run.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::right::{Meant, Righted, version_of};
use super::scan::{Scan, count};
use super::{Progress, Reconciliation, Stage, Suspect};
use crate::directory::{AttributeName, Attributes, Change, Dn, Entry, Schema, Value};
use crate::mapping::rules;
use crate::plan::{Item, LastChange, Proposed, Reason, Step, Subject};
use crate::scim::{Kind, ResourceId, resource};
use crate::settle::work::Run;
use crate::settle::{Bridge, Error};
use crate::store::{self, State, Store};

/// How often what follows from other changes is looked for.
const ROUNDS: usize = 8;
/// What a subject of that kind is called.
pub(in crate::settle) const USER: &str = "user";
/// Of how many places it is asked whether entries may be added there.
const PLACES_ASKED: usize = 20;
/// By what name that is asked: nothing gets it.
const REHEARSED: &str = "scimbridge-rehearsal";
/// Up to how many old values of an attribute are kept with a plan.
const SHOWN_AT_MOST: usize = 100;

/// A copy of the store, and the bridge before an imagined directory.
pub(in crate::settle) struct Stand {
    pub(in crate::settle) store: Arc<dyn Store>,
    pub(in crate::settle) bridge: Bridge,
}

impl Bridge {
    pub(super) async fn rehearse(&self, mut scan: Scan, progress: &dyn Progress) -> Result<Reconciliation, Error> {
        let suspects = std::mem::take(&mut scan.suspects);
        let mut found = Reconciliation { suspects, ..Reconciliation::default() };
        if !found.suspects.is_empty() {
            let stand = self.stand().await?;
            for id in found.suspects.keys() {
                // As it is before others are settled that it may depend on.
                if let Some(state) = stand.store.state(id).await? {
                    found.meant.insert(id.clone(), Meant::of(&state));
                }
            }
            let mut order: Vec<&Suspect> = found.suspects.values().collect();
            order.sort_by_key(|suspect| suspect.kind == Kind::Group);
            let of = count(order.len());
            for (number, suspect) in order.into_iter().enumerate() {
                progress.reached(Stage::Planning, count(number), Some(of));
                found.order.insert(suspect.id.clone(), number);
                match self.item(&stand, suspect).await? {
                    Some(item) => found.proposal.items.push(item),
                    None => _ = found.idle.insert(suspect.id.clone()),
                }
            }
            let consequences = self.consequences(&stand, &found.suspects).await?;
            found.proposal.items.extend(consequences);
            progress.reached(Stage::Planning, of, Some(of));
        }
        self.leave_out_overtaken(&mut found).await?;
        let items = &mut found.proposal.items;
        self.tell_unjudged(&scan, items).await?;
        self.tell_strangers(&scan, items).await?;
        self.tell_missing_rights(items).await?;
        self.reserve_numbers(items).await?;
        items.sort_by_cached_key(|item| (item.subject.kind != USER, place(item), item.subject.id.clone()));
        scan.unmanaged.sort_by_cached_key(Dn::normalized);
        found.proposal.unmanaged = scan.unmanaged;
        found.proposal.census = scan.census;
        Ok(found)
    }

    /// Leaves those out whom a client has written since the store was copied: the write has put them right, or will.
    async fn leave_out_overtaken(&self, found: &mut Reconciliation) -> Result<(), Error> {
        let mut kept = Vec::new();
        for mut item in std::mem::take(&mut found.proposal.items) {
            let id = ResourceId(item.subject.id.clone());
            let Some(state) = self.store.state(&id).await? else {
                found.overtaken += 1;
                continue;
            };
            let now = Meant::of(&state);
            if found.meant.get(&id).is_some_and(|meant| *meant != now) {
                found.overtaken += 1;
                continue;
            }
            item.subject.version = version_of(&state);
            found.meant.insert(id, now);
            kept.push(item);
        }
        found.proposal.items = kept;
        Ok(())
    }

    /// A copy of the store, and a directory in which changes are only imagined.
    pub(in crate::settle) async fn stand(&self) -> Result<Stand, Error> {
        let store = self.store.copy().await?;
        let (patience, stopping) = self.locks.terms();
        let directory = self.directory.rehearsal();
        let bridge = Bridge::new(store.clone(), directory, self.rules.clone(), patience, stopping);
        Ok(Stand { store, bridge })
    }

    /// What is pending once others are as wanted, such as the memberships of somebody whose entry was made anew.
    async fn consequences(&self, stand: &Stand, suspects: &BTreeMap<ResourceId, Suspect>) -> Result<Vec<Item>, Error> {
        let mut items = Vec::new();
        let mut tried = BTreeSet::new();
        for _ in 0..ROUNDS {
            let mut pending = stand.store.pending().await?;
            // What could not be done for a suspect is told already; a group may have got new work by another's.
            pending.retain(|id| !tried.contains(id));
            if pending.is_empty() {
                break;
            }
            for id in pending {
                tried.insert(id.clone());
                let Some(state) = stand.store.state(&id).await? else {
                    continue;
                };
                let item = self.item(stand, &Suspect::new(id.clone(), state.kind)).await?;
                items.extend(item.filter(|item| !item.steps.is_empty() || !suspects.contains_key(&id)));
            }
        }
        Ok(items)
    }

    /// What is done for one resource. `None`: nothing, it is as wanted.
    async fn item(&self, stand: &Stand, suspect: &Suspect) -> Result<Option<Item>, Error> {
        let Some(state) = stand.store.state(&suspect.id).await? else {
            return Ok(None);
        };
        let run = Run::rehearsal();
        let problem = match stand.bridge.work(&run).put_right(suspect, None).await {
            Ok(Righted::Done | Righted::Overtaken) => None,
            Err(error) if error.is_outage() => return Err(error),
            Err(error) => Some(explained(&error)),
        };
        let (steps, passwords) = run.rehearsed();
        if steps.is_empty() && problem.is_none() && passwords == 0 {
            return Ok(None);
        }
        let mut notes = Vec::new();
        if passwords > 0 {
            notes.push("it is given an initial password".to_owned());
        }
        let is_made_anew = |step: &Step| step.reason == Reason::Missing && state.settled.is_some();
        if suspect.kind == Kind::User && passwords == 0 && steps.iter().any(is_made_anew) {
            notes.push("the password that the entry had is not kept: a new one has to be set".to_owned());
        }
        let schema = &stand.bridge.directory.profile().await?.schema;
        let steps = steps.into_iter().map(|step| proposed(stand, schema, step)).collect();
        Ok(Some(Item { subject: subject_of(&state), steps, notes, problem }))
    }

    async fn tell_unjudged(&self, scan: &Scan, items: &mut Vec<Item>) -> Result<(), Error> {
        for (id, reason) in &scan.unjudged {
            if let Some(state) = self.store.state(id).await? {
                let problem = Some(reason.clone());
                items.push(Item { subject: subject_of(&state), steps: Vec::new(), notes: Vec::new(), problem });
            }
        }
        Ok(())
    }

    async fn tell_strangers(&self, scan: &Scan, items: &mut Vec<Item>) -> Result<(), Error> {
        for (id, (number, first)) in &scan.strangers {
            let named: Vec<String> = first.iter().map(shown).collect();
            let more = if *number > first.len() { ", …" } else { "" };
            let (members, are) = if *number == 1 { ("member", "is") } else { ("members", "are") };
            let note = format!("{number} {members} whom Entra did not name {are} left: {}{more}", named.join(", "));
            match items.iter_mut().find(|item| item.subject.id == id.as_str()) {
                Some(item) => item.notes.push(note),
                None => {
                    if let Some(state) = self.store.state(id).await? {
                        let notes = vec![note];
                        items.push(Item { subject: subject_of(&state), steps: Vec::new(), notes, problem: None });
                    }
                }
            }
        }
        Ok(())
    }

    /// Says of entries that are to be added where the directory lets nothing be added. Of other changes it cannot be
    /// asked without making them.
    pub(in crate::settle) async fn tell_missing_rights(&self, items: &mut [Item]) -> Result<(), Error> {
        let mut refused: BTreeMap<String, bool> = BTreeMap::new();
        for item in items {
            for step in &item.steps {
                let Change::Add { dn, .. } = &step.step.change else {
                    continue;
                };
                let Some(parent) = dn.parent() else {
                    continue;
                };
                let known = refused.get(&parent.normalized()).copied();
                let is_refused = match known {
                    Some(is_refused) => is_refused,
                    None if refused.len() >= PLACES_ASKED => false,
                    None => match self.directory.may_add_below(&parent, REHEARSED).await {
                        Err(error) if error.is_out_of_reach() => return Err(error.into()),
                        Err(error) => error.is_insufficient_access() || error.is_read_only(),
                        Ok(()) => false,
                    },
                };
                refused.insert(parent.normalized(), is_refused);
                if is_refused && item.problem.is_none() {
                    item.problem = Some(format!("the directory does not let ldap.bind_dn add entries below {parent}"));
                }
            }
        }
        Ok(())
    }

    /// Numbers that were shown are those that are given.
    async fn reserve_numbers(&self, items: &[Item]) -> Result<(), Error> {
        let groups = self.rules.groups.iter().flat_map(|groups| rules::allocated(&groups.attributes));
        let allocated: Vec<_> = rules::allocated(&self.rules.users.attributes).chain(groups).collect();
        for item in items {
            for (attribute, number) in item.steps.iter().flat_map(|step| numbers(&step.step.change)) {
                if !allocated.iter().any(|(name, _)| **name == attribute) {
                    continue;
                }
                match self.store.take_number(&attribute, number, Some(&ResourceId(item.subject.id.clone()))).await {
                    // It is this resource's already, or somebody was faster: then the run does not do what was shown.
                    Err(store::Error::Taken { .. }) => {}
                    other => other?,
                }
            }
        }
        Ok(())
    }
}

/// A step with what stood there, and who changed it last.
pub(in crate::settle) fn proposed(stand: &Stand, schema: &Schema, step: Step) -> Proposed {
    let entry = stand.bridge.directory.before_rehearsal(step.change.dn());
    let touched = |name: &AttributeName| match &step.change {
        Change::Modify { modifications, .. } => modifications.iter().any(|change| change.attribute == *name),
        // What the server alone writes is nobody's loss.
        Change::Delete { .. } => !schema.is_operational(name),
        Change::Add { .. } | Change::Rename { .. } => false,
    };
    let text = |entry: &Entry, name: &'static str| {
        entry.values(&AttributeName::of(name)).first().and_then(|value| value.as_str().map(str::to_owned))
    };
    let last_change = entry
        .as_ref()
        .and_then(|entry| Some(LastChange { by: text(entry, "modifiersName")?, at: text(entry, "modifyTimestamp")? }));
    let before: Attributes =
        entry.map(|entry| entry.attributes.into_iter().filter(|(name, _)| touched(name)).collect()).unwrap_or_default();
    // Of a large list what is taken out and put in is said by the change itself.
    let before = before.into_iter().filter(|(_, values)| values.len() <= SHOWN_AT_MOST).collect();
    Proposed { step, before, last_change }
}

fn subject_of(state: &State) -> Subject {
    let settled = state.settled.as_ref().map(|resource| &resource.document);
    let name = state.desired().or(settled).and_then(|document| resource::text(document, state.kind.required()));
    Subject {
        kind: state.kind.as_str().to_lowercase(),
        id: state.id.as_str().to_owned(),
        name: name.unwrap_or_default().to_owned(),
        version: version_of(state),
    }
}

fn shown(value: &Value) -> String {
    value.as_str().map_or_else(|| format!("{} bytes", value.as_bytes().len()), |text| format!("{text:?}"))
}

/// Where an item stands in the plan: by the name of its first entry.
fn place(item: &Item) -> String {
    item.steps.first().map(|step| step.step.change.dn().normalized()).unwrap_or_default()
}

fn numbers(change: &Change) -> Vec<(AttributeName, u64)> {
    let written = |name: &AttributeName, values: &[Value]| {
        let number = values.first().and_then(|value| value.as_str()?.parse().ok())?;
        Some((name.clone(), number))
    };
    match change {
        Change::Add { attributes, .. } => {
            attributes.iter().filter_map(|(name, values)| written(name, values)).collect()
        }
        Change::Modify { modifications, .. } => {
            modifications.iter().filter_map(|one| written(&one.attribute, &one.values)).collect()
        }
        Change::Rename { .. } | Change::Delete { .. } => Vec::new(),
    }
}

/// An error with its causes, on one line.
pub(in crate::settle) fn explained(error: &Error) -> String {
    let mut text = error.to_string();
    let mut source = std::error::Error::source(error);
    while let Some(cause) = source {
        text.push_str(&format!(": {cause}"));
        source = cause.source();
    }
    text
}

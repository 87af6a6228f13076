//! Taking back what a run has changed.
//!
//! Not a change of what is wanted: what Entra wants comes back with its next push, or with the next reconciliation.
//! Invariant: a change is taken back only from an entry that is as the run has left it.

use std::collections::BTreeSet;

use super::reconcile::{Progress, Stage, USER, explained};
use super::work::Run;
use super::{Bridge, Error, Outcome, Report};
use crate::directory::attribute::PASSWORD_ATTRIBUTE;
use crate::directory::{Action, AttributeName, Attributes, Change, Dn, Matching, Modification, Value};
use crate::ldap::Fault;
use crate::plan::{self, Allowance, Item, Plan, Proposal, Proposed, Reason, Step, Subject};
use crate::scim::{ResourceId, resource};
use crate::store::{NotedChange, Origin, RunId};

/// How many changes the store is asked for at a time.
const CHANGES_PER_PAGE: u32 = 500;

/// What would be taken back.
#[derive(Debug)]
pub struct Undoing {
    /// What would be done, the last change first.
    pub proposal: Proposal,
    of: RunId,
    /// What the run has done, in the order of the items, and where it is noted.
    done: Vec<(i64, Change)>,
}

impl Bridge {
    /// What takes a run back, as far as it can be. Changes nothing.
    ///
    /// # Errors
    /// The store or the directory cannot be read.
    pub async fn undoing(&self, of: RunId) -> Result<Undoing, Error> {
        let census = self.store.census().await?;
        let census = plan::Census { users: census.users, groups: census.groups, memberships: census.memberships };
        let (mut items, mut done) = (Vec::new(), Vec::new());
        let mut before = None;
        loop {
            let changes = self.store.changes_of(of, before, CHANGES_PER_PAGE).await?;
            let Some((last, _)) = changes.last() else {
                break;
            };
            before = Some(*last);
            for (position, noted) in changes {
                items.push(self.taken_back(&noted).await?);
                done.push((position, noted.change));
            }
        }
        Ok(Undoing { proposal: Proposal { items, unmanaged: Vec::new(), census }, of, done })
    }

    async fn taken_back(&self, noted: &NotedChange) -> Result<Item, Error> {
        let dn = noted.change.dn();
        let id = noted.resource.as_ref().map(|id| id.as_str().to_owned()).unwrap_or_default();
        let by_entry = || Subject { kind: "entry".to_owned(), id, name: dn.to_string(), version: 0 };
        let subject = match &noted.resource {
            Some(id) => self.subject_named(id).await?,
            None => None,
        };
        // Whoever was deleted is known by the entry alone.
        let subject = subject.unwrap_or_else(by_entry);
        // Members are counted as such.
        let reason = if noted.reason == Reason::Members.to_string() { Reason::Members } else { Reason::Undone };
        let steps = noted.reverse.iter().map(|change| {
            let step = Step { change: change.clone(), reason };
            Proposed { step, before: Attributes::new(), last_change: None }
        });
        let lost = noted.lost.iter().map(|lost| format!("not taken back: {lost}"));
        Ok(Item { subject, steps: steps.collect(), notes: lost.collect(), problem: None })
    }

    async fn subject_named(&self, id: &ResourceId) -> Result<Option<Subject>, Error> {
        let Some(state) = self.store.state(id).await? else {
            return Ok(None);
        };
        let name = state.desired().and_then(|document| resource::text(document, state.kind.required()));
        Ok(Some(Subject {
            kind: state.kind.as_str().to_lowercase(),
            id: id.as_str().to_owned(),
            name: name.unwrap_or_default().to_owned(),
            version: 0,
        }))
    }

    /// Takes back what was shown, one change after the other. One that cannot be taken back keeps no other from it.
    ///
    /// # Errors
    /// The store does not do what was asked.
    pub async fn undo(&self, undoing: &Undoing, progress: &dyn Progress) -> Result<Report, Error> {
        let items = &undoing.proposal.items;
        let run = Run::new(Origin::Undo, format!("undo run {}", undoing.of.0));
        let run = run.undoing(undoing.of).within(Allowance::of(&undoing.proposal));
        let of = u64::try_from(items.len()).ok();
        let mut outcomes = Vec::new();
        for (item, (position, done)) in items.iter().zip(&undoing.done) {
            let outcome = match self.undo_item(&run, item, done).await {
                Ok(()) => {
                    self.store.note_undone(undoing.of, *position).await?;
                    Outcome::Done
                }
                Err(error) if error.is_outage() => Outcome::NotTried(explained(&error)),
                Err(error) => Outcome::Failed(explained(&error)),
            };
            outcomes.push(outcome);
            progress.reached(Stage::Applying, u64::try_from(outcomes.len()).unwrap_or(u64::MAX), of);
        }
        let failed = outcomes.iter().filter(|outcome| **outcome != Outcome::Done).count();
        Ok(Report { run: self.end_run(&run, failed, items.len()).await?, outcomes })
    }

    async fn undo_item(&self, run: &Run, item: &Item, done: &Change) -> Result<(), Error> {
        let id = Some(ResourceId(item.subject.id.clone())).filter(|id| !id.as_str().is_empty());
        // Of whoever is gone nobody knows whether it was a group.
        let _groups = match item.subject.kind.as_str() {
            USER => None,
            _ => Some(self.locks.structure().await?),
        };
        let _resource = match &id {
            Some(id) => Some(self.locks.key(id.as_str()).await?),
            None => None,
        };
        let work = match &id {
            Some(id) => self.work(run).for_resource(id),
            None => self.work(run),
        };
        for proposed in &item.steps {
            let change = proposed.step.change.clone();
            match &change {
                Change::Delete { dn } => self.check_untouched(dn, done, id.as_ref()).await?,
                Change::Modify { dn, modifications, .. } => self.check_unexchanged(dn, modifications, done).await?,
                Change::Add { .. } | Change::Rename { .. } => {}
            }
            match work.carry_out(Plan::of(change, proposed.step.reason)).await {
                // It is not as the run has left it: somebody has changed it since.
                Err(Error::Directory(error)) if error.fault() == Fault::Moved => {
                    return Err(Error::Touched { dn: proposed.step.change.dn().clone(), source: error });
                }
                other => _ = other?,
            }
        }
        Ok(())
    }

    /// What a run has added is taken away only if it is nobody else's by now and holds nothing that others have put
    /// there since. A password is everybody's own to change.
    async fn check_untouched(&self, dn: &Dn, done: &Change, id: Option<&ResourceId>) -> Result<(), Error> {
        let Some(entry) = self.directory.read(dn, &[AttributeName::of("*")]).await? else {
            return Ok(());
        };
        let owners = self.store.linked(&self.anchor_of(&entry)?).await?;
        // It was deleted and made again for another resource, or another group shares it.
        if let Some(owner) = owners.iter().find(|owner| Some(*owner) != id) {
            return Err(Error::conflict(format!("{dn} is the entry of {owner} by now, and stays as it is")));
        }
        let Change::Add { attributes, .. } = done else {
            return Ok(());
        };
        let password = AttributeName::of(PASSWORD_ATTRIBUTE);
        let schema = &self.directory.profile().await?.schema;
        let is_ours = |name: &AttributeName, value: &Value| {
            let rule = schema.matching(name).unwrap_or(Matching::Octets);
            attributes.get(name).is_some_and(|values| values.iter().any(|ours| rule.equal(ours, value)))
        };
        let foreign = entry.attributes.iter().find(|(name, values)| {
            **name != password
                && *name != self.directory.anchor()
                && !schema.is_operational(name)
                && !values.iter().all(|value| is_ours(name, value))
        });
        match foreign {
            Some((attribute, _)) => Err(Error::Grown { dn: dn.clone(), attribute: attribute.clone() }),
            None => Ok(()),
        }
    }

    /// What was exchanged as a whole is exchanged back only if nobody has exchanged it since: the directory, which refuses
    /// to take a value away that is not there, lets all of them be replaced.
    async fn check_unexchanged(&self, dn: &Dn, modifications: &[Modification], done: &Change) -> Result<(), Error> {
        let Change::Modify { modifications: made, .. } = done else {
            return Ok(());
        };
        for back in modifications.iter().filter(|one| one.action == Action::Replace) {
            let left = made.iter().rfind(|one| one.action == Action::Replace && one.attribute == back.attribute);
            let left: BTreeSet<&Value> = left.iter().flat_map(|one| &one.values).collect();
            let entry = self.directory.read(dn, std::slice::from_ref(&back.attribute)).await?;
            let present: BTreeSet<&Value> = entry.iter().flat_map(|entry| entry.values(&back.attribute)).collect();
            if present != left {
                let attribute = &back.attribute;
                return Err(Error::conflict(format!(
                    "{attribute} of {dn} is not as the run has left it, and stays as it is"
                )));
            }
        }
        Ok(())
    }
}

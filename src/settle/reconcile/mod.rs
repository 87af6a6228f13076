//! Reconciling: all that is wanted against all that is there.
//!
//! Not another way to change the directory: it finds who is not as wanted, lets the one path settle them before an
//! imagined directory, which is the plan, and then before the real one. Invariants: what the plan did not show is not
//! done, and nothing is concluded from a search that did not show everything.

mod apply;
mod groups;
mod marks;
mod rehearse;
mod right;
mod scan;
mod users;

pub use apply::{Outcome, Report};
pub(super) use rehearse::{USER, explained, proposed};
pub(super) use users::has_class_of;

use std::collections::{BTreeMap, BTreeSet};

use self::right::Meant;
use super::{Bridge, Error};
use crate::directory::{AttributeName, Dn, Value};
use crate::plan::{Budgets, Item, PlanFile, Proposal};
use crate::scim::{Kind, ResourceId};

/// What is looked at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Selection {
    /// Users and groups.
    Everything,
    /// Resources of one kind.
    Kind(Kind),
    /// One resource.
    Resource(ResourceId),
    /// The resources of one entry.
    Entry(Dn),
}

impl Selection {
    fn includes(&self, kind: Kind) -> bool {
        match self {
            Selection::Everything => true,
            Selection::Kind(one) => *one == kind,
            Selection::Resource(_) | Selection::Entry(_) => false,
        }
    }
}

/// What a reconciliation is at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// The directory is read and compared.
    Reading,
    /// What is to be done is found out, resource by resource.
    Planning,
    /// It is done.
    Applying,
}

/// Somebody who wants to know how far it is.
pub trait Progress: Send + Sync {
    /// So many are done, of so many if that is known.
    fn reached(&self, stage: Stage, done: u64, of: Option<u64>);
}

/// What is to be done, and for whom it was found out.
#[derive(Debug, Default)]
pub struct Reconciliation {
    /// What is to be done.
    pub proposal: Proposal,
    /// How many resources were written by a client meanwhile: their writes have put them right.
    pub overtaken: u64,
    suspects: BTreeMap<ResourceId, Suspect>,
    meant: BTreeMap<ResourceId, Meant>,
    /// In which order the resources were settled when it was found out.
    order: BTreeMap<ResourceId, usize>,
    /// Those for whom nothing is to be done in the directory, and of whom the store may not know that.
    idle: BTreeSet<ResourceId>,
}

/// A resource that may not be as wanted.
#[derive(Clone, Debug)]
struct Suspect {
    id: ResourceId,
    kind: Kind,
    roster: RosterDrift,
}

impl Suspect {
    fn new(id: ResourceId, kind: Kind) -> Suspect {
        Suspect { id, kind, roster: RosterDrift::default() }
    }
}

/// A value that is not to stay in a list.
#[derive(Clone, Debug)]
pub(super) struct Stray {
    attribute: AttributeName,
    pub(super) value: Value,
    /// For whom it stands: they may be listed under another name once they are as wanted. Empty for a stranger.
    owners: BTreeSet<ResourceId>,
}

/// How the lists of a group's entry differ from who is wanted.
#[derive(Clone, Debug, Default)]
pub(super) struct RosterDrift {
    /// Who is wanted and not listed.
    pub(super) missing: BTreeSet<ResourceId>,
    /// What is listed and stands for nobody who is wanted, and is not to stay.
    pub(super) strays: Vec<Stray>,
    /// Members that nobody here knows, and that stay.
    pub(super) strangers: Vec<Value>,
    /// Whether the value that stands in for nobody stands beside somebody.
    idle_placeholder: bool,
}

impl Reconciliation {
    /// Leaves out what a plan that was written earlier does not have. Returns for how many resources there was
    /// something to do.
    pub fn keep_to(&mut self, written: &PlanFile) -> usize {
        let kept: BTreeSet<&str> = written.items.iter().map(|item| item.subject.id.as_str()).collect();
        let is_kept = |item: &Item| kept.contains(item.subject.id.as_str());
        let left = self.proposal.items.iter().filter(|item| !is_kept(item) && !item.steps.is_empty()).count();
        self.proposal.items.retain(is_kept);
        left
    }
}

impl RosterDrift {
    fn is_empty(&self) -> bool {
        self.missing.is_empty() && self.strays.is_empty() && !self.idle_placeholder
    }
}

impl Bridge {
    /// What would have to be done for the directory to be as wanted. Changes nothing there; the store remembers the
    /// numbers that new entries would get.
    ///
    /// # Errors
    /// [`Error::Shrunken`] when more entries are missing than `budgets` allows, the directory's when it does not show
    /// everything, and what else keeps it or the store from being read.
    pub async fn reconciliation(
        &self,
        selection: &Selection,
        budgets: &Budgets,
        progress: &dyn Progress,
    ) -> Result<Reconciliation, Error> {
        let scan = self.scan(selection, budgets, progress).await?;
        self.rehearse(scan, progress).await
    }
}

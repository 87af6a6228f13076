//! Desired against observed: which changes make the directory agree. Pure.
//!
//! Not carried out here. Invariant: an empty plan is the definition of "in sync".

pub mod allowance;
pub mod budget;
pub mod diff;
pub mod file;
pub mod guard;
pub mod hidden;
pub mod members;
pub mod proposal;
#[cfg(test)]
mod random;
pub mod render;
pub mod reverse;
pub mod roster;

pub use allowance::Allowance;
pub use budget::{Budget, Budgets, Excess, Limit, LimitError, Tally, excesses, missing_excess};
pub use diff::{attribute_changes, diff};
pub use file::{Departure, Deviation, FileError, PlanFile};
pub use guard::{Refusal, guard};
pub use members::{MemberDelta, Placeholder, StandIn, VALUES_PER_CHANGE, member_changes};
pub use proposal::{Census, Item, LastChange, Proposal, Proposed, Subject};
pub use render::Report;
pub use reverse::{Reverse, reverse};
pub use roster::{ListDrift, list_drift};

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::directory::{Change, Dn};

/// Ordered changes, each with its reason.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Plan {
    /// What is done, in this order.
    pub steps: Vec<Step>,
}

impl Plan {
    /// A plan of one change.
    pub fn of(change: Change, reason: Reason) -> Plan {
        Plan { steps: vec![Step { change, reason }] }
    }

    /// Whether the directory agrees already.
    pub fn is_empty(&self) -> bool {
        self.steps.is_empty()
    }

    /// The name of the entry after the plan, where the plan gives it one.
    pub fn outcome_dn(&self) -> Option<Dn> {
        self.steps.iter().find_map(|step| match &step.change {
            Change::Add { dn, .. } => Some(dn.clone()),
            Change::Rename { dn, new_rdn, new_parent } => {
                let parent = new_parent.clone().or_else(|| dn.parent()).unwrap_or_default();
                Some(parent.child(new_rdn.clone()))
            }
            Change::Modify { .. } | Change::Delete { .. } => None,
        })
    }

    /// Adds a change.
    pub fn push(&mut self, change: Change, reason: Reason) {
        self.steps.push(Step { change, reason });
    }
}

/// A change and why it is made. The reason is for people and for what is counted; no change is made or left out by it.
///
/// Written without its passwords.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Step {
    /// The change.
    #[serde(flatten, serialize_with = "hidden::serialize_change")]
    pub change: Change,
    /// Why.
    pub reason: Reason,
}

/// Why a change is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Reason {
    /// The entry is not there.
    Missing,
    /// The entry that others are to stand below is not there.
    Container,
    /// An attribute is not as wanted.
    Differs,
    /// The entry has another name or place.
    Renamed,
    /// A user who must not log in is not locked.
    Disabled,
    /// The resource was deleted.
    Tombstone,
    /// Members joined or left.
    Members,
    /// The entry that a value refers to was renamed or deleted.
    Reference,
    /// What a run has changed is taken back.
    Undone,
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Reason::Missing => "missing",
            Reason::Container => "container",
            Reason::Differs => "differs",
            Reason::Renamed => "renamed",
            Reason::Disabled => "disabled",
            Reason::Tombstone => "tombstone",
            Reason::Members => "members",
            Reason::Reference => "reference",
            Reason::Undone => "undone",
        })
    }
}

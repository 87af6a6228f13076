//! What a run of reconcile would do: all its steps, resource by resource, for people to read and for the run to keep to.
//!
//! Not made here; a rehearsal of the run makes it. Invariant: what is written of it holds no password.

use serde::{Deserialize, Serialize, Serializer};

use super::Step;
use super::hidden::{serialize_attributes, without_passwords};
use super::render::Sign;
use crate::directory::{AttributeName, Attributes, Change, Dn, Value};

/// What a run would do.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Proposal {
    /// What is to be done, resource by resource.
    pub items: Vec<Item>,
    /// Entries that nobody pushed; they are left alone.
    pub unmanaged: Vec<Dn>,
    /// How much is managed in all.
    pub census: Census,
}

/// What is to be done for one resource, in order.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Item {
    /// The resource.
    pub subject: Subject,
    /// What is to be done. Where there is a problem: what could be planned before it.
    pub steps: Vec<Proposed>,
    /// Lines for people, such as that a new password has to be set.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
    /// Why the rest cannot be done.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub problem: Option<String>,
}

/// The resource that something is to be done for.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Subject {
    /// `user` or `group`.
    pub kind: String,
    /// Its SCIM id.
    pub id: String,
    /// What people know it by.
    pub name: String,
    /// The version of it that the steps were planned for.
    pub version: i64,
}

/// A step as it is shown: with what stood there, and who changed it last.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub struct Proposed {
    /// The step.
    #[serde(flatten)]
    pub step: Step,
    /// What the attributes that the change touches hold before it, where that is known.
    #[serde(default)]
    pub before: Attributes,
    /// Who changed the entry last, where that is known.
    #[serde(default)]
    pub last_change: Option<LastChange>,
}

/// Who changed an entry last, as the directory keeps it (RFC 4512 §3.4).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LastChange {
    /// The entry's `modifiersName`.
    pub by: String,
    /// The entry's `modifyTimestamp`.
    pub at: String,
}

/// How much is managed in all: what budgets are percentages of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Census {
    /// Users.
    pub users: u64,
    /// Groups.
    pub groups: u64,
    /// Memberships of users and groups in groups.
    pub memberships: u64,
}

impl Census {
    /// All resources.
    pub fn resources(self) -> u64 {
        self.users.saturating_add(self.groups)
    }
}

impl Proposal {
    /// Whether there is nothing to do, and nothing that cannot be done.
    pub fn is_in_sync(&self) -> bool {
        self.items.iter().all(|item| item.steps.is_empty() && item.problem.is_none())
    }
}

impl Item {
    /// Whether the same is to be done as in another item: what stood there and who put it there does not count, and
    /// one password is as good as another.
    pub fn does_the_same_as(&self, other: &Item) -> bool {
        let same = |(one, other): (&Proposed, &Proposed)| {
            one.step.reason == other.step.reason
                && without_passwords(&one.step.change) == without_passwords(&other.step.change)
                && new_name(&one.step.change) == new_name(&other.step.change)
        };
        self.steps.len() == other.steps.len() && self.steps.iter().zip(&other.steps).all(same)
    }
}

/// The name that a change gives an entry, byte for byte: a change of case is one too.
fn new_name(change: &Change) -> Option<&[(AttributeName, Value)]> {
    match change {
        Change::Rename { new_rdn, .. } => Some(new_rdn.parts()),
        Change::Add { .. } | Change::Modify { .. } | Change::Delete { .. } => None,
    }
}

/// A step as it is written: its sign is for whoever reads the file, and is not read back.
#[derive(Serialize)]
struct Written<'a> {
    sign: char,
    #[serde(flatten)]
    step: &'a Step,
    #[serde(serialize_with = "serialize_attributes")]
    before: &'a Attributes,
    #[serde(skip_serializing_if = "Option::is_none")]
    last_change: &'a Option<LastChange>,
}

impl Serialize for Proposed {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Proposed { step, before, last_change } = self;
        Written { sign: Sign::of(step).as_char(), step, before, last_change }.serialize(serializer)
    }
}

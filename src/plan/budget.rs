//! How much a run may do: what is planned, counted, against what the operator allows.
//!
//! Not the last look at single changes; that is [`super::guard()`]. Invariant: nothing is allowed by rounding alone but
//! the first of a percentage above zero, without which a small directory could never delete anybody.

use std::collections::HashSet;
use std::fmt;
use std::str::FromStr;

use super::Reason;
use super::proposal::{Census, Proposal, Proposed};
use super::render::{Amount, grouped};
use crate::directory::{Action, AttributeName, Change, Dn, Modification, Value};

/// Why a text is no limit.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LimitError {
    /// It is no number at all.
    #[error("{0:?} is neither a number such as 20 nor a percentage such as 5%")]
    NoNumber(String),
    /// It is more than everything.
    #[error("{0:?} is more than everything: write 100% for no limit")]
    TooMuch(String),
}

/// How much of something is allowed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Limit {
    /// So many.
    Number(u64),
    /// So many of a hundred, 0 to 100.
    Percent(u32),
}

impl Limit {
    /// How many are allowed where there are `total`. A percentage is rounded up, and above zero it allows one at least.
    pub fn allows(self, total: u64) -> u64 {
        match self {
            Limit::Number(number) => number,
            Limit::Percent(0) => 0,
            // No limit: what is counted may be more than what is managed, such as members of several lists.
            Limit::Percent(100..) => u64::MAX,
            Limit::Percent(percent) => {
                let share = (u128::from(total) * u128::from(percent)).div_ceil(100);
                u64::try_from(share).unwrap_or(u64::MAX).max(1)
            }
        }
    }
}

impl FromStr for Limit {
    type Err = LimitError;

    fn from_str(text: &str) -> Result<Limit, LimitError> {
        let trimmed = text.trim();
        let is_number = |digits: &str| !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
        let no_number = || LimitError::NoNumber(text.to_owned());
        match trimmed.strip_suffix('%').map(str::trim_end) {
            // More digits than can be counted with are more than everything.
            Some(digits) if is_number(digits) => match digits.parse() {
                Ok(percent @ 0..=100) => Ok(Limit::Percent(percent)),
                _ => Err(LimitError::TooMuch(text.to_owned())),
            },
            None if is_number(trimmed) => trimmed.parse().map(Limit::Number).map_err(|_| no_number()),
            _ => Err(no_number()),
        }
    }
}

impl fmt::Display for Limit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Limit::Number(number) => write!(f, "{number}"),
            Limit::Percent(percent) => write!(f, "{percent}%"),
        }
    }
}

/// What one run may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Budgets {
    /// Entries that are deleted; a percentage is of all resources.
    pub max_deletes: Limit,
    /// Users who are disabled; a percentage is of all users.
    pub max_disables: Limit,
    /// Resources for which anything is changed; a percentage is of all resources.
    pub max_changes: Limit,
    /// Members who are taken out of groups; a percentage is of all memberships.
    pub max_member_removals: Limit,
    /// Linked entries that a search may miss; a percentage is of all resources.
    pub max_missing: Limit,
}

impl Default for Budgets {
    fn default() -> Budgets {
        Budgets {
            max_deletes: Limit::Percent(5),
            max_disables: Limit::Percent(10),
            max_changes: Limit::Percent(50),
            max_member_removals: Limit::Percent(10),
            max_missing: Limit::Percent(5),
        }
    }
}

/// What of a run is limited.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Budget {
    /// Deletes of entries.
    Deletes,
    /// Users who are disabled.
    Disables,
    /// Resources for which anything is changed.
    Changes,
    /// Members who are taken out of groups.
    MemberRemovals,
    /// Linked entries that a search missed.
    Missing,
}

impl Budget {
    /// The setting that limits it.
    pub fn setting(self) -> &'static str {
        match self {
            Budget::Deletes => "reconcile.max_deletes",
            Budget::Disables => "reconcile.max_disables",
            Budget::Changes => "reconcile.max_changes",
            Budget::MemberRemovals => "reconcile.max_member_removals",
            Budget::Missing => "reconcile.max_missing",
        }
    }

    /// The flag of the command that sets it for once.
    pub fn flag(self) -> &'static str {
        match self {
            Budget::Deletes => "--max-deletes",
            Budget::Disables => "--max-disables",
            Budget::Changes => "--max-changes",
            Budget::MemberRemovals => "--max-member-removals",
            Budget::Missing => "--max-missing",
        }
    }

    /// What is counted: one, and several.
    fn nouns(self) -> (&'static str, &'static str) {
        match self {
            Budget::Deletes => ("delete", "deletes"),
            Budget::Disables => ("user to disable", "users to disable"),
            Budget::Changes => ("resource to change", "resources to change"),
            Budget::MemberRemovals => ("member to take out", "members to take out"),
            Budget::Missing => ("linked entry that was not found", "linked entries that were not found"),
        }
    }
}

/// More than is allowed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Excess {
    /// Of what.
    pub budget: Budget,
    /// How many are planned, or were missed.
    pub planned: u64,
    /// How many are allowed.
    pub allowed: u64,
    /// What the operator said.
    pub limit: Limit,
    /// What a percentage is of.
    pub total: u64,
}

impl fmt::Display for Excess {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (one, several) = self.budget.nouns();
        write!(f, "{}, and {} = {}", Amount(self.planned, one, several), self.budget.setting(), self.limit)?;
        if let Limit::Percent(_) = self.limit {
            write!(f, " of {}", grouped(self.total))?;
        }
        write!(f, " allows {}", grouped(self.allowed))
    }
}

/// What is planned, counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Resources for which anything is done.
    pub resources: u64,
    /// Resources for which something cannot be done.
    pub problems: u64,
    /// Entries that are touched; one that is renamed is one.
    pub entries: u64,
    /// Entries that are created.
    pub adds: u64,
    /// Modifies of entries.
    pub modifies: u64,
    /// Entries that are renamed or moved.
    pub renames: u64,
    /// Entries that are deleted.
    pub deletes: u64,
    /// Resources that are kept out.
    pub disables: u64,
    /// Members who join groups: values, of each list.
    pub member_adds: u64,
    /// Members who leave groups: values, of each list.
    pub member_removals: u64,
}

impl Tally {
    /// Counts what a proposal would do. The placeholder is the DN that stands in for "no members", and is no member.
    pub fn of(proposal: &Proposal, placeholder: Option<&Dn>) -> Tally {
        let mut tally = Tally::default();
        let (mut touched, mut outcomes) = (HashSet::new(), HashSet::new());
        let (mut changed, mut kept_out) = (HashSet::new(), HashSet::new());
        for item in &proposal.items {
            // One resource may have several items, as when changes are taken back one by one.
            let id = item.subject.id.as_str();
            let disables = |proposed: &Proposed| proposed.step.reason == Reason::Disabled;
            tally.resources += u64::from(!item.steps.is_empty() && (id.is_empty() || changed.insert(id)));
            tally.disables += u64::from(item.steps.iter().any(disables) && (id.is_empty() || kept_out.insert(id)));
            tally.problems += u64::from(item.problem.is_some());
            for proposed in &item.steps {
                let dn = proposed.step.change.dn();
                let normalized = dn.normalized();
                if !outcomes.contains(&normalized) && touched.insert(normalized) {
                    tally.entries += 1;
                }
                if let Change::Rename { new_rdn, new_parent, .. } = &proposed.step.change {
                    let parent = new_parent.clone().or_else(|| dn.parent()).unwrap_or_default();
                    outcomes.insert(parent.child(new_rdn.clone()).normalized());
                }
                tally.count_step(proposed, placeholder);
            }
        }
        tally
    }

    fn count_step(&mut self, proposed: &Proposed, placeholder: Option<&Dn>) {
        match &proposed.step.change {
            Change::Add { .. } => self.adds += 1,
            Change::Rename { .. } => self.renames += 1,
            Change::Delete { .. } => self.deletes += 1,
            Change::Modify { modifications, .. } => {
                self.modifies += 1;
                if proposed.step.reason == Reason::Members {
                    modifications.iter().for_each(|one| self.count_members(one, proposed, placeholder));
                }
            }
        }
    }

    fn count_members(&mut self, modification: &Modification, proposed: &Proposed, placeholder: Option<&Dn>) {
        let Modification { attribute, action, values } = modification;
        let before = values_of(proposed, attribute);
        let count = |values: &mut dyn Iterator<Item = &Value>| {
            values.filter(|value| !is_placeholder(value, placeholder)).count() as u64
        };
        match action {
            Action::Add => self.member_adds += count(&mut values.iter()),
            // RFC 4511 §4.6: a delete without values is one of them all.
            Action::Delete if values.is_empty() => self.member_removals += count(&mut before.iter()),
            Action::Delete => self.member_removals += count(&mut values.iter()),
            Action::Replace => {
                let (old, new): (HashSet<&Value>, HashSet<&Value>) = (before.iter().collect(), values.iter().collect());
                self.member_adds += count(&mut new.difference(&old).copied());
                self.member_removals += count(&mut old.difference(&new).copied());
            }
        }
    }
}

fn values_of<'a>(proposed: &'a Proposed, attribute: &AttributeName) -> &'a [Value] {
    proposed.before.get(attribute).map(Vec::as_slice).unwrap_or_default()
}

fn is_placeholder(value: &Value, placeholder: Option<&Dn>) -> bool {
    let dn = placeholder.and(value.as_str()).and_then(|text| text.parse::<Dn>().ok());
    dn.is_some() && dn.as_ref() == placeholder
}

/// Where more is planned than is allowed.
pub fn excesses(tally: &Tally, census: &Census, budgets: &Budgets) -> Vec<Excess> {
    let judged = [
        (Budget::Deletes, tally.deletes, budgets.max_deletes, census.resources()),
        (Budget::Disables, tally.disables, budgets.max_disables, census.users),
        (Budget::Changes, tally.resources, budgets.max_changes, census.resources()),
        (Budget::MemberRemovals, tally.member_removals, budgets.max_member_removals, census.memberships),
    ];
    judged.into_iter().filter_map(|(budget, planned, limit, total)| excess(budget, planned, limit, total)).collect()
}

/// Whether a search missed more of the linked entries than is allowed.
pub fn missing_excess(missing: u64, census: &Census, budgets: &Budgets) -> Option<Excess> {
    excess(Budget::Missing, missing, budgets.max_missing, census.resources())
}

fn excess(budget: Budget, planned: u64, limit: Limit, total: u64) -> Option<Excess> {
    let allowed = limit.allows(total);
    (planned > allowed).then_some(Excess { budget, planned, allowed, limit, total })
}

#[cfg(test)]
mod tests;

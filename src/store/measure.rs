//! What is told of the whole: how much is pending, and how reconciliations ended.

use serde::{Deserialize, Serialize};

/// What is wanted and not settled.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Backlog {
    /// Of how many resources.
    pub resources: u64,
    /// Since when the oldest of it is wanted, RFC 3339, UTC. `None` when nothing is, or when nobody asked for what is, such
    /// as what an entry that was moved by hand has others follow.
    pub oldest: Option<String>,
}

/// How a reconciliation ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Conclusion {
    /// All is as wanted.
    Done,
    /// Some of it could not be done.
    Incomplete,
    /// It was more than is allowed, and nothing was done.
    Refused,
    /// The directory and what is wanted could not be compared.
    Failed,
}

impl Conclusion {
    const ALL: [Conclusion; 4] = [Conclusion::Done, Conclusion::Incomplete, Conclusion::Refused, Conclusion::Failed];

    /// As it is written.
    pub fn as_str(self) -> &'static str {
        match self {
            Conclusion::Done => "done",
            Conclusion::Incomplete => "incomplete",
            Conclusion::Refused => "refused",
            Conclusion::Failed => "failed",
        }
    }

    /// The conclusion that is written so.
    pub fn named(text: &str) -> Option<Conclusion> {
        Conclusion::ALL.into_iter().find(|conclusion| conclusion.as_str() == text)
    }
}

/// What of the directory was not as wanted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Drift {
    /// For how many resources something was to be done, or could not be.
    pub resources: u64,
    /// Entries to add.
    pub adds: u64,
    /// Modifies to make.
    pub modifies: u64,
    /// Entries to rename or move.
    pub renames: u64,
    /// Entries to delete.
    pub deletes: u64,
}

/// A reconciliation of everything that has ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reconciled {
    /// How.
    pub conclusion: Conclusion,
    /// When it began, RFC 3339, UTC.
    pub started: String,
    /// When it ended.
    pub finished: String,
    /// What it found; `None` when it did not come to compare.
    pub drift: Option<Drift>,
}

impl Reconciled {
    /// Whether it left all as wanted.
    pub fn is_success(&self) -> bool {
        self.conclusion == Conclusion::Done
    }
}

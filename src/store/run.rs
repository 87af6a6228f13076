//! Runs, and the changes that they made.

use std::fmt;

use crate::directory::Change;
use crate::scim::ResourceId;

/// What an operator names a run by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RunId(pub i64);

impl fmt::Display for RunId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(formatter)
    }
}

/// Why a run came to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// A request of a client.
    Push,
    /// Work that was left over, done without anybody waiting.
    Background,
    /// An operator's `reconcile`.
    Reconcile,
    /// An operator's `undo` of another run.
    Undo,
}

impl Origin {
    const ALL: [Origin; 4] = [Origin::Push, Origin::Background, Origin::Reconcile, Origin::Undo];

    /// As it is written.
    pub fn as_str(self) -> &'static str {
        match self {
            Origin::Push => "push",
            Origin::Background => "background",
            Origin::Reconcile => "reconcile",
            Origin::Undo => "undo",
        }
    }

    /// The origin that is written so.
    pub fn named(text: &str) -> Option<Origin> {
        Origin::ALL.into_iter().find(|origin| origin.as_str() == text)
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

/// Whose request a run answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Requester {
    /// The name of the token or client that it came with.
    pub token: String,
    /// Where it came from.
    pub address: String,
    /// Under which id the log speaks of it.
    pub request: String,
}

/// A run that begins.
#[derive(Clone, Debug)]
pub struct NewRun {
    /// Why it came to be.
    pub origin: Origin,
    /// One line for people, such as `PATCH User 2819c223 ada@contoso.com`.
    pub what: String,
    /// The present time, RFC 3339, UTC.
    pub started: String,
    /// The run that it turns around.
    pub undoes: Option<RunId>,
    /// Whose request it answers; `None` when it answers none.
    pub requester: Option<Requester>,
}

/// A run, going on or past.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RunRecord {
    /// Its id.
    pub id: RunId,
    /// Why it came to be.
    pub origin: Origin,
    /// One line for people.
    pub what: String,
    /// When it started, RFC 3339, UTC.
    pub started: String,
    /// When it ended; `None` while it goes on, and for ever when it was cut off.
    pub finished: Option<String>,
    /// How it ended, one line for people.
    pub outcome: Option<String>,
    /// The run that it turns around.
    pub undoes: Option<RunId>,
    /// Whose request it answers; `None` when it answers none.
    pub requester: Option<Requester>,
    /// How many changes it noted and did not strike.
    pub changes: u64,
    /// How many of them were undone since.
    pub undone: u64,
}

/// A change that a run makes, and its reverse.
#[derive(Clone, Debug, PartialEq)]
pub struct NotedChange {
    /// For which resource.
    pub resource: Option<ResourceId>,
    /// Why, as plans say it.
    pub reason: String,
    /// The change.
    pub change: Change,
    /// What undoes it, in that order.
    pub reverse: Vec<Change>,
    /// What cannot be undone, for people.
    pub lost: Option<String>,
}

//! Runs, the changes that they made, and what became of them: what was done, and how it is undone.

use std::fmt;

use crate::directory::{Change, Dn};
use crate::scim::{Kind, ResourceId};

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

/// What a client asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verb {
    /// POST.
    Create,
    /// PUT.
    Replace,
    /// PATCH.
    Patch,
    /// DELETE.
    Delete,
}

impl Verb {
    const ALL: [Verb; 4] = [Verb::Create, Verb::Replace, Verb::Patch, Verb::Delete];

    /// As it is written.
    pub fn as_str(self) -> &'static str {
        match self {
            Verb::Create => "create",
            Verb::Replace => "replace",
            Verb::Patch => "patch",
            Verb::Delete => "delete",
        }
    }

    /// The verb that is written so.
    pub fn named(text: &str) -> Option<Verb> {
        Verb::ALL.into_iter().find(|verb| verb.as_str() == text)
    }
}

/// The one resource that a run is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct About {
    /// What a client asks for; `None`: nobody asks, it is settled.
    pub verb: Option<Verb>,
    /// The kind of the resource.
    pub kind: Kind,
    /// Its id; `None` of one that never got one.
    pub id: Option<ResourceId>,
    /// Its `userName` or `displayName` before the run, as far as it is known.
    pub name: Option<String>,
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
    /// The resource that it is about, if it is about one.
    pub about: Option<About>,
    /// The present time, RFC 3339, UTC.
    pub started: String,
    /// The run that it turns around.
    pub undoes: Option<RunId>,
    /// Whose request it answers; `None` when it answers none.
    pub requester: Option<Requester>,
}

/// How a run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// The directory is as was asked for.
    Done,
    /// It cannot be so as it was asked for.
    Refused,
    /// It may be so later.
    PutOff,
    /// An operator must act first, or it is a failure of ours.
    Failed,
}

impl Ending {
    const ALL: [Ending; 4] = [Ending::Done, Ending::Refused, Ending::PutOff, Ending::Failed];

    /// As it is written.
    pub fn as_str(self) -> &'static str {
        match self {
            Ending::Done => "done",
            Ending::Refused => "refused",
            Ending::PutOff => "put off",
            Ending::Failed => "failed",
        }
    }

    /// The ending that is written so.
    pub fn named(text: &str) -> Option<Ending> {
        Ending::ALL.into_iter().find(|ending| ending.as_str() == text)
    }
}

/// What became of a run when it ends.
#[derive(Clone, Debug)]
pub struct RunEnd {
    /// How it ended.
    pub ending: Ending,
    /// The status that a client is told; `None` where nobody is, or all is well.
    pub status: Option<u16>,
    /// One line for people: how much was done, or why not.
    pub outcome: Option<String>,
    /// The present time, RFC 3339, UTC.
    pub finished: String,
    /// How long it took.
    pub milliseconds: u64,
}

/// Where a run stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// It goes on.
    UnderWay,
    /// Its process ended before it did.
    CutOff,
    /// It ended.
    Ended(Ending),
}

impl Standing {
    /// As it is written.
    pub fn as_str(self) -> &'static str {
        match self {
            Standing::UnderWay => "under way",
            Standing::CutOff => "cut off",
            Standing::Ended(ending) => ending.as_str(),
        }
    }
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
    /// The resource that it is about, if it is about one.
    pub about: Option<About>,
    /// When it started, RFC 3339, UTC.
    pub started: String,
    /// When it ended; `None` while it goes on, and for ever when it was cut off.
    pub finished: Option<String>,
    /// Where it stands.
    pub standing: Standing,
    /// The status that a client was told; `None` where nobody was, or all is well.
    pub status: Option<u16>,
    /// How it ended, one line for people.
    pub outcome: Option<String>,
    /// How long it took.
    pub milliseconds: Option<u64>,
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

/// A change as the log tells of it.
#[derive(Clone, Debug, PartialEq)]
pub struct LoggedChange {
    /// Its place in the run, which counts up.
    pub position: i64,
    /// The change, with its reverse.
    pub noted: NotedChange,
    /// Whether an undo has turned it around since.
    pub undone: bool,
}

/// Which runs are asked for: those that fulfil all that is said.
#[derive(Clone, Debug, Default)]
pub struct RunFilter {
    /// About this resource, or with a change for it.
    pub subject: Option<RunSubject>,
    /// With a change of the entry of that name, or one that gave it the name.
    pub dn: Option<Dn>,
    /// Those that have not ended well.
    pub troubled: bool,
    /// Those that have changed something in the directory.
    pub changed: bool,
    /// Those that are not ended, cut off ones too.
    pub open: bool,
    /// Started at that time or after it, RFC 3339, UTC.
    pub since: Option<String>,
    /// That came with the token of that name.
    pub token: Option<String>,
    /// That came to be for that.
    pub origin: Option<Origin>,
    /// That answer the request of that id.
    pub request: Option<String>,
    /// With a higher number.
    pub after: Option<RunId>,
}

/// A resource as people know it, now or before.
#[derive(Clone, Debug, Default)]
pub struct RunSubject {
    /// The ids that it may have.
    pub ids: Vec<ResourceId>,
    /// The names that a run may have known it by, and the kind that has them: one that was never made has no id.
    pub name: Option<(Kind, String)>,
}

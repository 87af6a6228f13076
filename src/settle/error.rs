//! Why a write did not succeed, by whose fault it is.

use crate::directory::{AttributeName, Dn, NumberRange};
use crate::ldap;
use crate::mapping::AttributeRule;
use crate::plan::{Excess, Refusal};
use crate::scim::{self, Kind, ResourceId, ScimType};
use crate::settle::explained;
use crate::store::{self, Ending};

/// A write that did not succeed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The client's: the request cannot succeed as it is.
    #[error(transparent)]
    Invalid(#[from] scim::Error),
    /// The client's: there is no such resource.
    #[error("there is no resource {0}")]
    NotFound(ResourceId),
    /// The client's: the resource has changed since it looked.
    #[error("resource {id} is at version {settled}, which is not what the request demands: read it again")]
    OtherVersion {
        /// The resource.
        id: ResourceId,
        /// Its version.
        settled: i64,
    },
    /// The resource's: the directory will not hold it.
    #[error("{detail}")]
    Refused {
        /// Which attribute, and what the directory says.
        detail: String,
        /// The directory's answer.
        #[source]
        source: ldap::Error,
    },
    /// The resource's: its name or entry is taken.
    #[error("{0}")]
    Conflict(String),
    /// The directory's: it is away, or answers that it will not work.
    #[error("the directory does not do what was asked")]
    Directory(#[source] ldap::Error),
    /// The operator's: the directory is not as configured.
    #[error("{detail}")]
    Operator {
        /// What is wrong and what to do.
        detail: String,
        /// The directory's answer.
        #[source]
        source: ldap::Error,
    },
    /// The operator's: somebody moved a resource's entry where the bridge must not reach.
    #[error("the entry {dn} belongs here and is not below {base}: move it back, or delete it")]
    Misplaced {
        /// Where it is.
        dn: Dn,
        /// Where it should be.
        base: Dn,
    },
    /// The operator's: the map does not fit a user any more, who is disabled and kept out all the same.
    #[error("the user is kept out, and nothing else of the entry can be changed")]
    Unfit(#[source] Box<Error>),
    /// The entry is as wanted, and what refers to it is not all seen to.
    #[error("the entry is renamed or deleted, but what refers to it has not all followed yet")]
    Unfinished(#[source] Box<Error>),
    /// An earlier change of the same resource must be made first, and cannot be now.
    #[error("an earlier change of the same resource is still pending, and this one is not kept")]
    Waiting(#[source] Box<Error>),
    /// The operator's: there is no number left for a new entry.
    #[error("all numbers from {range} of {attribute} have been given out: widen its allocate range")]
    Exhausted {
        /// What the numbers are for.
        attribute: AttributeName,
        /// Those that may be given.
        range: NumberRange,
    },
    /// Ours: a password could not be hashed.
    #[error("the system has no randomness or memory to give")]
    NoHash,
    /// Ours: a plan reached beyond its base.
    #[error("a change was stopped before it was made")]
    Guard(#[from] Refusal),
    /// The directory's: it is not as it was when the plan was made, and what it would need now was not shown.
    #[error("{dn} is not as it was when the plan was made: what it would need now was not shown, and is not done")]
    Unplanned {
        /// The entry that would have been changed.
        dn: Dn,
    },
    /// Somebody has changed an entry since, so that what was done to it cannot be taken back.
    #[error("{dn} is not as the run has left it, and stays as it is")]
    Touched {
        /// The entry.
        dn: Dn,
        /// The directory's answer.
        #[source]
        source: ldap::Error,
    },
    /// An entry that is to be taken away again has something that others have given to it since.
    #[error("{dn} has got more {attribute} since it was added, and stays as it is")]
    Grown {
        /// The entry.
        dn: Dn,
        /// What it has got.
        attribute: AttributeName,
    },
    /// The operator's: there is no such entry to look at.
    #[error("the directory has no entry {0}, or does not show it")]
    NoEntry(Dn),
    /// The directory's, or the operator's: so many entries are not seen that the search is not to be believed.
    #[error(
        "{} linked {} not among the {seen} entries that the directory shows, and {} = {} allows {}: nothing is done",
        .excess.planned,
        if *.kind == Kind::User { "users are" } else { "groups are" },
        .excess.budget.setting(),
        .excess.limit,
        .excess.allowed
    )]
    Shrunken {
        /// Of which kind those are that are not seen.
        kind: Kind,
        /// How many entries are.
        seen: u64,
        /// How many are not, and how many may be.
        excess: Box<Excess>,
    },
    /// The store's.
    #[error("the store does not do what was asked")]
    Store(#[from] store::Error),
    /// Another write of the same resource takes too long.
    #[error("another change of the same resource is still under way")]
    Busy,
    /// The service is about to end.
    #[error("the service is stopping")]
    Stopping,
}

/// What a client is told of a failure.
#[derive(Clone, Debug, PartialEq)]
pub enum Verdict {
    /// The request cannot succeed as it is.
    Refused(scim::Error),
    /// There is no such resource.
    NotFound(ResourceId),
    /// The resource is not at the version that the client demands.
    OtherVersion(String),
    /// It may succeed later, unchanged.
    Later(String),
    /// The operator must act first.
    Operator(String),
    /// A failure of ours, which the log tells.
    Internal,
}

impl Verdict {
    /// The status of the answer that says so (RFC 7644 §3.12).
    pub fn status(&self) -> u16 {
        match self {
            Verdict::Refused(error) if error.scim_type == ScimType::Uniqueness => 409,
            Verdict::Refused(_) => 400,
            Verdict::NotFound(_) => 404,
            Verdict::OtherVersion(_) => 412,
            Verdict::Later(_) => 503,
            Verdict::Operator(_) | Verdict::Internal => 500,
        }
    }
}

impl Error {
    /// How a write ended that failed so, as the log keeps it: what a client is told where it is the client's fault, and
    /// otherwise all that is known.
    pub(super) fn told(&self) -> (Ending, u16, String) {
        let verdict = self.verdict();
        let (ending, detail) = match &verdict {
            Verdict::Refused(error) => (Ending::Refused, error.detail.clone()),
            Verdict::NotFound(_) | Verdict::OtherVersion(_) => (Ending::Refused, self.to_string()),
            Verdict::Later(_) => (Ending::PutOff, explained(self)),
            Verdict::Operator(_) | Verdict::Internal => (Ending::Failed, explained(self)),
        };
        (ending, verdict.status(), detail)
    }

    /// Whether what is wanted is given up. Only where the client or the resource is at fault: whatever an
    /// operator has to put right first, such as a missing right, must not cost the disabling of a leaver.
    pub(super) fn gives_up(&self) -> bool {
        match self {
            Error::Invalid(_) | Error::NotFound(_) | Error::OtherVersion { .. } => true,
            Error::Refused { .. } | Error::Conflict(_) | Error::Guard(_) => true,
            Error::Store(error) => matches!(error, store::Error::Taken { .. }),
            Error::Directory(error) => error.fault() == ldap::Fault::Refused,
            Error::Operator { .. } | Error::Misplaced { .. } | Error::Unfinished(_) | Error::Waiting(_) => false,
            Error::Exhausted { .. } | Error::Unfit(_) | Error::NoHash | Error::Unplanned { .. } => false,
            Error::Busy | Error::Stopping | Error::NoEntry(_) | Error::Shrunken { .. } => false,
            Error::Touched { .. } | Error::Grown { .. } => false,
        }
    }

    /// Whether a creation is given up: what an operator must put right first, Entra asks for again, and
    /// nobody loses anything meanwhile.
    pub(super) fn gives_up_creation(&self) -> bool {
        match self {
            Error::Operator { .. } | Error::Exhausted { .. } => true,
            Error::Directory(error) => error.fault() != ldap::Fault::Passing,
            other => other.gives_up(),
        }
    }

    /// What a client is told, by whose fault it is.
    pub fn verdict(&self) -> Verdict {
        let refused = |scim_type, detail: &str| Verdict::Refused(scim::Error::new(scim_type, detail));
        match self {
            Error::Invalid(error) => Verdict::Refused(error.clone()),
            Error::Refused { detail, .. } => refused(ScimType::InvalidValue, detail),
            Error::Conflict(detail) => refused(ScimType::Uniqueness, detail),
            Error::Store(error @ store::Error::Taken { .. }) => refused(ScimType::Uniqueness, &error.to_string()),
            Error::NotFound(id) => Verdict::NotFound(id.clone()),
            Error::OtherVersion { .. } => Verdict::OtherVersion(self.to_string()),
            Error::Directory(error) => match error.fault() {
                ldap::Fault::Passing if error.is_out_of_reach() => Verdict::Later(
                    "scimbridge cannot reach the directory or log in to it, and its log says why; the change is kept and \
                     will be made when it can"
                        .to_owned(),
                ),
                ldap::Fault::Passing => Verdict::Later(
                    "the directory is busy or does not answer in time; the change is kept and will be made when it does"
                        .to_owned(),
                ),
                // Looked at again and again, and still not as seen: the bridge does not see all of it.
                ldap::Fault::Moved => Verdict::Operator(format!(
                    "{error}: the entry is not as the bridge sees it; may its identity read every mapped attribute?"
                )),
                ldap::Fault::Refused => refused(ScimType::InvalidValue, &error.to_string()),
                ldap::Fault::Forbidden | ldap::Fault::Truncated => Verdict::Operator(error.to_string()),
            },
            Error::Operator { detail, .. } => Verdict::Operator(detail.clone()),
            Error::Misplaced { .. } | Error::Exhausted { .. } | Error::Unplanned { .. } => {
                Verdict::Operator(self.to_string())
            }
            Error::NoEntry(_) | Error::Shrunken { .. } | Error::Touched { .. } | Error::Grown { .. } => {
                Verdict::Operator(self.to_string())
            }
            Error::Unfit(cause) => Verdict::Operator(format!("{self}: {cause}")),
            Error::Unfinished(cause) => Verdict::Later(format!("{self}: {cause}; it goes on in the background")),
            Error::Busy | Error::Stopping | Error::Waiting(_) => Verdict::Later(format!("{self}; try again")),
            Error::Guard(_) | Error::Store(_) | Error::NoHash => Verdict::Internal,
        }
    }

    /// Whether the same write may succeed later with nobody's help.
    pub(super) fn is_passing(&self) -> bool {
        match self {
            Error::Directory(error) => error.fault() == ldap::Fault::Passing,
            Error::Store(error) => matches!(error, store::Error::Access { .. }),
            Error::Unfinished(cause) => cause.is_passing(),
            Error::Busy | Error::Stopping | Error::Waiting(_) => true,
            _ => false,
        }
    }

    /// Whether there is no use in trying another resource now.
    pub fn is_outage(&self) -> bool {
        match self {
            Error::Directory(error) => error.is_out_of_reach(),
            Error::Store(error) => matches!(error, store::Error::Access { .. }),
            Error::Unfinished(cause) | Error::Waiting(cause) => cause.is_outage(),
            Error::Stopping => true,
            _ => false,
        }
    }

    pub(super) fn conflict(detail: impl Into<String>) -> Error {
        Error::Conflict(detail.into())
    }

    pub(super) fn missing_base(setting: &str, base: &Dn, source: ldap::Error) -> Error {
        let detail = format!("the directory has no entry {base}, which {setting} names, or the bridge may not see it");
        Error::Operator { detail, source }
    }
}

impl From<ldap::Error> for Error {
    fn from(error: ldap::Error) -> Error {
        Error::Directory(error)
    }
}

/// Several reasons why a resource cannot be an entry, as one error.
pub(super) fn unmappable(problems: Vec<scim::Error>) -> Error {
    let otherwise = || scim::Error::new(ScimType::InvalidValue, "the resource cannot be mapped to an entry");
    Error::Invalid(scim::Error::all(problems).unwrap_or_else(otherwise))
}

/// A refusal by the directory, with the SCIM attribute that it is about where its text names one.
///
/// The text is for people: what is done about a refusal does not depend on it.
pub(super) fn refused(rules: &[AttributeRule], error: ldap::Error) -> Error {
    let text = error.to_string();
    let said: Vec<&str> = error.text().split(|c: char| !c.is_ascii_alphanumeric() && !"-;".contains(c)).collect();
    let named = |rule: &&AttributeRule| said.iter().any(|word| word.eq_ignore_ascii_case(rule.ldap.as_str()));
    let detail = match rules.iter().find(named) {
        Some(rule) => format!("{} cannot be kept in the LDAP attribute {}: {text}", rule.source, rule.ldap),
        None => text,
    };
    Error::Refused { detail, source: error }
}

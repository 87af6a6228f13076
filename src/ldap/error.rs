//! What can go wrong with the directory, and what each thing means for the program.

use ldap3::{LdapError, LdapResult};

use super::tls::{self, TlsFault};
use crate::directory::dn::DnError;
use crate::directory::{AttributeName, Dn};

/// A failure of the directory or on the way to it.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// No server could be reached.
    #[error("cannot connect to {url}")]
    Connect {
        /// The last server tried.
        url: String,
        /// What went wrong.
        #[source]
        source: Box<LdapError>,
    },
    /// No connection is attempted so soon after the last one failed.
    #[error("the directory was away a moment ago; the next attempt to connect is in {} ms", .retry_in.as_millis())]
    Away {
        /// When the next attempt is made.
        retry_in: std::time::Duration,
    },
    /// The server does not accept the bridge's own credentials.
    #[error("{url} refuses to bind {bind_dn:?}: {}", describe(*.code, .text))]
    Bind {
        /// The server.
        url: String,
        /// As whom.
        bind_dn: String,
        /// The LDAP result code.
        code: u32,
        /// What the server says.
        text: String,
    },
    /// The certificates to trust cannot be used.
    #[error("cannot prepare TLS: {reason}")]
    Tls {
        /// Why.
        reason: String,
    },
    /// The connection was lost or the time was up before the server answered.
    #[error("no answer from the directory to: {attempt} {dn}")]
    Interrupted {
        /// The operation.
        attempt: &'static str,
        /// Its entry.
        dn: Dn,
        /// What went wrong.
        #[source]
        source: Box<LdapError>,
    },
    /// The server answered that it did not do it.
    #[error("the directory refuses: {attempt} {dn}: {}", describe(*.code, .text))]
    Answer {
        /// The operation.
        attempt: &'static str,
        /// Its entry.
        dn: Dn,
        /// The LDAP result code (RFC 4511 appendix A).
        code: u32,
        /// What the server says.
        text: String,
    },
    /// The server made a change that it was only asked about.
    #[error("the directory did what it was only asked about: {attempt} {dn}")]
    CarriedOut {
        /// The operation.
        attempt: &'static str,
        /// Its entry.
        dn: Dn,
    },
    /// The server cannot be asked about a change without making it: the entry that it would be a twin of is not shown.
    #[error("the entry {dn} does not show all that a new one would have")]
    Unasked {
        /// The entry.
        dn: Dn,
    },
    /// The server does not say what it is.
    #[error("the directory does not show its root DSE and subschema to the bridge's identity")]
    NoRootDse,
    /// A new entry has no anchor.
    #[error("the entry {dn} has no {attribute}")]
    NoAnchor {
        /// The entry.
        dn: Dn,
        /// The attribute that should identify it.
        attribute: AttributeName,
    },
    /// A search was given up before it came to its end.
    #[error("the search below {dn} broke off")]
    BrokenOff {
        /// Where it began.
        dn: Dn,
    },
    /// The server sent a name that is no DN.
    #[error("the directory sent a name that cannot be read")]
    UnreadableDn(#[source] DnError),
}

/// What the program does about a failure. Decided from result codes, never from text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The entry is not as it was seen: look again, plan again.
    Moved,
    /// It may work later, unchanged.
    Passing,
    /// The server will not hold this: report it on the resource.
    Refused,
    /// The bridge lacks a right, or the directory is not as configured: the operator must act.
    Forbidden,
    /// The answer is not complete: nothing may be concluded from what is missing.
    Truncated,
}

impl Error {
    pub(super) fn answer(attempt: &'static str, dn: &Dn, result: LdapResult) -> Error {
        Error::Answer { attempt, dn: dn.clone(), code: result.rc, text: result.text }
    }

    /// What the program does about it.
    pub fn fault(&self) -> Fault {
        match self {
            // The bridge's own credentials are refused: an outage that the operator ends. What is wanted
            // meanwhile, such as the disabling of a leaver, must not be dropped.
            Error::Connect { .. } | Error::Bind { .. } | Error::Away { .. } | Error::Interrupted { .. } => {
                Fault::Passing
            }
            Error::Answer { code, .. } => fault_of_code(*code),
            Error::BrokenOff { .. } => Fault::Truncated,
            Error::Tls { .. }
            | Error::CarriedOut { .. }
            | Error::Unasked { .. }
            | Error::NoRootDse
            | Error::NoAnchor { .. }
            | Error::UnreadableDn(_) => Fault::Forbidden,
        }
    }

    /// Whether the server did not answer in time.
    pub fn is_timeout(&self) -> bool {
        matches!(self, Error::Interrupted { source, .. } if matches!(**source, LdapError::Timeout { .. }))
    }

    /// Whether the connection broke in the middle of an operation, so that another one may do.
    pub fn is_lost_connection(&self) -> bool {
        matches!(self, Error::Interrupted { source, .. } if !matches!(**source, LdapError::Timeout { .. }))
    }

    /// Whether no server can be reached or bound to.
    pub fn is_out_of_reach(&self) -> bool {
        matches!(self, Error::Connect { .. } | Error::Bind { .. } | Error::Away { .. })
    }

    /// Whether the entry named does not exist.
    pub fn is_no_such_object(&self) -> bool {
        self.code() == Some(32)
    }

    /// Whether an entry of that name is there already.
    pub fn is_entry_already_exists(&self) -> bool {
        self.code() == Some(68)
    }

    /// Whether the classes of the entry demand what the change would take away.
    pub fn is_object_class_violation(&self) -> bool {
        self.code() == Some(65)
    }

    /// Whether a value to be added is there, or one to be deleted is not.
    pub fn is_already_so(&self) -> bool {
        matches!(self.code(), Some(16 | 20))
    }

    /// Whether the bridge's identity lacks a right.
    pub fn is_insufficient_access(&self) -> bool {
        matches!(self.code(), Some(8 | 50))
    }

    /// Whether the server refuses to write at all: it is a replica, or was told to be read-only.
    pub fn is_read_only(&self) -> bool {
        matches!(self.code(), Some(10 | 53))
    }

    /// Whether the server cannot be asked about a change: it does not know the control for that
    /// (unavailableCriticalExtension).
    pub fn is_unasked(&self) -> bool {
        self.code() == Some(12) || matches!(self, Error::Unasked { .. })
    }

    /// What is wrong with TLS, when no connection could be made for that.
    pub fn tls_fault(&self) -> Option<TlsFault> {
        match self {
            Error::Connect { url, source } => tls::fault(url, source),
            _ => None,
        }
    }

    /// What the server says beside the result code; for people alone.
    pub fn text(&self) -> &str {
        match self {
            Error::Answer { text, .. } => text,
            _ => "",
        }
    }

    fn code(&self) -> Option<u32> {
        match self {
            Error::Answer { code, .. } => Some(*code),
            _ => None,
        }
    }
}

fn fault_of_code(code: u32) -> Fault {
    match code {
        // noSuchAttribute, attributeOrValueExists, noSuchObject, entryAlreadyExists, assertionFailed
        16 | 20 | 32 | 68 | 122 => Fault::Moved,
        // timeLimitExceeded, busy, unavailable
        3 | 51 | 52 => Fault::Passing,
        // referral, sizeLimitExceeded, adminLimitExceeded
        4 | 10 | 11 => Fault::Truncated,
        // authMethodNotSupported, strongerAuthRequired, unavailableCriticalExtension,
        // confidentialityRequired, inappropriateAuthentication, invalidCredentials,
        // insufficientAccessRights
        7 | 8 | 12 | 13 | 48 | 49 | 50 => Fault::Forbidden,
        // inappropriateMatching, constraintViolation, invalidAttributeSyntax,
        // invalidDNSyntax, namingViolation, objectClassViolation,
        // notAllowedOnNonLeaf, notAllowedOnRDN, objectClassModsProhibited
        18 | 19 | 21 | 34 | 64..=67 | 69 => Fault::Refused,
        // operationsError, undefinedAttributeType, unwillingToPerform, other and the like: a map that
        // does not fit the schema, a full disk, a read-only directory, which no other value cures.
        _ => Fault::Forbidden,
    }
}

/// The result code by its name, with what the server adds.
fn describe(code: u32, text: &str) -> String {
    let separator = if text.is_empty() { "" } else { ": " };
    format!("{} ({code}){separator}{text}", name_of(code))
}

/// The name of a result code in RFC 4511 appendix A.
pub(super) fn name_of(code: u32) -> &'static str {
    match code {
        0 => "success",
        1 => "operationsError",
        2 => "protocolError",
        3 => "timeLimitExceeded",
        4 => "sizeLimitExceeded",
        5 => "compareFalse",
        6 => "compareTrue",
        10 => "referral",
        11 => "adminLimitExceeded",
        12 => "unavailableCriticalExtension",
        13 => "confidentialityRequired",
        16 => "noSuchAttribute",
        17 => "undefinedAttributeType",
        18 => "inappropriateMatching",
        19 => "constraintViolation",
        20 => "attributeOrValueExists",
        21 => "invalidAttributeSyntax",
        32 => "noSuchObject",
        34 => "invalidDNSyntax",
        48 => "inappropriateAuthentication",
        49 => "invalidCredentials",
        50 => "insufficientAccessRights",
        51 => "busy",
        52 => "unavailable",
        53 => "unwillingToPerform",
        64 => "namingViolation",
        65 => "objectClassViolation",
        66 => "notAllowedOnNonLeaf",
        67 => "notAllowedOnRDN",
        68 => "entryAlreadyExists",
        69 => "objectClassModsProhibited",
        80 => "other",
        _ => "result",
    }
}

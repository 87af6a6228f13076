//! What is counted of the directory: its answers, how long they took, and whether it is there.

use std::time::Duration;

use ldap3::result::{CompareResult, ExopResult, Result as Outcome, SearchResult};
use ldap3::{LdapError, LdapResult, ResultEntry, SearchStream};

use super::Error;
use super::error::name_of;
use super::password::SET_PASSWORD;
use super::pool::Handle;
use crate::telemetry::{self, Up};

/// What the server may answer.
pub(super) trait Answer {
    /// Its result; `None` for what comes before that.
    fn result(&self) -> Option<&LdapResult>;
}

impl Answer for LdapResult {
    fn result(&self) -> Option<&LdapResult> {
        Some(self)
    }
}

impl Answer for SearchResult {
    fn result(&self) -> Option<&LdapResult> {
        Some(&self.1)
    }
}

impl Answer for CompareResult {
    fn result(&self) -> Option<&LdapResult> {
        Some(&self.0)
    }
}

impl Answer for ExopResult {
    fn result(&self) -> Option<&LdapResult> {
        Some(&self.1)
    }
}

impl<'a, S, A> Answer for SearchStream<'a, S, A> {
    fn result(&self) -> Option<&LdapResult> {
        None
    }
}

impl Answer for Option<ResultEntry> {
    fn result(&self) -> Option<&LdapResult> {
        None
    }
}

/// An abandon has no answer (RFC 4511 §4.11).
impl Answer for () {
    fn result(&self) -> Option<&LdapResult> {
        None
    }
}

impl Handle {
    /// Counts the operation that was begun last, by what came of it.
    pub(super) fn count_outcome<T: Answer>(&self, attempt: &'static str, outcome: &Outcome<T>) {
        count(attempt, outcome, self.took());
    }

    /// Counts the operation that was begun last, by its result.
    pub(super) fn count(&self, attempt: &'static str, result: &LdapResult) {
        telemetry::count_ldap_operation(kind(attempt), name_of(result.rc), self.took());
    }
}

pub(super) fn count<T: Answer>(attempt: &'static str, outcome: &Outcome<T>, took: Duration) {
    let result = match outcome {
        Ok(answer) => answer.result().map(|result| name_of(result.rc)),
        Err(LdapError::Timeout { .. }) => Some("timeout"),
        Err(_) => Some("noAnswer"),
    };
    if let Some(result) = result {
        telemetry::note_ldap_up(if outcome.is_ok() { Up::Yes } else { Up::No });
        telemetry::count_ldap_operation(kind(attempt), result, took);
    }
}

/// Counts an attempt to connect and bind.
pub(super) fn count_connection<T>(outcome: &Result<T, Error>) {
    let (word, is_up) = match outcome {
        Ok(_) => ("connected", Up::Yes),
        Err(Error::Bind { .. }) => ("refused", Up::No),
        Err(_) => ("unreachable", Up::No),
    };
    telemetry::count_ldap_connection_attempt(word);
    telemetry::note_ldap_up(is_up);
}

fn kind(attempt: &'static str) -> &'static str {
    if attempt == SET_PASSWORD { "password" } else { attempt }
}

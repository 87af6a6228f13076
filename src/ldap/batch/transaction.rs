//! One transaction (RFC 5805): several changes that a server makes together, with one sync of its disk, or not at all.
//!
//! slapd (2.5.13, and what else has the same code) frees the operations of a transaction when it ends, or when its
//! connection does, without regard to threads that have answered an operation and are not done with it: the server dies
//! of that. Hence the invariants of this file. A transaction is ended, well or not, only after the server has shown in
//! `cn=Monitor` that nothing of the connection is executing any more but the question itself. Where it does not show
//! that, the connection is left alone for a while, and its end ends the transaction. And operations are sent one after
//! the other, so that whoever ends this process in the middle finds at most one in that state (with all at once, one kill
//! in nine under load took slapd along; so, one in hundreds).

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use ldap3::asn1::{PL, Types, parse_tag, parse_uint};
use ldap3::controls::{MakeCritical as _, RawControl, TxnSpec};
use ldap3::exop::{EndTxn, Exop, StartTxn};
use ldap3::{Ldap, LdapError, LdapResult};

use super::super::write::{PermissiveModify, as_mod, as_values};
use super::own_connection::OwnConnection;
use crate::directory::{Change, Tolerance};

/// For how long a connection is left alone whose operations may still be touched.
const LEFT_ALONE: Duration = Duration::from_secs(10);
/// After so many looks the next ones are not taken at once.
const EAGER_LOOKS: usize = 16;
const BETWEEN_LOOKS: Duration = Duration::from_millis(1);

/// A connection on which nothing but transactions is made.
#[derive(Debug)]
pub(super) struct Channel {
    ldap: Ldap,
    own: OwnConnection,
}

/// What became of the changes.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Ended {
    /// All are made.
    Committed,
    /// None is made, because of these, as far as the server says.
    Refused(BTreeSet<usize>),
    /// None is made: the server makes no transaction.
    Unoffered(u32),
}

/// Why it is not known what became of a transaction, or that nothing did. The connection cannot be used any more.
#[derive(Debug)]
pub(super) enum Failure {
    /// The connection was lost before anything was sent.
    NotStarted,
    /// The connection was lost.
    Lost(LdapError),
    /// The server does not show any more what it does on this connection. No change is made.
    Unseen,
}

impl Channel {
    pub(super) fn new(ldap: Ldap, own: OwnConnection) -> Channel {
        Channel { ldap, own }
    }

    pub(super) fn is_closed(&self) -> bool {
        self.ldap.clone().is_closed()
    }

    pub(super) async fn close(mut self) {
        _ = self.ldap.unbind().await;
    }

    /// Makes the changes together. When they are given up meanwhile, none is made unless all are already.
    pub(super) async fn make(
        mut self,
        changes: &[Arc<Change>],
        permissive: bool,
        given_up: &AtomicBool,
    ) -> Result<(Channel, Ended), Failure> {
        match self.attempt(changes, permissive, given_up).await {
            Ok(ended) => Ok((self, ended)),
            Err(failure) => {
                // What the server holds of it is dropped with the connection, when nobody can be using it any more.
                tokio::spawn(async move {
                    tokio::time::sleep(LEFT_ALONE).await;
                    drop(self);
                });
                Err(failure)
            }
        }
    }

    async fn attempt(
        &mut self,
        changes: &[Arc<Change>],
        permissive: bool,
        given_up: &AtomicBool,
    ) -> Result<Ended, Failure> {
        self.own.count_one();
        let (Exop { val, .. }, result) = match self.ldap.extended(StartTxn).await {
            Ok(started) => (started.0, started.1),
            Err(_) => return Err(Failure::NotStarted),
        };
        if result.rc != 0 {
            return Ok(Ended::Unoffered(result.rc));
        }
        let Ok(transaction) = String::from_utf8(val.unwrap_or_default()) else {
            return Err(Failure::Unseen);
        };
        let mut numbers = Vec::new();
        let mut refused = BTreeSet::new();
        for (index, change) in changes.iter().enumerate() {
            let answer = self.send(change, &transaction, permissive).await?;
            numbers.push(self.ldap.last_id());
            if answer.rc != 0 {
                refused.insert(index);
                break;
            }
        }
        self.wait_until_left().await?;
        let commit = refused.is_empty() && !given_up.load(Ordering::Relaxed);
        let (Exop { val, .. }, result) = self.end(&transaction, commit).await?;
        match (commit, result.rc) {
            (true, 0) => return Ok(Ended::Committed),
            (true, _) => {
                let culprit = val.as_deref().and_then(failing_message);
                refused.extend(culprit.and_then(|id| numbers.iter().position(|number| *number == id)));
            }
            (false, _) => {}
        }
        Ok(Ended::Refused(refused))
    }

    async fn send(&mut self, change: &Change, transaction: &str, permissive: bool) -> Result<LdapResult, Failure> {
        let mut controls: Vec<RawControl> = vec![TxnSpec { txn_id: transaction }.into()];
        self.own.count_one();
        let sent = match change {
            Change::Add { dn, attributes } => {
                self.ldap.with_controls(controls).add(&dn.to_string(), as_values(attributes)).await
            }
            Change::Modify { dn, modifications, tolerance } => {
                if permissive && *tolerance == Tolerance::AlreadySo {
                    controls.push(PermissiveModify.critical().into());
                }
                let mods = modifications.iter().map(as_mod).collect();
                self.ldap.with_controls(controls).modify(&dn.to_string(), mods).await
            }
            // Not sent: it would not be taken back as a whole (see `Sender::send`).
            Change::Rename { .. } | Change::Delete { .. } => return Err(Failure::Unseen),
        };
        sent.map_err(Failure::Lost)
    }

    /// Waits until the server's threads have let go of the operations.
    async fn wait_until_left(&mut self) -> Result<(), Failure> {
        for look in 0.. {
            let executing = self.own.executing(&mut self.ldap).await.map_err(Failure::Lost)?;
            match executing {
                Some(1) => return Ok(()),
                Some(_) if look < EAGER_LOOKS => {}
                Some(_) => tokio::time::sleep(BETWEEN_LOOKS).await,
                None => return Err(Failure::Unseen),
            }
        }
        Err(Failure::Unseen)
    }

    async fn end(&mut self, transaction: &str, commit: bool) -> Result<(Exop, LdapResult), Failure> {
        self.own.count_one();
        let ended = self.ldap.extended(EndTxn { txn_id: transaction, commit }).await.map_err(Failure::Lost)?;
        Ok((ended.0, ended.1))
    }
}

/// Which message a refusal of the whole is about: `SEQUENCE { messageID MessageID OPTIONAL, … }` (RFC 5805 §3.3).
fn failing_message(value: &[u8]) -> Option<i32> {
    let (_, tag) = parse_tag(value).ok()?;
    let PL::C(parts) = tag.payload else {
        return None;
    };
    let first = parts.into_iter().next().filter(|part| part.id == Types::Integer as u64)?;
    let PL::P(bytes) = first.payload else {
        return None;
    };
    let (_, number) = parse_uint(bytes.as_slice()).ok()?;
    i32::try_from(number).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_message_that_a_refusal_names_is_read_and_nothing_else_is_taken_for_it() {
        for (value, expected) in [
            (&[0x30, 3, 2, 1, 7][..], Some(7)),
            (&[0x30, 4, 2, 2, 1, 0], Some(256)),
            (&[0x30, 5, 2, 1, 9, 0x30, 0], Some(9)),
            (&[0x30, 0], None),
            (&[0x30, 2, 0x30, 0], None),
            (&[4, 1, 7], None),
            (&[0x30, 0x85, 1], None),
            (&[], None),
        ] {
            assert_eq!(failing_message(value), expected, "{value:?}");
        }
    }
}

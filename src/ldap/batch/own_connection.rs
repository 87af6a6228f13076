//! What OpenLDAP shows of a connection in `cn=Monitor`, asked on that connection itself.
//!
//! A connection is not told which entry is its own, and an address would not do where a proxy or a socket is between. It
//! is the one whose count of operations rises by one with each question. Invariant: what is believed of the entry is
//! believed only while that count is what this side has sent, each question and each change.

use ldap3::{Ldap, LdapError, Scope, SearchEntry};

use super::super::Filter;
use crate::directory::{AttributeName, Dn, Rdn, Value};

const RECEIVED: &str = "monitorConnectionOpsReceived";
const EXECUTING: &str = "monitorConnectionOpsExecuting";
const OVERLAY: &str = "monitorOverlay";
const SIZE_LIMIT_EXCEEDED: u32 = 4;
/// How often is looked before a connection is taken for the own one.
const LOOKS: usize = 3;
/// How often that is tried where another connection looks the same.
const ATTEMPTS: usize = 5;

/// The entry of a connection, and what it must show.
#[derive(Debug)]
pub(super) struct OwnConnection {
    entry: String,
    /// How many operations this side has sent.
    sent: i64,
}

/// What an entry shows.
#[derive(Debug)]
struct Seen {
    entry: String,
    received: i64,
    executing: i64,
}

impl OwnConnection {
    /// Finds it; `None`: the server does not show it.
    pub(super) async fn find(ldap: &mut Ldap, monitor: &Dn, bind_dn: &str) -> Result<Option<OwnConnection>, LdapError> {
        let base = below(monitor, "Connections").to_string();
        let filter = Filter::And(vec![
            Filter::equal(AttributeName::of("objectClass"), "monitorConnection"),
            Filter::equal(AttributeName::of("monitorConnectionAuthzDN"), bind_dn),
        ])
        .to_string();
        for _ in 0..ATTEMPTS {
            let mut candidates: Option<Vec<Seen>> = None;
            for _ in 0..LOOKS {
                let seen = look(ldap, &base, Scope::OneLevel, &filter).await?;
                // More than the question itself where a thread has not let go of the last one yet.
                let asking = seen.into_iter().filter(|seen| seen.executing >= 1);
                let follows = |seen: &Seen| {
                    let is_next = |before: &Seen| before.entry == seen.entry && before.received + 1 == seen.received;
                    candidates.as_ref().is_none_or(|before| before.iter().any(is_next))
                };
                candidates = Some(asking.filter(follows).collect());
            }
            match candidates.unwrap_or_default().as_slice() {
                [own] => return Ok(Some(OwnConnection { entry: own.entry.clone(), sent: own.received })),
                [] => return Ok(None),
                // Somebody else asks as this side does.
                _ => {}
            }
        }
        Ok(None)
    }

    /// Takes in that an operation is sent on the connection.
    pub(super) fn count_one(&mut self) {
        self.sent += 1;
    }

    /// How many operations of the connection the server's threads are at, the question included; `None`: that is not
    /// known, for the entry is not there or not this connection's.
    pub(super) async fn executing(&mut self, ldap: &mut Ldap) -> Result<Option<i64>, LdapError> {
        self.count_one();
        let seen = look(ldap, &self.entry, Scope::Base, "(objectClass=*)").await?;
        Ok(match seen.as_slice() {
            [seen] if seen.received == self.sent && seen.executing >= 1 => Some(seen.executing),
            _ => None,
        })
    }
}

async fn look(ldap: &mut Ldap, base: &str, scope: Scope, filter: &str) -> Result<Vec<Seen>, LdapError> {
    let ldap3::SearchResult(entries, result) = ldap.search(base, scope, filter, vec![RECEIVED, EXECUTING]).await?;
    if ![0, SIZE_LIMIT_EXCEEDED].contains(&result.rc) {
        return Ok(Vec::new());
    }
    let seen = |entry| {
        let entry = SearchEntry::construct(entry);
        let number = |name: &str| entry.attrs.get(name)?.first()?.parse().ok();
        Some(Seen { received: number(RECEIVED)?, executing: number(EXECUTING)?, entry: entry.dn.clone() })
    };
    Ok(entries.into_iter().filter_map(seen).collect())
}

/// The overlays that are on, of whichever database; `None`: the server does not show its databases.
pub(super) async fn overlays(ldap: &mut Ldap, monitor: &Dn) -> Result<Option<Vec<String>>, LdapError> {
    let base = below(monitor, "Databases").to_string();
    let ldap3::SearchResult(entries, result) =
        ldap.search(&base, Scope::OneLevel, "(objectClass=*)", vec![OVERLAY]).await?;
    if result.rc != 0 || entries.is_empty() {
        return Ok(None);
    }
    let overlays = entries.into_iter().flat_map(|entry| SearchEntry::construct(entry).attrs.remove(OVERLAY));
    Ok(Some(overlays.flatten().collect()))
}

fn below(monitor: &Dn, name: &str) -> Dn {
    monitor.child(Rdn::new(AttributeName::of("cn"), Value::from(name)))
}

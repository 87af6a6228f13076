//! What the server can do: the controls that it advertises, and the limits that it holds the bridge to.

use super::{bases, unanswered};
use crate::config::Settings;
use crate::directory::flavor::{PAGED_RESULTS, PASSWORD_MODIFY, PASSWORD_POLICY};
use crate::directory::{AttributeName, Dn, Entry, Value};
use crate::ldap::{Directory, Error, Grouping, Profile};
use crate::mapping::Finding;
use crate::mapping::password::Storage;

/// How many entries are looked at to see whether a search is cut off. The limits that servers come with are below this.
const ENOUGH: usize = 10_000;

/// What the root DSE tells.
#[derive(Debug)]
pub(super) struct Advertised {
    root_dse: Entry,
}

impl Default for Advertised {
    fn default() -> Advertised {
        Advertised { root_dse: Entry { dn: Dn::default(), attributes: Default::default() } }
    }
}

impl Advertised {
    pub(super) async fn read(directory: &Directory) -> Result<Advertised, Error> {
        let names = ["supportedControl", "supportedExtension", "configContext", "monitorContext"];
        let root_dse = directory.read(&Dn::default(), &names.map(AttributeName::of)).await?;
        Ok(root_dse.map(|root_dse| Advertised { root_dse }).unwrap_or_default())
    }

    /// Where the server's configuration is.
    pub(super) fn config(&self) -> Option<Dn> {
        self.context("configContext")
    }

    /// Where the server tells of its state.
    pub(super) fn monitor(&self) -> Option<Dn> {
        self.context("monitorContext")
    }

    pub(super) fn has_password_policy(&self) -> bool {
        self.has("supportedControl", PASSWORD_POLICY)
    }

    fn context(&self, attribute: &'static str) -> Option<Dn> {
        self.root_dse.values(&AttributeName::of(attribute)).first().and_then(Value::as_str)?.parse().ok()
    }

    fn has(&self, attribute: &'static str, wanted: &str) -> bool {
        self.root_dse.values(&AttributeName::of(attribute)).iter().any(|value| value.as_str() == Some(wanted))
    }

    /// What follows from what the server cannot do.
    pub(super) fn findings(&self, settings: &Settings, profile: &Profile) -> Vec<Finding> {
        let mut findings = Vec::new();
        let by_server = settings.users.password.as_ref().is_some_and(|rule| rule.storage == Storage::Server);
        if by_server && !self.has("supportedExtension", PASSWORD_MODIFY) {
            findings.push(Finding::error(
                "users.password_storage: the server does not offer the operation that sets passwords (RFC 3062)",
                "let them be hashed here: users.password_storage = \"{SSHA512}\" or \"{ARGON2}\"",
            ));
        }
        if !self.has("supportedControl", PAGED_RESULTS) {
            findings.push(Finding::warning(
                "the server does not offer results in pages (RFC 2696): large searches are answered in one piece",
                "see that no limit of size or time of the server applies to ldap.bind_dn",
            ));
        }
        if !profile.flavor.permissive_modify {
            findings.push(Finding::note(
                "the server does not offer the permissive-modify control: a change of members that is partly made \
                 already takes more requests",
                "nothing",
            ));
        }
        if !profile.flavor.post_read {
            findings.push(Finding::note(
                "the server does not offer the post-read control (RFC 4527): each new entry is read once more",
                "nothing",
            ));
        }
        findings
    }
}

/// Whether changes that wait for each other are sent together.
pub(super) async fn grouping(settings: &Settings, directory: &Directory) -> Finding {
    let (detail, remedy) = match directory.grouping().await {
        Ok(Grouping::Used) => {
            ("changes that wait for each other are sent together, in transactions".to_owned(), "nothing".to_owned())
        }
        Ok(Grouping::Off) => (
            "changes are sent one by one: no server is known that takes a transaction back without harm".to_owned(),
            "nothing; see \"Many changes at once\" in docs/operating.md".to_owned(),
        ),
        Ok(Grouping::NotOffered) => (
            "the server does not offer transactions (RFC 5805) as OpenLDAP does: changes are sent one by one".to_owned(),
            "nothing".to_owned(),
        ),
        Ok(Grouping::Unseen) => (
            "changes are sent one by one: transactions are safe only for who sees its own connection in cn=Monitor, and \
             ldap.bind_dn does not"
                .to_owned(),
            format!(
                "let it; by these lines at the end of slapd.conf (olcDatabase=monitor with olcAccess in cn=config):\n\
                 database monitor\naccess to * by dn.exact=\"{}\" read by * none",
                settings.ldap.bind_dn
            ),
        ),
        Ok(Grouping::Overlays(names)) => (
            format!(
                "changes are sent one by one: the overlay {} may tell others of changes that a transaction takes back",
                names.join(" and ")
            ),
            "nothing".to_owned(),
        ),
        Err(error) => return unanswered("cn=Monitor", &error),
    };
    Finding::note(detail, remedy)
}

/// Whether the server cuts off what the bridge searches for.
pub(super) async fn size_limit(settings: &Settings, directory: &Directory) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (setting, base) in bases(settings) {
        match directory.cut_off_after(base, ENOUGH).await {
            Ok(None) => {}
            Ok(Some(seen)) => findings.push(Finding::error(
                format!(
                    "{setting}: a search below {base} is cut off after {seen} entries: ldap.bind_dn is held to a limit"
                ),
                format!(
                    "lift it; on OpenLDAP by a line for the database in slapd.conf (olcLimits in cn=config):\n\
                     limits dn.exact=\"{}\" size=unlimited time=unlimited",
                    settings.ldap.bind_dn
                ),
            )),
            // That the base is not there has been told.
            Err(error) if error.is_no_such_object() || error.is_insufficient_access() => {}
            Err(error) => findings.push(unanswered(&format!("what is below {base}"), &error)),
        }
    }
    findings
}

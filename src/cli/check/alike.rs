//! Whether a server that stands in for another holds the same tree, and may be written to as well.

use super::connection::Server;
use super::{bases, rights};
use crate::config::Settings;
use crate::directory::{Anchor, Dn};
use crate::mapping::{Finding, Severity};

pub(super) async fn findings(settings: &Settings, first: &Server, other: &Server) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (setting, base) in bases(settings) {
        // What the first does not show has been told.
        let Some(expected) = anchor(first, base).await else {
            continue;
        };
        if anchor(other, base).await.as_ref() != Some(&expected) {
            let name = other.directory.anchor();
            findings.push(Finding::error(
                format!(
                    "{}: {setting}: {base} is not the entry that {} has: its {name} is another, or it is not shown",
                    other.url, first.url
                ),
                "name servers in ldap.urls that replicate each other, with the same rights for ldap.bind_dn on all",
            ));
        }
    }
    let refusals = rights::findings(settings, &other.directory).await;
    let errors = refusals.into_iter().filter(|finding| finding.severity == Severity::Error);
    findings.extend(errors.map(|finding| Finding { detail: format!("{}: {}", other.url, finding.detail), ..finding }));
    findings
}

async fn anchor(server: &Server, base: &Dn) -> Option<Anchor> {
    let entry = server.directory.read(base, &[]).await.ok()??;
    entry.anchor(server.directory.anchor())
}

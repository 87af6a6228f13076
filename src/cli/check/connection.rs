//! Whether each server of `ldap.urls` can be reached, trusted and bound to: one that stands in for another is needed
//! when it is too late to put it right.

use super::{open_directory, with_causes};
use crate::config::Settings;
use crate::ldap::{Directory, Error, TlsFault};
use crate::mapping::{Finding, Severity};

/// A server that answers.
pub(super) struct Server {
    pub(super) url: String,
    pub(super) directory: Directory,
}

/// What is wrong with the servers, and those that can be used.
pub(super) async fn findings(settings: &Settings) -> (Vec<Finding>, Vec<Server>) {
    let mut findings = Vec::new();
    let mut usable = Vec::new();
    for url in &settings.ldap.urls {
        let mut alone = settings.clone();
        alone.ldap.urls = vec![url.clone()];
        alone.ldap.connections = 1;
        let directory = match open_directory(&alone) {
            Ok(directory) => directory,
            // The same for all of them: the certificates to trust cannot be read.
            Err(error) => {
                findings
                    .push(Finding::error(format!("{error:#}"), "correct what ldap.ca_file names: certificates, PEM"));
                break;
            }
        };
        match directory.profile().await {
            Err(error) => {
                findings.push(finding(settings, url, &error));
                directory.close().await;
            }
            Ok(_) => usable.push(Server { url: url.clone(), directory }),
        }
    }
    if usable.is_empty() {
        // With no server left, one that is merely away is no smaller matter than the others.
        findings.iter_mut().for_each(|finding| finding.severity = Severity::Error);
    }
    (findings, usable)
}

fn finding(settings: &Settings, url: &str, error: &Error) -> Finding {
    if let Some(fault) = error.tls_fault() {
        let (what, remedy) = tls(url, &fault);
        return Finding::error(format!("{url}: {what}"), remedy);
    }
    let what = format!("{url}: the server cannot be used: {}", with_causes(error));
    match error {
        Error::Bind { .. } => Finding::error(what, "correct ldap.bind_dn and ldap.bind_password"),
        Error::Connect { .. } if settings.ldap.start_tls || !url.starts_with("ldap:") => {
            Finding::warning(what, "see that the server runs, and that ldap.urls names its host and port")
        }
        Error::Connect { .. } => Finding::warning(
            what,
            "see that the server runs, that ldap.urls names its host and port, and begins with ldaps:// where the \
             port speaks TLS",
        ),
        Error::NoRootDse => Finding::error(what, "let ldap.bind_dn read the root DSE and the subschema"),
        _ => Finding::error(what, "see what the server's log says of it"),
    }
}

fn tls(url: &str, fault: &TlsFault) -> (String, String) {
    let remedy = |text: &str| text.to_owned();
    match fault {
        TlsFault::Untrusted => (
            "the server's certificate is not trusted".to_owned(),
            remedy("name the certificate of the authority that issued it in ldap.ca_file (PEM)"),
        ),
        TlsFault::Expired => {
            ("the server's certificate has expired".to_owned(), remedy("renew the certificate on the server"))
        }
        TlsFault::NotYetValid => (
            "the server's certificate is not valid yet".to_owned(),
            remedy("see that the clocks of both machines are right, or correct the certificate on the server"),
        ),
        TlsFault::OtherName(names) => {
            let names = if names.is_empty() { String::new() } else { format!(": it is for {}", names.join(", ")) };
            (
                format!("the server's certificate is not for the host of this URL{names}"),
                remedy("use a name in ldap.urls that the certificate is for, or put the host into the certificate"),
            )
        }
        TlsFault::Unusable(reason) => (
            format!("the server's certificate cannot be used: {reason}"),
            remedy("give the server a certificate (X.509 version 3) from an authority, and name that in ldap.ca_file"),
        ),
        TlsFault::NotSpoken => (
            "the server speaks no TLS at this port".to_owned(),
            format!(
                "use the port of the server that does in ldap.urls, or {} with ldap.start_tls = true",
                url.replacen("ldaps:", "ldap:", 1)
            ),
        ),
        TlsFault::NotOffered(words) => {
            let words = if words.is_empty() { String::new() } else { format!(": {words}") };
            (
                format!("the server does not offer StartTLS{words}"),
                remedy("set up TLS on the server, or use an ldaps:// URL in ldap.urls with ldap.start_tls = false"),
            )
        }
        TlsFault::Other(reason) => (
            format!("no TLS connection can be made: {reason}"),
            remedy(
                "see what the server's log says of it; ldap.urls, ldap.ca_file and ldap.start_tls are what to change",
            ),
        ),
    }
}

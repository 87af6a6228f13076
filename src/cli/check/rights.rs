//! Whether the bridge's identity may add entries below the bases, asked of the server with nothing left behind.
//!
//! Changing, renaming and deleting take an entry, and people's own are not played with: `--probe` tells of those.

use super::{PROBE, bases, unanswered, with_causes};
use crate::config::Settings;
use crate::directory::Dn;
use crate::ldap::{Directory, Error, Fault};
use crate::mapping::Finding;

pub(super) async fn findings(settings: &Settings, directory: &Directory) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (setting, base) in bases(settings) {
        match directory.may_add_below(base, &name()).await {
            Ok(()) => {}
            Err(error) if error.is_unasked() => {
                findings.push(Finding::note(
                    "write rights cannot be seen: the server cannot be asked about a change without making it (No-Op)",
                    format!("{PROBE} asks by writing entries that it deletes again"),
                ));
                return findings;
            }
            Err(error) => findings.extend(refused(setting, base, &settings.ldap.bind_dn, &error)),
        }
    }
    findings.push(Finding::note(
        "whether ldap.bind_dn may change, rename and delete entries is not asked: that takes an entry",
        format!("{PROBE} asks by writing entries that it deletes again"),
    ));
    findings
}

fn refused(setting: &str, base: &Dn, bind_dn: &Dn, error: &Error) -> Option<Finding> {
    if error.is_insufficient_access() {
        return Some(Finding::error(
            format!("{setting}: ldap.bind_dn may not add an entry below {base}: {}", with_causes(error)),
            format!(
                "give it the right to write there; on OpenLDAP by a rule before the others (olcAccess in \
                 cn=config):\naccess to dn.subtree=\"{base}\" by dn.exact=\"{bind_dn}\" write by * break"
            ),
        ));
    }
    if error.is_read_only() {
        return Some(Finding::error(
            format!("{setting}: the server does not write below {base}: {}", with_causes(error)),
            "name a server in ldap.urls that is not a replica, and see that the database is not read-only",
        ));
    }
    if let Some(finding) = left_behind(error) {
        return Some(finding);
    }
    if error.fault() == Fault::Passing {
        return Some(unanswered(&format!("whether ldap.bind_dn may write below {base}"), error));
    }
    // That the base is not there has been told; what the server has against a twin of the base says nothing of people.
    (!error.is_no_such_object()).then(|| {
        Finding::note(
            format!("{setting}: write rights cannot be seen, for the server answers: {}", with_causes(error)),
            format!("{PROBE} asks by writing entries that it deletes again"),
        )
    })
}

/// That a server ignored the control that forbids it to make a change, if it did.
pub(super) fn left_behind(error: &Error) -> Option<Finding> {
    let Error::CarriedOut { dn, .. } = error else {
        return None;
    };
    Some(Finding::error(
        format!("{error}, although a critical control forbids it"),
        format!("delete the entry {dn}, and tell the makers of the server"),
    ))
}

/// A name that nobody has.
pub(super) fn name() -> String {
    format!("scimbridge-check-{}", std::process::id())
}

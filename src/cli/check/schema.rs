//! Whether the bases are there, and whether the schema takes what the maps write.

use super::{unanswered, with_causes};
use crate::config::Settings;
use crate::directory::{AttributeName, Dn};
use crate::ldap::{Directory, Profile};
use crate::mapping::{Finding, fitness};

pub(super) async fn findings(settings: &Settings, directory: &Directory, profile: &Profile) -> Vec<Finding> {
    let (schema, users) = (&profile.schema, &settings.users);
    let mut findings = Vec::new();
    for (setting, dn) in super::bases(settings) {
        findings.extend(base(directory, setting, dn).await);
    }
    findings.extend(of_users(settings, profile));
    findings.extend(of_groups(settings, profile));
    let lock = profile.flavor.lock.attribute();
    if users.disable.lock && !schema.knows_attribute(&lock) {
        findings.push(Finding::error(
            format!("users.disable.lock: the directory has no attribute {lock}, so nobody can be locked out"),
            "load the overlay ppolicy into the server, with a default policy that has pwdLockout: TRUE",
        ));
    }
    findings
}

/// What the schema has against users as the map makes them.
pub(super) fn of_users(settings: &Settings, profile: &Profile) -> Vec<Finding> {
    let users = &settings.users;
    let set: Vec<&AttributeName> = users.disable.set.keys().collect();
    fitness::findings("users", &users.attributes, &users.object_classes, &set, &profile.schema)
}

/// The same of groups.
pub(super) fn of_groups(settings: &Settings, profile: &Profile) -> Vec<Finding> {
    settings
        .groups
        .iter()
        .flat_map(|groups| {
            let members: Vec<&AttributeName> = groups.members.iter().map(|rule| &rule.attribute).collect();
            fitness::findings("groups", &groups.attributes, &groups.object_classes, &members, &profile.schema)
        })
        .collect()
}

/// Whether the base is there and can be seen, with what identifies an entry.
async fn base(directory: &Directory, setting: &str, base: &Dn) -> Vec<Finding> {
    match directory.read(base, &[]).await {
        Ok(Some(entry)) if entry.anchor(directory.anchor()).is_some() => Vec::new(),
        Ok(Some(_)) => vec![Finding::error(
            format!("{setting}: the entry {base} does not show the attribute {}", directory.anchor()),
            "let ldap.bind_dn read it, or name the attribute that identifies entries on this server in ldap.anchor",
        )],
        Ok(None) => vec![Finding::error(
            format!("{setting}: the directory has no entry {base}, or does not show it to ldap.bind_dn"),
            "correct the DN, add the entry, or give ldap.bind_dn the right to see it",
        )],
        Err(error) if error.is_insufficient_access() => vec![Finding::error(
            format!("{setting}: {base} cannot be read: {}", with_causes(&error)),
            "give ldap.bind_dn the right to read it",
        )],
        Err(error) => vec![unanswered(&format!("{setting}, {base}"), &error)],
    }
}

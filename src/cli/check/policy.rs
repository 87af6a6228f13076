//! Whether a lock locks anybody out: the overlay ppolicy on the database of the users, and its policies.

use super::server::Advertised;
use super::{PROBE, database, rights, unanswered};
use crate::config::Settings;
use crate::directory::flavor::PASSWORD_POLICY;
use crate::directory::{AccountLock, AttributeName, Dn, Entry, Value};
use crate::ldap::{Depth, Directory, Error, Filter, Profile};
use crate::mapping::Finding;

pub(super) async fn findings(
    settings: &Settings,
    directory: &Directory,
    profile: &Profile,
    server: &Advertised,
) -> Vec<Finding> {
    // That the attribute is unknown has been told with the rest of the schema.
    let lock = profile.flavor.lock;
    let by_policy = settings.users.disable.lock && lock == AccountLock::PASSWORD_POLICY;
    if !by_policy || !profile.schema.knows_attribute(&lock.attribute()) {
        return Vec::new();
    }
    let base = &settings.users.base_dn;
    match is_on(directory, server, base).await {
        Ok(Some(true)) => policies(directory, profile, base).await,
        Ok(Some(false)) => vec![Finding::error(
            format!(
                "users.disable.lock: the overlay ppolicy is not on the database of {base}: a lock is stored and lets \
                 the user in"
            ),
            "add `overlay ppolicy` to the database in slapd.conf (olcOverlay=ppolicy in cn=config), with a default \
             policy that has pwdLockout: TRUE",
        )],
        Ok(None) => vec![Finding::note(
            format!("users.disable.lock: it cannot be seen whether the overlay ppolicy is on the database of {base}"),
            format!("{PROBE} locks a throwaway user and sees whether a bind is refused"),
        )],
        Err(error) => match rights::left_behind(&error) {
            Some(finding) => vec![finding],
            None => vec![unanswered("whether the overlay ppolicy is on", &error)],
        },
    }
}

/// Whether the overlay is on; `None` when that cannot be seen.
async fn is_on(directory: &Directory, server: &Advertised, base: &Dn) -> Result<Option<bool>, Error> {
    if let Some(backend) = database::behind(directory, server, base).await {
        return Ok(Some(backend.overlays.contains("ppolicy")));
    }
    if !server.has_password_policy() {
        return Ok(Some(false));
    }
    // OpenLDAP advertises the control once the module is loaded, and heeds it where the overlay is on.
    match directory.heeds_below(base, &rights::name(), PASSWORD_POLICY).await {
        Err(error) if error.is_unasked() => Ok(None),
        answered => answered.map(Some),
    }
}

/// The policies that can be seen, wherever they are in the tree.
async fn policies(directory: &Directory, profile: &Profile, base: &Dn) -> Vec<Finding> {
    let suffix = profile.suffixes.iter().find(|suffix| base == *suffix || base.is_under(suffix)).unwrap_or(base);
    let lockout = AttributeName::of("pwdLockout");
    let filter = Filter::equal(AttributeName::of("objectClass"), "pwdPolicy");
    let policies = match directory.search(suffix, Depth::Subtree, &filter, std::slice::from_ref(&lockout)).await {
        Ok(policies) => policies,
        Err(error) if error.is_no_such_object() || error.is_insufficient_access() => Vec::new(),
        Err(error) => return vec![unanswered(&format!("the password policies below {suffix}"), &error)],
    };
    let locks = |policy: &&Entry| {
        policy.values(&lockout).iter().filter_map(Value::as_str).any(|text| text.eq_ignore_ascii_case("TRUE"))
    };
    let (good, bad): (Vec<&Entry>, Vec<&Entry>) = policies.iter().partition(locks);
    if policies.is_empty() {
        return vec![Finding::note(
            format!("users.disable.lock: no password policy below {suffix} is shown to ldap.bind_dn"),
            "see for yourself that the policy in force has pwdLockout: TRUE, without which a lock lets the user in",
        )];
    }
    let ldif: Vec<String> = bad.iter().map(|policy| let_lock(&policy.dn)).collect();
    let names: Vec<String> = bad.iter().map(|policy| policy.dn.to_string()).collect();
    match (good.is_empty(), bad.is_empty()) {
        (_, true) => Vec::new(),
        (true, false) => vec![Finding::error(
            format!(
                "users.disable.lock: no password policy has pwdLockout: TRUE ({}): a lock is stored and lets the user \
                 in",
                names.join("; ")
            ),
            format!("apply to the policy in force:\n{}", ldif.join("\n\n")),
        )],
        (false, false) => vec![Finding::warning(
            format!(
                "users.disable.lock: who is under one of these password policies is let in in spite of a lock, for it \
                 lacks pwdLockout: TRUE: {}",
                names.join("; ")
            ),
            format!("apply where users are under it:\n{}", ldif.join("\n\n")),
        )],
    }
}

fn let_lock(policy: &Dn) -> String {
    format!("dn: {policy}\nchangetype: modify\nreplace: pwdLockout\npwdLockout: TRUE")
}

//! The names of all settings, to tell a mistyped one and the one that was meant.

use serde_json::Value;

use super::Problem;

/// Every key. `[]` stands for each table of an array.
pub(super) const KEYS: &[&str] = &[
    "server.listen",
    "server.base_url",
    "server.tls_cert_file",
    "server.tls_key_file",
    "server.trusted_proxies",
    "server.max_connections",
    "server.max_requests_in_flight",
    "server.rate_limit",
    "server.rate_burst",
    "server.header_timeout",
    "server.body_timeout",
    "server.idle_timeout",
    "auth.token",
    "auth.token_file",
    "auth.access_token_lifetime",
    "auth.clock_skew",
    "auth.ca_file",
    "auth.entra.tenant",
    "auth.entra.audience",
    "auth.entra.application",
    "auth.entra.issuer",
    "auth.entra.keys_url",
    "auth.issuer[].issuer",
    "auth.issuer[].audience",
    "auth.issuer[].keys_url",
    "auth.issuer[].claims",
    "auth.issuer[].scopes",
    "auth.allowed_networks",
    "store.url",
    "ldap.urls",
    "ldap.start_tls",
    "ldap.ca_file",
    "ldap.insecure_skip_tls_verify",
    "ldap.bind_dn",
    "ldap.bind_password",
    "ldap.bind_password_file",
    "ldap.connections",
    "ldap.timeout",
    "ldap.transactions",
    "ldap.anchor",
    "ldap.references",
    "users.base_dn",
    "users.create_containers",
    "users.object_classes",
    "users.rdn",
    "users.match",
    "users.on_delete",
    "users.password_storage",
    "users.create",
    "users.update",
    "users.delete",
    "users.attribute[].ldap",
    "users.attribute[].scim",
    "users.attribute[].template",
    "users.attribute[].value",
    "users.attribute[].default",
    "users.attribute[].reference",
    "users.attribute[].ownership",
    "users.attribute[].type",
    "users.attribute[].allocate.from",
    "users.attribute[].allocate.to",
    "users.disable.lock",
    "users.disable.password",
    "users.disable.move_to",
    "users.disable.set[].ldap",
    "users.disable.set[].value",
    "groups.enabled",
    "groups.base_dn",
    "groups.object_classes",
    "groups.rdn",
    "groups.member",
    "groups.member_value",
    "groups.member_ownership",
    "groups.placeholder",
    "groups.on_collision",
    "groups.distinguish_with",
    "groups.on_delete",
    "groups.create",
    "groups.update",
    "groups.delete",
    "groups.attribute[].ldap",
    "groups.attribute[].scim",
    "groups.attribute[].template",
    "groups.attribute[].value",
    "groups.attribute[].default",
    "groups.attribute[].reference",
    "groups.attribute[].ownership",
    "groups.attribute[].type",
    "groups.attribute[].allocate.from",
    "groups.attribute[].allocate.to",
    "reconcile.schedule",
    "reconcile.max_deletes",
    "reconcile.max_disables",
    "reconcile.max_changes",
    "reconcile.max_member_removals",
    "reconcile.max_missing",
    "reconcile.time_zone",
    "reconcile.keep_undo",
    "history.keep",
    "history.max_size",
    "history.hide",
    "log.format",
    "log.level",
    "log.otlp_endpoint",
    "metrics.listen",
];

/// Below this the keys are names of claims, which the issuer chooses.
const CLAIMS: &str = "auth.issuer[].claims.";

/// The keys that were written and that there are not.
pub(super) fn unknown(tree: &Value) -> Vec<Problem> {
    let mut written = Vec::new();
    flatten("", "", tree, &mut written);
    let unknown = written.into_iter().filter(|(generic, _)| {
        let within =
            |known: &&str| known.strip_prefix(generic.as_str()).is_some_and(|rest| rest.starts_with(['.', '[']));
        !KEYS.contains(&generic.as_str()) && !KEYS.iter().any(within) && !generic.starts_with(CLAIMS)
    });
    unknown
        .map(|(generic, shown)| {
            let hint = nearest(&generic).map(|known| format!("; did you mean {known}?")).unwrap_or_default();
            Problem::new(shown, format!("unknown key{hint}"))
        })
        .collect()
}

/// Each leaf by its key with `[]` for every index, and as it is shown to the operator, counted from 1.
fn flatten(generic: &str, shown: &str, value: &Value, leaves: &mut Vec<(String, String)>) {
    let join = |prefix: &str, key: &str| if prefix.is_empty() { key.to_owned() } else { format!("{prefix}.{key}") };
    match value {
        Value::Object(table) => {
            for (key, value) in table {
                flatten(&join(generic, key), &join(shown, key), value, leaves);
            }
        }
        Value::Array(elements) if elements.iter().any(Value::is_object) => {
            for (index, element) in elements.iter().enumerate() {
                flatten(&format!("{generic}[]"), &format!("{shown}[{}]", index + 1), element, leaves);
            }
        }
        _ => leaves.push((generic.to_owned(), shown.to_owned())),
    }
}

fn nearest(key: &str) -> Option<&'static str> {
    let similarity = |known: &&&str| (strsim::jaro_winkler(key, known) * 1000.0) as u32;
    KEYS.iter().max_by_key(similarity).filter(|known| similarity(known) > 800).copied()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_mistyped_key_names_the_one_that_was_meant() {
        let tree = json!({"ldap": {"url": "x", "timeout": "1s"}, "users": {"attribute": [{"ldap": "uid"}, {"sicm": "userName"}]}, "zzz": 1});
        let problems = unknown(&tree);
        assert_eq!(
            problems,
            [
                Problem::new("ldap.url", "unknown key; did you mean ldap.urls?"),
                Problem::new("users.attribute[2].sicm", "unknown key; did you mean users.attribute[].scim?"),
                Problem::new("zzz", "unknown key"),
            ]
        );
    }
}

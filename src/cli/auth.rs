//! By what clients are let in, as the settings have it; and the warnings before something of it ends.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use tokio_util::sync::CancellationToken;

use super::credential::clock;
use super::expiry::until;
use crate::config::{self, Settings};
use crate::http;
use crate::mapping::Finding;
use crate::store::{self, Credential, SqliteStore, Store as _};

/// How long before the end it is warned of.
const NOTICE: SignedDuration = SignedDuration::from_hours(30 * 24);

const A_DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// What the handlers need of it.
pub(super) fn auth(settings: &Settings) -> anyhow::Result<http::Auth> {
    let auth = &settings.auth;
    let issuer = |issuer: &config::Issuer| http::IssuerSettings {
        issuer: issuer.issuer.clone(),
        audience: issuer.audience.clone(),
        claims: issuer.claims.clone(),
        keys: match &issuer.keys {
            config::KeySource::Keys(url) => http::KeySource::Keys(url.clone()),
            config::KeySource::Discovery(url) => http::KeySource::Discovery(url.clone()),
        },
        scopes: issuer.scopes.clone(),
        named_by: match issuer.named_by {
            config::NamedBy::Application => http::NamedBy::Application,
            config::NamedBy::Subject => http::NamedBy::Subject,
        },
    };
    Ok(http::Auth::new(http::AuthSettings {
        extra_token: settings.extra_token.clone(),
        access_token_lifetime: auth.access_token_lifetime,
        clock_skew: auth.clock_skew,
        issuers: auth.issuers.iter().map(issuer).collect(),
        ca_pem: auth.ca_pem.clone(),
    })?)
}

/// Warns of what expires soon, or has, now and every day until `stopping`.
pub(super) async fn keep_warning(store: &SqliteStore, stopping: &CancellationToken) {
    loop {
        match expiring(store).await {
            Ok(findings) => {
                findings.iter().for_each(|finding| tracing::warn!(hint = finding.remedy, "{}", finding.detail));
            }
            Err(error) => tracing::warn!(error = &error as &dyn std::error::Error, "cannot see what expires"),
        }
        tokio::select! {
            () = stopping.cancelled() => return,
            () = tokio::time::sleep(A_DAY) => {}
        }
    }
}

/// What expires within a month, or has expired.
pub(super) async fn expiring(store: &SqliteStore) -> Result<Vec<Finding>, store::Error> {
    let now = clock();
    Ok(store.credentials().await?.iter().flat_map(|credential| findings(credential, now)).collect())
}

fn findings(credential: &Credential, now: Timestamp) -> Vec<Finding> {
    let (kind, name) = (credential.kind, &credential.name);
    let mut findings = Vec::new();
    if let Some(end) = credential.expires().and_then(|time| time.parse::<Timestamp>().ok())
        && end.duration_since(now) < NOTICE
    {
        let day = end.strftime("%Y-%m-%d");
        let remedy = format!(
            "`scimbridge {kind} rotate {name}`, and give Entra what it prints; or `scimbridge {kind} revoke {name}` \
             when nobody uses it"
        );
        findings.push(if end <= now {
            Finding::warning(format!("the {kind} {name} has expired, on {day}: who uses it is refused"), remedy)
        } else {
            let left = until(end, now);
            Finding::warning(format!("the {kind} {name} expires {left}, on {day}: who uses it is then refused"), remedy)
        });
    }
    let old = credential.replaced.as_ref();
    if let Some((old, (used, from))) = old.and_then(|old| Some((old, old.used.as_ref()?)))
        && *used > credential.current.created
        && let Some(end) = old.expires.as_ref().and_then(|time| time.parse::<Timestamp>().ok())
        && end > now
    {
        findings.push(Finding::warning(
            format!(
                "the {kind} {name} was rotated, and what it was before is still used from {from}; it ends {}",
                until(end, now)
            ),
            format!("give whoever is there what `scimbridge {kind} rotate {name}` printed"),
        ));
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scim::Scopes;
    use crate::store::{CredentialKind, Secret};

    fn credential(expires: Option<&str>) -> Credential {
        let created = "2026-06-01T00:00:00.000Z".to_owned();
        let expires = expires.map(str::to_owned);
        Credential {
            kind: CredentialKind::Token,
            name: "entra".to_owned(),
            client_id: None,
            scopes: Scopes::all(),
            created: created.clone(),
            current: Secret { created, expires, used: None },
            replaced: None,
        }
    }

    #[test]
    fn a_month_before_the_end_it_is_warned_of() {
        let now = "2026-10-01T00:00:00Z".parse().unwrap();
        for (expires, expected) in [
            (None, None),
            (Some("2026-10-31T00:00:00.000Z"), None),
            (Some("2026-10-30T23:59:59.000Z"), Some("expires in 29 days")),
            (Some("2026-10-01T00:00:01.000Z"), Some("expires in 1 seconds")),
            (Some("2026-10-01T00:00:00.000Z"), Some("has expired, on 2026-10-01")),
            (Some("2026-09-01T00:00:00.000Z"), Some("has expired, on 2026-09-01")),
        ] {
            let found = findings(&credential(expires), now);
            assert_eq!(found.len(), usize::from(expected.is_some()), "{expires:?}: {found:?}");
            assert!(found.iter().all(|finding| finding.detail.contains(expected.unwrap_or_default())), "{found:?}");
        }
    }

    #[test]
    fn who_still_uses_what_was_replaced_is_told() {
        let now = "2026-10-01T00:00:00Z".parse().unwrap();
        let used = |time: &str| {
            let used = Some((time.to_owned(), "192.0.2.1".to_owned()));
            let expires = Some("2026-10-08T00:00:00.000Z".to_owned());
            let replaced = Secret { created: "2026-01-01T00:00:00.000Z".to_owned(), expires, used };
            findings(&Credential { replaced: Some(replaced), ..credential(None) }, now)
        };
        assert_eq!(used("2026-05-01T00:00:00.000Z").len(), 0, "before it was rotated");
        let found = used("2026-09-30T00:00:00.000Z");
        assert!(found.iter().any(|finding| finding.detail.contains("192.0.2.1")), "{found:?}");
    }
}

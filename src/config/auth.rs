//! `[auth]`, from what was written to what is meant: by what clients are let in beside the tokens of the store.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use super::raw;
use super::settings::{Checker, is_loopback};
use crate::scim::{NoScope, Scope, Scopes};

/// How long access tokens may be good: Entra asks for one hour to six, and who is quick to revoke wants less.
const LIFETIMES: std::ops::RangeInclusive<Duration> = Duration::from_secs(5 * 60)..=Duration::from_secs(6 * 60 * 60);
/// By how much clocks may differ before it is a fault of theirs.
const MOST_SKEW: Duration = Duration::from_secs(15 * 60);

/// By what clients are let in beside the tokens of the store.
#[derive(Clone, Debug)]
pub struct Auth {
    /// How long an access token is good that a client is given.
    pub access_token_lifetime: Duration,
    /// By how much the clocks of issuers may differ from ours.
    pub clock_skew: Duration,
    /// Certificates to trust beside the system's where keys are fetched, PEM.
    pub ca_pem: Option<Vec<u8>>,
    /// Whose signed tokens are taken.
    pub issuers: Vec<Issuer>,
}

/// Whose signed tokens are taken, and which of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Issuer {
    /// What `iss` must be.
    pub issuer: String,
    /// What `aud` must be, or hold.
    pub audience: String,
    /// What other claims must be.
    pub claims: BTreeMap<String, String>,
    /// Where its keys are.
    pub keys: KeySource,
    /// What its tokens allow.
    pub scopes: Scopes,
    /// What those are called who come with one.
    pub named_by: NamedBy,
}

/// Where the keys of an issuer are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KeySource {
    /// At this address.
    Keys(String),
    /// Where the metadata at this address say.
    Discovery(String),
}

/// What the record of runs calls those who come with a signed token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NamedBy {
    /// By the application that Entra names.
    Application,
    /// By the subject.
    Subject,
}

/// Checks `[auth]`, but for the token.
pub(super) fn check(checker: &mut Checker, written: raw::Auth) -> Auth {
    let duration = |text: &str, example: &str| {
        humantime::parse_duration(text).map_err(|error| format!("{text:?}: {error}; write {example}"))
    };
    let lifetime = duration(&written.access_token_lifetime, "1h").and_then(|lifetime| {
        let is_sane = LIFETIMES.contains(&lifetime);
        is_sane.then_some(lifetime).ok_or_else(|| "must be between 5m and 6h".to_owned())
    });
    let skew = duration(&written.clock_skew, "2m").and_then(|skew| {
        (skew <= MOST_SKEW)
            .then_some(skew)
            .ok_or_else(|| "must be 15m at most: set the clocks right instead".to_owned())
    });
    let mut issuers: Vec<Issuer> = written.entra.map(|entra| check_entra(checker, entra)).into_iter().collect();
    for (index, issuer) in written.issuer.into_iter().enumerate() {
        issuers.push(check_issuer(checker, &format!("auth.issuer[{}]", index + 1), issuer));
    }
    Auth {
        access_token_lifetime: checker.or_problem("auth.access_token_lifetime", lifetime),
        clock_skew: checker.or_problem("auth.clock_skew", skew),
        ca_pem: written.ca_file.and_then(|file| match std::fs::read(Path::new(&file)) {
            Ok(pem) => Some(pem),
            Err(error) => {
                checker.problem("auth.ca_file", format!("cannot read {file}: {error}"));
                None
            }
        }),
        issuers,
    }
}

/// The audience of these tokens is the same for all tenants of the world: it is the issuer and the tenant that tell
/// yours from theirs.
fn check_entra(checker: &mut Checker, written: raw::Entra) -> Issuer {
    let tenant = written.tenant.to_ascii_lowercase();
    if !is_guid(&tenant) {
        checker.problem(
            "auth.entra.tenant",
            format!("{:?} is not the id of a tenant such as 0f8fad5b-d9cb-469f-a165-70867728950e", written.tenant),
        );
    }
    for (key, text) in [("auth.entra.audience", &written.audience), ("auth.entra.application", &written.application)] {
        if text.is_empty() {
            checker.problem(key, "is empty: everybody's tokens would be taken");
        }
    }
    let metadata = format!("https://login.microsoftonline.com/{tenant}/.well-known/openid-configuration");
    let keys = match (&written.keys_url, &written.issuer) {
        (Some(url), _) => KeySource::Keys(url.clone()),
        (None, Some(issuer)) => discovery(issuer),
        (None, None) => KeySource::Discovery(metadata),
    };
    let issuer = written.issuer.unwrap_or_else(|| format!("https://sts.windows.net/{tenant}/"));
    let is_keys = written.keys_url.is_some();
    check_url(checker, if is_keys { "auth.entra.keys_url" } else { "auth.entra.issuer" }, &keys);
    let claims = [("tid", tenant), ("appid", written.application)];
    Issuer {
        issuer,
        audience: written.audience,
        claims: claims.into_iter().map(|(name, value)| (name.to_owned(), value)).collect(),
        keys,
        scopes: Scopes::all(),
        named_by: NamedBy::Application,
    }
}

fn check_issuer(checker: &mut Checker, key: &str, written: raw::Issuer) -> Issuer {
    if written.audience.is_empty() {
        let detail = "is required: the issuer signs tokens for others too";
        checker.problem(format!("{key}.audience"), detail);
    }
    let keys = written.keys_url.clone().map_or_else(|| discovery(&written.issuer), KeySource::Keys);
    let part = if written.keys_url.is_some() { "keys_url" } else { "issuer" };
    check_url(checker, &format!("{key}.{part}"), &keys);
    if written.issuer.is_empty() && written.keys_url.is_some() {
        checker.problem(format!("{key}.issuer"), "is required: what the claim iss is");
    }
    let scopes = match written.scopes {
        None => Ok(Scopes::all()),
        Some(words) if words.is_empty() => Err("allows nothing; remove the issuer instead".to_owned()),
        Some(words) => {
            let scopes: Result<Scopes, NoScope> = words.iter().map(|word| word.parse::<Scope>()).collect();
            scopes.map_err(|error| error.to_string())
        }
    };
    let scopes = checker.or_problem(&format!("{key}.scopes"), scopes);
    Issuer {
        issuer: written.issuer,
        audience: written.audience,
        claims: written.claims,
        keys,
        scopes,
        named_by: NamedBy::Subject,
    }
}

/// OpenID Connect Discovery §4: the path is appended to the issuer, without a slash at its end.
fn discovery(issuer: &str) -> KeySource {
    KeySource::Discovery(format!("{}/.well-known/openid-configuration", issuer.trim_end_matches('/')))
}

/// Whoever could change the keys on their way could sign tokens.
fn check_url(checker: &mut Checker, key: &str, source: &KeySource) {
    let (KeySource::Keys(url) | KeySource::Discovery(url)) = source;
    let scheme = url::Url::parse(url).map(|url| url.scheme().to_owned()).unwrap_or_default();
    if scheme != "https" && !(scheme == "http" && is_loopback(url)) {
        checker.problem(key, format!("{url:?} is not an https:// URL"));
    }
}

fn is_guid(text: &str) -> bool {
    let parts: Vec<usize> = text.split('-').map(str::len).collect();
    parts == [8, 4, 4, 4, 12] && text.bytes().all(|byte| byte.is_ascii_hexdigit() || byte == b'-')
}

#[cfg(test)]
mod tests {
    use super::*;

    const TENANT: &str = "0f8fad5b-d9cb-469f-a165-70867728950e";

    fn checked(written: raw::Auth) -> (Auth, Vec<String>) {
        let mut checker = Checker { problems: Vec::new() };
        let auth = check(&mut checker, written);
        (auth, checker.problems.into_iter().map(|problem| problem.key).collect())
    }

    #[test]
    fn a_tenant_is_all_that_entra_needs() {
        let entra = raw::Entra { tenant: TENANT.to_ascii_uppercase(), ..raw::Entra::default() };
        let (auth, problems) = checked(raw::Auth { entra: Some(entra), ..raw::Auth::default() });
        assert_eq!(problems, [""; 0]);
        let issuer = auth.issuers.first().unwrap();
        assert_eq!(issuer.issuer, format!("https://sts.windows.net/{TENANT}/"));
        assert_eq!(issuer.claims.get("tid").map(String::as_str), Some(TENANT));
        let metadata = format!("https://login.microsoftonline.com/{TENANT}/.well-known/openid-configuration");
        assert_eq!(issuer.keys, KeySource::Discovery(metadata));
        assert_eq!(auth.access_token_lifetime, Duration::from_secs(3600));
        assert_eq!(auth.clock_skew, Duration::from_secs(120));
    }

    #[test]
    fn an_issuer_is_asked_where_its_keys_are() {
        let written = raw::Issuer {
            issuer: "https://id.example.org/realms/staff/".to_owned(),
            audience: "scimbridge".to_owned(),
            ..raw::Issuer::default()
        };
        let (auth, problems) = checked(raw::Auth { issuer: vec![written], ..raw::Auth::default() });
        assert_eq!(problems, [""; 0]);
        let url = "https://id.example.org/realms/staff/.well-known/openid-configuration";
        let issuer = auth.issuers.first().unwrap();
        assert_eq!(issuer.keys, KeySource::Discovery(url.to_owned()));
        assert_eq!(issuer.issuer, "https://id.example.org/realms/staff/", "as the claim has it");
        assert_eq!(issuer.scopes, Scopes::all());
    }

    #[test]
    fn all_that_is_wrong_is_told_at_once() {
        let entra = raw::Entra {
            tenant: "common".to_owned(),
            audience: String::new(),
            keys_url: Some("http://login.example.org/keys".to_owned()),
            ..raw::Entra::default()
        };
        let nothing = raw::Issuer { scopes: Some(Vec::new()), ..raw::Issuer::default() };
        let wrong = raw::Issuer {
            issuer: "http://127.0.0.1:1".to_owned(),
            audience: "a".to_owned(),
            scopes: Some(vec!["users:read".to_owned(), "everything".to_owned()]),
            ..raw::Issuer::default()
        };
        let (_, problems) = checked(raw::Auth {
            access_token_lifetime: "1m".to_owned(),
            clock_skew: "1h".to_owned(),
            ca_file: Some("/nowhere/ca.pem".to_owned()),
            entra: Some(entra),
            issuer: vec![nothing, wrong],
            ..raw::Auth::default()
        });
        for key in [
            "auth.entra.tenant",
            "auth.entra.audience",
            "auth.entra.keys_url",
            "auth.issuer[1].audience",
            "auth.issuer[1].issuer",
            "auth.issuer[1].scopes",
            "auth.issuer[2].scopes",
            "auth.access_token_lifetime",
            "auth.clock_skew",
            "auth.ca_file",
        ] {
            assert!(problems.iter().any(|problem| problem == key), "{key}: {problems:?}");
        }
    }
}

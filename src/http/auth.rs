//! Who may ask, and for what: whoever holds a token, be it one of ours, one that a client was given for its secret
//! ([`oauth`]), or one that an issuer whom the operator trusts has signed ([`issuer`]).
//!
//! | what came | status | `error` in `WWW-Authenticate` (RFC 6750 §3.1) |
//! | --- | --- | --- |
//! | no bearer token | 401 | none |
//! | one that is not known, was revoked, or was signed for something else | 401 | `invalid_token` |
//! | one that was good once, or will be | 401 | `invalid_token`, with a description that says so |
//! | one that does not allow what was asked | 403 | `insufficient_scope`, with the scope that does |
//! | one of an issuer whose keys cannot be had | 503 | |
//!
//! Invariant: what is said depends on the token alone until it is known to be good; the path is looked at after that.

mod fetch;
mod issuer;
mod keys;
mod uses;
mod verifier;

pub use fetch::FetchError;
pub use issuer::{IssuerSettings, KeySource, NamedBy};

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use axum::extract::{FromRequestParts, Request, State};
use axum::http::header::AUTHORIZATION;
use axum::http::request::Parts;
use axum::http::{Extensions, HeaderMap, Method};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use secrecy::{ExposeSecret as _, SecretString};

use super::caller::Caller;
use super::{Failure, Service, oauth};
use crate::scim::{Access, Kind, Scope, Scopes};
use crate::store::{Presented, token_hash};
use issuer::Issuer;
use uses::Uses;

/// A longer token is nobody's: what Entra sends has some two thousand characters.
const LONGEST_TOKEN: usize = 16 * 1024;

/// By what clients are let in.
#[derive(Debug)]
pub struct Auth {
    extra_token_hash: Option<String>,
    pub(super) access_token_lifetime: Duration,
    issuers: Vec<Issuer>,
    uses: Uses,
}

/// What the operator decided of it.
#[derive(Debug)]
pub struct AuthSettings {
    /// A token from outside the store.
    pub extra_token: Option<SecretString>,
    /// How long an access token is good that a client is given.
    pub access_token_lifetime: Duration,
    /// By how much the clocks of issuers may differ from ours.
    pub clock_skew: Duration,
    /// Whose signed tokens are taken.
    pub issuers: Vec<IssuerSettings>,
    /// Certificates to trust beside the system's where keys are fetched, PEM.
    pub ca_pem: Option<Vec<u8>>,
}

impl Auth {
    /// # Errors
    /// The certificates to trust cannot be used.
    pub fn new(settings: AuthSettings) -> Result<Auth, FetchError> {
        Ok(Auth {
            extra_token_hash: settings.extra_token.map(|token| token_hash(token.expose_secret())),
            access_token_lifetime: settings.access_token_lifetime,
            issuers: Issuer::all(settings.issuers, settings.clock_skew, settings.ca_pem.as_deref())?,
            uses: Uses::default(),
        })
    }

    /// Fetches the keys of each issuer, as the first token of each would.
    pub async fn reach_issuers(&self) -> Vec<(String, Result<(), FetchError>)> {
        let mut reached = Vec::new();
        for issuer in &self.issuers {
            reached.push((issuer.name().to_owned(), issuer.reach().await));
        }
        reached
    }
}

/// What a client was let in with.
#[derive(Clone, Debug)]
pub(super) struct Grant {
    /// What the operator called it.
    pub(super) name: String,
    /// What it allows.
    pub(super) scopes: Scopes,
}

impl Grant {
    /// # Errors
    /// It does not allow that.
    pub(super) fn require(&self, kind: Kind, access: Access) -> Result<(), Failure> {
        let needed = Scope { kind, access };
        if self.scopes.allow(needed) {
            return Ok(());
        }
        Err(Failure::Forbidden { name: self.name.clone(), needed })
    }

    /// Those of the kinds whose resources may be shown: a list over both is a list of what may be seen.
    ///
    /// # Errors
    /// None of them may.
    pub(super) fn readable(&self, kinds: Vec<Kind>) -> Result<Vec<Kind>, Failure> {
        let first = kinds.first().copied();
        let readable: Vec<Kind> = kinds.into_iter().filter(|kind| self.require(*kind, Access::Read).is_ok()).collect();
        match first {
            Some(kind) if readable.is_empty() => self.require(kind, Access::Read).map(|()| readable),
            _ => Ok(readable),
        }
    }

    /// What the request was let in with.
    pub(super) fn of(extensions: &Extensions) -> Result<Grant, Failure> {
        let grant = extensions.get::<Grant>().cloned();
        grant.ok_or_else(|| Failure::Internal("a handler runs before it is known who asks".to_owned()))
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Grant {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Grant, Failure> {
        Grant::of(&parts.extensions)
    }
}

/// Why a token is not taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// There is none.
    Missing,
    /// It is nobody's.
    Unknown,
    /// It was good until then, RFC 3339 where it is known.
    Expired(Option<String>),
    /// Its time has not come.
    NotYetValid,
}

/// Lets a request through that carries a good bearer token (RFC 6750 §2.1). The endpoint that gives out tokens asks by
/// itself who wants one.
pub(super) async fn require_token(State(service): State<Arc<Service>>, mut request: Request, next: Next) -> Response {
    if request.uri().path() == oauth::PATH {
        return next.run(request).await;
    }
    let token = bearer(request.headers()).map(str::to_owned);
    let caller = request.extensions().get::<Caller>().cloned();
    let granted = match token {
        Some(token) => grant(&service, &token, caller).await,
        None => Err(Failure::Unauthorized(Refusal::Missing)),
    };
    match granted {
        Ok(grant) => {
            request.extensions_mut().insert(grant);
            next.run(request).await
        }
        Err(failure) => failure.into_response(),
    }
}

/// The routes of a kind are for those whose token allows to read or to write it.
pub(super) async fn require_scope(kind: Kind, request: Request, next: Next) -> Response {
    let is_search = request.uri().path().ends_with("/.search");
    let access = match *request.method() {
        Method::GET | Method::HEAD => Access::Read,
        Method::POST if is_search => Access::Read,
        _ => Access::Write,
    };
    match Grant::of(request.extensions()).and_then(|grant| grant.require(kind, access)) {
        Ok(()) => next.run(request).await,
        Err(failure) => failure.into_response(),
    }
}

fn bearer(headers: &HeaderMap) -> Option<&str> {
    let header = headers.get(AUTHORIZATION)?.to_str().ok()?;
    let (scheme, token) = header.split_once(' ')?;
    let token = token.trim();
    (scheme.eq_ignore_ascii_case("bearer") && !token.is_empty()).then_some(token)
}

async fn grant(service: &Arc<Service>, token: &str, caller: Option<Caller>) -> Result<Grant, Failure> {
    if token.len() > LONGEST_TOKEN {
        return Err(Failure::Unauthorized(Refusal::Unknown));
    }
    // Hashes are compared, so that how long a comparison takes says nothing of the token.
    let hash = token_hash(token);
    if service.auth.extra_token_hash.as_ref() == Some(&hash) {
        return Ok(Grant { name: "auth.token".to_owned(), scopes: Scopes::all() });
    }
    let Some(known) = service.store.bearer(&hash).await? else {
        return issuer::grant(&service.auth.issuers, token).await;
    };
    if let Some(expires) = &known.expires
        && *expires <= now()
    {
        // Entra's log may be read by nobody: whoever looks here finds why nothing comes any more.
        tracing::warn!(token = known.label(), expires, "a token that has expired is refused");
        return Err(Failure::Unauthorized(Refusal::Expired(Some(expires.clone()))));
    }
    note_use(service, &known, caller);
    Ok(Grant { name: known.label(), scopes: known.scopes })
}

/// Notes the use beside the request, and seldom: nobody waits for it.
pub(super) fn note_use(service: &Arc<Service>, known: &Presented, caller: Option<Caller>) {
    if !service.auth.uses.is_due(&known.secret_hash, tokio::time::Instant::now()) {
        return;
    }
    let (store, hash) = (service.store.clone(), known.secret_hash.clone());
    let address = caller.and_then(|caller| caller.address).map(|address| address.to_string()).unwrap_or_default();
    service.writes.spawn(async move {
        if let Err(error) = store.note_use(&hash, &now(), &address).await {
            tracing::warn!(error = &error as &dyn std::error::Error, "cannot note that a token was used");
        }
    });
}

/// The present time in UTC, RFC 3339.
pub(super) fn now() -> String {
    after(Duration::ZERO)
}

/// How many seconds there are until that time.
#[expect(clippy::disallowed_methods, reason = "here it is said how long a token is good")]
pub(super) fn seconds_until(time: &str) -> u64 {
    let until = humantime::parse_rfc3339(time).ok().and_then(|time| time.duration_since(SystemTime::now()).ok());
    until.unwrap_or_default().as_secs_f64().round() as u64
}

/// The time after that long.
#[expect(clippy::disallowed_methods, reason = "here it is seen whether a token has expired")]
pub(super) fn after(duration: Duration) -> String {
    humantime::format_rfc3339_millis(SystemTime::now() + duration).to_string()
}

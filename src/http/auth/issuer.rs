//! Tokens that somebody else has signed: Entra itself, where the application has no Secret Token, or any OpenID issuer.
//!
//! Not the keys, which are fetched by [`keys`](super::keys). Invariant: nothing of a token is believed before its
//! signature is verified, but for the issuer and the key that it names, which choose by what to verify.

use std::collections::BTreeMap;
use std::time::Duration;

use jsonwebtoken::errors::ErrorKind;
use jsonwebtoken::{Algorithm, Validation, dangerous, decode, decode_header};
use serde::Deserialize;
use serde_json::{Map, Value};

use super::fetch::{Client, FetchError};
use super::keys::Keys;
use super::{Grant, Refusal, verifier};
use crate::http::Failure;
use crate::scim::Scopes;

/// By what an issuer can sign. Whoever verifies an HMAC could have made it; `none` is no signature.
const ALGORITHMS: [Algorithm; 3] = [Algorithm::RS256, Algorithm::PS256, Algorithm::ES256];
/// How much of a name is kept that a token brings.
const LONGEST_NAME: usize = 200;

/// Whose signed tokens are taken, and which of them.
#[derive(Clone, Debug)]
pub struct IssuerSettings {
    /// What `iss` must be.
    pub issuer: String,
    /// One of which `aud` must be, or hold.
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
    /// At this address, as a set (RFC 7517 §5).
    Keys(String),
    /// Where the metadata at this address say (OpenID Connect Discovery §4).
    Discovery(String),
}

/// What the record of runs calls those who come with a signed token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NamedBy {
    /// `entra`, and the application.
    Application,
    /// `issuer`, and the subject.
    Subject,
}

/// An issuer with its keys.
#[derive(Debug)]
pub(super) struct Issuer {
    settings: IssuerSettings,
    clock_skew: Duration,
    keys: Keys,
}

/// Why a signed token is not taken; the first three are told to nobody but the operator.
#[derive(Debug)]
enum Refused {
    /// It is no JWT, or not of an issuer that is known here.
    Foreign(&'static str),
    /// The signature is not that of the issuer.
    Unsigned(&'static str),
    /// It is the issuer's, and for something else.
    Elsewhere(String),
    Expired,
    NotYetValid,
    Unjudged(FetchError),
}

impl Issuer {
    pub(super) fn all(
        settings: Vec<IssuerSettings>,
        clock_skew: Duration,
        ca_pem: Option<&[u8]>,
    ) -> Result<Vec<Issuer>, FetchError> {
        if settings.is_empty() {
            return Ok(Vec::new());
        }
        verifier::install();
        let client = Client::new(ca_pem)?;
        let issuer = |settings: IssuerSettings| {
            let keys = Keys::new(settings.issuer.clone(), settings.keys.clone(), client.clone());
            Issuer { settings, clock_skew, keys }
        };
        Ok(settings.into_iter().map(issuer).collect())
    }

    pub(super) fn name(&self) -> &str {
        &self.settings.issuer
    }

    pub(super) async fn reach(&self) -> Result<(), FetchError> {
        self.keys.reach().await
    }

    async fn verify(&self, token: &str) -> Result<Grant, Refused> {
        let header = decode_header(token).map_err(|_| Refused::Foreign("it has no header that can be read"))?;
        if !ALGORITHMS.contains(&header.alg) {
            return Err(Refused::Unsigned("it is not signed by RS256, PS256 or ES256"));
        }
        if header.crit.is_some() {
            // RFC 7515 §4.1.11: what must be understood, and is not.
            return Err(Refused::Foreign("its header has extensions"));
        }
        let id = header.kid.ok_or(Refused::Unsigned("it names no key"))?;
        let key = self.keys.find(&id).await.map_err(Refused::Unjudged)?;
        let key = key.ok_or(Refused::Unsigned("the issuer has no key of that id"))?;
        if !key.algorithms.contains(&header.alg) {
            return Err(Refused::Unsigned("the key is not for that algorithm"));
        }
        let mut validation = Validation::new(header.alg);
        validation.leeway = self.clock_skew.as_secs();
        validation.validate_nbf = true;
        validation.set_required_spec_claims(&["exp", "iss", "aud"]);
        validation.set_issuer(&[&self.settings.issuer]);
        validation.set_audience(&[&self.settings.audience]);
        let claims =
            decode::<Map<String, Value>>(token, &key.key, &validation).map_err(|error| match error.kind() {
                ErrorKind::ExpiredSignature => Refused::Expired,
                ErrorKind::ImmatureSignature => Refused::NotYetValid,
                ErrorKind::InvalidAudience => Refused::Elsewhere(format!("aud is not {}", self.settings.audience)),
                ErrorKind::MissingRequiredClaim(name) => Refused::Elsewhere(format!("{name} is missing")),
                ErrorKind::InvalidClaimFormat(name) => Refused::Elsewhere(format!("{name} cannot be read")),
                ErrorKind::InvalidIssuer => Refused::Foreign("its issuer is another one"),
                _ => Refused::Unsigned("the signature is not that of the key"),
            })?;
        self.grant(&claims.claims)
    }

    fn grant(&self, claims: &Map<String, Value>) -> Result<Grant, Refused> {
        let text = |name: &str| claims.get(name).and_then(Value::as_str);
        let issuer = ("iss", &self.settings.issuer);
        let demanded = self.settings.claims.iter().map(|(name, value)| (name.as_str(), value));
        for (name, value) in std::iter::once(issuer).chain(demanded) {
            if text(name) != Some(value) {
                return Err(Refused::Elsewhere(format!("{name} is not {value}")));
            }
        }
        let name = match self.settings.named_by {
            NamedBy::Application => format!("entra {}", text("appid").unwrap_or_default()),
            NamedBy::Subject => format!("issuer {}", text("sub").unwrap_or_default()),
        };
        let name = name.chars().filter(|character| !character.is_control()).take(LONGEST_NAME).collect();
        Ok(Grant { name, scopes: self.settings.scopes.clone() })
    }
}

/// What a token claims before anything of it is verified.
#[derive(Deserialize)]
struct Claimed {
    iss: String,
}

/// Lets in whoever holds a token that one of the issuers has signed.
pub(super) async fn grant(issuers: &[Issuer], token: &str) -> Result<Grant, Failure> {
    let unknown = || Failure::Unauthorized(Refusal::Unknown);
    if issuers.is_empty() || token.split('.').count() != 3 {
        return Err(unknown());
    }
    let claimed = dangerous::insecure_decode::<Claimed>(token).map(|data| data.claims.iss);
    let Ok(claimed) = claimed else {
        tracing::info!(why = "it is no JWT that can be read", "a signed token is refused");
        return Err(unknown());
    };
    let mut refused = Refused::Foreign("its issuer is not among those of the settings");
    // One issuer may have several audiences.
    for issuer in issuers.iter().filter(|issuer| issuer.settings.issuer == claimed) {
        match issuer.verify(token).await {
            Ok(grant) => return Ok(grant),
            Err(error) => refused = error,
        }
    }
    Err(match refused {
        Refused::Foreign(why) | Refused::Unsigned(why) => {
            tracing::info!(why, "a signed token is refused");
            unknown()
        }
        Refused::Elsewhere(why) => {
            tracing::warn!(why, issuer = claimed, "a signed token is refused");
            unknown()
        }
        Refused::Expired => Failure::Unauthorized(Refusal::Expired(None)),
        Refused::NotYetValid => Failure::Unauthorized(Refusal::NotYetValid),
        Refused::Unjudged(error) => Failure::IssuerAway(error.to_string()),
    })
}

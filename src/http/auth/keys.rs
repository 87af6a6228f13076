//! The public keys of an issuer: fetched when they are first needed, kept for an hour, looked for again when a token
//! names one that is not known.
//!
//! Invariant: however many tokens name unknown keys, the issuer is asked once at a time and seldom; and when it cannot
//! be asked, the keys that are known stay good.

use std::time::Duration;

use jsonwebtoken::jwk::{AlgorithmParameters, EllipticCurve, Jwk, KeyAlgorithm, PublicKeyUse};
use jsonwebtoken::{Algorithm, DecodingKey};
use serde_json::Value;
use tokio::sync::Mutex;
use tokio::time::Instant;

use super::KeySource;
use super::fetch::{Client, FetchError};

/// How long keys are taken to be those of the issuer.
const LIFETIME: Duration = Duration::from_secs(60 * 60);
/// How soon the issuer is asked again because of a key that is not known: anybody can name one.
const PAUSE: Duration = Duration::from_secs(10);
/// How soon it is asked again when it could not be, while the key in question is known.
const LONG_PAUSE: Duration = Duration::from_secs(60);

/// A key that the issuer signs with.
#[derive(Clone, Debug)]
pub(super) struct Key {
    id: String,
    /// What it may be used with: what its own type allows.
    pub(super) algorithms: Vec<Algorithm>,
    pub(super) key: DecodingKey,
}

/// The keys of one issuer.
#[derive(Debug)]
pub(super) struct Keys {
    issuer: String,
    source: KeySource,
    client: Client,
    known: Mutex<Known>,
}

#[derive(Debug, Default)]
struct Known {
    keys: Vec<Key>,
    fetched: Option<Instant>,
    tried: Option<Instant>,
    failure: Option<FetchError>,
}

impl Known {
    fn key(&self, id: &str) -> Option<&Key> {
        self.keys.iter().find(|key| key.id == id)
    }

    /// Whether the issuer is to be asked before that key is used, or given up.
    fn is_to_be_renewed(&self, id: &str) -> bool {
        let longer_ago = |time: Option<Instant>, than: Duration| time.is_none_or(|time| time.elapsed() >= than);
        match self.key(id) {
            Some(_) => longer_ago(self.fetched, LIFETIME) && longer_ago(self.tried, LONG_PAUSE),
            None => longer_ago(self.tried, PAUSE),
        }
    }
}

impl Keys {
    pub(super) fn new(issuer: String, source: KeySource, client: Client) -> Keys {
        Keys { issuer, source, client, known: Mutex::default() }
    }

    /// The key of that id; `None` when the issuer has none.
    ///
    /// # Errors
    /// The key is not known, and the issuer could not be asked.
    pub(super) async fn find(&self, id: &str) -> Result<Option<Key>, FetchError> {
        // Whoever comes while the issuer is asked waits for the answer.
        let mut known = self.known.lock().await;
        if known.is_to_be_renewed(id) {
            self.renew(&mut known).await;
        }
        match (known.key(id), &known.failure) {
            (Some(key), _) => Ok(Some(key.clone())),
            (None, Some(failure)) => Err(failure.clone()),
            (None, None) => Ok(None),
        }
    }

    /// Asks the issuer now.
    ///
    /// # Errors
    /// It could not be asked.
    pub(super) async fn reach(&self) -> Result<(), FetchError> {
        let mut known = self.known.lock().await;
        self.renew(&mut known).await;
        known.failure.clone().map_or(Ok(()), Err)
    }

    async fn renew(&self, known: &mut Known) {
        let (client, source, issuer) = (self.client.clone(), self.source.clone(), self.issuer.clone());
        let fetched = tokio::task::spawn_blocking(move || fetch(&client, &source, &issuer)).await;
        let fetched = fetched
            .unwrap_or_else(|error| Err(FetchError::Unusable { url: self.issuer.clone(), reason: error.to_string() }));
        known.tried = Some(Instant::now());
        match fetched {
            Ok(keys) => {
                tracing::info!(issuer = self.issuer, keys = keys.len(), "fetched the keys of an issuer");
                *known = Known { keys, fetched: known.tried, tried: known.tried, failure: None };
            }
            Err(error) => {
                let kept = known.keys.len();
                tracing::warn!(issuer = self.issuer, kept, %error, "cannot fetch the keys of an issuer");
                known.failure = Some(error);
            }
        }
    }
}

fn fetch(client: &Client, source: &KeySource, issuer: &str) -> Result<Vec<Key>, FetchError> {
    let url = match source {
        KeySource::Keys(url) => url.clone(),
        KeySource::Discovery(url) => {
            keys_url(&client.json(url)?, issuer).map_err(|reason| FetchError::Unusable { url: url.clone(), reason })?
        }
    };
    let keys = read(&client.json(&url)?);
    if keys.is_empty() {
        let reason = "it has no key for RS256, PS256 or ES256 with an id".to_owned();
        return Err(FetchError::Unusable { url, reason });
    }
    Ok(keys)
}

/// Where the keys are, by what the issuer says of itself (OpenID Connect Discovery §3); it must be the one that was
/// meant (§4.3).
fn keys_url(metadata: &Value, issuer: &str) -> Result<String, String> {
    let text = |name: &str| metadata.get(name).and_then(Value::as_str);
    match text("issuer") {
        Some(known) if known == issuer => {}
        Some(known) => return Err(format!("it is about the issuer {known}, not {issuer}")),
        None => return Err("it names no issuer".to_owned()),
    }
    text("jwks_uri").map(str::to_owned).ok_or_else(|| "it names no jwks_uri".to_owned())
}

/// The keys of a set (RFC 7517 §5) that can be used. Others, of kinds that are not known here, do no harm.
fn read(set: &Value) -> Vec<Key> {
    let keys = set.get("keys").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    keys.iter().filter_map(read_one).collect()
}

fn read_one(key: &Value) -> Option<Key> {
    let key: Jwk = serde_json::from_value(key.clone()).ok()?;
    if key.common.public_key_use.as_ref().is_some_and(|purpose| *purpose != PublicKeyUse::Signature) {
        return None;
    }
    let mut algorithms = match &key.algorithm {
        AlgorithmParameters::RSA(_) => vec![Algorithm::RS256, Algorithm::PS256],
        AlgorithmParameters::EllipticCurve(key) if key.curve == EllipticCurve::P256 => vec![Algorithm::ES256],
        _ => return None,
    };
    if let Some(only) = &key.common.key_algorithm {
        let named = |algorithm: &Algorithm| match algorithm {
            Algorithm::RS256 => *only == KeyAlgorithm::RS256,
            Algorithm::PS256 => *only == KeyAlgorithm::PS256,
            Algorithm::ES256 => *only == KeyAlgorithm::ES256,
            _ => false,
        };
        algorithms.retain(named);
    }
    let id = key.common.key_id.clone()?;
    let key = DecodingKey::from_jwk(&key).ok()?;
    (!algorithms.is_empty()).then_some(Key { id, algorithms, key })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_key_is_good_for_what_its_type_allows() {
        let rsa = json!({"kty": "RSA", "kid": "a", "n": "3q2-7w", "e": "AQAB"});
        let curve = json!({"kty": "EC", "crv": "P-256", "kid": "a", "x": "3q2-7w", "y": "3q2-7w"});
        let with = |key: &Value, name: &str, value: Value| {
            let mut key = key.clone();
            key[name] = value;
            key
        };
        let (rs, ps, es) = (Algorithm::RS256, Algorithm::PS256, Algorithm::ES256);
        for (key, expected) in [
            (rsa.clone(), vec![rs, ps]),
            (with(&rsa, "alg", json!("RS256")), vec![rs]),
            (with(&rsa, "alg", json!("PS256")), vec![ps]),
            (with(&rsa, "alg", json!("ES256")), vec![]),
            (with(&rsa, "alg", json!("HS256")), vec![]),
            (with(&rsa, "alg", json!("RS1")), vec![]),
            (with(&rsa, "use", json!("sig")), vec![rs, ps]),
            (with(&rsa, "use", json!("enc")), vec![]),
            (with(&rsa, "kid", Value::Null), vec![]),
            (curve.clone(), vec![es]),
            (with(&curve, "alg", json!("ES256")), vec![es]),
            (with(&curve, "alg", json!("RS256")), vec![]),
            (with(&curve, "crv", json!("P-384")), vec![]),
            (json!({"kty": "oct", "kid": "a", "k": "3q2-7w", "alg": "HS256"}), vec![]),
            (json!({"kty": "future", "kid": "a"}), vec![]),
            (json!("nonsense"), vec![]),
        ] {
            let read: Vec<Algorithm> = read_one(&key).into_iter().flat_map(|key| key.algorithms).collect();
            assert_eq!(read, expected, "{key}");
        }
        assert_eq!(read(&json!({"keys": [{"kty": "future"}, rsa, 1, curve]})).len(), 2, "the others do no harm");
        assert_eq!(read(&json!({})).len(), 0);
    }

    #[test]
    fn metadata_must_be_of_the_issuer_that_was_meant() {
        let metadata = json!({"issuer": "https://a", "jwks_uri": "https://a/keys"});
        assert_eq!(keys_url(&metadata, "https://a").as_deref(), Ok("https://a/keys"));
        for (metadata, issuer) in
            [(&metadata, "https://a/"), (&json!({"jwks_uri": "https://a/keys"}), "https://a"), (&json!(1), "https://a")]
        {
            assert!(keys_url(metadata, issuer).is_err(), "{metadata}");
        }
        assert!(keys_url(&json!({"issuer": "https://a"}), "https://a").is_err());
    }
}

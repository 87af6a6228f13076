//! Who may ask, as far as it is kept: tokens and clients, with the hashes of what they are let in with.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::{Digest, Sha256};

use crate::scim::Scopes;

/// How somebody is let in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum CredentialKind {
    /// By a bearer token that the operator hands over.
    Token,
    /// By an access token that is given for a client's secret (RFC 6749 §4.4).
    Client,
}

impl CredentialKind {
    /// As it is written.
    pub fn as_str(self) -> &'static str {
        match self {
            CredentialKind::Token => "token",
            CredentialKind::Client => "client",
        }
    }

    /// The kind that is written so.
    pub fn named(text: &str) -> Option<CredentialKind> {
        [CredentialKind::Token, CredentialKind::Client].into_iter().find(|kind| kind.as_str() == text)
    }
}

impl fmt::Display for CredentialKind {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

/// Somebody who shall be let in from now on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewCredential {
    /// How.
    pub kind: CredentialKind,
    /// What the operator calls it.
    pub name: String,
    /// What a client calls itself.
    pub client_id: Option<String>,
    /// What they may do.
    pub scopes: Scopes,
}

/// A secret, without the secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewSecret {
    /// Its [`token_hash`].
    pub hash: String,
    /// The present time, RFC 3339.
    pub created: String,
    /// From when on it is refused, RFC 3339; `None`: never.
    pub expires: Option<String>,
}

/// An access token, without the token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewAccessToken {
    /// Its [`token_hash`].
    pub hash: String,
    /// The hash of the client's secret that it is given for.
    pub secret_hash: String,
    /// What it may be used for.
    pub scopes: Scopes,
    /// From when on it is refused, RFC 3339.
    pub expires: String,
}

/// Somebody who is let in, as the operator sees them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Credential {
    /// How.
    pub kind: CredentialKind,
    /// What the operator calls it.
    pub name: String,
    /// What a client calls itself.
    pub client_id: Option<String>,
    /// What they may do.
    pub scopes: Scopes,
    /// When it was made, RFC 3339.
    pub created: String,
    /// The secret that counts.
    pub current: Secret,
    /// The one before, for as long as it is being replaced.
    pub replaced: Option<Secret>,
}

impl Credential {
    /// What the record of runs, the log and the metrics call it.
    pub fn label(&self) -> String {
        label(self.kind, &self.name)
    }

    /// From when on it is refused, RFC 3339; `None`: never.
    pub fn expires(&self) -> Option<&str> {
        self.current.expires.as_deref()
    }
}

/// Of a secret, all but the secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Secret {
    /// When it was made, RFC 3339.
    pub created: String,
    /// From when on it is refused, RFC 3339; `None`: never.
    pub expires: Option<String>,
    /// When it was last shown, or an access token that was given for it, and from where.
    pub used: Option<(String, String)>,
}

/// Whom a secret or an access token belongs to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Presented {
    /// How they are let in.
    pub kind: CredentialKind,
    /// What the operator calls it.
    pub name: String,
    /// What a client calls itself.
    pub client_id: Option<String>,
    /// What they may do.
    pub scopes: Scopes,
    /// The hash of the secret: that of a token is the token's own.
    pub secret_hash: String,
    /// From when on it is refused, RFC 3339; `None`: never.
    pub expires: Option<String>,
}

impl Presented {
    /// What the record of runs, the log and the metrics call it.
    pub fn label(&self) -> String {
        label(self.kind, &self.name)
    }
}

fn label(kind: CredentialKind, name: &str) -> String {
    match kind {
        CredentialKind::Token => name.to_owned(),
        CredentialKind::Client => format!("client {name}"),
    }
}

/// A new secret of 256 random bits, in 43 characters: Entra keeps tokens in little space.
///
/// # Errors
/// The system has no randomness to give.
pub fn new_token() -> Result<String, getrandom::Error> {
    let mut bytes = [0; 32];
    getrandom::fill(&mut bytes)?;
    Ok(URL_SAFE_NO_PAD.encode(bytes))
}

/// The hash under which a token is kept: SHA-256 in hex. Tokens are 256 random bits, so that a salt or a
/// slow hash would add nothing; and hashes are what is compared, so that how long it takes says nothing of the token.
pub fn token_hash(token: &str) -> String {
    Sha256::digest(token.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect()
}

//! What is kept of a bearer token: its hash.

use sha2::{Digest, Sha256};

/// The hash under which a token is kept: SHA-256 in hex. Tokens are 256 random bits, so that a salt or a
/// slow hash would add nothing.
pub fn token_hash(token: &str) -> String {
    Sha256::digest(token.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect()
}

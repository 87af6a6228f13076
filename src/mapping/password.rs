//! How an entry gets its password. Pure: salts are arguments.
//!
//! Not an attribute like others: it is set, and neither read nor compared. Invariant: what is written is hashed here or by
//! the server, and never in clear.

use argon2::{Algorithm, Argon2, Params, Version};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest as _, Sha512};

use super::Template;
use crate::directory::Value;
use crate::scim::{Document, Error, Password, ScimType};

/// How many bytes of salt a hash has.
pub const SALT_LENGTH: usize = 16;

/// Where passwords come from and how they are set.
#[derive(Clone, Debug)]
pub struct PasswordRule {
    /// Where they come from.
    pub source: PasswordSource,
    /// How they are set.
    pub storage: Storage,
}

/// Where a user's password comes from.
#[derive(Clone, Debug)]
pub enum PasswordSource {
    /// The client sends it (`password`), whenever it likes.
    Pushed,
    /// The client sends it, and what it sends later is not looked at.
    PushedOnCreation,
    /// It is made of the user's attributes when the entry is created.
    Initial(Template),
}

/// Who hashes a password, and how.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Storage {
    /// The server, by its own settings (RFC 3062).
    Server,
    /// We: SHA-512 with a salt.
    Ssha512,
    /// We: Argon2id, with the parameters that OWASP names first (19 MiB, 2 passes, 1 lane).
    Argon2,
}

/// Whether the entry was created for the resource.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EntryAge {
    /// It was just now.
    New,
    /// Its creation was under way when it was interrupted, and one was found: as far as can be told it is that one.
    Resumed,
    /// It was there before.
    Old,
}

impl PasswordRule {
    /// Whether clients can send one.
    pub fn is_pushed(&self) -> bool {
        !matches!(self.source, PasswordSource::Initial(_))
    }

    /// Whether it matters that an entry is new.
    pub fn is_for_new_entries(&self) -> bool {
        !matches!(self.source, PasswordSource::Pushed)
    }

    /// The password that the entry is to get now, if any.
    ///
    /// # Errors
    /// `invalidValue` when the template fails.
    pub fn wanted(
        &self,
        document: &Document,
        pushed: Option<&Password>,
        age: EntryAge,
    ) -> Result<Option<Password>, Error> {
        match (&self.source, age) {
            (PasswordSource::Pushed, _) | (PasswordSource::PushedOnCreation, EntryAge::New | EntryAge::Resumed) => {
                Ok(pushed.cloned())
            }
            (PasswordSource::PushedOnCreation | PasswordSource::Initial(_), EntryAge::Old) => Ok(None),
            (PasswordSource::Initial(template), EntryAge::New | EntryAge::Resumed) => {
                // What went wrong may quote what the password is made of.
                let failed = |_| Error::new(ScimType::InvalidValue, "the template of the initial password failed");
                Ok(Password::of(&template.render(document).map_err(failed)?))
            }
        }
    }
}

impl Storage {
    /// The value that is stored; `None` where the server makes it.
    pub fn hash(self, password: &Password, salt: [u8; SALT_LENGTH]) -> Option<Value> {
        let password = password.expose().as_bytes();
        match self {
            Storage::Server => None,
            Storage::Ssha512 => {
                let digest = Sha512::new().chain_update(password).chain_update(salt).finalize();
                Some(Value::from(format!("{{SSHA512}}{}", STANDARD.encode([digest.as_slice(), &salt].concat()))))
            }
            Storage::Argon2 => {
                let params = Params::new(19_456, 2, 1, Some(32)).ok()?;
                let text = format!("m={},t={},p={}", params.m_cost(), params.t_cost(), params.p_cost());
                let mut digest = [0; 32];
                Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
                    .hash_password_into(password, &salt, &mut digest)
                    .ok()?;
                let encode = |bytes: &[u8]| base64::engine::general_purpose::STANDARD_NO_PAD.encode(bytes);
                let (salt, digest) = (encode(&salt), encode(&digest));
                Some(Value::from(format!("{{ARGON2}}$argon2id$v=19${text}${salt}${digest}")))
            }
        }
    }
}

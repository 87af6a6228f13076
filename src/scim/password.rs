//! Passwords on their way through (RFC 7643 §4.1.1): read from a request, handed on, and never part of a document.
//!
//! Invariant: one cannot be printed, logged or stored.

use std::fmt;

use secrecy::{ExposeSecret as _, SecretString};
use serde_json::Value;

use super::error::{Error, ScimType};

/// A password in clear.
#[derive(Clone)]
pub struct Password(SecretString);

impl Password {
    /// Reads the value of `password`; `None` when it is null or empty.
    ///
    /// # Errors
    /// `invalidValue` when it is no text.
    pub fn read(value: &Value) -> Result<Option<Password>, Error> {
        match value {
            Value::Null => Ok(None),
            Value::String(text) => Ok(Password::of(text)),
            _ => Err(Error::new(ScimType::InvalidValue, "password must be a text")),
        }
    }

    /// A password, unless the text is empty.
    pub fn of(text: &str) -> Option<Password> {
        (!text.is_empty()).then(|| Password(SecretString::from(text)))
    }

    /// The text.
    pub fn expose(&self) -> &str {
        self.0.expose_secret()
    }
}

impl PartialEq for Password {
    fn eq(&self, other: &Password) -> bool {
        self.expose() == other.expose()
    }
}

impl Eq for Password {}

impl fmt::Debug for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Password(…)")
    }
}

//! Setting a password by the operation that is for it (RFC 3062): the server hashes it as it is told to.

use secrecy::SecretString;

use super::write::Writing;
use super::{Directory, Error};
use crate::directory::Dn;

pub(super) const SET_PASSWORD: &str = "set the password of";

impl Directory {
    /// Gives an entry another password. The one change that is not [`Directory::apply`]'s: a [`Change`] can be printed.
    ///
    /// # Errors
    /// The server's answer; the password is as it was then. Or the connection was lost, and it is not known.
    ///
    /// [`Change`]: crate::directory::Change
    pub async fn set_password(&self, dn: &Dn, password: &SecretString) -> Result<(), Error> {
        match self.writing() {
            Writing::Sent(sender) => sender.set_password(dn, password).await,
            Writing::Imagined(rehearsal) => self.imagine_password(rehearsal, dn).await,
        }
    }
}

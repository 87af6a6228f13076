//! Setting a password by the operation that is for it (RFC 3062): the server hashes it as it is told to.

use ldap3::exop::PasswordModify;
use secrecy::ExposeSecret as _;
use secrecy::SecretString;

use super::{Directory, Error, succeed};
use crate::directory::Dn;

impl Directory {
    /// Gives an entry another password. The one change that is not [`Directory::apply`]'s: a [`Change`] can be printed.
    ///
    /// # Errors
    /// The server's answer; the password is as it was then. Or the connection was lost, and it is not known.
    ///
    /// [`Change`]: crate::directory::Change
    pub async fn set_password(&self, dn: &Dn, password: &SecretString) -> Result<(), Error> {
        let name = dn.to_string();
        let request = PasswordModify { user_id: Some(&name), old_pass: None, new_pass: Some(password.expose_secret()) };
        let mut handle = self.pool.handle().await?;
        let answered = handle.ldap().extended(request).await;
        let result = handle.check("set the password of", dn, answered)?.1;
        succeed("set the password of", dn, result)
    }
}

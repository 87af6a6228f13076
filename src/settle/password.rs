//! Setting the password that a request brought, after everything else of the entry is as wanted.
//!
//! It is set by the request that brings it or not at all: it is kept nowhere, so that no retry of ours can set it later.

use secrecy::SecretString;

use super::{Error, Work};
use crate::directory::{Action, AttributeName, Change, Dn, Modification, Tolerance};
use crate::ldap::Fault;
use crate::mapping::disable::PASSWORD_ATTRIBUTE;
use crate::mapping::password::{EntryAge, SALT_LENGTH, Storage};
use crate::plan::{Plan, Reason};
use crate::scim::{Document, Password};
use crate::store::State;

/// Whether an entry was given a password.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum PasswordOutcome {
    Set,
    Untouched,
}

impl Work<'_> {
    /// Gives the entry the password that it is to have now, if any. An entry that was created for it goes again when
    /// the directory refuses the password: nothing is half done.
    pub(super) async fn settle_password(
        &self,
        state: &State,
        dn: &Dn,
        document: &Document,
        pushed: Option<&Password>,
        age: EntryAge,
    ) -> Result<PasswordOutcome, Error> {
        let Some(rule) = &self.rules.users.password else {
            return Ok(PasswordOutcome::Untouched);
        };
        let Some(password) = rule.wanted(document, pushed, age)? else {
            return Ok(PasswordOutcome::Untouched);
        };
        if age == EntryAge::Resumed && rule.is_for_new_entries() && self.has_password(dn).await? {
            // Somebody gave it one meanwhile, or the entry is theirs after all.
            return Ok(PasswordOutcome::Untouched);
        }
        match self.set_password(dn, &password, rule.storage).await {
            Ok(()) => {
                tracing::info!("password set");
                Ok(PasswordOutcome::Set)
            }
            Err(Error::Directory(error)) if error.fault() != Fault::Passing => {
                // One that was only found may be somebody else's, and is not taken away.
                if age == EntryAge::New && state.settled.is_none() {
                    self.carry_out(Plan::of(Change::Delete { dn: dn.clone() }, Reason::Tombstone)).await?;
                }
                let detail = format!("password cannot be set: {error}");
                match error.fault() {
                    Fault::Refused => Err(Error::Refused { detail, source: error }),
                    _ => Err(Error::Operator { detail, source: error }),
                }
            }
            Err(other) => Err(other),
        }
    }

    async fn has_password(&self, dn: &Dn) -> Result<bool, Error> {
        let attribute = AttributeName::of(PASSWORD_ATTRIBUTE);
        let entry = self.directory.read(dn, std::slice::from_ref(&attribute)).await?;
        Ok(entry.is_some_and(|entry| !entry.values(&attribute).is_empty()))
    }

    async fn set_password(&self, dn: &Dn, password: &Password, storage: Storage) -> Result<(), Error> {
        if storage == Storage::Server {
            return self.give_password(dn, &SecretString::from(password.expose())).await;
        }
        let mut salt = [0; SALT_LENGTH];
        getrandom::fill(&mut salt).map_err(|_| Error::NoHash)?;
        let password = password.clone();
        // Hashing is slow on purpose, and other requests are not to wait for it.
        let hash = tokio::task::spawn_blocking(move || storage.hash(&password, salt)).await;
        let hash = hash.ok().flatten().ok_or(Error::NoHash)?;
        let attribute = AttributeName::of(PASSWORD_ATTRIBUTE);
        let modifications = vec![Modification { attribute, action: Action::Replace, values: vec![hash] }];
        let change = Change::Modify { dn: dn.clone(), modifications, tolerance: Tolerance::Exact };
        self.carry_out(Plan::of(change, Reason::Differs)).await.map(|_| ())
    }
}

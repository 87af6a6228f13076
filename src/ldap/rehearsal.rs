//! What the server would answer to a change, asked without making it.
//!
//! OpenLDAP judges a change with the No-Op control by schema, rights and overlays, and then drops it. Not a second way
//! to change the directory. Invariant: nothing leaves this file without that control, and it is critical, so that a
//! server which does not know it refuses the change (RFC 4511 §4.1.11).

use ldap3::controls::RawControl;

use super::{Directory, Error, as_mod, as_values};
use crate::directory::Change;
use crate::directory::flavor::NO_OPERATION;

/// The result code of a change that would have been made.
const WOULD_BE_DONE: u32 = 0x410e;

impl Directory {
    /// Whether the server would carry out a change, which it does not.
    ///
    /// # Errors
    /// What the server would answer, [`Error::is_unknown_control`] when it cannot be asked; or it is away.
    pub async fn would_apply(&self, change: &Change) -> Result<(), Error> {
        self.rehearse(change, Vec::new()).await
    }

    /// Whether the server would heed a control on a change, which it does not make: overlays are on for some trees of a
    /// server and not for others, and the root DSE does not tell which.
    ///
    /// # Errors
    /// [`Error::is_unknown_control`] when the server cannot be asked; or it is away.
    pub async fn would_heed(&self, control: &str, change: &Change) -> Result<bool, Error> {
        match self.would_apply(change).await {
            Ok(()) => {}
            Err(error @ Error::Answer { .. }) if !error.is_unknown_control() => {}
            Err(other) => return Err(other),
        }
        match self.rehearse(change, vec![critical(control)]).await {
            Err(error) if error.is_unknown_control() => Ok(false),
            Ok(()) | Err(Error::Answer { .. }) => Ok(true),
            Err(other) => Err(other),
        }
    }

    async fn rehearse(&self, change: &Change, mut controls: Vec<RawControl>) -> Result<(), Error> {
        controls.push(critical(NO_OPERATION));
        let (dn, name) = (change.dn(), change.dn().to_string());
        let mut handle = self.pool.handle().await?;
        let ldap = handle.ldap().with_controls(controls);
        let (attempt, answered) = match change {
            Change::Add { attributes, .. } => ("add", ldap.add(&name, as_values(attributes)).await),
            Change::Modify { modifications, .. } => {
                ("modify", ldap.modify(&name, modifications.iter().map(as_mod).collect()).await)
            }
            Change::Rename { new_rdn, new_parent, .. } => {
                let parent = new_parent.as_ref().map(ToString::to_string);
                ("rename", ldap.modifydn(&name, &new_rdn.to_string(), true, parent.as_deref()).await)
            }
            Change::Delete { .. } => ("delete", ldap.delete(&name).await),
        };
        let result = handle.check(attempt, dn, answered)?;
        match result.rc {
            WOULD_BE_DONE => Ok(()),
            0 => Err(Error::CarriedOut { attempt, dn: dn.clone() }),
            _ => Err(Error::answer(attempt, dn, result)),
        }
    }
}

fn critical(control: &str) -> RawControl {
    RawControl { ctype: control.to_owned(), crit: true, val: None }
}

//! Keeping an inactive user out, before anything else of the entry is changed.
//!
//! One attribute at a time: whatever is refused beside it, a user who must not log in does not.

use std::collections::BTreeMap;

use super::{ATTEMPTS, Error, Work};
use crate::directory::{AttributeName, Change, DesiredEntry, Dn, Entry, Modification, Naming, Placement, Tolerance};
use crate::ldap::{self, Fault};
use crate::mapping::Disable;
use crate::plan::{Plan, Reason, attribute_changes, diff};
use crate::scim::{Kind, ResourceId};
use crate::store::State;

impl Work<'_> {
    /// Makes an entry keep its user out. Returns it as it is then.
    ///
    /// # Errors
    /// [`Error::Operator`] when the directory refuses: that must not cost the disabling of a leaver.
    pub(super) async fn keep_out(&self, state: &State, mut entry: Entry) -> Result<Entry, Error> {
        let disable = &self.rules.users.disable;
        let profile = self.directory.profile().await?;
        let mut known = state.before_disable.clone();
        for _ in 0..ATTEMPTS {
            let wanted = disable.barring(profile.flavor.lock, &entry);
            let changes = attribute_changes(&wanted, &entry, &profile.schema);
            let branch = disable.move_to.as_ref().filter(|branch| !entry.dn.is_under(branch));
            if changes.is_empty() && branch.is_none() {
                return Ok(entry);
            }
            // Noted before it is done: what nobody knows to be ours would never be undone.
            if let Some(remembered) = disable.remembered(&entry, known.as_ref()) {
                self.store.note_disabling(&state.id, &remembered).await?;
                known = Some(remembered);
            }
            let refusal = match self.bar(&entry.dn, changes).await {
                Err(error @ Error::Operator { .. }) => Err(error),
                other => Ok(other?),
            };
            let place = match branch {
                Some(branch) => self.move_away(&entry.dn, branch).await?,
                None => entry.dn.clone(),
            };
            refusal?;
            // A server may answer one change with another: OpenLDAP lifts a lock when the password is changed.
            let attributes = self.observed_of_users().await?;
            entry = self.directory.read(&place, &attributes).await?.ok_or(Error::Busy)?;
        }
        Err(Error::Busy)
    }

    /// Notes of a user who is disabled before there is an entry that this is ours to undo. What a new entry would hold
    /// stands before it is disabled, though it never does.
    pub(super) async fn note_born_disabled(&self, state: &State, unborn: &Entry) -> Result<(), Error> {
        let remembered = self.rules.users.disable.remembered(unborn, None);
        if let (None, Some(remembered)) = (&state.before_disable, remembered) {
            self.store.note_disabling(&state.id, &remembered).await?;
        }
        Ok(())
    }

    /// Keeps out the user of a linked entry that the map does not fit any more.
    pub(super) async fn keep_out_linked(&self, state: &State) -> Result<(), Error> {
        let attributes = self.observed_of_users().await?;
        let Some(link) = &state.link else {
            return Ok(());
        };
        match self.linked_entry(link, &self.rules.users.base_dn, &attributes).await? {
            Some(entry) => self.keep_out(state, entry).await.map(|_| ()),
            None => Ok(()),
        }
    }

    /// Whatever else of a refused change stays in the entry, whether the user may log in is as it was before.
    pub(super) async fn restore_access(&self, id: &ResourceId) -> Result<(), Error> {
        let Some(state) = self.store.state(id).await?.filter(|state| state.kind == Kind::User) else {
            return Ok(());
        };
        match &state.settled {
            Some(settled) if !settled.is_active() => self.keep_out_linked(&state).await,
            Some(_) if state.may_be_disabled => {
                self.let_in_again(&state).await?;
                Ok(self.store.note_enabled(id).await?)
            }
            _ => Ok(()),
        }
    }

    /// Undoes what kept the user of an entry out that was there before its resource, when that is given up: nobody
    /// would know of it any more.
    pub(super) async fn let_in_again(&self, state: &State) -> Result<(), Error> {
        let (Some(link), Some(before)) = (&state.link, &state.before_disable) else {
            return Ok(());
        };
        let rules = &self.rules.users;
        let profile = self.directory.profile().await?;
        let mut attributes = self.observed_of_users().await?;
        attributes.extend(Disable::changed(before, profile.flavor.lock));
        let Some(entry) = self.linked_entry(link, &rules.base_dn, &attributes).await? else {
            return Ok(());
        };
        let mut desired = DesiredEntry {
            parent: rules.base_dn.clone(),
            placement: Placement::Initial,
            rdn: entry.dn.rdn().cloned().ok_or(Error::Busy)?,
            naming: Naming::Part,
            attributes: BTreeMap::new(),
        };
        rules.disable.readmit(&mut desired, profile.flavor.lock, &entry, Some(before));
        self.carry_out(diff(&desired, Some(&entry), &profile.schema)).await.map(|_| ())
    }

    /// Makes each change for itself; tells of a refusal when all have been tried.
    async fn bar(&self, dn: &Dn, changes: Vec<Modification>) -> Result<(), Error> {
        let mut by_attribute: BTreeMap<AttributeName, Vec<Modification>> = BTreeMap::new();
        for change in changes {
            by_attribute.entry(change.attribute.clone()).or_default().push(change);
        }
        let mut refusal = Ok(());
        for (attribute, modifications) in by_attribute {
            let change = Change::Modify { dn: dn.clone(), modifications, tolerance: Tolerance::Exact };
            match self.carry_out(Plan::of(change, Reason::Disabled)).await {
                Err(Error::Directory(error)) if matches!(error.fault(), Fault::Refused | Fault::Forbidden) => {
                    refusal = Err(refused(attribute.as_str(), error));
                }
                // Looked at again, when the others are as they should be.
                Err(Error::Directory(error)) if error.fault() == Fault::Moved => refusal = Err(error.into()),
                other => _ = other?,
            }
        }
        refusal
    }

    /// Moves an entry below the branch of those who are disabled. Returns where it is then.
    async fn move_away(&self, dn: &Dn, branch: &Dn) -> Result<Dn, Error> {
        let new_rdn = dn.rdn().cloned().ok_or(Error::Busy)?;
        let place = branch.child(new_rdn.clone());
        let change = Change::Rename { dn: dn.clone(), new_rdn, new_parent: Some(branch.clone()) };
        match self.carry_out(Plan::of(change, Reason::Disabled)).await {
            Err(Error::Directory(error))
                if error.is_entry_already_exists() || matches!(error.fault(), Fault::Refused | Fault::Forbidden) =>
            {
                Err(refused("move_to", error))
            }
            Err(Error::Directory(error)) if error.is_no_such_object() && self.is_missing(branch).await? => {
                Err(Error::missing_base("users.disable.move_to", branch, error))
            }
            other => other.map(|_| place),
        }
    }

    async fn is_missing(&self, dn: &Dn) -> Result<bool, Error> {
        Ok(self.directory.read(dn, &[]).await?.is_none())
    }
}

fn refused(what: &str, source: ldap::Error) -> Error {
    let detail = format!("the directory refuses what is to keep a disabled user out (users.disable, {what}): {source}");
    Error::Operator { detail, source }
}

//! Changes as they are sent to the server.
//!
//! Invariant: a change is sent by a [`Sender`], and there is none in a rehearsal.

use std::collections::HashSet;

use ldap3::LdapResult;
use ldap3::Mod;
use ldap3::controls::{ControlType, MakeCritical, PostRead, PostReadResp, RawControl};
use ldap3::exop::PasswordModify;
use secrecy::{ExposeSecret as _, SecretString};

use super::password::SET_PASSWORD;
use super::rehearsal::Rehearsal;
use super::{Directory, Error, succeed};
use crate::directory::flavor::PERMISSIVE_MODIFY;
use crate::directory::{Action, Anchor, AttributeName, Attributes, Change, Dn, Modification, Tolerance, Value};

/// How often a modify is sent again with what is left of it.
const ATTEMPTS: usize = 4;
/// How many values the server is asked about at a time.
const QUESTIONS_AT_ONCE: usize = 64;

/// What becomes of a change.
pub(super) enum Writing<'a> {
    /// It goes to the server.
    Sent(Sender<'a>),
    /// It is kept in mind.
    Imagined(&'a Rehearsal),
}

/// What changes the server.
pub(super) struct Sender<'a> {
    directory: &'a Directory,
}

impl Directory {
    /// The only way to a [`Sender`].
    pub(super) fn writing(&self) -> Writing<'_> {
        match &self.rehearsal {
            Some(rehearsal) => Writing::Imagined(rehearsal),
            None => Writing::Sent(Sender { directory: self }),
        }
    }
}

impl Sender<'_> {
    /// Sends one change, with others if there are any. Returns the anchor of an entry that was added.
    pub(super) async fn send(&self, change: &Change) -> Result<Option<Anchor>, Error> {
        match self.directory.wait_for_others(change).await? {
            Some(sent) => sent.ended(change).await,
            None => self.send_alone(change).await,
        }
    }

    /// Sends one change, and nothing else with it.
    pub(super) async fn send_alone(&self, change: &Change) -> Result<Option<Anchor>, Error> {
        match change {
            Change::Add { dn, attributes } => self.add(dn, attributes).await.map(Some),
            Change::Modify { dn, modifications, tolerance } => {
                self.modify(dn, modifications, *tolerance).await.map(|()| None)
            }
            Change::Rename { dn, new_rdn, new_parent } => {
                let parent = new_parent.as_ref().map(Dn::to_string);
                let mut handle = self.directory.pool.handle().await?;
                let renamed =
                    handle.ldap().modifydn(&dn.to_string(), &new_rdn.to_string(), true, parent.as_deref()).await;
                succeed("rename", dn, handle.check("rename", dn, renamed)?).map(|()| None)
            }
            Change::Delete { dn } => {
                let mut handle = self.directory.pool.handle().await?;
                let deleted = handle.ldap().delete(&dn.to_string()).await;
                succeed("delete", dn, handle.check("delete", dn, deleted)?).map(|()| None)
            }
        }
    }

    async fn add(&self, dn: &Dn, attributes: &Attributes) -> Result<Anchor, Error> {
        let flavor = self.directory.profile().await?.flavor;
        let values = as_values(attributes);
        let mut handle = self.directory.pool.handle().await?;
        let ldap = handle.ldap();
        if flavor.post_read {
            // The anchor comes back with the add itself (RFC 4527 §3.2).
            ldap.with_controls(PostRead::new(vec![self.directory.anchor().as_str()]));
        }
        let added = ldap.add(&dn.to_string(), values).await;
        let result = handle.check("add", dn, added)?;
        let anchor = post_read_value(&result, self.directory.anchor());
        succeed("add", dn, result)?;
        match anchor {
            Some(anchor) => Ok(Anchor(anchor)),
            None => self.anchor_of_added(dn).await,
        }
    }

    pub(super) async fn anchor_of_added(&self, dn: &Dn) -> Result<Anchor, Error> {
        let entry = self.directory.read(dn, &[]).await?;
        entry
            .and_then(|entry| entry.anchor(self.directory.anchor()))
            .ok_or_else(|| Error::NoAnchor { dn: dn.clone(), attribute: self.directory.anchor().clone() })
    }

    async fn modify(&self, dn: &Dn, modifications: &[Modification], tolerance: Tolerance) -> Result<(), Error> {
        let permissive = self.directory.profile().await?.flavor.permissive_modify;
        let control = || (tolerance == Tolerance::AlreadySo && permissive).then_some(PermissiveModify);
        let mut outcome = self.modify_once(dn, modifications, control()).await;
        for _ in 0..ATTEMPTS {
            match outcome {
                Err(error) if tolerance == Tolerance::AlreadySo && error.is_already_so() => {}
                other => return other,
            }
            // A server without the control, or OpenLDAP, which has it and yet refuses a delete whose last
            // value is not there (seen with 2.5.13): look which values are still to be changed.
            let left = self.still_to_do(dn, modifications).await?;
            if left.is_empty() {
                return Ok(());
            }
            outcome = self.modify_once(dn, &left, control()).await;
        }
        outcome
    }

    /// The modifications without values that are as wanted already.
    async fn still_to_do(&self, dn: &Dn, modifications: &[Modification]) -> Result<Vec<Modification>, Error> {
        let mut left = Vec::new();
        for modification in modifications {
            let wanted = modification.action == Action::Add;
            let mut values = Vec::new();
            for chunk in modification.values.chunks(QUESTIONS_AT_ONCE) {
                let questions = chunk.iter().map(|value| self.directory.holds(dn, &modification.attribute, value));
                let answers = futures_util::future::try_join_all(questions).await?;
                let to_change = chunk.iter().zip(answers).filter(|(_, held)| *held != wanted);
                values.extend(to_change.map(|(value, _)| value.clone()));
            }
            if !values.is_empty() {
                left.push(Modification { values, ..modification.clone() });
            }
        }
        Ok(left)
    }

    async fn modify_once(
        &self,
        dn: &Dn,
        modifications: &[Modification],
        control: Option<PermissiveModify>,
    ) -> Result<(), Error> {
        let mods = modifications.iter().map(as_mod).collect();
        let mut handle = self.directory.pool.handle().await?;
        let ldap = handle.ldap();
        if let Some(control) = control {
            ldap.with_controls(control.critical());
        }
        let modified = ldap.modify(&dn.to_string(), mods).await;
        succeed("modify", dn, handle.check("modify", dn, modified)?)
    }

    /// Sets a password by the operation that is for it.
    pub(super) async fn set_password(&self, dn: &Dn, password: &SecretString) -> Result<(), Error> {
        let name = dn.to_string();
        let request = PasswordModify { user_id: Some(&name), old_pass: None, new_pass: Some(password.expose_secret()) };
        let mut handle = self.directory.pool.handle().await?;
        let answered = handle.ldap().extended(request).await;
        let result = handle.check(SET_PASSWORD, dn, answered)?.1;
        succeed(SET_PASSWORD, dn, result)
    }
}

/// The permissive-modify control of Active Directory, which OpenLDAP has too.
pub(super) struct PermissiveModify;

impl MakeCritical for PermissiveModify {}

impl From<PermissiveModify> for RawControl {
    fn from(_: PermissiveModify) -> RawControl {
        RawControl { ctype: PERMISSIVE_MODIFY.to_owned(), crit: false, val: None }
    }
}

pub(super) fn as_values(attributes: &Attributes) -> Vec<(Vec<u8>, HashSet<Vec<u8>>)> {
    attributes.iter().map(|(name, values)| (name.as_str().as_bytes().to_vec(), bytes(values))).collect()
}

fn bytes(values: &[Value]) -> HashSet<Vec<u8>> {
    values.iter().map(|value| value.as_bytes().to_vec()).collect()
}

pub(super) fn as_mod(modification: &Modification) -> Mod<Vec<u8>> {
    let name = modification.attribute.as_str().as_bytes().to_vec();
    let values = bytes(&modification.values);
    match modification.action {
        Action::Add => Mod::Add(name, values),
        Action::Delete => Mod::Delete(name, values),
        Action::Replace => Mod::Replace(name, values),
    }
}

fn post_read_value(result: &LdapResult, attribute: &AttributeName) -> Option<String> {
    let control = result.ctrls.iter().find(|control| matches!(control.0, Some(ControlType::PostReadResp)))?;
    let read = control.1.parse::<PostReadResp>();
    let (_, values) = read.attrs.into_iter().find(|(name, _)| name.eq_ignore_ascii_case(attribute.as_str()))?;
    values.into_iter().next()
}

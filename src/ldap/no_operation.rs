//! What the server would answer to an addition, asked without making it.
//!
//! OpenLDAP judges a change with the No-Op control by rights and overlays, and then drops it. Not a second way to change
//! the directory. Invariants: nothing leaves this file without that control, and it is critical, so that a server which
//! does not know it refuses the change (RFC 4511 §4.1.11). And nothing is asked about but a twin of an entry that is
//! there: slapd 2.5 gives an attribute that its database has never held a number which it forgets to write down when the
//! change is dropped, and every entry that is added with that attribute afterwards cannot be read (seen with 2.5.13).

use ldap3::controls::RawControl;

use super::write::as_values;
use super::{Directory, Error};
use crate::directory::flavor::NO_OPERATION;
use crate::directory::{AttributeName, Attributes, Dn, Rdn, Value};

/// The result code of a change that would have been made.
const WOULD_BE_DONE: u32 = 0x410e;
/// What a server gives to every new entry: the twin's model must have it too.
const GIVEN: [&str; 7] = [
    "structuralObjectClass",
    "entryUUID",
    "creatorsName",
    "createTimestamp",
    "entryCSN",
    "modifiersName",
    "modifyTimestamp",
];

impl Directory {
    /// Whether the server would add an entry below `base`: a twin of the base itself, by another name.
    ///
    /// # Errors
    /// What the server would answer, [`Error::is_unasked`] when it cannot be asked; or it is away.
    pub async fn may_add_below(&self, base: &Dn, name: &str) -> Result<(), Error> {
        let (dn, attributes) = self.twin(base, name).await?;
        self.ask_for_addition(&dn, &attributes, Vec::new()).await
    }

    /// Whether the server would heed a control on such an addition: overlays are on for some trees of a server and not
    /// for others, and the root DSE does not tell which.
    ///
    /// # Errors
    /// [`Error::is_unasked`] when the server cannot be asked; or it is away.
    pub async fn heeds_below(&self, base: &Dn, name: &str, control: &str) -> Result<bool, Error> {
        let (dn, attributes) = self.twin(base, name).await?;
        match self.ask_for_addition(&dn, &attributes, Vec::new()).await {
            Ok(()) => {}
            Err(error @ Error::Answer { .. }) if !error.is_unasked() => {}
            Err(other) => return Err(other),
        }
        match self.ask_for_addition(&dn, &attributes, vec![critical(control)]).await {
            Err(error) if error.is_unasked() => Ok(false),
            Ok(()) | Err(Error::Answer { .. }) => Ok(true),
            Err(other) => Err(other),
        }
    }

    /// An entry below another with the attributes of that one, and no others.
    async fn twin(&self, model: &Dn, name: &str) -> Result<(Dn, Attributes), Error> {
        let unasked = || Error::Unasked { dn: model.clone() };
        let entry = self.read(model, &[AttributeName::of("*")]).await?.ok_or_else(unasked)?;
        let given = self.read(model, &GIVEN.map(AttributeName::of)).await?.ok_or_else(unasked)?;
        if GIVEN.iter().any(|name| given.values(&AttributeName::of(name)).is_empty()) {
            return Err(unasked());
        }
        let [(naming, _)] = model.rdn().map(Rdn::parts).unwrap_or_default() else {
            return Err(unasked());
        };
        let mut attributes = entry.attributes;
        attributes.remove(self.anchor());
        attributes.insert(naming.clone(), vec![Value::from(name)]);
        Ok((model.child(Rdn::new(naming.clone(), Value::from(name))), attributes))
    }

    async fn ask_for_addition(
        &self,
        dn: &Dn,
        attributes: &Attributes,
        mut controls: Vec<RawControl>,
    ) -> Result<(), Error> {
        const ATTEMPT: &str = "add";
        controls.push(critical(NO_OPERATION));
        let mut handle = self.pool.handle().await?;
        let answered = handle.ldap().with_controls(controls).add(&dn.to_string(), as_values(attributes)).await;
        let result = handle.check(ATTEMPT, dn, answered)?;
        match result.rc {
            WOULD_BE_DONE => Ok(()),
            0 => Err(Error::CarriedOut { attempt: ATTEMPT, dn: dn.clone() }),
            _ => Err(Error::answer(ATTEMPT, dn, result)),
        }
    }
}

fn critical(control: &str) -> RawControl {
    RawControl { ctype: control.to_owned(), crit: true, val: None }
}

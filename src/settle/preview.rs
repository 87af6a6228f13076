//! What a write of a client would come to: the write itself, before a copy of the store and an imagined directory.
//!
//! Nothing is written, and nobody is answered. What is shown is what the push would do, because it is the push; without a
//! directory to ask, see [`sketch`](super::sketch()).

use super::reconcile::proposed;
use super::work::Run;
use super::write::{Edit, apply};
use super::{Bridge, Error};
use crate::directory::Change;
use crate::plan::{Item, Proposed, Step, Subject};
use crate::scim::{Document, Draft, Kind, Patch, Patched, Precondition, ResourceId, resource};

/// A write of a client.
#[derive(Clone, Debug)]
pub enum Write {
    /// A POST.
    Create(Draft),
    /// A PUT.
    Replace(ResourceId, Draft),
    /// A PATCH.
    Patch(ResourceId, Patch),
}

impl Write {
    /// The resource that is written, where there is one already.
    pub fn target(&self) -> Option<&ResourceId> {
        match self {
            Write::Create(_) => None,
            Write::Replace(id, _) | Write::Patch(id, _) => Some(id),
        }
    }

    /// What the write makes of a document.
    ///
    /// # Errors
    /// Those of [`Patch::apply`].
    pub fn apply(&self, before: &Document) -> Result<Patched, Error> {
        apply(&self.clone().into_edit(), before)
    }

    fn into_edit(self) -> Edit {
        match self {
            Write::Create(draft) | Write::Replace(_, draft) => Edit::Replace(draft),
            Write::Patch(_, patch) => Edit::Patch(patch),
        }
    }
}

/// What a write would come to.
#[derive(Debug)]
pub struct Preview {
    /// What would be done, in order; nothing of a write that would be refused.
    pub item: Item,
    /// Why it would be refused.
    pub refusal: Option<Error>,
}

/// What is said of a password that is not a change of its own.
pub(super) const SETS_A_PASSWORD: &str = "it is given a password, which is not shown";

impl Preview {
    pub(super) fn of(kind: Kind, id: Option<&ResourceId>, document: &Document, steps: Vec<Proposed>) -> Preview {
        let subject = Subject {
            kind: kind.as_str().to_lowercase(),
            // A creation is given its id when it is done.
            id: id.map(|id| id.as_str().to_owned()).unwrap_or_default(),
            name: resource::text(document, kind.required()).unwrap_or_default().to_owned(),
            version: 0,
        };
        Preview { item: Item { subject, steps, notes: Vec::new(), problem: None }, refusal: None }
    }
}

impl Bridge {
    /// What a write would come to, now.
    ///
    /// # Errors
    /// The directory or the store cannot be asked. That the write would be refused is no error here.
    pub async fn preview(&self, kind: Kind, write: Write) -> Result<Preview, Error> {
        let stand = self.stand().await?;
        let id = write.target().cloned();
        let before = match &id {
            Some(id) => stand.store.state(id).await?.and_then(|state| state.desired().cloned()),
            None => None,
        };
        let before = before.unwrap_or_default();
        let after = write.apply(&before).map(|patched| patched.document);
        let run = Run::rehearsal();
        let work = stand.bridge.work(&run);
        let anybody = Precondition::default();
        let written = match (write, &id) {
            (Write::Create(draft), _) | (Write::Replace(_, draft), None) => work.create(kind, draft).await,
            (write, Some(id)) => work.edit(kind, id, write.into_edit(), &anybody).await,
            (Write::Patch(id, _), None) => Err(Error::NotFound(id)),
        };
        let (steps, passwords) = run.rehearsed();
        let shown = after.as_ref().unwrap_or(&before);
        if let Err(error) = written {
            if error.is_outage() {
                return Err(error);
            }
            return Ok(Preview { refusal: Some(error), ..Preview::of(kind, id.as_ref(), shown, Vec::new()) });
        }
        let names_anew = id.is_none() && steps.iter().any(is_told_apart);
        let schema = &stand.bridge.directory.profile().await?.schema;
        let steps = steps.into_iter().map(|step| proposed(&stand, schema, step)).collect();
        let mut preview = Preview::of(kind, id.as_ref(), shown, steps);
        if passwords > 0 {
            preview.item.notes.push(SETS_A_PASSWORD.to_owned());
        }
        if names_anew {
            let note = "the second part of the name is made of the id, which is another one when it is done";
            preview.item.notes.push(note.to_owned());
        }
        self.tell_missing_rights(std::slice::from_mut(&mut preview.item)).await?;
        Ok(preview)
    }
}

/// Whether an entry gets a name with two parts.
fn is_told_apart(step: &Step) -> bool {
    matches!(&step.change, Change::Add { dn, .. } if dn.rdn().is_some_and(|rdn| rdn.parts().len() > 1))
}

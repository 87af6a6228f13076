//! What a client may do: the writes, each of them a run that is kept under the client's name, however it ends.

use super::write::Edit;
use super::{Bridge, Error, Run};
use crate::scim::resource::text;
use crate::scim::{Draft, Kind, Patch, Precondition, Resource, ResourceId};
use crate::store::{About, Ending, Origin, Requester, Verb};

/// The writes of somebody.
pub struct Push<'a> {
    bridge: &'a Bridge,
    requester: &'a Requester,
}

impl Bridge {
    /// Writes for somebody.
    pub fn push<'a>(&'a self, requester: &'a Requester) -> Push<'a> {
        Push { bridge: self, requester }
    }
}

impl Push<'_> {
    /// Creates a resource, or continues a creation that no client has heard the end of.
    ///
    /// # Errors
    /// [`Error::Conflict`] when there is such a resource already.
    pub async fn create(&self, kind: Kind, draft: Draft) -> Result<Resource, Error> {
        let name = text(&draft.document, kind.required()).map(str::to_owned);
        let run = self.run(About { verb: Some(Verb::Create), kind, id: None, name });
        let created = self.bridge.work(&run).create(kind, draft).await;
        self.bridge.conclude(&run, &created).await;
        created
    }

    /// Replaces a resource's attributes; `active` and members that the draft does not name stay.
    ///
    /// # Errors
    /// [`Error::NotFound`] when there is no such resource, [`Error::OtherVersion`] when it is not as the client demands.
    pub async fn replace(
        &self,
        kind: Kind,
        id: &ResourceId,
        draft: Draft,
        precondition: &Precondition,
    ) -> Result<Resource, Error> {
        let run = self.run_on(Verb::Replace, kind, id);
        let replaced = self.bridge.work(&run).edit(kind, id, Edit::Replace(draft), precondition).await;
        self.bridge.conclude(&run, &replaced).await;
        replaced
    }

    /// Applies a PATCH.
    ///
    /// # Errors
    /// [`Error::NotFound`] when there is no such resource, [`Error::OtherVersion`] when it is not as the client demands.
    pub async fn patch(
        &self,
        kind: Kind,
        id: &ResourceId,
        patch: Patch,
        precondition: &Precondition,
    ) -> Result<Resource, Error> {
        let run = self.run_on(Verb::Patch, kind, id);
        let patched = self.bridge.work(&run).edit(kind, id, Edit::Patch(patch), precondition).await;
        self.bridge.conclude(&run, &patched).await;
        patched
    }

    /// Deletes a resource, its entry and its memberships.
    ///
    /// # Errors
    /// [`Error::NotFound`] when there is no such resource, [`Error::OtherVersion`] when it is not as the client demands.
    pub async fn delete(&self, kind: Kind, id: &ResourceId, precondition: &Precondition) -> Result<(), Error> {
        let run = self.run_on(Verb::Delete, kind, id);
        let deleted = self.bridge.work(&run).delete(kind, id, precondition).await;
        self.bridge.conclude(&run, &deleted).await;
        deleted
    }

    /// Keeps a write that was turned away before it could be tried, with what the client is told.
    pub async fn turned_away(&self, about: About, status: u16, detail: &str) {
        let ending = match status {
            503 => Ending::PutOff,
            400..500 => Ending::Refused,
            _ => Ending::Failed,
        };
        self.bridge.keep_end(&self.run(about), ending, Some(status), Some(detail)).await;
    }

    fn run(&self, about: About) -> Run {
        Run::new(Origin::Push, said(&about)).answering(self.requester.clone()).about(about)
    }

    fn run_on(&self, verb: Verb, kind: Kind, id: &ResourceId) -> Run {
        self.run(About { verb: Some(verb), kind, id: Some(id.clone()), name: None })
    }
}

/// One line for people.
fn said(about: &About) -> String {
    let verb = about.verb.map_or("settle", Verb::as_str);
    let kind = about.kind.as_str().to_lowercase();
    match (&about.id, &about.name) {
        (Some(id), _) => format!("{verb} the {kind} {id}"),
        (None, Some(name)) => format!("{verb} the {kind} {name:?}"),
        (None, None) => format!("{verb} a {kind}"),
    }
}

//! How a write is made: create, replace, patch, delete. Each saves what is wanted and settles it.

use std::collections::BTreeSet;
use std::future::Future;

use super::error::unmappable;
use super::locks::{GroupsGuard, KeyGuard};
use super::{
    Audience, Bridge, CrashPoint, Error, Settlement, Work, crash_point, is_deletion, is_pending, now, refuse_unknown,
};
use crate::mapping::user::map_user;
use crate::mapping::{References, group::map_group, rules};
use crate::scim::index::{Condition, fold_case};
use crate::scim::resource::{self, text};
use crate::scim::{
    AttributePath, Document, Draft, Kind, MemberChange, Password, Patch, Patched, Precondition, Resource, ResourceId,
};
use crate::store::{self, Intent, State, Wanted};

/// A write of an existing resource.
pub(super) enum Edit {
    Replace(Draft),
    Patch(Patch),
}

impl Bridge {
    /// Whether anything is left to do for a resource, members included.
    pub(super) async fn has_pending(&self, state: &State) -> Result<bool, Error> {
        let members = state.kind == Kind::Group && !self.store.unsettled_members(&state.id).await?.is_empty();
        Ok(members || is_pending(state))
    }
}

impl Work<'_> {
    pub(super) async fn create(&self, kind: Kind, draft: Draft) -> Result<Resource, Error> {
        let name = fold_case(text(&draft.document, kind.required()).unwrap_or_default());
        let _name = self.locks.key(format!("{kind} {name}")).await?;
        let _groups = self.groups_guard(kind, GroupsWrite::Structure).await?;
        let repeated = match kind {
            Kind::User => self.repeated_user(&draft.document, &name).await?,
            Kind::Group => self.repeated_group(&draft.document).await?,
        };
        #[expect(clippy::disallowed_methods, reason = "here ids are made")]
        let id = repeated.unwrap_or_else(|| ResourceId(uuid::Uuid::new_v4().to_string()));
        self.run().learn_id(&id);
        let _resource = self.locks.key(id.as_str()).await?;
        let state = self.store.state(&id).await?;
        let settled = state.as_ref().and_then(|state| state.settled.as_ref()).map(|resource| &resource.document);
        self.check_writable(kind, &draft.document, settled).await?;
        let changes = draft.members.map(MemberChange::Replace).into_iter().collect();
        let members = self.member_rows(&id, changes).await?;
        let wanted = Wanted {
            id: id.clone(),
            kind,
            name_claim: name_claim(kind, &draft.document),
            may_be_disabled: false,
            intent: Some(Intent::Put(draft.document)),
            members,
            now: now(),
        };
        self.settle_wanted(&wanted, draft.password.as_ref()).await
    }

    pub(super) async fn delete(&self, kind: Kind, id: &ResourceId, precondition: &Precondition) -> Result<(), Error> {
        let _groups = self.groups_guard(kind, GroupsWrite::Structure).await?;
        let _resource = self.locks.key(id.as_str()).await?;
        let mut state = self.visible(kind, id).await?;
        if !is_deletion(&state) && self.has_pending(&state).await? {
            state = self.settle_earlier(&state).await?;
        }
        check_version(&state, precondition)?;
        let wanted = Wanted {
            id: id.clone(),
            kind,
            intent: Some(Intent::Delete),
            name_claim: None,
            may_be_disabled: false,
            members: Vec::new(),
            now: now(),
        };
        self.want(&wanted).await?;
        crash_point(CrashPoint::Intent);
        self.beside_sync(self.settle_or_revert(id, Audience::Client(None))).await.map(|_| ())
    }

    pub(super) async fn edit(
        &self,
        kind: Kind,
        id: &ResourceId,
        edit: Edit,
        precondition: &Precondition,
    ) -> Result<Resource, Error> {
        let mut write = GroupsWrite::Members;
        loop {
            let _groups = self.groups_guard(kind, write).await?;
            let _resource = self.locks.key(id.as_str()).await?;
            let mut state = self.visible(kind, id).await?;
            let members_alone = kind == Kind::Group && write == GroupsWrite::Members;
            if self.has_pending(&state).await? {
                if members_alone {
                    write = GroupsWrite::Structure;
                    continue;
                }
                state = self.settle_earlier(&state).await?;
            }
            check_version(&state, precondition)?;
            let before = state.desired().cloned().unwrap_or_default();
            let after = apply(&edit, &before)?;
            if members_alone && renames(&before, &after.document) {
                write = GroupsWrite::Structure;
                continue;
            }
            let _entry = self.entry_guard(kind, &state).await?;
            return self.write_edit(kind, &state, &before, after).await;
        }
    }

    /// Makes an earlier change that is still pending, so that the next one stands and falls alone: were both
    /// one intent, a refusal of the second would drop the first. One that waits for an operator holds up nothing: the
    /// next change joins it, and somebody who leaves is locked before anything else of it is tried.
    async fn settle_earlier(&self, state: &State) -> Result<State, Error> {
        match self.settle_or_revert(&state.id, Audience::Nobody).await {
            // What is to be deleted is not edited meanwhile.
            Err(error) if error.is_passing() || is_deletion(state) => return Err(Error::Waiting(Box::new(error))),
            Ok(_) | Err(_) => {}
        }
        self.visible(state.kind, &state.id).await
    }

    async fn write_edit(
        &self,
        kind: Kind,
        state: &State,
        before: &Document,
        after: Patched,
    ) -> Result<Resource, Error> {
        let members = self.member_rows(&state.id, after.members).await?;
        // A client that says that somebody is active lifts a lock, whoever set it; one that speaks of something
        // else does not.
        let unlocks = kind == Kind::User && after.says_active && resource::is_active(&after.document);
        // A password lets in until its hash is made unusable: what sees to that outlives a crash.
        let admits = kind == Kind::User && after.password.is_some() && !resource::is_active(&after.document);
        let changed = after.document != *before || state.intent.is_some() || unlocks || admits;
        if !changed && members.is_empty() {
            // Nothing new is wanted; what somebody changed in the entry meanwhile is put right all the same.
            return self.settle_present(&state.id, after.password.as_ref()).await;
        }
        if changed {
            self.check_writable(kind, &after.document, Some(before)).await?;
        }
        let wanted = Wanted {
            id: state.id.clone(),
            kind,
            name_claim: name_claim(kind, &after.document),
            may_be_disabled: unlocks,
            intent: changed.then_some(Intent::Put(after.document)),
            members,
            now: now(),
        };
        self.settle_wanted(&wanted, after.password.as_ref()).await
    }

    async fn settle_wanted(&self, wanted: &Wanted, password: Option<&Password>) -> Result<Resource, Error> {
        // From here on there is something that a crash leaves undone, and the log is to tell of it.
        self.want(wanted).await.map_err(|error| name_taken(error, wanted))?;
        crash_point(CrashPoint::Intent);
        self.beside_sync(self.settle_present(&wanted.id, password)).await
    }

    /// Settles while the intent is brought to the disk. Before the client hears of the outcome it is there: a power cut
    /// takes the record that it is settled at most, and to settle it again does no harm. Should it take the intent
    /// itself, nobody has been answered, and what the directory holds by then is found there by the retry.
    async fn beside_sync<T>(&self, settling: impl Future<Output = Result<T, Error>>) -> Result<T, Error> {
        let (settled, synced) = tokio::join!(settling, self.store.sync());
        let settled = settled?;
        synced?;
        Ok(settled)
    }

    async fn settle_present(&self, id: &ResourceId, password: Option<&Password>) -> Result<Resource, Error> {
        match self.settle_or_revert(id, Audience::Client(password)).await? {
            Settlement::Present(resource) => Ok(resource),
            Settlement::Gone => Err(Error::NotFound(id.clone())),
        }
    }

    /// Settles. What cannot succeed is turned around: the settled state is what is wanted again, and stays pending
    /// until the directory holds it. Everything else stays as it is wanted.
    pub(super) async fn settle_or_revert(&self, id: &ResourceId, audience: Audience<'_>) -> Result<Settlement, Error> {
        let error = match self.settle(id, audience).await {
            Ok(settlement) => return Ok(settlement),
            Err(error) => error,
        };
        let state = self.store.state(id).await?;
        let creation = state.as_ref().is_some_and(|state| state.settled.is_none());
        let given_up = if creation { error.gives_up_creation() } else { error.gives_up() };
        if !given_up {
            self.wake.notify_one();
            return Err(error);
        }
        if let (true, Some(state)) = (creation, &state)
            && let Err(left) = self.let_in_again(state).await
        {
            warn_of_remains(id, &left);
            self.wake.notify_one();
            return Err(error);
        }
        self.store.revert(id, &state.as_ref().map(what_stays_wanted).unwrap_or_default()).await?;
        if creation {
            return Err(error);
        }
        match self.settle(id, Audience::Nobody).await {
            Ok(_) => {}
            Err(left) if left.gives_up() => {
                warn_of_remains(id, &left);
                match self.restore_access(id).await {
                    Ok(()) => self.store.forget(id).await?,
                    Err(_) => self.wake.notify_one(),
                }
            }
            Err(_) => self.wake.notify_one(),
        }
        Err(error)
    }

    /// The resource as clients see it, with what is pending.
    async fn visible(&self, kind: Kind, id: &ResourceId) -> Result<State, Error> {
        let state = self.store.state(id).await?;
        let visible = state.filter(|state| state.kind == kind && state.settled.is_some());
        let visible = visible.ok_or_else(|| Error::NotFound(id.clone()))?;
        let name = visible.settled.as_ref().and_then(|settled| text(&settled.document, kind.required()));
        name.into_iter().for_each(|name| self.run().learn_name(name));
        Ok(visible)
    }

    /// Who has claimed a user's name: the same creation, not answered yet, or somebody else.
    async fn repeated_user(&self, document: &Document, name: &str) -> Result<Option<ResourceId>, Error> {
        let Some(id) = self.store.claimant(name).await? else {
            return Ok(None);
        };
        match self.store.state(&id).await? {
            Some(state) if is_deletion(&state) => {
                let _resource = self.locks.key(id.as_str()).await?;
                self.settle_or_revert(&id, Audience::Nobody).await?;
                Ok(None)
            }
            Some(state) if is_repetition(&state, document) => Ok(Some(id)),
            _ => {
                let user_name = text(document, "userName").unwrap_or_default();
                Err(Error::conflict(format!("there is a user with the userName \"{user_name}\" already")))
            }
        }
    }

    /// Groups of one name may be several when their `externalId`s differ.
    async fn repeated_group(&self, document: &Document) -> Result<Option<ResourceId>, Error> {
        for (id, pending) in self.store.creating(Kind::Group).await? {
            if same_group(&pending, document) {
                return Ok(Some(id));
            }
        }
        let name = text(document, "displayName").unwrap_or_default();
        let Ok(path) = AttributePath::parse(self.groups.schema(), "displayName") else {
            return Ok(None);
        };
        let named = Condition::Equals(self.groups.entry(&path, name));
        let found = self.store.find(Kind::Group, &named, 0, u32::MAX).await?;
        for group in found.resources.iter().filter(|group| same_group(&group.document, document)) {
            match self.store.state(&group.id).await? {
                Some(state) if is_deletion(&state) => {
                    let _resource = self.locks.key(group.id.as_str()).await?;
                    self.settle_or_revert(&group.id, Audience::Nobody).await?;
                }
                Some(state) if !state.answered => return Ok(Some(state.id)),
                Some(_) => {
                    return Err(Error::conflict(format!("there is a group with the displayName \"{name}\" already")));
                }
                None => {}
            }
        }
        Ok(None)
    }

    /// Says what would keep a document from becoming an entry, before anything is saved.
    async fn check_writable(&self, kind: Kind, document: &Document, before: Option<&Document>) -> Result<(), Error> {
        match kind {
            Kind::User => {
                let fits = |document: &Document| map_user(&self.rules.users, document, &References::new());
                // Whom the map did not fit before can be disabled: it is another map by now.
                let leaves = !resource::is_active(document) && before.is_some_and(|before| fits(before).is_err());
                if let (Err(problems), false) = (fits(document), leaves) {
                    return Err(unmappable(problems));
                }
                let attributes = &self.rules.users.attributes;
                let named_before = before.map(|before| rules::referenced(attributes, before)).unwrap_or_default();
                let named: BTreeSet<ResourceId> = rules::referenced(attributes, document)
                    .difference(&named_before)
                    .cloned()
                    .map(ResourceId)
                    .collect();
                let known = self.store.known(&named).await?;
                let unknown = named.iter().filter(|id| known.get(id).is_none_or(|known| known.deleting));
                refuse_unknown(unknown.collect(), "refers to")
            }
            Kind::Group => {
                let rules = self.rules.groups.as_ref();
                rules.map(|rules| map_group(rules, document).map_err(unmappable)).transpose()?;
                Ok(())
            }
        }
    }

    async fn groups_guard(&self, kind: Kind, write: GroupsWrite) -> Result<Option<GroupsGuard>, Error> {
        match (kind, write) {
            (Kind::User, _) => Ok(None),
            (Kind::Group, GroupsWrite::Members) => self.locks.members().await.map(Some),
            (Kind::Group, GroupsWrite::Structure) => self.locks.structure().await.map(Some),
        }
    }

    /// Groups that share an entry take turns.
    async fn entry_guard(&self, kind: Kind, state: &State) -> Result<Option<KeyGuard>, Error> {
        match (kind, &state.link) {
            (Kind::Group, Some(link)) => self.locks.key(format!("entry {}", link.anchor)).await.map(Some),
            _ => Ok(None),
        }
    }
}

/// The version that clients have seen is the settled one.
fn check_version(state: &State, precondition: &Precondition) -> Result<(), Error> {
    let settled = state.settled.as_ref().map(|resource| resource.version).unwrap_or_default();
    if precondition.permits(settled) { Ok(()) } else { Err(Error::OtherVersion { id: state.id.clone(), settled }) }
}

/// What is wanted after a refusal: what stood before. But where several changes were pending together and one of
/// them was that somebody leaves, that one stands whichever of the others was refused.
fn what_stays_wanted(state: &State) -> Document {
    let mut document = state.settled.as_ref().map(|settled| settled.document.clone()).unwrap_or_default();
    let leaves = state.kind == Kind::User && state.desired().is_some_and(|wanted| !resource::is_active(wanted));
    if state.merged && leaves {
        document.insert("active".to_owned(), false.into());
    }
    document
}

fn warn_of_remains(id: &ResourceId, error: &Error) {
    let error = error as &dyn std::error::Error;
    tracing::warn!(scim.id = %id, error, "cannot bring back what stood before a refused change");
}

/// How much of the groups a write may change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum GroupsWrite {
    Members,
    Structure,
}

pub(super) fn apply(edit: &Edit, before: &Document) -> Result<Patched, Error> {
    match edit {
        Edit::Patch(patch) => Ok(patch.apply(before)?),
        Edit::Replace(draft) => {
            let mut document = draft.document.clone();
            // Absent must never come to mean "may log in again".
            if let (None, Some(active)) =
                (resource::attribute(&document, "active"), resource::attribute(before, "active"))
            {
                document.insert("active".to_owned(), active.clone());
            }
            let members = draft.members.clone().map(MemberChange::Replace).into_iter().collect();
            let says_active = resource::attribute(&draft.document, "active").is_some();
            Ok(Patched { document, members, says_active, password: draft.password.clone() })
        }
    }
}

fn renames(before: &Document, after: &Document) -> bool {
    text(before, "displayName") != text(after, "displayName")
}

fn name_claim(kind: Kind, document: &Document) -> Option<String> {
    (kind == Kind::User).then(|| fold_case(text(document, "userName").unwrap_or_default()))
}

/// A name that another resource claims, as the client wrote it.
fn name_taken(error: store::Error, wanted: &Wanted) -> Error {
    match (&error, &wanted.intent) {
        (store::Error::Taken { .. }, Some(Intent::Put(document))) => {
            let name = text(document, "userName").unwrap_or_default();
            Error::conflict(format!("there is another user with the userName \"{name}\""))
        }
        _ => Error::Store(error),
    }
}

/// Whether a creation is the retry of one that no client heard the end of.
fn is_repetition(state: &State, document: &Document) -> bool {
    let same = |before: &Document| text(before, "externalId") == text(document, "externalId");
    match &state.settled {
        None => state.desired().is_some_and(same),
        Some(settled) => !state.answered && same(&settled.document),
    }
}

fn same_group(left: &Document, right: &Document) -> bool {
    ["displayName", "externalId"].iter().all(|name| text(left, name) == text(right, name))
}

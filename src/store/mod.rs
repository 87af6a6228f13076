//! Desired state, kept: resources, their links and pending intents, members, tokens; what was done, so that it can be
//! undone; and who may settle what at a time, across processes.
//!
//! Not the directory, and not a cache of it. The contract stands on [`Store`]; every implementation
//! passes the same conformance suite. Invariant: what a write returned `Ok` for survives a crash of the program, and from
//! the next sync on one of the machine.

mod hold;
mod measure;
mod pause;
mod run;
pub mod sqlite;
mod token;

pub use hold::{Hold, HoldMode, Lease};
pub use measure::{Backlog, Conclusion, Drift, Reconciled};
pub use pause::Pause;
pub use run::{
    About, Ending, LoggedChange, NewRun, NotedChange, Origin, Requester, RunEnd, RunFilter, RunId, RunRecord,
    RunSubject, Standing, Verb,
};
pub use sqlite::SqliteStore;
pub use token::{
    Credential, CredentialKind, NewAccessToken, NewCredential, NewSecret, Presented, Secret, new_token, token_hash,
};

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use async_trait::async_trait;

use crate::directory::{Anchor, AttributeName, BeforeDisable, Link, NumberRange, Value};
use crate::scim::index::{Condition, Index, IndexEntry};
use crate::scim::{Document, Kind, Member, Resource, ResourceId};

/// What can go wrong with the store.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The store could not be opened or brought to this version's form.
    #[error("cannot open the store {url}")]
    Open {
        /// Where it should be.
        url: String,
        /// What went wrong.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// A read or write failed.
    #[error("cannot {attempt}")]
    Access {
        /// What was being done.
        attempt: &'static str,
        /// What went wrong.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// A row holds what no version of this program wrote.
    #[error("the stored {what} of resource {id} cannot be read")]
    Damaged {
        /// Which part.
        what: &'static str,
        /// Of which resource.
        id: String,
    },
    /// What is kept of a run is what no version of this program wrote.
    #[error("the stored {what} of run {run} cannot be read")]
    DamagedRun {
        /// Which part.
        what: &'static str,
        /// Of which run.
        run: RunId,
    },
    /// What is kept of who may ask is what no version of this program wrote.
    #[error("the stored {what} of the token or client {name} cannot be read")]
    DamagedCredential {
        /// Which part.
        what: &'static str,
        /// Of whom.
        name: String,
    },
    /// A setting holds what no version of this program wrote.
    #[error("the stored setting {name:?} cannot be read")]
    DamagedSetting {
        /// Which one.
        name: &'static str,
    },
    /// Somebody else has the lease.
    #[error("{what} is going on already: {holder}")]
    Held {
        /// What the lease is for.
        what: &'static str,
        /// Who has it, in their own words.
        holder: String,
    },
    /// The name or entry belongs to another resource.
    #[error("{what} already belongs to another resource")]
    Taken {
        /// The name or entry.
        what: String,
    },
}

/// What is pending for a resource.
#[derive(Clone, Debug, PartialEq)]
pub enum Intent {
    /// It should have these attributes.
    Put(Document),
    /// It should be gone, entry and all.
    Delete,
}

/// All that is known of a resource, settled and pending.
#[derive(Clone, Debug, PartialEq)]
pub struct State {
    /// Its id.
    pub id: ResourceId,
    /// Its kind.
    pub kind: Kind,
    /// As the directory holds it; `None` until its creation is settled.
    pub settled: Option<Resource>,
    /// Its entry.
    pub link: Option<Link>,
    /// What is pending.
    pub intent: Option<Intent>,
    /// Since when that is, RFC 3339 in UTC.
    pub pending_since: Option<String>,
    /// Whether a client has heard that its creation succeeded. Until then a repeated creation is the
    /// first one's retry.
    pub answered: bool,
    /// Whether what keeps the user out is ours to undo.
    pub may_be_disabled: bool,
    /// What stood in the user's entry before they were disabled.
    pub before_disable: Option<BeforeDisable>,
    /// Whether the intent took in an earlier one that was pending.
    pub merged: bool,
    /// Whether its entry was about to be added: one that is found then was.
    pub adds_entry: bool,
}

impl State {
    /// The attributes that the resource should have: pending ones before settled ones. `None` when it
    /// should be gone.
    pub fn desired(&self) -> Option<&Document> {
        match &self.intent {
            Some(Intent::Put(document)) => Some(document),
            Some(Intent::Delete) => None,
            None => self.settled.as_ref().map(|resource| &resource.document),
        }
    }
}

/// Where a member stands between what is wanted and what the directory holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MemberState {
    /// A member, in the directory too.
    Settled,
    /// A member whose value in the directory is to be seen to: it was asked for again, or its removal was
    /// given up.
    Renewing,
    /// Shall become one.
    Joining,
    /// Was one and shall be one no longer.
    Leaving,
    /// Not known to be one; shall not be one if the directory says otherwise.
    Stripped,
}

/// How many members of a group stand where.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MemberCounts {
    /// Members, in the directory too.
    pub settled: u64,
    /// Members whose value in the directory is to be seen to.
    pub renewing: u64,
    /// Who shall become one.
    pub joining: u64,
    /// Who shall be one no longer.
    pub leaving: u64,
}

/// A write that is wanted, saved before the directory is touched.
#[derive(Clone, Debug)]
pub struct Wanted {
    /// The resource; a new id for a creation.
    pub id: ResourceId,
    /// Its kind.
    pub kind: Kind,
    /// What it should become; `None` when only its members change.
    pub intent: Option<Intent>,
    /// The folded `userName` that it claims.
    pub name_claim: Option<String>,
    /// Members whose state changes.
    pub members: Vec<(ResourceId, MemberState)>,
    /// What keeps the user out is ours to undo from now on, whoever did it: they are told to be let in.
    pub may_be_disabled: bool,
    /// The present time, RFC 3339.
    pub now: String,
}

/// A write that the directory holds.
#[derive(Clone, Debug)]
pub struct Settled {
    /// The resource.
    pub id: ResourceId,
    /// Its attributes.
    pub document: Document,
    /// Its entry.
    pub link: Link,
    /// Under which values it is found from now on.
    pub index: Vec<IndexEntry>,
    /// Where those are found who show something of it that has changed: their versions count up.
    pub shown_by: Option<IndexEntry>,
    /// The folded `userName`; other claims of the resource are given up.
    pub name_claim: Option<String>,
    /// Whether a client is waiting for the answer.
    pub answered: bool,
    /// Whether the user must not log in; otherwise nothing of ours keeps them out from now on.
    pub inactive: bool,
    /// The present time, RFC 3339.
    pub now: String,
}

/// A resource that comes to be because its entry is there already.
#[derive(Clone, Debug)]
pub struct Adopted {
    /// Its kind.
    pub kind: Kind,
    /// What it is. Nobody shows anything of it yet, so `shown_by` is not looked at.
    pub settled: Settled,
    /// The members that its entry lists, of a group.
    pub members: Vec<ResourceId>,
}

/// A resource that others may refer to.
#[derive(Clone, Debug, PartialEq)]
pub struct Known {
    /// Its kind.
    pub kind: Kind,
    /// Its entry.
    pub link: Link,
    /// Whether it is about to be deleted.
    pub deleting: bool,
}

/// What an entry was like, in short; of whatever makes a difference to whoever looks at it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mark(pub Vec<u8>);

/// A member and how lists name it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed {
    /// Who it is.
    pub id: ResourceId,
    /// The DN of its entry as it is written; `None` when it has none yet.
    pub dn: Option<Value>,
    /// What it is listed by where that is not the DN.
    pub key: Option<Value>,
}

/// Whose an entry is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checked {
    /// The entry.
    pub anchor: Anchor,
    /// Whose it is.
    pub id: ResourceId,
    /// The kind of that resource.
    pub kind: Kind,
    /// What it was like when it was last found to be as wanted; `None` when that was not since anything has changed.
    pub mark: Option<Mark>,
}

/// A page of resources and how many there are in all.
#[derive(Clone, Debug, Default)]
pub struct Found {
    /// How many resources fulfil the condition.
    pub total: u64,
    /// Those of the page asked for, in order of creation.
    pub resources: Vec<Resource>,
}

/// A place in the order of creation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Position {
    /// When a resource came to be.
    pub created: String,
    /// Its id.
    pub id: ResourceId,
}

/// How much there is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Census {
    /// How many users are settled and linked.
    pub users: u64,
    /// How many groups are.
    pub groups: u64,
    /// How many memberships are wanted, over all groups: settled, renewing and joining.
    pub memberships: u64,
}

/// Where the desired state is kept.
///
/// A read sees every write that returned before it began, and a write is atomic. It survives the end of the process,
/// `kill -9` included, from when it returns. That of the machine, such as a power cut, it survives when it returns too,
/// but for what is written with every push, which must not cost a sync of the disk each: [`want`](Store::want) and
/// [`want_in_run`](Store::want_in_run), [`settle`](Store::settle), [`remove`](Store::remove), [`check`](Store::check),
/// [`note_use`](Store::note_use) and the notes of a run survive it from the next [`sync`](Store::sync) on. What a power
/// cut takes is the latest of all that was written: never something whose successor stays.
///
/// Reads that serve clients (`get`, `find`, `members`) show the settled state: a pending creation is
/// not there yet, a pending deletion is still there, a joining member is not one yet.
/// The caller serialises writes of one resource.
#[async_trait]
pub trait Store: Send + Sync {
    /// The settled resource of that id and kind.
    async fn get(&self, kind: Kind, id: &ResourceId) -> Result<Option<Resource>, Error>;

    /// Those of the ids that are settled, of whatever kind.
    async fn resources(&self, ids: &BTreeSet<ResourceId>) -> Result<BTreeMap<ResourceId, Resource>, Error>;

    /// The settled resources that fulfil the condition, in a stable order (creation, then id); `limit` of
    /// them after `offset`.
    async fn find(&self, kind: Kind, condition: &Condition, offset: u32, limit: u32) -> Result<Found, Error>;

    /// The first `limit` of them that come after a position, or from the beginning. Nobody is met twice or missed by
    /// going on after the last one, whatever comes and goes meanwhile.
    async fn find_after(
        &self,
        kind: Kind,
        condition: &Condition,
        after: Option<&Position>,
        limit: u32,
    ) -> Result<Vec<Resource>, Error>;

    /// How many settled resources fulfil the condition.
    async fn count(&self, kind: Kind, condition: &Condition) -> Result<u64, Error>;

    /// The settled members of a group, in a stable order.
    async fn members(&self, group: &ResourceId) -> Result<Vec<Member>, Error>;

    /// Settled and pending state of a resource of any kind.
    async fn state(&self, id: &ResourceId) -> Result<Option<State>, Error>;

    /// Those of the ids that are settled and linked.
    async fn known(&self, ids: &BTreeSet<ResourceId>) -> Result<BTreeMap<ResourceId, Known>, Error>;

    /// The resources linked to the entry with that anchor.
    async fn linked(&self, anchor: &Anchor) -> Result<Vec<ResourceId>, Error>;

    /// The states of all resources, of any kind, that are linked to any of these entries, ordered by id.
    async fn linked_states(&self, anchors: &[Anchor]) -> Result<Vec<State>, Error>;

    /// The first `limit` ids of resources that come after one, or from the beginning, in order: settled or not.
    async fn ids_after(&self, after: Option<&ResourceId>, limit: u32) -> Result<Vec<(ResourceId, Kind)>, Error>;

    /// Whose the entries with these anchors are, and what they were like when they were last found to be as wanted.
    async fn checked(&self, anchors: &[Anchor]) -> Result<Vec<Checked>, Error>;

    /// Keeps what entries are like that were found to be as wanted, of resources that are still at that version with
    /// nothing pending. It is forgotten by itself when anything changes that is wanted of them.
    async fn check(&self, right: &[(ResourceId, i64, Mark)]) -> Result<(), Error>;

    /// How often a name has changed or gone that others may refer to.
    async fn name_changes(&self) -> Result<i64, Error>;

    /// How much is settled and wanted.
    async fn census(&self) -> Result<Census, Error>;

    /// Who claims that folded `userName`, pending or settled.
    async fn claimant(&self, name: &str) -> Result<Option<ResourceId>, Error>;

    /// The creations of that kind that are pending, with the attributes wanted.
    async fn creating(&self, kind: Kind) -> Result<Vec<(ResourceId, Document)>, Error>;

    /// All resources with something pending, oldest first: intents, members, references to follow.
    async fn pending(&self) -> Result<Vec<ResourceId>, Error>;

    /// The state of those of a group's members whose state is not settled.
    async fn unsettled_members(&self, group: &ResourceId) -> Result<Vec<(ResourceId, MemberState)>, Error>;

    /// The state of these members of a group, where they have one.
    async fn member_states(
        &self,
        group: &ResourceId,
        ids: &BTreeSet<ResourceId>,
    ) -> Result<BTreeMap<ResourceId, MemberState>, Error>;

    /// All that a group wants as members: settled, renewing and joining.
    async fn wanted_members(&self, group: &ResourceId) -> Result<Vec<ResourceId>, Error>;

    /// The groups that a resource is a member of or is to be one, and where it stands there, ordered by id: stripped ones
    /// are left out.
    async fn memberships(&self, member: &ResourceId) -> Result<Vec<(ResourceId, MemberState)>, Error>;

    /// How many members a group has in each state.
    async fn member_counts(&self, group: &ResourceId) -> Result<MemberCounts, Error>;

    /// The first `limit` of those whom a group wants as members (settled, renewing and joining) that come after one, or
    /// from the beginning, ordered by id, with how lists name them.
    async fn listed_after(
        &self,
        group: &ResourceId,
        after: Option<&ResourceId>,
        limit: u32,
    ) -> Result<Vec<Listed>, Error>;

    /// Whether the directory should hold members for this group's sake (settled, renewing or leaving). Does not
    /// cost the size of the group.
    async fn has_members(&self, group: &ResourceId) -> Result<bool, Error>;

    /// Saves what is wanted, as pending. A resource that is new gets a row. Nobody is told of it before a
    /// [`sync`](Store::sync).
    ///
    /// # Errors
    /// [`Error::Taken`] when another resource claims the name; nothing is saved then.
    async fn want(&self, wanted: &Wanted) -> Result<(), Error>;

    /// The same, and begins the run that it is part of.
    ///
    /// # Errors
    /// As [`want`](Store::want); the run is not begun then.
    async fn want_in_run(&self, run: &NewRun, wanted: &Wanted) -> Result<RunId, Error>;

    /// Returns when all that was written before survives the end of the machine. One sync does for all who wait.
    ///
    /// # Errors
    /// The disk does not take it: what was written since the last sync may be lost in a power cut, and the store must be
    /// opened again.
    async fn sync(&self) -> Result<(), Error>;

    /// Turns what is pending around: `document` is wanted, members that joined are stripped, those that left are
    /// renewed, and a lock that somebody else set is not ours to lift. A pending creation is gone without trace, numbers
    /// included, and a name that was only wanted is given up.
    async fn revert(&self, id: &ResourceId, document: &Document) -> Result<(), Error>;

    /// Forgets what is pending; the settled state stays, whatever the directory holds.
    async fn forget(&self, id: &ResourceId) -> Result<(), Error>;

    /// Notes, before a user is disabled, that this is ours to undo, and what stands in the entry until then.
    async fn note_disabling(&self, id: &ResourceId, before: &BeforeDisable) -> Result<(), Error>;

    /// Notes that nothing of ours keeps the user out any longer.
    async fn note_enabled(&self, id: &ResourceId) -> Result<(), Error>;

    /// Records where a resource's entry is, everything else left as it is.
    ///
    /// # Errors
    /// [`Error::Taken`] when the entry belongs to another user.
    async fn link(&self, id: &ResourceId, link: &Link) -> Result<(), Error>;

    /// Records that what was pending is settled, members included. The version counts up when the attributes or the
    /// members change. Returns the resource as it is now.
    ///
    /// # Errors
    /// [`Error::Taken`] when the entry belongs to another user.
    async fn settle(&self, settled: &Settled) -> Result<Resource, Error>;

    /// Notes, before the entry of a new resource is added, that one which is found then is its own.
    async fn note_adding(&self, id: &ResourceId) -> Result<(), Error>;

    /// Those whom a group wants as members and who are listed by that key.
    async fn wanted_with_key(&self, group: &ResourceId, key: &Value) -> Result<Vec<ResourceId>, Error>;

    /// The numbers that were taken for a resource and an LDAP attribute, the latest first.
    async fn numbers_of(&self, id: &ResourceId, attribute: &AttributeName) -> Result<Vec<u64>, Error>;

    /// The highest number of a range that was ever taken for a resource.
    async fn highest_number(&self, attribute: &AttributeName, range: NumberRange) -> Result<Option<u64>, Error>;

    /// Takes a number for ever, for a resource or because it is somebody's.
    ///
    /// # Errors
    /// [`Error::Taken`] when it is taken already.
    async fn take_number(
        &self,
        attribute: &AttributeName,
        number: u64,
        for_whom: Option<&ResourceId>,
    ) -> Result<(), Error>;

    /// Records new resources as settled and linked, members included, all of them or none: they refer to each other.
    /// Each is as its creation would have left it, at version 1. They are asked for one by one, so that they need not all
    /// be held at a time.
    ///
    /// # Errors
    /// [`Error::Taken`] when a name or entry belongs to another user; nothing is recorded then.
    async fn adopt(&self, adopted: &mut (dyn Iterator<Item = Adopted> + Send)) -> Result<(), Error>;

    /// Renews the memberships of a resource whose entry was made anew, in all groups, which have that pending from `now`
    /// (RFC 3339, UTC) on.
    async fn renew_memberships(&self, member: &ResourceId, now: &str) -> Result<(), Error>;

    /// Removes a resource and its memberships both ways. The version of each group that it was a settled member of
    /// counts up, and that of those who are found under `shown_by`.
    async fn remove(&self, id: &ResourceId, shown_by: Option<&IndexEntry>, now: &str) -> Result<(), Error>;

    /// Makes the lookups of all resources agree with the indexes, unless they do already.
    async fn reindex(&self, indexes: &[(Kind, &Index)]) -> Result<(), Error>;

    /// Begins a run, to which changes are noted. Its id is higher than that of every run before it, forgotten ones too.
    async fn begin_run(&self, run: &NewRun) -> Result<RunId, Error>;

    /// Notes a change that is about to be made, and how it is undone. Returns its position in the run, which counts up.
    /// The caller leaves passwords out.
    async fn note_change(&self, run: RunId, change: &NotedChange) -> Result<i64, Error>;

    /// Takes a note back: the directory refused the change.
    async fn strike_change(&self, run: RunId, position: i64) -> Result<(), Error>;

    /// Ends a run. One that never ends was cut off; what it noted stands.
    async fn end_run(&self, run: RunId, end: &RunEnd) -> Result<(), Error>;

    /// Keeps a run that has come to its end without having changed anything.
    async fn keep_run(&self, run: &NewRun, end: &RunEnd) -> Result<RunId, Error>;

    /// What is known of a run.
    async fn run(&self, id: RunId) -> Result<Option<RunRecord>, Error>;

    /// The latest `limit` runs that fulfil the filter, the latest first. Does not cost how many there are in all.
    async fn runs(&self, filter: &RunFilter, limit: u32) -> Result<Vec<RunRecord>, Error>;

    /// The first `limit` changes of a run in the order in which they were made, those that were undone too; for a
    /// resource alone where one is named.
    async fn logged_changes(
        &self,
        run: RunId,
        resource: Option<&ResourceId>,
        limit: u32,
    ) -> Result<Vec<LoggedChange>, Error>;

    /// The resources of that kind that a run has known by that name: a `userName` in any case, a `displayName` byte for
    /// byte.
    async fn formerly_named(&self, kind: Kind, name: &str) -> Result<Vec<ResourceId>, Error>;

    /// The latest `limit` changes of a run that come before a position, or up to the end, the latest first, each with its
    /// position: the order in which they are undone. Those that are undone already are left out.
    async fn changes_of(&self, run: RunId, before: Option<i64>, limit: u32) -> Result<Vec<(i64, NotedChange)>, Error>;

    /// Notes that a change of a run was undone.
    async fn note_undone(&self, run: RunId, position: i64) -> Result<(), Error>;

    /// Forgets the runs that finished before a time (RFC 3339, UTC), or started before it and never finished, with all
    /// that they noted: in the order of their numbers, up to the first that is younger. Returns how many.
    async fn forget_runs(&self, before: &str) -> Result<u64, Error>;

    /// Forgets the oldest runs, until what is kept of all of them is no more than that many bytes. Returns how many.
    async fn forget_runs_beyond(&self, bytes: u64) -> Result<u64, Error>;

    /// Forgets what takes back the runs that finished before a time, as [`forget_runs`](Store::forget_runs) has it; the
    /// rest of them stays. Returns of how many changes.
    async fn forget_reverses(&self, before: &str) -> Result<u64, Error>;
    /// How much is pending, and since when. Costs what is pending, not what there is.
    async fn backlog(&self) -> Result<Backlog, Error>;

    /// How large the store is, in bytes, with what is not in its one file yet.
    ///
    /// # Errors
    /// When its files cannot be looked at.
    fn size(&self) -> Result<u64, Error>;

    /// Keeps how a reconciliation of everything ended, in the place of the last one that ended so.
    async fn note_reconciliation(&self, reconciled: &Reconciled) -> Result<(), Error>;

    /// The last reconciliation that ended in each way, the latest first.
    async fn reconciliations(&self) -> Result<Vec<Reconciled>, Error>;

    /// Holds a key against all others, in this process and in others, until the guard is dropped or the process ends,
    /// however it does. Does not wait: `None` when somebody else has the key. Shared holds exclude only exclusive ones;
    /// a hold is not upgraded.
    ///
    /// Keys are kept as hashes. That two keys meet in one is not to be expected, and would only make them exclude each
    /// other.
    ///
    /// # Errors
    /// When the place of the holds cannot be opened or locked.
    fn hold(&self, key: &str, mode: HoldMode) -> Result<Option<Hold>, Error>;

    /// Takes what only one may do at a time, in this process and in others, until the lease is dropped or the process
    /// ends, however it does. `holder` says for people who has it, such as host, process and time.
    ///
    /// # Errors
    /// [`Error::Held`] with the words of who has it.
    fn lease(&self, what: &'static str, holder: &str) -> Result<Lease, Error>;

    /// A store of its own with all that is wanted now, for a rehearsal. It is private, holds nobody up (its holds and
    /// leases are its own), knows neither who may ask nor what was done, is not durable, and is gone when the last use of
    /// it is dropped.
    ///
    /// # Errors
    /// [`Error::Access`] when there is no room for it, among others.
    async fn copy(&self) -> Result<Arc<dyn Store>, Error>;

    /// Keeps who may ask, with what they are let in with.
    ///
    /// # Errors
    /// [`Error::Taken`] when there is one of that kind and name.
    async fn add_credential(&self, credential: &NewCredential, secret: &NewSecret) -> Result<(), Error>;

    /// Whether a new installation may be given its first token: once, and only while there is none.
    async fn claim_first_token(&self) -> Result<bool, Error>;

    /// All who may ask, tokens first, each by name, with all that is known of their secrets but the secrets.
    async fn credentials(&self) -> Result<Vec<Credential>, Error>;

    /// Gives a new secret; the one before is good until `old_until` at most, and any before that is forgotten. False
    /// when there is none of that kind and name.
    async fn rotate_credential(
        &self,
        kind: CredentialKind,
        name: &str,
        secret: &NewSecret,
        old_until: &str,
    ) -> Result<bool, Error>;

    /// Forgets who may ask, with all secrets and the access tokens that were given for them; false when there is none
    /// of that kind and name.
    async fn remove_credential(&self, kind: CredentialKind, name: &str) -> Result<bool, Error>;

    /// Whose bearer token has that hash: a token, or an access token of a client. What has expired is told too.
    async fn bearer(&self, hash: &str) -> Result<Option<Presented>, Error>;

    /// The client whose secret has that hash. What has expired is told too.
    async fn client_with_secret(&self, hash: &str) -> Result<Option<Presented>, Error>;

    /// Keeps an access token. Those that have expired are forgotten, and the eldest of a client that has too many.
    async fn add_access_token(&self, token: &NewAccessToken, now: &str) -> Result<(), Error>;

    /// Notes when and from where a secret was last shown.
    async fn note_use(&self, secret_hash: &str, now: &str, address: &str) -> Result<(), Error>;

    /// What is kept under a name.
    async fn setting(&self, name: &str) -> Result<Option<String>, Error>;

    /// Keeps a text under a name; `None`: forgets what was kept.
    async fn set_setting(&self, name: &str, value: Option<&str>) -> Result<(), Error>;

    /// Proves that what is written is kept, by writing something that means nothing.
    ///
    /// # Errors
    /// It is not, or nobody could find it again.
    async fn prove_writable(&self) -> Result<(), Error>;
}

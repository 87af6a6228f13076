//! The one path: load, map, observe, diff, guard, apply, record.
//!
//! A SCIM write is "save the intent, then settle one resource". There is no other way to change the
//! directory. Invariant: settling looks at what is so and makes it what it should be; it is not told what
//! happened, so a crash on any line is repaired by settling again.

mod adopt;
mod background;
mod crash;
mod disable;
mod error;
mod explain;
mod group;
mod locks;
mod members;
mod number;
mod password;
mod preview;
mod push;
mod reconcile;
mod references;
mod sketch;
mod undo;
mod user;
mod work;
mod write;

pub use adopt::{Match, Scope, Sighting, Standing, Survey};
pub use error::{Error, Verdict};
pub use explain::{
    Access, Agreement, Explained, Explanation, Found, Held, Linked, Listing, Membership, Named, Pending, Roster,
};
pub use preview::{Preview, Write};
pub use push::Push;
pub use reconcile::{Outcome, Progress, Reconciliation, Report, Selection, Stage};
pub use sketch::sketch;
pub use undo::Undoing;

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use crate::directory::{Anchor, AttributeName, Dn, Entry, Link, Names};
use crate::ldap::{self, Depth, Directory, Filter};
use crate::mapping::{GroupRules, UserRules, rules};
use crate::scim::{self, Index, Kind, Password, Resource, ResourceId, Schema, ScimType};
use crate::store::{Intent, State, Store};
use crash::{CrashPoint, crash_point};
use locks::Locks;
use reconcile::explained;
use work::{Run, Work};

/// How often an entry is looked at again when it is not as it was seen.
const ATTEMPTS: usize = 4;

/// The maps of both kinds.
#[derive(Clone, Debug)]
pub struct Rules {
    /// How users become entries.
    pub users: UserRules,
    /// How groups do; `None` when groups are not offered.
    pub groups: Option<GroupRules>,
    /// The attributes of other entries that hold DNs and follow when an entry is renamed or deleted, though nobody
    /// mapped them.
    pub references: Vec<AttributeName>,
}

impl Rules {
    /// Below which entries anything may be changed.
    fn bases(&self) -> Vec<&Dn> {
        self.users.bases().chain(self.groups.iter().map(|groups| &groups.base_dn)).collect()
    }

    /// What is known of the SCIM attributes of that kind.
    fn schema(&self, kind: Kind) -> Schema {
        match (kind, &self.groups) {
            (Kind::User, _) => self.users.schema(),
            (Kind::Group, Some(groups)) => groups.schema(),
            (Kind::Group, None) => Schema::standard(kind),
        }
    }

    /// What lookups of that kind are indexed by.
    pub fn index(&self, kind: Kind) -> Index {
        let schema = self.schema(kind);
        match kind {
            Kind::User => Index::new(&schema, rules::paths(&self.users.attributes)),
            Kind::Group => Index::new(&schema, self.groups.iter().flat_map(|groups| rules::paths(&groups.attributes))),
        }
    }
}

/// Holds the two ports, store and directory, and what connects them.
pub struct Bridge {
    store: Arc<dyn Store>,
    directory: Directory,
    rules: Rules,
    users: Index,
    groups: Index,
    locks: Locks,
    /// Wakes the background when something is left pending.
    wake: Notify,
}

/// What settling a resource came to.
#[derive(Debug)]
enum Settlement {
    /// The directory holds it.
    Present(Resource),
    /// It is gone.
    Gone,
}

/// Whether a client hears of the outcome. Changes nothing that is done but the password, which no store keeps: a
/// creation that nobody heard of is answered when it is repeated.
#[derive(Clone, Copy, Debug)]
enum Audience<'a> {
    /// With the password that it brought.
    Client(Option<&'a Password>),
    Nobody,
}

impl Audience<'_> {
    fn hears(&self) -> bool {
        matches!(self, Audience::Client(_))
    }

    fn password(&self) -> Option<&Password> {
        match self {
            Audience::Client(password) => *password,
            Audience::Nobody => None,
        }
    }
}

impl Bridge {
    /// A bridge between a store and a directory. `patience` bounds how long a write waits for another
    /// one of the same resource; `stopping` ends all waiting.
    pub fn new(
        store: Arc<dyn Store>,
        directory: Directory,
        rules: Rules,
        patience: Duration,
        stopping: CancellationToken,
    ) -> Bridge {
        let (users, groups) = (rules.index(Kind::User), rules.index(Kind::Group));
        let locks = Locks::new(store.clone(), patience, stopping);
        Bridge { store, directory, rules, users, groups, locks, wake: Notify::new() }
    }

    /// The index of that kind's lookups.
    pub fn index_of(&self, kind: Kind) -> &Index {
        match kind {
            Kind::User => &self.users,
            Kind::Group => &self.groups,
        }
    }

    /// What is known of that kind's attributes.
    pub fn schema_of(&self, kind: Kind) -> &Schema {
        self.index_of(kind).schema()
    }

    /// Says in the log whether the directory can be worked with, before the first request finds out.
    pub async fn report_on_directory(&self) {
        let mut bases = vec![("users.base_dn", &self.rules.users.base_dn)];
        bases.extend(self.rules.groups.as_ref().map(|groups| ("groups.base_dn", &groups.base_dn)));
        for (setting, base) in bases {
            match self.directory.read(base, &[]).await {
                Ok(Some(_)) => {}
                Ok(None) => tracing::error!(%base, "{setting}: the directory has no such entry, or does not show it"),
                Err(error) => {
                    let error = &error as &dyn std::error::Error;
                    tracing::error!(error, "the directory cannot be used; requests are answered with 503 until it can");
                    return;
                }
            }
        }
        match self.directory.profile().await {
            Ok(profile) => tracing::info!(server = profile.server, "the directory answers"),
            Err(error) => tracing::error!(error = &error as &dyn std::error::Error, "the directory cannot be used"),
        }
    }

    /// Whether the directory lets the bridge in and answers, told by a search that costs it nothing.
    ///
    /// # Errors
    /// It does not.
    pub async fn reach_directory(&self) -> Result<(), Error> {
        self.directory.read(&Dn::default(), &[]).await?;
        Ok(())
    }

    /// Takes leave of the directory.
    pub async fn close(&self) {
        self.directory.close().await;
    }

    /// The entry of a link: at its last known name, or wherever its anchor is now.
    ///
    /// # Errors
    /// [`Error::Misplaced`] when it is below no base of its kind: to take it for deleted would make a second one.
    async fn linked_entry(&self, link: &Link, base: &Dn, attributes: &[AttributeName]) -> Result<Option<Entry>, Error> {
        let is_in_place = |entry: &Entry| {
            let mut bases = self.rules.users.bases().filter(|_| *base == self.rules.users.base_dn);
            entry.dn.is_under(base) || bases.any(|base| entry.dn.is_under(base))
        };
        match self.entry_anywhere(link, base, attributes).await? {
            Some(entry) if !is_in_place(&entry) => Err(Error::Misplaced { dn: entry.dn, base: base.clone() }),
            found => Ok(found),
        }
    }

    /// The same, below the base or not.
    async fn entry_anywhere(
        &self,
        link: &Link,
        base: &Dn,
        attributes: &[AttributeName],
    ) -> Result<Option<Entry>, Error> {
        let is_it = |entry: &Entry| entry.anchor(self.directory.anchor()).as_ref() == Some(&link.anchor);
        if let Some(entry) = self.directory.read(&link.dn, attributes).await?.filter(is_it) {
            return Ok(Some(entry));
        }
        let filter = Filter::equal(self.directory.anchor().clone(), link.anchor.0.as_str());
        let profile = self.directory.profile().await?;
        for tree in std::iter::once(base).chain(&profile.suffixes) {
            match self.directory.search(tree, Depth::Subtree, &filter, attributes).await {
                Ok(found) => {
                    if let Some(entry) = found.into_iter().next() {
                        return Ok(Some(entry));
                    }
                }
                // A missing base is told when something is to be written there.
                Err(error) if error.is_no_such_object() => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(None)
    }

    /// By what others refer to the entry.
    fn names_of(&self, entry: &Entry) -> Names {
        Names::of(entry, self.rules.groups.as_ref().and_then(GroupRules::key))
    }

    fn anchor_of(&self, entry: &Entry) -> Result<Anchor, Error> {
        entry.anchor(self.directory.anchor()).ok_or_else(|| {
            Error::Directory(ldap::Error::NoAnchor { dn: entry.dn.clone(), attribute: self.directory.anchor().clone() })
        })
    }
}

/// Whether anything is left to do for a resource, members aside.
fn is_pending(state: &State) -> bool {
    let follows = state.link.as_ref().is_some_and(|link| link.previous.is_some());
    state.intent.is_some() || follows
}

fn is_deletion(state: &State) -> bool {
    state.intent == Some(Intent::Delete)
}

/// The link to an entry of these names, remembering those that references may still use.
fn link_to(anchor: Anchor, names: Names, before: Option<&Link>) -> Link {
    let same_entry = before.filter(|before| before.anchor == anchor);
    let previous = same_entry.and_then(|before| {
        // What was never listed by a key need not follow one.
        let other_key = before.key.is_some() && before.key != names.key;
        let changed = (before.dn != names.dn || other_key).then(|| before.names());
        before.previous.clone().or(changed)
    });
    Link { anchor, dn: names.dn, key: names.key, previous }
}

fn refuse_unknown(unknown: Vec<&ResourceId>, how: &str) -> Result<(), Error> {
    if unknown.is_empty() {
        return Ok(());
    }
    let ids: Vec<&str> = unknown.iter().take(20).map(|id| id.as_str()).collect();
    let more =
        if unknown.len() > ids.len() { format!(" and {} more", unknown.len() - ids.len()) } else { String::new() };
    let detail = match ids.as_slice() {
        [one] => format!("the request {how} {one}, which is not the id of a user or group here"),
        _ => format!("the request {how} {}{more}, which are not ids of users or groups here", ids.join(", ")),
    };
    Err(Error::Invalid(scim::Error::new(ScimType::InvalidValue, detail)))
}

/// The present time in UTC, RFC 3339.
#[expect(clippy::disallowed_methods, reason = "here is the clock")]
fn now() -> String {
    humantime::format_rfc3339_millis(SystemTime::now()).to_string()
}

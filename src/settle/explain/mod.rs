//! All that is known of one identity, wanted and observed, for people who ask why it is so.
//!
//! Nothing is changed by it, in the directory or in the store. Invariants: it is the comparison of the one path that tells
//! what has drifted, and no password is in it.

mod access;
mod entry;
mod members;

use serde::Serialize;

use super::reconcile::explained;
use super::{Bridge, Error};
use crate::directory::{AttributeName, Attributes, Dn, Link, Ownership, Value};
use crate::mapping::Provenance;
use crate::plan::LastChange;
use crate::scim::{Kind, ResourceId, resource};
use crate::store::{Intent, State};

/// All that is known of a resource, or of an entry that is nobody's.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Explanation {
    /// The resource; `None`: the entry is nobody's.
    pub resource: Option<Explained>,
    /// Its link, if it has one.
    pub link: Option<Linked>,
    /// Where the entry is.
    pub found: Found,
    /// Who changed the entry last.
    pub last_change: Option<LastChange>,
    /// The name that the entry should have, where it has another one.
    pub wanted_name: Option<Dn>,
    /// What is mapped, attribute by attribute.
    pub attributes: Vec<Held>,
    /// What else the entry holds, which is left alone.
    #[serde(serialize_with = "crate::settle::explain::as_map")]
    pub unmapped: Attributes,
    /// Whether a user may log in.
    pub access: Option<Access>,
    /// The groups that it is in.
    pub groups: Vec<Membership>,
    /// Who is in a group.
    pub roster: Option<Roster>,
    /// Others that have the same entry.
    pub sharing: Vec<Named>,
    /// What would make a resource of an entry that is nobody's.
    pub adoption: Option<String>,
    /// What cannot be said, or cannot be so, and why.
    pub problems: Vec<String>,
}

/// A resource as clients see it, with what is pending.
#[derive(Clone, Debug, Serialize)]
pub struct Explained {
    /// `User` or `Group`.
    pub kind: &'static str,
    /// Its id.
    pub id: String,
    /// Its `userName` or `displayName`.
    pub name: String,
    /// Its `externalId`.
    pub external_id: Option<String>,
    /// Whether a user may log in.
    pub active: Option<bool>,
    /// Counts its changes; `None`: its creation is not settled yet.
    pub version: Option<i64>,
    /// When it came to be.
    pub created: Option<String>,
    /// When it last changed.
    pub modified: Option<String>,
    /// What is pending.
    pub pending: Option<Pending>,
}

/// What is pending.
#[derive(Clone, Debug, Serialize)]
pub struct Pending {
    /// `create`, `change` or `delete`.
    pub what: &'static str,
    /// Since when.
    pub since: Option<String>,
}

/// A link.
#[derive(Clone, Debug, Serialize)]
pub struct Linked {
    /// The attribute that identifies entries.
    pub anchor_attribute: AttributeName,
    /// What identifies the entry.
    pub anchor: String,
    /// Where it was last seen.
    pub dn: Dn,
    /// The name that others may still use for it.
    pub previous: Option<Dn>,
}

/// Where an entry is.
#[derive(Clone, Debug, Default, Serialize)]
#[serde(tag = "entry", content = "detail", rename_all = "lowercase")]
pub enum Found {
    /// There.
    At(Dn),
    /// Nowhere, or it is not shown.
    #[default]
    Missing,
    /// It is not known, and why.
    Unknown(String),
}

/// An attribute, wanted and held.
#[derive(Clone, Debug, Serialize)]
pub struct Held {
    /// The attribute.
    pub attribute: AttributeName,
    /// Where its values come from.
    pub sources: Vec<String>,
    /// `owned`, `shared` or `initial`.
    pub ownership: &'static str,
    /// What is wanted.
    pub wanted: Vec<Value>,
    /// What the entry holds; `None` when that is not known.
    pub held: Option<Vec<Value>>,
    /// Whether that is the same.
    pub agreement: Agreement,
}

/// Whether the directory holds what is wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Agreement {
    /// It does.
    Agrees,
    /// It does not.
    Drifted,
    /// It is not known.
    Unknown,
}

/// Whether a user may log in, and what keeps them out.
#[derive(Clone, Debug, Serialize)]
pub struct Access {
    /// Whether they are wanted out.
    pub disabled: bool,
    /// What of the entry keeps them out; `None` when the entry is not seen.
    pub kept_out_by: Option<Vec<String>>,
    /// Whether it is ours to undo.
    pub ours: bool,
    /// What stood there before.
    pub before: Vec<String>,
}

/// A resource by its name.
#[derive(Clone, Debug, Serialize)]
pub struct Named {
    /// `User` or `Group`.
    pub kind: &'static str,
    /// Its id.
    pub id: String,
    /// Its `userName` or `displayName`.
    pub name: String,
}

/// A membership in a group.
#[derive(Clone, Debug, Serialize)]
pub struct Membership {
    /// The group, or the member of one.
    #[serde(flatten)]
    pub named: Named,
    /// `settled`, `renewing`, `joining` or `leaving`.
    pub state: &'static str,
    /// Whether the directory has it.
    pub listing: Listing,
}

/// Whether a group's entry lists a member.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Listing {
    /// It does.
    Listed,
    /// It does not.
    Missing,
    /// It is not known.
    Unknown,
}

/// Who is in a group.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Roster {
    /// Members, in the directory as far as is known.
    pub settled: u64,
    /// Members whose value in the directory is to be seen to.
    pub renewing: u64,
    /// Who shall become one.
    pub joining: u64,
    /// Who shall be one no longer.
    pub leaving: u64,
    /// The first of those who are wanted.
    pub members: Vec<Membership>,
    /// How many are wanted and not listed; `None` when the entry is not seen.
    pub missing: Option<usize>,
    /// How many are listed and are to go.
    pub strays: usize,
    /// How many are listed whom nobody pushed, and stay.
    pub strangers: usize,
    /// The first of them, those who are to go before those who stay.
    pub others: Vec<Value>,
}

impl Bridge {
    /// All that is known of a resource; `None` when there is none of that id.
    ///
    /// # Errors
    /// The store's. What the directory does not tell is said to be unknown.
    pub async fn explain(&self, id: &ResourceId) -> Result<Option<Explanation>, Error> {
        let Some(state) = self.store.state(id).await? else {
            return Ok(None);
        };
        let mut explanation = Explanation { resource: Some(facts(&state)), ..Explanation::default() };
        explanation.link = state.link.as_ref().map(|link| self.linked_as(link));
        let entry = match self.observed(&state).await {
            Ok(entry) => entry,
            Err(error) => {
                explanation.found = Found::Unknown(explained(&error));
                None
            }
        };
        if let Some(entry) = &entry {
            explanation.found = Found::At(entry.dn.clone());
            explanation.last_change = entry::last_change(entry);
        }
        self.explain_attributes(&state, entry.as_ref(), &mut explanation).await?;
        if state.kind == Kind::User {
            explanation.access = Some(self.access(&state, entry.as_ref()).await);
        }
        self.explain_groups(&state, &mut explanation).await?;
        if state.kind == Kind::Group {
            explanation.roster = Some(self.roster(&state, entry.as_ref(), &mut explanation.problems).await?);
        }
        if let Some(link) = &state.link {
            for other in self.store.linked(&link.anchor).await?.iter().filter(|other| *other != id) {
                explanation.sharing.extend(self.store.state(other).await?.map(|other| named(&other)));
            }
        }
        Ok(Some(explanation))
    }

    fn linked_as(&self, link: &Link) -> Linked {
        Linked {
            anchor_attribute: self.directory.anchor().clone(),
            anchor: link.anchor.0.clone(),
            dn: link.dn.clone(),
            previous: link.previous.as_ref().map(|names| names.dn.clone()),
        }
    }
}

fn facts(state: &State) -> Explained {
    let settled = state.settled.as_ref();
    let document = state.desired().or(settled.map(|settled| &settled.document));
    let Named { kind, id, name } = named(state);
    let what = state.intent.as_ref().map(|intent| match (intent, settled) {
        (Intent::Delete, _) => "delete",
        (Intent::Put(_), None) => "create",
        (Intent::Put(_), Some(_)) => "change",
    });
    Explained {
        kind,
        id,
        name,
        external_id: document.and_then(|document| resource::text(document, "externalId")).map(str::to_owned),
        active: document.filter(|_| state.kind == Kind::User).map(resource::is_active),
        version: settled.map(|settled| settled.version),
        created: settled.map(|settled| settled.created.clone()),
        modified: settled.map(|settled| settled.modified.clone()),
        pending: what.map(|what| Pending { what, since: state.pending_since.clone() }),
    }
}

fn named(state: &State) -> Named {
    let document = state.desired().or(state.settled.as_ref().map(|settled| &settled.document));
    let name = document.and_then(|document| resource::text(document, state.kind.required()));
    Named { kind: state.kind.as_str(), id: state.id.as_str().to_owned(), name: name.unwrap_or_default().to_owned() }
}

fn word(ownership: Ownership) -> &'static str {
    match ownership {
        Ownership::Owned => "owned",
        Ownership::Shared => "shared",
        Ownership::Initial => "initial",
    }
}

/// From where the values of an attribute are, on one line.
fn told(source: &str, provenance: &Provenance) -> String {
    match provenance {
        Provenance::Source | Provenance::Allocated => source.to_owned(),
        Provenance::Default => format!("the default, as {source} has none"),
        Provenance::Nothing => format!("{source}, which has none"),
        Provenance::Failed(reason) => format!("{source}, which fails: {reason}"),
    }
}

/// Attributes as an object, each with the list of its values.
fn as_map<S: serde::Serializer>(attributes: &Attributes, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_map(attributes.iter().map(|(name, values)| (name.as_str(), values)))
}

//! Entries that are there before the first write, as resources of the store.
//!
//! Not a change of the directory: it is read, and nothing else. What is found can be looked at, and then be recorded
//! as it is. Invariant: what is recorded are the resources that were shown, all of a kind or none: they refer to each
//! other.

mod groups;
mod users;

use std::collections::HashMap;

use super::{Bridge, Error, link_to, now};
use crate::directory::{Action, Change, Dn, Entry, Link, Names, Value};
use crate::mapping::disable::PASSWORD_ATTRIBUTE;
use crate::plan::Plan;
use crate::scim::index::fold_case;
use crate::scim::{Condition, Document, Kind, ResourceId, resource};
use crate::store::{Adopted, Position, Settled};

/// How many entries the directory is asked for at a time.
const ENTRIES_PER_PAGE: u16 = 500;
/// How many resources the store is asked for at a time.
const RESOURCES_PER_PAGE: u32 = 500;

/// What is looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// Users and groups.
    Everything,
    /// Resources of one kind.
    Only(Kind),
}

impl Scope {
    fn includes(self, kind: Kind) -> bool {
        self == Scope::Everything || self == Scope::Only(kind)
    }
}

/// What is in the directory, users first, each kind by the names of the entries.
#[derive(Debug, Default)]
pub struct Survey {
    /// Every entry that is or may be a resource's.
    pub sightings: Vec<Sighting>,
    users: Vec<Found>,
    groups: Vec<Found>,
}

/// A resource that a survey matched. Without its lookups, which are as large as all the rest.
#[derive(Debug)]
struct Found {
    id: ResourceId,
    document: Document,
    link: Link,
    members: Vec<ResourceId>,
}

/// An entry and what can become of it.
#[derive(Debug)]
pub struct Sighting {
    /// As what it is looked at.
    pub kind: Kind,
    /// Where it is.
    pub dn: Dn,
    /// What can become of it.
    pub standing: Standing,
}

/// What can become of an entry.
#[derive(Clone, Debug)]
pub enum Standing {
    /// It can be a resource.
    Matched(Match),
    /// It is not the only one.
    Ambiguous {
        /// What it has that others have too, such as `uid "ada"`.
        by: String,
        /// Who else.
        others: Vec<Dn>,
    },
    /// It cannot be a resource, for this reason.
    Unmatched(String),
    /// It is the entry of these already: of one user, or of groups of one name.
    Linked(Vec<ResourceId>),
    /// Its name is a resource's that has another entry.
    Taken {
        /// The `userName` or `displayName`.
        name: String,
        /// Whose it is.
        by: ResourceId,
        /// The entry of that one, if it has one.
        at: Option<Dn>,
    },
}

/// What an entry is as a resource.
#[derive(Clone, Debug)]
pub struct Match {
    /// The `userName` or `displayName`.
    pub name: String,
    /// The id that it gets.
    pub id: ResourceId,
    /// How many members of a group are resources.
    pub members: usize,
    /// How many are not: they stay as they are.
    pub strangers: usize,
    /// What the map wants otherwise: it changes with the first change of the resource.
    pub differences: Vec<String>,
}

impl Match {
    /// A new resource of that name, of whom no more is known yet.
    fn of(name: &str) -> Match {
        let (members, strangers, differences) = (0, 0, Vec::new());
        Match { name: name.to_owned(), id: new_id(), members, strangers, differences }
    }
}

impl Bridge {
    /// Looks at all entries that are or may be resources'. Changes nothing.
    ///
    /// # Errors
    /// The directory does not show all entries, the store cannot be read, or a base is not there.
    pub async fn survey(&self, scope: Scope) -> Result<Survey, Error> {
        let mut survey = Survey::default();
        let mut places = self.known_places().await?;
        if scope.includes(Kind::User) {
            self.survey_users(&mut places, &mut survey).await?;
        }
        if let Some(rules) = self.rules.groups.as_ref().filter(|_| scope.includes(Kind::Group)) {
            self.survey_groups(rules, &mut places, &mut survey).await?;
        }
        Ok(survey)
    }

    /// Records what a survey matched. Changes nothing in the directory.
    ///
    /// # Errors
    /// The store does not take it; then it has nothing of that kind.
    pub async fn adopt(&self, survey: Survey) -> Result<Vec<Sighting>, Error> {
        let now = now();
        // Groups name users: these come first.
        for (kind, found) in [(Kind::User, survey.users), (Kind::Group, survey.groups)] {
            self.store.adopt(&mut found.into_iter().map(|found| self.adopted(kind, found, &now))).await?;
        }
        Ok(survey.sightings)
    }

    fn adopted(&self, kind: Kind, found: Found, now: &str) -> Adopted {
        let user_name = resource::text(&found.document, "userName");
        let settled = Settled {
            id: found.id,
            index: self.index_of(kind).entries(&found.document),
            shown_by: None,
            name_claim: user_name.filter(|_| kind == Kind::User).map(fold_case),
            inactive: kind == Kind::User && !resource::is_active(&found.document),
            document: found.document,
            link: found.link,
            // No client waits for it, and none is to take it for a creation of its own that was never answered.
            answered: true,
            now: now.to_owned(),
        };
        Adopted { kind, settled, members: found.members }
    }

    /// The link to an entry as it was found.
    fn link_of(&self, kind: Kind, entry: &Entry) -> Result<Link, Error> {
        let names = match kind {
            Kind::User => self.names_of(entry),
            Kind::Group => Names { dn: entry.dn.clone(), key: None },
        };
        Ok(link_to(self.anchor_of(entry)?, names, None))
    }

    /// Where the entries of all resources are.
    async fn known_places(&self) -> Result<Places, Error> {
        let mut places = Places::default();
        for kind in [Kind::User, Kind::Group] {
            let mut position: Option<Position> = None;
            loop {
                let found =
                    self.store.find_after(kind, &Condition::ALWAYS, position.as_ref(), RESOURCES_PER_PAGE).await?;
                let Some(last) = found.last() else {
                    break;
                };
                position = Some(Position { created: last.created.clone(), id: last.id.clone() });
                let ids = found.into_iter().map(|resource| resource.id).collect();
                for (id, known) in self.store.known(&ids).await? {
                    places.put(&known.link.names(), id);
                }
            }
        }
        Ok(places)
    }

    /// The resource of that name that has another entry, or none yet.
    async fn taken(&self, name: &str, by: ResourceId) -> Result<Standing, Error> {
        let state = self.store.state(&by).await?;
        let at = state.and_then(|state| state.link).map(|link| link.dn);
        Ok(Standing::Taken { name: name.to_owned(), by, at })
    }
}

/// Whose entry is where.
#[derive(Debug, Default)]
struct Places {
    by_dn: HashMap<String, ResourceId>,
    by_key: HashMap<Value, ResourceId>,
}

impl Places {
    fn put(&mut self, names: &Names, id: ResourceId) {
        self.by_dn.insert(names.dn.normalized(), id.clone());
        if let Some(key) = &names.key {
            self.by_key.insert(key.clone(), id);
        }
    }

    fn clear(&mut self, names: &Names) {
        self.by_dn.remove(&names.dn.normalized());
        if let Some(key) = &names.key {
            self.by_key.remove(key);
        }
    }

    fn count(&self) -> usize {
        self.by_dn.len()
    }

    fn at(&self, dn: &Dn) -> Option<&ResourceId> {
        self.by_dn.get(&dn.normalized())
    }

    fn with_key(&self, key: &Value) -> Option<&ResourceId> {
        self.by_key.get(key)
    }
}

/// Entries that have a thing which one alone should have, by their numbers in a list.
#[derive(Debug, Default)]
struct Holders(HashMap<Vec<u8>, Vec<usize>>);

impl Holders {
    fn put(&mut self, key: Vec<u8>, number: usize) {
        let numbers = self.0.entry(key).or_default();
        if numbers.last() != Some(&number) {
            numbers.push(number);
        }
    }

    /// Who holds it beside that one.
    fn others(&self, key: &[u8], number: usize) -> Vec<usize> {
        let all = self.0.get(key).map(Vec::as_slice).unwrap_or_default();
        all.iter().copied().filter(|other| *other != number).collect()
    }
}

#[expect(clippy::disallowed_methods, reason = "here ids are made")]
fn new_id() -> ResourceId {
    ResourceId(uuid::Uuid::new_v4().to_string())
}

/// What a plan does to an entry, for people.
fn differences(plan: &Plan) -> Vec<String> {
    let mut said = Vec::new();
    for step in &plan.steps {
        match &step.change {
            Change::Modify { modifications, .. } => {
                for change in modifications {
                    let verb = match change.action {
                        Action::Add => "gets",
                        Action::Delete => "loses",
                        Action::Replace => "becomes",
                    };
                    let is_secret = change.attribute.attribute_type() == PASSWORD_ATTRIBUTE.to_lowercase();
                    let said_of = |value: &Value| if is_secret { "a password".to_owned() } else { quoted(value) };
                    let values: Vec<String> = change.values.iter().map(said_of).collect();
                    said.push(match values.as_slice() {
                        [] => format!("{} loses all values", change.attribute),
                        _ => format!("{} {verb} {}", change.attribute, values.join(", ")),
                    });
                }
            }
            Change::Rename { new_rdn, new_parent: None, .. } => said.push(format!("it is renamed to {new_rdn}")),
            Change::Rename { new_rdn, new_parent: Some(parent), .. } => {
                said.push(format!("it is moved to {}", parent.child(new_rdn.clone())));
            }
            Change::Add { .. } | Change::Delete { .. } => {}
        }
    }
    said
}

fn quoted(value: &Value) -> String {
    value.as_str().map_or_else(|| format!("{} bytes", value.as_bytes().len()), |text| format!("{text:?}"))
}

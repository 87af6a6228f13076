//! What a directory must hold after what Entra said, as an account of its own: it starts with the directory as it was,
//! knows which entries became Entra's, and tells every difference between what must be and what is.
//!
//! What a mapped attribute holds is no concern of this account; that all the rest is as it was, byte for byte, is.

use std::collections::{BTreeMap, BTreeSet};

use unicode_normalization::UnicodeNormalization;

use crate::support::app::PLACEHOLDER;
use crate::support::ldif::Entry;
use crate::support::slapd::SUFFIX;

/// What the example's map names of a user's entry. The lock is there too: Entra says of everybody whether they are
/// active, and that sets and lifts it.
const USERS: [&str; 20] = [
    "uid",
    "cn",
    "sn",
    "givenName",
    "displayName",
    "mail",
    "telephoneNumber",
    "mobile",
    "facsimileTelephoneNumber",
    "title",
    "preferredLanguage",
    "street",
    "l",
    "st",
    "postalCode",
    "physicalDeliveryOfficeName",
    "departmentNumber",
    "employeeNumber",
    "manager",
    "pwdAccountLockedTime",
];
/// And of a group's; its members are accounted for one by one.
const GROUPS: [&str; 2] = ["cn", "member"];
/// Follow where they name an entry that was renamed, in entries that are nobody's here too, because the operator said so
/// (`ldap.references`), and below the two branches alone.
const REFERENCES: [&str; 2] = ["manager", "owner"];
/// Tells a group's entry apart whose name the directory takes for another's; that is the one value which scimbridge adds
/// to an attribute that nobody maps (`groups.distinguish_with`).
const DISTINGUISHES: &str = "ou";

/// Somebody whom a member value may name.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Who {
    /// An entry that was there before, by its entryUUID.
    Original(String),
    /// An entry that scimbridge made, by its SCIM id.
    Made(String),
    /// A value that names no entry, as it is.
    Nobody(String),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    User,
    Group,
}

#[derive(Debug, Clone)]
pub(super) struct Resource {
    pub(super) kind: Kind,
    pub(super) name: String,
    pub(super) who: Who,
    /// The ids of a group's members as Entra said them.
    pub(super) said: BTreeSet<String>,
}

/// A group's members in the directory, each with how it is written if nobody had a reason to write it otherwise.
type Members = BTreeMap<Who, Option<String>>;

pub(super) struct Model {
    before: BTreeMap<String, Entry>,
    /// The same entries by their names, folded.
    places: BTreeMap<String, String>,
    pub(super) resources: BTreeMap<String, Resource>,
    /// Of every `groupOfNames` below the groups' branch.
    members: BTreeMap<Who, Members>,
    renamed: BTreeSet<Who>,
}

impl Model {
    pub(super) fn of(tree: Vec<Entry>) -> Self {
        let before = by_anchor(tree);
        let places = before.iter().map(|(anchor, entry)| (fold(&entry.dn), anchor.clone())).collect();
        let mut model =
            Self { before, places, resources: BTreeMap::new(), members: BTreeMap::new(), renamed: BTreeSet::new() };
        for (anchor, entry) in &model.before {
            if is_group(entry) {
                let who = |value: &String| (model.named(value), Some(value.clone()));
                let members = entry.values("member").iter().map(who).collect();
                model.members.insert(Who::Original(anchor.clone()), members);
            }
        }
        model
    }

    /// Every name that an entry has that was there before: what Entra may find, or nearly find.
    pub(super) fn names(&self, kind: Kind) -> Vec<String> {
        let named = self.before.values().filter(|entry| is_below(entry, kind));
        let names: BTreeSet<String> = named.flat_map(|entry| entry.values(naming(kind))).collect();
        names.into_iter().collect()
    }

    /// The entries that are nobody's yet and have the name: as the directory compares for users, byte for byte for
    /// groups.
    pub(super) fn free(&self, kind: Kind, name: &str) -> Vec<Who> {
        let has = |entry: &Entry| match kind {
            Kind::User => entry.values("uid").iter().any(|uid| fold(uid) == fold(name)),
            Kind::Group => is_group(entry) && entry.values("cn").iter().any(|cn| cn == name),
        };
        let found = self.before.iter().filter(|(_, entry)| is_below(entry, kind) && has(entry));
        found.map(|(anchor, _)| Who::Original(anchor.clone())).filter(|who| self.owner(who).is_none()).collect()
    }

    fn owner(&self, who: &Who) -> Option<&Resource> {
        self.resources.values().find(|resource| resource.who == *who)
    }

    /// How many entries that were there before are somebody's now.
    pub(super) fn adopted(&self, kind: Kind) -> usize {
        let adopted = |known: &&Resource| known.kind == kind && matches!(known.who, Who::Original(_));
        self.resources.values().filter(adopted).count()
    }

    pub(super) fn has(&self, kind: Kind, name: &str) -> bool {
        self.resources.values().any(|resource| resource.kind == kind && resource.name == name)
    }

    // What Entra said and was told to be done.

    pub(super) fn created(&mut self, kind: Kind, id: &str, name: &str) {
        let mut free = self.free(kind, name);
        assert!(free.len() < 2, "{name:?} was adopted though several entries have it");
        let who = free.pop().unwrap_or_else(|| Who::Made(id.to_owned()));
        if kind == Kind::Group {
            self.members.entry(who.clone()).or_default();
        }
        self.takes_over(kind, &who, name);
        if let Who::Original(anchor) = &who
            && self.before[anchor].values(naming(kind)) != [name]
        {
            // It is named as Entra writes the name.
            self.renamed.insert(who.clone());
        }
        let resource = Resource { kind, name: name.to_owned(), who, said: BTreeSet::new() };
        self.resources.insert(id.to_owned(), resource);
    }

    /// Whoever listed an entry of this name before there was one lists this entry now: a value is all that there is to a
    /// reference.
    fn takes_over(&mut self, kind: Kind, who: &Who, name: &str) {
        let parent = match who {
            Who::Original(anchor) => {
                let (rdn, parent) = (self.before[anchor].rdn(), self.before[anchor].parent());
                if rdn.contains('+') || !rdn.starts_with("uid=") {
                    return;
                }
                parent.to_owned()
            }
            Who::Made(_) | Who::Nobody(_) => format!("ou=people,{SUFFIX}"),
        };
        let dangling = Who::Nobody(format!("uid={name},{parent}"));
        for members in self.members.values_mut().filter(|_| kind == Kind::User) {
            if let Some(written) = members.remove(&dangling) {
                members.insert(who.clone(), written);
            }
        }
    }

    pub(super) fn renamed(&mut self, id: &str, name: &str) {
        let kind = self.resources[id].kind;
        let old = self.resources[id].who.clone();
        let joined = if kind == Kind::Group { self.free(kind, name).pop() } else { None };
        self.takes_over(kind, &old, name);
        let resource = self.resources.get_mut(id).expect("who is renamed is there");
        resource.name = name.to_owned();
        if let Some(entry) = joined {
            // The group is that entry from now on; the one that it had was its own alone, and goes.
            resource.who = entry.clone();
            let said = resource.said.clone();
            self.members.remove(&old);
            for members in self.members.values_mut() {
                if members.remove(&old).is_some() {
                    members.insert(entry.clone(), None);
                }
            }
            self.add(id, &said.into_iter().collect::<Vec<_>>());
        }
        self.renamed.insert(self.resources[id].who.clone());
        self.renamed.insert(old);
    }

    pub(super) fn deleted(&mut self, id: &str) {
        let gone = self.resources.remove(id).expect("who is deleted is there");
        self.members.remove(&gone.who);
        self.members.values_mut().for_each(|members| _ = members.remove(&gone.who));
        self.resources.values_mut().for_each(|resource| _ = resource.said.remove(id));
    }

    pub(super) fn add(&mut self, group: &str, ids: &[String]) {
        let joining: Vec<Who> = ids.iter().map(|id| self.resources[id].who.clone()).collect();
        let resource = self.resources.get_mut(group).expect("the group is there");
        resource.said.extend(ids.iter().cloned());
        let members = self.members.get_mut(&resource.who).expect("its members are accounted for");
        for who in joining {
            members.entry(who).or_insert(None);
        }
    }

    pub(super) fn remove(&mut self, group: &str, ids: &[String]) {
        for id in ids {
            let leaving = self.resources[id].who.clone();
            let resource = self.resources.get_mut(group).expect("the group is there");
            resource.said.remove(id);
            self.members.get_mut(&resource.who).expect("its members are accounted for").remove(&leaving);
        }
    }

    // What the directory holds.

    /// Every difference between what must be and what is; none when the law holds.
    pub(super) fn differences(&self, tree: Vec<Entry>) -> String {
        let now = by_anchor(tree);
        let mut told = Vec::new();
        for (anchor, before) in &self.before {
            match now.get(anchor) {
                None => told.push(format!("{} is gone", before.dn)),
                Some(entry) => self.compare(&Who::Original(anchor.clone()), before, entry, &now, &mut told),
            }
        }
        let mut made = now.iter().filter(|(anchor, _)| !self.before.contains_key(*anchor)).count();
        for (id, resource) in self.resources.iter().filter(|(_, resource)| matches!(resource.who, Who::Made(_))) {
            match self.made(resource, &now) {
                Some(entry) => {
                    made -= 1;
                    if resource.kind == Kind::Group {
                        self.compare_members(&resource.who, entry, &now, &mut told);
                    }
                }
                None => told.push(format!("{:?} ({id}) has no entry", resource.name)),
            }
        }
        if made > 0 {
            told.push(format!("{made} entries were made that are nobody's"));
        }
        told.concat()
    }

    fn compare(&self, who: &Who, before: &Entry, entry: &Entry, now: &BTreeMap<String, Entry>, told: &mut Vec<String>) {
        let owner = self.owner(who);
        let kind = owner.map(|owner| owner.kind);
        let mapped: &[&str] = match kind {
            None => &[],
            Some(Kind::User) => &USERS,
            Some(Kind::Group) => &GROUPS,
        };
        self.compare_names(before, entry, owner, told);
        let follows = is_below(before, Kind::User) || is_below(before, Kind::Group);
        let names: BTreeSet<&String> = before.attributes().keys().chain(entry.attributes().keys()).collect();
        for name in names.into_iter().filter(|name| !mapped.contains(&name.as_str())) {
            let (expected, mut seen) = (before.values(name), entry.values(name));
            let same = if is_group(before) && name == "member" {
                self.compare_members(who, entry, now, told);
                continue;
            } else if name == "objectClass" && kind.is_some() {
                // Whoever is adopted keeps the classes that they had, and gets those of the configuration.
                expected.iter().all(|class| seen.contains(class))
            } else if name == DISTINGUISHES && kind == Some(Kind::Group) {
                seen.retain(|value| expected.contains(value) || !is_short_id(value));
                seen == expected
            } else if follows && REFERENCES.contains(&name.as_str()) {
                let expected = expected.iter().map(|value| (self.named(value), Some(value.clone()))).collect();
                self.written_alike(&expected, &seen, now)
            } else {
                seen == expected
            };
            if !same {
                told.push(format!("{}: {name} was {expected:?} and is {seen:?}\n", before.dn));
            }
        }
    }

    /// Nobody's entry keeps its name, everybody's keeps its place and what of its name nobody mapped.
    fn compare_names(&self, before: &Entry, entry: &Entry, owner: Option<&Resource>, told: &mut Vec<String>) {
        let same = match owner {
            None => entry.dn == before.dn,
            Some(owner) => {
                let naming = format!("{}=", naming(owner.kind));
                let others = |entry: &Entry| -> BTreeSet<String> {
                    let parts = entry.rdn().split('+').filter(|part| !part.starts_with(&naming));
                    parts.map(ToOwned::to_owned).collect()
                };
                let others = others(before).is_subset(&others(entry));
                entry.parent() == before.parent() && others
            }
        };
        if !same {
            told.push(format!("{} is now {}\n", before.dn, entry.dn));
        }
    }

    fn compare_members(&self, who: &Who, entry: &Entry, now: &BTreeMap<String, Entry>, told: &mut Vec<String>) {
        let placeholder = Who::Nobody(PLACEHOLDER.to_owned());
        let mut expected = self.members[who].clone();
        let mut seen = entry.values("member");
        // Another tool may have left it beside real members; it never comes to stand there through us.
        let was_there = expected.remove(&placeholder).is_some();
        let is_there = seen.iter().any(|value| value == PLACEHOLDER);
        seen.retain(|value| value != PLACEHOLDER);
        let right = if expected.is_empty() { is_there } else { was_there || !is_there };
        if !right || !self.written_alike(&expected, &seen, now) {
            let names: Vec<String> = expected.keys().map(|who| self.dn(who, now)).collect();
            told.push(format!(
                "{}: members should be {names:#?} and are {seen:#?}, placeholder: {is_there}\n",
                entry.dn
            ));
        }
    }

    /// Whether the values name just those who are expected, and are as they were where nobody had a reason to change
    /// them: the entry that they name was not renamed.
    fn written_alike(&self, expected: &Members, seen: &[String], now: &BTreeMap<String, Entry>) -> bool {
        let names: BTreeSet<String> = expected.keys().map(|who| fold(&self.dn(who, now))).collect();
        let values: BTreeSet<String> = seen.iter().map(|value| fold(value)).collect();
        let kept = |(who, written): (&Who, &Option<String>)| {
            self.renamed.contains(who) || written.as_ref().is_none_or(|written| seen.contains(written))
        };
        names == values && names.len() == seen.len() && expected.iter().all(kept)
    }

    /// Whom a value named before anything was done.
    fn named(&self, value: &str) -> Who {
        let found = self.places.get(&fold(value));
        found.map_or_else(|| Who::Nobody(value.to_owned()), |anchor| Who::Original(anchor.clone()))
    }

    fn dn(&self, who: &Who, now: &BTreeMap<String, Entry>) -> String {
        let gone = || format!("(gone: {who:?})");
        match who {
            Who::Nobody(value) => value.clone(),
            Who::Original(anchor) => now.get(anchor).map_or_else(gone, |entry| entry.dn.clone()),
            Who::Made(id) => {
                let entry = self.resources.get(id).and_then(|resource| self.made(resource, now));
                entry.map_or_else(gone, |entry| entry.dn.clone())
            }
        }
    }

    fn made<'a>(&self, resource: &Resource, now: &'a BTreeMap<String, Entry>) -> Option<&'a Entry> {
        let new = now.iter().filter(|(anchor, _)| !self.before.contains_key(*anchor)).map(|(_, entry)| entry);
        let mut named = new.filter(|entry| {
            is_below(entry, resource.kind) && entry.values(naming(resource.kind)).contains(&resource.name)
        });
        named.next()
    }
}

fn by_anchor(tree: Vec<Entry>) -> BTreeMap<String, Entry> {
    tree.into_iter().map(|entry| (entry.values("entryUUID").concat(), entry)).collect()
}

fn is_below(entry: &Entry, kind: Kind) -> bool {
    let branch = if kind == Kind::User { "ou=people" } else { "ou=groups" };
    entry.dn.ends_with(&format!(",{branch},{SUFFIX}"))
}

fn is_group(entry: &Entry) -> bool {
    is_below(entry, Kind::Group) && entry.values("objectClass").iter().any(|class| class == "groupOfNames")
}

fn naming(kind: Kind) -> &'static str {
    if kind == Kind::User { "uid" } else { "cn" }
}

fn is_short_id(value: &str) -> bool {
    value.len() >= 8 && value.bytes().all(|byte| byte.is_ascii_hexdigit() || byte == b'-')
}

/// A text as the directory compares it: without case, normal form, or how many blanks there are.
pub(super) fn fold(text: &str) -> String {
    let text: String = text.replace("\\20", " ").nfkd().flat_map(char::to_lowercase).collect();
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

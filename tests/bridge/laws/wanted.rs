//! What Entra wants of whom, and where a directory that was repaired is not like that.

use std::collections::{BTreeMap, BTreeSet};

use super::case::{Case, Ownership, TEXTS};
use super::model::{self, Kind};
use crate::support::app::PLACEHOLDER;
use crate::support::ldif::Entry;
use crate::support::slapd::SUFFIX;

pub(super) const LOCK: &str = "pwdAccountLockedTime";
/// Follow an entry that is renamed, wherever they stand.
pub(super) const REFERENCES: [&str; 3] = ["member", "manager", "owner"];

/// What Entra wants of a resource, and which entry it has.
#[derive(Debug, Clone)]
pub(super) struct Wanted {
    pub(super) kind: Kind,
    pub(super) name: String,
    pub(super) active: bool,
    pub(super) members: BTreeSet<String>,
    pub(super) anchor: String,
}

/// A directory, its entries by their anchors.
pub(super) type Tree = BTreeMap<String, Entry>;

/// What Entra said, and the directory before anything was done by hand, after it, and repaired.
pub(super) struct History<'a> {
    pub(super) case: &'a Case,
    pub(super) settled: &'a BTreeMap<String, Wanted>,
    pub(super) before: &'a Tree,
    pub(super) now: &'a BTreeMap<String, Wanted>,
    pub(super) drifted: &'a Tree,
    pub(super) repaired: &'a Tree,
}

impl History<'_> {
    /// Where the repaired directory is not as Entra said it.
    pub(super) fn differences(&self) -> Vec<String> {
        let mut told = Vec::new();
        for (id, said) in self.settled {
            let (was, is) = (&self.before[&said.anchor], &self.repaired[&self.now[id].anchor]);
            match said.kind {
                Kind::User => {
                    let wrong = self.wrong_of_user(said, was, is);
                    told.extend(wrong.into_iter().map(|what| format!("{}: {what}\n{was}\n{is}", said.name)));
                }
                Kind::Group => {
                    if !is.values("cn").contains(&said.name) {
                        told.push(format!("{}: cn\n{is}", said.name));
                    }
                    for list in self.case.lists {
                        let by_hand = self.drifted.get(&self.now[id].anchor);
                        let by_hand = by_hand.map(|entry| entry.values(list)).unwrap_or_default();
                        let wrong = self.wrong_members(list, &said.members, &by_hand, &is.values(list));
                        told.extend(
                            wrong.map(|wrong| format!("{}: {list}: {wrong}\nby hand {by_hand:#?}\n{is}", said.name)),
                        );
                    }
                }
            }
        }
        told
    }

    fn wrong_of_user(&self, said: &Wanted, was: &Entry, is: &Entry) -> Vec<String> {
        // A name that was not Entra's may be lost with the name of the entry.
        let names_it = |name: &str| name != "uid" && fold(was.rdn()).contains(&format!("{}=", name.to_lowercase()));
        let differs = |name: &str| {
            let folded = |entry: &Entry| entry.values(name).iter().map(|value| fold(value)).collect::<BTreeSet<_>>();
            folded(was) != folded(is)
        };
        let texts = TEXTS.iter().filter(|name| differs(name) && !names_it(name));
        let mut wrong: Vec<String> = texts.map(|name| (*name).to_owned()).collect();
        let manager = |entry: &Entry, names: &BTreeMap<String, String>| {
            entry.values("manager").first().map(|dn| names.get(&fold(dn)).cloned().unwrap_or(fold(dn)))
        };
        if manager(was, &names(self.before, self.settled)) != manager(is, &names(self.repaired, self.now)) {
            wrong.push("manager".to_owned());
        }
        if !is.values("uid").contains(&said.name) {
            wrong.push("uid, byte for byte".to_owned());
        }
        if self.case.places && fold(was.parent()) != fold(is.parent()) {
            wrong.push("where it stands".to_owned());
        }
        if said.active {
            return wrong;
        }
        if self.case.locks && is.values(LOCK).is_empty() {
            wrong.push("is let in".to_owned());
        }
        if self.case.gone.is_some_and(|gone| !is.dn.ends_with(gone)) {
            wrong.push("is not moved away".to_owned());
        }
        wrong.extend(self.case.barring.iter().filter(|name| differs(name)).map(|name| (*name).to_owned()));
        wrong
    }

    fn wrong_members(&self, list: &str, said: &BTreeSet<String>, by_hand: &[String], is: &[String]) -> Option<String> {
        let expected: BTreeSet<String> = said.iter().filter_map(|id| self.member(list, id)).collect();
        let seen: BTreeSet<String> = is.iter().map(|value| fold(value)).filter(|value| *value != PLACEHOLDER).collect();
        let missing: Vec<&String> = expected.difference(&seen).collect();
        if !missing.is_empty() {
            return Some(format!("{missing:?} are missing"));
        }
        let by_hand: BTreeSet<String> = by_hand.iter().map(|value| fold(value)).collect();
        let once_ours = self.once_ours();
        let stays = |value: &&String| {
            *value != PLACEHOLDER && !once_ours.contains(*value) && self.case.ownership != Ownership::Exclusive
        };
        let gone: Vec<&String> = by_hand.iter().filter(stays).filter(|value| !seen.contains(*value)).collect();
        if !gone.is_empty() {
            return Some(format!("{gone:?} are nobody's, and are gone"));
        }
        let is_too_much = |value: &&String| match self.case.ownership {
            Ownership::Exclusive => true,
            Ownership::Owned => self.names_one_of_ours(list, value) || !by_hand.contains(*value),
            Ownership::Shared => false,
        };
        let surplus: Vec<&String> = seen.difference(&expected).filter(is_too_much).collect();
        if !surplus.is_empty() {
            return Some(format!("{surplus:?} are too much"));
        }
        let stands_in = is.iter().any(|value| value == PLACEHOLDER);
        (list == "member" && stands_in != seen.is_empty()).then(|| format!("placeholder: {stands_in}"))
    }

    /// How a list names somebody; groups have no uid.
    fn member(&self, list: &str, id: &str) -> Option<String> {
        let wanted = &self.now[id];
        match (list, wanted.kind) {
            ("member", _) => Some(fold(&self.repaired[&wanted.anchor].dn)),
            (_, Kind::User) => Some(fold(&wanted.name)),
            (_, Kind::Group) => None,
        }
    }

    fn names_one_of_ours(&self, list: &str, value: &str) -> bool {
        match list {
            "member" => names(self.repaired, self.now).contains_key(value),
            _ => self.now.values().any(|wanted| wanted.kind == Kind::User && fold(&wanted.name) == value),
        }
    }

    /// Values that named one of ours at some time.
    fn once_ours(&self) -> BTreeSet<String> {
        let anchors: BTreeSet<&String> = self.settled.values().map(|wanted| &wanted.anchor).collect();
        let both = self.before.iter().chain(self.drifted);
        let ours = both.filter(|(anchor, _)| anchors.contains(anchor)).map(|(_, entry)| entry);
        ours.flat_map(|entry| [vec![entry.dn.clone()], entry.values("uid")].concat())
            .map(|value| fold(&value))
            .collect()
    }
}

/// A text as the directory compares it, in a name too.
pub(super) fn fold(text: &str) -> String {
    model::fold(text).replace("= ", "=").replace(" ,", ",")
}

pub(super) fn by_anchor(tree: Vec<Entry>) -> Tree {
    tree.into_iter().map(|entry| (entry.values("entryUUID").concat(), entry)).collect()
}

/// The ids of ours by the names of their entries.
fn names(tree: &Tree, wanted: &BTreeMap<String, Wanted>) -> BTreeMap<String, String> {
    wanted.iter().filter_map(|(id, wanted)| Some((fold(&tree.get(&wanted.anchor)?.dn), id.clone()))).collect()
}

/// The anchors of entries that have a name, byte for byte.
pub(super) fn named<'a>(tree: &'a Tree, kind: Kind, name: &'a str) -> impl Iterator<Item = &'a String> {
    let (branch, naming) = match kind {
        Kind::User => (format!(",{SUFFIX}"), "uid"),
        Kind::Group => (format!(",ou=groups,{SUFFIX}"), "cn"),
    };
    let has = move |entry: &Entry| entry.dn.ends_with(&branch) && entry.values(naming).iter().any(|one| one == name);
    tree.iter().filter(move |(_, entry)| has(entry)).map(|(anchor, _)| anchor)
}

/// The new names of those who were renamed, by their old ones.
pub(super) fn followed(before: &Tree, after: &Tree) -> BTreeMap<String, String> {
    let both = before.iter().filter_map(|(anchor, entry)| Some((entry, after.get(anchor)?)));
    let renamed = both.filter(|(old, new)| old.dn != new.dn);
    renamed.map(|(old, new)| (fold(&old.dn), new.dn.clone())).collect()
}

pub(super) fn shown(entry: &Entry) -> String {
    let lines = entry.to_string();
    let kept = lines.lines().filter(|line| !line.starts_with("entryUUID: ") && !line.starts_with("userPassword: "));
    kept.collect::<Vec<_>>().join("\n")
}

pub(super) fn shown_without_references(entry: &Entry) -> String {
    let is_reference = |line: &&str| REFERENCES.iter().any(|name| line.starts_with(&format!("{name}: ")));
    shown(entry).lines().filter(|line| !is_reference(line)).collect::<Vec<_>>().join("\n")
}

/// The same with references by their meaning: in which letters a name was written that was taken out by its meaning, is
/// not known.
pub(super) fn shown_by_meaning(entry: &Entry) -> String {
    let is_reference = |line: &&str| REFERENCES.iter().any(|name| line.starts_with(&format!("{name}: ")));
    let mut lines: Vec<String> = shown(entry).lines().map(str::to_owned).collect();
    lines.iter_mut().filter(|line| is_reference(&line.as_str())).for_each(|line| *line = fold(line));
    lines.sort();
    lines.join("\n")
}

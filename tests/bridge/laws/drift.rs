//! What happens to a directory by hand, by chance: values, entries, names, members and locks, ours and of others. What
//! the directory refuses is not done.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::support::app::PLACEHOLDER;
use crate::support::ldif::Entry;
use crate::support::random::Random;
use crate::support::slapd::{SUFFIX, Slapd};

/// Attributes that the example's map has, and some that nobody has.
const TEXTS: [&str; 14] = [
    "title",
    "mail",
    "telephoneNumber",
    "displayName",
    "departmentNumber",
    "employeeNumber",
    "givenName",
    "sn",
    "cn",
    "description",
    "roomNumber",
    "carLicense",
    "employeeType",
    "ou",
];
const VALUES: [&str; 7] = ["by hand", "Countess", "+49 30 1", "x@example.com", " two  blanks", "a=b;c,d+e", "-"];
const REFERENCES: [&str; 3] = ["manager", "owner", "seeAlso"];
const LOCK: &str = "pwdAccountLockedTime";

/// Whoever changes the directory by hand.
pub(super) struct Drift<'a> {
    slapd: &'a Slapd,
    /// What lists the members of a group.
    lists: &'a [&'a str],
    random: Random,
    told: Vec<String>,
}

impl<'a> Drift<'a> {
    pub(super) fn of(slapd: &'a Slapd, lists: &'a [&'a str], seed: u64) -> Self {
        Self { slapd, lists, random: Random::of_seed(seed), told: Vec::new() }
    }

    /// What was done, for who must find out which of it broke a law.
    pub(super) fn told(&self) -> String {
        self.told.join("\n")
    }

    pub(super) fn change_something(&mut self) {
        let (people, groups) = (self.entries("ou=people"), self.entries("ou=groups"));
        let everybody: Vec<Entry> = people.iter().chain(&groups).cloned().collect();
        let (Some(person), Some(group)) = (self.random.pick_if_any(&people), self.random.pick_if_any(&groups)) else {
            return;
        };
        let other = self.random.pick(&everybody).dn.clone();
        match self.random.below(20) {
            0..=4 => self.change_text(person),
            5 => self.refer(person, &other),
            6 => self.lock_or_unlock(person),
            7..=8 => self.rename(person, "uid"),
            9 => self.move_away(person, "ou=people"),
            10 => self.record(&person.dn, "delete", &[]),
            11..=13 => self.add_member(group, &everybody),
            14..=15 => self.remove_member(group),
            16 => self.rename(group, "cn"),
            17 => match self.random.below(4) {
                0 => self.record(&group.dn, "delete", &[]),
                1 => self.move_away(group, "ou=groups"),
                _ => self.change_text(group),
            },
            18 => self.refer(group, &other),
            _ => self.add_somebody(),
        }
    }

    fn entries(&self, branch: &str) -> Vec<Entry> {
        let is_container =
            |entry: &Entry| entry.values("objectClass").iter().any(|class| class == "organizationalUnit");
        let mut entries = self.slapd.entries(branch);
        entries.retain(|entry| !is_container(entry));
        entries
    }

    fn change_text(&mut self, entry: &Entry) {
        let (name, value) = (*self.random.pick(&TEXTS), *self.random.pick(&VALUES));
        let present = entry.values(name);
        let one = self.random.pick_if_any(&present).cloned();
        match (self.random.below(4), one) {
            (0, _) => self.modify(&entry.dn, "add", name, &[value]),
            (1, Some(_)) => self.modify(&entry.dn, "delete", name, &[]),
            (2, Some(one)) => self.modify(&entry.dn, "delete", name, &[&one]),
            _ => self.modify(&entry.dn, "replace", name, &[value]),
        }
    }

    fn refer(&mut self, entry: &Entry, other: &str) {
        let name = *self.random.pick(&REFERENCES);
        match self.random.below(3) {
            0 => self.modify(&entry.dn, "add", name, &[other]),
            1 => self.modify(&entry.dn, "replace", name, &[]),
            _ => self.modify(&entry.dn, "replace", name, &[other]),
        }
    }

    fn lock_or_unlock(&mut self, entry: &Entry) {
        let is_locked = self.slapd.entry_with(&entry.dn, &[LOCK]).is_some_and(|entry| !entry.values(LOCK).is_empty());
        let lock: &[&str] = if is_locked { &[] } else { &["000001010000Z"] };
        self.modify(&entry.dn, "replace", LOCK, lock);
    }

    /// To another name, or to the same in other letters or with other blanks.
    fn rename(&mut self, entry: &Entry, naming: &str) {
        let Some(name) = entry.values(naming).first().cloned() else { return };
        let name = match self.random.below(4) {
            0 => name.to_uppercase(),
            1 => name.trim().replace(' ', "  ").to_lowercase(),
            _ => format!("{naming} by hand {}", self.told.len()),
        };
        let escaped: String = name.bytes().map(|byte| format!("\\{byte:02x}")).collect();
        let keeps_old = if self.random.one_in(4) { "0" } else { "1" };
        let lines = [("newrdn", format!("{naming}={escaped}")), ("deleteoldrdn", keeps_old.to_owned())];
        self.record(&entry.dn, "modrdn", &lines);
    }

    fn move_away(&mut self, entry: &Entry, branch: &str) {
        let below = format!("ou=berlin,{branch},{SUFFIX}");
        let parent = if entry.parent() == below { format!("{branch},{SUFFIX}") } else { below };
        let lines = [("newrdn", entry.rdn().to_owned()), ("deleteoldrdn", "0".to_owned()), ("newsuperior", parent)];
        self.record(&entry.dn, "modrdn", &lines);
    }

    fn add_member(&mut self, group: &Entry, everybody: &[Entry]) {
        let list = *self.random.pick(self.lists);
        let somebody = self.random.pick(everybody);
        let (named, stranger, nobody) = match list {
            "member" => (somebody.dn.clone(), "cn=machine".to_owned(), PLACEHOLDER.to_owned()),
            _ => (somebody.values("uid").concat(), "machine".to_owned(), "nobody".to_owned()),
        };
        let value = match self.random.below(8) {
            0 => stranger,
            1 => nobody,
            2 if list == "member" => format!("uid=ghost,ou=people,{SUFFIX}"),
            _ => named,
        };
        self.modify(&group.dn, "add", list, &[&value]);
    }

    fn remove_member(&mut self, group: &Entry) {
        let list = *self.random.pick(self.lists);
        let present = group.values(list);
        let Some(one) = self.random.pick_if_any(&present).cloned() else { return };
        match self.random.below(4) {
            0 if list == "member" => self.modify(&group.dn, "replace", list, &[PLACEHOLDER]),
            0 => self.modify(&group.dn, "replace", list, &[]),
            _ => self.modify(&group.dn, "delete", list, &[&one]),
        }
    }

    /// Whom nobody pushed.
    fn add_somebody(&mut self) {
        let number = self.told.len();
        let name = format!("found {number}");
        if self.random.one_in(2) {
            let lines = [("objectClass", "inetOrgPerson"), ("uid", &name), ("cn", &name), ("sn", "By Hand")];
            let lines = lines.map(|(attribute, value)| (attribute, value.to_owned()));
            self.record(&format!("uid={name},ou=people,{SUFFIX}"), "add", &lines);
        } else {
            let lines = [("objectClass", "groupOfNames"), ("cn", &name), ("member", PLACEHOLDER)];
            let lines = lines.map(|(attribute, value)| (attribute, value.to_owned()));
            self.record(&format!("cn={name},ou=groups,{SUFFIX}"), "add", &lines);
        }
    }

    fn modify(&mut self, dn: &str, action: &str, attribute: &str, values: &[&str]) {
        let mut lines = vec![(action, attribute.to_owned())];
        lines.extend(values.iter().map(|value| (attribute, (*value).to_owned())));
        self.record(dn, "modify", &lines);
    }

    fn record(&mut self, dn: &str, change: &str, lines: &[(&str, String)]) {
        let mut ldif = format!("dn:: {}\nchangetype: {change}\n", STANDARD.encode(dn));
        for (name, value) in lines {
            let is_plain = ["add", "replace", "delete", "deleteoldrdn"].contains(name);
            let line =
                if is_plain { format!("{name}: {value}\n") } else { format!("{name}:: {}\n", STANDARD.encode(value)) };
            ldif.push_str(&line);
        }
        if self.slapd.try_by_hand(&ldif).is_ok() {
            self.told.push(format!("{dn}: {change} {lines:?}"));
        }
    }
}

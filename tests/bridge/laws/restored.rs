//! Whoever is let in again is who they were: by every combination of strategies, with other changes in between that are
//! taken back, the whole directory is as it was, byte for byte, and the old password lets them in.

use serde_json::{Value, json};

use super::{PASSWORD, grown};
use crate::support::app::TestApp;
use crate::support::entra::{ENTERPRISE, add_members, quoted, remove_members};
use crate::support::ldif::{self, Entry};
use crate::support::random::Random;
use crate::support::slapd::{Flavor, SUFFIX, Slapd};
use crate::support::wait_until_equal;
use crate::support::workplace::Settings;

/// Who is disabled and enabled: by uid, and each of them odd in a way of their own.
const LEAVERS: [&str; 6] = ["ada", "bob", "mia", "ivo", "tom", " Ö, \"Q\" + 😀 "];
/// One value that somebody has in another case, and one attribute that somebody has in lines.
const SET: &str = "[[users.disable.set]]\nldap = \"employeeType\"\nvalue = \"inactive\"\n\
                   [[users.disable.set]]\nldap = \"description\"\nvalue = [\"left\", \"see HR\"]\n";
const STEPS: usize = 24;

/// Which strategies are on.
#[derive(Debug, Clone, Copy)]
struct Strategies {
    lock: bool,
    password: bool,
    move_to: bool,
    set: bool,
}

impl Strategies {
    fn all() -> impl Iterator<Item = Self> {
        let bit = |number: u8, at: u8| number >> at & 1 == 1;
        (0..16).map(move |number| Self {
            lock: bit(number, 0),
            password: bit(number, 1),
            move_to: bit(number, 2),
            set: bit(number, 3),
        })
    }

    fn settings(self) -> Settings {
        let mut settings = Settings::default()
            .set("users.disable.lock", &self.lock.to_string())
            .set("users.disable.password", &self.password.to_string());
        if self.move_to {
            settings = settings.set("users.disable.move_to", &format!("\"ou=gone,{SUFFIX}\""));
        }
        if self.set { settings.add(SET) } else { settings }
    }

    fn keeps_out(self) -> bool {
        self.lock || self.password
    }
}

/// The grown directory, with a place for those who are gone. Where no policy forbids it, somebody has passwords of
/// several ages.
fn directory(strategies: Strategies) -> Slapd {
    let slapd = grown(if strategies.lock { Flavor::AsShipped } else { Flavor::WithoutPolicy });
    slapd.by_hand(&format!("dn: ou=gone,{SUFFIX}\nobjectClass: organizationalUnit\nou: gone\n"));
    // A reference that follows is written as the entry is named, and so it comes back.
    slapd.by_hand(&format!(
        "dn: uid=eve,ou=people,{SUFFIX}\nchangetype: modify\nreplace: manager\nmanager: uid=ada,ou=people,{SUFFIX}\n"
    ));
    if !strategies.lock {
        slapd.by_hand(&format!(
            "dn: cn=Bob \\22the Builder\\22,ou=people,{SUFFIX}\nchangetype: modify\nadd: userPassword\n\
             userPassword: in the clear\nuserPassword:: IHdpdGggYmxhbmtzIA==\nuserPassword: {{SSHA512}}unknown\n\
             userPassword: {{CRYPT}}*\n"
        ));
    }
    slapd
}

fn everything(app: &TestApp) -> Vec<Entry> {
    app.slapd.tree(&["entryUUID"])
}

/// The entries of either that are not the same in the other; nothing when all is as before.
fn differing(before: &[Entry], now: &[Entry]) -> String {
    let only = |these: &[Entry], those: &[Entry]| -> Vec<Entry> {
        these.iter().filter(|entry| !those.contains(entry)).cloned().collect()
    };
    let (gone, new) = (only(before, now), only(now, before));
    if gone.is_empty() && new.is_empty() {
        return String::new();
    }
    format!("--- before\n{}\n--- now\n{}", ldif::render(&gone), ldif::render(&new))
}

/// A change, and what takes it back.
struct Change {
    target: String,
    there: Value,
    back: Value,
}

/// Somebody who leaves and comes back, again and again.
struct Leaver {
    id: String,
    uid: String,
    anchor: String,
    active: bool,
}

impl Leaver {
    fn dn(&self, app: &TestApp) -> String {
        let tree = app.slapd.tree(&["entryUUID"]);
        let entry = tree.into_iter().find(|entry| entry.values("entryUUID").concat() == self.anchor);
        entry.unwrap_or_else(|| panic!("{:?} is gone", self.uid)).dn
    }

    /// Says that they are active or not, and tries their password.
    fn turn(&mut self, app: &TestApp, active: bool, strategies: Strategies) {
        let value = if active { "True" } else { "False" };
        app.patch_user(&self.id, &json!([{"op": "Replace", "path": "active", "value": value}]));
        self.active = active;
        let let_in = app.slapd.bind(&self.dn(app), PASSWORD);
        assert_eq!(let_in, active || !strategies.keeps_out(), "{:?} as active: {active}", self.uid);
    }

    /// Something else that Entra says of them, by chance.
    fn change(&self, app: &TestApp, random: &mut Random, group: &str, number: usize) -> Change {
        let target = format!("/Users/{}", self.id);
        let replace = |path: &str, value: &Value| json!([{"op": "Replace", "path": path, "value": value}]);
        let now = app.read_user(&self.id);
        match random.below(5) {
            0 => Change {
                target,
                there: replace("userName", &json!(format!("{} {number}", self.uid))),
                back: replace("userName", &now["userName"]),
            },
            1 => Change {
                target,
                there: replace("name.familyName", &json!(format!("Ö \\ + {number}"))),
                back: replace("name.familyName", &now["name"]["familyName"]),
            },
            2 => Change {
                target: format!("/Groups/{group}"),
                there: remove_members(&[&self.id]),
                back: add_members(&[&self.id]),
            },
            3 => {
                let path = format!("{ENTERPRISE}:department");
                let there = json!([{"op": "Add", "path": path, "value": format!("R&D {number}")}]);
                let back = match now[ENTERPRISE].get("department") {
                    Some(department) => replace(&path, department),
                    None => json!([{"op": "Remove", "path": path}]),
                };
                Change { target, there, back }
            }
            _ => Change {
                target,
                there: json!([
                    {"op": "Replace", "path": "displayName", "value": "x"},
                    {"op": "Remove", "path": "name.givenName"}
                ]),
                back: json!([
                    {"op": "Replace", "path": "displayName", "value": now["displayName"]},
                    {"op": "Replace", "path": "name.givenName", "value": now["name"]["givenName"]}
                ]),
            },
        }
    }
}

fn say(app: &TestApp, target: &str, operations: &Value) {
    let answer = app.patch(target, operations);
    answer.check_protocol();
    assert!(answer.status < 300, "{operations}: {}", answer.text());
}

/// Those who leave, as Entra created them, all in one group.
fn leavers(app: &TestApp) -> (Vec<Leaver>, String) {
    let mut leavers = Vec::new();
    for uid in LEAVERS {
        let user = json!({
            "schemas": [crate::support::entra::USER], "userName": uid, "active": true, "displayName": format!("D {uid}"),
            "name": {"familyName": "Süß", "givenName": " G "}
        });
        let id = app.create_user(&user);
        let found = app.find("Users", &format!("userName eq {}", quoted(uid)));
        assert_eq!(found.len(), 1);
        let entry = app.slapd.people("uid", uid).remove(0);
        let anchor = app.slapd.values(&entry.dn, "entryUUID").concat();
        leavers.push(Leaver { id, uid: uid.to_owned(), anchor, active: true });
    }
    let group = app.create_group("Staff");
    app.add_members(&group, &leavers.iter().map(|leaver| &leaver.id).collect::<Vec<_>>());
    (leavers, group)
}

fn comes_back(strategies: Strategies, seed: u64) {
    let app = TestApp::start_before(directory(strategies), &strategies.settings());
    let (mut leavers, group) = leavers(&app);
    let mut random = Random::of_seed(seed);
    let before = everything(&app);
    let mut changes: Vec<Change> = Vec::new();
    for number in 0..STEPS {
        let at = random.below(leavers.len());
        let leaver = &mut leavers[at];
        match random.below(5) {
            0..=1 => leaver.turn(&app, !leaver.active, strategies),
            2 if !changes.is_empty() => {
                let last = changes.pop().unwrap();
                say(&app, &last.target, &last.back);
            }
            _ => {
                let change = leaver.change(&app, &mut random, &group, number);
                say(&app, &change.target, &change.there);
                changes.push(change);
            }
        }
    }
    // What is taken back and who is let in, in any order.
    let mut gone: Vec<&mut Leaver> = leavers.iter_mut().filter(|leaver| !leaver.active).collect();
    while !gone.is_empty() || !changes.is_empty() {
        if random.one_in(2)
            && let Some(leaver) = gone.pop()
        {
            leaver.turn(&app, true, strategies);
        } else if let Some(last) = changes.pop() {
            say(&app, &last.target, &last.back);
        }
    }
    let what = format!("all to be as before, {strategies:?}, seed {seed}");
    wait_until_equal(&what, "", || differing(&before, &everything(&app)));
    for leaver in &leavers {
        assert!(app.slapd.bind(&leaver.dn(&app), PASSWORD), "{:?}, {strategies:?}, seed {seed}", leaver.uid);
    }
}

fn all_come_back(of: impl Fn(Strategies) -> bool) {
    for (seed, strategies) in (1..).zip(Strategies::all()) {
        if of(strategies) {
            comes_back(strategies, seed);
        }
    }
}

#[test]
fn whoever_is_moved_away_comes_back_as_they_were() {
    all_come_back(|strategies| strategies.move_to);
}

#[test]
fn whoever_stays_where_they_are_comes_back_as_they_were() {
    all_come_back(|strategies| !strategies.move_to);
}

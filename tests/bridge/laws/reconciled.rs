//! What reconciling does to a directory that somebody has changed by hand, whatever was changed: the dry run is the run,
//! a second run finds nothing, what is not ours stays, all is as Entra said it, and undoing gives back what there was.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::case::{Case, Ownership};
use super::drift::Drift;
use super::grown;
use super::model::{Kind, Model, Who};
use super::requests::Entra;
use super::wanted::{
    History, LOCK, REFERENCES, Tree, Wanted, by_anchor, fold, followed, named, shown, shown_by_meaning,
    shown_without_references,
};
use crate::support::app::{TestApp, member_ids, resources};
use crate::support::ldif::Entry;
use crate::support::random::Random;
use crate::support::slapd::{Flavor, SUFFIX};
use crate::support::wait_for;
use crate::support::workplace::Finished;

const REQUESTS: usize = 60;
const ROUNDS: u64 = 2;
const STROKES: usize = 12;
/// How many resources are reconciled one by one after a round.
const ONE_BY_ONE: usize = 5;
const OPERATIONAL: [&str; 2] = ["entryUUID", "pwdAccountLockedTime"];
struct Stand<'a> {
    app: &'a TestApp,
    case: &'a Case,
    /// What was there before Entra came.
    originals: BTreeSet<String>,
    anchors: BTreeMap<String, String>,
    story: String,
}

impl Stand<'_> {
    fn tree(&self) -> Tree {
        by_anchor(self.app.slapd.tree(&OPERATIONAL))
    }

    fn run(&self, arguments: &[&str]) -> Finished {
        self.app.workplace.run(arguments)
    }

    fn json(&self, arguments: &[&str], codes: &[i32]) -> Value {
        let done = self.run(arguments);
        assert!(done.code.is_some_and(|code| codes.contains(&code)), "{arguments:?}: {done:#?}\n{}", self.story);
        serde_json::from_str(&done.stdout).unwrap_or_else(|error| panic!("{error}: {done:#?}"))
    }

    /// All that Entra wants, by id.
    fn wanted(&mut self, model: &Model, tree: &Tree) -> BTreeMap<String, Wanted> {
        let mut wanted = BTreeMap::new();
        for (kind, endpoint, naming) in [(Kind::User, "/Users", "userName"), (Kind::Group, "/Groups", "displayName")] {
            for resource in resources(&self.app.get(&format!("{endpoint}?count=1000")).expect(200).json()) {
                let id = resource["id"].as_str().unwrap().to_owned();
                let name = resource[naming].as_str().unwrap().to_owned();
                let anchor = self.anchor(&id, kind, &name, Some(model), tree);
                self.anchors.insert(id.clone(), anchor.clone());
                let active = resource["active"].as_bool().unwrap_or(true);
                wanted.insert(id, Wanted { kind, name, active, members: member_ids(&resource), anchor });
            }
        }
        wanted
    }

    fn anchor(&self, id: &str, kind: Kind, name: &str, model: Option<&Model>, tree: &Tree) -> String {
        let known = self.anchors.get(id).filter(|anchor| tree.contains_key(*anchor));
        let is_possible = |anchor: &&String| {
            let classes = tree.get(*anchor).map(|entry| entry.values("objectClass")).unwrap_or_default();
            kind == Kind::User || classes.iter().any(|class| class == self.case.class)
        };
        let adopted = match model.and_then(|model| model.resources.get(id)).map(|resource| &resource.who) {
            Some(Who::Original(anchor)) => Some(anchor).filter(|anchor| tree.contains_key(*anchor)),
            _ => None,
        };
        if let Some(anchor) = known.or(adopted.filter(is_possible)) {
            return anchor.clone();
        }
        let owned: BTreeSet<&String> =
            self.anchors.iter().filter(|(of, _)| *of != id).map(|(_, anchor)| anchor).collect();
        let named: Vec<&String> =
            named(tree, kind, name).filter(is_possible).filter(|anchor| !owned.contains(anchor)).collect();
        // Who has lost their entry may get one that was there before and has their name.
        let (old, new): (Vec<&String>, Vec<&String>) =
            named.into_iter().partition(|anchor| self.originals.contains(*anchor));
        let found = if new.is_empty() { old } else { new };
        assert_eq!(found.len(), 1, "one entry for {name:?} ({id})\n{}", self.story);
        found.first().map(|anchor| (*anchor).clone()).unwrap_or_default()
    }

    /// The same resources with the entries that they have now.
    fn entries_of(&mut self, settled: &BTreeMap<String, Wanted>, tree: &Tree) -> BTreeMap<String, Wanted> {
        let mut now = settled.clone();
        for (id, wanted) in &mut now {
            wanted.anchor = self.anchor(id, wanted.kind, &wanted.name, None, tree);
            self.anchors.insert(id.clone(), wanted.anchor.clone());
        }
        now
    }

    /// All laws, for what is in the directory now.
    fn laws(&mut self, settled: &BTreeMap<String, Wanted>, before: Option<&Tree>, random: &mut Random) {
        // Nothing is settled beside it: what is pending is for the run.
        self.app.kill();
        self.overlays_are_done();
        let drifted = self.tree();
        let plan = self.json(&["reconcile", "--dry-run", "--format", "json"], &[0, 2]);
        let ldif = self.run(&["reconcile", "--dry-run", "--format", "ldif"]).stdout;
        // Nothing but what is shown is done there: no overlay follows.
        let copy = self.app.slapd.copy(Flavor::Plain);
        let followed = copy.try_by_hand(&ldif);
        assert_eq!(followed, Ok(()), "what was shown can be done\n{ldif}\n{}", self.story);
        let done = self.json(&["reconcile", "--format", "json"], &[0]);
        assert_eq!(plan["items"], done["items"], "the run shows what the dry run showed\n{}", self.story);
        for outcome in done["outcomes"].as_array().expect("outcomes") {
            assert_eq!(outcome["outcome"], "done", "{done:#}\n{}", self.story);
        }
        self.overlays_are_done();
        let repaired = self.tree();
        // References to who is renamed follow there by themselves, and nobody shows that.
        let seen = if self.case.flavor == Flavor::Plain { shown } else { shown_without_references };
        self.same("the dry run is what the run does", &by_anchor(copy.tree(&OPERATIONAL)), &repaired, &ldif, seen);
        drop(copy);
        self.nothing_is_left();
        let now = self.entries_of(settled, &repaired);
        self.others_stay(&now, &drifted, &repaired);
        if let Some(before) = before {
            let case = self.case;
            self.all_is_as_said(&History { case, settled, before, now: &now, drifted: &drifted, repaired: &repaired });
        }
        self.run_is_taken_back(&done["run"], &drifted);
        self.one_by_one_finds_nothing(&now, random);
        self.app.restart();
    }

    /// Waits until the overlay that sees to references has seen to all that was done before: it does one after another.
    fn overlays_are_done(&self) {
        if self.case.flavor == Flavor::Plain {
            return;
        }
        let (person, group) = (format!("uid=mark,{SUFFIX}"), format!("cn=mark,{SUFFIX}"));
        self.app.slapd.by_hand(&format!(
            "dn: {person}\nobjectClass: account\nuid: mark\n\n\
             dn: {group}\nobjectClass: groupOfNames\ncn: mark\nmember: {person}\nmember: cn=x\n\n\
             dn: {person}\nchangetype: delete\n"
        ));
        wait_for("the overlay", || (self.app.slapd.values(&group, "member") == ["cn=x"]).then_some(()));
        self.app.slapd.by_hand(&format!("dn: {group}\nchangetype: delete\n"));
    }

    fn nothing_is_left(&self) {
        let second = self.json(&["reconcile", "--dry-run", "--format", "json"], &[0, 2, 3]);
        let has_steps = |item: &&Value| item["steps"].as_array().is_some_and(|steps| !steps.is_empty());
        let left: Vec<&Value> = second["items"].as_array().expect("items").iter().filter(has_steps).collect();
        assert!(left.is_empty(), "a second run finds nothing: {left:#?}\n{}", self.story);
        self.json(&["reconcile", "--format", "json"], &[0]);
    }

    /// Byte for byte, but for references to who was renamed.
    fn others_stay(&self, now: &BTreeMap<String, Wanted>, drifted: &Tree, repaired: &Tree) {
        let owners: BTreeMap<&String, Kind> = now.values().map(|wanted| (&wanted.anchor, wanted.kind)).collect();
        let follow = followed(drifted, repaired);
        let mut told = Vec::new();
        for (anchor, entry) in drifted {
            let Some(after) = repaired.get(anchor) else {
                told.push(format!("{} is gone", entry.dn));
                continue;
            };
            let kind = owners.get(anchor).copied();
            if kind.is_none() && entry.dn != after.dn {
                told.push(format!("{} is now {}", entry.dn, after.dn));
            }
            let names: BTreeSet<&String> = entry.attributes().keys().chain(after.attributes().keys()).collect();
            for name in names.into_iter().filter(|name| kind.is_none_or(|kind| !self.case.is_ours(kind, name))) {
                let (expected, mut seen) = (entry.values(name), after.values(name));
                let same = if REFERENCES.contains(&name.as_str()) {
                    let expected: BTreeSet<&String> =
                        expected.iter().map(|value| follow.get(&fold(value)).unwrap_or(value)).collect();
                    expected.into_iter().eq(&seen)
                } else if kind.is_some() && name == "objectClass" {
                    expected.iter().all(|class| seen.contains(class))
                } else if kind == Some(Kind::Group) && name == "ou" {
                    seen.retain(|value| expected.contains(value) || value.len() < 8);
                    expected.iter().all(|value| seen.contains(value) || value.len() >= 8)
                } else if kind == Some(Kind::User) && name == LOCK {
                    // Who is to be locked is told by what was said of them.
                    continue;
                } else {
                    expected == seen
                };
                if !same {
                    told.push(format!("{}: {name} was {expected:?} and is {seen:?}", entry.dn));
                }
            }
        }
        let made = repaired.keys().filter(|anchor| !drifted.contains_key(*anchor));
        told.extend(made.filter(|anchor| !owners.contains_key(anchor)).map(|anchor| format!("{anchor} is nobody's")));
        assert!(told.is_empty(), "what is not ours stays\n{}\n{}", told.join("\n"), self.story);
    }

    /// What was said is what it was before the drift: nobody has said anything since.
    fn all_is_as_said(&self, history: &History<'_>) {
        let told = history.differences();
        assert!(told.is_empty(), "all is as Entra said it\n{}\n{}", told.join("\n"), self.story);
    }

    fn run_is_taken_back(&self, run: &Value, drifted: &Tree) {
        let Some(run) = run.as_i64() else { return };
        let undone = self.run(&["undo", &run.to_string(), "--format", "text"]);
        // A server that sees to references itself has taken some back before it was told to, which undoing tells.
        let codes: &[i32] = if self.case.flavor == Flavor::Plain { &[0] } else { &[0, 3] };
        assert!(undone.code.is_some_and(|code| codes.contains(&code)), "{undone:#?}\n{}", self.story);
        self.overlays_are_done();
        self.same("undoing gives back what was there", drifted, &self.tree(), &undone.stdout, shown_by_meaning);
        let again = self.json(&["reconcile", "--format", "json"], &[0]);
        self.overlays_are_done();
        assert!(again["outcomes"].as_array().unwrap().iter().all(|one| one["outcome"] == "done"), "{again:#}");
        self.nothing_is_left();
    }

    fn one_by_one_finds_nothing(&self, now: &BTreeMap<String, Wanted>, random: &mut Random) {
        let mut ids: Vec<&String> = now.keys().collect();
        // Ids are random; one seed shall make one story.
        ids.sort_by_key(|id| (now[*id].kind == Kind::Group, &now[*id].name));
        for _ in 0..ONE_BY_ONE {
            let id = random.pick(&ids);
            let plan = self.json(&["reconcile", "--dry-run", "--only", id, "--format", "json"], &[0, 2, 3]);
            let items = plan["items"].as_array().expect("items");
            let is_quiet =
                |item: &Value| item["steps"].as_array().is_some_and(Vec::is_empty) && item["problem"].is_null();
            assert!(items.iter().all(is_quiet), "{:?} was not suspected: {plan:#}\n{}", now[*id].name, self.story);
        }
    }

    /// That two directories hold the same, by the names of the entries; passwords and anchors aside.
    fn same(&self, what: &str, expected: &Tree, seen: &Tree, plan: &str, shown: fn(&Entry) -> String) {
        let shown = |tree: &Tree| -> BTreeSet<String> { tree.values().map(shown).collect() };
        let (expected, seen) = (shown(expected), shown(seen));
        let only = |these: &BTreeSet<String>, those| these.difference(those).cloned().collect::<Vec<_>>().join("\n");
        assert!(
            expected == seen,
            "{what}\n--- expected\n{}\n--- seen\n{}\n--- plan\n{plan}\n{}",
            only(&expected, &seen),
            only(&seen, &expected),
            self.story
        );
    }
}

/// All laws, for what Entra said and for what was done by hand after that, again and again.
fn holds(case: &Case, seed: u64) {
    let slapd = grown(case.flavor);
    if !case.schema.is_empty() {
        slapd.reconfigure(case.schema);
    }
    let app = TestApp::start_before(slapd, &case.settings);
    let tree = app.slapd.tree(&OPERATIONAL);
    let originals = tree.iter().map(|entry| entry.values("entryUUID").concat()).collect();
    let mut model = Model::of(tree);
    let mut entra = Entra::before(&app, seed);
    let mut random = Random::of_seed(seed);
    let mut stand = Stand { app: &app, case, originals, anchors: BTreeMap::new(), story: String::new() };
    (0..REQUESTS).for_each(|_| entra.say_something(&mut model));
    stand.story = format!("seed {seed}, before anything by hand, after\n{}", entra.last_words());
    let settled = stand.wanted(&model, &stand.tree());
    stand.laws(&settled, None, &mut random);
    for round in 1..=ROUNDS {
        (0..6).for_each(|_| entra.say_something_of_the_known(&mut model));
        stand.story = format!("seed {seed}, round {round}, after\n{}", entra.last_words());
        let before = stand.tree();
        let settled = stand.wanted(&model, &before);
        let mut drift = Drift::of(&app.slapd, case.lists, seed * 1_000 + round);
        (0..STROKES).for_each(|_| drift.change_something());
        stand.story = format!("seed {seed}, round {round}, after\n{}\nby hand:\n{}", entra.last_words(), drift.told());
        stand.laws(&settled, Some(&before), &mut random);
    }
}

/// posixGroup as RFC 2307bis has it: beside another class, with no structure of its own.
const RFC2307BIS: &str = "\
objectclass ( 1.3.6.1.4.1.99999.20 NAME 'unixGroup' SUP top AUXILIARY MUST gidNumber MAY ( memberUid $ description ) )
";
/// A group whose members are named by uid alone.
const TEAM: &str = "\
objectclass ( 1.3.6.1.4.1.99999.21 NAME 'team' SUP top STRUCTURAL MUST cn MAY ( memberUid $ description $ ou $ owner ) )
";
const GIDS: &str = "[[groups.attribute]]\nldap = \"gidNumber\"\nallocate = { from = 5000, to = 5999 }\n";
const SET: &str = "[[users.disable.set]]\nldap = \"employeeType\"\nvalue = \"inactive\"\n";

#[test]
fn what_drifts_is_repaired_where_nobody_but_the_bridge_sees_to_references() {
    holds(&Case::on(Flavor::Plain), 211);
}

#[test]
fn what_drifts_is_repaired_where_the_directory_sees_to_references_too() {
    holds(&Case::on(Flavor::AsShipped).members_are(Ownership::Exclusive), 12);
}

#[test]
fn what_drifts_is_repaired_where_others_add_members() {
    let case = Case::on(Flavor::Plain).members_are(Ownership::Shared);
    holds(&case, 13);
}

#[test]
fn what_drifts_is_repaired_in_both_lists_of_a_group() {
    let mut case = Case::on(Flavor::Plain)
        .set("groups.object_classes", "[\"groupOfNames\", \"unixGroup\"]")
        .set("groups.member", "[\"member\", \"memberUid\"]")
        .set("groups.member_value", "[\"dn\", \"uid\"]")
        .add(GIDS)
        .add(SET);
    (case.schema, case.lists, case.given, case.barring) =
        (RFC2307BIS, &["member", "memberUid"], &["gidNumber"], &["employeeType"]);
    holds(&case, 14);
}

#[test]
fn what_drifts_is_repaired_where_members_are_named_by_uid() {
    let mut case = Case::on(Flavor::Plain)
        .set("groups.object_classes", "[\"team\"]")
        .set("groups.member", "\"memberUid\"")
        .set("groups.member_value", "\"uid\"");
    (case.schema, case.lists, case.class) = (TEAM, &["memberUid"], "team");
    holds(&case, 15);
}

#[test]
fn what_drifts_is_repaired_where_leavers_are_moved_away() {
    let mut case = Case::on(Flavor::WithoutPolicy)
        .set("users.disable.lock", "false")
        .set("users.disable.password", "true")
        .set("users.disable.move_to", &format!("\"ou=berlin,ou=people,{SUFFIX}\""));
    (case.locks, case.given, case.gone) = (false, &["userPassword"], Some("ou=berlin,ou=people,dc=example,dc=org"));
    holds(&case, 16);
}

#[test]
fn what_drifts_is_repaired_where_people_stand_as_they_are() {
    let place = "ou={{ 'berlin' if title else 'munich' }}";
    let mut case = Case::on(Flavor::Plain)
        .set("users.base_dn", &format!("\"{place},ou=people,{SUFFIX}\""))
        .set("users.create_containers", "true");
    case.places = true;
    holds(&case, 17);
}

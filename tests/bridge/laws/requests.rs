//! What Entra may say next of people and groups, by chance: some of it is refused, which must change nothing either.

use serde_json::{Value, json};
use unicode_normalization::UnicodeNormalization;

use super::model::{Kind, Model, Who};
use crate::support::app::TestApp;
use crate::support::entra::{self, ENTERPRISE, add_members, group_with, person_with, remove_members};
use crate::support::http::Answer;
use crate::support::random::Random;

/// Values that are hard to write, to compare or to keep.
const ODD: [&str; 10] = [
    "Countess",
    " on both sides ",
    "Ö, \"Q\" + 😀",
    "a=b;c<d>\\e#",
    "two  blanks",
    "cafe\u{301}",
    "café",
    "line\nbreak",
    "{SSHA}not a hash",
    "-",
];

/// Paths whose value is a text.
const TEXTS: [&str; 9] = [
    "title",
    "displayName",
    "name.givenName",
    "name.familyName",
    "phoneNumbers[type eq \"work\"].value",
    "emails[type eq \"work\"].value",
    "addresses[type eq \"work\"].formatted",
    "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:department",
    "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:employeeNumber",
];

/// Entra as it goes on: what it says is sent, and what came of it is told the model.
pub(super) struct Entra<'a> {
    app: &'a TestApp,
    random: Random,
    /// The ids in the order in which they came: they are random themselves, and one seed shall make one story.
    known: Vec<String>,
    said: Vec<String>,
}

impl<'a> Entra<'a> {
    pub(super) fn before(app: &'a TestApp, seed: u64) -> Self {
        Self { app, random: Random::of_seed(seed), known: Vec::new(), said: Vec::new() }
    }

    /// What was said last, for who must find out which of it broke a law.
    pub(super) fn last_words(&self) -> String {
        self.said[self.said.len().saturating_sub(40)..].join("\n")
    }

    pub(super) fn say_something(&mut self, model: &mut Model) {
        match self.random.below(20) {
            0..=3 => self.create_user(model),
            4..=5 => self.create_group(model),
            other => self.change_something(other, model),
        }
    }

    /// The same of those alone who are known.
    pub(super) fn say_something_of_the_known(&mut self, model: &mut Model) {
        let which = 6 + self.random.below(14);
        self.change_something(which, model);
    }

    fn change_something(&mut self, which: usize, model: &mut Model) {
        match which {
            6..=9 => self.change_user(model),
            10 => self.rename(model, Kind::User),
            11 => self.rename(model, Kind::Group),
            12..=13 => self.disable_or_enable(model),
            14..=16 => self.add_members(model),
            17..=18 => self.remove_members(model),
            _ => self.delete(model),
        }
    }

    fn create_user(&mut self, model: &mut Model) {
        let name = self.name(model, Kind::User);
        let number = self.said.len();
        let title = *self.random.pick(&ODD);
        let mut user = person_with("x", json!({"userName": name, "externalId": number.to_string(), "title": title}));
        if let (true, Some(manager)) = (self.random.one_in(3), self.somebody(model, Kind::User)) {
            user[ENTERPRISE] = json!({"manager": manager});
        }
        let several = model.free(Kind::User, &name).len() > 1;
        let answer = self.send("POST", "/Users", &user);
        if answer.status == 201 {
            assert!(!several, "several people are {name:?}");
            let id = answer.json()["id"].as_str().unwrap().to_owned();
            model.created(Kind::User, &id, &name);
            self.known.push(id);
        }
    }

    fn create_group(&mut self, model: &mut Model) {
        let name = self.name(model, Kind::Group);
        if model.has(Kind::Group, &name) {
            // Groups of one name share an entry, which is another story.
            return;
        }
        let members = self.some();
        let ids: Vec<&str> = members.iter().map(String::as_str).collect();
        let several = model.free(Kind::Group, &name).len() > 1;
        let answer = self.send("POST", "/Groups", &group_with(&name, &self.said.len().to_string(), &ids));
        if answer.status == 201 {
            assert!(!several, "several groups are {name:?}");
            let id = answer.json()["id"].as_str().unwrap().to_owned();
            model.created(Kind::Group, &id, &name);
            model.add(&id, &members);
            self.known.push(id);
        }
    }

    fn change_user(&mut self, model: &mut Model) {
        let Some(id) = self.somebody(model, Kind::User) else { return };
        let path = *self.random.pick(&TEXTS);
        let operation = match self.random.below(5) {
            0 => json!({"op": "Remove", "path": path}),
            1 => match self.somebody(model, Kind::User) {
                Some(manager) => json!({"op": "Add", "path": format!("{ENTERPRISE}:manager"), "value": manager}),
                None => return,
            },
            _ => json!({"op": "Replace", "path": path, "value": self.random.pick(&ODD)}),
        };
        self.patch(Kind::User, &id, json!([operation]));
    }

    fn disable_or_enable(&mut self, model: &mut Model) {
        let Some(id) = self.somebody(model, Kind::User) else { return };
        let active = *self.random.pick(&["True", "False"]);
        self.patch(Kind::User, &id, json!([{"op": "Replace", "path": "active", "value": active}]));
    }

    fn rename(&mut self, model: &mut Model, kind: Kind) {
        let Some(id) = self.somebody(model, kind) else { return };
        let name = self.name(model, kind);
        let free = model.free(kind, &name).len();
        let made = matches!(model.resources[&id].who, Who::Made(_));
        if kind == Kind::Group && (model.has(kind, &name) || free > 0 && !made) {
            // A group that takes the name of another entry leaves its own, which goes: of what others put into an
            // entry that was adopted, nothing would be left, because Entra said so.
            return;
        }
        let path = if kind == Kind::User { "userName" } else { "displayName" };
        if self.patch(kind, &id, json!([{"op": "Replace", "path": path, "value": name}])) {
            model.renamed(&id, &name);
        }
    }

    fn add_members(&mut self, model: &mut Model) {
        let Some(group) = self.somebody(model, Kind::Group) else { return };
        let members = self.some();
        if self.patch(Kind::Group, &group, add_members(&members)) {
            model.add(&group, &members);
        }
    }

    fn remove_members(&mut self, model: &mut Model) {
        let Some(group) = self.somebody(model, Kind::Group) else { return };
        if self.random.one_in(8) {
            // Those whom Entra put there; what else stands there is nobody's here.
            let all: Vec<String> = model.resources[&group].said.iter().cloned().collect();
            if self.patch(Kind::Group, &group, json!([{"op": "Remove", "path": "members"}])) {
                model.remove(&group, &all);
            }
            return;
        }
        let mut members = self.some();
        members.extend(self.known.iter().find(|id| model.resources[&group].said.contains(*id)).cloned());
        if self.patch(Kind::Group, &group, remove_members(&members)) {
            model.remove(&group, &members);
        }
    }

    /// What scimbridge made goes; an entry that it adopted would go too.
    fn delete(&mut self, model: &mut Model) {
        let is_made = |id: &&String| matches!(model.resources[*id].who, Who::Made(_));
        let made: Vec<String> = self.known.iter().filter(is_made).cloned().collect();
        let Some(id) = self.random.pick_if_any(&made) else { return };
        self.send("DELETE", &target(model.resources[id].kind, id), &Value::Null).expect(204);
        model.deleted(id);
        self.known.retain(|known| known != id);
    }

    /// A name that is in the directory, nearly so, or new.
    fn name(&mut self, model: &Model, kind: Kind) -> String {
        let number = self.said.len();
        let known = self.random.pick(&model.names(kind)).clone();
        match self.random.below(12) {
            0..=6 => known,
            7 => known.to_uppercase(),
            8 => known.nfd().collect::<String>().replace(' ', "  "),
            9 => "ghost".to_owned(),
            10 => format!("{}{number}", self.random.pick(&ODD)),
            _ => format!("new{number}"),
        }
    }

    fn somebody(&mut self, model: &Model, kind: Kind) -> Option<String> {
        let ids: Vec<&String> = self.known.iter().filter(|id| model.resources[*id].kind == kind).collect();
        self.random.pick_if_any(&ids).map(|id| (*id).clone())
    }

    /// Up to three, people and groups.
    fn some(&mut self) -> Vec<String> {
        let number = if self.known.is_empty() { 0 } else { self.random.below(4) };
        (0..number).map(|_| self.random.pick(&self.known).clone()).collect()
    }

    fn patch(&mut self, kind: Kind, id: &str, operations: Value) -> bool {
        self.send("PATCH", &target(kind, id), &entra::patch(operations)).status < 300
    }

    fn send(&mut self, method: &str, target: &str, body: &Value) -> Answer {
        let answer = self.app.request(method, target, (!body.is_null()).then_some(body));
        let said = body.get("Operations").unwrap_or(body);
        self.said.push(format!("{method} {target} {said}: {} {}", answer.status, refusal(&answer)));
        answer.check_protocol();
        assert!(answer.status < 500, "{}", self.last_words());
        answer
    }
}

fn refusal(answer: &Answer) -> String {
    if answer.status < 400 { String::new() } else { answer.json()["detail"].to_string() }
}

fn target(kind: Kind, id: &str) -> String {
    format!("/{}/{id}", if kind == Kind::User { "Users" } else { "Groups" })
}

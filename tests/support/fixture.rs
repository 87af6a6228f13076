//! A form that Entra (or its validator) sends, as JSON in `tests/fixtures/entra/<kind>/`: one file per form.
//!
//! A fixture says what stood there before (`given`), what is sent (`steps`), and what must be seen afterwards over SCIM
//! (`resource`: at least this; `absent`: JSON pointers to what must not be there; `members`: exactly these) and in the
//! directory (`ldap`: exactly these values of these attributes; `locked`). In its text `{subject}` is the id of the resource
//! that it is about, `{name}` a word of its own that keeps it apart from the others, `{ada}`, `{bob}`, `{cyd}`, `{dan}`
//! and `{eve}` the ids of people who are there, `{dn:ada}` the DN of one of them, and `{nobody}` an id that nobody has.
//!
//! What is sent once and accepted is sent again, for Entra repeats itself: the second time changes nothing.

use std::collections::BTreeMap;
use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};

use serde::Deserialize;
use serde_json::{Value, json};
use uuid::Uuid;

use super::administrator::Server;
use super::app::{TestApp, dn, member_ids};
use super::entra;
use super::http::Answer;
use super::slapd::project;

pub(crate) const PEOPLE: [&str; 5] = ["ada", "bob", "cyd", "dan", "eve"];
pub(crate) const NOBODY: &str = "00000000-0000-4000-8000-000000000000";

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Fixture {
    /// What the form is, in words.
    name: String,
    /// For a user: attributes beside the usual ones. For a group: `members`, the people who are in it.
    #[serde(default)]
    given: Value,
    steps: Vec<Step>,
    #[serde(default)]
    resource: Value,
    #[serde(default)]
    absent: Vec<String>,
    #[serde(default)]
    members: Option<Vec<String>>,
    /// Whether the directory locks the user out.
    #[serde(default)]
    locked: Option<bool>,
    #[serde(default)]
    ldap: BTreeMap<String, Vec<String>>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Step {
    /// Method and target, such as `PATCH /Users/{subject}`.
    request: String,
    body: Value,
    status: u16,
    #[serde(default, rename = "scimType")]
    scim_type: Option<String>,
    /// Words that the `detail` of a refusal holds.
    #[serde(default)]
    detail: Vec<String>,
}

/// What a fixture is about, and so what its answers are compared with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// The fixture creates its user itself.
    Create,
    User,
    Group,
}

/// Plays all fixtures of a folder against one program before an OpenLDAP, and names those that failed.
pub(crate) fn play_all(kind: Kind, folder: &str) {
    play_all_before(&TestApp::start(), kind, folder);
}

/// The same against a program that runs already.
pub(crate) fn play_all_before<D: Server>(app: &TestApp<D>, kind: Kind, folder: &str) {
    let people: BTreeMap<&str, String> = PEOPLE.iter().map(|name| (*name, app.user(name))).collect();
    let mut paths: Vec<_> = fs::read_dir(project().join("tests/fixtures/entra").join(folder))
        .expect("the fixtures")
        .map(|entry| entry.expect("a fixture").path())
        .collect();
    paths.sort();
    assert!(!paths.is_empty(), "no fixtures in {folder}");
    let mut failed = Vec::new();
    for path in paths {
        let stem = path.file_stem().expect("a name").to_string_lossy().into_owned();
        let text = fs::read_to_string(&path).expect("a fixture");
        let played = catch_unwind(AssertUnwindSafe(|| play(app, kind, &stem, &text, &people)));
        if played.is_err() {
            eprintln!("^ that was {}\n", path.display());
            failed.push(stem);
        }
    }
    assert!(failed.is_empty(), "these fixtures of {folder} failed: {failed:#?}");
}

fn play<D: Server>(app: &TestApp<D>, kind: Kind, stem: &str, text: &str, people: &BTreeMap<&str, String>) {
    let mut text = text.replace("{name}", stem).replace("{nobody}", NOBODY);
    for (name, id) in people {
        text = text.replace(&format!("{{{name}}}"), id).replace(&format!("{{dn:{name}}}"), &dn(name));
    }
    let given: Fixture = serde_json::from_str(&text).expect("a fixture's JSON");
    let mut subject = match kind {
        Kind::Create => None,
        Kind::User => {
            let attributes = if given.given.is_null() { json!({}) } else { given.given };
            Some(app.create_user(&entra::person_with(stem, attributes)))
        }
        Kind::Group => {
            let members: Vec<String> = serde_json::from_value(given.given["members"].clone()).unwrap_or_default();
            let id = app.create_group(stem);
            if !members.is_empty() {
                app.add_members(&id, &members);
            }
            Some(id)
        }
    };
    let fixture: Fixture = match &subject {
        Some(id) => serde_json::from_str(&text.replace("{subject}", id)).expect("a fixture's JSON"),
        None => serde_json::from_str(&text).expect("a fixture's JSON"),
    };
    eprintln!("{stem}: {}", fixture.name);

    for step in &fixture.steps {
        let answer = send(app, step);
        if kind == Kind::Create && answer.status == 201 {
            subject = answer.json()["id"].as_str().map(ToOwned::to_owned);
        }
    }
    let Some(subject) = subject else {
        let user_name = format!("{stem}@contoso.com");
        assert_eq!(app.lookup_user(&user_name), None, "what was refused is not kept");
        assert!(app.slapd.people("uid", &user_name).is_empty(), "what was refused is not in the directory");
        return;
    };
    assert!(Uuid::parse_str(&subject).is_ok(), "an id is a UUID of ours: {subject}");
    let endpoint = if kind == Kind::Group { "Groups" } else { "Users" };
    let seen = app.get(&format!("/{endpoint}/{subject}")).expect(200).json();
    let names = people.iter().map(|(name, id)| (id.as_str(), *name)).collect();
    check_resource(app, &fixture, endpoint, &seen, &names);

    for step in fixture.steps.iter().filter(|step| step.request.starts_with("PATCH") && step.status < 300) {
        send(app, step);
    }
    if kind != Kind::Create && fixture.steps.len() == 1 {
        let again = app.get(&format!("/{endpoint}/{subject}")).expect(200).json();
        assert_eq!(without_times(again), without_times(seen), "the second time changes nothing");
    }
}

fn send<D: Server>(app: &TestApp<D>, step: &Step) -> Answer {
    let (method, target) = step.request.split_once(' ').expect("method and target");
    let answer = app.request(method, target, Some(&step.body)).expect(step.status);
    if let Some(scim_type) = &step.scim_type {
        let naming: Vec<&str> = step.detail.iter().map(String::as_str).collect();
        return answer.refuses(step.status, scim_type, &naming);
    }
    if method == "PATCH" && answer.status == 200 {
        assert_eq!(answer.json(), app.get(target).expect(200).json(), "the answer shows the state after the change");
    }
    answer
}

fn check_resource<D: Server>(
    app: &TestApp<D>,
    fixture: &Fixture,
    endpoint: &str,
    seen: &Value,
    people: &BTreeMap<&str, &str>,
) {
    if let Err(difference) = includes(seen, &fixture.resource) {
        panic!("{difference}\nthe resource: {seen:#}");
    }
    for pointer in &fixture.absent {
        assert_eq!(seen.pointer(pointer), None, "{pointer} is not there\nthe resource: {seen:#}");
    }
    let entry = if endpoint == "Users" {
        assert!(seen["active"].is_boolean(), "`active` is always there: {seen:#}");
        let user_name = seen["userName"].as_str().expect("a userName");
        assert_eq!(app.lookup_user(user_name).as_ref(), Some(seen), "a list holds the full resource");
        app.slapd.people("uid", user_name)
    } else {
        app.slapd.groups(seen["displayName"].as_str().expect("a displayName"))
    };
    assert_eq!(entry.len(), 1, "one entry in the directory: {entry:#?}");
    let entry = &entry[0];
    for (attribute, values) in &fixture.ldap {
        let mut expected = values.clone();
        expected.sort();
        assert_eq!(entry.values(attribute), expected, "{attribute} of\n{entry}");
    }
    if let Some(locked) = fixture.locked {
        assert_eq!(app.is_locked(&entry.dn), locked, "whether {} is locked", entry.dn);
    }
    if let Some(members) = &fixture.members {
        assert_eq!(member_ids(seen), members.iter().cloned().collect(), "members over SCIM");
        let mut expected: Vec<String> = members.iter().map(|id| dn(people[id.as_str()])).collect();
        if expected.is_empty() {
            expected.extend(D::EMPTY_GROUP.iter().map(|dn| (*dn).to_owned()));
        }
        expected.sort();
        assert_eq!(entry.values("member"), expected, "members in the directory");
    }
}

/// Whether `seen` holds what is expected: the fields of an object, the items of a list in any order and no others.
fn includes(seen: &Value, expected: &Value) -> Result<(), String> {
    match (seen, expected) {
        (_, Value::Null) => Ok(()),
        (Value::Object(seen), Value::Object(expected)) => {
            for (name, value) in expected {
                let known = seen.get(name).ok_or_else(|| format!("{name} is missing"))?;
                includes(known, value).map_err(|difference| format!("{name}: {difference}"))?;
            }
            Ok(())
        }
        (Value::Array(seen), Value::Array(expected)) => {
            if seen.len() != expected.len() {
                return Err(format!("{} items, not {}", seen.len(), expected.len()));
            }
            let missing = expected.iter().find(|wanted| !seen.iter().any(|item| includes(item, wanted).is_ok()));
            missing.map_or(Ok(()), |wanted| Err(format!("no item like {wanted}")))
        }
        _ if seen == expected => Ok(()),
        _ => Err(format!("{seen}, not {expected}")),
    }
}

/// `meta` may tell that a request came; all else is the resource.
fn without_times(mut resource: Value) -> Value {
    if let Value::Object(fields) = &mut resource {
        fields.remove("meta");
    }
    resource
}

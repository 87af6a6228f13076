//! How long the pure middle takes for one request: no store, no directory, no network.
//!
//! Not what a request takes: that is measured by the bench `bridge`. The documents are those of `tests/fixtures/entra`,
//! the map is that of `config.example.toml`.

#![allow(clippy::expect_used, clippy::unwrap_used, clippy::panic, reason = "a bench that cannot prepare cannot go on")]

use std::fs;
use std::path::{Path, PathBuf};

use divan::{Bencher, black_box};
use scimbridge::config;
use scimbridge::directory::{DesiredEntry, Entry, Schema};
use scimbridge::mapping::user::map_user;
use scimbridge::mapping::{References, UserRules};
use scimbridge::plan::diff;
use scimbridge::scim::{Document, Draft, Index, Kind, Patch, Search};
use scimbridge::settle::Rules;
use serde_json::Value;

fn main() {
    divan::main();
}

const USER: &str = "create-user/default-mapping.json";

/// Each of a form of its own: one value by a path, several at once, by a filter, without a path, of a user's state.
const PATCHES: [&str; 5] = [
    "patch-user/equal-value.json",
    "patch-user/plain-several.json",
    "patch-user/typed-email-replace-missing.json",
    "patch-user/flag-several.json",
    "patch-user/active-text-false.json",
];

const FILTERS: [&str; 3] = [
    r#"userName eq "mary@contoso.com""#,
    r#"emails[type eq "work" and value co "@contoso.com"]"#,
    r#"title eq "Engineer" and (name.familyName sw "Con" or not (active eq false))"#,
];

/// What OpenLDAP says of the attributes that the map writes.
const ATTRIBUTE_TYPES: [&str; 20] = [
    "( 2.5.4.0 NAME 'objectClass' EQUALITY objectIdentifierMatch SYNTAX 1.3.6.1.4.1.1466.115.121.1.38 )",
    "( 2.5.4.41 NAME 'name' EQUALITY caseIgnoreMatch SYNTAX 1.3.6.1.4.1.1466.115.121.1.15{32768} )",
    "( 2.5.4.3 NAME ( 'cn' 'commonName' ) SUP name )",
    "( 2.5.4.4 NAME ( 'sn' 'surname' ) SUP name )",
    "( 2.5.4.42 NAME ( 'givenName' 'gn' ) SUP name )",
    "( 2.5.4.7 NAME ( 'l' 'localityName' ) SUP name )",
    "( 2.5.4.8 NAME ( 'st' 'stateOrProvinceName' ) SUP name )",
    "( 2.5.4.12 NAME 'title' SUP name )",
    "( 0.9.2342.19200300.100.1.1 NAME ( 'uid' 'userid' ) EQUALITY caseIgnoreMatch SYNTAX 1.3.6.1.4.1.1466.115.121.1.15{256} )",
    "( 0.9.2342.19200300.100.1.3 NAME ( 'mail' 'rfc822Mailbox' ) EQUALITY caseIgnoreIA5Match SYNTAX 1.3.6.1.4.1.1466.115.121.1.26{256} )",
    "( 2.16.840.1.113730.3.1.241 NAME 'displayName' EQUALITY caseIgnoreMatch SYNTAX 1.3.6.1.4.1.1466.115.121.1.15 SINGLE-VALUE )",
    "( 2.5.4.20 NAME 'telephoneNumber' EQUALITY telephoneNumberMatch SYNTAX 1.3.6.1.4.1.1466.115.121.1.50{32} )",
    "( 0.9.2342.19200300.100.1.41 NAME ( 'mobile' 'mobileTelephoneNumber' ) EQUALITY telephoneNumberMatch SYNTAX 1.3.6.1.4.1.1466.115.121.1.50 )",
    "( 2.5.4.23 NAME ( 'facsimileTelephoneNumber' 'fax' ) SYNTAX 1.3.6.1.4.1.1466.115.121.1.22 )",
    "( 2.16.840.1.113730.3.1.39 NAME 'preferredLanguage' EQUALITY caseIgnoreMatch SYNTAX 1.3.6.1.4.1.1466.115.121.1.15 SINGLE-VALUE )",
    "( 2.5.4.9 NAME ( 'street' 'streetAddress' ) EQUALITY caseIgnoreMatch SYNTAX 1.3.6.1.4.1.1466.115.121.1.15{128} )",
    "( 2.5.4.17 NAME 'postalCode' EQUALITY caseIgnoreMatch SYNTAX 1.3.6.1.4.1.1466.115.121.1.15{40} )",
    "( 2.5.4.19 NAME 'physicalDeliveryOfficeName' EQUALITY caseIgnoreMatch SYNTAX 1.3.6.1.4.1.1466.115.121.1.15{128} )",
    "( 2.16.840.1.113730.3.1.2 NAME 'departmentNumber' EQUALITY caseIgnoreMatch SYNTAX 1.3.6.1.4.1.1466.115.121.1.15 )",
    "( 2.16.840.1.113730.3.1.3 NAME 'employeeNumber' EQUALITY caseIgnoreMatch SYNTAX 1.3.6.1.4.1.1466.115.121.1.15 SINGLE-VALUE )",
];

#[divan::bench(args = PATCHES)]
fn read_a_patch(bencher: Bencher<'_, '_>, fixture: &str) {
    let (index, body) = (index(), body(fixture).to_string());
    bencher.bench(|| patch(&index, black_box(&body)));
}

#[divan::bench(args = PATCHES)]
fn apply_a_patch(bencher: Bencher<'_, '_>, fixture: &str) {
    let (index, user) = (index(), user());
    let patch = patch(&index, &body(fixture).to_string());
    bencher.bench(|| black_box(&patch).apply(black_box(&user)).unwrap());
}

#[divan::bench]
fn read_a_user(bencher: Bencher<'_, '_>) {
    let (index, body) = (index(), body(USER).to_string());
    bencher.bench(|| {
        let body: Value = serde_json::from_str(black_box(&body)).unwrap();
        Draft::read(index.schema(), &body).unwrap()
    });
}

#[divan::bench(args = FILTERS)]
fn parse_a_filter(bencher: Bencher<'_, '_>, filter: &str) {
    let index = index();
    bencher.bench(|| Search::parse(&index, &[], Some(black_box(filter))).unwrap());
}

#[divan::bench(args = FILTERS)]
fn evaluate_a_filter(bencher: Bencher<'_, '_>, filter: &str) {
    let (search, user) = (Search::parse(&index(), &[], Some(filter)).unwrap(), user());
    bencher.bench(|| black_box(&search).matches(black_box(&user)));
}

#[divan::bench]
fn index_a_user(bencher: Bencher<'_, '_>) {
    let (index, user) = (index(), user());
    bencher.bench(|| index.entries(black_box(&user)));
}

#[divan::bench]
fn map_a_user(bencher: Bencher<'_, '_>) {
    let (rules, user, references) = (rules().users, user(), References::new());
    bencher.bench(|| map_user(&rules, black_box(&user), &references).unwrap());
}

#[divan::bench]
fn diff_of_equals(bencher: Bencher<'_, '_>) {
    let (desired, observed, schema) = (mapped(&user()), observed(), schema());
    bencher.bench(|| {
        let plan = diff(black_box(&desired), Some(black_box(&observed)), &schema);
        assert!(plan.is_empty(), "{plan:?}");
    });
}

#[divan::bench]
fn diff_of_another_name(bencher: Bencher<'_, '_>) {
    let mut user = user();
    user.insert("displayName".to_owned(), "Mary Renamed".into());
    let (desired, observed, schema) = (mapped(&user), observed(), schema());
    bencher.bench(|| {
        let plan = diff(black_box(&desired), Some(black_box(&observed)), &schema);
        assert!(!plan.is_empty());
    });
}

fn project() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// The body of the first request of a fixture.
fn body(fixture: &str) -> Value {
    let path = project().join("tests/fixtures/entra").join(fixture);
    let text = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let fixture: Value = serde_json::from_str(&text).expect("a fixture is JSON");
    fixture.pointer("/steps/0/body").expect("a fixture has a request").clone()
}

fn rules() -> Rules {
    let settings = config::load(Path::new(&project().join("config.example.toml"))).expect("the example is good");
    Rules { users: settings.users, groups: settings.groups, references: settings.ldap.references }
}

fn index() -> Index {
    rules().index(Kind::User)
}

/// The user of the default mapping, as it is kept.
fn user() -> Document {
    Draft::read(index().schema(), &body(USER)).expect("a user").document
}

fn patch(index: &Index, body: &str) -> Patch {
    let body: Value = serde_json::from_str(body).expect("JSON");
    Patch::read(index.schema(), &body).expect("a patch")
}

fn mapped(user: &Document) -> DesiredEntry {
    let rules: UserRules = rules().users;
    map_user(&rules, user, &References::new()).expect("an entry")
}

/// The user's entry, as a directory shows it.
fn observed() -> Entry {
    let desired = mapped(&user());
    Entry { dn: desired.dn(), attributes: desired.initial_attributes() }
}

fn schema() -> Schema {
    Schema::parse(&ATTRIBUTE_TYPES.map(scimbridge::directory::Value::from), &[])
}

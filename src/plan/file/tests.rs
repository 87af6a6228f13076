//! Plan files as they are written and read, and how a fresh plan departs from them.

use proptest::prelude::*;

use super::*;
use crate::directory::{Attributes, Change};
use crate::plan::hidden::{attributes_without_passwords, without_passwords};
use crate::plan::random::any_proposal;
use crate::plan::render::{Json, Report};
use crate::plan::{LastChange, Proposed, Reason, Step, Tally};

fn written(proposal: &Proposal) -> String {
    let tally = Tally::of(proposal, None);
    Json { report: Report { proposal, tally: &tally, excesses: &[] }, made: "2026-01-31T08:00:00Z" }.to_string()
}

fn item(id: &str, version: i64, changes: &[&str]) -> Item {
    let propose = |text: &&str| {
        let change: Change = serde_json::from_str(text).unwrap();
        Proposed { step: Step { change, reason: Reason::Differs }, before: Attributes::new(), last_change: None }
    };
    let subject = Subject { kind: "user".to_owned(), id: id.to_owned(), name: format!("name of {id}"), version };
    Item { subject, steps: changes.iter().map(propose).collect(), ..Item::default() }
}

fn proposal(items: Vec<Item>) -> Proposal {
    Proposal { items, ..Proposal::default() }
}

const DELETE: &str = r#"{"operation": "delete", "dn": "uid=a"}"#;
const SECRET: &str = r#"{"operation": "add", "dn": "uid=a", "attributes": {"userPassword": ["{SSHA}one"]}}"#;
const OTHER_SECRET: &str = r#"{"operation": "add", "dn": "uid=a", "attributes": {"userPassword": ["{SSHA}two"]}}"#;

#[track_caller]
fn check_refused(text: &str, expected: &str) {
    let error = read(text).unwrap_err().to_string();
    assert!(error.starts_with(expected), "{error}");
    assert!(error.contains("--dry-run --out FILE"), "{error}");
}

#[test]
fn what_is_no_plan_of_ours_is_refused() {
    let text = written(&proposal(vec![item("1", 3, &[DELETE])]));
    assert!(read(&text).is_ok());
    check_refused(&text.replace("\"uid=a\"", "\"uid=b\""), "the plan was changed after it was written");
    check_refused(&text.replace("plan/1", "plan/2"), "the plan is written as \"scimbridge-plan/2\"");
    check_refused("{}", "the plan is written as \"null\"");
    check_refused(text.get(..text.len() / 2).unwrap(), "the plan cannot be read at line ");
    check_refused(&text.replace("\"delete\"", "\"burn\""), "the plan cannot be read at line ");
    check_refused("", "the plan cannot be read at line 1, column 0");
    // Its look does not count.
    assert!(read(&text.replace("\n", "\r\n  ")).is_ok());
}

#[test]
fn no_password_is_written() {
    let mut item = item("1", 1, &[SECRET]);
    item.steps[0].before = [(crate::directory::AttributeName::of("USERPASSWORD;x-a"), vec!["{SSHA}one".into()])].into();
    let proposal = proposal(vec![item]);
    let plain = serde_json::to_string(&proposal).unwrap();
    let step = serde_json::to_string(&proposal.items[0].steps[0].step).unwrap();
    for text in [written(&proposal), plain, step] {
        assert!(!text.contains("SSHA") && text.contains("(hidden)"), "{text}");
    }
}

#[track_caller]
fn check_departures(planned: &[Item], fresh: &[Item], expected: &[&str]) {
    let file = read(&written(&proposal(planned.to_vec()))).unwrap();
    let departures = file.departures(&proposal(fresh.to_vec()));
    assert_eq!(departures.iter().map(Departure::to_string).collect::<Vec<String>>(), expected);
}

#[test]
fn a_fresh_plan_departs_where_it_is_another() {
    let planned = item("1", 3, &[DELETE]);
    let mut touched = planned.clone();
    touched.notes.push("new".to_owned());
    touched.steps[0].last_change = Some(LastChange { by: "cn=x".to_owned(), at: "20260131080000Z".to_owned() });
    check_departures(std::slice::from_ref(&planned), &[touched, item("2", 1, &[DELETE])], &[]);
    check_departures(&[item("1", 1, &[SECRET])], &[item("1", 1, &[OTHER_SECRET])], &[]);
    check_departures(std::slice::from_ref(&planned), &[], &["user \"name of 1\": in sync by now, or gone"]);
    check_departures(&[item("1", 3, &[])], &[], &[]);
    check_departures(
        std::slice::from_ref(&planned),
        &[item("1", 4, &[DELETE])],
        &["user \"name of 1\": changed by a request since the plan was made"],
    );
    let other = "user \"name of 1\": something else would be done now\n  the plan has:\n    \
                 - <uid=a>: user \"name of 1\", differs\n  now it would be:\n    nothing";
    check_departures(std::slice::from_ref(&planned), &[item("1", 3, &[])], &[other]);
    let rename = |rdn: &str| format!(r#"{{"operation": "rename", "dn": "uid=a", "new_rdn": "uid={rdn}"}}"#);
    let renamed = read(&written(&proposal(vec![item("1", 1, &[&rename("b")])]))).unwrap();
    assert_eq!(renamed.departures(&proposal(vec![item("1", 1, &[&rename("b")])])), []);
    assert_eq!(renamed.departures(&proposal(vec![item("1", 1, &[&rename("B")])])).len(), 1);
    let mut reasoned = planned.clone();
    reasoned.steps[0].step.reason = Reason::Tombstone;
    assert_eq!(read(&written(&proposal(vec![planned]))).unwrap().departures(&proposal(vec![reasoned])).len(), 1);
}

proptest! {
    #[test]
    fn a_plan_is_read_as_it_was_written(proposal in any_proposal()) {
        let file = read(&written(&proposal)).unwrap();
        prop_assert_eq!(file.departures(&proposal), vec![]);
        let mut hidden = proposal;
        for proposed in hidden.items.iter_mut().flat_map(|item| &mut item.steps) {
            proposed.step.change = without_passwords(&proposed.step.change);
            proposed.before = attributes_without_passwords(&proposed.before);
        }
        prop_assert_eq!(Proposal { items: file.items, unmanaged: file.unmanaged, census: file.census }, hidden);
    }
}

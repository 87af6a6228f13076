//! Limits as they are written, and what they let through.

use super::*;
use crate::directory::{Attributes, Tolerance};
use crate::plan::Step;
use crate::plan::proposal::Item;

#[track_caller]
fn check_limit(text: &str, expected: &str) {
    let read = text.parse::<Limit>();
    assert_eq!(read.map_or_else(|error| error.to_string(), |limit| limit.to_string()), expected);
}

#[test]
fn a_limit_is_a_number_or_a_percentage() {
    check_limit("20", "20");
    check_limit(" 0 ", "0");
    check_limit("5%", "5%");
    check_limit("100 %", "100%");
    for text in ["", "%", "many", "-1", "+5%", "1.5%", "5%%", "99999999999999999999"] {
        check_limit(text, &format!("{text:?} is neither a number such as 20 nor a percentage such as 5%"));
    }
    for text in ["101%", "99999999999%"] {
        check_limit(text, &format!("{text:?} is more than everything: write 100% for no limit"));
    }
}

#[test]
fn a_percentage_above_zero_allows_the_first() {
    for (text, total, expected) in
        [("5%", 100, 5), ("5%", 101, 6), ("5%", 3, 1), ("5%", 0, 1), ("0%", 100, 0), ("0", 100, 0), ("7", 3, 7)]
    {
        assert_eq!(text.parse::<Limit>().unwrap().allows(total), expected, "{text} of {total}");
    }
    assert_eq!(Limit::Percent(100).allows(u64::MAX), u64::MAX);
}

fn dn(text: &str) -> Dn {
    text.parse().unwrap()
}

fn members(group: &str, action: Action, values: &[&str]) -> Change {
    let values = values.iter().map(|text| Value::from(*text)).collect();
    let modification = Modification { attribute: AttributeName::of("member"), action, values };
    Change::Modify { dn: dn(group), modifications: vec![modification], tolerance: Tolerance::AlreadySo }
}

fn item(steps: Vec<(Change, Reason)>) -> Item {
    let propose = |(change, reason)| {
        let before = [(AttributeName::of("member"), vec![Value::from("uid=x"), Value::from("uid=y")])].into();
        Proposed { step: Step { change, reason }, before, last_change: None }
    };
    Item { steps: steps.into_iter().map(propose).collect(), ..Item::default() }
}

#[test]
fn what_is_planned_is_counted() {
    let rename = Change::Rename { dn: dn("uid=a,ou=p"), new_rdn: dn("uid=b").rdn().unwrap().clone(), new_parent: None };
    let items = vec![
        item(vec![
            (members("UID=A,ou=p", Action::Add, &["1"]), Reason::Differs),
            (rename, Reason::Renamed),
            (members("uid=b,ou=p", Action::Delete, &["1"]), Reason::Disabled),
            (members("uid=b,ou=p", Action::Add, &["2"]), Reason::Disabled),
        ]),
        item(vec![
            (members("cn=g", Action::Add, &["uid=a", "CN=nobody"]), Reason::Members),
            (members("cn=g", Action::Delete, &["uid=c", "uid=d", "cn=Nobody"]), Reason::Members),
            (members("cn=h", Action::Replace, &["uid=y", "uid=z"]), Reason::Members),
            (members("cn=i", Action::Delete, &[]), Reason::Members),
        ]),
        item(vec![
            (Change::Add { dn: dn("uid=n"), attributes: Attributes::new() }, Reason::Missing),
            (Change::Delete { dn: dn("uid=o") }, Reason::Tombstone),
        ]),
        Item { problem: Some("no room".to_owned()), ..Item::default() },
    ];
    let proposal = Proposal { items, ..Proposal::default() };
    let expected = Tally {
        resources: 3,
        problems: 1,
        entries: 6,
        adds: 1,
        modifies: 7,
        renames: 1,
        deletes: 1,
        disables: 1,
        member_adds: 2,
        member_removals: 5,
    };
    assert_eq!(Tally::of(&proposal, Some(&dn("cn=nobody"))), expected);
    let with_nobody = Tally { member_adds: 3, member_removals: 6, ..expected };
    assert_eq!(Tally::of(&proposal, None), with_nobody);
}

#[test]
fn each_excess_is_told_with_its_limit() {
    let census = Census { users: 1_500, groups: 500, memberships: 30 };
    let tally = Tally { deletes: 101, disables: 150, resources: 1_000, member_removals: 4, ..Tally::default() };
    let told: Vec<String> = excesses(&tally, &census, &Budgets::default()).iter().map(Excess::to_string).collect();
    assert_eq!(
        told,
        [
            "101 deletes, and reconcile.max_deletes = 5% of 2,000 allows 100",
            "4 members to take out, and reconcile.max_member_removals = 10% of 30 allows 3"
        ]
    );
    let budgets = Budgets { max_missing: Limit::Number(0), ..Budgets::default() };
    assert_eq!(missing_excess(0, &census, &budgets), None);
    assert_eq!(
        missing_excess(1, &census, &budgets).unwrap().to_string(),
        "1 linked entry that was not found, and reconcile.max_missing = 0 allows 0"
    );
}

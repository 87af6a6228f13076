//! How proposals look.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use proptest::prelude::*;

use super::*;
use crate::directory::{AttributeName, Attributes, Dn, Rdn, Value};
use crate::plan::budget::{Budgets, excesses};
use crate::plan::random::{any_proposal, any_value};
use crate::plan::{Census, Item, Proposed, Subject};

fn subject(kind: &str, name: &str) -> Subject {
    Subject { kind: kind.to_owned(), id: format!("id of {name}"), name: name.to_owned(), version: 3 }
}

fn step(reason: Reason, before: &[(&'static str, &str)], change: &str) -> Proposed {
    let mut held = Attributes::new();
    for (name, value) in before {
        held.entry(AttributeName::of(name)).or_default().push(Value::from(*value));
    }
    Proposed { step: Step { change: serde_json::from_str(change).unwrap(), reason }, before: held, last_change: None }
}

fn modify(dn: &str, modifications: &str) -> String {
    format!(r#"{{"operation": "modify", "dn": "{dn}", "modifications": [{modifications}]}}"#)
}

/// A proposal with some of everything.
fn proposal() -> Proposal {
    let mut drift = step(
        Reason::Differs,
        &[("fax", "1"), ("fax", "2")],
        &modify(
            "uid=ada,ou=p",
            r#"{"attribute": "sn", "action": "delete", "values": ["Byron"]},
               {"attribute": "sn", "action": "add", "values": ["Lovelace"]},
               {"attribute": "fax", "action": "replace", "values": ["2", "3"]},
               {"attribute": "userPassword", "action": "replace", "values": ["{SSHA}secret"]}"#,
        ),
    );
    drift.last_change = Some(LastChange { by: "cn=admin,dc=example".to_owned(), at: "20260131080000Z".to_owned() });
    let rename = r#"{"operation": "rename", "dn": "uid=ada,ou=p", "new_rdn": "uid=eve", "new_parent": "ou=q"}"#;
    let create = r#"{"operation": "add", "dn": "uid=bob,ou=p",
        "attributes": {"uid": ["bob"], "jpegPhoto": [{"base64": "/9j/"}], "userPassword": ["{SSHA}secret"]}}"#;
    let lock =
        modify("uid=carl", r#"{"attribute": "pwdAccountLockedTime", "action": "add", "values": ["000001010000Z"]}"#);
    let joining: Vec<String> = (0..1_022).map(|number| format!("\"uid=u{number}\"")).collect();
    let join = modify(
        "cn=staff",
        &format!(r#"{{"attribute": "member", "action": "add", "values": [{}]}}"#, joining.join(",")),
    );
    let items = vec![
        Item {
            subject: subject("user", "ada"),
            steps: vec![drift, step(Reason::Renamed, &[], rename)],
            ..Item::default()
        },
        Item {
            subject: subject("user", "bob"),
            steps: vec![step(Reason::Missing, &[], create)],
            notes: vec!["its password is not kept: a new one has to be set".to_owned()],
            ..Item::default()
        },
        Item { subject: subject("user", "carl"), steps: vec![step(Reason::Disabled, &[], &lock)], ..Item::default() },
        Item {
            subject: subject("group", "old \u{1b}[31m"),
            steps: vec![step(
                Reason::Tombstone,
                &[("cn", "old")],
                r#"{"operation": "delete", "dn": "cn=old \u009b2J\u202e,ou=g"}"#,
            )],
            ..Item::default()
        },
        Item { subject: subject("group", "staff"), steps: vec![step(Reason::Members, &[], &join)], ..Item::default() },
        Item {
            subject: subject("user", "dora"),
            problem: Some("objectClass: the directory\ndoes not know posixAccount".to_owned()),
            ..Item::default()
        },
    ];
    let census = Census { users: 1_204, groups: 1, memberships: 40 };
    Proposal { items, unmanaged: vec!["uid=guest,ou=p".parse().unwrap()], census }
}

fn text(proposal: &Proposal, budgets: &Budgets) -> String {
    let tally = Tally::of(proposal, None);
    let excesses = excesses(&tally, &proposal.census, budgets);
    Text(Report { proposal, tally: &tally, excesses: &excesses }).to_string()
}

#[test]
fn a_text_says_what_happens_to_whom_and_why() {
    let budgets = Budgets { max_deletes: crate::plan::Limit::Number(0), ..Budgets::default() };
    let text = text(&proposal(), &budgets);
    let members = |line: &&str| !line.contains("+ member: \"uid=u") || line.contains("\"uid=u0\"");
    let shown: Vec<&str> = text.lines().filter(members).collect();
    assert_eq!(text.lines().count() - shown.len(), 19, "twenty members are shown");
    insta::assert_snapshot!(shown.join("\n"));
    assert!(text.ends_with('\n'));
}

#[test]
fn what_is_in_sync_is_one_line() {
    let census = Census { users: 1, groups: 2_000, memberships: 0 };
    let mut proposal = Proposal { census, ..Proposal::default() };
    assert_eq!(text(&proposal, &Budgets::default()), "in sync: 1 user and 2,000 groups\n");
    proposal.unmanaged.push("uid=guest".parse().unwrap());
    assert_eq!(
        text(&proposal, &Budgets::default()),
        "unmanaged <uid=guest>: nobody pushed it; left alone\nin sync: 1 user and 2,000 groups; 1 unmanaged\n"
    );
}

#[test]
fn json_has_all_of_it() {
    let mut proposal = proposal();
    proposal.items.retain(|item| ["ada", "dora"].contains(&item.subject.name.as_str()));
    let tally = Tally::of(&proposal, None);
    let budgets = Budgets { max_changes: crate::plan::Limit::Number(0), ..Budgets::default() };
    let excesses = excesses(&tally, &proposal.census, &budgets);
    let report = Report { proposal: &proposal, tally: &tally, excesses: &excesses };
    insta::assert_snapshot!(Json { report, made: "2026-01-31T08:00:00Z" }.to_string());
}

#[test]
fn ldif_is_what_ldapmodify_takes() {
    let mut proposal = proposal();
    proposal.items.retain(|item| item.subject.name != "staff");
    insta::assert_snapshot!(Ldif(&proposal).to_string());
}

#[test]
fn a_reason_is_written_as_it_is_shown() {
    use Reason::{Container, Differs, Disabled, Members, Missing, Reference, Renamed, Tombstone};
    for reason in [Missing, Container, Differs, Renamed, Disabled, Tombstone, Members, Reference] {
        assert_eq!(serde_json::to_value(reason).unwrap(), reason.to_string());
    }
}

#[test]
fn thousands_stand_apart() {
    for (number, expected) in [(0, "0"), (999, "999"), (1_000, "1,000"), (1_234_567, "1,234,567")] {
        assert_eq!(grouped(number), expected);
    }
}

/// The lines of an LDIF text as RFC 2849 reads them: unfolded, without comments, values decoded.
fn read_ldif(text: &str) -> Vec<(String, Vec<u8>)> {
    let unfolded = text.replace("\n ", "");
    let lines = unfolded.lines().filter(|line| !line.starts_with('#') && !line.is_empty() && *line != "-");
    let read = lines.map(|line| {
        let (name, value) = line.split_once(':').unwrap();
        let value = match value.strip_prefix(':') {
            Some(encoded) => STANDARD.decode(encoded.strip_prefix(' ').unwrap()).unwrap(),
            None => value.strip_prefix(' ').unwrap_or(value).as_bytes().to_vec(),
        };
        (name.to_owned(), value)
    });
    read.collect()
}

proptest! {
    #[test]
    fn ldif_survives_odd_values(rdn in any_value(), values in prop::collection::vec(any_value(), 1..4), note in ".{0,90}") {
        let name = AttributeName::of("description");
        let dn = Dn::default().child(Rdn::new(AttributeName::of("uid"), rdn));
        let change = Change::Add { dn: dn.clone(), attributes: [(name, values.clone())].into() };
        let steps = vec![Proposed { step: Step { change, reason: Reason::Missing }, before: Attributes::new(), last_change: None }];
        let item = Item { subject: subject("user", &note), steps, notes: vec![note], problem: None };
        let text = Ldif(&Proposal { items: vec![item], ..Proposal::default() }).to_string();
        prop_assert!(text.lines().all(|line| line.starts_with('#') || line.len() <= 76), "{}", text);
        prop_assert!(text.bytes().all(|byte| byte == b'\n' || (b' '..0x7f).contains(&byte)), "{}", text);
        let mut expected = vec![
            ("version".to_owned(), b"1".to_vec()),
            ("dn".to_owned(), dn.to_string().into_bytes()),
            ("changetype".to_owned(), b"add".to_vec()),
        ];
        expected.extend(values.iter().map(|value| ("description".to_owned(), value.as_bytes().to_vec())));
        prop_assert_eq!(read_ldif(&text), expected);
    }

    #[test]
    fn no_look_has_a_control_character(proposal in any_proposal()) {
        let shown = text(&proposal, &Budgets::default()) + &Ldif(&proposal).to_string();
        let is_odd = |character: char| character.is_control() && character != '\n' || character == '\u{202e}';
        prop_assert!(!shown.contains(is_odd), "{:?}", shown);
    }

    #[test]
    fn no_look_has_a_password(secret in "[A-Z]{12}", option in prop::sample::select(vec!["userPassword", "USERPASSWORD;x-a"])) {
        let attributes = || Attributes::from([(AttributeName::of(option), vec![Value::from(secret.as_str())])]);
        let change = format!(r#"{{"attribute": "{option}", "action": "replace", "values": ["{secret}"]}}"#);
        let mut modified = step(Reason::Differs, &[], &modify("uid=a", &change));
        modified.before = attributes();
        let mut deleted = step(Reason::Tombstone, &[], r#"{"operation": "delete", "dn": "uid=a"}"#);
        deleted.before = attributes();
        let change = Change::Add { dn: "uid=a".parse().unwrap(), attributes: attributes() };
        let added = Proposed { step: Step { change, reason: Reason::Missing }, before: attributes(), last_change: None };
        let items = vec![Item { steps: vec![added, modified, deleted], ..Item::default() }];
        let proposal = Proposal { items, ..Proposal::default() };
        let tally = Tally::of(&proposal, None);
        let report = Report { proposal: &proposal, tally: &tally, excesses: &[] };
        let shown = [text(&proposal, &Budgets::default()), Json { report, made: "" }.to_string(), Ldif(&proposal).to_string()];
        prop_assert!(!shown.concat().contains(&secret), "{:?}", shown);
    }
}

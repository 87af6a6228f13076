//! What becomes of an entry, case by case. That servers see it so is a law of the stories.

use super::*;

fn schema() -> Schema {
    let attributes = [
        "( 2.5.4.0 NAME 'objectClass' EQUALITY objectIdentifierMatch )",
        "( 2.5.21.9 NAME 'structuralObjectClass' EQUALITY objectIdentifierMatch NO-USER-MODIFICATION USAGE directoryOperation )",
        "( 2.5.4.41 NAME 'name' EQUALITY caseIgnoreMatch )",
        "( 2.5.4.3 NAME ( 'cn' 'commonName' ) SUP name )",
        "( 2.5.4.4 NAME ( 'sn' 'surname' ) SUP name )",
        "( 1 NAME 'uid' EQUALITY caseIgnoreMatch )",
        "( 2 NAME 'displayName' EQUALITY caseIgnoreMatch SINGLE-VALUE )",
        "( 3 NAME 'fax' )",
        "( 4 NAME 'member' EQUALITY distinguishedNameMatch )",
        "( 5 NAME 'lockedTime' EQUALITY caseIgnoreMatch USAGE directoryOperation )",
        "( 6 NAME 'home' EQUALITY caseExactMatch )",
    ];
    let classes = [
        "( 2.5.6.0 NAME 'top' ABSTRACT MUST objectClass )",
        "( 7 NAME 'person' SUP top STRUCTURAL MUST ( surname $ cn ) MAY ( uid $ displayName $ fax ) )",
        "( 8 NAME 'employee' SUP person STRUCTURAL )",
        "( 9 NAME 'group' SUP top STRUCTURAL MUST ( member $ cn ) )",
        "( 10 NAME 'account' SUP top AUXILIARY MUST uid MAY home )",
        "( 11 NAME 'extensibleObject' SUP top AUXILIARY )",
    ];
    Schema::parse(&attributes.map(Value::from), &classes.map(Value::from))
}

/// `name: value` on each line.
fn attributes(text: &str) -> Attributes {
    let mut attributes = Attributes::new();
    for (name, value) in text.lines().filter_map(|line| line.trim().split_once(": ")) {
        attributes.entry(AttributeName::parse(name).unwrap()).or_default().push(Value::from(value));
    }
    attributes
}

fn entry(dn: &str, text: &str) -> Entry {
    Entry { dn: dn.parse().unwrap(), attributes: attributes(text) }
}

fn ada() -> Entry {
    entry("cn=Ada,dc=x", "objectClass: person\nstructuralObjectClass: person\ncn: Ada\nsn: Lovelace\nfax: 1")
}

fn shown(outcome: Result<Entry, Refusal>) -> String {
    match outcome {
        Err(refusal) => format!("{} {}", refusal.code, refusal.text).trim().to_owned(),
        Ok(entry) => {
            let lines = entry.attributes.iter().flat_map(|(name, values)| {
                values.iter().map(move |value| format!("{name}: {}", value.as_str().unwrap()))
            });
            let lines: Vec<String> = lines.filter(|line| !line.to_lowercase().contains("objectclass")).collect();
            format!("{}; {}", entry.dn, lines.join("; "))
        }
    }
}

#[track_caller]
fn check_added(dn: &str, text: &str, expected: &str) {
    let outcome = added(&dn.parse().unwrap(), &attributes(text), Structures::Kept, &schema());
    assert_eq!(shown(outcome), expected);
}

/// The lines are `add cn: value`, `delete cn: value` and `replace cn: value`; no value: `delete cn: `.
fn modifications(text: &str) -> Vec<Modification> {
    let modification = |line: &str| {
        let (action, rest) = line.split_once(' ').unwrap();
        let (name, values) = rest.split_once(": ").unwrap();
        let action = match action {
            "add" => Action::Add,
            "delete" => Action::Delete,
            _ => Action::Replace,
        };
        let values = values.split('|').filter(|value| !value.is_empty()).map(Value::from).collect();
        Modification { attribute: AttributeName::parse(name).unwrap(), action, values }
    };
    text.lines().map(modification).collect()
}

#[track_caller]
fn check_modified(present: &Entry, tolerance: Tolerance, text: &str, expected: &str) {
    assert_eq!(shown(modified(Some(present), &modifications(text), tolerance, &schema())), expected, "{text}");
}

#[track_caller]
fn check_renamed(present: &Entry, new_rdn: &str, new_parent: Option<&str>, expected: &str) {
    let rdn: Dn = new_rdn.parse().unwrap();
    let parent: Option<Dn> = new_parent.map(|parent| parent.parse().unwrap());
    assert_eq!(shown(renamed(present, rdn.rdn().unwrap(), parent.as_ref(), &schema())), expected);
}

#[test]
fn an_addition_is_judged_by_the_schema() {
    let person = "objectClass: person\nsn: Lovelace";
    check_added("cn=Ada,dc=x", person, "cn=Ada,dc=x; cn: Ada; sn: Lovelace");
    check_added("commonName=Ada+uid=a,dc=x", person, "commonName=Ada+uid=a,dc=x; cn: Ada; sn: Lovelace; uid: a");
    check_added("cn=Ada,dc=x", "objectClass: person\nsurname: L\ncn: ADA", "cn=Ada,dc=x; cn: ADA; sn: L");
    check_added("cn=Ada,dc=x", "objectClass: person", "65 object class 'person' requires attribute 'sn'");
    check_added("uid=a,dc=x", person, "65 object class 'person' requires attribute 'cn'");
    check_added("cn=Ada,dc=x", &format!("{person}\nhome: /"), "65 attribute 'home' not allowed");
    check_added("cn=Ada,dc=x", &format!("{person}\nmember: cn=x"), "65 attribute 'member' not allowed");
    check_added("cn=Ada,dc=x", &format!("{person}\nnope: 1"), "17 nope: attribute type undefined");
    check_added("cn=Ada,dc=x", "sn: Lovelace", "65 no objectClass attribute");
    check_added("cn=Ada,dc=x", "objectClass: nope", "21 objectClass: value #0 invalid per syntax");
    check_added("cn=Ada,dc=x", "objectClass: account\nuid: a", "65 no structural object class provided");
    let torn = "objectClass: person\nobjectClass: group\nsn: L\nmember: cn=x";
    check_added("cn=Ada,dc=x", torn, "65 invalid structural object class chain (person/group)");
    let twice = format!("{person}\ndisplayName: a\ndisplayName: b");
    check_added("cn=Ada,dc=x", &twice, "19 displayName: multiple values provided");
    let equal = format!("{person}\ncn: ada\ncn: ADA");
    check_added("cn=Ada,dc=x", &equal, "20 cn: value #1 provided more than once");
    let names = format!("{person}\ncn: ada\ncommonName: b");
    check_added("cn=Ada,dc=x", &names, "20 attribute 'cn' provided more than once");
    check_added(
        "displayName=A,dc=x",
        &format!("{person}\ncn: A\ndisplayName: B"),
        "64 value of naming attribute 'displayName' is not present in entry",
    );
    check_added("cn=A,dc=x", &format!("{person}\nlockedTime: 0"), "cn=A,dc=x; cn: A; lockedTime: 0; sn: Lovelace");
    check_added(
        "cn=A,dc=x",
        &format!("{person}\nobjectClass: extensibleObject\nhome: /"),
        "cn=A,dc=x; cn: A; home: /; sn: Lovelace",
    );
}

#[test]
fn a_modification_names_what_is_there_or_is_tolerant() {
    use Tolerance::{AlreadySo, Exact};
    let same = "cn=Ada,dc=x; cn: Ada; fax: 1; sn: Lovelace";
    for (text, exact, tolerant) in [
        ("add sn: LOVELACE", "20 modify/add: sn: value #0 already exists", same),
        ("delete sn: Byron", "16 modify/delete: sn: no such value", same),
        ("delete uid: a", "16 modify/delete: uid: no such attribute", same),
        ("delete uid: ", "16 modify/delete: uid: no such attribute", same),
        (
            "add fax: 2",
            "18 modify/add: fax: no equality matching rule",
            "18 modify/add: fax: no equality matching rule",
        ),
    ] {
        check_modified(&ada(), Exact, text, exact);
        check_modified(&ada(), AlreadySo, text, tolerant);
    }
    let both = [Exact, AlreadySo];
    for tolerance in both {
        let check = |text, expected| check_modified(&ada(), tolerance, text, expected);
        check("add surname: Byron", "cn=Ada,dc=x; cn: Ada; fax: 1; sn: Lovelace; sn: Byron");
        check("delete sn: lovelace\nadd sn: Byron", "cn=Ada,dc=x; cn: Ada; fax: 1; sn: Byron");
        check("replace fax: 2|3", "cn=Ada,dc=x; cn: Ada; fax: 2; fax: 3; sn: Lovelace");
        check("replace fax: ", "cn=Ada,dc=x; cn: Ada; sn: Lovelace");
        check("delete sn: ", "65 object class 'person' requires attribute 'sn'");
        check("delete cn: ada\nadd cn: B", "64 value of naming attribute 'cn' is not present in entry");
        check("add displayName: a\nadd displayName: b", "19 attribute 'displayName' cannot have multiple values");
        check("replace nope: a", "17 nope: attribute type undefined");
        check("add structuralObjectClass: person", "19 structuralObjectClass: no user modification allowed");
        check("add cn;lang-de: Ada", "cn=Ada,dc=x; cn: Ada; cn;lang-de: Ada; fax: 1; sn: Lovelace");
        check(
            "add objectClass: employee",
            "69 structural object class modification from 'person' to 'employee' not allowed",
        );
        check("add objectClass: account\nadd uid: a", "cn=Ada,dc=x; cn: Ada; fax: 1; sn: Lovelace; uid: a");
    }
    assert_eq!(shown(modified(None, &modifications("add sn: a"), Exact, &schema())), "32");
}

#[test]
fn what_was_against_the_schema_before_is_not_held_against_a_change() {
    let grown =
        entry("cn=A,dc=x", "objectClass: person\nobjectClass: nope\ncn: B\nhome: /\ndisplayName: a\ndisplayName: b");
    let check = |text, expected| check_modified(&grown, Tolerance::Exact, text, expected);
    check("add fax: 1", "cn=A,dc=x; cn: B; displayName: a; displayName: b; fax: 1; home: /");
    check("add member: cn=x", "65 attribute 'member' not allowed");
    check("add objectClass: account", "65 object class 'account' requires attribute 'uid'");
}

#[test]
fn a_rename_exchanges_the_values_of_the_name() {
    check_renamed(&ada(), "cn=ADA", None, "cn=ADA,dc=x; cn: ADA; fax: 1; sn: Lovelace");
    check_renamed(&ada(), "cn=B+uid=b", None, "cn=B+uid=b,dc=x; cn: B; fax: 1; sn: Lovelace; uid: b");
    check_renamed(&ada(), "cn=Ada", Some("ou=y,dc=x"), "cn=Ada,ou=y,dc=x; cn: Ada; fax: 1; sn: Lovelace");
    check_renamed(&ada(), "uid=a", None, "65 object class 'person' requires attribute 'cn'");
    check_renamed(&ada(), "home=/", None, "65 object class 'person' requires attribute 'cn'");
    check_renamed(&ada(), "cn=B+home=/", None, "65 attribute 'home' not allowed");
    let mut two = ada();
    two.attributes.insert(AttributeName::of("cn"), vec![Value::from("Ada"), Value::from("A  L")]);
    check_renamed(&two, "cn=a l", None, "cn=a l,dc=x; cn: A  L; fax: 1; sn: Lovelace");
}

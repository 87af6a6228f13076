//! Entries and the documents that they are read as.

use super::*;
use crate::directory::Ownership;
use crate::mapping::user::map_user;
use crate::mapping::{Disable, Place, Template};
use crate::scim::Kind;

const ENTERPRISE: &str = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User";
const CUSTOM: &str = "urn:ietf:params:scim:schemas:extension:acme:2.0:User";

fn types() -> Types {
    let definitions = [
        "( 1 NAME 'uid' EQUALITY caseIgnoreMatch )",
        "( 2 NAME 'cn' EQUALITY caseIgnoreMatch )",
        "( 3 NAME 'manager' EQUALITY distinguishedNameMatch )",
    ];
    Types::parse(&definitions.map(Value::from), &[])
}

/// `uid=userName`, and what else is written so: `ldap=path`, `ldap=path|default`, `ldap!=path` for a reference,
/// `ldap:=template`, `ldap==constant`, `ldap@type=path`.
fn rules(written: &[&str]) -> UserRules {
    let rule = |written: &&str| {
        let (left, right) = written.split_once('=').unwrap();
        let (path, default) = right.split_once('|').map_or((right, None), |(path, text)| (path, Some(text.to_owned())));
        let (left, scim_type) = left.split_once('@').map_or((left, None), |(left, kind)| (left, Type::named(kind)));
        let ldap = AttributeName::parse(left.trim_end_matches(['!', ':'])).unwrap();
        let source = match (left.ends_with(':'), path.strip_prefix('=')) {
            (true, _) => Source::Template(Template::compile(path).unwrap()),
            (_, Some(constant)) => Source::Constant(vec![constant.to_owned()]),
            _ => Source::Scim(AttributePath::parse(&Schema::standard(Kind::User), path).unwrap()),
        };
        AttributeRule { ldap, source, scim_type, default, reference: left.ends_with('!'), ownership: Ownership::Owned }
    };
    UserRules {
        base_dn: "ou=people".parse().unwrap(),
        object_classes: Vec::new(),
        rdn: AttributeName::of("uid"),
        match_attribute: AttributeName::of("uid"),
        attributes: std::iter::once(&"uid=userName").chain(written).map(rule).collect(),
        disable: Disable { lock: true, ..Disable::default() },
        place: Place { base: "ou=people".parse().unwrap(), containers: Vec::new() },
        create_containers: false,
        password: None,
    }
}

fn entry(dn: &str, attributes: &[(&str, &str)]) -> Entry {
    let mut entry = Entry { dn: dn.parse().unwrap(), attributes: Default::default() };
    for (name, value) in attributes {
        entry.attributes.entry(AttributeName::parse(name).unwrap()).or_default().push(Value::from(*value));
    }
    entry
}

fn references() -> References {
    [("U2".to_owned(), "uid=eve,ou=people".parse().unwrap())].into()
}

/// What is read beside `userName` and `active`, of `uid=ada`. Two orders of the values are read alike, and what is read
/// is in a form that a client's document takes.
#[track_caller]
fn check(written: &[&str], attributes: &[(&str, &str)], expected: Json) {
    let rules = rules(written);
    let mut attributes = [&[("uid", "ada")], attributes].concat();
    let read = |attributes: &[(&str, &str)]| {
        let entry = entry("uid=ada,ou=people", attributes);
        read_user(&rules, &rules.schema(), &entry, &types(), AccountLock::PASSWORD_POLICY, &references()).unwrap()
    };
    let mut document = read(&attributes);
    attributes.reverse();
    assert_eq!(document, read(&attributes));
    assert_eq!(Draft::read(&rules.schema(), &Json::Object(document.clone())).unwrap().document, document);
    assert_eq!(
        (document.shift_remove("userName"), document.shift_remove("active")),
        (Some(json!("ada")), Some(json!(true)))
    );
    assert_eq!(Json::Object(document), expected);
}

#[test]
fn plain_paths_are_read_backwards() {
    check(&["title=title"], &[("title", "CTO")], json!({"title": "CTO"}));
    check(&["title=title"], &[("description", "x"), ("title;lang-de", "Leiterin")], json!({}));
    check(
        &["givenName=name.givenName", "sn=name.familyName|-"],
        &[("sn", "L"), ("givenName", "Ada")],
        json!({"name": {"givenName": "Ada", "familyName": "L"}}),
    );
    check(&["sn=name.familyName|-"], &[("sn", "-")], json!({}));
    check(&["ou=department"], &[("ou", "R&D")], json!({ENTERPRISE: {"department": "R&D"}}));
    check(&[&format!("ou={CUSTOM}:badge")], &[("ou", "7")], json!({CUSTOM: {"badge": "7"}}));
    check(&[&format!("ou={CUSTOM}:badge")], &[("ou", "b"), ("ou", "a")], json!({CUSTOM: {"badge": ["a", "b"]}}));
}

#[test]
fn templates_and_constants_say_nothing() {
    check(&["cn:={{ displayName }}", "employeeType==entra"], &[("cn", "Ada"), ("employeeType", "entra")], json!({}));
    check(
        &["employeeType==entra", "employeeType=userType"],
        &[("employeeType", "entra"), ("employeeType", "Guest")],
        json!({"userType": "Guest"}),
    );
}

#[test]
fn one_value_is_chosen_where_there_can_be_one() {
    check(&["title=title"], &[("title", "b"), ("title", "B"), ("title", "a")], json!({"title": "B"}));
    let rules = rules(&[]);
    let read = |dn: &str| {
        let entry = entry(dn, &[("uid", "bob"), ("uid", "ada"), ("cn", "x")]);
        read_user(&rules, &rules.schema(), &entry, &types(), AccountLock::PASSWORD_POLICY, &References::new()).unwrap()
    };
    assert_eq!(read("uid=bob,ou=people")["userName"], "bob", "the one that names the entry");
    assert_eq!(read("uid=BOB,ou=people")["userName"], "BOB", "as the name has it");
    assert_eq!(read("cn=x,ou=people")["userName"], "ada");
}

#[test]
fn all_values_are_kept_where_there_can_be_several() {
    let mail = r#"mail=emails[type eq "work"].value"#;
    check(&[mail], &[("mail", "a@x")], json!({"emails": [{"type": "work", "value": "a@x"}]}));
    check(
        &[mail, r#"gosaMail=emails[type eq "home"]"#, "other=emails.value"],
        &[("mail", "b@x"), ("mail", "a@x"), ("gosaMail", "h@x"), ("other", "o@x"), ("other", "a@x")],
        json!({"emails": [{"type": "work", "value": "a@x"}, {"type": "work", "value": "b@x"},
                          {"type": "home", "value": "h@x"}, {"value": "o@x"}]}),
    );
    check(
        &[r#"l=addresses[type eq "work"].locality"#, r#"street=addresses[type eq "work"].streetAddress"#],
        &[("l", "Graz"), ("street", "B 2"), ("street", "A 1")],
        json!({"addresses": [{"type": "work", "locality": "Graz", "streetAddress": "A 1"},
                             {"type": "work", "streetAddress": "B 2"}]}),
    );
    check(
        &[r#"mail=emails[type eq "work" and primary eq true].value"#],
        &[("mail", "a@x")],
        json!({"emails": [{"type": "work", "primary": true, "value": "a@x"}]}),
    );
    check(&[r#"mail=emails[type ne "home"].value"#], &[("mail", "a@x")], json!({}));
}

#[test]
fn several_rules_do_not_read_one_thing_twice() {
    check(
        &["cn=displayName", "displayName=displayName"],
        &[("displayName", "A"), ("cn", "C")],
        json!({"displayName": "C"}),
    );
    check(&["cn=displayName", "displayName=displayName"], &[("displayName", "A")], json!({"displayName": "A"}));
    check(&["ou=title", "ou=nickName"], &[("ou", "a"), ("ou", "b")], json!({"title": "a", "nickName": "b"}));
}

#[test]
fn references_lead_to_resources_that_are_known() {
    let manager = &["manager!=manager"];
    check(manager, &[("manager", "UID=Eve, ou=people")], json!({ENTERPRISE: {"manager": {"value": "U2"}}}));
    check(
        manager,
        &[("manager", "uid=a,ou=people"), ("manager", "uid=eve,ou=people")],
        json!({ENTERPRISE: {"manager": {"value": "U2"}}}),
    );
    check(manager, &[("manager", "uid=nobody,ou=people")], json!({}));
    let entry = entry("uid=ada", &[("manager", "uid=eve,ou=people"), ("manager", "no DN")]);
    assert_eq!(referred(&rules(manager).attributes, &entry), ["uid=eve,ou=people".parse().unwrap()]);
}

#[test]
fn values_take_the_form_of_their_type() {
    for (kind, value, expected) in [
        ("boolean", "TRUE", json!(true)),
        ("boolean", "FALSE", json!(false)),
        ("boolean", "maybe", Json::Null),
        ("integer", "-7", json!(-7)),
        ("integer", "7.5", Json::Null),
        ("decimal", "7.5", json!(7.5)),
        ("decimal", "much", Json::Null),
        ("dateTime", "20260131080000Z", json!("2026-01-31T08:00:00Z")),
        ("dateTime", "2026-01-31T08:00:00+01:00", json!("2026-01-31T08:00:00+01:00")),
        ("dateTime", "20260231080000Z", Json::Null),
        ("dateTime", "soon", Json::Null),
        ("binary", "aGk=", json!("aGk=")),
    ] {
        let expected = if expected.is_null() { json!({}) } else { json!({CUSTOM: {"x": expected}}) };
        check(&[&format!("ou@{kind}={CUSTOM}:x")], &[("ou", value)], expected);
    }
}

#[test]
fn what_is_no_text_is_read_where_bytes_are_meant() {
    let rules = rules(&["jpegPhoto=photos.value", "title=title", "x=x509Certificates.value"]);
    let mut entry = entry("uid=ada", &[("uid", "ada")]);
    for name in ["title", "x"] {
        entry.attributes.insert(AttributeName::of(name), vec![Value::from(vec![0xff, 0xfe])]);
    }
    let document =
        read_user(&rules, &rules.schema(), &entry, &types(), AccountLock::PASSWORD_POLICY, &References::new()).unwrap();
    let expected = json!({"x509Certificates": [{"value": "//4="}], "userName": "ada", "active": true});
    assert_eq!(Json::Object(document), expected);
}

#[test]
fn who_is_locked_for_good_is_not_active() {
    for (lock, active) in [("000001010000Z", false), ("20260131080000Z", true)] {
        let mut rules = rules(&[]);
        let entry = entry("uid=ada", &[("uid", "ada"), ("pwdAccountLockedTime", lock)]);
        let read = |rules: &UserRules| {
            read_user(rules, &rules.schema(), &entry, &types(), AccountLock::PASSWORD_POLICY, &References::new())
                .unwrap()
        };
        assert_eq!(read(&rules)["active"], active, "{lock}");
        rules.disable.lock = false;
        assert_eq!(read(&rules)["active"], true, "nobody is locked by us");
    }
}

#[test]
fn what_is_missing_is_named() {
    #[track_caller]
    fn check(rules: &UserRules, attributes: &[(&str, &str)], expected: &str) {
        let entry = entry("cn=x,ou=people", attributes);
        let read =
            read_user(rules, &rules.schema(), &entry, &types(), AccountLock::PASSWORD_POLICY, &References::new());
        assert_eq!(read.unwrap_err(), expected);
    }
    check(&rules(&[]), &[], "it lacks userName (no value of uid can be one)");
    check(&rules(&[]), &[("uid", "  ")], "it lacks userName (no value of uid can be one)");
    let mut templates = rules(&["uid:={{ externalId }}"]);
    templates.attributes.remove(0);
    check(&templates, &[("uid", "a")], "it lacks userName (no attribute of the map has it as its scim path)");
    let many: Vec<String> = (0..1001).map(|number| format!("{number}@x")).collect();
    let many: Vec<(&str, &str)> = many.iter().map(|mail| ("mail", mail.as_str())).collect();
    let expected = "emails may hold 1000 values at most, and would hold 1001";
    check(&rules(&["mail=emails.value"]), &[&[("uid", "a")], many.as_slice()].concat(), expected);
}

#[test]
fn what_is_read_is_written_as_it_was() {
    let written = [
        "sn=name.familyName|-",
        r#"mail=emails[type eq "work"].value"#,
        "title=title",
        "manager!=manager",
        r#"l=addresses[type eq "work"].locality"#,
        "other=emails.value",
    ];
    let rules = rules(&written);
    let attributes = [
        ("uid", "Ada, \"Q\" + Söhne 😀"),
        ("sn", "-"),
        ("mail", "b@x"),
        ("mail", "a@x"),
        ("title", " spaces "),
        ("manager", "uid=eve,ou=people"),
        ("l", "Graz"),
        ("other", "a@x"),
        ("other", "b@x"),
    ];
    let entry = entry("cn=x,ou=people", &attributes);
    let document =
        read_user(&rules, &rules.schema(), &entry, &types(), AccountLock::PASSWORD_POLICY, &references()).unwrap();
    let desired = map_user(&rules, &document, &references()).unwrap();
    for (name, wanted) in &desired.attributes {
        let (mut wanted, mut present) = (wanted.values.clone(), entry.values(name).to_vec());
        wanted.sort();
        present.sort();
        assert_eq!(wanted, present, "{name}");
    }
}

#[test]
fn a_groups_name_is_the_one_in_its_dn() {
    let rules = GroupRules {
        base_dn: "ou=groups".parse().unwrap(),
        object_classes: Vec::new(),
        rdn: AttributeName::of("cn"),
        members: Vec::new(),
        member_ownership: crate::mapping::MemberOwnership::Owned,
        placeholder: "cn=empty".parse().unwrap(),
        on_collision: crate::mapping::OnCollision::Reject,
        distinguish_with: None,
        attributes: vec![AttributeRule {
            ldap: AttributeName::of("cn"),
            source: Source::Scim(AttributePath::parse(&Schema::standard(Kind::Group), "displayName").unwrap()),
            scim_type: None,
            default: None,
            reference: false,
            ownership: Ownership::Owned,
        }],
    };
    for (dn, expected) in [
        (r"cn=\20Sales\2C  EMEA \ +ou=x,ou=groups", " Sales,  EMEA  "),
        ("cn=b,ou=groups", "b"),
        ("ou=x,ou=groups", " Sales,  EMEA  "),
    ] {
        let entry = entry(dn, &[("cn", "b"), ("cn", "a"), ("cn", " Sales,  EMEA  ")]);
        let document = read_group(&rules, &rules.schema(), &entry, &types()).unwrap();
        assert_eq!(Json::Object(document), json!({"displayName": expected}), "{dn}");
    }
    let nameless = entry("ou=x,ou=groups", &[]);
    let error = read_group(&rules, &rules.schema(), &nameless, &types()).unwrap_err();
    assert_eq!(error, "it lacks displayName (no value of cn can be one)");
}

//! Filters as Entra and others write them, and as nobody should.

use proptest::collection::vec;
use proptest::option::weighted;
use proptest::prelude::*;
use proptest::sample::select;
use serde_json::{Value, json};

use super::{Comparison, Filter, FilterRequest, Letters, Literal, full_path};
use crate::resource::{
    ENTERPRISE, GROUP, IDS, INSTANTS, Kind, TYPES, USER, group, in_other_case, shown, user, value_at, word,
};

pub(super) fn requests() -> impl Strategy<Value = FilterRequest> {
    let of = |kind: Kind| {
        move |(resource, filter): (Value, Filter)| {
            let filter = look_up(filter, &resource);
            FilterRequest { kind, resource, filter }
        }
    };
    prop_oneof![
        8 => (shown(Kind::User, user()), joined(condition(Kind::User))).prop_map(of(Kind::User)),
        1 => (shown(Kind::Group, group()), joined(condition(Kind::Group))).prop_map(of(Kind::Group)),
    ]
}

fn look_up(mut filter: Filter, resource: &Value) -> Filter {
    filter.comparisons(&mut |selected, comparison| {
        let Literal::Held(case) = comparison.literal else { return };
        let value = value_at(resource, &full_path(selected, comparison)).unwrap_or(json!("Ada"));
        let value = match (case, value.as_str()) {
            (Letters::OtherCase, Some(text)) => json!(text.chars().map(in_other_case).collect::<String>()),
            _ => value,
        };
        let letters: Vec<char> = value.as_str().unwrap_or_default().chars().collect();
        let some = letters.len().div_ceil(2);
        let part: Option<String> = match comparison.operator.to_lowercase().as_str() {
            "sw" => Some(letters.iter().take(some).collect()),
            "ew" => Some(letters.iter().skip(letters.len() - some).collect()),
            "co" => Some(letters.iter().skip(letters.len() / 4).take(some).collect()),
            _ => None,
        };
        comparison.literal = Literal::Json(part.filter(|_| value.is_string()).map_or(value, Value::from));
    });
    filter
}

/// The letters of a name or an operator, now and then in the other case.
fn odd(text: impl Strategy<Value = String>) -> impl Strategy<Value = String> {
    (text, prop_oneof![5 => Just(0), 1 => any::<u64>()]).prop_map(|(text, how)| {
        let letter = |(index, letter): (usize, char)| match how >> (index % 64) & 1 {
            0 => letter,
            _ => in_other_case(letter),
        };
        text.chars().enumerate().map(letter).collect()
    })
}

fn one_of(names: &[&str]) -> impl Strategy<Value = String> + use<> {
    select(names.iter().map(|name| (*name).to_owned()).collect::<Vec<String>>())
}

fn operator() -> impl Strategy<Value = String> {
    odd(prop_oneof![
        6 => Just("eq".to_owned()),
        4 => one_of(&["ne", "co", "sw", "ew"]),
        4 => one_of(&["gt", "ge", "lt", "le"]),
    ])
}

fn text() -> impl Strategy<Value = Literal> {
    let accented = select(vec!["zoë", "STRASSE", "straße", "ſtraße", "Ångström", "İ", "i̇", "\u{212a}ing", "\n", ""]);
    prop_oneof![
        7 => Just(Literal::Held(Letters::Same)),
        3 => Just(Literal::Held(Letters::OtherCase)),
        8 => word().prop_map(|word| Literal::Json(json!(word))),
        3 => accented.prop_map(|text| Literal::Json(json!(text))),
        // What the resource has as one letter, as two.
        2 => Just(Literal::Json(json!("Zoe\u{308}"))),
        2 => one_of(&["a", "A", "Ad", "example", "EXAMPLE.COM", "king@", "R\\", "\""])
            .prop_map(|text| Literal::Json(json!(text))),
        2 => one_of(&["Ada", "ada@example.com", "work", "10", "Straße", "u1"]).prop_map(Literal::Bare),
        1 => one_of(&["R\\D", "Grace \"Amazing\" Hopper"]).prop_map(Literal::Unescaped),
        2 => select(vec![json!(10), json!(9.5), json!(true), json!(null), json!(null)]).prop_map(Literal::Json),
    ]
}

fn flag() -> impl Strategy<Value = Literal> {
    let json = select(vec![
        json!(true),
        json!(false),
        json!("True"),
        json!("False"),
        json!("true"),
        json!(null),
        json!("maybe"),
        json!(1),
    ]);
    prop_oneof![8 => json.prop_map(Literal::Json), 1 => one_of(&["True", "FALSE"]).prop_map(Literal::Bare)]
}

fn instant() -> impl Strategy<Value = Literal> {
    let others = [
        "2026-01-01T00:00:00Z",
        "2026-01-01T01:00:00+01:00",
        "2026-01-01T01:00:00.000+01:00",
        "2026-03-04T05:06:07.89Z",
        "2026-01-01T00:00:00",
        "2026-01-01",
        "2026-01",
        "2025-12-31T23:59:59.999000Z",
        "noon",
    ];
    prop_oneof![
        2 => select(&INSTANTS[..]).prop_map(|text| Literal::Json(json!(text))),
        6 => one_of(&others).prop_map(|text| Literal::Json(json!(text))),
        1 => Just(Literal::Json(json!(null))),
    ]
}

fn text_path() -> impl Strategy<Value = String> {
    let core = [
        "userName",
        "displayName",
        "title",
        "nickName",
        "externalId",
        "id",
        "name.familyName",
        "name.givenName",
        "locale",
        "emails",
        "emails.value",
        "emails.type",
        "phoneNumbers.value",
        "roles",
        "addresses.locality",
        "meta.resourceType",
        "meta.location",
        "meta.version",
        "schemas",
    ];
    let enterprise = ["department", "employeeNumber", "manager", "manager.value"];
    prop_oneof![
        12 => one_of(&core),
        2 => one_of(&["userName", "title", "emails.value"]).prop_map(|name| format!("{USER}:{name}")),
        4 => one_of(&enterprise).prop_map(|name| format!("{ENTERPRISE}:{name}")),
        1 => one_of(&enterprise),
        // Complex attributes without a value, and names that are in no schema.
        1 => one_of(&["name", "addresses", "meta", "shoeSize", "name.shoeSize", "urn:example:params:2.0:User:badge"]),
    ]
}

fn comparison(
    path: impl Strategy<Value = String>,
    literal: impl Strategy<Value = Literal>,
) -> impl Strategy<Value = Comparison> {
    (odd(path), operator(), literal).prop_map(|(path, operator, literal)| Comparison { path, operator, literal })
}

/// A condition on one value of a multi-valued attribute.
fn inner() -> impl Strategy<Value = Filter> {
    let kind = select(&TYPES[..]).prop_map(|kind| Literal::Json(json!(kind)));
    let kind = (Just("type".to_owned()), Just("eq".to_owned()), kind)
        .prop_map(|(path, operator, literal)| Comparison { path, operator, literal });
    let compare = prop_oneof![
        4 => kind,
        3 => comparison(one_of(&["value", "type", "display"]), text()),
        2 => comparison(one_of(&["primary"]), flag()),
        1 => comparison(one_of(&["shoeSize"]), text()),
    ];
    let present = odd(one_of(&["primary", "display", "value"]))
        .prop_map(|path| Filter::Present { path, operator: "pr".to_owned() });
    prop_oneof![6 => compare.prop_map(Filter::Compare), 1 => present]
}

fn condition(kind: Kind) -> BoxedStrategy<Filter> {
    if kind == Kind::Group {
        let path = one_of(&["displayName", "externalId", "id", &format!("{GROUP}:displayName"), "meta.resourceType"]);
        let id = || select(&IDS[..]).prop_map(|id| Literal::Json(json!(id)));
        let member = |path: &[&str]| comparison(one_of(path), id()).prop_map(Filter::Compare);
        let selects = (odd(one_of(&["members"])), joined(member(&["value"]).boxed()))
            .prop_map(|(path, inner)| Filter::Selects { path, inner: Box::new(inner), compared: None });
        let present = (odd(one_of(&["members", "members.value", "displayName", "externalId"])), odd(one_of(&["pr"])))
            .prop_map(|(path, operator)| Filter::Present { path, operator });
        return prop_oneof![
            4 => comparison(path, text()).prop_map(Filter::Compare),
            3 => member(&["members", "members.value"]),
            2 => selects,
            1 => present,
        ]
        .boxed();
    }
    let flags = one_of(&["active", "emails.primary", "roles.primary"]);
    let instants = one_of(&["meta.created", "meta.lastModified"]);
    let present = prop_oneof![6 => text_path(), 1 => one_of(&["active", "meta.created", "emails.primary"])];
    let compared = comparison(one_of(&[".value", ".type", ".display", ""]), text());
    let selects = (
        odd(one_of(&["emails", "phoneNumbers", "roles", "addresses"])),
        joined(inner().boxed()),
        weighted(0.3, compared),
    )
        .prop_map(|(path, inner, compared)| Filter::Selects { path, inner: Box::new(inner), compared });
    prop_oneof![
        10 => comparison(text_path(), text()).prop_map(Filter::Compare),
        4 => comparison(flags, flag()).prop_map(Filter::Compare),
        4 => comparison(instants, instant()).prop_map(Filter::Compare),
        2 => (odd(present), odd(one_of(&["pr"]))).prop_map(|(path, operator)| Filter::Present { path, operator }),
        5 => selects,
    ]
    .boxed()
}

/// Conditions alone, negated and joined.
fn joined(condition: BoxedStrategy<Filter>) -> impl Strategy<Value = Filter> {
    let joined = condition.clone().prop_recursive(3, 6, 3, |inner| {
        let not = (odd(one_of(&["not"])), inner.clone());
        let join = (odd(one_of(&["and", "or"])), vec(inner, 2..4));
        prop_oneof![
            1 => not.prop_map(|(word, inner)| Filter::Not { word, inner: Box::new(inner) }),
            2 => join.prop_map(|(word, all)| Filter::Join { word, all }),
        ]
    });
    prop_oneof![2 => condition, 1 => joined]
}

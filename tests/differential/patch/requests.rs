//! PATCH requests as Entra and others write them, and as nobody should.

use proptest::collection::vec;
use proptest::option::weighted;
use proptest::prelude::*;
use proptest::sample::select;
use serde_json::{Map, Value, json};

use super::PatchRequest;
use crate::resource::{
    ENTERPRISE, ENTERPRISE_TEXTS, IDS, Kind, NAME_PARTS, PLURALS, TEXTS, TYPES, USER, address, element, group,
    in_other_case, object, user, word, words,
};

pub(super) fn requests() -> impl Strategy<Value = PatchRequest> {
    let of =
        |kind: Kind| move |(resource, operations): (Value, Vec<Value>)| PatchRequest { kind, resource, operations };
    let count = || prop_oneof![5 => 1..2_usize, 1 => 2..5_usize];
    let some = |operation: BoxedStrategy<Value>| count().prop_flat_map(move |count| vec(operation.clone(), count));
    let renaming = word().prop_map(|name| {
        vec![json!({"op": "remove", "path": "userName"}), json!({"op": "add", "path": "userName", "value": name})]
    });
    let of_user = operation(of_user().boxed()).boxed();
    let of_group = operation(of_group().boxed()).boxed();
    prop_oneof![
        200 => (user(), some(of_user)).prop_map(of(Kind::User)),
        1 => (user(), renaming).prop_map(of(Kind::User)),
        25 => (group(), some(of_group)).prop_map(of(Kind::Group)),
    ]
}

/// Where an operation aims, and a value for it.
type Target = (String, Value);

fn one_of_texts() -> impl Strategy<Value = Value> {
    prop_oneof![
        40 => word().prop_map(Value::from),
        3 => Just(json!("")),
        3 => Just(json!(null)),
        1 => Just(json!(5)),
        1 => Just(json!(true)),
        1 => Just(json!({})),
        1 => word().prop_map(|word| json!([word])),
        1 => word().prop_map(|word| json!([{"value": word}])),
        1 => word().prop_map(|word| json!({"value": word})),
    ]
}

fn flag() -> impl Strategy<Value = Value> {
    select(vec![json!(true), json!(false), json!("True"), json!("False"), json!("false"), json!("maybe"), json!(null)])
}

fn single() -> impl Strategy<Value = Target> {
    let name = || select(&TEXTS[..]).prop_map(str::to_owned);
    prop_oneof![
        6 => (name(), prop_oneof![30 => one_of_texts().boxed(), 1 => Just(json!([])).boxed()]),
        1 => one_of_texts().prop_map(|value| ("userName".to_owned(), value)),
        1 => (name().prop_map(|name| format!("{USER}:{name}")), one_of_texts()),
        1 => words(&NAME_PARTS, 3).prop_map(|name| (format!("{USER}:name"), name)),
        2 => flag().prop_map(|value| ("active".to_owned(), value)),
        3 => (select(&NAME_PARTS[..]).prop_map(|part| format!("name.{part}")), one_of_texts()),
        2 => words(&NAME_PARTS, 3).prop_map(|name| ("name".to_owned(), name)),
    ]
}

fn manager() -> impl Strategy<Value = Value> {
    let id = || select(&IDS[..]);
    prop_oneof![
        3 => id().prop_map(|id| json!({"value": id})),
        2 => id().prop_map(Value::from),
        1 => id().prop_map(|id| json!([{"$ref": null, "value": id}])),
        1 => Just(json!("")),
        1 => Just(json!(null)),
    ]
}

/// Enterprise attributes, with their URN or, as Entra writes them in places, without.
fn enterprise() -> impl Strategy<Value = Target> {
    let named = prop_oneof![
        3 => (select(&ENTERPRISE_TEXTS[..]).prop_map(str::to_owned), one_of_texts()),
        2 => manager().prop_map(|value| ("manager".to_owned(), value)),
        1 => select(&IDS[..]).prop_map(|id| ("manager.value".to_owned(), json!(id))),
        1 => (select(&IDS[..]), manager()).prop_map(|(id, value)| (format!("manager[value eq \"{id}\"]"), value)),
    ];
    let with_urn = prop_oneof![4 => Just(format!("{ENTERPRISE}:")), 1 => Just(String::new())];
    let one = (with_urn, named).prop_map(|(urn, (name, value))| (format!("{urn}{name}"), value));
    let whole = (words(&ENTERPRISE_TEXTS, 3), weighted(0.3, manager())).prop_map(|(mut extension, manager)| {
        if let Some(manager) = manager {
            extension["manager"] = manager;
        }
        (ENTERPRISE.to_owned(), extension)
    });
    prop_oneof![5 => one, 1 => whole]
}

/// A filter on the values of an attribute; most say the type.
fn selection() -> impl Strategy<Value = String> {
    let kind = || select(&TYPES[..]);
    let quoted = |word: &str| Value::from(word).to_string();
    prop_oneof![
        8 => kind().prop_map(|kind| format!("type eq \"{kind}\"")),
        1 => (select(vec!["type eq", "Type EQ"]), kind())
            .prop_map(|(compare, kind)| format!("{compare} \"{}\"", kind.to_uppercase())),
        1 => kind().prop_map(|kind| format!("type ne \"{kind}\"")),
        1 => (kind(), kind()).prop_map(|(one, other)| format!("type eq \"{one}\" or type eq \"{other}\"")),
        1 => kind().prop_map(|kind| format!("not (type eq \"{kind}\")")),
        1 => kind().prop_map(|kind| format!("type eq \"{kind}\" and primary eq true")),
        2 => word().prop_map(move |word| format!("value eq {}", quoted(word))),
        1 => word().prop_map(move |word| format!("value sw {}", quoted(word))),
        1 => (kind(), word()).prop_map(move |(kind, word)| format!("type eq \"{kind}\" and value co {}", quoted(word))),
        2 => select(vec!["primary eq true", "primary eq \"True\"", "primary eq false", "primary pr"]).prop_map(str::to_owned),
    ]
}

fn untyped_element() -> impl Strategy<Value = Value> {
    (word(), weighted(0.3, word()), weighted(0.2, any::<bool>())).prop_map(|(value, display, primary)| {
        let display = display.map(|text| json!(text));
        object([("value", Some(json!(value))), ("display", display), ("primary", primary.map(|flag| json!(flag)))])
    })
}

fn several() -> impl Strategy<Value = Target> {
    let plural = || select(&PLURALS[..]);
    let elements = || {
        prop_oneof![
            6 => vec(element(), 0..4).prop_map(Value::from),
            1 => element().prop_map(|element| json!([element, element])),
            2 => element(),
            1 => word().prop_map(Value::from),
            1 => word().prop_map(|word| json!([word])),
            2 => select(vec![json!(null), json!("")]),
        ]
    };
    let part = || {
        prop_oneof![
            6 => (Just("value"), one_of_texts()),
            1 => (Just("display"), one_of_texts()),
            1 => (Just("type"), select(&TYPES[..]).prop_map(Value::from)),
            3 => (Just("primary"), flag()),
        ]
    };
    prop_oneof![
        4 => (plural(), elements()).prop_map(|(name, value)| (name.to_owned(), value)),
        6 => (plural(), selection(), part())
            .prop_map(|(name, filter, (part, value))| (format!("{name}[{filter}].{part}"), value)),
        3 => (plural(), selection(), prop_oneof![4 => untyped_element().boxed(), 1 => element().boxed()])
            .prop_map(|(name, filter, value)| (format!("{name}[{filter}]"), value)),
        4 => (plural(), part()).prop_map(|(name, (part, value))| (format!("{name}.{part}"), value)),
        2 => vec(address(), 0..3).prop_map(|value| ("addresses".to_owned(), json!(value))),
        2 => (select(&TYPES[..]), word())
            .prop_map(|(kind, word)| (format!("addresses[type eq \"{kind}\"].locality"), json!(word))),
    ]
}

/// What is refused, or should be.
fn odd() -> impl Strategy<Value = Target> {
    let path = select(vec![
        "id",
        "groups",
        "meta.created",
        "shoeSize",
        "name.shoeSize",
        "emails.shoeSize",
        "title.value",
        "emails[",
        "emails[type eq]",
        "emails[type eq \"work\"",
        "emails[shoeSize eq \"9\"].value",
        "[type eq \"work\"]",
        "emails[type eq \"work\"].value.value",
        "9",
        "title eq",
        "urn:example:params:Custom:2.0:User:badge",
    ]);
    (path.prop_map(str::to_owned), one_of_texts())
}

fn of_user() -> impl Strategy<Value = Target> {
    prop_oneof![6 => single(), 4 => enterprise(), 8 => several(), 1 => odd()]
}

fn of_group() -> impl Strategy<Value = Target> {
    let ids = || vec(select(&IDS[..]), 0..3);
    let members = prop_oneof![
        3 => ids().prop_map(|ids| ids.into_iter().map(|id| json!({"value": id})).collect()),
        1 => ids().prop_map(|ids| ids.into_iter().map(|id| json!({"$ref": null, "value": id})).collect()),
        1 => ids().prop_map(|ids| json!(ids)),
        1 => select(&IDS[..]).prop_map(|id| json!({"value": id})),
        1 => select(&IDS[..]).prop_map(Value::from),
    ];
    let selected = vec(select(&IDS[..]), 1..3).prop_map(|ids| {
        let conditions: Vec<String> = ids.iter().map(|id| format!("value eq \"{id}\"")).collect();
        format!("members[{}]", conditions.join(" or "))
    });
    let selected = (selected, select(&IDS[..])).prop_map(|(path, id)| (path, json!({"value": id})));
    prop_oneof![
        1 => (select(vec!["displayName", "externalId"]).prop_map(str::to_owned), one_of_texts()),
        4 => members.prop_map(|value| ("members".to_owned(), value)),
        2 => selected,
    ]
}

/// Letters of a path in the other case, outside quotes. A JSON literal has no other case (RFC 8259 §3).
fn in_odd_case(path: &str, how: u64) -> String {
    if path.contains(" true") || path.contains(" false") {
        return path.to_owned();
    }
    let mut quoted = false;
    let letter = |(index, letter): (usize, char)| {
        quoted ^= letter == '"';
        if quoted || how >> (index % 64) & 1 == 0 { letter } else { in_other_case(letter) }
    };
    path.chars().enumerate().map(letter).collect()
}

fn operation(target: impl Strategy<Value = Target> + Clone + 'static) -> impl Strategy<Value = Value> {
    let op = || select(vec!["add", "replace", "Add", "Replace", "REPLACE"]);
    let path = (target.clone(), prop_oneof![6 => Just(0), 1 => any::<u64>()])
        .prop_map(|((path, value), how)| (in_odd_case(&path, how), value));
    let change = (op(), path.clone()).prop_map(|(op, (path, value))| json!({"op": op, "path": path, "value": value}));
    let remove = (select(vec!["remove", "Remove"]), path.clone(), weighted(0.25, Just(()))).prop_map(
        |(op, (path, value), says_value)| {
            let value = says_value.map(|()| value);
            object([("op", Some(json!(op))), ("path", Some(json!(path))), ("value", value)])
        },
    );
    let pathless = (op(), vec(path, 1..4)).prop_map(|(op, targets)| {
        let value: Map<String, Value> = targets.into_iter().collect();
        json!({"op": op, "value": value})
    });
    prop_oneof![12 => change, 5 => remove, 3 => pathless]
}

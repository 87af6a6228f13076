//! Plans made at random, for the laws that hold for all of them.

use proptest::prelude::*;

use super::{Census, Item, LastChange, Proposal, Proposed, Reason, Step, Subject};
use crate::directory::{Action, AttributeName, Attributes, Change, Dn, Modification, Rdn, Tolerance, Value};

const NAMES: [&str; 6] = ["mail", "title", "cn;lang-de", "fax", "member", "userPassword"];

fn any_name() -> impl Strategy<Value = AttributeName> {
    prop::sample::select(NAMES.to_vec()).prop_map(AttributeName::of)
}

/// Texts that are odd in every way that some writing minds, and bytes that are none.
pub(super) fn any_value() -> impl Strategy<Value = Value> {
    prop_oneof![
        "[ab]{1,2}".prop_map(Value::from),
        "[ :<#a\\\\\"ö\u{9b}\u{202e}\r\n\t-]{0,6}".prop_map(Value::from),
        "[a-z ]{70,160}".prop_map(Value::from),
        prop::collection::vec(any::<u8>(), 0..6).prop_map(Value::from),
    ]
}

fn any_values() -> impl Strategy<Value = Vec<Value>> {
    prop::collection::vec(any_value(), 0..4)
}

fn any_rdn() -> impl Strategy<Value = Rdn> {
    any_value().prop_map(|value| Rdn::new(AttributeName::of("uid"), value))
}

fn any_dn() -> impl Strategy<Value = Dn> {
    (any_rdn(), "ou=[ab]").prop_map(|(rdn, parent)| parent.parse::<Dn>().unwrap().child(rdn))
}

fn any_attributes() -> impl Strategy<Value = Attributes> {
    prop::collection::btree_map(any_name(), any_values(), 0..4)
}

fn any_modification() -> impl Strategy<Value = Modification> {
    let action = prop::sample::select(vec![Action::Add, Action::Delete, Action::Replace]);
    (any_name(), action, any_values()).prop_map(|(attribute, action, values)| Modification {
        attribute,
        action,
        values,
    })
}

pub(super) fn any_change() -> impl Strategy<Value = Change> {
    let tolerance = prop::sample::select(vec![Tolerance::Exact, Tolerance::AlreadySo]);
    let modifications = prop::collection::vec(any_modification(), 1..4);
    let parent = prop::option::of("ou=[ab]".prop_map(|text| text.parse().unwrap()));
    prop_oneof![
        (any_dn(), any_attributes()).prop_map(|(dn, attributes)| Change::Add { dn, attributes }),
        (any_dn(), modifications, tolerance).prop_map(|(dn, modifications, tolerance)| Change::Modify {
            dn,
            modifications,
            tolerance
        }),
        (any_dn(), any_rdn(), parent).prop_map(|(dn, new_rdn, new_parent)| Change::Rename { dn, new_rdn, new_parent }),
        any_dn().prop_map(|dn| Change::Delete { dn }),
    ]
}

fn any_proposed() -> impl Strategy<Value = Proposed> {
    let reason = prop::sample::select(vec![Reason::Missing, Reason::Differs, Reason::Disabled, Reason::Members]);
    let last_change = prop::option::of(("\\PC{0,5}", "[0-9]{14}Z").prop_map(|(by, at)| LastChange { by, at }));
    (any_change(), reason, any_attributes(), last_change).prop_map(|(change, reason, before, last_change)| Proposed {
        step: Step { change, reason },
        before,
        last_change,
    })
}

fn any_item() -> impl Strategy<Value = Item> {
    let steps = prop::collection::vec(any_proposed(), 0..4);
    let notes = prop::collection::vec("\\PC{0,9}", 0..2);
    ("[a-f]{8}", ".{0,5}", any::<i64>(), steps, notes, prop::option::of(".{0,9}")).prop_map(
        |(id, name, version, steps, notes, problem)| Item {
            subject: Subject { kind: "user".to_owned(), id, name, version },
            steps,
            notes,
            problem,
        },
    )
}

/// A proposal in which every resource has one item.
pub(super) fn any_proposal() -> impl Strategy<Value = Proposal> {
    let items = prop::collection::vec(any_item(), 0..4);
    (items, prop::collection::vec(any_dn(), 0..2)).prop_map(|(mut items, unmanaged)| {
        items.sort_by(|one, other| one.subject.id.cmp(&other.subject.id));
        items.dedup_by(|one, other| one.subject.id == other.subject.id);
        Proposal { items, unmanaged, census: Census { users: 7, groups: 3, memberships: 9 } }
    })
}

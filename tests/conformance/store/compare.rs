//! What a comparison with the whole directory reads.

use std::collections::BTreeSet;

use scimbridge::directory::{Anchor, Link, Names, Value};
use scimbridge::scim::{Document, Kind, ResourceId};
use scimbridge::store::{Census, Intent, MemberState, State, Store, Wanted};
use serde_json::json;

use super::{create, document, id, link, settled, want_members, wanted};

fn ids(states: &[State]) -> Vec<&str> {
    states.iter().map(|state| state.id.as_str()).collect()
}

pub async fn the_resources_of_entries_are_told_at_once(store: &dyn Store) {
    for name in ["bob", "ada", "eve"] {
        create(store, Kind::User, name, json!({"userName": name})).await;
    }
    for name in ["staff", "crew"] {
        create(store, Kind::Group, name, json!({"displayName": name})).await;
        store.link(&id(name), &link("shared")).await.unwrap();
    }
    let anchor = |name| link(name).anchor;
    assert_eq!(store.linked_states(&[]).await.unwrap(), []);
    assert_eq!(store.linked_states(&[anchor("nobody")]).await.unwrap(), []);
    // Far apart and twice, so that the answer does not depend on how the question is cut.
    let mut anchors = vec![anchor("shared"), anchor("eve"), anchor("ada")];
    anchors.extend((0..1000).map(|number| Anchor(format!("b-{number}"))));
    anchors.push(anchor("ada"));
    let states = store.linked_states(&anchors).await.unwrap();
    assert_eq!(ids(&states), ["ada", "crew", "eve", "staff"]);
    assert_eq!(Some(states[0].clone()), store.state(&id("ada")).await.unwrap());
    // One that is not settled counts too.
    store.want(&wanted(Kind::Group, "new", Some(Intent::Put(Document::new())))).await.unwrap();
    store.link(&id("new"), &link("shared")).await.unwrap();
    assert_eq!(ids(&store.linked_states(&[anchor("shared")]).await.unwrap()), ["crew", "new", "staff"]);
}

pub async fn resources_of_a_kind_are_met_once_whatever_their_ids(store: &dyn Store) {
    // By their bytes, not as a language sorts them; and what a pattern or a statement would mean otherwise.
    let odd = [" ", "%", "'; DROP TABLE resource; --", "A", "_", "a", "a b", "\u{e9}", "\u{65e5}\u{672c}", "\u{1f600}"];
    for (number, name) in odd.iter().rev().enumerate() {
        if number % 2 == 0 {
            create(store, Kind::User, name, json!({"userName": name})).await;
        } else {
            store
                .want(&wanted(Kind::User, name, Some(Intent::Put(document(json!({"userName": name}))))))
                .await
                .unwrap();
        }
    }
    create(store, Kind::Group, "B", json!({"displayName": "B"})).await;
    store.want(&wanted(Kind::User, "a", Some(Intent::Delete))).await.unwrap();
    for limit in [1, 3, 10, 100] {
        let mut met: Vec<ResourceId> = Vec::new();
        loop {
            let page = store.ids_after(Kind::User, met.last(), limit).await.unwrap();
            assert!(page.len() <= limit as usize);
            if page.is_empty() {
                break;
            }
            met.extend(page);
        }
        assert_eq!(met.iter().map(ResourceId::as_str).collect::<Vec<_>>(), odd, "in pages of {limit}");
    }
    assert_eq!(store.ids_after(Kind::Group, None, 9).await.unwrap(), [id("B")]);
    assert_eq!(store.ids_after(Kind::Group, Some(&id("B")), 9).await.unwrap(), []);
}

pub async fn a_census_counts_what_is_settled_and_wanted(store: &dyn Store) {
    assert_eq!(store.census().await.unwrap(), Census::default());
    for name in ["ada", "bob", "cyd", "dan", "eve"] {
        create(store, Kind::User, name, json!({"userName": name})).await;
    }
    for name in ["staff", "crew"] {
        create(store, Kind::Group, name, json!({"displayName": name})).await;
    }
    store.want(&wanted(Kind::User, "new", Some(Intent::Put(Document::new())))).await.unwrap();
    store.want(&wanted(Kind::User, "bob", Some(Intent::Delete))).await.unwrap();
    use MemberState::{Joining, Leaving, Renewing, Settled, Stripped};
    let states = [("ada", Joining), ("bob", Leaving), ("cyd", Renewing), ("dan", Settled), ("eve", Stripped)];
    want_members(store, "staff", &states).await;
    want_members(store, "crew", &[("ada", Settled)]).await;
    assert_eq!(store.census().await.unwrap(), Census { users: 5, groups: 2, memberships: 4 });
}

pub async fn ten_thousand_members_are_paged_with_their_names(store: &dyn Store) {
    create(store, Kind::Group, "staff", json!({"displayName": "staff"})).await;
    create(store, Kind::Group, "empty", json!({"displayName": "empty"})).await;
    let names: Vec<String> = (0..10_000).map(|number| format!("u{number:05}")).collect();
    let members: Vec<(&str, MemberState)> = names.iter().map(|name| (name.as_str(), MemberState::Joining)).collect();
    want_members(store, "staff", &members).await;
    let keyed = Link { key: Some(Value::from(vec![0xff, 0])), ..link("u00001") };
    let renamed = Link { previous: Some(link("old").names()), ..link("u00002") };
    for link in [keyed.clone(), renamed.clone()] {
        let name = link.dn.to_string().trim_start_matches("cn=").to_owned();
        create(store, Kind::User, &name, json!({"userName": name})).await;
        store.link(&id(&name), &link).await.unwrap();
    }
    store.settle(&settled(Kind::Group, "staff", Document::new())).await.unwrap();
    use MemberState::{Leaving, Renewing, Stripped};
    want_members(store, "staff", &[("u00000", Leaving), ("u00003", Stripped), ("u00004", Renewing)]).await;
    // Wanted, and not settled itself.
    let new = Wanted { name_claim: None, ..wanted(Kind::User, "u00005", Some(Intent::Put(Document::new()))) };
    store.want(&new).await.unwrap();

    let mut met: Vec<(ResourceId, Option<Names>)> = Vec::new();
    loop {
        let page = store.wanted_names_after(&id("staff"), met.last().map(|(id, _)| id), 999).await.unwrap();
        if page.is_empty() {
            break;
        }
        met.extend(page);
    }
    assert_eq!(met.len(), 9_998);
    let expected = [(id("u00001"), Some(keyed.names())), (id("u00002"), Some(renamed.names())), (id("u00004"), None)];
    assert_eq!(met[..3], expected);
    assert!(met[3..].iter().all(|(_, names)| names.is_none()));
    assert!(met.is_sorted_by(|(one, _), (other, _)| one < other));
    let wanted: BTreeSet<ResourceId> = store.wanted_members(&id("staff")).await.unwrap().into_iter().collect();
    assert_eq!(met.into_iter().map(|(id, _)| id).collect::<BTreeSet<_>>(), wanted);
    assert_eq!(store.wanted_names_after(&id("empty"), None, 9).await.unwrap(), []);
}

//! What a comparison with the whole directory reads.

use std::collections::BTreeSet;

use scimbridge::directory::{Anchor, BeforeDisable, Link, Value};
use scimbridge::scim::{Document, Kind, ResourceId};
use scimbridge::store::{Census, Intent, Listed, Mark, MemberState, State, Store, Wanted};
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
            let page = store.ids_after(met.last(), limit).await.unwrap();
            let page: Vec<ResourceId> = page.into_iter().map(|(id, _)| id).collect();
            assert!(page.len() <= limit as usize);
            if page.is_empty() {
                break;
            }
            met.extend(page);
        }
        met.retain(|met| *met != id("B"));
        assert_eq!(met.iter().map(ResourceId::as_str).collect::<Vec<_>>(), odd, "in pages of {limit}");
    }
    assert!(store.ids_after(None, 99).await.unwrap().contains(&(id("B"), Kind::Group)));
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

    let mut met: Vec<Listed> = Vec::new();
    loop {
        let page = store.listed_after(&id("staff"), met.last().map(|last| &last.id), 999).await.unwrap();
        if page.is_empty() {
            break;
        }
        met.extend(page);
    }
    assert_eq!(met.len(), 9_998);
    let listed = |name: &str, link: Option<&Link>| Listed {
        id: id(name),
        dn: link.map(|link| Value::from(&link.dn)),
        key: link.and_then(|link| link.key.clone()),
    };
    assert_eq!(met[..3], [listed("u00001", Some(&keyed)), listed("u00002", Some(&renamed)), listed("u00004", None)]);
    assert!(met[3..].iter().all(|listed| listed.dn.is_none()));
    assert!(met.is_sorted_by(|one, other| one.id < other.id));
    let wanted: BTreeSet<ResourceId> = store.wanted_members(&id("staff")).await.unwrap().into_iter().collect();
    assert_eq!(met.into_iter().map(|listed| listed.id).collect::<BTreeSet<_>>(), wanted);
    assert_eq!(store.listed_after(&id("empty"), None, 9).await.unwrap(), []);
}

/// What was found right is looked at again after every write that changes what is wanted.
pub async fn what_was_found_right_is_forgotten_with_every_change(store: &dyn Store) {
    create(store, Kind::User, "ada", json!({"userName": "ada"})).await;
    let anchor = link("ada").anchor;
    let mark = Mark(vec![0, 1, 255]);
    let kept = async || store.checked(std::slice::from_ref(&anchor)).await.unwrap()[0].mark.clone();
    let version = async || store.state(&id("ada")).await.unwrap().unwrap().settled.unwrap().version;
    let note = async || {
        store.check(&[(id("ada"), version().await, mark.clone())]).await.unwrap();
        assert_eq!(kept().await, Some(mark.clone()));
    };
    assert_eq!(kept().await, None);
    store.check(&[(id("ada"), version().await + 1, mark.clone())]).await.unwrap();
    assert_eq!(kept().await, None, "it was of another version");
    let names = store.name_changes().await.unwrap();
    note().await;
    store.note_disabling(&id("ada"), &BeforeDisable::default()).await.unwrap();
    assert_eq!(kept().await, None);
    note().await;
    store.note_enabled(&id("ada")).await.unwrap();
    assert_eq!(kept().await, None);
    note().await;
    store.settle(&settled(Kind::User, "ada", document(json!({"userName": "ada", "title": "x"})))).await.unwrap();
    assert_eq!(kept().await, None);
    note().await;
    assert_eq!(store.name_changes().await.unwrap(), names, "it is where it was");
    store.link(&id("ada"), &Link { dn: "cn=elsewhere".parse().unwrap(), ..link("ada") }).await.unwrap();
    assert_eq!(kept().await, None);
    assert_eq!(store.name_changes().await.unwrap(), names + 1);
    note().await;
    store
        .link(&id("ada"), &Link { dn: "cn=elsewhere".parse().unwrap(), key: Some(Value::from("ada")), ..link("ada") })
        .await
        .unwrap();
    assert_eq!(store.name_changes().await.unwrap(), names + 2, "lists name it otherwise");
    note().await;
    let intent = Some(Intent::Put(document(json!({"userName": "ada"}))));
    store.want(&wanted(Kind::User, "ada", intent)).await.unwrap();
    assert_eq!(kept().await, None);
    store.check(&[(id("ada"), version().await, mark.clone())]).await.unwrap();
    assert_eq!(kept().await, None, "something is pending");
    store.forget(&id("ada")).await.unwrap();
    note().await;
    store.want(&wanted(Kind::User, "ada", Some(Intent::Delete))).await.unwrap();
    assert_eq!(store.name_changes().await.unwrap(), names + 3, "nobody refers to who is about to go");
    store.remove(&id("ada"), None, super::NOW).await.unwrap();
    assert_eq!(store.name_changes().await.unwrap(), names + 4);
    assert_eq!(store.checked(std::slice::from_ref(&anchor)).await.unwrap(), []);
}

pub async fn a_group_is_looked_at_again_when_its_members_change(store: &dyn Store) {
    create(store, Kind::User, "ada", json!({"userName": "ada"})).await;
    create(store, Kind::Group, "staff", json!({"displayName": "staff"})).await;
    let anchor = link("staff").anchor;
    let kept = async || store.checked(std::slice::from_ref(&anchor)).await.unwrap()[0].mark.clone();
    let note = async || {
        let version = store.state(&id("staff")).await.unwrap().unwrap().settled.unwrap().version;
        store.check(&[(id("staff"), version, Mark(vec![7]))]).await.unwrap();
        assert_eq!(kept().await, Some(Mark(vec![7])));
    };
    note().await;
    want_members(store, "staff", &[("ada", MemberState::Joining)]).await;
    assert_eq!(kept().await, None);
    store.settle(&settled(Kind::Group, "staff", document(json!({"displayName": "staff"})))).await.unwrap();
    note().await;
    store.renew_memberships(&id("ada"), super::NOW).await.unwrap();
    assert_eq!(kept().await, None);
    store.settle(&settled(Kind::Group, "staff", document(json!({"displayName": "staff"})))).await.unwrap();
    note().await;
    store.remove(&id("ada"), None, super::NOW).await.unwrap();
    assert_eq!(kept().await, None);
}

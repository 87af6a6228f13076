//! A copy for a rehearsal.

use scimbridge::scim::Kind;
use scimbridge::store::{CredentialKind, HoldMode, RunFilter, Store};
use serde_json::json;

use super::run::{new_run, noted};
use super::token::{credential, secret};
use super::{create, id};

pub async fn a_copy_is_a_store_of_its_own(store: &dyn Store) {
    create(store, Kind::User, "ada", json!({"userName": "ada"})).await;
    store.add_credential(&credential(CredentialKind::Token, "entra"), &secret("hash", None)).await.unwrap();
    let run = store.begin_run(&new_run("x")).await.unwrap();
    store.note_change(run, &noted(1)).await.unwrap();
    let copy = store.copy().await.unwrap();
    let second = store.copy().await.unwrap();
    for copy in [&copy, &second] {
        assert_eq!(copy.state(&id("ada")).await.unwrap(), store.state(&id("ada")).await.unwrap());
        assert_eq!(copy.name_changes().await.unwrap(), store.name_changes().await.unwrap());
        assert_eq!(copy.changes_of(run, None, 9).await.unwrap(), [], "what was done may be most of a store");
        assert_eq!(copy.credentials().await.unwrap(), [], "it needs none");
        assert_eq!(copy.bearer("hash").await.unwrap(), None);
    }
    create(&*copy, Kind::User, "bob", json!({"userName": "bob"})).await;
    create(store, Kind::User, "eve", json!({"userName": "eve"})).await;
    copy.remove(&id("ada"), None, super::NOW).await.unwrap();
    copy.begin_run(&new_run("y")).await.unwrap();
    let there = async |store: &dyn Store| {
        let ids = store.ids_after(None, 9).await.unwrap();
        ids.into_iter().map(|(id, _)| id.0).collect::<Vec<_>>()
    };
    assert_eq!(there(store).await, ["ada", "eve"]);
    assert_eq!(there(&*copy).await, ["bob"]);
    assert_eq!(there(&*second).await, ["ada"]);
    assert_eq!(store.runs(&RunFilter::default(), 9).await.unwrap().len(), 1);
    assert_eq!(store.credentials().await.unwrap().len(), 1);

    let _held = store.hold("groups", HoldMode::Exclusive).unwrap().unwrap();
    let _leased = store.lease("reconcile", "the original").unwrap();
    assert!(copy.hold("groups", HoldMode::Exclusive).unwrap().is_some(), "nobody is held up by it");
    copy.lease("reconcile", "the copy").unwrap();
    // A copy of a copy goes its own ways too, and outlives it not at all.
    assert_eq!(there(&*copy.copy().await.unwrap()).await, ["bob"]);
    drop(copy);
    assert_eq!(there(&*second).await, ["ada"]);
    assert_eq!(there(store).await, ["ada", "eve"]);
}

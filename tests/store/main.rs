//! Every store against the one suite, each on the real thing.
#![allow(clippy::unwrap_used, missing_docs, unreachable_pub, reason = "tests")]

#[path = "../conformance/store.rs"]
mod conformance;

use std::os::unix::fs::PermissionsExt;
use std::sync::Arc;

use scimbridge::store::{SqliteStore, Store};

#[tokio::test]
async fn sqlite_keeps_every_promise() {
    let dir = tempfile::tempdir().unwrap();
    let mut number = 0;
    conformance::every_promise(async || {
        number += 1;
        let url = format!("sqlite://{}/{number}.db", dir.path().display());
        let store: Arc<dyn Store> = Arc::new(SqliteStore::open(&url).await.unwrap());
        store
    })
    .await;
}

#[tokio::test]
async fn what_sqlite_keeps_is_there_again_and_its_owners_alone() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("bridge.db");
    let url = format!("sqlite://{}", file.display());
    let token = scimbridge::store::TokenRecord { name: "entra".to_owned(), created: String::new() };
    SqliteStore::open(&url).await.unwrap().add_token(&token, "hash").await.unwrap();
    assert_eq!(SqliteStore::open(&url).await.unwrap().tokens().await.unwrap(), [token]);
    for entry in std::fs::read_dir(dir.path()).unwrap() {
        let entry = entry.unwrap();
        assert_eq!(entry.metadata().unwrap().permissions().mode() & 0o777, 0o600, "{:?}", entry.path());
    }
}

//! What is told of the whole.

use scimbridge::directory::Names;
use scimbridge::scim::{Document, Kind};
use scimbridge::store::{Backlog, Conclusion, Drift, Intent, MemberState, Reconciled, Settled, Store, Wanted};
use serde_json::json;

use super::{create, document, id, link, settled, wanted};

const TIMES: [&str; 4] =
    ["2026-01-01T00:00:01.000Z", "2026-01-01T00:00:02.000Z", "2026-01-01T00:00:03.000Z", "2026-01-01T00:00:04.000Z"];

fn backlog(resources: u64, oldest: Option<&str>) -> Backlog {
    Backlog { resources, oldest: oldest.map(str::to_owned) }
}

/// Since when something is wanted is kept from the first of it until all of it is settled or given up.
pub async fn a_backlog_is_as_old_as_what_has_waited_longest(store: &dyn Store) {
    let told = async || store.backlog().await.unwrap();
    let want = async |name: &str, now: &str| {
        let put = Some(Intent::Put(document(json!({"userName": name}))));
        store.want(&Wanted { now: now.to_owned(), ..wanted(Kind::User, name, put) }).await.unwrap();
    };
    let settle = async |kind, name, link| {
        let done = Settled { link, now: TIMES[3].to_owned(), ..settled(kind, name, Document::new()) };
        store.settle(&done).await.unwrap();
    };
    assert_eq!(told().await, backlog(0, None));
    want("ada", TIMES[0]).await;
    want("bob", TIMES[1]).await;
    want("ada", TIMES[2]).await;
    assert_eq!(told().await, backlog(2, Some(TIMES[0])), "what was added later waits no less");
    settle(Kind::User, "ada", link("ada")).await;
    assert_eq!(told().await, backlog(1, Some(TIMES[1])));
    store.forget(&id("bob")).await.unwrap();
    assert_eq!(told().await, backlog(0, None), "bob's creation is gone");
    want("ada", TIMES[1]).await;
    store.forget(&id("ada")).await.unwrap();
    assert_eq!(told().await, backlog(0, None));

    // What refers to somebody is still to follow.
    want("ada", TIMES[2]).await;
    let previous = Some(Names { dn: "cn=before".parse().unwrap(), key: None });
    settle(Kind::User, "ada", scimbridge::directory::Link { previous, ..link("ada") }).await;
    assert_eq!(told().await, backlog(1, Some(TIMES[2])));
    store.link(&id("ada"), &link("ada")).await.unwrap();
    assert_eq!(told().await, backlog(0, None));

    // Members alone.
    create(store, Kind::Group, "staff", json!({"displayName": "staff"})).await;
    let members = vec![(id("ada"), MemberState::Joining)];
    let joining = Wanted { members, now: TIMES[0].to_owned(), ..wanted(Kind::Group, "staff", None) };
    store.want(&joining).await.unwrap();
    assert_eq!(told().await, backlog(1, Some(TIMES[0])));
    settle(Kind::Group, "staff", link("staff")).await;
    assert_eq!(told().await, backlog(0, None));
    store.renew_memberships(&id("ada"), TIMES[2]).await.unwrap();
    assert_eq!(told().await, backlog(1, Some(TIMES[2])));
    store.link(&id("staff"), &link("staff")).await.unwrap();
    assert_eq!(told().await, backlog(1, Some(TIMES[2])), "a link settles no members");
    store.remove(&id("staff"), None, TIMES[3]).await.unwrap();
    assert_eq!(told().await, backlog(0, None));
}

pub async fn the_last_reconciliation_of_each_outcome_is_kept(store: &dyn Store) {
    assert_eq!(store.reconciliations().await.unwrap(), []);
    let ended = |conclusion, finished: &str, drift| Reconciled {
        conclusion,
        started: TIMES[0].to_owned(),
        finished: finished.to_owned(),
        drift,
    };
    let drift = Some(Drift { resources: 5, adds: 1, modifies: 2, renames: 3, deletes: 4 });
    let first = ended(Conclusion::Done, TIMES[1], None);
    let failed = ended(Conclusion::Failed, TIMES[2], None);
    let done = ended(Conclusion::Done, TIMES[3], drift);
    for reconciled in [&first, &failed, &done] {
        store.note_reconciliation(reconciled).await.unwrap();
    }
    assert_eq!(store.reconciliations().await.unwrap(), [done, failed]);
}

pub async fn a_store_has_a_size(store: &dyn Store) {
    let before = store.size().unwrap();
    for number in 0..100 {
        create(store, Kind::User, &format!("u{number}"), json!({"userName": format!("u{number}")})).await;
    }
    assert!(store.size().unwrap() > before);
}

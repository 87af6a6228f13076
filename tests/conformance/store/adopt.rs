//! Resources whose entries are there already.

use scimbridge::scim::Kind;
use scimbridge::scim::index::Condition;
use scimbridge::store::{Adopted, Error, Store};
use serde_json::json;

use super::{NOW, document, id, index, link, path, settled};

pub async fn what_is_adopted_is_settled_all_or_none(store: &dyn Store) {
    let adopted = |kind, name: &str, attributes: serde_json::Value, members: &[&str]| Adopted {
        kind,
        settled: settled(kind, name, document(attributes)),
        members: members.iter().map(|member| id(member)).collect(),
    };
    let ada = adopted(Kind::User, "ada", json!({"userName": "ada", "title": "CTO"}), &[]);
    let staff = adopted(Kind::Group, "staff", json!({"displayName": "staff"}), &["ada", "crew"]);
    let crew = adopted(Kind::Group, "crew", json!({"displayName": "crew"}), &[]);
    store.adopt(&mut [ada.clone(), staff, crew].into_iter()).await.unwrap();

    let shown = store.get(Kind::User, &id("ada")).await.unwrap().unwrap();
    assert_eq!((&shown.document, shown.version), (&ada.settled.document, 1));
    assert_eq!((shown.created.as_str(), shown.modified.as_str()), (NOW, NOW));
    let state = store.state(&id("ada")).await.unwrap().unwrap();
    assert_eq!(
        (state.intent, state.link, state.answered, state.may_be_disabled),
        (None, Some(link("ada")), true, false)
    );
    assert_eq!(store.claimant("ada").await.unwrap(), Some(id("ada")));
    assert_eq!(store.linked(&link("ada").anchor).await.unwrap(), [id("ada")]);
    let by_title = Condition::Equals(index(Kind::User).entry(&path("title"), "cto"));
    assert_eq!(store.find(Kind::User, &by_title, 0, 10).await.unwrap().total, 1);
    let members = store.members(&id("staff")).await.unwrap();
    assert_eq!(members.iter().map(|member| member.id.as_str()).collect::<Vec<_>>(), ["ada", "crew"]);
    assert_eq!(store.pending().await.unwrap(), []);

    let bob = adopted(Kind::User, "bob", json!({"userName": "bob"}), &[]);
    let mut same_name = adopted(Kind::User, "eve", json!({"userName": "ADA"}), &[]);
    same_name.settled.name_claim = Some("ada".to_owned());
    let mut same_entry = adopted(Kind::User, "eve", json!({"userName": "eve"}), &[]);
    same_entry.settled.link = link("ada");
    for other in [same_name, same_entry] {
        assert!(matches!(store.adopt(&mut [bob.clone(), other].into_iter()).await, Err(Error::Taken { .. })));
        assert_eq!(store.state(&id("bob")).await.unwrap(), None, "all or none");
        assert_eq!(store.claimant("bob").await.unwrap(), None);
    }
    store.adopt(&mut [].into_iter()).await.unwrap();
    store.adopt(&mut [bob].into_iter()).await.unwrap();
}

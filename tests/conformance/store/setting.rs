//! Settings that are kept with the state, and the pause that is one.

use std::time::{Duration, SystemTime};

use scimbridge::store::{Pause, Store};

pub async fn a_setting_is_kept_until_it_is_forgotten(store: &dyn Store) {
    let kept = async || store.setting("colour").await.unwrap();
    assert_eq!(kept().await, None);
    store.set_setting("colour", Some("green")).await.unwrap();
    store.set_setting("Colour", Some("red")).await.unwrap();
    assert_eq!(kept().await.as_deref(), Some("green"));
    store.set_setting("colour", Some("")).await.unwrap();
    store.prove_writable().await.unwrap();
    store.prove_writable().await.unwrap();
    assert_eq!(kept().await.as_deref(), Some(""));
    for _ in 0..2 {
        store.set_setting("colour", None).await.unwrap();
        assert_eq!(kept().await, None);
    }
    assert_eq!(store.setting("Colour").await.unwrap().as_deref(), Some("red"));
}

pub async fn a_pause_ends_by_itself_or_when_it_is_ended(store: &dyn Store) {
    let noon = SystemTime::UNIX_EPOCH + Duration::from_secs(1_767_268_800);
    let at = async |seconds: u64| Pause::at(store, noon + Duration::from_secs(seconds)).await.unwrap();
    assert_eq!(at(0).await, None);
    let mut pause = Pause {
        since: "2026-01-01T12:00:00Z".to_owned(),
        until: Some("2026-01-01T12:01:00Z".to_owned()),
        reason: Some("moving".to_owned()),
    };
    assert_eq!(pause.to_string(), "until 2026-01-01T12:01:00Z: moving");
    pause.begin(store).await.unwrap();
    assert_eq!(at(59).await, Some(pause.clone()));
    assert_eq!(pause.left(noon + Duration::from_secs(59)), Some(Duration::from_secs(1)));
    assert_eq!(at(60).await, None);
    (pause.until, pause.reason) = (None, None);
    pause.begin(store).await.unwrap();
    assert_eq!(at(4_000_000_000).await, Some(pause.clone()));
    assert_eq!((pause.to_string().as_str(), pause.left(noon)), ("until it is resumed", None));
    Pause::end(store).await.unwrap();
    assert_eq!(at(0).await, None);
    store.set_setting("pause", Some("nonsense")).await.unwrap();
    assert!(Pause::at(store, noon).await.is_err());
}

//! Keys and leases.

use scimbridge::store::{Error, HoldMode, Store};

pub fn shared_holds_exclude_exclusive_ones(store: &dyn Store) {
    use HoldMode::{Exclusive, Shared};
    let hold = |key, mode| store.hold(key, mode).unwrap();
    let (first, second) = (hold("groups", Shared).unwrap(), hold("groups", Shared).unwrap());
    assert!(hold("groups", Exclusive).is_none());
    let other = hold("user ada", Exclusive).unwrap();
    drop(first);
    assert!(hold("groups", Exclusive).is_none(), "one still shares it");
    drop(second);
    let exclusive = hold("groups", Exclusive).unwrap();
    assert!(hold("groups", Shared).is_none() && hold("groups", Exclusive).is_none());
    drop(exclusive);
    assert!(hold("groups", Shared).is_some() && hold("groups", Exclusive).is_some());
    assert!(hold("user ada", Shared).is_none());
    drop(other);
    assert!(hold("user ada", Shared).is_some());
}

pub fn a_lease_tells_who_has_it(store: &dyn Store) {
    let lease = store.lease("reconcile", "host-with-a-long-name, process 7, since 12:00").unwrap();
    let Err(Error::Held { what, holder }) = store.lease("reconcile", "x") else { panic!("it is had twice") };
    assert_eq!((what, holder.as_str()), ("reconcile", "host-with-a-long-name, process 7, since 12:00"));
    store.lease("undo", "y").unwrap();
    drop(lease);
    let _lease = store.lease("reconcile", "z").unwrap();
    let again = store.lease("reconcile", "x").unwrap_err();
    assert_eq!(again.to_string(), "reconcile is going on already: z");
}

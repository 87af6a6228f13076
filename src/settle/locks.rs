//! Who may write what at the same time.
//!
//! Writes of one resource follow each other. Groups of one name share an entry, so a change of which
//! group has which entry (create, rename, delete) excludes every other write of groups; changes of
//! members exclude each other per entry. Nobody waits longer than the patience set, nor once the service
//! is stopping.
//!
//! Order, which keeps two writes from waiting for each other: the name of a creation, the groups, the
//! resource, the entry.
//!
//! Each lock has two halves: one excludes others of this process, the other one, which the store keeps, those of other
//! processes, such as `reconcile` beside `serve`. The first is taken first, and then the second has this process's
//! waiting done by one.

use std::collections::HashMap;
use std::future::Future;
use std::sync::{Arc, Mutex as SyncMutex, PoisonError};
use std::time::Duration;

use tokio::sync::{Mutex, OwnedMutexGuard, OwnedRwLockReadGuard, OwnedRwLockWriteGuard, RwLock};
use tokio_util::sync::CancellationToken;

use super::Error;
use crate::store::{Hold, HoldMode, Store};

/// How long it is waited before another process is asked again to let go, at first and at most.
const FIRST_PAUSE: Duration = Duration::from_micros(200);
const LONGEST_PAUSE: Duration = Duration::from_millis(10);
/// Which group has which entry.
const GROUPS: &str = "groups";
/// Passed through before that one: who wants it alone keeps new ones from coming meanwhile.
const GROUPS_GATE: &str = "groups gate";

type Table = Arc<SyncMutex<HashMap<String, Arc<Mutex<()>>>>>;

/// The locks of one process.
pub(super) struct Locks {
    store: Arc<dyn Store>,
    by_key: Table,
    groups: Arc<RwLock<()>>,
    patience: Duration,
    stopping: CancellationToken,
}

/// Held while something is written.
pub(super) struct KeyGuard {
    key: String,
    table: Table,
    /// Let go before the other half: whoever comes next in this process finds it free.
    hold: Option<Hold>,
    guard: Option<OwnedMutexGuard<()>>,
}

/// Held while groups are written.
pub(super) enum GroupsGuard {
    /// Members may change; entries keep their groups.
    Members { _hold: Hold, _held: OwnedRwLockReadGuard<()> },
    /// Everything may change.
    Structure { _hold: Hold, _gate: Hold, _held: OwnedRwLockWriteGuard<()> },
}

impl Locks {
    /// Locks that are waited for no longer than `patience`, and no longer once `stopping`.
    pub(super) fn new(store: Arc<dyn Store>, patience: Duration, stopping: CancellationToken) -> Locks {
        Locks { store, by_key: Table::default(), groups: Arc::default(), patience, stopping }
    }

    /// How long is waited, and what ends all waiting.
    pub(super) fn terms(&self) -> (Duration, CancellationToken) {
        (self.patience, self.stopping.clone())
    }

    /// Excludes others that name the same key.
    ///
    /// # Errors
    /// [`Error::Busy`] or [`Error::Stopping`].
    pub(super) async fn key(&self, key: impl Into<String>) -> Result<KeyGuard, Error> {
        let key = key.into();
        let lock = {
            let mut table = self.by_key.lock().unwrap_or_else(PoisonError::into_inner);
            table.entry(key.clone()).or_default().clone()
        };
        // Made first, so that a wait that is given up tidies the table too.
        let mut held = KeyGuard { key, table: self.by_key.clone(), hold: None, guard: None };
        held.guard = Some(self.patiently(lock.lock_owned()).await?);
        held.hold = Some(self.hold(&held.key, HoldMode::Exclusive).await?);
        Ok(held)
    }

    /// Lets group members change beside each other.
    ///
    /// # Errors
    /// [`Error::Busy`] or [`Error::Stopping`].
    pub(super) async fn members(&self) -> Result<GroupsGuard, Error> {
        let _held = self.patiently(self.groups.clone().read_owned()).await?;
        let _gate = self.hold(GROUPS_GATE, HoldMode::Shared).await?;
        let _hold = self.hold(GROUPS, HoldMode::Shared).await?;
        Ok(GroupsGuard::Members { _hold, _held })
    }

    /// Excludes every other write of groups.
    ///
    /// # Errors
    /// [`Error::Busy`] or [`Error::Stopping`].
    pub(super) async fn structure(&self) -> Result<GroupsGuard, Error> {
        let _held = self.patiently(self.groups.clone().write_owned()).await?;
        let _gate = self.hold(GROUPS_GATE, HoldMode::Exclusive).await?;
        let _hold = self.hold(GROUPS, HoldMode::Exclusive).await?;
        Ok(GroupsGuard::Structure { _hold, _gate, _held })
    }

    /// The half of a lock that excludes other processes.
    async fn hold(&self, key: &str, mode: HoldMode) -> Result<Hold, Error> {
        let held = async {
            let mut pause = FIRST_PAUSE;
            loop {
                if let Some(hold) = self.store.hold(key, mode)? {
                    return Ok(hold);
                }
                tokio::time::sleep(pause).await;
                pause = (pause * 2).min(LONGEST_PAUSE);
            }
        };
        self.patiently(held).await?
    }

    async fn patiently<T>(&self, wait: impl Future<Output = T>) -> Result<T, Error> {
        tokio::select! {
            biased;
            () = self.stopping.cancelled() => Err(Error::Stopping),
            outcome = tokio::time::timeout(self.patience, wait) => outcome.map_err(|_| Error::Busy),
        }
    }
}

impl Drop for KeyGuard {
    fn drop(&mut self) {
        self.hold = None;
        self.guard = None;
        let mut table = self.table.lock().unwrap_or_else(PoisonError::into_inner);
        // One owner: the table. Whoever holds the lock or waits for it is another.
        if table.get(&self.key).is_some_and(|lock| Arc::strong_count(lock) == 1) {
            table.remove(&self.key);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::SqliteStore;

    async fn locks(folder: &tempfile::TempDir, patience: Duration, stopping: &CancellationToken) -> Locks {
        let url = format!("sqlite://{}", folder.path().join("store.db").display());
        Locks::new(Arc::new(SqliteStore::open(&url).await.unwrap()), patience, stopping.clone())
    }

    #[tokio::test]
    async fn one_key_excludes_and_the_table_is_tidied() {
        let folder = tempfile::tempdir().unwrap();
        let locks = locks(&folder, Duration::from_millis(20), &CancellationToken::new()).await;
        let first = locks.key("a").await.unwrap();
        assert!(matches!(locks.key("a").await, Err(Error::Busy)));
        let other = locks.key("b").await.unwrap();
        drop(first);
        drop(locks.key("a").await.unwrap());
        drop(other);
        assert!(locks.by_key.lock().unwrap().is_empty());
    }

    #[tokio::test]
    async fn another_process_is_excluded_too() {
        let folder = tempfile::tempdir().unwrap();
        let patience = Duration::from_millis(20);
        let (here, there) = (
            locks(&folder, patience, &CancellationToken::new()).await,
            locks(&folder, patience, &CancellationToken::new()).await,
        );
        let held = here.key("a").await.unwrap();
        assert!(matches!(there.key("a").await, Err(Error::Busy)));
        drop(held);
        drop(there.key("a").await.unwrap());
        let (one, other) = (here.members().await.unwrap(), there.members().await.unwrap());
        assert!(matches!(there.structure().await, Err(Error::Busy)));
        drop((one, other));
        let alone = there.structure().await.unwrap();
        assert!(matches!(here.members().await, Err(Error::Busy)));
        drop(alone);
        drop(here.members().await.unwrap());
    }

    #[tokio::test]
    async fn nobody_waits_once_the_service_stops() {
        let folder = tempfile::tempdir().unwrap();
        let stopping = CancellationToken::new();
        let locks = locks(&folder, Duration::from_secs(60), &stopping).await;
        let _held = locks.key("a").await.unwrap();
        stopping.cancel();
        assert!(matches!(locks.key("a").await, Err(Error::Stopping)));
    }
}

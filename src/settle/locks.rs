//! Who may write what at the same time.
//!
//! Writes of one resource follow each other. Groups of one name share an entry, so a change of which
//! group has which entry (create, rename, delete) excludes every other write of groups; changes of
//! members exclude each other per entry. Nobody waits longer than the patience set, nor once the service
//! is stopping.
//!
//! Order, which keeps two writes from waiting for each other: the name of a creation, the groups, the
//! resource, the entry.

use std::collections::HashMap;
use std::future::Future;
use std::sync::{Arc, Mutex as SyncMutex, PoisonError};
use std::time::Duration;

use tokio::sync::{Mutex, OwnedMutexGuard, OwnedRwLockReadGuard, OwnedRwLockWriteGuard, RwLock};
use tokio_util::sync::CancellationToken;

use super::Error;

type Table = Arc<SyncMutex<HashMap<String, Arc<Mutex<()>>>>>;

/// The locks of one process.
#[derive(Debug)]
pub(super) struct Locks {
    by_key: Table,
    groups: Arc<RwLock<()>>,
    patience: Duration,
    stopping: CancellationToken,
}

/// Held while something is written.
#[derive(Debug)]
pub(super) struct KeyGuard {
    key: String,
    table: Table,
    guard: Option<OwnedMutexGuard<()>>,
}

/// Held while groups are written.
#[derive(Debug)]
pub(super) enum GroupsGuard {
    /// Members may change; entries keep their groups.
    Members { _held: OwnedRwLockReadGuard<()> },
    /// Everything may change.
    Structure { _held: OwnedRwLockWriteGuard<()> },
}

impl Locks {
    /// Locks that are waited for no longer than `patience`, and no longer once `stopping`.
    pub(super) fn new(patience: Duration, stopping: CancellationToken) -> Locks {
        Locks { by_key: Table::default(), groups: Arc::default(), patience, stopping }
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
        let mut held = KeyGuard { key, table: self.by_key.clone(), guard: None };
        held.guard = Some(self.patiently(lock.lock_owned()).await?);
        Ok(held)
    }

    /// Lets group members change beside each other.
    ///
    /// # Errors
    /// [`Error::Busy`] or [`Error::Stopping`].
    pub(super) async fn members(&self) -> Result<GroupsGuard, Error> {
        self.patiently(self.groups.clone().read_owned()).await.map(|_held| GroupsGuard::Members { _held })
    }

    /// Excludes every other write of groups.
    ///
    /// # Errors
    /// [`Error::Busy`] or [`Error::Stopping`].
    pub(super) async fn structure(&self) -> Result<GroupsGuard, Error> {
        self.patiently(self.groups.clone().write_owned()).await.map(|_held| GroupsGuard::Structure { _held })
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

    #[tokio::test]
    async fn one_key_excludes_and_the_table_is_tidied() {
        let locks = Locks::new(Duration::from_millis(20), CancellationToken::new());
        let first = locks.key("a").await.unwrap();
        assert!(matches!(locks.key("a").await, Err(Error::Busy)));
        let other = locks.key("b").await.unwrap();
        drop(first);
        drop(locks.key("a").await.unwrap());
        drop(other);
        assert!(locks.by_key.lock().unwrap().is_empty());
    }

    #[tokio::test]
    async fn nobody_waits_once_the_service_stops() {
        let stopping = CancellationToken::new();
        let locks = Locks::new(Duration::from_secs(60), stopping.clone());
        let _held = locks.key("a").await.unwrap();
        stopping.cancel();
        assert!(matches!(locks.key("a").await, Err(Error::Stopping)));
    }
}

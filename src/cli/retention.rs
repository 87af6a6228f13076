//! Forgetting what was done when it is too old or too much, as the settings say.

use std::time::{Duration, SystemTime};

use tokio_util::sync::CancellationToken;

use crate::config::Settings;
use crate::store::{SqliteStore, Store as _};

/// How often it is looked at inside `serve`.
const EVERY: Duration = Duration::from_secs(60 * 60);

/// Forgets what is to be forgotten, now and every hour, until `stopping`.
pub(super) async fn keep_forgetting(settings: &Settings, store: &SqliteStore, stopping: &CancellationToken) {
    loop {
        forget(settings, store).await;
        tokio::select! {
            () = stopping.cancelled() => return,
            () = tokio::time::sleep(EVERY) => {}
        }
    }
}

/// Forgets what takes back runs, and the runs, that are older than the settings say, and the oldest where all are larger.
pub(super) async fn forget(settings: &Settings, store: &SqliteStore) {
    if let Some(limit) = ago(settings.history.keep) {
        tell(store.forget_runs(&limit).await, "writes older than history.keep are told of no longer");
    }
    let beyond = store.forget_runs_beyond(settings.history.max_size).await;
    tell(beyond, "writes are told of no longer: all of them were more than history.max_size");
    if let Some(limit) = ago(settings.reconcile.keep_undo) {
        let forgotten = store.forget_reverses(&limit).await;
        tell(forgotten, "changes older than reconcile.keep_undo can no longer be undone");
    }
}

fn tell(forgotten: Result<u64, crate::store::Error>, what: &'static str) {
    match forgotten {
        Ok(0) => {}
        Ok(forgotten) => tracing::info!(forgotten, "{what}"),
        Err(error) => tracing::warn!(error = &error as &dyn std::error::Error, "cannot forget what was done"),
    }
}

/// The time that is so long ago, RFC 3339; `None`: before all time.
#[expect(clippy::disallowed_methods, reason = "here is the clock of what is forgotten")]
pub(super) fn ago(age: Duration) -> Option<String> {
    let limit = SystemTime::now().checked_sub(age).filter(|limit| *limit >= SystemTime::UNIX_EPOCH)?;
    Some(humantime::format_rfc3339_millis(limit).to_string())
}

//! What the service manager is told (sd_notify(3)): that the service is ready, that it is alive, that it stops.
//!
//! Where nobody asks for it (no `NOTIFY_SOCKET`), nothing is said. Invariant: the watchdog hears that the service is
//! alive only after the store has been read, which every request does.

use std::sync::Arc;
use std::time::Duration;

use sd_notify::NotifyState;
use tokio::time::{MissedTickBehavior, interval, timeout};
use tokio_util::sync::CancellationToken;

use crate::store::Store;

/// Tells that the service is ready, then that it is alive for as long as that is so, then that it stops.
pub(super) async fn keep_telling(store: Arc<dyn Store>, address: String, stopping: CancellationToken) {
    tell(&[NotifyState::Ready, NotifyState::Status(&format!("listening on {address}"))]);
    tokio::select! {
        () = stopping.cancelled() => {}
        () = keep_the_watchdog_quiet(&*store) => {}
    }
    tell(&[NotifyState::Stopping, NotifyState::Status("finishing what is under way")]);
}

/// Twice in the time that the manager allows, so that one that comes late does no harm.
async fn keep_the_watchdog_quiet(store: &dyn Store) {
    let Some(allowed) = sd_notify::watchdog_enabled() else {
        return std::future::pending().await;
    };
    let pause = (allowed / 2).max(Duration::from_millis(1));
    let mut beats = interval(pause);
    // After a pause of the whole machine one is enough.
    beats.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        beats.tick().await;
        match timeout(pause, store.name_changes()).await {
            Ok(Ok(_)) => tell(&[NotifyState::Watchdog]),
            Ok(Err(error)) => {
                let error = anyhow::Error::new(error);
                tracing::error!("the watchdog is not told that the service is alive: {error:#}");
            }
            Err(_) => tracing::error!(
                "the watchdog is not told that the service is alive: the store was not read within {pause:?}"
            ),
        }
    }
}

fn tell(what: &[NotifyState]) {
    if let Err(error) = sd_notify::notify(what) {
        tracing::warn!(%error, "the service manager cannot be told how the service is");
    }
}

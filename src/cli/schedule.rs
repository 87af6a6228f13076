//! Reconciling inside `serve`, at the times that the settings say.
//!
//! Not another reconciliation: the command from cron does the same. Invariant: a clock that is set back or forward
//! makes a run come later or earlier, and never two at once or none for ever.

use std::time::{Duration, SystemTime};

use tokio_util::sync::CancellationToken;

use super::ending::Ending;
use super::pause;
use super::progress::Silent;
use super::reconcile::{is_failure, lease};
use crate::config::{Schedule, Settings};
use crate::plan::{Tally, excesses};
use crate::settle::{Bridge, Error, Selection};
use crate::store::SqliteStore;

/// How long is slept at most: the clock may be set meanwhile.
const LONGEST_SLEEP: Duration = Duration::from_secs(30);

/// Reconciles whenever it is time, until `stopping`.
pub(super) async fn keep_reconciling(
    settings: &Settings,
    store: &SqliteStore,
    bridge: &Bridge,
    stopping: &CancellationToken,
) {
    let Some(schedule) = &settings.reconcile.schedule else {
        return;
    };
    while wait(schedule, stopping).await == Wait::Due {
        reconcile(settings, store, bridge).await;
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Wait {
    Due,
    Stopping,
}

/// Waits for the next time of the schedule.
async fn wait(schedule: &Schedule, stopping: &CancellationToken) -> Wait {
    let mut due = schedule.next_after(clock());
    loop {
        let present = clock();
        // Set back, the clock has an earlier time to come.
        let next = schedule.next_after(present);
        due = match (due, next) {
            (Some(due), Some(next)) => Some(due.min(next)),
            (due, next) => due.or(next),
        };
        if due.is_some_and(|due| due <= present) {
            return Wait::Due;
        }
        let left = due.and_then(|due| due.duration_since(present).ok()).unwrap_or(LONGEST_SLEEP);
        tokio::select! {
            () = stopping.cancelled() => return Wait::Stopping,
            () = tokio::time::sleep(left.min(LONGEST_SLEEP)) => {}
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "here is the clock of schedules")]
pub(super) fn clock() -> SystemTime {
    SystemTime::now()
}

async fn reconcile(settings: &Settings, store: &SqliteStore, bridge: &Bridge) {
    if let Ok(Some(pause)) = pause::present(store).await {
        return tracing::info!("not reconciled: paused {pause}");
    }
    let _lease = match lease(store) {
        Ok(lease) => lease,
        Err(held) => return tracing::warn!("not reconciled: {held:#}"),
    };
    let started = clock();
    let ending = reconcile_alone(settings, bridge).await;
    if let Err(error) = ending.keep(store, started, clock()).await {
        tracing::warn!(error = &error as &dyn std::error::Error, "cannot keep how the reconciliation ended");
    }
}

/// The same for who has the lease.
async fn reconcile_alone(settings: &Settings, bridge: &Bridge) -> Ending {
    let budgets = &settings.reconcile.budgets;
    let found = match bridge.reconciliation(&Selection::Everything, budgets, &Silent).await {
        Ok(found) => found,
        Err(error @ Error::Shrunken { .. }) => {
            tracing::error!("not reconciled: {error}");
            return Ending::shrunken();
        }
        Err(error) => {
            let error = &error as &dyn std::error::Error;
            tracing::error!(error, "not reconciled: the directory cannot be compared with what is wanted");
            return Ending::failed();
        }
    };
    let tally = Tally::of(&found.proposal, settings.groups.as_ref().map(|groups| &groups.placeholder));
    let refusals = excesses(&tally, &found.proposal.census, budgets);
    if !refusals.is_empty() {
        let hint = "`scimbridge reconcile --dry-run` shows what it is, and what allows it once";
        refusals.iter().for_each(|excess| tracing::error!(hint, "not reconciled: {excess}"));
        return Ending::refused(&tally);
    }
    match bridge.apply(&found, "reconcile, by schedule", &Silent).await {
        Ok(done) => {
            let failed = done.outcomes.iter().filter(|outcome| is_failure(outcome)).count();
            let run = done.run.map(|run| run.0);
            let unmanaged = found.proposal.unmanaged.len();
            if failed == 0 {
                tracing::info!(resources = tally.resources, unmanaged, run, "reconciled");
            } else {
                tracing::error!(
                    resources = tally.resources,
                    failed,
                    run,
                    "not all is reconciled: `scimbridge reconcile --dry-run` says why"
                );
            }
            Ending::done(&tally, &done)
        }
        Err(error) => {
            tracing::error!(error = &error as &dyn std::error::Error, "cannot keep what was reconciled");
            Ending::broken_off(&tally)
        }
    }
}

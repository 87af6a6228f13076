//! Whether the service is paused: looked up every moment beside the requests, so that none of them costs a read.

use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, SystemTime};

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use tokio_util::sync::CancellationToken;

use super::Failure;
use crate::store::{Pause, Store};

/// How often the store is asked: a pause begins and ends within a second of the command.
const LOOK_EVERY: Duration = Duration::from_millis(300);
/// When a client is told to come again while nobody knows when the pause ends.
const SOME_TIME: Duration = Duration::from_secs(5 * 60);
/// The longest that a client is told to stay away.
const LONGEST: Duration = Duration::from_secs(60 * 60);

/// What was last seen of it.
#[derive(Debug, Default)]
pub(super) struct Paused(RwLock<Option<Pause>>);

impl Paused {
    /// The pause that is on.
    pub(super) fn now(&self) -> Option<Pause> {
        let pause = self.0.read().unwrap_or_else(PoisonError::into_inner);
        pause.as_ref().filter(|pause| !pause.is_over(clock())).cloned()
    }

    /// Looks at the store, and says in the log what has changed.
    pub(super) async fn look(&self, store: &dyn Store) {
        let present = match Pause::at(store, clock()).await {
            Ok(present) => present,
            // Requests hear of a store that cannot be read; a pause is not begun or ended by it.
            Err(error) => {
                return tracing::debug!(error = &error as &dyn std::error::Error, "cannot see whether paused");
            }
        };
        let before = {
            let mut seen = self.0.write().unwrap_or_else(PoisonError::into_inner);
            std::mem::replace(&mut *seen, present.clone())
        };
        match (before, present) {
            (before, Some(present)) if before.as_ref() != Some(&present) => {
                tracing::warn!("paused {present}; requests are answered with 503");
            }
            (Some(_), None) => tracing::info!("resumed: requests are answered again"),
            _ => {}
        }
    }

    /// Looks again and again, until `stopping`.
    pub(super) async fn keep_looking(self: Arc<Paused>, store: Arc<dyn Store>, stopping: CancellationToken) {
        loop {
            tokio::select! {
                () = stopping.cancelled() => return,
                () = tokio::time::sleep(LOOK_EVERY) => self.look(&*store).await,
            }
        }
    }
}

/// Puts requests off while the service is paused, reads included: what they would show is being worked on.
pub(super) async fn put_off(State(paused): State<Arc<Paused>>, request: Request, next: Next) -> Response {
    let Some(pause) = paused.now() else {
        return next.run(request).await;
    };
    let detail = format!("an administrator is working on the service, and has paused it {pause}");
    Failure::Paused { detail, retry_in: pause.left(clock()).unwrap_or(SOME_TIME).min(LONGEST) }.into_response()
}

#[expect(clippy::disallowed_methods, reason = "a pause ends at a time")]
fn clock() -> SystemTime {
    SystemTime::now()
}

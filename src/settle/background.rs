//! Settles what is pending: what a crash left, and what waited for the directory.

use std::time::{Duration, SystemTime};

use tokio_util::sync::CancellationToken;

use super::{Audience, Bridge, Error, Run};
use crate::scim::resource::text;
use crate::scim::{Kind, ResourceId};
use crate::store::{About, Origin, Pause};

const FIRST_PAUSE: Duration = Duration::from_millis(500);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

impl Bridge {
    /// Settles what is pending, now and whenever something is left so, until `stopping`.
    pub async fn keep_settling(&self, stopping: CancellationToken) {
        let mut pause = FIRST_PAUSE;
        loop {
            // While an administrator is at work, on the directory perhaps, nothing is begun.
            let settled = if self.is_paused().await { Ok(None) } else { self.settle_pending().await.map(Some) };
            match settled {
                Ok(None) => {}
                Ok(Some(0)) => {
                    pause = FIRST_PAUSE;
                    tokio::select! {
                        () = stopping.cancelled() => return,
                        () = self.wake.notified() => {}
                    }
                }
                Ok(Some(left)) => tracing::info!(left, "changes are still pending"),
                Err(error) => tracing::warn!(error = &error as &dyn std::error::Error, "cannot settle what is pending"),
            }
            // Something is left, or has just been: give the directory a moment.
            tokio::select! {
                () = stopping.cancelled() => return,
                () = tokio::time::sleep(pause) => {}
            }
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }

    async fn is_paused(&self) -> bool {
        // A store that cannot be read is told of by what is settled.
        matches!(Pause::at(&*self.store, clock()).await, Ok(Some(_)))
    }

    /// One attempt at everything that is pending. Returns how much is left.
    async fn settle_pending(&self) -> Result<usize, Error> {
        let pending = self.store.pending().await?;
        let mut left = 0;
        for (position, id) in pending.iter().enumerate() {
            match self.settle_one_pending(id).await {
                Ok(Outcome::Done) => tracing::info!(scim.id = %id, "settled a pending change"),
                Ok(Outcome::Left) => left += 1,
                Err(error) if error.is_outage() => return Ok(left + pending.len() - position),
                Err(error) if error.gives_up() => {
                    tracing::warn!(scim.id = %id, error = &error as &dyn std::error::Error, "gave a pending change up");
                }
                Err(error) => {
                    left += 1;
                    tracing::warn!(scim.id = %id, error = &error as &dyn std::error::Error, "a change stays pending");
                }
            }
        }
        Ok(left)
    }

    async fn settle_one_pending(&self, id: &ResourceId) -> Result<Outcome, Error> {
        let Some(state) = self.store.state(id).await? else {
            return Ok(Outcome::Done);
        };
        let _groups = match state.kind {
            Kind::Group => Some(self.locks.structure().await?),
            Kind::User => None,
        };
        let _resource = self.locks.key(id.as_str()).await?;
        // Whoever held the locks before may have settled it.
        let Some(state) = self.store.state(id).await? else {
            return Ok(Outcome::Done);
        };
        if self.has_pending(&state).await? {
            let document = state.desired().or(state.settled.as_ref().map(|settled| &settled.document));
            let name = document.and_then(|document| text(document, state.kind.required())).map(str::to_owned);
            let about = About { verb: None, kind: state.kind, id: Some(id.clone()), name };
            let run = Run::new(Origin::Background, format!("settle what is pending of {id}")).about(about);
            let settled = self.work(&run).settle_or_revert(id, Audience::Nobody).await;
            // What is tried again every few seconds is told when it comes to something.
            if run.id().is_some() || settled.as_ref().map_or_else(Error::gives_up, |_| true) {
                self.conclude(&run, &settled).await;
            }
            settled?;
        }
        // The resource may be as wanted, and references to it not: those are tried again.
        match self.store.state(id).await? {
            Some(state) if self.has_pending(&state).await? => Ok(Outcome::Left),
            _ => Ok(Outcome::Done),
        }
    }
}

/// What an attempt at a pending resource came to.
enum Outcome {
    Done,
    Left,
}

#[expect(clippy::disallowed_methods, reason = "a pause ends at a time")]
fn clock() -> SystemTime {
    SystemTime::now()
}

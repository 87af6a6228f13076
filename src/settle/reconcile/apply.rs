//! Doing what was shown, and nothing else.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicU64, Ordering};

use futures_util::future::BoxFuture;
use futures_util::{StreamExt as _, stream};

use super::rehearse::explained;
use super::right::Righted;
use super::scan::count;
use super::{Progress, Reconciliation, Stage, Suspect};
use crate::plan::{Allowance, Item};
use crate::scim::{Kind, ResourceId};
use crate::settle::work::Run;
use crate::settle::{Bridge, Error, now};
use crate::store::{Origin, RunId};

/// How many resources are settled at a time: the directory syncs its disk for one while it judges another.
const AT_ONCE: usize = 16;

/// What became of the items of a plan.
#[derive(Debug)]
pub struct Report {
    /// Under which number it can be undone; `None` when nothing was changed.
    pub run: Option<RunId>,
    /// One for each item, in the order of the plan.
    pub outcomes: Vec<Outcome>,
}

/// What became of an item.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The directory is as wanted.
    Done,
    /// A client has written the resource since, which has put it right.
    Overtaken,
    /// The directory has moved: what it would need now was not shown. Or it refuses.
    Failed(String),
    /// The directory or the store is away.
    NotTried(String),
}

impl Bridge {
    /// Carries out what was shown. One item that fails keeps no other from being done.
    pub async fn apply(&self, found: &Reconciliation, what: &str, progress: &dyn Progress) -> Result<Report, Error> {
        let items = &found.proposal.items;
        let run = Run::new(Origin::Reconcile, what.to_owned()).within(Allowance::of(&found.proposal));
        let done = AtomicU64::new(0);
        let of = Some(count(items.len()));
        let mut outcomes = Vec::new();
        // Groups refer to users: these come first.
        for kind in [Kind::User, Kind::Group] {
            let mut settling: Vec<BoxFuture<'_, (usize, Outcome)>> = Vec::new();
            for (number, item) in items.iter().enumerate().filter(|(_, item)| item.subject.kind == word(kind)) {
                let (run, done) = (&run, &done);
                settling.push(Box::pin(async move {
                    let outcome = self.apply_item(run, found, kind, item).await;
                    progress.reached(Stage::Applying, done.fetch_add(1, Ordering::Relaxed) + 1, of);
                    (number, outcome)
                }));
            }
            let at_once = if kind == Kind::User { AT_ONCE } else { 1 };
            outcomes.extend(stream::iter(settling).buffer_unordered(at_once).collect::<Vec<_>>().await);
        }
        outcomes.sort_by_key(|(number, _)| *number);
        let outcomes: Vec<Outcome> = outcomes.into_iter().map(|(_, outcome)| outcome).collect();
        self.settle_quietly(&run, found).await?;
        self.settle_consequences(&run, found).await?;
        let mut kept = None;
        if let Some(id) = run.id() {
            let failed =
                outcomes.iter().filter(|outcome| !matches!(outcome, Outcome::Done | Outcome::Overtaken)).count();
            let outcome = if failed == 0 { "done".to_owned() } else { format!("{failed} of {} not done", items.len()) };
            self.store.end_run(id, &outcome, &now()).await?;
            // What the directory has refused is nothing to take back.
            kept = self.store.run(id).await?.filter(|run| run.changes > 0).map(|run| run.id);
        }
        Ok(Report { run: kept, outcomes })
    }

    async fn apply_item(&self, run: &Run, found: &Reconciliation, kind: Kind, item: &Item) -> Outcome {
        if item.steps.is_empty() {
            return match &item.problem {
                Some(problem) => Outcome::Failed(problem.clone()),
                None => Outcome::Done,
            };
        }
        let id = ResourceId(item.subject.id.clone());
        let alone = Suspect::new(id.clone(), kind);
        let suspect = found.suspects.get(&id).unwrap_or(&alone);
        match self.work(run).put_right(suspect, found.meant.get(&id)).await {
            Ok(Righted::Done) => Outcome::Done,
            Ok(Righted::Overtaken) => Outcome::Overtaken,
            Err(error) if error.is_outage() || matches!(error, Error::Busy) => Outcome::NotTried(explained(&error)),
            Err(error) => Outcome::Failed(explained(&error)),
        }
    }

    /// Lets the store learn of those for whom nothing is to be done in the directory, such as where somebody's entry was
    /// moved by hand: they would be suspected every time.
    async fn settle_quietly(&self, run: &Run, found: &Reconciliation) -> Result<(), Error> {
        let planned: BTreeSet<&str> = found.proposal.items.iter().map(|item| item.subject.id.as_str()).collect();
        for suspect in found.suspects.values().filter(|suspect| !planned.contains(suspect.id.as_str())) {
            match self.work(run).put_right(suspect, found.meant.get(&suspect.id)).await {
                Ok(_) => {}
                Err(error) if error.is_outage() => return Ok(()),
                Err(error) => {
                    let error = &error as &dyn std::error::Error;
                    tracing::debug!(scim.id = %suspect.id, error, "not looked at again");
                }
            }
        }
        Ok(())
    }

    /// What this run has left to be seen to, such as the memberships of somebody whose entry was made anew. Where that
    /// was not shown, it is left to the background and to the next run.
    async fn settle_consequences(&self, run: &Run, found: &Reconciliation) -> Result<(), Error> {
        let planned: BTreeSet<&str> = found.proposal.items.iter().map(|item| item.subject.id.as_str()).collect();
        for id in self.store.pending().await? {
            if !planned.contains(id.as_str()) {
                continue;
            }
            let Some(state) = self.store.state(&id).await? else {
                continue;
            };
            match self.work(run).put_right(&Suspect::new(id.clone(), state.kind), None).await {
                Ok(_) => {}
                Err(error) if error.is_outage() => return Ok(()),
                Err(error) => {
                    let error = &error as &dyn std::error::Error;
                    tracing::warn!(scim.id = %id, error, "a change stays pending");
                }
            }
        }
        Ok(())
    }
}

fn word(kind: Kind) -> String {
    kind.as_str().to_lowercase()
}

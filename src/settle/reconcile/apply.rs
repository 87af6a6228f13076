//! Doing what was shown, and nothing else.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::OnceLock;
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
use crate::settle::{Bridge, Error};
use crate::store::{Ending, Origin, RunId};

/// How many resources are settled at a time: the directory syncs its disk for one while it judges another.
const AT_ONCE: usize = 16;
/// For how many the work is laid out at a time: each is large, and there may be a hundred thousand.
const TURNS_AT_A_TIME: usize = 1_000;

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
        let (done, away) = (AtomicU64::new(0), OnceLock::new());
        let of = Some(count(items.len()));
        let mut outcomes: BTreeMap<usize, Outcome> = BTreeMap::new();
        // Groups refer to users: these come first.
        for kind in [Kind::User, Kind::Group] {
            let at_once = if kind == Kind::User { AT_ONCE } else { 1 };
            let mut left = turns(found, kind);
            loop {
                for turns in left.chunks(TURNS_AT_A_TIME) {
                    let mut settling: Vec<BoxFuture<'_, Option<(usize, Outcome)>>> = Vec::new();
                    for turn in turns {
                        let (run, done, away) = (&run, &done, &away);
                        settling.push(Box::pin(async move {
                            let (number, item) = match turn {
                                Turn::Item(number, item) => (*number, *item),
                                Turn::Idle(suspect) => {
                                    self.apply_idle(run, found, suspect).await;
                                    return None;
                                }
                            };
                            let outcome = self.apply_item(run, found, kind, item, away).await;
                            progress.reached(Stage::Applying, done.fetch_add(1, Ordering::Relaxed) + 1, of);
                            Some((number, outcome))
                        }));
                    }
                    let settled: Vec<_> = stream::iter(settling).buffer_unordered(at_once).collect().await;
                    outcomes.extend(settled.into_iter().flatten());
                }
                // What was planned after somebody else was put right could not be done before that.
                let tried = left.len();
                left.retain(|turn| is_worth_another_try(turn, &outcomes));
                if left.is_empty() || left.len() == tried {
                    break;
                }
                done.fetch_sub(count(left.len()), Ordering::Relaxed);
            }
        }
        let outcomes: Vec<Outcome> = outcomes.into_values().collect();
        self.settle_consequences(&run, found).await?;
        let failed = outcomes.iter().filter(|outcome| !matches!(outcome, Outcome::Done | Outcome::Overtaken)).count();
        Ok(Report { run: self.end_run(&run, failed, items.len()).await?, outcomes })
    }

    /// Ends a run of which so many of its items are not done. Returns its number if there is anything to take back: what
    /// the directory has refused is not.
    pub(in crate::settle) async fn end_run(
        &self,
        run: &Run,
        failed: usize,
        items: usize,
    ) -> Result<Option<RunId>, Error> {
        let Some(id) = run.id() else {
            return Ok(None);
        };
        match failed {
            0 => self.keep_end(run, Ending::Done, None, None).await,
            _ => {
                let outcome = format!("{failed} of {items} not done");
                self.keep_end(run, Ending::Failed, None, Some(&outcome)).await;
            }
        }
        Ok(self.store.run(id).await?.filter(|run| run.changes > 0).map(|run| run.id))
    }

    async fn apply_item(
        &self,
        run: &Run,
        found: &Reconciliation,
        kind: Kind,
        item: &Item,
        away: &OnceLock<String>,
    ) -> Outcome {
        if item.steps.is_empty() {
            return match &item.problem {
                Some(problem) => Outcome::Failed(problem.clone()),
                None => Outcome::Done,
            };
        }
        if let Some(reason) = away.get() {
            return Outcome::NotTried(reason.clone());
        }
        let id = ResourceId(item.subject.id.clone());
        let alone = Suspect::new(id.clone(), kind);
        let suspect = found.suspects.get(&id).unwrap_or(&alone);
        match self.work(run).put_right(suspect, found.meant.get(&id)).await {
            Ok(Righted::Done) => Outcome::Done,
            Ok(Righted::Overtaken) => Outcome::Overtaken,
            // A directory that does not answer is not asked again for each of thousands.
            Err(error) if error.is_outage() => Outcome::NotTried(away.get_or_init(|| explained(&error)).clone()),
            Err(error) if matches!(error, Error::Busy) => Outcome::NotTried(explained(&error)),
            Err(error) => Outcome::Failed(explained(&error)),
        }
    }

    /// Lets the store learn of somebody for whom nothing is to be done in the directory, such as where an entry was moved
    /// by hand, or what a crash has left done and not recorded: they would be suspected every time.
    async fn apply_idle(&self, run: &Run, found: &Reconciliation, suspect: &Suspect) {
        if let Err(error) = self.work(run).put_right(suspect, found.meant.get(&suspect.id)).await {
            let error = &error as &dyn std::error::Error;
            tracing::warn!(scim.id = %suspect.id, error, "what is so already cannot be recorded");
        }
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

/// Whose turn it is.
#[derive(Clone, Copy)]
enum Turn<'a> {
    /// Somebody for whom something is to be done, and the place of that in the plan.
    Item(usize, &'a Item),
    /// Somebody for whom nothing is.
    Idle(&'a Suspect),
}

/// All of a kind, in the order in which they were rehearsed: who comes first may get a name that the next would have got.
fn turns(found: &Reconciliation, kind: Kind) -> Vec<Turn<'_>> {
    let items = found.proposal.items.iter().enumerate().filter(|(_, item)| item.subject.kind == word(kind));
    let items = items.map(|(number, item)| (ResourceId(item.subject.id.clone()), Turn::Item(number, item)));
    let idle = found.idle.iter().filter_map(|id| found.suspects.get(id)).filter(|suspect| suspect.kind == kind);
    let idle = idle.map(|suspect| (suspect.id.clone(), Turn::Idle(suspect)));
    let mut turns: Vec<(ResourceId, Turn<'_>)> = items.chain(idle).collect();
    // What only follows from others was not rehearsed in its own right, and comes last.
    turns.sort_by_key(|(id, _)| found.order.get(id).copied().unwrap_or(usize::MAX));
    turns.into_iter().map(|(_, turn)| turn).collect()
}

fn is_worth_another_try(turn: &Turn<'_>, outcomes: &BTreeMap<usize, Outcome>) -> bool {
    match turn {
        Turn::Item(number, item) => item.problem.is_none() && matches!(outcomes.get(number), Some(Outcome::Failed(_))),
        Turn::Idle(_) => false,
    }
}

fn word(kind: Kind) -> String {
    kind.as_str().to_lowercase()
}

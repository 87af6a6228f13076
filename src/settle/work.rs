//! A piece of work on the directory: whose changes these are, what they may be, and how they are taken back.
//!
//! Invariant: every change of the directory goes through [`Work::carry_out`]. What takes it back is in the store before
//! it is made, and what a run is not allowed is not made.

use std::ops::Deref;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use secrecy::SecretString;
use tokio::sync::OnceCell;
use tracing::Instrument as _;

use super::{ATTEMPTS, Audience, Bridge, CrashPoint, Error, Settlement, crash_point, now};
use crate::directory::attribute::PASSWORD_ATTRIBUTE;
use crate::directory::{Action, Anchor, AttributeName, Change, Dn, Entry, Modification, Tolerance, Value};
use crate::ldap::{self, Fault};
use crate::plan::hidden::HIDDEN;
use crate::plan::{self, Allowance, Plan, Step, reverse};
use crate::scim::{Kind, ResourceId};
use crate::store::{self, About, Ending, NewRun, NotedChange, Origin, Requester, RunEnd, RunId, Wanted};
use crate::telemetry;

/// Up to how many values of a list the directory is asked about before they are changed, so that the reverse takes back
/// no more than what was changed.
const ASK_AT_MOST: usize = 100;

/// How many bytes of a name are kept in the log: clients may send megabytes.
const LONGEST_NAME: usize = 300;
/// How many characters of why something was not done are.
const LONGEST_OUTCOME: usize = 2_000;

/// What a number of changes belong to: one write of a client, one reconciliation, one undoing.
#[derive(Debug)]
pub(super) struct Run {
    new: NewRun,
    /// Since when it takes time.
    began: Instant,
    /// What is known by now of the one resource that it is about.
    about: Mutex<Option<About>>,
    /// Known once something is wanted or changed.
    id: OnceCell<RunId>,
    /// What it may change; `None`: whatever is needed.
    allowance: Option<Allowance>,
    rehearsal: Option<Rehearsal>,
}

/// What was done to an imagined directory.
#[derive(Debug, Default)]
struct Rehearsal {
    steps: Mutex<Vec<Step>>,
    passwords: AtomicUsize,
}

impl Run {
    #[expect(clippy::disallowed_methods, reason = "how long a run takes, for the log")]
    pub(super) fn new(origin: Origin, what: String) -> Run {
        let new = NewRun { origin, what, about: None, started: now(), undoes: None, requester: None };
        let (began, about) = (Instant::now(), Mutex::default());
        Run { new, began, about, id: OnceCell::new(), allowance: None, rehearsal: None }
    }

    /// A run that is about one resource.
    pub(super) fn about(self, about: About) -> Run {
        Run { about: Mutex::new(Some(about)), ..self }
    }

    /// Takes in which resource it is.
    pub(super) fn learn_id(&self, id: &ResourceId) {
        if let Some(about) = self.known().as_mut() {
            about.id = Some(id.clone());
        }
    }

    /// Takes in what the resource was called when it was met first.
    pub(super) fn learn_name(&self, name: &str) {
        if let Some(about) = self.known().as_mut() {
            about.name.get_or_insert_with(|| name.to_owned());
        }
    }

    /// The run with what is known by now of the resource that it is about.
    fn known_by_now(&self) -> NewRun {
        let mut about = self.known().clone();
        if let Some(name) = about.as_mut().and_then(|about| about.name.as_mut()) {
            name.truncate(name.floor_char_boundary(LONGEST_NAME));
        }
        NewRun { about, ..self.new.clone() }
    }

    fn known(&self) -> MutexGuard<'_, Option<About>> {
        self.about.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A run that may change nothing but what was shown.
    pub(super) fn within(self, allowance: Allowance) -> Run {
        Run { allowance: Some(allowance), ..self }
    }

    /// A run that answers somebody's request.
    pub(super) fn answering(self, requester: Requester) -> Run {
        Run { new: NewRun { requester: Some(requester), ..self.new }, ..self }
    }

    /// A run that takes another one back.
    pub(super) fn undoing(self, other: RunId) -> Run {
        Run { new: NewRun { undoes: Some(other), ..self.new }, ..self }
    }

    /// A run before an imagined directory, of which nothing is kept but what it would do.
    pub(super) fn rehearsal() -> Run {
        Run { rehearsal: Some(Rehearsal::default()), ..Run::new(Origin::Reconcile, String::new()) }
    }

    /// What a rehearsal has done, in order, and how many passwords it has set.
    pub(super) fn rehearsed(self) -> (Vec<Step>, usize) {
        let Some(done) = self.rehearsal else {
            return Default::default();
        };
        let passwords = done.passwords.into_inner();
        (done.steps.into_inner().unwrap_or_else(PoisonError::into_inner), passwords)
    }

    /// Under which number it is kept, if it has changed anything.
    pub(super) fn id(&self) -> Option<RunId> {
        self.id.get().copied()
    }
}

/// The bridge, at work for a run.
#[derive(Clone, Copy)]
pub(super) struct Work<'a> {
    bridge: &'a Bridge,
    run: &'a Run,
    resource: Option<&'a ResourceId>,
}

impl Deref for Work<'_> {
    type Target = Bridge;

    fn deref(&self) -> &Bridge {
        self.bridge
    }
}

impl Bridge {
    pub(super) fn work<'a>(&'a self, run: &'a Run) -> Work<'a> {
        Work { bridge: self, run, resource: None }
    }

    /// Keeps how a write came out. That it cannot be kept is no reason to take the write back.
    pub(super) async fn conclude<T>(&self, run: &Run, written: &Result<T, Error>) {
        match written {
            Ok(_) => self.keep_end(run, Ending::Done, None, None).await,
            Err(error) => {
                let (ending, status, detail) = error.told();
                self.keep_end(run, ending, Some(status), Some(&detail)).await;
            }
        }
    }

    pub(super) async fn keep_end(&self, run: &Run, ending: Ending, status: Option<u16>, outcome: Option<&str>) {
        let end = RunEnd {
            ending,
            status,
            outcome: outcome.map(|text| text.chars().take(LONGEST_OUTCOME).collect()),
            finished: now(),
            milliseconds: u64::try_from(run.began.elapsed().as_millis()).unwrap_or(u64::MAX),
        };
        let kept = match run.id() {
            Some(id) => self.store.end_run(id, &end).await,
            None => self.store.keep_run(&run.known_by_now(), &end).await.map(|_| ()),
        };
        if let Err(error) = kept {
            tracing::warn!(error = &error as &dyn std::error::Error, "cannot keep in the log how a write ended");
        }
    }
}

impl<'a> Work<'a> {
    /// The same for one resource.
    pub(super) fn for_resource(self, id: &'a ResourceId) -> Work<'a> {
        Work { resource: Some(id), ..self }
    }
}

impl Work<'_> {
    pub(super) fn run(&self) -> &Run {
        self.run
    }

    /// Has the run in the log from now on, whatever becomes of it.
    pub(super) async fn begin(&self) -> Result<RunId, Error> {
        let begun = self.run.id.get_or_try_init(|| async { self.store.begin_run(&self.run.known_by_now()).await });
        Ok(*begun.await?)
    }

    /// Saves what is wanted, in the run that is in the log from then on.
    pub(super) async fn want(&self, wanted: &Wanted) -> Result<(), store::Error> {
        if self.run.id().is_some() {
            return self.store.want(wanted).await;
        }
        let run = self.run.known_by_now();
        self.run.id.get_or_try_init(|| self.store.want_in_run(&run, wanted)).await?;
        Ok(())
    }

    /// Makes the directory hold what the resource should be. The caller holds the resource's lock.
    ///
    /// # Errors
    /// Some leave what is wanted for later; after the others the caller turns it around.
    pub(super) async fn settle(&self, id: &ResourceId, audience: Audience<'_>) -> Result<Settlement, Error> {
        let work = Work { resource: Some(id), ..*self };
        let mut attempt = 1;
        loop {
            let state = self.store.state(id).await?.ok_or_else(|| Error::NotFound(id.clone()))?;
            let span = tracing::info_span!("settle", scim.id = %id);
            let settled = match state.kind {
                Kind::User => work.settle_user(&state, audience).instrument(span).await,
                Kind::Group => work.settle_group(&state, audience).instrument(span).await,
            };
            match settled {
                // The server closed an idle connection, or was restarted: a new one may do.
                // Or the entry went while its members changed.
                Err(Error::Directory(error))
                    if attempt < ATTEMPTS && (error.is_lost_connection() || error.fault() == Fault::Moved) =>
                {
                    attempt += 1;
                }
                other => return other,
            }
        }
    }

    /// Guards a plan and carries it out, step by step. Returns the anchor of an entry that was added.
    ///
    /// # Errors
    /// [`Error::Unplanned`] for a change that the run is not allowed, or the directory's answer; what comes after it in
    /// the plan is not done.
    pub(super) async fn carry_out(&self, plan: Plan) -> Result<Option<Anchor>, Error> {
        let plan = plan::guard(plan, &self.rules.bases())?;
        let mut anchor = None;
        for step in plan.steps {
            if self.run.allowance.as_ref().is_some_and(|allowance| !allowance.permits(&step.change)) {
                return Err(Error::Unplanned { dn: step.change.dn().clone() });
            }
            anchor = self.make(step).await?.or(anchor);
        }
        Ok(anchor)
    }

    async fn make(&self, step: Step) -> Result<Option<Anchor>, Error> {
        if let Some(rehearsal) = &self.run.rehearsal {
            let anchor = self.directory.apply(&step.change).await?;
            rehearsal.steps.lock().unwrap_or_else(PoisonError::into_inner).push(step);
            return Ok(anchor);
        }
        let (run, position) = self.note(&step).await?;
        let applied = self.directory.apply(&step.change).await;
        if let Err(ldap::Error::Answer { .. }) = &applied {
            // It was not made, and nobody is to take it back. Of a lost connection nobody knows.
            self.store.strike_change(run, position).await?;
        }
        let anchor = applied?;
        crash_point(CrashPoint::Apply);
        let operation = match &step.change {
            Change::Add { .. } => "add",
            Change::Modify { .. } => "modify",
            Change::Rename { .. } => "rename",
            Change::Delete { .. } => "delete",
        };
        telemetry::count_directory_change(operation, step.reason.to_string());
        tracing::info!(operation, reason = %step.reason, "directory changed");
        tracing::debug!(operation, dn = %step.change.dn(), "directory changed");
        Ok(anchor)
    }

    /// Sets a password that the server is to hash. That it is set is kept, and nothing takes it back.
    pub(super) async fn give_password(&self, dn: &Dn, password: &SecretString) -> Result<(), Error> {
        if let Some(rehearsal) = &self.run.rehearsal {
            self.directory.set_password(dn, password).await?;
            rehearsal.passwords.fetch_add(1, Ordering::Relaxed);
            return Ok(());
        }
        let attribute = AttributeName::of(PASSWORD_ATTRIBUTE);
        let values = vec![Value::from(HIDDEN)];
        let modifications = vec![Modification { attribute, action: Action::Replace, values }];
        let noted = NotedChange {
            resource: self.resource.cloned(),
            reason: "password".to_owned(),
            change: Change::Modify { dn: dn.clone(), modifications, tolerance: Tolerance::Exact },
            reverse: Vec::new(),
            lost: Some("the password, which is not kept".to_owned()),
        };
        let run = self.begin().await?;
        let position = self.store.note_change(run, &noted).await?;
        let set = self.directory.set_password(dn, password).await;
        if let Err(ldap::Error::Answer { .. }) = &set {
            self.store.strike_change(run, position).await?;
        }
        Ok(set?)
    }

    /// Keeps what takes a change back, before it is made.
    async fn note(&self, step: &Step) -> Result<(RunId, i64), Error> {
        let before = self.before(&step.change).await?;
        let profile = self.directory.profile().await?;
        let reverse = reverse(&step.change, before.as_ref(), &profile.schema);
        let run = self.begin().await?;
        let noted = NotedChange {
            resource: self.resource.cloned(),
            reason: step.reason.to_string(),
            change: plan::hidden::without_passwords(&step.change),
            reverse: reverse.changes,
            lost: reverse.lost,
        };
        Ok((run, self.store.note_change(run, &noted).await?))
    }

    /// What of an entry must be known to take a change of it back.
    async fn before(&self, change: &Change) -> Result<Option<Entry>, Error> {
        match change {
            // A server that does as it is told says with its answer what stood there.
            Change::Add { .. } => Ok(None),
            // It may hold values of its new name already, which are to be there when it has its old one again.
            Change::Rename { dn, new_rdn, .. } => {
                let names: Vec<AttributeName> = new_rdn.parts().iter().map(|(name, _)| name.clone()).collect();
                Ok(self.directory.read(dn, &names).await?)
            }
            Change::Delete { dn } => {
                // With a lock, which is operational: who comes back is not to be let in by that.
                let lock = self.directory.profile().await?.flavor.lock.attribute();
                Ok(self.directory.read(dn, &[AttributeName::of("*"), lock]).await?)
            }
            Change::Modify { dn, modifications, tolerance: Tolerance::Exact } => {
                let exchanged = modifications.iter().filter(|change| change.action == Action::Replace);
                let names: Vec<AttributeName> = exchanged.map(|change| change.attribute.clone()).collect();
                if names.is_empty() { Ok(None) } else { Ok(self.directory.read(dn, &names).await?) }
            }
            Change::Modify { dn, modifications, tolerance: Tolerance::AlreadySo } => {
                if modifications.iter().map(|change| change.values.len()).sum::<usize>() > ASK_AT_MOST {
                    return Ok(None);
                }
                let mut entry = Entry { dn: dn.clone(), attributes: Default::default() };
                for modification in modifications {
                    for value in &modification.values {
                        if self.directory.holds(dn, &modification.attribute, value).await? {
                            entry.attributes.entry(modification.attribute.clone()).or_default().push(value.clone());
                        }
                    }
                }
                Ok(Some(entry))
            }
        }
    }
}

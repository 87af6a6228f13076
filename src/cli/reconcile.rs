//! `scimbridge reconcile`: what drifted, shown and repaired.
//!
//! Exit codes: 0 in sync, or all is done; 1 failed, and nothing is changed; 2 the dry run has found something to do;
//! 3 something was refused or could not be done.

use std::cell::Cell;
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::SystemTime;

use anyhow::{Context as _, bail};
use clap::{Args, ValueEnum};
use serde_json::json;
use tokio_util::sync::CancellationToken;

use super::ending::Ending;
use super::progress::Shown;
use super::schedule::clock;
use super::{open_directory, open_store, print, talk};
use crate::config::Settings;
use crate::directory::Dn;
use crate::ldap::Fault;
use crate::plan::render::{Json, Ldif, Text};
use crate::plan::{self, Budget, Budgets, Excess, Limit, Report, Tally, excesses};
use crate::scim::{Kind, ResourceId};
use crate::settle::{self, Bridge, Outcome, Reconciliation, Selection};
use crate::store::{self, Lease, SqliteStore, Store as _};

/// The dry run has found something to do.
pub(super) const CHANGES: u8 = 2;
/// Something was refused or could not be done.
pub(super) const REFUSED: u8 = 3;
/// Of what at most one is done at a time.
const LEASE: &str = "reconcile";

#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// Show what would be done, and do nothing
    #[arg(long)]
    dry_run: bool,
    /// Look at users or groups alone, or at one resource by its id or the DN of its entry
    #[arg(long, value_name = "users|groups|ID|DN", value_parser = selection)]
    only: Option<Selection>,
    /// text for people, json for programs, ldif for ldapmodify
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
    /// Write the plan to a file too, for --plan
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Do exactly what this plan says, and nothing if the directory has moved under it
    #[arg(long, value_name = "FILE", conflicts_with_all = ["out", "only", "dry_run", "adopt"])]
    plan: Option<PathBuf>,
    /// First make resources of what the directory has, after the store was lost; `serve` must be stopped
    #[arg(long, conflicts_with = "dry_run")]
    adopt: bool,
    #[command(flatten)]
    limits: Limits,
}

/// What one run may do, instead of what the settings say.
#[derive(Clone, Debug, Args)]
pub(super) struct Limits {
    /// How many entries may be deleted: a number, or a percentage of all users and groups
    #[arg(long, value_name = "N|%")]
    max_deletes: Option<Limit>,
    /// How many users may be disabled: a number, or a percentage of all users
    #[arg(long, value_name = "N|%")]
    max_disables: Option<Limit>,
    /// How many users and groups may be changed: a number, or a percentage of them
    #[arg(long, value_name = "N|%")]
    max_changes: Option<Limit>,
    /// How many members may be taken out of groups: a number, or a percentage of all memberships
    #[arg(long, value_name = "N|%")]
    max_member_removals: Option<Limit>,
    /// How many linked entries may be missing: a number, or a percentage of all users and groups
    #[arg(long, value_name = "N|%")]
    max_missing: Option<Limit>,
}

impl Limits {
    pub(super) fn over(&self, budgets: &Budgets) -> Budgets {
        Budgets {
            max_deletes: self.max_deletes.unwrap_or(budgets.max_deletes),
            max_disables: self.max_disables.unwrap_or(budgets.max_disables),
            max_changes: self.max_changes.unwrap_or(budgets.max_changes),
            max_member_removals: self.max_member_removals.unwrap_or(budgets.max_member_removals),
            max_missing: self.max_missing.unwrap_or(budgets.max_missing),
        }
    }
}

impl Limits {
    /// The flags that allow for once what goes beyond the limits, with those that were given for others.
    fn raised_to(&self, excesses: &[&Excess]) -> Vec<String> {
        let given = [
            (Budget::Deletes, self.max_deletes),
            (Budget::Disables, self.max_disables),
            (Budget::Changes, self.max_changes),
            (Budget::MemberRemovals, self.max_member_removals),
            (Budget::Missing, self.max_missing),
        ];
        let raised = |budget| excesses.iter().find(|excess| excess.budget == budget);
        let flags = given.into_iter().filter_map(|(budget, given)| match (raised(budget), given) {
            (Some(excess), _) => Some(format!("{} {}", budget.flag(), excess.planned)),
            (None, Some(limit)) => Some(format!("{} {limit}", budget.flag())),
            (None, None) => None,
        });
        flags.collect()
    }

    /// The command that does for once what goes beyond the limits.
    pub(super) fn command_for(&self, command: &str, excesses: &[&Excess]) -> String {
        [&[format!("scimbridge {command}")], self.raised_to(excesses).as_slice()].concat().join(" ")
    }
}

/// How a plan is printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Format {
    /// For people.
    Text,
    /// For programs.
    Json,
    /// For LDAP tools.
    Ldif,
}

/// A word, an id, or the name of an entry.
fn selection(text: &str) -> Result<Selection, String> {
    match text {
        "users" => Ok(Selection::Kind(Kind::User)),
        "groups" => Ok(Selection::Kind(Kind::Group)),
        _ if uuid::Uuid::parse_str(text).is_ok() => Ok(Selection::Resource(ResourceId(text.to_ascii_lowercase()))),
        _ => match text.parse::<Dn>() {
            Ok(dn) if dn.rdn().is_some() => Ok(Selection::Entry(dn)),
            _ => Err("it is neither users nor groups, nor the id of a resource, nor the DN of an entry".to_owned()),
        },
    }
}

pub(super) async fn run(arguments: Arguments, settings: Settings) -> anyhow::Result<ExitCode> {
    if arguments.only == Some(Selection::Kind(Kind::Group)) && settings.groups.is_none() {
        bail!("groups are switched off: groups.enabled = false");
    }
    let written = arguments.plan.as_deref().map(read_plan).transpose()?;
    if arguments.adopt {
        super::adopt::everything(&settings).await?;
    }
    check_there(&settings)?;
    let store = Arc::new(open_store(&settings).await?);
    // A look disturbs nobody, and may run beside anything.
    let _lease = if arguments.dry_run { None } else { Some(lease(&store)?) };
    if !arguments.dry_run {
        super::retention::forget(&settings, &store).await;
    }
    let started = clock();
    let bridge = bridge(&settings, store.clone())?;
    let told = Told { settings: &settings, arguments: &arguments, progress: Shown::new(), ending: Cell::default() };
    let code = told.reconcile(&bridge, written).await;
    bridge.close().await;
    // A look, or one at a part, says nothing of the whole.
    if !arguments.dry_run && arguments.only.is_none() && arguments.plan.is_none() {
        let ending = told.ending.take().unwrap_or(Ending::failed());
        ending.keep(&store, started, clock()).await.context("cannot keep how the reconciliation ended")?;
    }
    code
}

/// A store that is made by looking for it wants nothing, and all would be in sync.
pub(super) fn check_there(settings: &Settings) -> anyhow::Result<()> {
    if SqliteStore::is_there(&settings.store_url) {
        return Ok(());
    }
    bail!(
        "there is no store at {}: is store.url relative to another directory? If it is lost, `scimbridge reconcile --adopt` \
         makes it anew from the directory",
        settings.store_url
    )
}

/// A bridge for a command.
pub(super) fn bridge(settings: &Settings, store: Arc<SqliteStore>) -> anyhow::Result<Bridge> {
    let directory = open_directory(settings)?;
    let patience = settings.ldap.timeout * 3;
    Ok(Bridge::new(store, directory, super::rules(settings), patience, CancellationToken::new()))
}

/// Takes the one lease that there is for changing the directory as a whole.
pub(super) fn lease(store: &SqliteStore) -> anyhow::Result<Lease> {
    let host = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    let holder = format!("process {} on {}, since {}", std::process::id(), host.trim(), present());
    match store.lease(LEASE, &holder) {
        Err(store::Error::Held { holder, .. }) => {
            bail!("another reconciliation is under way ({holder}): wait for it, or stop it")
        }
        taken => Ok(taken?),
    }
}

#[expect(clippy::disallowed_methods, reason = "here is the clock of commands")]
pub(super) fn present() -> humantime::Rfc3339Timestamp {
    humantime::format_rfc3339_seconds(SystemTime::now())
}

fn read_plan(path: &Path) -> anyhow::Result<plan::PlanFile> {
    let text = std::fs::read_to_string(path).with_context(|| format!("cannot read the plan {}", path.display()))?;
    plan::file::read(&text).with_context(|| format!("the plan {} cannot be used", path.display()))
}

/// A run that is told to people or programs.
struct Told<'a> {
    settings: &'a Settings,
    arguments: &'a Arguments,
    progress: Shown,
    /// How it ended; `None` while it has not, and when nothing could be compared.
    ending: Cell<Option<Ending>>,
}

impl Told<'_> {
    async fn reconcile(&self, bridge: &Bridge, written: Option<plan::PlanFile>) -> anyhow::Result<ExitCode> {
        let budgets = self.arguments.limits.over(&self.settings.reconcile.budgets);
        let selection = self.arguments.only.clone().unwrap_or(Selection::Everything);
        let found = bridge.reconciliation(&selection, &budgets, &self.progress).await;
        self.progress.clear();
        let mut found = match found {
            Err(error @ settle::Error::Shrunken { .. }) => {
                self.ending.set(Some(Ending::shrunken()));
                return Ok(self.refuse_shrunken(&error));
            }
            Err(settle::Error::Directory(error)) if error.fault() == Fault::Truncated => {
                return Err(error).context(
                    "the directory does not show all entries, so nothing is concluded: raise the limit of what it \
                     shows to ldap.bind_dn (OpenLDAP: limits … size=unlimited size.prtotal=unlimited)",
                );
            }
            found => found.context("cannot compare the directory with what is wanted; nothing is changed")?,
        };
        if let Some(written) = written {
            let departures = written.departures(&found.proposal);
            if !departures.is_empty() {
                departures.iter().for_each(|departure| talk(&format!("moved: {departure}\n")));
                talk("the directory is not as it was when the plan was made: nothing is done; make a new plan\n");
                return Ok(ExitCode::from(REFUSED));
            }
            let left = found.keep_to(&written);
            if left > 0 {
                talk(&format!("{left} more to change since the plan was made, and left: they are not in it\n"));
            }
        }
        let tally = self.tally(&found);
        let excesses = excesses(&tally, &found.proposal.census, &budgets);
        let report = Report { proposal: &found.proposal, tally: &tally, excesses: &excesses };
        if let Some(path) = &self.arguments.out {
            write_plan(path, &report)?;
        }
        if self.arguments.dry_run {
            self.print(&report, None)?;
            self.hint_at(&excesses);
            return Ok(self.end_of_dry_run(&found, &excesses));
        }
        if !excesses.is_empty() {
            self.ending.set(Some(Ending::refused(&tally)));
            self.print(&report, None)?;
            talk("nothing is done\n");
            self.hint_at(&excesses);
            return Ok(ExitCode::from(REFUSED));
        }
        let done = bridge.apply(&found, "reconcile", &self.progress).await;
        self.progress.clear();
        let ending = done.as_ref().map_or(Ending::broken_off(&tally), |done| Ending::done(&tally, done));
        self.ending.set(Some(ending));
        let done = done.context("the store does not keep what was done")?;
        if let Err(error) = self.print(&report, Some(&done)) {
            // It is done all the same, and whoever wants it taken back needs the number.
            let run = done.run.map(|run| format!(" as run {}", run.0)).unwrap_or_default();
            talk(&format!("what was planned is done{run}, but cannot be printed: {error:#}\n"));
            return Ok(ExitCode::from(REFUSED));
        }
        Ok(if done.outcomes.iter().any(is_failure) { ExitCode::from(REFUSED) } else { ExitCode::SUCCESS })
    }

    /// What to type, at a shell, for the same to be looked at again.
    fn command(&self) -> String {
        let mut command = "reconcile".to_owned();
        if let Some(only) = &self.arguments.only {
            let only = match only {
                Selection::Everything => return command,
                Selection::Kind(Kind::User) => "users".to_owned(),
                Selection::Kind(Kind::Group) => "groups".to_owned(),
                Selection::Resource(id) => id.to_string(),
                Selection::Entry(dn) => quoted(&dn.to_string()),
            };
            command.push_str(&format!(" --only {only}"));
        }
        if let Some(plan) = &self.arguments.plan {
            command.push_str(&format!(" --plan {}", quoted(&plan.display().to_string())));
        }
        command
    }

    fn hint_at(&self, excesses: &[Excess]) {
        if !excesses.is_empty() {
            let excesses: Vec<&Excess> = excesses.iter().collect();
            talk(&format!(
                "hint: to allow it once: {}\n",
                self.arguments.limits.command_for(&self.command(), &excesses)
            ));
        }
    }

    fn tally(&self, found: &Reconciliation) -> Tally {
        Tally::of(&found.proposal, self.settings.groups.as_ref().map(|groups| &groups.placeholder))
    }

    fn refuse_shrunken(&self, error: &settle::Error) -> ExitCode {
        talk(&format!("refused: {error}\n"));
        if let settle::Error::Shrunken { excess, .. } = error {
            talk(&format!(
                "hint: see whether ldap.bind_dn may still read all entries and the bases are those that were meant; if \
                 they are gone indeed: {}\n",
                self.arguments.limits.command_for(&self.command(), &[excess.as_ref()])
            ));
        }
        ExitCode::from(REFUSED)
    }

    fn end_of_dry_run(&self, found: &Reconciliation, excesses: &[Excess]) -> ExitCode {
        if found.overtaken > 0 {
            talk(&format!("{} written by Entra meanwhile, and left out\n", found.overtaken));
        }
        let items = &found.proposal.items;
        if !excesses.is_empty() || items.iter().any(|item| item.problem.is_some()) {
            return ExitCode::from(REFUSED);
        }
        let changes = items.iter().any(|item| !item.steps.is_empty());
        if changes { ExitCode::from(CHANGES) } else { ExitCode::SUCCESS }
    }

    fn print(&self, report: &Report<'_>, done: Option<&settle::Report>) -> anyhow::Result<()> {
        match self.arguments.format {
            Format::Text => print_text(report, done),
            Format::Ldif => print(Ldif(report.proposal).to_string().trim_end()),
            Format::Json => print_json(report, done),
        }
    }
}

/// A word as a shell takes it.
fn quoted(word: &str) -> String {
    let is_plain = |one: char| one.is_ascii_alphanumeric() || "/._-".contains(one);
    if word.chars().all(is_plain) { word.to_owned() } else { format!("'{}'", one_line(word).replace('\'', "'\\''")) }
}

/// Prints a plan, and what has become of it.
pub(super) fn print_text(report: &Report<'_>, done: Option<&settle::Report>) -> anyhow::Result<()> {
    print(Text(*report).to_string().trim_end())?;
    let Some(done) = done else {
        return Ok(());
    };
    for (item, outcome) in report.proposal.items.iter().zip(&done.outcomes) {
        let subject = format!("{} {:?}", item.subject.kind, item.subject.name);
        match outcome {
            Outcome::Done => {}
            Outcome::Overtaken => print(&format!("left: {subject}: Entra has written it meanwhile"))?,
            Outcome::Failed(reason) => print(&format!("failed: {subject}: {}", one_line(reason)))?,
            Outcome::NotTried(reason) => print(&format!("not tried: {subject}: {}", one_line(reason)))?,
        }
    }
    if let Some(run) = done.run {
        let number = run.0;
        print(&format!("done as run {number}; `scimbridge undo {number}` takes it back"))?;
    }
    Ok(())
}

/// Names of others stand in reasons, and are not to move a cursor.
pub(super) fn one_line(text: &str) -> String {
    text.chars().flat_map(|c| if c.is_control() { c.escape_unicode().collect() } else { vec![c] }).collect()
}

pub(super) fn print_json(report: &Report<'_>, done: Option<&settle::Report>) -> anyhow::Result<()> {
    let json = Json { report: *report, made: &present().to_string() };
    let Some(done) = done else {
        return print(json.to_string().trim_end());
    };
    let mut whole = serde_json::to_value(json).context("cannot write the plan as JSON")?;
    if let serde_json::Value::Object(whole) = &mut whole {
        let outcomes: Vec<serde_json::Value> = done.outcomes.iter().map(outcome_as_json).collect();
        whole.insert("outcomes".to_owned(), outcomes.into());
        whole.insert("run".to_owned(), json!(done.run.map(|run| run.0)));
    }
    print(&format!("{whole:#}"))
}

fn outcome_as_json(outcome: &Outcome) -> serde_json::Value {
    match outcome {
        Outcome::Done => json!({"outcome": "done"}),
        Outcome::Overtaken => json!({"outcome": "overtaken"}),
        Outcome::Failed(reason) => json!({"outcome": "failed", "reason": reason}),
        Outcome::NotTried(reason) => json!({"outcome": "not tried", "reason": reason}),
    }
}

pub(super) fn is_failure(outcome: &Outcome) -> bool {
    matches!(outcome, Outcome::Failed(_) | Outcome::NotTried(_))
}

/// Writes the plan where it was not before it is complete, readable by its owner alone: it holds what people are called.
fn write_plan(path: &Path, report: &Report<'_>) -> anyhow::Result<()> {
    if std::fs::metadata(path).is_ok_and(|there| !there.is_file()) {
        bail!("{} is there already and is no file: name another one", path.display());
    }
    let json = Json { report: *report, made: &present().to_string() }.to_string();
    let part = path.with_added_extension("part");
    let write = || -> std::io::Result<()> {
        let mut file = std::fs::OpenOptions::new().create(true).truncate(true).write(true).mode(0o600).open(&part)?;
        file.write_all(json.as_bytes())?;
        file.sync_all()?;
        std::fs::rename(&part, path)
    };
    write().with_context(|| format!("cannot write the plan to {}", path.display()))?;
    talk(&format!("the plan is in {0}; `scimbridge reconcile --plan {0}` does it\n", path.display()));
    Ok(())
}

//! `scimbridge undo`: takes back what a run, or a write of Entra, has changed in the directory.

use std::process::ExitCode;
use std::sync::Arc;

use anyhow::{Context as _, bail};
use clap::Args;

use super::progress::Shown;
use super::reconcile::{
    CHANGES, Format, Limits, REFUSED, bridge, check_there, is_failure, lease, one_line, print_json, print_text,
};
use super::{open_store, print, talk};
use crate::config::Settings;
use crate::directory::Change;
use crate::plan::render::Ldif;
use crate::plan::{Excess, Report, Tally, excesses};
use crate::store::{Ending, Origin, RunFilter, RunId, RunRecord, Standing, Store as _};

/// How many runs are listed.
const LISTED: u32 = 50;

#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// The number of the run; without one the latest are listed
    run: Option<i64>,
    /// Show what would be done, and do nothing
    #[arg(long)]
    dry_run: bool,
    /// text for people, json for programs, ldif for ldapmodify
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
    #[command(flatten)]
    limits: Limits,
}

pub(super) async fn run(arguments: Arguments, settings: Settings) -> anyhow::Result<ExitCode> {
    check_there(&settings)?;
    let store = Arc::new(open_store(&settings).await?);
    let Some(number) = arguments.run else {
        let changed = RunFilter { changed: true, ..RunFilter::default() };
        for run in store.runs(&changed, LISTED).await? {
            let last = store.changes_of(run.id, None, 1).await?.into_iter().next();
            print(&listed(&run, last.map(|(_, noted)| noted.change)))?;
        }
        return Ok(ExitCode::SUCCESS);
    };
    let Some(record) = store.run(RunId(number)).await? else {
        bail!(
            "there is no run {number}, or it is kept no longer (history.keep, reconcile.keep_undo); `scimbridge undo` lists the latest"
        );
    };
    let _lease = if arguments.dry_run { None } else { Some(lease(&store)?) };
    let bridge = bridge(&settings, store)?;
    let undoing = bridge.undoing(record.id).await.context("cannot find out what the run has changed")?;
    let proposal = &undoing.proposal;
    let tally = Tally::of(proposal, settings.groups.as_ref().map(|groups| &groups.placeholder));
    let budgets = arguments.limits.over(&settings.reconcile.budgets);
    let excesses = excesses(&tally, &proposal.census, &budgets);
    let report = Report { proposal, tally: &tally, excesses: &excesses };
    let shown = |done| match arguments.format {
        Format::Text => print_text(&report, done),
        Format::Json => print_json(&report, done),
        Format::Ldif => print(Ldif(proposal).to_string().trim_end()),
    };
    let changes = proposal.items.iter().any(|item| !item.steps.is_empty());
    if !changes {
        let notes = proposal.items.iter().flat_map(|item| &item.notes);
        notes.map(|note| one_line(note)).try_for_each(|note| print(&note))?;
        talk(&format!("of run {number} there is nothing to take back\n"));
        bridge.close().await;
        return Ok(ExitCode::SUCCESS);
    }
    if arguments.dry_run || !excesses.is_empty() {
        shown(None)?;
        bridge.close().await;
        if !excesses.is_empty() {
            talk("nothing is done\n");
            let excesses: Vec<&Excess> = excesses.iter().collect();
            let command = arguments.limits.command_for(&format!("undo {number}"), &excesses);
            talk(&format!("hint: to allow it once: {command}\n"));
            return Ok(ExitCode::from(REFUSED));
        }
        return Ok(ExitCode::from(CHANGES));
    }
    let progress = Shown::new();
    let done = bridge.undo(&undoing, &progress).await;
    progress.clear();
    bridge.close().await;
    let done = done.context("the store does not keep what was taken back")?;
    shown(Some(&done))?;
    talk("what Entra wants comes back with its next push or reconciliation, where it wants something else\n");
    Ok(if done.outcomes.iter().any(is_failure) { ExitCode::from(REFUSED) } else { ExitCode::SUCCESS })
}

/// A run on one line, with the entry that it changed last.
fn listed(run: &RunRecord, last: Option<Change>) -> String {
    let is_pushed = matches!(run.origin, Origin::Push | Origin::Background);
    let outcome = match (run.standing, &run.outcome) {
        (Standing::Ended(Ending::Done), _) if is_pushed => String::new(),
        (Standing::Ended(Ending::Failed), Some(outcome)) if !is_pushed => format!(", {outcome}"),
        (standing, _) => format!(", {}", standing.as_str()),
    };
    let changes = if run.changes == 1 { "1 change".to_owned() } else { format!("{} changes", run.changes) };
    let entry = last.map(|change| format!(" <{}>", one_line(&change.dn().to_string()))).unwrap_or_default();
    let origin = run.origin.as_str();
    format!("{:>6} {} {origin:<10} {changes}{outcome}: {}{entry}", run.id.0, run.started, one_line(&run.what))
}

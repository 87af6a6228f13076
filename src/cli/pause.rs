//! `scimbridge pause` and `scimbridge resume`: while an administrator works, Entra is told to come again later.
//!
//! Not an end of the service: what is under way is finished, and `reconcile` by command works. A running `serve` sees it
//! within a second.

use std::time::{Duration, SystemTime};

use anyhow::bail;
use clap::Args;

use super::{open_store, print};
use crate::config::Settings;
use crate::mapping::Finding;
use crate::store::{Pause, SqliteStore, Store};

#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// When it ends by itself, such as 30m or 2h; without this, when somebody runs `scimbridge resume`
    #[arg(long = "for", value_name = "TIME", value_parser = humantime::parse_duration)]
    length: Option<Duration>,
    /// Why, for those who wonder; Entra's log shows it too
    #[arg(long, value_name = "TEXT")]
    reason: Option<String>,
}

pub(super) async fn pause(arguments: Arguments, settings: Settings) -> anyhow::Result<()> {
    let Arguments { length, reason } = arguments;
    let reason = reason.map(|reason| reason.trim().to_owned()).filter(|reason| !reason.is_empty());
    if reason.iter().any(|reason| reason.chars().any(char::is_control)) {
        bail!("the reason is to be one line");
    }
    let now = clock();
    let time = |time: SystemTime| humantime::format_rfc3339_seconds(time).to_string();
    // A year is longer than anybody remembers it for, and every calendar still has it.
    let longest = Duration::from_secs(366 * 24 * 60 * 60);
    if length.is_some_and(|length| length > longest || length < Duration::from_secs(1)) {
        bail!("a pause is between a second and a year long; without --for it ends with `scimbridge resume`");
    }
    let pause = Pause { since: time(now), until: length.map(|length| time(now + length)), reason };
    let store = open_store(&settings).await?;
    pause.begin(&store).await?;
    print(&format!("paused {pause}"))
}

pub(super) async fn resume(settings: Settings) -> anyhow::Result<()> {
    let store = open_store(&settings).await?;
    let was = Pause::at(&store, clock()).await;
    // What cannot be read is no reason to stay paused.
    Pause::end(&store).await?;
    match was {
        Ok(None) => print("was not paused"),
        _ => print("resumed"),
    }
}

/// The pause that is on.
pub(super) async fn present(store: &dyn Store) -> Result<Option<Pause>, crate::store::Error> {
    Pause::at(store, clock()).await
}

/// What `check` says of it. No store is made for that.
pub(super) async fn finding(settings: &Settings) -> Option<Finding> {
    if !SqliteStore::is_there(&settings.store_url) {
        return None;
    }
    let store = open_store(settings).await.ok()?;
    let pause = present(&store).await.ok()??;
    let detail = format!("scimbridge is paused since {} {pause}: Entra is told to come again later", pause.since);
    Some(Finding::warning(detail, "`scimbridge resume` ends it"))
}

#[expect(clippy::disallowed_methods, reason = "a command is run at a time")]
fn clock() -> SystemTime {
    SystemTime::now()
}

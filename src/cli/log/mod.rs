//! `scimbridge log`: what was done, for whom, and what became of it.

mod render;

pub(super) use render::{as_json, write_text};

use std::collections::BTreeSet;
use std::io::Write as _;
use std::time::Duration;

use anyhow::{Context as _, bail};
use clap::Args;

use super::reconcile::check_there;
use super::{Format, identity, open_store, rules, talk};
use crate::config::Settings;
use crate::directory::{AttributeName, Dn};
use crate::scim::Kind;
use crate::store::{LoggedChange, Origin, RunFilter, RunId, RunRecord, SqliteStore, Standing, Store as _};

/// How often it is looked for new writes.
const POLL: Duration = Duration::from_millis(500);
/// How many changes of a run are shown to people, and among how many those of one entry are looked for.
const CHANGES_SHOWN: u32 = 20;
const CHANGES_LOOKED_AT: u32 = 10_000;

#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// Those of a user: by userName, one of old too, id or externalId
    #[arg(long, value_name = "NAME|ID", conflicts_with = "group")]
    user: Option<String>,
    /// Those of a group: by displayName byte for byte, one of old too, id or externalId
    #[arg(long, value_name = "NAME|ID")]
    group: Option<String>,
    /// Those that changed the entry of that name, or gave an entry that name
    #[arg(long, value_name = "DN")]
    dn: Option<Dn>,
    /// Those that did not end well: refused, put off, failed, cut off
    #[arg(long)]
    failed: bool,
    /// Those since then: an age such as 2d or 3h, a date (from midnight, UTC) or a time (RFC 3339)
    #[arg(long, value_name = "TIME", value_parser = since)]
    since: Option<String>,
    /// Those that came with that token
    #[arg(long, value_name = "NAME")]
    token: Option<String>,
    /// Those of that origin: push, background, reconcile or undo
    #[arg(long, value_parser = origin)]
    origin: Option<Origin>,
    /// Those of one request, by its X-Request-Id; a bulk request has several
    #[arg(long, value_name = "ID")]
    request: Option<String>,
    /// How many of the latest are shown
    #[arg(long, value_name = "N", default_value_t = 50)]
    limit: u32,
    /// Goes on with those that come, until SIGINT
    #[arg(long)]
    follow: bool,
    /// text for people, times in UTC; json for programs, one object a line
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
}

pub(super) async fn run(arguments: Arguments, settings: Settings) -> anyhow::Result<()> {
    check_there(&settings)?;
    let store = open_store(&settings).await?;
    let told = Told { filter: filter(&arguments, &settings, &store).await?, store, settings, arguments };
    // Looked at first: what ends meanwhile is shown rather than missed.
    let seen = if told.arguments.follow { Some(told.seen().await?) } else { None };
    let mut runs = told.store.runs(&told.filter, told.arguments.limit).await?;
    runs.reverse();
    let passes = |run: &RunRecord| run.standing != Standing::UnderWay || (seen.is_none() && !told.arguments.failed);
    runs.retain(passes);
    for run in &runs {
        if told.show(run).await? == Reader::Gone {
            return Ok(());
        }
    }
    let Some(seen) = seen else {
        if runs.is_empty() {
            talk("nothing of that kind was written, or it is kept no longer (history.keep, history.max_size)\n");
        }
        return Ok(());
    };
    let shown: Vec<RunId> = runs.iter().map(|run| run.id).collect();
    tokio::select! {
        followed = told.follow(seen, shown) => followed,
        interrupted = tokio::signal::ctrl_c() => interrupted.context("cannot listen for SIGINT"),
    }
}

async fn filter(arguments: &Arguments, settings: &Settings, store: &SqliteStore) -> anyhow::Result<RunFilter> {
    let who = match (&arguments.user, &arguments.group) {
        (Some(user), _) => Some((Kind::User, user)),
        (None, Some(group)) => Some((Kind::Group, group)),
        (None, None) => None,
    };
    let subject = match who {
        Some((kind, text)) => Some(identity::remembered(store, &rules(settings).index(kind), kind, text).await?),
        None => None,
    };
    if arguments.dn.as_ref().is_some_and(|dn| dn.rdn().is_none()) {
        bail!("--dn is empty: name an entry");
    }
    Ok(RunFilter {
        subject,
        dn: arguments.dn.clone(),
        troubled: arguments.failed,
        since: arguments.since.clone(),
        token: arguments.token.clone(),
        origin: arguments.origin,
        request: arguments.request.clone(),
        ..RunFilter::default()
    })
}

fn origin(text: &str) -> Result<Origin, String> {
    Origin::named(text).ok_or_else(|| "it is none of push, background, reconcile, undo".to_owned())
}

/// The time that is meant, as the store writes times.
fn since(text: &str) -> Result<String, String> {
    if let Ok(age) = humantime::parse_duration(text) {
        // Before all time there is nothing to leave out.
        return Ok(super::retention::ago(age).unwrap_or_default());
    }
    let date = format!("{text}T00:00:00Z");
    let time = text.parse::<jiff::Timestamp>().or_else(|_| date.parse::<jiff::Timestamp>());
    match time {
        Ok(time) => Ok(humantime::format_rfc3339_millis(time.into()).to_string()),
        Err(_) => Err("it is no age such as 2d, no date such as 2026-01-31, and no time such as \
                       2026-01-31T08:00:00Z"
            .to_owned()),
    }
}

/// Whether anybody still reads what is printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Reader {
    Reads,
    Gone,
}

/// What is not to be shown again: all up to a number, and these.
struct Seen {
    done_to: RunId,
    ended: BTreeSet<RunId>,
}

/// A log that is told.
struct Told {
    filter: RunFilter,
    store: SqliteStore,
    settings: Settings,
    arguments: Arguments,
}

impl Told {
    /// What there is now.
    async fn seen(&self) -> anyhow::Result<Seen> {
        let done_to = self.done_to().await?;
        let after = RunFilter { after: Some(done_to), ..RunFilter::default() };
        let runs = self.store.runs(&after, u32::MAX).await?;
        let ended = runs.iter().filter(|run| run.standing != Standing::UnderWay).map(|run| run.id).collect();
        Ok(Seen { done_to, ended })
    }

    /// Up to which number none goes on.
    async fn done_to(&self) -> anyhow::Result<RunId> {
        let latest = self.store.runs(&RunFilter::default(), 1).await?.first().map_or(RunId(0), |run| run.id);
        let open = self.store.runs(&RunFilter { open: true, ..RunFilter::default() }, u32::MAX).await?;
        let going_on = open.iter().filter(|run| run.standing == Standing::UnderWay);
        // One that has begun since is later than the latest.
        Ok(going_on.map(|run| RunId(run.id.0 - 1)).min().map_or(latest, |before| before.min(latest)))
    }

    /// Shows what ends from now on.
    async fn follow(&self, seen: Seen, shown: Vec<RunId>) -> anyhow::Result<()> {
        let Seen { mut done_to, mut ended } = seen;
        ended.extend(shown);
        loop {
            tokio::time::sleep(POLL).await;
            let next = self.done_to().await?;
            let filter = RunFilter { after: Some(done_to), ..self.filter.clone() };
            let mut runs = self.store.runs(&filter, u32::MAX).await?;
            runs.reverse();
            for run in runs.iter().filter(|run| run.standing != Standing::UnderWay) {
                if ended.insert(run.id) && self.show(run).await? == Reader::Gone {
                    return Ok(());
                }
            }
            done_to = next.max(done_to);
            ended.retain(|id| *id > done_to);
        }
    }

    async fn show(&self, run: &RunRecord) -> anyhow::Result<Reader> {
        let hide = &self.settings.history.hide;
        let text = match self.arguments.format {
            Format::Json => as_json(run, &self.changes(run, u32::MAX).await?, hide).to_string(),
            Format::Text => {
                let changes = self.changes(run, CHANGES_SHOWN).await?;
                let mut text = String::new();
                write_text(&mut text, run, &changes, hide);
                text.trim_end().to_owned()
            }
        };
        let mut stdout = std::io::stdout().lock();
        match writeln!(stdout, "{text}").and_then(|()| stdout.flush()) {
            Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => Ok(Reader::Gone),
            written => written.context("cannot write to stdout").map(|()| Reader::Reads),
        }
    }

    /// The changes of a run that were asked for: of many, those of the entry or the resource.
    async fn changes(&self, run: &RunRecord, limit: u32) -> anyhow::Result<Vec<LoggedChange>> {
        let only = self.filter.subject.as_ref().and_then(|subject| match subject.ids.as_slice() {
            [id] if run.about.is_none() => Some(id),
            _ => None,
        });
        let Some(dn) = self.filter.dn.as_ref().filter(|_| run.changes > u64::from(limit)) else {
            return Ok(self.store.logged_changes(run.id, only, limit).await?);
        };
        let mut changes = self.store.logged_changes(run.id, only, CHANGES_LOOKED_AT).await?;
        changes.retain(|change| change.noted.change.reach().any(|reached| reached == *dn));
        Ok(changes)
    }
}

/// The attributes that are not shown.
type Hidden = BTreeSet<AttributeName>;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_an_age_a_date_or_a_moment() {
        assert_eq!(since("2026-01-31").unwrap(), "2026-01-31T00:00:00.000Z");
        assert_eq!(since("2026-01-31T09:30:00+01:00").unwrap(), "2026-01-31T08:30:00.000Z");
        assert!(since("2h").unwrap() > since("3h").unwrap());
        assert_eq!(since("9000years").unwrap(), "");
        for text in ["", "yesterday", "2026-13-01", "2026-01-31 08"] {
            assert!(since(text).is_err(), "{text:?}");
        }
    }
}

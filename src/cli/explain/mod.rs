//! `scimbridge explain`: all that there is to know of one user, group or entry, on one page.
//!
//! Changes nothing, takes no lease, and may run beside anything.

mod render;

use std::process::ExitCode;
use std::sync::Arc;

use anyhow::Context as _;
use clap::Args;
use serde_json::{Value as Json, json};

use super::log::{as_json, write_text};
use super::reconcile::{bridge, check_there, one_line};
use super::{Format, identity, open_store, print, talk};
use crate::config::Settings;
use crate::directory::{Dn, Value};
use crate::plan::hidden::shown;
use crate::scim::{Kind, ResourceId, resource};
use crate::settle::{Bridge, Error, Explanation, Found};
use crate::store::{LoggedChange, RunFilter, RunRecord, RunSubject, SqliteStore, Store as _};

/// How many of the latest writes are told, and how many changes of each.
const EVENTS: u32 = 10;
const CHANGES_SHOWN: u32 = 20;

#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// A userName, a displayName byte for byte, an id, an externalId, or the DN of an entry
    #[arg(value_name = "USER|GROUP|DN")]
    who: String,
    /// text for people, json for programs
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
}

/// What is told.
struct Page {
    explanation: Option<Explanation>,
    events: Vec<(RunRecord, Vec<LoggedChange>)>,
}

pub(super) async fn run(arguments: Arguments, settings: Settings) -> anyhow::Result<ExitCode> {
    check_there(&settings)?;
    let store = Arc::new(open_store(&settings).await?);
    let bridge = bridge(&settings, store.clone())?;
    let page = page(&arguments.who, &settings, &store, &bridge).await;
    bridge.close().await;
    let Some(mut page) = page? else {
        return Ok(ExitCode::FAILURE);
    };
    page.hide(&settings);
    match arguments.format {
        Format::Json => print(&page.as_json(&settings).to_string())?,
        Format::Text => print(page.as_text(&arguments.who, &settings).trim_end())?,
    }
    let is_away = page.explanation.as_ref().is_some_and(|found| matches!(found.found, Found::Unknown(_)));
    if is_away {
        talk("the directory does not answer: what it holds is not told\n");
    }
    Ok(if is_away { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

/// `None`: there is nobody, or there are several, and that is said.
async fn page(who: &str, settings: &Settings, store: &SqliteStore, bridge: &Bridge) -> anyhow::Result<Option<Page>> {
    let rules = super::rules(settings);
    let mut meant = Vec::new();
    for kind in [Kind::User, Kind::Group] {
        meant.extend(identity::meant(store, &rules.index(kind), kind, who).await?);
    }
    match meant.as_slice() {
        [id] => return of_resource(id, store, bridge).await.map(Some),
        [] => {}
        several => {
            tell_apart(who, several, store).await?;
            return Ok(None);
        }
    }
    if let Some(dn) = who.parse::<Dn>().ok().filter(|dn| dn.rdn().is_some())
        && let Some(page) = of_entry(&dn, store, bridge).await?
    {
        return Ok(Some(page));
    }
    for kind in [Kind::User, Kind::Group] {
        let subject = identity::remembered(store, &rules.index(kind), kind, who).await?;
        let events = events(store, subject, None).await?;
        if !events.is_empty() {
            return Ok(Some(Page { explanation: None, events }));
        }
    }
    talk(&format!("nobody here is or was called {who:?}, and there is no such entry\n"));
    Ok(None)
}

async fn of_resource(id: &ResourceId, store: &SqliteStore, bridge: &Bridge) -> anyhow::Result<Page> {
    let explanation = bridge.explain(id).await.context("cannot read what is wanted")?;
    let subject = RunSubject { ids: vec![id.clone()], name: None };
    Ok(Page { explanation, events: events(store, subject, Some(id)).await? })
}

/// What is known of an entry; `None` when there is none, and never was.
async fn of_entry(dn: &Dn, store: &SqliteStore, bridge: &Bridge) -> anyhow::Result<Option<Page>> {
    let named = RunFilter { dn: Some(dn.clone()), ..RunFilter::default() };
    let found = bridge.explain_entry(dn).await;
    let explanation = match found {
        Ok(explanation) => match &explanation.resource {
            Some(resource) => return of_resource(&ResourceId(resource.id.clone()), store, bridge).await.map(Some),
            None => Some(explanation),
        },
        Err(Error::NoEntry(_)) => None,
        Err(error) => {
            // Whose it was when it was last changed can be told without the directory.
            let latest = store.runs(&named, 1).await?;
            let whose = match latest.first() {
                Some(run) => store.logged_changes(run.id, None, CHANGES_SHOWN).await?,
                None => Vec::new(),
            };
            let whose = whose.into_iter().filter(|change| change.noted.change.reach().any(|reached| reached == *dn));
            match whose.filter_map(|change| change.noted.resource).next() {
                Some(id) => return of_resource(&id, store, bridge).await.map(Some),
                None => return Err(anyhow::Error::new(error).context(format!("cannot look at {dn}"))),
            }
        }
    };
    let mut told = Vec::new();
    for run in store.runs(&named, EVENTS).await? {
        let changes = store.logged_changes(run.id, None, CHANGES_SHOWN).await?;
        told.push((run, changes));
    }
    told.reverse();
    Ok((explanation.is_some() || !told.is_empty()).then_some(Page { explanation, events: told }))
}

/// The latest writes of somebody, the latest last. Of those that were about many, what was done for this one.
async fn events(
    store: &SqliteStore,
    subject: RunSubject,
    alone: Option<&ResourceId>,
) -> anyhow::Result<Vec<(RunRecord, Vec<LoggedChange>)>> {
    let filter = RunFilter { subject: Some(subject), ..RunFilter::default() };
    let mut events = Vec::new();
    for run in store.runs(&filter, EVENTS).await? {
        let only = alone.filter(|_| run.about.is_none());
        let changes = store.logged_changes(run.id, only, CHANGES_SHOWN).await?;
        events.push((run, changes));
    }
    events.reverse();
    Ok(events)
}

async fn tell_apart(who: &str, several: &[ResourceId], store: &SqliteStore) -> anyhow::Result<()> {
    talk(&format!("{} are called {who:?}; name one of them by its id:\n", several.len()));
    for id in several {
        let Some(state) = store.state(id).await? else { continue };
        let external_id = state.desired().and_then(|document| resource::text(document, "externalId"));
        let external_id = external_id.map(|text| format!(", externalId {text:?}")).unwrap_or_default();
        let dn = state.link.map(|link| format!(", <{}>", link.dn)).unwrap_or_default();
        talk(&format!("  {}\n", one_line(&format!("{} {id}{external_id}{dn}", state.kind))));
    }
    Ok(())
}

impl Page {
    /// Hides the values that the settings want hidden.
    fn hide(&mut self, settings: &Settings) {
        let Some(explanation) = &mut self.explanation else {
            return;
        };
        let hide = &settings.history.hide;
        for row in &mut explanation.attributes {
            row.wanted = shown(&row.attribute, &row.wanted, hide);
            row.held = row.held.as_ref().map(|held: &Vec<Value>| shown(&row.attribute, held, hide));
        }
        for (name, values) in &mut explanation.unmapped {
            *values = shown(name, values, hide);
        }
    }

    fn as_json(&self, settings: &Settings) -> Json {
        let hide = &settings.history.hide;
        let events: Vec<Json> = self.events.iter().map(|(run, changes)| as_json(run, changes, hide)).collect();
        json!({"explanation": self.explanation, "events": events})
    }

    fn as_text(&self, who: &str, settings: &Settings) -> String {
        let mut text = match &self.explanation {
            Some(explanation) => render::Text(explanation).to_string(),
            None => format!("{who:?} is gone: this is what is told of it\n"),
        };
        text.push_str(if self.events.is_empty() { "log: nothing is kept\n" } else { "log:\n" });
        for (run, changes) in &self.events {
            let mut event = String::new();
            write_text(&mut event, run, changes, &settings.history.hide);
            event.lines().for_each(|line| text.push_str(&format!("  {line}\n")));
        }
        text
    }
}

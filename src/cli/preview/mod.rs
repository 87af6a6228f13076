//! `scimbridge preview`: what a request would come to, without sending it.
//!
//! Nothing is written, neither in the store nor in the directory. Exit codes: 0 it would be done, 1 it would be refused or
//! cannot be told, 64 not understood.

mod input;
mod scratch;
mod shown;

use std::process::ExitCode;
use std::sync::Arc;

use anyhow::{Context as _, bail};
use clap::{Args, ValueEnum};
use serde_json::Value;

use self::input::{Body, Input};
use self::scratch::Scratch;
use self::shown::Shown;
use super::reconcile::{Format, bridge, one_line};
use super::{USAGE, open_store, talk};
use crate::config::Settings;
use crate::http::Failure;
use crate::scim::index::{Condition, fold_case};
use crate::scim::{self, AttributePath, Document, Draft, Kind, Patch, ResourceId, ScimType};
use crate::settle::{self, Preview, Rules, Write, sketch};
use crate::store::{SqliteStore, Store};

#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// A SCIM user, group or PATCH body in JSON; - for standard input
    file: String,
    /// What the file is about, where it does not say so
    #[arg(long, value_enum)]
    kind: Option<Named>,
    /// Whom a PATCH changes: an id, a userName, or the name of a group. With a whole resource: who becomes that
    #[arg(long, value_name = "ID|NAME")]
    of: Option<String>,
    /// Do not ask the directory: show what the map makes of it, as if nothing were there that Entra did not put there
    #[arg(long)]
    offline: bool,
    /// ldif for ldapmodify, json for programs, text for people
    #[arg(long, value_enum, default_value_t = Format::Ldif)]
    format: Format,
}

/// A kind of resource, as it is typed.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum Named {
    User,
    Group,
}

impl Named {
    fn kind(self) -> Kind {
        match self {
            Named::User => Kind::User,
            Named::Group => Kind::Group,
        }
    }
}

pub(super) async fn run(arguments: Arguments, settings: Settings) -> anyhow::Result<ExitCode> {
    let body = match Input::read(&arguments.file)? {
        Input::Json(body) => body,
        Input::Malformed(error) => {
            let detail = format!("the body is not JSON: {error}");
            let error = scim::Error::new(ScimType::InvalidSyntax, detail);
            return refuse(&arguments, &Failure::Scim(error), None);
        }
    };
    let store = match SqliteStore::is_there(&settings.store_url) {
        true => Some(Arc::new(open_store(&settings).await?)),
        false => None,
    };
    let rules = super::rules(&settings);
    let named = arguments.kind.map(Named::kind);
    let read = Body::of(&body);
    let target = match (&arguments.of, &store) {
        (None, _) if read == Body::Patch => {
            talk("error: a PATCH changes somebody: say whom, with --of ID, userName or the name of a group\n");
            return Ok(ExitCode::from(USAGE));
        }
        (None, _) => None,
        (Some(whom), None) => bail!("there is no store at {}, and so nobody called {whom:?}", settings.store_url),
        (Some(whom), Some(store)) => Some(find(&rules, store.as_ref(), named, whom).await?),
    };
    let kind = named.or(target.as_ref().map(|(kind, ..)| *kind)).or(read.kind());
    let Some(kind) = kind else {
        talk("error: the file does not say what it is, by schemas: say --kind user or --kind group\n");
        return Ok(ExitCode::from(USAGE));
    };
    if let Some(failure) = switched_off(&settings, kind, target.is_some()) {
        return refuse(&arguments, &failure, None);
    }
    let (id, before) = match target {
        Some((_, id, before)) => (Some(id), before),
        None => (None, Document::new()),
    };
    let write = match read_write(&rules, kind, id, &body, read) {
        Ok(write) => write,
        Err(error) => return refuse(&arguments, &Failure::Scim(error), None),
    };
    let after = write.apply(&before).map(|patched| patched.document);
    let previewed = Request { settings: &settings, rules: &rules, kind, write: &write }.ask(&arguments, store).await;
    let after = after.unwrap_or_else(|_| before.clone());
    let shown = match previewed {
        Ok(Preview { refusal: Some(error), .. }) | Err(error) => {
            if error.is_outage() {
                return Err(error).context("cannot tell what it would come to");
            }
            let failure = Failure::Write(error);
            let shown = Shown::refused(&rules, kind, &before, &after, &failure);
            return refuse(&arguments, &failure, Some(shown));
        }
        Ok(preview) => Shown::of(&rules, kind, &before, &after, preview.item),
    };
    let is_possible = shown.item.problem.is_none();
    shown.print(arguments.format)?;
    Ok(if is_possible { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// A request that is understood.
struct Request<'a> {
    settings: &'a Settings,
    rules: &'a Rules,
    kind: Kind,
    write: &'a Write,
}

impl Request<'_> {
    /// Asks the directory, if it can be asked; else the map alone.
    async fn ask(&self, arguments: &Arguments, store: Option<Arc<SqliteStore>>) -> Result<Preview, settle::Error> {
        if !arguments.offline {
            match self.rehearse(store.clone()).await {
                Ok(Err(error)) if error.is_outage() => talk(&format!(
                    "{}\nhint: what follows is what the map makes of it, before a directory that is as Entra wanted it; \
                     --offline does not ask\n",
                    causes(&error)
                )),
                Ok(told) => return told,
                Err(error) => talk(&format!("the directory is not asked: {error:#}\n")),
            }
        }
        let store = store.as_deref().map(|store| store as &dyn Store);
        sketch(self.rules, store, self.kind, self.write).await
    }

    async fn rehearse(&self, store: Option<Arc<SqliteStore>>) -> anyhow::Result<Result<Preview, settle::Error>> {
        // Before the first token is made there is no store, and nobody in it.
        let (store, _scratch) = match store {
            Some(store) => (store, None),
            None => {
                let scratch = Scratch::new()?;
                (Arc::new(SqliteStore::open(&scratch.url()).await?), Some(scratch))
            }
        };
        let bridge = bridge(self.settings, store)?;
        let told = bridge.preview(self.kind, self.write.clone()).await;
        bridge.close().await;
        Ok(told)
    }
}

/// The resource of that id or name, with what is wanted of it.
async fn find(
    rules: &Rules,
    store: &SqliteStore,
    kind: Option<Kind>,
    whom: &str,
) -> anyhow::Result<(Kind, ResourceId, Document)> {
    let id = ResourceId(whom.to_ascii_lowercase());
    let mut found: Vec<ResourceId> = Vec::new();
    if store.state(&id).await?.is_some() {
        found.push(id);
    } else {
        found.extend(store.claimant(&fold_case(whom)).await?);
        let index = rules.index(Kind::Group);
        let name = AttributePath::parse(index.schema(), "displayName")?;
        let groups = store.find(Kind::Group, &Condition::Equals(index.entry(&name, whom)), 0, u32::MAX).await?;
        found.extend(groups.resources.into_iter().map(|group| group.id));
    }
    let mut states = Vec::new();
    for id in found {
        let state = store.state(&id).await?;
        states.extend(state.filter(|state| kind.is_none_or(|kind| state.kind == kind)));
    }
    match states.as_slice() {
        [] => bail!("there is no user and no group with the id or the name {whom:?}"),
        [state] => Ok((state.kind, state.id.clone(), state.desired().cloned().unwrap_or_default())),
        several => {
            let told: Vec<String> = several.iter().map(|state| format!("{} {}", state.kind, state.id)).collect();
            bail!("several are called {whom:?}: {}; name one of them by its id", told.join(", "))
        }
    }
}

fn read_write(
    rules: &Rules,
    kind: Kind,
    id: Option<ResourceId>,
    body: &Value,
    read: Body,
) -> Result<Write, scim::Error> {
    let index = rules.index(kind);
    match (id, read) {
        (Some(id), Body::Patch) => Ok(Write::Patch(id, Patch::read(index.schema(), body)?)),
        (Some(id), Body::Resource(_)) => Ok(Write::Replace(id, Draft::read(index.schema(), body)?)),
        (None, _) => Ok(Write::Create(Draft::read(index.schema(), body)?)),
    }
}

/// What the operator has switched off.
fn switched_off(settings: &Settings, kind: Kind, is_there: bool) -> Option<Failure> {
    if kind == Kind::Group && settings.groups.is_none() {
        return Some(Failure::NoSuchPath(format!("/{}", kind.endpoint())));
    }
    let actions = match kind {
        Kind::User => settings.user_actions,
        Kind::Group => settings.group_actions,
    };
    let (allowed, name) = if is_there { (actions.update, "update") } else { (actions.create, "create") };
    let setting = format!("{}.{name}", kind.endpoint().to_lowercase());
    (!allowed).then(|| Failure::SwitchedOff { setting, allow: String::new() })
}

/// Says what Entra would hear.
fn refuse(arguments: &Arguments, failure: &Failure, shown: Option<Shown>) -> anyhow::Result<ExitCode> {
    let body = failure.body();
    let told = |name: &str| body.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
    let words = [told("status"), told("scimType")].join(" ");
    talk(&format!("refused: Entra would hear {}: {}\n", words.trim_end(), told("detail")));
    if let Failure::Write(error) = failure
        && body.get("scimType").is_none()
    {
        talk(&format!("  because: {}\n", causes(error)));
    }
    shown.unwrap_or_else(|| Shown::unread(&arguments.file, failure)).print(arguments.format)?;
    Ok(ExitCode::FAILURE)
}

/// An error with its cause, on one line; what is behind that, the cause tells itself.
fn causes(error: &settle::Error) -> String {
    let cause = std::error::Error::source(error).map(|cause| format!(": {cause}")).unwrap_or_default();
    one_line(&format!("{error}{cause}"))
}

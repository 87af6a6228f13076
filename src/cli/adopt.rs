//! `scimbridge adopt`: what of the directory becomes resources before Entra's first write.

use std::sync::Arc;

use anyhow::{Context as _, bail};
use clap::{Args, ValueEnum};
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use super::{Format, open_directory, open_store, print, talk};
use crate::config::Settings;
use crate::directory::Dn;
use crate::ldap::Fault;
use crate::scim::Kind;
use crate::settle::{Bridge, Error, Scope, Sighting, Standing};
use crate::store::{self, Store as _};

#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// Say what would be adopted, and change nothing; may run beside `serve`
    #[arg(long)]
    dry_run: bool,
    /// Look at users or groups alone
    #[arg(long, value_enum)]
    only: Option<Only>,
    /// text for people, json for programs
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Only {
    Users,
    Groups,
}

/// What is printed of the matched ones.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mode {
    DryRun,
    Adopt,
}

impl Mode {
    fn word(self) -> &'static str {
        match self {
            Mode::DryRun => "matched",
            Mode::Adopt => "adopted",
        }
    }
}

pub(super) async fn run(arguments: Arguments, settings: Settings) -> anyhow::Result<()> {
    let scope = match arguments.only {
        None => Scope::Everything,
        Some(Only::Users) => Scope::Only(Kind::User),
        Some(Only::Groups) => Scope::Only(Kind::Group),
    };
    if scope == Scope::Only(Kind::Group) && settings.groups.is_none() {
        bail!("groups are switched off: groups.enabled = false");
    }
    let mode = if arguments.dry_run { Mode::DryRun } else { Mode::Adopt };
    let sightings = sightings(&settings, scope, mode).await?;
    match arguments.format {
        Format::Json => print(&as_json(&sightings, mode).to_string())?,
        Format::Text => {
            sightings.iter().try_for_each(|sighting| print(&as_text(sighting, mode)))?;
            counts(&sightings, mode).iter().try_for_each(|line| print(line))?;
        }
    }
    if mode == Mode::DryRun {
        talk("nothing is changed; without --dry-run the matched ones are adopted\n");
    }
    Ok(())
}

async fn sightings(settings: &Settings, scope: Scope, mode: Mode) -> anyhow::Result<Vec<Sighting>> {
    let store = Arc::new(open_store(settings).await?);
    let _alone = match mode {
        Mode::DryRun => None,
        Mode::Adopt => match store.take() {
            Err(store::Error::Taken { .. }) => bail!(
                "`scimbridge serve` uses the store {}: stop it, adopt, and start it again (--dry-run may run beside it)",
                settings.store_url
            ),
            taken => Some(taken?),
        },
    };
    let rules = super::rules(settings);
    if mode == Mode::Adopt {
        // What is there already is found as what comes.
        store.reindex(&[(Kind::User, &rules.index(Kind::User)), (Kind::Group, &rules.index(Kind::Group))]).await?;
    }
    let directory = open_directory(settings)?;
    let bridge = Bridge::new(store, directory, rules, settings.ldap.timeout, CancellationToken::new());
    let sightings = look(&bridge, scope, mode).await;
    bridge.close().await;
    sightings
}

/// Adopts what there is before a reconciliation, and tells how much that was.
pub(super) async fn everything(settings: &Settings) -> anyhow::Result<()> {
    let sightings = sightings(settings, Scope::Everything, Mode::Adopt).await?;
    counts(&sightings, Mode::Adopt).iter().for_each(|line| talk(&format!("{line}\n")));
    Ok(())
}

/// Looks at the directory, and adopts unless that is all that is wanted.
async fn look(bridge: &Bridge, scope: Scope, mode: Mode) -> anyhow::Result<Vec<Sighting>> {
    let survey = match bridge.survey(scope).await {
        Err(Error::Directory(error)) if error.fault() == Fault::Truncated => {
            return Err(error).context(
                "the directory does not show all entries: raise the limit of what it shows to ldap.bind_dn \
                 (OpenLDAP: limits … size.prtotal=unlimited)",
            );
        }
        surveyed => surveyed.context("cannot look at what the directory has")?,
    };
    match mode {
        Mode::DryRun => Ok(survey.sightings),
        Mode::Adopt => bridge.adopt(survey).await.context("cannot keep what is adopted; run the command again"),
    }
}

/// The entry on one line, what is to be done with it.
fn as_text(sighting: &Sighting, mode: Mode) -> String {
    let start = |word: &str| format!("{word:<9} {:<5} {}", sighting.kind.as_str().to_lowercase(), named(&sighting.dn));
    match &sighting.standing {
        Standing::Matched(matched) => {
            let mut text = format!("{}: {:?}", start(mode.word()), matched.name);
            if sighting.kind == Kind::Group {
                text.push_str(&format!(", {}", plural(matched.members, "member")));
            }
            if matched.strangers > 0 {
                text.push_str(&format!(", {} nobody's here", are(matched.strangers)));
            }
            if !matched.differences.is_empty() {
                text.push_str(&format!("; with its first change: {}", matched.differences.join(", ")));
            }
            text
        }
        Standing::Ambiguous { by, others } => {
            let others: Vec<String> = others.iter().map(named).collect();
            let text = format!("{}: {by} is that of {} too", start("ambiguous"), others.join(" and "));
            format!("{text}; do: {}", remedy(sighting.kind))
        }
        Standing::Unmatched(reason) => format!("{}: {reason}", start("unmatched")),
        Standing::Linked(ids) => {
            let ids: Vec<&str> = ids.iter().map(|id| id.as_str()).collect();
            format!("{}: {}", start("linked"), ids.join(", "))
        }
        Standing::Taken { name, by, at } => {
            let at = at.as_ref().map_or_else(|| "which has no entry yet".to_owned(), |dn| format!("at {}", named(dn)));
            format!("{}: {name:?} is the name of {by}, {at}", start("taken"))
        }
    }
}

fn remedy(kind: Kind) -> &'static str {
    match kind {
        Kind::User => "give each its own value, or delete those that nobody uses",
        Kind::Group => "rename or delete all but one",
    }
}

/// Quoted: a DN may begin with a quote of its own, and end in a space.
fn named(dn: &Dn) -> String {
    format!("<{dn}>")
}

fn plural(number: usize, noun: &str) -> String {
    if number == 1 { format!("1 {noun}") } else { format!("{number} {noun}s") }
}

fn are(number: usize) -> String {
    if number == 1 { "1 member is".to_owned() } else { format!("{number} members are") }
}

const WORDS: [&str; 5] = ["matched", "ambiguous", "unmatched", "linked", "taken"];

fn word(standing: &Standing) -> &'static str {
    match standing {
        Standing::Matched(_) => "matched",
        Standing::Ambiguous { .. } => "ambiguous",
        Standing::Unmatched(_) => "unmatched",
        Standing::Linked(_) => "linked",
        Standing::Taken { .. } => "taken",
    }
}

/// What the word says after the fact.
fn said(word: &'static str, mode: Mode) -> &'static str {
    if word == "matched" { mode.word() } else { word }
}

fn count(sightings: &[Sighting], kind: Kind, wanted: &str) -> usize {
    let is_one = |sighting: &&Sighting| sighting.kind == kind && word(&sighting.standing) == wanted;
    sightings.iter().filter(is_one).count()
}

fn strangers(sightings: &[Sighting]) -> usize {
    let of =
        |sighting: &Sighting| if let Standing::Matched(matched) = &sighting.standing { matched.strangers } else { 0 };
    sightings.iter().map(of).sum()
}

fn counts(sightings: &[Sighting], mode: Mode) -> Vec<String> {
    let line = |kind: Kind| {
        let counted = |wanted: &&'static str| format!("{} {}", count(sightings, kind, wanted), said(wanted, mode));
        format!("{}: {}", kind.endpoint().to_lowercase(), WORDS.iter().map(counted).collect::<Vec<String>>().join(", "))
    };
    let seen = |kind: &Kind| sightings.iter().any(|sighting| sighting.kind == *kind);
    let mut lines: Vec<String> = [Kind::User, Kind::Group].into_iter().filter(seen).map(line).collect();
    let strangers = strangers(sightings);
    if strangers > 0 {
        lines.push(format!("{} nobody's here, and left as they are", are(strangers)));
    }
    lines
}

fn as_json(sightings: &[Sighting], mode: Mode) -> Value {
    let counted = |kind: Kind| -> Value {
        let counts = WORDS.iter().map(|wanted| (said(wanted, mode).to_owned(), json!(count(sightings, kind, wanted))));
        Value::Object(counts.collect())
    };
    json!({
        "entries": sightings.iter().map(|sighting| entry_as_json(sighting, mode)).collect::<Vec<Value>>(),
        "users": counted(Kind::User),
        "groups": counted(Kind::Group),
        "strangers": strangers(sightings),
    })
}

fn entry_as_json(sighting: &Sighting, mode: Mode) -> Value {
    let standing = said(word(&sighting.standing), mode);
    let mut entry = json!({"kind": sighting.kind.as_str(), "dn": sighting.dn.to_string(), "standing": standing});
    let said = match &sighting.standing {
        Standing::Matched(matched) => {
            let mut said = json!({"name": matched.name, "differences": matched.differences});
            if let Value::Object(said) = &mut said {
                let id = (mode == Mode::Adopt).then(|| ("id", json!(matched.id.as_str())));
                let members = [("members", json!(matched.members)), ("strangers", json!(matched.strangers))];
                let members = members.into_iter().filter(|_| sighting.kind == Kind::Group);
                said.extend(id.into_iter().chain(members).map(|(name, value)| (name.to_owned(), value)));
            }
            said
        }
        Standing::Ambiguous { by, others } => {
            let others: Vec<String> = others.iter().map(Dn::to_string).collect();
            json!({"by": by, "others": others, "remedy": remedy(sighting.kind)})
        }
        Standing::Unmatched(reason) => json!({"reason": reason}),
        Standing::Linked(ids) => json!({"ids": ids.iter().map(|id| id.as_str()).collect::<Vec<&str>>()}),
        Standing::Taken { name, by, at } => {
            json!({"name": name, "by": by.as_str(), "at": at.as_ref().map(Dn::to_string)})
        }
    };
    if let (Value::Object(entry), Value::Object(said)) = (&mut entry, said) {
        entry.extend(said);
    }
    entry
}

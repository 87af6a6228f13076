//! What the commands for tokens and for clients have in common: make, list, rotate, revoke.

use anyhow::{Context as _, anyhow, bail};
use clap::Args;
use jiff::Timestamp;
use serde_json::{Map, Value, json};

use super::expiry::{Expiry, rfc3339, until};
use super::{Format, print, talk};
use crate::scim::{Scope, Scopes};
use crate::store::{
    self, Credential, CredentialKind, NewCredential, NewSecret, Secret, SqliteStore, Store as _, new_token, token_hash,
};

/// How others than tokens are called in the record of runs.
const RESERVED: [&str; 4] = ["auth.token", "client ", "entra ", "issuer "];

#[derive(Debug, Args)]
pub(super) struct Whom {
    /// What to call it, such as entra-2026
    name: String,
    /// What it may do, again for each: users:read, users:write, groups:read, groups:write; who may write may read. All
    /// when none is given
    #[arg(long, value_name = "SCOPE")]
    scope: Vec<Scope>,
}

impl Whom {
    /// Somebody who may do everything.
    pub(super) fn named(name: &str) -> Whom {
        Whom { name: name.to_owned(), scope: Vec::new() }
    }
}

#[derive(Debug, Args)]
pub(super) struct List {
    /// text for people, json for programs
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
}

#[derive(Debug, Args)]
pub(super) struct Rotation {
    /// What it is called
    name: String,
    /// How long the one before is good for yet, at most; the one before that is refused at once
    #[arg(long, value_name = "LENGTH", default_value = "7d", value_parser = humantime::parse_duration)]
    keep: std::time::Duration,
    /// When the new one ends; as long as the one before had, when nothing is said
    #[arg(long, value_name = "WHEN")]
    expires: Option<Expiry>,
}

/// What was made, to be shown this once.
pub(super) struct Made {
    pub(super) client_id: Option<String>,
    pub(super) secret: String,
}

pub(super) async fn create(
    store: &SqliteStore,
    kind: CredentialKind,
    whom: Whom,
    expires: Expiry,
) -> anyhow::Result<Made> {
    let name = whom.name;
    if name.trim().is_empty() || name.chars().any(char::is_control) {
        bail!("a {kind} needs a name that can be read, such as entra-2026");
    }
    if RESERVED.into_iter().any(|reserved| name.starts_with(reserved)) {
        bail!("a {kind} cannot be called {name:?}: so the record of what was done calls others");
    }
    let scopes = if whom.scope.is_empty() { Scopes::all() } else { whom.scope.into_iter().collect() };
    let client_id = match kind {
        CredentialKind::Client => Some(random()?.chars().take(22).collect()),
        CredentialKind::Token => None,
    };
    let now = clock();
    let expires = expires.time(now).map_err(|error| anyhow!(error))?;
    let (secret, kept) = new_secret(now, expires.clone())?;
    let credential = NewCredential { kind, name: name.clone(), client_id: client_id.clone(), scopes: scopes.clone() };
    match store.add_credential(&credential, &kept).await {
        Err(store::Error::Taken { .. }) => {
            bail!("there is a {kind} named {name} already; choose another name, rotate it, or revoke it first")
        }
        other => other?,
    }
    talk(&format!("{name} may {scopes}; it is good {}\n", good_until(expires.as_deref(), now)));
    Ok(Made { client_id, secret })
}

pub(super) async fn rotate(store: &SqliteStore, kind: CredentialKind, rotation: &Rotation) -> anyhow::Result<Made> {
    let name = &rotation.name;
    let Some(known) = named(store, kind, name).await? else {
        bail!("there is no {kind} named {name}; `scimbridge {kind} list` shows those there are");
    };
    let now = clock();
    let expires = match rotation.expires {
        Some(expires) => expires,
        None => length_of(&known.current).map_or(Expiry::Never, Expiry::After),
    };
    let expires = expires.time(now).map_err(|error| anyhow!(error))?;
    let (secret, kept) = new_secret(now, expires.clone())?;
    let old_until = now.checked_add(rotation.keep).context("--keep is too long")?;
    if !store.rotate_credential(kind, name, &kept, &rfc3339(old_until)).await? {
        bail!("there is no {kind} named {name} any longer");
    }
    let old_until = known.expires().map_or(rfc3339(old_until), |expires| rfc3339(old_until).min(expires.to_owned()));
    talk(&format!(
        "{name} is good {}; what it was before is good {}\n",
        good_until(expires.as_deref(), now),
        good_until(Some(&old_until), now)
    ));
    Ok(Made { client_id: known.client_id, secret })
}

pub(super) async fn revoke(store: &SqliteStore, kind: CredentialKind, name: &str) -> anyhow::Result<()> {
    if !store.remove_credential(kind, name).await? {
        bail!("there is no {kind} named {name}; `scimbridge {kind} list` shows those there are");
    }
    Ok(())
}

pub(super) async fn list(store: &SqliteStore, kind: CredentialKind, list: &List) -> anyhow::Result<()> {
    let known: Vec<Credential> = all(store, kind).await?;
    match list.format {
        Format::Json => print(&Value::from(known.iter().map(as_json).collect::<Vec<Value>>()).to_string()),
        Format::Text if known.is_empty() => {
            talk(&format!("there are no {kind}s; `scimbridge {kind} create NAME` makes one\n"));
            Ok(())
        }
        Format::Text => {
            let now = clock();
            let head = ["NAME", "SCOPES", "MADE", "EXPIRES", "LAST USED", "FROM"].map(str::to_owned);
            let rows = known.iter().flat_map(|credential| rows(credential, now));
            table(&std::iter::once(head).chain(rows).collect::<Vec<_>>()).iter().try_for_each(|line| print(line))
        }
    }
}

async fn all(store: &SqliteStore, kind: CredentialKind) -> anyhow::Result<Vec<Credential>> {
    Ok(store.credentials().await?.into_iter().filter(|credential| credential.kind == kind).collect())
}

async fn named(store: &SqliteStore, kind: CredentialKind, name: &str) -> anyhow::Result<Option<Credential>> {
    Ok(all(store, kind).await?.into_iter().find(|credential| credential.name == name))
}

fn random() -> anyhow::Result<String> {
    new_token().context("the system has no randomness to give")
}

fn new_secret(now: Timestamp, expires: Option<String>) -> anyhow::Result<(String, NewSecret)> {
    let secret = random()?;
    let kept = NewSecret { hash: token_hash(&secret), created: rfc3339(now), expires };
    Ok((secret, kept))
}

/// For how long a secret was made; `None`: for ever.
fn length_of(secret: &Secret) -> Option<std::time::Duration> {
    let (made, ends) = (secret.created.parse::<Timestamp>().ok()?, secret.expires.as_ref()?.parse::<Timestamp>().ok()?);
    ends.duration_since(made).try_into().ok()
}

/// A day, and how far off it is.
fn good_until(expires: Option<&str>, now: Timestamp) -> String {
    match expires.map(|time| (time, time.parse::<Timestamp>())) {
        None => "for ever".to_owned(),
        Some((text, Err(_))) => format!("until {text}"),
        Some((_, Ok(time))) if time <= now => "no longer".to_owned(),
        Some((_, Ok(time))) => format!("until {} ({})", minute(time), until(time, now)),
    }
}

fn minute(time: Timestamp) -> String {
    time.strftime("%Y-%m-%d %H:%MZ").to_string()
}

/// One for the secret that counts, and one for that which it replaces.
fn rows(credential: &Credential, now: Timestamp) -> Vec<[String; 6]> {
    let scopes = if credential.scopes == Scopes::all() { "all".to_owned() } else { credential.scopes.to_string() };
    let shown = |time: &str| time.parse().map_or(time.to_owned(), minute);
    let row = |name: String, scopes: String, secret: &Secret| {
        let expires = match secret.expires.as_ref().map(|time| (time, time.parse::<Timestamp>())) {
            None => "never".to_owned(),
            Some((text, Err(_))) => text.clone(),
            Some((_, Ok(time))) => format!("{} ({})", minute(time), until(time, now)),
        };
        let (used, from) = secret.used.clone().unwrap_or_else(|| ("never".to_owned(), String::new()));
        [name, scopes, shown(&secret.created), expires, shown(&used), from]
    };
    let mut rows = vec![row(credential.name.clone(), scopes, &credential.current)];
    rows.extend(credential.replaced.iter().map(|old| row("  the one before".to_owned(), String::new(), old)));
    rows
}

/// Lines with the columns below each other.
fn table(rows: &[[String; 6]]) -> Vec<String> {
    let width = |column: usize| {
        let cells = rows.iter().filter_map(|row| row.get(column));
        cells.map(|cell| cell.chars().count()).max().unwrap_or_default()
    };
    let line = |row: &[String; 6]| {
        let cells = row.iter().enumerate().map(|(column, cell)| format!("{cell:<width$}", width = width(column)));
        cells.collect::<Vec<String>>().join("  ").trim_end().to_owned()
    };
    rows.iter().map(line).collect()
}

fn as_json(credential: &Credential) -> Value {
    let secret = |secret: &Secret| {
        let used = secret.used.as_ref();
        Map::from_iter([
            ("created".to_owned(), json!(secret.created)),
            ("expires".to_owned(), json!(secret.expires)),
            ("last_used".to_owned(), json!(used.map(|(time, _)| time))),
            ("last_used_from".to_owned(), json!(used.map(|(_, address)| address))),
        ])
    };
    let scopes = credential.scopes.to_string();
    let mut shown = Map::new();
    shown.insert("name".to_owned(), json!(credential.name));
    shown.extend(credential.client_id.as_ref().map(|id| ("client_id".to_owned(), json!(id))));
    shown.insert("scopes".to_owned(), scopes.split(' ').collect());
    shown.extend(secret(&credential.current));
    shown.extend(credential.replaced.as_ref().map(|old| ("before".to_owned(), Value::from(secret(old)))));
    Value::from(shown)
}

#[expect(clippy::disallowed_methods, reason = "a command is run at a time")]
pub(super) fn clock() -> Timestamp {
    Timestamp::try_from(std::time::SystemTime::now()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_tells_what_ends_when_and_who_was_there() {
        let secret = |created: &str, expires: Option<&str>, used: Option<(&str, &str)>| Secret {
            created: created.to_owned(),
            expires: expires.map(str::to_owned),
            used: used.map(|(time, address)| (time.to_owned(), address.to_owned())),
        };
        let now = "2026-10-01T00:00:00.000Z";
        let rotated = Credential {
            kind: CredentialKind::Token,
            name: "entra".to_owned(),
            client_id: None,
            scopes: Scopes::all(),
            created: "2026-01-01T08:30:00.000Z".to_owned(),
            current: secret(now, Some("2027-01-01T00:00:00.000Z"), None),
            replaced: Some(secret(
                "2026-01-01T08:30:00.000Z",
                Some("2026-10-08T00:00:00.000Z"),
                Some(("2026-09-30T23:59:00.000Z", "192.0.2.1")),
            )),
        };
        let reader = Credential {
            name: "audit".to_owned(),
            scopes: "users:read groups:read".parse().unwrap(),
            current: secret(now, None, None),
            replaced: None,
            ..rotated.clone()
        };
        let now = now.parse().unwrap();
        let all: Vec<[String; 6]> =
            [&rotated, &reader].into_iter().flat_map(|credential| rows(credential, now)).collect();
        insta::assert_snapshot!(table(&all).join("\n"), @r"
        entra             all                     2026-10-01 00:00Z  2027-01-01 00:00Z (in 92 days)  never
          the one before                          2026-01-01 08:30Z  2026-10-08 00:00Z (in 7 days)   2026-09-30 23:59Z  192.0.2.1
        audit             users:read groups:read  2026-10-01 00:00Z  never                           never
        ");
    }
}

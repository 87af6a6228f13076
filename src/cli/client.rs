//! `scimbridge client`: clients that ask for access tokens with an id and a secret (RFC 6749 §4.4).

use anyhow::Context as _;
use clap::Subcommand;
use serde_json::json;

use super::credential::{self, List, Made, Rotation, Whom};
use super::expiry::Expiry;
use super::{Format, open_store, print};
use crate::config::Settings;
use crate::http::TOKEN_ENDPOINT;
use crate::store::CredentialKind::Client;

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Make a client and print its id, its secret and where it asks for access tokens; the secret is shown this once and
    /// kept as a hash
    Create {
        #[command(flatten)]
        whom: Whom,
        /// When the secret ends: a length such as 90d, a date such as 2027-01-01, or never
        #[arg(long, value_name = "WHEN", default_value = "2y")]
        expires: Expiry,
        /// text for people, json for programs
        #[arg(long, value_enum, default_value_t = Format::Text)]
        format: Format,
    },
    /// List the clients: what each may do, when its secret ends, when and from where it was last used
    List(List),
    /// Make another secret and print it like the first; the one before is good for a while yet
    Rotate {
        #[command(flatten)]
        rotation: Rotation,
        /// text for people, json for programs
        #[arg(long, value_enum, default_value_t = Format::Text)]
        format: Format,
    },
    /// Revoke a client; it and the access tokens that it was given are refused from the next request on
    Revoke {
        /// What it is called
        name: String,
    },
}

pub(super) async fn run(command: Command, settings: Settings) -> anyhow::Result<()> {
    let store = open_store(&settings).await?;
    match command {
        Command::Create { whom, expires, format } => {
            show(&credential::create(&store, Client, whom, expires).await?, format, &settings)
        }
        Command::List(list) => credential::list(&store, Client, &list).await,
        Command::Rotate { rotation, format } => {
            show(&credential::rotate(&store, Client, &rotation).await?, format, &settings)
        }
        Command::Revoke { name } => credential::revoke(&store, Client, &name).await,
    }
}

fn show(made: &Made, format: Format, settings: &Settings) -> anyhow::Result<()> {
    let id = made.client_id.as_deref().unwrap_or_default();
    // At the root of the listener, wherever SCIM is.
    let base = url::Url::parse(&settings.server.base_url).context("server.base_url is no URL")?;
    let endpoint = base.join(TOKEN_ENDPOINT).context("server.base_url is no URL")?;
    match format {
        Format::Json => {
            let all = json!({"client_id": id, "client_secret": made.secret, "token_endpoint": endpoint.as_str()});
            print(&all.to_string())
        }
        Format::Text => {
            print(&format!("client id       {id}\nclient secret   {}\ntoken endpoint  {endpoint}", made.secret))
        }
    }
}

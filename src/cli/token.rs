//! `scimbridge token`: the tokens that clients authenticate with.

use clap::Subcommand;

use super::credential::{self, List, Rotation, Whom};
use super::expiry::Expiry;
use super::{open_store, print};
use crate::config::Settings;
use crate::store::CredentialKind::Token;
use crate::store::SqliteStore;

/// How long a token is good that nobody says otherwise of.
const A_YEAR: &str = "1y";

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Make a token and print it, alone on stdout; it is shown this once and kept as a hash
    Create {
        #[command(flatten)]
        whom: Whom,
        /// When it ends: a length such as 90d, a date such as 2027-01-01, or never
        #[arg(long, value_name = "WHEN", default_value = A_YEAR)]
        expires: Expiry,
    },
    /// List the tokens: what each may do, when it ends, when and from where it was last used
    List(List),
    /// Make another token under the same name and print it, alone on stdout; the one before is good for a while yet
    Rotate(Rotation),
    /// Revoke a token; it is refused from the next request on
    Revoke {
        /// What it is called
        name: String,
    },
}

pub(super) async fn run(command: Command, settings: Settings) -> anyhow::Result<()> {
    let store = open_store(&settings).await?;
    match command {
        Command::Create { whom, expires } => {
            let made = credential::create(&store, Token, whom, expires).await?;
            print(&made.secret)
        }
        Command::List(list) => credential::list(&store, Token, &list).await,
        Command::Rotate(rotation) => {
            let made = credential::rotate(&store, Token, &rotation).await?;
            print(&made.secret)
        }
        Command::Revoke { name } => credential::revoke(&store, Token, &name).await,
    }
}

/// Makes a token of that name that may do everything, for a year.
pub(super) async fn make(store: &SqliteStore, name: &str) -> anyhow::Result<String> {
    let expires = A_YEAR.parse().map_err(anyhow::Error::msg)?;
    Ok(credential::create(store, Token, Whom::named(name), expires).await?.secret)
}

//! `scimbridge token`: the tokens that clients authenticate with.

use std::time::SystemTime;

use anyhow::{Context as _, bail};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use clap::Subcommand;

use super::{open_store, print};
use crate::config::Settings;
use crate::store::{self, Store as _, TokenRecord, token_hash};

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Make a token and print it, alone on stdout; it is shown this once and kept as a hash
    Create {
        /// What to call it, such as entra-2026
        name: String,
    },
    /// List the tokens by name, with the time each was made
    List,
    /// Revoke a token; it is refused from the next request on
    Revoke {
        /// What it is called
        name: String,
    },
}

pub(super) async fn run(command: Command, settings: Settings) -> anyhow::Result<()> {
    let store = open_store(&settings).await?;
    match command {
        Command::Create { name } => {
            if name.trim().is_empty() || name.chars().any(char::is_control) {
                bail!("a token needs a name that can be read, such as entra-2026");
            }
            let token = new_token()?;
            #[expect(clippy::disallowed_methods, reason = "a command is run at a time")]
            let created = humantime::format_rfc3339_seconds(SystemTime::now()).to_string();
            let record = TokenRecord { name: name.clone(), created };
            match store.add_token(&record, &token_hash(&token)).await {
                Err(store::Error::Taken { .. }) => {
                    bail!("there is a token named {name} already; choose another name, or revoke it first")
                }
                other => other?,
            }
            print(&token)
        }
        Command::List => {
            for token in store.tokens().await? {
                print(&format!("{}\t{}", token.name, token.created))?;
            }
            Ok(())
        }
        Command::Revoke { name } => {
            if !store.remove_token(&name).await? {
                bail!("there is no token named {name}; `scimbridge token list` shows those there are");
            }
            Ok(())
        }
    }
}

/// 256 random bits as 43 characters: Entra keeps tokens in little space.
fn new_token() -> anyhow::Result<String> {
    let mut bytes = [0; 32];
    getrandom::fill(&mut bytes).context("the system has no randomness to give")?;
    Ok(URL_SAFE_NO_PAD.encode(bytes))
}

//! The token that a new installation begins with, for whoever reads the log of the first start: `serve --first-token`.
//!
//! Invariant: it is made once in the life of a store, and never where there was a token already. Whoever revokes it
//! means it.

use super::{print, token};
use crate::config::Settings;
use crate::store::{SqliteStore, Store as _};

/// Makes it and prints it where there is no token, neither in the store nor in the settings, and this was never done.
pub(super) async fn offer(name: &str, settings: &Settings, store: &SqliteStore) -> anyhow::Result<()> {
    if settings.extra_token.is_some() || !store.claim_first_token().await? {
        return Ok(());
    }
    let made = token::make(store, name).await?;
    print(&format!(
        "\nThe first token, which is Entra's Secret Token, is shown this once and kept as a hash:\n\n    {made}\n\n\
         Its name is {name}. `scimbridge token` makes others and revokes this one.\n"
    ))
}

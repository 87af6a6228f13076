//! `scimbridge check`: whether the settings can be used.

use clap::Args;

use super::{print, talk};
use crate::config::Settings;

#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// Look at the settings alone: nothing is connected to, no file is made
    #[arg(long = "config-only", required = true)]
    _config_only: bool,
}

/// Settings that cannot be used have been complained about before this runs.
pub(super) fn run(settings: &Settings) -> anyhow::Result<()> {
    for warning in &settings.warnings {
        talk(&format!("warning: {warning}\n"));
    }
    print("the configuration can be used")
}

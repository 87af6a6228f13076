//! `scimbridge check`: whether the settings can be used.

use clap::Args;

use super::print;
use crate::config::Settings;

#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// Look at the settings alone: nothing is connected to, no file is made
    #[arg(long, required = true)]
    config_only: bool,
}

/// Settings that cannot be used have been complained about before this runs.
pub(super) fn run(arguments: &Arguments, settings: &Settings) -> anyhow::Result<()> {
    if arguments.config_only {
        for warning in &settings.warnings {
            print(&format!("warning: {warning}"))?;
        }
        print("the configuration can be used")?;
    }
    Ok(())
}

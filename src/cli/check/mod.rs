//! `scimbridge check`: whether the settings can be used, and whether the directory takes what they say.
//!
//! Each theme has a file of its own and gathers all that it finds. Invariant: without `--probe` nothing is changed; what
//! would be written is only asked about.

mod alike;
mod certificate;
mod connection;
mod database;
mod policy;
mod probe;
mod rights;
mod schema;
mod server;
mod tokens;

use std::process::ExitCode;

use clap::Args;
use serde_json::{Value, json};

use super::{Format, open_directory, pause, print, talk};
use crate::config::Settings;
use crate::directory::Dn;
use crate::ldap::{self, Directory};
use crate::mapping::{Finding, Severity};

/// The command that asks by writing.
const PROBE: &str = "`scimbridge check --probe`";

#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// Look at the settings alone: nothing is connected to, no file is made
    #[arg(long)]
    config_only: bool,
    /// Prove that who is disabled is not let in: write a throwaway user and group below the bases, bind as that user,
    /// disable and enable it, and delete both again
    #[arg(long, conflicts_with = "config_only")]
    probe: bool,
    /// text for people, json for programs
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
}

/// Settings that cannot be used have been complained about before this runs. Fails when there is an error among the
/// findings.
pub(super) async fn run(arguments: Arguments, settings: Settings) -> anyhow::Result<ExitCode> {
    let mut findings: Vec<Finding> =
        settings.warnings.iter().map(|warning| Finding::warning(warning, "see the comments of the example")).collect();
    findings.extend(certificate::finding(&settings));
    if !arguments.config_only {
        findings.extend(tokens::findings(&settings).await);
        findings.extend(pause::finding(&settings).await);
        let (unusable, servers) = connection::findings(&settings).await;
        findings.extend(unusable);
        if let Some((first, others)) = servers.split_first() {
            findings.extend(in_directory(&settings, &first.directory).await);
            if arguments.probe {
                // What the probe asks need not be called unasked.
                findings.retain(|finding| !finding.remedy.contains(PROBE));
                findings.extend(probe::findings(&settings, &first.directory).await);
            }
            for other in others {
                findings.extend(alike::findings(&settings, first, other).await);
            }
        }
        for server in servers {
            server.directory.close().await;
        }
    }
    findings.sort();
    findings.dedup();
    match arguments.format {
        Format::Json => print(&Value::from(findings.iter().map(as_json).collect::<Vec<Value>>()).to_string())?,
        Format::Text => findings.iter().try_for_each(|finding| print(&as_text(finding)))?,
    }
    let errors = findings.iter().filter(|finding| finding.severity == Severity::Error).count();
    let what = if arguments.config_only { "the configuration" } else { "the configuration with this directory" };
    match (errors, arguments.format) {
        (0, Format::Text) => print(&format!("{what} can be used"))?,
        (0, Format::Json) => {}
        (1, _) => talk(&format!("{what} has one error\n")),
        (several, _) => talk(&format!("{what} has {several} errors\n")),
    }
    Ok(if errors == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// What is to be done may have lines of its own, such as LDIF.
fn as_text(finding: &Finding) -> String {
    format!("{}: {}\n  do: {}", finding.severity, finding.detail, finding.remedy.replace('\n', "\n      "))
}

fn as_json(finding: &Finding) -> Value {
    json!({"severity": finding.severity.to_string(), "detail": finding.detail, "remedy": finding.remedy})
}

async fn in_directory(settings: &Settings, directory: &Directory) -> Vec<Finding> {
    let profile = match directory.profile().await {
        Ok(profile) => profile,
        Err(error) => return vec![unanswered("the root DSE and the schema", &error)],
    };
    let mut findings = schema::findings(settings, directory, &profile).await;
    let server = match server::Advertised::read(directory).await {
        Ok(server) => server,
        Err(error) => {
            findings.push(unanswered("the root DSE", &error));
            server::Advertised::default()
        }
    };
    findings.extend(server.findings(settings, &profile));
    findings.push(server::grouping(settings, directory).await);
    findings.extend(server::size_limit(settings, directory).await);
    findings.extend(database::findings(settings, directory, &profile, &server).await);
    findings.extend(policy::findings(settings, directory, &profile, &server).await);
    findings.extend(rights::findings(settings, directory).await);
    findings
}

/// The bases that scimbridge writes below, with the settings that name them.
fn bases(settings: &Settings) -> Vec<(&'static str, &Dn)> {
    let groups = settings.groups.as_ref().map(|groups| ("groups.base_dn", &groups.base_dn));
    let disabled = settings.users.disable.move_to.as_ref().map(|branch| ("users.disable.move_to", branch));
    std::iter::once(("users.base_dn", &settings.users.base_dn)).chain(disabled).chain(groups).collect()
}

/// The server did not answer a question, for a reason that is not the question's.
fn unanswered(question: &str, error: &ldap::Error) -> Finding {
    Finding::error(
        format!("the directory does not tell: {question}: {}", with_causes(error)),
        "see what the server's log says of it",
    )
}

fn with_causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(source) = cause {
        let more = source.to_string();
        // The LDAP library's errors repeat their sources.
        if !text.ends_with(&more) {
            text.push_str(&format!(": {more}"));
        }
        cause = source.source();
    }
    text
}

//! `scimbridge check`: whether the settings can be used, and whether the directory takes what they say.

use std::process::ExitCode;

use clap::Args;
use serde_json::{Value, json};

use super::{Format, open_directory, print, talk};
use crate::config::Settings;
use crate::directory::Dn;
use crate::ldap::Directory;
use crate::mapping::{Finding, Severity, fitness};

#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// Look at the settings alone: nothing is connected to, no file is made
    #[arg(long)]
    config_only: bool,
    /// text for people, json for programs
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
}

/// Settings that cannot be used have been complained about before this runs. Fails when there is an error among the
/// findings.
pub(super) async fn run(arguments: Arguments, settings: Settings) -> anyhow::Result<ExitCode> {
    let mut findings: Vec<Finding> =
        settings.warnings.iter().map(|warning| Finding::warning(warning, "see the comments of the example")).collect();
    if !arguments.config_only {
        let directory = open_directory(&settings)?;
        findings.extend(in_directory(&settings, &directory).await);
        directory.close().await;
    }
    findings.sort();
    match arguments.format {
        Format::Json => print(&Value::from(findings.iter().map(as_json).collect::<Vec<Value>>()).to_string())?,
        Format::Text => findings.iter().try_for_each(|finding| {
            print(&format!("{}: {}\n  do: {}", finding.severity, finding.detail, finding.remedy))
        })?,
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

fn as_json(finding: &Finding) -> Value {
    json!({"severity": finding.severity.to_string(), "detail": finding.detail, "remedy": finding.remedy})
}

async fn in_directory(settings: &Settings, directory: &Directory) -> Vec<Finding> {
    let profile = match directory.profile().await {
        Ok(profile) => profile,
        Err(error) => {
            return vec![Finding::error(
                format!("the directory cannot be used: {}", with_causes(&error)),
                "see that ldap.urls, ldap.bind_dn and ldap.bind_password are right, and that the server runs",
            )];
        }
    };
    let schema = &profile.schema;
    let users = &settings.users;
    let mut findings = base(directory, "users.base_dn", &users.base_dn).await;
    findings.extend(fitness::findings("users", &users.attributes, &users.object_classes, &[], schema));
    let lock = profile.flavor.lock.attribute();
    if users.disable.lock && !schema.knows_attribute(&lock) {
        findings.push(Finding::error(
            format!("users.disable.lock: the directory has no attribute {lock}, so nobody can be locked out"),
            "load the overlay ppolicy into the server, with a default policy that has pwdLockout: TRUE",
        ));
    }
    if let Some(groups) = &settings.groups {
        findings.extend(base(directory, "groups.base_dn", &groups.base_dn).await);
        let members: Vec<_> = groups.members.iter().map(|rule| &rule.attribute).collect();
        findings.extend(fitness::findings("groups", &groups.attributes, &groups.object_classes, &members, schema));
    }
    findings
}

/// Whether the base is there and can be seen, with what identifies an entry.
async fn base(directory: &Directory, setting: &str, base: &Dn) -> Vec<Finding> {
    match directory.read(base, &[]).await {
        Ok(Some(entry)) if entry.anchor(directory.anchor()).is_some() => Vec::new(),
        Ok(Some(_)) => vec![Finding::error(
            format!("{setting}: the entry {base} does not show the attribute {}", directory.anchor()),
            "let ldap.bind_dn read it, or name the attribute that identifies entries on this server in ldap.anchor",
        )],
        Ok(None) => vec![Finding::error(
            format!("{setting}: the directory has no entry {base}, or does not show it to ldap.bind_dn"),
            "correct the DN, add the entry, or give ldap.bind_dn the right to see it",
        )],
        Err(error) => vec![Finding::error(
            format!("{setting}: {base} cannot be read: {}", with_causes(&error)),
            "see what the server's log says of it",
        )],
    }
}

fn with_causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(source) = cause {
        text.push_str(&format!(": {source}"));
        cause = source.source();
    }
    text
}

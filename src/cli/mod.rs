//! What an operator can ask.
//!
//! stdout is data, stderr is talk. Exit codes: 0 done, 1 failed, 64 not understood (EX_USAGE of sysexits); `reconcile`
//! and `undo` have 2 and 3 of their own.

mod adopt;
mod auth;
mod check;
mod client;
mod credential;
mod ending;
mod entra;
mod expiry;
mod explain;
mod first_token;
mod groups;
mod health;
mod identity;
mod log;
mod pause;
mod preview;
mod progress;
mod reconcile;
mod retention;
mod schedule;
mod serve;
mod supervisor;
mod token;
mod undo;

use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context as _;
use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::config::{self, Settings};
use crate::ldap::{self, Directory};
use crate::settle::Rules;
use crate::store::SqliteStore;

/// Makes an LDAP directory agree with Microsoft Entra ID, which pushes users and groups over SCIM 2.0.
///
/// Start with a copy of config.example.toml. Then: `scimbridge check --config-only` says whether it can be
/// used, `scimbridge token create entra` prints the token that Entra is given as Secret Token, and
/// `scimbridge serve` answers under the Tenant URL, which is server.base_url.
#[derive(Debug, Parser)]
#[command(name = "scimbridge", version, after_help = AFTER_HELP)]
struct Arguments {
    #[command(flatten)]
    global: Global,
    #[command(subcommand)]
    command: Command,
}

/// What was asked is not understood: never the code by which a dry run says that there is something to do.
const USAGE: u8 = 64;

const AFTER_HELP: &str = "\
Every key of the configuration can be set by a variable too, and that wins over the file:
ldap.bind_password is SCIMBRIDGE__LDAP__BIND_PASSWORD, or SCIMBRIDGE__LDAP__BIND_PASSWORD_FILE.";

#[derive(Debug, Args)]
struct Global {
    /// The configuration file
    #[arg(long, global = true, value_name = "FILE", default_value = "scimbridge.toml")]
    config: PathBuf,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Answer Entra's requests until SIGTERM or SIGINT; what is under way then is finished
    Serve(serve::Arguments),
    /// Ask the service that runs on this machine whether it is well; for container engines and supervisors
    Health(health::Arguments),
    /// Make resources of the users and groups that the directory has already, before Entra's first write; the directory
    /// is not changed
    Adopt(adopt::Arguments),
    /// Show what of the directory is not as Entra wants it, and repair it; may run beside `serve`
    Reconcile(reconcile::Arguments),
    /// Take back what a reconciliation or a write of Entra has changed in the directory
    Undo(undo::Arguments),
    /// Tell what was done, for whom, and what became of it
    Log(log::Arguments),
    /// Tell all that there is to know of one user, group or entry
    Explain(explain::Arguments),
    /// Print what the administrator types in the Entra admin center, for this configuration
    Entra(entra::Arguments),
    /// Show what a request of Entra's would come to, and why; nothing is written
    Preview(preview::Arguments),
    /// Make, list, rotate and revoke the tokens that clients authenticate with
    #[command(subcommand)]
    Token(token::Command),
    /// The same for clients that ask for access tokens with an id and a secret (OAuth2 client credentials)
    #[command(subcommand)]
    Client(client::Command),
    /// Look at the groups of the directory and of scimbridge
    #[command(subcommand)]
    Groups(groups::Command),
    /// Tell Entra to come again later, while somebody works on the directory or the store; takes effect in a running
    /// `serve` within a second
    Pause(pause::Arguments),
    /// End a pause
    Resume,
    /// Say whether the settings can be used, and whether the directory takes what they say
    Check(check::Arguments),
}

/// How a finding is printed.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum Format {
    /// For people.
    Text,
    /// For programs.
    Json,
}

/// Runs the program.
pub fn main() -> ExitCode {
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(misunderstood) => {
            // There is nowhere left to say that nothing can be said.
            _ = misunderstood.print();
            return if misunderstood.use_stderr() { ExitCode::from(USAGE) } else { ExitCode::SUCCESS };
        }
    };
    match run(arguments) {
        Ok(code) => code,
        Err(error) => {
            complain(&error);
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: Arguments) -> anyhow::Result<ExitCode> {
    let settings = config::load(&arguments.global.config)?;
    match arguments.command {
        Command::Check(arguments) => return in_runtime(check::run(arguments, settings)),
        Command::Preview(arguments) => return in_runtime(preview::run(arguments, settings)),
        Command::Reconcile(arguments) => return in_runtime(reconcile::run(arguments, settings)),
        Command::Undo(arguments) => return in_runtime(undo::run(arguments, settings)),
        Command::Explain(arguments) => return in_runtime(explain::run(arguments, settings)),
        Command::Log(arguments) => in_runtime(log::run(arguments, settings)),
        Command::Entra(arguments) => entra::run(&arguments, &settings),
        Command::Health(arguments) => return health::run(arguments, &settings),
        Command::Serve(arguments) => in_runtime(serve::run(arguments, settings)),
        Command::Adopt(arguments) => in_runtime(adopt::run(arguments, settings)),
        Command::Groups(command) => in_runtime(groups::run(command, settings)),
        Command::Pause(arguments) => in_runtime(pause::pause(arguments, settings)),
        Command::Resume => in_runtime(pause::resume(settings)),
        Command::Token(command) => in_runtime(token::run(command, settings)),
        Command::Client(command) => in_runtime(client::run(command, settings)),
    }
    .map(|()| ExitCode::SUCCESS)
}

fn in_runtime<T>(command: impl Future<Output = anyhow::Result<T>>) -> anyhow::Result<T> {
    let runtime = tokio::runtime::Runtime::new().context("cannot start the runtime")?;
    runtime.block_on(command)
}

/// The maps of both kinds.
fn rules(settings: &Settings) -> Rules {
    Rules {
        users: settings.users.clone(),
        groups: settings.groups.clone(),
        references: settings.ldap.references.clone(),
    }
}

async fn open_store(settings: &Settings) -> anyhow::Result<SqliteStore> {
    Ok(SqliteStore::open(&settings.store_url).await?)
}

fn open_directory(settings: &Settings) -> anyhow::Result<Directory> {
    let ldap = &settings.ldap;
    let reached = ldap::Settings {
        urls: ldap.urls.clone(),
        start_tls: ldap.start_tls,
        ca_pem: ldap.ca_pem.clone(),
        insecure_skip_tls_verify: ldap.insecure_skip_tls_verify,
        bind_dn: ldap.bind_dn.to_string(),
        bind_password: ldap.bind_password.clone(),
        connections: ldap.connections,
        timeout: ldap.timeout,
        transactions: ldap.transactions,
    };
    Ok(Directory::new(reached, ldap.anchor.clone())?)
}

/// Prints a line of data.
fn print(line: &str) -> anyhow::Result<()> {
    let mut stdout = std::io::stdout().lock();
    match writeln!(stdout, "{line}").and_then(|()| stdout.flush()) {
        // Whoever reads has read enough, as `head` does.
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => Ok(()),
        written => written.context("cannot write to stdout"),
    }
}

/// Prints an error with its causes, and a hint on a line of its own.
fn complain(error: &anyhow::Error) {
    let mut text = format!("error: {error}\n");
    for cause in error.chain().skip(1) {
        text.push_str(&format!("  because: {cause}\n"));
    }
    if let Some(config::Error::Read { source, .. }) = error.downcast_ref()
        && source.kind() == std::io::ErrorKind::NotFound
    {
        text.push_str("hint: name the file with --config FILE; config.example.toml is a documented start\n");
    }
    talk(&text);
}

/// Prints what is for people.
fn talk(text: &str) {
    // There is nowhere left to say that stderr cannot be written to.
    _ = std::io::stderr().write_all(text.as_bytes());
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_arguments_are_consistent() {
        Arguments::command().debug_assert();
    }
}

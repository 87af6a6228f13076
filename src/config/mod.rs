//! What an operator decided: read, checked as a whole, and turned into the types that the program uses.
//!
//! Precedence: defaults, then the file, then `SCIMBRIDGE__SECTION__KEY` variables. Invariant: once the file can
//! be read and its values have the right types, every problem is reported at once, with its key.

mod auth;
mod history;
mod keys;
mod map;
mod password;
mod raw;
mod reach;
mod reconcile;
mod schedule;
mod server;
mod settings;

pub use auth::{Auth, Issuer, KeySource, NamedBy};
pub use history::History;
pub use reconcile::Reconcile;
pub use schedule::Schedule;
pub use server::{Server, TlsFiles};
pub use settings::{Actions, Ldap, Log, LogFormat, Settings};

use std::path::{Path, PathBuf};

use ::config::{Config, Environment, File, FileFormat};

/// The prefix of the environment variables that set keys.
const PREFIX: &str = "SCIMBRIDGE";

/// Why there are no settings.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The file cannot be read.
    #[error("cannot read the configuration file {}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What went wrong.
        #[source]
        source: std::io::Error,
    },
    /// The file or a variable has no meaning at all.
    #[error("cannot make sense of the configuration file {} and the variables", path.display())]
    Parse {
        /// The file.
        path: PathBuf,
        /// What went wrong.
        #[source]
        source: ::config::ConfigError,
    },
    /// The file is no TOML.
    #[error("the configuration file {} is not TOML: {detail}", path.display())]
    Syntax {
        /// The file.
        path: PathBuf,
        /// Where and what.
        detail: String,
    },
    /// The settings cannot be used.
    #[error("{}", render(.0))]
    Problems(Vec<Problem>),
}

/// One thing that is wrong with the settings.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// The key that it is about.
    pub key: String,
    /// What is wrong, and what to do.
    pub detail: String,
}

impl Problem {
    fn new(key: impl Into<String>, detail: impl Into<String>) -> Problem {
        Problem { key: key.into(), detail: detail.into() }
    }
}

/// A parser's message without the line that it quotes, which may be the one with the password.
fn without_excerpt(message: &str) -> String {
    let kept: Vec<&str> =
        message.lines().map(str::trim).filter(|line| !line.is_empty() && !line.contains('|')).collect();
    kept.join(": ")
}

/// A secret from a variable wins over the file, whichever of its two forms each of them uses.
#[expect(clippy::disallowed_methods, reason = "this is config")]
fn secrets_from_variables_win(raw: &mut raw::Raw) {
    let is_set = |name: &str| std::env::var_os(format!("{PREFIX}__{name}")).is_some();
    let settle = |name: &str, text: &mut Option<String>, file: &mut Option<String>| match (
        is_set(name),
        is_set(&format!("{name}_FILE")),
    ) {
        (true, false) => *file = None,
        (false, true) => *text = None,
        _ => {}
    };
    settle("LDAP__BIND_PASSWORD", &mut raw.ldap.bind_password, &mut raw.ldap.bind_password_file);
    settle("AUTH__TOKEN", &mut raw.auth.token, &mut raw.auth.token_file);
}

fn render(problems: &[Problem]) -> String {
    let lines: Vec<String> =
        problems.iter().map(|problem| format!("\n  {}: {}", problem.key, problem.detail)).collect();
    let plural = if lines.len() == 1 { "problem" } else { "problems" };
    format!("the configuration has {} {plural}:{}", lines.len(), lines.concat())
}

/// Reads the settings from a file and the environment.
///
/// # Errors
/// [`Error`], with every problem that could be found.
pub fn load(file: &Path) -> Result<Settings, Error> {
    let unreadable = |source| Error::Parse { path: file.to_owned(), source };
    let text = std::fs::read_to_string(file).map_err(|source| Error::Read { path: file.to_owned(), source })?;
    let environment = Environment::with_prefix(PREFIX).prefix_separator("__").separator("__");
    let builder = Config::builder().add_source(File::from_str(&text, FileFormat::Toml)).add_source(environment);
    let config = builder.build().map_err(|error| match error {
        ::config::ConfigError::FileParse { cause, .. } => {
            Error::Syntax { path: file.to_owned(), detail: without_excerpt(&cause.to_string()) }
        }
        other => unreadable(other),
    })?;
    let tree: serde_json::Value = config.clone().try_deserialize().map_err(unreadable)?;
    let mut problems = keys::unknown(&tree);
    match config.try_deserialize::<raw::Raw>() {
        Ok(mut raw) => match Settings::check({
            secrets_from_variables_win(&mut raw);
            raw
        }) {
            Ok(settings) if problems.is_empty() => return Ok(settings),
            Ok(_) => {}
            Err(more) => problems.extend(more),
        },
        // An unknown key is often the cause of what is wrong with the rest.
        Err(error) if problems.is_empty() => return Err(unreadable(error)),
        Err(_) => {}
    }
    Err(Error::Problems(problems))
}

//! What an operator decided: read, checked as a whole, and turned into the types that the program uses.
//!
//! Precedence: defaults, then the file, then `SCIMBRIDGE__SECTION__KEY` variables. Invariant: every problem
//! is reported at once, with the key that it is about.

mod keys;
mod map;
mod raw;
mod settings;

pub use settings::{Actions, Ldap, Log, LogFormat, Server, Settings};

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
    let config = Config::builder()
        .add_source(File::from_str(&text, FileFormat::Toml))
        .add_source(environment)
        .build()
        .map_err(unreadable)?;
    let tree: serde_json::Value = config.clone().try_deserialize().map_err(unreadable)?;
    let mut problems = keys::unknown(&tree);
    match config.try_deserialize::<raw::Raw>() {
        Ok(raw) => match Settings::check(raw) {
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

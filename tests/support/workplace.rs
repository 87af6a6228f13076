//! A folder with a configuration in it, and the real binary run there: as an operator works.
//!
//! The configuration is the project's own `config.example.toml`, so that what the example promises is what is tested;
//! a test names only what it wants otherwise.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use tempfile::TempDir;

use super::slapd::project;

/// What a test wants otherwise than the example has it.
#[derive(Debug, Clone, Default)]
pub(crate) struct Settings {
    edits: Vec<(String, String)>,
    gone: Vec<String>,
    tables: Vec<String>,
    environment: Vec<(String, String)>,
}

impl Settings {
    /// Sets a key of the file, such as `groups.on_collision`, to a value in TOML.
    #[must_use]
    pub(crate) fn set(mut self, key: &str, value: &str) -> Self {
        self.edits.push((key.to_owned(), value.to_owned()));
        self
    }

    /// Takes a line out that stands in the example once.
    #[must_use]
    pub(crate) fn without(mut self, line: &str) -> Self {
        self.gone.push(line.to_owned());
        self
    }

    /// Adds text at the end of the file, such as one more `[[users.attribute]]`.
    #[must_use]
    pub(crate) fn add(mut self, table: &str) -> Self {
        self.tables.push(table.to_owned());
        self
    }

    /// Sets a variable of the environment, which goes over the file.
    #[must_use]
    pub(crate) fn variable(mut self, name: &str, value: &str) -> Self {
        self.environment.push((name.to_owned(), value.to_owned()));
        self
    }

    fn apply(&self, example: &str) -> String {
        let mut text = example.to_owned();
        for (key, value) in &self.edits {
            let (section, key) = key.rsplit_once('.').expect("a key is section.key");
            text = set_key(&text, section, key, value);
        }
        for gone in &self.gone {
            let lines: Vec<&str> = text.lines().collect();
            let kept: Vec<&str> = lines.iter().filter(|line| line.trim() != gone).copied().collect();
            assert_eq!(kept.len() + 1, lines.len(), "{gone:?} stands in the example once");
            text = kept.join("\n") + "\n";
        }
        for table in &self.tables {
            text.push('\n');
            text.push_str(table);
            text.push('\n');
        }
        text
    }
}

fn set_key(text: &str, section: &str, key: &str, value: &str) -> String {
    let header = format!("[{section}]");
    let line = format!("{key} = {value}");
    let is_header = |line: &str| line.split('#').next().is_some_and(|line| line.trim() == header);
    let is_key = |line: &str| line.split_once('=').is_some_and(|(name, _)| name.trim() == key);
    let mut lines: Vec<&str> = text.lines().collect();
    let Some(start) = lines.iter().position(|line| is_header(line)) else {
        return format!("{text}\n{header}\n{line}\n");
    };
    let length = lines[start + 1..].iter().take_while(|line| !line.trim_start().starts_with('[')).count();
    match lines[start + 1..=start + length].iter().position(|line| is_key(line)) {
        Some(at) => lines[start + 1 + at] = &line,
        None => lines.insert(start + 1, &line),
    }
    lines.join("\n") + "\n"
}

/// What a finished command left.
#[derive(Debug)]
pub(crate) struct Finished {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Finished {
    #[track_caller]
    pub(crate) fn succeeds(self) -> Self {
        assert_eq!(self.code, Some(0), "{self:#?}");
        self
    }

    /// That it failed and spoke of each of `words` on stderr, where talk belongs, and said nothing on stdout.
    #[track_caller]
    pub(crate) fn fails_naming(self, words: &[&str]) -> Self {
        assert!(self.code.is_some_and(|code| code != 0), "{self:#?}");
        assert!(!self.stderr.contains("panicked"), "{self:#?}");
        for word in words {
            assert!(self.stderr.contains(word), "stderr names {word:?}: {self:#?}");
        }
        assert_eq!(self.stdout, "", "stdout is for data: {self:#?}");
        self
    }
}

pub(crate) struct Workplace {
    folder: TempDir,
    environment: Vec<(String, String)>,
}

impl Workplace {
    /// A folder with the configuration, whose directory is at `ldap_url`.
    pub(crate) fn new(settings: &Settings, ldap_url: &str) -> Self {
        let example = project().join("config.example.toml");
        let text = fs::read_to_string(&example).unwrap_or_else(|error| panic!("{}: {error}", example.display()));
        Self::with_file(settings, ldap_url, &settings.apply(&text))
    }

    /// Writes another configuration, as an operator does between two starts.
    pub(crate) fn reconfigure(&self, settings: &Settings) {
        let example = fs::read_to_string(project().join("config.example.toml")).expect("the example");
        fs::write(self.path("config.toml"), settings.apply(&example)).expect("a configuration file");
    }

    /// A folder with this very text as its configuration.
    pub(crate) fn with_file(settings: &Settings, ldap_url: &str, configuration: &str) -> Self {
        let folder = TempDir::with_prefix("scimbridge-test-").expect("a folder for the program");
        fs::write(folder.path().join("config.toml"), configuration).expect("a configuration file");
        let store = format!("sqlite://{}", folder.path().join("scimbridge.db").display());
        let mut environment: Vec<(String, String)> = [
            ("SCIMBRIDGE__SERVER__LISTEN", "127.0.0.1:0"),
            // So that `meta.location` is the same in every run.
            ("SCIMBRIDGE__SERVER__BASE_URL", "http://bridge.test/scim/v2"),
            ("SCIMBRIDGE__STORE__URL", &store),
            ("SCIMBRIDGE__LDAP__URLS", ldap_url),
            ("SCIMBRIDGE__LDAP__BIND_PASSWORD", super::administrator::ADMIN_PASSWORD),
            ("SCIMBRIDGE__LDAP__TIMEOUT", "5s"),
            // A story reconciles when it says so.
            ("SCIMBRIDGE__RECONCILE__SCHEDULE", ""),
            // Logs are looked at as people see them.
            ("SCIMBRIDGE__LOG__FORMAT", "text"),
        ]
        .into_iter()
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect();
        environment.extend(settings.environment.iter().cloned());
        Self { folder, environment }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// The binary with `--config` and the environment of this workplace, and nothing of the caller's own settings.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = bare(arguments);
        command.arg("--config").arg(self.path("config.toml")).current_dir(self.folder());
        command.envs(self.environment.iter().map(|(name, value)| (name, value)));
        command
    }

    pub(crate) fn run(&self, arguments: &[&str]) -> Finished {
        finish(self.command(arguments))
    }

    /// Makes a token; it is what the command prints, alone on its line.
    #[track_caller]
    pub(crate) fn create_token(&self, name: &str) -> String {
        let made = self.run(&["token", "create", name]).succeeds();
        let token = made.stdout.trim_end_matches('\n').to_owned();
        assert!(!token.is_empty() && !token.contains(char::is_whitespace), "the token alone on stdout: {made:#?}");
        token
    }
}

/// The binary without a configuration.
pub(crate) fn bare(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_scimbridge"));
    for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("SCIMBRIDGE_")) {
        command.env_remove(name);
    }
    command.args(arguments).stdin(Stdio::null());
    command
}

pub(crate) fn finish(mut command: Command) -> Finished {
    let output = command.output().expect("the program runs");
    Finished {
        code: output.status.code(),
        stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}

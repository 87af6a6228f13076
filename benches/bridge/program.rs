//! The program that is measured: the real binary, its configuration, its store.
//!
//! The configuration is `config.example.toml` with as few keys set otherwise as a bench needs.

use std::fs::{self, File};
use std::io::{BufRead as _, BufReader};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use tempfile::TempDir;

use super::client::Client;
use super::directory::{folder, project};
use super::people::user_query;

/// A folder with a configuration and, in time, a store.
pub(crate) struct Workplace {
    program: PathBuf,
    folder: TempDir,
}

/// Runs until it is dropped.
pub(crate) struct Program {
    child: Child,
    pub(crate) address: SocketAddr,
    pub(crate) token: String,
}

impl Workplace {
    /// For that binary, in front of the directory at that URL.
    pub(crate) fn new(program: &Path, ldap_url: &str) -> Result<Self> {
        let folder = folder("bridge")?;
        let example = fs::read_to_string(project().join("config.example.toml"))?;
        let mut settings: toml::Table = example.parse().context("config.example.toml cannot be read")?;
        let store = format!("sqlite://{}", folder.path().join("scimbridge.db").display());
        for (table, key, value) in [
            ("server", "listen", "127.0.0.1:0".into()),
            ("store", "url", store.into()),
            ("ldap", "urls", vec![ldap_url].into()),
            // A slow machine is measured, not given up on.
            ("ldap", "timeout", "60s".into()),
            ("reconcile", "schedule", "".into()),
            ("log", "level", "warn".into()),
        ] as [(&str, &str, toml::Value); 6]
        {
            let table = settings.get_mut(table).and_then(toml::Value::as_table_mut);
            table.context("config.example.toml lacks a table that is set here")?.insert(key.to_owned(), value);
        }
        fs::write(folder.path().join("config.toml"), settings.to_string())?;
        Ok(Self { program: program.to_owned(), folder })
    }

    pub(crate) fn configuration(&self) -> PathBuf {
        self.folder.path().join("config.toml")
    }

    /// How large the store is, in bytes.
    pub(crate) fn store_size(&self) -> Result<u64> {
        let size = |name: &str| fs::metadata(self.folder.path().join(name)).map_or(0, |metadata| metadata.len());
        Ok(size("scimbridge.db") + size("scimbridge.db-wal"))
    }

    pub(crate) fn create_token(&self) -> Result<String> {
        let made = self.command(&["token", "create", "bench"]).output().context("cannot run the program")?;
        ensure!(made.status.success(), "token create: {}", String::from_utf8_lossy(&made.stderr));
        Ok(String::from_utf8(made.stdout)?.trim().to_owned())
    }

    /// Starts it, and tells how long it took until it had answered a lookup.
    pub(crate) async fn start(&self, token: &str) -> Result<(Program, Duration)> {
        let log = File::options().create(true).append(true).open(self.log())?;
        let began = Instant::now();
        let mut child = self
            .command(&["serve"])
            .stdout(Stdio::piped())
            .stderr(log)
            .spawn()
            .with_context(|| format!("cannot run {}", self.program.display()))?;
        let mut line = String::new();
        let stdout = child.stdout.take().context("no pipe")?;
        BufReader::new(stdout).read_line(&mut line)?;
        let address = line.trim().strip_prefix("listening on http://").and_then(|rest| rest.split('/').next());
        let Some(address) = address.and_then(|address| address.parse().ok()) else {
            child.kill().ok();
            child.wait().ok();
            bail!("the program does not start: {line:?}\n{}", fs::read_to_string(self.log())?);
        };
        let program = Program { child, address, token: token.to_owned() };
        let mut client = Client::connect(address, token).await?;
        client.ask("GET", &user_query("nobody@contoso.com"), b"").await?.finds_nothing()?;
        Ok((program, began.elapsed()))
    }

    /// What it complained of.
    pub(crate) fn complaints(&self) -> String {
        fs::read_to_string(self.log()).unwrap_or_default()
    }

    fn log(&self) -> PathBuf {
        self.folder.path().join("server.log")
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(&self.program);
        for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("SCIMBRIDGE_")) {
            command.env_remove(name);
        }
        command.args(arguments).arg("--config").arg(self.configuration()).stdin(Stdio::null());
        command.current_dir(self.folder.path());
        command
    }
}

impl Program {
    pub(crate) async fn clients(&self, count: usize) -> Result<Vec<Client>> {
        Client::several(count, self.address, &self.token).await
    }

    /// Ends it in order, as a supervisor does.
    pub(crate) fn stop(&mut self) {
        Command::new("kill").arg(self.child.id().to_string()).status().ok();
        self.child.wait().ok();
    }

    /// How much memory it has, in megabytes.
    pub(crate) fn memory(&self) -> Result<f64> {
        let status =
            fs::read_to_string(format!("/proc/{}/status", self.child.id())).context("the program has ended")?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let kilobytes: f64 = line.and_then(|line| line.split_whitespace().next()).context("no VmRSS")?.parse()?;
        Ok(kilobytes / 1024.0)
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

//! A copy of the store for a rehearsal: files of its own beside the database, where there is room and nobody else looks.
//!
//! They are named `<database>.copy-<32 hex digits>`, with what SQLite and [`hold`](super::hold) add to that. The name is
//! held as a key of the database for as long as the copy lives, so that what a killed process left is told from what is in
//! use; the next copy or open takes it away.

use std::fs::OpenOptions;
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rusqlite::{Connection, params};

use super::super::{Error, Hold, HoldMode};
use super::database::{Database, Durability};
use super::hold::Holds;
use super::{SqliteStore, failure, migrations};

/// What a rehearsal needs: neither who may ask nor what was done, which may be most of the store. Members come before
/// resources: a member that comes makes what was found right of the group forgotten.
const TABLES: [&str; 6] = ["name_claim", "lookup", "number", "member", "resource", "setting"];

const INFIX: &str = ".copy-";
const DIGITS: usize = 32;

/// The files of a copy; dropping it removes them.
#[derive(Debug)]
pub(super) struct Files {
    path: PathBuf,
    _name_held: Hold,
}

impl Drop for Files {
    fn drop(&mut self) {
        if let Err(error) = remove(&self.path) {
            tracing::warn!(path = %self.path.display(), %error, "cannot remove a copy of the store");
        }
    }
}

pub(super) async fn copy(store: &SqliteStore) -> Result<SqliteStore, Error> {
    let attempt = "copy the store";
    let failed = |source: io::Error| Error::Access { attempt, source: source.into() };
    let path = store.database.path();
    sweep(&store.holds, path).map_err(failed)?;
    let files = make(&store.holds, path)?;
    let original = path.to_str().ok_or_else(|| failed(io::ErrorKind::InvalidFilename.into()))?.to_owned();
    let target = files.path.clone();
    // As large as the store: nobody else is to wait for it.
    let filled = tokio::task::spawn_blocking(move || {
        let database =
            Database::open(&target, Durability::Forgetful, Some(Arc::new(files))).map_err(failure(attempt))?;
        database.prepare(|connection| {
            migrations::run(connection).map_err(|error| Error::Access { attempt, source: error.into() })?;
            fill(connection, &original).map_err(failure(attempt))
        })?;
        Ok(database)
    });
    let database = filled.await.map_err(|error| failed(io::Error::other(error)))??;
    Ok(SqliteStore::of(database))
}

/// In one transaction, so that it is one state of the original; writes of that go on beside it.
fn fill(copy: &mut Connection, original: &str) -> rusqlite::Result<()> {
    copy.execute("ATTACH DATABASE ?1 AS original", params![original])?;
    let write = copy.transaction()?;
    for table in TABLES {
        write.execute_batch(&format!(
            "DELETE FROM main.{table}; INSERT INTO main.{table} SELECT * FROM original.{table};"
        ))?;
    }
    write.commit()?;
    copy.execute_batch("DETACH DATABASE original")
}

/// An empty file, which SQLite fills; it would make one that others may read.
fn make(holds: &Arc<Holds>, database: &Path) -> Result<Files, Error> {
    let failed = |source: io::Error| Error::Access { attempt: "make the file of a copy", source: source.into() };
    let mut random = [0; DIGITS / 2];
    getrandom::fill(&mut random).map_err(|error| failed(io::Error::other(error)))?;
    let name: String = random.iter().map(|byte| format!("{byte:02x}")).collect();
    let held = holds.hold(&key(&name), HoldMode::Exclusive)?;
    let files = Files {
        path: with_suffix(database, &format!("{INFIX}{name}")),
        _name_held: held.ok_or_else(|| failed(io::ErrorKind::AlreadyExists.into()))?,
    };
    OpenOptions::new().create_new(true).write(true).mode(0o600).open(&files.path).map_err(failed)?;
    Ok(files)
}

/// Removes the copies that nobody has any longer.
pub(super) fn sweep(holds: &Arc<Holds>, database: &Path) -> io::Result<()> {
    for name in names(database)? {
        let held = holds.hold(&key(&name), HoldMode::Exclusive).map_err(io::Error::other)?;
        if held.is_some() {
            remove(&with_suffix(database, &format!("{INFIX}{name}")))?;
        }
    }
    Ok(())
}

/// The names of all copies of a database that are there.
fn names(database: &Path) -> io::Result<std::collections::BTreeSet<String>> {
    let start = format!("{}{INFIX}", file_name(database)?);
    let mut names = std::collections::BTreeSet::new();
    for file in std::fs::read_dir(folder(database))? {
        let file = file?.file_name();
        let Some(rest) = file.to_str().and_then(|file| file.strip_prefix(&start)) else { continue };
        let is_digit = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
        if let Some((name, _)) = rest.split_at_checked(DIGITS)
            && name.bytes().all(is_digit)
        {
            names.insert(name.to_owned());
        }
    }
    Ok(names)
}

/// Removes a copy, with all whose names begin with its own: nobody else's do.
fn remove(copy: &Path) -> io::Result<()> {
    let start = file_name(copy)?;
    for file in std::fs::read_dir(folder(copy))? {
        let file = file?;
        if file.file_name().to_str().is_some_and(|name| name.starts_with(&start)) {
            match std::fs::remove_file(file.path()) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
        }
    }
    Ok(())
}

fn key(name: &str) -> String {
    format!("copy {name}")
}

fn file_name(path: &Path) -> io::Result<String> {
    let name = path.file_name().and_then(|name| name.to_str());
    name.map(str::to_owned).ok_or_else(|| io::ErrorKind::InvalidFilename.into())
}

fn folder(path: &Path) -> &Path {
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    }
}

fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut path = path.as_os_str().to_owned();
    path.push(suffix);
    path.into()
}

//! The plan file: a proposal that somebody looked at, kept until it is carried out.
//!
//! It is the JSON of [`super::render::Json`]. Invariant: a file whose items were changed after it was written is not
//! read. The digest guards against slips, not against whoever can write the file: they can write the digest too.

use std::collections::BTreeMap;
use std::{fmt, io};

use serde::Deserialize;
use sha2::{Digest, Sha256};

use super::proposal::{Census, Item, Proposal, Subject};
use super::render::text::write_step;
use crate::directory::Dn;

/// What stands in the file for its format.
pub const FORMAT: &str = "scimbridge-plan/1";

const AGAIN: &str = "make a new one with `scimbridge reconcile --dry-run --out FILE`";

/// Why a text is not a plan that can be carried out.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    /// It is no JSON, or no plan.
    #[error(
        "the plan cannot be read at line {}, column {}: it was cut short or edited, or is no plan; {AGAIN}",
        source.line(),
        source.column()
    )]
    Json {
        /// What is wrong there.
        #[source]
        source: serde_json::Error,
    },
    /// It is a plan of another version, or none.
    #[error("the plan is written as {found:?}, and this version of scimbridge reads {FORMAT:?}; {AGAIN}")]
    Format {
        /// What it says that it is.
        found: String,
    },
    /// Its items are not those that it was written with.
    #[error("the plan was changed after it was written: its digest does not fit its items; {AGAIN}")]
    Changed,
    /// Its digest cannot be made.
    #[error("cannot make the digest of the plan")]
    Digest(#[source] serde_json::Error),
}

/// A plan as it was written.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub struct PlanFile {
    /// When it was made, as it was written then.
    pub made: String,
    /// What is to be done.
    pub items: Vec<Item>,
    /// Entries that nobody pushed.
    #[serde(default)]
    pub unmanaged: Vec<Dn>,
    /// How much was managed then.
    pub census: Census,
    digest: String,
}

/// The format alone, whatever else there is.
#[derive(Deserialize)]
struct Header {
    #[serde(default)]
    format: serde_json::Value,
}

/// The digest of items as they are written.
///
/// # Errors
/// An item cannot be written.
pub(super) fn digest(items: &[Item]) -> Result<String, serde_json::Error> {
    let mut written = Digested(Sha256::new());
    serde_json::to_writer(&mut written, items)?;
    let hex: Vec<String> = written.0.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
    Ok(format!("sha256:{}", hex.concat()))
}

/// What is written goes into a digest and is not kept: a plan may be large.
struct Digested(Sha256);

impl io::Write for Digested {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.update(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Reads a plan file.
///
/// # Errors
/// [`FileError`]: it is none, of another format, or was changed.
pub fn read(text: &str) -> Result<PlanFile, FileError> {
    let unreadable = |source| FileError::Json { source };
    let header: Header = serde_json::from_str(text).map_err(unreadable)?;
    if header.format.as_str() != Some(FORMAT) {
        let found = header.format.as_str().map_or_else(|| header.format.to_string(), str::to_owned);
        return Err(FileError::Format { found });
    }
    let file: PlanFile = serde_json::from_str(text).map_err(unreadable)?;
    if digest(&file.items).map_err(FileError::Digest)? != file.digest {
        return Err(FileError::Changed);
    }
    Ok(file)
}

/// Where a fresh plan is not what the file says.
#[derive(Clone, Debug, PartialEq)]
pub struct Departure {
    /// The resource, as the file has it.
    pub subject: Subject,
    /// How the fresh plan departs.
    pub deviation: Deviation,
}

/// How a fresh plan departs from the file for one resource.
#[derive(Clone, Debug, PartialEq)]
pub enum Deviation {
    /// There is nothing to do for it any more.
    NothingToDo,
    /// It was changed since.
    Version {
        /// The version that the file was made for.
        planned: i64,
        /// The version that it has now.
        present: i64,
    },
    /// Something else is to be done for it.
    Steps {
        /// The lines of what the file says.
        planned: Vec<String>,
        /// The lines of what would be done now.
        present: Vec<String>,
    },
}

impl PlanFile {
    /// Where a fresh plan is not what the file says. What only the fresh plan has is none: it is not carried out.
    pub fn departures(&self, fresh: &Proposal) -> Vec<Departure> {
        let key = |subject: &Subject| (subject.kind.clone(), subject.id.clone());
        let fresh: BTreeMap<(String, String), &Item> =
            fresh.items.iter().map(|item| (key(&item.subject), item)).collect();
        let departure = |item: &Item| {
            let deviation = deviation(item, fresh.get(&key(&item.subject)).copied())?;
            Some(Departure { subject: item.subject.clone(), deviation })
        };
        self.items.iter().filter_map(departure).collect()
    }
}

fn deviation(planned: &Item, present: Option<&Item>) -> Option<Deviation> {
    let Some(present) = present else {
        // What could not be planned at all is not to be done either.
        return (!planned.steps.is_empty()).then_some(Deviation::NothingToDo);
    };
    if planned.subject.version != present.subject.version {
        return Some(Deviation::Version { planned: planned.subject.version, present: present.subject.version });
    }
    (!planned.does_the_same_as(present))
        .then(|| Deviation::Steps { planned: step_lines(planned), present: step_lines(present) })
}

/// The steps of an item as they are shown to people.
fn step_lines(item: &Item) -> Vec<String> {
    let mut text = String::new();
    for proposed in &item.steps {
        // A text can always be written to.
        let _ = write_step(&mut text, &item.subject, proposed);
    }
    text.lines().map(str::to_owned).collect()
}

impl fmt::Display for Departure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {:?}", self.subject.kind, self.subject.name)?;
        match &self.deviation {
            Deviation::NothingToDo => f.write_str(": in sync by now, or gone"),
            Deviation::Version { .. } => f.write_str(": changed by a request since the plan was made"),
            Deviation::Steps { planned, present } => {
                f.write_str(": something else would be done now\n  the plan has:")?;
                planned.iter().try_for_each(|line| write!(f, "\n    {line}"))?;
                f.write_str("\n  now it would be:")?;
                if present.is_empty() {
                    f.write_str("\n    nothing")?;
                }
                present.iter().try_for_each(|line| write!(f, "\n    {line}"))
            }
        }
    }
}

#[cfg(test)]
mod tests;

//! A proposal as JSON: for programs, and as the plan file that a run is kept to.
//!
//! Reading it is [`crate::plan::file`]'s.

use std::{fmt, io, str};

use serde::ser::SerializeMap as _;
use serde::{Serialize, Serializer};

use super::Report;
use crate::plan::budget::{Excess, Tally};
use crate::plan::file::{FORMAT, digest};

/// A proposal as JSON.
#[derive(Clone, Copy, Debug)]
pub struct Json<'a> {
    /// What is told.
    pub report: Report<'a>,
    /// When it was made, as it is to be written.
    pub made: &'a str,
}

impl Serialize for Json<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Report { proposal, tally, excesses } = self.report;
        let digest = digest(&proposal.items).map_err(serde::ser::Error::custom)?;
        let mut object = serializer.serialize_map(None)?;
        object.serialize_entry("format", FORMAT)?;
        object.serialize_entry("made", self.made)?;
        object.serialize_entry("items", &proposal.items)?;
        object.serialize_entry("unmanaged", &proposal.unmanaged)?;
        object.serialize_entry("counts", tally)?;
        object.serialize_entry("census", &proposal.census)?;
        object.serialize_entry("refusals", excesses)?;
        object.serialize_entry("digest", &digest)?;
        object.end()
    }
}

impl fmt::Display for Json<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        serde_json::to_writer_pretty(Texts(f), self).map_err(|_| fmt::Error)?;
        f.write_str("\n")
    }
}

/// What `serde_json` writes bytes to that are texts.
struct Texts<'a, 'b>(&'a mut fmt::Formatter<'b>);

impl io::Write for Texts<'_, '_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let text = str::from_utf8(bytes).map_err(io::Error::other)?;
        self.0.write_str(text).map_err(io::Error::other)?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Serialize for Tally {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let counts = [
            ("resources", self.resources),
            ("problems", self.problems),
            ("entries", self.entries),
            ("adds", self.adds),
            ("modifies", self.modifies),
            ("renames", self.renames),
            ("deletes", self.deletes),
            ("disables", self.disables),
            ("member_adds", self.member_adds),
            ("member_removals", self.member_removals),
        ];
        serializer.collect_map(counts)
    }
}

impl Serialize for Excess {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut object = serializer.serialize_map(None)?;
        object.serialize_entry("setting", self.budget.setting())?;
        object.serialize_entry("flag", self.budget.flag())?;
        object.serialize_entry("planned", &self.planned)?;
        object.serialize_entry("allowed", &self.allowed)?;
        object.serialize_entry("limit", &self.limit.to_string())?;
        object.serialize_entry("total", &self.total)?;
        object.end()
    }
}

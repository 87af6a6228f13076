//! Ranges of numbers such as those of POSIX accounts (RFC 2307 §2.2).

use std::fmt;

/// Numbers that may be given to entries, both ends included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NumberRange {
    /// The first.
    pub from: u32,
    /// The last.
    pub to: u32,
}

impl fmt::Display for NumberRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} to {}", self.from, self.to)
    }
}

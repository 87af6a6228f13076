//! How a proposal looks: as text for people, as JSON for programs and for the plan file, as LDIF for other tools.
//!
//! Nothing is decided here. Invariants: no password is shown, and no character of a name moves a terminal's cursor.

pub mod json;
pub mod ldif;
pub mod text;

pub use json::Json;
pub use ldif::{Ldif, Reasoned};
pub use text::{ItemText, Made, Shown, Text};

use std::fmt::{self, Write as _};

use super::budget::{Excess, Tally};
use super::proposal::{LastChange, Proposal};
use super::{Reason, Step};
use crate::directory::{Change, GeneralizedTime};

/// All that is told of a run that is planned.
#[derive(Clone, Copy, Debug)]
pub struct Report<'a> {
    /// What it would do.
    pub proposal: &'a Proposal,
    /// The same, counted.
    pub tally: &'a Tally,
    /// Where it would do more than it may.
    pub excesses: &'a [Excess],
}

/// What kind of thing a step does, as one character.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sign {
    /// An entry comes.
    Add,
    /// An entry gets other values.
    Modify,
    /// An entry gets another name or place.
    Rename,
    /// An entry goes.
    Delete,
    /// A user is kept out, by whatever change.
    Disable,
}

impl Sign {
    /// The sign of a step.
    pub fn of(step: &Step) -> Sign {
        Sign::for_reason(&step.change, &step.reason.to_string())
    }

    /// The sign of a change that was made for a reason.
    fn for_reason(change: &Change, reason: &str) -> Sign {
        match change {
            _ if reason == Reason::Disabled.to_string() => Sign::Disable,
            Change::Add { .. } => Sign::Add,
            Change::Modify { .. } => Sign::Modify,
            Change::Rename { .. } => Sign::Rename,
            Change::Delete { .. } => Sign::Delete,
        }
    }

    /// As it is shown.
    pub fn as_char(self) -> char {
        match self {
            Sign::Add => '+',
            Sign::Modify => '~',
            Sign::Rename => '>',
            Sign::Delete => '-',
            Sign::Disable => '!',
        }
    }
}

/// A number with its thousands apart: `1,204`.
pub(super) fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A number of things: the word for one of them, and that for several.
pub(super) struct Amount(pub(super) u64, pub(super) &'static str, pub(super) &'static str);

impl fmt::Display for Amount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Amount(number, one, several) = self;
        write!(f, "{} {}", grouped(*number), if *number == 1 { one } else { several })
    }
}

/// Something on one line, without the characters that a terminal would obey or that turn a line around.
struct OneLine<T>(T);

impl<T: fmt::Display> fmt::Display for OneLine<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(Escaping(f), "{}", self.0)
    }
}

struct Escaping<'a, 'b>(&'a mut fmt::Formatter<'b>);

impl fmt::Write for Escaping<'_, '_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        text.chars().try_for_each(|character| match character {
            // Line and paragraph separators, and what changes the direction of writing.
            '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => {
                write!(self.0, "{}", character.escape_unicode())
            }
            _ if character.is_control() => write!(self.0, "{}", character.escape_unicode()),
            _ => self.0.write_char(character),
        })
    }
}

impl fmt::Display for LastChange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let at = GeneralizedTime::parse(&self.at).and_then(|time| time.to_rfc3339());
        write!(f, "changed by {} at {}", self.by, at.as_deref().unwrap_or(&self.at))
    }
}

#[cfg(test)]
mod tests;

//! How far a long command is: a bar on a terminal, lines from time to time elsewhere.

use std::io::IsTerminal as _;
use std::sync::{Mutex, PoisonError};

use indicatif::{ProgressBar, ProgressStyle};

use super::talk;
use crate::settle::{Progress, Stage};

/// After how many more of a number that is not known a line is printed where there is no terminal.
const LINE_EVERY: u64 = 100_000;
/// Into how many parts a known number is divided for such lines.
const PARTS: u64 = 10;
/// What is done in a moment needs no lines.
const WORTH_A_LINE: u64 = 200;

/// Tells people on stderr.
pub(super) struct Shown {
    state: Mutex<State>,
    on_terminal: bool,
}

struct State {
    stage: Option<Stage>,
    bar: ProgressBar,
    /// At what number the next line is due.
    next: u64,
}

/// Tells nobody.
pub(super) struct Silent;

impl Progress for Silent {
    fn reached(&self, _: Stage, _: u64, _: Option<u64>) {}
}

impl Shown {
    pub(super) fn new() -> Shown {
        let state = State { stage: None, bar: ProgressBar::hidden(), next: 0 };
        Shown { state: Mutex::new(state), on_terminal: std::io::stderr().is_terminal() }
    }

    /// Takes the bar away, so that what is printed next stands alone.
    pub(super) fn clear(&self) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.bar.finish_and_clear();
        state.stage = None;
    }
}

impl Progress for Shown {
    fn reached(&self, stage: Stage, done: u64, of: Option<u64>) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if state.stage != Some(stage) {
            state.bar.finish_and_clear();
            state.stage = Some(stage);
            state.next = step(of);
            state.bar = if self.on_terminal { bar(stage, of) } else { ProgressBar::hidden() };
        }
        state.bar.set_position(done);
        if self.on_terminal || done < state.next || of.is_some_and(|of| of < WORTH_A_LINE) {
            return;
        }
        state.next = done + step(of);
        match of {
            Some(of) => talk(&format!("{}: {done} of {of}\n", word(stage))),
            None => talk(&format!("{}: {done}\n", word(stage))),
        }
    }
}

fn step(of: Option<u64>) -> u64 {
    of.map_or(LINE_EVERY, |of| (of / PARTS).max(1))
}

fn bar(stage: Stage, of: Option<u64>) -> ProgressBar {
    let bar = of.map_or_else(ProgressBar::new_spinner, ProgressBar::new);
    let template = match of {
        Some(_) => "{msg} {wide_bar} {pos}/{len}, {per_sec}, {eta} left",
        None => "{msg} {spinner} {pos}, {per_sec}",
    };
    // A template that cannot be read leaves the library's own.
    if let Ok(style) = ProgressStyle::with_template(template) {
        bar.set_style(style);
    }
    bar.set_message(word(stage));
    bar
}

fn word(stage: Stage) -> &'static str {
    match stage {
        Stage::Reading => "entries read",
        Stage::Planning => "resources planned",
        Stage::Applying => "resources done",
    }
}

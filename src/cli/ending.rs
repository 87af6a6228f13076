//! How a reconciliation of everything ended, kept in the store: `serve` shows it to monitoring, whichever process it was.

use std::time::SystemTime;

use crate::plan::Tally;
use crate::settle::{Outcome, Report};
use crate::store::{Conclusion, Drift, Error, Reconciled, SqliteStore, Store as _};

/// How it ended, and what it had found.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ending {
    conclusion: Conclusion,
    drift: Option<Drift>,
}

impl Ending {
    /// The directory could not be compared with what is wanted.
    pub(super) fn failed() -> Ending {
        Ending { conclusion: Conclusion::Failed, drift: None }
    }

    /// So much is missing that nothing was compared.
    pub(super) fn shrunken() -> Ending {
        Ending { conclusion: Conclusion::Refused, drift: None }
    }

    /// It was more than is allowed.
    pub(super) fn refused(tally: &Tally) -> Ending {
        Ending { conclusion: Conclusion::Refused, drift: Some(drift(tally)) }
    }

    /// It was done, as far as the report says.
    pub(super) fn done(tally: &Tally, report: &Report) -> Ending {
        let is_left = |outcome: &Outcome| matches!(outcome, Outcome::Failed(_) | Outcome::NotTried(_));
        let is_incomplete = report.outcomes.iter().any(is_left);
        let conclusion = if is_incomplete { Conclusion::Incomplete } else { Conclusion::Done };
        Ending { conclusion, drift: Some(drift(tally)) }
    }

    /// It was begun, and the store did not keep what was done.
    pub(super) fn broken_off(tally: &Tally) -> Ending {
        Ending { conclusion: Conclusion::Failed, drift: Some(drift(tally)) }
    }

    /// Keeps it.
    pub(super) async fn keep(self, store: &SqliteStore, started: SystemTime, ended: SystemTime) -> Result<(), Error> {
        let written = |time| humantime::format_rfc3339_millis(time).to_string();
        let Ending { conclusion, drift } = self;
        let (started, finished) = (written(started), written(ended));
        store.note_reconciliation(&Reconciled { conclusion, started, finished, drift }).await
    }
}

fn drift(tally: &Tally) -> Drift {
    Drift {
        resources: tally.resources.max(tally.problems),
        adds: tally.adds,
        modifies: tally.modifies,
        renames: tally.renames,
        deletes: tally.deletes,
    }
}

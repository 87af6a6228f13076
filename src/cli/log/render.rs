//! How a run of the log looks.

use std::fmt::Write as _;

use serde_json::{Value, json};

use super::Hidden;
use crate::cli::reconcile::one_line;
use crate::plan::hidden::shown_change;
use crate::plan::render::Made;
use crate::store::{LoggedChange, RunRecord, Verb};

/// Writes a run as a line, and its changes below it.
pub(in crate::cli) fn write_text(text: &mut String, run: &RunRecord, changes: &[LoggedChange], hide: &Hidden) {
    // A text takes whatever is written to it.
    _ = writeln!(text, "{}", head(run));
    if let Some(outcome) = &run.outcome {
        _ = writeln!(text, "    because: {}", one_line(outcome));
    }
    for LoggedChange { noted, undone, .. } in changes {
        let change = shown_change(&noted.change, hide);
        let made = Made { change: &change, reason: &noted.reason }.to_string();
        for (number, line) in made.lines().enumerate() {
            let undone = if number == 0 && *undone { "; taken back since" } else { "" };
            _ = writeln!(text, "    {line}{undone}");
        }
    }
    let left = run.changes.saturating_sub(changes.len() as u64);
    if left > 0 && changes.len() >= super::CHANGES_SHOWN as usize {
        _ = writeln!(text, "    … and {left} more changes (--format json shows all)");
    }
}

fn head(run: &RunRecord) -> String {
    let mut line = format!("run {} {} {} {}: ", run.id, run.started, run.origin, what(run));
    line.push_str(run.standing.as_str());
    line.extend(run.status.map(|status| format!(" with {status}")));
    line.extend(run.milliseconds.map(|milliseconds| format!(" in {milliseconds} ms")));
    if let Some(by) = &run.requester {
        let address = if by.address.is_empty() { String::new() } else { format!(", {}", by.address) };
        line.push_str(&format!("; token {}{address}, request {}", by.token, by.request));
    }
    one_line(&line)
}

/// What was to be done, on one line.
fn what(run: &RunRecord) -> String {
    let Some(about) = &run.about else {
        return run.what.clone();
    };
    let mut what = format!("{} {}", about.verb.map_or("settle", Verb::as_str), about.kind.as_str().to_lowercase());
    what.extend(about.name.as_ref().map(|name| format!(" {name:?}")));
    what.extend(about.id.as_ref().map(|id| format!(" {id}")));
    what
}

/// A run with all its changes.
pub(in crate::cli) fn as_json(run: &RunRecord, changes: &[LoggedChange], hide: &Hidden) -> Value {
    let about = run.about.as_ref();
    let by = run.requester.as_ref();
    let changes: Vec<Value> = changes.iter().map(|change| change_as_json(change, hide)).collect();
    json!({
        "run": run.id.0,
        "origin": run.origin.as_str(),
        "started": run.started,
        "finished": run.finished,
        "milliseconds": run.milliseconds,
        "what": run.what,
        "operation": about.and_then(|about| about.verb).map(Verb::as_str),
        "kind": about.map(|about| about.kind.as_str()),
        "id": about.and_then(|about| about.id.as_ref()).map(|id| id.as_str()),
        "name": about.and_then(|about| about.name.as_ref()),
        "result": run.standing.as_str(),
        "status": run.status,
        "detail": run.outcome,
        "token": by.map(|by| &by.token),
        "address": by.map(|by| &by.address),
        "request": by.map(|by| &by.request),
        "undoes": run.undoes.map(|run| run.0),
        "changes": changes,
    })
}

fn change_as_json(logged: &LoggedChange, hide: &Hidden) -> Value {
    let LoggedChange { position, noted, undone } = logged;
    let reverse: Vec<_> = noted.reverse.iter().map(|change| shown_change(change, hide)).collect();
    json!({
        "position": position,
        "resource": noted.resource.as_ref().map(|id| id.as_str()),
        "reason": noted.reason,
        "change": shown_change(&noted.change, hide),
        "reverse": reverse,
        "lost": noted.lost,
        "undone": undone,
    })
}

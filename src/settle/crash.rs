//! Where a test can make the program die, to see what the next start makes of it.
//!
//! In debug builds alone: a release has no such points.

/// A line after which a crash leaves work for the next settle.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum CrashPoint {
    /// The intent is saved, the directory untouched.
    Intent,
    /// A change was made in the directory.
    Apply,
    /// All changes are made, nothing is recorded.
    Record,
}

/// Dies here if `SCIMBRIDGE_CRASH_AT` names the point.
#[cfg(debug_assertions)]
#[expect(clippy::disallowed_methods, reason = "a hook for tests")]
pub(super) fn crash_point(point: CrashPoint) {
    let name = match point {
        CrashPoint::Intent => "intent",
        CrashPoint::Apply => "apply",
        CrashPoint::Record => "record",
    };
    if std::env::var("SCIMBRIDGE_CRASH_AT").is_ok_and(|wanted| wanted == name) {
        std::process::abort();
    }
}

#[cfg(not(debug_assertions))]
pub(super) fn crash_point(_: CrashPoint) {}

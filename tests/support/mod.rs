//! What the stories stand on: a private directory, the real program beside it, and a client that says what Entra says.
//!
//! Nothing here knows how scimbridge works inside. It starts the binary, speaks HTTP to it, and looks at the directory
//! with the tools that an administrator has (`ldapsearch`, `ldapmodify`, `ldapwhoami`). Nothing here sleeps to let
//! something happen: it waits for a condition, with a deadline.

pub(crate) mod administrator;
pub(crate) mod app;
pub(crate) mod certificates;
pub(crate) mod ds389;
pub(crate) mod entra;
pub(crate) mod fixture;
pub(crate) mod http;
pub(crate) mod issuer;
pub(crate) mod ldif;
pub(crate) mod metrics;
pub(crate) mod random;
pub(crate) mod slapd;
pub(crate) mod story;
pub(crate) mod workplace;

use std::time::{Duration, Instant};

/// How long a condition may take to come true before a test gives up. Generous: a slow machine is not a failure.
pub(crate) const PATIENCE: Duration = Duration::from_secs(40);

/// Looks again and again until something is seen.
///
/// # Panics
/// When `PATIENCE` is over.
pub(crate) fn wait_for<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(Instant::now() < deadline, "gave up waiting for {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Waits until two texts are equal, and shows both when they never are.
pub(crate) fn wait_until_equal(what: &str, expected: &str, mut look: impl FnMut() -> String) {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let seen = look();
        if seen == expected {
            return;
        }
        if Instant::now() > deadline {
            assert_eq!(seen, expected, "gave up waiting for {what}");
        }
        std::thread::sleep(Duration::from_millis(20));
    }
}

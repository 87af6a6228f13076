//! Which uses of a secret are worth a note: the first, and after that one a minute.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// How often a use is noted.
const INTERVAL: Duration = Duration::from_secs(60);

/// When the last use of each secret was noted, by its hash. It holds secrets that are good, of which there are few.
#[derive(Debug, Default)]
pub(super) struct Uses(Mutex<BTreeMap<String, Instant>>);

impl Uses {
    /// Whether this use is to be noted; then the next ones are not, for a while.
    pub(super) fn is_due(&self, secret_hash: &str, now: Instant) -> bool {
        let mut noted = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match noted.get(secret_hash) {
            Some(last) if now.duration_since(*last) < INTERVAL => false,
            _ => {
                noted.insert(secret_hash.to_owned(), now);
                true
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_use_a_minute_is_noted_for_each() {
        let (uses, start) = (Uses::default(), Instant::now());
        assert!(uses.is_due("a", start) && !uses.is_due("a", start) && uses.is_due("b", start));
        assert!(!uses.is_due("a", start + INTERVAL - Duration::from_millis(1)));
        let later = start + INTERVAL;
        assert!(uses.is_due("a", later) && !uses.is_due("a", later));
    }
}

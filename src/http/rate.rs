//! How often a token may ask: so many requests at once, and so many a second after that.

use std::num::NonZeroU32;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use super::recent::Recent;

/// How many tokens are remembered. One that is forgotten begins anew.
const TOKENS: usize = 1_000;

/// How often somebody may ask.
#[derive(Clone, Copy, Debug)]
pub struct Rate {
    /// So many a second.
    per_second: NonZeroU32,
    /// So many at once, after a while without any.
    burst: NonZeroU32,
}

impl Rate {
    /// A rate of so many a second; `None` when that is none.
    pub fn new(per_second: u32, burst: u32) -> Option<Rate> {
        let (per_second, burst) = (NonZeroU32::new(per_second)?, NonZeroU32::new(burst)?);
        Some(Rate { per_second, burst })
    }

    /// How long one request counts.
    fn cost(&self) -> Duration {
        Duration::from_secs(1) / self.per_second.get()
    }

    /// How much may be counted at a time.
    fn room(&self) -> Duration {
        self.cost() * self.burst.get()
    }
}

/// How often each has asked.
#[derive(Debug)]
pub(super) struct Rates {
    rate: Rate,
    /// Until when what each has asked counts.
    busy: Mutex<Recent<String, Instant>>,
}

impl Rates {
    pub(super) fn new(rate: Rate) -> Rates {
        Rates { rate, busy: Mutex::new(Recent::new(TOKENS)) }
    }

    /// Counts a request, or says in how long there is room for one.
    pub(super) fn take(&self, name: &str) -> Result<(), Duration> {
        self.take_at(name, Instant::now())
    }

    fn take_at(&self, name: &str, now: Instant) -> Result<(), Duration> {
        let mut busy = self.busy.lock().unwrap_or_else(PoisonError::into_inner);
        let until = busy.seen(&name.to_owned(), now, || now);
        let then = (*until).max(now) + self.rate.cost();
        let room = now + self.rate.room();
        if then > room {
            return Err(then - room);
        }
        *until = then;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_and_then_so_many_a_second() {
        let rates = Rates::new(Rate::new(10, 5).unwrap());
        let mut now = Instant::now();
        let count = |name: &str, now| (0..1_000).take_while(|_| rates.take_at(name, now).is_ok()).count();
        assert_eq!(count("entra", now), 5);
        assert_eq!(rates.take_at("entra", now), Err(Duration::from_millis(100)));
        assert_eq!(count("other", now), 5, "each has its own");
        now += Duration::from_millis(200);
        assert_eq!(count("entra", now), 2);
        now += Duration::from_secs(3_600);
        assert_eq!(count("entra", now), 5, "what was not used is not saved up");
        assert!(Rate::new(0, 5).is_none() && Rate::new(5, 0).is_none());
    }
}

//! Those who guess tokens: who was refused often is not heard for a while, and for longer each time.
//!
//! Not what makes tokens safe, which are random enough; but guessing should cost whoever guesses, be seen in the log and
//! leave the store alone. Invariant: an address from which a good token came lately is never shut out: behind a proxy
//! that is not named in `server.trusted_proxies` everybody has one address, and Entra is to be heard there.

use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use super::recent::{Origin, Recent};

/// How often a token may be refused within [`WINDOW`].
const REFUSALS: u32 = 10;
const WINDOW: Duration = Duration::from_secs(60);
/// For how long nothing is heard from an address that reached that, the first time; twice as long each time after it.
const FIRST_SILENCE: Duration = Duration::from_secs(30);
const LONGEST_SILENCE: Duration = Duration::from_secs(15 * 60);
/// After how long without a refusal it is the first time again.
const FORGOTTEN: Duration = Duration::from_secs(60 * 60);
/// How long a good token keeps its address from being shut out. Entra comes every 40 minutes at the least.
const TRUSTED: Duration = Duration::from_secs(2 * 60 * 60);
/// How many addresses are remembered.
const ADDRESSES: usize = 10_000;

/// Nothing is heard from there for so long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct RetryAfter(pub(super) Duration);

/// What is known of guesses. Each of its methods costs the same, whatever happened before.
#[derive(Debug)]
pub(super) struct Guard {
    table: Mutex<Table>,
}

#[derive(Debug)]
struct Table {
    refused: Recent<Origin, Refusals>,
    accepted: Recent<Origin, Instant>,
}

#[derive(Debug)]
struct Refusals {
    /// When the window began, and how many there were in it.
    since: Instant,
    count: u32,
    last: Instant,
    silent_until: Option<Instant>,
    silences: u32,
}

/// Whether an address has just been shut out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    Heard,
    ShutOut(RetryAfter),
}

impl Guard {
    pub(super) fn new() -> Guard {
        let table = Table { refused: Recent::new(ADDRESSES), accepted: Recent::new(ADDRESSES) };
        Guard { table: Mutex::new(table) }
    }

    /// Whether a token from that address is looked at.
    pub(super) fn check(&self, address: IpAddr) -> Result<(), RetryAfter> {
        self.check_at(address, Instant::now())
    }

    /// A token from that address was refused.
    pub(super) fn refused(&self, address: IpAddr) -> Verdict {
        self.refused_at(address, Instant::now())
    }

    /// A token from that address was good.
    pub(super) fn accepted(&self, address: IpAddr) {
        self.accepted_at(address, Instant::now());
    }

    fn check_at(&self, address: IpAddr, now: Instant) -> Result<(), RetryAfter> {
        let table = self.table.lock().unwrap_or_else(PoisonError::into_inner);
        let refusals = table.refused.get(&address.into());
        match refusals.and_then(|refusals| refusals.silent_until) {
            Some(until) if until > now => Err(RetryAfter(until - now)),
            _ => Ok(()),
        }
    }

    fn refused_at(&self, address: IpAddr, now: Instant) -> Verdict {
        let origin = Origin::from(address);
        let mut table = self.table.lock().unwrap_or_else(PoisonError::into_inner);
        if table.accepted.get(&origin).is_some_and(|accepted| now.duration_since(*accepted) < TRUSTED) {
            return Verdict::Heard;
        }
        let new = || Refusals { since: now, count: 0, last: now, silent_until: None, silences: 0 };
        let refusals = table.refused.seen(&origin, now, new);
        if now.duration_since(refusals.last) >= FORGOTTEN {
            *refusals = new();
        } else if now.duration_since(refusals.since) >= WINDOW {
            (refusals.since, refusals.count) = (now, 0);
        }
        refusals.last = now;
        refusals.count += 1;
        // Many may have been on their way when the address was shut out.
        let is_silent = refusals.silent_until.is_some_and(|until| until > now);
        if refusals.count < REFUSALS || is_silent {
            return Verdict::Heard;
        }
        let silence = FIRST_SILENCE.saturating_mul(1 << refusals.silences.min(10)).min(LONGEST_SILENCE);
        refusals.silences += 1;
        refusals.count = 0;
        refusals.silent_until = Some(now + silence);
        Verdict::ShutOut(RetryAfter(silence))
    }

    fn accepted_at(&self, address: IpAddr, now: Instant) {
        let mut table = self.table.lock().unwrap_or_else(PoisonError::into_inner);
        *table.accepted.seen(&address.into(), now, || now) = now;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GUESSER: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 1));
    const OTHER: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 2));

    fn shut_out(guard: &Guard, now: Instant) -> Duration {
        for _ in 1..REFUSALS {
            assert_eq!(guard.refused_at(GUESSER, now), Verdict::Heard);
            assert_eq!(guard.check_at(GUESSER, now), Ok(()));
        }
        let Verdict::ShutOut(RetryAfter(silence)) = guard.refused_at(GUESSER, now) else { panic!("it is heard") };
        assert_eq!(guard.check_at(GUESSER, now), Err(RetryAfter(silence)));
        assert_eq!(guard.refused_at(GUESSER, now), Verdict::Heard, "one that was on its way");
        silence
    }

    #[test]
    fn each_silence_is_longer_than_the_last() {
        let guard = Guard::new();
        let mut now = Instant::now();
        let mut silences = Vec::new();
        for _ in 0..7 {
            let silence = shut_out(&guard, now);
            assert_eq!(guard.check_at(OTHER, now), Ok(()), "others are heard");
            now += silence + WINDOW;
            assert_eq!(guard.check_at(GUESSER, now), Ok(()));
            silences.push(silence.as_secs());
        }
        assert_eq!(silences, [30, 60, 120, 240, 480, 900, 900]);
        assert_eq!(shut_out(&guard, now + FORGOTTEN), FIRST_SILENCE);
    }

    #[test]
    fn a_slip_now_and_then_is_no_guessing() {
        let guard = Guard::new();
        let start = Instant::now();
        for number in 0..1_000 {
            let now = start + WINDOW / (REFUSALS - 2) * number;
            assert_eq!(guard.refused_at(GUESSER, now), Verdict::Heard);
        }
    }

    #[test]
    fn from_where_a_good_token_came_others_are_heard_too_for_a_while() {
        let guard = Guard::new();
        let now = Instant::now();
        guard.accepted_at(GUESSER, now);
        for _ in 0..100 {
            assert_eq!(guard.refused_at(GUESSER, now), Verdict::Heard);
        }
        shut_out(&guard, now + TRUSTED);
    }
}

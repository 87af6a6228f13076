//! What is known of those who were seen lately: a table that never grows beyond a size.
//!
//! When it is full, the half that was not seen for the longest time is forgotten, so that an attacker with many
//! addresses costs bounded memory, and little time.

use std::collections::HashMap;
use std::hash::Hash;
use std::net::{IpAddr, Ipv6Addr};

use tokio::time::Instant;

/// A table of at most so many.
#[derive(Debug)]
pub(super) struct Recent<K, V> {
    most: usize,
    entries: HashMap<K, (Instant, V)>,
}

impl<K: Eq + Hash + Clone, V> Recent<K, V> {
    pub(super) fn new(most: usize) -> Recent<K, V> {
        Recent { most, entries: HashMap::new() }
    }

    /// What is known of a key; it is not seen by that.
    pub(super) fn get(&self, key: &K) -> Option<&V> {
        self.entries.get(key).map(|(_, value)| value)
    }

    /// What is known of a key that is seen now.
    pub(super) fn seen(&mut self, key: &K, now: Instant, new: impl FnOnce() -> V) -> &mut V {
        if self.entries.len() >= self.most && !self.entries.contains_key(key) {
            self.forget_half();
        }
        let (seen, value) = self.entries.entry(key.clone()).or_insert_with(|| (now, new()));
        *seen = now;
        value
    }

    fn forget_half(&mut self) {
        let mut times: Vec<Instant> = self.entries.values().map(|(seen, _)| *seen).collect();
        let middle = times.len() / 2;
        let (_, middle, _) = times.select_nth_unstable(middle);
        let middle = *middle;
        self.entries.retain(|_, (seen, _)| *seen > middle);
    }
}

/// Where a request comes from, as far as one can choose it: whoever has one IPv6 address has the 2^64 beside it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Origin(IpAddr);

impl From<IpAddr> for Origin {
    fn from(address: IpAddr) -> Origin {
        Origin(match address {
            IpAddr::V4(_) => address,
            IpAddr::V6(v6) => IpAddr::V6(Ipv6Addr::from_bits(v6.to_bits() & !u128::from(u64::MAX))),
        })
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn it_does_not_grow_and_forgets_the_oldest() {
        let mut recent = Recent::new(100);
        let start = Instant::now();
        for number in 0..10_000_u32 {
            *recent.seen(&number, start + Duration::from_millis(number.into()), || 0) += 1;
            recent.seen(&0, start + Duration::from_millis(number.into()), || 0);
            assert!(recent.entries.len() <= 100);
        }
        assert!(recent.get(&9_999).is_some() && recent.get(&9_980).is_some());
        assert!(recent.get(&0).is_some(), "it was seen all the time");
        assert!(recent.get(&5_000).is_none());
        // All of them seen at once: some must go.
        let mut recent = Recent::new(4);
        (0..100).for_each(|number| *recent.seen(&number, start, || 0) = number);
        assert!(recent.entries.len() <= 4);
    }

    #[test]
    fn neighbours_in_ipv6_are_one() {
        let origin = |text: &str| Origin::from(text.parse::<IpAddr>().unwrap());
        assert_eq!(origin("2001:db8::1"), origin("2001:db8::ffff:1"));
        assert_ne!(origin("2001:db8::1"), origin("2001:db8:0:1::1"));
        assert_ne!(origin("192.0.2.1"), origin("192.0.2.2"));
    }
}

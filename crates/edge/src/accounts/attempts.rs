//! Failed logins, counted in a fixed number of values, before any hash is computed.

use std::collections::BTreeMap;

use framelift_domain::Time;
use serde::{Deserialize, Serialize};

use crate::store::Stored;

/// The window, in milliseconds, from the first failure.
const WINDOW_MS: i64 = 15 * 60 * 1000;
/// Values that the counts are spread over: made-up addresses cannot fill the store.
const BUCKETS: u32 = 4096;
/// Counts in one value (about 8 KB); the oldest one makes room.
const MAX_ENTRIES: usize = 128;

/// Whose failures are counted together, and how many there may be in the window.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Counter {
    /// A keyed hash, in hex.
    name: String,
    most: u32,
    /// Whether a success takes the failures before it back.
    forgives: bool,
}

impl Counter {
    pub(super) fn new(name: String, most: u32) -> Self {
        Self { name, most, forgives: false }
    }

    /// The same, whose failures a success takes back.
    pub(super) fn forgiving(self) -> Self {
        Self { forgives: true, ..self }
    }

    /// Its name within a value: 96 bits are enough to tell a few apart.
    fn entry(&self) -> String {
        self.name.get(8..32).unwrap_or(&self.name).to_owned()
    }
}

/// The value of `attempts/<bucket>`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Attempts {
    #[serde(default)]
    accounts: BTreeMap<String, Count>,
}

impl Stored for Attempts {}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Count {
    since: Time,
    /// Attempts known to have failed.
    failed: u32,
    /// Attempts whose hash is being computed; one that was never reported back stays here, and
    /// so counts as failed.
    pending: u32,
}

/// Whether an attempt may go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Admission {
    /// It is counted; report its outcome.
    Admitted,
    /// So many are under way that all of them failing would be too many.
    Busy,
    /// Too many failed; the window ends after so many seconds.
    Refused(u32),
}

/// The key of the value in which the counter is.
pub(super) fn bucket(counter: &Counter) -> String {
    let start = counter.name.get(..8).and_then(|digits| u32::from_str_radix(digits, 16).ok()).unwrap_or(0);
    format!("attempts/{}", start % BUCKETS)
}

impl Attempts {
    /// Counts an attempt before it is made.
    pub(super) fn begin(mut self, counter: &Counter, now: Time) -> (Self, Admission) {
        self.accounts.retain(|_, count| now.ms_since(count.since) < WINDOW_MS);
        let entry = counter.entry();
        if !self.accounts.contains_key(&entry) && self.accounts.len() >= MAX_ENTRIES {
            let oldest =
                self.accounts.iter().min_by_key(|(_, count)| count.since).map(|(name, _)| name.clone());
            if let Some(oldest) = oldest {
                self.accounts.remove(&oldest);
            }
        }
        let count = self.accounts.entry(entry).or_insert(Count { since: now, failed: 0, pending: 0 });
        let admission = if count.failed >= counter.most {
            let left_ms = (WINDOW_MS - now.ms_since(count.since)).clamp(1, WINDOW_MS);
            Admission::Refused(u32::try_from(left_ms.unsigned_abs().div_ceil(1000)).unwrap_or(u32::MAX))
        } else if count.failed + count.pending >= counter.most {
            Admission::Busy
        } else {
            count.pending += 1;
            Admission::Admitted
        };
        (self, admission)
    }

    /// An admitted attempt failed.
    pub(super) fn failed(mut self, counter: &Counter, now: Time) -> Self {
        let count =
            self.accounts.entry(counter.entry()).or_insert(Count { since: now, failed: 0, pending: 0 });
        count.pending = count.pending.saturating_sub(1);
        count.failed = count.failed.saturating_add(1);
        self
    }

    /// An admitted attempt succeeded.
    pub(super) fn succeeded(self, counter: &Counter) -> Self {
        self.ended(counter, counter.forgives)
    }

    /// An admitted attempt was not made.
    pub(super) fn withdrawn(self, counter: &Counter) -> Self {
        self.ended(counter, false)
    }

    fn ended(mut self, counter: &Counter, forgiven: bool) -> Self {
        let entry = counter.entry();
        if let Some(count) = self.accounts.get_mut(&entry) {
            count.pending = count.pending.saturating_sub(1);
            if forgiven {
                count.failed = 0;
            }
            if count.pending == 0 && count.failed == 0 {
                self.accounts.remove(&entry);
            }
        }
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counter(name: &str) -> Counter {
        Counter::new(name.to_owned(), 10).forgiving()
    }

    fn ada() -> Counter {
        counter("00000001aaaaaaaaaaaaaaaaaaaaaaaabbbb")
    }

    fn at(seconds: i64) -> Time {
        Time::from_unix_ms(seconds * 1000)
    }

    fn fail(attempts: Attempts, counter: &Counter, now: Time) -> Attempts {
        let (attempts, admission) = attempts.begin(counter, now);
        assert_eq!(admission, Admission::Admitted);
        attempts.failed(counter, now)
    }

    #[test]
    fn the_eleventh_waits_for_the_windows_end() {
        let mut attempts = Attempts::default();
        for n in 0..10 {
            attempts = fail(attempts, &ada(), at(n));
        }
        assert_eq!(attempts.clone().begin(&ada(), at(10)).1, Admission::Refused(890));
        assert_eq!(attempts.clone().begin(&ada(), at(899)).1, Admission::Refused(1));
        assert_eq!(attempts.begin(&ada(), at(900)).1, Admission::Admitted);
    }

    #[test]
    fn attempts_under_way_count_too() {
        let mut attempts = Attempts::default();
        for _ in 0..10 {
            attempts = attempts.begin(&ada(), at(0)).0;
        }
        let (attempts, admission) = attempts.begin(&ada(), at(0));
        assert_eq!(admission, Admission::Busy);
        assert_eq!(attempts.succeeded(&ada()).begin(&ada(), at(0)).1, Admission::Admitted);
    }

    #[test]
    fn success_forgives() {
        let mut attempts = Attempts::default();
        for n in 0..9 {
            attempts = fail(attempts, &ada(), at(n));
        }
        let attempts = attempts.begin(&ada(), at(9)).0;
        assert_eq!(attempts.clone().succeeded(&ada()), Attempts::default());
        // Not where the failures are those of others.
        let strict = Counter { forgives: false, ..ada() };
        let attempts = fail(attempts.succeeded(&strict), &strict, at(9));
        assert_eq!(attempts.begin(&strict, at(10)).1, Admission::Refused(890));
    }

    #[test]
    fn what_was_not_made_is_not_counted() {
        let mut attempts = Attempts::default();
        for _ in 0..100 {
            attempts = attempts.begin(&ada(), at(0)).0.withdrawn(&ada());
        }
        assert_eq!(attempts, Attempts::default());
    }

    #[test]
    fn made_up_accounts_do_not_fill_a_value() {
        let mut attempts = Attempts::default();
        for n in 0..1000 {
            attempts = fail(attempts, &counter(&format!("00000001{n:024x}")), at(n / 10));
        }
        assert_eq!(attempts.accounts.len(), MAX_ENTRIES);
        assert!(serde_json::to_vec(&attempts).unwrap().len() < 16_000);
        assert_eq!(bucket(&ada()), "attempts/1");
        assert_eq!(bucket(&counter("x")), "attempts/0");
    }
}

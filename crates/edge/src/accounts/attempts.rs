//! Failed logins, counted by account in a fixed number of values, before any hash is computed.

use std::collections::BTreeMap;

use framelift_domain::Time;
use serde::{Deserialize, Serialize};

/// Failures after which an account's logins are refused until the window has passed.
const MAX_FAILURES: u32 = 10;
/// The window, in milliseconds, from the first failure.
const WINDOW_MS: i64 = 15 * 60 * 1000;
/// Values that the counts are spread over: made-up addresses cannot fill the store.
const BUCKETS: u32 = 4096;
/// Accounts counted in one value (about 8 KB); the oldest count makes room.
const MAX_ENTRIES: usize = 128;

/// The value of `attempts/<bucket>`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Attempts {
    #[serde(default)]
    accounts: BTreeMap<String, Count>,
}

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

/// The key of the value in which an account (the hash of its address) is counted.
pub(super) fn bucket(account: &str) -> String {
    let start = account.get(..8).and_then(|digits| u32::from_str_radix(digits, 16).ok()).unwrap_or(0);
    format!("attempts/{}", start % BUCKETS)
}

/// The account within its value: 96 bits are enough to tell a few accounts apart.
fn entry(account: &str) -> String {
    account.get(8..32).unwrap_or(account).to_owned()
}

impl Attempts {
    /// Counts an attempt before it is made.
    pub(super) fn begin(mut self, account: &str, now: Time) -> (Self, Admission) {
        self.accounts.retain(|_, count| now.ms_since(count.since) < WINDOW_MS);
        let entry = entry(account);
        if !self.accounts.contains_key(&entry) && self.accounts.len() >= MAX_ENTRIES {
            let oldest =
                self.accounts.iter().min_by_key(|(_, count)| count.since).map(|(name, _)| name.clone());
            if let Some(oldest) = oldest {
                self.accounts.remove(&oldest);
            }
        }
        let count = self.accounts.entry(entry).or_insert(Count { since: now, failed: 0, pending: 0 });
        let admission = if count.failed >= MAX_FAILURES {
            let left_ms = (WINDOW_MS - now.ms_since(count.since)).clamp(1, WINDOW_MS);
            Admission::Refused(u32::try_from(left_ms.unsigned_abs().div_ceil(1000)).unwrap_or(u32::MAX))
        } else if count.failed + count.pending >= MAX_FAILURES {
            Admission::Busy
        } else {
            count.pending += 1;
            Admission::Admitted
        };
        (self, admission)
    }

    /// An admitted attempt failed.
    pub(super) fn failed(mut self, account: &str, now: Time) -> Self {
        let count =
            self.accounts.entry(entry(account)).or_insert(Count { since: now, failed: 0, pending: 0 });
        count.pending = count.pending.saturating_sub(1);
        count.failed = count.failed.saturating_add(1);
        self
    }

    /// An admitted attempt succeeded: earlier failures are forgiven.
    pub(super) fn succeeded(mut self, account: &str) -> Self {
        let entry = entry(account);
        if let Some(count) = self.accounts.get_mut(&entry) {
            count.pending = count.pending.saturating_sub(1);
            count.failed = 0;
            if count.pending == 0 {
                self.accounts.remove(&entry);
            }
        }
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ADA: &str = "00000001aaaaaaaaaaaaaaaaaaaaaaaabbbb";

    fn at(seconds: i64) -> Time {
        Time::from_unix_ms(seconds * 1000)
    }

    fn fail(attempts: Attempts, account: &str, now: Time) -> Attempts {
        let (attempts, admission) = attempts.begin(account, now);
        assert_eq!(admission, Admission::Admitted);
        attempts.failed(account, now)
    }

    #[test]
    fn the_eleventh_waits_for_the_windows_end() {
        let mut attempts = Attempts::default();
        for n in 0..10 {
            attempts = fail(attempts, ADA, at(n));
        }
        assert_eq!(attempts.clone().begin(ADA, at(10)).1, Admission::Refused(890));
        assert_eq!(attempts.clone().begin(ADA, at(899)).1, Admission::Refused(1));
        assert_eq!(attempts.begin(ADA, at(900)).1, Admission::Admitted);
    }

    #[test]
    fn attempts_under_way_count_too() {
        let mut attempts = Attempts::default();
        for _ in 0..10 {
            attempts = attempts.begin(ADA, at(0)).0;
        }
        let (attempts, admission) = attempts.begin(ADA, at(0));
        assert_eq!(admission, Admission::Busy);
        assert_eq!(attempts.succeeded(ADA).begin(ADA, at(0)).1, Admission::Admitted);
    }

    #[test]
    fn success_forgives() {
        let mut attempts = Attempts::default();
        for n in 0..9 {
            attempts = fail(attempts, ADA, at(n));
        }
        let attempts = attempts.begin(ADA, at(9)).0.succeeded(ADA);
        assert_eq!(attempts, Attempts::default());
    }

    #[test]
    fn made_up_accounts_do_not_fill_a_value() {
        let mut attempts = Attempts::default();
        for n in 0..1000 {
            attempts = fail(attempts, &format!("00000001{n:024x}"), at(n / 10));
        }
        assert_eq!(attempts.accounts.len(), MAX_ENTRIES);
        assert!(serde_json::to_vec(&attempts).unwrap().len() < 16_000);
        assert_eq!(bucket(ADA), "attempts/1");
        assert_eq!(bucket("x"), "attempts/0");
    }
}

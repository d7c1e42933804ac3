//! Limits the requests of a user in a minute, without a write for each request.
//!
//! Requests are sampled: one in `n`, chosen at random, is counted as `n`. The count is right on average, and sometimes
//! off by a fifth of the limit. An instance caches the count for [`CACHE_TTL_MS`], so requests that other instances
//! admit in this time come on top. Refused requests are not counted.

use std::cell::RefCell;
use std::collections::BTreeMap;

use framelift_contract::problem::ProblemCode;
use framelift_domain::{Time, UserId};
use serde::{Deserialize, Serialize};

use crate::http::{Failure, Incoming, Quota};
use crate::ports::{Ambient, Kv};
use crate::store::update::UpdateError;
use crate::store::{Store, StoreError, Stored, keys};

const MINUTE_MS: i64 = 60_000;
/// How long an instance caches a user's counts, in milliseconds.
const CACHE_TTL_MS: i64 = 2_000;
/// Maximum of users in the cache of an instance.
const MAX_CACHED_USERS: usize = 256;
/// Number of sampled requests that make up the limit.
const SAMPLES_PER_LIMIT: u32 = 32;

/// The counts of a user's requests.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct RequestCounts {
    /// The minute of `now`, counted from 1970.
    minute: i64,
    /// Requests in that minute.
    now: u32,
    /// Requests in the minute before.
    before: u32,
}

impl Stored for RequestCounts {}

impl RequestCounts {
    /// The counts, moved to another minute.
    fn at(self, minute: i64) -> Self {
        match minute - self.minute {
            0 => self,
            1 => Self { minute, now: 0, before: self.now },
            _ => Self { minute, now: 0, before: 0 },
        }
    }

    /// The requests in the last sixty seconds, if those of the minute before were evenly spread.
    fn estimate(self, passed_ms: i64) -> u32 {
        let share = i64::from(self.before) * (MINUTE_MS - passed_ms) / MINUTE_MS;
        self.now.saturating_add(u32::try_from(share).unwrap_or(0))
    }

    /// Milliseconds until the estimate is below the limit, without further requests.
    fn wait_ms(self, passed_ms: i64, limit: u32) -> i64 {
        // The share of a minute that has to pass until `of` and the rest are below the limit.
        let until = |of: u32, rest: u32| {
            let room = i64::from(limit.saturating_sub(rest));
            MINUTE_MS - (room * MINUTE_MS / i64::from(of.max(1))).min(MINUTE_MS) + 1
        };
        if self.now < limit {
            return until(self.before, self.now) - passed_ms;
        }
        MINUTE_MS - passed_ms + until(self.now, 0)
    }
}

/// The limit, and an instance's cache of counts.
#[derive(Debug)]
pub struct RateLimiter {
    per_minute: u32,
    cache: RefCell<BTreeMap<UserId, (Time, RequestCounts)>>,
}

impl RateLimiter {
    /// A limit of requests of one user in a minute; 0 means no limit.
    pub fn new(per_minute: u32) -> Self {
        Self { per_minute, cache: RefCell::default() }
    }

    /// Counts a request, and returns what is left of the limit, or none without a limit. The request is allowed if the
    /// store does not answer or the counts are damaged.
    pub(crate) async fn count<K: Kv, A: Ambient>(
        &self,
        store: &Store<'_, K, A>,
        ambient: &A,
        user: UserId,
    ) -> Option<Quota> {
        if self.per_minute == 0 {
            return None;
        }
        let now = ambient.now();
        let (minute, passed_ms) = (now.unix_ms().div_euclid(MINUTE_MS), now.unix_ms().rem_euclid(MINUTE_MS));
        let key = keys::rate(user);
        let cached = self.cache.borrow().get(&user).copied();
        let cached = cached.filter(|(read, _)| (0..CACHE_TTL_MS).contains(&now.ms_since(*read)));
        let mut requests = match cached {
            Some((_, requests)) => requests,
            None => match store.get::<RequestCounts>(&key).await {
                Ok(requests) => requests.unwrap_or_default(),
                Err(StoreError::Damaged(damaged)) => {
                    damaged.log_once("a limit is not applied", Some(user), None);
                    return None;
                }
                Err(StoreError::Unavailable(_)) => RequestCounts::default(),
            },
        };
        requests = requests.at(minute);
        let used = requests.estimate(passed_ms);
        if used >= self.per_minute {
            self.cache_counts(user, now, requests);
            let wait_s = requests.wait_ms(passed_ms, self.per_minute).max(1).saturating_add(999) / 1000;
            return Some(self.quota(0, u32::try_from(wait_s).unwrap_or(60)));
        }
        let weight = (self.per_minute / SAMPLES_PER_LIMIT).max(1);
        let mut random = [0; 4];
        ambient.fill_random(&mut random);
        if u32::from_le_bytes(random).is_multiple_of(weight)
            && let Some(counted) = self.write(store, &key, minute, weight).await
        {
            requests = counted;
            self.cache_counts(user, now, requests);
        } else if cached.is_none() {
            self.cache_counts(user, now, requests);
        }
        let remaining = self.per_minute.saturating_sub(used).max(1);
        let reset_s = u32::try_from((MINUTE_MS - passed_ms + 999) / 1000).unwrap_or(60);
        Some(self.quota(remaining, reset_s))
    }

    /// Counts a request, and adds what is left of the limit to its answer; 429 if there were too many.
    pub(crate) async fn admit<K: Kv, A: Ambient>(
        &self,
        store: &Store<'_, K, A>,
        ambient: &A,
        user: UserId,
        incoming: &Incoming,
    ) -> Result<(), Failure> {
        let Some(quota) = self.count(store, ambient, user).await else { return Ok(()) };
        incoming.set_quota(quota);
        if quota.allows() {
            return Ok(());
        }
        let detail = "there were too many requests in the last minute";
        Err(Failure::new(ProblemCode::RateLimited, detail).retry_after(quota.reset_s))
    }

    fn quota(&self, remaining: u32, reset_s: u32) -> Quota {
        Quota { limit: self.per_minute, remaining, reset_s }
    }

    /// Adds `weight` requests to the stored count. None if the store does not answer.
    async fn write<K: Kv, A: Ambient>(
        &self,
        store: &Store<'_, K, A>,
        key: &str,
        minute: i64,
        weight: u32,
    ) -> Option<RequestCounts> {
        for _ in 0..2 {
            let counted = store.update(key, |requests: RequestCounts| {
                let requests = requests.at(minute);
                let now = requests.now.saturating_add(weight);
                Ok::<_, std::convert::Infallible>((RequestCounts { now, ..requests }, true, ()))
            });
            match counted.await {
                Ok(updated) => return Some(updated.value),
                Err(UpdateError::Missing) => {
                    store.create(key, &RequestCounts::default()).await.ok()?;
                }
                Err(_) => return None,
            }
        }
        None
    }

    fn cache_counts(&self, user: UserId, now: Time, requests: RequestCounts) {
        let mut cache = self.cache.borrow_mut();
        if cache.len() >= MAX_CACHED_USERS {
            cache.retain(|_, (read, _)| now.ms_since(*read) < CACHE_TTL_MS);
        }
        if cache.len() < MAX_CACHED_USERS {
            cache.insert(user, (now, requests));
        }
    }
}

#[cfg(test)]
mod tests {
    use futures::executor::block_on;

    use super::*;
    use crate::store::memory::{MemoryKv, StoreFaults, TestAmbient};

    struct Edge {
        kv: MemoryKv,
        clock: TestAmbient,
        user: UserId,
    }

    impl Edge {
        fn new() -> Self {
            Self { kv: MemoryKv::default(), clock: TestAmbient::new(5), user: UserId::new(1, [1; 10]) }
        }

        fn count(&self, rate_limiter: &RateLimiter) -> Quota {
            let store = Store::new(&self.kv, &self.clock);
            block_on(rate_limiter.count(&store, &self.clock, self.user)).unwrap()
        }
    }

    #[test]
    fn a_small_limit_is_exact_and_slides_with_the_minute() {
        let (edge, rate_limiter) = (Edge::new(), RateLimiter::new(10));
        let begin = edge.clock.now().unix_ms().rem_euclid(MINUTE_MS);
        edge.clock.advance_ms(MINUTE_MS - begin + 30_000);
        for n in 0..10 {
            assert_eq!(edge.count(&rate_limiter), Quota { limit: 10, remaining: 10 - n, reset_s: 30 });
        }
        let refused = edge.count(&rate_limiter);
        assert!(!refused.allows() && !edge.count(&rate_limiter).allows());
        // As long as it says, and no shorter.
        edge.clock.advance_ms(i64::from(refused.reset_s) * 1000 - 1500);
        assert!(!edge.count(&rate_limiter).allows());
        edge.clock.advance_ms(8_000);
        assert!(edge.count(&rate_limiter).allows());
        edge.clock.advance_ms(3 * MINUTE_MS);
        assert_eq!(edge.count(&rate_limiter).remaining, 10);
        assert!(
            block_on(RateLimiter::new(0).count(&Store::new(&edge.kv, &edge.clock), &edge.clock, edge.user))
                .is_none()
        );
    }

    #[test]
    fn many_short_lived_instances_let_through_about_the_limit_and_write_seldom() {
        let edge = Edge::new();
        let mut passed = Vec::new();
        for _ in 0..20 {
            // A new minute and its predecessor forgotten.
            let begin = edge.clock.now().unix_ms().rem_euclid(MINUTE_MS);
            edge.clock.advance_ms(3 * MINUTE_MS - begin);
            edge.kv.take_writes();
            let mut allowed = 0;
            for _ in 0..150 {
                // Each instance serves ten requests.
                let rate_limiter = RateLimiter::new(640);
                allowed += (0..10).filter(|_| edge.count(&rate_limiter).allows()).count();
            }
            let writes = edge.kv.take_writes().len();
            assert!(writes < allowed / 8, "{writes} writes of {allowed} requests");
            assert!((320..=1280).contains(&allowed), "{allowed}");
            passed.push(allowed);
        }
        let mean = passed.iter().sum::<usize>() / passed.len();
        assert!((540..=760).contains(&mean), "{mean} on average: {passed:?}");
    }

    #[test]
    fn without_the_store_every_request_is_allowed() {
        let edge = Edge::new();
        edge.kv.set_faults(StoreFaults { error_before: 100, ..StoreFaults::MODES[0].1 });
        let rate_limiter = RateLimiter::new(2);
        assert!((0..20).all(|_| edge.count(&rate_limiter).allows()));
    }
}

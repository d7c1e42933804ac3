//! Time and randomness: the only place that reads the system's clock and random numbers.

use framelift_domain::Time;
use rand::Rng as _;

/// Now.
pub(crate) fn now() -> Time {
    #[expect(clippy::disallowed_methods, reason = "the worker's one clock")]
    let now = jiff::Timestamp::now();
    Time::from_unix_ms(now.as_millisecond())
}

/// A random number, 0 up to 1.
pub(crate) fn fraction() -> f64 {
    // 53 random bits are what an f64 between 0 and 1 holds.
    (rand::rng().next_u64() >> 11) as f64 / (1_u64 << 53) as f64
}

/// Sixteen random hexadecimal digits.
pub(crate) fn token() -> String {
    format!("{:016x}", rand::rng().next_u64())
}

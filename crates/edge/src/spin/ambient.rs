//! The one place in the guests where the clock and the random source are read.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use framelift_domain::Time;

use crate::ports::Ambient;

/// WASI's clock and random source.
#[derive(Clone, Copy, Debug, Default)]
pub struct SpinAmbient;

impl Ambient for SpinAmbient {
    #[expect(clippy::disallowed_methods, reason = "this is the adapter that others take a clock from")]
    fn now(&self) -> Time {
        let since_1970 = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Time::from_unix_ms(i64::try_from(since_1970.as_millis()).unwrap_or(i64::MAX))
    }

    fn fill_random(&self, buffer: &mut [u8]) {
        if getrandom::fill(buffer).is_err() {
            // WASI's source cannot fail. If it did, predictable keys would be worse than a trap.
            std::process::abort();
        }
    }

    async fn pause(&self, milliseconds: u32) {
        spin_sdk::time::sleep(Duration::from_millis(u64::from(milliseconds))).await;
    }
}

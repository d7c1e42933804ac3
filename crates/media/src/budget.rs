//! The time that an extraction may take, from the size of its video and the duration that it claims.

use std::time::Duration;

use framelift_domain::Rational;

const MIB: f64 = 1_048_576.0;
/// Limits a claimed duration: a video is assumed to have at least this many bytes a second (4 kbit/s).
const MIN_BYTE_RATE: f64 = 512.0;
/// Bytes that may be read before the first frame is extracted, in addition to [`MAX_REREADS`] times the
/// file's size.
const BASE_READ_BYTES: u64 = 64 << 20;
/// How many times the whole file may be read before the first frame is extracted. The engine itself reads a
/// file that has no index three times: to open it, to measure it, and to decode it where its packets have no
/// times.
const MAX_REREADS: u64 = 8;

/// Returns how long opening and measuring a video of `size_bytes` may take, not counting waits for the
/// source. It is linear in the size. 4 s for 1 MiB are ten times what decoding all of an old AVI takes on a
/// slow core.
pub fn preparation_budget(size_bytes: u64) -> Duration {
    Duration::from_secs(15) + Duration::from_secs_f64(size_bytes as f64 / MIB * 4.0)
}

/// What the time limits of an extraction are computed from.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Budget {
    size: u64,
    /// Seconds.
    duration: f64,
    /// Millions of pixels of one picture.
    megapixels: f64,
}

impl Budget {
    /// The budget of a video of `size` bytes with a claimed `duration` and pictures of `pixels` pixels.
    pub(crate) fn new(size: u64, duration: Option<Rational>, pixels: u64) -> Self {
        let claimed = duration.map_or(0.0, |duration| duration.to_f64().max(0.0));
        let believed = claimed.min(size as f64 / MIN_BYTE_RATE);
        Self { size, duration: believed, megapixels: pixels as f64 / 1e6 }
    }

    pub(crate) fn size(&self) -> u64 {
        self.size
    }

    /// How long opening and measuring may take.
    pub(crate) fn preparation(&self) -> Duration {
        preparation_budget(self.size)
    }

    /// How many bytes opening and measuring may read.
    pub(crate) fn reads(&self) -> u64 {
        self.size.saturating_mul(MAX_REREADS).saturating_add(BASE_READ_BYTES)
    }

    /// How long the whole extraction may take: a minute for each MiB, the duration, and an allowance for each
    /// image written (the slowest format takes about a second for a million pixels).
    pub(crate) fn whole(&self, images: u64) -> Duration {
        let images = images as f64 * (2.0 + 2.0 * self.megapixels);
        let seconds = 1_800.0 + self.size as f64 / MIB * 60.0 + self.duration + images;
        Duration::try_from_secs_f64(seconds).unwrap_or(Duration::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_grows_with_bytes_and_not_with_claims() {
        let century = Some(Rational::whole(3_000_000_000));
        let small = Budget::new(4096, century, 0);
        assert_eq!(small.preparation().as_secs(), 15);
        assert_eq!(small.whole(0).as_secs(), 1_808, "4096 bytes are 8 s at most");
        let large = Budget::new(100 << 20, century, 0);
        assert_eq!(large.preparation().as_secs(), 415);
        assert_eq!(large.whole(0).as_secs(), 1_800 + 6_000 + (100 << 20) / 512);
        let hour = Budget::new(100 << 20, Some(Rational::whole(3600)), 2_000_000);
        assert_eq!(hour.whole(10).as_secs(), 1_800 + 6_000 + 3_600 + 60);
        assert!(Budget::new(u64::MAX, century, u64::MAX).whole(u64::MAX) > Duration::from_secs(1 << 40));
    }
}

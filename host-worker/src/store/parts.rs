//! How large the parts of a multipart upload are.

/// The least size of a part but the last (S3).
pub(crate) const MIN_SIZE: u64 = 5 << 20;
/// The largest first part that the configuration may ask for.
pub(crate) const MAX_BASE: u64 = 64 << 20;
/// The most parts of an upload (S3).
pub(crate) const MAX_PARTS: u32 = 10_000;
/// After so many parts, they get larger by the first one's size.
const STEP: u32 = 1_000;

/// Bytes of part `number` (from 1): small at first, so that small archives cost little
/// memory, and larger later, so that 10,000 are enough for a long one.
pub(crate) const fn size(base: u64, number: u32) -> u64 {
    base * (1 + (number.saturating_sub(1) / STEP) as u64)
}

/// Bytes that fit into one upload.
pub(crate) const fn capacity(base: u64) -> u64 {
    let steps = (MAX_PARTS / STEP) as u64;
    base * STEP as u64 * (steps * (steps + 1) / 2)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn capacity_is_the_sum_of_all_parts() {
        let base = 8 << 20;
        assert_eq!(capacity(base), (1..=MAX_PARTS).map(|number| size(base, number)).sum::<u64>());
        assert_eq!((size(base, 1), size(base, 1000), size(base, 1001)), (base, base, 2 * base));
        assert!(capacity(base) > 256 << 30);
        assert!(size(MAX_BASE, MAX_PARTS) < 5 << 30, "a part holds at most 5 GiB");
    }
}

//! The parts of an upload: one PUT for small files, parts for large ones.

use framelift_domain::Limits;
use framelift_domain::video::Multipart;

const MIB: u64 = 1 << 20;
/// The smallest part size that is chosen; S3 asks for 5 MiB.
pub(crate) const MIN_PART_BYTES: u64 = 8 * MIB;
/// Up to this part size, a file has at most [`PREFERRED_PARTS`] parts. Larger files have more parts, because a larger
/// part costs too much to send again.
const MAX_PREFERRED_PART_BYTES: u64 = 64 * MIB;
const PREFERRED_PARTS: u64 = 1_000;
/// S3's maximum of parts.
pub(crate) const MAX_PARTS: u64 = 10_000;

/// Maximum of part URLs in one answer.
pub(crate) const PARTS_PER_ANSWER: u32 = 100;

/// Size and number of the parts of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Plan {
    /// Bytes of each part but the last.
    pub(crate) part_size: u64,
    /// Number of parts.
    pub(crate) part_count: u32,
}

impl Plan {
    /// The parts of a file of that size; none if it is one PUT.
    pub(crate) fn of(size_bytes: u64, limits: &Limits) -> Option<Self> {
        if size_bytes <= limits.single_put_bytes {
            return None;
        }
        let few = size_bytes.div_ceil(PREFERRED_PARTS).clamp(MIN_PART_BYTES, MAX_PREFERRED_PART_BYTES);
        let part_size = few.max(size_bytes.div_ceil(MAX_PARTS)).next_multiple_of(MIB);
        // At most MAX_PARTS by construction.
        let part_count = u32::try_from(size_bytes.div_ceil(part_size)).unwrap_or(u32::MAX);
        Some(Self { part_size, part_count })
    }
}

/// Bytes of one part of a file; 0 if there is no such part.
pub(crate) fn part_bytes(parts: &Multipart, number: u32, size_bytes: u64) -> u64 {
    let begin = u64::from(number.saturating_sub(1)).saturating_mul(parts.part_size);
    if number == 0 { 0 } else { size_bytes.saturating_sub(begin).min(parts.part_size) }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn parts(plan: Plan) -> Multipart {
        Multipart { upload_id: "u".into(), part_size: plan.part_size, part_count: plan.part_count }
    }

    #[test]
    fn the_limits_of_the_contract() {
        let limits = Limits::default();
        assert_eq!(Plan::of(64 * MIB, &limits), None);
        assert_eq!(Plan::of(64 * MIB + 1, &limits), Some(Plan { part_size: 8 * MIB, part_count: 9 }));
        let largest = Plan::of(50 << 30, &limits).unwrap();
        assert_eq!(largest, Plan { part_size: 52 * MIB, part_count: 985 });
        assert_eq!(Plan::of(600 << 30, &limits).unwrap().part_size, 64 * MIB);
    }

    proptest! {
        #[test]
        fn parts_cover_the_file_exactly(size in (64 * MIB + 1)..(5_u64 << 40)) {
            let plan = Plan::of(size, &Limits::default()).unwrap();
            prop_assert!(plan.part_size >= MIN_PART_BYTES && plan.part_size <= 5 << 30);
            prop_assert!(u64::from(plan.part_count) <= MAX_PARTS);
            let sum: u64 = (1..=plan.part_count).map(|n| part_bytes(&parts(plan), n, size)).sum();
            prop_assert_eq!(sum, size);
            prop_assert!(part_bytes(&parts(plan), plan.part_count, size) > 0);
            prop_assert_eq!(part_bytes(&parts(plan), plan.part_count + 1, size), 0);
        }
    }
}

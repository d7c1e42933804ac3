//! Divides the threads of a job among decoders.

/// The number of parallel decoders, and the threads of each.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Share {
    pub(super) workers: usize,
    pub(super) threads_each: usize,
}

/// The division for `groups` groups of pictures; 0 if their number is unknown.
///
/// With many groups each decoder has one thread. With few, some threads would be idle at the end, so decoders
/// get several. The output is the same.
pub(super) fn of(threads: usize, groups: usize) -> Share {
    if groups == 0 || groups >= 4 * threads {
        return Share { workers: threads, threads_each: 1 };
    }
    let workers = threads.min(groups);
    Share { workers, threads_each: (2 * threads / workers).clamp(1, threads) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn few_groups_are_decoded_by_more_threads_each() {
        assert_eq!(of(2, 0), Share { workers: 2, threads_each: 1 });
        assert_eq!(of(2, 100), Share { workers: 2, threads_each: 1 });
        assert_eq!(of(2, 3), Share { workers: 2, threads_each: 2 });
        assert_eq!(of(16, 1), Share { workers: 1, threads_each: 16 });
        assert_eq!(of(16, 20), Share { workers: 16, threads_each: 2 });
        assert_eq!(of(1, 1), Share { workers: 1, threads_each: 1 });
    }
}

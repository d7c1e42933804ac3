//! The announced ranges, in order, and how far they have been read.

use std::ops::Range;

/// Ranges with a smaller gap between them are one: these bytes cost less than another request.
/// FFmpeg reads through gaps of up to 32 KiB anyway.
const GAP: u64 = 64 << 10;

/// The announced ranges. One that was passed is not expected again.
#[derive(Debug, Default)]
pub(super) struct Plan {
    ranges: Vec<Range<u64>>,
    /// The range that is read now.
    step: usize,
    /// How far it is read.
    offset: u64,
}

impl Plan {
    /// The ranges as far as they lie within `size` bytes, merged where they almost touch.
    pub(super) fn new(expected: &[Range<u64>], size: u64) -> Self {
        let mut ranges: Vec<Range<u64>> = Vec::new();
        for range in expected {
            let (start, end) = (range.start, range.end.min(size));
            if start >= end {
                continue;
            }
            match ranges.last_mut() {
                Some(last) if (last.start..last.end.saturating_add(GAP)).contains(&start) => {
                    last.end = last.end.max(end);
                }
                _ => ranges.push(start..end),
            }
        }
        Self { offset: ranges.first().map_or(0, |range| range.start), ranges, step: 0 }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.ranges.is_empty()
    }

    /// Moves on to `offset`; false if it lies in no range from the present one on.
    pub(super) fn advance(&mut self, offset: u64) -> bool {
        let found = self.ranges[self.step..].iter().position(|range| range.contains(&offset));
        if let Some(skipped) = found {
            self.step += skipped;
            self.offset = offset;
        }
        found.is_some()
    }

    /// The number of the range that is read now.
    pub(super) fn step(&self) -> usize {
        self.step
    }

    /// What is still to be read of range `step`; `None` beyond the last one.
    pub(super) fn rest_of(&self, step: usize) -> Option<Range<u64>> {
        let range = self.ranges.get(step)?;
        Some(if step == self.step { self.offset..range.end } else { range.clone() })
    }

    /// Whether what ends at `end` and was fetched for range `step` lies behind.
    pub(super) fn is_past(&self, step: usize, end: u64) -> bool {
        step < self.step || (step == self.step && end <= self.offset)
    }

    /// The last range that has bytes of `range`.
    pub(super) fn last_step_in(&self, range: &Range<u64>) -> Option<usize> {
        self.ranges.iter().rposition(|expected| expected.start < range.end && range.start < expected.end)
    }
}

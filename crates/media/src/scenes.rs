//! Detects where a new shot begins, by how much a frame differs from the one before it.
//!
//! The measure is the one that is usual in this field (FFmpeg's `scene` in its `select` filter is the same):
//! with *d* the mean absolute difference of luma, as a share of the full scale, the score is `min(d, |d − d
//! before|)`. The second term keeps steady motion from counting.

use crate::ffi::{Frame, Luma};

/// Scores frames in presentation order.
#[derive(Debug, Default)]
pub(crate) struct Scenes {
    /// The mean difference at the frame before.
    last: f64,
}

impl Scenes {
    /// Scores how likely `frame` is the first of a shot, 0 to 1; `before` is the frame before it. The first
    /// frame, and a frame of another size or format, scores 1.
    pub(crate) fn score(&mut self, before: Option<&Frame>, frame: &Frame) -> f64 {
        let difference = before.and_then(|before| difference(before, frame));
        let Some(difference) = difference else {
            self.last = 0.0;
            return 1.0;
        };
        let score = difference.min((difference - self.last).abs());
        self.last = difference;
        score.clamp(0.0, 1.0)
    }
}

/// The mean absolute difference of luma, as a share of the full scale; `None` if the frames cannot be
/// compared.
fn difference(a: &Frame, b: &Frame) -> Option<f64> {
    if (a.width(), a.height(), a.format()) != (b.width(), b.height(), b.format()) {
        return None;
    }
    let (a, b) = (a.luma()?, b.luma()?);
    let sum: u64 = (0..a.height).map(|line| row_difference(&a, &b, line)).sum();
    let samples = (a.width * a.height) as f64;
    Some(sum as f64 / samples / f64::from(1_u32 << a.depth.min(16)))
}

fn row_difference(a: &Luma<'_>, b: &Luma<'_>, line: usize) -> u64 {
    let (a_row, b_row) = (a.row(line), b.row(line));
    if a.depth <= 8 {
        // 32 bits hold the sum of any row.
        return a_row.iter().zip(b_row).map(|(a, b)| u32::from(a.abs_diff(*b))).sum::<u32>().into();
    }
    let sample = |bytes: &[u8]| u16::from_le_bytes([bytes[0], bytes[1]]);
    let pairs = a_row.chunks_exact(2).zip(b_row.chunks_exact(2));
    pairs.map(|(a, b)| u64::from(sample(a).abs_diff(sample(b)))).sum()
}

//! Reads samples of any memory layout as 15-bit numbers.

use super::picture::{Plane, PlaneRef};
use crate::ffi::{Frame, Packing};

/// Luma and two chroma planes; a sample is a fraction of 2^15, whatever its depth.
#[derive(Clone, Copy, Debug)]
pub(super) struct Samples<'a> {
    /// Each plane's data and its stride in bytes.
    planes: [(&'a [u8], usize); 3],
    packing: Packing,
    /// Columns and lines of luma.
    pub(super) size: (usize, usize),
    /// Columns and lines of a chroma plane.
    pub(super) chroma: (usize, usize),
}

/// Reused rows of samples.
#[derive(Default)]
pub(super) struct Rows {
    pub(super) luma: Vec<i16>,
    pub(super) cb: Vec<i16>,
    pub(super) cr: Vec<i16>,
    /// What chroma adds to luma.
    pub(super) terms: Vec<i16>,
}

impl<'a> Samples<'a> {
    /// The samples of a 4:2:0 frame; `None` if its format is not a common one.
    pub(super) fn of_frame(frame: &'a Frame) -> Option<Self> {
        let size = (frame.width() as usize, frame.height() as usize);
        let planes = frame.planes_420()?;
        let chroma = (size.0.div_ceil(2), size.1.div_ceil(2));
        Some(Self { planes: planes.planes, packing: planes.packing, size, chroma })
    }

    /// The samples of planes that this crate made.
    pub(super) fn of_planes(planes: &'a [Plane; 3], packing: Packing) -> Self {
        let [luma, chroma, _] = planes.each_ref().map(|plane| {
            let PlaneRef { width, height, .. } = plane.as_ref();
            (width / packing.sample_bytes(), height)
        });
        let planes = planes.each_ref().map(|plane| {
            let PlaneRef { data, stride, .. } = plane.as_ref();
            (data, stride)
        });
        Self { planes, packing, size: luma, chroma }
    }

    /// One pixel of bytes.
    #[cfg(test)]
    pub(super) fn of_bytes(samples: &'a [[u8; 1]; 3]) -> Self {
        let planes = samples.each_ref().map(|sample| (&sample[..], 1));
        Self { planes, packing: Packing::Planar8, size: (1, 1), chroma: (1, 1) }
    }

    /// The planes unchanged, if a sample is a byte.
    pub(super) fn as_bytes(&self) -> Option<[PlaneRef<'a>; 3]> {
        if self.packing != Packing::Planar8 {
            return None;
        }
        let [luma, cb, cr] = self.planes;
        Some(
            [(luma, self.size), (cb, self.chroma), (cr, self.chroma)]
                .map(|((data, stride), size)| PlaneRef::new(data, stride, size.0, size.1)),
        )
    }

    /// A row of luma.
    pub(super) fn luma(&self, line: usize, row: &mut Vec<i16>) {
        self.load(0, line, self.size.0, row);
    }

    /// A row of each chroma.
    pub(super) fn chroma(&self, line: usize, cb: &mut Vec<i16>, cr: &mut Vec<i16>) {
        self.load(1, line, self.chroma.0, cb);
        self.load(2, line, self.chroma.0, cr);
    }

    fn load(&self, plane: usize, line: usize, width: usize, row: &mut Vec<i16>) {
        let (data, stride) = self.planes[plane];
        let data = &data[line * stride..];
        let byte = |sample: &u8| i16::from(*sample) << 7;
        let word = |sample: &[u8]| u16::from_le_bytes([sample[0], sample[1]]);
        row.clear();
        match (self.packing, plane) {
            (Packing::Planar8, _) | (Packing::Semi8, 0) => row.extend(data[..width].iter().map(byte)),
            (Packing::Semi8, _) => row.extend(data[..width * 2 - 1].iter().step_by(2).map(byte)),
            (Packing::Planar { depth }, _) => {
                // Bits above the depth are meaningless and must not end up in the sign bit.
                let low = |sample| ((word(sample) << (15 - depth)) & 0x7fff) as i16;
                row.extend(data[..width * 2].chunks_exact(2).map(low));
            }
            (Packing::SemiHigh, 0) => {
                row.extend(data[..width * 2].chunks_exact(2).map(|sample| (word(sample) >> 1) as i16));
            }
            (Packing::SemiHigh, _) => {
                row.extend(data[..width * 4 - 2].chunks(4).map(|sample| (word(sample) >> 1) as i16));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_packings_mean_the_same() {
        // 0, a quarter and three quarters of the range.
        let numbers: [u16; 3] = [0, 1 << 14, 3 << 14];
        let bytes = numbers.map(|number| (number >> 8) as u8).to_vec();
        let words = |shift: u32| numbers.iter().flat_map(|n| (n >> shift).to_le_bytes()).collect::<Vec<_>>();
        let expected = vec![0, 1 << 13, 3 << 13];
        let reversed: Vec<i16> = expected.iter().rev().copied().collect();
        let cases = [
            (Packing::Planar8, bytes.clone()),
            (Packing::Planar { depth: 10 }, words(6)),
            (Packing::Planar { depth: 12 }, words(4)),
            (Packing::Semi8, bytes),
            (Packing::SemiHigh, words(0)),
        ];
        for (packing, luma) in cases {
            let size = packing.sample_bytes();
            let pairs = luma.chunks(size).zip(luma.chunks(size).rev());
            let back: Vec<u8> = luma.chunks(size).rev().flatten().copied().collect();
            let mixed: Vec<u8> = pairs.flat_map(|(cb, cr)| [cb, cr].concat()).collect();
            let planes = match packing {
                Packing::Semi8 | Packing::SemiHigh => [&luma[..], &mixed[..], &mixed[size..]],
                Packing::Planar8 | Packing::Planar { .. } => [&luma[..], &luma[..], &back[..]],
            };
            let planes = planes.map(|data| (data, 64));
            let samples = Samples { planes, packing, size: (3, 1), chroma: (3, 1) };
            let (mut row, mut cb, mut cr) = (vec![], vec![], vec![]);
            samples.luma(0, &mut row);
            samples.chroma(0, &mut cb, &mut cr);
            assert_eq!((&row, &cb, &cr), (&expected, &expected, &reversed), "{packing:?}");
        }
    }

    #[test]
    fn bits_that_a_sample_does_not_have_are_left_out() {
        let data = 0xfc01u16.to_le_bytes();
        let packing = Packing::Planar { depth: 10 };
        let samples = Samples { planes: [(&data[..], 2); 3], packing, size: (1, 1), chroma: (1, 1) };
        let mut row = vec![];
        samples.luma(0, &mut row);
        assert_eq!(row, [1 << 5]);
    }
}

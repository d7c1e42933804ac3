//! Planes of bytes with a stride, and their rotation.

use crate::ffi::{PlaneMut, Scaler};
use crate::geometry::Orientation;

/// An owned plane, reused for the next picture.
#[derive(Debug, Default)]
pub(super) struct Plane {
    data: Vec<u8>,
    stride: usize,
    width: usize,
    height: usize,
}

/// A borrowed plane.
#[derive(Clone, Copy, Debug)]
pub(crate) struct PlaneRef<'a> {
    pub(crate) data: &'a [u8],
    pub(crate) stride: usize,
    /// Bytes of a row without its padding.
    pub(crate) width: usize,
    pub(crate) height: usize,
}

impl<'a> PlaneRef<'a> {
    pub(super) fn new(data: &'a [u8], stride: usize, width: usize, height: usize) -> Self {
        Self { data, stride, width, height }
    }

    pub(crate) fn row(&self, line: usize) -> &'a [u8] {
        &self.data[line * self.stride..][..self.width]
    }
}

impl Plane {
    /// Resizes it to `width` bytes by `height` rows without clearing it. It has room for one more row and for
    /// what SIMD writes behind the last pixel.
    pub(super) fn reshape(&mut self, width: usize, height: usize) {
        self.stride = width.next_multiple_of(64) + if width.is_multiple_of(64) { 64 } else { 0 };
        (self.width, self.height) = (width, height);
        self.data.resize(self.stride * (height + 1) + Scaler::SLACK, 0);
    }

    #[cfg(test)]
    pub(super) fn row(&self, line: usize) -> &[u8] {
        &self.data[line * self.stride..][..self.width]
    }

    pub(super) fn row_mut(&mut self, line: usize) -> &mut [u8] {
        &mut self.data[line * self.stride..][..self.width]
    }

    pub(super) fn as_target(&mut self) -> PlaneMut<'_> {
        PlaneMut { data: &mut self.data, stride: self.stride, height: self.height }
    }

    pub(super) fn as_ref(&self) -> PlaneRef<'_> {
        PlaneRef { data: &self.data, stride: self.stride, width: self.width, height: self.height }
    }

    /// The part from (`x`, `y`), `width` bytes by `height` rows.
    pub(super) fn part(&self, x: usize, y: usize, width: usize, height: usize) -> PlaneRef<'_> {
        PlaneRef { data: &self.data[y * self.stride + x..], stride: self.stride, width, height }
    }

    /// Repeats the last column and row once: encoders of 4:2:0 read whole pairs.
    pub(super) fn pad(&mut self) {
        for row in self.data.chunks_exact_mut(self.stride).take(self.height) {
            row[self.width] = row[self.width - 1];
        }
        let last = (self.height - 1) * self.stride;
        self.data.copy_within(last..last + self.stride, last + self.stride);
    }

    /// Fills itself with `source`, rotated; a pixel has `N` bytes.
    pub(super) fn rotate_from<const N: usize>(&mut self, source: &PlaneRef<'_>, orientation: Orientation) {
        let (across, down) = (source.width / N, source.height);
        let (width, height) = if orientation.transpose { (down, across) } else { (across, down) };
        self.reshape(width * N, height);
        let mirrored = |flip: bool, i: usize, length: usize| if flip { length - 1 - i } else { i };
        if !orientation.transpose {
            for line in 0..height {
                let from = source.row(mirrored(orientation.flip_y, line, height));
                let to = self.row_mut(line);
                if orientation.flip_x {
                    for (to, from) in to.chunks_exact_mut(N).zip(from.chunks_exact(N).rev()) {
                        to.copy_from_slice(from);
                    }
                } else {
                    to.copy_from_slice(from);
                }
            }
            return;
        }
        // Tiles, so that both sides stay in the cache.
        const TILE: usize = 32;
        for tile_y in (0..height).step_by(TILE) {
            for tile_x in (0..width).step_by(TILE) {
                for line in tile_y..(tile_y + TILE).min(height) {
                    let column = mirrored(orientation.flip_y, line, height) * N;
                    let start = line * self.stride;
                    for x in tile_x..(tile_x + TILE).min(width) {
                        let from = mirrored(orientation.flip_x, x, width) * source.stride + column;
                        self.data[start + x * N..][..N].copy_from_slice(&source.data[from..from + N]);
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn turning_follows_the_display_matrix() {
        // 1 2 3
        // 4 5 6
        let source = PlaneRef::new(&[1, 2, 3, 4, 5, 6], 3, 3, 2);
        let turned = |matrix: [i32; 4]| {
            let [a, b, c, d] = matrix;
            let orientation = Orientation::from_matrix(&[a, b, 0, c, d, 0, 0, 0, 1]);
            let mut plane = Plane::default();
            plane.rotate_from::<1>(&source, orientation);
            (0..plane.height).map(|line| plane.row(line).to_vec()).collect::<Vec<_>>()
        };
        assert_eq!(turned([1, 0, 0, 1]), [vec![1, 2, 3], vec![4, 5, 6]]);
        assert_eq!(turned([0, 1, -1, 0]), [vec![4, 1], vec![5, 2], vec![6, 3]], "a quarter to the right");
        assert_eq!(turned([-1, 0, 0, -1]), [vec![6, 5, 4], vec![3, 2, 1]]);
        assert_eq!(turned([0, -1, 1, 0]), [vec![3, 6], vec![2, 5], vec![1, 4]], "a quarter to the left");
        assert_eq!(turned([-1, 0, 0, 1]), [vec![3, 2, 1], vec![6, 5, 4]]);
        assert_eq!(turned([0, 1, 1, 0]), [vec![1, 4], vec![2, 5], vec![3, 6]]);
    }
}

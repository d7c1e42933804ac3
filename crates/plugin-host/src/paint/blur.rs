//! Blurs: three box blurs, one after the other, are within 3 % of a Gaussian, at a cost that does not depend on
//! its width.

use framelift_media::filter::Canvas;

use super::Area;

/// Blurs an area by itself: nothing of what lies around it gets in, but what shares its samples of chroma.
pub(crate) fn blur(canvas: &mut Canvas<'_>, area: Area, sigma: f32) {
    let mut part = Part::default();
    for index in 0..3 {
        let mut component = canvas.component(index);
        let (shift, step) = (component.shift, component.step);
        let samples = area.samples(shift);
        part.width = samples.width;
        part.samples.clear();
        for line in samples.lines() {
            let row = component.row(line, samples.x, samples.width);
            part.samples.extend(row.iter().step_by(step));
        }
        let radii = box_radii(sigma / (1 << shift) as f32);
        // Sums of whole rows are what vector instructions are good at: columns are made rows and back.
        for _ in 0..2 {
            radii.into_iter().filter(|radius| *radius > 0).for_each(|radius| part.blur_down(radius));
            part.transpose();
        }
        for (line, from) in samples.lines().zip(part.samples.chunks_exact(samples.width)) {
            let row = component.row(line, samples.x, samples.width).iter_mut().step_by(step);
            row.zip(from).for_each(|(sample, from)| *sample = *from);
        }
    }
}

/// The radii of three boxes whose variances sum up to that of the Gaussian.
fn box_radii(sigma: f32) -> [usize; 3] {
    let variance = 12.0 * sigma * sigma;
    let ideal = (variance / 3.0 + 1.0).sqrt();
    // Widths are odd: some boxes are the next smaller, the others the next larger one.
    let smaller = ((ideal - 1.0) / 2.0).floor().max(0.0) as usize;
    let width = (2 * smaller + 1) as f32;
    let count = (variance - 3.0 * width * width - 12.0 * width - 9.0) / (-4.0 * width - 4.0);
    let of_smaller = count.round().clamp(0.0, 3.0) as usize;
    std::array::from_fn(|at| if at < of_smaller { smaller } else { smaller + 1 })
}

/// Samples of one component, row by row, and room for the next step's.
#[derive(Default)]
struct Part {
    samples: Vec<u8>,
    width: usize,
    next: Vec<u8>,
    sums: Vec<u32>,
}

impl Part {
    /// Averages each sample with those up to `radius` rows above and below it; the first and the last row are
    /// repeated.
    fn blur_down(&mut self, radius: usize) {
        let Self { samples, width, next, sums } = self;
        let last = samples.len() / *width - 1;
        let row = |line: usize| &samples[line.min(last) * *width..][..*width];
        sums.clear();
        sums.extend(row(0).iter().map(|first| u32::from(*first) * (radius as u32 + 1)));
        for line in 1..=radius {
            sums.iter_mut().zip(row(line)).for_each(|(sum, level)| *sum += u32::from(*level));
        }
        // A division by the box's width: 24 bits behind the point, where sums of equal levels come out exactly.
        let box_width = 2 * radius as u32 + 1;
        let factor = ((1 << 24) + box_width / 2) / box_width;
        next.resize(samples.len(), 0);
        for (line, next) in next.chunks_exact_mut(*width).enumerate() {
            let (enters, leaves) = (row(line + radius + 1), row(line.saturating_sub(radius)));
            for (((next, sum), enters), leaves) in next.iter_mut().zip(&mut *sums).zip(enters).zip(leaves) {
                *next = ((*sum * factor + (1 << 23)) >> 24) as u8;
                *sum = *sum + u32::from(*enters) - u32::from(*leaves);
            }
        }
        std::mem::swap(samples, next);
    }

    /// Makes rows of the columns.
    fn transpose(&mut self) {
        /// Lines that stay in the cache.
        const BAND: usize = 16;
        let (width, height) = (self.width, self.samples.len() / self.width);
        self.next.resize(self.samples.len(), 0);
        for top in (0..height).step_by(BAND) {
            let bottom = (top + BAND).min(height);
            for column in 0..width {
                for line in top..bottom {
                    self.next[column * height + line] = self.samples[line * width + column];
                }
            }
        }
        std::mem::swap(&mut self.samples, &mut self.next);
        self.width = height;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_blur_spreads_as_a_gaussian_does_and_leaves_flat_areas_alone() {
        for sigma in [0.7_f32, 3.0, 20.0, 100.0] {
            let radii = box_radii(sigma);
            // Each box of 2r + 1 has the variance r(r + 1)/3.
            let variance: usize = radii.iter().map(|radius| radius * (radius + 1)).sum();
            let deviation = (variance as f32 / 3.0).sqrt();
            assert!((deviation - sigma).abs() <= 0.5_f32.max(sigma * 0.03), "{sigma}: {deviation}");
            for level in [0, 1, 77, 254, 255] {
                let mut part = Part { samples: vec![level; 7 * 50], width: 7, ..Part::default() };
                radii.into_iter().for_each(|radius| part.blur_down(radius));
                part.transpose();
                assert_eq!((part.width, part.samples), (50, vec![level; 7 * 50]));
            }
        }
    }

    #[test]
    fn averages_are_of_the_rows_around() {
        let mut part = Part { samples: vec![0, 9, 30, 9, 90, 9, 0, 9], width: 2, ..Part::default() };
        part.blur_down(1);
        assert_eq!(part.samples, [10, 9, 40, 9, 40, 9, 30, 9]);
        part.transpose();
        assert_eq!(part.samples, [10, 40, 40, 30, 9, 9, 9, 9]);
    }
}

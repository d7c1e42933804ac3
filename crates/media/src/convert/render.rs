//! Applies the formula of [`light`](super::light) to whole pictures, a few pixels at a time: linear steps are
//! computed, curves are read from tables. A test bounds the difference to the formula.

use super::light::{LUMINANCE, Rendering, Transfer, ootf_gain};
use super::picture::Plane;
use super::samples::Samples;

/// The number of entries of a table. The tables together fit into the first-level cache.
const CURVE_STEPS: usize = 4096;
const GAIN_STEPS: usize = 1024;
/// Pixels at a time.
const CHUNK: usize = 16;
/// Fraction bits of a level.
const FRACTION: u32 = 5;

type Rows = [[f32; 3]; 3];

/// Renders pictures of one [`Rendering`].
pub(super) struct Renderer {
    rendering: Rendering,
    /// The matrix from samples, less `black`, to indices into `decode`.
    signal: Rows,
    black: [f32; 3],
    /// Light by signal.
    decode: Box<[f32; CURVE_STEPS]>,
    lms_to_rgb: Option<Rows>,
    /// The gain of HLG by the root of the luminance.
    ootf: Option<Box<[f32; CURVE_STEPS]>>,
    /// The gain of tone mapping by the largest component, up to the peak.
    tone: Option<Box<[f32; GAIN_STEPS]>>,
    tone_place: f32,
    peak: f32,
    gamut: Rows,
    /// Levels from 0 to 255 by the root of light: steps are even to the eye.
    encode: Box<[u16; CURVE_STEPS]>,
    buffers: Buffers,
}

/// Reused rows.
#[derive(Default)]
struct Buffers {
    luma: Vec<i16>,
    chroma: [Vec<i16>; 2],
    /// Chroma, once for each pixel across.
    wide: [Vec<i16>; 2],
    /// Red, green and blue of two rows.
    rgb: [[Vec<u16>; 3]; 2],
}

impl Renderer {
    pub(super) fn new(rendering: Rendering) -> Self {
        let unit = |i: usize| std::array::from_fn(|k| if i == k { 1.0 } else { 0.0 });
        // The signals are linear in the samples: known from one point and three directions.
        let origin = rendering.signal([0.0; 3]);
        let ends = [0, 1, 2].map(|i| rendering.signal(unit(i)));
        let last = (CURVE_STEPS - 1) as f64;
        let per_sample = last / 32768.0;
        let signal = [0, 1, 2]
            .map(|row: usize| [0, 1, 2].map(|i: usize| ((ends[i][row] - origin[row]) * per_sample) as f32));
        let hdr = rendering.transfer != Transfer::Sdr;
        let gains = (GAIN_STEPS - 1) as f64;
        Self {
            rendering,
            signal,
            black: origin.map(|signal| (signal * last) as f32),
            decode: table(|place| rendering.decode(place) as f32),
            lms_to_rgb: rendering.lms_to_rgb().map(narrow),
            ootf: (rendering.transfer == Transfer::Hlg).then(|| table(|root| ootf_gain(root * root) as f32)),
            tone: hdr.then(|| table(|place| rendering.tone_gain(place * rendering.peak()) as f32)),
            tone_place: (gains / rendering.peak()) as f32,
            peak: rendering.peak() as f32,
            gamut: narrow(rendering.gamut()),
            encode: table(|root| (rendering.encode(root * root) * f64::from(255 << FRACTION)).round() as u16),
            buffers: Buffers::default(),
        }
    }

    pub(super) fn rendering(&self) -> Rendering {
        self.rendering
    }

    /// Converts 4:2:0 to full-range BT.601 4:2:0. The four pixels of a chroma sample share it; the new sample
    /// is the mean of theirs.
    pub(super) fn yuv420(&mut self, source: &Samples<'_>, target: &mut [Plane; 3]) {
        let mut buffers = std::mem::take(&mut self.buffers);
        let Buffers { luma, chroma: [cb, cr], wide, rgb } = &mut buffers;
        let [to_luma, to_cb, to_cr] = target;
        let (width, height) = source.size;
        for line in 0..source.chroma.1 {
            source.chroma(line, cb, cr);
            for (wide, chroma) in wide.iter_mut().zip([&*cb, &*cr]) {
                wide.clear();
                wide.extend(chroma.iter().flat_map(|sample| [*sample; 2]));
            }
            // An odd last row or column is paired with itself.
            for (i, rgb) in rgb.iter_mut().enumerate() {
                let line = (line * 2 + i).min(height - 1);
                source.luma(line, luma);
                luma.resize(wide[0].len(), luma[width - 1]);
                self.row(luma, wide, rgb);
                let [r, g, b] = &*rgb;
                for (((out, &r), &g), &b) in to_luma.row_mut(line).iter_mut().zip(r).zip(g).zip(b) {
                    *out = level([r, g, b].map(i32::from), [19595, 38470, 7471], 16, 0);
                }
            }
            let sums = |x: usize| {
                [0, 1, 2].map(|i: usize| {
                    rgb.iter().map(|row| i32::from(row[i][x * 2]) + i32::from(row[i][x * 2 + 1])).sum::<i32>()
                })
            };
            let out = to_cb.row_mut(line).iter_mut().zip(to_cr.row_mut(line));
            for (x, (cb, cr)) in out.enumerate() {
                let sum = sums(x);
                *cb = level(sum, [-11058, -21710, 32768], 18, 128);
                *cr = level(sum, [32768, -27439, -5329], 18, 128);
            }
        }
        self.buffers = buffers;
    }

    /// Red, green and blue, three bytes a pixel, from 4:4:4.
    pub(super) fn rgb(&mut self, source: &Samples<'_>, target: &mut Plane) {
        let mut buffers = std::mem::take(&mut self.buffers);
        let Buffers { luma, chroma, rgb: [rgb, _], .. } = &mut buffers;
        for line in 0..source.size.1 {
            source.luma(line, luma);
            let [cb, cr] = chroma;
            source.chroma(line, cb, cr);
            self.row(luma, chroma, rgb);
            let [r, g, b] = &*rgb;
            let pixels = target.row_mut(line).chunks_exact_mut(3);
            for (((pixel, r), g), b) in pixels.zip(r).zip(g).zip(b) {
                pixel.copy_from_slice(
                    &[r, g, b].map(|value| ((value + (1 << (FRACTION - 1))) >> FRACTION) as u8),
                );
            }
        }
        self.buffers = buffers;
    }

    /// Levels of red, green and blue with [`FRACTION`] more bits.
    fn row(&self, luma: &[i16], [cb, cr]: &[Vec<i16>; 2], rgb: &mut [Vec<u16>; 3]) {
        rgb.iter_mut().for_each(|row| row.resize(luma.len(), 0));
        for start in (0..luma.len()).step_by(CHUNK) {
            let end = (start + CHUNK).min(luma.len());
            let mut samples = [[0.0; CHUNK]; 3];
            for (chunk, row) in samples.iter_mut().zip([luma, cb, cr]) {
                for (to, from) in chunk.iter_mut().zip(&row[start..end]) {
                    *to = f32::from(*from);
                }
            }
            let levels = self.chunk(&samples);
            for (row, levels) in rgb.iter_mut().zip(&levels) {
                row[start..end].copy_from_slice(&levels[..end - start]);
            }
        }
    }

    fn chunk(&self, samples: &[[f32; CHUNK]; 3]) -> [[u16; CHUNK]; 3] {
        const ROOTS: f32 = (CURVE_STEPS - 1) as f32;
        let mut signal = combine(&self.signal, samples);
        for (channel, black) in signal.iter_mut().zip(self.black) {
            channel.iter_mut().for_each(|signal| *signal += black);
        }
        let mut light = signal.map(|channel| read(&self.decode, channel));
        if let Some(lms_to_rgb) = &self.lms_to_rgb {
            light = combine(lms_to_rgb, &light);
        }
        if let Some(ootf) = &self.ootf {
            let [luminance, ..] = combine(&[LUMINANCE.map(|weight| weight as f32); 3], &light);
            let gain = read(ootf, luminance.map(|luminance| luminance.max(0.0).sqrt() * ROOTS));
            multiply(&mut light, gain);
        }
        if let Some(tone) = &self.tone {
            let largest: [f32; CHUNK] =
                std::array::from_fn(|i| light[0][i].max(light[1][i]).max(light[2][i]));
            let mut gain = read(tone, largest.map(|light| light * self.tone_place));
            for (gain, largest) in gain.iter_mut().zip(largest) {
                // Values beyond the peak are clipped to it.
                *gain *= self.peak / largest.max(self.peak);
            }
            multiply(&mut light, gain);
        }
        let light = combine(&self.gamut, &light);
        light.map(|channel| read(&self.encode, channel.map(|light| light.max(0.0).sqrt() * ROOTS)))
    }
}

fn multiply(light: &mut [[f32; CHUNK]; 3], gain: [f32; CHUNK]) {
    for channel in light {
        channel.iter_mut().zip(gain).for_each(|(light, gain)| *light *= gain);
    }
}

/// Looks up the nearest of `N` entries; `N` is a power of two. At 2^23 a float has no fraction, so after
/// adding 2^23 its low bits are the index. The addition is vectorised, a cast is not.
#[inline]
fn read<T: Copy, const N: usize>(table: &[T; N], places: [f32; CHUNK]) -> [T; CHUNK] {
    let places = places.map(|place| (place.clamp(0.0, (N - 1) as f32) + 8_388_608.0).to_bits());
    places.map(|place| table[place as usize & (N - 1)])
}

/// A table of `value` at evenly spaced points from 0 to 1.
fn table<T: Copy + Default, const N: usize>(value: impl Fn(f64) -> T) -> Box<[T; N]> {
    let mut table = Box::new([T::default(); N]);
    for (i, entry) in table.iter_mut().enumerate() {
        *entry = value(i as f64 / (N - 1) as f64);
    }
    table
}

fn narrow(rows: [[f64; 3]; 3]) -> Rows {
    rows.map(|row| row.map(|number| number as f32))
}

#[inline]
fn combine(rows: &Rows, [a, b, c]: &[[f32; CHUNK]; 3]) -> [[f32; CHUNK]; 3] {
    rows.map(|row| std::array::from_fn(|i| row[0] * a[i] + row[1] * b[i] + row[2] * c[i]))
}

/// A weighted sum of `rgb` with this many fraction bits in the weights, around `middle`.
#[inline]
fn level(rgb: [i32; 3], weights: [i32; 3], bits: u32, middle: i32) -> u8 {
    let sum = rgb[0] * weights[0] + rgb[1] * weights[1] + rgb[2] * weights[2];
    let shift = bits + FRACTION;
    (((sum + (1 << (shift - 1))) >> shift) + middle).clamp(0, 255) as u8
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::convert::light::{Matrix, Primaries};
    use crate::ffi::YuvMatrix;

    const PQ: Rendering = Rendering {
        matrix: Matrix::Weights(YuvMatrix::Bt2020),
        full_range: false,
        depth: 8,
        transfer: Transfer::Pq,
        primaries: Primaries::Bt2020,
        peak: 1000,
    };

    /// The mean and the largest difference to the formula in levels of 255, over all colours
    /// with signals up to `top`.
    fn differences(rendering: Rendering, top: f64) -> (f64, f64) {
        const STEPS: i32 = 32;
        let signals = || (0..STEPS).map(|i| f64::from(i) / f64::from(STEPS - 1) * top);
        let mut rows = [vec![], vec![], vec![]];
        for r in signals() {
            for g in signals() {
                for b in signals() {
                    let [y, cb, cr] = match rendering.matrix {
                        Matrix::YCgCo => [(r + 2.0 * g + b) / 4.0, (2.0 * g - r - b) / 4.0, (r - b) / 2.0],
                        Matrix::ICtCp => [g, (r - 0.5) / 4.0, (b - 0.5) / 4.0],
                        Matrix::Weights(_) => {
                            let y = 0.2627 * r + 0.6780 * g + 0.0593 * b;
                            [y, (b - y) / 1.8814, (r - y) / 1.4746]
                        }
                    };
                    let samples = if rendering.full_range {
                        let scale = 1.0 - 0.5f64.powi(rendering.depth as i32);
                        [y * scale, cb * scale + 0.5, cr * scale + 0.5]
                    } else {
                        [(y * 219.0 + 16.0) / 256.0, cb * 224.0 / 256.0 + 0.5, cr * 224.0 / 256.0 + 0.5]
                    };
                    for (row, sample) in rows.iter_mut().zip(samples) {
                        row.push((sample * 32768.0).round().clamp(0.0, 32767.0) as i16);
                    }
                }
            }
        }
        let [luma, cb, cr] = rows;
        let mut rgb = [vec![], vec![], vec![]];
        let chroma = [cb, cr];
        Renderer::new(rendering).row(&luma, &chroma, &mut rgb);
        let (mut sum, mut largest) = (0.0, 0.0f64);
        for i in 0..luma.len() {
            let samples = [luma[i], chroma[0][i], chroma[1][i]];
            let expected = rendering.show(samples.map(|sample| f64::from(sample) / 32768.0));
            for (row, expected) in rgb.iter().zip(expected) {
                let difference = (f64::from(row[i]) / 32.0 - expected * 255.0).abs();
                sum += difference;
                largest = largest.max(difference);
            }
        }
        (sum / luma.len() as f64 / 3.0, largest)
    }

    #[test]
    fn differs_little_from_the_formula() {
        let sdr = Rendering { transfer: Transfer::Sdr, ..PQ };
        let cases = [
            (PQ, 0.7518),
            (PQ, 0.3),
            (Rendering { peak: 4000, ..PQ }, 0.9),
            (Rendering { peak: 100, ..PQ }, 1.0),
            (Rendering { full_range: true, depth: 10, ..PQ }, 0.7518),
            (Rendering { primaries: Primaries::P3, ..PQ }, 0.7518),
            (Rendering { matrix: Matrix::ICtCp, ..PQ }, 0.7),
            (Rendering { transfer: Transfer::Hlg, ..PQ }, 1.0),
            (Rendering { matrix: Matrix::ICtCp, transfer: Transfer::Hlg, ..PQ }, 1.0),
            (sdr, 1.0),
            (Rendering { primaries: Primaries::P3, ..sdr }, 1.0),
            (Rendering { matrix: Matrix::YCgCo, primaries: Primaries::Bt709, ..sdr }, 1.0),
        ];
        for (rendering, top) in cases {
            let (mean, largest) = differences(rendering, top);
            // Few of the colours that ICtCp can name exist; the others are steep.
            let (mean_limit, limit) =
                if rendering.matrix == Matrix::ICtCp { (0.5, 60.0) } else { (0.05, 8.0) };
            assert!(
                mean < mean_limit && largest < limit,
                "{rendering:?} up to {top}: mean {mean}, largest {largest}"
            );
        }
    }
}

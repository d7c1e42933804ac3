//! Converts 4:2:0 of any depth to JPEG's 8-bit full-range BT.601, without a detour through RGB.
//!
//! The gray axis is common to all matrices, so new chroma depends on chroma alone, and new luma
//! is old luma plus a little of both chromas. 16-bit fixed point with 5 fraction bits: within
//! one level of the exact value (the test holds it), and eight samples an instruction even on
//! the oldest x86-64.

use super::colour::Colours;
use super::picture::Plane;
use super::samples::{Rows, Samples};

/// Fixed point of factors.
const FACTOR: f64 = 16384.0;
/// Fraction bits after a multiplication: 7 of the sample, and 14 − 16.
const FRACTION: i16 = 5;
/// Half a level, plus half of what the truncations lose.
const ROUND: i16 = (1 << (FRACTION - 1)) + 1;

/// The factors of one conversion.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Recolour {
    from: Colours,
    depth: u32,
    luma: i16,
    luma_offset: i16,
    luma_cb: i16,
    luma_cr: i16,
    cb_cb: i16,
    cb_cr: i16,
    cr_cb: i16,
    cr_cr: i16,
}

/// Factors of the conversion to [`Colours::JFIF`], as real numbers on the 8-bit scale:
/// luma, cb→luma, cr→luma, cb→cb, cr→cb, cb→cr, cr→cr.
fn factors(from: Colours, depth: u32) -> [f64; 7] {
    let (kr, kb) = from.weights();
    let (tr, tb) = Colours::JFIF.weights();
    let (kg, tg) = (1.0 - kr - kb, 1.0 - tr - tb);
    // R = y + red·cr, B = y + blue·cb, G = y − …, with cb and cr from −½ to ½.
    let (red, blue) = (2.0 * (1.0 - kr), 2.0 * (1.0 - kb));
    let luma_cb = tb * blue - tg * kb * blue / kg;
    let luma_cr = tr * red - tg * kr * red / kg;
    let (to_cb, to_cr) = (2.0 * (1.0 - tb), 2.0 * (1.0 - tr));
    // The highest sample of full range is 255 and a fraction where there are more bits.
    let full = 255.0 / (256.0 - 0.5f64.powi(depth as i32 - 8));
    let (y, c) = if from.full_range { (full, full) } else { (255.0 / 219.0, 255.0 / 224.0) };
    [
        y,
        luma_cb * c,
        luma_cr * c,
        (blue - luma_cb) / to_cb * c,
        -luma_cr / to_cb * c,
        -luma_cb / to_cr * c,
        (red - luma_cr) / to_cr * c,
    ]
}

impl Recolour {
    /// The conversion of samples of `depth` bits.
    pub(super) fn new(from: Colours, depth: u32) -> Self {
        let fixed = |factor: f64| (factor * FACTOR).round() as i16;
        let [luma, luma_cb, luma_cr, cb_cb, cb_cr, cr_cb, cr_cr] = factors(from, depth);
        let black = if from.full_range { 0.0 } else { 16.0 };
        Self {
            from,
            depth,
            luma: fixed(luma),
            luma_offset: ROUND - (black * luma * f64::from(1 << FRACTION)).round() as i16,
            luma_cb: fixed(luma_cb),
            luma_cr: fixed(luma_cr),
            cb_cb: fixed(cb_cb),
            cb_cr: fixed(cb_cr),
            cr_cb: fixed(cr_cb),
            cr_cr: fixed(cr_cr),
        }
    }

    /// Whether [`Recolour::new`] would give the same conversion.
    pub(super) fn is_for(&self, from: Colours, depth: u32) -> bool {
        (self.from, self.depth) == (from, depth)
    }

    /// Converts `source` into planes of the same sizes.
    pub(super) fn run(&self, source: &Samples<'_>, target: &mut [Plane; 3], rows: &mut Rows) {
        let [to_y, to_cb, to_cr] = target;
        for line in 0..source.chroma.1 {
            source.chroma(line, &mut rows.cb, &mut rows.cr);
            let (cb, cr) = (&mut rows.cb[..], &mut rows.cr[..]);
            cb.iter_mut().chain(cr.iter_mut()).for_each(|sample| *sample -= MIDDLE);
            rows.terms.resize(cb.len() * 2, 0);
            self.luma_terms(cb, cr, &mut rows.terms);
            self.chroma(cb, cr, to_cb.row_mut(line), to_cr.row_mut(line));
            for line in [line * 2, line * 2 + 1] {
                if line < source.size.1 {
                    source.luma(line, &mut rows.luma);
                    self.luma_row(&rows.luma, &rows.terms, to_y.row_mut(line));
                }
            }
        }
    }

    /// Computes what chroma adds to luma, once for each of the two horizontal pixels that share it.
    fn luma_terms(&self, cb: &[i16], cr: &[i16], terms: &mut [i16]) {
        for ((pair, &cb), &cr) in terms.chunks_exact_mut(2).zip(cb).zip(cr) {
            let term = high(cb, self.luma_cb) + high(cr, self.luma_cr) + self.luma_offset;
            pair[0] = term;
            pair[1] = term;
        }
    }

    fn luma_row(&self, source: &[i16], terms: &[i16], target: &mut [u8]) {
        for ((out, &y), &term) in target.iter_mut().zip(source).zip(terms) {
            *out = ((high(y, self.luma) + term) >> FRACTION).clamp(0, 255) as u8;
        }
    }

    fn chroma(&self, cb: &[i16], cr: &[i16], to_cb: &mut [u8], to_cr: &mut [u8]) {
        let middle = (128 << FRACTION) + ROUND;
        for (((out_cb, out_cr), &cb), &cr) in to_cb.iter_mut().zip(to_cr).zip(cb).zip(cr) {
            let new_cb = high(cb, self.cb_cb) + high(cr, self.cb_cr) + middle;
            let new_cr = high(cb, self.cr_cb) + high(cr, self.cr_cr) + middle;
            *out_cb = (new_cb >> FRACTION).clamp(0, 255) as u8;
            *out_cr = (new_cr >> FRACTION).clamp(0, 255) as u8;
        }
    }
}

/// Chroma of gray.
const MIDDLE: i16 = 1 << 14;

/// The high half of a product.
fn high(a: i16, b: i16) -> i16 {
    ((i32::from(a) * i32::from(b)) >> 16) as i16
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ffi::YuvMatrix;

    /// Through RGB with floats, as a reference decoder and a JPEG encoder would.
    fn reference(from: Colours, [y, cb, cr]: [u8; 3]) -> Option<[f64; 3]> {
        let (y, cb, cr) = (f64::from(y), f64::from(cb) - 128.0, f64::from(cr) - 128.0);
        let (y, cb, cr) = match from.full_range {
            true => (y / 255.0, cb / 255.0, cr / 255.0),
            false => ((y - 16.0) / 219.0, cb / 224.0, cr / 224.0),
        };
        let (kr, kb) = from.weights();
        let r = y + 2.0 * (1.0 - kr) * cr;
        let b = y + 2.0 * (1.0 - kb) * cb;
        let g = (y - kr * r - kb * b) / (1.0 - kr - kb);
        if [r, g, b].iter().any(|c| !(0.0..=1.0).contains(c)) {
            return None;
        }
        let y = 0.299 * r + 0.587 * g + 0.114 * b;
        Some([y * 255.0, (b - y) / 1.772 * 255.0 + 128.0, (r - y) / 1.402 * 255.0 + 128.0])
    }

    #[test]
    fn within_one_level_of_the_exact_value() {
        let mut checked = 0;
        for matrix in
            [YuvMatrix::Bt709, YuvMatrix::Bt601, YuvMatrix::Bt2020, YuvMatrix::Smpte240, YuvMatrix::Fcc]
        {
            for full_range in [false, true] {
                let from = Colours { matrix, full_range };
                let recolour = Recolour::new(from, 8);
                let mut target = [Plane::default(), Plane::default(), Plane::default()];
                let mut rows = Rows::default();
                for y in (0..=255u8).step_by(3) {
                    for cb in (0..=255u8).step_by(5) {
                        for cr in (0..=255u8).step_by(5) {
                            let Some(expected) = reference(from, [y, cb, cr]) else { continue };
                            let samples = [[y], [cb], [cr]];
                            for plane in &mut target {
                                plane.reshape(1, 1);
                            }
                            let source = Samples::of_bytes(&samples);
                            recolour.run(&source, &mut target, &mut rows);
                            for (plane, expected) in target.iter().zip(expected) {
                                let got = f64::from(plane.row(0)[0]);
                                assert!(
                                    (got - expected).abs() <= 1.0,
                                    "{from:?} {y} {cb} {cr}: {got} {expected}"
                                );
                            }
                            checked += 1;
                        }
                    }
                }
            }
        }
        assert!(checked > 50_000, "{checked}");
    }
}

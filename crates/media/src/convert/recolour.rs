//! From one YUV to another without a detour through RGB: 8-bit planes of 4:2:0 in, the full
//! range BT.601 of JPEG out.
//!
//! The gray axis is common to all matrices, so new chroma depends on chroma alone, and new luma
//! is old luma plus a little of both chromas. 16-bit fixed point with 5 fraction bits: within
//! one level of the exact value (the test holds it), and eight samples an instruction even on
//! the oldest x86-64.

use super::colour::Colours;
use super::picture::{Plane, PlaneRef};

/// Fixed point of samples before a multiplication, and of factors.
const SAMPLE_BITS: u32 = 7;
const FACTOR: f64 = 16384.0;
/// Fraction bits after it: 7 + 14 − 16.
const FRACTION: i16 = 5;
/// Half a level, and half of what the truncations lose.
const ROUND: i16 = (1 << (FRACTION - 1)) + 1;

/// The factors of one conversion.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Recolour {
    from: Colours,
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
fn factors(from: Colours) -> [f64; 7] {
    let (kr, kb) = from.weights();
    let (tr, tb) = Colours::JFIF.weights();
    let (kg, tg) = (1.0 - kr - kb, 1.0 - tr - tb);
    // R = y + red·cr, B = y + blue·cb, G = y − …, with cb and cr from −½ to ½.
    let (red, blue) = (2.0 * (1.0 - kr), 2.0 * (1.0 - kb));
    let luma_cb = tb * blue - tg * kb * blue / kg;
    let luma_cr = tr * red - tg * kr * red / kg;
    let (to_cb, to_cr) = (2.0 * (1.0 - tb), 2.0 * (1.0 - tr));
    let (y, c) = if from.full_range { (1.0, 1.0) } else { (255.0 / 219.0, 255.0 / 224.0) };
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
    pub(super) fn new(from: Colours) -> Self {
        let fixed = |factor: f64| (factor * FACTOR).round() as i16;
        let [luma, luma_cb, luma_cr, cb_cb, cb_cr, cr_cb, cr_cr] = factors(from);
        let black = if from.full_range { 0.0 } else { 16.0 };
        Self {
            from,
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

    pub(super) fn from(&self) -> Colours {
        self.from
    }

    /// Converts three planes into others of the same sizes; `row` is scratch.
    pub(super) fn run(&self, source: [PlaneRef<'_>; 3], target: &mut [Plane; 3], row: &mut Vec<i16>) {
        let [y, cb, cr] = source;
        let [to_y, to_cb, to_cr] = target;
        row.clear();
        row.resize(cb.width * 2, 0);
        for line in 0..cb.height {
            let (cb, cr) = (cb.row(line), cr.row(line));
            self.luma_terms(cb, cr, row);
            self.chroma(cb, cr, to_cb.row_mut(line), to_cr.row_mut(line));
            for line in [line * 2, line * 2 + 1] {
                if line < y.height {
                    self.luma_row(y.row(line), row, to_y.row_mut(line));
                }
            }
        }
    }

    /// What chroma adds to luma, once for each of the two pixels across that share it.
    fn luma_terms(&self, cb: &[u8], cr: &[u8], row: &mut [i16]) {
        for ((pair, &cb), &cr) in row.chunks_exact_mut(2).zip(cb).zip(cr) {
            let term = high(centred(cb), self.luma_cb) + high(centred(cr), self.luma_cr) + self.luma_offset;
            pair[0] = term;
            pair[1] = term;
        }
    }

    fn luma_row(&self, source: &[u8], terms: &[i16], target: &mut [u8]) {
        for ((out, &y), &term) in target.iter_mut().zip(source).zip(terms) {
            let scaled = high(i16::from(y) << SAMPLE_BITS, self.luma);
            *out = ((scaled + term) >> FRACTION).clamp(0, 255) as u8;
        }
    }

    fn chroma(&self, cb: &[u8], cr: &[u8], to_cb: &mut [u8], to_cr: &mut [u8]) {
        let middle = (128 << FRACTION) + ROUND;
        for (((out_cb, out_cr), &cb), &cr) in to_cb.iter_mut().zip(to_cr).zip(cb).zip(cr) {
            let (cb, cr) = (centred(cb), centred(cr));
            let new_cb = high(cb, self.cb_cb) + high(cr, self.cb_cr) + middle;
            let new_cr = high(cb, self.cr_cb) + high(cr, self.cr_cr) + middle;
            *out_cb = (new_cb >> FRACTION).clamp(0, 255) as u8;
            *out_cr = (new_cr >> FRACTION).clamp(0, 255) as u8;
        }
    }
}

fn centred(chroma: u8) -> i16 {
    (i16::from(chroma) - 128) << SAMPLE_BITS
}

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
                let recolour = Recolour::new(from);
                let mut target = [Plane::default(), Plane::default(), Plane::default()];
                let mut row = Vec::new();
                for y in (0..=255u8).step_by(3) {
                    for cb in (0..=255u8).step_by(5) {
                        for cr in (0..=255u8).step_by(5) {
                            let Some(expected) = reference(from, [y, cb, cr]) else { continue };
                            let samples = [[y], [cb], [cr]];
                            let planes = [0, 1, 2].map(|i| PlaneRef::new(&samples[i], 1, 1, 1));
                            for plane in &mut target {
                                plane.reshape(1, 1);
                            }
                            recolour.run(planes, &mut target, &mut row);
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

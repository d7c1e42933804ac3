//! Converts samples to light and back, exactly: the reference for the tables of [`render`](super::render).
//!
//! - PQ (SMPTE ST 2084) and HLG (ARIB STD-B67, at a nominal peak of 1000 cd/m²) are decoded as
//!   ITU-R BT.2100 says and tone-mapped with the EETF of ITU-R BT.2390 on the largest of red,
//!   green and blue, which keeps the hue: from the content's peak to that of the screen, the
//!   203 cd/m² that ITU-R BT.2408 gives diffuse white. Most of the picture stays as bright as it
//!   was meant; diffuse white comes to nine tenths of the signal, highlights to the rest.
//! - The result is encoded with the curve of sRGB, as which images without a profile are seen.
//! - Video of standard range in wide primaries is decoded and encoded with the 2.4 of ITU-R
//!   BT.1886, so that its grays stay what they are.
//! - Colours outside BT.709 are cut off, channel by channel.

use super::colour::{NOMINAL_PEAK, weights};
use crate::ffi::YuvMatrix;

/// How luma and colour differences encode red, green and blue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Matrix {
    Weights(YuvMatrix),
    YCgCo,
    /// The ICtCp representation of BT.2100.
    ICtCp,
}

/// The transfer function: how signals encode light.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Transfer {
    /// BT.1886.
    Sdr,
    Pq,
    Hlg,
}

/// The primaries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Primaries {
    Bt709,
    Bt2020,
    /// P3 with the white of daylight (SMPTE EG 432-1).
    P3,
}

/// The meaning of samples, and how they are to be shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Rendering {
    pub(crate) matrix: Matrix,
    pub(crate) full_range: bool,
    /// Bits of a sample, on which full range depends.
    pub(crate) depth: u32,
    pub(crate) transfer: Transfer,
    pub(crate) primaries: Primaries,
    /// The brightest pixel, in cd/m².
    pub(crate) peak: u32,
}

/// Diffuse white, and the screen's peak, in cd/m² (BT.2408).
const WHITE: f64 = 203.0;

impl Rendering {
    /// Returns the signal to display, from 0 to 1, for samples as fractions of 2^`depth`.
    #[cfg(test)]
    pub(super) fn show(&self, samples: [f64; 3]) -> [f64; 3] {
        let light = self.signal(samples).map(|signal| self.decode(signal.clamp(0.0, 1.0)));
        let light = match self.lms_to_rgb() {
            Some(rows) => apply(&rows, light),
            None => light,
        };
        let light = match self.transfer {
            Transfer::Hlg => light.map(|channel| channel * ootf_gain(apply(&[LUMINANCE; 3], light)[0])),
            Transfer::Sdr | Transfer::Pq => light,
        };
        let gain = self.tone_gain(light.into_iter().fold(0.0, f64::max));
        apply(&self.gamut(), light.map(|light| light * gain)).map(|light| self.encode(light.clamp(0.0, 1.0)))
    }

    /// The signals of red, green and blue, or of the cones' responses for ICtCp; nominally from
    /// 0 to 1, and linear in the samples.
    pub(super) fn signal(&self, samples: [f64; 3]) -> [f64; 3] {
        let [y, cb, cr] = self.normal(samples);
        match self.matrix {
            Matrix::Weights(matrix) => {
                let (kr, kb) = weights(matrix);
                let r = y + 2.0 * (1.0 - kr) * cr;
                let b = y + 2.0 * (1.0 - kb) * cb;
                [r, (y - kr * r - kb * b) / (1.0 - kr - kb), b]
            }
            // Cb is the place of Cg, and Cr that of Co.
            Matrix::YCgCo => [y - cb + cr, y + cb, y - cb - cr],
            Matrix::ICtCp if self.transfer == Transfer::Hlg => apply(&HLG_ICTCP_TO_LMS, [y, cb, cr]),
            Matrix::ICtCp => apply(&PQ_ICTCP_TO_LMS, [y, cb, cr]),
        }
    }

    /// Luma from 0 to 1 and colour differences from −½ to ½.
    fn normal(&self, [y, cb, cr]: [f64; 3]) -> [f64; 3] {
        if self.full_range {
            let scale = 1.0 - 0.5f64.powi(self.depth as i32);
            [y / scale, (cb - 0.5) / scale, (cr - 0.5) / scale]
        } else {
            [(y * 256.0 - 16.0) / 219.0, (cb - 0.5) * 256.0 / 224.0, (cr - 0.5) * 256.0 / 224.0]
        }
    }

    /// The light of a signal from 0 to 1, as a multiple of diffuse white; that of the scene for
    /// HLG, from 0 to 1.
    pub(super) fn decode(&self, signal: f64) -> f64 {
        match self.transfer {
            Transfer::Sdr => signal.powf(SDR_GAMMA),
            Transfer::Pq => pq_to_light(signal) / WHITE,
            Transfer::Hlg => hlg_to_scene(signal),
        }
    }

    /// The matrix from the cones' responses (LMS) to red, green and blue; `None` unless the samples are
    /// ICtCp.
    pub(super) fn lms_to_rgb(&self) -> Option<Rows> {
        (self.matrix == Matrix::ICtCp).then_some(LMS_TO_BT2020)
    }

    /// The peak of the content, as a multiple of diffuse white.
    pub(super) fn peak(&self) -> f64 {
        match self.transfer {
            Transfer::Sdr => 1.0,
            Transfer::Pq | Transfer::Hlg => f64::from(self.peak).max(WHITE) / WHITE,
        }
    }

    /// Returns the factor by which tone mapping scales a colour whose largest component is `light` times
    /// diffuse white.
    pub(super) fn tone_gain(&self, light: f64) -> f64 {
        match self.transfer {
            Transfer::Pq | Transfer::Hlg if light > 0.0 => {
                eetf(light * WHITE, self.peak() * WHITE) / (light * WHITE)
            }
            _ => 1.0,
        }
    }

    /// The matrix to the primaries of BT.709.
    pub(super) fn gamut(&self) -> Rows {
        match self.primaries {
            Primaries::Bt709 => [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]],
            Primaries::Bt2020 => BT2020_TO_BT709,
            Primaries::P3 => P3_TO_BT709,
        }
    }

    /// Encodes light from 0 to 1 as a signal.
    pub(super) fn encode(&self, light: f64) -> f64 {
        match self.transfer {
            Transfer::Sdr => light.powf(1.0 / SDR_GAMMA),
            // sRGB (IEC 61966-2-1).
            Transfer::Pq | Transfer::Hlg if light <= 0.0031308 => 12.92 * light,
            Transfer::Pq | Transfer::Hlg => 1.055 * light.powf(1.0 / 2.4) - 0.055,
        }
    }
}

/// The exponent of BT.1886.
const SDR_GAMMA: f64 = 2.4;

/// The weights of red, green and blue in luminance (BT.2100).
pub(super) const LUMINANCE: [f64; 3] = [0.2627, 0.6780, 0.0593];

pub(super) type Rows = [[f64; 3]; 3];

/// From the primaries' chromaticities in ITU-R BT.2020 and BT.709, as in ITU-R BT.2407.
const BT2020_TO_BT709: Rows =
    [[1.660491, -0.587641, -0.072850], [-0.124550, 1.132900, -0.008350], [-0.018151, -0.100579, 1.118730]];
/// From the primaries' chromaticities in SMPTE EG 432-1 and ITU-R BT.709.
const P3_TO_BT709: Rows =
    [[1.224940, -0.224940, 0.0], [-0.042057, 1.042057, 0.0], [-0.019638, -0.078636, 1.098274]];
/// The inverses of the matrices in ITU-R BT.2100, tables 7 and 8.
const LMS_TO_BT2020: Rows = [
    [3.43660669, -2.50645212, 0.06984542],
    [-0.79132956, 1.98360045, -0.19227090],
    [-0.02594990, -0.09891371, 1.12486361],
];
const PQ_ICTCP_TO_LMS: Rows =
    [[1.0, 0.00860904, 0.11102963], [1.0, -0.00860904, -0.11102963], [1.0, 0.56003134, -0.32062717]];
const HLG_ICTCP_TO_LMS: Rows =
    [[1.0, 0.01571858, 0.20958107], [1.0, -0.01571858, -0.20958107], [1.0, 1.02127108, -0.60527449]];

fn apply(rows: &Rows, [a, b, c]: [f64; 3]) -> [f64; 3] {
    rows.map(|row| row[0] * a + row[1] * b + row[2] * c)
}

// SMPTE ST 2084.
const M1: f64 = 2610.0 / 16384.0;
const M2: f64 = 2523.0 / 4096.0 * 128.0;
const C1: f64 = 3424.0 / 4096.0;
const C2: f64 = 2413.0 / 4096.0 * 32.0;
const C3: f64 = 2392.0 / 4096.0 * 32.0;

/// The EOTF of PQ, in cd/m².
fn pq_to_light(signal: f64) -> f64 {
    let root = signal.powf(1.0 / M2);
    10_000.0 * ((root - C1).max(0.0) / (C2 - C3 * root)).powf(1.0 / M1)
}

fn light_to_pq(light: f64) -> f64 {
    let root = (light / 10_000.0).powf(M1);
    ((C1 + C2 * root) / (1.0 + C3 * root)).powf(M2)
}

/// The inverse OETF of HLG (BT.2100, table 5).
fn hlg_to_scene(signal: f64) -> f64 {
    const A: f64 = 0.17883277;
    const B: f64 = 1.0 - 4.0 * A;
    let c = 0.5 - A * (4.0 * A).ln();
    if signal <= 0.5 { signal * signal / 3.0 } else { (((signal - c) / A).exp() + B) / 12.0 }
}

/// The gain of HLG's OOTF at the nominal peak, where its gamma is 1.2: it scales scene light of this
/// luminance to multiples of diffuse white.
pub(super) fn ootf_gain(luminance: f64) -> f64 {
    f64::from(NOMINAL_PEAK) / WHITE * luminance.max(0.0).powf(0.2)
}

/// The EETF of ITU-R BT.2390 for a black level of zero: maps `light` of a master with this `peak` to the
/// screen, all in cd/m².
fn eetf(light: f64, peak: f64) -> f64 {
    let peak = light_to_pq(peak.max(WHITE));
    let largest = light_to_pq(WHITE) / peak;
    let knee = 1.5 * largest - 0.5;
    let signal = (light_to_pq(light) / peak).min(1.0);
    // A peak within the screen's needs no mapping.
    if knee >= 1.0 {
        return light.min(WHITE);
    }
    if signal <= knee {
        return light;
    }
    let t = (signal - knee) / (1.0 - knee);
    let (t2, t3) = (t * t, t * t * t);
    let spline = (2.0 * t3 - 3.0 * t2 + 1.0) * knee
        + (t3 - 2.0 * t2 + t) * (1.0 - knee)
        + (-2.0 * t3 + 3.0 * t2) * largest;
    pq_to_light(spline * peak)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn near(got: f64, expected: f64, tolerance: f64) {
        assert!((got - expected).abs() <= tolerance, "{got} is not {expected}");
    }

    /// Values printed in the standards, and in ITU-R BT.2408, table 1.
    #[test]
    fn curves_go_through_their_known_points() {
        for (signal, light) in
            [(0.0, 0.0), (0.508078, 100.0), (0.580689, 203.0), (0.751827, 1000.0), (1.0, 10_000.0)]
        {
            near(pq_to_light(signal), light, light * 1e-4);
            near(light_to_pq(light), signal, 1e-5);
        }
        for (signal, scene) in [(0.0, 0.0), (0.5, 1.0 / 12.0), (1.0, 1.0)] {
            near(hlg_to_scene(signal), scene, 1e-6);
        }
        // Diffuse white is 75 % HLG.
        let light = hlg_to_scene(0.75);
        near(light * ootf_gain(light), 1.0, 0.003);
        near(ootf_gain(1.0) * WHITE, 1000.0, 1e-9);
    }

    #[test]
    fn tone_mapping_keeps_what_is_dark_and_ends_at_the_screens_peak() {
        for peak in [203.0, 400.0, 1000.0, 4000.0, 10_000.0] {
            let mut last = 0.0;
            for step in 1..=1000 {
                let light = peak * f64::from(step) / 1000.0;
                let mapped = eetf(light, peak);
                assert!(mapped >= last && mapped <= light * (1.0 + 1e-9), "{light} of {peak}: {mapped}");
                last = mapped;
            }
            near(last, WHITE, 1e-6);
            near(eetf(peak * 2.0, peak), WHITE, 1e-6);
            near(eetf(20.0, peak), 20.0, if peak > 5000.0 { 1.0 } else { 1e-9 });
        }
        near(eetf(150.0, 100.0), 150.0, 1e-6);
        // What the text above promises of a master of 1000 cd/m².
        let rendering = Rendering {
            matrix: Matrix::Weights(YuvMatrix::Bt2020),
            full_range: true,
            depth: 16,
            transfer: Transfer::Pq,
            primaries: Primaries::Bt2020,
            peak: 1000,
        };
        let scale = 1.0 - 0.5f64.powi(16);
        for shown in rendering.show([light_to_pq(WHITE) * scale, 0.5, 0.5]) {
            near(shown, 0.9, 0.01);
        }
    }

    #[test]
    fn inverse_matrices_are_inverse() {
        let lms = [[1688.0, 2146.0, 262.0], [683.0, 2951.0, 462.0], [99.0, 309.0, 3688.0]];
        let pq = [[2048.0, 2048.0, 0.0], [6610.0, -13613.0, 7003.0], [17933.0, -17390.0, -543.0]];
        let hlg = [[2048.0, 2048.0, 0.0], [3625.0, -7465.0, 3840.0], [9500.0, -9212.0, -288.0]];
        for (forward, back) in [(lms, LMS_TO_BT2020), (pq, PQ_ICTCP_TO_LMS), (hlg, HLG_ICTCP_TO_LMS)] {
            let forward = forward.map(|row: [f64; 3]| row.map(|number| number / 4096.0));
            for i in 0..3 {
                let mut unit = [0.0; 3];
                unit[i] = 1.0;
                for (got, expected) in apply(&back, apply(&forward, unit)).into_iter().zip(unit) {
                    near(got, expected, 1e-5);
                }
            }
        }
        // White stays white between primaries.
        for rows in [BT2020_TO_BT709, P3_TO_BT709] {
            for light in apply(&rows, [1.0; 3]) {
                near(light, 1.0, 1e-5);
            }
        }
    }
}

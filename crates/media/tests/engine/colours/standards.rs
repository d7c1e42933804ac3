//! The formulas of the standards that colours are compared with, from their texts.

/// A matrix from RGB of primaries to CIE XYZ, from their chromaticities, with the white of D65.
fn to_xyz(primaries: [[f64; 2]; 3]) -> [[f64; 3]; 3] {
    let xyz = |[x, y]: [f64; 2]| [x / y, 1.0, (1.0 - x - y) / y];
    let columns = primaries.map(xyz);
    let rows = [0, 1, 2].map(|row: usize| columns.map(|column| column[row]));
    let scale = apply(inverse(rows), xyz([0.3127, 0.3290]));
    rows.map(|row| [row[0] * scale[0], row[1] * scale[1], row[2] * scale[2]])
}

fn apply(rows: [[f64; 3]; 3], v: [f64; 3]) -> [f64; 3] {
    rows.map(|row| row[0] * v[0] + row[1] * v[1] + row[2] * v[2])
}

fn inverse(m: [[f64; 3]; 3]) -> [[f64; 3]; 3] {
    let minor = |i: usize, k: usize| {
        let (i1, i2, k1, k2) = ((i + 1) % 3, (i + 2) % 3, (k + 1) % 3, (k + 2) % 3);
        m[i1][k1] * m[i2][k2] - m[i1][k2] * m[i2][k1]
    };
    let determinant: f64 = (0..3).map(|k| m[0][k] * minor(0, k)).sum();
    [0, 1, 2].map(|i| [0, 1, 2].map(|k| minor(k, i) / determinant))
}

const IN_709: [[f64; 2]; 3] = [[0.640, 0.330], [0.300, 0.600], [0.150, 0.060]];
pub(super) const IN_2020: [[f64; 2]; 3] = [[0.708, 0.292], [0.170, 0.797], [0.131, 0.046]];
pub(super) const IN_P3: [[f64; 2]; 3] = [[0.680, 0.320], [0.265, 0.690], [0.150, 0.060]];

/// Light in the primaries of BT.709, cut off where it cannot be shown.
pub(super) fn to_709(primaries: [[f64; 2]; 3], light: [f64; 3]) -> [f64; 3] {
    apply(inverse(to_xyz(IN_709)), apply(to_xyz(primaries), light)).map(|light| light.clamp(0.0, 1.0))
}

/// SMPTE ST 2084, with light as a fraction of 10,000 cd/m².
pub(super) fn pq(light: f64) -> f64 {
    let power = light.powf(0.1593017578125);
    ((0.8359375 + 18.8515625 * power) / (1.0 + 18.6875 * power)).powf(78.84375)
}

fn pq_inverse(signal: f64) -> f64 {
    let power = signal.powf(1.0 / 78.84375);
    ((power - 0.8359375).max(0.0) / (18.8515625 - 18.6875 * power)).powf(1.0 / 0.1593017578125)
}

/// Light of a display in cd/m², tone-mapped by ITU-R BT.2390 to 203 cd/m² and shown as sRGB.
fn tone_mapped(light: [f64; 3], peak: f64) -> [f64; 3] {
    let largest = light.into_iter().fold(1e-9, f64::max);
    let e1 = (pq(largest / 10_000.0) / pq(peak / 10_000.0)).min(1.0);
    let top = pq(0.0203) / pq(peak / 10_000.0);
    let ks = 1.5 * top - 0.5;
    let t = (e1 - ks) / (1.0 - ks);
    let e2 = if e1 < ks {
        e1
    } else {
        (2.0 * t.powi(3) - 3.0 * t.powi(2) + 1.0) * ks
            + (t.powi(3) - 2.0 * t.powi(2) + t) * (1.0 - ks)
            + (3.0 * t.powi(2) - 2.0 * t.powi(3)) * top
    };
    let mapped = pq_inverse(e2 * pq(peak / 10_000.0)) * 10_000.0;
    to_709(IN_2020, light.map(|channel| channel * mapped / largest / 203.0))
        .map(|light| if light < 0.0031308 { light * 12.92 } else { 1.055 * light.powf(1.0 / 2.4) - 0.055 })
}

pub(super) fn shown_pq(signals: [f64; 3], peak: f64) -> [f64; 3] {
    tone_mapped(signals.map(|signal| 10_000.0 * pq_inverse(signal)), peak)
}

/// ARIB STD-B67 on a display of 1000 cd/m².
pub(super) fn shown_hlg(signals: [f64; 3]) -> [f64; 3] {
    let scene = signals.map(|signal| {
        if signal <= 0.5 {
            signal * signal / 3.0
        } else {
            (((signal - 0.55991073) / 0.17883277).exp() + 0.28466892) / 12.0
        }
    });
    let luminance = 0.2627 * scene[0] + 0.6780 * scene[1] + 0.0593 * scene[2];
    tone_mapped(scene.map(|light| 1000.0 * luminance.powf(0.2) * light), 1000.0)
}

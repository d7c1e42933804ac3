//! The operations that the host does for plugins, on the samples that the image's encoder takes.
//!
//! In 4:2:0 two by two pixels share a sample of chroma. One that a rectangle covers in part is treated like one
//! that it covers whole: at an odd edge, too, nothing shows of what was there before. That colours up to one
//! column and row around the rectangle; luma ends where the rectangle does.

mod blur;
mod lettering;
#[cfg(test)]
mod tests;

use framelift_domain::Layout;
use framelift_media::filter::Canvas;

pub(crate) use blur::blur;
pub(crate) use lettering::{Lettering, Line};

/// A rectangle that lies within its frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Area {
    pub(crate) x: usize,
    pub(crate) y: usize,
    pub(crate) width: usize,
    pub(crate) height: usize,
}

impl Area {
    /// The samples that its pixels have, alone or with others, where 2^`shift` columns and rows share one.
    fn samples(self, shift: u32) -> Self {
        let along = |start: usize, length: usize| {
            let first = start >> shift;
            (first, ((start + length - 1) >> shift) + 1 - first)
        };
        let ((x, width), (y, height)) = (along(self.x, self.width), along(self.y, self.height));
        Self { x, y, width, height }
    }

    fn lines(self) -> std::ops::Range<usize> {
        self.y..self.y + self.height
    }
}

/// Pixels that lie over a part of a frame, row by row.
#[derive(Debug)]
struct Layer {
    area: Area,
    levels: Levels,
    /// 0 to 255.
    opacity: Vec<u8>,
}

/// Levels in the components of the frame.
#[derive(Debug)]
enum Levels {
    /// The level of all pixels.
    Same([u8; 3]),
    Each(Vec<[u8; 3]>),
}

impl Layer {
    fn lay(&self, canvas: &mut Canvas<'_>) {
        for index in 0..3 {
            let mut component = canvas.component(index);
            let (shift, step) = (component.shift, component.step);
            let samples = self.area.samples(shift);
            for line in samples.lines() {
                let row = component.row(line, samples.x, samples.width).iter_mut().step_by(step);
                if shift == 0 {
                    let start = (line - samples.y) * samples.width;
                    for (at, sample) in (start..).zip(row) {
                        *sample = mix(*sample, self.level(index, at), self.opacity[at].into());
                    }
                } else {
                    for (column, sample) in (samples.x..).zip(row) {
                        let (level, opacity) = self.shared(index, column, line);
                        *sample = mix(*sample, level, opacity);
                    }
                }
            }
        }
    }

    fn level(&self, index: usize, at: usize) -> u8 {
        match &self.levels {
            Levels::Same(levels) => levels[index],
            Levels::Each(levels) => levels[at][index],
        }
    }

    /// The level and the opacity for a sample of chroma: the mean of those of its pixels that are in the layer, and
    /// the strongest, so that an opaque pixel leaves nothing of what it covers.
    fn shared(&self, index: usize, column: usize, line: usize) -> (u8, u32) {
        let Area { x, y, width, height } = self.area;
        let (mut sum, mut opacities, mut most) = (0, 0, 0);
        for line in (line * 2).max(y)..(line * 2 + 2).min(y + height) {
            for column in (column * 2).max(x)..(column * 2 + 2).min(x + width) {
                let at = (line - y) * width + (column - x);
                let opacity = u32::from(self.opacity[at]);
                sum += u32::from(self.level(index, at)) * opacity;
                opacities += opacity;
                most = most.max(opacity);
            }
        }
        let level = (sum + opacities / 2).checked_div(opacities).unwrap_or_default();
        (level as u8, most)
    }
}

/// The pixels of an area in red, green and blue. Those that share chroma have the same one.
pub(crate) fn read(canvas: &mut Canvas<'_>, area: Area) -> Vec<u8> {
    let mut pixels = vec![0; area.width * area.height * 3];
    for index in 0..3 {
        let mut component = canvas.component(index);
        let (shift, step) = (component.shift, component.step);
        let samples = area.samples(shift);
        for (line, pixels) in area.lines().zip(pixels.chunks_exact_mut(area.width * 3)) {
            let row = component.row(line >> shift, samples.x, samples.width);
            for (column, to) in (area.x..).zip(pixels[index..].iter_mut().step_by(3)) {
                *to = row[((column >> shift) - samples.x) * step];
            }
        }
    }
    if canvas.layout() == Layout::Yuv420 {
        for pixel in pixels.chunks_exact_mut(3) {
            pixel.copy_from_slice(&to_rgb([pixel[0], pixel[1], pixel[2]]));
        }
    }
    pixels
}

/// Puts pixels of red, green and blue in the place of an area's.
pub(crate) fn write(canvas: &mut Canvas<'_>, area: Area, pixels: &[u8]) {
    let layout = canvas.layout();
    let levels = pixels.chunks_exact(3).map(|pixel| levels(layout, [pixel[0], pixel[1], pixel[2]]));
    let levels = Levels::Each(levels.collect());
    Layer { area, levels, opacity: vec![255; area.width * area.height] }.lay(canvas);
}

/// Fills an area with one colour.
pub(crate) fn fill(canvas: &mut Canvas<'_>, area: Area, colour: [u8; 3]) {
    for (index, level) in levels(canvas.layout(), colour).into_iter().enumerate() {
        let mut component = canvas.component(index);
        let step = component.step;
        let samples = area.samples(component.shift);
        for line in samples.lines() {
            let row = component.row(line, samples.x, samples.width);
            if step == 1 {
                row.fill(level);
            } else {
                row.iter_mut().step_by(step).for_each(|sample| *sample = level);
            }
        }
    }
}

/// Takes the colours away: what stays is luma of BT.601, as JPEG has it.
pub(crate) fn grayscale(canvas: &mut Canvas<'_>) {
    let (width, height) = (canvas.width(), canvas.height());
    match canvas.layout() {
        Layout::Yuv420 => {
            for index in [1, 2] {
                let mut chroma = canvas.component(index);
                for line in 0..height.div_ceil(2) {
                    chroma.row(line, 0, width.div_ceil(2)).fill(128);
                }
            }
        }
        Layout::Rgb => {
            // With what comes up to the next sample of red, a pixel is all of its three.
            let mut red = canvas.component(0);
            for line in 0..height {
                for pixel in red.row(line, 0, width).chunks_exact_mut(3) {
                    let [luma, ..] = to_ycbcr([pixel[0], pixel[1], pixel[2]]);
                    pixel.fill(luma);
                }
            }
        }
    }
}

/// Draws RGBA pixels over the frame, cropped to it.
pub(crate) fn overlay(
    canvas: &mut Canvas<'_>,
    over: &[u8],
    (width, height): (usize, usize),
    (x, y): (i64, i64),
    weaken: f32,
) {
    // The first pixel on the frame, and the first one behind it, of the frame's.
    let along = |start: i64, length: usize, whole: usize| {
        let end = (start + length as i64).clamp(0, whole as i64) as usize;
        (start.clamp(0, whole as i64) as usize, end)
    };
    let ((left, right), (top, bottom)) = (along(x, width, canvas.width()), along(y, height, canvas.height()));
    if left >= right || top >= bottom {
        return;
    }
    let area = Area { x: left, y: top, width: right - left, height: bottom - top };
    let weakened: [u8; 256] = std::array::from_fn(|opacity| weakened(opacity as f32, weaken));
    let layout = canvas.layout();
    let (mut colours, mut opacity) = (Vec::new(), Vec::new());
    for line in area.lines() {
        let from = (line as i64 - y) as usize * width + (left as i64 - x) as usize;
        for pixel in over[from * 4..][..area.width * 4].chunks_exact(4) {
            colours.push(levels(layout, [pixel[0], pixel[1], pixel[2]]));
            opacity.push(weakened[usize::from(pixel[3])]);
        }
    }
    Layer { area, levels: Levels::Each(colours), opacity }.lay(canvas);
}

/// Mixes old and new levels by an opacity of 0 to 255.
fn mix(old: u8, new: u8, opacity: u32) -> u8 {
    let mixed = u32::from(old) * (255 - opacity) + u32::from(new) * opacity + 127;
    (mixed / 255) as u8
}

/// An opacity of 0 to 255, made weaker.
fn weakened(opacity: f32, weaken: f32) -> u8 {
    (opacity * weaken).round() as u8
}

/// A colour in the components of a layout.
fn levels(layout: Layout, colour: [u8; 3]) -> [u8; 3] {
    match layout {
        Layout::Rgb => colour,
        Layout::Yuv420 => to_ycbcr(colour),
    }
}

/// From fixed point of 16 bits.
fn level(fixed: i32) -> u8 {
    ((fixed + 32_768) >> 16).clamp(0, 255) as u8
}

/// Luma, Cb and Cr of JPEG (JFIF, ITU-T T.871).
fn to_ycbcr(rgb: [u8; 3]) -> [u8; 3] {
    let [red, green, blue] = rgb.map(i32::from);
    [
        level(19_595 * red + 38_470 * green + 7_471 * blue),
        level((128 << 16) - 11_059 * red - 21_709 * green + 32_768 * blue),
        level((128 << 16) + 32_768 * red - 27_439 * green - 5_329 * blue),
    ]
}

fn to_rgb([luma, cb, cr]: [u8; 3]) -> [u8; 3] {
    let (luma, cb, cr) = (i32::from(luma) << 16, i32::from(cb) - 128, i32::from(cr) - 128);
    [level(luma + 91_881 * cr), level(luma - 22_554 * cb - 46_802 * cr), level(luma + 116_130 * cb)]
}

//! The operations that the host does for plugins, on pixels of three bytes.

use std::sync::LazyLock;

use ab_glyph::{Font as _, FontRef, PxScale, ScaleFont as _, point};
use framelift_media::filter::Rgb;

use crate::bindings::framelift::plugin::frames::Corner;

/// A rectangle that lies within its frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Area {
    pub(crate) x: usize,
    pub(crate) y: usize,
    pub(crate) width: usize,
    pub(crate) height: usize,
}

static FONT: LazyLock<Option<FontRef<'static>>> =
    LazyLock::new(|| FontRef::try_from_slice(dejavu::sans::regular()).ok());

/// The bytes of the rows of an area, one after the other.
fn rows(pixels: &mut Rgb, area: Area) -> impl Iterator<Item = &mut [u8]> {
    let across = pixels.width as usize * 3;
    pixels
        .bytes
        .chunks_exact_mut(across)
        .skip(area.y)
        .take(area.height)
        .map(move |line| &mut line[area.x * 3..(area.x + area.width) * 3])
}

/// The pixels of an area.
pub(crate) fn read(pixels: &Rgb, area: Area) -> Vec<u8> {
    let across = pixels.width as usize * 3;
    let lines = pixels.bytes.chunks_exact(across).skip(area.y).take(area.height);
    let mut bytes = Vec::with_capacity(area.width * area.height * 3);
    lines.for_each(|line| bytes.extend_from_slice(&line[area.x * 3..(area.x + area.width) * 3]));
    bytes
}

/// Puts pixels in the place of an area's.
pub(crate) fn write(pixels: &mut Rgb, area: Area, with: &[u8]) {
    for (line, with) in rows(pixels, area).zip(with.chunks_exact(area.width * 3)) {
        line.copy_from_slice(with);
    }
}

/// Fills an area with one colour.
pub(crate) fn fill(pixels: &mut Rgb, area: Area, colour: [u8; 3]) {
    for line in rows(pixels, area) {
        line.chunks_exact_mut(3).for_each(|pixel| pixel.copy_from_slice(&colour));
    }
}

/// Takes the colours away: luma of BT.601, as JPEG has it.
pub(crate) fn grayscale(pixels: &mut Rgb) {
    for pixel in pixels.bytes.chunks_exact_mut(3) {
        let luma = luma(pixel);
        pixel.fill(luma);
    }
}

fn luma(pixel: &[u8]) -> u8 {
    let weighted = 19_595 * u32::from(pixel[0]) + 38_470 * u32::from(pixel[1]) + 7_471 * u32::from(pixel[2]);
    u8::try_from((weighted + 32_768) >> 16).unwrap_or(u8::MAX)
}

/// Blurs an area by itself: nothing of what lies around it gets in. Three box blurs, one after the other, are
/// within 3 % of a Gaussian, at a cost that does not depend on `sigma`.
pub(crate) fn blur(pixels: &mut Rgb, area: Area, sigma: f32) {
    let mut part = read(pixels, area);
    let mut line = Vec::new();
    for radius in box_radii(sigma) {
        for row in 0..area.height {
            box_blur(&mut part, (row * area.width, 1, area.width), radius, &mut line);
        }
        for column in 0..area.width {
            box_blur(&mut part, (column, area.width, area.height), radius, &mut line);
        }
    }
    write(pixels, area, &part);
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

/// Averages each pixel of a line with those up to `radius` before and behind it; the line's ends are repeated.
fn box_blur(
    pixels: &mut [u8],
    (start, step, length): (usize, usize, usize),
    radius: usize,
    line: &mut Vec<[u8; 3]>,
) {
    let at = |index: usize| (start + index * step) * 3;
    line.clear();
    line.extend((0..length).map(|index| [0, 1, 2].map(|channel| pixels[at(index) + channel])));
    let clamped = |index: isize| line[index.clamp(0, length as isize - 1) as usize];
    let (radius, width) = (radius as isize, 2 * radius as u32 + 1);
    let mut sums = [0_u32; 3];
    for index in -radius..=radius {
        sums.iter_mut().zip(clamped(index)).for_each(|(sum, level)| *sum += u32::from(level));
    }
    for index in 0..length {
        for channel in 0..3 {
            pixels[at(index) + channel] = ((sums[channel] + width / 2) / width) as u8;
        }
        let (enters, leaves) = (clamped(index as isize + radius + 1), clamped(index as isize - radius));
        for channel in 0..3 {
            sums[channel] = sums[channel] + u32::from(enters[channel]) - u32::from(leaves[channel]);
        }
    }
}

/// Mixes one channel's old and new levels by an opacity of 0 to 255.
fn mix(old: u8, new: u8, opacity: u32) -> u8 {
    let mixed = u32::from(old) * (255 - opacity) + u32::from(new) * opacity + 127;
    u8::try_from(mixed / 255).unwrap_or(u8::MAX)
}

fn opacity(alpha: u32, weaken: f32) -> u32 {
    ((alpha as f32 * weaken).round() as u32).min(255)
}

/// Lays RGBA pixels over the frame, as far as they lie on it.
pub(crate) fn overlay(
    pixels: &mut Rgb,
    over: &[u8],
    (width, height): (usize, usize),
    (x, y): (i64, i64),
    weaken: f32,
) {
    let (across, down) = (pixels.width as usize, pixels.height as usize);
    for line in 0..height {
        let Some(to) = usize::try_from(y + line as i64).ok().filter(|to| *to < down) else { continue };
        for column in 0..width {
            let Some(at) = usize::try_from(x + column as i64).ok().filter(|at| *at < across) else {
                continue;
            };
            let new = &over[(line * width + column) * 4..][..4];
            let opacity = opacity(new[3].into(), weaken);
            let old = &mut pixels.bytes[(to * across + at) * 3..][..3];
            for (old, new) in old.iter_mut().zip(new) {
                *old = mix(*old, *new, opacity);
            }
        }
    }
}

/// Draws a line of text at one of nine places; what lies outside of the frame is cut off.
pub(crate) fn text(
    pixels: &mut Rgb,
    text: &str,
    (at, margin): (Corner, u32),
    size: f32,
    colour: [u8; 3],
    weaken: f32,
) {
    let Some(font) = &*FONT else { return };
    let scaled = font.as_scaled(PxScale::from(size));
    let mut glyphs = Vec::new();
    let (mut along, mut last) = (0.0, None);
    for glyph in text.chars().filter(|character| !character.is_control()).map(|it| scaled.glyph_id(it)) {
        along += last.map_or(0.0, |last| scaled.kern(last, glyph));
        glyphs.push((glyph, along));
        along += scaled.h_advance(glyph);
        last = Some(glyph);
    }
    let (across, down) = (pixels.width as f32, pixels.height as f32);
    let margin = margin as f32;
    let left = match at {
        Corner::TopLeft | Corner::Left | Corner::BottomLeft => margin,
        Corner::Top | Corner::Center | Corner::Bottom => (across - along) / 2.0,
        Corner::TopRight | Corner::Right | Corner::BottomRight => across - along - margin,
    };
    let top = match at {
        Corner::TopLeft | Corner::Top | Corner::TopRight => margin,
        Corner::Left | Corner::Center | Corner::Right => (down - scaled.height()) / 2.0,
        Corner::BottomLeft | Corner::Bottom | Corner::BottomRight => down - scaled.height() - margin,
    };
    let baseline = top + scaled.ascent();
    for (glyph, along) in glyphs {
        let glyph = glyph.with_scale_and_position(PxScale::from(size), point(left + along, baseline));
        let Some(outline) = font.outline_glyph(glyph) else { continue };
        let bounds = outline.px_bounds();
        outline.draw(|x, y, coverage| {
            let (x, y) = (bounds.min.x as i64 + i64::from(x), bounds.min.y as i64 + i64::from(y));
            let inside =
                (0..i64::from(pixels.width)).contains(&x) && (0..i64::from(pixels.height)).contains(&y);
            if inside {
                let at = (y as usize * pixels.width as usize + x as usize) * 3;
                let opacity = opacity((coverage.clamp(0.0, 1.0) * 255.0) as u32, weaken);
                for (old, new) in pixels.bytes[at..at + 3].iter_mut().zip(colour) {
                    *old = mix(*old, new, opacity);
                }
            }
        });
    }
}

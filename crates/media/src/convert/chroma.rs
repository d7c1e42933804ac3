//! The first step of a conversion: crops to the shown part, and upsamples chroma that is laid out unusually.
//!
//! In an interlaced picture of 4:2:0 the lines of each field share chroma among themselves, and
//! its samples lie at a quarter and at three quarters between two lines of their field (ISO/IEC
//! 13818-2, 6.1.1.8). Read as a progressive picture's, one field's colours go to the other one's
//! lines. So each line gets its own first.

use super::colour::Colours;
use super::samples::Samples;
use crate::ffi::{AvError, BlankFormat, Frame, Kernel, PixelClass, PlaneMut, ScaleSpec, Scaler, Target};
use crate::geometry::Part;

/// Returns the picture to convert, if it is not `frame` itself: cropped to the shown `part`, and with chroma
/// for every line if it has `fields`.
pub(crate) fn prepare(frame: &Frame, part: Option<Part>, fields: bool) -> Result<Option<Frame>, AvError> {
    let spread = if fields && frame.chroma_shift().1 == 1 { spread_lines(frame)? } else { None };
    let Some(part) = part else { return Ok(spread) };
    let frame = spread.as_ref().unwrap_or(frame);
    let (across, down) = frame.chroma_shift();
    // Otherwise the crop would cut through a chroma sample.
    let odd = |sides: [u32; 2], shift: u32| sides.iter().any(|side| !side.is_multiple_of(1 << shift));
    let halves = odd([part.left, part.width], across) || odd([part.top, part.height], down);
    let wide = if halves { Some(upsample_chroma(frame)?) } else { None };
    let frame = wide.as_ref().unwrap_or(frame);
    let mut cut = frame.part(part.left, part.top, (part.width, part.height))?;
    let tags = frame.colours();
    if tags.class == PixelClass::Yuv {
        // The defaults for unspecified colours depend on the number of stored lines.
        cut.set_default_matrix(Colours::of(tags, frame.height()).matrix);
    }
    Ok(Some(cut))
}

fn colours(frame: &Frame) -> Colours {
    Colours::of(frame.colours(), frame.height())
}

/// Returns the picture with a chroma sample for every pixel.
fn upsample_chroma(frame: &Frame) -> Result<Frame, AvError> {
    let deep = frame.colours().depth > 8;
    let Colours { matrix, full_range } = colours(frame);
    let mut wide = frame.blank(BlankFormat::Yuv444 { deep }, (matrix, full_range))?;
    let spec = ScaleSpec {
        source: (frame.width(), frame.height()),
        source_format: frame.format(),
        target: (frame.width(), frame.height()),
        target_kind: if deep { Target::DeepYuv444 } else { Target::Yuv444 },
        kernel: Kernel::Bicubic,
        chroma_site: frame.chroma_site(),
        source_colours: (matrix, full_range),
        target_colours: (matrix, full_range),
    };
    let mut planes = wide.planes_mut().ok_or(AvError::NO_MEMORY)?;
    Scaler::new(spec)?.run(frame, &mut planes)?;
    Ok(wide)
}

/// Returns the picture with chroma for every line; `None` if its format is not a common one.
fn spread_lines(frame: &Frame) -> Result<Option<Frame>, AvError> {
    let Some(samples) = Samples::of_frame(frame) else { return Ok(None) };
    let deep = frame.colours().depth > 8;
    let Colours { matrix, full_range } = colours(frame);
    let mut spread = frame.blank(BlankFormat::Yuv422 { deep }, (matrix, full_range))?;
    let [mut luma, mut cb, mut cr] = spread.planes_mut().ok_or(AvError::NO_MEMORY)?;
    let site = Site::of(frame.chroma_site().1);
    let mut row = Vec::new();
    let (mut near, mut far) = ((Vec::new(), Vec::new()), (Vec::new(), Vec::new()));
    for line in 0..samples.size.1 {
        samples.luma(line, &mut row);
        store(&row, &mut luma, line, deep);
        let (first, second, weight) = site.rows(line, samples.chroma.1);
        samples.chroma(first, &mut near.0, &mut near.1);
        samples.chroma(second, &mut far.0, &mut far.1);
        for (near, far, plane) in [(&near.0, &far.0, &mut cb), (&near.1, &far.1, &mut cr)] {
            row.clear();
            row.extend(near.iter().zip(far).map(|(near, far)| mix(*near, *far, weight)));
            store(&row, plane, line, deep);
        }
    }
    Ok(Some(spread))
}

/// Mixes `weight` eighths of `far` with the rest of `near`.
fn mix(near: i16, far: i16, weight: i32) -> i16 {
    ((i32::from(near) * (8 - weight) + i32::from(far) * weight + 4) >> 3) as i16
}

/// Writes a row of 15-bit samples.
fn store(row: &[i16], plane: &mut PlaneMut<'_>, line: usize, deep: bool) {
    let to = &mut plane.data[line * plane.stride..];
    if deep {
        for (to, sample) in to.chunks_exact_mut(2).zip(row) {
            to.copy_from_slice(&((*sample + 4).clamp(0, i16::MAX) >> 3).to_le_bytes());
        }
    } else {
        for (to, sample) in to.iter_mut().zip(row) {
            *to = ((i32::from(*sample) + 64) >> 7).min(255) as u8;
        }
    }
}

/// Where the first sample of chroma of each field lies: quarters of a line of the field below
/// its first one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Site {
    top: i64,
    bottom: i64,
}

impl Site {
    /// From [`Frame::chroma_site`]: at lines, or between them.
    fn of(down: i32) -> Self {
        match down {
            0 => Self { top: 0, bottom: 0 },
            256 => Self { top: 4, bottom: 4 },
            _ => Self { top: 1, bottom: 3 },
        }
    }

    /// Returns the two chroma rows next to a line, of `rows` in total, and the weight of the second one in
    /// eighths.
    fn rows(self, line: usize, rows: usize) -> (usize, usize, i32) {
        let bottom = line % 2;
        let in_field = rows.saturating_sub(bottom).div_ceil(2);
        if in_field == 0 {
            return (0, 0, 0);
        }
        let site = if bottom == 0 { self.top } else { self.bottom };
        let eighths = (line / 2) as i64 * 4 - site;
        let row = eighths.div_euclid(8);
        let place = |row: i64| row.clamp(0, in_field as i64 - 1) as usize * 2 + bottom;
        (place(row), place(row + 1), eighths.rem_euclid(8) as i32)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_take_chroma_from_their_own_field_alone() {
        let between = Site::of(-513);
        // Eight rows: 0, 2, 4, 6 are the top field's.
        assert_eq!(between.rows(0, 8), (0, 0, 7));
        assert_eq!(between.rows(2, 8), (0, 2, 3));
        assert_eq!(between.rows(4, 8), (0, 2, 7));
        assert_eq!(between.rows(14, 8), (6, 6, 3));
        assert_eq!(between.rows(1, 8), (1, 1, 5));
        assert_eq!(between.rows(3, 8), (1, 3, 1));
        assert_eq!(between.rows(5, 8), (1, 3, 5));
        assert_eq!(between.rows(15, 8), (7, 7, 1));
        assert_eq!(Site::of(0).rows(3, 8), (1, 3, 4));
        for rows in 1..20 {
            for line in 0..rows * 2 {
                let (first, second, weight) = between.rows(line, rows);
                assert!(first < rows && second < rows && (0..8).contains(&weight));
                assert!(rows == 1 || (first % 2, second % 2) == (line % 2, line % 2), "{line} of {rows}");
            }
        }
    }

    #[test]
    fn mixing_keeps_what_is_the_same() {
        for sample in [0, 1, 16_384, 32_767] {
            for weight in 0..8 {
                assert_eq!(mix(sample, sample, weight), sample);
            }
        }
    }
}

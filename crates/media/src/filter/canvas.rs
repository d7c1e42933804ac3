//! The samples of a picture that a filter changes: those that the image's encoder takes.

use framelift_domain::Layout;

use crate::ffi::{AvError, Frame, PlaneMut, Planes420};

/// A picture's samples: red, green and blue, or luma, Cb and Cr in the colours of JPEG (JFIF) with a sample of
/// chroma for each two by two pixels.
#[derive(Debug)]
pub struct Canvas<'a> {
    width: usize,
    height: usize,
    planes: Planes<'a>,
}

#[derive(Debug)]
enum Planes<'a> {
    Rgb(PlaneMut<'a>),
    Yuv420([PlaneMut<'a>; 3]),
}

/// The samples of one component.
#[derive(Debug)]
pub struct Component<'a> {
    samples: &'a mut [u8],
    stride: usize,
    /// Bytes from a sample to the next one.
    pub step: usize,
    /// The base-2 logarithm of how many columns, and rows, share a sample.
    pub shift: u32,
}

impl Component<'_> {
    /// `width` samples from column `x` on, and for each the bytes up to the next one.
    ///
    /// # Panics
    /// If they are far outside of the picture.
    pub fn row(&mut self, line: usize, x: usize, width: usize) -> &mut [u8] {
        &mut self.samples[line * self.stride..][x * self.step..][..width * self.step]
    }
}

impl<'a> Canvas<'a> {
    /// The samples of a picture of this layout; `None` unless it is [`Frame::of_420`] or [`Frame::of_rgb`].
    pub(super) fn of(frame: &'a mut Frame, layout: Layout) -> Option<Self> {
        let (width, height) = (frame.width() as usize, frame.height() as usize);
        let planes = match layout {
            Layout::Rgb => Planes::Rgb(frame.rgb_mut()?),
            Layout::Yuv420 => Planes::Yuv420(frame.planes_mut()?),
        };
        Some(Self { width, height, planes })
    }

    /// Pixels across.
    pub const fn width(&self) -> usize {
        self.width
    }

    /// Pixels down.
    pub const fn height(&self) -> usize {
        self.height
    }

    /// Which components it has.
    pub const fn layout(&self) -> Layout {
        match self.planes {
            Planes::Rgb(_) => Layout::Rgb,
            Planes::Yuv420(_) => Layout::Yuv420,
        }
    }

    /// A component, 0 to 2.
    pub fn component(&mut self, index: usize) -> Component<'_> {
        match &mut self.planes {
            Planes::Rgb(plane) => {
                Component { samples: &mut plane.data[index..], stride: plane.stride, step: 3, shift: 0 }
            }
            Planes::Yuv420(planes) => {
                let plane = &mut planes[index];
                let shift = if index == 0 { 0 } else { 1 };
                Component { samples: plane.data, stride: plane.stride, step: 1, shift }
            }
        }
    }

    /// A copy of a part, which lies within the picture.
    pub(super) fn part(&self, (x, y): (u32, u32), (width, height): (u32, u32)) -> Result<Frame, AvError> {
        let (left, top) = (x as usize, y as usize);
        let from = |plane: &PlaneMut<'_>, left: usize, top: usize| top * plane.stride + left;
        match &self.planes {
            Planes::Rgb(plane) => {
                Frame::of_rgb((width, height), &plane.data[from(plane, left * 3, top)..], plane.stride)
            }
            Planes::Yuv420([luma, cb, cr]) if left % 2 == 0 && top % 2 == 0 => Frame::of_420(&Planes420 {
                planes: [
                    &luma.data[from(luma, left, top)..],
                    &cb.data[from(cb, left / 2, top / 2)..],
                    &cr.data[from(cr, left / 2, top / 2)..],
                ],
                strides: [luma.stride, cb.stride, cr.stride],
                width,
                height,
            }),
            Planes::Yuv420([luma, cb, cr]) => {
                let half = (width.div_ceil(2) as usize, height.div_ceil(2) as usize);
                let last = (self.width.div_ceil(2) - 1, self.height.div_ceil(2) - 1);
                let (cb, cr) = (between(cb, (left, top), half, last), between(cr, (left, top), half, last));
                Frame::of_420(&Planes420 {
                    planes: [&luma.data[from(luma, left, top)..], &cb, &cr],
                    strides: [luma.stride, half.0, half.0],
                    width,
                    height,
                })
            }
        }
    }
}

/// Chroma for pixels that are counted from an odd column or row: the mean of the samples of each two by two.
fn between(
    plane: &PlaneMut<'_>,
    (left, top): (usize, usize),
    (width, height): (usize, usize),
    last: (usize, usize),
) -> Vec<u8> {
    let mut samples = Vec::with_capacity(width * height);
    for line in (0..height).map(|line| top + line * 2) {
        let rows = [line / 2, line.div_ceil(2).min(last.1)].map(|row| &plane.data[row * plane.stride..]);
        for column in (0..width).map(|column| left + column * 2) {
            let columns = [column / 2, column.div_ceil(2).min(last.0)];
            let sum: u32 = rows.iter().flat_map(|row| columns.map(|at| u32::from(row[at]))).sum();
            samples.push(((sum + 2) / 4) as u8);
        }
    }
    samples
}

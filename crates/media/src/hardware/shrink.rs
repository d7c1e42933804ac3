//! Downscales pictures on the GPU where the result is the same as on the CPU.
//!
//! For images of half the size or less the CPU averages over areas. `scale_cuda`'s `bilinear` does the same
//! for exactly 1/2 and 1/3 of both sides (its filter has three equal taps at 1/3, two at 1/2), so whole
//! factors of 2 and 3 are taken out on the GPU, and the CPU does the rest.

use std::ffi::{CStr, CString};

use framelift_domain::{Layout, Options};

use crate::convert::Colours;
use crate::ffi::{Filter, Frame, StreamInfo};
use crate::view::View;

/// A scaling filter and its arguments other than the size.
type Scaler = (&'static CStr, &'static str);

const ON_GPU: Scaler = (c"scale_cuda", "interp_algo=bilinear");

/// Downscales the pictures of one job.
pub(crate) struct Shrink {
    stream: StreamInfo,
    options: Options,
    max_pixels: u64,
    scaler: Scaler,
    filter: Option<(Filter, Vec<(u32, u32)>)>,
}

impl Shrink {
    pub(crate) fn new(stream: &StreamInfo, options: &Options, max_pixels: u64) -> Self {
        Self::with(ON_GPU, stream, options, max_pixels)
    }

    pub(super) fn with(scaler: Scaler, stream: &StreamInfo, options: &Options, max_pixels: u64) -> Self {
        Self { stream: stream.clone(), options: options.clone(), max_pixels, scaler, filter: None }
    }

    /// Downscales the picture as far as the image stays the same.
    pub(crate) fn run(&mut self, frame: Frame) -> Result<Frame, String> {
        let sizes = self.sizes(&frame);
        if sizes.is_empty() {
            return Ok(frame);
        }
        let stored_lines = frame.height();
        let (filter, _) = match self.filter.take().filter(|(filter, to)| *to == sizes && filter.suits(&frame))
        {
            Some(filter) => self.filter.insert(filter),
            None => self.filter.insert((Filter::new(&frame, &chain(self.scaler, &sizes)?)?, sizes)),
        };
        let mut small = filter.run(&frame)?;
        // The defaults for unspecified colours depend on the original size.
        small.set_default_matrix(Colours::of(frame.colours(), stored_lines).matrix);
        Ok(small)
    }

    /// The intermediate sizes; empty if nothing is to be done on the GPU.
    fn sizes(&self, frame: &Frame) -> Vec<(u32, u32)> {
        // Reserved and unknown values are left to the CPU, which warns about them.
        let known = matches!(frame.colours().matrix, 1 | 2 | 4..=7 | 9 | 10);
        let apart = self.stream.has_fields(frame);
        if self.options.resize.is_none() || frame.is_cut_later() || !known || apart {
            return Vec::new();
        }
        let Ok(view) = View::of(frame, &self.stream, self.options.crop, self.max_pixels) else {
            return Vec::new();
        };
        let Some((geometry, _)) = view.geometry(self.options.resize).ok().filter(|_| view.part.is_none())
        else {
            return Vec::new();
        };
        let (width, height) = geometry.scaled;
        // In RGB every pixel has its colours: the last halving would cost half of the chroma.
        let keep = match self.options.format.layout() {
            Layout::Yuv420 => 1,
            Layout::Rgb => 2,
        };
        steps((frame.width(), frame.height()), (width * keep, height * keep))
    }
}

/// The steps from `from` towards `to` by thirds and halves of both sides, while `to` divides the rest and
/// chroma keeps whole samples.
fn steps(from: (u32, u32), to: (u32, u32)) -> Vec<(u32, u32)> {
    let fits = |side: u32, by: u32, to: u32| {
        side.is_multiple_of(by) && (side / by).is_multiple_of(to.max(1)) && (side / by).is_multiple_of(2)
    };
    let smaller = |&(width, height): &(u32, u32)| {
        let by = [3, 2].into_iter().find(|&by| fits(width, by, to.0) && fits(height, by, to.1))?;
        Some((width / by, height / by)).filter(|&(width, _)| width > 0)
    };
    std::iter::successors(smaller(&from), smaller).collect()
}

fn chain((name, arguments): Scaler, sizes: &[(u32, u32)]) -> Result<Vec<(&'static CStr, CString)>, String> {
    let step = |(width, height): &(u32, u32)| {
        let arguments = CString::new(format!("w={width}:h={height}:{arguments}"));
        arguments.map(|arguments| (name, arguments)).map_err(|error| error.to_string())
    };
    sizes.iter().map(step).collect()
}

#[cfg(test)]
mod tests;

//! Makes pictures: a part of another one, an empty one with more chroma, and one from samples.

use std::ffi::c_int;

use ffmpeg_next::ffi;

use super::{Frame, descriptor};
use crate::ffi::{AvError, PlaneMut, Planes420, YuvMatrix};

/// The format of a new picture.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum BlankFormat {
    /// 4:2:2; 12 bits in 16, or 8.
    Yuv422 { deep: bool },
    /// 4:4:4; 12 bits in 16, or 8.
    Yuv444 { deep: bool },
}

impl Frame {
    /// Whether its lines alternate between two fields.
    pub(crate) fn is_interlaced(&self) -> bool {
        self.raw().interlaced_frame != 0
    }

    /// The base-2 logarithms of how many columns and lines share a chroma sample.
    pub(crate) fn chroma_shift(&self) -> (u32, u32) {
        let shift = |log2: u8| u32::from(log2).min(4);
        descriptor(self.raw().format)
            .map_or((0, 0), |found| (shift(found.log2_chroma_w), shift(found.log2_chroma_h)))
    }

    /// A reference to a part of the picture. With subsampled chroma, it is cropped by whole chroma samples.
    pub(crate) fn part(&self, left: u32, top: u32, (width, height): (u32, u32)) -> Result<Self, AvError> {
        let rest = |whole: u32, before: u32, part: u32| {
            whole.checked_sub(before).and_then(|rest| rest.checked_sub(part)).ok_or(AvError(-34))
        };
        let (right, bottom) = (rest(self.width(), left, width)?, rest(self.height(), top, height)?);
        let flags = descriptor(self.raw().format).map_or(0, |found| found.flags);
        if flags & ffi::AV_PIX_FMT_FLAG_BITSTREAM as u64 != 0 && left > 0 {
            // Pixels are not whole bytes, and FFmpeg would crop only the other sides.
            return Err(AvError(ffi::AVERROR_PATCHWELCOME));
        }
        let part = Self::new()?;
        // SAFETY: both frames are valid and the new one is empty; it takes new references.
        unsafe {
            AvError::check(ffi::av_frame_ref(part.0, self.0))?;
            (*part.0).crop_left = left as usize;
            (*part.0).crop_right = right as usize;
            (*part.0).crop_top = top as usize;
            (*part.0).crop_bottom = bottom as usize;
            AvError::check(ffi::av_frame_apply_cropping(part.0, ffi::AV_FRAME_CROP_UNALIGNED as c_int))?;
        }
        Ok(part)
    }

    /// An uninitialised picture in the format `blank` with the same size and metadata. Matrix and range are
    /// set explicitly, because the format no longer implies them.
    pub(crate) fn blank(
        &self,
        blank: BlankFormat,
        (matrix, full_range): (YuvMatrix, bool),
    ) -> Result<Self, AvError> {
        use ffi::AVChromaLocation::{AVCHROMA_LOC_CENTER, AVCHROMA_LOC_LEFT};
        use ffi::AVColorRange::{AVCOL_RANGE_JPEG, AVCOL_RANGE_MPEG};
        use ffi::AVPixelFormat::*;
        let format = match blank {
            BlankFormat::Yuv422 { deep: false } => AV_PIX_FMT_YUV422P,
            BlankFormat::Yuv422 { deep: true } => AV_PIX_FMT_YUV422P12LE,
            BlankFormat::Yuv444 { deep: false } => AV_PIX_FMT_YUV444P,
            BlankFormat::Yuv444 { deep: true } => AV_PIX_FMT_YUV444P12LE,
        };
        let mut new = Self::new()?;
        // SAFETY: both frames are valid; the new one has no buffers until it gets some.
        unsafe {
            AvError::check(ffi::av_frame_copy_props(new.0, self.0))?;
            let raw = &mut *new.0;
            raw.format = format as c_int;
            (raw.width, raw.height) = (self.raw().width, self.raw().height);
            raw.color_range = if full_range { AVCOL_RANGE_JPEG } else { AVCOL_RANGE_MPEG };
            raw.chroma_location =
                if self.chroma_site().0 == 0 { AVCHROMA_LOC_LEFT } else { AVCHROMA_LOC_CENTER };
            raw.interlaced_frame = 0;
            AvError::check(ffi::av_frame_get_buffer(new.0, 64))?;
        }
        new.set_default_matrix(matrix);
        Ok(new)
    }

    /// A picture of sRGB pixels, three bytes each; a row starts `stride` bytes after the one before.
    pub(crate) fn of_rgb(size: (u32, u32), pixels: &[u8], stride: usize) -> Result<Self, AvError> {
        use ffi::{AVColorSpace::AVCOL_SPC_RGB, AVPixelFormat::AV_PIX_FMT_RGB24};
        let mut frame = Self::empty(AV_PIX_FMT_RGB24, AVCOL_SPC_RGB, size)?;
        let mut plane = frame.rgb_mut().ok_or(AvError::NO_MEMORY)?;
        plane.fill(pixels, stride, size.0 as usize * 3);
        Ok(frame)
    }

    /// A picture in the colours of JPEG (JFIF).
    pub(crate) fn of_420(image: &Planes420<'_>) -> Result<Self, AvError> {
        use ffi::{AVColorSpace::AVCOL_SPC_BT470BG, AVPixelFormat::AV_PIX_FMT_YUV420P};
        image.check();
        let mut frame = Self::empty(AV_PIX_FMT_YUV420P, AVCOL_SPC_BT470BG, (image.width, image.height))?;
        let planes = frame.planes_mut().ok_or(AvError::NO_MEMORY)?;
        let half = image.width.div_ceil(2);
        let widths = [image.width, half, half];
        for (((mut plane, from), stride), width) in
            planes.into_iter().zip(image.planes).zip(image.strides).zip(widths)
        {
            plane.fill(from, stride, width as usize);
        }
        Ok(frame)
    }

    /// A picture whose samples are not set, in full range, with the primaries and the transfer of sRGB.
    fn empty(
        format: ffi::AVPixelFormat,
        matrix: ffi::AVColorSpace,
        (width, height): (u32, u32),
    ) -> Result<Self, AvError> {
        let side = |side: u32| c_int::try_from(side).map_err(|_| AvError::INVALID_DATA);
        let frame = Self::new()?;
        // SAFETY: the frame is valid, and has no buffers until it gets one here.
        unsafe {
            let raw = &mut *frame.0;
            raw.format = format as c_int;
            (raw.width, raw.height) = (side(width)?, side(height)?);
            raw.color_range = ffi::AVColorRange::AVCOL_RANGE_JPEG;
            raw.colorspace = matrix;
            raw.color_primaries = ffi::AVColorPrimaries::AVCOL_PRI_BT709;
            raw.color_trc = ffi::AVColorTransferCharacteristic::AVCOL_TRC_IEC61966_2_1;
            raw.chroma_location = ffi::AVChromaLocation::AVCHROMA_LOC_CENTER;
            AvError::check(ffi::av_frame_get_buffer(frame.0, 64))?;
        }
        Ok(frame)
    }

    /// The three planes of a picture that was made here, with room for what SIMD writes.
    pub(crate) fn planes_mut(&mut self) -> Option<[PlaneMut<'_>; 3]> {
        let (_, down) = self.chroma_shift();
        let height = usize::try_from(self.raw().height).ok()?;
        let chroma = height.div_ceil(1 << down);
        // SAFETY: these are different planes.
        unsafe { Some([self.plane_mut(0, height)?, self.plane_mut(1, chroma)?, self.plane_mut(2, chroma)?]) }
    }

    /// The plane of a picture from [`Frame::of_rgb`].
    pub(crate) fn rgb_mut(&mut self) -> Option<PlaneMut<'_>> {
        let height = usize::try_from(self.raw().height).ok()?;
        // SAFETY: it is the only one.
        unsafe { self.plane_mut(0, height) }
    }

    /// A plane of `height` rows; `None` unless the buffer is one of `av_frame_get_buffer` that nobody else
    /// refers to.
    ///
    /// # Safety
    /// Each plane may be borrowed once, for as long as the frame is borrowed mutably.
    unsafe fn plane_mut<'a>(&self, i: usize, height: usize) -> Option<PlaneMut<'a>> {
        let raw = self.raw();
        let buffer = raw.buf[0];
        // SAFETY: the frame is valid.
        let own = unsafe { ffi::av_frame_is_writable(self.0) } > 0;
        if !own || buffer.is_null() || raw.data[i].is_null() {
            return None;
        }
        let stride = usize::try_from(raw.linesize[i]).ok()?;
        let length = stride.checked_mul(height)?.checked_add(crate::ffi::Scaler::SLACK)?;
        // SAFETY: a buffer of `av_frame_get_buffer` is one's own and holds every plane, each
        // with 64 bytes behind it; the end is checked. Planes do not overlap, and live as
        // long as the frame, which the caller borrows for as long.
        unsafe {
            let end = (*buffer).data.add((*buffer).size);
            let fits = (end as usize).checked_sub(raw.data[i] as usize)? >= length;
            fits.then(|| PlaneMut {
                data: std::slice::from_raw_parts_mut(raw.data[i], length),
                stride,
                height,
            })
        }
    }
}

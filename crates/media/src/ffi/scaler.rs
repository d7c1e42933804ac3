//! libswscale: converts pixel formats, sizes, and YUV to RGB.

use std::ffi::{CStr, c_int};

use ffmpeg_next::ffi;

use super::frame::pixel_format;
use super::{AvError, Frame};

/// The matrix between RGB and YUV, by libswscale's numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum YuvMatrix {
    Bt601 = 5,
    Bt709 = 1,
    Bt2020 = 9,
    Smpte240 = 7,
    Fcc = 4,
}

/// What comes out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Target {
    /// Three planes, 8 bit, 4:2:0.
    Yuv420,
    /// Three planes, 12 bit in 16, 4:2:0.
    DeepYuv420,
    /// Three planes, 8 bit.
    Yuv444,
    /// Three planes, 12 bit in 16.
    DeepYuv444,
    /// One plane, 3 bytes a pixel.
    Rgb24,
}

/// The scaling algorithm.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kernel {
    Bicubic,
    /// Area averaging, for strong downscaling.
    Area,
}

/// One conversion.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ScaleSpec {
    pub(crate) source: (u32, u32),
    pub(crate) source_format: i32,
    pub(crate) target: (u32, u32),
    pub(crate) target_kind: Target,
    pub(crate) kernel: Kernel,
    /// Where the source's chroma lies, as [`Frame::chroma_site`] gives it.
    pub(crate) chroma_site: (i32, i32),
    /// Matrix and range of the source, if it is YUV.
    pub(crate) source_colours: (YuvMatrix, bool),
    /// Matrix and range of the target, if it is YUV.
    pub(crate) target_colours: (YuvMatrix, bool),
}

/// Where a plane goes.
#[derive(Debug)]
pub(crate) struct PlaneMut<'a> {
    pub(crate) data: &'a mut [u8],
    pub(crate) stride: usize,
    /// Rows.
    pub(crate) height: usize,
}

impl PlaneMut<'_> {
    /// Copies rows of `width` bytes, which start `stride` bytes after each other.
    pub(crate) fn fill(&mut self, from: &[u8], stride: usize, width: usize) {
        for (line, to) in self.data.chunks_exact_mut(self.stride).take(self.height).enumerate() {
            to[..width].copy_from_slice(&from[line * stride..][..width]);
        }
    }
}

/// An `SwsContext` for one conversion.
pub(crate) struct Scaler {
    context: *mut ffi::SwsContext,
    pub(crate) spec: ScaleSpec,
}

// SAFETY: a context may be used from one thread after another.
unsafe impl Send for Scaler {}

impl Scaler {
    /// Room that SIMD may write behind a row's last pixel.
    pub(crate) const SLACK: usize = 64;

    pub(crate) fn new(spec: ScaleSpec) -> Result<Self, AvError> {
        // SAFETY: no arguments; null is checked, and `scaler` frees it.
        let context = unsafe { ffi::sws_alloc_context() };
        if context.is_null() {
            return Err(AvError::NO_MEMORY);
        }
        let scaler = Self { context, spec };
        let kernel = match spec.kernel {
            Kernel::Bicubic => ffi::SWS_BICUBIC,
            Kernel::Area => ffi::SWS_AREA,
        };
        // Exact rounding and full chroma: a frame must look the same as a reference decoder's.
        let full_chroma = ffi::SWS_FULL_CHR_H_INT | ffi::SWS_FULL_CHR_H_INP;
        let flags = kernel | ffi::SWS_ACCURATE_RND | full_chroma | ffi::SWS_BITEXACT;
        let target_format = match spec.target_kind {
            Target::Yuv420 => ffi::AVPixelFormat::AV_PIX_FMT_YUV420P,
            Target::DeepYuv420 => ffi::AVPixelFormat::AV_PIX_FMT_YUV420P12LE,
            Target::Yuv444 => ffi::AVPixelFormat::AV_PIX_FMT_YUV444P,
            Target::DeepYuv444 => ffi::AVPixelFormat::AV_PIX_FMT_YUV444P12LE,
            Target::Rgb24 => ffi::AVPixelFormat::AV_PIX_FMT_RGB24,
        };
        // JPEG has chroma in the middle of its four pixels; other targets keep the source's position.
        let target_site = match spec.target_kind {
            Target::Yuv420 | Target::DeepYuv420 => (128, 128),
            Target::Yuv444 | Target::DeepYuv444 | Target::Rgb24 => (-513, -513),
        };
        let options: [(&CStr, i64); 13] = [
            (c"src_range", spec.source_colours.1.into()),
            (c"dst_range", spec.target_colours.1.into()),
            (c"srcw", spec.source.0.into()),
            (c"srch", spec.source.1.into()),
            (c"src_format", plain(spec.source_format).into()),
            (c"dstw", spec.target.0.into()),
            (c"dsth", spec.target.1.into()),
            (c"dst_format", (target_format as c_int).into()),
            (c"sws_flags", flags.into()),
            (c"src_h_chr_pos", spec.chroma_site.0.into()),
            (c"src_v_chr_pos", spec.chroma_site.1.into()),
            (c"dst_h_chr_pos", target_site.0.into()),
            (c"dst_v_chr_pos", target_site.1.into()),
        ];
        for (name, value) in options {
            // SAFETY: the context is valid and its first field is a class, as options need.
            AvError::check(unsafe { ffi::av_opt_set_int(context.cast(), name.as_ptr(), value, 0) })?;
        }
        let (source, target) = (spec.source_colours, spec.target_colours);
        // SAFETY: the context is valid; the tables are static, four numbers each.
        unsafe {
            AvError::check(ffi::sws_init_context(context, std::ptr::null_mut(), std::ptr::null_mut()))?;
            // It fails if there is nothing to set, which is not an error.
            ffi::sws_setColorspaceDetails(
                context,
                ffi::sws_getCoefficients(source.0 as c_int),
                source.1.into(),
                ffi::sws_getCoefficients(target.0 as c_int),
                target.1.into(),
                0,
                1 << 16,
                1 << 16,
            );
        }
        Ok(scaler)
    }

    /// Converts `frame`, which must be as the specification says, into `planes`.
    pub(crate) fn run(&mut self, frame: &Frame, planes: &mut [PlaneMut<'_>]) -> Result<(), AvError> {
        let raw = frame.raw();
        let spec = &self.spec;
        let fits = (frame.width(), frame.height()) == spec.source && raw.format == spec.source_format;
        let (width, height) = (spec.target.0 as usize, spec.target.1 as usize);
        let half = (width.div_ceil(2), height.div_ceil(2));
        // Bytes of a row, and rows.
        let sizes: &[(usize, usize)] = match spec.target_kind {
            Target::Yuv420 => &[(width, height), half, half],
            Target::DeepYuv420 => &[(width * 2, height), (half.0 * 2, half.1), (half.0 * 2, half.1)],
            Target::Yuv444 => &[(width, height); 3],
            Target::DeepYuv444 => &[(width * 2, height); 3],
            Target::Rgb24 => &[(width * 3, height)],
        };
        let roomy = planes.len() == sizes.len()
            && planes.iter().zip(sizes).all(|(plane, (width, height))| {
                plane.height >= *height
                    && plane.stride >= *width
                    && plane.data.len() >= plane.stride * plane.height + Self::SLACK
            });
        if !fits || !roomy {
            return Err(AvError(-22));
        }
        let (mut data, mut strides) = ([std::ptr::null_mut(); 4], [0; 4]);
        for (i, plane) in planes.iter_mut().enumerate() {
            data[i] = plane.data.as_mut_ptr();
            strides[i] = c_int::try_from(plane.stride).map_err(|_| AvError(-22))?;
        }
        // SAFETY: the frame's planes are as its format and size say, which is what the context
        // was set up for; the target's planes were checked to have room, slack included.
        AvError::check(unsafe {
            ffi::sws_scale(
                self.context,
                raw.data.as_ptr().cast(),
                raw.linesize.as_ptr(),
                0,
                raw.height,
                data.as_ptr(),
                strides.as_ptr(),
            )
        })
        .map(drop)
    }
}

impl Drop for Scaler {
    fn drop(&mut self) {
        // SAFETY: ours to free, once.
        unsafe { ffi::sws_freeContext(self.context) };
    }
}

/// The format without a range in its name: libswscale would derive a range from `yuvj…`.
fn plain(format: i32) -> c_int {
    use ffi::AVPixelFormat::*;
    let plain = match pixel_format(format) {
        AV_PIX_FMT_YUVJ420P => AV_PIX_FMT_YUV420P,
        AV_PIX_FMT_YUVJ422P => AV_PIX_FMT_YUV422P,
        AV_PIX_FMT_YUVJ444P => AV_PIX_FMT_YUV444P,
        AV_PIX_FMT_YUVJ440P => AV_PIX_FMT_YUV440P,
        AV_PIX_FMT_YUVJ411P => AV_PIX_FMT_YUV411P,
        other => other,
    };
    plain as c_int
}

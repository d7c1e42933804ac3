//! One decoded picture: its planes, and what it says about itself.

mod part;

use std::ffi::{CStr, c_int};

use ffmpeg_next::ffi;
use framelift_domain::Rational;

use std::sync::Arc;

use super::{AvError, Peak, YuvMatrix, log, rational, timestamp, version};
use crate::pictures::{OutputPicture, Pictures};
pub(crate) use part::BlankFormat;

/// An `AVFrame` with a picture.
pub(crate) struct Frame(pub(super) *mut ffi::AVFrame, Option<OutputPicture>);

// SAFETY: a frame has no ties to a thread; its buffers are reference-counted atomically, and
// those that a decoder still refers to are only read, there and here.
unsafe impl Send for Frame {}

/// One plane of samples: bytes, or pairs of bytes where they have more than 8 bits.
pub(crate) struct Luma<'a> {
    data: &'a [u8],
    stride: usize,
    /// Samples of a row.
    pub(crate) width: usize,
    pub(crate) height: usize,
    /// Bits of a sample.
    pub(crate) depth: u32,
}

impl<'a> Luma<'a> {
    /// The bytes of a row.
    pub(crate) fn row(&self, line: usize) -> &'a [u8] {
        let bytes = if self.depth <= 8 { self.width } else { self.width * 2 };
        &self.data[line * self.stride..][..bytes]
    }
}

/// How a picture's samples encode colours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum PixelClass {
    /// Luma and colour differences.
    Yuv,
    /// Luma alone.
    Gray,
    /// Red, green, blue; palettes too.
    Rgb,
}

/// What a picture says about its colours, in the numbers of ITU-T H.273.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ColourTags {
    pub(crate) class: PixelClass,
    /// Bits of a sample.
    pub(crate) depth: u32,
    /// `MatrixCoefficients`; 2 is unspecified.
    pub(crate) matrix: i32,
    /// `TransferCharacteristics`; 2 is unspecified.
    pub(crate) transfer: i32,
    /// `ColourPrimaries`; 2 is unspecified.
    pub(crate) primaries: i32,
    /// Whether it is full range; `None` if unspecified.
    pub(crate) full_range: Option<bool>,
    /// The picture's own metadata about its brightest pixel.
    pub(crate) peak: Option<Peak>,
}

/// How the samples of a 4:2:0 picture lie in memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Packing {
    /// Three planes of bytes.
    Planar8,
    /// Three planes of 16-bit words, the low bits of which count.
    Planar { depth: u32 },
    /// Two planes of bytes: luma, and both chromas by turns.
    Semi8,
    /// Two planes of 16-bit words, the high bits of which count.
    SemiHigh,
}

/// The planes of a 4:2:0 picture with their strides in bytes: luma, and the start of each chroma's samples.
pub(crate) struct Planes<'a> {
    pub(crate) packing: Packing,
    pub(crate) planes: [(&'a [u8], usize); 3],
}

/// Converts FFmpeg's number of a pixel format.
pub(super) fn pixel_format(format: c_int) -> ffi::AVPixelFormat {
    let known = format >= 0 && format < ffi::AVPixelFormat::AV_PIX_FMT_NB as c_int;
    if !known {
        return ffi::AVPixelFormat::AV_PIX_FMT_NONE;
    }
    // SAFETY: the enumeration is generated from the headers of the library that is linked, is
    // `repr(i32)` and has no gaps from 0 to AV_PIX_FMT_NB.
    unsafe { std::mem::transmute::<c_int, ffi::AVPixelFormat>(format) }
}

pub(super) fn descriptor(format: c_int) -> Option<&'static ffi::AVPixFmtDescriptor> {
    // SAFETY: any value may be asked for; descriptors are static.
    unsafe { ffi::av_pix_fmt_desc_get(pixel_format(format)).as_ref() }
}

impl Frame {
    pub(crate) fn new() -> Result<Self, AvError> {
        // SAFETY: no arguments; null is checked.
        let frame = unsafe { ffi::av_frame_alloc() };
        if frame.is_null() { Err(AvError::NO_MEMORY) } else { Ok(Self(frame, None)) }
    }

    /// Counts it as a picture that has left its decoder.
    pub(super) fn counted(self, pictures: &Arc<Pictures>) -> Self {
        let mut frame = self;
        frame.1 = Some(pictures.output());
        frame
    }

    pub(super) fn raw(&self) -> &ffi::AVFrame {
        // SAFETY: not null since `new`, and owned by `self`.
        unsafe { &*self.0 }
    }

    /// The bytes of the buffers that it keeps in main memory, also where only a part of them is shown.
    pub(crate) fn bytes(&self) -> u64 {
        // SAFETY: a reference that is not null is the frame's own.
        let buffers = self.raw().buf.iter().filter_map(|buffer| unsafe { buffer.as_ref() });
        buffers.map(|buffer| buffer.size as u64).sum()
    }

    /// Pixels across.
    pub(crate) fn width(&self) -> u32 {
        u32::try_from(self.raw().width).unwrap_or(0)
    }

    /// Pixels down.
    pub(crate) fn height(&self) -> u32 {
        u32::try_from(self.raw().height).unwrap_or(0)
    }

    /// The presentation timestamp, or, where its packet had none, FFmpeg's best guess. The guess is not used
    /// otherwise: after one duplicate timestamp FFmpeg follows the decoding order for good, which is
    /// meaningless if packets are skipped.
    pub(crate) fn pts(&self) -> Option<i64> {
        timestamp(self.raw().pts).or(timestamp(self.raw().best_effort_timestamp))
    }

    /// The timestamp that came with its packet.
    pub(crate) fn packet_pts(&self) -> Option<i64> {
        timestamp(self.raw().pts)
    }

    /// How long it is shown, 0 if that is unknown.
    pub(crate) fn ticks(&self) -> i64 {
        version::ticks(self.raw())
    }

    /// The label that [`Decoder::send`](super::Decoder::send) was given with the packet.
    pub(crate) fn label(&self) -> i64 {
        version::label(self.raw())
    }

    /// Whether the decoder knows it to be damaged.
    pub(crate) fn is_damaged(&self) -> bool {
        self.raw().decode_error_flags != 0 || self.raw().flags & ffi::AV_FRAME_FLAG_CORRUPT != 0
    }

    /// Whether the codec says that it was predicted from other pictures.
    pub(crate) fn is_predicted(&self) -> bool {
        use ffi::AVPictureType::{
            AV_PICTURE_TYPE_B, AV_PICTURE_TYPE_P, AV_PICTURE_TYPE_S, AV_PICTURE_TYPE_SP,
        };
        let predicted = [AV_PICTURE_TYPE_P, AV_PICTURE_TYPE_B, AV_PICTURE_TYPE_S, AV_PICTURE_TYPE_SP];
        predicted.contains(&self.raw().pict_type)
    }

    /// The shape of a pixel, if the picture itself states it.
    pub(crate) fn pixel_shape(&self) -> Option<Rational> {
        rational(self.raw().sample_aspect_ratio)
    }

    /// The pixel format's number; when it changes, the scaler must be set up again. For a picture on a GPU,
    /// the format of its samples there.
    pub(crate) fn format(&self) -> i32 {
        match self.surfaces() {
            Some(surfaces) => surfaces.sw_format as c_int,
            None => self.raw().format,
        }
    }

    /// The GPU frame pool of this picture.
    fn surfaces(&self) -> Option<&ffi::AVHWFramesContext> {
        // SAFETY: the reference, if there is one, is the frame's own, and its data a context
        // that lives as long.
        unsafe {
            self.raw()
                .hw_frames_ctx
                .as_ref()
                .and_then(|surfaces| surfaces.data.cast_const().cast::<ffi::AVHWFramesContext>().as_ref())
        }
    }

    /// Whether its samples are on a GPU, where only [`Frame::download`] reads them.
    pub(crate) fn is_on_gpu(&self) -> bool {
        self.surfaces().is_some()
    }

    /// Whether columns on the left or lines at the top are still to be cropped: on a GPU only the other sides
    /// are.
    pub(crate) fn is_cut_later(&self) -> bool {
        self.raw().crop_left != 0 || self.raw().crop_top != 0
    }

    /// Copies a picture from a GPU to main memory.
    pub(crate) fn download(&self) -> Result<Self, String> {
        // The last line of chroma would not be copied.
        if self.raw().height % 2 != 0 {
            return Err("the pictures have an odd number of lines".to_owned());
        }
        let copy = Self::new().map_err(|error| error.to_string())?;
        // SAFETY: both frames are valid, and the new one is empty.
        let (code, lines) = log::listen(|| unsafe { ffi::av_hwframe_transfer_data(copy.0, self.0, 0) });
        // FFmpeg 5.1 returns success where a copy fails; only its log tells.
        if code < 0 || !lines.is_empty() {
            return Err(log::describe(&lines, AvError(code)));
        }
        // SAFETY: both frames are valid and have pictures.
        let code = unsafe {
            match ffi::av_frame_copy_props(copy.0, self.0) {
                code if code < 0 => code,
                _ => ffi::av_frame_apply_cropping(copy.0, ffi::AV_FRAME_CROP_UNALIGNED as c_int),
            }
        };
        AvError::check(code).map_err(|error| error.to_string())?;
        Ok(copy)
    }

    /// Sets the matrix of its colours, if it is unspecified.
    pub(crate) fn set_default_matrix(&mut self, matrix: YuvMatrix) {
        use ffi::AVColorSpace::*;
        // SAFETY: the frame is valid and `self` its only owner.
        let raw = unsafe { &mut *self.0 };
        if raw.colorspace == AVCOL_SPC_UNSPECIFIED {
            raw.colorspace = match matrix {
                YuvMatrix::Bt601 => AVCOL_SPC_BT470BG,
                YuvMatrix::Bt709 => AVCOL_SPC_BT709,
                YuvMatrix::Bt2020 => AVCOL_SPC_BT2020_NCL,
                YuvMatrix::Smpte240 => AVCOL_SPC_SMPTE240M,
                YuvMatrix::Fcc => AVCOL_SPC_FCC,
            };
        }
    }

    /// The pixel format's name.
    pub(crate) fn format_name(&self) -> &'static str {
        let Some(descriptor) = descriptor(self.format()) else { return "unknown" };
        // SAFETY: names of descriptors are static strings.
        unsafe { CStr::from_ptr(descriptor.name) }.to_str().unwrap_or("unknown")
    }

    /// Its colour metadata.
    pub(crate) fn colours(&self) -> ColourTags {
        let raw = self.raw();
        let flags = descriptor(self.format()).map_or(0, |descriptor| descriptor.flags);
        let components = descriptor(self.format()).map_or(0, |descriptor| descriptor.nb_components);
        let rgb = (ffi::AV_PIX_FMT_FLAG_RGB | ffi::AV_PIX_FMT_FLAG_PAL) as u64;
        let class = match components {
            _ if flags & rgb != 0 => PixelClass::Rgb,
            1 | 2 => PixelClass::Gray,
            _ => PixelClass::Yuv,
        };
        let full_range = match raw.color_range {
            ffi::AVColorRange::AVCOL_RANGE_JPEG => Some(true),
            ffi::AVColorRange::AVCOL_RANGE_MPEG => Some(false),
            _ if self.format_name().starts_with("yuvj") => Some(true),
            _ => None,
        };
        let depth = descriptor(raw.format).map_or(8, |descriptor| descriptor.comp[0].depth);
        ColourTags {
            class,
            depth: u32::try_from(depth).unwrap_or(8).clamp(1, 16),
            matrix: raw.colorspace as i32,
            transfer: raw.color_trc as i32,
            primaries: raw.color_primaries as i32,
            full_range,
            peak: self.peak(),
        }
    }

    fn peak(&self) -> Option<Peak> {
        use ffi::AVFrameSideDataType::{
            AV_FRAME_DATA_CONTENT_LIGHT_LEVEL, AV_FRAME_DATA_MASTERING_DISPLAY_METADATA,
        };
        let bytes = |kind| {
            // SAFETY: the frame is valid; its side data lives as long as it does.
            unsafe {
                let data = ffi::av_frame_get_side_data(self.0, kind).as_ref()?;
                (!data.data.is_null()).then(|| std::slice::from_raw_parts(data.data, data.size))
            }
        };
        Peak::of(bytes(AV_FRAME_DATA_CONTENT_LIGHT_LEVEL), bytes(AV_FRAME_DATA_MASTERING_DISPLAY_METADATA))
    }

    /// Where the samples of subsampled chroma lie, across and down, as libswscale counts: in 256ths of a luma
    /// pixel from the first one's centre. Unspecified: on the left, as in MPEG-2 and later codecs.
    pub(crate) fn chroma_site(&self) -> (i32, i32) {
        use ffi::AVChromaLocation::*;
        // In the middle of the pixels that share a sample.
        const MIDDLE: i32 = -513;
        match self.raw().chroma_location {
            AVCHROMA_LOC_CENTER => (MIDDLE, MIDDLE),
            AVCHROMA_LOC_TOPLEFT => (0, 0),
            AVCHROMA_LOC_TOP => (MIDDLE, 0),
            AVCHROMA_LOC_BOTTOMLEFT => (0, 256),
            AVCHROMA_LOC_BOTTOM => (MIDDLE, 256),
            _ => (0, MIDDLE),
        }
    }

    /// The display matrix that came with the picture itself.
    pub(crate) fn display_matrix(&self) -> Option<[i32; 9]> {
        // SAFETY: the frame is valid; side data of this type is checked for its length and
        // read without assuming an alignment.
        unsafe {
            let kind = ffi::AVFrameSideDataType::AV_FRAME_DATA_DISPLAYMATRIX;
            let data = ffi::av_frame_get_side_data(self.0, kind).as_ref()?;
            (data.size >= 36).then(|| data.data.cast::<[i32; 9]>().read_unaligned())
        }
    }

    /// The plane of luma or, for RGB, of one colour, to compare two pictures of the same format. `None` if
    /// samples are not whole bytes.
    pub(crate) fn luma(&self) -> Option<Luma<'_>> {
        let raw = self.raw();
        let component = descriptor(raw.format)?.comp[0];
        let depth = u32::try_from(component.depth).ok()?;
        let bytes = if depth <= 8 { 1 } else { 2 };
        let plane = usize::try_from(component.plane).ok().filter(|plane| *plane < 4)?;
        let packed = usize::try_from(component.step).ok()? != bytes || depth > 16;
        let (width, height) = (self.width() as usize, self.height() as usize);
        let stride = usize::try_from(raw.linesize[plane]).ok().filter(|stride| *stride >= width * bytes)?;
        if packed || component.offset != 0 || raw.data[plane].is_null() || height == 0 {
            return None;
        }
        // SAFETY: as the descriptor says, the plane has `height` rows of `width` samples of
        // `bytes` bytes, `stride` apart; component 0 is never subsampled. The slice ends with
        // the last pixel and lives as long as the frame.
        let data =
            unsafe { std::slice::from_raw_parts(raw.data[plane], stride * (height - 1) + width * bytes) };
        Some(Luma { data, stride, width, height, depth })
    }

    /// The planes of a 4:2:0 picture; `None` unless its format is a common one and its rows go downwards.
    pub(crate) fn planes_420(&self) -> Option<Planes<'_>> {
        use ffi::AVPixelFormat::*;
        let raw = self.raw();
        let packing = match pixel_format(raw.format) {
            AV_PIX_FMT_YUV420P | AV_PIX_FMT_YUVJ420P | AV_PIX_FMT_YUVA420P => Packing::Planar8,
            AV_PIX_FMT_YUV420P10LE => Packing::Planar { depth: 10 },
            AV_PIX_FMT_YUV420P12LE => Packing::Planar { depth: 12 },
            AV_PIX_FMT_NV12 => Packing::Semi8,
            AV_PIX_FMT_P010LE | AV_PIX_FMT_P016LE => Packing::SemiHigh,
            _ => return None,
        };
        let (width, height) = (self.width() as usize, self.height() as usize);
        let plane = |i: usize, width: usize, height: usize| {
            let stride = usize::try_from(raw.linesize[i]).ok().filter(|stride| *stride >= width)?;
            if raw.data[i].is_null() || height == 0 {
                return None;
            }
            // SAFETY: a plane of this format has `height` rows of `width` bytes, `stride`
            // apart; the slice ends with the last pixel and lives as long as the frame.
            Some((unsafe { std::slice::from_raw_parts(raw.data[i], stride * (height - 1) + width) }, stride))
        };
        let half = (width.div_ceil(2), height.div_ceil(2));
        let bytes = packing.sample_bytes();
        let luma = plane(0, width * bytes, height)?;
        let (cb, cr) = match packing {
            Packing::Planar8 | Packing::Planar { .. } => {
                (plane(1, half.0 * bytes, half.1)?, plane(2, half.0 * bytes, half.1)?)
            }
            Packing::Semi8 | Packing::SemiHigh => {
                let (both, stride) = plane(1, half.0 * bytes * 2, half.1)?;
                ((both, stride), (both.get(bytes..)?, stride))
            }
        };
        Some(Planes { packing, planes: [luma, cb, cr] })
    }
}

impl Packing {
    /// Bytes of a sample.
    pub(crate) fn sample_bytes(self) -> usize {
        match self {
            Self::Planar8 | Self::Semi8 => 1,
            Self::Planar { .. } | Self::SemiHigh => 2,
        }
    }
}

impl Drop for Frame {
    fn drop(&mut self) {
        // SAFETY: ours to free, once.
        unsafe { ffi::av_frame_free(&mut self.0) };
    }
}

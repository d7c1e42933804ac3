//! What a picture's samples mean, with the rules for what the file leaves unsaid.

use crate::ffi::{ColourTags, PixelClass, YuvMatrix};

/// Matrix and range of YUV samples.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Colours {
    pub(crate) matrix: YuvMatrix,
    /// 0 to 255 rather than 16 to 235.
    pub(crate) full_range: bool,
}

impl Colours {
    /// What a JPEG (JFIF) file means by YCbCr.
    pub(crate) const JFIF: Self = Self { matrix: YuvMatrix::Bt601, full_range: true };

    /// What a picture of `lines` lines means. Unsaid: limited range, BT.709 from 720 lines up
    /// and BT.601 below; pictures of luma alone are full range.
    pub(crate) fn of(tags: ColourTags, lines: u32) -> Self {
        let matrix = match tags.matrix {
            1 => YuvMatrix::Bt709,
            4 => YuvMatrix::Fcc,
            5 | 6 => YuvMatrix::Bt601,
            7 => YuvMatrix::Smpte240,
            9 | 10 => YuvMatrix::Bt2020,
            _ if lines >= 720 => YuvMatrix::Bt709,
            _ => YuvMatrix::Bt601,
        };
        Self { matrix, full_range: tags.full_range.unwrap_or(tags.class == PixelClass::Gray) }
    }

    /// The weights of red and blue in luma (ITU-T H.273, table 4).
    pub(super) fn weights(self) -> (f64, f64) {
        match self.matrix {
            YuvMatrix::Bt601 => (0.299, 0.114),
            YuvMatrix::Bt709 => (0.2126, 0.0722),
            YuvMatrix::Bt2020 => (0.2627, 0.0593),
            YuvMatrix::Smpte240 => (0.212, 0.087),
            YuvMatrix::Fcc => (0.30, 0.11),
        }
    }
}

/// What cannot be shown as it is meant, in words for the owner.
pub(crate) fn caveat(tags: ColourTags) -> Option<&'static str> {
    match (tags.transfer, tags.matrix) {
        (16, _) => Some("the video is HDR (PQ): colours are converted without tone mapping"),
        (18, _) => Some("the video is HDR (HLG): colours are converted without tone mapping"),
        (_, 8 | 11..) if tags.class == PixelClass::Yuv => {
            Some("the video's colour matrix is a rare one: colours are converted as for BT.709 or BT.601")
        }
        _ => None,
    }
}

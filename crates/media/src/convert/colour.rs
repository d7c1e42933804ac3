//! The meaning of a picture's samples, with defaults for what the file does not specify.

use super::light::{Matrix, Primaries, Rendering, Transfer};
use crate::ffi::{ColourTags, Light, PixelClass, YuvMatrix};

/// Matrix and range of YUV samples.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Colours {
    pub(crate) matrix: YuvMatrix,
    /// 0 to 255 rather than 16 to 235.
    pub(crate) full_range: bool,
}

/// How a picture is converted for a BT.709 or sRGB screen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum DisplayTransform {
    /// The RGB is shown as it is.
    Identity,
    /// The RGB has to be decoded to light, tone-mapped and encoded again.
    Rendered(Rendering),
}

/// The peak luminance in cd/m² of HLG, and of videos that do not specify one: the nominal peak of ITU-R
/// BT.2100, which most masters have.
pub(super) const NOMINAL_PEAK: u32 = 1000;

impl Colours {
    /// The YCbCr of JPEG (JFIF) files.
    pub(crate) const JFIF: Self = Self { matrix: YuvMatrix::Bt601, full_range: true };

    /// The YUV to which RGB of wide primaries is converted before it is rendered.
    pub(crate) const WIDE: Self = Self { matrix: YuvMatrix::Bt2020, full_range: false };

    /// The colours of a picture of `lines` lines. Defaults: limited range, BT.709 from 720 lines up and BT.601
    /// below.
    pub(crate) fn of(tags: ColourTags, lines: u32) -> Self {
        let matrix = match (tags.matrix, tags.primaries) {
            (1, _) => YuvMatrix::Bt709,
            (4, _) => YuvMatrix::Fcc,
            (5 | 6, _) => YuvMatrix::Bt601,
            (7, _) => YuvMatrix::Smpte240,
            (9 | 10, _) => YuvMatrix::Bt2020,
            // Unspecified: derived from the primaries.
            (12 | 13, 1) => YuvMatrix::Bt709,
            (12 | 13, 9) => YuvMatrix::Bt2020,
            _ if lines >= 720 => YuvMatrix::Bt709,
            _ => YuvMatrix::Bt601,
        };
        Self { matrix, full_range: tags.full_range.unwrap_or(false) }
    }

    /// The weights of red and blue in luma (ITU-T H.273, table 4).
    pub(super) fn weights(self) -> (f64, f64) {
        weights(self.matrix)
    }
}

/// The weights of red and blue in luma (ITU-T H.273, table 4).
pub(super) fn weights(matrix: YuvMatrix) -> (f64, f64) {
    match matrix {
        YuvMatrix::Bt601 => (0.299, 0.114),
        YuvMatrix::Bt709 => (0.2126, 0.0722),
        YuvMatrix::Bt2020 => (0.2627, 0.0593),
        YuvMatrix::Smpte240 => (0.212, 0.087),
        YuvMatrix::Fcc => (0.30, 0.11),
    }
}

impl DisplayTransform {
    /// Returns how to show a picture with these tags, whose samples are in `colours`.
    pub(crate) fn of(tags: ColourTags, colours: Colours, light: Light) -> Self {
        let colours = if tags.class == PixelClass::Rgb { Colours::WIDE } else { colours };
        let transfer = match tags.transfer {
            16 => Transfer::Pq,
            18 => Transfer::Hlg,
            _ => Transfer::Sdr,
        };
        let hdr = transfer != Transfer::Sdr;
        let primaries = match tags.primaries {
            9 => Primaries::Bt2020,
            12 => Primaries::P3,
            // Unspecified: BT.2020's, if another tag is from BT.2020 or BT.2100.
            0 | 2 if hdr || matches!(tags.matrix, 9 | 10 | 14) => Primaries::Bt2020,
            _ => Primaries::Bt709,
        };
        let matrix = match tags.matrix {
            _ if tags.class != PixelClass::Yuv => Matrix::Weights(colours.matrix),
            8 => Matrix::YCgCo,
            14 if hdr => Matrix::ICtCp,
            _ => Matrix::Weights(colours.matrix),
        };
        if !hdr && primaries == Primaries::Bt709 && matches!(matrix, Matrix::Weights(_)) {
            return Self::Identity;
        }
        let peak = match transfer {
            Transfer::Pq => tags.peak.or(light.peak).map_or(NOMINAL_PEAK, |peak| peak.0),
            Transfer::Hlg | Transfer::Sdr => NOMINAL_PEAK,
        };
        let depth = if colours.full_range { tags.depth } else { 8 };
        Self::Rendered(Rendering { matrix, full_range: colours.full_range, depth, transfer, primaries, peak })
    }
}

/// A warning for the owner about colours that cannot be converted exactly.
pub(crate) fn colour_warning(tags: ColourTags, light: Light) -> Option<&'static str> {
    if light.needs_dolby_vision {
        return Some("the video needs a Dolby Vision player (profile 5): its colours are wrong elsewhere");
    }
    let rare = match tags.matrix {
        11 | 15.. => true,
        12 | 13 => !matches!(tags.primaries, 1 | 9),
        14 => !matches!(tags.transfer, 16 | 18),
        _ => false,
    };
    (rare && tags.class == PixelClass::Yuv)
        .then_some("the video's colour matrix is a rare one: colours are converted as for BT.709 or BT.601")
}

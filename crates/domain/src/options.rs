//! What a user asks of a video: which frames, of which range, and how they are written.
//!
//! These types are checked values: one that exists is valid. The text forms (`"2.5s"`, `"50%"`, `"#300"`) are
//! parsed and printed here, so that the API, the manifest and the command line spell them alike. JSON bodies
//! with their error pointers are `contract`'s.

use std::fmt;
use std::str::FromStr;

use strum::{EnumString, IntoStaticStr, VariantNames};

use crate::{PluginRef, Rational};

/// Most times or frame numbers in one `at`.
pub const MAX_AT: usize = 1_000;
/// Most characters of one `at` as a JSON array, so that it fits into a record.
pub const MAX_AT_BYTES: usize = 12 << 10;
/// Most frames that `count` or `scenes` may ask for.
pub const MAX_COUNT: u32 = 100_000;
/// Longest side of an output image, in pixels.
pub const MAX_SIDE: u32 = 16_384;
/// Largest offset, width or height of a [`Crop`].
pub const MAX_CROP: u32 = 65_535;
/// Largest number of a stream in a container.
pub const MAX_STREAM: u32 = 65_535;

/// Text that is not a place, a duration or a rate.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct InvalidOption(pub &'static str);

/// A place on a video's timeline.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// Seconds from the first shown frame (`"1.5s"`, `"250ms"`, `"2m"`, `"1h"`).
    Time(Rational),
    /// Percent of the duration, 0 to 100 (`"50%"`).
    Percent(Rational),
    /// The n-th shown frame, from 0 (`"#300"`).
    Frame(u64),
}

/// Which frames.
#[derive(Clone, Debug, PartialEq)]
pub enum Select {
    /// The frames at start + k·period seconds.
    Every(Rational),
    /// The same as `Every(1/rate)`, kept as it was given.
    Fps(Rational),
    /// The middles of n equal slices of the range.
    Count(u32),
    /// The frames at the given places.
    At(Vec<Place>),
    /// Every frame that the container marks as a sync point.
    Keyframes,
    /// The first frame of each shot, at most `max` of them.
    Scenes {
        /// Difference that makes a new shot, above 0 up to 1, as the user wrote it.
        threshold: f64,
        /// Most frames.
        max: u32,
    },
    /// Every shown frame.
    All,
}

impl Select {
    /// Seconds between two wanted times of `every` and `fps`.
    pub fn period(&self) -> Option<Rational> {
        match self {
            Self::Every(period) => Some(*period),
            Self::Fps(rate) => rate.recip(),
            _ => None,
        }
    }
}

/// The part of the timeline from which frames are taken: `start ≤ t < end`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Range {
    /// First moment.
    pub start: Place,
    /// First moment after it.
    pub end: Place,
}

impl Default for Range {
    fn default() -> Self {
        Self { start: Place::Time(Rational::ZERO), end: Place::Percent(Rational::whole(100)) }
    }
}

impl Range {
    /// Whether the range is empty for every video: it ends at 0 or starts at 100 %.
    pub fn is_empty(&self) -> bool {
        match (self.start, self.end) {
            (_, Place::Time(end) | Place::Percent(end)) if end == Rational::ZERO => true,
            (_, Place::Frame(0)) => true,
            (Place::Percent(start), _) => start == Rational::whole(100),
            _ => false,
        }
    }
}

/// An image format.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EnumString, IntoStaticStr, VariantNames)]
#[strum(serialize_all = "snake_case")]
pub enum Format {
    /// JPEG (JFIF).
    Jpeg,
    /// PNG, 8 bit.
    Png,
    /// WebP.
    Webp,
    /// AVIF.
    Avif,
}

impl Format {
    /// The name in the API.
    pub fn as_str(self) -> &'static str {
        self.into()
    }

    /// The extension of member names, without the dot.
    pub const fn extension(self) -> &'static str {
        match self {
            Self::Jpeg => "jpg",
            Self::Png => "png",
            Self::Webp => "webp",
            Self::Avif => "avif",
        }
    }

    /// The layout of the samples that the format encodes.
    pub const fn layout(self) -> Layout {
        match self {
            Self::Png => Layout::Rgb,
            Self::Jpeg | Self::Webp | Self::Avif => Layout::Yuv420,
        }
    }

    /// The most pixels that a side of an image may have: [`MAX_SIDE`], or what the format can
    /// write (WebP: 14 bits).
    pub const fn max_side(self) -> u32 {
        match self {
            Self::Webp => 16_383,
            Self::Jpeg | Self::Png | Self::Avif => MAX_SIDE,
        }
    }
}

/// The samples of an image.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Layout {
    /// Luma, and chroma that four pixels share.
    Yuv420,
    /// Red, green and blue of each pixel.
    Rgb,
}

/// How a frame is fitted to the requested width and height.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EnumString, IntoStaticStr, VariantNames)]
#[strum(serialize_all = "snake_case")]
pub enum Fit {
    /// As large as fits inside, proportions kept, nothing added.
    Contain,
    /// Fills the whole size, proportions kept; the overhang is cropped evenly.
    Cover,
    /// Exactly that size, proportions not kept.
    Fill,
}

impl Fit {
    /// The name in the API.
    pub fn as_str(self) -> &'static str {
        self.into()
    }
}

/// The part of each picture to keep, in pixels of the picture as it is shown: turned upright, with
/// square pixels, before it is resized.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Crop {
    /// Columns to the left of the part, 0 to [`MAX_CROP`].
    pub x: u32,
    /// Lines above the part, 0 to [`MAX_CROP`].
    pub y: u32,
    /// Pixels across, 1 to [`MAX_CROP`].
    pub width: u32,
    /// Pixels down, 1 to [`MAX_CROP`].
    pub height: u32,
}

impl fmt::Display for Crop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}x{}", self.x, self.y, self.width, self.height)
    }
}

/// The requested size of the images; a missing side follows from the other one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Resize {
    /// Pixels across, 1 to [`MAX_SIDE`].
    pub width: Option<u32>,
    /// Pixels down, 1 to [`MAX_SIDE`].
    pub height: Option<u32>,
    /// How to fit; means nothing when one side is missing.
    pub fit: Fit,
}

/// The options of a job.
#[derive(Clone, Debug, PartialEq)]
pub struct Options {
    /// Which frames.
    pub select: Select,
    /// The range.
    pub range: Range,
    /// Seconds by which a frame may be off, if that is cheaper to decode.
    pub tolerance: Rational,
    /// The images' format.
    pub format: Format,
    /// 1 (smallest) to 100 (best); lossless formats ignore it.
    pub quality: u8,
    /// The container's number of the video stream; `None` is the best one.
    pub stream: Option<u32>,
    /// The part of the pictures to keep; `None` is all.
    pub crop: Option<Crop>,
    /// The images' size; `None` is the video's own.
    pub resize: Option<Resize>,
    /// Whether a storyboard is added.
    pub storyboard: bool,
    /// Frame plugins, in order.
    pub plugins: Vec<PluginRef>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            select: Select::Every(Rational::whole(1)),
            range: Range::default(),
            tolerance: Rational::ZERO,
            format: Format::Jpeg,
            quality: 90,
            stream: None,
            crop: None,
            resize: None,
            storyboard: false,
            plugins: Vec::new(),
        }
    }
}

impl Options {
    /// The same options without the pinned versions of plugins.
    pub fn unpinned(&self) -> Self {
        let mut options = self.clone();
        for plugin in &mut options.plugins {
            plugin.pin = None;
        }
        options
    }
}

/// A duration: a decimal number and `ms`, `s`, `m` or `h`; in seconds.
pub fn parse_duration(text: &str) -> Result<Rational, InvalidOption> {
    const EXPECTED: InvalidOption =
        InvalidOption("expected a duration such as \"2.5s\", \"250ms\", \"2m\" or \"1h\"");
    let (number, unit) = match text.strip_suffix("ms") {
        Some(number) => (number, Rational::new(1, 1000)),
        None => match text.split_at_checked(text.len().saturating_sub(1)) {
            Some((number, "s")) => (number, Rational::new(1, 1)),
            Some((number, "m")) => (number, Rational::new(60, 1)),
            Some((number, "h")) => (number, Rational::new(3600, 1)),
            _ => return Err(EXPECTED),
        },
    };
    let value = Rational::parse_decimal(number).ok_or(EXPECTED)?;
    unit.and_then(|unit| value.checked_mul(unit)).ok_or(EXPECTED)
}

impl FromStr for Place {
    type Err = InvalidOption;

    fn from_str(text: &str) -> Result<Self, InvalidOption> {
        if let Some(number) = text.strip_prefix('#') {
            let plain =
                !number.is_empty() && number.len() <= 12 && number.bytes().all(|b| b.is_ascii_digit());
            return match number.parse() {
                Ok(n) if plain => Ok(Self::Frame(n)),
                _ => Err(InvalidOption("expected a frame number such as \"#300\"")),
            };
        }
        if let Some(number) = text.strip_suffix('%') {
            return match Rational::parse_decimal(number) {
                Some(percent) if percent <= Rational::whole(100) => Ok(Self::Percent(percent)),
                _ => Err(InvalidOption("expected a percentage from \"0%\" to \"100%\"")),
            };
        }
        parse_duration(text)
            .map(Self::Time)
            .map_err(|_| InvalidOption("expected a time such as \"1.5s\", a percentage such as \"50%\" or a frame number such as \"#300\""))
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Time(seconds) => f.write_str(&format_duration(*seconds)),
            Self::Percent(percent) => write!(f, "{percent}%"),
            Self::Frame(n) => write!(f, "#{n}"),
        }
    }
}

/// A duration in the form of the API: in seconds, `"2.5s"`, or in milliseconds if those would have too many
/// decimals.
pub fn format_duration(seconds: Rational) -> String {
    let text = seconds.to_string();
    let milliseconds = || seconds.checked_mul(Rational::new(1000, 1)?);
    match text.contains('/').then(milliseconds).flatten() {
        Some(milliseconds) => format!("{milliseconds}ms"),
        None => text + "s",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_have_units() {
        let seconds = |text| parse_duration(text).map(|r| (r.num(), r.den()));
        assert_eq!(seconds("2.5s"), Ok((5, 2)));
        assert_eq!(seconds("250ms"), Ok((1, 4)));
        assert_eq!(seconds("2m"), Ok((120, 1)));
        assert_eq!(seconds("1.5h"), Ok((5400, 1)));
        for bad in ["", "s", "5", "-1s", "1 s", "1S", "NaNs", "1e9s", "é", "ms", "999999999999h9"] {
            assert!(parse_duration(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn durations_are_printed_so_that_they_can_be_read() {
        for (text, printed) in [
            ("2.5s", "2.5s"),
            ("250ms", "0.25s"),
            ("0.000000001s", "0.000000001s"),
            ("0.123456789h", "444.4444404s"),
            ("615181166.672056771ms", "615181166.672056771ms"),
            ("0.000000001ms", "0.000000001ms"),
        ] {
            let seconds = parse_duration(text).unwrap();
            assert_eq!(format_duration(seconds), printed);
            assert_eq!(parse_duration(printed), Ok(seconds));
        }
    }

    #[test]
    fn places_are_printed_as_they_are_read() {
        for text in ["1.5s", "50%", "33.3%", "#300", "0s"] {
            assert_eq!(text.parse::<Place>().unwrap().to_string(), text);
        }
        for bad in ["", "#", "#-1", "#1.5", "101%", "-1%", "%", "#9999999999999", "50 %"] {
            assert!(bad.parse::<Place>().is_err(), "{bad}");
        }
    }

    #[test]
    fn fps_is_the_reciprocal_of_every() {
        let rate = Rational::parse_decimal("29.97").unwrap();
        assert_eq!(Select::Fps(rate).period(), Rational::new(100, 2997));
        assert_eq!(Select::All.period(), None);
    }
}

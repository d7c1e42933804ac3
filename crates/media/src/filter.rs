//! Filters: what may happen to a wanted picture between the decoder and the encoder.
//!
//! A filter sees every picture that was chosen, once, in presentation order, whichever way the
//! engine decodes. It may keep, drop, label or change a picture, also its size, or hold it back and
//! decide later. A picture that it only looks at is encoded from what the decoder gave, so its image
//! is the same as without the filter.

mod picture;

use framelift_domain::{Checksum, FailureCode};

pub use picture::{Picture, PictureError, Rgb, Shades};

use crate::ExtractError;

/// A word of a filter about a picture: what it is about, and what it says. It goes into the manifest.
pub type Label = (String, String);

/// What becomes of a picture.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It goes on, with these labels.
    Keep(Vec<Label>),
    /// It is not written.
    Drop,
    /// The filter decides later. At most [`MAX_HELD`] pictures are held back at one time, and those
    /// that nobody has decided on at the end are kept.
    Hold,
}

/// Pictures that one filter may hold back.
pub const MAX_HELD: usize = 64;

/// Decisions about pictures that were held back, by their [index](Picture::index).
pub type Decided = Vec<(u64, Verdict)>;

/// What a filter gives back for a picture.
#[derive(Debug)]
pub struct Answer {
    /// The picture, as it is now.
    pub picture: Picture,
    /// What becomes of it.
    pub verdict: Verdict,
    /// What becomes of those before it that were held back.
    pub decided: Decided,
}

/// What a filter says at the end.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Finished {
    /// What becomes of the pictures that are still held back.
    pub decided: Decided,
    /// A summary for the manifest.
    pub summary: Option<String>,
}

/// Why a filter does not go on, in words for the video's owner. It ends the extraction.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct FilterError(pub String);

/// One filter of one extraction. It runs on one thread.
pub trait Filter {
    /// What it is called in the manifest and in errors.
    fn name(&self) -> &str;

    /// Its version and the SHA-256 of its code, where it has them.
    fn origin(&self) -> Option<Origin> {
        None
    }

    /// Takes the next picture in presentation order, and gives it back.
    fn process(&mut self, picture: Picture) -> Result<Answer, FilterError>;

    /// No picture follows.
    fn finish(&mut self) -> Result<Finished, FilterError>;
}

/// Which code a filter runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Origin {
    /// Its version.
    pub version: String,
    /// The code's SHA-256.
    pub sha256: Checksum,
}

impl FilterError {
    pub(crate) fn of(&self, filter: &str) -> ExtractError {
        ExtractError::failed(FailureCode::PluginFailed, format!("the plugin {filter}: {self}"))
    }
}

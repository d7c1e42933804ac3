//! Filters: see and change a wanted picture between the decoder and the encoder.
//!
//! A filter sees every picture that was chosen, once, in presentation order, whichever way the engine
//! decodes. It may keep, drop, label or change a picture, also its size, or hold it back and decide later. A
//! picture that it only looks at is encoded from what the decoder gave, so its image is the same as without
//! the filter. What it changes are the samples that the encoder takes ([`Canvas`]), so the rest of the picture
//! stays bit by bit what the encoder would have got.

mod canvas;
mod picture;

use framelift_domain::{Checksum, FailureCode};

pub use canvas::{Canvas, Component};
pub(crate) use picture::Converters;
pub use picture::{Picture, PictureError, Rgb, Shades};

use crate::ExtractError;

/// A label that a filter gives a picture: a key and a value. It is listed in the manifest.
pub type Label = (String, String);

/// A filter's decision on a picture.
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

/// The most labels that a filter may give a picture, and the most bytes of a label's key and value together.
pub const MAX_LABELS: usize = 32;
/// See [`MAX_LABELS`].
pub const MAX_LABEL_BYTES: usize = 1024;

/// Pictures that one filter may hold back.
pub const MAX_HELD: usize = 64;

/// Decisions about pictures that were held back, by their [index](Picture::index).
pub type Decided = Vec<(u64, Verdict)>;

/// A filter's result for a picture.
#[derive(Debug)]
pub struct Answer {
    /// The picture, changed or not.
    pub picture: Picture,
    /// The decision on it.
    pub verdict: Verdict,
    /// Decisions on earlier pictures that were held back.
    pub decided: Decided,
}

/// A filter's result after the last picture.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Finished {
    /// Decisions on the pictures that are still held back.
    pub decided: Decided,
    /// A summary for the manifest.
    pub summary: Option<String>,
}

/// Checks the labels of one picture.
///
/// # Errors
/// If there are more than [`MAX_LABELS`], or one has more than [`MAX_LABEL_BYTES`].
pub fn check_labels(labels: &[Label]) -> Result<(), FilterError> {
    if labels.len() > MAX_LABELS {
        return Err(FilterError(format!("gave a picture more than {MAX_LABELS} labels")));
    }
    if labels.iter().any(|(key, value)| key.len() + value.len() > MAX_LABEL_BYTES) {
        return Err(FilterError(format!("gave a picture a label of more than {MAX_LABEL_BYTES} bytes")));
    }
    Ok(())
}

/// Why a filter failed, as a message for the video's owner. It ends the extraction.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct FilterError(pub String);

/// A filter of one extraction. It runs on one thread.
pub trait Filter {
    /// Its name in the manifest and in errors.
    fn name(&self) -> &str;

    /// Its version and the SHA-256 of its code, if it has them.
    fn origin(&self) -> Option<Origin> {
        None
    }

    /// Processes the next picture in presentation order, and returns it.
    fn process(&mut self, picture: Picture) -> Result<Answer, FilterError>;

    /// Called after the last picture.
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

//! How a caller watches an extraction and stops it.

/// What the engine is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Stage {
    /// Reading the container's header.
    Opening,
    /// Measuring the video's length, where what was asked depends on it.
    Indexing,
    /// Decoding, encoding and writing images.
    Extracting,
    /// Writing the manifest and the archive's directory.
    Finishing,
}

impl Stage {
    /// The name in progress reports.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Opening => "opening",
            Self::Indexing => "indexing",
            Self::Extracting => "extracting",
            Self::Finishing => "finishing",
        }
    }

    /// Whether the extraction of frames has not begun.
    pub(crate) const fn is_preparation(self) -> bool {
        matches!(self, Self::Opening | Self::Indexing)
    }
}

/// The progress of an extraction.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Progress {
    /// The current stage.
    pub stage: Stage,
    /// 0 to 100; never falls.
    pub percent: f32,
    /// Images written to the archive.
    pub frames_done: u64,
    /// The expected total of images, estimated from the container's claims.
    pub frames_expected: Option<u64>,
    /// Bytes read from the source.
    pub bytes_read: u64,
    /// Milliseconds for which all pictures that were decoded are shown, also those that are only decoded for others
    /// or to measure the video.
    pub decoded_ms: u64,
}

/// Observes an extraction and can cancel it.
pub trait Control: Sync {
    /// Receives the progress; returning `false` stops the extraction with
    /// [`ExtractError::Cancelled`](crate::ExtractError::Cancelled).
    ///
    /// It is called from several threads and at least once for each read of the source, packet and image:
    /// return at once, and throttle slow work.
    fn progress(&self, progress: &Progress) -> bool;
}

/// Never stops.
impl Control for () {
    fn progress(&self, _: &Progress) -> bool {
        true
    }
}

/// A function that answers whether to go on.
impl<F: Fn(&Progress) -> bool + Sync> Control for F {
    fn progress(&self, progress: &Progress) -> bool {
        self(progress)
    }
}

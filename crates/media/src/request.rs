//! What the engine is asked to do: the video, the options, the limits, and where the frames go.

use std::io::Write;

use framelift_domain::Options;

use crate::archive::{Archive, Names, Zip};
use crate::{Control, EngineLimits, Source};

/// One extraction, run in this process or in a sandbox.
pub struct Request<'a> {
    /// The video.
    pub source: Box<dyn Source>,
    /// The name it was uploaded under, for the manifest. Nothing is ever opened by it.
    pub file_name: String,
    /// Which frames are wanted, and how they look.
    pub options: &'a Options,
    /// Its limits.
    pub limits: &'a EngineLimits,
    /// Where the images go.
    pub output: Output<'a>,
    /// Receives the progress, and may cancel.
    pub control: &'a dyn Control,
}

/// Where the images go.
pub struct Output<'a> {
    /// The archive.
    pub archive: Box<dyn Archive + 'a>,
    /// The naming of its members; `None` is [`Numbered`](crate::Numbered), the service's naming.
    pub names: Option<&'a dyn Names>,
}

impl<'a> Output<'a> {
    /// An archive with the service's member names.
    pub fn new(archive: impl Archive + 'a) -> Self {
        Self { archive: Box::new(archive), names: None }
    }

    /// A ZIP, which is written to `sink` front to back.
    pub fn zip(sink: impl Write + 'a) -> Self {
        Self::new(Zip::new(sink))
    }
}

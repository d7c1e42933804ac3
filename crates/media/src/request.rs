//! What the engine is asked to do: the video, the options, the limits, and where the frames go.

use std::io::Write;

use framelift_domain::Options;

use crate::archive::{Archive, Names, Zip};
use crate::{Control, EngineLimits, Source};

/// One extraction, wherever it is run: in this process or in a sandbox.
pub struct Request<'a> {
    /// The video.
    pub source: Box<dyn Source>,
    /// The name it was uploaded under, for the manifest. Nothing is ever opened by it.
    pub file_name: String,
    /// Which frames are wanted, and how they look.
    pub options: &'a Options,
    /// What it may cost.
    pub limits: &'a EngineLimits,
    /// Where the images go.
    pub output: Output<'a>,
    /// Is told the progress, and may cancel.
    pub control: &'a dyn Control,
}

/// Where the images go.
pub struct Output<'a> {
    /// What holds them.
    pub archive: Box<dyn Archive + 'a>,
    /// What they are called there. None is [`Numbered`](crate::Numbered), as the service calls them.
    pub names: Option<&'a dyn Names>,
}

impl<'a> Output<'a> {
    /// An archive whose members are called as the service calls them.
    pub fn new(archive: impl Archive + 'a) -> Self {
        Self { archive: Box::new(archive), names: None }
    }

    /// A ZIP, which is written to `sink` front to back.
    pub fn zip(sink: impl Write + 'a) -> Self {
        Self::new(Zip::new(sink))
    }
}

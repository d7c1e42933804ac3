//! The extraction engine, in this process or in a child: one signature for both.

use framelift_domain::Options;
use framelift_media::{
    Archive, Control, EngineLimits, Names, Outcome, Output, Source, SourceInfo, VideoInfo, extract_into,
    probe,
};

use crate::{RunError, Sandbox};

/// Where videos are decoded.
#[derive(Debug)]
pub enum Engine {
    /// Here, with everything that this process may do.
    InProcess,
    /// Each in a child that may do nothing else.
    Sandboxed(Box<Sandbox>),
}

impl Engine {
    /// As [`framelift_media::extract_into`].
    #[expect(clippy::too_many_arguments, reason = "the engine's own signature")]
    pub fn extract_into<'a>(
        &self,
        source: Box<dyn Source>,
        info: SourceInfo,
        options: &'a Options,
        limits: &EngineLimits,
        archive: Box<dyn Archive + 'a>,
        names: Option<&'a dyn Names>,
        control: &dyn Control,
    ) -> Result<Outcome, RunError> {
        match self {
            Self::InProcess => {
                let output = Output { archive, names: names.unwrap_or(&framelift_media::Numbered) };
                Ok(extract_into(source, info, options, limits, Vec::new(), output, control)?)
            }
            Self::Sandboxed(sandbox) => {
                sandbox.extract_into(source, info, options, limits, archive, names, control)
            }
        }
    }

    /// As [`framelift_media::probe`].
    pub fn probe(&self, source: Box<dyn Source>) -> Result<VideoInfo, RunError> {
        match self {
            Self::InProcess => Ok(probe(source)?),
            Self::Sandboxed(sandbox) => sandbox.probe(source),
        }
    }
}

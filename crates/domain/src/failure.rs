//! Why a video failed: a code for programs and a message for people.

use serde::{Deserialize, Deserializer, Serialize};
use strum::{EnumString, IntoStaticStr, VariantNames};

/// A failure's code.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, EnumString, IntoStaticStr, VariantNames,
)]
#[serde(rename_all = "kebab-case")]
#[strum(serialize_all = "kebab-case")]
pub enum FailureCode {
    /// No known container could be read.
    NotAVideo,
    /// A container without a video stream (attached pictures do not count).
    NoVideoStream,
    /// A container of videos that the engine does not read.
    UnsupportedContainer,
    /// A codec, or a profile of one, that the engine does not decode.
    UnsupportedCodec,
    /// A video of which not one frame could be decoded.
    CorruptInput,
    /// Too many pixels, streams, frames or output bytes, or too long a duration.
    LimitExceeded,
    /// The stream is encrypted.
    DrmProtected,
    /// No progress, or not done within the wall-time budget.
    TimedOut,
    /// The decoder crashed, or broke the rules of its process.
    DecoderCrashed,
    /// A plugin trapped, exceeded its limits or returned an error.
    PluginFailed,
    /// A fault of the service, not of the video.
    Internal,
}

impl FailureCode {
    /// The code in the API.
    pub fn as_str(self) -> &'static str {
        self.into()
    }

    /// Whether the same upload may succeed when it is run again, with other options or later.
    pub const fn retryable(self) -> bool {
        matches!(self, Self::LimitExceeded | Self::TimedOut | Self::PluginFailed | Self::Internal)
    }

    /// What the owner can do about it: one sentence for e-mails and pages.
    pub const fn hint(self) -> &'static str {
        match self {
            Self::NotAVideo => {
                "Check that the file is a video and was not cut off or renamed, then upload it again."
            }
            Self::NoVideoStream => {
                "The file holds no moving pictures, for example only sound, or not in the stream that was asked for. Upload a file with a video stream."
            }
            Self::UnsupportedContainer => "Put the video into an MP4 or Matroska file and upload it again.",
            Self::UnsupportedCodec => "Convert the video to H.264, HEVC, VP9 or AV1 and upload it again.",
            Self::CorruptInput => {
                "Not one frame could be decoded. Export or copy the video again and upload the new file."
            }
            Self::LimitExceeded => {
                "Ask for fewer frames, a shorter range or a smaller size, and run it again."
            }
            Self::DrmProtected => "The video is encrypted. Upload a copy without copy protection.",
            Self::TimedOut => "Ask for fewer frames or a shorter range, and run it again.",
            Self::DecoderCrashed => {
                "Something in the file breaks our decoder. Export or convert the video again and upload the new file."
            }
            Self::PluginFailed => "Correct the plugin or its configuration, and run it again.",
            Self::Internal => "The fault is ours. Run it again later.",
        }
    }
}

/// Why a video failed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Failure {
    /// The code.
    pub code: FailureCode,
    /// What exactly went wrong, without secrets, paths or store keys; at most 1,000 characters.
    pub message: String,
    /// Whether running the same upload again may succeed.
    pub retryable: bool,
}

impl Failure {
    /// A failure of that code, which decides whether it is retryable.
    pub fn new(code: FailureCode, message: impl Into<String>) -> Self {
        let mut message = message.into();
        if let Some((cut, _)) = message.char_indices().nth(1000) {
            message.truncate(cut);
        }
        Self { code, message, retryable: code.retryable() }
    }
}

/// Reads a failure of a stored record. A code that this version does not know becomes
/// [`FailureCode::Internal`].
pub(crate) fn stored<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Failure, D::Error> {
    #[derive(Deserialize)]
    struct Stored {
        code: String,
        message: String,
        retryable: bool,
    }
    let Stored { code, message, retryable } = Stored::deserialize(deserializer)?;
    Ok(Failure { code: code.parse().unwrap_or(FailureCode::Internal), message, retryable })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_is_spelled_the_same_on_the_wire() {
        for name in FailureCode::VARIANTS {
            let code: FailureCode = serde_json::from_value((*name).into()).unwrap();
            assert_eq!((code.as_str(), name.parse()), (*name, Ok(code)));
        }
    }

    #[test]
    fn messages_are_bounded() {
        assert_eq!(Failure::new(FailureCode::Internal, "é".repeat(2000)).message.chars().count(), 1000);
    }
}

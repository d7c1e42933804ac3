//! Why a video failed, in a code that a program can match and a person can understand.

use serde::{Deserialize, Deserializer, Serialize};

/// The reason's code.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FailureCode {
    /// No known container could be read.
    NotAVideo,
    /// A container without a video stream (attached pictures do not count).
    NoVideoStream,
    /// A container for videos that the engine does not read.
    UnsupportedContainer,
    /// A codec, or a kind of one, that the engine does not decode.
    UnsupportedCodec,
    /// A video of which not one frame could be decoded.
    CorruptInput,
    /// Pixels, streams, duration, frames, output bytes beyond what is allowed.
    LimitExceeded,
    /// The stream is encrypted.
    DrmProtected,
    /// No progress, or not done within the wall-time budget.
    TimedOut,
    /// The decoder crashed at the video, or did what no decoder does.
    DecoderCrashed,
    /// A tenant's plugin trapped, ran out of its limits or said no.
    PluginFailed,
    /// Our own fault: not the video's.
    Internal,
}

impl FailureCode {
    /// Every code, in the order of the documentation.
    pub const ALL: [Self; 11] = [
        Self::NotAVideo,
        Self::NoVideoStream,
        Self::UnsupportedContainer,
        Self::UnsupportedCodec,
        Self::CorruptInput,
        Self::LimitExceeded,
        Self::DrmProtected,
        Self::TimedOut,
        Self::DecoderCrashed,
        Self::PluginFailed,
        Self::Internal,
    ];

    /// The code as it stands in the API.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::NotAVideo => "not-a-video",
            Self::NoVideoStream => "no-video-stream",
            Self::UnsupportedContainer => "unsupported-container",
            Self::UnsupportedCodec => "unsupported-codec",
            Self::CorruptInput => "corrupt-input",
            Self::LimitExceeded => "limit-exceeded",
            Self::DrmProtected => "drm-protected",
            Self::TimedOut => "timed-out",
            Self::DecoderCrashed => "decoder-crashed",
            Self::PluginFailed => "plugin-failed",
            Self::Internal => "internal",
        }
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
    /// A failure with the code's own word on whether trying again may help.
    pub fn new(code: FailureCode, message: impl Into<String>) -> Self {
        let mut message = message.into();
        if let Some((cut, _)) = message.char_indices().nth(1000) {
            message.truncate(cut);
        }
        Self { code, message, retryable: code.retryable() }
    }
}

/// Reads a failure of a stored record. A code that newer code stored is [`FailureCode::Internal`].
pub(crate) fn stored<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Failure, D::Error> {
    #[derive(Deserialize)]
    struct Stored {
        code: String,
        message: String,
        retryable: bool,
    }
    let Stored { code, message, retryable } = Stored::deserialize(deserializer)?;
    let known = FailureCode::ALL.into_iter().find(|known| known.as_str() == code);
    Ok(Failure { code: known.unwrap_or(FailureCode::Internal), message, retryable })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_is_spelled_the_same_on_the_wire() {
        for code in FailureCode::ALL {
            assert_eq!(serde_json::to_value(code).unwrap(), code.as_str());
        }
    }

    #[test]
    fn messages_are_bounded() {
        assert_eq!(Failure::new(FailureCode::Internal, "é".repeat(2000)).message.chars().count(), 1000);
    }
}

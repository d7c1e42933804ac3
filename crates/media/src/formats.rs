//! The supported containers, and the names of unsupported containers and codecs.

use crate::components::{SUPPORTED, UNSUPPORTED};

/// Aliases of the supported containers, which FFmpeg's list of allowed formats needs.
const ALIASES: &str = "mp4,m4a,3gp,3g2,mj2,webm";

/// Containers that are a sequence of pictures without timestamps.
const TIMELESS: &[&str] = &["h264", "hevc", "obu", "mjpeg", "jpeg_pipe"];

/// The name of an unidentified codec.
pub(crate) const UNKNOWN_CODEC: &str = "none";

/// How a container is treated.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Container {
    Supported,
    /// A single picture of the named format.
    Still(String),
    /// An unsupported container of videos, by its name.
    Refused(String),
    Other,
}

/// Returns how a file in the container with FFmpeg's name `short` is treated.
pub(crate) fn container(short: &str) -> Container {
    if SUPPORTED.contains(&short) {
        return Container::Supported;
    }
    if let Some((_, name)) = UNSUPPORTED.iter().find(|(refused, _)| *refused == short) {
        return Container::Refused((*name).to_owned());
    }
    match short.strip_suffix("_pipe") {
        Some(format) => Container::Still(format.to_uppercase()),
        None => Container::Other,
    }
}

/// FFmpeg's list of formats that may be opened.
pub(crate) fn whitelist() -> String {
    SUPPORTED.join(",") + "," + ALIASES
}

/// Whether a container has no timestamps, so that frames follow each other at the frame rate.
pub(crate) fn is_timeless(short: &str) -> bool {
    TIMELESS.contains(&short)
}

/// Names a codec that FFmpeg does not know, by its MP4 code or its stream type in a transport stream (ITU-T
/// H.222.0, table 2-34).
pub(crate) fn codec_by_tag(tag: [u8; 4]) -> &'static str {
    match &tag {
        b"vvc1" | b"vvi1" | [0x33, 0, 0, 0] => "vvc",
        b"evc1" => "evc",
        b"lvc1" | [0x36, 0, 0, 0] => "lcevc",
        b"apv1" => "apv",
        _ => UNKNOWN_CODEC,
    }
}

/// Names a codec that FFmpeg does not know, by its Matroska id.
pub(crate) fn codec_of_matroska(id: &str) -> &str {
    match id {
        "V_MPEGI/ISO/VVC" => "vvc",
        other => other,
    }
}

/// The common name of an unsupported codec; `None` if it is FFmpeg's short name.
pub(crate) fn codec_name(short: &str) -> Option<&str> {
    Some(match short {
        "vvc" => "VVC (H.266)",
        "evc" => "EVC",
        "lcevc" => "LCEVC",
        "apv" => "APV",
        "tiff" => "TIFF",
        "apng" => "animated PNG",
        "rv10" | "rv20" | "rv30" | "rv40" => "RealVideo",
        UNKNOWN_CODEC => "This kind of",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn containers_are_taken_refused_or_no_videos() {
        assert_eq!(container("mov"), Container::Supported);
        assert_eq!(container("rm"), Container::Refused("RealMedia".into()));
        assert_eq!(container("png_pipe"), Container::Still("PNG".into()));
        assert_eq!(container("mp3"), Container::Other);
        assert!(TIMELESS.iter().all(|timeless| SUPPORTED.contains(timeless)));
        assert!(UNSUPPORTED.iter().all(|(refused, _)| !SUPPORTED.contains(refused)));
        for sly in ["hls", "concat", "dash", "image2", "sdp", "rtsp", "imf", "tedcaptions", "ffmetadata"] {
            assert!(!SUPPORTED.contains(&sly));
        }
    }
}

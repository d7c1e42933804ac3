//! What may be uploaded: file names, formats by extension, sizes, media types.

use framelift_contract::problem::{FieldError, ProblemCode};
use framelift_domain::Limits;
use framelift_domain::limits::VIDEO_EXTENSIONS;

use crate::http::Failure;

/// The longest file name, in characters.
const MAX_NAME_CHARS: usize = 255;
/// What an archive's name ends in.
const ARCHIVE_SUFFIX: &str = "-frames.zip";
/// The longest name of a file on the usual file systems, in bytes.
const MAX_ARCHIVE_NAME_BYTES: usize = 255;
/// The longest media type.
const MAX_TYPE_BYTES: usize = 255;

/// What is wrong with a file name, if anything: empty, too long, or with control characters,
/// those among them that turn the direction of text and make a name look like another one.
pub(crate) fn name_error(pointer: &str, name: &str) -> Option<FieldError> {
    let detail = if name.trim().is_empty() {
        "must not be empty"
    } else if name.chars().count() > MAX_NAME_CHARS {
        "must have at most 255 characters"
    } else if name.chars().any(is_control) {
        "must not have control characters"
    } else {
        return None;
    };
    Some(FieldError::new(pointer, detail))
}

fn is_control(character: char) -> bool {
    let turns =
        matches!(character, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    turns || character.is_control()
}

/// Passes for a name whose extension is accepted; 415 otherwise.
pub(crate) fn check_format(name: &str) -> Result<(), Failure> {
    let extension = name.rsplit_once('.').map(|(_, extension)| extension.to_ascii_lowercase());
    match extension {
        Some(extension) if VIDEO_EXTENSIONS.contains(&&*extension) => Ok(()),
        _ => Err(Failure::new(
            ProblemCode::UnsupportedFileFormat,
            format!("the file name must end in one of {}", VIDEO_EXTENSIONS.join(", ")),
        )),
    }
}

/// Passes for a size within the limit; 413 otherwise.
pub(crate) fn check_size(size_bytes: u64, limits: &Limits) -> Result<(), Failure> {
    if size_bytes <= limits.max_upload_bytes { Ok(()) } else { Err(too_large(limits.max_upload_bytes)) }
}

/// The problem of a file that is larger than that.
pub(crate) fn too_large(limit: u64) -> Failure {
    Failure::new(ProblemCode::FileTooLarge, format!("a file may have at most {limit} bytes"))
}

/// What is wrong with a media type, if anything: it goes into a signed header as it is.
pub(crate) fn content_type_error(pointer: &str, content_type: &str) -> Option<FieldError> {
    let visible = content_type.bytes().all(|byte| byte.is_ascii_graphic() || byte == b' ');
    let essence = content_type.split(';').next().unwrap_or_default().trim();
    let token = |text: &str| {
        !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"!#$&-^_.+".contains(&b))
    };
    let well_formed = essence.split_once('/').is_some_and(|(kind, sub)| token(kind) && token(sub));
    let trimmed = content_type.trim() == content_type;
    if visible && trimmed && well_formed && content_type.len() <= MAX_TYPE_BYTES {
        None
    } else {
        Some(FieldError::new(pointer, "must be a media type such as video/mp4"))
    }
}

/// What a download of a video's result is called: after the file, without the folders that it
/// may have been named with, and no longer than file systems take.
pub(crate) fn archive_name(file_name: &str) -> String {
    let file_name = file_name.rsplit(['/', '\\']).next().unwrap_or_default();
    let stem = match file_name.rsplit_once('.') {
        Some((stem, _)) if !stem.is_empty() => stem,
        _ => file_name,
    };
    let mut end = stem.len().min(MAX_ARCHIVE_NAME_BYTES - ARCHIVE_SUFFIX.len());
    while !stem.is_char_boundary(end) {
        end -= 1;
    }
    format!("{}{ARCHIVE_SUFFIX}", &stem[..end])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names() {
        for good in ["a.mp4", "🎬.MOV", &"x".repeat(255), "..mkv"] {
            assert_eq!(name_error("/file_name", good), None, "{good}");
        }
        for bad in [
            "",
            " ",
            "a\nb.mp4",
            "a\0.mp4",
            "gpj\u{202e}.mp4",
            "\u{200f}a.mp4",
            "a\u{2069}.mp4",
            &"é".repeat(256),
        ] {
            assert!(name_error("/file_name", bad).is_some(), "{bad:?}");
        }
    }

    #[test]
    fn formats() {
        for good in ["a.mp4", "a.b.MKV", ".3gp", "a.Ts"] {
            assert!(check_format(good).is_ok(), "{good}");
        }
        for bad in ["a", "a.", "a.exe", "mp4", "a.mp4.zip", "a.mp4 "] {
            assert!(check_format(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn media_types() {
        for good in ["video/mp4", "video/3gpp2", "video/mp4; codecs=\"avc1\"", "application/vnd.x+y"] {
            assert_eq!(content_type_error("/content_type", good), None, "{good}");
        }
        for bad in ["", "video", "video/", "/mp4", "video/mp4\r\nX: y", " video/mp4", "vidéo/mp4", "a b/c"] {
            assert!(content_type_error("/content_type", bad).is_some(), "{bad:?}");
        }
        assert!(content_type_error("/content_type", &format!("a/{}", "b".repeat(254))).is_some());
    }

    #[test]
    fn archives_are_named_after_the_file() {
        assert_eq!(archive_name("holiday.final.mp4"), "holiday.final-frames.zip");
        assert_eq!(archive_name(".mp4"), ".mp4-frames.zip");
        assert_eq!(archive_name("../etc/trip.mp4"), "trip-frames.zip");
        for long in ["x".repeat(255), "é".repeat(255), "🎬".repeat(255), format!("{}.mp4", "é".repeat(121))]
        {
            let name = archive_name(&long);
            assert!(name.ends_with("-frames.zip") && (252..=255).contains(&name.len()), "{name}");
            assert!(long.starts_with(name.strip_suffix("-frames.zip").unwrap()), "{name}");
        }
        assert_eq!(archive_name("C:\\Videos\\trip.to/a.b\\x.mov"), "x-frames.zip");
    }
}

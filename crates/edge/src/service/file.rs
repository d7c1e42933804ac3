//! Checks of uploaded files (extension, size), and the names of archives.

use framelift_contract::problem::ProblemCode;
use framelift_contract::rules::VIDEO_FILE_NAME;
use framelift_domain::Limits;

use crate::http::Failure;

/// Maximum length of a file name on common file systems, in bytes.
const MAX_NAME_BYTES: usize = 255;

/// Passes for a name whose extension is accepted; 415 otherwise.
pub(crate) fn check_format(name: &str) -> Result<(), Failure> {
    match VIDEO_FILE_NAME.allows(name) {
        true => Ok(()),
        false => Err(Failure::new(
            ProblemCode::UnsupportedFileFormat,
            format!("the file name {}", VIDEO_FILE_NAME.must()),
        )),
    }
}

/// Passes for a size within the limit; 413 otherwise.
pub(crate) fn check_size(size_bytes: u64, limits: &Limits) -> Result<(), Failure> {
    if size_bytes <= limits.max_upload_bytes { Ok(()) } else { Err(too_large(limits.max_upload_bytes)) }
}

/// The problem document for a file that is larger than the limit.
pub(crate) fn too_large(limit: u64) -> Failure {
    Failure::new(ProblemCode::FileTooLarge, format!("a file may have at most {limit} bytes"))
}

/// The name of a downloaded archive.
pub(crate) fn archive_name(file_name: &str) -> String {
    named(file_name, "-frames.zip")
}

/// The name of a downloaded frame.
pub(crate) fn frame_name(file_name: &str, number: u64, extension: &str) -> String {
    named(file_name, &format!("-{number:06}.{extension}"))
}

/// The name of a downloaded manifest.
pub(crate) fn manifest_name(file_name: &str) -> String {
    named(file_name, "-manifest.json")
}

/// The file's name without folders and extension, truncated to what file systems allow, and a suffix.
fn named(file_name: &str, suffix: &str) -> String {
    let file_name = file_name.rsplit(['/', '\\']).next().unwrap_or_default();
    let stem = match file_name.rsplit_once('.') {
        Some((stem, _)) if !stem.is_empty() => stem,
        _ => file_name,
    };
    let mut end = stem.len().min(MAX_NAME_BYTES - suffix.len());
    while !stem.is_char_boundary(end) {
        end -= 1;
    }
    format!("{}{suffix}", &stem[..end])
}

#[cfg(test)]
mod tests {
    use super::*;

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
        assert_eq!(frame_name("a/trip.mp4", 42, "jpg"), "trip-000042.jpg");
        assert_eq!(manifest_name("trip.mp4"), "trip-manifest.json");
        assert_eq!(archive_name("C:\\Videos\\trip.to/a.b\\x.mov"), "x-frames.zip");
    }
}

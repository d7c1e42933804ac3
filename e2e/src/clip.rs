//! Videos for tests: public samples, generated ones, and broken ones.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::process::root;

/// A public sample video (see `e2e/media/README.md`).
///
/// # Panics
/// If there is no such file.
pub fn sample(name: &str) -> Vec<u8> {
    std::fs::read(root().join("e2e/media").join(name)).unwrap()
}

/// `cars-30s.mp4` with a `free` box behind it, so that it has `bytes` bytes: a quick way to a real video of
/// any size.
///
/// # Panics
/// If the video alone is larger.
pub fn padded(bytes: usize) -> Vec<u8> {
    let mut video = sample("cars-30s.mp4");
    let padding = bytes.checked_sub(video.len()).unwrap();
    assert!(padding >= 8, "a box has at least 8 bytes");
    video.extend(u32::try_from(padding).unwrap().to_be_bytes());
    video.extend(b"free");
    video.resize(bytes, 0);
    video
}

/// Runs `ffmpeg` with these arguments, writing a file in `folder`; the file's path.
///
/// # Panics
/// If ffmpeg fails.
pub fn make(folder: &Path, name: &str, args: &[&str]) -> PathBuf {
    let path = folder.join(name);
    let status = Command::new("ffmpeg")
        .args(["-v", "error", "-y"])
        .args(args)
        .arg(&path)
        .stdin(Stdio::null())
        .status()
        .unwrap();
    assert!(status.success(), "ffmpeg {args:?}: {status}");
    path
}

/// A video that keeps a worker busy for a while when all its frames are wanted.
///
/// # Panics
/// If ffmpeg fails.
pub fn long(folder: &Path) -> Vec<u8> {
    let path = make(
        folder,
        "long.mp4",
        &[
            "-f",
            "lavfi",
            "-i",
            "testsrc2=size=1280x720:rate=30:duration=40",
            "-c:v",
            "libx264",
            "-preset",
            "ultrafast",
        ],
    );
    std::fs::read(path).unwrap()
}

/// Sound without pictures.
///
/// # Panics
/// If ffmpeg fails.
pub fn sound_only(folder: &Path) -> Vec<u8> {
    let path = make(folder, "sound.mp4", &["-f", "lavfi", "-i", "sine=duration=1", "-c:a", "aac"]);
    std::fs::read(path).unwrap()
}

//! Video files made for the tests by the `ffmpeg` program, with the frame's number in its
//! pixels: the picture is a row of eight columns, light for a 1 and dark for a 0.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

pub(crate) const WIDTH: usize = 192;
pub(crate) const HEIGHT: usize = 112;
const BITS: usize = 8;

/// A folder of clips that goes away with the test.
pub(crate) struct Clips(tempfile::TempDir);

impl Clips {
    pub(crate) fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// Encodes `frames` numbered pictures at 25 a second with ffmpeg's output `arguments`.
    pub(crate) fn make(&self, name: &str, frames: usize, arguments: &str) -> PathBuf {
        self.make_sized(name, (WIDTH, HEIGHT), frames, "", arguments)
    }

    /// As [`Clips::make`], of another size, with arguments for the input too.
    pub(crate) fn make_sized(
        &self,
        name: &str,
        (width, height): (usize, usize),
        frames: usize,
        input: &str,
        arguments: &str,
    ) -> PathBuf {
        let path = self.path(name);
        let mut command = ffmpeg();
        command.args(["-f", "rawvideo", "-pix_fmt", "yuv420p", "-framerate", "25"]);
        command.args(["-video_size", &format!("{width}x{height}")]).args(input.split_whitespace());
        command.args(["-i", "-"]).args(arguments.split_whitespace()).arg(&path).stdin(Stdio::piped());
        let mut child = command.spawn().expect("the ffmpeg program makes the test's videos");
        let mut pipe = child.stdin.take().unwrap();
        for number in 0..frames {
            pipe.write_all(&picture(width, height, number)).unwrap();
        }
        drop(pipe);
        assert!(child.wait().unwrap().success(), "ffmpeg {arguments} failed");
        path
    }

    /// Makes `name` from `source` with ffmpeg's `input` and output `arguments`.
    pub(crate) fn remake(&self, name: &str, input: &str, source: &Path, arguments: &str) -> PathBuf {
        let path = self.path(name);
        let mut command = ffmpeg();
        command.args(input.split_whitespace()).arg("-i").arg(source);
        command.args(arguments.split_whitespace()).arg(&path);
        assert!(command.status().unwrap().success(), "ffmpeg {input} {arguments} failed");
        path
    }

    /// Makes `name` from the bytes of `source`.
    pub(crate) fn patch(&self, name: &str, source: &Path, change: impl Fn(&mut Vec<u8>)) -> PathBuf {
        let mut bytes = std::fs::read(source).unwrap();
        change(&mut bytes);
        let path = self.path(name);
        std::fs::write(&path, bytes).unwrap();
        path
    }
}

pub(crate) fn ffmpeg() -> Command {
    let mut command = Command::new("ffmpeg");
    command.args(["-v", "error", "-nostdin", "-y"]);
    command
}

/// A numbered picture, with colours that tell the sides apart.
fn picture(width: usize, height: usize, number: usize) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(width * height * 3 / 2);
    for _ in 0..height {
        bytes.extend((0..width).map(|x| {
            let bit = BITS - 1 - (x * BITS / width).min(BITS - 1);
            if number >> bit & 1 == 1 { 200 } else { 50 }
        }));
    }
    let (half_width, half_height) = (width.div_ceil(2), height.div_ceil(2));
    for y in 0..half_height {
        bytes.extend((0..half_width).map(|_| if y * 2 < half_height { 110 } else { 140 }));
    }
    bytes.extend(std::iter::repeat_n(128, half_width * half_height));
    bytes
}

/// The number in a picture's luma, read in the middle of each column.
pub(crate) fn number(luma: impl Fn(usize, usize) -> u8, width: usize, height: usize) -> usize {
    (0..BITS).fold(0, |number, column| {
        let x = (2 * column + 1) * width / (2 * BITS);
        let value = luma(x, height / 2);
        assert!(!(105..=150).contains(&value), "column {column} is neither light nor dark: {value}");
        number << 1 | usize::from(value > 128)
    })
}

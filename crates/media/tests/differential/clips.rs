//! The corpus: videos made by the `ffmpeg` program from numbered pictures, and changed by hand.
//!
//! A picture carries its number in luma, as eight columns across its top, light for a 1 and dark
//! for a 0. Below, a pattern moves, and smooth colours move over the whole of it: a wrong frame
//! differs everywhere, and how chroma is interpolated matters little.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;

use crate::compare::{Clip, Report};

const WIDTH: usize = 128;
const HEIGHT: usize = 80;
/// Numbered pictures there are.
const PICTURES: usize = 150;
/// Bytes of one, in 4:4:4.
const PICTURE: usize = WIDTH * HEIGHT * 3;

/// A folder of clips that goes away with the test, which fails then if any of them differed.
pub(crate) struct Clips {
    folder: tempfile::TempDir,
    report: Report,
}

impl Clips {
    pub(crate) fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap(), report: Report::default() }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// A sample that belongs to the repository, of which only `cases` are asked.
    pub(crate) fn sample(&self, name: &str, cases: &'static [&'static str]) -> Clip {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../e2e/media").join(name);
        Clip::sample(path, &self.report, cases)
    }

    /// Encodes numbered pictures, 25 a second, with ffmpeg's output `arguments`; 4:2:0 with 8
    /// bits unless they say otherwise.
    pub(crate) fn encode(&self, name: &str, pictures: usize, arguments: &str) -> Clip {
        self.encode_from(name, pictures, "-framerate 25", arguments)
    }

    /// As [`Clips::encode`], with arguments for the pictures too.
    pub(crate) fn encode_from(&self, name: &str, pictures: usize, input: &str, arguments: &str) -> Clip {
        let path = self.path(name);
        let mut command = ffmpeg();
        command.args(["-f", "rawvideo", "-pix_fmt", "yuv444p", "-video_size"]);
        command.arg(format!("{WIDTH}x{HEIGHT}")).args(input.split_whitespace()).args(["-i", "-"]);
        if !arguments.contains("-pix_fmt") {
            command.args(["-pix_fmt", "yuv420p"]);
        }
        command.args(arguments.split_whitespace()).arg(&path).stdin(Stdio::piped());
        let mut child = command.spawn().expect("the ffmpeg program makes the test's videos");
        let written = child.stdin.take().unwrap().write_all(&source()[..pictures * PICTURE]);
        assert!(child.wait().unwrap().success(), "ffmpeg {arguments} failed");
        written.unwrap();
        Clip::new(path, &self.report, (0..pictures).collect())
    }

    /// Makes `name` from `clip` with ffmpeg's `input` and output `arguments`.
    pub(crate) fn remake(&self, name: &str, clip: &Clip, input: &str, arguments: &str) -> Clip {
        let path = self.path(name);
        let mut command = ffmpeg();
        command.args(input.split_whitespace()).arg("-i").arg(&clip.path);
        command.args(arguments.split_whitespace()).arg(&path);
        assert!(command.status().unwrap().success(), "ffmpeg {input} {arguments} failed");
        clip.at(path)
    }

    /// Makes `name` from the bytes of `clip`.
    pub(crate) fn patch(&self, name: &str, clip: &Clip, change: impl FnOnce(&mut Vec<u8>)) -> Clip {
        let mut bytes = std::fs::read(&clip.path).unwrap();
        change(&mut bytes);
        let path = self.path(name);
        std::fs::write(&path, bytes).unwrap();
        clip.at(path)
    }
}

impl Drop for Clips {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            self.report.check();
        }
    }
}

/// The `ffmpeg` program, saying nothing but errors.
pub(crate) fn ffmpeg() -> Command {
    let mut command = Command::new("ffmpeg");
    command.args(["-v", "error", "-nostdin", "-y"]);
    command
}

/// Where the content of the first MP4 box `name` begins.
pub(crate) fn mp4_box(bytes: &[u8], name: &[u8; 4]) -> usize {
    bytes.windows(4).position(|window| window == name).unwrap() + 4
}

/// All pictures, in 4:4:4.
fn source() -> &'static [u8] {
    static SOURCE: OnceLock<Vec<u8>> = OnceLock::new();
    SOURCE.get_or_init(|| (0..PICTURES).flat_map(picture).collect())
}

fn picture(number: usize) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(PICTURE);
    let wave = |turns: f64| (turns * std::f64::consts::TAU).sin();
    for y in 0..HEIGHT {
        for x in 0..WIDTH {
            bytes.push(if y * 4 < HEIGHT {
                if number >> (7 - x * 8 / WIDTH) & 1 == 1 { 200 } else { 50 }
            } else {
                let (x, y) = (x + number * 3, y + number);
                ((x * 5 + y * 3) % 96 + 64 + (x / 16 + y / 16) % 2 * 40) as u8
            });
        }
    }
    let time = number as f64 / 40.0;
    let (across, down) = (|x: usize| x as f64 / WIDTH as f64, |y: usize| y as f64 / HEIGHT as f64);
    for (dx, dy) in [(1.0, 0.5), (-0.5, 1.0)] {
        for y in 0..HEIGHT {
            let row = (0..WIDTH).map(|x| 128.0 + 35.0 * wave(across(x) * dx + down(y) * dy + time));
            bytes.extend(row.map(|level| level as u8));
        }
    }
    bytes
}

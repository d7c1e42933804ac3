//! Running the engine and looking into what comes out.

use std::io::{Cursor, Read as _, Write as _};
use std::path::Path;
use std::process::Stdio;

use framelift_contract::manifest::Manifest;
use framelift_domain::{Checksum, Format, Options};
use framelift_media::{
    Control, EngineLimits, ExtractError, FileSource, Filter, Outcome, Output, Request, Source, extract,
};

use crate::avif;
use crate::clips::{ffmpeg, number};

/// An archive, opened by a reader that is not ours.
pub(crate) struct Extracted {
    pub(crate) outcome: Outcome,
    pub(crate) bytes: Vec<u8>,
    pub(crate) manifest: Manifest,
}

pub(crate) fn run(path: &Path, options: &Options) -> Result<Extracted, ExtractError> {
    run_with(Box::new(FileSource::open(path).unwrap()), options, &EngineLimits::default(), &())
}

pub(crate) fn run_with(
    source: Box<dyn Source>,
    options: &Options,
    limits: &EngineLimits,
    control: &dyn Control,
) -> Result<Extracted, ExtractError> {
    run_filtered(source, options, limits, Vec::new(), control)
}

pub(crate) fn run_filtered(
    source: Box<dyn Source>,
    options: &Options,
    limits: &EngineLimits,
    filters: Vec<Box<dyn Filter + '_>>,
    control: &dyn Control,
) -> Result<Extracted, ExtractError> {
    let mut bytes = Vec::new();
    let output = Output::zip(&mut bytes);
    let request = Request { source, file_name: "clip".to_owned(), options, limits, output, control };
    let outcome = extract(request, filters)?;
    let mut zip = zip::ZipArchive::new(Cursor::new(&bytes)).unwrap();
    let manifest: Manifest = serde_json::from_reader(zip.by_name("manifest.json").unwrap()).unwrap();
    assert_eq!(outcome.archive_bytes, bytes.len() as u64);
    assert_eq!(outcome.archive_sha256, Some(sha256(&bytes)));
    assert_eq!(outcome.frames, manifest.frames.len() as u64);
    assert_eq!(outcome.warnings, manifest.warnings);
    Ok(Extracted { outcome, bytes, manifest })
}

pub(crate) fn sha256(bytes: &[u8]) -> Checksum {
    Checksum::of(bytes)
}

/// An image in RGB.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Rgb {
    pub(crate) width: usize,
    pub(crate) height: usize,
    pub(crate) pixels: Vec<u8>,
}

impl Rgb {
    pub(crate) fn decode(format: Format, bytes: &[u8]) -> Self {
        match format {
            Format::Png => {
                let mut reader = png::Decoder::new(Cursor::new(bytes)).read_info().unwrap();
                let mut pixels = vec![0; reader.output_buffer_size().unwrap()];
                let info = reader.next_frame(&mut pixels).unwrap();
                assert_eq!((info.color_type, info.bit_depth), (png::ColorType::Rgb, png::BitDepth::Eight));
                Self { width: info.width as usize, height: info.height as usize, pixels }
            }
            Format::Jpeg => {
                let image = turbojpeg::decompress(bytes, turbojpeg::PixelFormat::RGB).unwrap();
                assert_eq!(image.pitch, image.width * 3);
                Self { width: image.width, height: image.height, pixels: image.pixels }
            }
            Format::Webp => by_ffmpeg("webp_pipe", bytes),
            Format::Avif => by_ffmpeg("obu", avif::picture(bytes)),
        }
    }

    pub(crate) fn at(&self, x: usize, y: usize) -> [u8; 3] {
        let start = (y * self.width + x) * 3;
        [0, 1, 2].map(|channel| self.pixels[start + channel])
    }

    pub(crate) fn number(&self) -> usize {
        number(|x, y| self.at(x, y)[1], self.width, self.height)
    }
}

/// What the `ffmpeg` program makes of an image in the colours that the file itself names.
fn by_ffmpeg(format: &str, bytes: &[u8]) -> Rgb {
    let mut command = ffmpeg();
    // As PPM, which says its size.
    command.args(["-f", format, "-i", "-", "-frames:v", "1"]);
    command.args(["-vf", "scale=flags=bicubic+accurate_rnd+full_chroma_int"]);
    command.args(["-c:v", "ppm", "-pix_fmt", "rgb24", "-f", "image2pipe", "-"]);
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let mut pipe = child.stdin.take().unwrap();
    let bytes = bytes.to_vec();
    let writing = std::thread::spawn(move || pipe.write_all(&bytes));
    let output = child.wait_with_output().unwrap();
    writing.join().unwrap().unwrap();
    assert!(output.status.success(), "{format}");
    // `P6`, width, height, 255, then the samples.
    let mut fields = output.stdout.splitn(4, |byte| byte.is_ascii_whitespace());
    let mut number = || std::str::from_utf8(fields.next().unwrap()).unwrap().to_owned();
    assert_eq!(number(), "P6");
    let (width, height): (usize, usize) = (number().parse().unwrap(), number().parse().unwrap());
    let pixels = fields.next().unwrap().strip_prefix(b"255\n").unwrap().to_vec();
    assert_eq!(pixels.len(), width * height * 3);
    Rgb { width, height, pixels }
}

impl Extracted {
    /// A member's bytes.
    pub(crate) fn member(&self, name: &str) -> Vec<u8> {
        let mut zip = zip::ZipArchive::new(Cursor::new(&self.bytes)).unwrap();
        let mut bytes = Vec::new();
        zip.by_name(name).unwrap().read_to_end(&mut bytes).unwrap();
        bytes
    }

    /// The image of frame `index`, checked against its record in the manifest.
    pub(crate) fn image(&self, index: usize) -> Rgb {
        let record = &self.manifest.frames[index];
        let bytes = self.member(&record.file);
        assert_eq!((record.bytes, record.sha256), (bytes.len() as u64, sha256(&bytes)));
        let format = [Format::Jpeg, Format::Png, Format::Webp, Format::Avif]
            .into_iter()
            .find(|format| record.file.ends_with(&format!(".{}", format.extension())))
            .unwrap();
        let image = Rgb::decode(format, &bytes);
        assert_eq!((record.width as usize, record.height as usize), (image.width, image.height));
        image
    }

    /// The numbers in all images.
    pub(crate) fn numbers(&self) -> Vec<usize> {
        (0..self.manifest.frames.len()).map(|index| self.image(index).number()).collect()
    }
}

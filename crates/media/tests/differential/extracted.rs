//! Running the engine, and the pictures that come out.

use std::io::{Cursor, Read as _};
use std::path::Path;

use framelift_contract::manifest::{Manifest, Strategy};
use framelift_domain::Options;
use framelift_media::{EngineLimits, FileSource, Output, Request, extract};

/// An archive.
pub(crate) struct Extracted {
    archive: zip::ZipArchive<Cursor<Vec<u8>>>,
    pub(crate) manifest: Manifest,
}

/// A picture, three bytes a pixel.
pub(crate) struct Rgb {
    pub(crate) width: usize,
    pub(crate) height: usize,
    pub(crate) pixels: Vec<u8>,
}

impl Extracted {
    /// Extracts by `strategy`, or by the planner's choice; the error is for the report.
    pub(crate) fn from(path: &Path, options: &Options, strategy: Option<Strategy>) -> Result<Self, String> {
        let source = Box::new(FileSource::open(path).unwrap());
        let limits = &EngineLimits { threads: 2, strategy, ..EngineLimits::default() };
        let mut bytes = Vec::new();
        let output = Output::zip(&mut bytes);
        let request = Request { source, file_name: "clip".to_owned(), options, limits, output, control: &() };
        extract(request, Vec::new()).map_err(|error| error.to_string())?;
        let mut archive = zip::ZipArchive::new(Cursor::new(bytes)).unwrap();
        let manifest = serde_json::from_reader(archive.by_name("manifest.json").unwrap()).unwrap();
        Ok(Self { archive, manifest })
    }

    /// The bytes of image `index`.
    pub(crate) fn image(&mut self, index: usize) -> Vec<u8> {
        let mut bytes = Vec::new();
        self.archive.by_name(&self.manifest.frames[index].file).unwrap().read_to_end(&mut bytes).unwrap();
        bytes
    }
}

impl Rgb {
    /// A PNG's or JPEG's picture.
    pub(crate) fn decode(bytes: &[u8]) -> Self {
        if bytes.starts_with(b"\x89PNG") {
            let mut reader = png::Decoder::new(Cursor::new(bytes)).read_info().unwrap();
            let mut pixels = vec![0; reader.output_buffer_size().unwrap()];
            let info = reader.next_frame(&mut pixels).unwrap();
            assert_eq!((info.color_type, info.bit_depth), (png::ColorType::Rgb, png::BitDepth::Eight));
            return Self { width: info.width as usize, height: info.height as usize, pixels };
        }
        let image = turbojpeg::decompress(bytes, turbojpeg::PixelFormat::RGB).unwrap();
        assert_eq!(image.pitch, image.width * 3);
        Self { width: image.width, height: image.height, pixels: image.pixels }
    }

    /// The mean difference in red, in green or in blue, whichever is largest; none if the sizes
    /// are not the same.
    pub(crate) fn difference(&self, other: &Self) -> Option<f64> {
        if (self.width, self.height) != (other.width, other.height) {
            return None;
        }
        let mut sums = [0_u64; 3];
        for (a, b) in self.pixels.chunks_exact(3).zip(other.pixels.chunks_exact(3)) {
            for (sum, (a, b)) in sums.iter_mut().zip(a.iter().zip(b)) {
                *sum += u64::from(a.abs_diff(*b));
            }
        }
        let largest = sums.into_iter().max().unwrap_or(0);
        Some(largest as f64 / (self.width * self.height) as f64)
    }

    /// How little the two show the same, whatever their colours: 0 where one's green rises and
    /// falls with the other's, 1 where it has nothing to do with it; none if the sizes differ.
    pub(crate) fn unlikeness(&self, other: &Self) -> Option<f64> {
        if (self.width, self.height) != (other.width, other.height) {
            return None;
        }
        let green = |image: &Self| -> Vec<f64> {
            let samples: Vec<f64> = image.pixels.iter().skip(1).step_by(3).map(|g| f64::from(*g)).collect();
            let mean = samples.iter().sum::<f64>() / samples.len() as f64;
            samples.into_iter().map(|sample| sample - mean).collect()
        };
        let (a, b) = (green(self), green(other));
        let product = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
        Some(1.0 - product(&a, &b) / (product(&a, &a) * product(&b, &b)).sqrt())
    }
}

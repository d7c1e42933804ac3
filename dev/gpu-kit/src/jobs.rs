//! Single extractions, on the GPU or on the CPU, and what comes out of them.

use std::io::{Cursor, Read as _, Write};

use framelift_contract::manifest::{Manifest, Strategy};
use framelift_domain::Options;
use framelift_media::{EngineLimits, HardwareUse, Outcome, Output, Request, extract};

use crate::clips::Clip;

/// Where a job decodes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ProcessorChoice {
    Gpu,
    Cpu,
    /// The engine's own choice.
    Auto,
}

impl ProcessorChoice {
    fn limits(self) -> EngineLimits {
        match self {
            Self::Gpu => EngineLimits { strategy: Some(Strategy::Hardware), ..EngineLimits::default() },
            Self::Cpu => EngineLimits { hardware: HardwareUse::Never, ..EngineLimits::default() },
            Self::Auto => EngineLimits::default(),
        }
    }
}

/// Extracts into `sink`.
pub(crate) fn run(
    clip: &Clip,
    options: &Options,
    processor: ProcessorChoice,
    sink: impl Write,
) -> Result<Outcome, String> {
    let (source, limits) = (Box::new(clip.source.clone()), &processor.limits());
    let (file_name, output) = (clip.name.clone(), Output::zip(sink));
    let request = Request { source, file_name, options, limits, output, control: &() };
    extract(request, Vec::new()).map_err(|error| format!("{}: {error:?}", clip.name))
}

/// Extracts on the GPU into nothing; an error where the GPU was not used.
pub(crate) fn run_on_gpu(clip: &Clip, options: &Options) -> Result<(), String> {
    let plan = run(clip, options, ProcessorChoice::Gpu, std::io::sink())?.plan;
    if plan.strategy == Strategy::Hardware {
        Ok(())
    } else {
        Err(format!("{}: the GPU was not used: {}", clip.name, plan.reason))
    }
}

/// An archive in memory.
pub(crate) struct Archive {
    pub(crate) outcome: Outcome,
    pub(crate) manifest: Manifest,
    zip: zip::ZipArchive<Cursor<Vec<u8>>>,
}

impl Archive {
    /// Extracts into memory.
    pub(crate) fn of(clip: &Clip, options: &Options, processor: ProcessorChoice) -> Result<Self, String> {
        let mut bytes = Vec::new();
        let outcome = run(clip, options, processor, &mut bytes)?;
        let damaged = |error: String| format!("{}: the archive cannot be read: {error}", clip.name);
        let mut zip = zip::ZipArchive::new(Cursor::new(bytes)).map_err(|error| damaged(error.to_string()))?;
        let manifest = member(&mut zip, "manifest.json").map_err(damaged)?;
        let manifest = serde_json::from_slice(&manifest).map_err(|error| damaged(error.to_string()))?;
        Ok(Self { outcome, manifest, zip })
    }

    /// The samples of an image, which is a PNG.
    pub(crate) fn pixels(&mut self, index: usize) -> Result<Vec<u8>, String> {
        let file = self.manifest.frames[index].file.clone();
        let bytes = member(&mut self.zip, &file)?;
        let decoded = || {
            let mut reader = png::Decoder::new(Cursor::new(bytes)).read_info()?;
            let mut pixels = vec![0; reader.output_buffer_size().unwrap_or_default()];
            reader.next_frame(&mut pixels)?;
            Ok(pixels)
        };
        decoded().map_err(|error: png::DecodingError| format!("{file}: {error}"))
    }
}

fn member(zip: &mut zip::ZipArchive<Cursor<Vec<u8>>>, name: &str) -> Result<Vec<u8>, String> {
    let mut bytes = Vec::new();
    let mut member = zip.by_name(name).map_err(|error| format!("{name}: {error}"))?;
    member.read_to_end(&mut bytes).map_err(|error| format!("{name}: {error}"))?;
    Ok(bytes)
}

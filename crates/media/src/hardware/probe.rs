//! Finds out what the GPU decodes by decoding one small picture of each kind, whose colour is known. The
//! driver's claims are not enough, because a container may lack some of its libraries.

use std::ffi::CStr;
use std::sync::Arc;

use super::pool::Pool;
use super::{Gpu, HardwareCodec, HardwareInfo, SURFACES, open_on};
use crate::convert::Converter;
use crate::ffi::{Decoded, Decoder, Device, Frame, Packet, Processor, is_built_for};
use crate::geometry::{Geometry, Orientation};
use crate::watch::Watch;
use crate::{EngineLimits, MemorySource, open};

/// A video of one picture, 256 × 256, all of [`COLOUR`].
pub(super) struct Sample {
    codec: &'static CStr,
    bits: u8,
    file: &'static [u8],
}

const COLOUR: [u8; 3] = [0x64, 0x96, 0xc8];
/// The largest error of a lossy codec's decoder, in 255ths.
const TOLERANCE: u8 = 8;

macro_rules! sample {
    ($codec:literal, $bits:literal, $file:literal) => {
        Sample { codec: $codec, bits: $bits, file: include_bytes!(concat!("samples/", $file)) }
    };
}

/// Every kind that NVDEC and FFmpeg's wrapper support, in 4:2:0. MPEG-4, VC-1 and JPEG are left out, because
/// NVDEC supports only parts of them.
pub(super) const SAMPLES: &[Sample] = &[
    sample!(c"h264", 8, "h264-8.mkv"),
    sample!(c"hevc", 8, "hevc-8.mkv"),
    sample!(c"hevc", 10, "hevc-10.mkv"),
    sample!(c"vp8", 8, "vp8-8.mkv"),
    sample!(c"vp9", 8, "vp9-8.mkv"),
    sample!(c"vp9", 10, "vp9-10.mkv"),
    sample!(c"av1", 8, "av1-8.mkv"),
    sample!(c"av1", 10, "av1-10.mkv"),
    sample!(c"mpeg1video", 8, "mpeg1video-8.mkv"),
    sample!(c"mpeg2video", 8, "mpeg2video-8.mkv"),
];

/// Detects the GPU and what it decodes.
pub(super) fn probe() -> Gpu {
    let (device, info) = match Device::open() {
        Ok(device) => {
            let info = try_out(&device);
            (Some(device), info)
        }
        Err(problem) => {
            (None, HardwareInfo { problem: Some(format!("no GPU: {problem}")), ..HardwareInfo::default() })
        }
    };
    Gpu { device, info, pool: Arc::new(Pool::default()), open: open_on }
}

fn try_out(device: &Device) -> HardwareInfo {
    let formats = device.surface_formats();
    let codecs: Vec<HardwareCodec> = SAMPLES
        .iter()
        .map(|sample| {
            let surface = if sample.bits > 8 { "p010le" } else { "nv12" };
            let problem = if !is_built_for(sample.codec) {
                Some("this FFmpeg was built without it".to_owned())
            } else if !formats.iter().any(|format| format == surface) {
                Some(format!("it has no surfaces of {surface}"))
            } else {
                sample.decode(Processor::Gpu(Some(device), SURFACES)).err()
            };
            HardwareCodec { problem, ..sample.kind() }
        })
        .collect();
    let (device, driver) = driver();
    let mut info = HardwareInfo { device, driver, problem: None, codecs };
    if !info.is_usable() {
        info.problem = Some(match info.codecs.first() {
            Some(HardwareCodec { problem: Some(problem), .. }) => {
                format!("the GPU decodes nothing: {problem}")
            }
            _ => "the GPU decodes nothing".to_owned(),
        });
    }
    info
}

/// Reads the names of the GPUs and the driver's version from the kernel's module.
fn driver() -> (Option<String>, Option<String>) {
    let text = |path: &std::path::Path| std::fs::read_to_string(path).unwrap_or_default();
    let root = std::path::Path::new("/proc/driver/nvidia");
    let mut names: Vec<String> = std::fs::read_dir(root.join("gpus"))
        .into_iter()
        .flatten()
        .filter_map(|gpu| {
            let information = text(&gpu.ok()?.path().join("information"));
            let model = information.lines().find_map(|line| line.strip_prefix("Model:"))?;
            Some(model.trim().to_owned())
        })
        .collect();
    names.sort();
    names.dedup();
    let version = text(&root.join("version"));
    // "NVRM version: NVIDIA UNIX x86_64 Kernel Module  550.54.15  Tue …"
    let version = version.split_whitespace().find(|word| {
        word.contains('.') && word.split('.').all(|part| part.bytes().all(|byte| byte.is_ascii_digit()))
    });
    (Some(names.join(", ")).filter(|names| !names.is_empty()), version.map(str::to_owned))
}

impl Sample {
    /// The kind of video that it represents.
    pub(super) fn kind(&self) -> HardwareCodec {
        HardwareCodec { codec: self.codec.to_string_lossy().into_owned(), bits: self.bits, problem: None }
    }

    /// Decodes it, and returns what is wrong if the picture is not the expected one.
    pub(super) fn decode(&self, processor: Processor<'_>) -> Result<(), String> {
        let limits = EngineLimits::default();
        let watch = Watch::new(&(), &limits);
        let source = Box::new(MemorySource(Arc::from(self.file)));
        let mut input = open::open(source, None, &limits, &watch).map_err(|error| error.to_string())?;
        let decoder = input.decoder(processor, limits.max_pixels);
        let mut decoder = decoder.map_err(|error| format!("no decoder: {error:?}"))?;
        let mut packet = Packet::new().map_err(|error| error.to_string())?;
        input.read(&mut packet).map_err(|error| error.to_string())?;
        let frame = one(&mut decoder, &packet)?;
        let frame = if frame.is_on_gpu() { frame.download()? } else { frame };
        let size = (frame.width(), frame.height());
        let geometry = Geometry::new(size, None, Orientation::default(), None, limits.max_pixels)
            .map_err(|_| "the picture has an absurd size".to_owned())?;
        let mut converter = Converter::default();
        let image =
            converter.rgb(&frame, input.info().light, &geometry).map_err(|error| error.to_string())?;
        let row = image.planes[0].row(size.1 as usize / 2);
        let close = row
            .chunks_exact(3)
            .all(|pixel| pixel.iter().zip(COLOUR).all(|(a, b)| a.abs_diff(b) <= TOLERANCE));
        if size == (256, 256) && close { Ok(()) } else { Err("it decodes to a wrong picture".to_owned()) }
    }
}

fn one(decoder: &mut Decoder, packet: &Packet) -> Result<Frame, String> {
    let mut step = || {
        decoder.send(packet, 0)?;
        let early = decoder.receive()?;
        if let Decoded::Frame(frame) = early {
            return Ok(Some(frame));
        }
        decoder.send_end()?;
        Ok(match decoder.receive()? {
            Decoded::Frame(frame) => Some(frame),
            _ => None,
        })
    };
    let result: Result<Option<Frame>, crate::ffi::AvError> = step();
    let driver_message = decoder.driver_message().map(str::to_owned);
    match result {
        Ok(Some(frame)) => Ok(frame),
        Ok(None) => Err(driver_message.unwrap_or_else(|| "it gives no picture".to_owned())),
        Err(error) => Err(driver_message.unwrap_or_else(|| error.to_string())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ffi::Threading;

    #[test]
    fn the_samples_are_what_they_are_said_to_be() {
        for sample in SAMPLES {
            let decoded = sample.decode(Processor::Cpu(1, Threading::OnePicture));
            assert_eq!(decoded, Ok(()), "{:?} of {} bits", sample.codec, sample.bits);
            let watch_limits = EngineLimits::default();
            let watch = Watch::new(&(), &watch_limits);
            let input =
                open::open(Box::new(MemorySource(Arc::from(sample.file))), None, &watch_limits, &watch);
            let info = input.unwrap().info().clone();
            assert_eq!((info.codec, info.bits_of_420), (sample.kind().codec, Some(sample.bits)));
        }
    }

    #[test]
    fn a_wrong_picture_is_told_from_the_right_one() {
        let other = Sample { codec: c"h264", bits: 8, file: include_bytes!("samples/other-colour.mkv") };
        let decoded = other.decode(Processor::Cpu(1, Threading::OnePicture));
        assert_eq!(decoded, Err("it decodes to a wrong picture".to_owned()));
    }

    #[test]
    fn a_device_that_is_not_there_is_refused_by_ffmpeg_in_words() {
        for sample in SAMPLES {
            let problem = sample.decode(Processor::Gpu(None, SURFACES)).unwrap_err();
            assert!(problem.contains("missing configuration"), "{:?}: {problem}", sample.codec);
        }
    }

    #[test]
    fn ffmpeg_was_built_for_nvdec() {
        assert!(SAMPLES.iter().all(|sample| is_built_for(sample.codec)));
        assert!(!is_built_for(c"prores") && !is_built_for(c"no-such-codec"));
    }
}

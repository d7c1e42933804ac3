//! Decoding on a GPU: detects it, decides which jobs use it, and manages its decoders.
//!
//! Pictures stay on the GPU; wanted ones are downscaled there where that is exact, and copied back in batches
//! on a separate thread while decoding continues.

mod copier;
mod pool;
mod probe;
mod shrink;
mod worth;

use std::sync::{Arc, OnceLock};

use framelift_contract::manifest::{Plan, Strategy};
use framelift_domain::{Options, Select};
use serde::{Deserialize, Serialize};

use crate::EngineLimits;
use crate::ffi::{Decoder, DecoderError, Device, Input, Processor};
use crate::limits::HardwareUse;

pub(crate) use copier::{Copier, SURFACES};
pub(crate) use pool::DecoderSlot;
use pool::{Key, Pool};
pub(crate) use shrink::Shrink;

/// What this process can decode on a GPU, found out once by trial decoding.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct HardwareInfo {
    /// The GPU's name, if the driver reports it.
    pub device: Option<String>,
    /// The driver's version, if it reports it.
    pub driver: Option<String>,
    /// Why nothing is decoded on a GPU; `None` if something is.
    pub problem: Option<String>,
    /// Every kind of video that was tried; empty without a GPU.
    pub codecs: Vec<HardwareCodec>,
}

/// One kind of video, and whether the GPU decodes it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HardwareCodec {
    /// The codec's short name.
    pub codec: String,
    /// Bits of a sample; chroma is always 4:2:0.
    pub bits: u8,
    /// Why a small video of this kind was not decoded; `None` if it was.
    pub problem: Option<String>,
}

impl HardwareInfo {
    /// Whether anything is decoded on a GPU.
    pub fn is_usable(&self) -> bool {
        self.codecs.iter().any(|codec| codec.problem.is_none())
    }
}

/// Returns what the GPU can decode. The first call tries it: without an NVIDIA driver in milliseconds, else
/// in about a second. A worker calls it when it starts.
pub fn hardware() -> &'static HardwareInfo {
    &gpu().info
}

/// The process's GPU, or why there is none.
struct Gpu {
    device: Option<Device>,
    info: HardwareInfo,
    pool: Arc<Pool>,
    open: Open,
}

/// Opens a decoder for a video whose pictures have at most this many pixels.
type Open = fn(&Input<'_>, Option<&Device>, u64) -> Result<Decoder, DecoderError>;

fn open_on(input: &Input<'_>, device: Option<&Device>, max_pixels: u64) -> Result<Decoder, DecoderError> {
    input.decoder(Processor::Gpu(device, SURFACES), max_pixels)
}

fn gpu() -> &'static Gpu {
    static GPU: OnceLock<Gpu> = OnceLock::new();
    #[cfg(test)]
    if let Some(pretended) = tests::PRETENDED.get() {
        return pretended;
    }
    GPU.get_or_init(probe::probe)
}

/// Whether a job is decoded on the GPU.
pub(crate) enum GpuChoice {
    /// A decoder, and the reason for using the GPU.
    Decoder(DecoderSlot, String),
    /// The GPU was wanted; why it cannot be used.
    Declined(String),
    /// There is no GPU, or the CPU is faster.
    None,
}

/// Takes a decoder on the GPU for a job, if that is faster and allowed.
pub(crate) fn choose(input: &Input<'_>, options: &Options, limits: &EngineLimits) -> GpuChoice {
    let asked = limits.strategy == Some(Strategy::Hardware);
    if limits.hardware == HardwareUse::Never || (limits.strategy.is_some() && !asked) {
        return GpuChoice::None;
    }
    let reason = match worth::worth(options, input.info()) {
        None if asked && matches!(options.select, Select::Scenes { .. }) => {
            return GpuChoice::Declined("frames are compared on the CPU".to_owned());
        }
        Some(reason) => reason,
        None if asked => "decoding on the GPU was asked for".to_owned(),
        None => return GpuChoice::None,
    };
    let gpu = gpu();
    if !gpu.info.is_usable() {
        // No message without a GPU, unless it was requested.
        let problem = gpu.info.problem.clone().filter(|_| asked);
        return problem.map_or(GpuChoice::None, GpuChoice::Declined);
    }
    match gpu.decoder(input, limits) {
        Ok(slot) => GpuChoice::Decoder(slot, reason),
        Err(problem) => GpuChoice::Declined(problem),
    }
}

impl Gpu {
    /// Takes a decoder for the video, or returns why there is none.
    fn decoder(&self, input: &Input<'_>, limits: &EngineLimits) -> Result<DecoderSlot, String> {
        let info = input.info();
        let Some(bits) = info.bits_of_420 else {
            return Err("its pictures are not 4:2:0".to_owned());
        };
        let tried = self.info.codecs.iter().find(|codec| codec.codec == info.codec && codec.bits == bits);
        match tried {
            None => return Err(format!("it takes no {} of {bits} bits", info.codec)),
            Some(HardwareCodec { problem: Some(problem), .. }) => {
                return Err(format!("it takes no {} of {bits} bits: {problem}", info.codec));
            }
            Some(_) => {}
        }
        // Surfaces hold pairs of lines and columns; FFmpeg drops an odd last one.
        if !info.width.is_multiple_of(2) || !info.height.is_multiple_of(2) {
            return Err("it takes pictures of even width and height".to_owned());
        }
        let key = Key::of(info, bits);
        self.pool.take(key, || (self.open)(input, self.device.as_ref(), limits.max_pixels))
    }
}

/// The CPU's plan, with the reason why the wanted GPU decoder could not be used or gave up.
pub(crate) fn declined(plan: Plan, problem: &str) -> Plan {
    let reason = format!("the GPU's decoder was not used ({problem}), so the CPU decoded: {}", plan.reason);
    Plan { reason, ..plan }
}

#[cfg(test)]
mod tests;

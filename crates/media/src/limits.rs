//! The limits of one extraction; beyond them the video fails with `limit-exceeded` or `timed-out`.

use std::time::Duration;

use framelift_contract::manifest::Strategy;
use serde::{Deserialize, Serialize};

/// Whether videos may be decoded on a GPU.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum HardwareUse {
    /// If there is one and the job is dense and large enough to be faster on it.
    #[default]
    Auto,
    /// No GPU is used or probed.
    Never,
}

impl std::str::FromStr for HardwareUse {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "auto" => Ok(Self::Auto),
            "never" => Ok(Self::Never),
            _ => Err("neither auto nor never"),
        }
    }
}

/// The engine's limits.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EngineLimits {
    /// Pixels of one decoded or written picture.
    pub max_pixels: u64,
    /// Bytes of decoded pictures at one time; a small file gets less. Fewer threads are used where
    /// they would need more.
    pub max_memory: u64,
    /// Pixels of all pictures that are decoded; a small file gets fewer.
    pub max_decoded_pixels: u64,
    /// Scans of one JPEG picture, each of which costs a pass over all of it. Encoders write about ten,
    /// and JPEG has no use for more than about sixty.
    pub max_scans: u32,
    /// Streams in the container.
    pub max_streams: u32,
    /// Images in the archive.
    pub max_frames: u64,
    /// Bytes of the archive.
    pub max_output_bytes: u64,
    /// Wall time of the whole extraction.
    pub max_wall: Duration,
    /// Consecutive packets for which the decoder may return no picture: beyond that it counts as stuck.
    pub max_idle_packets: u32,
    /// Threads for decoding, and as many again for converting and encoding; 0 is one for each
    /// core. Memory grows with it: for each, a decoder's pictures (up to 16 of its references and
    /// a few more), one picture in conversion, and 24 MiB of images that wait for their turn.
    pub threads: usize,
    /// Whether a GPU may decode.
    pub hardware: HardwareUse,
    /// Used instead of the planner's choice wherever it is possible and exact: for tests and benches that
    /// compare strategies.
    pub strategy: Option<Strategy>,
}

impl Default for EngineLimits {
    fn default() -> Self {
        Self {
            max_pixels: 8192 * 8192,
            max_memory: 2 << 30,
            max_decoded_pixels: 20_000_000_000_000,
            max_scans: 100,
            max_streams: 64,
            max_frames: 1_000_000,
            max_output_bytes: 1 << 40,
            max_wall: Duration::from_secs(12 * 3600),
            max_idle_packets: 2_000,
            threads: 0,
            hardware: HardwareUse::Auto,
            strategy: None,
        }
    }
}

impl EngineLimits {
    /// How many threads `threads` means here.
    pub fn thread_count(&self) -> usize {
        match self.threads {
            0 => std::thread::available_parallelism().map_or(1, std::num::NonZero::get),
            n => n,
        }
        .min(64)
    }
}

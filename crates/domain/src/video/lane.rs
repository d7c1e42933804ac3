//! Lanes: which jobs must not wait behind long ones.

use crate::options::{Format, Options, Select};
use crate::{Rational, Video};

/// Bytes of a file that is decoded from end to end in seconds.
const SMALL_BYTES: u64 = 16 << 20;
/// Bytes of a file of which a few frames are found in seconds, even where it has no index and is read whole.
const LARGEST_BYTES: u64 = 1 << 30;
/// Frames that are few.
const FEW_FRAMES: u32 = 10;

/// A lane of the job queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lane {
    /// What takes seconds. Workers have room that nothing else takes.
    Short,
    /// Everything else.
    Main,
}

impl Video {
    /// The lane of its job, as far as one can tell without looking into the file.
    pub fn lane(&self) -> Lane {
        let is_short = if has_few_frames(&self.options) {
            self.size_bytes <= LARGEST_BYTES
        } else {
            self.size_bytes <= SMALL_BYTES && is_light(&self.options)
        };
        if is_short { Lane::Short } else { Lane::Main }
    }
}

fn has_few_frames(options: &Options) -> bool {
    match &options.select {
        Select::Count(frames) => *frames <= FEW_FRAMES,
        Select::At(places) => places.len() <= FEW_FRAMES as usize,
        _ => false,
    }
}

/// Whether a small file cannot become a long job: it is hours long at a low bit rate, perhaps, so frames must be a
/// second apart, their format must be quick, and no code of the owner's may look at each.
fn is_light(options: &Options) -> bool {
    let one = Rational::whole(1);
    let sparse = match &options.select {
        Select::Every(interval) => *interval >= one,
        Select::Fps(rate) => *rate <= one,
        Select::Count(_) | Select::At(_) | Select::Keyframes | Select::Scenes { .. } => true,
        Select::All => false,
    };
    sparse && options.format != Format::Avif && options.plugins.is_empty()
}

//! Decides which jobs are faster on a GPU. It decodes every picture and has a fixed start-up cost, so it is
//! slower for sparse or small jobs, where the CPU skips most of the decoding.

use framelift_domain::{Options, Place, Rational, Select};

use crate::ffi::StreamInfo;

/// The smallest pictures, in pixels: a CPU core decodes smaller ones as fast as they are copied back.
const MIN_PICTURE: u64 = 1280 * 720;
/// Fewest decoded pixels in a job: about 1,000 pictures of 1920 × 1080. Less takes the CPU no
/// longer than making a context and a decoder on the GPU.
const MIN_WORK: f64 = 2e9;
/// The most seconds between wanted frames: with about one or fewer in each group of pictures, the CPU skips
/// so much that it is faster.
const MAX_GAP: f64 = 1.0;

/// Returns why a GPU is faster for this job; `None` if it is not.
pub(super) fn worth(options: &Options, info: &StreamInfo) -> Option<String> {
    let (duration, rate) = (info.claimed_duration?.to_f64(), info.frame_rate?.to_f64());
    let place = |place: Place| match place {
        Place::Time(time) => time.to_f64(),
        Place::Percent(percent) => percent.to_f64() / 100.0 * duration,
        Place::Frame(number) => number as f64 / rate,
    };
    let seconds = place(options.range.end).min(duration) - place(options.range.start).max(0.0);
    let gap = match &options.select {
        Select::All => 0.0,
        Select::Count(n) => seconds / f64::from(*n).max(1.0),
        Select::At(places) => duration / (places.len() as f64).max(1.0),
        // Sync points are decoded on their own; for scenes each picture would have to be copied back.
        Select::Keyframes | Select::Scenes { .. } => return None,
        every => every.period()?.to_f64(),
    };
    let picture = u64::from(info.width) * u64::from(info.height);
    let frames = seconds * rate;
    // With a tolerance, the cheapest frames to decode are used.
    let exact = options.tolerance == Rational::ZERO;
    let large = picture >= MIN_PICTURE && frames * picture as f64 >= MIN_WORK;
    (exact && large && gap <= MAX_GAP).then(|| {
        let wanted = if gap == 0.0 { "every frame".to_owned() } else { format!("a frame each {gap:.3} s") };
        format!(
            "{wanted} is wanted of about {frames:.0} with {}×{} pixels, which is enough for a GPU to win",
            info.width, info.height
        )
    })
}

//! Warns the owner about what decoding found.

use framelift_domain::Rational;

use super::Stage;
use crate::words::count;

impl Stage<'_, '_> {
    /// Adds the warnings.
    pub(super) fn report(&self) {
        if let Some(warning) = restarts(self.timeline.restarts()) {
            self.watch.warn(warning);
        }
        if self.timeline.disordered() > 0 {
            let have = if self.timeline.disordered() == 1 { "has a time" } else { "have times" };
            let frames = count(self.timeline.disordered(), "frame");
            self.watch.warn(format!("{frames} {have} out of order: when exactly they are shown is a guess"));
        }
        if self.damaged_packets > 0 {
            let were = if self.damaged_packets == 1 { "was" } else { "were" };
            let packets = count(self.damaged_packets, "damaged packet");
            self.watch.warn(format!("{packets} {were} met; frames may be missing"));
        }
        if self.damaged_frames > 0 {
            let are = if self.damaged_frames == 1 { "is" } else { "are" };
            self.watch.warn(format!("{} {are} damaged", count(self.damaged_frames, "frame")));
        }
    }
}

/// Returns the warning that a video consists of joined parts that begin at these times.
fn restarts(times: &[Rational]) -> Option<String> {
    const NAMED: usize = 5;
    let named: Vec<String> = times.iter().take(NAMED).map(|time| format!("{:.3} s", time.to_f64())).collect();
    let more = if times.len() > NAMED { " and later" } else { "" };
    (!named.is_empty()).then(|| {
        format!(
            "the video's clock starts anew {}, at {}{more}: the parts were joined, each after the one before it",
            count(times.len() as u64, "time"),
            named.join(", ")
        )
    })
}

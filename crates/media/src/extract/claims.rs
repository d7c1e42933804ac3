//! Compares a container's claimed duration with the measured one.

use framelift_domain::Rational;

use crate::ffi::StreamInfo;
use crate::watch::Watch;

/// Warns where a video ends, at `end`, long before its container says.
pub(super) fn compare(info: &StreamInfo, end: Rational, watch: &Watch<'_>) {
    // The container's claim may be the duration of its sound.
    let tolerance = if info.claim_is_own { Rational::whole(1) } else { Rational::whole(3) };
    if let Some(claimed) = info.claimed_duration
        && end.checked_add(tolerance).is_some_and(|end| end < claimed)
    {
        watch.warn(format!(
            "the video ends at {:.3} s, but the file says {:.3} s: it may be cut off or damaged",
            end.to_f64(),
            claimed.to_f64()
        ));
    }
}

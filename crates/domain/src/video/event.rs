//! Events of a video, and why one is refused.

use std::fmt;

use super::state::{Extraction, Multipart, Progress, StateName};
use crate::{Failure, Time, WorkerId};

/// Something that happens to a video.
#[derive(Clone, Debug, PartialEq, strum::EnumDiscriminants)]
#[strum_discriminants(doc = "An event's name.", name(EventName), derive(Hash, strum::Display))]
#[strum_discriminants(strum(serialize_all = "lowercase"))]
pub enum Event {
    /// A multipart upload was begun for it. If several were, the first one is kept.
    #[strum_discriminants(strum(to_string = "multipart begun"))]
    MultipartBegun(Multipart),
    /// Its upload has arrived, and its owner has enough videos in flight.
    Queued,
    /// Its upload has arrived, and it may run.
    Dispatched,
    /// Its upload did not come in time.
    Expired,
    /// A worker claims it.
    Claimed {
        /// The worker.
        worker: WorkerId,
        /// Distinguishes a repeated claim from another one.
        claim_id: Option<String>,
        /// The lease's length in seconds.
        lease_s: u32,
        /// From the first claim to the end, in seconds.
        max_job_s: u32,
    },
    /// The worker reports progress and renews its lease.
    Progressed {
        /// Its attempt.
        attempt: u32,
        /// The worker.
        worker: WorkerId,
        /// The progress.
        progress: Progress,
        /// The lease's length in seconds.
        lease_s: u32,
    },
    /// The result is there.
    Completed {
        /// The attempt that made it.
        attempt: u32,
        /// The worker.
        worker: WorkerId,
        /// The result.
        result: Extraction,
    },
    /// The worker found that there will be no result.
    Failed {
        /// The attempt that found it.
        attempt: u32,
        /// The worker.
        worker: WorkerId,
        /// Why.
        failure: Failure,
        /// Milliseconds of video that were decoded until then.
        decoded_ms: u64,
    },
    /// The worker releases it, for a reason other than the video.
    Released {
        /// Its attempt.
        attempt: u32,
        /// The worker.
        worker: WorkerId,
        /// From when on another worker is expected to claim it.
        since: Time,
    },
    /// The worker's lease ended long ago, without a report.
    #[strum_discriminants(strum(to_string = "reclaimed"))]
    Reclaimed {
        /// How long ago that must be, in seconds.
        grace_s: u32,
    },
    /// No worker has claimed it for long, so its message is sent again.
    Resent {
        /// How long ago that must be, in seconds.
        grace_s: u32,
    },
    /// No further attempt is made.
    #[strum_discriminants(strum(to_string = "given up"))]
    GivenUp(Failure),
    /// Its notices were sent.
    Notified,
    /// The owner cancels it.
    Canceled,
    /// The owner deletes it.
    Deleted,
    /// The objects of the deleted video were removed.
    Removed,
    /// Its objects were removed after their retention.
    Purged,
}

impl Event {
    /// Its name.
    pub fn name(&self) -> EventName {
        self.into()
    }
}

/// Why an event is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// The video has not reached that point yet.
    NotReady,
    /// The video is past that point.
    AlreadyPast,
    /// The attempt is not the current one.
    Stale,
    /// Another worker holds it.
    LeaseHeld {
        /// The end of the lease.
        until: Time,
    },
    /// The time for all attempts is over.
    DeadlinePassed,
    /// It is too early for that.
    TooEarly,
    /// It is in a terminal state.
    Finished,
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NotReady => "it has not reached that state yet",
            Self::AlreadyPast => "it has already passed that state",
            Self::Stale => "the attempt is not the current one",
            Self::LeaseHeld { until } => return write!(f, "another worker holds it until {until}"),
            Self::DeadlinePassed => "its deadline has passed",
            Self::TooEarly => "it is too early",
            Self::Finished => "it is finished",
        })
    }
}

/// An event was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a video that is {state} cannot be {event}: {reason}")]
pub struct Refused {
    /// The state.
    pub state: StateName,
    /// The event.
    pub event: EventName,
    /// Why.
    pub reason: Reason,
}

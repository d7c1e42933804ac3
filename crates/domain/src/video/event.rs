//! What may happen to a video, and how a refusal says why it may not.

use std::fmt;

use super::state::{Extraction, Multipart, Progress, StateName};
use crate::{Failure, Time, WorkerId};

/// Something that happens to a video.
#[derive(Clone, Debug, PartialEq)]
pub enum Event {
    /// A multipart upload was begun for it; the first one stays.
    MultipartBegun(Multipart),
    /// Its upload is there, and it has to wait for its turn.
    Held,
    /// Its upload is there, and it is its turn.
    Dispatched,
    /// Its upload did not come in time.
    Expired,
    /// A worker takes it.
    Claimed {
        /// Who.
        worker: WorkerId,
        /// Tells a claim sent again from another one.
        claim_id: Option<String>,
        /// The lease's length in seconds.
        lease_s: u32,
        /// From the first claim to the end, in seconds.
        max_job_s: u32,
    },
    /// The worker is at it, and renews its lease.
    Progressed {
        /// Its attempt.
        attempt: u32,
        /// Who.
        worker: WorkerId,
        /// How far it is.
        progress: Progress,
        /// The lease's length in seconds.
        lease_s: u32,
    },
    /// The result is there.
    Completed {
        /// The attempt that made it.
        attempt: u32,
        /// Who.
        worker: WorkerId,
        /// The result.
        result: Extraction,
    },
    /// There will be no result, as the worker found.
    Failed {
        /// The attempt that found it.
        attempt: u32,
        /// Who.
        worker: WorkerId,
        /// Why.
        failure: Failure,
    },
    /// The worker gives it back for reasons of its own.
    Released {
        /// Its attempt.
        attempt: u32,
        /// Who.
        worker: WorkerId,
        /// From when on it is to be taken again.
        since: Time,
    },
    /// Nothing was heard of the worker for long after its lease ended.
    TakenBack {
        /// How long, in seconds.
        grace_s: u32,
    },
    /// Nobody took it for long, so its message is sent again.
    Resent {
        /// How long, in seconds.
        grace_s: u32,
    },
    /// No attempt will be made any more.
    GivenUp(Failure),
    /// Its notices are out.
    Notified,
    /// The owner calls it off.
    Canceled,
    /// The owner deletes it.
    Deleted,
    /// The objects of the deleted video were removed.
    Removed,
    /// Its objects were removed after their retention.
    Purged,
}

/// An event's name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "the events say what they mean")]
pub enum EventName {
    MultipartBegun,
    Held,
    Dispatched,
    Expired,
    Claimed,
    Progressed,
    Completed,
    Failed,
    Released,
    TakenBack,
    Resent,
    GivenUp,
    Notified,
    Canceled,
    Deleted,
    Removed,
    Purged,
}

impl Event {
    /// Its name.
    pub const fn name(&self) -> EventName {
        match self {
            Self::MultipartBegun(_) => EventName::MultipartBegun,
            Self::Held => EventName::Held,
            Self::Dispatched => EventName::Dispatched,
            Self::Expired => EventName::Expired,
            Self::Claimed { .. } => EventName::Claimed,
            Self::Progressed { .. } => EventName::Progressed,
            Self::Completed { .. } => EventName::Completed,
            Self::Failed { .. } => EventName::Failed,
            Self::Released { .. } => EventName::Released,
            Self::TakenBack { .. } => EventName::TakenBack,
            Self::Resent { .. } => EventName::Resent,
            Self::GivenUp(_) => EventName::GivenUp,
            Self::Notified => EventName::Notified,
            Self::Canceled => EventName::Canceled,
            Self::Deleted => EventName::Deleted,
            Self::Removed => EventName::Removed,
            Self::Purged => EventName::Purged,
        }
    }
}

impl fmt::Display for EventName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::MultipartBegun => "multipart begun",
            Self::Held => "held",
            Self::Dispatched => "dispatched",
            Self::Expired => "expired",
            Self::Claimed => "claimed",
            Self::Progressed => "progressed",
            Self::Completed => "completed",
            Self::Failed => "failed",
            Self::Released => "released",
            Self::TakenBack => "taken back",
            Self::Resent => "resent",
            Self::GivenUp => "given up",
            Self::Notified => "notified",
            Self::Canceled => "canceled",
            Self::Deleted => "deleted",
            Self::Removed => "removed",
            Self::Purged => "purged",
        })
    }
}

/// Why an event may not happen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// The video is not that far.
    NotReady,
    /// It is past that already.
    AlreadyPast,
    /// Another attempt is the current one, or none is.
    Stale,
    /// Somebody else holds it until then.
    Held {
        /// The end of the lease.
        until: Time,
    },
    /// It has been worked on for as long as it may.
    DeadlinePassed,
    /// It is too early for that.
    TooEarly,
    /// It is in a terminal state.
    Finished,
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NotReady => "it is not that far",
            Self::AlreadyPast => "it is past that",
            Self::Stale => "the attempt is not the current one",
            Self::Held { until } => return write!(f, "another worker holds it until {until}"),
            Self::DeadlinePassed => "its time is up",
            Self::TooEarly => "it is too early",
            Self::Finished => "it is finished",
        })
    }
}

/// An event that may not happen in a state.
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

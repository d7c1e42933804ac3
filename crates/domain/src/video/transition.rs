//! The transitions: each state's reaction to each event.
//!
//! Every event may be repeated (an answer was lost, a message came twice): one that already had its effect
//! changes nothing. An event that the state does not allow is refused with a reason.

use super::event::{Event, Reason, Refused};
use super::state::{
    Attempts, End, Extraction, Lease, Multipart, Pending, Processing, Progress, Stage, State,
};
use crate::{Failure, Time, WorkerId};

impl State {
    /// Returns the state after the event, or why the event is refused.
    pub fn apply(self, event: Event, now: Time) -> Result<Self, Refused> {
        let (state, name) = (self.name(), event.name());
        let outcome = match event {
            Event::MultipartBegun(multipart) => self.multipart_begun(multipart),
            Event::Queued => self.queued(),
            Event::Dispatched => self.dispatched(now),
            Event::Expired => self.expired(now),
            Event::Claimed { worker, claim_id, lease_s, max_job_s } => {
                let lease = Lease { worker, claim_id, expires_at: now.plus_s(lease_s) };
                self.claimed(lease, max_job_s, now)
            }
            Event::Progressed { attempt, worker, progress, lease_s } => {
                let expires_at = now.plus_s(lease_s);
                self.current(attempt, &worker).map(|processing| {
                    let lease = Lease { expires_at, ..processing.lease };
                    Self::Processing(Processing { lease, progress, ..processing })
                })
            }
            Event::Completed { attempt, worker, result } => self.completed(attempt, &worker, result, now),
            Event::Failed { attempt, worker, failure, decoded_ms } => {
                self.failed(attempt, &worker, failure, decoded_ms, now)
            }
            Event::Released { attempt, worker, since } => self.released(attempt, &worker, since),
            Event::Reclaimed { grace_s } => self.reclaimed(grace_s, now),
            Event::Resent { grace_s } => self.resent(grace_s, now),
            Event::GivenUp(failure) => self.given_up(failure, now),
            Event::Notified => self.notified(),
            Event::Canceled => self.canceled(now),
            Event::Deleted => Ok(self.deleted(now)),
            Event::Removed => self.removed(),
            Event::Purged => self.purged(),
        };
        outcome.map_err(|reason| Refused { state, event: name, reason })
    }

    fn multipart_begun(self, begun: Multipart) -> Result<Self, Reason> {
        match self {
            Self::AwaitingUpload { expires_at, multipart } => {
                Ok(Self::AwaitingUpload { expires_at, multipart: Some(multipart.unwrap_or(begun)) })
            }
            Self::Queued | Self::Pending(_) | Self::Processing(_) => Err(Reason::AlreadyPast),
            _ => Err(Reason::Finished),
        }
    }

    fn queued(self) -> Result<Self, Reason> {
        match self {
            Self::AwaitingUpload { .. } | Self::Queued => Ok(Self::Queued),
            Self::Pending(_) | Self::Processing(_) => Err(Reason::AlreadyPast),
            _ => Err(Reason::Finished),
        }
    }

    fn dispatched(self, now: Time) -> Result<Self, Reason> {
        match self {
            Self::AwaitingUpload { .. } | Self::Queued => {
                Ok(Self::Pending(Pending { attempts: Attempts::default(), since: now }))
            }
            Self::Pending(_) => Ok(self),
            Self::Processing(_) => Err(Reason::AlreadyPast),
            _ => Err(Reason::Finished),
        }
    }

    fn expired(self, now: Time) -> Result<Self, Reason> {
        match self {
            Self::AwaitingUpload { expires_at, .. } if now < expires_at => Err(Reason::TooEarly),
            Self::AwaitingUpload { multipart, .. } => {
                let end = End::new(Attempts::default(), Progress::default(), now);
                Ok(Self::Expired { end, multipart, notified: false })
            }
            Self::Expired { .. } => Ok(self),
            Self::Queued | Self::Pending(_) | Self::Processing(_) => Err(Reason::AlreadyPast),
            _ => Err(Reason::Finished),
        }
    }

    fn claimed(self, lease: Lease, max_job_s: u32, now: Time) -> Result<Self, Reason> {
        let attempts = match self {
            Self::AwaitingUpload { .. } | Self::Queued => return Err(Reason::NotReady),
            Self::Pending(Pending { attempts, .. }) => attempts,
            Self::Processing(processing) if now < processing.lease.expires_at => {
                let held = &processing.lease;
                // The answer to the first claim was lost, so the same worker repeats it.
                let again = lease.claim_id.is_some()
                    && held.claim_id == lease.claim_id
                    && held.worker == lease.worker;
                if again {
                    return Ok(Self::Processing(Processing { lease, ..processing }));
                }
                return Err(Reason::LeaseHeld { until: held.expires_at });
            }
            // The attempt's lease lapsed without a report.
            Self::Processing(Processing { attempts, .. }) => {
                Attempts { releases: attempts.releases.saturating_add(1), ..attempts }
            }
            _ => return Err(Reason::Finished),
        };
        let started_at = attempts.first_claim.unwrap_or(now);
        if now >= started_at.plus_s(max_job_s) {
            return Err(Reason::DeadlinePassed);
        }
        let attempts =
            Attempts { made: attempts.made.saturating_add(1), first_claim: Some(started_at), ..attempts };
        Ok(Self::Processing(Processing { attempts, started_at, lease, progress: Progress::default() }))
    }

    /// Returns the processing data if the attempt is the current one. It stays current after its lease lapsed
    /// until another worker claims the job.
    fn current(self, attempt: u32, worker: &WorkerId) -> Result<Processing, Reason> {
        match self {
            Self::Processing(processing)
                if processing.attempts.made == attempt && processing.lease.worker == *worker =>
            {
                Ok(processing)
            }
            Self::AwaitingUpload { .. } | Self::Queued | Self::Pending(_) | Self::Processing(_) => {
                Err(Reason::Stale)
            }
            _ => Err(Reason::Finished),
        }
    }

    fn completed(
        self,
        attempt: u32,
        worker: &WorkerId,
        result: Extraction,
        now: Time,
    ) -> Result<Self, Reason> {
        if let Self::Completed { end, .. } = &self {
            return if end.attempts.made == attempt { Ok(self) } else { Err(Reason::Stale) };
        }
        let processing = self.current(attempt, worker)?;
        let progress = Progress {
            stage: Stage::Done,
            percent: 100,
            frames_done: result.frames,
            frames_expected: Some(result.frames),
            bytes_read: result.bytes_read,
            decoded_ms: result.decoded_ms,
        };
        Ok(Self::Completed { end: End::new(processing.attempts, progress, now), result, notified: false })
    }

    fn failed(
        self,
        attempt: u32,
        worker: &WorkerId,
        failure: Failure,
        decoded_ms: u64,
        now: Time,
    ) -> Result<Self, Reason> {
        if let Self::Failed { end, .. } = &self {
            return if end.attempts.made == attempt { Ok(self) } else { Err(Reason::Stale) };
        }
        let processing = self.current(attempt, worker)?;
        let progress = Progress { decoded_ms, ..processing.progress };
        let end = End::new(processing.attempts, progress, now);
        Ok(Self::Failed { end, failure, notified: false })
    }

    fn released(self, attempt: u32, worker: &WorkerId, since: Time) -> Result<Self, Reason> {
        if let Self::Pending(pending) = &self
            && pending.attempts.made == attempt
            && attempt > 0
        {
            return Ok(self);
        }
        let attempts = self.current(attempt, worker)?.attempts;
        let attempts = Attempts { releases: attempts.releases.saturating_add(1), ..attempts };
        Ok(Self::Pending(Pending { attempts, since }))
    }

    fn reclaimed(self, grace_s: u32, now: Time) -> Result<Self, Reason> {
        match self {
            Self::Processing(processing) if now >= processing.lease.expires_at.plus_s(grace_s) => {
                let attempts = processing.attempts;
                let attempts = Attempts { releases: attempts.releases.saturating_add(1), ..attempts };
                Ok(Self::Pending(Pending { attempts, since: now }))
            }
            Self::Processing(_) => Err(Reason::TooEarly),
            Self::AwaitingUpload { .. } | Self::Queued | Self::Pending(_) => Err(Reason::NotReady),
            _ => Err(Reason::Finished),
        }
    }

    fn resent(self, grace_s: u32, now: Time) -> Result<Self, Reason> {
        match self {
            Self::Pending(pending) if now >= pending.since.plus_s(grace_s) => {
                Ok(Self::Pending(Pending { since: now, ..pending }))
            }
            Self::Pending(_) => Err(Reason::TooEarly),
            Self::AwaitingUpload { .. } | Self::Queued => Err(Reason::NotReady),
            Self::Processing(_) => Err(Reason::AlreadyPast),
            _ => Err(Reason::Finished),
        }
    }

    fn given_up(self, failure: Failure, now: Time) -> Result<Self, Reason> {
        match self {
            Self::Pending(_) | Self::Processing(_) => {
                // What was decoded for nothing is not counted.
                let progress = Progress { decoded_ms: 0, ..self.progress() };
                let end = End::new(self.attempts(), progress, now);
                Ok(Self::Failed { end, failure, notified: false })
            }
            Self::AwaitingUpload { .. } | Self::Queued => Err(Reason::NotReady),
            Self::Failed { .. } => Ok(self),
            _ => Err(Reason::Finished),
        }
    }

    fn notified(self) -> Result<Self, Reason> {
        match self {
            Self::Completed { end, result, .. } => Ok(Self::Completed { end, result, notified: true }),
            Self::Failed { end, failure, .. } => Ok(Self::Failed { end, failure, notified: true }),
            Self::Expired { end, multipart, .. } => Ok(Self::Expired { end, multipart, notified: true }),
            Self::Canceled { .. } | Self::Deleted { .. } => Err(Reason::Finished),
            _ => Err(Reason::NotReady),
        }
    }

    fn canceled(self, now: Time) -> Result<Self, Reason> {
        match self {
            Self::AwaitingUpload { .. } | Self::Queued | Self::Pending(_) | Self::Processing(_) => {
                let end = End::new(self.attempts(), self.progress(), now);
                let uploaded = self.is_uploaded();
                Ok(Self::Canceled { end, uploaded, multipart: self.multipart().cloned() })
            }
            Self::Canceled { .. } => Ok(self),
            _ => Err(Reason::Finished),
        }
    }

    /// Never refused: an owner may delete a video in any state.
    fn deleted(self, now: Time) -> Self {
        if let Self::Deleted { .. } = self {
            return self;
        }
        let end = End::new(self.attempts(), self.progress(), now);
        // The objects of a purged video are deleted already.
        let purged = self.end().is_some_and(|end| end.purged);
        Self::Deleted { end: End { purged, ..end }, multipart: self.multipart().cloned(), removed: purged }
    }

    fn removed(self) -> Result<Self, Reason> {
        match self {
            Self::Deleted { end, multipart, .. } => Ok(Self::Deleted { end, multipart, removed: true }),
            _ => Err(Reason::NotReady),
        }
    }

    fn purged(mut self) -> Result<Self, Reason> {
        match &mut self {
            Self::Completed { end, .. }
            | Self::Failed { end, .. }
            | Self::Canceled { end, .. }
            | Self::Expired { end, .. }
            | Self::Deleted { end, .. } => {
                end.purged = true;
                Ok(self)
            }
            _ => Err(Reason::NotReady),
        }
    }
}

impl State {
    /// The state of a video whose creation was abandoned.
    pub fn tombstone(now: Time) -> Self {
        let end = End::new(Attempts::default(), Progress::default(), now);
        Self::Deleted { end: End { purged: true, ..end }, multipart: None, removed: true }
    }
}

impl End {
    fn new(attempts: Attempts, progress: Progress, at: Time) -> Self {
        Self { at, attempts, progress, purged: false }
    }
}

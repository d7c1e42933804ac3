//! Calls about notices and webhooks, their preparation, and the worker that sends notices and delivers events.

use framelift_contract::webhook::{DeliveryOutcome, DeliveryReport};
use framelift_domain::{EventId, Failure, FailureCode, VideoId};
use futures::executor::block_on;

use super::super::super::invariants::Invariants;
use super::{Call, Scene, worker};
use crate::jobs::JobError;

impl Scene {
    /// A failed video whose notice is due. The worker that would have sent it has lost its message.
    pub(super) fn failed(&mut self) -> VideoId {
        let id = self.uploaded();
        self.claimed(id);
        let failure = Failure::new(FailureCode::CorruptInput, "no frame");
        block_on(self.jobs().fail(id, 1, worker(), failure, 0)).unwrap();
        self.held.clear();
        id
    }

    pub(super) fn report(outcome: DeliveryOutcome) -> DeliveryReport {
        DeliveryReport { attempt: 1, worker_id: worker(), outcome, status: Some(200), error: None }
    }

    /// Sends a video's notice, if it is due, and delivers its event. Returns whether the message may be deleted.
    pub(super) fn send_notice(&self, id: VideoId) -> bool {
        let sent = match block_on(self.jobs().notice(id)) {
            Ok(Some(_)) => block_on(self.jobs().notified(id, 0, !self.no_webhook)).map(drop),
            Ok(None) | Err(JobError::VideoNotFound) => Ok(()),
            Err(error) => Err(error),
        };
        match sent {
            Ok(()) => self.deliver(id.into()),
            // Another caller crashed before it created a value, and counts as dead only after a minute.
            Err(JobError::Unavailable(_)) => return false,
            Err(error) => panic!("a notice failed with {error:?}"),
        }
        true
    }

    /// Sends an event to the webhook, if one is due.
    pub(super) fn deliver(&self, id: EventId) {
        match block_on(self.jobs().claim_delivery(id)) {
            Ok(delivery) => {
                self.take(id, &delivery.payload);
                let report =
                    DeliveryReport { attempt: delivery.made + 1, ..Self::report(DeliveryOutcome::Delivered) };
                block_on(self.jobs().record_attempt(id, &report)).unwrap();
            }
            // Another worker has the lease; the sweep sends another message.
            Err(JobError::JobFinished | JobError::LeaseHeld { .. }) => {}
            Err(error) => panic!("a delivery failed with {error:?}"),
        }
    }

    pub(super) fn take(&self, id: EventId, payload: &str) {
        let mut received = self.received.borrow_mut();
        assert_eq!(received.entry(id).or_insert_with(|| payload.to_owned()), payload);
    }

    /// Checks that the webhook's receiver has the events that it must have.
    pub(in super::super) fn check_received(
        &self,
        call: Call,
        answered: bool,
        seen: &Invariants,
    ) -> std::result::Result<(), String> {
        // Of videos that were deleted, and where the account has no webhook or is gone, nothing is promised.
        if self.no_webhook || matches!(call, Call::Close | Call::SweepClosedNotice) {
            return Ok(());
        }
        if call == Call::TestEvent
            && answered
            && !self.received.borrow().contains_key(&EventId::new(5, [5; 10]))
        {
            return Err("the test event did not come".to_owned());
        }
        seen.all_received(self.user, &self.received.borrow())
    }
}

//! Calls about notices and webhooks, and what workers and a receiver make of them.

use framelift_contract::webhook::{DeliveryOutcome, DeliveryReport};
use framelift_domain::{EventId, Failure, FailureCode, VideoId};
use futures::executor::block_on;

use super::super::super::invariants::Invariants;
use super::{Call, Scene, worker};
use crate::jobs::JobError;

impl Scene {
    /// A video that failed, of which nobody was told, and whose messages are lost.
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

    /// Sends the notice that is due, if there is one; whether that is done with.
    pub(super) fn tell(&self, id: VideoId) -> bool {
        let told = match block_on(self.jobs().notice(id)) {
            Ok(Some(_)) => block_on(self.jobs().notified(id, 0, !self.no_webhook)).map(drop),
            Ok(None) | Err(JobError::VideoNotFound) => Ok(()),
            Err(error) => Err(error),
        };
        match told {
            Ok(()) => self.deliver(id.into()),
            // Somebody who died may still be about to create a value.
            Err(JobError::Unavailable(_)) => return false,
            Err(error) => panic!("a notice met with {error:?}"),
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
            // Somebody is at it: the sweep sends another message.
            Err(JobError::JobFinished | JobError::LeaseHeld { .. }) => {}
            Err(error) => panic!("a delivery met with {error:?}"),
        }
    }

    pub(super) fn take(&self, id: EventId, payload: &str) {
        let mut received = self.received.borrow_mut();
        assert_eq!(received.entry(id).or_insert_with(|| payload.to_owned()), payload);
    }

    /// The receiver got what it was to get.
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

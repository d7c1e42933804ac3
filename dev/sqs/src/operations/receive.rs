//! Receiving, with the wait of a long poll.

use std::{collections::BTreeMap, pin::pin, sync::Arc};

use jiff::Timestamp;
use serde_json::json;

use super::{Answer, Lease, Service, done};
use crate::{
    digest,
    error::{ApiError, Code},
    settings::{self, MAX_VISIBILITY},
    store::{ReceiveRequest, ReceivedMessage},
    validate,
    wire::{Attributes, Message, ReceiveMessage},
};

const MAX_MESSAGES: i64 = 10;
const MAX_WAIT_S: i64 = 20;
const SYSTEM_ATTRIBUTES: [&str; 10] = [
    "AWSTraceHeader",
    "All",
    "ApproximateFirstReceiveTimestamp",
    "ApproximateReceiveCount",
    "DeadLetterQueueSourceArn",
    "MessageDeduplicationId",
    "MessageGroupId",
    "SenderId",
    "SentTimestamp",
    "SequenceNumber",
];

impl Service {
    pub(super) async fn receive_message(&self, request: ReceiveMessage) -> Result<Answer, ApiError> {
        let queue = self.queue_of(request.queue_url.as_deref())?;
        let max = validate::range("MaxNumberOfMessages", request.max_number_of_messages, 1, MAX_MESSAGES)?;
        let visibility = validate::range("VisibilityTimeout", request.visibility_timeout, 0, MAX_VISIBILITY)?;
        let wait = validate::range("WaitTimeSeconds", request.wait_time_seconds, 0, MAX_WAIT_S)?;
        let mut wanted = request.attribute_names;
        wanted.extend(request.message_system_attribute_names);
        if let Some(unknown) = wanted.iter().find(|name| !SYSTEM_ATTRIBUTES.contains(&name.as_str())) {
            return Err(settings::unknown(unknown));
        }
        let max = u32::try_from(max.unwrap_or(1)).unwrap_or_default();
        let (messages, lease) = self.wait_for(&queue, max, visibility, wait).await?;
        if messages.is_empty() {
            return done(Ok(json!({})));
        }
        let messages = messages
            .into_iter()
            .map(|message| self.shown(message, &wanted, &request.message_attribute_names))
            .collect::<Result<Vec<_>, _>>()?;
        let answer = done(Ok(json!({"Messages": messages})))?;
        Ok(Answer { lease, ..answer })
    }

    /// Takes messages now, or as soon as there are some within `wait` seconds.
    async fn wait_for(
        &self,
        queue: &str,
        max: u32,
        visibility: Option<i64>,
        wait: Option<i64>,
    ) -> Result<(Vec<ReceivedMessage>, Option<Lease>), ApiError> {
        let started = self.now_ms();
        let wait = match wait {
            Some(wait) => wait,
            None => {
                let name = queue.to_owned();
                let found = self.db.run(move |store| store.find_queue(&name)).await?;
                found.settings.receive_wait
            }
        };
        let deadline = started + wait * 1000;
        loop {
            // Before the store is read: from here on no notification is missed.
            let signal = self.signals.of(queue);
            let mut notified = pin!(signal.notify.notified());
            notified.as_mut().enable();

            let now = self.now_ms();
            let (messages, lease, next_visible, saturated) = self.take(queue, max, visibility, now).await?;
            if !messages.is_empty() {
                return Ok((messages, Some(lease)));
            }
            if saturated && wait == 0 {
                return Err(ApiError::new(
                    Code::OverLimit,
                    "The number of in flight messages has reached the limit.",
                ));
            }
            if now >= deadline || self.stopping.is_cancelled() {
                return Ok((Vec::new(), None));
            }
            let until = next_visible.map_or(deadline, |at| at.min(deadline));
            let until = Timestamp::from_millisecond(until).unwrap_or(Timestamp::MAX);
            let _waiting = self.signals.count_waiting();
            tokio::select! {
                () = notified => {}
                () = self.clock.sleep_until(until) => {}
                () = self.stopping.cancelled() => {}
            }
        }
    }

    /// One look into the store. The lease is made on the store's thread, so that a client
    /// that hangs up at any moment leaves no message behind.
    async fn take(
        &self,
        queue: &str,
        max: u32,
        visibility: Option<i64>,
        now: i64,
    ) -> Result<(Vec<ReceivedMessage>, Lease, Option<i64>, bool), ApiError> {
        let take = ReceiveRequest { max, visibility, in_flight_limit: self.limits.in_flight, now };
        let mut lease = Lease {
            db: self.db.clone(),
            clock: Arc::clone(&self.clock),
            signals: Arc::clone(&self.signals),
            queue: queue.to_owned(),
            handles: Vec::new(),
        };
        let faults = self.faults.clone();
        self.db
            .run(move |store| {
                let taken = store.receive(&lease.queue, &take, || faults.next_is_duplicate())?;
                if let Some(dead_letter_queue) = &taken.moved_to {
                    lease.signals.notify(dead_letter_queue);
                }
                if taken.saturated {
                    // Here, in step with the deletions that make room again.
                    lease.signals.of(&lease.queue).mark_saturated();
                }
                let handles = taken.messages.iter().map(|message| message.handle.clone());
                lease.handles = handles.collect();
                Ok((taken.messages, lease, taken.next_visible, taken.saturated))
            })
            .await
    }

    fn shown(
        &self,
        message: ReceivedMessage,
        wanted: &[String],
        wanted_attributes: &[String],
    ) -> Result<Message, ApiError> {
        let attributes: Attributes = serde_json::from_str(&message.attributes).map_err(|error| {
            tracing::error!(%error, "stored message attributes cannot be read");
            ApiError::internal()
        })?;
        let message_attributes = validate::wanted_attributes(attributes, wanted_attributes);
        Ok(Message {
            receipt_handle: message.handle.encode(),
            attributes: self.system_attributes(&message, wanted),
            message_id: message.message_id,
            md5_of_body: digest::md5_of_body(&message.body),
            body: message.body,
            // The digest covers what is sent along, not what was stored.
            md5_of_attributes: digest::md5_of_attributes(&message_attributes),
            message_attributes,
        })
    }

    fn system_attributes(
        &self,
        message: &ReceivedMessage,
        wanted: &[String],
    ) -> BTreeMap<&'static str, String> {
        let mut all = BTreeMap::from([
            ("SenderId", self.credentials.access_key_id.clone()),
            ("SentTimestamp", message.sent_ms.to_string()),
            ("ApproximateReceiveCount", message.receive_count.to_string()),
            ("ApproximateFirstReceiveTimestamp", message.first_receive_ms.to_string()),
        ]);
        if !message.group.is_empty() {
            all.insert("MessageGroupId", message.group.clone());
        }
        if let Some(header) = &message.trace_header {
            all.insert("AWSTraceHeader", header.clone());
        }
        if let Some(source) = &message.dead_letter_source {
            all.insert("DeadLetterQueueSourceArn", source.clone());
        }
        if !wanted.iter().any(|name| name == "All") {
            all.retain(|name, _| wanted.iter().any(|wanted| wanted == name));
        }
        all
    }
}

//! The job queue: receives, defers and deletes messages. A received message is a lease.

mod lease;

use std::time::Duration;

use aws_sdk_sqs::Client;
use aws_sdk_sqs::error::{DisplayErrorContext, SdkError};
use aws_sdk_sqs::types::{MessageSystemAttributeName, QueueAttributeName};

use tokio_util::sync::CancellationToken;

use crate::retry::{Retryable, retry};

pub(crate) use lease::Lease;

/// How long a call other than a receive is retried. After that the message's visibility timeout makes it
/// visible again.
const RETRY_TIMEOUT: Duration = Duration::from_secs(10);

/// Why a call to the queue failed.
#[derive(Clone, Debug, thiserror::Error)]
pub(crate) enum QueueError {
    /// The queue refuses the call; a retry would not help.
    #[error("the queue refuses: {0}")]
    Refused(String),
    /// No answer, or a server error; a retry may help.
    #[error("the queue does not answer: {0}")]
    Unavailable(String),
}

impl QueueError {
    fn of<E: std::error::Error + 'static>(error: SdkError<E>) -> Self {
        let status = error.raw_response().map(|response| response.status().as_u16());
        let detail = DisplayErrorContext(&error).to_string();
        match status {
            Some(400..=428 | 430..=499) => Self::Refused(detail),
            _ => Self::Unavailable(detail),
        }
    }
}

impl Retryable for QueueError {
    fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Refused(_) => None,
            Self::Unavailable(_) => Some(Duration::ZERO),
        }
    }
}

/// A received message.
#[derive(Clone, Debug)]
pub(crate) struct Received {
    /// The queue's id for it.
    pub message_id: String,
    /// The receipt handle, with which it is deleted or its visibility changed.
    pub receipt: String,
    /// Its text.
    pub body: String,
    /// How often it was received, this time included.
    pub receives: u32,
}

/// One queue.
#[derive(Clone, Debug)]
pub(crate) struct Queue {
    client: Client,
    url: String,
}

impl Queue {
    /// The queue at that URL.
    pub(crate) fn new(client: Client, url: impl Into<String>) -> Self {
        Self { client, url: url.into() }
    }

    /// Whether the queue answers.
    pub(crate) async fn ready(&self) -> Result<(), QueueError> {
        let request = self.client.get_queue_attributes().queue_url(&self.url);
        let request = request.attribute_names(QueueAttributeName::VisibilityTimeout);
        request.send().await.map(drop).map_err(QueueError::of)
    }

    /// Waits for a message, which then stays invisible for `visibility`.
    pub(crate) async fn receive(
        &self,
        wait: Duration,
        visibility: Duration,
    ) -> Result<Option<Received>, QueueError> {
        let answer = self
            .client
            .receive_message()
            .queue_url(&self.url)
            .max_number_of_messages(1)
            .wait_time_seconds(whole_seconds(wait))
            .visibility_timeout(whole_seconds(visibility))
            .message_system_attribute_names(MessageSystemAttributeName::ApproximateReceiveCount)
            .send()
            .await
            .map_err(QueueError::of)?;
        let Some(message) = answer.messages.unwrap_or_default().into_iter().next() else { return Ok(None) };
        let receives = message
            .attributes
            .and_then(|mut all| all.remove(&MessageSystemAttributeName::ApproximateReceiveCount))
            .and_then(|text| text.parse().ok());
        Ok(Some(Received {
            message_id: message.message_id.unwrap_or_default(),
            receipt: message
                .receipt_handle
                .ok_or_else(|| QueueError::Refused("a message without a receipt".into()))?,
            body: message.body.unwrap_or_default(),
            receives: receives.unwrap_or(1),
        }))
    }

    /// Makes the message invisible for this long from now, or visible at once with zero.
    pub(crate) async fn change_visibility(
        &self,
        receipt: &str,
        visibility: Duration,
    ) -> Result<(), QueueError> {
        self.retry("change visibility", || async {
            let request = self.client.change_message_visibility().queue_url(&self.url);
            let request = request.receipt_handle(receipt).visibility_timeout(whole_seconds(visibility));
            request.send().await.map(drop).map_err(QueueError::of)
        })
        .await
    }

    /// Removes the message.
    pub(crate) async fn delete(&self, receipt: &str) -> Result<(), QueueError> {
        self.retry("delete", || async {
            let request = self.client.delete_message().queue_url(&self.url).receipt_handle(receipt);
            request.send().await.map(drop).map_err(QueueError::of)
        })
        .await
    }

    /// Adds a message.
    pub(crate) async fn send(&self, body: &str) -> Result<(), QueueError> {
        self.retry("send", || async {
            let request = self.client.send_message().queue_url(&self.url).message_body(body);
            request.send().await.map(drop).map_err(QueueError::of)
        })
        .await
    }

    async fn retry<Call, Answer>(&self, what: &'static str, call: Call) -> Result<(), QueueError>
    where
        Call: FnMut() -> Answer,
        Answer: Future<Output = Result<(), QueueError>>,
    {
        retry(what, RETRY_TIMEOUT, &CancellationToken::new(), call).await
    }
}

/// Whole seconds, rounded up, within the limits of SQS.
fn whole_seconds(duration: Duration) -> i32 {
    const MAX_SECONDS: u64 = 12 * 3600;
    let seconds = duration.as_secs().saturating_add(u64::from(duration.subsec_nanos() > 0));
    i32::try_from(seconds.min(MAX_SECONDS)).unwrap_or(i32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seconds_are_rounded_up_and_bounded() {
        assert_eq!(whole_seconds(Duration::ZERO), 0);
        assert_eq!(whole_seconds(Duration::from_millis(1)), 1);
        assert_eq!(whole_seconds(Duration::from_secs(60)), 60);
        assert_eq!(whole_seconds(Duration::MAX), 43_200);
    }
}

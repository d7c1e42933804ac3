//! What is ours alone: signatures, the clock, restarts, fairness, quotas, lost clients, faults.

#![expect(
    clippy::unwrap_used,
    reason = "clippy lets tests unwrap, and takes the helpers of a test for something else"
)]

mod support;

#[path = "sqs/clock.rs"]
mod clock;
#[path = "sqs/errors.rs"]
mod errors;
#[path = "sqs/faults.rs"]
mod faults;
#[path = "sqs/order.rs"]
mod order;
#[path = "sqs/process.rs"]
mod process;
#[path = "sqs/signature.rs"]
mod signature;

use std::{sync::Arc, time::SystemTime};

use aws_sdk_sqs::{
    Client,
    error::{ProvideErrorMetadata, SdkError},
    types::{Message, MessageSystemAttributeName as System, QueueAttributeName as Attribute},
};
use aws_smithy_async::time::TimeSource;
use framelift_dev_faults::Faults;
use framelift_dev_sqs::{Clock, Limits, ManualClock, Options, SqsServer};
use tempfile::TempDir;

/// A server whose time stands still until a test turns it, and a queue on it.
struct Fixture {
    client: Client,
    clock: ManualClock,
    faults: Faults,
    folder: TempDir,
    server: SqsServer,
    url: String,
}

/// The server's clock as the SDK takes it, so that signatures are of the same time.
#[derive(Debug)]
struct SdkClock(ManualClock);

impl TimeSource for SdkClock {
    fn now(&self) -> SystemTime {
        self.0.now().into()
    }
}

impl Fixture {
    async fn new(attributes: &[(Attribute, &str)]) -> Self {
        Self::with_limits(Limits::default(), attributes).await
    }

    async fn with_limits(limits: Limits, attributes: &[(Attribute, &str)]) -> Self {
        let clock = ManualClock::new("2026-01-31T12:00:00Z".parse().unwrap());
        let faults = Faults::default();
        let options = Options { clock: Arc::new(clock.clone()), limits, faults: faults.clone() };
        let folder = tempfile::tempdir().unwrap();
        let server = support::start(&folder, options).await;
        let client = client(&server, &clock);
        let mut create = client.create_queue().queue_name("jobs");
        for (name, value) in attributes {
            create = create.attributes(name.clone(), *value);
        }
        let url = create.send().await.unwrap().queue_url.unwrap();
        assert_eq!(url, server.queue_url("jobs"));
        Self { client, clock, faults, folder, server, url }
    }

    /// Stops the server and starts another one on the same folder and port 0.
    async fn restart(self) -> Self {
        self.server.shutdown().await;
        let options = Options {
            clock: Arc::new(self.clock.clone()),
            faults: self.faults.clone(),
            ..Options::default()
        };
        let server = support::start(&self.folder, options).await;
        Self { client: client(&server, &self.clock), server, ..self }
    }

    async fn send(&self, body: &str, group: Option<&str>) {
        self.client
            .send_message()
            .queue_url(&self.url)
            .message_body(body)
            .set_message_group_id(group.map(str::to_owned))
            .send()
            .await
            .unwrap();
    }

    async fn try_receive(&self, max: i32, wait: i32) -> Result<Vec<Message>, String> {
        receive(self.client.clone(), self.url.clone(), max, wait).await
    }

    /// Takes what is there, without waiting.
    async fn receive(&self, max: i32) -> Vec<Message> {
        self.try_receive(max, 0).await.unwrap()
    }

    async fn receive_one(&self) -> Message {
        let mut messages = self.receive(1).await;
        assert_eq!(messages.len(), 1);
        messages.remove(0)
    }

    /// A long poll in the background, running once this returns.
    async fn poll(&self, wait: i32) -> tokio::task::JoinHandle<Result<Vec<Message>, String>> {
        let receiving = receive(self.client.clone(), self.url.clone(), 10, wait);
        let mut poll = tokio::spawn(receiving);
        tokio::select! {
            () = self.wait_for_waiting(1) => poll,
            early = &mut poll => panic!("did not wait: {early:?}"),
        }
    }

    async fn wait_for_waiting(&self, number: usize) {
        let mut waiting = self.server.waiting_requests();
        waiting.wait_for(|count| *count == number).await.unwrap();
    }

    async fn change(&self, message: &Message, seconds: i32) -> Result<(), String> {
        let change = self
            .client
            .change_message_visibility()
            .queue_url(&self.url)
            .receipt_handle(message.receipt_handle().unwrap())
            .visibility_timeout(seconds);
        change.send().await.map(|_| ()).map_err(code_of)
    }

    async fn delete(&self, message: &Message) {
        self.client
            .delete_message()
            .queue_url(&self.url)
            .receipt_handle(message.receipt_handle().unwrap())
            .send()
            .await
            .unwrap();
    }

    /// Visible, hidden and delayed messages.
    async fn counts(&self) -> [String; 3] {
        let answer = self
            .client
            .get_queue_attributes()
            .queue_url(&self.url)
            .attribute_names(Attribute::All)
            .send()
            .await
            .unwrap();
        let attributes = answer.attributes.unwrap();
        [
            Attribute::ApproximateNumberOfMessages,
            Attribute::ApproximateNumberOfMessagesNotVisible,
            Attribute::ApproximateNumberOfMessagesDelayed,
        ]
        .map(|name| attributes[&name].clone())
    }
}

fn client(server: &SqsServer, clock: &ManualClock) -> Client {
    let config = support::sdk(&server.endpoint()).time_source(SdkClock(clock.clone()));
    Client::from_conf(config.build())
}

async fn receive(client: Client, url: String, max: i32, wait: i32) -> Result<Vec<Message>, String> {
    let answer = client
        .receive_message()
        .queue_url(url)
        .max_number_of_messages(max)
        .wait_time_seconds(wait)
        .message_system_attribute_names(System::All)
        .send()
        .await;
    answer.map(|answer| answer.messages.unwrap_or_default()).map_err(code_of)
}

/// The code that the service answered with, or how the request failed without an answer.
fn code_of<E: ProvideErrorMetadata, R>(error: SdkError<E, R>) -> String {
    match &error {
        SdkError::ServiceError(_) => error.code().unwrap_or("no code").to_owned(),
        SdkError::DispatchFailure(_) => "no answer".to_owned(),
        _ => "something else".to_owned(),
    }
}

fn bodies(messages: &[Message]) -> Vec<&str> {
    messages.iter().filter_map(Message::body).collect()
}

fn receive_count(message: &Message) -> &str {
    &message.attributes().unwrap()[&System::ApproximateReceiveCount]
}

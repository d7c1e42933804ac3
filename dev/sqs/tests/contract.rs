//! What any SQS does: runs against the server at `FRAMELIFT_SQS_ENDPOINT`, else against ours.

#![expect(
    clippy::unwrap_used,
    reason = "clippy lets tests unwrap, and takes the helpers of a test for something else"
)]

// The end-to-end tests' own: it needs nothing of theirs.
#[path = "../../../e2e/src/peer.rs"]
#[expect(unreachable_pub, reason = "where it comes from, it is public")]
mod peer;
mod support;

use std::{collections::HashMap, env, process::Command};

use aws_sdk_sqs::{
    Client,
    error::{ProvideErrorMetadata, SdkError},
    primitives::Blob,
    types::{
        ChangeMessageVisibilityBatchRequestEntry, DeleteMessageBatchRequestEntry, Message,
        MessageAttributeValue, MessageSystemAttributeName as System, QueueAttributeName as Attribute,
        SendMessageBatchRequestEntry,
    },
};
use framelift_dev_sqs::{Options, SqsServer};
use tempfile::TempDir;

/// A new queue on the server under test.
struct Target {
    client: Client,
    name: String,
    url: String,
    /// Ours, kept while the test runs.
    _server: Option<(SqsServer, TempDir)>,
}

impl Target {
    async fn new(test: &str, attributes: &[(Attribute, &str)]) -> Self {
        let (endpoint, server) = match env::var("FRAMELIFT_SQS_ENDPOINT") {
            Ok(endpoint) => (endpoint, None),
            Err(_) => {
                let folder = tempfile::tempdir().unwrap();
                let server = support::start(&folder, Options::default()).await;
                (server.endpoint(), Some((server, folder)))
            }
        };
        let client = Client::from_conf(support::sdk(&endpoint).build());
        let name = format!("{test}-{}", std::process::id());
        let url = create(&client, &name, attributes).await;
        Self { client, name, url, _server: server }
    }

    async fn send(&self, body: &str) -> String {
        let sent = self.client.send_message().queue_url(&self.url).message_body(body).send().await.unwrap();
        sent.message_id.unwrap()
    }

    async fn receive_from(&self, url: &str, wait: i32) -> Vec<Message> {
        self.client
            .receive_message()
            .queue_url(url)
            .max_number_of_messages(10)
            .wait_time_seconds(wait)
            .message_system_attribute_names(System::All)
            .message_attribute_names("All")
            .send()
            .await
            .unwrap()
            .messages
            .unwrap_or_default()
    }

    /// Waits for one message, up to 20 s.
    async fn receive_one(&self) -> Message {
        let mut messages = self.receive_from(&self.url, 20).await;
        assert_eq!(messages.len(), 1);
        messages.remove(0)
    }

    async fn expect_nothing(&self) {
        assert!(self.receive_from(&self.url, 0).await.is_empty());
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

    async fn attribute(&self, url: &str, name: Attribute) -> String {
        let answer = self
            .client
            .get_queue_attributes()
            .queue_url(url)
            .attribute_names(name.clone())
            .send()
            .await
            .unwrap();
        answer.attributes.unwrap().remove(&name).unwrap()
    }

    /// Numbers of visible, hidden and delayed messages.
    async fn counts(&self) -> [String; 3] {
        [
            self.attribute(&self.url, Attribute::ApproximateNumberOfMessages).await,
            self.attribute(&self.url, Attribute::ApproximateNumberOfMessagesNotVisible).await,
            self.attribute(&self.url, Attribute::ApproximateNumberOfMessagesDelayed).await,
        ]
    }
}

async fn create(client: &Client, name: &str, attributes: &[(Attribute, &str)]) -> String {
    let mut request = client.create_queue().queue_name(name);
    for (attribute, value) in attributes {
        request = request.attributes(attribute.clone(), *value);
    }
    request.send().await.unwrap().queue_url.unwrap()
}

/// The error's code as SDKs show it.
fn code<T: std::fmt::Debug, E: ProvideErrorMetadata, R>(result: Result<T, SdkError<E, R>>) -> String {
    match result {
        Ok(answer) => panic!("not refused: {answer:?}"),
        Err(error) => error.code().unwrap_or("no code").to_owned(),
    }
}

fn attribute(data_type: &str, value: &str) -> MessageAttributeValue {
    MessageAttributeValue::builder().data_type(data_type).string_value(value).build().unwrap()
}

fn entry(id: &str, body: &str) -> SendMessageBatchRequestEntry {
    SendMessageBatchRequestEntry::builder().id(id).message_body(body).build().unwrap()
}

fn system(message: &Message, name: System) -> Option<&str> {
    message.attributes()?.get(&name).map(String::as_str)
}

const NO_QUEUE: &str = "AWS.SimpleQueueService.NonExistentQueue";

#[tokio::test]
async fn queues_are_made_found_listed_and_deleted() {
    let target = Target::new("queues", &[(Attribute::VisibilityTimeout, "45")]).await;
    let client = &target.client;
    // Again, with the same attributes and with none: the same queue.
    let same = [(Attribute::VisibilityTimeout, "45")];
    assert_eq!(create(client, &target.name, &same).await, target.url);
    assert_eq!(create(client, &target.name, &[]).await, target.url);
    let other = client
        .create_queue()
        .queue_name(&target.name)
        .attributes(Attribute::VisibilityTimeout, "46")
        .send()
        .await;
    assert_eq!(code(other), "QueueAlreadyExists");

    let found = client.get_queue_url().queue_name(&target.name).send().await;
    assert_eq!(found.unwrap().queue_url, Some(target.url.clone()));
    let listed = client.list_queues().queue_name_prefix(&target.name).send().await.unwrap();
    assert_eq!(listed.queue_urls(), std::slice::from_ref(&target.url));
    assert_eq!(target.attribute(&target.url, Attribute::VisibilityTimeout).await, "45");
    let arn = target.attribute(&target.url, Attribute::QueueArn).await;
    assert!(arn.starts_with("arn:aws:sqs:eu-central-1:"), "{arn}");
    assert!(arn.ends_with(&format!(":{}", target.name)), "{arn}");

    client.delete_queue().queue_url(&target.url).send().await.unwrap();
    let gone = client.get_queue_url().queue_name(&target.name).send().await;
    let error = gone.unwrap_err();
    assert_eq!(error.code(), Some(NO_QUEUE));
    assert!(error.into_service_error().is_queue_does_not_exist());
    let gone = client.send_message().queue_url(&target.url).message_body("x");
    assert_eq!(code(gone.send().await), NO_QUEUE);
    let gone = client.receive_message().queue_url(&target.url);
    assert_eq!(code(gone.send().await), NO_QUEUE);
}

#[tokio::test]
async fn queue_attributes_are_changed_and_checked() {
    let target = Target::new("attributes", &[]).await;
    for (name, default) in [
        (Attribute::VisibilityTimeout, "30"),
        (Attribute::DelaySeconds, "0"),
        (Attribute::ReceiveMessageWaitTimeSeconds, "0"),
        (Attribute::MessageRetentionPeriod, "345600"),
    ] {
        assert_eq!(target.attribute(&target.url, name).await, default);
    }
    let set = |name, value: &str| {
        target.client.set_queue_attributes().queue_url(&target.url).attributes(name, value).send()
    };
    set(Attribute::VisibilityTimeout, "7").await.unwrap();
    assert_eq!(target.attribute(&target.url, Attribute::VisibilityTimeout).await, "7");
    let unknown = target
        .client
        .get_queue_attributes()
        .queue_url(&target.url)
        .attribute_names(Attribute::from("Colour"))
        .send()
        .await;
    assert_eq!(code(unknown), "InvalidAttributeName");
}

#[tokio::test]
async fn a_message_goes_through_once() {
    let target = Target::new("once", &[]).await;
    let id = target.send("a frame, ein Bild, 🎞").await;
    assert_eq!(target.counts().await, ["1", "0", "0"]);
    let message = target.receive_one().await;
    assert_eq!(message.message_id(), Some(&*id));
    assert_eq!(message.body(), Some("a frame, ein Bild, 🎞"));
    assert_eq!(message.md5_of_body(), Some("33704ff9d3f3dd2cf7a3dac0b0958bc0"));
    assert_eq!(system(&message, System::ApproximateReceiveCount), Some("1"));
    let time = |name| system(&message, name).unwrap().parse::<u64>().unwrap();
    assert!(time(System::SentTimestamp) <= time(System::ApproximateFirstReceiveTimestamp));
    assert_eq!(target.counts().await, ["0", "1", "0"]);
    target.expect_nothing().await;
    target.delete(&message).await;
    assert_eq!(target.counts().await, ["0", "0", "0"]);
    // Deleting again is no error.
    target.delete(&message).await;
}

#[tokio::test]
async fn bodies_and_attributes_carry_their_digests() {
    let target = Target::new("digests", &[]).await;
    let sent = target
        .client
        .send_message()
        .queue_url(&target.url)
        .message_body("hello")
        .message_attributes("name", attribute("String", "value"))
        .message_attributes("count", attribute("Number.int", "12"))
        .message_attributes(
            "raw",
            MessageAttributeValue::builder()
                .data_type("Binary")
                .binary_value(Blob::new([0, 1, 255]))
                .build()
                .unwrap(),
        )
        .send()
        .await
        .unwrap();
    assert_eq!(sent.md5_of_message_body(), Some("5d41402abc4b2a76b9719d911017c592"));
    let message = target.receive_one().await;
    assert_eq!(message.md5_of_body(), Some("5d41402abc4b2a76b9719d911017c592"));
    assert_eq!(message.md5_of_message_attributes(), sent.md5_of_message_attributes());
    let attributes = message.message_attributes().unwrap();
    assert_eq!(attributes["name"].string_value(), Some("value"));
    assert_eq!(attributes["count"].data_type(), "Number.int");
    assert_eq!(attributes["raw"].binary_value(), Some(&Blob::new([0, 1, 255])));
    // Worked out apart, after the developer guide.
    assert_eq!(sent.md5_of_message_attributes(), Some("f5566beec898b7b61ca155bafe594a12"));
}

#[tokio::test]
async fn only_the_wanted_attributes_come_along() {
    let target = Target::new("wanted", &[(Attribute::VisibilityTimeout, "0")]).await;
    target
        .client
        .send_message()
        .queue_url(&target.url)
        .message_body("x")
        .message_attributes("name", attribute("String", "value"))
        .message_attributes("trace.id", attribute("String", "1"))
        .send()
        .await
        .unwrap();
    let receive = |name: Option<&str>| {
        target
            .client
            .receive_message()
            .queue_url(&target.url)
            .set_message_attribute_names(name.map(|name| vec![name.to_owned()]))
            .wait_time_seconds(10)
            .send()
    };
    for (wanted, expected) in [
        (None, vec![]),
        (Some("name"), vec!["name"]),
        (Some("trace.*"), vec!["trace.id"]),
        (Some("All"), vec!["name", "trace.id"]),
    ] {
        let answer = receive(wanted).await.unwrap();
        let message = &answer.messages()[0];
        let empty = HashMap::new();
        let attributes = message.message_attributes().unwrap_or(&empty);
        let mut names: Vec<_> = attributes.keys().map(String::as_str).collect();
        names.sort_unstable();
        assert_eq!(names, expected, "{wanted:?}");
        assert!(message.attributes().is_none_or(HashMap::is_empty));
    }
}

#[tokio::test]
async fn batches_go_through() {
    let target = Target::new("batches", &[]).await;
    let (client, url) = (&target.client, &target.url);
    let sent = client
        .send_message_batch()
        .queue_url(url)
        .entries(entry("one", "1"))
        .entries(entry("two", "2"))
        .entries(entry("three", "3"))
        .send()
        .await
        .unwrap();
    assert!(sent.failed().is_empty());
    let ids: Vec<_> = sent.successful().iter().map(|one| one.id()).collect();
    assert_eq!(ids, ["one", "two", "three"]);
    assert_eq!(sent.successful()[0].md5_of_message_body(), "c4ca4238a0b923820dcc509a6f75849b");
    let messages = target.receive_from(url, 5).await;
    let mut bodies: Vec<_> = messages.iter().filter_map(Message::body).collect();
    bodies.sort_unstable();
    assert_eq!(bodies, ["1", "2", "3"]);

    let mut change = client.change_message_visibility_batch().queue_url(url);
    for (n, message) in messages.iter().enumerate() {
        change = change.entries(
            ChangeMessageVisibilityBatchRequestEntry::builder()
                .id(n.to_string())
                .receipt_handle(message.receipt_handle().unwrap())
                .visibility_timeout(0)
                .build()
                .unwrap(),
        );
    }
    let changed = change.send().await.unwrap();
    assert_eq!((changed.successful().len(), changed.failed().len()), (3, 0));

    let messages = target.receive_from(url, 5).await;
    assert_eq!(messages.len(), 3);
    let mut delete = client.delete_message_batch().queue_url(url);
    for (n, message) in messages.iter().enumerate() {
        delete = delete.entries(
            DeleteMessageBatchRequestEntry::builder()
                .id(n.to_string())
                .receipt_handle(message.receipt_handle().unwrap())
                .build()
                .unwrap(),
        );
    }
    let deleted = delete.send().await.unwrap();
    assert_eq!((deleted.successful().len(), deleted.failed().len()), (3, 0));
    assert_eq!(target.counts().await, ["0", "0", "0"]);
}

#[tokio::test]
async fn batches_that_cannot_be_are_refused() {
    let target = Target::new("refused-batches", &[]).await;
    let send = |entries: Vec<SendMessageBatchRequestEntry>| {
        target.client.send_message_batch().queue_url(&target.url).set_entries(Some(entries)).send()
    };
    assert_eq!(code(send(vec![]).await), "AWS.SimpleQueueService.EmptyBatchRequest");
    let twins = vec![entry("a", "1"), entry("a", "2")];
    assert_eq!(code(send(twins).await), "AWS.SimpleQueueService.BatchEntryIdsNotDistinct");
    let many = (0..11).map(|n| entry(&n.to_string(), "x")).collect();
    assert_eq!(code(send(many).await), "AWS.SimpleQueueService.TooManyEntriesInBatchRequest");
    assert_eq!(code(send(vec![entry("a b", "x")]).await), "AWS.SimpleQueueService.InvalidBatchEntryId");
    let half = "x".repeat(600 << 10);
    assert_eq!(
        code(send(vec![entry("a", &half), entry("b", &half)]).await),
        "AWS.SimpleQueueService.BatchRequestTooLong"
    );
    assert_eq!(target.counts().await, ["0", "0", "0"]);
}

#[tokio::test]
async fn messages_that_cannot_be_are_refused() {
    let target = Target::new("refused-messages", &[]).await;
    let send = |body: &str| target.client.send_message().queue_url(&target.url).message_body(body).send();
    let long = "x".repeat((1 << 20) + 1);
    assert_eq!(code(send(&long).await), "InvalidParameterValue");
    let receive = |max: i32, wait: i32| {
        target
            .client
            .receive_message()
            .queue_url(&target.url)
            .max_number_of_messages(max)
            .wait_time_seconds(wait)
            .send()
    };
    assert_eq!(code(receive(11, 0).await), "InvalidParameterValue");
    assert_eq!(code(receive(0, 0).await), "InvalidParameterValue");
    assert_eq!(code(receive(1, 21).await), "InvalidParameterValue");
    let delete = target.client.delete_message().queue_url(&target.url);
    let delete = delete.receipt_handle("not a receipt").send().await;
    assert_eq!(code(delete), "ReceiptHandleIsInvalid");
}

#[tokio::test]
async fn a_long_poll_sees_what_is_sent_meanwhile() {
    let target = Target::new("long-poll", &[]).await;
    let poll = target.receive_from(&target.url, 20);
    let (messages, _) = tokio::join!(poll, target.send("at last"));
    assert_eq!(messages.len(), 1);
    assert_eq!(messages[0].body(), Some("at last"));
}

#[tokio::test]
async fn a_delayed_message_comes_later() {
    let target = Target::new("delay", &[]).await;
    target
        .client
        .send_message()
        .queue_url(&target.url)
        .message_body("later")
        .delay_seconds(2)
        .send()
        .await
        .unwrap();
    target.expect_nothing().await;
    assert_eq!(target.counts().await, ["0", "0", "1"]);
    assert_eq!(target.receive_one().await.body(), Some("later"));
}

#[tokio::test]
async fn a_message_that_is_not_deleted_comes_again() {
    let target = Target::new("visibility", &[(Attribute::VisibilityTimeout, "2")]).await;
    let id = target.send("again").await;
    let first = target.receive_one().await;
    target.expect_nothing().await;
    let second = target.receive_one().await;
    assert_eq!(second.message_id(), Some(&*id));
    assert_ne!(second.receipt_handle(), first.receipt_handle());
    assert_eq!(system(&second, System::ApproximateReceiveCount), Some("2"));
    assert_eq!(
        system(&second, System::ApproximateFirstReceiveTimestamp),
        system(&first, System::ApproximateFirstReceiveTimestamp)
    );
    target.delete(&second).await;
    assert_eq!(target.counts().await, ["0", "0", "0"]);
}

#[tokio::test]
async fn a_heartbeat_keeps_a_message_and_a_release_returns_it() {
    let target = Target::new("heartbeat", &[(Attribute::VisibilityTimeout, "1")]).await;
    target.send("kept").await;
    let message = target.receive_one().await;
    let change = |seconds: i32| {
        target
            .client
            .change_message_visibility()
            .queue_url(&target.url)
            .receipt_handle(message.receipt_handle().unwrap())
            .visibility_timeout(seconds)
            .send()
    };
    change(600).await.unwrap();
    // Longer than the first timeout, and the message stays hidden.
    assert!(target.receive_from(&target.url, 2).await.is_empty());
    assert_eq!(code(change(43_201).await), "InvalidParameterValue");
    change(0).await.unwrap();
    assert_eq!(target.receive_one().await.body(), Some("kept"));
}

#[tokio::test]
async fn an_exhausted_message_goes_to_the_dead_letter_queue() {
    let target = Target::new("redrive", &[(Attribute::VisibilityTimeout, "0")]).await;
    let dead_name = format!("{}-dead", target.name);
    let dead = create(&target.client, &dead_name, &[]).await;
    let arn = target.attribute(&dead, Attribute::QueueArn).await;
    let policy = format!(r#"{{"deadLetterTargetArn":"{arn}","maxReceiveCount":2}}"#);
    target
        .client
        .set_queue_attributes()
        .queue_url(&target.url)
        .attributes(Attribute::RedrivePolicy, &policy)
        .send()
        .await
        .unwrap();
    let shown = target.attribute(&target.url, Attribute::RedrivePolicy).await;
    assert!(shown.contains(&arn), "{shown}");

    let sent = target
        .client
        .send_message()
        .queue_url(&target.url)
        .message_body("poison")
        .message_attributes("name", attribute("String", "value"))
        .send()
        .await
        .unwrap();
    for count in ["1", "2"] {
        let message = target.receive_one().await;
        assert_eq!(system(&message, System::ApproximateReceiveCount), Some(count));
    }
    target.expect_nothing().await;
    let dead_messages = target.receive_from(&dead, 20).await;
    assert_eq!(dead_messages.len(), 1);
    let message = &dead_messages[0];
    assert_eq!(message.message_id(), sent.message_id());
    assert_eq!(message.body(), Some("poison"));
    assert_eq!(message.message_attributes().unwrap()["name"].string_value(), Some("value"));
    assert_eq!(target.counts().await, ["0", "0", "0"]);
}

#[tokio::test]
async fn a_purged_queue_is_empty() {
    let target = Target::new("purge", &[]).await;
    target.send("1").await;
    target.send("2").await;
    let purge = target.client.purge_queue().queue_url(&target.url);
    purge.send().await.unwrap();
    target.expect_nothing().await;
    assert_eq!(target.counts().await, ["0", "0", "0"]);
}

#[tokio::test]
async fn a_group_comes_back_with_its_message() {
    let target = Target::new("group", &[]).await;
    target
        .client
        .send_message()
        .queue_url(&target.url)
        .message_body("x")
        .message_group_id("user-1")
        .send()
        .await
        .unwrap();
    let message = target.receive_one().await;
    assert_eq!(system(&message, System::MessageGroupId), Some("user-1"));
}

#[test]
fn another_implementation_keeps_the_contract() {
    if env::var_os("FRAMELIFT_SQS_ENDPOINT").is_some() {
        return; // This is that run.
    }
    let Some(moto) = peer::Moto::start() else {
        eprintln!("SKIPPED: the contract on moto, which is not installed; `cargo xtask test` installs it");
        return;
    };
    let tests = Command::new(env::current_exe().unwrap()).env("FRAMELIFT_SQS_ENDPOINT", &moto.url).output();
    let tests = tests.unwrap();
    assert!(tests.status.success(), "{}", String::from_utf8_lossy(&tests.stdout));
}

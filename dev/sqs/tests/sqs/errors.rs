//! Requests that the SDK would not send, or that other servers let through.

use aws_sdk_sqs::{
    Client,
    config::{ConfigBag, Intercept, RuntimeComponents, interceptors::BeforeTransmitInterceptorContextMut},
    error::BoxError,
    types::QueueAttributeName as Attribute,
};

use aws_smithy_types::body::SdkBody;

use super::{Fixture, SdkClock, code_of, support};

/// Replaces the operation and the body before the request is signed.
#[derive(Debug)]
struct Raw(&'static str, String);

impl Intercept for Raw {
    fn name(&self) -> &'static str {
        "raw"
    }

    fn modify_before_signing(
        &self,
        context: &mut BeforeTransmitInterceptorContextMut<'_>,
        _components: &RuntimeComponents,
        _config: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let request = context.request_mut();
        request.headers_mut().insert("x-amz-target", self.0);
        request.headers_mut().insert("content-length", self.1.len().to_string());
        *request.body_mut() = SdkBody::from(self.1.as_str());
        Ok(())
    }
}

async fn raw(queue: &Fixture, target: &'static str, body: &str) -> (u16, String, String) {
    let config = support::sdk(&queue.server.endpoint())
        .time_source(SdkClock(queue.clock.clone()))
        .interceptor(Raw(target, body.to_owned()));
    let error = Client::from_conf(config.build()).list_queues().send().await;
    let error = error.unwrap_err();
    let response = error.raw_response().unwrap();
    assert_eq!(response.headers().get("content-type"), Some("application/x-amz-json-1.0"));
    assert!(response.headers().get("x-amzn-requestid").is_some());
    let body = String::from_utf8_lossy(response.body().bytes().unwrap()).into_owned();
    (response.status().as_u16(), body, code_of(error))
}

#[tokio::test]
async fn errors_have_the_shape_of_the_service() {
    let queue = Fixture::new(&[]).await;
    let nowhere = queue.server.queue_url("nowhere");
    let body = format!(r#"{{"QueueUrl":"{nowhere}"}}"#);
    assert_eq!(
        raw(&queue, "AmazonSQS.PurgeQueue", &body).await,
        (
            400,
            r#"{"__type":"com.amazonaws.sqs#QueueDoesNotExist","message":"The specified queue does not exist."}"#
                .to_owned(),
            "AWS.SimpleQueueService.NonExistentQueue".to_owned()
        )
    );
}

#[tokio::test]
async fn requests_that_make_no_sense_are_refused() {
    let queue = Fixture::new(&[]).await;
    let deep = format!(r#"{{"QueueName":{}"#, "[".repeat(5000));
    for (target, body, code) in [
        ("AmazonSQS.Dance", "{}", "InvalidAction"),
        ("DynamoDB.ListTables", "{}", "InvalidAction"),
        ("AmazonSQS.TagQueue", "{}", "AWS.SimpleQueueService.UnsupportedOperation"),
        ("AmazonSQS.CreateQueue", "", "MalformedInput"),
        ("AmazonSQS.CreateQueue", "{", "MalformedInput"),
        ("AmazonSQS.CreateQueue", "[]", "MalformedInput"),
        ("AmazonSQS.CreateQueue", r#"{"QueueName":7}"#, "MalformedInput"),
        ("AmazonSQS.CreateQueue", &deep, "MalformedInput"),
        ("AmazonSQS.CreateQueue", "{}", "MissingParameter"),
        ("AmazonSQS.SendMessage", "{}", "MissingParameter"),
        ("AmazonSQS.DeleteMessage", "{}", "MissingParameter"),
        (
            "AmazonSQS.SendMessage",
            r#"{"QueueUrl":"http://x/1/y"}"#,
            "AWS.SimpleQueueService.NonExistentQueue",
        ),
    ] {
        let (status, _, answered) = raw(&queue, target, body).await;
        let short: String = body.chars().take(40).collect();
        assert_eq!((status, &*answered), (400, code), "{target} {short}");
    }
    let long = format!(r#"{{"QueueName":"{}"}}"#, "x".repeat(8 << 20));
    let (status, _, code) = raw(&queue, "AmazonSQS.CreateQueue", &long).await;
    assert_eq!((status, &*code), (413, "RequestEntityTooLarge"));
}

#[tokio::test]
async fn queue_attributes_are_checked() {
    let queue = Fixture::new(&[]).await;
    let unknown =
        r#"{"deadLetterTargetArn":"arn:aws:sqs:eu-central-1:000000000000:unknown","maxReceiveCount":5}"#;
    let own = r#"{"deadLetterTargetArn":"arn:aws:sqs:eu-central-1:000000000000:jobs","maxReceiveCount":5}"#;
    for (name, value, code) in [
        ("Colour", "red", "InvalidAttributeName"),
        ("VisibilityTimeout", "43201", "InvalidAttributeValue"),
        ("RedrivePolicy", unknown, "InvalidParameterValue"),
        ("RedrivePolicy", own, "InvalidParameterValue"),
        ("Policy", "{}", "AWS.SimpleQueueService.UnsupportedOperation"),
    ] {
        let set = queue.client.set_queue_attributes().queue_url(&queue.url);
        let set = set.attributes(Attribute::from(name), value).send().await;
        assert_eq!(code_of(set.unwrap_err()), code, "{name} {value}");
    }
    let fifo = queue.client.create_queue().queue_name("jobs.fifo");
    let fifo = fifo.attributes(Attribute::FifoQueue, "true").send().await;
    assert_eq!(code_of(fifo.unwrap_err()), "AWS.SimpleQueueService.UnsupportedOperation");
}

#[tokio::test]
async fn messages_are_checked_one_by_one() {
    let queue = Fixture::new(&[(Attribute::MaximumMessageSize, "1024")]).await;
    let entry = |id: &str, body: &str| {
        aws_sdk_sqs::types::SendMessageBatchRequestEntry::builder().id(id).message_body(body).build().unwrap()
    };
    let sent = queue
        .client
        .send_message_batch()
        .queue_url(&queue.url)
        .entries(entry("control", "\u{1}"))
        .entries(entry("good", &"x".repeat(1024)))
        .entries(entry("long", &"x".repeat(1025)))
        .entries(entry("also-good", "y"))
        .send()
        .await
        .unwrap();
    let good: Vec<_> = sent.successful().iter().map(|one| one.id()).collect();
    assert_eq!(good, ["good", "also-good"]);
    let bad: Vec<_> = sent.failed().iter().map(|one| (one.id(), one.code(), one.sender_fault())).collect();
    assert_eq!(bad, [("control", "InvalidMessageContents", true), ("long", "InvalidParameterValue", true)]);
    assert_eq!(queue.counts().await, ["2", "0", "0"]);
}

#[tokio::test]
async fn a_receipt_belongs_to_its_queue() {
    let queue = Fixture::new(&[]).await;
    queue.send("x", None).await;
    let message = queue.receive_one().await;
    let other = queue.client.create_queue().queue_name("other");
    let other = other.send().await.unwrap().queue_url.unwrap();
    let delete = queue.client.delete_message().queue_url(other);
    let delete = delete.receipt_handle(message.receipt_handle().unwrap());
    let error = delete.send().await.unwrap_err();
    assert_eq!(code_of(error), "ReceiptHandleIsInvalid");
    assert_eq!(queue.counts().await, ["0", "1", "0"]);
}

#[tokio::test]
async fn many_queues_come_in_pages() {
    let queue = Fixture::new(&[]).await;
    for name in ["a1", "a2", "a3", "b_1"] {
        let create = queue.client.create_queue().queue_name(name);
        create.send().await.unwrap();
    }
    let mut pages = Vec::new();
    let mut token = None;
    loop {
        let list = queue.client.list_queues().queue_name_prefix("a");
        let page = list.max_results(2).set_next_token(token).send().await.unwrap();
        pages.push(page.queue_urls().len());
        token = page.next_token;
        if token.is_none() {
            break;
        }
    }
    assert_eq!(pages, [2, 1]);
    let all = queue.client.list_queues().send().await.unwrap();
    assert_eq!(all.queue_urls().len(), 5);
    assert_eq!(all.next_token(), None);
    let bad = queue.client.list_queues().next_token("%").send().await;
    assert_eq!(code_of(bad.unwrap_err()), "InvalidParameterValue");
}

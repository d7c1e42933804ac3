//! Inspects the stack's S3 and SQS with the AWS SDK, as an operator would.

use aws_credential_types::Credentials;
use aws_sdk_sqs::types::QueueAttributeName;

use crate::stack::Info;

pub(crate) const REGION: &str = "us-east-1";

fn credentials(info: &Info) -> Credentials {
    Credentials::new(&info.access_key_id, &info.secret_access_key, None, None, "tests")
}

/// The stack's object store.
pub fn s3(info: &Info) -> aws_sdk_s3::Client {
    let config = aws_sdk_s3::Config::builder()
        .behavior_version(aws_sdk_s3::config::BehaviorVersion::latest())
        .region(aws_sdk_s3::config::Region::new(REGION))
        .endpoint_url(&info.s3)
        .force_path_style(true)
        .credentials_provider(credentials(info))
        .http_client(aws_smithy_http_client::Builder::new().build_http())
        .build();
    aws_sdk_s3::Client::from_conf(config)
}

/// The stack's queues.
pub fn sqs(info: &Info) -> aws_sdk_sqs::Client {
    let config = aws_sdk_sqs::Config::builder()
        .behavior_version(aws_sdk_sqs::config::BehaviorVersion::latest())
        .region(aws_sdk_sqs::config::Region::new(REGION))
        .endpoint_url(&info.sqs)
        .credentials_provider(credentials(info))
        .http_client(aws_smithy_http_client::Builder::new().build_http())
        .build();
    aws_sdk_sqs::Client::from_conf(config)
}

/// All keys in the bucket.
///
/// # Panics
/// If the store does not answer.
pub async fn keys(info: &Info) -> Vec<String> {
    let mut pages = s3(info).list_objects_v2().bucket(&info.bucket).into_paginator().send();
    let mut keys = Vec::new();
    while let Some(page) = pages.next().await {
        keys.extend(page.unwrap().contents().iter().filter_map(|object| object.key().map(str::to_owned)));
    }
    keys
}

/// Keys of multipart uploads that were begun and neither completed nor aborted.
///
/// # Panics
/// If the store does not answer.
pub async fn open_multipart_uploads(info: &Info) -> Vec<String> {
    let uploads = s3(info).list_multipart_uploads().bucket(&info.bucket).send().await.unwrap();
    uploads.uploads().iter().filter_map(|upload| upload.key().map(str::to_owned)).collect()
}

/// Messages in a queue: waiting, received and delayed ones.
///
/// # Panics
/// If the queue does not answer.
pub async fn messages(info: &Info, queue_url: &str) -> u64 {
    let attributes = [
        QueueAttributeName::ApproximateNumberOfMessages,
        QueueAttributeName::ApproximateNumberOfMessagesNotVisible,
        QueueAttributeName::ApproximateNumberOfMessagesDelayed,
    ];
    let answer = sqs(info)
        .get_queue_attributes()
        .queue_url(queue_url)
        .set_attribute_names(Some(attributes.to_vec()))
        .send()
        .await
        .unwrap();
    let counts = answer.attributes().cloned().unwrap_or_default();
    attributes.iter().filter_map(|name| counts.get(name)?.parse::<u64>().ok()).sum()
}

/// Sends a message with any text to the job queue.
///
/// # Panics
/// If the queue does not take it.
pub async fn send(info: &Info, body: &str) {
    sqs(info).send_message().queue_url(&info.queue_url).message_body(body).send().await.unwrap();
}

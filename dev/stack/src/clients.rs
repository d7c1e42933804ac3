//! AWS clients for setting the stack up: the bucket and the queues, in whichever S3 and SQS it uses.

use std::collections::HashMap;

use anyhow::Context as _;
use aws_credential_types::Credentials;
use aws_sdk_s3::config::{BehaviorVersion, Region};
use aws_sdk_sqs::types::QueueAttributeName;

use crate::data::Secrets;

/// The bucket's name.
pub(crate) const BUCKET: &str = "framelift";
/// The job queue's name.
pub(crate) const QUEUE: &str = "framelift-jobs";
/// The name of the queue for short jobs.
pub(crate) const SHORT_QUEUE: &str = "framelift-jobs-short";
/// The dead-letter queue's name.
pub(crate) const DEAD_LETTER_QUEUE: &str = "framelift-jobs-dead";
/// The region that everything is in.
pub(crate) const REGION: &str = "us-east-1";
/// Times that a message is received before it goes to the dead-letter queue.
const MAX_RECEIVE_COUNT: u32 = 5;

fn credentials(secrets: &Secrets) -> Credentials {
    Credentials::new(&secrets.access_key_id, &secrets.secret_access_key, None, None, "framelift-stack")
}

/// Makes the bucket, if it is not there.
pub(crate) async fn make_bucket(endpoint: &str, secrets: &Secrets) -> anyhow::Result<()> {
    let config = aws_sdk_s3::Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new(REGION))
        .endpoint_url(endpoint)
        .force_path_style(true)
        .credentials_provider(credentials(secrets))
        .http_client(aws_smithy_http_client::Builder::new().build_http())
        .build();
    let client = aws_sdk_s3::Client::from_conf(config);
    if client.head_bucket().bucket(BUCKET).send().await.is_err() {
        client.create_bucket().bucket(BUCKET).send().await.context("cannot make the bucket")?;
    }
    Ok(())
}

/// URLs of the queues.
#[derive(Clone, Debug)]
pub(crate) struct Queues {
    pub(crate) jobs: String,
    pub(crate) short: String,
    pub(crate) dead: String,
}

/// Makes the job queues and their dead-letter queue, if they are not there.
pub(crate) async fn make_queues(endpoint: &str, secrets: &Secrets) -> anyhow::Result<Queues> {
    let config = aws_sdk_sqs::Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(aws_sdk_sqs::config::Region::new(REGION))
        .endpoint_url(endpoint)
        .credentials_provider(credentials(secrets))
        .http_client(aws_smithy_http_client::Builder::new().build_http())
        .build();
    let client = aws_sdk_sqs::Client::from_conf(config);
    let dead = make_queue(&client, DEAD_LETTER_QUEUE).await?;
    let attributes = client
        .get_queue_attributes()
        .queue_url(&dead)
        .attribute_names(QueueAttributeName::QueueArn)
        .send()
        .await
        .context("cannot ask about the dead-letter queue")?;
    let arn = attributes
        .attributes()
        .and_then(|attributes| attributes.get(&QueueAttributeName::QueueArn))
        .context("the dead-letter queue has no ARN")?;
    let redrive = serde_json::json!({"deadLetterTargetArn": arn, "maxReceiveCount": MAX_RECEIVE_COUNT});
    let (jobs, short) = (make_queue(&client, QUEUE).await?, make_queue(&client, SHORT_QUEUE).await?);
    for url in [&jobs, &short] {
        client
            .set_queue_attributes()
            .queue_url(url)
            .set_attributes(Some(HashMap::from([
                (QueueAttributeName::VisibilityTimeout, "60".to_owned()),
                (QueueAttributeName::RedrivePolicy, redrive.to_string()),
            ])))
            .send()
            .await
            .context("cannot configure a job queue")?;
    }
    Ok(Queues { jobs, short, dead })
}

async fn make_queue(client: &aws_sdk_sqs::Client, name: &str) -> anyhow::Result<String> {
    let known = client.get_queue_url().queue_name(name).send().await.ok().and_then(|known| known.queue_url);
    match known {
        Some(url) => Ok(url),
        None => {
            let made = client.create_queue().queue_name(name).send().await;
            let made = made.with_context(|| format!("cannot make the queue {name}"))?;
            made.queue_url.with_context(|| format!("the queue {name} has no URL"))
        }
    }
}

//! A server and clients of the real SDK for it.

use aws_credential_types::Credentials;
use aws_sdk_sqs::config::{BehaviorVersion, Builder, Region, retry::RetryConfig};
use framelift_dev_sqs::{Options, SqsConfig, SqsServer, start_with};
use tempfile::TempDir;

pub(crate) const ACCESS_KEY: &str = "AKIDEXAMPLE";
pub(crate) const SECRET: &str = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY";
pub(crate) const REGION: &str = "eu-central-1";

/// What every client has: nothing is repeated behind the test's back.
pub(crate) fn sdk(endpoint: &str) -> Builder {
    aws_sdk_sqs::Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new(REGION))
        .credentials_provider(Credentials::new(ACCESS_KEY, SECRET, None, None, "test"))
        .endpoint_url(endpoint)
        .retry_config(RetryConfig::disabled())
        .http_client(aws_smithy_http_client::Builder::new().build_http())
}

pub(crate) fn config(folder: &TempDir) -> SqsConfig {
    SqsConfig::local(folder.path().join("queue"), ACCESS_KEY, SECRET, REGION)
}

pub(crate) async fn start(folder: &TempDir, options: Options) -> SqsServer {
    start_with(config(folder), options).await.unwrap()
}

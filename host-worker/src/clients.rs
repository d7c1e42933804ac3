//! The AWS clients, with one HTTP stack and the same time-outs.

use std::time::Duration;

use aws_config::timeout::TimeoutConfig;
use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_sdk_s3::config::{RequestChecksumCalculation, ResponseChecksumValidation};
use aws_smithy_http_client::tls::{Provider, rustls_provider::CryptoMode};
use aws_smithy_types::retry::RetryConfig;

use crate::config::{Config, Store};

/// Region, credentials and HTTP for all clients: the SDK's own chain, with the configured region.
pub(crate) async fn shared(config: &Config) -> SdkConfig {
    let http =
        aws_smithy_http_client::Builder::new().tls_provider(Provider::Rustls(CryptoMode::Ring)).build_https();
    let mut loader = aws_config::defaults(BehaviorVersion::latest())
        .http_client(http)
        // The callers retry, each with its own time limit.
        .retry_config(RetryConfig::disabled())
        .timeout_config(
            TimeoutConfig::builder()
                .connect_timeout(Duration::from_secs(5))
                // Between the request's last byte and the answer's first; long polls take 20 s.
                .read_timeout(Duration::from_secs(60))
                .build(),
        );
    if let Some(region) = &config.store.region {
        loader = loader.region(Region::new(region.clone()));
    }
    loader.load().await
}

pub(crate) fn s3(aws: &SdkConfig, store: &Store) -> aws_sdk_s3::Client {
    let mut builder = aws_sdk_s3::config::Builder::from(aws)
        .force_path_style(store.path_style)
        // Each part carries a checksum that the store verifies; ranges have none to be verified.
        .request_checksum_calculation(RequestChecksumCalculation::WhenSupported)
        .response_checksum_validation(ResponseChecksumValidation::WhenRequired);
    if let Some(endpoint) = &store.endpoint {
        builder = builder.endpoint_url(endpoint.as_str());
    }
    aws_sdk_s3::Client::from_conf(builder.build())
}

pub(crate) fn sqs(aws: &SdkConfig, endpoint: Option<&url::Url>) -> aws_sdk_sqs::Client {
    let mut builder = aws_sdk_sqs::config::Builder::from(aws);
    if let Some(endpoint) = endpoint {
        builder = builder.endpoint_url(endpoint.as_str());
    }
    aws_sdk_sqs::Client::from_conf(builder.build())
}

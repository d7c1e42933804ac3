//! Whom the server believes.

use aws_credential_types::Credentials;
use aws_sdk_sqs::{
    Client,
    config::{
        Builder, ConfigBag, Intercept, Region, RuntimeComponents,
        interceptors::BeforeTransmitInterceptorContextMut,
    },
    error::BoxError,
};
use aws_smithy_types::body::SdkBody;
use framelift_dev_sqs::{Clock, ManualClock};
use jiff::SignedDuration;

use super::{Fixture, SdkClock, code_of, support};

/// Sends a message with a changed client, and says with which code it was refused.
async fn refused(queue: &Fixture, change: impl FnOnce(Builder) -> Builder) -> String {
    let config = support::sdk(&queue.server.endpoint()).time_source(SdkClock(queue.clock.clone()));
    let client = Client::from_conf(change(config).build());
    let send = client.send_message().queue_url(&queue.url).message_body("x");
    let error = send.send().await.unwrap_err();
    let status = error.raw_response().unwrap().status().as_u16();
    assert_eq!(status, 403);
    assert_eq!(queue.counts().await, ["0", "0", "0"]);
    code_of(error)
}

#[tokio::test]
async fn a_wrong_key_or_secret_is_refused() {
    let queue = Fixture::new(&[]).await;
    let with = |key: &'static str, secret: &'static str, token: Option<&'static str>| {
        move |config: Builder| {
            let token = token.map(str::to_owned);
            config.credentials_provider(Credentials::new(key, secret, token, None, "test"))
        }
    };
    assert_eq!(refused(&queue, with("AKIDSOMEBODY", support::SECRET, None)).await, "InvalidClientTokenId");
    assert_eq!(
        refused(&queue, with(support::ACCESS_KEY, "another secret", None)).await,
        "SignatureDoesNotMatch"
    );
    assert_eq!(
        refused(&queue, with(support::ACCESS_KEY, support::SECRET, Some("token"))).await,
        "InvalidClientTokenId"
    );
    let elsewhere = |config: Builder| config.region(Region::new("mars-north-1"));
    assert_eq!(refused(&queue, elsewhere).await, "SignatureDoesNotMatch");
}

#[tokio::test]
async fn a_signature_is_good_for_fifteen_minutes_either_way() {
    let queue = Fixture::new(&[]).await;
    let at = |offset: i64| {
        let time = queue.clock.now() + SignedDuration::from_secs(offset);
        move |config: Builder| config.time_source(SdkClock(ManualClock::new(time)))
    };
    for offset in [-901, 901] {
        assert_eq!(refused(&queue, at(offset)).await, "SignatureDoesNotMatch");
    }
    for offset in [-900, 900] {
        let config = at(offset)(support::sdk(&queue.server.endpoint()));
        let client = Client::from_conf(config.build());
        let send = client.send_message().queue_url(&queue.url).message_body("x");
        send.send().await.unwrap();
    }
}

/// Changes a request after it was signed.
#[derive(Debug)]
enum Tamper {
    Body,
    SignedHeader,
    AddedHeader,
    NoSignature,
}

impl Intercept for Tamper {
    fn name(&self) -> &'static str {
        "tamper"
    }

    fn modify_before_transmit(
        &self,
        context: &mut BeforeTransmitInterceptorContextMut<'_>,
        _components: &RuntimeComponents,
        _config: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let request = context.request_mut();
        match self {
            Self::Body => {
                let body = request.body().bytes().unwrap().to_vec();
                let body = String::from_utf8(body).unwrap();
                let body = body.replace(r#""MessageBody":"x""#, r#""MessageBody":"y""#);
                *request.body_mut() = SdkBody::from(body);
            }
            Self::SignedHeader => {
                request.headers_mut().insert("x-amz-target", "AmazonSQS.PurgeQueue");
            }
            Self::AddedHeader => {
                request.headers_mut().insert("x-amz-more", "1");
            }
            Self::NoSignature => {
                request.headers_mut().remove("authorization");
            }
        }
        Ok(())
    }
}

#[tokio::test]
async fn a_request_changed_on_its_way_is_refused() {
    let queue = Fixture::new(&[]).await;
    for (tamper, code) in [
        (Tamper::Body, "SignatureDoesNotMatch"),
        (Tamper::SignedHeader, "SignatureDoesNotMatch"),
        (Tamper::AddedHeader, "SignatureDoesNotMatch"),
        (Tamper::NoSignature, "MissingAuthenticationToken"),
    ] {
        let what = format!("{tamper:?}");
        let answer = refused(&queue, |config| config.interceptor(tamper)).await;
        assert_eq!(answer, code, "{what}");
    }
}

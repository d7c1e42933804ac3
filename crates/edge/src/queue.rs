//! The job queue over SQS: AWS JSON 1.0, signed with Signature Version 4.

use std::fmt;
use std::time::{Duration, UNIX_EPOCH};

use aws_credential_types::Credentials;
use aws_sigv4::http_request::{SignableBody, SignableRequest, SigningSettings, sign};
use aws_sigv4::sign::v4;
use bytes::Bytes;
use framelift_contract::message::Message;
use framelift_domain::video::Lane;
use http::header::{CONTENT_TYPE, HeaderName};
use serde_json::{Value, json};
use url::Url;

use crate::ports::{Ambient, Http, Queue, Unavailable};
use crate::retry;

/// Maximum delay of a message that SQS accepts, in seconds.
const MAX_DELAY_S: u32 = 900;

/// The queue's endpoint, URLs and credentials.
pub struct SqsConfig {
    endpoint: Url,
    queue_url: String,
    short_url: Option<String>,
    region: String,
    credentials: Credentials,
}

impl SqsConfig {
    /// The queue `queue_url`, called through `endpoint`: the two may have different hosts. Without [`Self::short`], all
    /// lanes use it.
    pub fn new(
        endpoint: Url,
        queue_url: impl Into<String>,
        region: impl Into<String>,
        credentials: Credentials,
    ) -> Self {
        Self { endpoint, queue_url: queue_url.into(), short_url: None, region: region.into(), credentials }
    }

    /// Adds a separate queue for the short lane.
    pub fn short(self, queue_url: Option<String>) -> Self {
        Self { short_url: queue_url, ..self }
    }

    fn url(&self, lane: Lane) -> &str {
        match (lane, &self.short_url) {
            (Lane::Short, Some(url)) => url,
            _ => &self.queue_url,
        }
    }
}

impl fmt::Debug for SqsConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SqsConfig")
            .field("endpoint", &self.endpoint.as_str())
            .field("queue_url", &self.queue_url)
            .field("short_url", &self.short_url)
            .field("region", &self.region)
            .field("credentials", &"redacted")
            .finish()
    }
}

/// The queue, for the length of one request.
pub struct Sqs<'a, H, A> {
    config: Option<&'a SqsConfig>,
    http: &'a H,
    ambient: &'a A,
}

fn unavailable(detail: impl Into<String>) -> Unavailable {
    Unavailable { what: "queue", detail: detail.into() }
}

impl<'a, H: Http, A: Ambient> Sqs<'a, H, A> {
    /// The queue, called through `http`. Without a configuration, as in a component that only reads, every call fails.
    pub fn new(config: Option<&'a SqsConfig>, http: &'a H, ambient: &'a A) -> Self {
        Self { config, http, ambient }
    }

    /// Calls SQS, with retries: a message that arrives twice does no harm.
    async fn call(&self, lane: Lane, action: &str, mut body: Value) -> Result<Value, Unavailable> {
        let config = self.config.ok_or_else(|| unavailable("this component has none"))?;
        body["QueueUrl"] = config.url(lane).into();
        let body = Bytes::from(body.to_string());
        let request = || self.request(config, action, body.clone());
        let answer = retry::send(self.http, self.ambient, request).await;
        read(action, &answer.map_err(|error| unavailable(error.detail))?)
    }

    /// A signed request. The signature holds for some minutes, so each attempt has its own.
    fn request(
        &self,
        config: &SqsConfig,
        action: &str,
        body: Bytes,
    ) -> Result<http::Request<Bytes>, Unavailable> {
        let broken = |error: &dyn fmt::Display| unavailable(format!("{action}: {error}"));
        let mut request = http::Request::post(config.endpoint.as_str())
            .header(CONTENT_TYPE, "application/x-amz-json-1.0")
            .header(HeaderName::from_static("x-amz-target"), format!("AmazonSQS.{action}"))
            .body(body)
            .map_err(|error| broken(&error))?;
        let identity = config.credentials.clone().into();
        let since_1970 = Duration::from_millis(self.ambient.now().unix_ms().unsigned_abs());
        let params = v4::SigningParams::builder()
            .identity(&identity)
            .region(&config.region)
            .name("sqs")
            .time(UNIX_EPOCH + since_1970)
            .settings(SigningSettings::default())
            .build()
            .map_err(|error| broken(&error))?
            .into();
        let headers =
            request.headers().iter().filter_map(|(name, value)| Some((name.as_str(), value.to_str().ok()?)));
        let signable = SignableRequest::new(
            "POST",
            config.endpoint.as_str(),
            headers,
            SignableBody::Bytes(request.body()),
        )
        .map_err(|error| broken(&error))?;
        let (instructions, _) = sign(signable, &params).map_err(|error| broken(&error))?.into_parts();
        instructions.apply_to_request_http1x(&mut request);
        Ok(request)
    }
}

fn read(action: &str, answer: &http::Response<Bytes>) -> Result<Value, Unavailable> {
    let body = serde_json::from_slice::<Value>(answer.body());
    if answer.status().is_success() {
        return body.map_err(|error| unavailable(format!("{action}: {error}")));
    }
    let code = body.ok().and_then(|body| body.get("__type").and_then(Value::as_str).map(str::to_owned));
    Err(unavailable(format!("{action}: {} {}", answer.status(), code.as_deref().unwrap_or("no code"))))
}

impl<H: Http, A: Ambient> Queue for Sqs<'_, H, A> {
    async fn send(&self, lane: Lane, message: &Message, delay_s: u32) -> Result<(), Unavailable> {
        let text = serde_json::to_string(message).map_err(|error| unavailable(error.to_string()))?;
        let body = json!({
            "MessageBody": text,
            "MessageGroupId": message.user_id(),
            "DelaySeconds": delay_s.min(MAX_DELAY_S),
        });
        let answer = self.call(lane, "SendMessage", body).await?;
        match answer.get("MessageId").and_then(Value::as_str) {
            Some(_) => Ok(()),
            None => Err(unavailable("SendMessage answered without a message id")),
        }
    }

    async fn ready(&self) -> Result<(), Unavailable> {
        let ask = |lane| self.call(lane, "GetQueueAttributes", json!({ "AttributeNames": ["QueueArn"] }));
        ask(Lane::Main).await?;
        match self.config.and_then(|config| config.short_url.as_ref()) {
            Some(_) => ask(Lane::Short).await.map(|_| ()),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests;

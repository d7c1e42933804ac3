//! Tests of sent messages and of failures.

use std::cell::RefCell;

use framelift_contract::message::JobMessage;
use framelift_domain::{Time, UserId, VideoId};

use super::*;

struct Still;

impl Ambient for Still {
    fn now(&self) -> Time {
        Time::from_unix_ms(1_700_000_000_000)
    }

    fn fill_random(&self, buffer: &mut [u8]) {
        buffer.fill(7);
    }

    async fn pause(&self, _: u32) {}
}

#[derive(Default)]
struct Script {
    answers: RefCell<Vec<(u16, &'static str)>>,
    asked: RefCell<Vec<http::Request<Bytes>>>,
}

impl Http for Script {
    async fn send(&self, request: http::Request<Bytes>) -> Result<http::Response<Bytes>, Unavailable> {
        self.asked.borrow_mut().push(request);
        let (status, body) = self.answers.borrow_mut().remove(0);
        Ok(http::Response::builder().status(status).body(Bytes::from_static(body.as_bytes())).unwrap())
    }
}

fn config() -> SqsConfig {
    SqsConfig::new(
        "http://sqs.internal:9324".parse().unwrap(),
        "http://sqs/000000000000/jobs",
        "us-east-1",
        Credentials::new("AKIDEXAMPLE", "secret", None, None, "test"),
    )
}

fn message() -> JobMessage {
    JobMessage {
        version: 1,
        video_id: VideoId::new(1, [1; 10]),
        user_id: UserId::new(2, [2; 10]),
        correlation_id: "c-1".parse().unwrap(),
        traceparent: None,
        notice: None,
    }
}

#[tokio::test]
async fn a_message_goes_out_in_its_users_group() {
    let (config, http) = (config(), Script::default());
    *http.answers.borrow_mut() = vec![(500, "{}"), (200, r#"{"MessageId":"m"}"#)];
    Sqs::new(Some(&config), &http, &Still).send(Lane::Short, &message().into(), 5000).await.unwrap();
    let asked = http.asked.borrow();
    assert_eq!(asked.len(), 2);
    let request = &asked[1];
    assert_eq!(request.uri(), "http://sqs.internal:9324/");
    assert_eq!(request.headers()["x-amz-target"], "AmazonSQS.SendMessage");
    assert_eq!(request.headers()["content-type"], "application/x-amz-json-1.0");
    assert_eq!(request.headers()["x-amz-date"], "20231114T221320Z");
    let authorization = request.headers()["authorization"].to_str().unwrap();
    let start = "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20231114/us-east-1/sqs/aws4_request, SignedHeaders=";
    assert!(authorization.starts_with(start), "{authorization}");
    assert!(authorization.contains("x-amz-target"), "{authorization}");
    let body: Value = serde_json::from_slice(request.body()).unwrap();
    assert_eq!(body["QueueUrl"], "http://sqs/000000000000/jobs");
    assert_eq!(body["MessageGroupId"], message().user_id.to_string());
    assert_eq!(body["DelaySeconds"], 900);
    let sent: JobMessage = serde_json::from_str(body["MessageBody"].as_str().unwrap()).unwrap();
    assert_eq!(sent, message());
}

#[tokio::test]
async fn a_refusal_is_no_success() {
    let (config, http) = (config(), Script::default());
    *http.answers.borrow_mut() = vec![
        (400, r#"{"__type":"com.amazonaws.sqs#QueueDoesNotExist","message":"no"}"#),
        (200, "{}"),
        (200, "<html>"),
    ];
    let sqs = Sqs::new(Some(&config), &http, &Still);
    let error = sqs.ready().await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "queue is unavailable: GetQueueAttributes: 400 Bad Request com.amazonaws.sqs#QueueDoesNotExist"
    );
    assert!(sqs.send(Lane::Main, &message().into(), 0).await.is_err());
    assert!(sqs.ready().await.is_err());
    assert!(!format!("{config:?}").contains("secret"));
    assert!(Sqs::new(None, &http, &Still).ready().await.is_err());
}

#[tokio::test]
async fn each_lane_has_its_queue() {
    let (config, http) =
        (config().short(Some("http://sqs/000000000000/jobs-short".into())), Script::default());
    *http.answers.borrow_mut() = vec![(200, r#"{"MessageId":"m"}"#); 4];
    let sqs = Sqs::new(Some(&config), &http, &Still);
    for lane in [Lane::Main, Lane::Short] {
        sqs.send(lane, &message().into(), 0).await.unwrap();
    }
    sqs.ready().await.unwrap();
    let asked = http.asked.borrow();
    let urls = asked.iter().map(|request| {
        let body: Value = serde_json::from_slice(request.body()).unwrap();
        body["QueueUrl"].as_str().unwrap().rsplit('/').next().unwrap().to_owned()
    });
    assert_eq!(urls.collect::<Vec<_>>(), ["jobs", "jobs-short", "jobs", "jobs-short"]);
}

//! Faults on purpose, and clients that go away.

use std::time::Duration;

use aws_sdk_s3::config::retry::RetryConfig;
use aws_sdk_s3::presigning::PresigningConfig;
use aws_sdk_s3::primitives::ByteStream;
use framelift_dev_faults::{Fault, Rule};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::harness::{BUCKET, Fixture, SECRET, bytes, client_in, code, files};

#[tokio::test]
async fn every_second_request_fails_and_a_client_that_retries_does_not_notice() {
    let s3 = Fixture::start().await;
    s3.faults.add(Rule::new(Fault::INTERNAL_ERROR).every(2));
    let head = || s3.client.head_bucket().bucket(BUCKET).send();
    head().await.unwrap();
    assert_eq!(head().await.unwrap_err().raw_response().unwrap().status().as_u16(), 500);
    head().await.unwrap();
    let listed = s3.client.list_buckets().send().await;
    assert_eq!(code(listed), "InternalError");

    s3.faults.clear();
    s3.faults.add(Rule::new(Fault::SLOW_DOWN).on("GET", ""));
    s3.put("key", "writes are left alone").await;
    assert_eq!(code(s3.client.get_object().bucket(BUCKET).key("key").send().await), "SlowDown");

    s3.faults.clear();
    s3.faults.add(Rule::new(Fault::SLOW_DOWN).every(2));
    let retry = RetryConfig::standard().with_initial_backoff(Duration::from_millis(1));
    let patient = client_in(&s3.endpoint(), SECRET, "us-east-1", retry);
    for at in 0_u8..10 {
        let put = patient.put_object().bucket(BUCKET).key(format!("key-{at}"));
        put.body(ByteStream::from(vec![at])).send().await.unwrap();
    }
    s3.faults.clear();
    assert!(s3.faults.injected() >= 12);
    for at in 0_u8..10 {
        assert_eq!(s3.get(&format!("key-{at}")).await, [at]);
    }
    s3.finish(11).await;
}

#[tokio::test]
async fn a_cut_body_is_seen_as_cut() {
    let s3 = Fixture::start().await;
    s3.put("key", bytes(1_000_000, 0)).await;
    s3.faults.add(Rule::new(Fault::Truncate { after: 300_000 }));
    let got = s3.client.get_object().bucket(BUCKET).key("key").send().await.unwrap();
    assert_eq!(got.content_length(), Some(1_000_000));
    got.body.collect().await.unwrap_err();
    s3.faults.clear();
    assert_eq!(s3.get("key").await.len(), 1_000_000);

    // The work is done although the answer is lost.
    s3.faults.add(Rule::new(Fault::Truncate { after: 0 }).on("GET", ""));
    let lost = s3.client.list_objects_v2().bucket(BUCKET).send().await;
    lost.unwrap_err();
    s3.faults.clear();
    s3.finish(1).await;
}

#[tokio::test]
async fn a_delay_delays() {
    let s3 = Fixture::start().await;
    s3.faults.add(Rule::new(Fault::Delay(Duration::from_millis(1))));
    s3.client.head_bucket().bucket(BUCKET).send().await.unwrap();
    s3.faults.clear();
    assert_eq!(s3.faults.injected(), 1);
    s3.finish(0).await;
}

#[tokio::test]
async fn a_request_is_reset_or_never_answered() {
    let s3 = Fixture::start().await;
    s3.put("key", "old").await;
    s3.faults.add(Rule::new(Fault::Reset).on("PUT", "key").times(1));
    let put = s3.client.put_object().bucket(BUCKET).key("key").body(ByteStream::from_static(b"new"));
    let error = put.send().await.unwrap_err();
    assert!(error.raw_response().is_none(), "{error:?}");
    assert_eq!(s3.get("key").await, b"old", "a reset has no effect");
    s3.faults.add(Rule::new(Fault::Stall).on("HEAD", ""));
    let seen = s3.faults.add(Rule::watch().on("GET", ""));
    let mut stalled = std::pin::pin!(s3.client.head_bucket().bucket(BUCKET).send());
    assert!(futures::poll!(&mut stalled).is_pending());
    while s3.faults.injected() < 2 {
        assert!(futures::poll!(&mut stalled).is_pending());
        tokio::task::yield_now().await;
    }
    assert_eq!(s3.get("key").await, b"old", "others are served meanwhile");
    assert_eq!(seen.requests(), 1);
    s3.faults.clear();
    s3.finish(1).await;
}

#[tokio::test]
async fn a_client_that_goes_away_leaves_nothing() {
    let s3 = Fixture::start().await;
    s3.put("key", "old").await;
    let config = PresigningConfig::expires_in(Duration::from_secs(60)).unwrap();
    let put = s3.client.put_object().bucket(BUCKET).key("key").presigned(config).await.unwrap();
    let path = put.uri().strip_prefix(&s3.endpoint()).unwrap();
    let head = format!("PUT {path} HTTP/1.1\r\nhost: {}\r\ncontent-length: 2000000\r\n\r\n", s3.addr());
    let mut stream = TcpStream::connect(s3.addr()).await.unwrap();
    stream.write_all(head.as_bytes()).await.unwrap();
    stream.write_all(&bytes(1_500_000, 0)).await.unwrap();
    let temporary = s3.dir().join("tmp");
    while files(&temporary).is_empty() {
        tokio::task::yield_now().await;
    }
    // Half a close: the server sees the end of the body and may still answer.
    stream.shutdown().await.unwrap();
    let mut answer = Vec::new();
    // It says so or just closes; either way nothing is kept.
    let _ = stream.read_to_end(&mut answer).await;
    while !files(&temporary).is_empty() {
        tokio::task::yield_now().await;
    }
    assert!(!String::from_utf8_lossy(&answer).starts_with("HTTP/1.1 200"));
    assert_eq!(s3.get("key").await, b"old");
    s3.finish(1).await;
}

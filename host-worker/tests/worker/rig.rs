//! A worker between the local cloud's servers and two fakes, and videos for it.

use std::io::Read as _;
use std::process::Command;
use std::time::Duration;

use aws_config::SdkConfig;
use aws_credential_types::Credentials;
use aws_credential_types::provider::SharedCredentialsProvider;
use bytes::Bytes;
use framelift_contract::report::Job;
use framelift_dev_faults::{Fault, Rule};
use framelift_dev_s3::{S3Config, S3Server};
use framelift_dev_sqs::{SqsConfig, SqsServer, StoredMessage};
use framelift_worker::app::{self, Running};
use framelift_worker::config::Config;
use http_body_util::BodyExt as _;
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use serde_json::Value;
use tokio_util::sync::CancellationToken;

use crate::control::{Control, TOKEN};
use crate::smtp::Smtp;

pub(crate) const JOBS: &str = "jobs";
pub(crate) const SHORT: &str = "jobs-short";
pub(crate) const DEAD: &str = "jobs-dead";
pub(crate) const ACCESS_KEY: &str = "id";
pub(crate) const SECRET: &str = "aws-secret";
const BUCKET: &str = "bucket";
const REGION: &str = "us-east-1";

pub(crate) struct Rig {
    pub(crate) s3: S3Server,
    pub(crate) sqs: SqsServer,
    pub(crate) control: Control,
    pub(crate) smtp: Smtp,
    pub(crate) stop: CancellationToken,
    running: Option<Running>,
    _folder: tempfile::TempDir,
}

impl Rig {
    pub(crate) async fn start() -> Self {
        Self::with("250 ok", "").await
    }

    /// With what the mail server says to recipients, and more configuration.
    pub(crate) async fn with(recipient: &'static str, more: &str) -> Self {
        let mut rig = Self::without_worker(recipient).await;
        let config = Config::parse(&rig.configuration(more), &std::collections::BTreeMap::new()).unwrap();
        let aws = app::aws(&config).await;
        let credentials =
            SharedCredentialsProvider::new(Credentials::new(ACCESS_KEY, SECRET, None, None, "test"));
        let aws: SdkConfig = aws.into_builder().credentials_provider(credentials).build();
        rig.running = Some(
            app::start(&config, &aws, Some(env!("CARGO_BIN_EXE_framelift-worker").into()), rig.stop.clone())
                .await
                .unwrap(),
        );
        rig
    }

    /// All but the worker.
    pub(crate) async fn without_worker(recipient: &'static str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let s3 = framelift_dev_s3::start(S3Config {
            buckets: vec![BUCKET.to_owned()],
            ..S3Config::local(folder.path().join("s3"), ACCESS_KEY, SECRET, REGION)
        });
        let sqs = SqsConfig::local(folder.path().join("sqs"), ACCESS_KEY, SECRET, REGION);
        let sqs = framelift_dev_sqs::start(sqs);
        let (s3, sqs) = (s3.await.unwrap(), sqs.await.unwrap());
        for queue in [JOBS, SHORT, DEAD] {
            sqs.create_queue(queue).await.unwrap();
        }
        let (control, smtp) = (Control::start().await, Smtp::start(recipient).await);
        Self { s3, sqs, control, smtp, stop: CancellationToken::new(), running: None, _folder: folder }
    }

    /// A worker's configuration between these servers.
    pub(crate) fn configuration(&self, more: &str) -> String {
        format!(
            r#"
[control]
url = "http://{control}"
token = "{TOKEN}"
[queue]
url = "{jobs}"
dead_letter_url = "{dead}"
short_url = "{short}"
endpoint = "http://{sqs}"
visibility = "10s"
heartbeat = "1s"
wait = "1s"
[store]
bucket = "{BUCKET}"
endpoint = "http://{s3}"
region = "{REGION}"
path_style = true
part_size = "5MiB"
[smtp]
host = "127.0.0.1"
port = {smtp}
tls = "none"
from = "Framelift <no-reply@frames.example.com>"
timeout = "2s"
[links]
public_url = "https://frames.example.com"
[limits]
threads = 1
max_scans = 10000
{more}"#,
            control = self.control.address,
            jobs = self.sqs.queue_url(JOBS),
            short = self.sqs.queue_url(SHORT),
            dead = self.sqs.queue_url(DEAD),
            sqs = self.sqs.addr(),
            s3 = self.s3.addr(),
            smtp = self.smtp.address.port(),
        )
    }

    /// Stores an upload and adds its job, as the edge would.
    pub(crate) async fn add(&self, number: u8, video: impl Into<Bytes>, options: Value, attempt: u32) -> Job {
        let video = video.into();
        let job = self.control.add_job(number, video.len() as u64, options, attempt);
        self.put(&job.source_key, video).await;
        job
    }

    pub(crate) async fn put(&self, key: &str, bytes: impl Into<Bytes>) {
        self.s3.put(BUCKET, key, bytes).await.unwrap();
    }

    pub(crate) async fn object(&self, key: &str) -> Option<Bytes> {
        self.s3.object(BUCKET, key).await.unwrap().map(|object| object.bytes)
    }

    pub(crate) async fn keys(&self, prefix: &str) -> Vec<String> {
        self.s3.keys(BUCKET, prefix).await.unwrap()
    }

    pub(crate) async fn begin_upload(&self, key: &str) {
        self.s3.begin_upload(BUCKET, key).await.unwrap();
    }

    pub(crate) async fn open_uploads(&self) -> usize {
        self.s3.uploads(BUCKET).await.unwrap().len()
    }

    /// The next `times` requests of that method whose target contains `target` go wrong.
    pub(crate) fn break_next(&self, method: &'static str, target: &str, times: u32, fault: Fault) {
        self.s3.faults().add(Rule::new(fault).on(method, target).times(times));
    }

    /// Sends the job's message.
    pub(crate) async fn send(&self, job: &Job) {
        self.send_text(JOBS, &message(job)).await;
    }

    pub(crate) async fn send_text(&self, queue: &str, body: &str) {
        self.sqs.send(queue, body).await.unwrap();
    }

    pub(crate) async fn messages(&self, queue: &str) -> Vec<StoredMessage> {
        self.sqs.messages(queue).await.unwrap()
    }

    pub(crate) async fn bodies(&self, queue: &str) -> Vec<String> {
        self.messages(queue).await.into_iter().map(|message| message.body).collect()
    }

    pub(crate) async fn no_messages(&self) {
        eventually("the job queues are empty", async || {
            self.messages(JOBS).await.is_empty() && self.messages(SHORT).await.is_empty()
        })
        .await;
    }

    /// Nothing of a job without a result remains.
    pub(crate) async fn assert_no_leftovers(&self) {
        assert_eq!(self.keys("results/").await, Vec::<String>::new());
        assert_eq!(self.open_uploads().await, 0);
    }

    pub(crate) async fn get(&self, path: &str) -> (u16, String) {
        let address = self.running.as_ref().unwrap().health();
        let client = Client::builder(TokioExecutor::new()).build_http::<http_body_util::Empty<Bytes>>();
        let answer = client.get(format!("http://{address}{path}").parse().unwrap()).await.unwrap();
        let status = answer.status().as_u16();
        let body = answer.into_body().collect().await.unwrap().to_bytes();
        (status, String::from_utf8(body.to_vec()).unwrap())
    }

    /// Stops the worker and waits until it has come to rest.
    pub(crate) async fn finish(&mut self) {
        self.stop.cancel();
        let running = self.running.take().unwrap();
        let finished = tokio::time::timeout(Duration::from_secs(60), running.finished()).await;
        finished.expect("the worker stops").unwrap();
    }
}

pub(crate) fn message(job: &Job) -> String {
    serde_json::json!({
        "version": 1,
        "video_id": job.video_id,
        "user_id": job.user_id,
        "correlation_id": job.correlation_id,
    })
    .to_string()
}

/// For how long a message cannot be received after it was received last, in seconds.
pub(crate) fn hidden_for_s(message: &StoredMessage) -> i64 {
    message.received_ms.map_or(0, |received_ms| (message.visible_ms - received_ms) / 1000)
}

/// Waits for a condition; a test that waits for a minute has failed.
pub(crate) async fn eventually(what: &str, mut condition: impl AsyncFnMut() -> bool) {
    let deadline = tokio::time::Instant::now() + Duration::from_secs(60);
    while !condition().await {
        assert!(tokio::time::Instant::now() < deadline, "in vain: {what}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// A video of `frames` pictures at 10 a second, made by the `ffmpeg` program.
pub(crate) fn video(frames: u32, picture: &str) -> Vec<u8> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("video.mp4");
    let status = Command::new("ffmpeg")
        .args(["-v", "error", "-nostdin", "-f", "lavfi", "-i", picture])
        .args(["-frames:v", &frames.to_string(), "-c:v", "mpeg4", "-q:v", "5", "-pix_fmt", "yuv420p"])
        .arg(&path)
        .status()
        .expect("the ffmpeg program makes the test's videos");
    assert!(status.success());
    std::fs::read(path).unwrap()
}

/// A picture that keeps one call into the decoder busy for minutes, where `max_scans` allows it: a
/// progressive JPEG of 6,000 of them (see `e2e/media/README.md`), small enough for its passes not to use
/// up the pixels that may be decoded.
pub(crate) fn endless_video() -> Vec<u8> {
    let packed = concat!(env!("CARGO_MANIFEST_DIR"), "/../e2e/media/hostile/jpeg_scans.mov.gz");
    let mut bytes = Vec::new();
    flate2::read::GzDecoder::new(std::fs::File::open(packed).unwrap()).read_to_end(&mut bytes).unwrap();
    let find = |bytes: &[u8], what: &[u8]| bytes.windows(what.len()).position(|part| part == what).unwrap();
    let side = 5792_u16.to_be_bytes();
    for at in [find(&bytes, &[0xff, 0xc2, 0, 11, 8]) + 5, find(&bytes, b"jpeg") + 28] {
        bytes[at..at + 4].copy_from_slice(&[side, side].concat());
    }
    bytes
}

/// A small one: 3 seconds.
pub(crate) fn small_video() -> Vec<u8> {
    video(30, "testsrc=size=160x90:rate=10")
}

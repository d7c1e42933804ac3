//! The local cloud's object store and queue behind the outbound HTTP port.
//!
//! Both run on separate threads, so that a test may ask them at any time without giving up
//! the thread on which its requests wait.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::sync::LazyLock;
use std::time::Duration;

use bytes::Bytes;
use framelift_contract::message::{JobMessage, Message, PluginMessage};
use framelift_dev_faults::{Fault, Rule};
use framelift_dev_s3::{S3Config, S3Server};
use framelift_dev_sqs::{ManualClock, Options, SqsConfig, SqsServer};
use framelift_domain::Time;
use framelift_edge::ports::{Http, Unavailable};
use http::StatusCode;
use http::header::HOST;
use http_body_util::{BodyExt as _, Full};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use jiff::Timestamp;
use tokio::runtime::Runtime;

/// Where clients reach the object store, as its signatures say.
pub(crate) const S3_PUBLIC: &str = "https://s3.example.com";
pub(crate) const BUCKET: &str = "framelift";
pub(crate) const ACCESS_KEY: &str = "AKID";
pub(crate) const SECRET: &str = "secret";
pub(crate) const REGION: &str = "us-east-1";
const QUEUE: &str = "jobs";
const SHORT_QUEUE: &str = "jobs-short";

static SERVERS: LazyLock<Runtime> = LazyLock::new(|| Runtime::new().unwrap());

/// Runs a future on the servers' runtime, and waits for it.
fn wait<T: Send>(work: impl Future<Output = T> + Send) -> T {
    std::thread::scope(|scope| scope.spawn(|| SERVERS.block_on(work)).join().unwrap())
}

/// A message that was sent.
#[derive(Clone, Debug)]
pub(crate) struct Sent {
    pub(crate) message: JobMessage,
    pub(crate) group: String,
    pub(crate) delay_s: u64,
}

pub(crate) struct Cloud {
    s3: S3Server,
    sqs: SqsServer,
    client: Client<HttpConnector, Full<Bytes>>,
    clock: ManualClock,
    taken: Cell<usize>,
    /// The size of the largest request body.
    pub(crate) largest_body: Cell<usize>,
    /// The component that reports an invalid configuration.
    pub(crate) unconfigured: Cell<&'static str>,
    _folder: tempfile::TempDir,
}

impl Cloud {
    /// An empty bucket and an empty queue. The object store has a real clock, so `now` must
    /// be the real time; what it is asked may come from the weeks that follow.
    pub(crate) fn start(now: Time) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let s3 = S3Config {
            buckets: vec![BUCKET.to_owned()],
            clock_skew: Duration::from_secs(30 * 24 * 3600),
            ..S3Config::local(folder.path().join("s3"), ACCESS_KEY, SECRET, REGION)
        };
        let sqs = SqsConfig::local(folder.path().join("sqs"), ACCESS_KEY, SECRET, REGION);
        let clock = ManualClock::new(Timestamp::from_millisecond(now.unix_ms()).unwrap());
        let options = Options { clock: std::sync::Arc::new(clock.clone()), ..Options::default() };
        let (s3, sqs) = wait(async {
            let s3 = framelift_dev_s3::start(s3).await.unwrap();
            let sqs = framelift_dev_sqs::start_with(sqs, options).await.unwrap();
            for queue in [QUEUE, SHORT_QUEUE] {
                sqs.create_queue(queue).await.unwrap();
            }
            (s3, sqs)
        });
        let client = Client::builder(TokioExecutor::new()).build_http();
        Self {
            s3,
            sqs,
            client,
            clock,
            taken: Cell::default(),
            largest_body: Cell::default(),
            unconfigured: Cell::default(),
            _folder: folder,
        }
    }

    /// Where the edge reaches the object store.
    pub(crate) fn s3_endpoint(&self) -> String {
        self.s3.endpoint()
    }

    /// Where the edge reaches the queue service.
    pub(crate) fn sqs_endpoint(&self) -> String {
        self.sqs.endpoint()
    }

    /// The queue's URL.
    pub(crate) fn queue_url(&self) -> String {
        self.sqs.queue_url(QUEUE)
    }

    /// The URL of the queue for short jobs; only a deployment that names it uses it.
    pub(crate) fn short_queue_url(&self) -> String {
        self.sqs.queue_url(SHORT_QUEUE)
    }

    /// The messages of that queue.
    pub(crate) fn short_messages(&self) -> Vec<Message> {
        let messages = wait(self.sqs.messages(SHORT_QUEUE)).unwrap();
        messages.iter().map(|sent| Message::parse(&sent.body).unwrap()).collect()
    }

    /// Moves the queue's clock.
    pub(crate) fn advance_s(&self, seconds: u64) {
        self.clock.advance(Duration::from_secs(seconds));
    }

    /// Makes the object store answer that many requests with 503.
    pub(crate) fn break_s3(&self, times: u32) {
        self.s3.faults().add(Rule::new(Fault::SLOW_DOWN).times(times));
    }

    /// Makes the object store answer again.
    pub(crate) fn mend_s3(&self) {
        self.s3.faults().clear();
    }

    /// The number of requests that the object store has refused.
    pub(crate) fn s3_failures(&self) -> u64 {
        self.s3.faults().injected()
    }

    /// Makes the queue answer that many requests with 500.
    pub(crate) fn break_sqs(&self, times: u32) {
        self.sqs.faults().add(Rule::new(Fault::INTERNAL_ERROR).times(times));
    }

    /// Makes the object store refuse to complete multipart uploads.
    pub(crate) fn refuse_parts(&self) {
        let refusal = Fault::Error { status: 400, code: "InvalidPart" };
        self.s3.faults().add(Rule::new(refusal).on("POST", "uploadId="));
    }

    /// The messages sent since the last call.
    pub(crate) fn take_sent(&self) -> Vec<Sent> {
        let messages = wait(self.sqs.messages(QUEUE)).unwrap();
        let sent = messages.iter().skip(self.taken.replace(messages.len())).filter_map(|sent| {
            let Message::Job(message) = Message::parse(&sent.body).unwrap() else { return None };
            let delay_s = u64::try_from((sent.visible_ms - sent.sent_ms) / 1000).unwrap();
            Some(Sent { message, group: sent.group.clone(), delay_s })
        });
        sent.collect()
    }

    /// Every message about a plugin that was ever sent.
    pub(crate) fn plugin_checks(&self) -> Vec<PluginMessage> {
        let messages = wait(self.sqs.messages(QUEUE)).unwrap();
        let checks = messages.iter().filter_map(|sent| match Message::parse(&sent.body).unwrap() {
            Message::Plugin(message) => Some(message),
            Message::Job(_) => None,
        });
        checks.collect()
    }

    pub(crate) fn keys(&self) -> Vec<String> {
        wait(self.s3.keys(BUCKET, "")).unwrap()
    }

    /// The only object.
    pub(crate) fn only_object(&self) -> framelift_dev_s3::Object {
        let keys = self.keys();
        assert_eq!(keys.len(), 1, "{keys:?}");
        wait(self.s3.object(BUCKET, &keys[0])).unwrap().unwrap()
    }

    /// The bytes of an object.
    pub(crate) fn object(&self, key: &str) -> Vec<u8> {
        wait(self.s3.object(BUCKET, key)).unwrap().unwrap().bytes.to_vec()
    }

    /// Places an object.
    pub(crate) fn put(&self, key: &str, bytes: Vec<u8>) {
        wait(self.s3.put(BUCKET, key, bytes)).unwrap();
    }

    /// Aborts every multipart upload.
    pub(crate) fn forget_uploads(&self) {
        let s3 = &self.s3;
        wait(async move {
            for (key, id) in s3.uploads(BUCKET).await.unwrap() {
                s3.abort_upload(BUCKET, &key, &id).await.unwrap();
            }
        });
    }

    /// The keys of multipart uploads in progress.
    pub(crate) fn unfinished(&self) -> Vec<String> {
        wait(self.s3.uploads(BUCKET)).unwrap().into_iter().map(|(key, _)| key).collect()
    }

    /// Makes a presigned PUT with `size` bytes. Returns the status.
    pub(crate) fn client_put(&self, url: &str, headers: &BTreeMap<String, String>, size: u64) -> u16 {
        let target = url.strip_prefix(S3_PUBLIC).expect("clients get public URLs");
        let mut request = http::Request::put(format!("{}{target}", self.s3.endpoint()));
        request = request.header(HOST, S3_PUBLIC.trim_start_matches("https://"));
        for (name, value) in headers.iter().filter(|(name, _)| *name != "content-length") {
            request = request.header(name, value);
        }
        let body = Bytes::from(vec![0; usize::try_from(size).unwrap()]);
        wait(exchange(&self.client, request.body(body).unwrap())).unwrap().status().as_u16()
    }
}

async fn exchange(
    client: &Client<HttpConnector, Full<Bytes>>,
    request: http::Request<Bytes>,
) -> Result<http::Response<Bytes>, Unavailable> {
    let unavailable = |detail: String| Unavailable { what: "cloud", detail };
    let answer = client.request(request.map(Full::new)).await;
    let (head, body) = answer.map_err(|error| unavailable(error.to_string()))?.into_parts();
    let body = body.collect().await.map_err(|error| unavailable(error.to_string()))?;
    Ok(http::Response::from_parts(head, body.to_bytes()))
}

impl Http for Cloud {
    async fn send(&self, request: http::Request<Bytes>) -> Result<http::Response<Bytes>, Unavailable> {
        if let Some(component) = request.uri().host().and_then(|host| host.strip_suffix(".spin.internal")) {
            let works = component != self.unconfigured.get();
            let mut answer = http::Response::new(Bytes::new());
            *answer.status_mut() =
                if works { StatusCode::NO_CONTENT } else { StatusCode::SERVICE_UNAVAILABLE };
            return Ok(answer);
        }
        self.largest_body.set(self.largest_body.get().max(request.body().len()));
        let client = self.client.clone();
        SERVERS.spawn(async move { exchange(&client, request).await }).await.unwrap()
    }
}

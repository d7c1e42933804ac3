//! A cloud with faults on demand: the local S3 and SQS in this process, and the way to the mail catcher, each
//! behind a [`Proxy`].

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use framelift_dev_faults::{Fault, Faults, Rule};
use framelift_dev_s3::{S3Config, S3Server};
use framelift_dev_sqs::{SqsConfig, SqsServer};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::proxy::Proxy;
use crate::stack::{CloudUrls, Setup, Stack};

const ACCESS_KEY_ID: &str = "framelift-local";
const SECRET_ACCESS_KEY: &str = "c2VjcmV0IG9mIHRoZSBsb2NhbCBjbG91ZA";
/// The stack's job queue.
const QUEUE: &str = "framelift-jobs";

/// S3, SQS and SMTP with their faults.
pub struct FaultyCloud {
    s3: S3Server,
    sqs: SqsServer,
    s3_proxy: Proxy,
    sqs_proxy: Proxy,
    smtp_proxy: Proxy,
    folder: TempDir,
}

impl FaultyCloud {
    /// Starts S3 and SQS; nothing goes wrong yet.
    ///
    /// # Panics
    /// If one does not start.
    pub async fn start(seed: u64) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let (id, secret, region) = (ACCESS_KEY_ID, SECRET_ACCESS_KEY, crate::cloud::REGION);
        let s3 = S3Config::local(folder.path().join("s3"), id, secret, region);
        let sqs = SqsConfig::local(folder.path().join("sqs"), id, secret, region);
        let s3 = framelift_dev_s3::start(s3).await.unwrap();
        let sqs = framelift_dev_sqs::start(sqs).await.unwrap();
        let [s3_proxy, sqs_proxy, smtp_proxy] =
            [Proxy::start(seed).await, Proxy::start(seed + 1).await, Proxy::start(seed + 2).await];
        s3_proxy.forward_to(s3.addr());
        sqs_proxy.forward_to(sqs.addr());
        Self { s3, sqs, s3_proxy, sqs_proxy, smtp_proxy, folder }
    }

    /// How a stack is set up that uses it.
    pub fn setup(&self) -> Setup {
        let url = |proxy: &Proxy| format!("http://{}", proxy.address());
        Setup {
            cloud: Some(CloudUrls { s3: url(&self.s3_proxy), sqs: url(&self.sqs_proxy) }),
            smtp: Some(self.smtp_proxy.address()),
            secrets: Some(secrets()),
            ..Setup::default()
        }
    }

    /// Connects the SMTP proxy to the stack's mail catcher, once that has started.
    ///
    /// # Panics
    /// If the stack does not say where that is.
    pub fn forward_mail_to(&self, stack: &Stack) {
        let catcher: SocketAddr = stack.info().smtp.parse().unwrap();
        self.smtp_proxy.forward_to(catcher);
    }

    /// Sets random faults in place of those before: errors, lost answers and delays of the servers, lost and
    /// reordered messages.
    ///
    /// # Panics
    /// If the queue's store fails.
    pub async fn inject_faults(&self, random: &mut fastrand::Rng) {
        self.s3_proxy.set_fault_rate(random.u64(0..40));
        self.sqs_proxy.set_fault_rate(random.u64(0..40));
        self.smtp_proxy.set_fault_rate(random.u64(0..120));
        for faults in [self.s3.faults(), self.sqs.faults()] {
            faults.clear();
            let fault = match random.u8(0..6) {
                0 => Fault::INTERNAL_ERROR,
                1 => Fault::SLOW_DOWN,
                2 => Fault::Reset,
                3 => Fault::Truncate { after: random.u64(0..200) },
                4 => Fault::Delay(Duration::from_millis(random.u64(100..2000))),
                _ => continue,
            };
            faults.add(Rule::new(fault).every(random.u32(2..12)));
        }
        self.sqs.faults().add(Rule::new(Fault::Duplicate).every(random.u32(3..9)));
        if random.bool() {
            // The sweep sends lost messages of jobs again, but not those of notices.
            self.sqs.lose_message(QUEUE, "\"notice\"").await.unwrap();
        }
        if random.bool() {
            self.sqs.delay_message(QUEUE, Duration::from_secs(random.u64(1..8))).await.unwrap();
        }
    }

    /// The faults of S3, for a test that wants a certain one.
    pub fn s3_faults(&self) -> &Faults {
        self.s3.faults()
    }

    /// Removes all faults.
    pub fn clear_faults(&self) {
        for proxy in [&self.s3_proxy, &self.sqs_proxy, &self.smtp_proxy] {
            proxy.set_fault_rate(0);
        }
        self.s3.faults().clear();
        self.sqs.faults().clear();
    }

    /// The number of faults that the servers injected.
    pub fn injected(&self) -> u64 {
        let count = |faults: &Faults| faults.injected();
        count(self.s3.faults()) + count(self.sqs.faults())
    }

    /// Stops the servers.
    ///
    /// # Panics
    /// If the object store has left temporary files.
    pub async fn finish(self) {
        self.sqs.shutdown().await;
        self.s3.shutdown().await;
        let left = temporary_files(&self.folder.path().join("s3"));
        assert_eq!(left, Vec::<PathBuf>::new(), "temporary files");
    }
}

/// The object store's temporary files.
pub(crate) fn temporary_files(s3: &Path) -> Vec<PathBuf> {
    std::fs::read_dir(s3.join("tmp")).unwrap().map(|entry| entry.unwrap().path()).collect()
}

/// As the stack would make them, with the access key that the servers know.
fn secrets() -> Value {
    let key = |byte: u8| URL_SAFE_NO_PAD.encode([byte; 32]);
    json!({
        "signing_key": key(1),
        "worker_token": key(2),
        "email_key": key(3),
        "refresh_keys": format!("local:{}", key(4)),
        "frames_key": key(5),
        "access_key_id": ACCESS_KEY_ID,
        "secret_access_key": SECRET_ACCESS_KEY,
    })
}

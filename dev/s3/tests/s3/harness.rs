//! A server in a new folder, a client of it, and the check that nothing is left over.

use std::path::{Path, PathBuf};
use std::sync::Once;

use aws_credential_types::Credentials;
use aws_sdk_s3::Client;
use aws_sdk_s3::config::retry::RetryConfig;
use aws_sdk_s3::config::{BehaviorVersion, Region};
use aws_sdk_s3::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_s3::primitives::ByteStream;
use framelift_dev_faults::Faults;
use framelift_dev_s3::{S3Config, S3Server, start};
use tempfile::TempDir;

pub(crate) const BUCKET: &str = "videos";
pub(crate) const ACCESS_KEY: &str = "local";
pub(crate) const SECRET: &str = "local-secret";

pub(crate) struct Fixture {
    pub(crate) client: Client,
    pub(crate) http: reqwest::Client,
    pub(crate) faults: Faults,
    server: Option<S3Server>,
    dir: TempDir,
}

impl Fixture {
    pub(crate) async fn start() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let faults = Faults::default();
        let server = start(config(dir.path(), faults.clone())).await.unwrap();
        Self { client: client(&server.endpoint(), SECRET), http: http(), faults, server: Some(server), dir }
    }

    pub(crate) fn endpoint(&self) -> String {
        self.server.as_ref().unwrap().endpoint()
    }

    pub(crate) fn addr(&self) -> std::net::SocketAddr {
        self.server.as_ref().unwrap().addr()
    }

    pub(crate) fn dir(&self) -> &Path {
        self.dir.path()
    }

    /// Stops the server, lets `between` look at the folder, and starts it again.
    pub(crate) async fn restart(&mut self, between: impl FnOnce(&Path)) {
        self.server.take().unwrap().shutdown().await;
        between(self.dir.path());
        let server = start(config(self.dir.path(), self.faults.clone())).await.unwrap();
        self.client = client(&server.endpoint(), SECRET);
        self.server = Some(server);
    }

    pub(crate) async fn put(&self, key: &str, body: impl Into<Vec<u8>>) -> String {
        let output = self
            .client
            .put_object()
            .bucket(BUCKET)
            .key(key)
            .body(ByteStream::from(body.into()))
            .send()
            .await
            .unwrap();
        output.e_tag.unwrap()
    }

    pub(crate) async fn get(&self, key: &str) -> Vec<u8> {
        let output = self.client.get_object().bucket(BUCKET).key(key).send().await;
        let body = output.unwrap().body.collect().await.unwrap();
        body.to_vec()
    }

    /// The files that hold objects and parts.
    pub(crate) fn blobs(&self) -> usize {
        files(&self.dir.path().join("blobs")).len()
    }

    /// Stops the server and checks that it kept `blobs` files of bytes and nothing else.
    pub(crate) async fn finish(mut self, blobs: usize) {
        let uploads = self.client.list_multipart_uploads().bucket(BUCKET).send().await.unwrap();
        assert_eq!(uploads.uploads(), [], "uploads left over");
        self.server.take().unwrap().shutdown().await;
        assert_eq!(files(&self.dir.path().join("tmp")), Vec::<PathBuf>::new());
        assert_eq!(self.blobs(), blobs, "files of bytes");
    }
}

pub(crate) fn config(dir: &Path, faults: Faults) -> S3Config {
    let local = S3Config::local(dir.to_owned(), ACCESS_KEY, SECRET, "us-east-1");
    S3Config { buckets: vec![BUCKET.to_owned()], faults, ..local }
}

pub(crate) fn client(endpoint: &str, secret: &str) -> Client {
    client_in(endpoint, secret, "us-east-1", RetryConfig::disabled())
}

pub(crate) fn client_in(endpoint: &str, secret: &str, region: &str, retry: RetryConfig) -> Client {
    install_tls();
    let http = aws_smithy_http_client::Builder::new().build_http();
    let config = aws_sdk_s3::Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new(region.to_owned()))
        .endpoint_url(endpoint)
        .credentials_provider(Credentials::for_tests_with(secret))
        .force_path_style(true)
        .http_client(http)
        .retry_config(retry)
        .build();
    Client::from_conf(config)
}

trait TestCredentials {
    fn for_tests_with(secret: &str) -> Credentials;
}

impl TestCredentials for Credentials {
    fn for_tests_with(secret: &str) -> Credentials {
        Credentials::new(ACCESS_KEY, secret, None, None, "test")
    }
}

pub(crate) fn http() -> reqwest::Client {
    install_tls();
    reqwest::Client::new()
}

/// `reqwest` wants a provider although no test speaks TLS.
fn install_tls() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        rustls::crypto::ring::default_provider().install_default().unwrap();
    });
}

pub(crate) fn files(dir: &Path) -> Vec<PathBuf> {
    std::fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path()).collect()
}

/// Bytes that repeat at no power of two, so that a shifted read shows.
pub(crate) fn bytes(length: usize, seed: u8) -> Vec<u8> {
    (0..length).map(|at| u8::try_from(at % 251).unwrap() ^ seed).collect()
}

/// The S3 code of a refused call.
pub(crate) fn code<T: std::fmt::Debug, E: ProvideErrorMetadata + std::fmt::Debug, R: std::fmt::Debug>(
    result: Result<T, SdkError<E, R>>,
) -> String {
    let error = result.expect_err("the call was expected to be refused");
    match error.code() {
        Some(code) => code.to_owned(),
        None => panic!("no S3 code in {error:?}"),
    }
}

/// The text between two tags of an XML answer.
pub(crate) fn tag<'a>(xml: &'a str, name: &str) -> &'a str {
    let start = xml.find(&format!("<{name}>")).unwrap() + name.len() + 2;
    let end = xml.find(&format!("</{name}>")).unwrap();
    &xml[start..end]
}

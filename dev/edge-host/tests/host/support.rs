//! The guest, manifests around it, and a running host.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use framelift_edge_host::{HostConfig, HostError, Server, serve};
use reqwest::{Client, RequestBuilder, Response};
use tempfile::TempDir;

/// The guest's Wasm file. Cargo builds it unless it is fresh; `FRAMELIFT_TEST_GUEST` names one
/// that is built already.
pub(crate) fn guest() -> &'static Path {
    static GUEST: OnceLock<PathBuf> = OnceLock::new();
    GUEST.get_or_init(|| {
        if let Some(built) = std::env::var_os("FRAMELIFT_TEST_GUEST") {
            return built.into();
        }
        let status = Command::new(env!("CARGO"))
            .args(["build", "--profile", "guest", "--target", "wasm32-wasip2"])
            .args(["-p", "framelift-test-guest"])
            .current_dir(env!("CARGO_MANIFEST_DIR"))
            .status()
            .expect("cargo starts");
        assert!(status.success(), "the guest does not build");
        target().join("wasm32-wasip2/guest/framelift_test_guest.wasm")
    })
}

fn target() -> &'static Path {
    Path::new(env!("CARGO_TARGET_TMPDIR")).parent().expect("it is below the target folder")
}

/// A manifest in a new folder.
pub(crate) struct Fixture {
    pub(crate) folder: TempDir,
    text: String,
}

/// A manifest with a component `main` at `/...`, which may open the store `default`.
pub(crate) fn fixture() -> Fixture {
    let text = "spin_manifest_version = 2\n[application]\nname = \"test\"\nversion = \"1\"\n";
    let fixture = Fixture { folder: TempDir::new().unwrap(), text: text.to_owned() };
    fixture.route("/...", "main").component("main", "key_value_stores = [\"default\"]")
}

/// A manifest without components.
pub(crate) fn empty() -> Fixture {
    let mut fixture = fixture();
    let end = fixture.text.find("[[trigger.http]]").unwrap();
    fixture.text.truncate(end);
    fixture
}

impl Fixture {
    pub(crate) fn add(mut self, text: &str) -> Self {
        self.text.push_str(text);
        self.text.push('\n');
        self
    }

    pub(crate) fn route(self, route: &str, component: &str) -> Self {
        self.add(&format!("[[trigger.http]]\nroute = \"{route}\"\ncomponent = \"{component}\""))
    }

    pub(crate) fn component(self, id: &str, rest: &str) -> Self {
        let source = guest().display();
        self.add(&format!("[component.{id}]\nsource = '{source}'\n{rest}"))
    }

    /// Writes the manifest.
    pub(crate) fn manifest(&self) -> PathBuf {
        let file = self.folder.path().join("spin.toml");
        std::fs::write(&file, &self.text).unwrap();
        file
    }

    pub(crate) fn config(&self) -> HostConfig {
        HostConfig { cache: Some(cache()), instances: 40, ..HostConfig::new(self.manifest()) }
    }

    pub(crate) async fn serve(self) -> Host {
        let config = self.config();
        self.serve_with(config).await
    }

    pub(crate) async fn serve_with(self, config: HostConfig) -> Host {
        let server = serve(config).await.expect("the host starts");
        Host { base: format!("http://{}", server.addr), server, client: client(), fixture: self }
    }

    /// Why the host does not start.
    pub(crate) async fn refused(self) -> HostError {
        serve(self.config()).await.expect_err("the host must not start")
    }
}

/// A client with new connections.
pub(crate) fn client() -> Client {
    // Another test may have installed it.
    let _ = rustls::crypto::ring::default_provider().install_default();
    Client::builder().no_proxy().build().unwrap()
}

/// Compiled components are shared between the tests.
pub(crate) fn cache() -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).join("edge-host-cache")
}

/// A host that serves.
pub(crate) struct Host {
    pub(crate) base: String,
    pub(crate) server: Server,
    pub(crate) client: Client,
    pub(crate) fixture: Fixture,
}

impl Host {
    pub(crate) fn get(&self, path: &str) -> RequestBuilder {
        self.client.get(format!("{}{path}", self.base))
    }

    pub(crate) fn post(&self, path: &str) -> RequestBuilder {
        self.client.post(format!("{}{path}", self.base))
    }

    pub(crate) fn put(&self, path: &str, body: &'static str) -> RequestBuilder {
        self.client.put(format!("{}{path}", self.base)).body(body)
    }

    /// The status and the text of an answer.
    pub(crate) async fn answer(&self, request: RequestBuilder) -> (u16, String) {
        read(request.send().await.expect("the host answers")).await
    }

    pub(crate) async fn get_text(&self, path: &str) -> (u16, String) {
        self.answer(self.get(path)).await
    }
}

pub(crate) async fn read(response: Response) -> (u16, String) {
    let status = response.status().as_u16();
    (status, response.text().await.expect("the answer is whole"))
}

/// A status and a text, for comparing.
pub(crate) fn is(status: u16, text: &str) -> (u16, String) {
    (status, text.to_owned())
}

//! The key-value store's suite, inside a guest on the edge host: the same functions that run
//! natively on the in-memory store.

use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Stdio};

use framelift_e2e::process::{program, root};
use serde_json::Value;

struct Host {
    child: Child,
    url: String,
}

impl Host {
    fn start(folder: &std::path::Path, quirks: Option<&str>) -> Self {
        let mut command = Command::new(program("framelift-edge-host"));
        command.args(["--listen", "127.0.0.1:0", "--manifest"]);
        command.arg(root().join("e2e/guests/store-suite/spin.toml")).arg("--data").arg(folder);
        if let Some(quirks) = quirks {
            command.args(["--quirks", quirks]);
        }
        let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok);
        let url = lines.find_map(|line| line.strip_prefix("listening on ").map(str::to_owned)).unwrap();
        std::thread::spawn(move || lines.for_each(drop));
        Self { child, url }
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

async fn suite(quirks: Option<&str>) {
    let folder = tempfile::tempdir().unwrap();
    let host = Host::start(folder.path(), quirks);
    let _ = rustls::crypto::ring::default_provider().install_default();
    let results: Value = reqwest::get(&host.url).await.unwrap().json().await.unwrap();
    let results = results.as_array().unwrap();
    assert!(results.len() >= 10, "{results:?}");
    let failed: Vec<&Value> = results.iter().filter(|result| !result["error"].is_null()).collect();
    assert!(failed.is_empty(), "{failed:?}");
}

#[tokio::test]
async fn the_key_value_store_passes_the_suite() {
    suite(None).await;
}

#[tokio::test]
async fn and_passes_it_when_it_misbehaves_as_real_ones_do() {
    suite(Some("all")).await;
}

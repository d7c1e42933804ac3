//! The key-value store's suite, inside a guest on the edge host and on the real Spin: the same functions
//! that run natively on the in-memory store.

use std::io::{BufRead as _, BufReader};
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use framelift_e2e::process::{kill_group, program, root};
use framelift_e2e::stack::real_spin;

struct Host {
    child: Child,
    url: String,
}

impl Host {
    fn start(folder: &Path, quirks: Option<&str>) -> Self {
        let mut command = Command::new(program("framelift-edge-host"));
        command.args(["--max-instance-reuse-count", "1", "--listen", "127.0.0.1:0", "--manifest"]);
        command.arg(root().join("e2e/guests/store-suite/spin.toml")).arg("--data").arg(folder);
        if let Some(quirks) = quirks {
            command.args(["--quirks", quirks]);
        }
        Self::of(command)
    }

    fn start_spin(spin: &Path, folder: &Path) -> Self {
        let mut command = Command::new(spin);
        command.args(["up", "--max-instance-reuse-count", "1", "--listen", "127.0.0.1:0", "--from"]);
        command.arg(root().join("e2e/guests/store-suite/spin.toml")).arg("--state-dir").arg(folder);
        Self::of(command)
    }

    fn of(mut command: Command) -> Self {
        command.stdin(Stdio::null()).stdout(Stdio::piped()).process_group(0);
        let mut child = command.spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok);
        let said = |line: &str| {
            let url = line.strip_prefix("listening on ").or_else(|| line.strip_prefix("Serving "));
            url.map(|url| url.trim().to_owned())
        };
        let url = lines.find_map(|line| said(&line)).unwrap();
        std::thread::spawn(move || lines.for_each(drop));
        Self { child, url }
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        // `spin up` is the parent of the process that serves.
        kill_group(self.child.id());
        let _ = self.child.wait();
    }
}

async fn suite(quirks: Option<&str>) {
    let folder = tempfile::tempdir().unwrap();
    passes(&Host::start(folder.path(), quirks)).await;
}

async fn passes(host: &Host) {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let names = reqwest::get(&host.url).await.unwrap().text().await.unwrap();
    assert!(names.lines().count() >= 10, "{names}");
    for name in names.lines() {
        let answer = reqwest::get(format!("{}/{name}", host.url)).await.unwrap();
        let status = answer.status();
        assert_eq!(status, 200, "{name}: {}", answer.text().await.unwrap());
    }
}

#[tokio::test]
async fn the_key_value_store_passes_the_suite() {
    suite(None).await;
}

#[tokio::test]
async fn and_passes_it_when_it_misbehaves_as_real_ones_do() {
    suite(Some("all")).await;
}

#[tokio::test]
async fn and_on_the_real_spin() {
    let Some(spin) = real_spin() else {
        eprintln!("SKIPPED: the store suite on the real Spin: FRAMELIFT_SPIN names none");
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    passes(&Host::start_spin(&spin, folder.path())).await;
}

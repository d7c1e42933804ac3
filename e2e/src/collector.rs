//! A third-party collector of traces.

use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use crate::until;

/// OtelTap, which prints a line of JSON for each span.
pub struct Collector {
    child: Child,
    output: tempfile::NamedTempFile,
    /// Where spans are sent to, by OTLP over HTTP.
    pub url: String,
}

impl Collector {
    /// Starts it; `None` where it is not installed, which `cargo xtask test` sees to.
    ///
    /// # Panics
    /// If it is installed and does not start.
    pub async fn start() -> Option<Self> {
        let python = PathBuf::from(std::env::var_os("FRAMELIFT_TEST_PYTHON")?);
        // It takes no port 0.
        let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let output = tempfile::NamedTempFile::new().unwrap();
        let child = Command::new(&python)
            .args(["-u", "-m", "oteltap", "--port", &port.to_string()])
            .stdin(Stdio::null())
            .stdout(output.reopen().unwrap())
            .spawn()
            .unwrap();
        let collector = Self { child, output, url: format!("http://127.0.0.1:{port}") };
        until("the collector", || async {
            let said = std::fs::read_to_string(collector.output.path()).unwrap();
            if said.contains("Listening") { Ok(()) } else { Err(said) }
        })
        .await;
        Some(collector)
    }

    /// The spans that it has received.
    ///
    /// # Panics
    /// If what it printed is not JSON.
    pub fn spans(&self) -> Vec<serde_json::Value> {
        let printed = std::fs::read_to_string(self.output.path()).unwrap();
        printed
            .lines()
            .filter(|line| line.starts_with('{'))
            .map(|line| serde_json::from_str(line).unwrap())
            .collect()
    }
}

impl Drop for Collector {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

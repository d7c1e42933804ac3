//! A guest's standard output and error, line by line into the log.

use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};

use tokio::io::AsyncWrite;
use wasmtime_wasi::cli::{IsTerminal, StdoutStream};

/// A line longer than this is logged in pieces, so that a guest cannot fill the host's memory.
const MAX_LINE_BYTES: usize = 16 * 1024;

/// The target of events whose message is a guest's line. Ours are JSON: a formatter may write them as such.
pub const GUEST_LOG: &str = "guest";

/// One of the two streams of an instance.
#[derive(Clone)]
pub(super) struct Output {
    component: Arc<str>,
    stream: &'static str,
    line: Arc<Mutex<Vec<u8>>>,
}

impl Output {
    pub(super) fn new(component: &str, stream: &'static str) -> Self {
        Self { component: component.into(), stream, line: Arc::default() }
    }

    fn write(&self, mut bytes: &[u8]) {
        let mut line = self.line.lock().unwrap_or_else(PoisonError::into_inner);
        while !bytes.is_empty() {
            let end = bytes.iter().position(|byte| *byte == b'\n');
            let room = MAX_LINE_BYTES - line.len();
            let taken = end.unwrap_or(bytes.len()).min(room);
            let (text, rest) = bytes.split_at(taken);
            line.extend_from_slice(text);
            bytes = rest.strip_prefix(b"\n").unwrap_or(rest);
            if rest.len() != bytes.len() || line.len() == MAX_LINE_BYTES {
                self.log(&line);
                line.clear();
            }
        }
    }

    fn log(&self, line: &[u8]) {
        let text = String::from_utf8_lossy(line);
        tracing::info!(target: GUEST_LOG, component = &*self.component, stream = self.stream, "{text}");
    }
}

impl Drop for Output {
    fn drop(&mut self) {
        // Logs the last line, which has no end.
        if Arc::strong_count(&self.line) == 1 {
            let line = self.line.lock().unwrap_or_else(PoisonError::into_inner);
            if !line.is_empty() {
                self.log(&line);
            }
        }
    }
}

impl IsTerminal for Output {
    fn is_terminal(&self) -> bool {
        false
    }
}

impl StdoutStream for Output {
    fn async_stream(&self) -> Box<dyn AsyncWrite + Send + Sync> {
        Box::new(self.clone())
    }
}

impl AsyncWrite for Output {
    fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.write(bytes);
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

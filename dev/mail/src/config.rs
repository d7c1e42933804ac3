//! The server's configuration and its start-up errors.

use std::{io, net::SocketAddr, path::PathBuf, sync::Arc};

use jiff::Timestamp;

/// Where the server listens and where it keeps the mails.
#[derive(Debug, Clone)]
pub struct MailConfig {
    /// Address for SMTP; port 0 picks a free one.
    pub smtp_listen: SocketAddr,
    /// Address for the page and its API; port 0 picks a free one.
    pub http_listen: SocketAddr,
    /// Folder of the mails; created when missing.
    pub data_dir: PathBuf,
}

/// The parts that tests replace.
#[derive(Clone)]
pub struct Options {
    /// The clock for times of receipt.
    pub now: Arc<dyn Fn() -> Timestamp + Send + Sync>,
    /// Bytes of the largest mail that is taken.
    pub max_mail_bytes: usize,
}

impl Default for Options {
    #[expect(clippy::disallowed_methods, reason = "this is the adapter that other code takes the time from")]
    fn default() -> Self {
        Self { now: Arc::new(Timestamp::now), max_mail_bytes: 25 << 20 }
    }
}

/// Why the server did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// An address cannot be listened on.
    #[error("cannot listen on {address}: {source}")]
    Listen {
        /// The address asked for.
        address: SocketAddr,
        /// What the system said.
        source: io::Error,
    },
    /// The folder cannot be created or read.
    #[error("cannot use the folder {path}: {source}")]
    Folder {
        /// The folder asked for.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

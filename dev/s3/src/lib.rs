//! The local stack's S3: the protocol layer of the `s3s` crate over files and SQLite.
//!
//! `s3s` parses requests and checks signatures, expiry, method and signed headers. This
//! crate owns what is underneath: object bytes as files whose names are generated, and an
//! SQLite index that says which files make up which object.
//!
//! *Invariant*: an object is visible only once its bytes are complete, checked and on disk.
//! The write path is temporary file → length and checksum → fsync → rename → index commit;
//! files the index does not know are removed at start.

mod access;
mod ambient;
mod api;
mod checksum;
mod cors;
mod faults;
mod front;
mod inspect;
mod receive;
mod server;
mod store;

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use framelift_dev_faults::Faults;

pub use crate::inspect::Object;
pub use crate::server::{S3Server, start};

/// What the server needs to know before it starts.
#[derive(Clone)]
pub struct S3Config {
    /// Where to listen; port 0 takes a free port, see [`S3Server::addr`].
    pub listen: SocketAddr,
    /// Folder of the index and the object bytes; created when missing, owned by one server.
    pub data_dir: PathBuf,
    /// The one access key that is accepted.
    pub access_key_id: String,
    /// Its secret.
    pub secret_access_key: String,
    /// The region that signatures must name.
    pub region: String,
    /// Buckets created at start when they do not exist yet.
    pub buckets: Vec<String>,
    /// How far the time in a signature may be from the server's; S3 allows 15 minutes.
    pub clock_skew: Duration,
    /// Faults to inject; none unless a test adds rules.
    pub faults: Faults,
}

impl S3Config {
    /// A server on a free port of this machine's own, without buckets and faults, that keeps S3's clock skew.
    pub fn local(
        data_dir: PathBuf,
        access_key_id: impl Into<String>,
        secret_access_key: impl Into<String>,
        region: impl Into<String>,
    ) -> Self {
        Self {
            listen: (Ipv4Addr::LOCALHOST, 0).into(),
            data_dir,
            access_key_id: access_key_id.into(),
            secret_access_key: secret_access_key.into(),
            region: region.into(),
            buckets: Vec::new(),
            clock_skew: CLOCK_SKEW,
            faults: Faults::default(),
        }
    }
}

/// What S3 itself allows a client's clock to be off.
pub const CLOCK_SKEW: Duration = Duration::from_secs(900);

impl std::fmt::Debug for S3Config {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("S3Config")
            .field("listen", &self.listen)
            .field("data_dir", &self.data_dir)
            .field("access_key_id", &self.access_key_id)
            .field("secret_access_key", &"[redacted]")
            .field("region", &self.region)
            .field("buckets", &self.buckets)
            .finish_non_exhaustive()
    }
}

/// Why the server did not start.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The address is taken or not ours.
    #[error("cannot listen on {addr}: {source}")]
    Listen {
        /// The address asked for.
        addr: SocketAddr,
        /// What the system said.
        source: std::io::Error,
    },
    /// The data folder cannot be used.
    #[error("cannot use the data folder {path}: {source}")]
    DataDir {
        /// The folder.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// Another server holds the data folder.
    #[error("the data folder {path} is in use by another server")]
    InUse {
        /// The folder.
        path: PathBuf,
    },
    /// The index was written by a newer version.
    #[error("the index in {path} has version {found}, this program knows {known}")]
    IndexVersion {
        /// The folder.
        path: PathBuf,
        /// Version found.
        found: i64,
        /// Version this program writes.
        known: i64,
    },
    /// The index cannot be opened.
    #[error("cannot open the index: {0}")]
    Index(#[from] rusqlite::Error),
    /// A configured bucket has a name that S3 forbids.
    #[error("bucket name {0:?} is not allowed")]
    BucketName(String),
}

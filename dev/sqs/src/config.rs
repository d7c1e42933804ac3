//! The server's configuration.

use std::fmt;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;

use framelift_dev_faults::Faults;

use crate::clock::{Clock, SystemClock};

/// Where the server listens, where it keeps its file, and which credentials it accepts.
#[derive(Clone)]
pub struct SqsConfig {
    /// Address to listen on; port 0 picks a free one.
    pub listen: SocketAddr,
    /// Folder of the database file; created when missing. One server per folder.
    pub data_dir: PathBuf,
    /// The one access key that is accepted.
    pub access_key_id: String,
    /// Its secret.
    pub secret_access_key: String,
    /// Region of the ARNs and of the signatures.
    pub region: String,
    /// Twelve digits: account of the ARNs and of the queue URLs.
    pub account_id: String,
}

impl SqsConfig {
    /// A server on a free loopback port, for the account 000000000000.
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
            account_id: "000000000000".to_owned(),
        }
    }
}

impl fmt::Debug for SqsConfig {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("SqsConfig")
            .field("listen", &self.listen)
            .field("data_dir", &self.data_dir)
            .field("access_key_id", &self.access_key_id)
            .field("secret_access_key", &"redacted")
            .field("region", &self.region)
            .field("account_id", &self.account_id)
            .finish()
    }
}

/// What tests replace: the clock, the quotas and the faults.
#[derive(Clone)]
pub struct Options {
    /// Decides delays, visibility, retention, long polls and the age of signatures.
    pub clock: Arc<dyn Clock>,
    /// Quotas of the service.
    pub limits: Limits,
    /// Faults to answer with; none unless a test adds rules.
    pub faults: Faults,
}

impl Default for Options {
    fn default() -> Self {
        Self { clock: Arc::new(SystemClock), limits: Limits::default(), faults: Faults::default() }
    }
}

/// Quotas that are too large to reach in a test.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Messages of one queue that may be in flight at once (120,000).
    pub in_flight: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self { in_flight: 120_000 }
    }
}

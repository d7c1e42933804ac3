//! The host's configuration and its start-up errors.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use crate::kv::QuirkSettings;
use crate::manifest::InvalidManifest;
use crate::variables::Values;

/// The configuration of a host.
#[derive(Clone, Debug)]
pub struct HostConfig {
    /// The application's manifest.
    pub manifest: PathBuf,
    /// Where to listen; port 0 picks a free one.
    pub listen: SocketAddr,
    /// The folder of the key-value file; without one, values are kept in memory only.
    pub data: Option<PathBuf>,
    /// The folder of compiled components; without one, each start compiles them.
    pub cache: Option<PathBuf>,
    /// Values of the application's variables.
    pub variables: Values,
    /// Quirks of connections and key-value stores to imitate.
    pub quirks: QuirkSettings,
    /// The seed of the quirks.
    pub quirk_seed: u64,
    /// Most instances at the same time, of all components together.
    pub instances: u32,
    /// How many requests one instance serves; Spin's default is 128.
    pub max_instance_reuse_count: usize,
    /// How long a shutdown waits for running requests.
    pub drain: Duration,
}

impl HostConfig {
    /// The settings of a plain host: a free port of this machine alone, values in memory.
    pub fn new(manifest: impl Into<PathBuf>) -> Self {
        Self {
            manifest: manifest.into(),
            listen: SocketAddr::from(([127, 0, 0, 1], 0)),
            data: None,
            cache: None,
            variables: Values::default(),
            quirks: QuirkSettings::default(),
            quirk_seed: 1,
            instances: 1000,
            max_instance_reuse_count: 128,
            drain: Duration::from_secs(10),
        }
    }
}

/// Why a host does not start.
#[derive(Debug, thiserror::Error)]
pub enum HostError {
    /// The manifest, a variable or a component is wrong.
    #[error(transparent)]
    Manifest(#[from] InvalidManifest),
    /// The address cannot be listened on.
    #[error("cannot listen on {address}: {error}")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// What the system says.
        error: std::io::Error,
    },
    /// The key-value file cannot be used.
    #[error("cannot use the data folder: {0}")]
    Data(String),
    /// The Wasm engine cannot be set up.
    #[error("cannot set up the engine: {0}")]
    Engine(String),
}

impl HostError {
    /// The process's exit code: 64 for an error of configuration, 1 for one of the machine.
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Manifest(_) => 64,
            Self::Listen { .. } | Self::Data(_) | Self::Engine(_) => 1,
        }
    }
}

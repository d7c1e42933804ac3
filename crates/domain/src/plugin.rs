//! Frame plugins of a job, and the versions to which their names were pinned when the job was created.

use crate::{Checksum, PluginId};

/// Most plugins of one video.
pub const MAX_PER_VIDEO: usize = 8;
/// Most bytes of one plugin's configuration as JSON.
pub const MAX_CONFIG_BYTES: usize = 8 << 10;

/// One frame plugin and its configuration, a JSON object as text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PluginRef {
    /// The plugin's name.
    pub name: String,
    /// Its configuration, a JSON text.
    pub config: String,
    /// The pinned version; `None` before the job is created, and on the command line.
    pub pin: Option<PluginPin>,
}

impl PluginRef {
    /// A plugin by its name alone.
    pub fn new(name: impl Into<String>, config: impl Into<String>) -> Self {
        Self { name: name.into(), config: config.into(), pin: None }
    }
}

/// The version to which a name was pinned when a job was created; later uploads do not affect the job.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PluginPin {
    /// The version's number.
    pub version: u32,
    /// Where its code is.
    pub code: PluginCode,
}

/// Where the code of a plugin is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PluginCode {
    /// In the worker: a built-in plugin.
    BuiltIn {
        /// SHA-256 of the component; `None` in records of before it was pinned, which run the worker's newest one.
        sha256: Option<Checksum>,
    },
    /// In the object store: the job's owner uploaded it.
    Uploaded {
        /// The uploaded version.
        id: PluginId,
        /// SHA-256 of the component.
        sha256: Checksum,
        /// Bytes of the component.
        size_bytes: u64,
    },
}

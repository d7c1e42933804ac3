//! Runs the plugins of one video, and keeps the records of their work.

use std::sync::{Arc, Mutex, PoisonError};

use framelift_domain::{Checksum, Failure, FailureCode};
use framelift_media::Filter;

use crate::check::Checked;
use crate::code::{Code, Host, Rejected};
use crate::limits::Metering;
use crate::plugin::Record;

/// A component that has passed its check, and its compiled code.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Compiled {
    /// The component's SHA-256.
    pub sha256: Checksum,
    /// The code that [`Host::compile`] returned.
    pub code: Vec<u8>,
    /// Whether the code counts instructions.
    pub metering: Metering,
    /// The result of its check.
    pub checked: Checked,
}

/// A plugin to run on a video's frames.
#[derive(Clone, Debug)]
pub struct PluginRun {
    /// Its name in the manifest and in errors.
    pub name: String,
    /// Its version, for the manifest.
    pub version: String,
    /// Its configuration, a JSON object.
    pub config: String,
    /// Its code.
    pub compiled: Arc<Compiled>,
}

/// Plugins that run. The engine takes the filters; the records stay here.
#[derive(Default)]
pub struct Running {
    /// The plugins, in order.
    pub filters: Vec<Box<dyn Filter>>,
    records: Vec<Arc<Mutex<Record>>>,
}

impl std::fmt::Debug for Running {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Running").field("filters", &self.filters.len()).finish_non_exhaustive()
    }
}

impl Running {
    /// Starts plugins: for each its code, name, version and configuration.
    ///
    /// # Errors
    /// The failure of the video.
    pub fn start<'p>(
        plugins: impl IntoIterator<Item = (&'p Code, &'p str, &'p str, &'p str)>,
    ) -> Result<Self, Failure> {
        let mut running = Self::default();
        for (code, name, version, config) in plugins {
            let plugin = code.start(name, version, config).map_err(|error| failure(name, error))?;
            running.records.push(plugin.record());
            running.filters.push(Box::new(plugin));
        }
        Ok(running)
    }

    /// The records of the plugins, in order.
    pub fn records(&self) -> Vec<Record> {
        let copy =
            |record: &Arc<Mutex<Record>>| record.lock().unwrap_or_else(PoisonError::into_inner).clone();
        self.records.iter().map(copy).collect()
    }
}

/// The failure of a video whose plugin failed.
pub fn failure(plugin: &str, error: impl std::fmt::Display) -> Failure {
    Failure::new(FailureCode::PluginFailed, format!("the plugin {plugin}: {error}"))
}

impl Host {
    /// Compiles a component and checks it.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn accept(&self, name: &str, component: &[u8]) -> Result<Compiled, Rejected> {
        let (code, sha256) = (self.compile(component)?, Checksum::of(component));
        let checked = self.load(&code, sha256)?.check(name)?;
        Ok(Compiled { sha256, code, metering: self.metering(), checked })
    }
}

//! The limits of a plugin.

use std::time::Duration;

/// The limits of one plugin in one video.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PluginLimits {
    /// Bytes of a component.
    pub component_bytes: usize,
    /// Bytes of all its linear memories together.
    pub memory_bytes: usize,
    /// Processor time of one call. An operation of the host is not interrupted, but it counts.
    pub call: Duration,
    /// Processor time of all calls for one video.
    pub video: Duration,
    /// Bytes of its log.
    pub log_bytes: usize,
}

impl Default for PluginLimits {
    fn default() -> Self {
        Self {
            component_bytes: 32 << 20,
            memory_bytes: 64 << 20,
            call: Duration::from_millis(250),
            video: Duration::from_secs(30),
            log_bytes: 64 << 10,
        }
    }
}

/// Whether instructions are counted in addition to time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Metering {
    /// Only time is checked, every few milliseconds.
    #[default]
    Time,
    /// Instructions are counted too ("fuel"), which makes calls slower: for measurements.
    TimeAndFuel,
}

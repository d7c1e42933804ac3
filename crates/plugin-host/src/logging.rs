//! A plugin's log of one video.

use std::sync::PoisonError;

use serde::{Deserialize, Serialize};

use crate::bindings::framelift::plugin::logging::{Host, Level};
use crate::plugin::State;

/// Lines up to a number of bytes; what does not fit is left out.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Log {
    /// The lines, each with its level before it.
    pub lines: Vec<String>,
    /// Whether lines were left out.
    pub cut: bool,
    #[serde(skip)]
    bytes: usize,
}

impl Log {
    fn push(&mut self, level: &str, message: &str, most: usize) {
        let length = level.len() + 2 + message.len();
        if self.cut || self.bytes + length > most {
            self.cut = true;
            return;
        }
        self.bytes += length;
        self.lines.push(format!("{level}: {message}"));
    }
}

impl Host for State {
    fn log(&mut self, level: Level, message: String) -> wasmtime::Result<()> {
        self.check_time()?;
        let level = match level {
            Level::Debug => "debug",
            Level::Info => "info",
            Level::Warn => "warn",
            Level::Error => "error",
        };
        let mut record = self.record.lock().unwrap_or_else(PoisonError::into_inner);
        record.log.push(level, &message, self.limits.log_bytes);
        Ok(())
    }
}

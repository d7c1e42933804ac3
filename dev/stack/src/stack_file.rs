//! `stack.json`: addresses and process ids, for scripts and tests.

use std::path::{Path, PathBuf};
use std::sync::Mutex;

use serde::Serialize;

use crate::data::write_private;

/// The file's contents.
#[derive(Clone, Default, Serialize)]
pub(crate) struct Contents {
    pub(crate) api: String,
    pub(crate) mail: String,
    pub(crate) s3: String,
    pub(crate) sqs: String,
    pub(crate) smtp: String,
    pub(crate) bucket: String,
    pub(crate) queue_url: String,
    pub(crate) short_queue_url: String,
    pub(crate) dead_letter_url: String,
    pub(crate) access_key_id: String,
    pub(crate) secret_access_key: String,
    pub(crate) worker_metrics: Vec<String>,
    pub(crate) pids: Pids,
}

/// The processes.
#[derive(Clone, Default, Serialize)]
pub(crate) struct Pids {
    pub(crate) edge: Option<u32>,
    pub(crate) workers: Vec<Option<u32>>,
}

/// The file and its present contents.
pub(crate) struct StackFile {
    path: PathBuf,
    contents: Mutex<Contents>,
}

impl StackFile {
    pub(crate) fn new(folder: &Path, contents: Contents) -> Self {
        Self { path: folder.join("stack.json"), contents: Mutex::new(contents) }
    }

    /// Changes the contents. A failed write is only logged: the stack goes on.
    pub(crate) fn change(&self, change: impl FnOnce(&mut Contents)) {
        let mut contents = self.contents.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        change(&mut contents);
        let text = serde_json::to_vec_pretty(&*contents).unwrap_or_default();
        if let Err(error) = write_private(&self.path, &text) {
            tracing::error!(error = format!("{error:#}"), "stack.json could not be written");
        }
    }

    /// Removes the file when the stack has ended.
    pub(crate) fn remove(&self) {
        let _ = std::fs::remove_file(&self.path);
    }
}

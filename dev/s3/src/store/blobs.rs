//! The files of bytes: written aside, published by a rename, removed when nothing needs them.

use std::collections::{HashMap, HashSet};
use std::fs::{self, File, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::ambient::new_id;

/// The two folders of files. Names are generated, never taken from a request.
pub(crate) struct Blobs {
    published: PathBuf,
    temporary: PathBuf,
    /// Files that answers in progress read.
    leases: Mutex<HashMap<String, Readers>>,
}

#[derive(Default)]
struct Readers {
    count: usize,
    /// Whether the index no longer names the file, so that the last reader removes it.
    doomed: bool,
}

impl Blobs {
    pub(crate) fn open(dir: &Path) -> io::Result<Self> {
        let blobs =
            Self { published: dir.join("blobs"), temporary: dir.join("tmp"), leases: Mutex::default() };
        fs::create_dir_all(&blobs.published)?;
        fs::create_dir_all(&blobs.temporary)?;
        Ok(blobs)
    }

    /// Removes every temporary file and every file that is not in `referenced`; says how many.
    pub(crate) fn sweep(&self, referenced: &HashSet<String>) -> io::Result<usize> {
        let mut removed = 0;
        let mut present = HashSet::new();
        for entry in fs::read_dir(&self.temporary)? {
            fs::remove_file(entry?.path())?;
            removed += 1;
        }
        for entry in fs::read_dir(&self.published)? {
            let entry = entry?;
            match entry.file_name().into_string() {
                Ok(name) if referenced.contains(&name) => {
                    present.insert(name);
                }
                _ => {
                    fs::remove_file(entry.path())?;
                    removed += 1;
                }
            }
        }
        for lost in referenced.difference(&present) {
            tracing::error!(blob = %lost, "a file that the index names is missing");
        }
        Ok(removed)
    }

    /// Opens a temporary file that removes itself unless it is kept. Blocking.
    pub(crate) fn create(self: &Arc<Self>) -> io::Result<(File, Pending)> {
        let id = new_id();
        let path = self.temporary.join(&id);
        let file = OpenOptions::new().write(true).create_new(true).open(&path)?;
        let pending = Pending { blobs: Arc::clone(self), id, path, armed: true };
        Ok((file, pending))
    }

    /// Opens a published file. Blocking.
    pub(crate) fn read(&self, id: &str) -> io::Result<File> {
        File::open(self.published.join(id))
    }

    /// Keeps these files from being removed while the lease lives. To be taken in the same
    /// transaction that looked them up.
    pub(crate) fn lease(self: &Arc<Self>, ids: Vec<String>) -> Lease {
        let mut leases = self.leases();
        for id in &ids {
            let readers = leases.entry(id.clone()).or_default();
            readers.count += 1;
            // A lease on a file that the index names again takes back its removal.
            readers.doomed = false;
        }
        drop(leases);
        Lease { blobs: Arc::clone(self), ids }
    }

    /// Removes a file that the index no longer names, now or after its last reader.
    pub(crate) fn remove(&self, id: &str) {
        if let Some(readers) = self.leases().get_mut(id) {
            readers.doomed = true;
            return;
        }
        self.unlink(id);
    }

    fn unlink(&self, id: &str) {
        if let Err(error) = fs::remove_file(self.published.join(id)) {
            // Not lost space for good: the next start sweeps it.
            tracing::warn!(blob = %id, %error, "cannot remove a file");
        }
    }

    fn leases(&self) -> MutexGuard<'_, HashMap<String, Readers>> {
        self.leases.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A file that the index does not know yet; dropping it removes it.
pub(crate) struct Pending {
    blobs: Arc<Blobs>,
    id: String,
    path: PathBuf,
    armed: bool,
}

impl Pending {
    pub(crate) fn id(&self) -> &str {
        &self.id
    }

    /// Makes the bytes durable and moves the file to where readers look. Blocking.
    pub(crate) fn publish(&mut self, file: &File) -> io::Result<()> {
        file.sync_all()?;
        let target = self.blobs.published.join(&self.id);
        fs::rename(&self.path, &target)?;
        self.path = target;
        // The rename itself is only durable once the folder is.
        File::open(&self.blobs.published)?.sync_all()
    }

    /// The index has committed: the file stays.
    pub(crate) fn keep(mut self) {
        self.armed = false;
    }
}

impl Drop for Pending {
    fn drop(&mut self) {
        if self.armed
            && let Err(error) = fs::remove_file(&self.path)
        {
            tracing::warn!(blob = %self.id, %error, "cannot remove an unfinished file");
        }
    }
}

/// A reader's hold on files.
pub(crate) struct Lease {
    blobs: Arc<Blobs>,
    ids: Vec<String>,
}

impl Lease {
    pub(crate) fn blobs(&self) -> &Blobs {
        &self.blobs
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        let mut unlink = Vec::new();
        let mut leases = self.blobs.leases();
        for id in &self.ids {
            let Some(readers) = leases.get_mut(id) else {
                continue;
            };
            readers.count -= 1;
            if readers.count == 0 {
                let readers = leases.remove(id);
                if readers.is_some_and(|readers| readers.doomed) {
                    unlink.push(id);
                }
            }
        }
        drop(leases);
        for id in unlink {
            self.blobs.unlink(id);
        }
    }
}

//! Keeps mails as files in a folder, with an index in memory.

use std::{
    collections::BTreeMap,
    fs::{self, File, TryLockError},
    io::{self, Write},
    path::PathBuf,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use jiff::Timestamp;

use crate::mail::{Envelope, Mail};

const EXTENSION: &str = "eml";
const TEMPORARY: &str = "tmp";

/// All mails. Every method may read or write the disk, so call them off the async executor.
pub(crate) struct Store {
    folder: PathBuf,
    /// Locked while the store lives: one server per folder. The system releases it when the
    /// process dies.
    _lock: File,
    now: Arc<dyn Fn() -> Timestamp + Send + Sync>,
    /// By id, and so by the time of receipt; `newest` is the last id that was given out.
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    mails: BTreeMap<String, Arc<Mail>>,
    newest: i64,
}

impl Store {
    /// Opens the folder, removes what an earlier run left half written, and reads the rest.
    pub(crate) fn open(folder: PathBuf, now: Arc<dyn Fn() -> Timestamp + Send + Sync>) -> io::Result<Self> {
        fs::create_dir_all(&folder)?;
        let lock = File::create(folder.join("lock"))?;
        lock.try_lock().map_err(|error| match error {
            TryLockError::WouldBlock => io::Error::other("in use by another server"),
            TryLockError::Error(error) => error,
        })?;
        let mut state = State::default();
        for entry in fs::read_dir(&folder)? {
            let path = entry?.path();
            let extension = path.extension().and_then(|extension| extension.to_str());
            if extension == Some(TEMPORARY) {
                fs::remove_file(&path)?;
            }
            let id = path.file_stem().and_then(|stem| stem.to_str());
            let (Some(EXTENSION), Some(id)) = (extension, id) else {
                continue;
            };
            // A file that was put there by hand is read, too, if its name is a number.
            let Some(received) = received(id) else {
                tracing::warn!(path = %path.display(), "not a mail of ours, left alone");
                continue;
            };
            let mail = Mail::parse(id.to_owned(), received, &fs::read(&path)?);
            state.newest = state.newest.max(received.as_microsecond());
            state.mails.insert(id.to_owned(), Arc::new(mail));
        }
        Ok(Self { folder, _lock: lock, now, state: Mutex::new(state) })
    }

    /// Keeps a mail; it is on the disk when this returns.
    pub(crate) fn add(&self, envelope: &Envelope, data: &[u8]) -> io::Result<String> {
        let now = (self.now)();
        let id = {
            let mut state = self.state();
            // Never twice the same, whatever the clock does.
            state.newest = now.as_microsecond().max(state.newest + 1);
            format!("{:016}", state.newest)
        };
        let mut raw = envelope.to_headers(now).into_bytes();
        raw.extend_from_slice(data);
        let temporary = self.path(&id, TEMPORARY);
        let written = self.write(&id, &temporary, &raw);
        if written.is_err() {
            // Fails when there is nothing to remove.
            let _ = fs::remove_file(&temporary);
        }
        written?;
        let mail = Arc::new(Mail::parse(id.clone(), now, &raw));
        self.state().mails.insert(id.clone(), mail);
        Ok(id)
    }

    fn write(&self, id: &str, temporary: &PathBuf, raw: &[u8]) -> io::Result<()> {
        let mut file = File::create_new(temporary)?;
        file.write_all(raw)?;
        file.sync_all()?;
        fs::rename(temporary, self.path(id, EXTENSION))?;
        // The new name is on the disk only when its folder is.
        File::open(&self.folder)?.sync_all()
    }

    /// Newest first.
    pub(crate) fn list(&self) -> Vec<Arc<Mail>> {
        self.state().mails.values().rev().cloned().collect()
    }

    pub(crate) fn get(&self, id: &str) -> Option<Arc<Mail>> {
        self.state().mails.get(id).cloned()
    }

    /// The mail as it was stored; `None` when there is none of that id.
    pub(crate) fn raw(&self, id: &str) -> io::Result<Option<Vec<u8>>> {
        // Only ids that are known become part of a path.
        if self.get(id).is_none() {
            return Ok(None);
        }
        fs::read(self.path(id, EXTENSION)).map(Some)
    }

    /// Removes every mail that is there now.
    pub(crate) fn clear(&self) -> io::Result<()> {
        let mails = std::mem::take(&mut self.state().mails);
        for id in mails.keys() {
            fs::remove_file(self.path(id, EXTENSION))?;
        }
        File::open(&self.folder)?.sync_all()
    }

    fn path(&self, id: &str, extension: &str) -> PathBuf {
        self.folder.join(format!("{id}.{extension}"))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// An id is the time of receipt in microseconds, sixteen digits.
fn received(id: &str) -> Option<Timestamp> {
    if id.len() != 16 || !id.bytes().all(|c| c.is_ascii_digit()) {
        return None;
    }
    Timestamp::from_microsecond(id.parse().ok()?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn open(folder: &tempfile::TempDir) -> Store {
        let now = Arc::new(|| Timestamp::UNIX_EPOCH);
        Store::open(folder.path().to_owned(), now).unwrap()
    }

    #[test]
    fn ids_differ_and_rise_while_the_clock_stands_still() {
        let folder = tempfile::tempdir().unwrap();
        let store = open(&folder);
        let ids = [1, 2, 3].map(|_| store.add(&Envelope::default(), b"\r\nx").unwrap());
        assert!(ids.is_sorted());
        drop(store);
        let again = open(&folder);
        let fourth = again.add(&Envelope::default(), b"\r\nx").unwrap();
        assert!(fourth > ids[2]);
        let listed: Vec<_> = again.list().iter().map(|mail| mail.id.clone()).collect();
        assert_eq!(listed[0], fourth);
        assert_eq!(listed[3], ids[0]);
    }

    #[test]
    fn what_was_half_written_is_removed_and_the_rest_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["0000000000000001.tmp", "notes.txt", "mine.eml"] {
            fs::write(folder.path().join(name), "x").unwrap();
        }
        let store = open(&folder);
        assert!(store.list().is_empty());
        assert!(!folder.path().join("0000000000000001.tmp").exists());
        assert!(folder.path().join("notes.txt").exists());
        assert!(folder.path().join("mine.eml").exists());
    }

    #[test]
    fn a_second_server_on_the_same_folder_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let first = open(&folder);
        let second = Store::open(folder.path().to_owned(), Arc::new(|| Timestamp::UNIX_EPOCH));
        assert!(second.err().unwrap().to_string().contains("in use"));
        drop(first);
        open(&folder);
    }

    #[test]
    fn a_mail_that_cannot_be_written_leaves_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let store = open(&folder);
        fs::remove_dir_all(folder.path()).unwrap();
        assert!(store.add(&Envelope::default(), b"x").is_err());
        assert!(store.list().is_empty());
    }

    #[test]
    fn an_unknown_id_is_no_path() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("secret.eml"), "x").unwrap();
        let store = open(&folder);
        for id in ["secret", "../secret", "", "0000000000000001"] {
            assert_eq!(store.raw(id).unwrap(), None, "{id}");
        }
    }
}

//! The saved state of uploads, with which a repeated command resumes an interrupted upload.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, bail};
use framelift_contract::options::OptionsBody;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::service::{Service, paths};

/// The age at which a saved upload is removed. The upload has expired at the service by then.
const MAX_AGE: Duration = Duration::from_secs(7 * 24 * 3600);

/// A file with its size and time at the beginning of the upload.
pub(crate) struct LocalFile {
    pub(crate) path: PathBuf,
    pub(crate) name: String,
    pub(crate) size: u64,
    modified: (i64, i64),
}

impl LocalFile {
    pub(crate) fn open(path: &Path) -> anyhow::Result<Self> {
        let shown = || path.display().to_string();
        let path = path.canonicalize().with_context(shown)?;
        let found = fs::metadata(&path).with_context(shown)?;
        if found.is_dir() {
            bail!("{} is a folder; name the videos in it", shown());
        }
        if !found.is_file() || found.size() == 0 {
            bail!("{} is empty or not a regular file", shown());
        }
        let name = path.file_name().and_then(|name| name.to_str());
        let name = name.with_context(|| format!("the name of {} is not UTF-8", shown()))?.to_owned();
        let (size, modified) = (found.size(), (found.mtime(), found.mtime_nsec()));
        Ok(Self { path, name, size, modified })
    }

    /// Fails if the file has changed since.
    pub(crate) fn check_unchanged(&self) -> anyhow::Result<()> {
        let found = fs::metadata(&self.path).with_context(|| self.path.display().to_string())?;
        if (found.size(), (found.mtime(), found.mtime_nsec())) != (self.size, self.modified) {
            bail!("{} was changed while it was uploaded; upload it again", self.path.display());
        }
        Ok(())
    }

    pub(crate) fn read(&self) -> anyhow::Result<File> {
        File::open(&self.path).with_context(|| self.path.display().to_string())
    }
}

/// The saved state of an upload. Fields that only a newer release knows are lost when this one writes it: at worst, the
/// upload begins anew.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct SavedUpload {
    /// The key with which the service recognises the repeated request.
    pub(crate) idempotency_key: String,
    /// The video's id, once it is created.
    pub(crate) id: Option<String>,
}

/// The file with the state of an upload.
pub(crate) struct SavedUploadFile(PathBuf);

impl SavedUploadFile {
    /// The file for an upload of `file` with these options to this account.
    pub(crate) fn of(service: &Service, file: &LocalFile, options: &OptionsBody) -> anyhow::Result<Self> {
        let options = serde_json::to_string(options).context("cannot serialize the options")?;
        let folder = paths::state()?.join("uploads");
        let account = service.email().unwrap_or_default();
        Ok(Self(folder.join(name(service.server(), &account, file, &options))))
    }

    /// Reads the saved state, or creates a new one.
    pub(crate) fn read_or_create(&self) -> anyhow::Result<SavedUpload> {
        if let Some(folder) = self.0.parent() {
            remove_old(folder, MAX_AGE);
        }
        match fs::read(&self.0) {
            Ok(text) => match serde_json::from_slice(&text) {
                Ok(saved) => return Ok(saved),
                Err(error) => tracing::debug!(%error, "the saved upload cannot be read"),
            },
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error).with_context(|| self.0.display().to_string()),
        }
        let mut random = [0; 16];
        getrandom::fill(&mut random).map_err(|error| anyhow::anyhow!("cannot get random bytes: {error}"))?;
        let saved = SavedUpload { idempotency_key: hex::encode(random), id: None };
        self.write(&saved)?;
        Ok(saved)
    }

    pub(crate) fn write(&self, saved: &SavedUpload) -> anyhow::Result<()> {
        paths::write_private(
            &self.0,
            &serde_json::to_vec(saved).context("cannot serialize the saved upload")?,
        )
    }

    /// Removes the file, because the upload is complete or cannot be resumed.
    pub(crate) fn forget(&self) {
        if let Err(error) = fs::remove_file(&self.0) {
            tracing::debug!(%error, "the saved upload cannot be removed");
        }
    }
}

fn name(server: &str, account: &str, file: &LocalFile, options: &str) -> String {
    let mut hash = Sha256::new();
    let (size, modified) = (file.size.to_string(), format!("{:?}", file.modified));
    for part in [server, account, &*file.path.to_string_lossy(), &size, &modified, options] {
        hash.update(part.len().to_le_bytes());
        hash.update(part);
    }
    format!("{}.json", hex::encode(&hash.finalize()[..16]))
}

/// Removes files that are older than `age`.
fn remove_old(folder: &Path, age: Duration) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let modified = entry.metadata().and_then(|found| found.modified());
        let old = modified.is_ok_and(|modified| modified.elapsed().is_ok_and(|elapsed| elapsed >= age));
        if old {
            let _ = fs::remove_file(entry.path());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(folder: &Path) -> LocalFile {
        fs::write(folder.join("a.mp4"), "bytes").unwrap();
        LocalFile::open(&folder.join("a.mp4")).unwrap()
    }

    #[test]
    fn a_saved_upload_belongs_to_file_options_account_and_server() {
        let folder = tempfile::tempdir().unwrap();
        let one = file(folder.path());
        let other = LocalFile { size: 6, path: one.path.clone(), name: one.name.clone(), ..one };
        let names = [
            name("s", "ada", &one, "{}"),
            name("s", "ada", &other, "{}"),
            name("t", "ada", &one, "{}"),
            name("s", "eve", &one, "{}"),
            name("s", "ada", &one, "{1}"),
        ];
        for (at, left) in names.iter().enumerate() {
            assert!(names[at + 1..].iter().all(|right| right != left), "{names:?}");
        }
        assert_eq!(names[0], name("s", "ada", &one, "{}"));
    }

    #[test]
    fn an_upload_is_kept_until_it_is_forgotten() {
        let folder = tempfile::tempdir().unwrap();
        let saved_file = SavedUploadFile(folder.path().join("uploads/x.json"));
        let mut saved = saved_file.read_or_create().unwrap();
        assert_eq!(saved_file.read_or_create().unwrap(), saved);
        saved.id = Some("01a2".into());
        saved_file.write(&saved).unwrap();
        assert_eq!(saved_file.read_or_create().unwrap(), saved);
        saved_file.forget();
        assert_ne!(saved_file.read_or_create().unwrap().idempotency_key, saved.idempotency_key);
        remove_old(&folder.path().join("uploads"), Duration::ZERO);
        assert_eq!(fs::read_dir(folder.path().join("uploads")).unwrap().count(), 0);
    }

    #[test]
    fn changed_files_and_folders_are_reported() {
        let folder = tempfile::tempdir().unwrap();
        let file = file(folder.path());
        file.check_unchanged().unwrap();
        fs::write(folder.path().join("a.mp4"), "other bytes").unwrap();
        assert!(file.check_unchanged().unwrap_err().to_string().contains("was changed"));
        fs::write(folder.path().join("empty.mp4"), "").unwrap();
        for (path, message) in [("", "is a folder"), ("empty.mp4", "is empty"), ("none.mp4", "No such file")]
        {
            let error = LocalFile::open(&folder.path().join(path)).err().unwrap();
            assert!(format!("{error:#}").contains(message), "{error:#}");
        }
    }
}

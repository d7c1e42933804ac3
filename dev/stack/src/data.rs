//! The data folder: one stack at a time, and the secrets that its parts share.

use std::fs::{File, OpenOptions};
use std::io::Write as _;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};

/// The locked data folder.
pub(crate) struct DataDir {
    path: PathBuf,
    /// Held while the stack runs; the kernel releases it however the process ends.
    _lock: File,
}

/// The secrets with which the parts of one stack authenticate each other. Made once, and kept in the folder,
/// readable only by its owner.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct Secrets {
    /// Ed25519 seed of the access tokens, base64url.
    pub(crate) signing_key: String,
    /// What workers present to `control`.
    pub(crate) worker_token: String,
    /// Keys the hashes of e-mail addresses in the store.
    pub(crate) email_key: String,
    /// Makes refresh tokens; missing in folders of earlier versions.
    #[serde(default)]
    pub(crate) refresh_keys: String,
    /// Signs links to frames; missing in folders of earlier versions.
    #[serde(default)]
    pub(crate) frames_key: String,
    pub(crate) access_key_id: String,
    pub(crate) secret_access_key: String,
}

impl DataDir {
    /// Makes and locks the folder.
    pub(crate) fn open(path: &Path) -> anyhow::Result<Self> {
        let in_use = || format!("another stack runs on {}", path.display());
        std::fs::create_dir_all(path)
            .with_context(|| format!("cannot make the folder {}", path.display()))?;
        let path = path.canonicalize().with_context(|| format!("cannot find {}", path.display()))?;
        let lock_path = path.join("lock");
        let lock = OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .open(&lock_path)
            .with_context(|| format!("cannot write {}", lock_path.display()))?;
        lock.try_lock().map_err(|_| anyhow::anyhow!(in_use()))?;
        Ok(Self { path, _lock: lock })
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// A folder inside, made if missing.
    pub(crate) fn folder(&self, name: &str) -> anyhow::Result<PathBuf> {
        let folder = self.path.join(name);
        std::fs::create_dir_all(&folder)
            .with_context(|| format!("cannot make the folder {}", folder.display()))?;
        Ok(folder)
    }

    /// The secrets, made at the first start.
    pub(crate) fn secrets(&self) -> anyhow::Result<Secrets> {
        let path = self.path.join("secrets.json");
        match std::fs::read(&path) {
            Ok(text) => {
                let mut secrets: Secrets = serde_json::from_slice(&text)
                    .with_context(|| format!("{} is damaged", path.display()))?;
                let lacks = (secrets.refresh_keys.is_empty(), secrets.frames_key.is_empty());
                if lacks.0 {
                    secrets.refresh_keys = format!("local:{}", random(32)?);
                }
                if lacks.1 {
                    secrets.frames_key = random(32)?;
                }
                if lacks != (false, false) {
                    write_private(&path, &serde_json::to_vec_pretty(&secrets)?)?;
                }
                Ok(secrets)
            }
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                let secrets = Secrets {
                    signing_key: random(32)?,
                    worker_token: random(32)?,
                    email_key: random(32)?,
                    refresh_keys: format!("local:{}", random(32)?),
                    frames_key: random(32)?,
                    access_key_id: "framelift-local".into(),
                    secret_access_key: random(30)?,
                };
                write_private(&path, &serde_json::to_vec_pretty(&secrets)?)?;
                Ok(secrets)
            }
            Err(error) => Err(error).with_context(|| format!("cannot read {}", path.display())),
        }
    }
}

/// Returns this many random bytes, in base64url.
pub(crate) fn random(bytes: usize) -> anyhow::Result<String> {
    let mut buffer = vec![0; bytes];
    getrandom::fill(&mut buffer).map_err(|error| anyhow::anyhow!("no randomness: {error}"))?;
    Ok(URL_SAFE_NO_PAD.encode(buffer))
}

/// Atomically writes a file that only its owner may read.
pub(crate) fn write_private(path: &Path, contents: &[u8]) -> anyhow::Result<()> {
    use std::os::unix::fs::OpenOptionsExt as _;
    let temporary = path.with_extension("tmp");
    let write = || -> std::io::Result<()> {
        let mut file =
            OpenOptions::new().create(true).truncate(true).write(true).mode(0o600).open(&temporary)?;
        file.write_all(contents)?;
        file.sync_all()?;
        std::fs::rename(&temporary, path)
    };
    write().with_context(|| format!("cannot write {}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_has_one_stack_and_keeps_its_secrets() {
        let folder = tempfile::tempdir().unwrap();
        let first = DataDir::open(folder.path()).unwrap();
        let secrets = first.secrets().unwrap();
        assert!(DataDir::open(folder.path()).is_err_and(|error| error.to_string().contains("another stack")));
        drop(first);
        let again = DataDir::open(folder.path()).unwrap().secrets().unwrap();
        assert_eq!(secrets.signing_key, again.signing_key);
        assert_ne!(secrets.signing_key, secrets.worker_token);
    }

    #[test]
    fn a_folder_of_an_earlier_version_gets_the_secrets_that_it_lacks() {
        let folder = tempfile::tempdir().unwrap();
        let data = DataDir::open(folder.path()).unwrap();
        let secrets = data.secrets().unwrap();
        let path = folder.path().join("secrets.json");
        let mut stored = serde_json::to_value(&secrets).unwrap();
        for name in ["refresh_keys", "frames_key"] {
            stored.as_object_mut().unwrap().remove(name);
        }
        std::fs::write(&path, stored.to_string()).unwrap();
        let mended = data.secrets().unwrap();
        assert_eq!(mended.email_key, secrets.email_key);
        assert!(mended.refresh_keys.starts_with("local:"));
        assert!(mended.frames_key.len() > 40);
        let kept = data.secrets().unwrap();
        assert_eq!((kept.refresh_keys, kept.frames_key), (mended.refresh_keys, mended.frames_key));
    }

    #[test]
    fn damaged_secrets_are_not_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let data = DataDir::open(folder.path()).unwrap();
        std::fs::write(folder.path().join("secrets.json"), "{").unwrap();
        assert!(data.secrets().is_err_and(|error| error.to_string().contains("damaged")));
    }
}

//! The file of logins, one for each server. Only its owner may read it, and processes lock it to change it.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::PathBuf;

use anyhow::Context as _;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::error::ServiceError;
use super::paths;
use crate::interrupts;

/// The contents of `credentials.json`. It has no version: a release adds fields, which older ones keep.
#[derive(Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Stored {
    /// The server that was logged in to last.
    pub(crate) server: Option<String>,
    /// The logins by the server's URL.
    #[serde(default)]
    pub(crate) logins: BTreeMap<String, Login>,
    #[serde(flatten)]
    unknown: Unknown,
}

/// A login.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Login {
    pub(crate) email: String,
    pub(crate) access_token: String,
    pub(crate) refresh_token: String,
    #[serde(flatten)]
    unknown: Unknown,
}

impl Login {
    /// A new login, with nothing of an earlier one.
    pub(crate) fn new(email: String, access_token: String, refresh_token: String) -> Self {
        Self { email, access_token, refresh_token, unknown: Unknown::default() }
    }
}

impl std::fmt::Debug for Login {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Login").field("email", &self.email).finish_non_exhaustive()
    }
}

/// Fields that a newer release wrote. They may be secret.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
struct Unknown(Map<String, Value>);

impl std::fmt::Debug for Unknown {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Unknown").finish_non_exhaustive()
    }
}

/// The file of logins.
#[derive(Clone, Debug)]
pub(crate) struct Credentials {
    folder: PathBuf,
}

impl Credentials {
    /// The user's file.
    pub(crate) fn of_user() -> Result<Self, ServiceError> {
        Ok(Self { folder: paths::config()? })
    }

    fn file(&self) -> PathBuf {
        self.folder.join("credentials.json")
    }

    /// Reads the file, or nothing without any login.
    pub(crate) fn read(&self) -> Result<Stored, ServiceError> {
        let path = self.file();
        let text = match fs::read(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Stored::default()),
            Err(error) => return Err(anyhow::Error::from(error).context(path.display().to_string()).into()),
        };
        let stored = serde_json::from_slice(&text);
        let advice = || format!("{} cannot be read; remove it and log in again", path.display());
        Ok(stored.with_context(advice)?)
    }

    /// Changes the file under a lock, without interruption by a signal. If `change` fails, nothing is written.
    pub(crate) fn update<T>(
        &self,
        change: impl FnOnce(&mut Stored) -> Result<T, ServiceError>,
    ) -> Result<T, ServiceError> {
        interrupts::without_interruption(|| {
            paths::make_private(&self.folder)?;
            let path = self.folder.join("credentials.lock");
            let options = File::options().write(true).create(true).truncate(false).mode(0o600).open(&path);
            // Unlocked when the file is closed.
            let lock = options.and_then(|file| file.lock().map(|()| file));
            let _lock = lock.with_context(|| path.display().to_string())?;
            let mut stored = self.read()?;
            let given = change(&mut stored)?;
            let text = serde_json::to_vec_pretty(&stored).context("cannot serialize the logins")?;
            paths::write_private(&self.file(), &text)?;
            Ok(given)
        })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn login(token: &str) -> Login {
        Login::new("ada@example.com".into(), token.into(), "r".into())
    }

    #[test]
    fn changes_are_kept_and_failed_ones_are_not() {
        let folder = tempfile::tempdir().unwrap();
        let credentials = Credentials { folder: folder.path().join("framelift") };
        assert_eq!(credentials.read().unwrap(), Stored::default());
        let kept = credentials.update(|stored| {
            stored.logins.insert("https://x.example".into(), login("a"));
            Ok(7)
        });
        assert_eq!(kept.unwrap(), 7);
        let failed: Result<(), _> = credentials.update(|stored| {
            stored.logins.clear();
            Err(ServiceError::TokenRefused)
        });
        assert!(failed.is_err());
        assert_eq!(credentials.read().unwrap().logins["https://x.example"], login("a"));
        assert!(!format!("{:?}", credentials.read().unwrap()).contains("\"a\""));
    }

    #[test]
    fn fields_of_a_newer_release_are_kept() {
        let folder = tempfile::tempdir().unwrap();
        let credentials = Credentials { folder: folder.path().to_owned() };
        let login =
            json!({"email": "ada@example.com", "access_token": "a", "refresh_token": "r", "new": [1]});
        let mut file = json!({"server": "s", "logins": {"s": login}, "new": {"token": "secret"}});
        fs::write(credentials.file(), file.to_string()).unwrap();
        let changed = credentials.update(|stored| {
            stored.logins.get_mut("s").unwrap().access_token = "b".into();
            Ok(format!("{stored:?}"))
        });
        assert!(!changed.unwrap().contains("secret"));
        file["logins"]["s"]["access_token"] = "b".into();
        let kept: Value = serde_json::from_slice(&fs::read(credentials.file()).unwrap()).unwrap();
        assert_eq!(kept, file);
    }

    #[test]
    fn processes_wait_for_each_other() {
        let folder = tempfile::tempdir().unwrap();
        let credentials = Credentials { folder: folder.path().to_owned() };
        let count = || {
            credentials.update(|stored| {
                let login = stored.logins.entry("s".into()).or_insert_with(|| login("0"));
                let number: u32 = login.access_token.parse().unwrap();
                login.access_token = (number + 1).to_string();
                Ok(())
            })
        };
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| (0..10).for_each(|_| count().unwrap()));
            }
        });
        assert_eq!(credentials.read().unwrap().logins["s"].access_token, "80");
    }

    #[test]
    fn a_file_that_cannot_be_read_says_what_to_do() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("credentials.json"), "{").unwrap();
        let credentials = Credentials { folder: folder.path().to_owned() };
        let ServiceError::Local(error) = credentials.read().unwrap_err() else { panic!("another error") };
        assert!(error.to_string().contains("log in again"), "{error}");
    }
}

//! The paths of the program's own files: by the XDG base directory specification, on macOS in *Application Support*. Only
//! their owner may read them, and they are replaced atomically.

use std::fs::{self, DirBuilder};
use std::io::Write as _;
use std::os::unix::fs::{DirBuilderExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use etcetera::BaseStrategy;

/// The folder of the logins.
pub(crate) fn config() -> anyhow::Result<PathBuf> {
    let places = places()?;
    // Apple reserves the folder of preferences for its own API.
    let base = if cfg!(target_os = "macos") { places.data_dir() } else { places.config_dir() };
    Ok(base.join("framelift"))
}

/// The folder of saved uploads.
pub(crate) fn state() -> anyhow::Result<PathBuf> {
    let places = places()?;
    Ok(places.state_dir().unwrap_or_else(|| places.data_dir()).join("framelift"))
}

fn places() -> anyhow::Result<impl BaseStrategy> {
    etcetera::base_strategy::choose_native_strategy().context("no home folder is known, to keep files in")
}

/// Creates a folder that only its owner may enter, and its parents.
pub(crate) fn make_private(folder: &Path) -> anyhow::Result<()> {
    let made = DirBuilder::new().recursive(true).mode(0o700).create(folder);
    made.and_then(|()| fs::set_permissions(folder, fs::Permissions::from_mode(0o700)))
        .with_context(|| folder.display().to_string())
}

/// Replaces a file, which only its owner may read.
pub(crate) fn write_private(path: &Path, bytes: &[u8]) -> anyhow::Result<()> {
    let folder = path.parent().unwrap_or(Path::new("."));
    make_private(folder)?;
    let write = || -> std::io::Result<()> {
        // Temporary files have mode 0600.
        let mut file = tempfile::NamedTempFile::new_in(folder)?;
        file.write_all(bytes)?;
        file.as_file().sync_all()?;
        file.persist(path)?;
        Ok(())
    };
    write().with_context(|| path.display().to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_for_its_owner_alone() {
        let folder = tempfile::tempdir().unwrap();
        let (inner, mode) = (folder.path().join("a/b"), |path: &Path| {
            fs::metadata(path).unwrap().permissions().mode() & 0o777
        });
        fs::create_dir_all(&inner).unwrap();
        fs::set_permissions(&inner, fs::Permissions::from_mode(0o755)).unwrap();
        fs::write(inner.join("file"), "old").unwrap();
        write_private(&inner.join("file"), b"new").unwrap();
        assert_eq!((mode(&inner), mode(&inner.join("file"))), (0o700, 0o600));
        assert_eq!(fs::read(inner.join("file")).unwrap(), b"new");
        assert_eq!(fs::read_dir(&inner).unwrap().count(), 1);
    }
}

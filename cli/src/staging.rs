//! Atomic output: files are written beside their target and then moved to it. A signal that ends the program removes what
//! is not finished.

use std::ffi::OsStr;
use std::fs::{self, File, Permissions};
use std::io;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, anyhow, bail};
use framelift_contract::manifest::Manifest;
use tempfile::{NamedTempFile, TempDir};

use crate::interrupts;

/// Creates a temporary file for an archive, which [`publish_file`] moves to `target`.
pub(crate) fn file(target: &Path) -> anyhow::Result<NamedTempFile> {
    let folder = nearest(target.parent().unwrap_or(Path::new("")));
    let mut unfinished = interrupts::unfinished();
    // The same permissions as any other new file.
    let file = builder().permissions(Permissions::from_mode(0o666)).tempfile_in(&folder);
    let file = file.with_context(|| format!("no file can be made in {}", folder.display()))?;
    *unfinished = Some(file.path().to_owned());
    Ok(file)
}

/// Moves an archive to its target.
pub(crate) fn publish_file(file: NamedTempFile, target: &Path, force: bool) -> anyhow::Result<()> {
    if let Some(parent) = target.parent() {
        fs::create_dir_all(parent).with_context(|| parent.display().to_string())?;
    }
    let _uninterrupted = interrupts::unfinished();
    let kept = if force { file.persist(target) } else { file.persist_noclobber(target) };
    kept.map(drop).with_context(|| target.display().to_string())
}

/// Creates a temporary folder for files, which [`publish_folder`] moves to `target`.
pub(crate) fn folder(target: &Path) -> anyhow::Result<TempDir> {
    let folder = nearest(target);
    let mut unfinished = interrupts::unfinished();
    let made = builder().permissions(Permissions::from_mode(0o777)).tempdir_in(&folder);
    let made = made.with_context(|| format!("no folder can be made in {}", folder.display()))?;
    *unfinished = Some(made.path().to_owned());
    Ok(made)
}

/// A folder for files that an interrupted command leaves there for its repetition.
pub(crate) struct KeptFolder {
    pub(crate) path: PathBuf,
    /// Locked, because two commands at the same time would mix their files.
    _lock: File,
}

/// Opens or creates the folder that belongs to `target` and `key`. [`publish_folder`] moves it to `target`.
pub(crate) fn kept_folder(target: &Path, key: &str) -> anyhow::Result<KeptFolder> {
    let path = nearest(target).join(format!(".framelift-{key}.part"));
    let open = || {
        fs::create_dir(&path).or_else(|error| match error.kind() {
            io::ErrorKind::AlreadyExists => Ok(()),
            _ => Err(error),
        })?;
        File::open(&path)
    };
    let lock = open().with_context(|| path.display().to_string())?;
    lock.try_lock().with_context(|| format!("{} is being written by another command", path.display()))?;
    Ok(KeptFolder { path, _lock: lock })
}

/// Moves the files of a folder to their targets. Without `force`, fails if one of these exists, and moves none. With
/// `force`, also removes the images that an earlier run's manifest lists and that this run has not written, so that the
/// folder matches the new manifest.
pub(crate) fn publish_folder(made: &Path, target: &Path, manifest: &str, force: bool) -> anyhow::Result<()> {
    if target.as_os_str().is_empty() {
        return publish_folder(made, Path::new("."), manifest, force);
    }
    let _uninterrupted = interrupts::unfinished();
    if !target.exists() {
        if let Some(parent) = target.parent().filter(|parent| !parent.as_os_str().is_empty()) {
            fs::create_dir_all(parent).with_context(|| parent.display().to_string())?;
        }
        return fs::rename(made, target).with_context(|| target.display().to_string());
    }
    let names: io::Result<Vec<_>> = fs::read_dir(made)?.map(|entry| Ok(entry?.file_name())).collect();
    let moves: Vec<(PathBuf, PathBuf)> =
        names?.iter().map(|name| (made.join(name), target.join(name))).collect();
    for (_, to) in &moves {
        match to.symlink_metadata() {
            Ok(found) if found.is_dir() => bail!("{} is a folder", to.display()),
            Ok(_) if !force => return Err(anyhow!("{} exists; --force replaces it", to.display())),
            _ => {}
        }
    }
    let earlier = if force { listed(&target.join(manifest)) } else { Vec::new() };
    for (index, (from, to)) in moves.iter().enumerate() {
        let moved = if force { fs::rename(from, to) } else { move_new(from, to) };
        if let Err(error) = moved {
            if !force {
                moves[..index].iter().for_each(|(_, to)| drop(fs::remove_file(to)));
            }
            return Err(error).with_context(|| to.display().to_string());
        }
    }
    let stale = earlier.iter().map(|name| target.join(name));
    for path in stale.filter(|path| moves.iter().all(|(_, to)| to != path)) {
        if path.symlink_metadata().is_ok_and(|found| found.is_file()) {
            fs::remove_file(&path).with_context(|| path.display().to_string())?;
        }
    }
    Ok(())
}

/// The images in the manifest's own folder that it lists; none if it cannot be read.
fn listed(manifest: &Path) -> Vec<String> {
    let manifest = fs::read(manifest).ok().and_then(|text| serde_json::from_slice::<Manifest>(&text).ok());
    let names = manifest.into_iter().flat_map(|manifest| manifest.frames).map(|frame| frame.file);
    // The manifest is untrusted.
    names.filter(|name| Path::new(name).file_name() == Some(OsStr::new(name))).collect()
}

/// Moves a file to a path at which there is none.
pub(crate) fn move_new(from: &Path, to: &Path) -> io::Result<()> {
    match fs::hard_link(from, to) {
        Ok(()) => fs::remove_file(from),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Err(error),
        // The file system has no links. `to` did not exist a moment ago.
        Err(_) => fs::rename(from, to),
    }
}

fn builder() -> tempfile::Builder<'static, 'static> {
    let mut builder = tempfile::Builder::new();
    builder.prefix(".framelift-").suffix(".part");
    builder
}

/// `folder` or its nearest existing parent, which is on the same file system as the target.
fn nearest(folder: &Path) -> PathBuf {
    let here = |folder: &&Path| folder.as_os_str().is_empty() || folder.is_dir();
    match folder.ancestors().find(here) {
        Some(found) if !found.as_os_str().is_empty() => found.to_owned(),
        _ => PathBuf::from("."),
    }
}

/// Opens a device or a pipe to write into it.
pub(crate) fn device(path: &Path) -> anyhow::Result<File> {
    fs::OpenOptions::new().write(true).open(path).with_context(|| path.display().to_string())
}

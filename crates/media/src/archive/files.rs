//! Members as files in a folder.

use std::fs::{File, create_dir_all};
use std::io::{self, BufWriter, Write as _};
use std::path::{Component, Path, PathBuf};

use super::{Archive, ArchiveError, Content, Finished, Member};

/// Writes members into a folder.
#[derive(Debug)]
pub struct Files {
    folder: PathBuf,
    bytes: u64,
}

impl Files {
    /// Writes into the existing folder `folder`. Existing files are never replaced.
    pub fn new(folder: impl Into<PathBuf>) -> Self {
        Self { folder: folder.into(), bytes: 0 }
    }
}

impl Archive for Files {
    fn written(&self) -> u64 {
        self.bytes
    }

    fn add(&mut self, member: Member<'_>, content: Content<'_>) -> Result<(), ArchiveError> {
        let name = Path::new(member.name);
        // Users can choose member names, so a name must not lead out of the folder.
        if name.components().any(|part| !matches!(part, Component::Normal(_))) || member.name.is_empty() {
            let error = format!("{:?} is no name of a file in the folder", member.name);
            return Err(io::Error::new(io::ErrorKind::InvalidInput, error).into());
        }
        let path = self.folder.join(name);
        if let Some(parent) = name.parent().filter(|parent| !parent.as_os_str().is_empty()) {
            create_dir_all(self.folder.join(parent))?;
        }
        let file = File::create_new(&path).map_err(|error| match error.kind() {
            io::ErrorKind::AlreadyExists => {
                io::Error::new(error.kind(), format!("two files would be called {:?}", member.name))
            }
            _ => error,
        })?;
        let mut out = BufWriter::new(file);
        content(&mut out)?;
        out.flush()?;
        self.bytes += member.size;
        Ok(())
    }

    fn finish(self: Box<Self>) -> io::Result<Finished> {
        Ok(Finished { bytes: self.bytes, sha256: None })
    }
}

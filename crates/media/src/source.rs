//! Sources of a video's bytes: the trait for ranged reads, and its implementation for local files.

use std::fs::{File, Metadata};
use std::io::{self, Read, Seek, SeekFrom};
use std::ops::Range;
use std::path::Path;

/// A video's bytes, read by ranges.
///
/// Demuxers read forward in small steps and sometimes jump; an implementation over a network reads ahead and
/// retries on its own. An error ends the extraction as [`ExtractError::Source`](crate::ExtractError::Source).
pub trait Source: Send {
    /// The length in bytes; it does not change.
    fn size(&self) -> u64;

    /// Reads at least one byte and at most `buf.len()` at `offset`; `Ok(0)` means that
    /// `offset` is at or beyond the end.
    fn read_at(&mut self, offset: u64, buf: &mut [u8]) -> io::Result<usize>;

    /// Announces the ranges that will be read next, in this order, each from front to back. It is a hint: a
    /// source over a network can fetch just these bytes ahead. It replaces earlier hints; an empty list
    /// clears them. Other reads remain possible.
    fn prefetch(&mut self, ranges: &[Range<u64>]) {
        let _ = ranges;
    }
}

impl<S: Source + ?Sized> Source for Box<S> {
    fn size(&self) -> u64 {
        (**self).size()
    }

    fn read_at(&mut self, offset: u64, buf: &mut [u8]) -> io::Result<usize> {
        (**self).read_at(offset, buf)
    }

    fn prefetch(&mut self, ranges: &[Range<u64>]) {
        (**self).prefetch(ranges);
    }
}

/// A local file.
#[derive(Debug)]
pub struct FileSource {
    file: File,
    size: u64,
    position: u64,
}

impl FileSource {
    /// Opens `path`, which must be a regular file. Others are refused before they are opened,
    /// since opening a pipe that nobody writes to never returns.
    pub fn open(path: impl AsRef<Path>) -> io::Result<Self> {
        regular(&std::fs::metadata(&path)?)?;
        Self::from_file(File::open(path)?)
    }

    /// Takes an open file, which must be a regular one.
    pub fn from_file(mut file: File) -> io::Result<Self> {
        let metadata = file.metadata()?;
        regular(&metadata)?;
        file.rewind()?;
        Ok(Self { file, size: metadata.len(), position: 0 })
    }
}

/// Refuses everything but regular files, and says what it is.
fn regular(metadata: &Metadata) -> io::Result<()> {
    use std::os::unix::fs::FileTypeExt as _;
    let kind = metadata.file_type();
    let what = if kind.is_file() {
        return Ok(());
    } else if kind.is_dir() {
        "a folder"
    } else if kind.is_fifo() {
        "a pipe"
    } else if kind.is_socket() {
        "a socket"
    } else {
        "a device"
    };
    let error = format!("{what}, not a file; a video is read at many places, so save it to a file first");
    Err(io::Error::new(io::ErrorKind::InvalidInput, error))
}

impl Source for FileSource {
    fn size(&self) -> u64 {
        self.size
    }

    fn read_at(&mut self, offset: u64, buf: &mut [u8]) -> io::Result<usize> {
        if offset != self.position {
            self.position = self.file.seek(SeekFrom::Start(offset))?;
        }
        loop {
            match self.file.read(buf) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
                Ok(n) => {
                    self.position += n as u64;
                    return Ok(n);
                }
            }
        }
    }
}

/// Bytes in memory: for tests, benches and fuzzing.
#[derive(Clone, Debug)]
pub struct MemorySource(pub std::sync::Arc<[u8]>);

impl Source for MemorySource {
    fn size(&self) -> u64 {
        self.0.len() as u64
    }

    fn read_at(&mut self, offset: u64, buf: &mut [u8]) -> io::Result<usize> {
        let rest = usize::try_from(offset).ok().and_then(|offset| self.0.get(offset..)).unwrap_or_default();
        let n = rest.len().min(buf.len());
        buf[..n].copy_from_slice(&rest[..n]);
        Ok(n)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_file_is_refused_by_name() {
        let folder = tempfile::tempdir().unwrap();
        let socket = folder.path().join("socket");
        let _listener = std::os::unix::net::UnixListener::bind(&socket).unwrap();
        for (path, what) in
            [(folder.path(), "a folder"), (&socket, "a socket"), (Path::new("/dev/null"), "a device")]
        {
            let error = FileSource::open(path).unwrap_err().to_string();
            assert!(error.starts_with(&format!("{what}, not a file")), "{error}");
        }
    }
}

//! Where images, storyboard and manifest go: a ZIP, a TAR or a folder, behind one trait.

mod files;
mod tar;
mod zip;

use std::io::{self, Write};

use framelift_domain::{Checksum, FailureCode, Rational};
use sha2::{Digest, Sha256};

use crate::ExtractError;
use crate::words::count;

pub use files::Files;
pub use tar::Tar;
pub use zip::Zip;

/// A member of an archive. Its size and checksum are known before it is written, because its header comes
/// first.
#[derive(Clone, Copy, Debug)]
pub struct Member<'a> {
    /// A relative path of plain parts.
    pub name: &'a str,
    /// Bytes.
    pub size: u64,
    /// The CRC-32 of its bytes.
    pub crc: u32,
    /// What it shows, if it is the image of a frame.
    pub image: Option<Image>,
}

/// What an image shows, for writers that index an archive while it is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Image {
    /// When its frame is shown.
    pub time: Rational,
    /// Pixels across and down.
    pub size: (u32, u32),
    /// Whether the container marks its frame as a sync point.
    pub keyframe: bool,
}

/// A sink for members, written one after the other.
pub trait Archive {
    /// The number of bytes written so far.
    fn written(&self) -> u64;

    /// Adds a member; `content` writes exactly the announced bytes.
    fn add(&mut self, member: Member<'_>, content: Content<'_>) -> Result<(), ArchiveError>;

    /// Writes what comes after the last member.
    fn finish(self: Box<Self>) -> io::Result<Finished>;
}

/// Adds a member if the archive then has at most `max_bytes` bytes.
pub fn add_member(
    archive: &mut dyn Archive,
    member: Member<'_>,
    content: Content<'_>,
    max_bytes: u64,
) -> Result<(), ExtractError> {
    let added = match archive.written().checked_add(member.size) {
        Some(bytes) if bytes <= max_bytes => archive.add(member, content),
        _ => Err(ArchiveError::TooLarge),
    };
    added.map_err(|error| match error {
        ArchiveError::Sink(error) => ExtractError::Sink(error),
        ArchiveError::TooLarge => ExtractError::failed(
            FailureCode::LimitExceeded,
            format!("the archive would be larger than {}", count(max_bytes, "byte")),
        ),
    })
}

/// Writes a member's bytes.
pub type Content<'a> = &'a dyn Fn(&mut dyn Write) -> io::Result<()>;

/// Why a member was not written.
#[derive(Debug)]
pub enum ArchiveError {
    /// Writing to the sink failed.
    Sink(io::Error),
    /// The format has no room for a member of this size.
    TooLarge,
}

impl From<io::Error> for ArchiveError {
    fn from(error: io::Error) -> Self {
        Self::Sink(error)
    }
}

/// An archive that is complete.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Finished {
    /// Its bytes.
    pub bytes: u64,
    /// Its SHA-256; `None` for a folder.
    pub sha256: Option<Checksum>,
}

/// How members are named.
pub trait Names {
    /// The name of the image with this `number`, from 1, of a frame that is shown at `time`.
    fn image(&self, number: u64, time: Rational, extension: &str) -> String {
        let _ = time;
        format!("frames/frame_{number:06}.{extension}")
    }

    /// The name of a member other than an image: `manifest.json`, `storyboard.jpg`, `storyboard.vtt`.
    fn other(&self, name: &str) -> String {
        name.to_owned()
    }
}

/// The naming of the service's archives: images are numbered.
#[derive(Clone, Copy, Debug, Default)]
pub struct Numbered;

impl Names for Numbered {}

/// A buffered sink that counts and hashes what is written to it.
struct Sink<W: Write> {
    out: io::BufWriter<Hashed<W>>,
    bytes: u64,
}

impl<W: Write> Sink<W> {
    fn new(sink: W) -> Self {
        let hashed = Hashed { sink, sha256: Sha256::new() };
        Self { out: io::BufWriter::with_capacity(64 << 10, hashed), bytes: 0 }
    }

    fn finish(self) -> io::Result<Finished> {
        let Hashed { mut sink, sha256 } = self.out.into_inner().map_err(io::IntoInnerError::into_error)?;
        sink.flush()?;
        Ok(Finished { bytes: self.bytes, sha256: Some(<[u8; 32]>::from(sha256.finalize()).into()) })
    }
}

impl<W: Write> Write for Sink<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let n = self.out.write(bytes)?;
        self.bytes += n as u64;
        Ok(n)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

struct Hashed<W> {
    sink: W,
    sha256: Sha256,
}

impl<W: Write> Write for Hashed<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let n = self.sink.write(bytes)?;
        self.sha256.update(&bytes[..n]);
        Ok(n)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.sink.flush()
    }
}

/// Computes the length and checksum of what is written to it, so that a [`Member`] need not be held in
/// memory.
pub(crate) struct Measure {
    pub(crate) crc: crc32fast::Hasher,
    pub(crate) size: u64,
}

impl Measure {
    pub(crate) fn of(content: Content<'_>) -> io::Result<(u64, u32)> {
        let mut measure = Self { crc: crc32fast::Hasher::new(), size: 0 };
        content(&mut measure)?;
        Ok((measure.size, measure.crc.finalize()))
    }
}

impl Write for Measure {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.crc.update(bytes);
        self.size += bytes.len() as u64;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests;

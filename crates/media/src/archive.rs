//! The ZIP archive: written once, front to back, to a sink that cannot seek.
//!
//! Each member is complete in memory before it is written, so its local header holds its real
//! size and checksum: no data descriptors, which some readers refuse for stored members. ZIP64
//! records appear where a count or an offset needs them and nowhere else. Dates are the
//! format's zero, so equal members give equal bytes. (The `zip` crate's streaming writer can do
//! neither without seeking.)
//!
//! Layout: PKWARE APPNOTE 6.3.10, §4.3.

use std::io::{self, Write};

use sha2::{Digest, Sha256};

/// 1 January 1980, midnight.
const DATE: u16 = 0x0021;
/// Made by: Unix (external attributes are a file mode), version 4.5 (ZIP64).
const MADE_BY: u16 = 3 << 8 | 45;
const MODE: u32 = 0o100_644 << 16;
const MANIFEST: &str = "manifest.json";

/// What the directory needs to know of a member.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Entry {
    offset: u64,
    pub(crate) size: u32,
    crc: u32,
}

/// An archive that is being written.
pub(crate) struct Archive<W: Write> {
    out: io::BufWriter<Tee<W>>,
    extension: &'static str,
    images: Vec<Entry>,
    /// What comes between the images and the manifest, with its names.
    others: Vec<(&'static str, Entry)>,
    offset: u64,
    most_bytes: u64,
}

/// Why a member was not written.
#[derive(Debug)]
pub(crate) enum ArchiveError {
    Sink(io::Error),
    /// The archive would be larger than the limit.
    TooLarge,
}

impl From<io::Error> for ArchiveError {
    fn from(error: io::Error) -> Self {
        Self::Sink(error)
    }
}

/// The name of image `index`, from 0.
pub(crate) fn image_name(index: usize, extension: &str) -> String {
    format!("frames/frame_{:06}.{extension}", index + 1)
}

impl<W: Write> Archive<W> {
    pub(crate) fn new(sink: W, extension: &'static str, most_bytes: u64) -> Self {
        let tee = Tee { sink, sha256: Sha256::new() };
        Self {
            out: io::BufWriter::with_capacity(64 << 10, tee),
            extension,
            images: Vec::new(),
            others: Vec::new(),
            offset: 0,
            most_bytes,
        }
    }

    /// Adds the next image; `crc` is the CRC-32 of `bytes`.
    pub(crate) fn image(&mut self, bytes: &[u8], crc: u32) -> Result<(), ArchiveError> {
        let name = image_name(self.images.len(), self.extension);
        let entry = self.begin(&name, bytes.len() as u64, crc)?;
        self.write(bytes)?;
        self.images.push(entry);
        Ok(())
    }

    /// Adds a member after the images.
    pub(crate) fn other(&mut self, name: &'static str, bytes: &[u8]) -> Result<(), ArchiveError> {
        let entry = self.begin(name, bytes.len() as u64, crc32fast::hash(bytes))?;
        self.write(bytes)?;
        self.others.push((name, entry));
        Ok(())
    }

    /// Adds the manifest and the directory, and gives the sink back with the archive's SHA-256
    /// and length. `manifest` is called twice and must write the same both times: once to
    /// measure, once to write, so that it need never be in memory as a whole.
    pub(crate) fn finish(
        mut self,
        manifest: impl Fn(&mut dyn Write, &[Entry]) -> io::Result<()>,
    ) -> Result<(W, [u8; 32], u64), ArchiveError> {
        let mut measure = Measure { crc: crc32fast::Hasher::new(), size: 0 };
        manifest(&mut measure, &self.images)?;
        let (size, crc) = (measure.size, measure.crc.finalize());
        let entry = self.begin(MANIFEST, size, crc)?;
        manifest(&mut self.out, &self.images)?;
        self.offset += size;

        let start = self.offset;
        let images = std::mem::take(&mut self.images);
        self.others.push((MANIFEST, entry));
        let others = std::mem::take(&mut self.others);
        for (index, image) in images.iter().enumerate() {
            self.directory_entry(&image_name(index, self.extension), image)?;
        }
        for (name, entry) in &others {
            self.directory_entry(name, entry)?;
        }
        self.end(start, (images.len() + others.len()) as u64)?;
        let tee = self.out.into_inner().map_err(io::IntoInnerError::into_error)?;
        let Tee { mut sink, sha256 } = tee;
        sink.flush()?;
        Ok((sink, sha256.finalize().into(), self.offset))
    }

    fn begin(&mut self, name: &str, size: u64, crc: u32) -> Result<Entry, ArchiveError> {
        let short = u32::try_from(size).ok().filter(|size| *size < u32::MAX);
        let Some(short) = short else { return Err(ArchiveError::TooLarge) };
        if self.offset + size > self.most_bytes {
            return Err(ArchiveError::TooLarge);
        }
        let entry = Entry { offset: self.offset, size: short, crc };
        let mut header = Vec::with_capacity(64);
        u32s(&mut header, [0x0403_4b50]);
        // Version needed 1.0, no flags, stored, time, date.
        u16s(&mut header, [10, 0, 0, 0, DATE]);
        u32s(&mut header, [crc, short, short]);
        u16s(&mut header, [name.len() as u16, 0]);
        header.extend_from_slice(name.as_bytes());
        self.write(&header)?;
        Ok(entry)
    }

    fn directory_entry(&mut self, name: &str, entry: &Entry) -> io::Result<()> {
        let far = entry.offset >= u64::from(u32::MAX);
        let mut record = Vec::with_capacity(96);
        u32s(&mut record, [0x0201_4b50]);
        u16s(&mut record, [MADE_BY, if far { 45 } else { 10 }, 0, 0, 0, DATE]);
        u32s(&mut record, [entry.crc, entry.size, entry.size]);
        // Name, extra field, comment, disk, internal attributes.
        u16s(&mut record, [name.len() as u16, if far { 12 } else { 0 }, 0, 0, 0]);
        u32s(&mut record, [MODE, if far { u32::MAX } else { entry.offset as u32 }]);
        record.extend_from_slice(name.as_bytes());
        if far {
            // §4.5.3: only the fields whose short form is all ones.
            u16s(&mut record, [1, 8]);
            record.extend_from_slice(&entry.offset.to_le_bytes());
        }
        self.write(&record)
    }

    fn end(&mut self, start: u64, count: u64) -> io::Result<()> {
        let size = self.offset - start;
        let mut record = Vec::with_capacity(98);
        if count >= 0xffff || start >= u64::from(u32::MAX) || size >= u64::from(u32::MAX) {
            u32s(&mut record, [0x0606_4b50]);
            u64s(&mut record, [44]);
            u16s(&mut record, [MADE_BY, 45]);
            u32s(&mut record, [0, 0]);
            u64s(&mut record, [count, count, size, start]);
            u32s(&mut record, [0x0706_4b50, 0]);
            u64s(&mut record, [self.offset]);
            u32s(&mut record, [1]);
        }
        let short = |value: u64| u32::try_from(value).unwrap_or(u32::MAX);
        let count = u16::try_from(count).unwrap_or(u16::MAX);
        u32s(&mut record, [0x0605_4b50]);
        u16s(&mut record, [0, 0, count, count]);
        u32s(&mut record, [short(size), short(start)]);
        u16s(&mut record, [0]);
        self.write(&record)
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.out.write_all(bytes)?;
        self.offset += bytes.len() as u64;
        Ok(())
    }
}

fn u16s<const N: usize>(to: &mut Vec<u8>, values: [u16; N]) {
    values.iter().for_each(|value| to.extend_from_slice(&value.to_le_bytes()));
}

fn u32s<const N: usize>(to: &mut Vec<u8>, values: [u32; N]) {
    values.iter().for_each(|value| to.extend_from_slice(&value.to_le_bytes()));
}

fn u64s<const N: usize>(to: &mut Vec<u8>, values: [u64; N]) {
    values.iter().for_each(|value| to.extend_from_slice(&value.to_le_bytes()));
}

/// Hashes what passes to the sink.
struct Tee<W> {
    sink: W,
    sha256: Sha256,
}

impl<W: Write> Write for Tee<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let n = self.sink.write(bytes)?;
        self.sha256.update(&bytes[..n]);
        Ok(n)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.sink.flush()
    }
}

/// Length and checksum of what is written to it.
struct Measure {
    crc: crc32fast::Hasher,
    size: u64,
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

//! Reads what a container claims with our own parsers before FFmpeg sees it: FFmpeg builds tables of whatever
//! a header claims, so a few bytes could cost gigabytes or hours.
//!
//! Every pass is linear in the bytes that it reads, and reads only headers and tables.

mod matroska;
mod mp4;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::io;
use std::ops::Range;

use crate::Source;

/// The most bytes of headers that are kept, so that FFmpeg need not fetch them again.
const MAX_KEPT_BYTES: usize = 16 << 20;

/// Samples that a file may claim, whatever its length.
const BASE_SAMPLES: u64 = 1_000_000;
/// Bytes that a sample takes at least: its entry in a table, and the shortest coded picture.
const SAMPLE_BYTES: u64 = 8;
/// Samples of any file; 24 hours of video at 25/s and of AAC have 6.2 million.
const MAX_SAMPLES: u64 = 8_000_000;

/// How a container has to be opened.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Findings {
    /// Whether to read it without its index, which would cost too much to build.
    pub(crate) without_index: bool,
    /// Whether to ignore its edit lists, which would cost too much to apply.
    pub(crate) without_edits: bool,
    /// Warnings for the owner about it.
    pub(crate) warnings: Vec<String>,
}

/// Why a container is not passed to FFmpeg.
#[derive(Debug)]
pub(crate) enum Refused {
    Io(io::Error),
    /// It claims too much; the message for the owner.
    Claim(String),
}

impl From<io::Error> for Refused {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

/// Reads the claims of a container that FFmpeg has recognized as `format`.
pub(crate) fn inspect(source: &mut dyn Source, format: &str) -> Result<Findings, Refused> {
    match format {
        "mov" => mp4::inspect(source),
        "matroska" => matroska::inspect(source),
        _ => Ok(Findings::default()),
    }
}

/// How many samples a file of `size` bytes may claim.
fn sample_limit(size: u64) -> u64 {
    (BASE_SAMPLES + size / SAMPLE_BYTES).min(MAX_SAMPLES)
}

/// A source with a cache of what an inspection has read.
pub(crate) struct CachedSource {
    source: Box<dyn Source>,
    chunks: BTreeMap<u64, Vec<u8>>,
    held: usize,
}

impl CachedSource {
    pub(crate) fn new(source: Box<dyn Source>) -> Self {
        Self { source, chunks: BTreeMap::new(), held: 0 }
    }

    /// Reads kept bytes, or else the source. Returns whether the bytes were kept ones.
    pub(crate) fn recall(&mut self, offset: u64, buf: &mut [u8]) -> io::Result<(usize, bool)> {
        let chunk = self.chunks.range(..=offset).next_back();
        let rest = chunk.and_then(|(start, bytes)| bytes.get(usize::try_from(offset - start).ok()?..));
        if let Some(rest) = rest.filter(|rest| !rest.is_empty()) {
            let n = rest.len().min(buf.len());
            buf[..n].copy_from_slice(&rest[..n]);
            return Ok((n, false));
        }
        // Stop where the next kept chunk begins.
        let next = self.chunks.range(offset..).next().map_or(u64::MAX, |(start, _)| start - offset);
        let wanted = usize::try_from(next).map_or(buf.len(), |next| next.min(buf.len()));
        Ok((self.source.read_at(offset, &mut buf[..wanted])?, true))
    }

    /// Reads as [`CachedSource::recall`] does, and keeps the bytes.
    pub(crate) fn read_and_keep(&mut self, offset: u64, buf: &mut [u8]) -> io::Result<(usize, bool)> {
        let (n, fresh) = self.recall(offset, buf)?;
        if fresh && n > 0 && self.held + n <= MAX_KEPT_BYTES {
            self.held += n;
            self.chunks.insert(offset, buf[..n].to_vec());
        }
        Ok((n, fresh))
    }

    /// Drops the kept bytes.
    pub(crate) fn forget(&mut self) {
        self.chunks.clear();
        self.held = 0;
    }

    pub(crate) fn into_source(self) -> Box<dyn Source> {
        self.source
    }
}

impl Source for CachedSource {
    fn size(&self) -> u64 {
        self.source.size()
    }

    fn read_at(&mut self, offset: u64, buf: &mut [u8]) -> io::Result<usize> {
        self.read_and_keep(offset, buf).map(|(n, _)| n)
    }

    fn prefetch(&mut self, ranges: &[Range<u64>]) {
        self.source.prefetch(ranges);
    }
}

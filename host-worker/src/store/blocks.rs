//! A small cache of byte ranges with read-ahead, between a demuxer's reads and a slow source.
//!
//! The first fetch after a jump is small, because a demuxer that looks for an index reads a
//! little and jumps again. A fetch that goes on where a cached range ends doubles in length,
//! and from then on the next ranges are fetched before they are asked for. Ranges count as
//! continued one by one, so that sound and pictures that lie far apart are both read ahead.
//!
//! Depth: at most `budget` bytes, cached and on their way together.

use std::io;
use std::ops::Range;

use bytes::Bytes;

/// The first fetch after a jump.
const SMALLEST: u64 = 256 << 10;
/// Ranges on their way beyond the one that is read.
const AHEAD: usize = 2;

/// Where ranges come from.
pub(crate) trait Fetch {
    /// A fetch on its way; dropped, it is called off.
    type Pending;
    /// Starts to fetch a range, which is never empty.
    fn start(&mut self, range: Range<u64>) -> Self::Pending;
    /// Waits for it; `Ok` has exactly the range's bytes.
    fn finish(&mut self, pending: Self::Pending) -> io::Result<Bytes>;
}

enum Data<P> {
    Pending(P),
    Ready(Bytes),
}

struct Extent<P> {
    range: Range<u64>,
    /// Whether it continues another one.
    sequential: bool,
    /// The turn in which it was last used.
    used: u64,
    /// None only while a fetch is waited for.
    data: Option<Data<P>>,
}

/// Reads through the cache.
pub(crate) struct BlockReader<F: Fetch> {
    fetch: F,
    size: u64,
    budget: u64,
    turn: u64,
    extents: Vec<Extent<F::Pending>>,
}

impl<F: Fetch> BlockReader<F> {
    /// A reader of `size` bytes that keeps at most `budget` of them.
    pub(crate) fn new(fetch: F, size: u64, budget: u64) -> Self {
        Self { fetch, size, budget: budget.max(8), turn: 0, extents: Vec::new() }
    }

    /// The length of what is read.
    pub(crate) fn size(&self) -> u64 {
        self.size
    }

    /// Reads at least one byte at `offset` unless that is at or beyond the end.
    ///
    /// After an error the same read may be tried again.
    pub(crate) fn read_at(&mut self, offset: u64, buf: &mut [u8]) -> io::Result<usize> {
        if offset >= self.size || buf.is_empty() {
            return Ok(0);
        }
        self.turn += 1;
        if self.covering(offset).is_none() {
            self.start(offset);
        }
        let Some(index) = self.covering(offset) else {
            return Err(io::Error::other("the block cache holds nothing"));
        };
        let copied = self.copy_from(index, offset, buf)?;
        // `copy_from` may have failed and removed the extent; here it is in place.
        let (end, sequential) = (self.extents[index].range.end, self.extents[index].sequential);
        if sequential {
            self.read_ahead(end);
        }
        Ok(copied)
    }

    fn covering(&self, offset: u64) -> Option<usize> {
        self.extents.iter().position(|extent| extent.range.contains(&offset))
    }

    fn copy_from(&mut self, index: usize, offset: u64, buf: &mut [u8]) -> io::Result<usize> {
        let extent = &mut self.extents[index];
        extent.used = self.turn;
        let length = extent.range.end - extent.range.start;
        let bytes = match extent.data.take() {
            Some(Data::Ready(bytes)) => Ok(bytes),
            Some(Data::Pending(pending)) => self.fetch.finish(pending),
            None => Err(io::Error::other("a fetch is already waited for")),
        };
        let bytes = match bytes {
            Ok(bytes) if bytes.len() as u64 == length => bytes,
            Ok(_) => {
                self.extents.swap_remove(index);
                return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "a range came with another length"));
            }
            Err(error) => {
                self.extents.swap_remove(index);
                return Err(error);
            }
        };
        let extent = &mut self.extents[index];
        let from = usize::try_from(offset - extent.range.start).unwrap_or(bytes.len());
        let rest = &bytes[from..];
        let n = rest.len().min(buf.len());
        buf[..n].copy_from_slice(&rest[..n]);
        extent.data = Some(Data::Ready(bytes));
        Ok(n)
    }

    fn read_ahead(&mut self, mut end: u64) {
        for _ in 0..AHEAD {
            if end >= self.size {
                return;
            }
            if self.covering(end).is_none() {
                self.start(end);
            }
            let Some(index) = self.covering(end) else { return };
            self.extents[index].used = self.turn;
            end = self.extents[index].range.end;
        }
    }

    /// Starts the fetch of the range that begins at `offset`, which no extent covers.
    fn start(&mut self, offset: u64) {
        // Two streams, each with a range that is read and two ahead, fit with room to spare.
        let largest = (self.budget / 8).max(1);
        let before = self.extents.iter().find(|extent| extent.range.end == offset);
        let sequential = before.is_some();
        let length = match before {
            Some(extent) => {
                (2 * (extent.range.end - extent.range.start)).clamp(SMALLEST.min(largest), largest)
            }
            None => SMALLEST.min(largest),
        };
        let next = self.extents.iter().map(|extent| extent.range.start).filter(|start| *start > offset).min();
        let end = (offset + length).min(self.size).min(next.unwrap_or(self.size));
        self.make_room(end - offset);
        let pending = self.fetch.start(offset..end);
        self.extents.push(Extent {
            range: offset..end,
            sequential,
            used: self.turn,
            data: Some(Data::Pending(pending)),
        });
    }

    /// Drops what was used longest ago; what this read uses (at most three eighths of the
    /// budget) is the newest and stays.
    fn make_room(&mut self, length: u64) {
        while self.held() + length > self.budget {
            let oldest = self.extents.iter().enumerate().min_by_key(|(_, extent)| extent.used);
            match oldest.map(|(index, _)| index) {
                Some(index) => drop(self.extents.remove(index)),
                None => return,
            }
        }
    }

    fn held(&self) -> u64 {
        self.extents.iter().map(|extent| extent.range.end - extent.range.start).sum()
    }
}

#[cfg(test)]
mod tests;

//! A small cache of byte ranges with read-ahead, between a demuxer's reads and a slow source.
//!
//! The first fetch after a jump is small, because a demuxer that looks for an index reads a little and jumps
//! again. A fetch that goes on where a cached range ends doubles in length, and from then on the next ranges
//! are fetched before they are asked for. Each range is continued on its own, so that sound and pictures that
//! lie far apart are both read ahead.
//!
//! If the reader announces what it will read, exactly these ranges are fetched instead, several at once and
//! ahead of the reads. What lies behind the current position in them is dropped. Other reads work as without
//! an announcement.
//!
//! Depth: at most `budget` bytes, cached and on their way together.

mod plan;

use std::io;
use std::ops::Range;

use bytes::Bytes;
use plan::Plan;

/// The first fetch after a jump.
const MIN_FETCH: u64 = 256 << 10;
/// The first fetch outside of the announced ranges: most likely the few bytes that a demuxer reads beyond the
/// last packet of a range.
const READ_MARGIN: u64 = 64 << 10;
/// The number of ranges fetched ahead of the one being read.
const RANGES_AHEAD: usize = 2;
/// The number of announced ranges fetched at the same time. They are often as short as one group of pictures,
/// so that the store's latency, not its bandwidth, sets how many of them a second needs.
const EXPECTED_RANGES_AHEAD: usize = 8;

/// Where ranges come from.
pub(crate) trait Fetch {
    /// A fetch in progress; dropping it cancels it.
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
    /// Whether it continues another range.
    sequential: bool,
    /// The last announced range that it is for; `None` if it was a guess.
    step: Option<usize>,
    /// The turn in which it was last used.
    used: u64,
    /// `None` only during the wait for a fetch.
    data: Option<Data<P>>,
}

impl<P> Extent<P> {
    fn length(&self) -> u64 {
        self.range.end - self.range.start
    }
}

/// Reads through the cache.
pub(crate) struct BlockReader<F: Fetch> {
    fetch: F,
    size: u64,
    budget: u64,
    turn: u64,
    extents: Vec<Extent<F::Pending>>,
    plan: Plan,
}

impl<F: Fetch> BlockReader<F> {
    /// A reader of `size` bytes that keeps at most `budget` of them.
    pub(crate) fn new(fetch: F, size: u64, budget: u64) -> Self {
        Self { fetch, size, budget: budget.max(8), turn: 0, extents: Vec::new(), plan: Plan::default() }
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
        let expected = self.plan.advance(offset);
        if expected {
            self.drop_passed();
        }
        if self.covering(offset).is_none() {
            match self.plan.rest_of(self.plan.step()).filter(|_| expected) {
                Some(rest) => self.start_expected(rest, self.plan.step()),
                None => self.start(offset),
            }
        }
        if expected {
            self.fetch_expected();
        }
        let Some(index) = self.covering(offset) else {
            return Err(io::Error::other("the block cache holds nothing"));
        };
        let copied = self.copy_from(index, offset, buf)?;
        // `copy_from` may have failed and removed the extent; here it is in place.
        let extent = &self.extents[index];
        if extent.sequential && extent.step.is_none() {
            self.read_ahead(extent.range.end);
        }
        Ok(copied)
    }

    /// Sets the ranges that will be read next, in this order and each from front to back; they replace
    /// earlier ones. Fetches that are no longer needed are cancelled.
    pub(crate) fn prefetch(&mut self, ranges: &[Range<u64>]) {
        self.plan = Plan::new(ranges, self.size);
        let plan = &self.plan;
        self.extents.retain_mut(|extent| {
            let step = plan.last_step_in(&extent.range);
            let was_expected = std::mem::replace(&mut extent.step, step).is_some();
            let is_guess = plan.is_empty() && !was_expected;
            step.is_some() || is_guess || matches!(extent.data, Some(Data::Ready(_)))
        });
        self.fetch_expected();
    }

    fn covering(&self, offset: u64) -> Option<usize> {
        self.extents.iter().position(|extent| extent.range.contains(&offset))
    }

    fn copy_from(&mut self, index: usize, offset: u64, buf: &mut [u8]) -> io::Result<usize> {
        let extent = &mut self.extents[index];
        extent.used = self.turn;
        let length = extent.length();
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
        for _ in 0..RANGES_AHEAD {
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

    /// Starts the next announced fetches, up to their limit and half of the budget; the other half is for
    /// other reads.
    fn fetch_expected(&mut self) {
        let for_plan = || self.extents.iter().filter(|extent| extent.step.is_some());
        let mut under_way = for_plan().filter(|extent| matches!(extent.data, Some(Data::Pending(_)))).count();
        let mut held: u64 = for_plan().map(Extent::length).sum();
        for step in self.plan.step().. {
            let Some(mut rest) = self.plan.rest_of(step) else { return };
            while rest.start < rest.end {
                if let Some(index) = self.covering(rest.start) {
                    let extent = &mut self.extents[index];
                    if extent.step.is_none() {
                        held += extent.length();
                    }
                    extent.step = extent.step.max(Some(step));
                    extent.used = self.turn;
                    rest.start = extent.range.end;
                    continue;
                }
                let length = self.expected_length(&rest);
                if under_way >= EXPECTED_RANGES_AHEAD || held + length > self.budget / 2 {
                    return;
                }
                self.start_expected(rest.clone(), step);
                (under_way, held) = (under_way + 1, held + length);
                rest.start += length;
            }
        }
    }

    /// How much of `rest`, whose start no extent covers, is fetched at once.
    fn expected_length(&self, rest: &Range<u64>) -> u64 {
        (rest.end - rest.start).min(self.max_fetch()).min(self.next_start(rest.start) - rest.start)
    }

    /// Starts the first fetch of the expected range `rest`.
    fn start_expected(&mut self, rest: Range<u64>, step: usize) {
        let length = self.expected_length(&rest);
        self.launch(rest.start..rest.start + length, false, Some(step));
    }

    /// Starts the fetch of the range that begins at `offset`, which no extent covers.
    fn start(&mut self, offset: u64) {
        let largest = self.max_fetch();
        let smallest = if self.plan.is_empty() { MIN_FETCH } else { READ_MARGIN }.min(largest);
        // An announced range has no sequential successor.
        let before = self.extents.iter().find(|extent| extent.range.end == offset && extent.step.is_none());
        let length = before.map_or(smallest, |extent| (2 * extent.length()).clamp(smallest, largest));
        let sequential = before.is_some();
        let end = (offset + length).min(self.next_start(offset));
        self.launch(offset..end, sequential, None);
    }

    fn launch(&mut self, range: Range<u64>, sequential: bool, step: Option<usize>) {
        self.make_room(range.end - range.start);
        let pending = self.fetch.start(range.clone());
        let data = Some(Data::Pending(pending));
        self.extents.push(Extent { range, sequential, step, used: self.turn, data });
    }

    /// The most bytes of one fetch: two streams, each with the range being read and two ahead, fit into the
    /// budget.
    fn max_fetch(&self) -> u64 {
        self.budget / 8
    }

    /// Where the first extent after `offset` begins, or the end.
    fn next_start(&self, offset: u64) -> u64 {
        let starts = self.extents.iter().map(|extent| extent.range.start);
        starts.filter(|start| *start > offset).min().unwrap_or(self.size)
    }

    fn drop_passed(&mut self) {
        let plan = &self.plan;
        self.extents.retain(|extent| !extent.step.is_some_and(|step| plan.is_past(step, extent.range.end)));
    }

    /// Drops what was used longest ago, guesses first; what this read uses (at most three
    /// eighths of the budget, or what is expected in its half) is the newest and stays.
    fn make_room(&mut self, length: u64) {
        while self.held() + length > self.budget {
            let oldest = self
                .extents
                .iter()
                .enumerate()
                .min_by_key(|(_, extent)| (extent.used == self.turn, extent.step.is_some(), extent.used));
            match oldest.map(|(index, _)| index) {
                Some(index) => drop(self.extents.remove(index)),
                None => return,
            }
        }
    }

    fn held(&self) -> u64 {
        self.extents.iter().map(Extent::length).sum()
    }
}

#[cfg(test)]
mod tests;

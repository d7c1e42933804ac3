//! Reads a header in steps that are large enough for a source over a network.

use std::io;

use crate::Source;

/// Bytes that are read at once; a small file is not read whole for its header.
pub(crate) const STEP: usize = 16 << 10;

/// A moving view of a source. It can be bounded: then it returns nothing after a number of reads, and counts
/// headers up to a limit.
pub(crate) struct Window<'s> {
    source: &'s mut dyn Source,
    start: u64,
    bytes: Vec<u8>,
    steps_left: u64,
    headers_left: u64,
}

impl<'s> Window<'s> {
    /// A view of all of `source`.
    pub(crate) fn new(source: &'s mut dyn Source) -> Self {
        Self::bounded(source, u64::MAX, u64::MAX)
    }

    /// A view that allows at most `steps` reads and at most `headers` headers.
    pub(crate) fn bounded(source: &'s mut dyn Source, steps: u64, headers: u64) -> Self {
        Self { source, start: 0, bytes: Vec::new(), steps_left: steps, headers_left: headers }
    }

    /// The length of the source.
    pub(crate) fn size(&self) -> u64 {
        self.source.size()
    }

    /// Counts a header. Returns false if there were too many.
    pub(crate) fn count_header(&mut self) -> bool {
        self.headers_left = self.headers_left.saturating_sub(1);
        self.headers_left > 0
    }

    /// Reads the `N` bytes at `offset`; `None` beyond the end.
    pub(crate) fn array<const N: usize>(&mut self, offset: u64) -> io::Result<Option<[u8; N]>> {
        let inside = |start: u64, bytes: &[u8]| {
            let from = usize::try_from(offset.checked_sub(start)?).ok()?;
            bytes.get(from..from.checked_add(N)?)?.try_into().ok()
        };
        if let Some(found) = inside(self.start, &self.bytes) {
            return Ok(Some(found));
        }
        if self.steps_left == 0 || offset >= self.size() {
            return Ok(None);
        }
        self.steps_left -= 1;
        self.start = offset;
        self.bytes.resize(STEP.max(N), 0);
        let mut filled = 0;
        while filled < N {
            match self.source.read_at(offset.saturating_add(filled as u64), &mut self.bytes[filled..])? {
                0 => break,
                n => filled += n,
            }
        }
        self.bytes.truncate(filled);
        Ok(inside(self.start, &self.bytes))
    }

    /// The 32-bit number at `offset`, most significant byte first.
    pub(crate) fn u32(&mut self, offset: u64) -> io::Result<Option<u32>> {
        Ok(self.array(offset)?.map(u32::from_be_bytes))
    }
}

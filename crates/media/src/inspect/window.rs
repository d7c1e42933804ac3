//! Reading a header piece by piece, in steps that a source over a network can bear.

use std::io;

use crate::Source;

/// Bytes that are read at once; a small file is not read whole for its header.
const STEP: usize = 16 << 10;

/// A moving view of a source.
pub(super) struct Window<'s> {
    source: &'s mut dyn Source,
    start: u64,
    bytes: Vec<u8>,
}

impl<'s> Window<'s> {
    pub(super) fn new(source: &'s mut dyn Source) -> Self {
        Self { source, start: 0, bytes: Vec::new() }
    }

    /// The `N` bytes at `offset`; none beyond the end.
    pub(super) fn array<const N: usize>(&mut self, offset: u64) -> io::Result<Option<[u8; N]>> {
        let inside = |start: u64, bytes: &[u8]| {
            let from = usize::try_from(offset.checked_sub(start)?).ok()?;
            bytes.get(from..from.checked_add(N)?)?.try_into().ok()
        };
        if let Some(found) = inside(self.start, &self.bytes) {
            return Ok(Some(found));
        }
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
    pub(super) fn u32(&mut self, offset: u64) -> io::Result<Option<u32>> {
        Ok(self.array(offset)?.map(u32::from_be_bytes))
    }
}

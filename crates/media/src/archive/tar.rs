//! A TAR archive: written once, front to back. Owners, modes and dates are always the same, so equal
//! members give equal bytes.

use std::io::{self, Write};

use tar::Header;

use super::{Archive, ArchiveError, Content, Finished, Member, Sink};

/// Headers, members and the end of the archive are padded to a multiple of this.
const BLOCK: usize = 512;

/// Writes a TAR (POSIX.1-1988, `ustar`; sizes from 8 GiB as GNU has them).
pub struct Tar<W: Write> {
    out: Sink<W>,
}

impl<W: Write> Tar<W> {
    /// Writes to a sink that need not support seeking.
    pub fn new(sink: W) -> Self {
        Self { out: Sink::new(sink) }
    }
}

impl<W: Write> Archive for Tar<W> {
    fn written(&self) -> u64 {
        self.out.bytes
    }

    fn add(&mut self, member: Member<'_>, content: Content<'_>) -> Result<(), ArchiveError> {
        let mut header = Header::new_ustar();
        header.set_path(member.name)?;
        header.set_size(member.size);
        header.set_mode(0o644);
        header.set_mtime(0);
        header.set_cksum();
        self.out.write_all(header.as_bytes())?;
        content(&mut self.out)?;
        let padding = self.out.bytes.next_multiple_of(BLOCK as u64) - self.out.bytes;
        self.out.write_all(&[0; BLOCK][..padding as usize])?;
        Ok(())
    }

    fn finish(mut self: Box<Self>) -> io::Result<Finished> {
        self.out.write_all(&[0; 2 * BLOCK])?;
        self.out.finish()
    }
}

//! The engine's end of an archive's upload: splits bytes into parts, with back pressure.

use std::io::{self, Write};

use bytes::{Bytes, BytesMut};
use tokio::sync::mpsc;

use super::parts;

/// A message to the upload's task.
#[derive(Debug)]
pub(super) enum Part {
    /// A part of full size.
    Next(Bytes),
    /// The rest, possibly empty. Without it the archive is incomplete and the upload is aborted.
    Last(Bytes),
}

/// The writer for the engine's archive. If it is dropped without [`finish`](Self::finish), the upload is
/// aborted.
///
/// Depth: one part that fills, one that waits; writing blocks the calling thread, which must not be one of
/// the runtime's own.
#[derive(Debug)]
pub(crate) struct ArchiveSink {
    base: u64,
    number: u32,
    filling: BytesMut,
    parts: mpsc::Sender<Part>,
}

impl ArchiveSink {
    pub(super) fn new(base: u64, parts: mpsc::Sender<Part>) -> Self {
        Self { base, number: 1, filling: BytesMut::new(), parts }
    }

    fn limit(&self) -> usize {
        usize::try_from(parts::size(self.base, self.number)).unwrap_or(usize::MAX)
    }

    fn send(&self, part: Part) -> io::Result<()> {
        self.parts
            .blocking_send(part)
            .map_err(|_| io::Error::new(io::ErrorKind::BrokenPipe, "the upload of the archive has ended"))
    }

    /// Completes the archive.
    pub(crate) fn finish(mut self) -> io::Result<()> {
        let rest = self.filling.split().freeze();
        self.send(Part::Last(rest))
    }
}

impl Write for ArchiveSink {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        // A full part leaves only when more comes, so that the last one is never empty unless
        // the archive is.
        if self.filling.len() == self.limit() && !buf.is_empty() {
            if self.number == parts::MAX_PARTS {
                return Err(io::Error::new(io::ErrorKind::FileTooLarge, "the archive has too many parts"));
            }
            let part = std::mem::take(&mut self.filling).freeze();
            self.send(Part::Next(part))?;
            self.number += 1;
        }
        let n = buf.len().min(self.limit() - self.filling.len());
        self.filling.extend_from_slice(&buf[..n]);
        Ok(n)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(total: usize, chunk: usize, base: u64) -> Vec<Part> {
        let (sender, mut receiver) = mpsc::channel(1);
        let writer = std::thread::spawn(move || {
            let mut sink = ArchiveSink::new(base, sender);
            let bytes: Vec<u8> = (0..total).map(|i| i as u8).collect();
            bytes.chunks(chunk).for_each(|chunk| sink.write_all(chunk).unwrap());
            sink.finish().unwrap();
        });
        let mut parts = Vec::new();
        while let Some(part) = receiver.blocking_recv() {
            parts.push(part);
        }
        writer.join().unwrap();
        parts
    }

    #[test]
    fn parts_are_full_but_the_last() {
        for (total, chunk, expected) in [
            (0, 1, vec![0]),
            (9, 2, vec![9]),
            (10, 3, vec![10]),
            (11, 100, vec![10, 1]),
            (35, 7, vec![10, 10, 10, 5]),
        ] {
            let parts = written(total, chunk, 10);
            let bytes: Vec<&Bytes> = parts.iter().map(|(Part::Next(b) | Part::Last(b))| b).collect();
            assert_eq!(bytes.iter().map(|b| b.len()).collect::<Vec<_>>(), expected);
            assert!(matches!(parts.last(), Some(Part::Last(_))));
            assert!(parts[..parts.len() - 1].iter().all(|part| matches!(part, Part::Next(_))));
            let all: Vec<u8> = bytes.iter().flat_map(|b| b.iter().copied()).collect();
            assert_eq!(all, (0..total).map(|i| i as u8).collect::<Vec<_>>());
        }
    }

    #[test]
    fn a_dropped_sink_sends_no_last_part() {
        let (sender, mut receiver) = mpsc::channel(4);
        let mut sink = ArchiveSink::new(4, sender);
        sink.write_all(b"12345678").unwrap();
        drop(sink);
        assert!(matches!(receiver.blocking_recv(), Some(Part::Next(_))));
        assert!(receiver.blocking_recv().is_none());
    }

    #[test]
    fn a_failed_upload_stops_the_writer() {
        let (sender, receiver) = mpsc::channel(1);
        drop(receiver);
        let mut sink = ArchiveSink::new(4, sender);
        let error = sink.write_all(b"123456789").unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::BrokenPipe);
    }
}

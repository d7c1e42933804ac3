//! Reading an object's bytes through its files, chunk by chunk, off the async executor.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, Read as _, Seek as _, SeekFrom};
use std::ops::Range;

use bytes::Bytes;
use s3s::crypto::{Checksum as _, Md5};
use s3s::dto::StreamingBlob;

use super::blobs::Lease;
use super::objects::Segment;

/// Bytes read at a time; two of these are in memory for each answer.
const CHUNK: usize = 256 * 1024;

/// The bytes of `range` of the object that `segments` make up.
pub(crate) fn stream(lease: Lease, segments: Vec<Segment>, range: Range<u64>) -> StreamingBlob {
    let reader = Reader::new(lease, segments, range);
    StreamingBlob::wrap(futures::stream::try_unfold(reader, |mut reader| async move {
        let read = tokio::task::spawn_blocking(move || {
            let chunk = reader.next()?;
            Ok::<_, io::Error>(chunk.map(|chunk| (chunk, reader)))
        });
        read.await.map_err(io::Error::other)?
    }))
}

/// MD5 of the whole object. Blocking.
pub(crate) fn md5(lease: Lease, segments: Vec<Segment>) -> io::Result<[u8; 16]> {
    let whole = 0..segments.iter().map(|segment| segment.size).sum();
    let mut reader = Reader::new(lease, segments, whole);
    let mut md5 = Md5::new();
    while let Some(chunk) = reader.next()? {
        md5.update(&chunk);
    }
    Ok(md5.finalize())
}

struct Reader {
    lease: Lease,
    /// What is left: file, first byte, number of bytes.
    pieces: VecDeque<(String, u64, u64)>,
    open: Option<File>,
}

impl Reader {
    fn new(lease: Lease, segments: Vec<Segment>, range: Range<u64>) -> Self {
        let mut pieces = VecDeque::new();
        let mut start = 0;
        for segment in segments {
            let end = start + segment.size;
            let from = range.start.max(start);
            let to = range.end.min(end);
            if from < to {
                pieces.push_back((segment.blob, from - start, to - from));
            }
            start = end;
        }
        Self { lease, pieces, open: None }
    }

    fn next(&mut self) -> io::Result<Option<Bytes>> {
        let Some((blob, offset, left)) = self.pieces.front_mut() else {
            return Ok(None);
        };
        let file = match &mut self.open {
            Some(file) => file,
            closed => {
                let mut file = self.lease.blobs().read(blob)?;
                file.seek(SeekFrom::Start(*offset))?;
                closed.insert(file)
            }
        };
        let length = usize::try_from(*left).unwrap_or(CHUNK).min(CHUNK);
        let mut chunk = vec![0; length];
        file.read_exact(&mut chunk)?;
        *left -= length as u64;
        if *left == 0 {
            self.pieces.pop_front();
            self.open = None;
        }
        Ok(Some(chunk.into()))
    }
}

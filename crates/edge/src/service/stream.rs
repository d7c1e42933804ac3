//! Reads a body that arrives in pieces in parts of equal size.

use bytes::{Bytes, BytesMut};
use framelift_contract::problem::ProblemCode;
use framelift_domain::Checksum;
use http_body::Body;
use http_body_util::BodyExt as _;
use sha2::{Digest, Sha256};

use crate::http::Failure;

/// A source of a file's bytes.
pub(crate) trait Source {
    /// The next piece; none at the end of the file.
    async fn next(&mut self) -> Result<Option<Bytes>, Failure>;
}

/// The body of a request that is the file itself.
pub(crate) struct RawBody<B>(pub(crate) B);

impl<B: Body<Data = Bytes> + Unpin> Source for RawBody<B> {
    async fn next(&mut self) -> Result<Option<Bytes>, Failure> {
        loop {
            match self.0.frame().await {
                None => return Ok(None),
                Some(Err(_)) => return Err(broken()),
                // Trailers are ignored.
                Some(Ok(frame)) => {
                    if let Ok(data) = frame.into_data() {
                        return Ok(Some(data));
                    }
                }
            }
        }
    }
}

/// The body ended early.
pub(crate) fn broken() -> Failure {
    Failure::new(ProblemCode::BadRequest, "the body ended early")
}

/// Reads a source in parts. Holds at most one part.
pub(crate) struct PartReader<S> {
    source: S,
    part_bytes: usize,
    limit: u64,
    expected: Option<u64>,
    bytes_read: u64,
    buffer: BytesMut,
    rest: Bytes,
    ended: bool,
    hashing: bool,
    hash: Sha256,
}

impl<S: Source> PartReader<S> {
    /// Reads parts of `part_bytes`, and fails after `limit` bytes in total.
    pub(crate) fn new(source: S, part_bytes: usize, limit: u64) -> Self {
        Self {
            source,
            part_bytes,
            limit,
            expected: None,
            bytes_read: 0,
            buffer: BytesMut::new(),
            rest: Bytes::new(),
            ended: false,
            hashing: false,
            hash: Sha256::new(),
        }
    }

    /// Tells how many bytes there will be. It need not be true.
    pub(crate) fn expecting(mut self, bytes: Option<u64>) -> Self {
        self.expected = bytes;
        self
    }

    /// Turns hashing on or off.
    pub(crate) fn hashing(mut self, hashing: bool) -> Self {
        self.hashing = hashing;
        self
    }

    /// The next part, of full size unless it is the last one; none after the last byte.
    pub(crate) async fn next_part(&mut self) -> Result<Option<Bytes>, Failure> {
        while self.buffer.len() < self.part_bytes {
            if self.rest.is_empty() && !self.ended {
                match self.source.next().await? {
                    Some(piece) => self.accept(piece)?,
                    None => self.ended = true,
                }
            }
            if self.rest.is_empty() {
                if self.ended {
                    break;
                }
                continue;
            }
            if self.buffer.capacity() == 0 {
                self.buffer.reserve(self.next_capacity());
            }
            let room = self.part_bytes - self.buffer.len();
            let piece = self.rest.split_to(room.min(self.rest.len()));
            self.buffer.extend_from_slice(&piece);
        }
        if self.buffer.is_empty() { Ok(None) } else { Ok(Some(std::mem::take(&mut self.buffer).freeze())) }
    }

    /// How much room the next part gets at once. A buffer that grows is copied, and leaves holes in the guest's memory,
    /// which never shrinks.
    fn next_capacity(&self) -> usize {
        let already_taken = self.bytes_read.saturating_sub(self.rest.len() as u64);
        let capacity = match self.expected {
            Some(expected) => usize::try_from(expected.saturating_sub(already_taken)).unwrap_or(usize::MAX),
            // The first part may be a small file.
            None if already_taken == 0 => 0,
            None => self.part_bytes,
        };
        capacity.max(self.rest.len()).min(self.part_bytes)
    }

    fn accept(&mut self, piece: Bytes) -> Result<(), Failure> {
        self.bytes_read = self.bytes_read.saturating_add(piece.len() as u64);
        if self.bytes_read > self.limit {
            return Err(crate::service::file::too_large(self.limit));
        }
        if self.hashing {
            self.hash.update(&piece);
        }
        self.rest = piece;
        Ok(())
    }

    /// Bytes read so far.
    pub(crate) fn bytes_read(&self) -> u64 {
        self.bytes_read
    }

    /// The SHA-256 of what was read so far; of nothing if hashing is off.
    pub(crate) fn sha256(&self) -> Checksum {
        <[u8; 32]>::from(self.hash.clone().finalize()).into()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    struct Pieces(Vec<Bytes>);

    impl Source for Pieces {
        async fn next(&mut self) -> Result<Option<Bytes>, Failure> {
            Ok(if self.0.is_empty() { None } else { Some(self.0.remove(0)) })
        }
    }

    async fn read_parts(pieces: Vec<Bytes>, part: usize, limit: u64) -> Result<Vec<Bytes>, Failure> {
        let mut part_reader = PartReader::new(Pieces(pieces), part, limit);
        let mut parts = Vec::new();
        while let Some(part) = part_reader.next_part().await? {
            parts.push(part);
        }
        Ok(parts)
    }

    proptest! {
        #[test]
        fn parts_are_the_file(sizes in prop::collection::vec(0_usize..40, 0..20), part in 1_usize..30) {
            let mut counter = 0_u8;
            let pieces: Vec<Bytes> = sizes
                .iter()
                .map(|size| (0..*size).map(|_| { counter = counter.wrapping_add(1); counter }).collect())
                .collect();
            let whole: Vec<u8> = pieces.concat();
            let parts = futures::executor::block_on(read_parts(pieces, part, u64::MAX)).unwrap();
            prop_assert_eq!(parts.concat(), whole);
            for (index, piece) in parts.iter().enumerate() {
                prop_assert!(piece.len() == part || (index + 1 == parts.len() && !piece.is_empty()));
            }
        }
    }

    #[tokio::test]
    async fn the_hash_is_that_of_the_file() {
        let pieces = || Pieces(vec![Bytes::from_static(b"ab"), Bytes::new(), Bytes::from_static(b"c")]);
        let mut part_reader = PartReader::new(pieces(), 2, 9).hashing(true);
        while part_reader.next_part().await.unwrap().is_some() {}
        assert_eq!(part_reader.sha256(), Checksum::of("abc"));
        assert_eq!(PartReader::new(pieces(), 2, 9).sha256(), Checksum::of(""));
    }

    #[tokio::test]
    async fn the_limit_is_exact() {
        let pieces = || vec![Bytes::from_static(b"12345"), Bytes::from_static(b"67")];
        assert!(read_parts(pieces(), 4, 7).await.is_ok());
        assert_eq!(read_parts(pieces(), 4, 6).await.unwrap_err().code(), ProblemCode::FileTooLarge);
    }
}

//! What a fuzz target in `dev/fuzz` calls.

use std::io::{ErrorKind, Read, Result};

use crate::framing::Frames;
use crate::messages::{self, Done, Hello, Kind, MAX_PIECE, Malformed, MemberId, MemberStart};

/// Bytes that arrive in pieces of `length`.
struct Pieces<'a> {
    bytes: &'a [u8],
    length: usize,
}

impl Read for Pieces<'_> {
    fn read(&mut self, to: &mut [u8]) -> Result<usize> {
        let n = self.length.min(to.len());
        (&self.bytes[..n.min(self.bytes.len())]).read(to).inspect(|n| self.bytes = &self.bytes[*n..])
    }
}

/// Reads what a child sends, in pieces of `length` bytes, above 0. Returns whether all of it is messages that a child
/// may send, and there is one.
///
/// # Panics
/// If a message is not understood as it was meant.
pub fn child(sent: &[u8], length: usize) -> bool {
    let mut frames = Frames::new(Pieces { bytes: sent, length });
    let (mut messages, mut bytes) = (0, 0);
    loop {
        match frames.next() {
            Ok((kind, body)) if message(kind, body).is_ok() => {
                messages += 1;
                bytes += 5 + body.len();
            }
            Ok(_) => return false,
            Err(error) if error.kind() == ErrorKind::UnexpectedEof => {
                return messages > 0 && bytes == sent.len();
            }
            Err(_) => return false,
        }
    }
}

/// Reads one message of a child. What is understood is written again as it was, or means the same.
fn message(kind: Kind, body: &[u8]) -> std::result::Result<(), Malformed> {
    assert!(body.len() <= kind.max_length(), "{kind:?}");
    match kind {
        Kind::Progress => {
            let progress = messages::decode_progress(body)?;
            assert_eq!(messages::encode_progress(&progress), body);
        }
        Kind::AskName => {
            let id = MemberId::decode(body)?;
            let mut again = Vec::new();
            id.encode(&mut again);
            assert_eq!(MemberId::decode(&again), Ok(id));
        }
        Kind::Member => {
            let start = MemberStart::decode(body)?;
            assert_eq!(MemberStart::decode(&start.encode()), Ok(start));
        }
        Kind::Read => {
            let (offset, length) = messages::decode_read(body)?;
            assert!(length <= MAX_PIECE, "a read of {length} bytes");
            assert_eq!(messages::encode_read(offset, length as u32), body);
        }
        Kind::Prefetch => {
            let ranges = messages::decode_ranges(body)?;
            assert!(ranges.iter().all(|range| range.start < range.end));
            assert_eq!(messages::encode_ranges(&ranges), body);
        }
        Kind::Hello => drop(messages::json::<Hello>(body)?),
        Kind::Done => drop(messages::json::<Done>(body)?),
        Kind::Failed => drop(messages::failure(body)?),
        Kind::Piece | Kind::Code | Kind::SourceFailed => {}
        Kind::Job | Kind::Name | Kind::Data | Kind::ReadFailed => {
            return Err(Malformed("a message that only its parent sends"));
        }
    }
    Ok(())
}

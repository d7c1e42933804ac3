//! The framing of messages between parent and child: a kind, a length, and the body.
//!
//! A frame is one byte of kind, four bytes of length (little endian) and the message. Each kind has a largest
//! size, which is checked before anything is read.

use std::io::{self, IoSlice, Read, Write};

use serde::Serialize;

use crate::messages::{Kind, MAX_PIECE, Malformed};

/// Bytes of kind and length.
const HEADER: usize = 5;

/// Reads frames from a stream that may block at any byte.
pub(crate) struct Frames<R> {
    stream: R,
    header: [u8; HEADER],
    body: Vec<u8>,
    /// Bytes of header and body received so far.
    filled: usize,
    /// The length of the last whole frame's body.
    length: usize,
}

impl<R: Read> Frames<R> {
    pub(crate) fn new(stream: R) -> Self {
        Self { stream, header: [0; HEADER], body: Vec::new(), filled: 0, length: 0 }
    }

    /// The next frame.
    pub(crate) fn next(&mut self) -> io::Result<(Kind, &[u8])> {
        let kind = self.fill()?;
        Ok((kind, self.body()))
    }

    /// The body of the last frame.
    pub(crate) fn body(&self) -> &[u8] {
        &self.body[..self.length]
    }

    /// Waits for the next frame, returns its kind and keeps its body. After an error of kind `WouldBlock` or
    /// `TimedOut` the call may be repeated.
    pub(crate) fn fill(&mut self) -> io::Result<Kind> {
        while self.filled < HEADER {
            let n = read(&mut self.stream, &mut self.header[self.filled..])?;
            self.filled += n;
        }
        let [kind, length @ ..] = self.header;
        let length = u32::from_le_bytes(length) as usize;
        let kind = Kind::of(kind);
        let kind = kind.ok_or(Malformed("a message of an unknown kind"))?;
        if length > kind.max_length() {
            return Err(Malformed("a message that is too long").into());
        }
        // The buffer grows as bytes arrive: a claimed length alone costs no memory.
        while self.filled < HEADER + length {
            let have = self.filled - HEADER;
            let room = length.min(self.body.len().max(have + (64 << 10)));
            if self.body.len() < room {
                self.body.resize(room, 0);
            }
            let n = read(&mut self.stream, &mut self.body[have..room])?;
            self.filled += n;
        }
        self.filled = 0;
        self.length = length;
        Ok(kind)
    }
}

fn read(stream: &mut impl Read, to: &mut [u8]) -> io::Result<usize> {
    loop {
        match stream.read(to) {
            Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            result => return result,
        }
    }
}

/// Writes one frame.
pub(crate) fn write(stream: &mut impl Write, kind: Kind, body: &[u8]) -> io::Result<()> {
    debug_assert!(body.len() <= kind.max_length());
    let mut header = [kind as u8; HEADER];
    header[1..].copy_from_slice(&(body.len() as u32).to_le_bytes());
    let mut sent = 0;
    while sent < HEADER {
        let n = stream.write_vectored(&[IoSlice::new(&header[sent..]), IoSlice::new(body)]);
        match n {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(n) => sent += n,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    stream.write_all(&body[sent - HEADER..])
}

/// Writes a plugin's component or code in pieces.
pub(crate) fn write_code(stream: &mut impl Write, code: &[u8]) -> io::Result<()> {
    code.chunks(MAX_PIECE).try_for_each(|piece| write(stream, Kind::Code, piece))
}

/// Writes a message in JSON.
pub(crate) fn write_json(stream: &mut impl Write, kind: Kind, message: &impl Serialize) -> io::Result<()> {
    let body = serde_json::to_vec(message)?;
    if body.len() > kind.max_length() {
        return Err(Malformed("a message that is too long").into());
    }
    write(stream, kind, &body)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::messages::{decode_read, encode_read};

    /// A stream that gives one byte at a time and pauses before each.
    struct Hesitant<'a>(&'a [u8], bool);

    impl Read for Hesitant<'_> {
        fn read(&mut self, to: &mut [u8]) -> io::Result<usize> {
            self.1 = !self.1;
            if self.1 {
                return Err(io::ErrorKind::WouldBlock.into());
            }
            let n = self.0.len().min(to.len()).min(1);
            to[..n].copy_from_slice(&self.0[..n]);
            self.0 = &self.0[n..];
            Ok(n)
        }
    }

    #[test]
    fn frames_survive_pauses_anywhere() {
        let mut stream = Vec::new();
        write(&mut stream, Kind::Piece, &[7; 300]).unwrap();
        write(&mut stream, Kind::SourceFailed, &[]).unwrap();
        write(&mut stream, Kind::Read, &encode_read(1 << 40, 5)).unwrap();
        let mut frames = Frames::new(Hesitant(&stream, false));
        let mut next = || loop {
            match frames.next() {
                Ok((kind, body)) => return Ok((kind, body.to_vec())),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => return Err(error.kind()),
            }
        };
        assert_eq!(next(), Ok((Kind::Piece, vec![7; 300])));
        assert_eq!(next(), Ok((Kind::SourceFailed, vec![])));
        assert_eq!(decode_read(&next().unwrap().1), Ok((1 << 40, 5)));
        assert_eq!(next(), Err(io::ErrorKind::UnexpectedEof));
    }

    #[test]
    fn a_claimed_length_is_refused_before_it_is_read() {
        for (kind, length) in [(Kind::Piece as u8, u32::MAX), (Kind::Read as u8, 13), (0, 0), (99, 1)] {
            let mut bytes = vec![kind];
            bytes.extend_from_slice(&length.to_le_bytes());
            let error = Frames::new(bytes.as_slice()).next().unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::InvalidData, "{kind} {length}");
        }
    }
}

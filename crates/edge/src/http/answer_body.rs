//! The body of an answer: whole, or made while it is sent.

use std::fmt;

use bytes::Bytes;
use futures::stream::LocalBoxStream;

/// A body.
pub enum Body<'a> {
    /// All of it.
    Whole(Bytes),
    /// Pieces that come while it is sent. After an error the answer breaks off, so that no client takes it for
    /// whole.
    Pieces(LocalBoxStream<'a, Result<Bytes, BrokenOff>>),
}

/// The rest of a body cannot be had.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the answer breaks off: {0}")]
pub struct BrokenOff(pub String);

impl From<Bytes> for Body<'_> {
    fn from(whole: Bytes) -> Self {
        Self::Whole(whole)
    }
}

impl fmt::Debug for Body<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Whole(bytes) => write!(f, "Body::Whole({} bytes)", bytes.len()),
            Self::Pieces(_) => f.write_str("Body::Pieces"),
        }
    }
}

/// A body as the base of the components sees it.
pub trait AnswerBody: From<Bytes> {
    /// Its length, if it is whole.
    fn whole_length(&self) -> Option<usize>;
}

impl AnswerBody for Bytes {
    fn whole_length(&self) -> Option<usize> {
        Some(self.len())
    }
}

impl AnswerBody for Body<'_> {
    fn whole_length(&self) -> Option<usize> {
        match self {
            Self::Whole(bytes) => Some(bytes.len()),
            Self::Pieces(_) => None,
        }
    }
}

//! The body of an answer: in memory, or produced while it is sent.

use std::fmt;

use bytes::Bytes;
use futures::stream::LocalBoxStream;

/// A body.
pub enum Body<'a> {
    /// The whole body.
    Whole(Bytes),
    /// Pieces that are produced while the answer is sent. An error aborts the answer, so that the client notices that
    /// it is incomplete.
    Pieces(LocalBoxStream<'a, Result<Bytes, BodyAborted>>),
}

/// The rest of a body cannot be produced. Holds the cause.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the answer breaks off: {0}")]
pub struct BodyAborted(pub String);

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

/// A body of an answer, as the HTTP base needs it.
pub trait AnswerBody: From<Bytes> {
    /// The length of a whole body.
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

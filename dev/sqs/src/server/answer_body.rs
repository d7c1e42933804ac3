//! The body of an answer, which holds received messages until it is read.

use std::{
    convert::Infallible,
    pin::Pin,
    task::{Context, Poll},
};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};

use crate::operations::{Answer, Lease};

/// One piece of JSON. If the connection drops it before it takes the piece, the messages in it
/// go back to their queue.
pub(super) struct AnswerBody {
    piece: Option<Bytes>,
    lease: Option<Lease>,
}

impl AnswerBody {
    pub(super) fn new(answer: Answer) -> Self {
        Self { piece: Some(answer.body.into()), lease: answer.lease }
    }
}

impl From<String> for AnswerBody {
    fn from(body: String) -> Self {
        Self { piece: Some(body.into()), lease: None }
    }
}

impl Body for AnswerBody {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let piece = self.piece.take();
        if let Some(lease) = self.lease.take() {
            lease.hand_over();
        }
        Poll::Ready(piece.map(|piece| Ok(Frame::data(piece))))
    }

    fn is_end_stream(&self) -> bool {
        self.piece.is_none()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.piece.as_ref().map_or(0, |piece| piece.len() as u64))
    }
}

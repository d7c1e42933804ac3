//! Component `frames`: single frames of finished videos, read out of the archive, and the archive's manifest.
//!
//! An archive is a ZIP with uncompressed members. The index beside it has the offset of each member
//! ([`framelift_contract::frame_index`]), so a frame is a range of one object, which needs no unpacking.

mod frame;
mod frame_at;
#[cfg(feature = "testing")]
pub mod fuzzing;
mod index;
mod link;
mod linked_frame;
mod list_frames;
mod manifest;
mod part;
mod range;

use framelift_contract::problem::ProblemCode as Code;
use http::HeaderValue;

pub use index::Blocks;
pub use link::LinkKeys;

use crate::http::{Router, component};
use crate::ports::{Ambient, Http, Kv, Queue};
use crate::service::Service;

/// The configuration and caches of this component alone.
#[derive(Debug)]
pub struct Frames {
    /// The keys of links.
    pub links: LinkKeys,
    /// The cache of blocks of indexes.
    pub blocks: Blocks,
}

/// The problems of every call that reads a result, besides those of a video of one's own.
const RESULT: &[Code] =
    &[Code::ProcessingNotFinished, Code::ResultExpired, Code::FramesNotIndexed, Code::ResultDamaged];

/// Lets the owner's browser cache an image for ever, because it never changes.
const PRIVATE: HeaderValue = HeaderValue::from_static("private, max-age=31536000, immutable");

component! {
    'a Service<'a, K, Q, H, A> where [K: Kv, Q: Queue, H: Http, A: Ambient];
    router: Router::new(ROUTES);
    call: [list_frames, frame, frame_at, manifest, linked_frame]
}

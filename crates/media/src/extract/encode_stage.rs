//! The converting and encoding stage: one picture at a time on each of its threads.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Mutex;
use std::sync::mpsc::{Receiver, SyncSender};

use framelift_domain::Options;
use sha2::{Digest, Sha256};

use crate::EngineLimits;
use crate::convert::{caveat, prepare};
use crate::encode::{EncodeError, Encoder};
use crate::ffi::{Frame, StreamInfo};
use crate::storyboard::Thumb;
use crate::view::{Hidden, View};
use crate::watch::Watch;

/// A picture to encode, and where the image goes.
pub(super) struct Job {
    pub(super) frame: Frame,
    pub(super) reply: SyncSender<Result<Encoded, NotEncoded>>,
}

/// An image.
pub(super) struct Encoded {
    pub(super) bytes: Vec<u8>,
    pub(super) crc: u32,
    pub(super) sha256: [u8; 32],
    pub(super) size: (u32, u32),
    /// For the storyboard, where one is wanted.
    pub(super) thumb: Option<Thumb>,
}

/// Why a picture did not become an image.
#[derive(Debug)]
pub(super) enum NotEncoded {
    TooLarge,
    /// The asked part reaches beyond it.
    OutOfBounds(String),
    Failed(String),
    /// The decoder gave no picture: another one has to.
    Undecoded,
}

/// Converts and encodes the frames of one thread.
pub(super) struct FrameEncoder<'s> {
    encoder: Option<Encoder>,
    stream: &'s StreamInfo,
    options: &'s Options,
    limits: &'s EngineLimits,
}

/// Encodes pictures from `queue` until it is closed.
pub(super) fn run(queue: &Mutex<Receiver<Job>>, mut encoder: FrameEncoder<'_>, watch: &Watch<'_>) {
    loop {
        let job = match queue.lock() {
            Ok(queue) => queue.recv(),
            Err(_) => return,
        };
        let Ok(Job { frame, reply }) = job else { return };
        let result = encoder.encode(&frame, watch);
        drop(frame);
        // The receiver is gone when the extraction is being stopped.
        let _ = reply.send(result);
    }
}

impl<'s> FrameEncoder<'s> {
    pub(super) fn new(stream: &'s StreamInfo, options: &'s Options, limits: &'s EngineLimits) -> Self {
        Self { encoder: None, stream, options, limits }
    }

    /// Makes an image of a picture.
    pub(super) fn encode(&mut self, frame: &Frame, watch: &Watch<'_>) -> Result<Encoded, NotEncoded> {
        let result = catch_unwind(AssertUnwindSafe(|| self.try_encode(frame, watch)));
        result.unwrap_or_else(|_| Err(NotEncoded::Failed("the encoder panicked".into())))
    }

    fn try_encode(&mut self, frame: &Frame, watch: &Watch<'_>) -> Result<Encoded, NotEncoded> {
        let (stream, options, limits) = (self.stream, self.options, self.limits);
        if let Some(caveat) = caveat(frame.colours(), stream.light) {
            watch.warn(caveat);
        }
        let view =
            View::of(frame, stream, options.crop, limits.max_pixels).map_err(|hidden| match hidden {
                Hidden::TooLarge => NotEncoded::TooLarge,
                Hidden::Outside(..) => NotEncoded::OutOfBounds(hidden.message()),
            })?;
        let (geometry, absurd) = view.geometry(options.resize).map_err(|_| NotEncoded::TooLarge)?;
        if absurd {
            watch.warn("the pixels' shape in the file is absurd and was ignored");
        }
        let prepared = prepare(frame, view.part, stream.has_fields(frame))
            .map_err(|error| NotEncoded::Failed(format!("its shown part could not be taken: {error}")))?;
        let frame = prepared.as_ref().unwrap_or(frame);
        let failed = |error| match error {
            EncodeError::TooLarge => NotEncoded::TooLarge,
            error => NotEncoded::Failed(error.to_string()),
        };
        let encoder = match &mut self.encoder {
            Some(encoder) => encoder,
            None => self.encoder.insert(Encoder::new(options.format, options.quality).map_err(failed)?),
        };
        let bytes = encoder.encode(frame, stream.light, &geometry).map_err(failed)?;
        let small = |resize| view.geometry(resize).map(|(geometry, _)| geometry);
        let thumb = options.storyboard.then(|| encoder.thumb(frame, stream.light, small)).flatten();
        Ok(Encoded {
            crc: crc32fast::hash(&bytes),
            sha256: Sha256::digest(&bytes).into(),
            size: geometry.size,
            bytes,
            thumb,
        })
    }
}

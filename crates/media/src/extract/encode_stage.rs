//! The converting and encoding stage: one picture at a time on each of its threads.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Mutex;
use std::sync::mpsc::{Receiver, SyncSender};

use framelift_domain::{Options, Rational, Resize};
use sha2::{Digest, Sha256};

use crate::EngineLimits;
use crate::convert::{caveat, prepare};
use crate::encode::{EncodeError, Encoder};
use crate::ffi::{Frame, StreamInfo};
use crate::geometry::{Geometry, Orientation, TooLarge};
use crate::storyboard::Thumb;
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

/// Why a picture did not become one.
#[derive(Debug)]
pub(super) enum NotEncoded {
    TooLarge,
    Failed(String),
    /// Not decoded either: the frame has to be reached another way.
    Undecoded,
}

/// What one thread encodes with.
pub(super) struct Station<'s> {
    encoder: Option<Encoder>,
    stream: &'s StreamInfo,
    options: &'s Options,
    limits: &'s EngineLimits,
}

/// Works until no job is left.
pub(super) fn run(queue: &Mutex<Receiver<Job>>, mut station: Station<'_>, watch: &Watch<'_>) {
    loop {
        let job = match queue.lock() {
            Ok(queue) => queue.recv(),
            Err(_) => return,
        };
        let Ok(Job { frame, reply }) = job else { return };
        let result = station.encode(&frame, watch);
        drop(frame);
        // Nobody waits any more when the extraction is being stopped.
        let _ = reply.send(result);
    }
}

impl<'s> Station<'s> {
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
        let shape = stream.shape_of(frame);
        let part = stream.shown_part((frame.width(), frame.height()));
        let prepared = prepare(frame, part, stream.has_fields(frame))
            .map_err(|error| NotEncoded::Failed(format!("its shown part could not be taken: {error}")))?;
        let frame = prepared.as_ref().unwrap_or(frame);
        let way = |resize| geometry_of(frame, shape, stream, resize, limits.max_pixels);
        let (geometry, absurd) = way(options.resize).map_err(|_| NotEncoded::TooLarge)?;
        if absurd {
            watch.warn("the pixels' shape in the file is absurd and was ignored");
        }
        let failed = |error| match error {
            EncodeError::TooLarge => NotEncoded::TooLarge,
            error => NotEncoded::Failed(error.to_string()),
        };
        let encoder = match &mut self.encoder {
            Some(encoder) => encoder,
            None => self.encoder.insert(Encoder::new(options.format, options.quality).map_err(failed)?),
        };
        let bytes = encoder.encode(frame, stream.light, &geometry).map_err(failed)?;
        let small = |resize| way(resize).map(|(geometry, _)| geometry);
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

/// How the picture in `frame` becomes an image, and whether the shape of its pixels is too absurd
/// to be taken at its word.
pub(crate) fn geometry(
    frame: &Frame,
    stream: &StreamInfo,
    resize: Option<Resize>,
    max_pixels: u64,
) -> Result<(Geometry, bool), TooLarge> {
    geometry_of(frame, stream.shape_of(frame), stream, resize, max_pixels)
}

/// As [`geometry`], of a part of a picture whose pixels are `shape` times as wide as high.
fn geometry_of(
    frame: &Frame,
    shape: Option<Rational>,
    stream: &StreamInfo,
    resize: Option<Resize>,
    max_pixels: u64,
) -> Result<(Geometry, bool), TooLarge> {
    let matrix = frame.display_matrix().or(stream.display_matrix);
    let orientation = matrix.as_ref().map(Orientation::from_matrix).unwrap_or_default();
    let stored = (frame.width(), frame.height());
    let way = |shape| Geometry::new(stored, shape, orientation, resize, max_pixels);
    match way(shape) {
        Err(_) if shape.is_some() => way(None).map(|geometry| (geometry, true)),
        result => result.map(|geometry| (geometry, false)),
    }
}

//! The converting and encoding stage: one picture at a time on each of its threads.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Mutex;
use std::sync::mpsc::{Receiver, SyncSender};

use framelift_domain::Options;
use sha2::{Digest, Sha256};

use crate::EngineLimits;
use crate::convert::caveat;
use crate::encode::Encoder;
use crate::ffi::{Frame, StreamInfo};
use crate::geometry::{Geometry, Orientation};
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
}

/// Why a picture did not become one.
#[derive(Debug)]
pub(super) enum NotEncoded {
    TooLarge,
    Failed(String),
}

/// Works until no job is left.
pub(super) fn run(
    queue: &Mutex<Receiver<Job>>,
    stream: &StreamInfo,
    options: &Options,
    limits: &EngineLimits,
    watch: &Watch<'_>,
) {
    let mut encoder = None;
    loop {
        let job = match queue.lock() {
            Ok(queue) => queue.recv(),
            Err(_) => return,
        };
        let Ok(Job { frame, reply }) = job else { return };
        let result = catch_unwind(AssertUnwindSafe(|| {
            let encoder = match &mut encoder {
                Some(encoder) => encoder,
                None => encoder.insert(
                    Encoder::new(options.format, options.quality)
                        .map_err(|error| NotEncoded::Failed(error.to_string()))?,
                ),
            };
            encode(encoder, &frame, stream, options, limits, watch)
        }));
        let result = result.unwrap_or_else(|_| Err(NotEncoded::Failed("the encoder panicked".into())));
        drop(frame);
        // Nobody waits any more when the extraction is being stopped.
        let _ = reply.send(result);
    }
}

fn encode(
    encoder: &mut Encoder,
    frame: &Frame,
    stream: &StreamInfo,
    options: &Options,
    limits: &EngineLimits,
    watch: &Watch<'_>,
) -> Result<Encoded, NotEncoded> {
    if let Some(caveat) = caveat(frame.colours()) {
        watch.warn(caveat);
    }
    let matrix = frame.display_matrix().or(stream.display_matrix);
    let orientation = matrix.as_ref().map(Orientation::from_matrix).unwrap_or_default();
    let shape = stream.container_shape.or(frame.pixel_shape());
    let stored = (frame.width(), frame.height());
    let way = |shape| Geometry::new(stored, shape, orientation, options.resize, limits.max_pixels);
    let geometry = way(shape)
        .or_else(|too_large| {
            if shape.is_some() {
                watch.warn("the pixels' shape in the file is absurd and was ignored");
                return way(None);
            }
            Err(too_large)
        })
        .map_err(|_| NotEncoded::TooLarge)?;
    let bytes = encoder.encode(frame, &geometry).map_err(|error| NotEncoded::Failed(error.to_string()))?;
    Ok(Encoded {
        crc: crc32fast::hash(&bytes),
        sha256: Sha256::digest(&bytes).into(),
        size: geometry.size,
        bytes,
    })
}

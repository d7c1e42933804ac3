//! The converting and encoding stage: one picture at a time on each of its threads.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Mutex;
use std::sync::mpsc::{Receiver, SyncSender};

use framelift_domain::{Checksum, Options};

use crate::EngineLimits;
use crate::convert::colour_warning;
use crate::encode::{EncodeError, Encoder};
use crate::ffi::{Frame, StreamInfo};
use crate::storyboard::Thumb;
use crate::view::{PrepareError, ViewError, Viewed};
use crate::watch::Watch;

/// A step to be done with a picture, and where the result goes.
pub(super) struct Job {
    pub(super) work: Work,
    pub(super) reply: SyncSender<Result<Content, NotEncoded>>,
}

/// A step on a picture's way to the archive.
pub(super) enum Work {
    /// Convert and encode a decoded picture; with filters, convert it for them.
    Decoded(Frame),
    /// Encode a picture that passed the filters.
    Filtered(Viewed),
}

/// The result of a job.
pub(super) enum Content {
    Image(Encoded),
    /// A picture for the filters.
    Picture(Viewed),
}

/// An image.
pub(super) struct Encoded {
    pub(super) bytes: Vec<u8>,
    pub(super) crc: u32,
    pub(super) sha256: Checksum,
    pub(super) size: (u32, u32),
    /// The thumbnail, if a storyboard is wanted.
    pub(super) thumb: Option<Thumb>,
}

/// Why a picture did not become an image.
#[derive(Debug)]
pub(super) enum NotEncoded {
    TooLarge,
    /// The asked part reaches beyond it.
    OutOfBounds(String),
    Failed(String),
    /// The decoder gave no picture: another decoder has to be used.
    Undecoded,
}

/// Converts and encodes frames on one thread.
pub(super) struct FrameEncoder<'s> {
    encoder: Option<Encoder>,
    stream: &'s StreamInfo,
    options: &'s Options,
    limits: &'s EngineLimits,
    /// Whether filters see pictures before they are encoded.
    filtered: bool,
}

/// Takes jobs from `queue` until it is closed.
pub(super) fn run(queue: &Mutex<Receiver<Job>>, mut encoder: FrameEncoder<'_>, watch: &Watch<'_>) {
    loop {
        let job = match queue.lock() {
            Ok(queue) => queue.recv(),
            Err(_) => return,
        };
        let Ok(Job { work, reply }) = job else { return };
        let result = match work {
            Work::Decoded(frame) => encoder.take(frame, watch),
            Work::Filtered(viewed) => encoder.encode(&viewed).map(Content::Image),
        };
        // The receiver is gone if the extraction is being stopped.
        let _ = reply.send(result);
    }
}

impl<'s> FrameEncoder<'s> {
    pub(super) fn new(
        stream: &'s StreamInfo,
        options: &'s Options,
        limits: &'s EngineLimits,
        filtered: bool,
    ) -> Self {
        Self { encoder: None, stream, options, limits, filtered }
    }

    /// Makes the image of a decoded picture or, with filters, prepares it for them.
    pub(super) fn take(&mut self, frame: Frame, watch: &Watch<'_>) -> Result<Content, NotEncoded> {
        let viewed = catch_panic(|| self.view(frame, watch))?;
        if self.filtered { Ok(Content::Picture(viewed)) } else { self.encode(&viewed).map(Content::Image) }
    }

    fn view(&self, frame: Frame, watch: &Watch<'_>) -> Result<Viewed, NotEncoded> {
        let (stream, options) = (self.stream, self.options);
        if let Some(colour_warning) = colour_warning(frame.colours(), stream.light) {
            watch.warn(colour_warning);
        }
        let viewed = Viewed::of(frame, stream, (options.crop, options.resize), self.limits.max_pixels);
        let (viewed, absurd) = viewed.map_err(|unviewed| match unviewed {
            PrepareError::View(ViewError::TooLarge) => NotEncoded::TooLarge,
            PrepareError::View(error) => NotEncoded::OutOfBounds(error.message()),
            PrepareError::Part(error) => {
                NotEncoded::Failed(format!("its shown part could not be taken: {error}"))
            }
        })?;
        if absurd {
            watch.warn("the pixels' shape in the file is absurd and was ignored");
        }
        Ok(viewed)
    }

    /// Makes an image of a picture.
    pub(super) fn encode(&mut self, viewed: &Viewed) -> Result<Encoded, NotEncoded> {
        catch_panic(|| self.try_encode(viewed))
    }

    fn try_encode(&mut self, viewed: &Viewed) -> Result<Encoded, NotEncoded> {
        let options = self.options;
        let failed = |error| match error {
            EncodeError::TooLarge => NotEncoded::TooLarge,
            error => NotEncoded::Failed(error.to_string()),
        };
        let encoder = match &mut self.encoder {
            Some(encoder) => encoder,
            None => self.encoder.insert(Encoder::new(options.format, options.quality).map_err(failed)?),
        };
        let Viewed { frame, light, geometry, .. } = viewed;
        let bytes = encoder.encode(frame, *light, geometry).map_err(failed)?;
        let small = |resize| viewed.sized(resize);
        let thumb = options.storyboard.then(|| encoder.thumb(frame, *light, small)).flatten();
        Ok(Encoded {
            crc: crc32fast::hash(&bytes),
            sha256: Checksum::of(&bytes),
            size: geometry.size,
            bytes,
            thumb,
        })
    }
}

/// Runs `step`; a panic in it costs only this picture.
fn catch_panic<T>(step: impl FnOnce() -> Result<T, NotEncoded>) -> Result<T, NotEncoded> {
    let result = catch_unwind(AssertUnwindSafe(step));
    result.unwrap_or_else(|_| Err(NotEncoded::Failed("the encoder panicked".into())))
}

//! The engine for videos whose groups of pictures can be decoded independently, each from one clean sync
//! point to the next.
//!
//! ```text
//! reader (1 thread): packets → which are wanted → groups, pruned ──tasks──→ workers (N threads):
//! decode, convert, encode ──images──→ archive
//! ```
//!
//! With filters, workers stop before they convert, and separate encoders run behind the filters: see
//! [`Writer::images`].
//!
//! The reader sees only packets. Their timestamps say which frame is on screen at a wanted time, so what no
//! wanted frame needs is not decoded and, with an index, not even read. Each worker has its own decoder.
//!
//! Depth: [`InFlight`] bounds the packets and images in flight, in the order in which they are written.
//! Anything that the packets did not announce (a frame that does not come out, timestamps in disorder, a sync
//! point that is none) is a *surprise*: it ends this engine at a certain image, and the sequential one goes
//! on from there.

mod group;
mod reader;
mod worker;

use std::sync::atomic::AtomicBool;
use std::sync::mpsc::sync_channel;
use std::sync::{Arc, Mutex};
use std::thread;

use framelift_domain::{Options, Rational};

pub(super) use reader::GroupRange;
use reader::Reader;
use worker::Worker;

use super::encode_stage::FrameEncoder;
use super::in_flight::InFlight;
use super::survey::Survey;
use super::write::{Writer, Written};
use super::{Job, encode_stage, share};
use crate::ffi::{Input, Threading};
use crate::select::Selector;
use crate::timeline::Placed;
use crate::watch::{Stop, Watch};
use crate::{EngineLimits, ExtractError, Source, open};

/// How the engine ended.
pub(super) enum GroupsEnd {
    /// With the video's duration, where it is known.
    Done(Option<Rational>),
    /// Images up to some point were written; the sequential engine has to continue from the source.
    Mismatch(Box<dyn Source>),
}

/// How the reader ended.
enum ReadEnd {
    Done(Option<Rational>),
    Mismatch(&'static str),
    Error(ExtractError),
}

/// The state that all stages share.
struct Shared<'a, 'c> {
    options: &'a Options,
    limits: &'a EngineLimits,
    watch: &'a Watch<'c>,
    in_flight: Arc<InFlight>,
    /// Whether there are filters between the workers and the encoders.
    filtered: bool,
    /// Whether the stages have to stop.
    stopped: AtomicBool,
}

/// Extracts what `selector` wants; the input is at its start.
pub(super) fn run(
    job: &Job<'_, '_>,
    input: Input<'_>,
    survey: &Survey,
    selector: Selector,
    reach: GroupRange,
    image_bytes: u64,
    writer: &mut Writer<'_>,
) -> Result<GroupsEnd, ExtractError> {
    let &Job { options, limits, watch, .. } = job;
    let threads = limits.thread_count();
    // Each decoder holds about ten pictures, its references included.
    let fit = usize::try_from(input.pictures_that_fit() / 10).unwrap_or(usize::MAX);
    let share = share::of(threads.min(fit).max(1), reach.groups);
    let stream = input.info().clone();
    let shared = &Shared {
        options,
        limits,
        watch,
        in_flight: Arc::new(InFlight::new(threads, image_bytes)),
        filtered: writer.filters(),
        stopped: AtomicBool::new(false),
    };
    let workers = (0..share.workers)
        .map(|_| {
            let decoder = open::decoder(&input, limits, share.threads_each, Threading::Pictures)?;
            Ok(Worker::new(decoder, &stream, shared))
        })
        .collect::<Result<Vec<_>, ExtractError>>()?;
    let (tasks, queue) = sync_channel(share.workers);
    let (order, ordered) = sync_channel(4096);
    let queue = &Mutex::new(queue);
    let (encode, filtered) = sync_channel(threads);
    let filtered = &Mutex::new(filtered);
    let (read, written) = thread::scope(|scope| {
        for worker in workers {
            scope.spawn(move || worker.run(queue));
        }
        for _ in (0..threads).filter(|_| shared.filtered) {
            let encoder = FrameEncoder::new(&stream, options, limits, true);
            scope.spawn(|| encode_stage::run(filtered, encoder, watch));
        }
        let reader = Reader::new(input, survey, selector, reach, tasks, order, shared);
        let reading = scope.spawn(move || reader.run());
        let written = writer.images(ordered, encode, watch);
        shared.stop();
        if written.is_err() {
            watch.stop(Stop::Aborted);
        }
        (reading.join(), written)
    });
    // The writer's own error takes precedence: the reader only sees a closed channel.
    let taken = written?;
    let (read, source) = read.map_err(|_| ExtractError::internal("the reading stage panicked"))?;
    match (taken, read) {
        (Written::UpToUndecoded, _) => Ok(GroupsEnd::Mismatch(source)),
        (Written::All, ReadEnd::Done(duration)) => Ok(GroupsEnd::Done(duration)),
        (Written::All, ReadEnd::Mismatch(reason)) => {
            tracing::debug!(reason, "the groups of pictures cannot be taken one by one");
            Ok(GroupsEnd::Mismatch(source))
        }
        (Written::All, ReadEnd::Error(error)) => Err(error),
    }
}

impl Shared<'_, '_> {
    /// Tells every stage to stop.
    fn stop(&self) {
        self.stopped.store(true, std::sync::atomic::Ordering::Relaxed);
        self.in_flight.close();
    }

    fn is_over(&self) -> bool {
        self.stopped.load(std::sync::atomic::Ordering::Relaxed)
    }
}

/// A shown frame as the packets announce it.
#[derive(Clone, Copy, Debug)]
struct Shown {
    /// The packet's presentation timestamp.
    pts: i64,
    placed: Placed,
    key: bool,
}

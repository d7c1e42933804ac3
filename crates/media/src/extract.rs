//! One extraction from end to end: the stages, their threads and the queues between them.
//!
//! | stage | threads | holds |
//! |---|---|---|
//! | demux + decode | 1, and FFmpeg's `threads` | the decoder's own pictures, and one held back |
//! | convert + encode | `threads` | one picture and one image each |
//! | archive | the caller's | one image |
//!
//! Between the first two at most 2·`threads` pictures or images are under way, in the order in
//! which they are written; a stage that is slower than the others stops them.

mod alone;
mod decode;
mod encode_stage;
mod measure;
pub(crate) mod open;
mod skip;
mod write;

use std::io::Write;
use std::sync::Mutex;
use std::sync::mpsc::sync_channel;
use std::thread;

use framelift_contract::manifest::{Plan, Source as SourceRecord};
use framelift_domain::Options;

use crate::ffi::Threading;
use crate::watch::{Stop, Watch};
use crate::{Control, EngineLimits, ExtractError, Source, Stage, plan, unsupported};

/// What is known of the video besides its bytes; it goes into the manifest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SourceInfo {
    /// The name it was uploaded under. Nothing is ever opened by it.
    pub file_name: String,
    /// Its length in bytes.
    pub size: u64,
}

/// A finished extraction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// Images in the archive.
    pub frames: u64,
    /// The archive's length in bytes.
    pub archive_bytes: u64,
    /// The archive's SHA-256 in hexadecimal.
    pub archive_sha256: String,
    /// What the owner should know.
    pub warnings: Vec<String>,
    /// Bytes read from the source.
    pub bytes_read: u64,
    /// How it was done, as the manifest says it.
    pub plan: Plan,
    /// The video, as the manifest describes it.
    pub source: SourceRecord,
}

/// Extracts from `source` what `options` ask, into an archive that is written to `sink` front
/// to back while the video is still being decoded.
///
/// Runs on the caller's thread and on threads that have ended when it returns. On an error the
/// sink holds a part of an archive, to be thrown away.
pub fn extract<W: Write + Send>(
    source: Box<dyn Source>,
    info: SourceInfo,
    options: &Options,
    limits: &EngineLimits,
    sink: W,
    control: &dyn Control,
) -> Result<Outcome, ExtractError> {
    if let Some(pointer) = unsupported(options).first() {
        return Err(ExtractError::Unsupported(pointer));
    }
    let watch = &Watch::new(control, limits);
    if !watch.go_on() {
        return Err(watch.stop_error());
    }
    let input = open::open(source, limits, watch)?;
    let decoder = open::decoder(&input, limits, Threading::Pictures)?;
    let mut plan = plan::choose(options, input.info(), decoder.name());
    let (input, measure) = measure::measure(input, options, &plan, limits, watch)?;
    // A fresh decoder where the container was opened anew.
    let way = decode::Way::of(&plan, input.info());
    let decoder = open::decoder(&input, limits, way.threading())?;

    watch.enter(Stage::Extracting);
    let threads = limits.thread_count();
    let (jobs, queue) = sync_channel(threads);
    let (order, ordered) = sync_channel(threads * 2);
    let queue = &Mutex::new(queue);
    let stream = input.info().clone();
    let (decoded, written) = thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| encode_stage::run(queue, &stream, options, limits, watch));
        }
        let out = decode::Out { jobs, order };
        let decoding = scope.spawn(|| decode::run(input, decoder, way, measure, options, limits, watch, out));
        let written = write::images(ordered, sink, options, limits, watch);
        if written.is_err() {
            watch.stop(Stop::Aborted);
        }
        let decoded =
            decoding.join().unwrap_or_else(|_| Err(ExtractError::internal("the decoding stage panicked")));
        (decoded, written)
    });
    // The writer's own error comes first: the decoder only sees that nobody takes its frames.
    let written = written?;
    let decoded = decoded?;
    if decoded.started_over {
        plan = plan::not_alone(plan);
    }
    write::finish(written, decoded, info, &stream, options, plan, watch)
}

//! One extraction from end to end: the engines, their stages, and the queues between them.
//!
//! [`plan`] chooses between two engines. [`groups`] takes groups of pictures one by one; see there. The
//! sequential one has these stages:
//!
//! | stage | threads | holds |
//! |---|---|---|
//! | demux + decode | 1, and FFmpeg's `threads` | the decoder's own pictures, and one held back |
//! | convert + encode | `threads` | one picture and one image each |
//! | filters + archive | the caller's | one image; what filters hold back, and 8 pictures behind them |
//!
//! With filters, the middle stage handles a picture twice: converts it before them and encodes it behind
//! them.
//!
//! Between the first two stages at most 2·`threads` pictures or images are in flight, in the order in which
//! they are written; a slow stage blocks the others.

mod chain;
mod claims;
mod decode;
mod encode_stage;
mod groups;
mod in_flight;
mod index;
mod measure;
mod ordered;
mod plan;
mod share;
mod skip;
pub(crate) mod stretches;
mod survey;
mod write;

use std::sync::Mutex;
use std::sync::mpsc::sync_channel;
use std::thread;

use framelift_contract::manifest::{Plan, Source as SourceRecord, Strategy};
use framelift_domain::{Checksum, FailureCode, Options, Rational};
use serde::{Deserialize, Serialize};

use crate::archive::Numbered;
use crate::ffi::{Input, Threading};
use crate::filter::Filter;
use crate::hardware::{self, DecoderSlot, GpuChoice};
use crate::select;
use crate::view::{View, ViewError};
use crate::watch::{Stop, Watch};
use crate::{EngineLimits, ExtractError, Output, Request, Stage, open, unsupported};
use decode::{Problem, Start};
use encode_stage::FrameEncoder;
use groups::GroupsEnd;
use measure::Measure;
use survey::Survey;
use write::Writer;

pub use write::{MANIFEST, OTHER_MEMBERS};

/// A finished extraction.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Outcome {
    /// Images in the archive.
    pub frames: u64,
    /// The archive's length in bytes.
    pub archive_bytes: u64,
    /// The archive's SHA-256; `None` for a folder.
    pub archive_sha256: Option<Checksum>,
    /// Warnings for the owner.
    pub warnings: Vec<String>,
    /// Bytes read from the source.
    pub bytes_read: u64,
    /// The strategy and its reason, as in the manifest.
    pub plan: Plan,
    /// The video, as the manifest describes it.
    pub source: SourceRecord,
}

/// Runs the extraction `request`; pictures pass through `filters` in order.
///
/// The archive is written front to back while the video is still being decoded. It runs on the caller's
/// thread and on threads that are joined before it returns. After an error the archive is incomplete and must
/// be discarded.
pub fn extract<'a>(
    request: Request<'a>,
    filters: Vec<Box<dyn Filter + 'a>>,
) -> Result<Outcome, ExtractError> {
    let Request { source, file_name, options, limits, output, control } = request;
    if let Some(pointer) = unsupported(options, filters.len()).first() {
        return Err(ExtractError::Unsupported(pointer));
    }
    let watch = &Watch::new(control, limits);
    if !watch.should_continue() {
        return Err(watch.stop_error());
    }
    let size = source.size();
    let input = open::open(source, options.stream, limits, watch)?;
    let stream = input.info().clone();
    if stream.timeless {
        let rate = stream.frame_rate.map_or(25.0, Rational::to_f64);
        watch.warn(format!(
            "the file has no timestamps: its frames are taken to be shown at {rate:.3} a second"
        ));
    }
    let announced = View::announced(&stream, limits.max_pixels);
    // If the header does not give the size, each picture does.
    if let Err(outside @ ViewError::Outside(..)) = announced.cropped(options.crop) {
        return Err(ExtractError::failed(FailureCode::LimitExceeded, outside.message()));
    }
    // Opened for its name, and to fail early if the video cannot be decoded.
    let decoder = open::decoder(&input, limits, 1, Threading::OnePicture)?.name().to_owned();
    let Output { archive, names } = output;
    let names = names.unwrap_or(&Numbered);
    let mut writer = Writer::new(archive, names, filters, options, limits.max_output_bytes);
    let gpu = hardware::choose(&input, options, limits);
    // If a GPU was requested and none is available, the planner chooses.
    let strategy = limits.strategy.filter(|strategy| *strategy != Strategy::Hardware);
    let limits = &EngineLimits { strategy, ..limits.clone() };
    let job = Job { options, limits, watch, decoder };
    let (plan, duration) = job.run(input, gpu, &mut writer)?;
    write::finish(writer, duration, (file_name, size), &stream, (options, limits), plan, watch)
}

/// What stays the same while a job is run.
struct Job<'a, 'c> {
    options: &'a Options,
    limits: &'a EngineLimits,
    watch: &'c Watch<'c>,
    /// The decoder's name.
    decoder: String,
}

impl<'c> Job<'_, 'c> {
    /// Fills the archive. Returns the plan, and the video's duration if it is known.
    fn run(
        &self,
        input: Input<'c>,
        gpu: GpuChoice,
        writer: &mut Writer<'_>,
    ) -> Result<(Plan, Option<Rational>), ExtractError> {
        match gpu {
            GpuChoice::None => self.on_cpu(input, writer),
            GpuChoice::Declined(problem) => {
                let (plan, duration) = self.on_cpu(input, writer)?;
                Ok((hardware::declined(plan, &problem), duration))
            }
            GpuChoice::Decoder(slot, reason) => self.on_gpu(input, slot, reason, writer),
        }
    }

    /// Runs the job on a GPU; the CPU does what the GPU cannot.
    fn on_gpu(
        &self,
        input: Input<'c>,
        slot: DecoderSlot,
        reason: String,
        writer: &mut Writer<'_>,
    ) -> Result<(Plan, Option<Rational>), ExtractError> {
        let plan = Plan { strategy: Strategy::Hardware, reason, decoder: slot.name().to_owned() };
        let (input, survey) = match select::needs(self.options) {
            Some(numbers) if numbers.is_empty() => survey::survey(input, self.limits, self.watch)?,
            _ => (input, None),
        };
        let (input, start) = self.start(input, survey.as_ref())?;
        let (problem, source) = match self.sequential(input, slot, start.clone(), writer)? {
            decode::DecodeEnd::Done(duration) => return Ok((plan, duration)),
            decode::DecodeEnd::Abandoned { problem, source } => (problem.to_string(), source),
        };
        let input = open::open(source, self.options.stream, self.limits, self.watch)?;
        let (plan, duration) = if writer.frames == 0 {
            self.on_cpu(input, writer)?
        } else {
            let plan = plan::sequential("the rest of the frames came from one decoder", &self.decoder);
            self.one_decoder(input, start, plan, writer)?
        };
        Ok((hardware::declined(plan, &problem), duration))
    }

    /// Runs the job on the CPU with the strategy that the planner chooses.
    fn on_cpu(
        &self,
        input: Input<'c>,
        writer: &mut Writer<'_>,
    ) -> Result<(Plan, Option<Rational>), ExtractError> {
        let (options, limits, watch) = (self.options, self.limits, self.watch);
        let preference = || plan::preference(options).filter(|_| limits.strategy.is_none());
        let obstacle = plan::obstacle(options, input.info()).or_else(preference);
        let (input, survey) = match obstacle {
            // The survey is still the cheapest way to find the video's duration.
            Some(_) if select::needs(options).is_none_or(|numbers| !numbers.is_empty()) => (input, None),
            _ => survey::survey(input, limits, watch)?,
        };
        let (input, mut start) = self.start(input, survey.as_ref())?;
        let (Some(survey), Some(selector), None) = (&survey, &mut start.selector, obstacle) else {
            let reason = obstacle.unwrap_or("the packets do not say which frames are shown when");
            return self.one_decoder(input, start, plan::sequential(reason, &self.decoder), writer);
        };
        if limits.strategy != Some(Strategy::Sequential) {
            survey.aim(&input, selector, options);
        }
        let planned = plan::choose(&input, survey, selector, options, limits, &self.decoder);
        let Some(reach) = planned.reach else {
            return self.one_decoder(input, start, planned.plan, writer);
        };
        watch.enter(Stage::Extracting);
        let image_bytes = plan::image_bytes(options, input.info());
        let selector = selector.clone();
        let ended = groups::run(self, input, survey, selector, reach, image_bytes, writer)?;
        match ended {
            GroupsEnd::Done(duration) => Ok((planned.plan, duration)),
            GroupsEnd::Mismatch(source) => {
                let input = open::open(source, options.stream, limits, watch)?;
                self.one_decoder(input, start, plan::mismatched(planned.plan), writer)
            }
        }
    }

    /// Returns what the sequential engine starts from. If the selection depends on the duration and the
    /// survey did not find it, the whole video is read to measure it.
    fn start(&self, input: Input<'c>, survey: Option<&Survey>) -> Result<(Input<'c>, Start), ExtractError> {
        let selector =
            survey.and_then(|survey| survey.selector(&input, self.options, self.limits.max_frames));
        let zero = survey.map(|survey| survey.zero);
        let duration = survey.and_then(|survey| survey.duration(&input));
        let (input, measure) = match selector {
            Some(_) => (input, Measure::default()),
            None => measure::measure(input, self.options, self.limits, self.watch)?,
        };
        Ok((input, Start { zero, duration, selector, measure, keep_all: false, racy: false }))
    }

    /// Does the rest of the job with one decoder on the CPU, from the start of the video.
    fn one_decoder(
        &self,
        input: Input<'c>,
        start: Start,
        plan: Plan,
        writer: &mut Writer<'_>,
    ) -> Result<(Plan, Option<Rational>), ExtractError> {
        let mut start = Start { racy: self.limits.thread_count() > 1, ..start };
        let mut input = input;
        // Each problem occurs once at most: the retry removes its cause.
        loop {
            let threads = if start.racy { self.limits.thread_count() } else { 1 };
            let decoder = open::decoder(&input, self.limits, threads, Threading::Pictures)?;
            let (problem, source) = match self.sequential(input, decoder.into(), start.clone(), writer)? {
                decode::DecodeEnd::Done(duration) => return Ok((plan, duration)),
                decode::DecodeEnd::Abandoned { problem, source } => (problem, source),
            };
            match problem {
                Problem::Skipped if !start.keep_all => start.keep_all = true,
                Problem::Damage if start.racy => (start.keep_all, start.racy) = (true, false),
                problem => return Err(ExtractError::internal(problem.to_string())),
            }
            input = open::open(source, self.options.stream, self.limits, self.watch)?;
        }
    }

    /// Runs the sequential engine; frames that were already written are not written again.
    fn sequential(
        &self,
        input: Input<'c>,
        decoder: DecoderSlot,
        start: Start,
        writer: &mut Writer<'_>,
    ) -> Result<decode::DecodeEnd, ExtractError> {
        let (options, limits, watch) = (self.options, self.limits, self.watch);
        watch.enter(Stage::Extracting);
        let threads = limits.thread_count();
        let (jobs, queue) = sync_channel(threads);
        let (order, ordered) = sync_channel(threads * 2);
        let queue = &Mutex::new(queue);
        let stream = &input.info().clone();
        let (encoders, filtered) = (jobs.clone(), writer.filters());
        let outputs = decode::Outputs { jobs, order, sent_before: writer.frames };
        let (decoded, written) = thread::scope(|scope| {
            for _ in 0..threads {
                let encoder = FrameEncoder::new(stream, options, limits, filtered);
                scope.spawn(|| encode_stage::run(queue, encoder, watch));
            }
            let decoding =
                scope.spawn(|| decode::run(input, decoder, start, options, limits, watch, outputs));
            let written = writer.images(ordered, encoders, watch);
            if written.is_err() {
                watch.stop(Stop::Aborted);
            }
            let decoded = decoding
                .join()
                .unwrap_or_else(|_| Err(ExtractError::internal("the decoding stage panicked")));
            (decoded, written)
        });
        // The writer's own error takes precedence: the decoder only sees a closed channel.
        written?;
        decoded
    }
}

//! The sequential engine's demuxing and decoding stage: packets in, wanted frames out, in one
//! go with one decoder.

mod output;
mod report;

use std::collections::VecDeque;
use std::fmt;
use std::sync::mpsc::SyncSender;

use framelift_domain::{FailureCode, Options, Rational, Select};

use super::claims;
use super::encode_stage::Job;
use super::measure::Measure;
use super::ordered::{MAX_READ_ERRORS, Ordered, OutputPosition, too_many};
use super::skip::Skipper;
use super::stretches::Stretches;
use crate::ffi::{AvError, Decoded, Frame, Input, Packet};
use crate::hardware::{Copier, DecoderSlot, Shrink};
use crate::scenes::Scenes;
use crate::select::{Measured, Requests, Selector};
use crate::timeline::{Placed, Timeline};
use crate::watch::Watch;
use crate::words::count;
use crate::{EngineLimits, ExtractError, Source, open};

/// How many skipped frames are remembered: more than lie between two decoded ones.
const MAX_SKIPPED: usize = 1024;
/// The bit of a packet's label that marks a sync point; the others hold its stretch of the clock.
const KEY: i64 = 1;

/// The queues for frames: to an encoder, and for their order in the archive.
pub(super) struct Outputs {
    pub(super) jobs: SyncSender<Job>,
    pub(super) order: SyncSender<Ordered>,
    /// The number of wanted frames, from the first one on, that were already sent by another decoder.
    pub(super) sent_before: u64,
}

struct HeldFrame {
    frame: Frame,
    placed: Placed,
    keyframe: bool,
}

/// What the stage starts from.
#[derive(Clone)]
pub(super) struct Start {
    /// The timestamp of the first shown frame, if known.
    pub(super) zero: Option<i64>,
    /// The video's duration, if known.
    pub(super) duration: Option<Rational>,
    /// Selects the wanted frames; if `None`, it is made from `measure` at the first frame.
    pub(super) selector: Option<Selector>,
    pub(super) measure: Measure,
    /// Decode every frame, including those that do not seem to be wanted.
    pub(super) keep_all: bool,
    /// The decoder's threads conceal damage differently from run to run.
    pub(super) racy: bool,
}

/// How the stage ended.
pub(super) enum DecodeEnd {
    /// With the video's duration, if it was read to its end or measured before.
    Done(Option<Rational>),
    /// This decoder gave up; another one has to provide the remaining frames.
    Abandoned { problem: Problem, source: Box<dyn Source> },
}

/// Why a decoder gave up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Problem {
    /// The GPU or its driver reported an error.
    Gpu(String),
    /// A skipped frame turned out to be wanted.
    Skipped,
    /// A picture is damaged, and the decoder's threads conceal it differently from run to run.
    Damage,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Gpu(problem) => problem,
            Self::Skipped => "a frame that was left out is wanted after all",
            Self::Damage => "a picture is damaged",
        })
    }
}

struct Stage<'a, 'c> {
    decoder: DecoderSlot,
    /// Copies wanted frames back from a GPU.
    copier: Option<Copier<OutputPosition>>,
    /// Why this decoder gave up, if it did.
    abandoned: Option<Problem>,
    keep_all: bool,
    racy: bool,
    /// The timestamps of the last skipped frames.
    skipped: VecDeque<i64>,
    timeline: Timeline,
    duration: Option<Rational>,
    selector: Option<Selector>,
    measure: Measure,
    held: Option<HeldFrame>,
    scenes: Option<(Scenes, f64)>,
    options: &'a Options,
    limits: &'a EngineLimits,
    watch: &'a Watch<'c>,
    claimed: Option<Rational>,
    outputs: Outputs,
    /// Frames that were wanted.
    wanted: u64,
    shown: u64,
    idle: u32,
    damaged_packets: u64,
    damaged_frames: u64,
    unsupported: Option<AvError>,
}

/// Decodes until nothing more is wanted, or the video ends.
pub(super) fn run(
    input: Input<'_>,
    decoder: DecoderSlot,
    start: Start,
    options: &Options,
    limits: &EngineLimits,
    watch: &Watch<'_>,
    outputs: Outputs,
) -> Result<DecodeEnd, ExtractError> {
    Stage::new(&input, decoder, start, options, limits, watch, outputs).run(input)
}

impl<'a, 'c> Stage<'a, 'c> {
    fn new(
        input: &Input<'_>,
        decoder: DecoderSlot,
        start: Start,
        options: &'a Options,
        limits: &'a EngineLimits,
        watch: &'a Watch<'c>,
        outputs: Outputs,
    ) -> Self {
        let info = input.info();
        let Start { zero, duration, selector, measure, keep_all, racy } = start;
        let mut timeline = Timeline::new(info.time_base, info.frame_rate);
        if let Some(zero) = zero {
            timeline.start_at(zero);
        }
        let threshold = match options.select {
            Select::Scenes { threshold, .. } => Some(threshold),
            _ => None,
        };
        let on_gpu = decoder.is_on_gpu();
        let copier = on_gpu.then(|| Copier::new(Shrink::new(info, options, limits.max_pixels)));
        let (copier, abandoned) = match copier.transpose() {
            Ok(copier) => (copier, None),
            Err(problem) => (None, Some(Problem::Gpu(problem))),
        };
        Self {
            decoder,
            copier,
            abandoned,
            keep_all,
            racy,
            skipped: VecDeque::new(),
            timeline,
            duration,
            selector,
            measure,
            held: None,
            scenes: threshold.map(|threshold| (Scenes::default(), threshold)),
            options,
            limits,
            watch,
            claimed: info.claimed_duration,
            outputs,
            wanted: 0,
            shown: 0,
            idle: 0,
            damaged_packets: 0,
            damaged_frames: 0,
            unsupported: None,
        }
    }

    fn run(mut self, mut input: Input<'_>) -> Result<DecodeEnd, ExtractError> {
        let mut stretches = Stretches::new(input.info());
        let mut skipper = Skipper::new(input.info(), self.keep_all);
        let mut read_errors = 0;
        loop {
            if !self.watch.should_continue() {
                return Err(self.watch.stop_error());
            }
            if self.selector.as_ref().is_some_and(Selector::is_done) {
                self.drain()?;
            }
            if self.abandoned.is_some() {
                return Ok(self.into_abandoned(input));
            }
            if let Some(selector) = self.selector.as_mut().filter(|selector| selector.is_done()) {
                selector.settle();
                for warning in selector.take_warnings() {
                    self.watch.warn(warning);
                }
                self.report();
                return Ok(DecodeEnd::Done(self.duration.or_else(|| Some(self.measured()?.duration))));
            }
            let mut packet = Packet::new().map_err(internal)?;
            match input.read(&mut packet) {
                Ok(true) => read_errors = 0,
                Ok(false) => break,
                Err(error) => {
                    if !self.watch.should_continue() {
                        return Err(self.watch.stop_error());
                    }
                    read_errors += 1;
                    if input.has_io_error() || read_errors >= MAX_READ_ERRORS {
                        self.watch.warn(format!("the file could not be read to its end: {error}"));
                        break;
                    }
                    continue;
                }
            }
            if packet.is_encrypted() {
                return Err(open::encrypted());
            }
            if packet.is_damaged() {
                self.damaged_packets += 1;
            }
            stretches.push(packet);
            while let Some(packet) = stretches.pop() {
                skipper.push(packet);
            }
            while let Some(packet) = skipper.pop() {
                self.pass(&mut skipper, &packet)?;
            }
        }
        // Some demuxers take a failed read for the end of the file.
        if let Some(error) = input.take_io_error() {
            return Err(ExtractError::Source(error));
        }
        while let Some(packet) = stretches.pop_rest() {
            skipper.push(packet);
        }
        while let Some(packet) = skipper.pop_rest() {
            self.pass(&mut skipper, &packet)?;
        }
        // No picture follows that damage at the end could affect.
        self.racy = false;
        let ended = self.decoder.send_end();
        self.receive()?;
        if self.decoder.is_on_gpu() && ended.is_err() {
            self.abandon_gpu("it did not come to an end");
        }
        self.finish(input)
    }

    /// Decodes a packet, or skips it.
    fn pass(&mut self, skipper: &mut Skipper, packet: &Packet) -> Result<(), ExtractError> {
        if self.skippable(skipper, packet) {
            self.skipped.extend(packet.pts());
            if self.skipped.len() > MAX_SKIPPED {
                self.skipped.pop_front();
            }
        } else {
            self.decode(packet)?;
        }
        skipper.passed(packet);
        Ok(())
    }

    /// Whether a frame between `held` and the last time requested of it was skipped: the frame expected to
    /// follow did not come out, so `held` seems to be on screen for longer than the packets said.
    fn misses_frame(&self, held: &HeldFrame, requests: &Requests) -> bool {
        let last = requests.iter().flatten().max().and_then(|last| self.timeline.timestamp_at(*last));
        last.is_some_and(|last| self.skipped.iter().any(|pts| (held.placed.pts + 1..=last).contains(pts)))
    }

    /// Whether no wanted frame needs a packet: no picture refers to its picture, and no wanted time falls
    /// into the time that it is on screen.
    fn skippable(&self, skipper: &Skipper, packet: &Packet) -> bool {
        let (Some(selector), Some((from, until))) = (&self.selector, skipper.on_screen(packet)) else {
            return false;
        };
        match (self.timeline.seconds_at(from), self.timeline.seconds_at(until)) {
            (Some(from), Some(until)) => !selector.counts_frames() && !selector.may_want(from, until),
            _ => false,
        }
    }

    fn decode(&mut self, packet: &Packet) -> Result<(), ExtractError> {
        if self.abandoned.is_some() {
            return Ok(());
        }
        let label = i64::from(packet.stretch()) << 1 | if packet.is_key() { KEY } else { 0 };
        if let Err(error) = self.decoder.send(packet, label) {
            // The CPU conceals damage, and counts it.
            if self.decoder.is_on_gpu() {
                self.abandon_gpu(error);
                return Ok(());
            }
            if let Some(excess) = open::excess(&self.decoder) {
                return Err(excess);
            }
            if error == AvError::NO_MEMORY && !self.decoder.has_refused_too_large() {
                return Err(ExtractError::internal("out of memory in the decoder"));
            }
            self.packet_is_damaged(error);
        }
        if !packet.is_hidden() {
            self.idle += 1;
        }
        self.receive()?;
        if self.idle > self.limits.max_idle_packets {
            if self.decoder.is_on_gpu() {
                self.abandon_gpu("it gave no picture");
                return Ok(());
            }
            if self.shown == 0 {
                return Err(self.nothing());
            }
            return Err(ExtractError::failed(
                FailureCode::TimedOut,
                format!("the decoder gave no picture for {}", count(self.idle.into(), "packet")),
            ));
        }
        Ok(())
    }

    fn receive(&mut self) -> Result<(), ExtractError> {
        // Bounded, for a decoder that only returns errors.
        for _ in 0..64 {
            match self.decoder.receive() {
                Ok(_) if self.racy && self.decoder.has_damage() => {
                    self.abandon(Problem::Damage);
                    return Ok(());
                }
                Ok(Decoded::Frame(frame)) => self.frame(frame)?,
                Ok(Decoded::NeedsPacket | Decoded::End) => return Ok(()),
                Err(error) if self.decoder.is_on_gpu() => {
                    self.abandon_gpu(error);
                    return Ok(());
                }
                Err(error) => {
                    if let Some(excess) = open::excess(&self.decoder) {
                        return Err(excess);
                    }
                    self.packet_is_damaged(error);
                }
            }
        }
        Ok(())
    }

    fn packet_is_damaged(&mut self, error: AvError) {
        if error.is_unsupported() {
            self.unsupported = Some(error);
        }
        self.damaged_packets += 1;
        if self.racy {
            self.abandon(Problem::Damage);
        }
    }

    /// Handles a decoded frame.
    fn frame(&mut self, frame: Frame) -> Result<(), ExtractError> {
        self.idle = 0;
        if frame.is_damaged() {
            if self.decoder.is_on_gpu() {
                self.abandon_gpu("a picture is damaged");
                return Ok(());
            }
            self.damaged_frames += 1;
            if self.racy {
                self.abandon(Problem::Damage);
                return Ok(());
            }
        }
        let stretch = u32::try_from(frame.label() >> 1).unwrap_or(0);
        let Some(placed) = self.timeline.place(frame.pts(), frame.ticks(), stretch) else {
            self.watch.warn("frames with absurd timestamps were left out");
            return Ok(());
        };
        self.shown += 1;
        if self.selector.is_none() {
            let selector = Selector::new(self.options, self.measured().as_ref(), self.limits.max_frames);
            self.watch.expect_frames(selector.expected(self.claimed));
            self.selector = Some(selector);
        }
        let keyframe = frame.label() & KEY != 0;
        let before = self.held.as_ref().map(|held| &held.frame);
        let marked = match &mut self.scenes {
            Some((scenes, threshold)) => scenes.score(before, &frame) >= *threshold,
            None => keyframe,
        };
        let Some(selector) = &mut self.selector else { return Ok(()) };
        let requests = selector.push(placed.time, marked).map_err(|error| too_many(error, self.limits))?;
        self.watch.reach_part(placed.time, selector.ends_at().into_iter().chain(self.claimed).min());
        let next = HeldFrame { frame, placed, keyframe };
        match self.held.replace(next) {
            Some(held) if !requests.is_empty() && self.misses_frame(&held, &requests) => {
                self.abandon(Problem::Skipped);
                Ok(())
            }
            Some(held) if !requests.is_empty() => self.send(held, requests),
            _ => Ok(()),
        }
    }

    fn finish(mut self, input: Input<'_>) -> Result<DecodeEnd, ExtractError> {
        if self.held.is_none() && self.decoder.is_on_gpu() {
            self.abandon_gpu("it gave no picture");
        }
        if self.abandoned.is_some() {
            return Ok(self.into_abandoned(input));
        }
        let Some(held) = self.held.take() else {
            if !self.watch.should_continue() {
                return Err(self.watch.stop_error());
            }
            return Err(self.nothing());
        };
        let end = held.placed.end;
        if let Some(selector) = &mut self.selector {
            let requests = selector.finish(end).map_err(|error| too_many(error, self.limits))?;
            for warning in selector.take_warnings() {
                self.watch.warn(warning);
            }
            if self.misses_frame(&held, &requests) {
                self.abandon(Problem::Skipped);
            } else if !requests.is_empty() {
                self.send(held, requests)?;
            }
        }
        self.drain()?;
        if self.abandoned.is_some() {
            return Ok(self.into_abandoned(input));
        }
        self.report();
        claims::compare(input.info(), end, self.watch);
        Ok(DecodeEnd::Done(Some(end)))
    }

    /// Returns the error for a video of which no frame could be decoded.
    fn nothing(&self) -> ExtractError {
        if let Some(excess) = open::excess(&self.decoder) {
            return excess;
        }
        if self.decoder.has_refused_too_large() {
            return open::too_large(self.limits);
        }
        if let Some(error) = self.unsupported {
            return ExtractError::failed(
                FailureCode::UnsupportedCodec,
                format!("this kind of {} is not supported: {error}", self.decoder.name()),
            );
        }
        ExtractError::failed(FailureCode::CorruptInput, "not one frame could be decoded")
    }

    fn measured(&self) -> Option<Measured> {
        if let Some(decoded) = &self.measure.decoded {
            return Some(decoded.clone());
        }
        let scanned = self.measure.scanned.as_ref()?;
        let at = |timestamp: i64| self.timeline.seconds_at(timestamp);
        let frames = scanned.numbers().map(|number| (number, scanned.frame(number).and_then(at))).collect();
        Some(Measured { duration: at(scanned.end).unwrap_or(Rational::ZERO), frames })
    }
}

fn internal(error: AvError) -> ExtractError {
    ExtractError::internal(error.to_string())
}

//! The demuxing and decoding stage: packets in, wanted frames out.

use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

use framelift_contract::manifest::{Plan, Strategy};
use framelift_domain::{FailureCode, Options, Rational};

use super::encode_stage::{Encoded, Job, NotEncoded};
use super::measure::Measure;
use super::skip::Skipper;
use super::{alone, open};
use crate::ffi::{AvError, Decoded, Decoder, Frame, Input, Packet, StreamInfo, Threading};
use crate::select::{Measured, Requests, Selector, TooMany};
use crate::timeline::{PacketScan, Placed, Timeline};
use crate::watch::Watch;
use crate::words::count;
use crate::{EngineLimits, ExtractError};

/// Errors in a row after which a container is given up.
pub(super) const READ_ERRORS: u32 = 16;
/// What the label of a packet says of it.
const KEY: i64 = 1;

/// Where frames go: to an encoder, and their place in line to the archive.
pub(super) struct Out {
    pub(super) jobs: SyncSender<Job>,
    pub(super) order: SyncSender<Ordered>,
}

/// A wanted frame's place in line.
pub(super) struct Ordered {
    pub(super) requests: Requests,
    pub(super) placed: Placed,
    pub(super) keyframe: bool,
    pub(super) image: Receiver<Result<Encoded, NotEncoded>>,
}

/// What is known when the last frame has gone out.
pub(super) struct End {
    /// Measured, where the video was read to its end or measured before.
    pub(super) duration: Option<Rational>,
    /// Whether a sync point did not decode alone, so that every frame was decoded after all.
    pub(super) started_over: bool,
}

/// Which packets go through the decoder, and how.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Way {
    /// Whatever a wanted frame may need, in one go.
    Sequential,
    /// Sync points in one go: of a codec in which no picture refers to others.
    SyncPoints,
    /// Sync points, each by itself.
    Alone,
}

impl Way {
    /// How `plan` is carried out.
    pub(super) fn of(plan: &Plan, info: &StreamInfo) -> Self {
        match plan.strategy {
            Strategy::Keyframes if info.intra_only => Self::SyncPoints,
            Strategy::Keyframes => Self::Alone,
            _ => Self::Sequential,
        }
    }

    /// What suits it.
    pub(super) fn threading(self) -> Threading {
        if self == Self::Alone { Threading::OnePicture } else { Threading::Pictures }
    }
}

struct Held {
    frame: Frame,
    placed: Placed,
    keyframe: bool,
}

struct Stage<'a, 'c> {
    way: Way,
    decoder: Decoder,
    timeline: Timeline,
    selector: Option<Selector>,
    measure: Measure,
    held: Option<Held>,
    options: &'a Options,
    limits: &'a EngineLimits,
    watch: &'a Watch<'c>,
    claimed: Option<Rational>,
    out: Out,
    /// Frames that were wanted, and how many of them had gone out before it started over.
    wanted: u64,
    sent_before: Option<u64>,
    shown: u64,
    idle: u32,
    damaged_packets: u64,
    damaged_frames: u64,
    unsupported: Option<AvError>,
    /// Where not every frame is decoded, the packets show where the video ends.
    packets: Option<PacketScan>,
}

/// Decodes until nothing more is wanted, or the video ends.
#[expect(clippy::too_many_arguments, reason = "one call, with what the stages share")]
pub(super) fn run(
    input: Input<'_>,
    decoder: Decoder,
    way: Way,
    measure: Measure,
    options: &Options,
    limits: &EngineLimits,
    watch: &Watch<'_>,
    out: Out,
) -> Result<End, ExtractError> {
    Stage::new(&input, decoder, way, measure, options, limits, watch, out).run(input)
}

impl<'a, 'c> Stage<'a, 'c> {
    #[expect(clippy::too_many_arguments, reason = "as for `run`")]
    fn new(
        input: &Input<'_>,
        decoder: Decoder,
        way: Way,
        measure: Measure,
        options: &'a Options,
        limits: &'a EngineLimits,
        watch: &'a Watch<'c>,
        out: Out,
    ) -> Self {
        let info = input.info();
        let mut stage = Self {
            way,
            decoder,
            timeline: Timeline::new(info.time_base, info.frame_rate),
            selector: None,
            measure,
            held: None,
            options,
            limits,
            watch,
            claimed: info.claimed_duration,
            out,
            wanted: 0,
            sent_before: None,
            shown: 0,
            idle: 0,
            damaged_packets: 0,
            damaged_frames: 0,
            unsupported: None,
            packets: (way != Way::Sequential).then(|| PacketScan::new(Vec::new())),
        };
        if let Some(zero) = stage.measure.zero {
            stage.timeline.start_at(zero);
        }
        stage
    }

    fn run(mut self, mut input: Input<'_>) -> Result<End, ExtractError> {
        let mut skipper = Skipper::new(input.info());
        let mut read_errors = 0;
        loop {
            if !self.watch.go_on() {
                return Err(self.watch.stop_error());
            }
            if let Some(selector) = self.selector.as_mut().filter(|selector| selector.is_done()) {
                selector.settle();
                for warning in selector.take_warnings() {
                    self.watch.warn(warning);
                }
                self.report_damage();
                return Ok(End {
                    duration: self.measured_duration(),
                    started_over: self.sent_before.is_some(),
                });
            }
            let mut packet = Packet::new().map_err(internal)?;
            match input.read(&mut packet) {
                Ok(true) => read_errors = 0,
                Ok(false) => break,
                Err(error) => {
                    if !self.watch.go_on() {
                        return Err(self.watch.stop_error());
                    }
                    read_errors += 1;
                    if input.has_io_error() || read_errors >= READ_ERRORS {
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
            if let Some(packets) = &mut self.packets {
                if let (Some(pts), false) = (packet.pts().or(packet.dts()), packet.is_hidden()) {
                    packets.push(
                        pts,
                        if packet.ticks() > 0 { packet.ticks() } else { self.timeline.usual_ticks() },
                    );
                }
                match self.way {
                    Way::Alone if packet.is_key() && !packet.is_hidden() => {
                        let frames = alone::decode(&mut self.decoder, &packet, KEY);
                        let (Some(frames), Some(pts)) = (frames, packet.pts()) else {
                            return self.start_over(input);
                        };
                        for frame in frames {
                            self.frame(frame, Some(pts))?;
                        }
                    }
                    Way::SyncPoints if packet.is_key() => self.decode(&packet)?,
                    _ => {}
                }
                continue;
            }
            skipper.push(packet);
            while let Some(packet) = skipper.pop() {
                if !self.skippable(&skipper, &packet) {
                    self.decode(&packet)?;
                }
                skipper.passed(&packet);
            }
        }
        // Some demuxers take a failed read for the end of the file.
        if let Some(error) = input.take_io_error() {
            return Err(ExtractError::Source(error));
        }
        while let Some(packet) = skipper.pop_rest() {
            if !self.skippable(&skipper, &packet) {
                self.decode(&packet)?;
            }
            skipper.passed(&packet);
        }
        if self.way != Way::Alone {
            let _ = self.decoder.send_end();
            self.receive()?;
        }
        self.finish(&input)
    }

    /// Decodes every frame from the start, because a sync point gave no sure picture alone.
    /// What has gone out is not sent again.
    fn start_over(self, input: Input<'_>) -> Result<End, ExtractError> {
        let Self { measure, options, limits, watch, out, wanted, .. } = self;
        let input = open::open(input.into_source(), limits, watch)?;
        let decoder = open::decoder(&input, limits, Way::Sequential.threading())?;
        let mut stage = Stage::new(&input, decoder, Way::Sequential, measure, options, limits, watch, out);
        stage.sent_before = Some(wanted);
        stage.run(input)
    }

    /// Whether no wanted frame needs a packet: nothing refers to its picture, and nobody asked
    /// for a time while it is on screen.
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
        let label = if packet.is_key() { KEY } else { 0 };
        if let Err(error) = self.decoder.send(packet, label) {
            if error == AvError::NO_MEMORY && !self.decoder.met_too_large() {
                return Err(ExtractError::internal("out of memory in the decoder"));
            }
            if error.is_unsupported() {
                self.unsupported = Some(error);
            }
            self.damaged_packets += 1;
        }
        if !packet.is_hidden() {
            self.idle += 1;
        }
        self.receive()?;
        if self.idle > self.limits.max_idle_packets {
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
        // A decoder that only fails must not be asked for ever.
        for _ in 0..64 {
            match self.decoder.receive() {
                Ok(Decoded::Frame(frame)) => {
                    let pts = frame.pts();
                    self.frame(frame, pts)?;
                }
                Ok(Decoded::Hungry | Decoded::End) => return Ok(()),
                Err(error) => {
                    if error.is_unsupported() {
                        self.unsupported = Some(error);
                    }
                    self.damaged_packets += 1;
                }
            }
        }
        Ok(())
    }

    /// A frame that is shown, at `pts`.
    fn frame(&mut self, frame: Frame, pts: Option<i64>) -> Result<(), ExtractError> {
        self.idle = 0;
        if frame.is_damaged() {
            self.damaged_frames += 1;
        }
        let Some(placed) = self.timeline.place(pts, frame.ticks()) else {
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
        let Some(selector) = &mut self.selector else { return Ok(()) };
        let requests = selector.push(placed.time, keyframe).map_err(|error| too_many(error, self.limits))?;
        let target = selector.ends_at().into_iter().chain(self.claimed).min();
        if let Some(target) = target.filter(|target| target.is_positive()) {
            self.watch.reach((placed.time.to_f64() / target.to_f64() * 990.0).clamp(0.0, 990.0) as u32);
        }
        let next = Held { frame, placed, keyframe };
        match self.held.replace(next) {
            Some(held) if !requests.is_empty() => self.send(held, requests),
            _ => Ok(()),
        }
    }

    fn send(&mut self, held: Held, requests: Requests) -> Result<(), ExtractError> {
        self.wanted += 1;
        if self.sent_before.is_some_and(|sent| self.wanted <= sent) {
            return Ok(());
        }
        let (reply, image) = sync_channel(1);
        let ordered = Ordered { requests, placed: held.placed, keyframe: held.keyframe, image };
        // Whoever hung up has the error.
        let gone = |_| ExtractError::internal("a later stage has stopped");
        self.out.order.send(ordered).map_err(|_| gone(()))?;
        self.out.jobs.send(Job { frame: held.frame, reply }).map_err(|_| gone(()))
    }

    fn finish(mut self, input: &Input<'_>) -> Result<End, ExtractError> {
        let Some(held) = self.held.take() else {
            if !self.watch.go_on() {
                return Err(self.watch.stop_error());
            }
            // Sync points alone may all be hidden or damaged while others are not.
            return Err(self.nothing());
        };
        let end = match self.packets.take().map(PacketScan::finish) {
            Some(packets) => {
                self.timeline.seconds_at(packets.end).map_or(held.placed.end, |end| end.max(held.placed.end))
            }
            None => held.placed.end,
        };
        if let Some(selector) = &mut self.selector {
            let requests = selector.finish(end).map_err(|error| too_many(error, self.limits))?;
            for warning in selector.take_warnings() {
                self.watch.warn(warning);
            }
            if !requests.is_empty() {
                self.send(held, requests)?;
            }
        }
        self.report_damage();
        if self.timeline.breaks() > 0 {
            let breaks = count(self.timeline.breaks().into(), "time");
            self.watch.warn(format!("the video's clock jumps back {breaks}; the parts were joined"));
        }
        self.compare_with_claim(input, end);
        Ok(End { duration: Some(end), started_over: self.sent_before.is_some() })
    }

    fn compare_with_claim(&self, input: &Input<'_>, end: Rational) {
        let info = input.info();
        // A claim of the whole container may be that of its sound.
        let tolerance = if info.claim_is_own { Rational::whole(1) } else { Rational::whole(3) };
        if let Some(claimed) = info.claimed_duration
            && end.checked_add(tolerance).is_some_and(|end| end < claimed)
        {
            self.watch.warn(format!(
                "the video ends at {:.3} s, but the file says {:.3} s: it may be cut off or damaged",
                end.to_f64(),
                claimed.to_f64()
            ));
        }
    }

    fn report_damage(&self) {
        if self.damaged_packets > 0 {
            let were = if self.damaged_packets == 1 { "was" } else { "were" };
            let packets = count(self.damaged_packets, "damaged packet");
            self.watch.warn(format!("{packets} {were} met; frames may be missing"));
        }
        if self.damaged_frames > 0 {
            let are = if self.damaged_frames == 1 { "is" } else { "are" };
            self.watch.warn(format!("{} {are} damaged", count(self.damaged_frames, "frame")));
        }
    }

    /// Why not one frame came out.
    fn nothing(&self) -> ExtractError {
        if self.decoder.met_too_large() {
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

    fn measured_duration(&self) -> Option<Rational> {
        self.measured().map(|measured| measured.duration)
    }
}

fn too_many(_: TooMany, limits: &EngineLimits) -> ExtractError {
    ExtractError::failed(
        FailureCode::LimitExceeded,
        format!(
            "more than {} {} asked for",
            count(limits.max_frames, "image"),
            if limits.max_frames == 1 { "is" } else { "are" }
        ),
    )
}

fn internal(error: AvError) -> ExtractError {
    ExtractError::internal(error.to_string())
}

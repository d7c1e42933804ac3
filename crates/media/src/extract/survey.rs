//! Finds out what the planner needs to know about a video: where it starts and ends, and its index.

use std::collections::VecDeque;

use framelift_domain::{Options, Rational};

use super::index::Index;
use super::measure::scan;
use crate::bitstream;
use crate::ffi::{Decoded, Input, Packet, Threading};
use crate::select::{self, Measured, Selector};
use crate::timeline::Timeline;
use crate::watch::Watch;
use crate::{EngineLimits, ExtractError, Stage, open};

/// What was found, in the container's timestamps.
#[derive(Clone, Debug)]
pub(super) struct Survey {
    /// Timestamp of the first shown frame.
    pub(super) zero: i64,
    /// The end of the last packet; known only with an index.
    pub(super) end: Option<i64>,
    pub(super) index: Option<Index>,
    /// Bytes that a decoder needs before it starts in the middle of the stream.
    pub(super) preface: Vec<u8>,
}

impl Survey {
    /// The video's timeline.
    pub(super) fn timeline(&self, input: &Input<'_>) -> Timeline {
        let mut timeline = Timeline::new(input.info().time_base, input.info().frame_rate);
        timeline.start_at(self.zero);
        timeline
    }

    /// The video's duration, if known.
    pub(super) fn duration(&self, input: &Input<'_>) -> Option<Rational> {
        self.timeline(input).seconds_at(self.end?)
    }

    /// Lets `selector` choose cheaper frames within the tolerance of `options`: a sync point if there is one,
    /// else the first frame after one; see [`Selector::aim`].
    pub(super) fn aim(&self, input: &Input<'_>, selector: &mut Selector, options: &Options) {
        let tolerance = options.tolerance;
        let (Some(index), Some(end)) = (&self.index, self.duration(input)) else { return };
        if !tolerance.is_positive() || selector.next_time().is_none() {
            return;
        }
        let timeline = self.timeline(input);
        let cheapest = |time: Rational| {
            let from = time.checked_sub(tolerance)?.max(Rational::ZERO);
            let to = time.checked_add(tolerance)?;
            let at = |time| timeline.timestamp_at(time);
            // The first timestamp that is not before it.
            let from_ticks = at(from).and_then(|ticks| match timeline.seconds_at(ticks) {
                Some(exact) if exact == from => Some(ticks),
                _ => ticks.checked_add(1),
            });
            let sync_point = index.nearest(at(time)?, from_ticks?, at(to)?);
            Some(sync_point.and_then(|at| timeline.seconds_at(at)).unwrap_or(from))
        };
        selector.aim(tolerance, end, |time| cheapest(time).unwrap_or(time));
    }

    /// The rising timestamps at which `selector` looks for frames; `None` if the video's end is unknown.
    pub(super) fn timestamps(&self, input: &Input<'_>, selector: &Selector) -> Option<Vec<i64>> {
        let timeline = self.timeline(input);
        selector.times_before(self.duration(input)?).map(|time| timeline.timestamp_at(time)).collect()
    }

    /// A selector of the wanted frames; `None` if it needs the video's duration and that is unknown.
    pub(super) fn selector(&self, input: &Input<'_>, options: &Options, most: u64) -> Option<Selector> {
        let measured = self.duration(input).map(|duration| Measured { duration, frames: Vec::new() });
        if measured.is_none() && select::needs(options).is_some() {
            return None;
        }
        Some(Selector::new(options, measured.as_ref(), most))
    }
}

/// Examines the start and the end of a video. The input is at its start again afterwards. `None` if the
/// groups of pictures of the video cannot be decoded independently.
pub(super) fn survey<'c>(
    mut input: Input<'c>,
    limits: &EngineLimits,
    watch: &'c Watch<'c>,
) -> Result<(Input<'c>, Option<Survey>), ExtractError> {
    watch.enter(Stage::Indexing);
    let Some(first) = input.peek() else { return Ok((input, None)) };
    if first.pts().is_none() {
        return Ok((input, None));
    }
    let (mut index, mut end) = (None, None);
    let preface = bitstream::preface(&input.info().codec, &input.info().extradata, first.data());
    if input.info().has_index {
        input.load_index();
        index = Index::of(&input, &first);
        let last = index.as_ref().and_then(|index| index.seek_timestamp(index.groups() - 1));
        if last.is_some_and(|last| input.seek(last)) {
            if let (Some(index), Some(last)) = (&mut index, input.peek()) {
                index.learn(&last);
            }
            end = scan(&mut input, Vec::new(), None, watch)?.map(|scanned| scanned.end);
        }
        if !input.rewind(&first) {
            input = open::reopen(input, limits, watch)?;
        }
    }
    // An index whose last group cannot be read is not trusted.
    let index = index.filter(|_| end.is_some());
    let zero = first_shown(&mut input, limits, watch)?;
    Ok((input, zero.map(|zero| Survey { zero, end, index, preface })))
}

/// Returns the timestamp of the first shown frame, which need not be a sync point. The packets read for it
/// are put back.
pub(super) fn first_shown(
    input: &mut Input<'_>,
    limits: &EngineLimits,
    watch: &Watch<'_>,
) -> Result<Option<i64>, ExtractError> {
    let mut decoder = open::decoder(input, limits, 1, Threading::OnePicture)?;
    let mut read = VecDeque::new();
    let (mut first, mut idle) = (None, 0);
    while first.is_none() && idle <= limits.max_idle_packets {
        if !watch.should_continue() {
            return Err(watch.stop_error());
        }
        let mut packet = Packet::new().map_err(|error| ExtractError::internal(error.to_string()))?;
        let more = input.read(&mut packet).unwrap_or(false);
        if let Some(error) = input.take_io_error() {
            return Err(ExtractError::Source(error));
        }
        if packet.is_encrypted() {
            return Err(open::encrypted());
        }
        // Damage is ignored here: the extraction reports it.
        let _ = if more { decoder.send(&packet, 0) } else { decoder.send_end() };
        if more {
            idle += u32::from(!packet.is_hidden());
            read.push_back(packet);
        }
        while let Ok(Decoded::Frame(frame)) = decoder.receive() {
            first = first.or(frame.pts());
        }
        if !more {
            break;
        }
    }
    input.unread(read);
    Ok(first)
}

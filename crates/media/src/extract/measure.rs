//! Measuring a video before the first frame is chosen, where what was asked depends on its
//! length: from the packets, without decoding, because a container's own claim may be wrong.
//!
//! Every packet is read; where there is an index, see [`super::survey`]. Where packets have no
//! presentation times (old AVI, MPEG program streams), only decoding the whole video shows them.

use framelift_domain::{Options, Rational};

use super::open;
use super::survey::first_shown;
use crate::ffi::{Decoded, Frame, Input, Packet, Threading};
use crate::select::{self, Measured};
use crate::timeline::{PacketScan, Scanned, Timeline};
use crate::watch::Watch;
use crate::{EngineLimits, ExtractError, Stage};

/// What was found.
#[derive(Clone, Debug, Default)]
pub(super) struct Measure {
    /// By packets, in the container's timestamps.
    pub(super) scanned: Option<Scanned>,
    /// By decoding.
    pub(super) decoded: Option<Measured>,
}

/// Measures what `options` need, and gives back an input at its start.
pub(super) fn measure<'c>(
    mut input: Input<'c>,
    options: &Options,
    limits: &EngineLimits,
    watch: &'c Watch<'c>,
) -> Result<(Input<'c>, Measure), ExtractError> {
    let mut measure = Measure::default();
    if let Some(numbers) = select::needs(options) {
        watch.enter(Stage::Indexing);
        // Pictures that lead the first sync point may not decode, and then they are not counted.
        let first = if numbers.is_empty() { None } else { first_shown(&mut input, limits, watch)? };
        measure.scanned = scan(&mut input, numbers.clone(), first, watch)?;
        input = open::open(input.into_source(), limits, watch)?;
        if measure.scanned.is_none() {
            measure.decoded = Some(decode_all(&mut input, &numbers, limits, watch)?);
            input = open::open(input.into_source(), limits, watch)?;
        }
    }
    Ok((input, measure))
}

/// Reads packets to the end, and counts those from timestamp `first` on; none if some do not say
/// when they are shown, or their clock starts anew, which only their pictures in order show.
pub(super) fn scan(
    input: &mut Input<'_>,
    numbers: Vec<u64>,
    first: Option<i64>,
    watch: &Watch<'_>,
) -> Result<Option<Scanned>, ExtractError> {
    let ticks = Timeline::new(input.info().time_base, input.info().frame_rate).usual_ticks();
    let mut scan = PacketScan::new(numbers);
    let mut packet = Packet::new().map_err(|error| ExtractError::internal(error.to_string()))?;
    let (mut complete, mut latest) = (true, i64::MIN);
    let break_ticks = Timeline::break_ticks(input.info().time_base);
    let mut errors = 0;
    loop {
        if !watch.go_on() {
            return Err(watch.stop_error());
        }
        match input.read(&mut packet) {
            Ok(true) => errors = 0,
            Ok(false) => break,
            Err(_) if input.has_io_error() => break,
            Err(_) if errors < super::decode::READ_ERRORS => {
                errors += 1;
                continue;
            }
            Err(_) => break,
        }
        if packet.is_hidden() {
            continue;
        }
        match packet.pts() {
            Some(at) if at < latest.saturating_sub(break_ticks) => {
                complete = false;
                break;
            }
            Some(at) if first.is_some_and(|first| at < first) => {}
            Some(at) => {
                latest = latest.max(at);
                scan.push(at, if packet.ticks() > 0 { packet.ticks() } else { ticks });
            }
            None => {
                complete = false;
                break;
            }
        }
    }
    if let Some(error) = input.take_io_error() {
        return Err(ExtractError::Source(error));
    }
    let scanned = scan.finish();
    Ok((complete && scanned.count > 0).then_some(scanned))
}

/// Decodes everything.
fn decode_all(
    input: &mut Input<'_>,
    numbers: &[u64],
    limits: &EngineLimits,
    watch: &Watch<'_>,
) -> Result<Measured, ExtractError> {
    let mut timeline = Timeline::new(input.info().time_base, input.info().frame_rate);
    let mut measured =
        Measured { duration: Rational::ZERO, frames: numbers.iter().map(|n| (*n, None)).collect() };
    let mut shown = 0;
    decode(input, limits, watch, |frame| {
        if let Some(placed) = timeline.place(frame.pts(), frame.ticks()) {
            measured.duration = placed.end;
            for (number, time) in &mut measured.frames {
                if *number == shown {
                    *time = Some(placed.time);
                }
            }
            shown += 1;
        }
        true
    })?;
    Ok(measured)
}

/// Decodes to the end. What is damaged is passed over: the main pass reports it.
fn decode(
    input: &mut Input<'_>,
    limits: &EngineLimits,
    watch: &Watch<'_>,
    mut each: impl FnMut(&Frame) -> bool,
) -> Result<(), ExtractError> {
    let mut decoder = open::decoder(input, limits, limits.thread_count(), Threading::Pictures)?;
    let mut packet = Packet::new().map_err(|error| ExtractError::internal(error.to_string()))?;
    let (mut idle, mut more) = (0, true);
    while more {
        if !watch.go_on() {
            return Err(watch.stop_error());
        }
        more = idle <= limits.max_idle_packets && input.read(&mut packet).unwrap_or(false);
        if let Some(error) = input.take_io_error() {
            return Err(ExtractError::Source(error));
        }
        idle += u32::from(!packet.is_hidden());
        let _ = if more { decoder.send(&packet, 0) } else { decoder.send_end() };
        let mut errors = 0;
        loop {
            match decoder.receive() {
                Ok(Decoded::Frame(frame)) => {
                    idle = 0;
                    if !each(&frame) {
                        return Ok(());
                    }
                }
                Ok(Decoded::Hungry | Decoded::End) => break,
                Err(_) if errors < super::decode::READ_ERRORS => errors += 1,
                Err(_) => break,
            }
        }
    }
    Ok(())
}

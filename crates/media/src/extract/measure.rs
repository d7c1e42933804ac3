//! Measures a video before the first frame is chosen, if the selection depends on its duration: from the
//! packets, without decoding, because the container's claim may be wrong.
//!
//! Every packet is read; where there is an index, see [`super::survey`]. Where packets have no presentation
//! times (old AVI, MPEG program streams), only decoding the whole video shows them.

use framelift_domain::{Options, Rational};

use super::ordered::MAX_READ_ERRORS;
use super::stretches::Stretches;
use super::survey::first_shown;
use crate::ffi::{Decoded, Decoder, Frame, Input, Packet, Threading};
use crate::select::{self, Measured};
use crate::timeline::{PacketScan, Scanned, Timeline};
use crate::watch::Watch;
use crate::{EngineLimits, ExtractError, Stage, open};

/// What was found.
#[derive(Clone, Debug, Default)]
pub(super) struct Measure {
    /// By packets, in the container's timestamps.
    pub(super) scanned: Option<Scanned>,
    /// By decoding.
    pub(super) decoded: Option<Measured>,
}

/// Measures what `options` need, and returns an input at its start.
pub(super) fn measure<'c>(
    mut input: Input<'c>,
    options: &Options,
    limits: &EngineLimits,
    watch: &'c Watch<'c>,
) -> Result<(Input<'c>, Measure), ExtractError> {
    let mut measure = Measure::default();
    if let Some(numbers) = select::needs(options) {
        watch.enter(Stage::Indexing);
        // Leading pictures of the first sync point may not be decodable and are then not counted.
        let first = if numbers.is_empty() { None } else { first_shown(&mut input, limits, watch)? };
        measure.scanned = scan(&mut input, numbers.clone(), first, watch)?;
        input = open::reopen(input, limits, watch)?;
        // As in the extraction itself: with one thread if something is damaged.
        for threads in [limits.thread_count(), 1] {
            if measure.scanned.is_none() && measure.decoded.is_none() {
                measure.decoded = decode_all(&mut input, &numbers, threads, limits, watch)?;
                input = open::reopen(input, limits, watch)?;
            }
        }
    }
    Ok((input, measure))
}

/// Reads packets to the end and counts those from timestamp `first` on; `None` if some have no presentation
/// time or the clock restarts, because then only decoding shows the order.
pub(super) fn scan(
    input: &mut Input<'_>,
    numbers: Vec<u64>,
    first: Option<i64>,
    watch: &Watch<'_>,
) -> Result<Option<Scanned>, ExtractError> {
    let ticks = Timeline::new(input.info().time_base, input.info().frame_rate).usual_ticks();
    let mut scan = PacketScan::new(numbers);
    let mut stretches = Stretches::new(input.info());
    let mut errors = 0;
    // Returns false if packets have no presentation time.
    let mut take = |packet: &Packet| match packet.pts() {
        _ if packet.is_hidden() => true,
        _ if packet.stretch() > 0 => false,
        Some(at) => {
            if first.is_none_or(|first| at >= first) {
                scan.push(at, if packet.ticks() > 0 { packet.ticks() } else { ticks });
            }
            true
        }
        None => false,
    };
    loop {
        if !watch.should_continue() {
            return Err(watch.stop_error());
        }
        let mut packet = Packet::new().map_err(|error| ExtractError::internal(error.to_string()))?;
        match input.read(&mut packet) {
            Ok(true) => errors = 0,
            Ok(false) => break,
            Err(_) if input.has_io_error() => break,
            Err(_) if errors < MAX_READ_ERRORS => {
                errors += 1;
                continue;
            }
            Err(_) => break,
        }
        stretches.push(packet);
        while let Some(packet) = stretches.pop() {
            if !take(&packet) {
                return Ok(None);
            }
        }
    }
    if let Some(error) = input.take_io_error() {
        return Err(ExtractError::Source(error));
    }
    while let Some(packet) = stretches.pop_rest() {
        if !take(&packet) {
            return Ok(None);
        }
    }
    let scanned = scan.finish();
    Ok((scanned.count > 0).then_some(scanned))
}

/// Decodes everything; `None` if the result depends on how threads conceal damage.
fn decode_all(
    input: &mut Input<'_>,
    numbers: &[u64],
    threads: usize,
    limits: &EngineLimits,
    watch: &Watch<'_>,
) -> Result<Option<Measured>, ExtractError> {
    let mut timeline = Timeline::new(input.info().time_base, input.info().frame_rate);
    let mut measured =
        Measured { duration: Rational::ZERO, frames: numbers.iter().map(|n| (*n, None)).collect() };
    let mut shown = 0;
    let decoded = decode(input, threads, limits, watch, |frame| {
        let stretch = u32::try_from(frame.label()).unwrap_or(0);
        if let Some(placed) = timeline.place(frame.pts(), frame.ticks(), stretch) {
            measured.duration = placed.end;
            for (number, time) in &mut measured.frames {
                if *number == shown {
                    *time = Some(placed.time);
                }
            }
            shown += 1;
        }
    })?;
    Ok(decoded.then_some(measured))
}

/// Decodes to the end. Returns false if several threads met damage. Damage is otherwise ignored here: the
/// extraction reports it.
fn decode(
    input: &mut Input<'_>,
    threads: usize,
    limits: &EngineLimits,
    watch: &Watch<'_>,
    mut each: impl FnMut(&Frame),
) -> Result<bool, ExtractError> {
    let mut decoder = open::decoder(input, limits, threads, Threading::Pictures)?;
    let mut stretches = Stretches::new(input.info());
    let (mut idle, mut more) = (0, true);
    while more {
        if !watch.should_continue() {
            return Err(watch.stop_error());
        }
        let mut packet = Packet::new().map_err(|error| ExtractError::internal(error.to_string()))?;
        more = idle <= limits.max_idle_packets && input.read(&mut packet).unwrap_or(false);
        if let Some(error) = input.take_io_error() {
            return Err(ExtractError::Source(error));
        }
        if more {
            stretches.push(packet);
        }
        while let Some(packet) = if more { stretches.pop() } else { stretches.pop_rest() } {
            idle += u32::from(!packet.is_hidden());
            let sent = decoder.send(&packet, packet.stretch().into()).is_ok();
            if !(receive_all(&mut decoder, &mut idle, &mut each) && sent) && threads > 1 {
                return Ok(false);
            }
        }
    }
    let _ = decoder.send_end();
    receive_all(&mut decoder, &mut idle, &mut each);
    Ok(true)
}

/// Receives the decoder's frames. Returns false if one of them is damaged.
fn receive_all(decoder: &mut Decoder, idle: &mut u32, each: &mut impl FnMut(&Frame)) -> bool {
    let (mut errors, mut sound) = (0, true);
    loop {
        match decoder.receive() {
            Ok(Decoded::Frame(frame)) => {
                *idle = 0;
                sound &= !frame.is_damaged();
                each(&frame);
            }
            Ok(Decoded::NeedsPacket | Decoded::End) => return sound && !decoder.has_damage(),
            Err(_) if errors < MAX_READ_ERRORS => (errors, sound) = (errors + 1, false),
            Err(_) => return false,
        }
    }
}

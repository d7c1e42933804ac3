//! The reading stage: packets in, groups of pictures with their wanted frames out.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};
use std::ops::Range;
use std::sync::mpsc::{SyncSender, sync_channel};

use framelift_domain::Rational;

use super::group::{Coded, Group, Needed, Order, Task, Wanted};
use super::{ReadEnd, Shared, Shown};
use crate::bitstream::{Access, Bitstream};
use crate::extract::claims;
use crate::extract::in_flight::{Amount, Permit};
use crate::extract::index::Index;
use crate::extract::ordered::{MAX_READ_ERRORS, Ordered, OutputPosition, too_many};
use crate::extract::stretches::Stretches;
use crate::extract::survey::Survey;
use crate::ffi::{Input, Packet};
use crate::select::{Requests, Selector};
use crate::timeline::Timeline;
use crate::{ExtractError, Source, open};

/// Packets after which a picture's place in presentation order is certain: no codec reorders
/// pictures by more than 16.
const REORDER: usize = 20;
/// The most bytes and packets of the groups being read; larger groups are left to the sequential engine,
/// which does not buffer them.
const MAX_BYTES: u64 = 64 << 20;
const MAX_PACKETS: usize = 4096;

/// Which groups of pictures the reader visits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::extract) struct GroupRange {
    /// Skip groups without a wanted frame by seeking.
    pub(in crate::extract) jumps: bool,
    /// Only the sync points.
    pub(in crate::extract) keys_only: bool,
    /// Groups that will be decoded; 0 if that is unknown.
    pub(in crate::extract) groups: usize,
}

/// Why the reader stopped before the video's end.
enum StopReason {
    Mismatch(&'static str),
    Error(ExtractError),
}

impl From<ExtractError> for StopReason {
    fn from(error: ExtractError) -> Self {
        Self::Error(error)
    }
}

pub(super) struct Reader<'r, 's, 'a, 'c> {
    input: Input<'r>,
    index: Option<&'s Index>,
    reach: GroupRange,
    bitstream: Bitstream,
    timeline: Timeline,
    selector: Selector,
    /// The video's duration, if the survey found it.
    duration: Option<Rational>,
    /// The end of the last packet, if known.
    end: Option<i64>,
    /// The number of the group being read, in the index.
    number: Option<usize>,
    /// Whether nothing was read since the last seek.
    landed: bool,
    /// Frames shown before this belong to a group that was not read and are ignored.
    floor: i64,
    /// The latest presentation timestamp so far.
    latest: Option<i64>,
    groups: VecDeque<Group>,
    held_bytes: u64,
    held_packets: usize,
    /// Read, and not yet in presentation order.
    waiting: BinaryHeap<Reverse<(i64, i64, bool)>>,
    /// The last frame given to the selector, which has not answered yet which requests it serves.
    held: Option<Shown>,
    tasks: SyncSender<Task>,
    order: SyncSender<Ordered>,
    /// Where the clock starts anew.
    stretches: Stretches,
    /// Bytes that a decoder needs before it starts in the middle of the stream.
    preface: &'s [u8],
    shared: &'s Shared<'a, 'c>,
}

impl<'r, 's, 'a, 'c> Reader<'r, 's, 'a, 'c> {
    pub(super) fn new(
        input: Input<'r>,
        survey: &'s Survey,
        selector: Selector,
        reach: GroupRange,
        tasks: SyncSender<Task>,
        order: SyncSender<Ordered>,
        shared: &'s Shared<'a, 'c>,
    ) -> Self {
        let info = input.info();
        let duration = survey.duration(&input);
        shared.watch.expect_frames(selector.expected(duration.or(info.claimed_duration)));
        let mut reader = Self {
            bitstream: Bitstream::new(&info.codec, &info.extradata),
            timeline: survey.timeline(&input),
            index: survey.index.as_ref(),
            reach,
            selector,
            duration,
            end: survey.end,
            number: None,
            landed: false,
            floor: survey.zero,
            latest: None,
            groups: VecDeque::new(),
            held_bytes: 0,
            held_packets: 0,
            waiting: BinaryHeap::new(),
            held: None,
            tasks,
            order,
            stretches: Stretches::new(info),
            preface: &survey.preface,
            shared,
            input,
        };
        if reach.jumps {
            reader.announce(survey);
        }
        reader
    }

    /// Runs the stage and returns the source.
    pub(super) fn run(mut self) -> (ReadEnd, Box<dyn Source>) {
        let read = match self.read() {
            Ok(duration) => ReadEnd::Done(duration),
            Err(StopReason::Mismatch(reason)) => ReadEnd::Mismatch(reason),
            Err(StopReason::Error(error)) => ReadEnd::Error(error),
        };
        self.input.prefetch(&[]);
        (read, self.input.into_source())
    }

    /// Reads until nothing more is wanted or the video ends. Returns its duration.
    fn read(&mut self) -> Result<Option<Rational>, StopReason> {
        let mut read_errors = 0;
        loop {
            if !self.shared.watch.should_continue() {
                return Err(self.shared.watch.stop_error().into());
            }
            if self.selector.is_done() {
                self.selector.settle();
                self.dispatch_all()?;
                self.report_selection();
                return Ok(self.duration);
            }
            if self.reach.jumps && self.jump()? {
                continue;
            }
            let mut packet = Packet::new().map_err(internal)?;
            match self.input.read(&mut packet) {
                Ok(true) => {
                    (read_errors, self.landed) = (0, false);
                    self.stretches.push(packet);
                    while let Some(packet) = self.stretches.pop() {
                        self.packet(packet)?;
                    }
                }
                Ok(false) => break,
                Err(_) if self.input.has_io_error() => break,
                Err(_) if read_errors < MAX_READ_ERRORS => read_errors += 1,
                Err(_) => return Err(StopReason::Mismatch("the container cannot be read to its end")),
            }
        }
        // Some demuxers take a failed read for the end of the file.
        if let Some(error) = self.input.take_io_error() {
            return Err(ExtractError::Source(error).into());
        }
        while let Some(packet) = self.stretches.pop_rest() {
            self.packet(packet)?;
        }
        self.finish().map(Some)
    }

    fn packet(&mut self, packet: Packet) -> Result<(), StopReason> {
        if packet.is_encrypted() {
            return Err(open::encrypted().into());
        }
        if packet.is_damaged() {
            return Err(StopReason::Mismatch("a packet is damaged"));
        }
        if packet.stretch() > 0 {
            return Err(StopReason::Mismatch("the clock starts anew"));
        }
        let Some(pts) = packet.pts() else {
            return Err(StopReason::Mismatch("a packet has no presentation time"));
        };
        let (ticks, key, hidden) = (packet.ticks(), packet.is_key(), packet.is_hidden());
        let latest = self.latest.replace(self.latest.map_or(pts, |latest| latest.max(pts)));
        if !hidden && pts >= self.floor {
            let usual = self.timeline.usual_ticks();
            let end = pts.saturating_add(if ticks > 0 { ticks } else { usual });
            self.end = Some(self.end.map_or(end, |so_far| so_far.max(end)));
        }
        if self.reach.keys_only && !key {
            return Ok(());
        }
        if packet.has_new_header() {
            return Err(StopReason::Mismatch("the codec's header changes"));
        }
        let picture = self.bitstream.parse(packet.data());
        let leads = latest.is_none_or(|latest| pts > latest);
        if picture.droppable && !key && leads && self.input.info().reorders {
            // A picture that nothing refers to is coded late to be shown early.
            return Err(StopReason::Mismatch("timestamps are in the order of coding"));
        }
        let unshown = picture.access != Access::Unclear && !picture.shown;
        if unshown && !hidden && pts >= self.floor && !self.bitstream.may_hide() {
            return Err(StopReason::Mismatch("a packet is not one picture that is shown"));
        }
        if key || self.groups.is_empty() {
            self.begin_group(pts, &packet, picture.access)?;
        }
        let Some(group) = self.groups.back_mut() else { return Ok(()) };
        self.held_bytes += packet.data().len() as u64;
        self.held_packets += 1;
        if self.held_bytes > MAX_BYTES || self.held_packets > MAX_PACKETS {
            return Err(StopReason::Mismatch("a group of pictures is too large to be held"));
        }
        // Later packets are decoded later, so they are shown after this one's decoding time.
        let settled = packet.dts();
        group.packets.push(Coded { packet, droppable: picture.droppable });
        if !hidden && !unshown && pts >= self.floor {
            self.waiting.push(Reverse((pts, ticks, key)));
        }
        while let Some(Reverse((first, ..))) = self.waiting.peek() {
            let certain = settled.is_some_and(|settled| *first <= settled)
                || self.waiting.len() > REORDER
                || self.reach.keys_only;
            if !certain {
                break;
            }
            self.show_next()?;
        }
        Ok(())
    }

    /// A sync point, or the first packet of all.
    fn begin_group(&mut self, pts: i64, packet: &Packet, access: Access) -> Result<(), StopReason> {
        let first = self.groups.is_empty() && self.number.is_none() && self.held.is_none();
        if access == Access::No && !first {
            return Err(StopReason::Mismatch("not every sync point is one at which decoding can start"));
        }
        if self.groups.back().is_some_and(|group| pts <= group.from) {
            return Err(StopReason::Mismatch("sync points are not in presentation order"));
        }
        let found = self.index.and_then(|index| index.group_from(packet));
        if packet.is_key() {
            // Never back: a seek may end before its target.
            self.number = self.number.max(found);
        }
        // A decoder of the whole video starts at the first packet as well.
        let from = if first { i64::MIN } else { pts };
        self.groups.push_back(Group { from, access, packets: Vec::new(), wanted: Vec::new() });
        Ok(())
    }

    /// Gives the next frame in presentation order to the selector.
    fn show_next(&mut self) -> Result<(), StopReason> {
        let Some(Reverse((pts, ticks, key))) = self.waiting.pop() else { return Ok(()) };
        if self.held.is_some_and(|held| pts <= held.pts) {
            return Err(StopReason::Mismatch("frames are not in presentation order"));
        }
        let Some(placed) = self.timeline.place(Some(pts), ticks, 0) else {
            return Err(StopReason::Mismatch("a timestamp is absurd"));
        };
        let requests = self.selector.push(placed.time, key);
        let requests = requests.map_err(|error| StopReason::Error(too_many(error, self.shared.limits)))?;
        let target = self.selector.ends_at().or(self.input.info().claimed_duration);
        self.shared.watch.reach_part(placed.time, target);
        if let Some(held) = self.held.replace(Shown { pts, placed, key }) {
            self.want(held, requests);
        }
        while self.groups.get(1).is_some_and(|next| pts >= next.from) {
            self.dispatch()?;
        }
        Ok(())
    }

    /// Adds a frame's requests to the group that it belongs to.
    fn want(&mut self, shown: Shown, requests: Requests) {
        if requests.is_empty() {
            return;
        }
        if let Some(group) = self.groups.iter_mut().rev().find(|group| group.from <= shown.pts) {
            group.wanted.push(Wanted { shown, requests });
        }
    }

    /// Sends the oldest group to the workers, with the packets that its wanted frames need.
    fn dispatch(&mut self) -> Result<(), StopReason> {
        let Some(group) = self.groups.pop_front() else { return Ok(()) };
        self.held_bytes = self.held_bytes.saturating_sub(group.bytes());
        self.held_packets = self.held_packets.saturating_sub(group.packets.len());
        if group.wanted.is_empty() {
            return Ok(());
        }
        let access = group.access;
        let Some(Needed { mut packets, wanted }) = group.needed(&self.groups).map_err(internal)? else {
            return Err(StopReason::Mismatch("a wanted frame's packet is missing"));
        };
        if let Some(first) = packets.first_mut().filter(|_| !self.preface.is_empty()) {
            *first = first.with_prefix(self.preface).map_err(internal)?;
        }
        let packet_bytes = packets.iter().map(|packet| packet.data().len() as u64).sum();
        let over = || ExtractError::internal("a later stage has stopped");
        if !self.shared.in_flight.take(Amount { packet_bytes, images: wanted.len() as u64 }) {
            return Err(over().into());
        }
        let mut orders = VecDeque::with_capacity(wanted.len());
        let mut places = Vec::with_capacity(wanted.len());
        for Wanted { shown, requests } in wanted {
            let (reply, content) = sync_channel(1);
            orders.push_back(Order { pts: shown.pts, reply });
            let permit = Some(Permit::new(&self.shared.in_flight));
            let place = OutputPosition { requests, placed: shown.placed, keyframe: shown.key };
            places.push(Ordered { place, content, permit });
        }
        // The task first, else the archive could wait for images of a task that no worker has.
        self.tasks.send(Task { packets, access, wanted: orders, packet_bytes }).map_err(|_| over())?;
        for place in places {
            self.order.send(place).map_err(|_| over())?;
        }
        Ok(())
    }

    fn dispatch_all(&mut self) -> Result<(), StopReason> {
        while !self.groups.is_empty() {
            self.dispatch()?;
        }
        Ok(())
    }

    /// Seeks to the next group with a wanted frame, if it is not the one being read.
    fn jump(&mut self) -> Result<bool, StopReason> {
        let Some((target, latest)) = self.next_group() else { return Ok(false) };
        if self.landed || self.number.unwrap_or(0) >= target {
            return Ok(false);
        }
        while let Some(packet) = self.stretches.pop_rest() {
            self.packet(packet)?;
        }
        if !self.reach.keys_only {
            // All earlier requests must be answered before the next wanted time is known.
            self.dispatch_all()?;
            self.waiting.clear();
        }
        let at = self.land(target, latest)?;
        self.stretches = Stretches::new(self.input.info());
        self.number = Some(target);
        (self.landed, self.latest) = (true, None);
        let seen = self.held.map_or(self.floor, |held| held.pts.saturating_add(1));
        self.floor = self.floor.max(at).max(seen);
        Ok(true)
    }

    /// Seeks to the sync point of the group `target` or, if it is shown after `latest`, to the previous one.
    /// Returns its timestamp.
    fn land(&mut self, target: usize, latest: i64) -> Result<i64, StopReason> {
        let wrong = || StopReason::Mismatch("the container's index leads elsewhere");
        let index = self.index.ok_or_else(wrong)?;
        for group in [Some(target), target.checked_sub(1)].into_iter().flatten() {
            if !index.seek_timestamp(group).is_some_and(|timestamp| self.input.seek(timestamp)) {
                return Err(wrong());
            }
            let landed = self.input.peek().filter(Packet::is_key).ok_or_else(wrong)?;
            if self.reach.keys_only && index.group_from(&landed) != Some(target) {
                return Err(wrong());
            }
            match landed.pts() {
                Some(at) if at <= latest => return Ok(at),
                _ => {}
            }
        }
        Err(wrong())
    }

    /// Returns the group to seek to, and the latest timestamp that its sync point may have; `None` to read
    /// on.
    fn next_group(&self) -> Option<(usize, i64)> {
        let index = self.index?;
        if self.reach.keys_only && self.held.is_some() {
            let next = self.number? + 1;
            // Some containers list only some of their sync points.
            let worth = index.lists_packets() && next < index.groups() && !index.adjoins(next);
            return Some((next, i64::MAX)).filter(|_| worth);
        }
        let pts = self.timeline.timestamp_at(self.selector.next_time()?)?;
        Some((index.group_at(pts), pts))
    }

    /// Announces the bytes that the seeks will lead to, if the index lists packets.
    fn announce(&mut self, survey: &Survey) {
        let Some(index) = self.index else { return };
        let packets = if self.reach.keys_only {
            index.sync_points().collect()
        } else {
            let timestamps = survey.timestamps(&self.input, &self.selector);
            let packets = timestamps.and_then(|timestamps| index.packets_to_all(&self.input, &timestamps));
            packets.unwrap_or_default()
        };
        let bytes = |range: Range<usize>| {
            let (first, last) =
                (self.input.index_entry(range.start)?, self.input.index_entry(range.end - 1)?);
            Some(first.position..last.position.saturating_add(last.size)).filter(|bytes| !bytes.is_empty())
        };
        let ranges: Vec<_> = packets.into_iter().filter_map(bytes).collect();
        self.input.prefetch(&ranges);
    }

    /// Handles the end of the video.
    fn finish(&mut self) -> Result<Rational, StopReason> {
        while !self.waiting.is_empty() {
            self.show_next()?;
        }
        let Some(held) = self.held.take() else {
            return Err(StopReason::Mismatch("the packets show no frame"));
        };
        let end = self.end.and_then(|end| self.timeline.seconds_at(end)).unwrap_or(held.placed.end);
        let end = end.max(held.placed.end);
        let requests = self.selector.finish(end);
        let requests = requests.map_err(|error| StopReason::Error(too_many(error, self.shared.limits)))?;
        self.want(held, requests);
        self.dispatch_all()?;
        self.report_selection();
        claims::compare(self.input.info(), end, self.shared.watch);
        Ok(end)
    }

    fn report_selection(&mut self) {
        for warning in self.selector.take_warnings() {
            self.shared.watch.warn(warning);
        }
    }
}

fn internal(error: crate::ffi::AvError) -> StopReason {
    StopReason::Error(ExtractError::internal(error.to_string()))
}

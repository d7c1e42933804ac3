//! The sync points in a container's index, by presentation timestamp.

use std::ops::Range;

use crate::ffi::{Input, Packet};

/// Where a group of pictures starts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct GroupStart {
    /// The sync point's presentation timestamp, estimated from the index: see [`Index::of`].
    pts: i64,
    /// Its timestamp in the container's index.
    timestamp: i64,
    /// Its entry in the container's index.
    entry: usize,
}

/// The groups of pictures of a video, numbered from 0.
#[derive(Clone, Debug)]
pub(super) struct Index {
    starts: Vec<GroupStart>,
    /// Whether the index has decoding timestamps.
    decoding: bool,
    /// The first sync point's presentation timestamp minus its timestamp in the index.
    shift: i64,
    /// The number of entries; more than groups if the index lists every packet.
    entries: usize,
}

impl Index {
    /// Reads the index of `input`, whose first packet is `first`; `None` if it has fewer than two sync points
    /// or they are out of order. MP4 and AVI list decoding timestamps; every sync point is assumed to have
    /// the first one's offset between decoding and presentation. Each seek checks that.
    pub(super) fn of(input: &Input<'_>, first: &Packet) -> Option<Self> {
        let decoding = input.info().container != "matroska";
        let shift = match (first.pts(), first.dts()) {
            (Some(pts), Some(dts)) if decoding => pts.checked_sub(dts)?,
            _ => 0,
        };
        let entries = input.index_len();
        let starts: Vec<GroupStart> = (0..entries)
            .filter_map(|entry| Some((entry, input.index_entry(entry)?)))
            .filter(|(_, found)| found.key)
            .map(|(entry, found)| GroupStart {
                pts: found.timestamp.saturating_add(shift),
                timestamp: found.timestamp,
                entry,
            })
            .collect();
        let rising = starts.is_sorted_by(|a, b| a.pts < b.pts);
        (starts.len() >= 2 && rising).then_some(Self { starts, decoding, shift, entries })
    }

    /// Corrects the guess by the last sync point's packet: where groups are open, the first pictures of a
    /// group are shown before its sync point, except of the first group. A guess that is too late costs less
    /// than one that is too early, so the offset is only ever reduced.
    pub(super) fn learn(&mut self, last: &Packet) {
        let known = self.starts.last().map(|point| point.timestamp);
        let (Some(pts), Some(dts)) = (last.pts(), last.dts()) else { return };
        let later = pts.saturating_sub(dts).saturating_sub(self.shift);
        if self.decoding && known == Some(dts) && later > 0 {
            self.starts.iter_mut().skip(1).for_each(|point| point.pts = point.pts.saturating_add(later));
        }
    }

    /// How many groups there are.
    pub(super) fn groups(&self) -> usize {
        self.starts.len()
    }

    /// Whether it lists every packet and not sync points alone.
    pub(super) fn lists_packets(&self) -> bool {
        self.entries > self.starts.len()
    }

    /// How many packets it lists.
    pub(super) fn packets(&self) -> usize {
        self.entries
    }

    /// The group in which the frame on screen at `pts` is.
    pub(super) fn group_at(&self, pts: i64) -> usize {
        self.starts.partition_point(|point| point.pts <= pts).saturating_sub(1)
    }

    /// The group that a sync point starts, if it is one of the index's.
    pub(super) fn group_from(&self, sync_point: &Packet) -> Option<usize> {
        let timestamp = if self.decoding { sync_point.dts()? } else { sync_point.pts()? };
        self.starts.binary_search_by_key(&timestamp, |point| point.timestamp).ok()
    }

    /// The timestamp to seek to for a group: halfway to the next group's, because some demuxers expect
    /// decoding timestamps and some presentation timestamps, with corrections.
    pub(super) fn seek_timestamp(&self, group: usize) -> Option<i64> {
        let timestamp = |group: usize| self.starts.get(group).map(|point| point.timestamp);
        let this = timestamp(group)?;
        // The last group is assumed to be as long as the one before it.
        let before = || Some(this.saturating_sub(timestamp(group.checked_sub(1)?)?));
        let length = timestamp(group + 1).map(|next| next.saturating_sub(this)).or_else(before)?;
        this.checked_add(self.shift)?.checked_add(length / 2)
    }

    /// Whether the sync point of `group` is the packet behind that of the group before.
    pub(super) fn adjoins(&self, group: usize) -> bool {
        let entry = |group: usize| self.starts.get(group).map(|point| point.entry);
        let before = group.checked_sub(1).and_then(entry);
        self.lists_packets() && before.and_then(|before| before.checked_add(1)) == entry(group)
    }

    fn pts(&self, group: usize) -> Option<i64> {
        self.starts.get(group).map(|point| point.pts)
    }

    /// The sync point that is nearest to `pts` and in `from..=to`.
    pub(super) fn nearest(&self, pts: i64, from: i64, to: i64) -> Option<i64> {
        let after = self.starts.partition_point(|point| point.pts <= pts);
        let candidates = [after.checked_sub(1), Some(after)].into_iter().flatten();
        let candidates = candidates.filter_map(|group| self.pts(group));
        candidates.filter(|at| (from..=to).contains(at)).min_by_key(|at| at.abs_diff(pts))
    }

    /// The packets of all sync points, if the index also lists other packets.
    pub(super) fn sync_points(&self) -> impl Iterator<Item = Range<usize>> {
        self.starts.iter().filter(|_| self.lists_packets()).map(|point| point.entry..point.entry + 1)
    }

    /// The packets needed for the frames on screen at rising timestamps, one range for each group that is
    /// needed; `None` if the index lists only sync points.
    pub(super) fn packets_to_all(&self, input: &Input<'_>, timestamps: &[i64]) -> Option<Vec<Range<usize>>> {
        let mut packets: Vec<Range<usize>> = Vec::new();
        for pts in timestamps {
            let range = self.packets_to(input, *pts)?;
            match packets.last_mut() {
                Some(before) if before.start == range.start => before.end = before.end.max(range.end),
                _ => packets.push(range),
            }
        }
        Some(packets)
    }

    /// The packets from the sync point of the group of `pts` to the last one decoded before `pts`; `None` if
    /// the index lists only sync points.
    fn packets_to(&self, input: &Input<'_>, pts: i64) -> Option<Range<usize>> {
        if !self.lists_packets() {
            return None;
        }
        let group = self.group_at(pts);
        let first = self.starts[group].entry;
        let end = self.starts.get(group + 1).map_or(self.entries, |next| next.entry);
        // A frame shown at `pts` is decoded by then.
        let (mut low, mut high) = (first, end);
        while low < high {
            let middle = low + (high - low) / 2;
            let decoded = input.index_entry(middle).is_some_and(|entry| entry.timestamp <= pts);
            if decoded { low = middle + 1 } else { high = middle }
        }
        Some(first..low.max(first + 1))
    }
}

//! The container's index, and seeking by it.

use std::collections::VecDeque;
use std::ffi::c_int;
use std::ops::Range;

use ffmpeg_next::ffi;

use super::Input;
use crate::ffi::{Packet, timestamp};

/// One entry of the index: a packet of the video.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct IndexEntry {
    /// The decoding timestamp (MP4, AVI) or the presentation timestamp (Matroska).
    pub(crate) timestamp: i64,
    /// Where its bytes start in the container.
    pub(crate) position: u64,
    /// Its number of bytes; 0 if the index does not give it.
    pub(crate) size: u64,
    pub(crate) key: bool,
}

impl Input<'_> {
    /// Makes the demuxer read its index, which some do only at the first seek (Matroska). The position is
    /// undefined afterwards, see [`Input::rewind`].
    pub(crate) fn load_index(&mut self) {
        if self.info.container == "matroska" {
            self.seek(0);
        }
    }

    /// How many entries the index has.
    pub(crate) fn index_len(&self) -> usize {
        // SAFETY: the stream is valid.
        usize::try_from(unsafe { ffi::avformat_index_get_entries_count(self.stream()) }).unwrap_or(0)
    }

    /// One entry of the index.
    pub(crate) fn index_entry(&self, entry: usize) -> Option<IndexEntry> {
        let entry = c_int::try_from(entry).ok()?;
        // SAFETY: the stream is valid; the entry is copied before anything else is called.
        let raw = unsafe { ffi::avformat_index_get_entry(self.stream(), entry).as_ref() }?;
        Some(IndexEntry {
            timestamp: timestamp(raw.timestamp)?,
            position: u64::try_from(raw.pos).ok()?,
            size: u64::try_from(raw.size()).unwrap_or(0),
            key: raw.flags() & 1 != 0,
        })
    }

    /// Takes the mark of a sync point from a packet that MP4's index does not mark: FFmpeg's
    /// parsers mark recovery points of the codec as well, which are none by ISO/IEC 14496-12.
    pub(super) fn keep_containers_mark(&self, packet: &mut Packet) {
        let (true, true, Some(dts)) = (self.info.container == "mov", packet.is_key(), packet.dts()) else {
            return;
        };
        // SAFETY: the stream is valid; the entry is read before anything else is called.
        unsafe {
            let entry = ffi::av_index_search_timestamp(self.stream(), dts, ffi::AVSEEK_FLAG_ANY);
            if let Some(entry) = ffi::avformat_index_get_entry(self.stream(), entry).as_ref()
                && entry.timestamp == dts
                && entry.flags() & 1 == 0
            {
                (*packet.0).flags &= !ffi::AV_PKT_FLAG_KEY;
            }
        }
    }

    /// Jumps to the last sync point at or before `timestamp` of the index.
    pub(crate) fn seek(&mut self, timestamp: i64) -> bool {
        self.unread.clear();
        self.start = None;
        // SAFETY: the context is open.
        unsafe {
            ffi::av_seek_frame(self.context, self.video as c_int, timestamp, ffi::AVSEEK_FLAG_BACKWARD) >= 0
        }
    }

    /// Seeks to the start, whose first packet is `first`. Returns false if the demuxer did not get there; the
    /// container then has to be reopened.
    pub(crate) fn rewind(&mut self, first: &Packet) -> bool {
        // A palette is sent once, and not again after a seek.
        if first.has_palette() {
            return false;
        }
        let Some(start) = self.index_entry(0) else { return false };
        if !self.seek(start.timestamp) {
            return false;
        }
        let Ok(mut packet) = Packet::new() else { return false };
        if !matches!(self.read(&mut packet), Ok(true)) || !packet.is_same(first) {
            return false;
        }
        self.unread(VecDeque::from([packet]));
        true
    }

    /// Puts packets back, to be read again in the same order.
    pub(crate) fn unread(&mut self, mut packets: VecDeque<Packet>) {
        packets.append(&mut self.unread);
        self.unread = packets;
    }

    /// Returns the next packet without consuming it; `None` at the end or if reading fails.
    pub(crate) fn peek(&mut self) -> Option<Packet> {
        let mut packet = Packet::new().ok()?;
        if !matches!(self.read(&mut packet), Ok(true)) {
            return None;
        }
        let copy = packet.share().ok();
        self.unread(VecDeque::from([packet]));
        copy
    }

    /// Tells the source which bytes will be read next.
    pub(crate) fn prefetch(&mut self, ranges: &[Range<u64>]) {
        if let Some(io) = &mut self.io {
            io.prefetch(ranges);
        }
    }
}

impl Packet {
    fn is_same(&self, other: &Self) -> bool {
        let place = |packet: &Self| (packet.pts(), packet.dts(), packet.position(), packet.data().len());
        place(self) == place(other)
    }
}

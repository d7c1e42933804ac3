//! Examines the first packets of a stream: where decoding can start, and whether timestamps can be trusted.

use std::collections::VecDeque;

use super::{Input, StreamInfo};
use crate::bitstream::Bitstream;
use crate::ffi::{AvError, Packet};
use crate::words::count;

/// Packets, and bytes of them, that are read to find where decoding can start.
const MAX_PACKETS: usize = 1000;
const MAX_BYTES: usize = 32 << 20;
/// Packets that are read to find out whether presentation times are in decoding order: more than any codec
/// reorders.
const TIMED: usize = 48;

/// The search for the first packet at which decoding can start.
pub(super) struct Start {
    bitstream: Bitstream,
    passed: VecDeque<Packet>,
    bytes: usize,
}

impl Start {
    pub(super) fn of(info: &StreamInfo) -> Self {
        let bitstream = Bitstream::new(&info.codec, &info.extradata);
        Self { bitstream, passed: VecDeque::new(), bytes: 0 }
    }
}

impl Input<'_> {
    /// Skips packets before the first one at which decoding can start: decoders turn them into gray pictures.
    /// If there is no such packet, none is skipped.
    pub(super) fn find_start(&mut self) -> Result<(), AvError> {
        let Some(mut start) = self.start.take() else { return Ok(()) };
        loop {
            let mut packet = Packet::new()?;
            match self.read_next(&mut packet) {
                Ok(true) => {}
                Ok(false) => break,
                Err(error) => {
                    // The caller may retry.
                    self.start = Some(start);
                    return Err(error);
                }
            }
            let found = start.bitstream.may_begin(packet.data());
            start.bytes += packet.data().len();
            if found && !start.passed.is_empty() {
                self.watch.warn(format!(
                    "the video starts in the middle of a group of pictures: {} before the first one that \
                     can be decoded were left out",
                    count(start.passed.len() as u64, "packet"),
                ));
                start.passed.clear();
            }
            start.passed.push_back(packet);
            if found || start.passed.len() > MAX_PACKETS || start.bytes > MAX_BYTES {
                break;
            }
        }
        self.unread.append(&mut start.passed);
        Ok(())
    }

    /// Whether presentation times are in decoding order although pictures are reordered: some muxers omit the
    /// composition offsets. The input's position does not change.
    pub(crate) fn has_times_of_decoding(&mut self) -> bool {
        let info = &self.info;
        if !info.reorders || !info.whole_pictures || info.untimed {
            return false;
        }
        let mut bitstream = Bitstream::new(&info.codec, &info.extradata);
        let (mut read, mut latest, mut rises, mut leads) = (VecDeque::new(), i64::MIN, true, false);
        while rises && read.len() < TIMED {
            let Ok(mut packet) = Packet::new() else { break };
            if !matches!(self.read(&mut packet), Ok(true)) {
                break;
            }
            let picture = bitstream.parse(packet.data());
            // A picture that nothing refers to is decoded late to be shown early.
            leads |= picture.droppable && picture.shown && !packet.is_key() && !packet.is_hidden();
            rises = packet.pts().is_some_and(|pts| pts > latest && packet.dts().is_none_or(|dts| dts == pts));
            latest = packet.pts().unwrap_or(latest);
            read.push_back(packet);
        }
        self.unread(read);
        rises && leads
    }

    /// Ignores the packets' presentation times from here on.
    pub(crate) fn ignore_times(&mut self) {
        self.info.untimed = true;
        self.info.timed_pictures = false;
        self.info.whole_pictures = false;
    }
}

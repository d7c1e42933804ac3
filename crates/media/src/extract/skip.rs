//! Leaving out pictures that nothing refers to, before the decoder sees them.
//!
//! To know whether somebody wants such a picture one must know how long it is on screen, that
//! is, when the next one in presentation order is shown; packets come in decoding order, so a
//! few are held back. H.264 with length-prefixed units (MP4, Matroska, FLV); others pass.

use std::collections::VecDeque;

use crate::ffi::{Packet, StreamInfo};

/// Packets looked at on each side of one: no codec reorders pictures by more than 16.
const WINDOW: usize = 20;

/// Holds packets back and says which pictures are on screen from when to when.
pub(super) struct Skipper {
    /// Bytes of a unit's length; none where nothing can be left out.
    length_bytes: Option<usize>,
    waiting: VecDeque<Packet>,
    /// Presentation timestamps of packets that have passed.
    passed: VecDeque<i64>,
}

impl Skipper {
    pub(super) fn new(info: &StreamInfo) -> Self {
        // `avcC`: ISO/IEC 14496-15, 5.3.3.1.
        let length_bytes = match info.extradata.as_slice() {
            [1, _, _, _, lengths, ..]
                if info.codec == "h264" && ["mov", "matroska", "flv"].contains(&info.container.as_str()) =>
            {
                Some(usize::from(lengths & 3) + 1)
            }
            _ => None,
        };
        Self { length_bytes, waiting: VecDeque::new(), passed: VecDeque::new() }
    }

    /// Takes the next packet in decoding order.
    pub(super) fn push(&mut self, packet: Packet) {
        self.waiting.push_back(packet);
    }

    /// The next packet of which enough is known.
    pub(super) fn pop(&mut self) -> Option<Packet> {
        let held_back = if self.length_bytes.is_some() { WINDOW } else { 0 };
        if self.waiting.len() > held_back { self.waiting.pop_front() } else { None }
    }

    /// The next packet at the end of the video.
    pub(super) fn pop_rest(&mut self) -> Option<Packet> {
        self.waiting.pop_front()
    }

    /// The packet is done with, decoded or not.
    pub(super) fn passed(&mut self, packet: &Packet) {
        if self.length_bytes.is_some()
            && let (Some(pts), false) = (packet.pts(), packet.is_hidden())
        {
            self.passed.push_back(pts);
            if self.passed.len() > WINDOW {
                self.passed.pop_front();
            }
        }
    }

    /// From when to when a packet's picture is on screen, in timestamps; none where that is
    /// not certain, or where other pictures refer to it.
    pub(super) fn on_screen(&self, packet: &Packet) -> Option<(i64, i64)> {
        let length_bytes = self.length_bytes?;
        let pts = packet.pts()?;
        if packet.is_hidden() || packet.is_key() || !is_unreferenced(packet.data(), length_bytes) {
            return None;
        }
        let mut next = None;
        for other in &self.waiting {
            // Without its timestamp it might be shown in between.
            let other_pts = other.pts()?;
            if !other.is_hidden() && other_pts > pts {
                next = Some(next.map_or(other_pts, |next: i64| next.min(other_pts)));
            }
        }
        let passed = self.passed.iter().copied().filter(|other| *other > pts).min();
        let next = next.into_iter().chain(passed).min()?;
        Some((pts, next))
    }
}

/// Whether a picture of H.264 is one that no other refers to: every slice has a `nal_ref_idc`
/// of 0 (ITU-T H.264, 7.4.1).
fn is_unreferenced(mut data: &[u8], length_bytes: usize) -> bool {
    let mut slices = 0;
    while let Some((length, rest)) = data.split_at_checked(length_bytes) {
        let length = length.iter().fold(0_usize, |length, byte| length << 8 | usize::from(*byte));
        let Some((unit, rest)) = rest.split_at_checked(length) else { return false };
        if let Some(header) = unit.first() {
            match header & 0x1f {
                1 if header & 0x60 == 0 => slices += 1,
                // Parameter sets may come with any picture, and later ones need them.
                1..=5 | 7 | 8 | 13..=15 | 19..=21 => return false,
                _ => {}
            }
        }
        data = rest;
    }
    slices > 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_pictures_that_nothing_refers_to() {
        let unit = |header: u8| [&[0, 0, 0, 2, header, 0xff][..]].concat();
        let picture = |headers: &[u8]| headers.iter().flat_map(|header| unit(*header)).collect::<Vec<_>>();
        assert!(is_unreferenced(&picture(&[0x01]), 4));
        assert!(is_unreferenced(&picture(&[0x06, 0x01, 0x01]), 4));
        for kept in [&[0x41][..], &[0x65], &[0x01, 0x21], &[0x67, 0x01], &[0x06], &[0x02]] {
            assert!(!is_unreferenced(&picture(kept), 4), "{kept:?}");
        }
        assert!(!is_unreferenced(&[0, 0, 0, 9, 1], 4), "cut off");
        assert!(!is_unreferenced(&[], 4));
    }
}

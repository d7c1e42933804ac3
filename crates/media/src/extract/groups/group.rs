//! A group of pictures: its packets, the frames of it that are wanted, and what has to be
//! decoded for them.

use std::collections::VecDeque;
use std::sync::mpsc::SyncSender;

use crate::bitstream::Access;
use crate::extract::encode_stage::{Content, NotEncoded};
use crate::ffi::{AvError, Packet};
use crate::select::Requests;

use super::Shown;

/// A packet and what it is to others.
pub(super) struct Coded {
    pub(super) packet: Packet,
    /// Nothing else needs it.
    pub(super) droppable: bool,
}

/// A wanted frame.
pub(super) struct Wanted {
    pub(super) shown: Shown,
    pub(super) requests: Requests,
}

/// Packets in decoding order from one sync point up to the next.
pub(super) struct Group {
    /// The presentation timestamp from which on shown frames are this group's; those before it
    /// are the one's before, though they may refer to this one's first picture.
    pub(super) from: i64,
    pub(super) access: Access,
    pub(super) packets: Vec<Coded>,
    pub(super) wanted: Vec<Wanted>,
}

/// What has to be decoded of a group, and what for.
pub(super) struct Needed {
    pub(super) packets: Vec<Packet>,
    pub(super) wanted: Vec<Wanted>,
}

/// What a worker is asked.
pub(super) struct Task {
    /// In decoding order, the sync point first.
    pub(super) packets: Vec<Packet>,
    pub(super) access: Access,
    /// In presentation order.
    pub(super) wanted: VecDeque<Order>,
    pub(super) packet_bytes: u64,
}

/// One frame of a task, and where it goes.
pub(super) struct Order {
    pub(super) pts: i64,
    pub(super) reply: SyncSender<Result<Content, NotEncoded>>,
}

impl Group {
    /// Bytes of its packets.
    pub(super) fn bytes(&self) -> u64 {
        self.packets.iter().map(|coded| coded.packet.data().len() as u64).sum()
    }

    /// The packets that its wanted frames need: those up to the last wanted one, without
    /// pictures that nothing refers to and nobody wants. Wanted frames that come after the next
    /// group's sync point in decoding order are found in `following`. None if one is nowhere.
    pub(super) fn needed(self, following: &VecDeque<Self>) -> Result<Option<Needed>, AvError> {
        let wanted = |packet: &Packet| {
            let pts = packet.pts().filter(|_| !packet.is_hidden());
            pts.is_some_and(|pts| self.wanted.iter().any(|wanted| wanted.shown.pts == pts))
        };
        let needed = |coded: &Coded| !coded.droppable || wanted(&coded.packet);
        let own = self.packets.iter().filter(|coded| wanted(&coded.packet)).count();
        let last = self.packets.iter().rposition(|coded| wanted(&coded.packet));
        let mut packets = Vec::new();
        let mut missing = self.wanted.len().saturating_sub(own);
        if missing > 0 {
            for coded in following.iter().flat_map(|group| &group.packets) {
                if missing == 0 {
                    break;
                }
                missing -= usize::from(wanted(&coded.packet));
                if needed(coded) {
                    packets.push(coded.packet.share()?);
                }
            }
            if missing > 0 {
                return Ok(None);
            }
        }
        let keep: Vec<bool> = self.packets.iter().map(needed).collect();
        // Frames of the next group's start may refer to all of this one.
        let end = if packets.is_empty() { last.map_or(0, |last| last + 1) } else { self.packets.len() };
        let own = self.packets.into_iter().zip(keep).take(end).filter(|(_, keep)| *keep);
        let packets = own.map(|(coded, _)| coded.packet).chain(packets).collect();
        Ok(Some(Needed { packets, wanted: self.wanted }))
    }
}

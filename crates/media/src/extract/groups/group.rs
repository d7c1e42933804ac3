//! A group of pictures: its packets, the frames of it that are wanted, and what has to be
//! decoded for them.

use std::collections::VecDeque;
use std::sync::mpsc::SyncSender;

use crate::bitstream::Access;
use crate::extract::encode_stage::{Content, NotEncoded};
use crate::ffi::{AvError, Packet};
use crate::select::Requests;

use super::Shown;

/// A packet, and whether other pictures depend on it.
pub(super) struct Coded {
    pub(super) packet: Packet,
    /// Whether no other picture depends on it.
    pub(super) droppable: bool,
}

/// A wanted frame.
pub(super) struct Wanted {
    pub(super) shown: Shown,
    pub(super) requests: Requests,
}

/// Packets in decoding order from one sync point up to the next.
pub(super) struct Group {
    /// Frames shown from this presentation timestamp on belong to this group. Earlier ones belong to the
    /// previous group, even if they refer to this group's first picture.
    pub(super) from: i64,
    pub(super) access: Access,
    pub(super) packets: Vec<Coded>,
    pub(super) wanted: Vec<Wanted>,
}

/// What has to be decoded of a group, and for which frames.
pub(super) struct Needed {
    pub(super) packets: Vec<Packet>,
    pub(super) wanted: Vec<Wanted>,
}

/// A worker's task.
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

    /// Returns the packets that the wanted frames need: those up to the last wanted one, without unreferenced
    /// pictures that are not wanted. Wanted frames that come after the next group's sync point in decoding
    /// order are found in `following`. `None` if a wanted frame is in neither.
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
        // The first frames of the next group may refer to any picture of this one.
        let end = if packets.is_empty() { last.map_or(0, |last| last + 1) } else { self.packets.len() };
        let own = self.packets.into_iter().zip(keep).take(end).filter(|(_, keep)| *keep);
        let packets = own.map(|(coded, _)| coded.packet).chain(packets).collect();
        Ok(Some(Needed { packets, wanted: self.wanted }))
    }
}

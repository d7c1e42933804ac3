//! Decodes groups of pictures, and encodes the wanted frames on the same thread.

use std::sync::Mutex;
use std::sync::mpsc::Receiver;

use super::Shared;
use super::group::{Order, Task};
use crate::bitstream::Access;
use crate::extract::encode_stage::{FrameEncoder, NotEncoded};
use crate::extract::in_flight::Amount;
use crate::ffi::{Decoded, Decoder, Frame, Packet, StreamInfo};

/// The label of a group's first packet.
const FIRST: i64 = 1;

/// One thread's decoder and encoder.
pub(super) struct Worker<'s> {
    decoder: Decoder,
    encoder: FrameEncoder<'s>,
    shared: &'s Shared<'s, 's>,
}

impl<'s> Worker<'s> {
    pub(super) fn new(decoder: Decoder, stream: &'s StreamInfo, shared: &'s Shared<'_, '_>) -> Self {
        let encoder = FrameEncoder::new(stream, shared.options, shared.limits, shared.filtered);
        Self { decoder, encoder, shared }
    }

    /// Decodes and encodes tasks from `queue` until it is closed.
    pub(super) fn run(mut self, queue: &Mutex<Receiver<Task>>) {
        loop {
            let task = match queue.lock() {
                Ok(queue) => queue.recv(),
                Err(_) => return,
            };
            let Ok(mut task) = task else { return };
            if !self.shared.is_over() {
                self.decode(&mut task);
                self.decoder.flush();
            }
            for order in task.wanted {
                // The receiver is gone if the archive is not continued.
                let _ = order.reply.send(Err(NotEncoded::Undecoded));
            }
            self.shared.in_flight.free(Amount { packet_bytes: task.packet_bytes, images: 0 });
        }
    }

    /// Decodes until every wanted frame has come out or the packets end.
    fn decode(&mut self, task: &mut Task) {
        let mut packets = task.packets.drain(..);
        let mut first = true;
        loop {
            let packet = packets.next();
            if task.wanted.is_empty() || self.shared.is_over() || !self.shared.watch.should_continue() {
                return;
            }
            let ended = packet.is_none();
            // Concealment of damage depends on earlier pictures, which only a decoder of the whole video has.
            if self.give(packet, first).is_err() {
                return;
            }
            first = false;
            // Bounded, for a decoder that only returns errors.
            for _ in 0..64 {
                match self.decoder.receive() {
                    Ok(Decoded::Frame(frame)) if self.starts_with_predicted(&frame, task.access) => return,
                    Ok(Decoded::Frame(frame)) if frame.is_damaged() || self.decoder.has_damage() => return,
                    Ok(Decoded::Frame(frame)) => {
                        if !self.shown(frame, &mut task.wanted) {
                            return;
                        }
                    }
                    Ok(Decoded::NeedsPacket) => break,
                    Ok(Decoded::End) => return,
                    Err(_) => return,
                }
            }
            if ended {
                return;
            }
        }
    }

    fn give(&mut self, packet: Option<Packet>, first: bool) -> Result<(), crate::ffi::AvError> {
        match packet {
            Some(packet) => self.decoder.send(&packet, if first { FIRST } else { 0 }),
            None => self.decoder.send_end(),
        }
    }

    /// Whether a group's first picture was predicted from others, so that decoding cannot start with it; for
    /// instance in videos with gradual refresh.
    fn starts_with_predicted(&self, frame: &Frame, access: Access) -> bool {
        access != Access::Clean && frame.label() & FIRST != 0 && frame.is_predicted()
    }

    /// Encodes a frame if it is wanted. Returns false if an earlier wanted frame is missing.
    fn shown(&mut self, frame: Frame, wanted: &mut std::collections::VecDeque<Order>) -> bool {
        let (Some(pts), Some(next)) = (frame.packet_pts(), wanted.front()) else { return true };
        if pts < next.pts {
            return true;
        }
        if pts > next.pts {
            return false;
        }
        if let Some(order) = wanted.pop_front() {
            let _ = order.reply.send(self.encoder.take(frame, self.shared.watch));
        }
        true
    }
}

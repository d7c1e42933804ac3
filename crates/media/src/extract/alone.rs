//! Decoding one sync point by itself, as if the video began and ended there.
//!
//! Between sync points whose neighbours are missing, a decoder would have to guess the order of
//! pictures (H.264 and HEVC write only the low bits of it), so it is emptied after each one.

use crate::ffi::{Decoded, Decoder, Frame, Packet};

/// The pictures of the sync point in `packet`. None where it is not certain that they are the
/// ones that a decoder of the whole video gives: without a picture, with errors, or predicted
/// from others, as where a video is refreshed bit by bit and has no whole sync points.
pub(super) fn decode(decoder: &mut Decoder, packet: &Packet, label: i64) -> Option<Vec<Frame>> {
    let frames = drain(decoder, packet, label);
    decoder.flush();
    frames.filter(|frames| !frames.is_empty())
}

fn drain(decoder: &mut Decoder, packet: &Packet, label: i64) -> Option<Vec<Frame>> {
    decoder.send(packet, label).ok()?;
    let mut frames = Vec::new();
    // Not before it has been asked for pictures may a decoder be told of the end.
    let mut ended = false;
    loop {
        match decoder.receive().ok()? {
            Decoded::Frame(frame) if frame.is_damaged() || frame.is_predicted() => return None,
            Decoded::Frame(frame) => frames.push(frame),
            Decoded::Hungry if !ended => {
                decoder.send_end().ok()?;
                ended = true;
            }
            Decoded::Hungry | Decoded::End => return Some(frames),
        }
    }
}

//! VP9 (VP9 Bitstream & Decoding Process Specification): key frames, and what is shown.
//!
//! No frame is ever left out: even one that refreshes no reference frame lends its motion
//! vectors, segments and loop filter levels to the next frame, unless that one is a key frame
//! or error resilient (7.2, `UsePrevFrameMvs` and `setup_past_independence`), which only the
//! next packet would tell.

use super::bits::Bits;
use super::{Access, Picture};

/// A frame header's first fields: 6.2.
struct Frame {
    key: bool,
    shown: bool,
}

pub(super) fn parse(data: &[u8]) -> Picture {
    let mut frames = frames(data).into_iter().map(frame);
    let Some(Some(first)) = frames.next() else { return Picture::BROKEN };
    let mut shown = first.shown;
    for frame in frames {
        let Some(frame) = frame else { return Picture::BROKEN };
        shown |= frame.shown;
    }
    Picture { droppable: false, access: Access::from(first.key), shown }
}

/// The frames of a superframe (annex B), or the one of a packet without an index.
fn frames(data: &[u8]) -> Vec<&[u8]> {
    indexed(data).unwrap_or_else(|| vec![data])
}

fn indexed(data: &[u8]) -> Option<Vec<&[u8]>> {
    let marker = data.last().filter(|marker| *marker & 0xe0 == 0xc0)?;
    let (count, width) = (usize::from(marker & 7) + 1, usize::from(marker >> 3 & 3) + 1);
    let (mut data, index) = data.split_at_checked(data.len().checked_sub(2 + count * width)?)?;
    let sizes = index.strip_prefix(&[*marker])?.chunks_exact(width);
    let mut frames = Vec::with_capacity(count);
    for size in sizes.take(count) {
        let size = size.iter().rev().fold(0_usize, |size, byte| size << 8 | usize::from(*byte));
        let (frame, rest) = data.split_at_checked(size)?;
        data = rest;
        // Encoders mark frames that they skipped with a size of zero.
        if !frame.is_empty() {
            frames.push(frame);
        }
    }
    Some(frames)
}

fn frame(data: &[u8]) -> Option<Frame> {
    let mut bits = Bits::new(data);
    if bits.number(2)? != 2 {
        return None;
    }
    // The profile; its last value is followed by a reserved bit.
    if bits.number(2)? == 3 {
        bits.skip(1)?;
    }
    let existing = bits.flag()?;
    if existing {
        return Some(Frame { key: false, shown: true });
    }
    let key = !bits.flag()?;
    Some(Frame { key, shown: bits.flag()? })
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: [u8; 3] = [0b1000_0010, 0x49, 0x83];
    const HIDDEN: [u8; 2] = [0b1000_0100, 0];
    const EXISTING: [u8; 1] = [0b1000_1000];

    #[test]
    fn frames_by_themselves() {
        let picture = |access, shown| Picture { droppable: false, access, shown };
        assert_eq!(parse(&KEY), picture(Access::Clean, true));
        assert_eq!(parse(&HIDDEN), picture(Access::No, false));
        assert_eq!(parse(&EXISTING), picture(Access::No, true));
        assert_eq!(parse(&[0b1011_0000, 0]), picture(Access::Clean, false), "profile 3");
        for broken in [&[][..], &[0x40]] {
            assert_eq!(parse(broken), Picture::BROKEN);
        }
    }

    #[test]
    fn superframes() {
        let index = |marker: u8, sizes: &[u8]| [&[marker], sizes, &[marker]].concat();
        let both = [&HIDDEN[..], &KEY, &index(0xc1, &[2, 3])].concat();
        assert_eq!(parse(&both), Picture { droppable: false, access: Access::No, shown: true });
        let wide = [&KEY[..], &HIDDEN, &index(0xc9, &[3, 0, 2, 0])].concat();
        assert_eq!(parse(&wide), Picture { droppable: false, access: Access::Clean, shown: true });
        // The sizes are those of more than there is, so the last byte is no index.
        let odd = [&HIDDEN[..], &index(0xc1, &[2, 3])].concat();
        assert_eq!(frames(&odd), [&odd[..]]);
    }
}

//! The pool with decoders in software.

use super::super::tests::{info, software, video, with_input};
use super::*;
use crate::ffi::{Decoded, Input, Packet};

impl Pool {
    /// Decoders that are open, and those of them that nobody uses.
    pub(in super::super) fn counts(&self) -> (usize, usize) {
        let state = self.state();
        assert_eq!(state.bytes == 0, state.open == 0, "the bytes are counted with the decoders");
        (state.open, state.kept.len())
    }
}

fn key(codec: &str, size: (u32, u32), extradata: u8) -> Key {
    let key = Key::of(&info(), 8);
    Key { codec: codec.to_owned(), size, extradata: vec![extradata], ..key }
}

fn take(pool: &Arc<Pool>, key: Key) -> Result<DecoderSlot, String> {
    pool.take(key, || Ok(with_input(&video(), |input| software(&input, u64::MAX))))
}

#[test]
fn kept_decoders_make_room_for_others_and_used_ones_do_not() {
    let pool = Arc::new(Pool::default());
    let hd = (1920, 1080);
    let slots: Vec<DecoderSlot> = (0..8).map(|n| take(&pool, key("h264", hd, n)).unwrap()).collect();
    assert_eq!(pool.counts(), (8, 0));
    let refused = take(&pool, key("h264", hd, 9)).err().unwrap();
    assert_eq!(refused, "all of its 8 decoders are in use");
    drop(slots);
    assert_eq!(pool.counts(), (8, 8));
    let same = take(&pool, key("h264", hd, 3)).unwrap();
    assert_eq!(pool.counts(), (8, 7), "the kept one serves again");
    let other = take(&pool, key("h264", hd, 9)).unwrap();
    assert_eq!(pool.counts(), (8, 6), "the oldest one was closed for another kind");
    drop((same, other));
    assert!(take(&pool, key("av1", hd, 0)).is_ok());
    assert_eq!(pool.counts(), (7, 7), "AV1 is not kept");
}

#[test]
fn memory_bounds_decoders_of_large_pictures() {
    let pool = Arc::new(Pool::default());
    let huge = (8192, 4320);
    let first = take(&pool, key("hevc", huge, 0)).unwrap();
    let second = take(&pool, key("hevc", huge, 1)).unwrap();
    let third = take(&pool, key("hevc", huge, 2)).err().unwrap();
    assert_eq!(third, "all of its 2 decoders are in use");
    drop((first, second));
    // One alone may be larger than what all together may have.
    assert!(take(&pool, key("hevc", (16384, 16384), 0)).is_ok());
}

#[test]
fn a_failed_opening_leaves_no_trace() {
    let pool = Arc::new(Pool::default());
    let error = pool.take(key("h264", (64, 64), 0), || Err(DecoderError::Unsupported)).err().unwrap();
    assert_eq!(error, "FFmpeg has no way to it for h264");
    assert_eq!(pool.counts(), (0, 0));
}

#[test]
fn a_used_decoder_gives_the_next_video_the_same_pictures() {
    let pool = Arc::new(Pool::default());
    let decode = |packets: u64| {
        with_input(&video(), |mut input: Input<'_>| {
            let key = Key::of(input.info(), 8);
            let mut slot = pool.take(key, || Ok(software(&input, u64::MAX))).unwrap();
            let mut packet = Packet::new().unwrap();
            let mut sums = Vec::new();
            for label in 0..packets {
                assert!(input.read(&mut packet).unwrap());
                slot.send(&packet, label as i64).unwrap();
                while let Decoded::Frame(frame) = slot.receive().unwrap() {
                    let [luma, _, _] = frame.planes_420().unwrap().planes;
                    sums.push((frame.label(), frame.pts(), crc32fast::hash(luma.0)));
                }
            }
            sums
        })
    };
    // It is released in the middle of a group of pictures.
    let first = decode(33);
    assert!(first.len() > 20, "pictures came out");
    assert_eq!(pool.counts(), (1, 1));
    assert_eq!(first, decode(33));
    assert_eq!(pool.counts(), (1, 1));
}

//! Random bytes and damaged streams: nothing panics, and what cannot be parsed counts as needed.

use proptest::collection::vec;
use proptest::prelude::*;

use super::streams::Stream;
use crate::bitstream::{Access, Bitstream, Picture};

const CODECS: &[&str] =
    &["h264", "hevc", "av1", "vp9", "vp8", "mpeg1video", "mpeg2video", "mpeg4", "mjpeg", "prores", "vc1"];

/// Bytes in which start codes, small lengths and headers are frequent.
fn likely_bytes(most: usize) -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        any::<u8>().prop_map(|byte| vec![byte]),
        (any::<u8>(), any::<u8>()).prop_map(|(kind, next)| vec![0, 0, 1, kind, next]),
        (0u8..6, any::<u8>()).prop_map(|(length, kind)| vec![0, 0, 0, length, kind]),
        Just(vec![0; 3]),
        Just(vec![0xff; 3]),
    ];
    vec(piece, 0..most).prop_map(|pieces| pieces.concat())
}

proptest! {
    #[test]
    fn any_bytes(
        mut extradata in likely_bytes(40),
        form in any::<bool>(),
        packets in vec(likely_bytes(60), 1..6),
    ) {
        if form && !extradata.is_empty() {
            extradata[0] = 1;
        }
        for codec in CODECS {
            let mut bitstream = Bitstream::new(codec, &extradata);
            for packet in &packets {
                let picture = bitstream.parse(packet);
                prop_assert!(bitstream.may_drop() || !picture.droppable);
            }
        }
    }
}

/// Real packets, cut off anywhere and with any one byte changed.
#[test]
fn damaged_packets() {
    let encoders = [
        ("mp4", "-c:v libx264 -preset veryfast -bf 3 -x264-params b-adapt=0"),
        ("ts", "-c:v libx264 -preset veryfast -bf 3 -flags +ildct+ilme -x264-params tff=1"),
        ("mp4", "-c:v libx265 -preset ultrafast -x265-params log-level=none:bframes=3"),
        ("mp4", "-c:v libsvtav1 -preset 10"),
        ("webm", "-c:v libvpx -deadline realtime -cpu-used 8"),
        ("webm", "-c:v libvpx-vp9 -deadline realtime -cpu-used 8"),
        ("ts", "-c:v mpeg2video -bf 2"),
        ("mp4", "-c:v mpeg4 -bf 2"),
        ("mov", "-c:v mjpeg -pix_fmt yuvj420p"),
    ];
    for (container, encoder) in encoders {
        let stream = Stream::make(container, 12, encoder);
        let codec = &stream.info.codec;
        let mut bitstream = Bitstream::new(codec, &stream.info.extradata);
        let mut header = stream.info.extradata.clone();
        for place in 0..header.len() {
            drop(Bitstream::new(codec, &header[..place]));
            header[place] ^= 0xff;
            drop(Bitstream::new(codec, &header));
            header[place] ^= 0xff;
        }
        for packet in &stream.packets {
            let mut data = packet.data().to_vec();
            for length in 0..data.len().min(300) {
                bitstream.parse(&data[..length]);
            }
            for place in 0..data.len().min(300) {
                for mask in [0x01, 0x80, 0xff] {
                    data[place] ^= mask;
                    bitstream.parse(&data);
                    data[place] ^= mask;
                }
            }
        }
    }
}

#[test]
fn an_empty_packet_is_nothing() {
    for codec in CODECS {
        let picture = Bitstream::new(codec, &[]).parse(&[]);
        let access = if *codec == "vc1" { Access::Unclear } else { Access::No };
        assert_eq!(picture, Picture { droppable: false, access, shown: false }, "{codec}");
    }
}

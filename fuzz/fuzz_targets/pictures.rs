//! Packets of each codec as our own readers see them. The first byte chooses the codec, the second says how
//! long the container's header for it is, and packets end at 0xfe.

#![no_main]

use libfuzzer_sys::fuzz_target;

const CODECS: [&str; 8] = ["h264", "hevc", "av1", "vp9", "vp8", "mpeg2video", "mpeg4", "mjpeg"];

fuzz_target!(|data: &[u8]| {
    let [codec, header, rest @ ..] = data else { return };
    let (header, packets) = rest.split_at(usize::from(*header).min(rest.len()));
    let packets: Vec<_> = packets.split(|byte| *byte == 0xfe).collect();
    framelift_media::fuzzing::pictures(CODECS[usize::from(*codec) % CODECS.len()], header, &packets);
});

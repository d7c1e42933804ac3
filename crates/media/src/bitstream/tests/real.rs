//! Streams of real encoders: leaving out droppable pictures changes nothing, decoding starts where the parser
//! says, and pictures that it calls shown are shown.

use std::collections::HashSet;

use super::streams::Stream;
use crate::bitstream::Access;

/// Checks what the parsers say of a stream's packets, of which at least so many are droppable and
/// so many are places to start at.
fn check(container: &str, arguments: &str, droppable: usize, clean: usize) {
    let context = format!("{container} {arguments}");
    let stream = Stream::make(container, 75, arguments);
    let dropped = stream.places(|picture| picture.droppable);
    let starts = stream.places(|picture| picture.access == Access::Clean);
    let shown = stream.places(|picture| picture.shown);
    println!(
        "{context}: {} packets, {} droppable, {} clean, {} shown, {} frames",
        stream.packets.len(),
        dropped.len(),
        starts.len(),
        shown.len(),
        stream.frames.len()
    );
    assert_eq!(stream.frames.len(), 75, "{context}");
    assert!(dropped.len() >= droppable, "{context}: {} droppable", dropped.len());
    assert!(starts.len() >= clean, "{context}: {} clean", starts.len());

    // All of them, or some.
    for every in [1, 2, 3] {
        let gone: HashSet<usize> = dropped.iter().copied().step_by(every).collect();
        let gone_at: HashSet<i64> = gone.iter().map(|place| stream.pts(*place)).collect();
        let mut expected = stream.frames.clone();
        expected.retain(|(pts, _)| !gone_at.contains(pts));
        assert_eq!(stream.decode(|place| !gone.contains(&place)), expected, "{context}: {every}");
    }
    for start in starts {
        let from = stream.pts(start);
        let follows = |frames: &[(i64, u64)]| -> Vec<_> {
            frames.iter().copied().filter(|(pts, _)| *pts >= from).collect()
        };
        let decoded = stream.decode(|place| place >= start);
        assert_eq!(follows(&decoded), follows(&stream.frames), "{context}: from {start}");
    }
    let times: HashSet<i64> = stream.frames.iter().map(|(pts, _)| *pts).collect();
    for place in &shown {
        assert!(times.contains(&stream.pts(*place)), "{context}: {place} is not shown");
    }
    assert!(shown.len() >= 70, "{context}: {} shown", shown.len());
}

const X264: &str = "-c:v libx264 -preset veryfast -g 24 -bf 3";

#[test]
fn h264() {
    for pyramid in ["none", "strict", "normal"] {
        let arguments = format!("{X264} -x264-params b-pyramid={pyramid}:b-adapt=0:ref=4");
        check("mp4", &arguments, 15, 4);
        check("ts", &arguments, 15, 4);
    }
    check("mkv", &format!("{X264} -x264-params bframes=0"), 0, 4);
}

#[test]
fn h264_with_open_groups_and_interlaced() {
    for container in ["mp4", "ts"] {
        check(container, &format!("{X264} -x264-params open-gop=1:keyint=20:b-adapt=0"), 15, 4);
        check(container, &format!("{X264} -flags +ildct+ilme -x264-params tff=1:b-adapt=0"), 15, 4);
    }
    // Headers in the packets too.
    check("mkv", &format!("{X264} -x264-params repeat-headers=1:aud=1:b-adapt=0"), 15, 4);
}

/// A picture refreshed column by column is no place to start at.
#[test]
fn h264_refreshed_bit_by_bit() {
    let arguments = "-c:v libx264 -preset veryfast -x264-params intra-refresh=1:keyint=20:bframes=0";
    let stream = Stream::make("mp4", 75, arguments);
    assert_eq!(stream.places(|picture| picture.access == Access::Clean), [0]);
    assert!(stream.packets.iter().filter(|packet| packet.is_key()).count() > 2, "the container says so");
}

#[test]
fn hevc() {
    let x265 = "-c:v libx265 -preset ultrafast -x265-params log-level=none:keyint=24:bframes=3:b-adapt=0";
    for options in ["b-pyramid=1:open-gop=0", "b-pyramid=0:open-gop=0", "open-gop=1", "repeat-headers=1"] {
        check("mp4", &format!("{x265}:{options}"), 15, 4);
    }
    check("ts", &format!("{x265}:open-gop=1"), 15, 4);
    for options in ["temporal-layers=1", "temporal-layers=3:b-pyramid=1"] {
        check("mkv", &format!("{x265}:{options}"), 15, 4);
    }
}

#[test]
fn av1() {
    check("mp4", "-c:v libaom-av1 -cpu-used 8 -crf 30 -b:v 0 -g 24 -lag-in-frames 19", 0, 4);
    check("mkv", "-c:v libaom-av1 -cpu-used 8 -usage realtime -crf 30 -b:v 0 -g 24", 0, 4);
    check("mp4", "-c:v libsvtav1 -preset 10 -g 24", 10, 2);
    check("mkv", "-c:v librav1e -speed 10 -g 24", 0, 4);
}

/// Three temporal layers, the uppermost of which nothing refers to.
const LAYERS: &str = "-deadline realtime -cpu-used 8 -b:v 800k -g 24 -lag-in-frames 0 -ts-parameters \
    ts_number_layers=3:ts_target_bitrate=200,400,800:ts_rate_decimator=4,2,1:ts_periodicity=4:\
    ts_layer_id=0,2,1,2:ts_layering_mode=3";

#[test]
fn vp8_and_vp9() {
    check("webm", "-c:v libvpx -deadline realtime -cpu-used 8 -b:v 800k -g 24", 0, 4);
    check("webm", &format!("-c:v libvpx {LAYERS}"), 0, 4);
    check("webm", &format!("-c:v libvpx -error-resilient default {LAYERS}"), 15, 4);
    check("webm", "-c:v libvpx-vp9 -deadline good -cpu-used 5 -crf 20 -b:v 0 -g 24", 0, 4);
    check("webm", &format!("-c:v libvpx-vp9 {LAYERS}"), 0, 4);
}

#[test]
fn mpeg() {
    check("mkv", "-c:v mpeg1video -q:v 3 -g 12 -bf 2", 40, 6);
    for container in ["mp4", "ts", "mkv"] {
        check(container, "-c:v mpeg2video -q:v 3 -g 12 -bf 2", 40, 6);
    }
    check("ts", "-c:v mpeg2video -q:v 3 -g 12 -bf 2 -flags +ildct+ilme", 40, 6);
    check("mp4", "-c:v mpeg4 -q:v 3 -g 12 -bf 2", 40, 6);
    check("mkv", "-c:v mpeg4 -q:v 3 -g 12 -bf 2", 40, 6);
    check("ts", "-c:v mpeg4 -q:v 3 -g 12 -bf 2", 40, 6);
}

#[test]
fn pictures_by_themselves() {
    check("mov", "-c:v mjpeg -q:v 3 -color_range pc -pix_fmt yuvj420p", 75, 75);
    check("avi", "-c:v rawvideo", 75, 75);
    check("mkv", "-c:v utvideo", 75, 75);
    check("mkv", "-c:v ffvhuff -context 1", 75, 75);
}

//! Presentation times of every kind.

use framelift_contract::manifest::{Manifest, Strategy};
use framelift_contract::options::OptionsBody;
use framelift_domain::{Checksum, Format};

use crate::clips::{Clips, mp4_box};
use crate::compare::Clip;
use crate::extracted::Extracted;

const X264: &str = "-c:v libx264 -preset veryfast -crf 18 -bf 3";
/// Irregular times, in milliseconds.
const IRREGULAR: &str =
    "-vf settb=1/1000,setpts=floor(N*40+mod(N*N*7\\,29)) -fps_mode passthrough -enc_time_base 1/1000";

#[test]
fn irregular_frames() {
    let clips = Clips::new();
    clips
        .encode("a.mp4", 75, &format!("{IRREGULAR} {X264} -g 24 -video_track_timescale 1000"))
        // The box of the last shown frame says how long it takes to decode, not how long it is shown.
        .without_end()
        .check();
    clips.encode("a.mkv", 75, &format!("{IRREGULAR} {X264} -g 24")).check();
    clips
        .encode("a.webm", 75, &format!("{IRREGULAR} -c:v libvpx-vp9 -deadline realtime -cpu-used 8 -g 24"))
        .check();
}

#[test]
fn frames_left_out() {
    let clips = Clips::new();
    let kept: Vec<_> = (0..150).filter(|n| n % 7 != 3 && n % 11 > 4).collect();
    let dropped = "-vf select='not(eq(mod(n\\,7)\\,3))*gt(mod(n\\,11)\\,4)' -fps_mode passthrough";
    for (name, arguments) in [
        ("a.mp4", format!("{dropped} {X264} -g 20")),
        ("a.mkv", format!("{dropped} {X264} -g 20")),
        ("a.ts", format!("{dropped} {X264} -g 20")),
        ("a.flv", format!("{dropped} {X264} -g 20")),
    ] {
        // The first of the pictures is left out too.
        clips.encode(name, 150, &arguments.replace('\'', "")).shows(kept.iter().copied()).check();
    }
}

/// Many seconds without a new frame.
#[test]
fn a_long_gap() {
    let clips = Clips::new();
    let gap = "-vf setpts=round((N/25+gt(N\\,40)*15)/TB) -fps_mode passthrough";
    for name in ["a.mp4", "a.mkv", "a.ts"] {
        clips.encode(name, 75, &format!("{gap} {X264} -g 20")).check();
    }
}

#[test]
fn television_rates() {
    let clips = Clips::new();
    clips.encode_from("a.mp4", 75, "-framerate 30000/1001", &format!("{X264} -g 24")).check();
    clips.encode_from("a.mkv", 75, "-framerate 30000/1001", &format!("{X264} -g 24")).check();
    clips.encode_from("a.ts", 75, "-framerate 24000/1001", &format!("{X264} -g 24")).check();
    clips.encode_from("a.avi", 75, "-framerate 30000/1001", "-c:v mpeg4 -q:v 2 -g 12").check();
    clips.encode_from("fast.mp4", 150, "-framerate 60", &format!("{X264} -g 24")).check();
}

/// The beginning is hidden by an edit list.
#[test]
fn trimmed_starts() {
    let clips = Clips::new();
    let whole =
        clips.encode("whole.mp4", 100, &format!("{X264} -x264-params keyint=30:min-keyint=30:scenecut=0"));
    clips.remake("cut.mp4", &whole, "-ss 0.5", "-c copy").shows(13..100).check();
    clips.remake("cut.mov", &whole, "-ss 1.7", "-c copy").shows(43..100).check();
    let open = "-x264-params open-gop=1:keyint=30:min-keyint=30:scenecut=0:b-adapt=0";
    let open = clips.encode("open.mp4", 100, &format!("{X264} {open}"));
    clips.remake("open-cut.mp4", &open, "-ss 1.7", "-c copy").shows(43..100).check();
    clips.remake("cut.mkv", &whole, "-ss 0.5", "-c copy").check_as_is();
}

#[test]
fn late_and_early_starts() {
    let clips = Clips::new();
    let whole = clips.encode("whole.mp4", 75, &format!("{X264} -g 24"));
    clips.remake("late.mp4", &whole, "-itsoffset 3", "-c copy").check();
    clips.remake("late.mkv", &whole, "", "-c copy -output_ts_offset 100").check();
    clips.remake("late.ts", &whole, "", "-c copy -output_ts_offset 5000").check();
    clips.remake("late.flv", &whole, "", "-c copy -output_ts_offset 3600").check();
    clips.remake("early.mp4", &whole, "-itsoffset -1", "-c copy -avoid_negative_ts disabled").check_as_is();
    clips
        .remake("early.ts", &whole, "-itsoffset -1", "-c copy -avoid_negative_ts disabled -muxdelay 0")
        .check();
    // Video after sound, and before it.
    let sound = "-f lavfi -i sine=duration=5 -map 0 -map 1 -c:v copy -c:a aac";
    clips.remake("after.mp4", &whole, "-itsoffset 0.7", sound).check();
    clips.remake("before.mp4", &whole, "", &format!("-itsoffset 0.7 {sound}")).check();
}

/// Recordings that were joined: each part keeps its own clock.
#[test]
fn clocks_that_start_anew() {
    let clips = Clips::new();
    let joined = |name: &str, parts: &[&Clip]| {
        let rest: Vec<u8> = parts[1..].iter().flat_map(|part| std::fs::read(&part.path).unwrap()).collect();
        clips.patch(name, parts[0], |bytes| bytes.extend(rest)).may_warn("damaged packet")
    };
    let part = |name: &str, pictures, arguments: &str| clips.encode(name, pictures, arguments);
    let first = part("first.ts", 50, &format!("{X264} -g 24 -output_ts_offset 60"));
    let second = part("second.ts", 40, &format!("{X264} -g 24 -output_ts_offset 20"));
    joined("back.ts", &[&first, &second]).shows((0..50).chain(0..40)).may_warn("clock starts anew").check();
    let later = part("later.ts", 50, &format!("{X264} -g 24 -output_ts_offset 34"));
    joined("ahead.ts", &[&second, &later]).shows((0..40).chain(0..50)).check();
    // One that FFmpeg takes for a clock of 33 bits that ran over.
    let third = part("third.ts", 40, &format!("{X264} -g 24 -output_ts_offset 200"));
    joined("over.ts", &[&third, &second])
        .shows((0..40).chain(0..40))
        .may_warn("clock starts anew")
        // As long as the clock's numbers seem to say.
        .may_warn("but the file says")
        .check();
    let parts = [
        ("p.ts", X264),
        ("q.ts", "-c:v mpeg2video -q:v 2 -bf 2"),
        ("h.ts", "-c:v libx265 -preset ultrafast -x265-params log-level=none:bframes=2"),
        ("p.mpg", "-c:v mpeg2video -q:v 2 -bf 2"),
    ];
    for (name, encoder) in parts {
        let part = part(name, 30, &format!("{encoder} -g 12"));
        joined(&format!("many-{name}"), &[&part; 4])
            .shows((0..4).flat_map(|_| 0..30))
            .may_warn("clock starts anew")
            .check();
    }
}

/// FFmpeg does not read on behind the second header, so the whole is compared with a transport
/// stream of the same parts.
#[test]
fn flv_files_that_were_joined() {
    let clips = Clips::new();
    let part = clips.encode("p.flv", 30, &format!("{X264} -g 12"));
    let bytes = std::fs::read(&part.path).unwrap();
    let joined = clips.patch("joined.flv", &part, |joined| joined.extend(bytes.repeat(3)));
    let all: OptionsBody = serde_json::from_str(r#"{"select":{"all":true}}"#).unwrap();
    for strategy in [None, Some(Strategy::Sequential), Some(Strategy::Parallel)] {
        let mut options = all.check("").unwrap();
        options.format = Format::Png;
        let extract = |clip: &Clip| Extracted::from(&clip.path, &options, strategy).unwrap().manifest;
        let (one, four) = (extract(&part), extract(&joined));
        let pictures = |manifest: &Manifest| -> Vec<Checksum> {
            manifest.frames.iter().map(|frame| frame.sha256).collect()
        };
        assert_eq!(pictures(&four), vec![pictures(&one); 4].concat(), "{strategy:?}");
        let times: Vec<_> = four.frames.iter().map(|frame| frame.time.parse::<f64>().unwrap()).collect();
        assert!(
            times.iter().enumerate().all(|(n, time)| (time - n as f64 / 25.0).abs() < 0.002),
            "{times:?}"
        );
        assert!(four.warnings.iter().any(|warning| warning.contains("starts anew 3 times")), "{four:?}");
    }
}

/// Pictures that are shown in another order than that of their packets, all of which have the
/// times at which they are decoded.
#[test]
fn times_in_the_order_of_decoding() {
    let clips = Clips::new();
    for (name, encoder) in
        [("a.mp4", format!("{X264} -g 24")), ("b.mp4", "-c:v mpeg4 -q:v 2 -g 12 -bf 2".into())]
    {
        let whole = clips.encode(&format!("whole-{name}"), 75, &format!("{encoder} -use_editlist 0"));
        clips
            .patch(name, &whole, |bytes| {
                let at = mp4_box(bytes, b"ctts");
                bytes[at - 4..at].copy_from_slice(b"free");
            })
            .may_warn("in the order of decoding")
            .check();
    }
}

/// Bare streams, whose first packet has a time that is none.
#[test]
fn bare_streams() {
    let clips = Clips::new();
    clips.encode("a.m1v", 75, "-c:v mpeg1video -q:v 2 -g 12 -bf 2").check();
    clips.encode("a.m2v", 75, "-c:v mpeg2video -q:v 2 -g 12 -bf 2").check();
    clips.encode("b.m1v", 75, "-c:v mpeg1video -q:v 2 -g 12").check();
    clips.encode("bare.m4v", 75, "-c:v mpeg4 -q:v 2 -g 12 -bf 2 -f m4v").check();
}

#[test]
fn wrong_durations() {
    let clips = Clips::new();
    let honest = clips.encode("honest.mp4", 75, &format!("{X264} -g 24"));
    // Version 0: version and flags, two dates, time scale or track number and nothing, duration.
    let scaled = |name, boxes: &[(&[u8; 4], usize)], factor: fn(u32) -> u32| {
        clips.patch(name, &honest, |bytes| {
            for (name, offset) in boxes {
                let at = mp4_box(bytes, name) + offset;
                let duration = u32::from_be_bytes(bytes[at..at + 4].try_into().unwrap());
                bytes[at..at + 4].copy_from_slice(&factor(duration).to_be_bytes());
            }
        })
    };
    let all: &[(&[u8; 4], usize)] = &[(b"mvhd", 16), (b"tkhd", 20), (b"mdhd", 16)];
    scaled("short.mp4", all, |duration| duration / 10).check();
    scaled("long.mp4", all, |duration| duration * 10).may_warn("but the file says 30.000 s").check();
    scaled("none.mp4", all, |_| 0).check();
    scaled("track.mp4", &all[1..2], |duration| duration / 3).check();
    scaled("media.mp4", &all[2..], |duration| duration * 3).may_warn("but the file says").check();
}

/// Two frames at one time: the first is never on screen, and those that follow stay where they are.
#[test]
fn frames_at_the_same_time() {
    let clips = Clips::new();
    let twice = "-vf settb=1/12800,setpts=512*(N-eq(N\\,29)) -fps_mode passthrough";
    for name in ["a.mp4", "a.ts"] {
        clips.encode(name, 75, &format!("{twice} {X264} -g 24")).check();
    }
}

//! The same video in every container and layout that is taken.

use crate::clips::{Clips, ffmpeg};

const X264: &str = "-c:v libx264 -preset veryfast -crf 18 -g 24 -bf 3";

#[test]
fn mp4_in_fragments() {
    let clips = Clips::new();
    let whole = clips.encode("whole.mp4", 75, X264);
    let fragments =
        |name, flags| clips.remake(name, &whole, "", &format!("-c copy -movflags {flags}")).check();
    fragments("a.mp4", "frag_keyframe+empty_moov");
    fragments("indexed.mp4", "frag_keyframe+empty_moov+default_base_moof+global_sidx");
    fragments("dash.mp4", "frag_keyframe+empty_moov+dash");
    fragments("relative.mp4", "frag_keyframe+empty_moov+default_base_moof+negative_cts_offsets");
    fragments("each.mp4", "frag_every_frame+empty_moov+omit_tfhd_offset");
    fragments("late.mp4", "frag_keyframe");
}

#[test]
fn mp4_and_mov() {
    let clips = Clips::new();
    let whole = clips.encode("whole.mov", 75, X264);
    clips.remake("front.mp4", &whole, "", "-c copy -movflags faststart").check();
    clips.remake("a.3gp", &whole, "", "-c copy").check();
    clips.remake("offsets.mp4", &whole, "", "-c copy -movflags negative_cts_offsets").check();
    clips.remake("bare.mp4", &whole, "", "-c copy -use_editlist 0 -movflags negative_cts_offsets").check();
    whole.check();
}

#[test]
fn matroska() {
    let clips = Clips::new();
    let whole = clips.encode("whole.mkv", 75, X264);
    clips.remake("front.mkv", &whole, "", "-c copy -cues_to_front 1 -reserve_index_space 4096").check();
    clips.remake("live.mkv", &whole, "", "-c copy -live 1").check();
    clips.remake("small.mkv", &whole, "", "-c copy -cluster_time_limit 200").check();
    whole.check();
}

#[test]
fn transport_streams() {
    let clips = Clips::new();
    let whole = clips.encode("whole.ts", 75, X264);
    clips.remake("a.m2ts", &whole, "", "-c copy -mpegts_m2ts_mode 1").check();
    // 2^33 ticks of 1/90000 s are 95443.7 s.
    clips.remake("wraps.ts", &whole, "", "-c copy -output_ts_offset 95440.5").check();
    clips.encode("wraps-2.ts", 75, "-c:v mpeg2video -q:v 2 -g 12 -bf 2 -output_ts_offset 95441").check();
    clips.encode("wraps.mpg", 75, "-c:v mpeg2video -q:v 2 -g 12 -bf 2 -output_ts_offset 95441").check();
    whole.check();
}

#[test]
fn flash_and_windows_media() {
    let clips = Clips::new();
    let whole = clips.encode("a.flv", 75, X264);
    clips.remake("a.asf", &whole, "", "-c copy").check();
    whole.check();
}

/// Packets have no presentation times there.
#[test]
fn avi() {
    let clips = Clips::new();
    clips.encode("h264.avi", 75, "-c:v libx264 -preset veryfast -crf 18 -g 24 -bf 0").check();
    clips.encode("b.avi", 75, X264).check();
}

#[test]
fn sound_and_pictures_beside_it() {
    let clips = Clips::new();
    let whole = clips.encode("whole.mp4", 75, X264);
    let sound = "-f lavfi -i sine=duration=4 -map 0 -map 1 -c:v copy";
    clips.remake("a.mp4", &whole, "", &format!("{sound} -c:a aac")).check();
    clips.remake("a.mkv", &whole, "", &format!("{sound} -c:a libmp3lame")).check();
    clips.remake("a.ts", &whole, "", &format!("{sound} -c:a mp2")).check();
    clips
        .remake(
            "a.avi",
            &whole,
            "-t 2",
            "-f lavfi -i sine=duration=4 -map 0 -map 1 -c:v mpeg4 -q:v 2 -c:a mp2",
        )
        .shows(0..50)
        .check();
    let cover = clips.path("cover.jpg");
    let made =
        ffmpeg().args(["-f", "lavfi", "-i", "color=red:size=800x600", "-frames:v", "1"]).arg(&cover).status();
    assert!(made.unwrap().success());
    let covered = format!("-i {} -map 1 -map 0 -c copy -disposition:v:0 attached_pic", cover.display());
    clips.remake("covered.mp4", &whole, "", &covered).check();
}

/// The larger one is the best.
#[test]
fn two_videos() {
    let clips = Clips::new();
    let whole = clips.encode("whole.mp4", 75, X264);
    let small = "-f lavfi -i testsrc=size=96x64:rate=10:duration=5 -map 1 -map 0 -c:v:0 libx264 -c:v:1 copy";
    clips.remake("a.mp4", &whole, "", small).check();
    clips.remake("a.mkv", &whole, "", small).check();
}

/// Taken by one decoder from the start, against a newer FFmpeg.
#[test]
fn other_houses() {
    let clips = Clips::new();
    clips.encode("a.nut", 60, X264).check();
    clips
        .encode("a.ivf", 60, "-c:v libvpx -cpu-used 5 -b:v 2M -g 20 -lag-in-frames 16 -auto-alt-ref 1")
        .check();
    clips.encode("a.ogv", 60, "-c:v libtheora -q:v 9 -g 12").check();
    clips.encode("a.mxf", 60, "-c:v mpeg2video -q:v 2 -g 12 -bf 2").check();
    // Its header says that chroma lies in the middle, which the reference does not know.
    clips.encode("a.y4m", 50, "-pix_fmt yuv420p").without_colours().check();
    clips.encode("j2k.mov", 50, "-c:v jpeg2000 -pix_fmt yuv444p").check();
}

/// Frames follow each other at the frame rate.
#[test]
fn bare_streams() {
    let clips = Clips::new();
    let timeless = |clip: crate::compare::Clip| clip.may_warn("no timestamps").check();
    timeless(clips.encode("a.h264", 60, X264));
    timeless(clips.encode("a.hevc", 60, "-c:v libx265 -x265-params log-level=error:keyint=20:bframes=3"));
    timeless(clips.encode("a.mjpeg", 50, "-c:v mjpeg -q:v 2 -pix_fmt yuvj420p"));
}

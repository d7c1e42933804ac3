//! H.264: how pictures refer to each other, what a group of pictures is, profiles.

use crate::clips::Clips;

const X264: &str = "-c:v libx264 -preset veryfast -crf 18";

#[test]
fn no_b_pyramid() {
    let params = "-bf 3 -x264-params b-pyramid=none:ref=1:keyint=24";
    Clips::new().encode("a.mp4", 75, &format!("{X264} {params}")).check();
}

#[test]
fn strict_b_pyramid() {
    let params = "-bf 5 -x264-params b-pyramid=strict:b-adapt=0:ref=4:keyint=24";
    Clips::new().encode("a.mkv", 75, &format!("{X264} {params}")).check();
}

#[test]
fn normal_b_pyramid() {
    let params = "-bf 7 -x264-params b-pyramid=normal:b-adapt=0:ref=4:keyint=30";
    Clips::new().encode("a.mp4", 75, &format!("{X264} {params}")).check();
}

#[test]
fn normal_b_pyramid_with_one_reference() {
    let params = "-bf 16 -x264-params b-pyramid=normal:b-adapt=0:ref=1:keyint=50";
    Clips::new().encode("a.mp4", 75, &format!("{X264} {params}")).check();
}

#[test]
fn open_groups() {
    let clips = Clips::new();
    let params = "-bf 5 -x264-params open-gop=1:b-adapt=0:b-pyramid=normal:scenecut=0:keyint=20";
    let open = clips.encode("a.mp4", 75, &format!("{X264} {params}"));
    clips.remake("a.mkv", &open, "", "-c copy").check();
    clips.remake("a.ts", &open, "", "-c copy").check();
    open.check();
}

#[test]
fn refreshed_by_columns() {
    let params = "-bf 0 -x264-params intra-refresh=1:keyint=30";
    Clips::new().encode("a.mp4", 100, &format!("{X264} {params}")).check();
}

#[test]
fn one_group() {
    let params = "-bf 3 -x264-params keyint=infinite:scenecut=0";
    Clips::new().encode("a.mp4", 120, &format!("{X264} {params}")).check();
}

#[test]
fn sync_points_everywhere() {
    Clips::new().encode("a.mp4", 60, &format!("{X264} -x264-params keyint=1")).check();
}

#[test]
fn two_fields_a_frame() {
    let clips = Clips::new();
    clips
        .encode("top.mp4", 60, &format!("{X264} -bf 2 -flags +ildct+ilme -x264-params tff=1:keyint=20"))
        .check();
    clips
        .encode("bottom.ts", 60, &format!("{X264} -bf 2 -flags +ildct+ilme -x264-params bff=1:keyint=20"))
        .check();
}

#[test]
fn baseline_in_slices() {
    Clips::new()
        .encode("a.mp4", 60, &format!("{X264} -profile:v baseline -g 20 -x264-params slices=4"))
        .check();
}

#[test]
fn other_samplings_and_depths() {
    let clips = Clips::new();
    for (name, format) in [
        ("422-10.mp4", "yuv422p10le"),
        ("444.mp4", "yuv444p"),
        ("422.mkv", "yuv422p"),
        ("10.mp4", "yuv420p10le"),
        ("444-10.mkv", "yuv444p10le"),
    ] {
        clips.encode(name, 50, &format!("{X264} -g 20 -bf 2 -pix_fmt {format}")).check();
    }
}

#[test]
fn luma_alone() {
    let clips = Clips::new();
    clips.encode("limited.mp4", 50, &format!("{X264} -g 20 -pix_fmt gray -color_range tv")).check();
    clips.encode("full.mp4", 50, &format!("{X264} -g 20 -pix_fmt gray -color_range pc")).check();
    clips.encode("unsaid.mp4", 50, &format!("{X264} -g 20 -pix_fmt gray -color_range unknown")).check();
}

#[test]
fn red_green_and_blue() {
    Clips::new().encode("a.mp4", 50, "-c:v libx264rgb -preset veryfast -crf 10 -g 20 -pix_fmt rgb24").check();
}

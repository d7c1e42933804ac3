//! How pictures are shown: directions, shapes, sizes, colours.

use crate::clips::{Clips, mp4_box};

const X264: &str = "-c:v libx264 -preset veryfast -crf 18 -g 24 -bf 3";

#[test]
fn directions() {
    let clips = Clips::new();
    let plain = clips.encode("plain.mp4", 50, X264);
    // The matrix in `tkhd`, version 0: after 40 bytes of the box's content.
    let turned = |name: &str, [a, b, c, d]: [i32; 4]| {
        clips.patch(name, &plain, |bytes| {
            let at = mp4_box(bytes, b"tkhd") + 40;
            for (offset, value) in [(0, a), (4, b), (12, c), (16, d)] {
                bytes[at + offset..at + offset + 4].copy_from_slice(&(value << 16).to_be_bytes());
            }
        })
    };
    turned("90.mp4", [0, 1, -1, 0]).check();
    turned("180.mp4", [-1, 0, 0, -1]).check();
    turned("270.mp4", [0, -1, 1, 0]).check();
    turned("mirrored.mp4", [-1, 0, 0, 1]).check();
    turned("upside-down.mp4", [1, 0, 0, -1]).check();
    turned("transposed.mp4", [0, 1, 1, 0]).check();
    let wide = clips.encode("wide.mp4", 50, &format!("-vf setsar=4/3 {X264}"));
    clips.remake("wide-90.mp4", &wide, "", "-c copy -metadata:s:v rotate=90").check();
}

#[test]
fn shapes_of_pixels() {
    let clips = Clips::new();
    clips.encode("wide.mp4", 50, &format!("-vf setsar=16/15 {X264}")).check();
    clips.encode("narrow.mkv", 50, &format!("-vf setsar=8/9 {X264}")).check();
    clips.encode("wide.ts", 50, &format!("-vf setsar=64/45 {X264}")).check();
    let plain = clips.encode("plain.mp4", 50, &format!("-vf setsar=1 {X264}"));
    // The container knows better than the stream.
    clips.remake("said.mkv", &plain, "", "-c copy -aspect 2").check();
}

#[test]
fn odd_sizes() {
    let clips = Clips::new();
    let crop = "-vf format=yuv444p,crop=127:75:0:0:exact=1";
    clips.encode("444.mp4", 50, &format!("{crop} {X264} -pix_fmt yuv444p")).check();
    clips.encode("420.mkv", 50, &format!("{crop} -c:v ffv1 -pix_fmt yuv420p")).check();
    clips
        .encode("420.webm", 50, &format!("{crop} -c:v libvpx-vp9 -deadline realtime -cpu-used 8 -g 20"))
        .check();
    clips.encode("422.mkv", 50, &format!("{crop} -c:v ffv1 -pix_fmt yuv422p")).check();
    clips.encode("420.avi", 50, &format!("{crop} -c:v mpeg4 -q:v 2 -g 12")).check();
}

/// Cut by the stream itself: sizes that are no multiple of a macroblock, and a cut on the left.
#[test]
fn cropped_streams() {
    let clips = Clips::new();
    clips.encode("a.mp4", 50, &format!("-vf scale=122:74 {X264}")).check();
    let cut = "-bsf:v h264_metadata=crop_left=4:crop_right=4:crop_top=2:crop_bottom=4";
    clips.encode("left.mp4", 50, &format!("{X264} {cut}")).check();
}

#[test]
fn matrices_and_ranges() {
    let clips = Clips::new();
    for (name, matrix, tag, range, format) in [
        ("709.mp4", "bt709", "bt709", "tv", "yuv420p"),
        ("601.mp4", "bt601", "smpte170m", "tv", "yuv420p"),
        ("470bg.mkv", "bt601", "bt470bg", "tv", "yuv422p"),
        ("240.mp4", "smpte240m", "smpte240m", "tv", "yuv420p"),
        ("2020.mp4", "bt2020", "bt2020nc", "tv", "yuv420p10le"),
        ("fcc.mp4", "fcc", "fcc", "tv", "yuv444p"),
        ("full.mp4", "bt709", "bt709", "pc", "yuvj420p"),
        ("full-10.mp4", "bt709", "bt709", "pc", "yuv422p10le"),
        ("full-444.mkv", "bt601", "smpte170m", "pc", "yuvj444p"),
    ] {
        let convert = format!("-vf scale=out_color_matrix={matrix}:out_range={range}");
        // Of the screen's primaries: others are converted, which the reference does not do.
        let tags = format!("-color_primaries bt709 -colorspace {tag} -color_range {range} -pix_fmt {format}");
        clips.encode(name, 50, &format!("{convert} {X264} {tags}")).check();
    }
}

/// What is not said follows from the number of lines.
#[test]
fn unsaid_colours() {
    let clips = Clips::new();
    clips.encode("720.mkv", 50, "-vf scale=64:720 -c:v mpeg4 -q:v 2 -g 12").check();
    clips.encode("576.mkv", 50, "-vf scale=64:576 -c:v mpeg4 -q:v 2 -g 12").check();
}

#[test]
fn high_dynamic_range() {
    let clips = Clips::new();
    let hdr = "-c:v libx265 -preset ultrafast -crf 18 -pix_fmt yuv420p10le -color_primaries bt2020 -colorspace bt2020nc";
    let params = "-x265-params log-level=none:keyint=20:bframes=3";
    for (name, transfer) in [("pq.mp4", "smpte2084"), ("hlg.mkv", "arib-std-b67")] {
        let clip = clips.encode(name, 50, &format!("{hdr} -color_trc {transfer} {params}"));
        clip.without_colours().may_warn("the video is HDR").check();
    }
}

#[test]
fn sizes_that_change() {
    let clips = Clips::new();
    let first = clips.encode("first.ts", 40, X264);
    let second = clips.encode("second.ts", 40, &format!("-vf scale=176:96 {X264} -output_ts_offset 2"));
    let third = clips.encode(
        "third.ts",
        40,
        &format!("-vf scale=144:112 {X264} -pix_fmt yuv444p -output_ts_offset 4"),
    );
    let joined = clips.patch("joined.ts", &first, |bytes| {
        bytes.extend(std::fs::read(&second.path).unwrap());
        bytes.extend(std::fs::read(&third.path).unwrap());
    });
    joined.shows((0..40).chain(0..40).chain(0..40)).may_warn("damaged packet").check();
    let other = clips.encode("other.ts", 40, "-c:v mpeg2video -q:v 2 -g 12 -bf 2");
    let grown = clips.encode(
        "grown.ts",
        40,
        "-vf scale=176:96 -c:v mpeg2video -q:v 2 -g 12 -bf 2 -output_ts_offset 2",
    );
    let joined =
        clips.patch("joined-2.ts", &other, |bytes| bytes.extend(std::fs::read(&grown.path).unwrap()));
    // The last picture before the join waits for a next one of its size, in vain.
    joined.shows((0..39).chain(0..40)).may_warn("damaged packet").check();
}

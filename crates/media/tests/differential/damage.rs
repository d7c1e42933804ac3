//! Files that are cut off or damaged: what came out of them unharmed has to come out.

use crate::clips::Clips;

const X264: &str = "-c:v libx264 -preset veryfast -crf 18 -g 15 -bf 3";

#[test]
fn cut_off_tails() {
    let clips = Clips::new();
    let whole = clips.encode("source.mp4", 100, X264);
    let cases = [
        ("mkv", "-c copy"),
        ("ts", "-c copy"),
        ("flv", "-c copy"),
        ("mp4", "-c copy -movflags frag_keyframe+empty_moov"),
        ("mov", "-c copy -movflags faststart"),
        ("avi", "-c:v mpeg4 -q:v 2 -g 12"),
    ];
    for (extension, arguments) in cases {
        let whole = clips.remake(&format!("whole.{extension}"), &whole, "", arguments);
        clips
            .patch(&format!("cut.{extension}"), &whole, |bytes| bytes.truncate(bytes.len() * 7 / 10))
            .damaged(&whole)
            .check();
    }
}

/// Not FLV: where its tags are damaged, one FFmpeg finds its way back a packet sooner than another.
#[test]
fn damaged_middles() {
    let clips = Clips::new();
    let whole = clips.encode("source.mp4", 100, X264);
    let cases = [
        ("mp4", "-c copy"),
        ("mkv", "-c copy"),
        ("ts", "-c copy"),
        ("avi", "-c:v mpeg4 -q:v 2 -g 12 -bf 2"),
        ("mpg", "-c:v mpeg2video -q:v 2 -g 12 -bf 2"),
    ];
    for (extension, arguments) in cases {
        let whole = clips.remake(&format!("sound.{extension}"), &whole, "", arguments);
        let hurt = clips.patch(&format!("hurt.{extension}"), &whole, |bytes| {
            let middle = bytes.len() / 2;
            for byte in &mut bytes[middle..middle + 400] {
                *byte ^= 0x5a;
            }
        });
        hurt.damaged(&whole).check();
    }
}

/// A recording that was switched on in mid-group: it begins with the first picture that can be
/// decoded.
#[test]
fn cut_off_heads() {
    let clips = Clips::new();
    let cases = [
        (
            "hevc",
            "-c:v libx265 -preset ultrafast -x265-params log-level=none:keyint=20:min-keyint=20:scenecut=0",
        ),
        (
            "h264",
            "-c:v libx264 -preset veryfast -crf 18 -bf 3 -x264-params keyint=20:min-keyint=20:scenecut=0",
        ),
        ("mpeg2", "-c:v mpeg2video -q:v 2 -g 12 -bf 2"),
    ];
    for (name, encoder) in cases {
        let whole = clips.encode(&format!("whole-{name}.ts"), 140, encoder);
        clips
            .patch(&format!("{name}.ts"), &whole, |bytes| {
                drop(bytes.drain(..bytes.len() / 188 * 2 / 5 * 188));
            })
            .may_warn("in the middle of a group")
            .may_warn("damaged packet")
            .check_as_is();
    }
}

//! The other codecs, each in a container where it is at home.

use crate::clips::Clips;

/// Hidden reference frames: shown later, or never.
#[test]
fn vp9() {
    let clips = Clips::new();
    let vp9 = "-c:v libvpx-vp9 -cpu-used 5 -crf 20 -b:v 0";
    clips.encode("hidden.webm", 75, &format!("{vp9} -g 40 -lag-in-frames 16 -auto-alt-ref 1")).check();
    clips.encode("live.webm", 60, &format!("{vp9} -deadline realtime -g 20 -error-resilient 1")).check();
    clips.encode("a.mp4", 60, &format!("{vp9} -deadline realtime -g 24 -pix_fmt yuv444p")).check();
    clips.encode("10.mkv", 60, &format!("{vp9} -deadline realtime -g 24 -pix_fmt yuv420p10le")).check();
}

#[test]
fn vp8() {
    let clips = Clips::new();
    let vp8 = "-c:v libvpx -cpu-used 5 -b:v 2M";
    clips.encode("hidden.webm", 75, &format!("{vp8} -g 40 -lag-in-frames 16 -auto-alt-ref 1")).check();
    clips.encode("live.webm", 60, &format!("{vp8} -deadline realtime -g 20")).check();
}

#[test]
fn av1_by_libaom() {
    let clips = Clips::new();
    let aom = "-c:v libaom-av1 -cpu-used 8 -crf 30 -b:v 0";
    clips.encode("a.mp4", 75, &format!("{aom} -g 40 -lag-in-frames 16")).check();
    clips.encode("live.mkv", 60, &format!("{aom} -usage realtime -g 24")).check();
    clips.encode("10.mp4", 50, &format!("{aom} -usage realtime -g 24 -pix_fmt yuv420p10le")).check();
}

#[test]
fn av1_by_svt() {
    Clips::new().encode("a.mp4", 75, "-c:v libsvtav1 -preset 12 -crf 30 -g 32").check();
}

#[test]
fn mpeg_4() {
    let clips = Clips::new();
    clips.encode("a.mp4", 75, "-c:v mpeg4 -q:v 2 -g 12 -bf 2").check();
    clips.encode("plain.avi", 75, "-c:v mpeg4 -q:v 2 -g 12").check();
    clips.encode("a.avi", 75, "-c:v mpeg4 -q:v 2 -g 12 -bf 2").check();
}

/// Two pictures in one packet, and an empty packet after it.
#[test]
fn mpeg_4_with_packed_pictures() {
    Clips::new().encode("a.avi", 75, "-c:v libxvid -q:v 2 -g 20 -bf 2").check_as_is();
}

#[test]
fn mpeg_1_and_2() {
    let clips = Clips::new();
    let mpeg2 = "-c:v mpeg2video -q:v 2 -g 12 -bf 2";
    clips.encode("a.ts", 75, mpeg2).check();
    clips.encode("a.mpg", 75, mpeg2).check();
    clips.encode("a.vob", 75, mpeg2).check();
    clips.encode("closed.ts", 75, &format!("{mpeg2} -flags +cgop -sc_threshold 1000000000")).check();
    clips.encode("fields.ts", 60, &format!("{mpeg2} -flags +ildct+ilme -top 1")).check();
    clips.encode("422.mov", 60, &format!("{mpeg2} -pix_fmt yuv422p")).check();
    clips.encode("a.mkv", 60, mpeg2).check();
    clips.encode("one.mpg", 60, "-c:v mpeg1video -q:v 2 -g 12 -bf 2").check();
}

#[test]
fn prores() {
    let clips = Clips::new();
    clips.encode("a.mov", 50, "-c:v prores_ks -profile:v 2 -pix_fmt yuv422p10le").check();
    clips.encode("444.mov", 50, "-c:v prores_ks -profile:v 4 -pix_fmt yuv444p10le").check();
    clips.encode("a.mkv", 50, "-c:v prores").check();
}

#[test]
fn dnxhd() {
    let size = "-vf scale=256:128";
    Clips::new()
        .encode("a.mov", 50, &format!("{size} -c:v dnxhd -profile:v dnxhr_sq -pix_fmt yuv422p"))
        .check();
}

#[test]
fn every_picture_by_itself() {
    let clips = Clips::new();
    clips.encode("m.avi", 50, "-c:v mjpeg -q:v 2 -pix_fmt yuvj420p").check();
    clips.encode("m.mov", 50, "-c:v mjpeg -q:v 2 -pix_fmt yuvj422p").check();
    clips.encode("f.mkv", 50, "-c:v ffv1").check();
    clips.encode("rgb.mkv", 50, "-c:v ffv1 -pix_fmt bgr0").check();
    clips.encode("h.avi", 50, "-c:v huffyuv -pix_fmt yuv422p").check();
    clips.encode("u.mkv", 50, "-c:v utvideo -pix_fmt yuv444p").check();
    clips.encode("raw.avi", 50, "-c:v rawvideo").check();
    clips.encode("p.mov", 50, "-c:v png -pix_fmt rgb24").check();
}

#[test]
fn old_windows_and_flash() {
    let clips = Clips::new();
    clips.encode("a.wmv", 75, "-c:v wmv2 -q:v 2 -g 12").check();
    clips.encode("b.asf", 60, "-c:v wmv1 -q:v 2 -g 12").check();
    clips.encode("m.avi", 60, "-c:v msmpeg4 -q:v 2 -g 12").check();
    clips.encode("s.flv", 60, "-c:v flv -q:v 2 -g 12").check();
}

/// x264 before build 151 coded 4:4:4 against the standard; only its first picture says so.
#[test]
fn h264_444_by_an_old_encoder() {
    let clips = Clips::new();
    let arguments = "-c:v libx264 -preset veryfast -crf 18 -bf 3 -g 24 -pix_fmt yuv444p";
    for name in ["a.mp4", "a.mkv", "a.ts"] {
        let whole = clips.encode(&format!("new-{name}"), 75, arguments);
        // The pictures come out wrong, but the same ones whichever way.
        clips
            .patch(name, &whole, |bytes| {
                let text = b"x264 - core ";
                let found: Vec<_> = (0..bytes.len()).filter(|at| bytes[*at..].starts_with(text)).collect();
                for at in found {
                    bytes[at + text.len()..][..3].copy_from_slice(b"142");
                }
            })
            .without_numbers()
            .may_warn("damaged")
            .check();
    }
}

/// Colours that are numbers of a palette, which comes once.
#[test]
fn palettes() {
    let clips = Clips::new();
    let palette =
        "-vf split[a][b];[a]palettegen=reserve_transparent=0[p];[b][p]paletteuse=dither=none -pix_fmt pal8";
    clips.encode("gray.mov", 60, "-c:v qtrle -pix_fmt gray -g 15").check();
    // Too restless for JPEG to keep its colours.
    clips.encode("raw.mov", 50, &format!("{palette} -c:v rawvideo")).without_colours().check();
    clips.encode("raw.avi", 50, &format!("{palette} -c:v rawvideo")).without_colours().check();
}

/// Codecs whose pictures do not tell what they were predicted from, in containers that mark
/// every one as a sync point.
#[test]
fn sync_marks_that_cannot_be_checked() {
    let clips = Clips::new();
    for (name, encoder) in [
        ("cinepak.mov", "-c:v cinepak -g 25"),
        ("qtrle.mov", "-c:v qtrle -g 25 -pix_fmt rgb24"),
        ("msvideo1.mov", "-c:v msvideo1 -g 25 -pix_fmt rgb555le"),
    ] {
        let whole = clips.encode(&format!("whole-{name}"), 60, encoder);
        clips
            .patch(name, &whole, |bytes| {
                let table = bytes.windows(4).position(|window| window == b"stss");
                if let Some(at) = table {
                    bytes[at..at + 4].copy_from_slice(b"free");
                }
            })
            .without_colours()
            .check();
    }
}

/// Its decoder's threads race for the same picture.
#[test]
fn theora() {
    Clips::new().encode("whole.mkv", 60, "-c:v libtheora -q:v 8 -g 12").check();
}

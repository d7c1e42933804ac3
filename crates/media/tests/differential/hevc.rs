//! HEVC: open groups, deep reordering, temporal layers, more than 8 bits.

use crate::clips::Clips;

fn x265(params: &str) -> String {
    format!("-c:v libx265 -preset ultrafast -crf 18 -x265-params log-level=none:{params}")
}

#[test]
fn open_groups() {
    let clips = Clips::new();
    let open =
        clips.encode("a.mp4", 75, &x265("open-gop=1:keyint=20:min-keyint=20:scenecut=0:bframes=4:b-adapt=0"));
    clips.remake("a.mkv", &open, "", "-c copy").check();
    clips.remake("a.ts", &open, "", "-c copy").check();
    open.check();
}

/// What precedes the first sync point in presentation order refers to pictures that are gone.
#[test]
fn leading_pictures_without_their_references() {
    let clips = Clips::new();
    let params = "open-gop=1:keyint=20:min-keyint=20:scenecut=0:bframes=4:b-adapt=0";
    let open = clips.encode("whole.ts", 100, &x265(params));
    clips.remake("a.ts", &open, "-ss 1.5", "-c copy").shows(40..100).check();
}

#[test]
fn closed_groups() {
    Clips::new().encode("a.mp4", 75, &x265("open-gop=0:keyint=25:bframes=3")).check();
}

#[test]
fn pyramid_of_eight() {
    Clips::new().encode("a.mkv", 75, &x265("keyint=40:bframes=8:b-adapt=0:ref=4:rc-lookahead=20")).check();
}

#[test]
fn ten_bits() {
    let arguments = x265("keyint=24:bframes=4:b-adapt=0");
    Clips::new().encode("a.mp4", 60, &format!("{arguments} -pix_fmt yuv420p10le")).check();
}

#[test]
fn more_chroma() {
    let arguments = x265("keyint=24");
    Clips::new().encode("a.mp4", 50, &format!("{arguments} -pix_fmt yuv444p")).check();
}

#[test]
fn temporal_layers() {
    Clips::new().encode("a.mp4", 75, &x265("keyint=24:bframes=3:temporal-layers=2:b-adapt=0")).check();
}

#[test]
fn one_group() {
    Clips::new().encode("a.mp4", 100, &x265("keyint=-1:scenecut=0:bframes=4")).check();
}

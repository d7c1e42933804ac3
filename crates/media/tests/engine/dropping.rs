//! Pictures that nobody asked for are left out before the decoder: those that are given must
//! be, sample by sample, the ones of a run that leaves nothing out.

use std::path::Path;

use framelift_domain::{Format, Options, Rational, Select};

use crate::clips::Clips;
use crate::run::{Extracted, run};

fn extract(path: &Path, select: Select) -> Extracted {
    let options = Options { select, format: Format::Png, ..Options::default() };
    run(path, &options).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Times 300 ms and 170 ms apart, against every frame.
fn check(path: &Path) {
    check_with(path, &[]);
}

fn check_with(path: &Path, warnings: &[&str]) {
    let all = extract(path, Select::All);
    assert!(all.manifest.frames.len() >= 73, "{}", path.display());
    for milliseconds in [300, 170] {
        let sparse = extract(path, Select::Every(Rational::new(milliseconds, 1000).unwrap()));
        assert_eq!(sparse.manifest.warnings, warnings, "{}", path.display());
        assert_eq!(sparse.manifest.source.duration, all.manifest.source.duration, "{}", path.display());
        for (index, frame) in sparse.manifest.frames.iter().enumerate() {
            let same = all.manifest.frames.iter().position(|other| other.pts == frame.pts);
            let same = same.unwrap_or_else(|| panic!("{}: no frame at {}", path.display(), frame.pts));
            let context = format!("{} every {milliseconds} ms: frame {same}", path.display());
            assert_eq!(sparse.image(index), all.image(same), "{context}");
            // The one on screen: not later than asked, and the next one later.
            let requested = Rational::new(index as i128 * milliseconds, 1000).unwrap();
            assert!(at(&frame.time) <= requested, "{context}");
            if let Some(next) = all.manifest.frames.get(same + 1) {
                assert!(at(&next.time) > requested, "{context}");
            }
        }
    }
}

/// A time of the manifest: a decimal, or a fraction.
fn at(text: &str) -> Rational {
    match text.split_once('/') {
        Some((num, den)) => Rational::new(num.parse().unwrap(), den.parse().unwrap()).unwrap(),
        None => Rational::parse_decimal(text).unwrap(),
    }
}

const X264: &str = "-c:v libx264 -preset veryfast -g 24 -bf 3";

#[test]
fn h264() {
    let clips = Clips::new();
    for pyramid in ["none", "strict", "normal"] {
        let arguments = format!("{X264} -x264-params b-pyramid={pyramid}:b-adapt=0:ref=4");
        for container in ["mp4", "ts", "mkv"] {
            check(&clips.make(&format!("{pyramid}.{container}"), 75, &arguments));
        }
    }
    let open = format!("{X264} -x264-params open-gop=1:keyint=20:b-adapt=0");
    let interlaced = format!("{X264} -flags +ildct+ilme -x264-params tff=1:b-adapt=0");
    for (name, arguments) in [("open", open), ("interlaced", interlaced)] {
        for container in ["mp4", "ts"] {
            check(&clips.make(&format!("{name}.{container}"), 75, &arguments));
        }
    }
}

#[test]
fn hevc() {
    let clips = Clips::new();
    let x265 = "-c:v libx265 -preset ultrafast -pix_fmt yuv420p -x265-params \
                log-level=none:keyint=24:bframes=3:b-adapt=0";
    for (name, options) in
        [("closed", "open-gop=0"), ("open", "open-gop=1"), ("layers", "temporal-layers=3:b-pyramid=1")]
    {
        for container in ["mp4", "ts"] {
            check(&clips.make(&format!("{name}.{container}"), 75, &format!("{x265}:{options}")));
        }
    }
}

#[test]
fn av1() {
    let clips = Clips::new();
    check(&clips.make("aom.mp4", 75, "-c:v libaom-av1 -cpu-used 8 -crf 30 -b:v 0 -g 24 -lag-in-frames 19"));
    check(&clips.make("svt.mp4", 75, "-c:v libsvtav1 -preset 10 -g 24"));
    check(&clips.make("svt.mkv", 75, "-c:v libsvtav1 -preset 10 -g 24"));
    check(&clips.make("rav1e.mkv", 75, "-c:v librav1e -speed 10 -g 24"));
}

#[test]
fn vp8_and_vp9() {
    let clips = Clips::new();
    let layers = "-deadline realtime -cpu-used 8 -b:v 800k -g 24 -lag-in-frames 0 -ts-parameters \
                  ts_number_layers=3:ts_target_bitrate=200,400,800:ts_rate_decimator=4,2,1:\
                  ts_periodicity=4:ts_layer_id=0,2,1,2:ts_layering_mode=3";
    check(&clips.make("layers8.webm", 75, &format!("-c:v libvpx -error-resilient default {layers}")));
    check(&clips.make("layers9.webm", 75, &format!("-c:v libvpx-vp9 {layers}")));
    let vp9 = "-c:v libvpx-vp9 -deadline good -cpu-used 5 -crf 20 -b:v 0 -g 24 -auto-alt-ref 1";
    check(&clips.make("hidden.webm", 75, &format!("{vp9} -lag-in-frames 16")));
}

#[test]
fn mpeg() {
    let clips = Clips::new();
    for container in ["mp4", "ts", "mpg", "mkv"] {
        check(&clips.make(&format!("2.{container}"), 75, "-c:v mpeg2video -q:v 3 -g 12 -bf 2"));
    }
    check(&clips.make("i.ts", 75, "-c:v mpeg2video -q:v 3 -g 12 -bf 2 -flags +ildct+ilme"));
    check(&clips.make("1.mkv", 75, "-c:v mpeg1video -q:v 3 -g 12 -bf 2"));
    for container in ["mp4", "mkv", "ts", "avi"] {
        check(&clips.make(&format!("4.{container}"), 75, "-c:v mpeg4 -q:v 3 -g 12 -bf 2"));
    }
    // FFmpeg's muxer has no presentation times of this encoder.
    check_with(
        &clips.make("x.mp4", 75, "-c:v libxvid -q:v 3 -g 12 -bf 2"),
        &["the file has presentation times in the order of decoding; frames are shown in the codec's own \
           order instead"],
    );
}

#[test]
fn pictures_by_themselves() {
    let clips = Clips::new();
    check(&clips.make("m.mov", 75, "-c:v mjpeg -q:v 3 -pix_fmt yuvj420p"));
    check(&clips.make("m.avi", 75, "-c:v mjpeg -q:v 3 -pix_fmt yuvj420p"));
    check(&clips.make("p.mov", 75, "-c:v prores_ks -profile:v 0"));
    check(&clips.make("d.mov", 75, "-c:v dnxhd -profile:v dnxhr_lb -pix_fmt yuv422p -s 256x128"));
    check(&clips.make("u.mkv", 75, "-c:v utvideo"));
}

/// The clock of the second part starts anew: from the joint on, nothing may be left out.
#[test]
fn joined_broadcasts() {
    let clips = Clips::new();
    let arguments = format!("{X264} -x264-params b-adapt=0");
    let first = clips.make("first.ts", 75, &format!("{arguments} -output_ts_offset 60"));
    let second = clips.make("second.ts", 75, &arguments);
    let joined = clips.patch("joined.ts", &first, |bytes| bytes.extend(std::fs::read(&second).unwrap()));
    let (all, sparse) =
        (extract(&joined, Select::All), extract(&joined, Select::Every(Rational::new(300, 1000).unwrap())));
    assert!(all.manifest.frames.len() >= 145, "{}", all.manifest.frames.len());
    assert_eq!(sparse.manifest.warnings, all.manifest.warnings);
    for (index, frame) in sparse.manifest.frames.iter().enumerate() {
        let requested = Rational::new(index as i128 * 300, 1000).unwrap();
        let on_screen = all.manifest.frames.iter().rposition(|other| at(&other.time) <= requested).unwrap();
        assert_eq!(frame.time, all.manifest.frames[on_screen].time, "{requested:?}");
        assert_eq!(sparse.image(index), all.image(on_screen), "{requested:?}");
    }
}

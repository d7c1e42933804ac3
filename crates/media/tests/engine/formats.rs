//! Image formats against each other, by decoders that are not ours; and the storyboard.

use std::path::{Path, PathBuf};
use std::process::Command;

use framelift_domain::{Fit, Format, Options, Rational, Resize, Select};

use crate::avif;
use crate::clips::{Clips, HEIGHT, WIDTH};
use crate::run::{Extracted, Rgb, run};

fn sample(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../e2e/media").join(name)
}

fn extracted(path: &Path, format: Format, quality: u8, size: Option<(u32, u32)>) -> Extracted {
    let resize =
        size.map(|(width, height)| Resize { width: Some(width), height: Some(height), fit: Fit::Fill });
    let options = Options { select: Select::Count(2), format, quality, resize, ..Options::default() };
    run(path, &options).unwrap()
}

/// Peak signal-to-noise ratio of two pictures' samples, in decibels.
fn psnr(a: &Rgb, b: &Rgb) -> f64 {
    assert_eq!((a.width, a.height), (b.width, b.height));
    let squares: f64 = a.pixels.iter().zip(&b.pixels).map(|(a, b)| f64::from(a.abs_diff(*b)).powi(2)).sum();
    10.0 * (255.0_f64.powi(2) * a.pixels.len() as f64 / squares.max(1.0)).log10()
}

#[test]
fn lossy_formats_show_what_the_lossless_one_shows() {
    let path = sample("big-buck-bunny-5s.mp4");
    for size in [(640, 360), (321, 181)] {
        let exact = extracted(&path, Format::Png, 90, Some(size));
        for (format, least) in [(Format::Jpeg, 35.0), (Format::Webp, 34.0), (Format::Avif, 35.0)] {
            let lossy = extracted(&path, format, 90, Some(size));
            for index in 0..2 {
                let psnr = psnr(&lossy.image(index), &exact.image(index));
                assert!(psnr > least, "{format:?} {size:?}: {psnr:.1} dB");
            }
        }
    }
}

#[test]
fn sizes_may_be_tiny_and_odd() {
    let clips = Clips::new();
    let path =
        clips.remake("a.mp4", "-f lavfi", Path::new("color=0x30a060:size=64x48:duration=0.4"), "-qp 4");
    for size in [(1, 1), (1, 2), (2, 1), (3, 5), (17, 15), (321, 181)] {
        let exact = extracted(&path, Format::Png, 90, Some(size)).image(0);
        for format in [Format::Jpeg, Format::Webp, Format::Avif] {
            let lossy = extracted(&path, format, 90, Some(size)).image(0);
            assert!(
                psnr(&lossy, &exact) > 34.0,
                "{format:?} {size:?}: {:?} {:?}",
                lossy.at(0, 0),
                exact.at(0, 0)
            );
        }
    }
}

#[test]
fn quality_costs_bytes_and_gives_quality() {
    let path = sample("nasa-13s.mp4");
    let exact = extracted(&path, Format::Png, 90, None);
    for format in [Format::Jpeg, Format::Webp, Format::Avif] {
        let steps = [1, 25, 50, 75, 90, 100].map(|quality| {
            let lossy = extracted(&path, format, quality, None);
            (lossy.manifest.frames[0].bytes, psnr(&lossy.image(0), &exact.image(0)))
        });
        for pair in steps.windows(2) {
            assert!(pair[0].0 < pair[1].0 && pair[0].1 < pair[1].1, "{format:?}: {steps:?}");
        }
    }
}

#[test]
fn avif_names_its_colours_and_its_size() {
    let extracted = extracted(&sample("nasa-13s.mp4"), Format::Avif, 60, Some((101, 57)));
    let file = extracted.member("frames/frame_000001.avif");
    assert_eq!(avif::size(&file), (101, 57));
    let bitstream = Clips::new();
    let path = bitstream.path("picture.obu");
    std::fs::write(&path, avif::picture(&file)).unwrap();
    let entries = "stream=width,height,pix_fmt,color_range,color_space,color_transfer,color_primaries";
    let output = Command::new("ffprobe")
        .args(["-v", "error", "-f", "obu", "-show_entries", entries, "-of", "csv=p=0"])
        .arg(&path)
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert_eq!(said.trim(), "101,57,yuv420p,pc,smpte170m,iec61966-2-1,bt709");
}

#[test]
fn a_storyboard_shows_every_frame_at_its_time() {
    let clips = Clips::new();
    let plain = clips.make("a.mp4", 50, "-c:v libx264 -g 12 -bf 2 -qp 10");
    let turned = clips.remake("turned.mp4", "", &plain, "-c copy -metadata:s:v rotate=90");
    let every = Options {
        select: Select::Every(Rational::new(1, 10).unwrap()),
        storyboard: true,
        ..Options::default()
    };
    for (path, width, height) in [(&plain, 160, 93), (&turned, 93, 160)] {
        let extracted = run(path, &every).unwrap();
        let mut zip = zip::ZipArchive::new(std::io::Cursor::new(&extracted.bytes)).unwrap();
        let names: Vec<_> =
            (20..23).map(|index| zip.by_index(index).unwrap().name().unwrap().into_owned()).collect();
        assert_eq!(names, ["storyboard.jpg", "storyboard.vtt", "manifest.json"]);
        let sheet = Rgb::decode(Format::Jpeg, &extracted.member("storyboard.jpg"));
        assert_eq!((sheet.width, sheet.height), ((width + width % 2) * 10, (height + height % 2) * 2));
        let cues = String::from_utf8(extracted.member("storyboard.vtt")).unwrap();
        let cues: Vec<_> = cues.split("\n\n").skip(1).collect();
        assert_eq!(cues.len(), 20);
        assert!(cues[0].starts_with("00:00:00.000 --> 00:00:00.080\n"), "{}", cues[0]);
        assert!(cues[19].starts_with("00:00:01.880 --> 00:00:02.000\n"), "{}", cues[19]);
        for (cue, frame) in cues.iter().zip(&extracted.manifest.frames) {
            let place: Vec<usize> =
                cue.trim().split_once("=").unwrap().1.split(',').map(|n| n.parse().unwrap()).collect();
            let [x, y, w, h] = place[..] else { panic!("{cue}") };
            assert_eq!((w, h), (width, height));
            let cell = |across: usize, down: usize| sheet.at(x + across, y + down)[1];
            let number = match width > height {
                true => crate::clips::number(cell, w, h),
                // A quarter to the left again.
                false => crate::clips::number(|across, down| cell(down, h - 1 - across), h, w),
            };
            assert_eq!(number as i64, frame.pts * 25 / 12800, "{cue}");
        }
    }
    assert_eq!((WIDTH, HEIGHT), (192, 112), "the sizes above follow from these");
}

#[test]
fn a_long_storyboard_stays_small() {
    let clips = Clips::new();
    let path = clips.make_sized("a.mp4", (64, 48), 250, "", "-c:v libx264 -preset ultrafast");
    let looped = clips.remake("long.mp4", "-stream_loop 3", &path, "-c copy");
    let extracted =
        run(&looped, &Options { select: Select::All, storyboard: true, ..Options::default() }).unwrap();
    assert_eq!(extracted.outcome.frames, 1000);
    let cues = String::from_utf8(extracted.member("storyboard.vtt")).unwrap();
    assert_eq!(cues.matches(" --> ").count(), 250);
    let sheet = Rgb::decode(Format::Jpeg, &extracted.member("storyboard.jpg"));
    assert_eq!((sheet.width, sheet.height), (1600, 120 * 25));
}

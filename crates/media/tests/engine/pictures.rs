//! What the images look like: colours, direction, size; and that archives are alike.

use std::io::Write as _;
use std::path::Path;
use std::process::Command;

use framelift_domain::{Fit, Format, Options, Resize, Select};

use crate::clips::{Clips, ffmpeg};
use crate::run::{Rgb, run};

fn png() -> Options {
    Options { select: Select::All, format: Format::Png, ..Options::default() }
}

fn jpeg() -> Options {
    Options { select: Select::All, quality: 98, ..Options::default() }
}

/// Every format, at a quality at which colours can be told.
fn formats() -> [Options; 4] {
    [Format::Jpeg, Format::Png, Format::Webp, Format::Avif].map(|format| Options {
        select: Select::Count(1),
        quality: 80,
        format,
        ..Options::default()
    })
}

/// Large areas of the eight colours of a test card, at 75 %.
const BARS: &str = "smptehdbars=size=256x128:rate=5:duration=1";

/// The mean difference between two pictures' samples.
fn difference(a: &Rgb, b: &Rgb) -> f64 {
    assert_eq!((a.width, a.height), (b.width, b.height));
    let sum: u64 = a.pixels.iter().zip(&b.pixels).map(|(a, b)| u64::from(a.abs_diff(*b))).sum();
    sum as f64 / a.pixels.len() as f64
}

/// The first frame of `path` as the `ffmpeg` program shows it, scaled by its best means.
fn reference(path: &Path, filter: &str) -> Rgb {
    let output = ffmpeg()
        .arg("-i")
        .arg(path)
        .args(["-frames:v", "1", "-vf", filter, "-c:v", "png", "-f", "image2pipe", "-"])
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    Rgb::decode(Format::Png, &output.stdout)
}

/// Chroma of 4:2:0 and 4:2:2 lies on the left where nothing else is said (ITU-T H.264, E.2.1);
/// the program would take the middle.
const EXACT: &str = "in_h_chr_pos=0:flags=bicubic+accurate_rnd+full_chroma_int,format=rgb24";

#[test]
fn colours_are_those_of_a_correct_player() {
    let clips = Clips::new();
    let tags = |matrix: &str, range: &str| {
        format!(
            "-vf scale=out_color_matrix={matrix}:out_range={range} -colorspace {matrix} -color_range {range} \
             -color_primaries bt709"
        )
    };
    let x264 = "-c:v libx264 -qp 1 -pix_fmt";
    let cases = [
        ("bt709", "tv", "yuv420p", "bt709"),
        ("smpte170m", "tv", "yuv420p", "bt601"),
        // With the primaries of BT.709, so that the matrix is all there is to convert.
        ("bt2020nc", "tv", "yuv420p", "bt2020"),
        ("bt709", "pc", "yuvj420p", "bt709"),
        ("smpte170m", "pc", "yuvj420p", "bt601"),
        ("bt709", "tv", "yuv422p", "bt709"),
        ("bt709", "tv", "yuv444p10le", "bt709"),
        ("bt709", "tv", "yuv420p10le", "bt709"),
    ];
    for (index, (matrix, range, format, name)) in cases.into_iter().enumerate() {
        let arguments = format!("{} {x264} {format}", tags(matrix, range));
        let path = clips.remake(&format!("{index}.mp4"), "-f lavfi", Path::new(BARS), &arguments);
        let filter = format!("scale=in_color_matrix={name}:in_range={range}:{EXACT}");
        let expected = reference(&path, &filter);
        let lossless = run(&path, &png()).unwrap().image(0);
        assert!(
            difference(&lossless, &expected) < 0.5,
            "{matrix} {range} {format}: {}",
            difference(&lossless, &expected)
        );
        // JPEG has less colour resolution: compared within the bars, not at their edges.
        let lossy = run(&path, &jpeg()).unwrap().image(0);
        for x in (8..256).step_by(4) {
            let (got, wanted) = (lossy.at(x, 30), expected.at(x, 30));
            let flat = (x - 6..x + 6).all(|near| expected.at(near.min(255), 30) == wanted);
            if flat {
                let far = got.iter().zip(wanted).any(|(a, b)| a.abs_diff(b) > 3);
                assert!(!far, "{matrix} {range} {format} at {x}: {got:?} {wanted:?}");
            }
        }
    }
}

#[test]
fn unsaid_colours_follow_the_number_of_lines() {
    let clips = Clips::new();
    for (lines, name) in [(576, "bt601"), (720, "bt709")] {
        let bars = format!("smptehdbars=size=256x{lines}:rate=5:duration=0.4");
        let arguments = format!("-vf scale=out_color_matrix={name}:out_range=tv -c:v mpeg4 -q:v 1");
        let path = clips.remake(&format!("{lines}.avi"), "-f lavfi", Path::new(&bars), &arguments);
        let expected = reference(&path, &format!("scale=in_color_matrix={name}:in_range=tv:{EXACT}"));
        let got = run(&path, &png()).unwrap().image(0);
        assert!(difference(&got, &expected) < 0.5, "{lines}: {}", difference(&got, &expected));
        let got = run(&path, &jpeg()).unwrap().image(0);
        assert!(difference(&got, &expected) < 3.0, "{lines}: {}", difference(&got, &expected));
    }
}

/// Red, green, blue and white quarters.
fn quarters(
    clips: &Clips,
    name: &str,
    (width, height): (usize, usize),
    arguments: &str,
) -> std::path::PathBuf {
    let source = format!(
        "color=red:size={0}x{1}:rate=5:duration=0.4[a];color=lime:size={0}x{1}:rate=5[b];color=blue:size={0}x{1}:rate=5[c];\
         color=white:size={0}x{1}:rate=5[d];[a][b]hstack=shortest=1[e];[c][d]hstack=shortest=1[f];[e][f]vstack=shortest=1",
        width / 2,
        height / 2
    );
    clips.remake(name, "-f lavfi", Path::new(&source), arguments)
}

fn colour([r, g, b]: [u8; 3]) -> char {
    match (r > 128, g > 128, b > 128) {
        (true, false, false) => 'r',
        (false, true, false) => 'g',
        (false, false, true) => 'b',
        (true, true, true) => 'w',
        _ => '?',
    }
}

/// The colours of the corners, row by row.
fn corners(image: &Rgb) -> String {
    let (x, y) = (image.width / 8, image.height / 8);
    let at = |x, y| colour(image.at(x, y));
    [
        at(x, y),
        at(image.width - 1 - x, y),
        at(x, image.height - 1 - y),
        at(image.width - 1 - x, image.height - 1 - y),
    ]
    .into_iter()
    .collect()
}

#[test]
fn rotation_and_mirroring_are_applied() {
    let clips = Clips::new();
    let plain = quarters(&clips, "plain.mp4", (192, 112), "-c:v libx264 -qp 10 -pix_fmt yuv420p");
    // The matrix in `tkhd`, version 0: after 40 bytes of the box's content.
    let with_matrix = |name: &str, [a, b, c, d]: [i32; 4]| {
        clips.patch(name, &plain, |bytes| {
            let at = bytes.windows(4).position(|window| window == b"tkhd").unwrap() + 4 + 40;
            for (offset, value) in [(0, a), (4, b), (12, c), (16, d)] {
                bytes[at + offset..at + offset + 4].copy_from_slice(&(value << 16).to_be_bytes());
            }
        })
    };
    let cases = [
        ([1, 0, 0, 1], (192, 112), "rgbw"),
        ([0, 1, -1, 0], (112, 192), "brwg"),
        ([-1, 0, 0, -1], (192, 112), "wbgr"),
        ([0, -1, 1, 0], (112, 192), "gwrb"),
        ([-1, 0, 0, 1], (192, 112), "grwb"),
        ([1, 0, 0, -1], (192, 112), "bwrg"),
    ];
    for (matrix, size, expected) in cases {
        let path = with_matrix("turned.mp4", matrix);
        for options in formats() {
            let image = run(&path, &options).unwrap().image(0);
            assert_eq!(
                ((image.width, image.height), corners(&image).as_str()),
                (size, expected),
                "{matrix:?}"
            );
        }
    }
    // What ffmpeg itself calls a rotation by 90 degrees.
    let path = clips.remake("r.mp4", "", &plain, "-c copy -metadata:s:v rotate=90");
    let image = run(&path, &jpeg()).unwrap().image(0);
    let expected = reference(&path, EXACT.split_once(',').unwrap().1);
    assert_eq!(corners(&image), corners(&expected));
    assert_eq!((image.width, image.height), (expected.width, expected.height));
}

#[test]
fn pixels_come_out_square_and_sizes_may_be_odd() {
    let clips = Clips::new();
    let wide = quarters(&clips, "wide.mp4", (192, 112), "-vf setsar=16/15 -c:v libx264 -pix_fmt yuv420p");
    let narrow = quarters(&clips, "narrow.mkv", (192, 112), "-vf setsar=8/9 -c:v libx264 -pix_fmt yuv420p");
    let odd =
        quarters(&clips, "odd.mkv", (192, 112), "-vf crop=191:111:0:0:exact=1 -c:v ffv1 -pix_fmt yuv420p");
    let odd_444 =
        quarters(&clips, "odd.mp4", (192, 112), "-vf format=yuv444p,crop=191:111:0:0 -c:v libx264 -qp 1");
    let gray = quarters(&clips, "rgb.mkv", (192, 112), "-c:v ffv1 -pix_fmt bgr0");
    for (path, size) in [
        (wide, (205, 112)),
        (narrow, (171, 112)),
        (odd, (191, 111)),
        (odd_444, (191, 111)),
        (gray, (192, 112)),
    ] {
        for options in formats() {
            let image = run(&path, &options).unwrap().image(0);
            assert_eq!((image.width, image.height), size, "{}", path.display());
            assert_eq!(corners(&image), "rgbw", "{}", path.display());
        }
    }
}

#[test]
fn images_are_resized_as_asked() {
    let clips = Clips::new();
    let path = quarters(&clips, "a.mp4", (192, 112), "-c:v libx264 -pix_fmt yuv420p");
    let cases = [
        (Some(96), None, Fit::Contain, (96, 56)),
        (None, Some(57), Fit::Contain, (98, 57)),
        (Some(50), Some(50), Fit::Contain, (50, 29)),
        (Some(51), Some(51), Fit::Cover, (51, 51)),
        (Some(50), Some(70), Fit::Fill, (50, 70)),
        (Some(400), Some(400), Fit::Contain, (400, 233)),
    ];
    for (width, height, fit, size) in cases {
        for options in formats() {
            let options = Options { resize: Some(Resize { width, height, fit }), ..options };
            let image = run(&path, &options).unwrap().image(0);
            assert_eq!((image.width, image.height), size);
            assert_eq!(corners(&image), "rgbw");
        }
    }
}

#[test]
fn turned_wide_pixels_are_resized_as_they_are_shown() {
    let clips = Clips::new();
    // Shown 205 by 112, then turned: 112 by 205.
    let wide = quarters(&clips, "wide.mp4", (192, 112), "-vf setsar=16/15 -c:v libx264 -pix_fmt yuv420p");
    let path = clips.remake("turned.mp4", "", &wide, "-c copy -metadata:s:v rotate=90");
    let upright = run(&path, &png()).unwrap().image(0);
    assert_eq!((upright.width, upright.height), (112, 205));
    let cases = [
        (Some(56), None, Fit::Contain, (56, 102)),
        (Some(80), Some(80), Fit::Contain, (44, 80)),
        (Some(81), Some(61), Fit::Cover, (81, 61)),
        (Some(31), Some(99), Fit::Cover, (31, 99)),
        (Some(99), Some(31), Fit::Fill, (99, 31)),
    ];
    for (width, height, fit, size) in cases {
        for options in formats() {
            let options = Options { resize: Some(Resize { width, height, fit }), ..options };
            let image = run(&path, &options).unwrap().image(0);
            assert_eq!((image.width, image.height), size);
            assert_eq!(corners(&image), corners(&upright), "{options:?}");
        }
    }
}

#[test]
fn a_size_that_changes_on_the_way_is_followed() {
    let clips = Clips::new();
    let small = clips.make("s.ts", 30, "-c:v libx264 -g 10 -bf 2");
    let large =
        clips.make_sized("l.ts", (320, 240), 30, "", "-c:v libx264 -g 10 -bf 2 -output_ts_offset 1.2");
    let joined = clips.patch("joined.ts", &small, |bytes| bytes.extend(std::fs::read(&large).unwrap()));
    let extracted = run(&joined, &jpeg()).unwrap();
    let sizes: Vec<_> = extracted.manifest.frames.iter().map(|frame| (frame.width, frame.height)).collect();
    assert_eq!(sizes[..30], [(192, 112); 30]);
    assert_eq!(sizes[30..], [(320, 240); 30]);
    let numbers: Vec<_> = (0..30).chain(0..30).collect();
    assert_eq!(extracted.numbers(), numbers);
}

#[test]
fn the_same_job_gives_the_same_bytes() {
    let clips = Clips::new();
    let path = clips.make("a.mp4", 75, "-c:v libx264 -g 12 -bf 3");
    for options in formats() {
        let options = Options { select: Select::Count(10), storyboard: true, ..options };
        let first = run(&path, &options).unwrap();
        for _ in 0..3 {
            assert!(run(&path, &options).unwrap().bytes == first.bytes, "{options:?}");
        }
    }
}

#[test]
fn other_programs_open_the_archive() {
    let clips = Clips::new();
    let path = clips.make("a.mp4", 75, "-c:v libx264 -g 12 -bf 3");
    let archive = clips.path("frames.zip");
    std::fs::File::create(&archive).unwrap().write_all(&run(&path, &jpeg()).unwrap().bytes).unwrap();
    let python = "import sys, zipfile; z = zipfile.ZipFile(sys.argv[1]); assert z.testzip() is None; \
                  print(len(z.namelist()), z.namelist()[0], z.namelist()[-1])";
    let output = Command::new("python3").args(["-c", python]).arg(&archive).output().unwrap();
    assert_eq!(String::from_utf8_lossy(&output.stdout).trim(), "76 frames/frame_000001.jpg manifest.json");
    let unzip = Command::new("unzip").arg("-tq").arg(&archive).output().unwrap();
    assert!(unzip.status.success(), "{}", String::from_utf8_lossy(&unzip.stdout));
}

#[test]
fn public_samples_come_out() {
    let media = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../e2e/media");
    // The last one has two video streams; FFmpeg's best is the larger.
    let samples = [
        ("big-buck-bunny-5s.mp4", 6, (1280, 720), "5.28"),
        ("cars-30s.mp4", 31, (768, 432), "30.16"),
        ("nasa-13s.mp4", 14, (480, 270), "13.013"),
    ];
    for (name, frames, size, duration) in samples {
        let extracted = run(&media.join(name), &Options::default()).unwrap();
        assert_eq!(extracted.outcome.frames, frames, "{name}");
        assert_eq!(extracted.manifest.source.duration, duration, "{name}");
        assert_eq!(extracted.manifest.warnings, Vec::<String>::new(), "{name}");
        let image = extracted.image(0);
        assert_eq!((image.width, image.height), size);
    }
}

//! Colours of flat patches against the formulas of the standards, computed here anew.

mod standards;

use std::io::Write as _;
use std::path::PathBuf;
use std::process::Stdio;

use framelift_domain::{Format, Options, Select};

use crate::clips::{Clips, ffmpeg};
use crate::run::{Rgb, run};
use standards::{IN_2020, IN_P3, pq, shown_hlg, shown_pq, to_709};

/// Width and height of a patch, and patches in a row: even divisors of all chroma's.
const SIDE: usize = 16;
const ACROSS: usize = 12;

/// Red, green and blue signals of patches: a coarse cube, and grays.
fn patches() -> Vec<[f64; 3]> {
    let steps = [0.0, 0.1, 0.3, 0.5, 0.75, 1.0];
    let mut patches: Vec<_> = (0..24).map(|i| [f64::from(i) / 23.0; 3]).collect();
    for r in steps {
        for g in steps {
            patches.extend(steps.map(|b| [r, g, b]));
        }
    }
    patches
}

/// How colours become samples.
#[derive(Clone, Copy)]
enum Model {
    /// The weights of red and blue in luma.
    Yuv(f64, f64),
    Gray,
    /// Planes of green, blue and red.
    Gbr,
}

const BT601: Model = Model::Yuv(0.299, 0.114);
const BT709: Model = Model::Yuv(0.2126, 0.0722);
const BT2020: Model = Model::Yuv(0.2627, 0.0593);

/// How a test video is made, and what it is to mean.
#[derive(Clone, Copy)]
struct Case {
    pixels: &'static str,
    model: Model,
    /// Bits, and log2 of how many luma samples share a chroma sample across and down.
    depth: u32,
    shared: (u32, u32),
    full: bool,
    /// ffmpeg's arguments for the encoder and the tags.
    arguments: &'static str,
    container: &'static str,
    /// Signals are multiplied with it.
    top: f64,
    /// What is seen of red, green and blue signals, from 0 to 1.
    shown: fn([f64; 3]) -> [f64; 3],
}

const PLAIN: Case = Case {
    pixels: "yuv420p",
    model: BT709,
    depth: 8,
    shared: (1, 1),
    full: false,
    arguments: "-c:v ffv1 -colorspace bt709 -color_range tv",
    container: "mkv",
    top: 1.0,
    shown: |rgb| rgb,
};

/// The samples of each plane.
fn samples(case: &Case, [r, g, b]: [f64; 3]) -> [u16; 3] {
    let unit = f64::from(1u32 << (case.depth - 8));
    let last = 256.0 * unit - 1.0;
    let (kr, kb) = match case.model {
        Model::Yuv(kr, kb) => (kr, kb),
        Model::Gray => (0.2126, 0.0722),
        Model::Gbr => return [g, b, r].map(|signal| (signal * last).round() as u16),
    };
    let y = kr * r + (1.0 - kr - kb) * g + kb * b;
    let (cb, cr) = ((b - y) / (2.0 - 2.0 * kb), (r - y) / (2.0 - 2.0 * kr));
    let (cb, cr) = if matches!(case.model, Model::Gray) { (0.0, 0.0) } else { (cb, cr) };
    let samples = if case.full {
        [y * last, cb * last + 128.0 * unit, cr * last + 128.0 * unit]
    } else {
        [(y * 219.0 + 16.0) * unit, (cb * 224.0 + 128.0) * unit, (cr * 224.0 + 128.0) * unit]
    };
    samples.map(|sample| sample.round().clamp(0.0, last) as u16)
}

/// Red, green and blue that samples stand for.
fn signals(case: &Case, samples: [u16; 3]) -> [f64; 3] {
    let unit = f64::from(1u32 << (case.depth - 8));
    let last = 256.0 * unit - 1.0;
    let samples = samples.map(f64::from);
    let (kr, kb) = match case.model {
        Model::Yuv(kr, kb) => (kr, kb),
        Model::Gray => (0.2126, 0.0722),
        Model::Gbr => return [samples[2], samples[0], samples[1]].map(|sample| sample / last),
    };
    let [y, cb, cr] = samples;
    let [y, cb, cr] = if case.full {
        [y / last, (cb - 128.0 * unit) / last, (cr - 128.0 * unit) / last]
    } else {
        [(y / unit - 16.0) / 219.0, (cb / unit - 128.0) / 224.0, (cr / unit - 128.0) / 224.0]
    };
    let (r, b) = (y + (2.0 - 2.0 * kr) * cr, y + (2.0 - 2.0 * kb) * cb);
    [r, (y - kr * r - kb * b) / (1.0 - kr - kb), b].map(|signal| signal.clamp(0.0, 1.0))
}

/// A video of the patches, and the colours that they must have, from 0 to 255.
fn video(clips: &Clips, name: &str, case: &Case) -> (PathBuf, Vec<[f64; 3]>) {
    let patches: Vec<_> =
        patches().into_iter().map(|rgb| samples(case, rgb.map(|signal| signal * case.top))).collect();
    let (width, height) = (ACROSS * SIDE, patches.len() / ACROSS * SIDE);
    let mut bytes = Vec::new();
    let planes: &[usize] = if matches!(case.model, Model::Gray) { &[0] } else { &[0, 1, 2] };
    for &plane in planes {
        let (across, down) = if plane == 0 { (0, 0) } else { case.shared };
        for y in 0..height >> down {
            for x in 0..width >> across {
                let sample = patches[(y << down) / SIDE * ACROSS + (x << across) / SIDE][plane];
                bytes.extend(&sample.to_le_bytes()[..if case.depth > 8 { 2 } else { 1 }]);
            }
        }
    }
    if case.pixels.starts_with("yuva") {
        bytes.resize(bytes.len() + width * height, 40);
    }
    let path = clips.path(&format!("{name}.{}", case.container));
    let mut child = ffmpeg()
        .args(["-f", "rawvideo", "-pix_fmt", case.pixels, "-video_size", &format!("{width}x{height}")])
        .args(["-framerate", "5", "-i", "-"])
        .args(case.arguments.split_whitespace())
        .arg(&path)
        .stdin(Stdio::piped())
        .spawn()
        .unwrap();
    let mut pipe = child.stdin.take().unwrap();
    for _ in 0..2 {
        pipe.write_all(&bytes).unwrap();
    }
    drop(pipe);
    assert!(child.wait().unwrap().success(), "ffmpeg {}", case.arguments);
    let shown = |patch: &[u16; 3]| (case.shown)(signals(case, *patch)).map(|signal| signal * 255.0);
    (path, patches.iter().map(shown).collect())
}

/// The mean and the largest difference between the middles of the patches and what they must be.
fn differences(image: &Rgb, expected: &[[f64; 3]]) -> (f64, f64) {
    let (mut sum, mut largest) = (0.0, 0.0f64);
    for (i, expected) in expected.iter().enumerate() {
        let got = image.at(i % ACROSS * SIDE + SIDE / 2, i / ACROSS * SIDE + SIDE / 2);
        for (got, expected) in got.into_iter().zip(expected) {
            let difference = (f64::from(got) - expected).abs();
            sum += difference;
            largest = largest.max(difference);
        }
    }
    (sum / (expected.len() * 3) as f64, largest)
}

/// Checks a case in both ways to an image: the mean and the largest difference must not be
/// beyond these, and JPEG's not much.
fn check(clips: &Clips, name: &str, case: &Case, mean: f64, largest: f64) {
    let (path, expected) = video(clips, name, case);
    let image = |options: Options| {
        let extracted = run(&path, &Options { select: Select::All, ..options }).unwrap();
        assert_eq!(extracted.manifest.warnings, Vec::<String>::new(), "{name}");
        extracted.image(0)
    };
    let png = differences(&image(Options { format: Format::Png, ..Options::default() }), &expected);
    // JPEG has its own rounding of YUV, and of the cosines.
    let jpeg = differences(&image(Options { quality: 100, ..Options::default() }), &expected);
    assert!(png.0 < mean && png.1 < largest, "{name}: {png:?}");
    assert!(jpeg.0 < mean + 0.5 && jpeg.1 < largest + 3.0, "{name} as JPEG: {jpeg:?}");
}

/// Checks each, named by its place and what it is.
fn check_all(cases: &[Case], mean: f64, largest: f64) {
    let clips = Clips::new();
    for (index, case) in cases.iter().enumerate() {
        let arguments: String = case.arguments.chars().filter(char::is_ascii_alphanumeric).take(60).collect();
        check(&clips, &format!("{index}-{}-{arguments}", case.pixels), case, mean, largest);
    }
}

#[test]
fn matrices_ranges_and_formats() {
    let full = "-c:v ffv1 -colorspace bt709 -color_range pc";
    let avi = Case { model: BT601, container: "avi", ..PLAIN };
    check_all(
        &[
            PLAIN,
            Case { pixels: "yuv420p10le", depth: 10, ..PLAIN },
            Case { pixels: "yuv420p12le", depth: 12, ..PLAIN },
            Case { pixels: "yuv420p9le", depth: 9, ..PLAIN },
            Case { full: true, arguments: full, ..PLAIN },
            Case { pixels: "yuv420p10le", depth: 10, full: true, arguments: full, ..PLAIN },
            Case { pixels: "yuv422p", shared: (1, 0), ..PLAIN },
            Case { pixels: "yuv422p10le", depth: 10, shared: (1, 0), ..PLAIN },
            Case { pixels: "yuv422p10le", depth: 10, shared: (1, 0), full: true, arguments: full, ..PLAIN },
            Case { pixels: "yuv444p", shared: (0, 0), ..PLAIN },
            Case { pixels: "yuv444p", shared: (0, 0), full: true, arguments: full, ..PLAIN },
            Case { pixels: "yuv444p12le", depth: 12, shared: (0, 0), ..PLAIN },
            Case { pixels: "yuv444p16le", depth: 16, shared: (0, 0), ..PLAIN },
            Case { pixels: "yuv440p", shared: (0, 1), ..PLAIN },
            Case { pixels: "yuv411p", shared: (2, 0), ..PLAIN },
            Case { pixels: "yuva420p", ..PLAIN },
            Case { model: BT601, arguments: "-c:v ffv1 -colorspace smpte170m", ..PLAIN },
            Case { model: BT601, arguments: "-c:v ffv1 -colorspace bt470bg", ..PLAIN },
            Case { model: Model::Yuv(0.212, 0.087), arguments: "-c:v ffv1 -colorspace smpte240m", ..PLAIN },
            Case { model: Model::Yuv(0.30, 0.11), arguments: "-c:v ffv1 -colorspace fcc", ..PLAIN },
            Case {
                model: BT2020,
                arguments: "-c:v ffv1 -colorspace bt2020nc -color_primaries bt709",
                ..PLAIN
            },
            // 320 lines, and nothing said.
            Case { model: BT601, arguments: "-c:v ffv1", ..PLAIN },
            Case { arguments: "-c:v rawvideo -pix_fmt nv12", ..avi },
            Case { arguments: "-c:v libx264 -qp 0 -colorspace bt709", container: "mp4", ..PLAIN },
            Case {
                pixels: "yuv422p10le",
                depth: 10,
                shared: (1, 0),
                arguments: "-vf setparams=colorspace=bt709 -c:v prores_ks -profile:v 3 -qscale:v 1",
                container: "mov",
                ..PLAIN
            },
        ],
        0.6,
        2.5,
    );
}

#[test]
fn gray_is_of_limited_range_unless_it_says_otherwise() {
    let gray = Case { pixels: "gray", model: Model::Gray, arguments: "-c:v ffv1", ..PLAIN };
    let full = Case { full: true, ..gray };
    check_all(
        &[
            gray,
            Case { pixels: "gray10le", depth: 10, ..gray },
            Case { arguments: "-c:v libx264 -qp 0", container: "mp4", ..gray },
            Case { arguments: "-c:v ffv1 -color_range pc", ..full },
            Case { pixels: "gray10le", depth: 10, arguments: "-c:v ffv1 -color_range pc", ..full },
            // PNG has no other.
            Case { arguments: "-c:v png", ..full },
        ],
        0.6,
        2.5,
    );
}

#[test]
fn rgb_is_shown_as_it_is() {
    let rgb = Case { pixels: "gbrp", model: Model::Gbr, shared: (0, 0), arguments: "-c:v ffv1", ..PLAIN };
    check_all(
        &[
            rgb,
            Case { pixels: "gbrp10le", depth: 10, ..rgb },
            Case { arguments: "-c:v ffv1 -pix_fmt bgr0", ..rgb },
            Case { arguments: "-c:v png", container: "mov", ..rgb },
            Case { arguments: "-c:v libx264rgb -qp 0", container: "mp4", ..rgb },
        ],
        0.6,
        2.5,
    );
}

#[test]
fn hdr_is_tone_mapped() {
    const PQ: Case = Case {
        pixels: "yuv420p10le",
        model: BT2020,
        depth: 10,
        arguments: "-c:v ffv1 -colorspace bt2020nc -color_primaries bt2020 -color_trc smpte2084",
        // 1000 cd/m².
        top: 0.7518,
        shown: |signals| shown_pq(signals, 1000.0),
        ..PLAIN
    };
    const HLG: Case = Case {
        arguments: "-c:v ffv1 -colorspace bt2020nc -color_primaries bt2020 -color_trc arib-std-b67",
        top: 1.0,
        shown: shown_hlg,
        ..PQ
    };
    check_all(
        &[
            PQ,
            HLG,
            Case { pixels: "yuv422p10le", shared: (1, 0), ..PQ },
            Case { pixels: "yuv444p12le", depth: 12, shared: (0, 0), ..HLG },
            Case { pixels: "gbrp10le", model: Model::Gbr, shared: (0, 0), ..PQ },
            Case {
                full: true,
                arguments: "-c:v ffv1 -color_range pc -colorspace bt2020nc -color_primaries bt2020 -color_trc smpte2084",
                ..PQ
            },
            // Nothing said of the primaries.
            Case { arguments: "-c:v ffv1 -colorspace bt2020nc -color_trc smpte2084", ..PQ },
            // HDR10: the content's own peak, which is below the display's.
            Case {
                arguments: "-c:v libx265 -tag:v hvc1 -preset ultrafast -color_primaries bt2020 -color_trc smpte2084 \
                    -colorspace bt2020nc -x265-params log-level=none:lossless=1:hdr10=1:max-cll=600,200:\
                    master-display=G(13250,34500)B(7500,3000)R(34000,16000)WP(15635,16450)L(40000000,50)",
                container: "mp4",
                top: pq(0.06),
                shown: |signals| shown_pq(signals, 600.0),
                ..PQ
            },
            Case {
                arguments: "-c:v libvpx-vp9 -lossless 1 -cpu-used 8 -colorspace bt2020nc -color_primaries bt2020 \
                    -color_trc arib-std-b67",
                container: "webm",
                ..HLG
            },
        ],
        0.6,
        5.0,
    );
}

#[test]
fn wide_primaries_are_brought_to_those_of_the_screen() {
    const WIDE: Case = Case {
        pixels: "yuv420p10le",
        model: BT2020,
        depth: 10,
        arguments: "-c:v ffv1 -colorspace bt2020nc -color_primaries bt2020 -color_trc bt2020-10",
        shown: |signals| {
            to_709(IN_2020, signals.map(|signal| signal.powf(2.4))).map(|light| light.powf(1.0 / 2.4))
        },
        ..PLAIN
    };
    check_all(
        &[
            WIDE,
            Case { arguments: "-c:v ffv1 -colorspace bt2020nc", ..WIDE },
            Case {
                model: BT709,
                arguments: "-c:v ffv1 -colorspace bt709 -color_primaries smpte432 -color_trc bt709",
                shown: |signals| {
                    to_709(IN_P3, signals.map(|signal| signal.powf(2.4))).map(|light| light.powf(1.0 / 2.4))
                },
                ..WIDE
            },
        ],
        0.6,
        9.0,
    );
}

/// Adds a configuration record of Dolby Vision to an MP4 file's only track.
fn with_dolby_vision(bytes: &mut Vec<u8>, profile: u8, compatible: u8) {
    let record = [1, 0, profile << 1, 1 << 3 | 0b101, compatible << 4];
    let mut added = Vec::from(32u32.to_be_bytes());
    added.extend(b"dvcC");
    added.extend(record);
    added.resize(32, 0);
    let find = |bytes: &[u8], name: &[u8]| bytes.windows(4).rposition(|window| window == name).unwrap();
    let size_at = |bytes: &[u8], at: usize| u32::from_be_bytes(bytes[at - 4..at].try_into().unwrap());
    for name in [b"moov", b"trak", b"mdia", b"minf", b"stbl", b"stsd", b"hvc1"] {
        let at = find(bytes, name);
        let size = size_at(bytes, at) + 32;
        bytes[at - 4..at].copy_from_slice(&size.to_be_bytes());
    }
    let at = find(bytes, b"hvcC");
    let end = at - 4 + size_at(bytes, at) as usize;
    bytes.splice(end..end, added);
}

#[test]
fn dolby_vision_that_nothing_else_can_show_is_said() {
    let clips = Clips::new();
    let path =
        clips.make("a.mp4", 3, "-c:v libx265 -tag:v hvc1 -preset ultrafast -x265-params log-level=none");
    for (profile, compatible, expected) in [(5, 0, 1), (8, 1, 0)] {
        let path = clips.patch("dv.mp4", &path, |bytes| with_dolby_vision(bytes, profile, compatible));
        let warnings =
            run(&path, &Options { select: Select::All, ..Options::default() }).unwrap().manifest.warnings;
        assert_eq!(warnings.len(), expected, "{warnings:?}");
        assert!(warnings.iter().all(|warning| warning.contains("Dolby Vision")), "{warnings:?}");
    }
}

#[test]
fn sizes_of_one_pixel_and_one_line_come_out() {
    let clips = Clips::new();
    for (name, tags) in [
        ("sdr", "-colorspace bt709"),
        ("hdr", "-colorspace bt2020nc -color_primaries bt2020 -color_trc smpte2084"),
    ] {
        for (width, height) in [(1, 1), (2, 1), (1, 3), (3, 5), (2, 4096), (4097, 2), (17, 33)] {
            for pixels in ["yuv420p", "yuv420p10le", "yuv444p", "gray", "gbrp"] {
                let source = format!(
                    "color=red:size={}x{}:rate=5:duration=0.2,format={pixels},crop={width}:{height}:0:0:exact=1",
                    width + width % 2,
                    height + height % 2
                );
                let arguments = format!("-c:v ffv1 -pix_fmt {pixels} {tags}");
                let path = clips.remake(
                    &format!("{name}-{width}x{height}-{pixels}.mkv"),
                    "-f lavfi",
                    std::path::Path::new(&source),
                    &arguments,
                );
                for format in [Format::Png, Format::Jpeg] {
                    let options = Options { select: Select::All, format, ..Options::default() };
                    let image = run(&path, &options).unwrap().image(0);
                    assert_eq!((image.width, image.height), (width, height), "{name} {pixels}");
                    let [r, g, b] = image.at(width - 1, height - 1);
                    let red =
                        if pixels == "gray" { r.abs_diff(g) < 3 } else { r > 60 && r / 2 > g && r / 2 > b };
                    assert!(red, "{name} {pixels} {width}x{height} {format:?}: {r} {g} {b}");
                }
            }
        }
    }
}

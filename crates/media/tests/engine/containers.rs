//! Containers and codecs beyond the usual ones: every frame in its place, or a true word why not.

use framelift_domain::limits::VIDEO_EXTENSIONS;
use framelift_domain::{FailureCode, Format, Options, Place, Rational, Select};
use framelift_media::{EngineLimits, ExtractError, FileSource, MemorySource};

use crate::clips::Clips;
use crate::run::{run, run_with};

const X264: &str = "-c:v libx264 -preset veryfast -crf 12 -g 12 -bf 2";

fn options(select: Select) -> Options {
    Options { select, format: Format::Png, ..Options::default() }
}

/// Frames 0 to 49 at 25 a second, by every way to ask for them.
fn check(clips: &Clips, name: &str, arguments: &str, untimed: bool) {
    let size = if name.ends_with(".dv") { (720, 576) } else { (192, 112) };
    let path = clips.make_sized(name, size, 50, "", arguments);
    let all = run(&path, &options(Select::All)).unwrap_or_else(|error| panic!("{name}: {error}"));
    assert_eq!(all.numbers(), (0..50).collect::<Vec<_>>(), "{name}");
    let times: Vec<_> = all.manifest.frames.iter().map(|frame| frame.time.clone()).collect();
    let expected: Vec<_> = (0..50).map(|n| Rational::new(n, 25).unwrap().to_string()).collect();
    assert_eq!(times, expected, "{name}");
    assert_eq!(all.manifest.source.duration, "2", "{name}");
    let warned = all.manifest.warnings.iter().any(|warning| warning.contains("no timestamps"));
    assert_eq!(warned, untimed, "{name}: {:?}", all.manifest.warnings);
    let every = run(&path, &options(Select::Every(Rational::new(1, 5).unwrap()))).unwrap();
    assert_eq!(every.numbers(), (0..10).map(|n| n * 5).collect::<Vec<_>>(), "{name}");
    let count = run(&path, &options(Select::Count(2))).unwrap();
    assert_eq!(count.numbers(), [12, 37], "{name}");
    let at = vec![Place::Frame(30), Place::Time(Rational::new(1, 2).unwrap())];
    assert_eq!(run(&path, &options(Select::At(at))).unwrap().numbers(), [12, 30], "{name}");
    let keys = run(&path, &options(Select::Keyframes)).unwrap();
    let numbers = keys.numbers();
    assert_eq!(numbers[0], 0, "{name}");
    for (frame, number) in keys.manifest.frames.iter().zip(numbers) {
        assert_eq!(frame.time, expected[number], "{name}");
    }
}

#[test]
fn raw_streams_follow_the_frame_rate() {
    let clips = Clips::new();
    check(&clips, "a.h264", X264, true);
    check(&clips, "a.hevc", "-c:v libx265 -x265-params log-level=error:keyint=20:bframes=3 -crf 12", true);
    check(&clips, "a.mjpeg", "-c:v mjpeg -q:v 2 -pix_fmt yuvj420p", true);
    check(&clips, "a.obu", "-c:v libaom-av1 -cpu-used 8 -crf 20 -b:v 0 -g 20", true);
}

#[test]
fn the_asked_stream_is_taken_and_others_are_listed() {
    let clips = Clips::new();
    let numbered = clips.make("numbered.mp4", 50, X264);
    for name in ["two.mkv", "two.mp4", "two.ts"] {
        let inputs = "-f lavfi -i testsrc2=s=320x240:r=25:d=2 -f lavfi -i sine=d=2";
        let arguments = "-map 0 -map 1 -map 2 -c:a aac -c:v libx264 -crf 12 -g 12 -bf 2 -sc_threshold 0";
        let path = clips.remake(name, inputs, &numbered, arguments);
        let other = run(&path, &Options { stream: Some(0), ..options(Select::Count(1)) }).unwrap();
        assert_eq!((other.manifest.source.width, other.manifest.options.stream), (320, Some(0)), "{name}");
        for select in [Select::All, Select::Every(Rational::new(1, 5).unwrap()), Select::Keyframes] {
            let asked = run(&path, &Options { stream: Some(2), ..options(select.clone()) }).unwrap();
            assert_eq!(
                (asked.manifest.source.width, asked.manifest.options.stream),
                (192, Some(2)),
                "{name}"
            );
            let numbers = asked.numbers();
            let expected: Vec<usize> = match select {
                Select::All => (0..50).collect(),
                Select::Every(_) => (0..10).map(|n| n * 5).collect(),
                _ => (0..5).map(|n| n * 12).collect(),
            };
            assert_eq!(numbers, expected, "{name} {select:?}");
        }
        // Sound, and a number that none has.
        for number in [1, 3, u32::MAX] {
            let result = run(&path, &Options { stream: Some(number), ..options(Select::All) });
            let Err(ExtractError::Failed(failure)) = result else { panic!("{name} {number}") };
            assert_eq!(failure.code, FailureCode::NoVideoStream);
            let message = format!(
                "stream {number} of the file is no video; these are: 0 (h264, 320x240), 2 (h264, 192x112)"
            );
            assert_eq!(failure.message, message, "{name}");
        }
        let info = framelift_media::probe(Box::new(FileSource::open(&path).unwrap())).unwrap();
        let numbers: Vec<u32> = info.streams.iter().map(|stream| stream.number).collect();
        assert_eq!(numbers, [0, 2], "{name}");
        let best = info.streams.iter().find(|stream| stream.number == info.stream).unwrap();
        assert_eq!(Some(best.width), info.width, "{name}");
    }
}

#[test]
fn containers_of_other_houses() {
    let clips = Clips::new();
    check(&clips, "a.ogv", "-c:v libtheora -q:v 9 -g 12", false);
    check(&clips, "a.mxf", "-c:v mpeg2video -q:v 2 -g 12 -bf 2", false);
    check(&clips, "a.nut", X264, false);
    check(&clips, "a.ivf", "-c:v libvpx -cpu-used 5 -b:v 2M -g 20 -lag-in-frames 16 -auto-alt-ref 1", false);
    check(&clips, "a.y4m", "-pix_fmt yuv420p", false);
    check(&clips, "a.gif", "-pix_fmt rgb8", false);
    check(&clips, "a.dv", "-pix_fmt yuv420p", false);
}

#[test]
fn files_of_every_extension_that_the_api_takes_are_opened() {
    let clips = Clips::new();
    for extension in VIDEO_EXTENSIONS {
        // ffmpeg chooses the container by the extension, and the codec where none is named.
        let (size, codec) = match *extension {
            "3gp" | "3g2" => ((192, 112), "-c:v libx264"),
            "dv" => ((720, 576), "-pix_fmt yuv420p"),
            "obu" => ((192, 112), "-c:v libaom-av1 -cpu-used 8"),
            _ => ((192, 112), ""),
        };
        let path = clips.make_sized(&format!("a.{extension}"), size, 3, "", codec);
        let all = run(&path, &options(Select::All)).unwrap_or_else(|error| panic!("{extension}: {error}"));
        assert_eq!(all.manifest.frames.len(), 3, "{extension}");
    }
}

#[test]
fn codecs_of_the_cutting_room() {
    let clips = Clips::new();
    for codec in ["jpeg2000", "hap", "r210", "r10k", "v210", "v410", "v308", "v408"] {
        check(&clips, &format!("{codec}.mov"), &format!("-c:v {codec}"), false);
    }
}

fn refusal(path: &std::path::Path) -> (FailureCode, String) {
    match run(path, &Options::default()) {
        Err(ExtractError::Failed(failure)) => (failure.code, failure.message),
        Err(error) => panic!("{error}"),
        Ok(extracted) => panic!("{} frames", extracted.outcome.frames),
    }
}

#[test]
fn what_is_refused_is_called_by_its_name() {
    let clips = Clips::new();
    let cases = [
        ("a.apng", 3, "-f apng", FailureCode::UnsupportedContainer, "animated PNG"),
        ("tiff.mov", 3, "-c:v tiff", FailureCode::UnsupportedCodec, "TIFF video is not supported yet"),
        ("a.rm", 3, "-c:v rv10 -s 176x144", FailureCode::UnsupportedContainer, "RealMedia"),
        ("a.jpg", 1, "-frames:v 1", FailureCode::NotAVideo, "a still picture (JPEG)"),
        ("a.png", 1, "-frames:v 1", FailureCode::NotAVideo, "a still picture (PNG)"),
    ];
    for (name, frames, arguments, code, words) in cases {
        let (got, message) = refusal(&clips.make(name, frames, arguments));
        assert_eq!(got, code, "{name}: {message}");
        assert!(message.contains(words), "{name}: {message}");
    }
    let plain = clips.make("plain.mp4", 3, X264);
    let vvc = clips.patch("vvc.mp4", &plain, |bytes| {
        let at = bytes.windows(4).position(|window| window == b"avc1").unwrap();
        // The first one is in the brands, where it changes nothing.
        let next = bytes[at + 4..].windows(4).position(|window| window == b"avc1").unwrap();
        bytes[at + 4 + next..][..4].copy_from_slice(b"vvc1");
    });
    assert_eq!(
        refusal(&vvc),
        (FailureCode::UnsupportedCodec, "VVC (H.266) video is not supported yet".into())
    );
    let heic = b"\0\0\0\x18ftypheic\0\0\0\0mif1heic\0\0\0\x08meta".to_vec();
    let result =
        run_with(Box::new(MemorySource(heic.into())), &Options::default(), &EngineLimits::default(), &());
    let Err(ExtractError::Failed(failure)) = result else { panic!("a still picture is no video") };
    assert_eq!(failure.message, "the file is a still picture (HEIC), not a video");
    let tag = |content: &[u8]| {
        let length = (content.len() as u32).to_be_bytes();
        [&[9][..], &length[1..], &[0; 7], content, &(content.len() as u32 + 11).to_be_bytes()].concat()
    };
    let flv = [&b"FLV\x01\x01\0\0\0\x09\0\0\0\0"[..], &tag(b"\x90hvc1\x01"), &tag(&[0x91; 99])].concat();
    let result =
        run_with(Box::new(MemorySource(flv.into())), &Options::default(), &EngineLimits::default(), &());
    let Err(ExtractError::Failed(failure)) = result else { panic!("there is no decoder for it") };
    assert_eq!(failure.message, "HEVC in FLV video is not supported yet");
}

#[test]
fn a_frame_that_stays_for_ever_is_stored_a_hundred_times() {
    let clips = Clips::new();
    let slow = "-vf setpts=N*100000/TB -fps_mode passthrough -c:v libx264 -g 1";
    let path = clips.make("slow.mp4", 2, slow);
    let extracted = run(&path, &Options::default()).unwrap();
    let frames = &extracted.manifest.frames;
    assert_eq!((frames[99].requested.as_deref(), frames[99].time.as_str()), (Some("99"), "0"));
    let repeats = frames[99].repeats.as_ref().unwrap();
    assert_eq!((repeats.count, repeats.until.as_deref()), (99_900, Some("99999")));
    assert!(frames.iter().enumerate().all(|(i, frame)| i % 100 == 99 || frame.repeats.is_none()));
    assert_eq!((frames[100].requested.as_deref(), frames[100].time.as_str()), (Some("100000"), "100000"));
    assert!(frames.len() <= 200 && extracted.bytes.len() < 1 << 20, "{} bytes", extracted.bytes.len());
    let warnings = &extracted.manifest.warnings;
    assert!(
        warnings.iter().any(|warning| warning.contains("on screen at 100000 wanted times")),
        "{warnings:?}"
    );
    assert_eq!((extracted.image(99).number(), extracted.image(100).number()), (0, 1));
}

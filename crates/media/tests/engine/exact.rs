//! Every way to select, on every kind of container and codec: the right frame, at the right
//! time, by its pixels.

use std::path::Path;

use framelift_contract::manifest::{Manifest, Strategy};
use framelift_domain::{Options, Place, Range, Rational, Select};

use crate::clips::{Clips, HEIGHT, WIDTH};
use crate::run::run;
use crate::truth::{Frame, Truth};

fn r(num: i128, den: i128) -> Rational {
    Rational::new(num, den).unwrap()
}

fn places(texts: &str) -> Select {
    Select::At(texts.split(' ').map(|text| text.parse().unwrap()).collect())
}

/// The frames and requested times that `options` must give.
fn expected<'t>(truth: &'t Truth, options: &Options) -> Vec<(&'t Frame, Option<Rational>)> {
    let place = |place: Place| match place {
        Place::Time(time) => time,
        Place::Percent(percent) => {
            truth.duration.checked_mul(percent).unwrap().checked_mul(r(1, 100)).unwrap()
        }
        Place::Frame(n) => truth.frames[n as usize].time,
    };
    let (start, end) = (place(options.range.start), place(options.range.end).min(truth.duration));
    let at = |time: Rational| (truth.at(time), Some(time));
    match &options.select {
        Select::All | Select::Keyframes => truth
            .frames
            .iter()
            .filter(|frame| options.select == Select::All || frame.key)
            .filter(|frame| start <= frame.time && frame.time < end)
            .map(|frame| (frame, None))
            .collect(),
        Select::Count(count) => {
            let width = end.checked_sub(start).unwrap();
            let middle =
                |k: i128| start.checked_add(width.checked_mul(r(2 * k + 1, 2 * i128::from(*count))).unwrap());
            (0..i128::from(*count)).map(|k| at(middle(k).unwrap())).collect()
        }
        Select::At(wanted) => {
            let mut times: Vec<_> = wanted.iter().map(|wanted| place(*wanted)).collect();
            times.sort();
            times.into_iter().map(at).collect()
        }
        select => {
            let period = select.period().unwrap();
            let mut times = vec![start];
            while let Some(next) = times[times.len() - 1].checked_add(period).filter(|next| *next < end) {
                times.push(next);
            }
            times.into_iter().map(at).collect()
        }
    }
}

fn check(path: &Path) {
    let truth = Truth::of(path, (WIDTH, HEIGHT));
    assert!(truth.frames.len() > 40, "{}: {}", path.display(), truth.frames.len());
    let range = |start: &str, end: &str| Range { start: start.parse().unwrap(), end: end.parse().unwrap() };
    let cases = [
        (Select::Every(r(1, 1)), Range::default()),
        (Select::Every(r(3, 10)), range("0.35s", "1.9s")),
        (Select::Every(r(1, 100)), range("#10", "#14")),
        (Select::Fps(r(7, 1)), range("25%", "75%")),
        (Select::Count(7), Range::default()),
        (Select::Count(3), range("#5", "1.5s")),
        (places("1.5s 0.2s #30 50% 0.2s #0 33.3% 0s"), Range::default()),
        (Select::Keyframes, Range::default()),
        (Select::Keyframes, range("0.5s", "90%")),
        (Select::Keyframes, range("#3", "#40")),
        (Select::All, Range::default()),
        (Select::All, range("0.5s", "#30")),
    ];
    for (select, range) in cases {
        let options = Options { select, range, ..Options::default() };
        let context = format!("{}: {:?} {:?}", path.display(), options.select, options.range);
        let extracted = run(path, &options).unwrap_or_else(|error| panic!("{context}: {error}"));
        let expected = expected(&truth, &options);
        let frames = &extracted.manifest.frames;
        let wanted: Vec<_> = expected
            .iter()
            .map(|(frame, requested)| {
                (frame.pts, frame.time.to_string(), frame.key, requested.map(|t| t.to_string()))
            })
            .collect();
        let given: Vec<_> = frames
            .iter()
            .map(|frame| (frame.pts, frame.time.clone(), frame.keyframe, frame.requested.clone()))
            .collect();
        assert_eq!(given, wanted, "{context}");
        let numbers: Vec<_> = expected.iter().map(|(frame, _)| frame.number).collect();
        assert_eq!(extracted.numbers(), numbers, "{context}");
        assert_eq!(extracted.manifest.warnings, Vec::<String>::new(), "{context}");
        assert_eq!(
            extracted.manifest.source.time_base,
            format!("{}/{}", truth.time_base.num(), truth.time_base.den())
        );
        if options.range == Range::default() {
            assert_eq!(extracted.manifest.source.duration, truth.duration.to_string(), "{context}");
        }
    }
}

const X264: &str = "-c:v libx264 -preset veryfast -crf 12 -g 24 -bf 3";

#[test]
fn h264_with_b_pyramid() {
    let clips = Clips::new();
    check(&clips.make("a.mp4", 75, &format!("{X264} -x264-params b-pyramid=normal:keyint=24:ref=4")));
    check(&clips.make("a.mkv", 75, &format!("{X264} -x264-params b-pyramid=strict:b-adapt=2")));
    check(&clips.make("a.flv", 75, X264));
}

#[test]
fn h264_with_open_groups_and_interlaced() {
    let clips = Clips::new();
    check(&clips.make("open.mp4", 75, &format!("{X264} -x264-params open-gop=1:keyint=20")));
    check(&clips.make("field.mp4", 75, &format!("{X264} -flags +ildct+ilme -x264-params tff=1")));
}

#[test]
fn variable_frame_rate() {
    let clips = Clips::new();
    let times = "-vf settb=1/1000,setpts=floor(N*40+mod(N*N*7\\,29)) -fps_mode passthrough";
    check(&clips.make(
        "v.mp4",
        75,
        &format!("{times} {X264} -enc_time_base 1/1000 -video_track_timescale 1000"),
    ));
    check(&clips.make("v.mkv", 75, &format!("{times} {X264} -enc_time_base 1/1000")));
}

#[test]
fn broadcast_containers() {
    let clips = Clips::new();
    check(&clips.make("a.ts", 75, X264));
    check(&clips.make("a.mpg", 75, "-c:v mpeg2video -q:v 2 -g 12 -bf 2"));
    check(&clips.make("b.ts", 75, "-c:v mpeg2video -q:v 2 -g 12 -bf 2"));
}

#[test]
fn avi_without_presentation_times() {
    let clips = Clips::new();
    check(&clips.make("a.avi", 75, "-c:v mpeg4 -q:v 2 -g 12 -bf 0"));
    check(&clips.make("b.avi", 75, "-c:v mpeg4 -q:v 2 -g 12 -bf 2"));
    check(&clips.make("c.avi", 75, "-c:v mjpeg -q:v 2 -pix_fmt yuvj420p"));
}

#[test]
fn other_codecs() {
    let clips = Clips::new();
    check(&clips.make("a.webm", 75, "-c:v libvpx-vp9 -deadline realtime -cpu-used 8 -crf 20 -b:v 0 -g 24"));
    check(&clips.make("8.webm", 75, "-c:v libvpx -deadline realtime -cpu-used 8 -b:v 2M -g 24"));
    check(&clips.make("a.mp4", 75, "-c:v libaom-av1 -cpu-used 8 -usage realtime -crf 30 -b:v 0 -g 24"));
    check(&clips.make("m.mp4", 75, "-c:v mpeg4 -q:v 2 -g 12 -bf 2"));
    check(&clips.make("a.wmv", 75, "-c:v wmv2 -q:v 2 -g 12"));
    check(&clips.make("p.mov", 75, "-c:v prores_ks -profile:v 0"));
    check(&clips.make("f.mkv", 75, "-c:v ffv1"));
}

#[test]
fn hevc_in_10_bit() {
    let clips = Clips::new();
    let x265 =
        "-c:v libx265 -preset ultrafast -x265-params log-level=none:keyint=24:bframes=3 -pix_fmt yuv420p10le";
    check(&clips.make("a.mp4", 75, x265));
}

/// Sync points alone, by the plan `strategy`: their pictures and times, without warnings.
fn check_keyframes(path: &Path, least: usize, strategy: Strategy) {
    let truth = Truth::of(path, (WIDTH, HEIGHT));
    for (start, end) in [("0s", "100%"), ("0.5s", "90%"), ("5s", "100%")] {
        let range = Range { start: start.parse().unwrap(), end: end.parse().unwrap() };
        let options = Options { select: Select::Keyframes, range, ..Options::default() };
        let context = format!("{}: {:?}", path.display(), options.range);
        let extracted = run(path, &options).unwrap_or_else(|error| panic!("{context}: {error}"));
        let manifest = &extracted.manifest;
        let expected = expected(&truth, &options);
        if options.range == Range::default() {
            assert!(expected.len() >= least, "{context}: {}", expected.len());
            assert_eq!(manifest.source.duration, truth.duration.to_string(), "{context}");
        }
        let wanted: Vec<_> =
            expected.iter().map(|(frame, _)| (frame.pts, frame.time.to_string(), frame.number)).collect();
        let given: Vec<_> = manifest
            .frames
            .iter()
            .zip(extracted.numbers())
            .map(|(frame, number)| (frame.pts, frame.time.clone(), number))
            .collect();
        assert_eq!(given, wanted, "{context}");
        assert!(manifest.frames.iter().all(|frame| frame.keyframe), "{context}");
        assert_eq!(manifest.warnings, Vec::<String>::new(), "{context}");
        assert_eq!(manifest.plan.strategy, strategy, "{context}");
    }
}

/// Far more frames from one sync point to the next than the pictures' own order counts.
#[test]
fn sync_points_of_open_groups_far_apart() {
    let clips = Clips::new();
    let x264 = "-c:v libx264 -preset veryfast -crf 12 -bf 3 -x264-params open-gop=1:scenecut=0";
    let x265 = "-c:v libx265 -preset ultrafast -pix_fmt yuv420p -x265-params \
                log-level=none:open-gop=1:bframes=3:scenecut=0";
    for (name, encoder) in [("4", x264), ("5", x265)] {
        let far = clips.make(
            &format!("far{name}.mp4"),
            800,
            &format!("{encoder}:keyint=250:min-keyint=250 -pix_fmt yuv420p"),
        );
        check_keyframes(&far, 4, Strategy::Keyframes);
        let near = clips.make(&format!("near{name}.mkv"), 200, &format!("{encoder}:keyint=20"));
        check_keyframes(&near, 10, Strategy::Keyframes);
        check_keyframes(
            &clips.remake(&format!("far{name}.mkv"), "", &far, "-c copy"),
            4,
            Strategy::Keyframes,
        );
        check_keyframes(
            &clips.remake(&format!("far{name}.ts"), "", &far, "-c copy"),
            4,
            Strategy::Sequential,
        );
        // Begins in the middle of a group, with an edit list over hidden frames.
        check_keyframes(
            &clips.remake(&format!("cut{name}.mp4"), "-ss 3.3", &far, "-c copy"),
            3,
            Strategy::Keyframes,
        );
    }
}

#[test]
fn sync_points_of_codecs_with_hidden_frames() {
    let clips = Clips::new();
    let vp9 =
        "-c:v libvpx-vp9 -deadline good -cpu-used 5 -crf 20 -b:v 0 -g 40 -lag-in-frames 16 -auto-alt-ref 1";
    check_keyframes(&clips.make("a.webm", 200, vp9), 4, Strategy::Keyframes);
    let av1 = "-c:v libaom-av1 -cpu-used 8 -crf 30 -b:v 0 -g 40 -lag-in-frames 16";
    check_keyframes(&clips.make("a.mp4", 200, av1), 4, Strategy::Keyframes);
}

/// Such a video is refreshed column by column: what is marked as a sync point needs frames
/// before it.
#[test]
fn sync_points_that_do_not_decode_alone() {
    let clips = Clips::new();
    let arguments = "-c:v libx264 -preset veryfast -crf 12 -x264-params intra-refresh=1:keyint=30 -bf 0";
    let path = clips.make("a.mp4", 200, arguments);
    check_keyframes(&path, 5, Strategy::Sequential);
    // The first group decodes alone, and has gone out before.
    let opening = clips.make("a.ts", 100, X264);
    let rest = clips.make("b.ts", 100, &format!("{arguments} -output_ts_offset 5"));
    let joined = clips.patch("joined.ts", &opening, |bytes| bytes.extend(std::fs::read(&rest).unwrap()));
    check_keyframes(&clips.remake("joined.mkv", "", &joined, "-c copy"), 9, Strategy::Sequential);
}

#[test]
fn edit_lists_fragments_and_offsets() {
    let clips = Clips::new();
    let whole = clips.make("a.mp4", 90, &format!("{X264} -x264-params keyint=30:min-keyint=30:scenecut=0"));
    // Copying from the middle of a group of pictures makes an edit list over hidden frames.
    check(&clips.remake("cut.mp4", "-ss 0.5", &whole, "-c copy"));
    check(&clips.remake("fragments.mp4", "", &whole, "-c copy -movflags frag_keyframe+empty_moov"));
    check(&clips.remake("late.mkv", "", &whole, "-c copy -output_ts_offset 100"));
    check(&clips.remake("late.mp4", "-itsoffset 3", &whole, "-c copy"));
}

#[test]
fn a_container_that_lies_about_its_duration() {
    let clips = Clips::new();
    let honest = clips.make("a.mp4", 75, X264);
    // `mdhd` and `mvhd`, version 0: version and flags, two dates, time scale, duration.
    let scale = |factor: fn(u32) -> u32| {
        move |bytes: &mut Vec<u8>| {
            for name in [b"mvhd", b"mdhd"] {
                let at = bytes.windows(4).position(|window| window == name).unwrap() + 4 + 16;
                let duration = u32::from_be_bytes(bytes[at..at + 4].try_into().unwrap());
                bytes[at..at + 4].copy_from_slice(&factor(duration).to_be_bytes());
            }
        }
    };
    check(&clips.patch("short.mp4", &honest, scale(|duration| duration / 10)));
    let long = clips.patch("long.mp4", &honest, scale(|duration| duration * 10));
    let truth = Truth::of(&long, (WIDTH, HEIGHT));
    let options = Options { select: Select::Count(5), ..Options::default() };
    let extracted = run(&long, &options).unwrap();
    let numbers: Vec<_> = expected(&truth, &options).iter().map(|(frame, _)| frame.number).collect();
    assert_eq!(extracted.numbers(), numbers);
    assert_eq!(extracted.manifest.source.duration, "3");
}

/// Two parts of a video, put together by its edit list: all of it comes, and is said to.
#[test]
fn an_edit_list_that_is_not_followed_is_said() {
    let clips = Clips::new();
    let whole = clips.make("whole.mp4", 75, "-c:v libx264 -preset veryfast -g 25 -bf 2");
    let edited = clips.patch("edited.mp4", &whole, |bytes| {
        let named = |bytes: &[u8], name: &[u8]| bytes.windows(4).position(|four| four == name).unwrap();
        let list = named(bytes, b"elst") + 4;
        let entry = bytes[list + 8..list + 20].to_vec();
        bytes.splice(list + 20..list + 20, entry);
        bytes[list + 4..list + 8].copy_from_slice(&2_u32.to_be_bytes());
        for name in [b"moov", b"trak", b"edts", b"elst"] {
            let size = named(bytes, name) - 4;
            let grown = u32::from_be_bytes(bytes[size..size + 4].try_into().unwrap()) + 12;
            bytes[size..size + 4].copy_from_slice(&grown.to_be_bytes());
        }
    });
    let all =
        |path: &Path| run(path, &Options { select: Select::All, ..Options::default() }).unwrap().manifest;
    let (whole, edited) = (all(&whole), all(&edited));
    let pictures = |manifest: &Manifest| -> Vec<String> {
        manifest.frames.iter().map(|frame| format!("{} {}", frame.time, frame.sha256)).collect()
    };
    assert_eq!(whole.warnings, Vec::<String>::new());
    assert_eq!(pictures(&edited), pictures(&whole));
    assert!(edited.warnings[0].contains("puts several parts of it together"), "{:?}", edited.warnings);
}

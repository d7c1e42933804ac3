//! The planner: which way is taken and why, and what it reads.

use std::io;
use std::ops::Range;
use std::path::Path;
use std::sync::{Arc, Mutex};

use framelift_contract::manifest::{Plan, Strategy};
use framelift_domain::{Options, Rational, Select};
use framelift_media::{EngineLimits, FileSource, Source};

use crate::clips::{Clips, ffmpeg};
use crate::run::{run, run_with};

/// 250 frames at 25 a second, in groups of 25.
const GROUPS: &str =
    "-c:v libx264 -preset veryfast -crf 12 -bf 3 -x264-params keyint=25:min-keyint=25:scenecut=0";

fn every(num: i128, den: i128) -> Select {
    Select::Every(Rational::new(num, den).unwrap())
}

fn at(places: &str) -> Select {
    Select::At(places.split(' ').map(|place| place.parse().unwrap()).collect())
}

fn plan(path: &Path, select: Select) -> Plan {
    run(path, &Options { select, ..Options::default() }).unwrap().manifest.plan
}

#[test]
fn the_cheapest_way_is_taken_and_explained() {
    let clips = Clips::new();
    let mp4 = clips.make("a.mp4", 250, GROUPS);
    let stream = clips.remake("a.ts", "", &mp4, "-c copy");
    let one = clips.make("one.mp4", 60, "-c:v libx264 -preset veryfast -crf 12 -g 250");
    for (path, select, strategy, reason) in [
        (
            &mp4,
            every(5, 1),
            Strategy::Seek,
            "2 of 10 groups of pictures hold wanted frames, and 6 of 250 packets",
        ),
        (&mp4, Select::Count(3), Strategy::Seek, "3 of 10 groups of pictures hold wanted frames"),
        (&mp4, every(24, 25), Strategy::Seek, "10 of 10 groups of pictures hold wanted frames"),
        (&mp4, Select::Keyframes, Strategy::Keyframes, "only sync points are wanted"),
        (&mp4, Select::All, Strategy::Sequential, "every frame is wanted"),
        (&mp4, at("#3 1s"), Strategy::Sequential, "frames are wanted by their number"),
        (&mp4, Select::Scenes { threshold: 0.5, max: 3 }, Strategy::Sequential, "every frame is compared"),
        (
            &one,
            every(1, 1),
            Strategy::Sequential,
            "the container's index does not tell groups of pictures apart",
        ),
        (&stream, every(1, 1), Strategy::Parallel, "the container has no index"),
    ] {
        let plan = plan(path, select.clone());
        assert_eq!(plan.strategy, strategy, "{select:?}: {}", plan.reason);
        assert!(plan.reason.starts_with(reason), "{select:?}: {}", plan.reason);
    }
}

/// Counts what is read, and remembers what was announced.
struct Watched {
    file: FileSource,
    read: Arc<Mutex<u64>>,
    expected: Arc<Mutex<Vec<Range<u64>>>>,
}

impl Source for Watched {
    fn size(&self) -> u64 {
        self.file.size()
    }

    fn read_at(&mut self, offset: u64, buf: &mut [u8]) -> io::Result<usize> {
        let n = self.file.read_at(offset, buf)?;
        *self.read.lock().unwrap() += n as u64;
        Ok(n)
    }

    fn prefetch(&mut self, ranges: &[Range<u64>]) {
        self.expected.lock().unwrap().extend_from_slice(ranges);
    }
}

#[test]
fn a_sparse_job_reads_and_announces_only_what_it_needs() {
    let clips = Clips::new();
    // About 3 MB: noise, so that groups are large against what is read at once.
    let path = clips.path("noise.mp4");
    let source = "testsrc2=size=192x112:rate=25:duration=40,noise=alls=40:allf=t,format=yuv420p";
    let status = ffmpeg().args(["-f", "lavfi", "-i", source]).args(GROUPS.split(' ')).arg(&path).status();
    assert!(status.unwrap().success());
    let (read, expected) = (Arc::default(), Arc::default());
    let file = FileSource::open(&path).unwrap();
    let size = file.size();
    let watched = Watched { file, read: Arc::clone(&read), expected: Arc::clone(&expected) };
    let options = Options { select: at("10.2s 30.1s"), ..Options::default() };
    let extracted = run_with(Box::new(watched), &options, &EngineLimits::default(), &()).unwrap();
    assert_eq!(extracted.manifest.plan.strategy, Strategy::Seek);
    let read = *read.lock().unwrap();
    assert_eq!(extracted.outcome.bytes_read, read);
    assert!(read * 8 < size, "{read} of {size} bytes");
    // The index, and the parts of two groups.
    let announced: u64 = expected.lock().unwrap().iter().map(|range| range.end - range.start).sum();
    assert!(announced > 0 && announced * 10 < size, "{announced} of {size} bytes");
}

#[test]
fn with_a_tolerance_sync_points_stand_in() {
    let clips = Clips::new();
    let path = clips.make("a.mp4", 250, GROUPS);
    let tolerance = Rational::new(1, 2).unwrap();
    let options = Options { select: every(13, 10), tolerance, ..Options::default() };
    let frames = run(&path, &options).unwrap().manifest.frames;
    assert_eq!(frames.len(), 8);
    for frame in &frames {
        assert!(frame.keyframe, "{frame:?}");
        let seconds = |text: &str| text.parse::<f64>().unwrap();
        let off = seconds(&frame.time) - seconds(frame.requested.as_deref().unwrap());
        assert!(off.abs() <= 0.5, "{frame:?}");
    }
}

#[test]
fn shots_begin_where_ffmpeg_finds_them() {
    let clips = Clips::new();
    let path = clips.path("shots.mp4");
    // Three patterns, the second of which comes twice.
    let shots = "testsrc=size=192x112:rate=25:duration=1[a];mandelbrot=size=192x112:rate=25,trim=duration=1[b];\
                 smptebars=size=192x112:rate=25:duration=1[c];testsrc=size=192x112:rate=25:duration=1[d];\
                 [a][b][c][d]concat=n=4,format=yuv420p";
    let status = ffmpeg().args(["-filter_complex", shots]).args(GROUPS.split(' ')).arg(&path).status();
    assert!(status.unwrap().success());
    let output = ffmpeg()
        .args(["-v", "info", "-i"])
        .arg(&path)
        .args(["-vf", "select='gt(scene,0.2)',showinfo", "-f", "null", "-"])
        .output()
        .unwrap();
    let log = String::from_utf8(output.stderr).unwrap();
    let times = log.split("pts_time:").skip(1).map(|rest| rest.split_whitespace().next().unwrap());
    // FFmpeg does not select the first frame of all.
    let expected: Vec<f64> = std::iter::once(0.0).chain(times.map(|time| time.parse().unwrap())).collect();
    assert_eq!(expected.len(), 4, "{log}");
    let options = Options { select: Select::Scenes { threshold: 0.2, max: 10 }, ..Options::default() };
    let found = |options: &Options| {
        let manifest = run(&path, options).unwrap().manifest;
        let times =
            manifest.frames.iter().map(|frame| frame.time.parse::<f64>().unwrap()).collect::<Vec<_>>();
        (times, manifest.warnings)
    };
    assert_eq!(found(&options), (expected.clone(), Vec::new()));
    let options = Options { select: Select::Scenes { threshold: 0.2, max: 2 }, ..options };
    let (times, warnings) = found(&options);
    assert_eq!(times, expected[..2]);
    assert_eq!(warnings, ["the first 2 shots were taken, as many as were asked for at most"]);
}

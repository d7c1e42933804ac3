//! Files that are broken, are no videos, or ask for too much: frames with warnings, or a code.

use std::io;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use framelift_domain::{FailureCode, Options, Rational, Select};
use framelift_media::{
    EngineLimits, ExtractError, FileSource, MemorySource, Output, Progress, Request, Source,
};

use crate::clips::Clips;
use crate::run::{Extracted, run, run_with};

const X264: &str = "-c:v libx264 -preset veryfast -crf 12 -g 12 -bf 2";

fn all() -> Options {
    Options { select: Select::All, ..Options::default() }
}

fn code(result: Result<Extracted, ExtractError>) -> FailureCode {
    match result {
        Err(ExtractError::Failed(failure)) => {
            assert!(!failure.message.is_empty());
            failure.code
        }
        Err(error) => panic!("{error}"),
        Ok(extracted) => panic!("{} frames", extracted.outcome.frames),
    }
}

fn in_memory(bytes: Vec<u8>) -> Box<dyn Source> {
    Box::new(MemorySource(bytes.into()))
}

fn code_of_bytes(bytes: Vec<u8>) -> FailureCode {
    code(run_with(in_memory(bytes), &all(), &EngineLimits::default(), &()))
}

#[test]
fn what_is_no_video_is_named() {
    assert_eq!(code_of_bytes(Vec::new()), FailureCode::NotAVideo);
    assert_eq!(code_of_bytes(b"Dear diary, this is not a video.\n".repeat(500)), FailureCode::NotAVideo);
    let mut state = 1_u32;
    let noise = (0..100_000).map(|_| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 24) as u8
    });
    assert_eq!(code_of_bytes(noise.collect()), FailureCode::NotAVideo);
    assert_eq!(code_of_bytes(vec![0; 100_000]), FailureCode::NotAVideo);
    let playlist = b"#EXTM3U\n#EXT-X-TARGETDURATION:5\n#EXTINF:5,\nfile:///etc/passwd\n#EXT-X-ENDLIST\n";
    assert_eq!(code_of_bytes(playlist.to_vec()), FailureCode::NotAVideo);
    assert_eq!(code_of_bytes(b"ffconcat version 1.0\nfile /etc/passwd\n".to_vec()), FailureCode::NotAVideo);
}

#[test]
fn sound_alone_and_cover_art_are_no_video() {
    let clips = Clips::new();
    let sound = clips.remake("a.mp4", "-f lavfi", Path::new("sine=duration=1"), "-c:a aac");
    assert_eq!(code(run(&sound, &all())), FailureCode::NoVideoStream);
    let cover = clips.make("cover.jpg", 1, "-frames:v 1");
    let arguments = format!("-i {} -map 0 -map 1 -c copy -disposition:v:0 attached_pic", cover.display());
    let both = clips.remake("b.mp4", "", &sound, &arguments);
    assert_eq!(code(run(&both, &all())), FailureCode::NoVideoStream);
}

#[test]
fn codecs_that_are_not_on_the_list_are_refused() {
    let clips = Clips::new();
    let odd = clips.make("a.mov", 3, "-c:v tiff");
    assert_eq!(code(run(&odd, &all())), FailureCode::UnsupportedCodec);
    let container = clips.make("a.apng", 3, "-f apng");
    assert_eq!(code(run(&container, &all())), FailureCode::UnsupportedContainer);
}

#[test]
fn encrypted_video_is_said_to_be() {
    let clips = Clips::new();
    let key = "00112233445566778899aabbccddeeff";
    let arguments =
        format!("{X264} -encryption_scheme cenc-aes-ctr -encryption_key {key} -encryption_kid {key}");
    let path = clips.make("a.mp4", 25, &arguments);
    assert_eq!(code(run(&path, &all())), FailureCode::DrmProtected);
}

#[test]
fn cut_off_files_give_what_is_there() {
    let clips = Clips::new();
    let mp4 = clips.make("a.mp4", 75, &format!("{X264} -movflags +faststart"));
    let mkv = clips.make("a.mkv", 75, X264);
    let ts = clips.make("a.ts", 75, X264);
    let avi = clips.make("a.avi", 75, "-c:v mpeg4 -q:v 2 -g 12");
    for path in [&mp4, &mkv, &ts, &avi] {
        let half = clips.patch("half", path, |bytes| bytes.truncate(bytes.len() * 6 / 10));
        for select in
            [Select::All, Select::Every(Rational::new(1, 2).unwrap()), Select::Count(4), Select::Keyframes]
        {
            let options = Options { select, ..Options::default() };
            let extracted = run(&half, &options)
                .unwrap_or_else(|error| panic!("{} {options:?}: {error}", path.display()));
            let frames = extracted.outcome.frames;
            let some = if options.select == Select::All { 20..75 } else { 1..9 };
            assert!(some.contains(&frames), "{}: {frames} {:?}", path.display(), options.select);
            // A broadcast has no length that could tell.
            if path != &ts && options.select == Select::All {
                assert!(!extracted.manifest.warnings.is_empty(), "{}", path.display());
            }
            let numbers = extracted.numbers();
            assert!(numbers.is_sorted(), "{numbers:?}");
        }
    }
    // The index is at the end, and gone.
    let late = clips.make("late.mp4", 75, X264);
    let half = clips.patch("half.mp4", &late, |bytes| bytes.truncate(bytes.len() / 2));
    assert_eq!(code(run(&half, &all())), FailureCode::CorruptInput);
}

#[test]
fn garbage_in_the_middle_leaves_the_rest() {
    let clips = Clips::new();
    for name in ["a.mp4", "a.mkv", "a.ts"] {
        let whole = clips.make(name, 75, &format!("{X264} -movflags +faststart"));
        let damaged = clips.patch("damaged", &whole, |bytes| {
            let middle = bytes.len() / 2;
            bytes[middle..middle + 600].fill(0xa5);
        });
        let extracted = run(&damaged, &all()).unwrap();
        assert!((30..=75).contains(&extracted.outcome.frames), "{name}: {}", extracted.outcome.frames);
        // A broadcast that loses whole frames leaves no trace of them.
        if name != "a.ts" {
            assert!(!extracted.manifest.warnings.is_empty(), "{name}");
        }
    }
}

#[test]
fn a_video_of_garbage_is_corrupt() {
    let clips = Clips::new();
    let whole = clips.make("a.mp4", 25, &format!("{X264} -movflags +faststart"));
    let damaged = clips.patch("damaged.mp4", &whole, |bytes| {
        let data = bytes.windows(4).position(|window| window == b"mdat").unwrap() + 4;
        bytes[data..].fill(0x5a);
    });
    assert_eq!(code(run(&damaged, &all())), FailureCode::CorruptInput);
}

#[test]
fn limits_hold() {
    let clips = Clips::new();
    let path = clips.make("a.mp4", 30, X264);
    let with = |limits| code(run_with(Box::new(FileSource::open(&path).unwrap()), &all(), &limits, &()));
    let default = EngineLimits::default;
    assert_eq!(with(EngineLimits { max_frames: 29, ..default() }), FailureCode::LimitExceeded);
    assert_eq!(with(EngineLimits { max_output_bytes: 5000, ..default() }), FailureCode::LimitExceeded);
    assert_eq!(with(EngineLimits { max_pixels: 192 * 112 - 1, ..default() }), FailureCode::LimitExceeded);
    assert_eq!(with(EngineLimits { max_streams: 0, ..default() }), FailureCode::LimitExceeded);
    assert_eq!(with(EngineLimits { max_wall: Duration::ZERO, ..default() }), FailureCode::TimedOut);
    let generous = EngineLimits { max_frames: 30, max_pixels: 192 * 112, max_streams: 1, ..default() };
    let source = Box::new(FileSource::open(&path).unwrap());
    assert_eq!(run_with(source, &all(), &generous, &()).unwrap().outcome.frames, 30);
}

/// A source that fails once it has given so many bytes.
struct Failing(FileSource, u64);

impl Source for Failing {
    fn size(&self) -> u64 {
        self.0.size()
    }

    fn read_at(&mut self, offset: u64, buf: &mut [u8]) -> io::Result<usize> {
        let Some(left) = self.1.checked_sub(buf.len() as u64) else {
            return Err(io::Error::new(io::ErrorKind::ConnectionReset, "the store hung up"));
        };
        self.1 = left;
        self.0.read_at(offset, buf)
    }
}

/// A source that gives a little at a time.
struct Pieces(FileSource);

impl Source for Pieces {
    fn size(&self) -> u64 {
        self.0.size()
    }

    fn read_at(&mut self, offset: u64, buf: &mut [u8]) -> io::Result<usize> {
        let length = buf.len().min(32 << 10);
        self.0.read_at(offset, &mut buf[..length])
    }
}

#[test]
fn large_pictures_may_come_in_small_pieces() {
    let clips = Clips::new();
    // 6.3 MB a picture.
    for name in ["a.mov", "a.avi"] {
        let path = clips.make_sized(name, (2048, 1536), 3, "", "-c:v rawvideo -pix_fmt uyvy422");
        let source = Box::new(Pieces(FileSource::open(&path).unwrap()));
        let extracted = run_with(source, &all(), &EngineLimits::default(), &()).unwrap();
        assert_eq!(extracted.numbers(), [0, 1, 2], "{name}");
    }
}

#[test]
fn a_source_that_fails_is_not_the_videos_fault() {
    let clips = Clips::new();
    for name in ["a.mp4", "a.mkv", "a.ts", "a.avi"] {
        let codec =
            if name == "a.avi" { "-c:v mpeg4 -q:v 2" } else { "-c:v libx264 -preset ultrafast -qp 0" };
        let path = clips.make_sized(name, (640, 360), 75, "", &format!("-vf noise=alls=40:allf=t {codec}"));
        let size = FileSource::open(&path).unwrap().size();
        for bytes in [0, 1000, size / 2] {
            let source = Box::new(Failing(FileSource::open(&path).unwrap(), bytes));
            match run_with(source, &all(), &EngineLimits::default(), &()) {
                Err(error @ ExtractError::Source(_)) => {
                    assert!(error.to_string().contains("the store hung up"));
                }
                Err(error) => panic!("{name} {bytes}: {error}"),
                Ok(extracted) => panic!("{name} {bytes} of {size}: {} frames", extracted.outcome.frames),
            }
        }
    }
}

/// A sink that is full after so many bytes.
struct Full(usize);

impl io::Write for Full {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0 = self.0.checked_sub(bytes.len()).ok_or(io::ErrorKind::StorageFull)?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn a_sink_that_fails_is_not_the_videos_fault() {
    let clips = Clips::new();
    let path = clips.make("a.mp4", 75, X264);
    let source = Box::new(FileSource::open(&path).unwrap());
    let (options, limits) = (&all(), &EngineLimits::default());
    let output = Output::zip(Full(70_000));
    let request = Request { source, file_name: "a.mp4".into(), options, limits, output, control: &() };
    let result = framelift_media::extract(request, Vec::new());
    assert!(matches!(result, Err(ExtractError::Sink(_))), "{result:?}");
}

#[test]
fn cancelling_stops_at_any_time() {
    let clips = Clips::new();
    let path = clips.make("a.mp4", 75, X264);
    for calls in [0, 1, 5, 30, 100] {
        let left = AtomicU64::new(calls);
        let control = |_: &Progress| left.fetch_update(Relaxed, Relaxed, |left| left.checked_sub(1)).is_ok();
        let source = Box::new(FileSource::open(&path).unwrap());
        let result = run_with(source, &all(), &EngineLimits::default(), &control);
        assert!(matches!(result, Err(ExtractError::Cancelled)), "{calls}");
    }
}

#[test]
fn progress_rises_to_the_end() {
    let clips = Clips::new();
    let path = clips.make("a.mp4", 75, X264);
    let seen = std::sync::Mutex::new(Vec::new());
    let control = |progress: &Progress| {
        seen.lock().unwrap().push(*progress);
        true
    };
    let options = Options { select: Select::Count(10), ..Options::default() };
    let source = Box::new(FileSource::open(&path).unwrap());
    let extracted = run_with(source, &options, &EngineLimits::default(), &control).unwrap();
    let seen = seen.into_inner().unwrap();
    let last = seen.last().unwrap();
    assert_eq!((last.percent, last.frames_done, last.frames_expected), (100.0, 10, Some(10)));
    assert_eq!(last.bytes_read, extracted.outcome.bytes_read);
    assert!(seen.iter().any(|progress| progress.stage == framelift_media::Stage::Indexing));
}

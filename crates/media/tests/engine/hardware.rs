//! The GPU against the CPU; and what happens where there is none.

use std::path::Path;

use framelift_contract::manifest::Strategy;
use framelift_domain::{Fit, Format, Options, Rational, Resize, Select};
use framelift_media::{EngineLimits, FileSource, HardwareUse, hardware};

use crate::clips::Clips;
use crate::run::{Extracted, run_with};

/// What a frame from the GPU must reach against the CPU's, before it is encoded.
const CLOSE_DB: f64 = 45.0;

fn extract(path: &Path, options: &Options, limits: &EngineLimits) -> Extracted {
    run_with(Box::new(FileSource::open(path).unwrap()), options, limits, &()).unwrap()
}

fn by(strategy: Option<Strategy>) -> EngineLimits {
    EngineLimits { strategy, ..EngineLimits::default() }
}

/// Something that moves, with colours and edges.
fn moving(clips: &Clips, name: &str, arguments: &str) -> std::path::PathBuf {
    clips.remake(name, "-f lavfi", Path::new("testsrc2=size=384x256:rate=25:duration=1"), arguments)
}

fn psnr(one: &[u8], other: &[u8]) -> f64 {
    assert_eq!(one.len(), other.len());
    let squares: f64 = one.iter().zip(other).map(|(a, b)| f64::from(a.abs_diff(*b)).powi(2)).sum();
    10.0 * (255.0 * 255.0 / (squares / one.len() as f64).max(1e-6)).log10()
}

/// Whether there is a GPU; if not, the test says that it did not happen.
#[expect(clippy::print_stderr, reason = "a test that is skipped must say so")]
fn gpu_decodes(what: &str, codec: &str, bits: u8) -> bool {
    let info = hardware();
    let found = info.codecs.iter().find(|kind| kind.codec == codec && kind.bits == bits);
    let problem = match (found, &info.problem) {
        (Some(kind), None) => kind.problem.as_deref(),
        (_, problem) => Some(problem.as_deref().unwrap_or("it was not tried")),
    };
    if let Some(problem) = problem {
        eprintln!("SKIPPED: {what} of {codec} with {bits} bits: no NVIDIA GPU for it ({problem})");
    }
    problem.is_none()
}

#[test]
fn a_gpu_gives_the_frames_of_the_cpu() {
    let clips = Clips::new();
    let kinds = [
        ("h264", 8, "h264.mp4", "-c:v libx264 -bf 3 -g 12 -pix_fmt yuv420p"),
        ("hevc", 8, "hevc.mp4", "-c:v libx265 -x265-params log-level=none -pix_fmt yuv420p"),
        ("hevc", 10, "hevc10.mp4", "-c:v libx265 -x265-params log-level=none -pix_fmt yuv420p10le"),
        ("vp9", 8, "vp9.mkv", "-c:v libvpx-vp9 -cpu-used 8 -pix_fmt yuv420p"),
        ("av1", 8, "av1.mkv", "-c:v libsvtav1 -preset 12 -pix_fmt yuv420p"),
        ("mpeg2video", 8, "mpeg2.ts", "-c:v mpeg2video -bf 2 -q:v 3 -pix_fmt yuv420p"),
    ];
    // A twelfth goes half on the GPU, half on the CPU.
    let small = Resize { width: Some(32), height: None, fit: Fit::Contain };
    let every = Select::Every(Rational::new(1, 10).unwrap());
    let jobs = [
        Options { select: Select::All, format: Format::Png, ..Options::default() },
        Options { select: every, format: Format::Png, resize: Some(small), ..Options::default() },
    ];
    for (codec, bits, name, arguments) in kinds {
        if !gpu_decodes("frames of GPU and CPU", codec, bits) {
            continue;
        }
        let path = moving(&clips, name, arguments);
        for options in &jobs {
            let gpu = extract(&path, options, &by(Some(Strategy::Hardware)));
            let plan = &gpu.outcome.plan;
            assert_eq!(plan.strategy, Strategy::Hardware, "{codec} {bits}: {}", plan.reason);
            assert!(plan.decoder.ends_with("_nvdec"), "{}", plan.decoder);
            let cpu = extract(&path, options, &by(Some(Strategy::Sequential)));
            let times = |extracted: &Extracted| -> Vec<(i64, String, bool)> {
                let frames = &extracted.manifest.frames;
                frames.iter().map(|frame| (frame.pts, frame.time.clone(), frame.keyframe)).collect()
            };
            assert_eq!(times(&gpu), times(&cpu), "{codec} {bits}");
            for index in 0..gpu.manifest.frames.len() {
                let close = psnr(&gpu.image(index).pixels, &cpu.image(index).pixels);
                assert!(close >= CLOSE_DB, "{codec} {bits}: frame {index} has {close:.1} dB");
            }
        }
    }
}

#[test]
fn what_a_gpu_does_not_take_is_decoded_on_the_cpu_and_says_so() {
    let clips = Clips::new();
    let full_chroma = moving(&clips, "444.mp4", "-c:v libx264 -pix_fmt yuv444p");
    let options = Options { select: Select::Count(5), format: Format::Png, ..Options::default() };
    let asked = extract(&full_chroma, &options, &by(Some(Strategy::Hardware)));
    let plain = extract(&full_chroma, &options, &by(None));
    let (asked_plan, plain_plan) = (&asked.manifest.plan, &plain.manifest.plan);
    assert_ne!(asked_plan.strategy, Strategy::Hardware);
    assert!(asked_plan.reason.starts_with("the GPU's decoder was not used ("), "{}", asked_plan.reason);
    assert!(asked_plan.reason.ends_with(&plain_plan.reason), "{}", asked_plan.reason);
    assert_eq!(asked_plan.decoder, plain_plan.decoder);
    // Down to the bytes of the images.
    assert_eq!(asked.manifest.frames, plain.manifest.frames);
    assert_eq!(plain.manifest.frames.len(), 5);

    // Nobody asked, so nobody is told.
    assert!(!plain_plan.reason.contains("GPU"), "{}", plain_plan.reason);
    let never = EngineLimits { hardware: HardwareUse::Never, ..by(Some(Strategy::Hardware)) };
    let never = extract(&full_chroma, &options, &never);
    assert!(!never.manifest.plan.reason.contains("GPU"), "{}", never.manifest.plan.reason);
    assert_eq!(never.manifest.frames, plain.manifest.frames);
}

#[test]
fn a_machine_without_a_gpu_says_why() {
    let info = hardware();
    assert_eq!(info.problem.is_none(), info.is_usable());
    if info.codecs.is_empty() {
        let problem = info.problem.as_deref().unwrap();
        assert!(problem.starts_with("no GPU: ") && problem.len() > "no GPU: ".len(), "{problem}");
        assert_eq!((&info.device, &info.driver), (&None, &None));
    }
}

//! Whole jobs on the GPU and on the CPU, of generated videos: `docs/gpu.md` has the results.

use std::hint::black_box;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use framelift_benches::extract_without_output;
use framelift_contract::manifest::Strategy;
use framelift_domain::{Fit, Options, Rational, Resize, Select};
use framelift_media::{EngineLimits, HardwareUse, MemorySource, hardware};

const VIDEOS: [(&str, &str, &str); 3] = [
    ("h264-1080p", "1920x1080", "-c:v libx264 -preset veryfast"),
    ("hevc-1080p", "1920x1080", "-c:v libx265 -preset ultrafast -x265-params log-level=none"),
    ("h264-2160p", "3840x2160", "-c:v libx264 -preset ultrafast"),
];
const SECONDS: u32 = 10;
const FRAMES: u64 = 300;

/// Ten seconds at 30 frames a second.
fn make(folder: &Path, name: &str, size: &str, encoder: &str) -> MemorySource {
    let path = folder.join(name).with_extension("mp4");
    let input = format!("testsrc2=size={size}:rate=30:duration={SECONDS}");
    let made = Command::new("ffmpeg")
        .args(["-v", "error", "-nostdin", "-f", "lavfi", "-i", &input, "-pix_fmt", "yuv420p", "-g", "60"])
        .args(encoder.split_whitespace())
        .arg(&path)
        .status();
    assert!(made.expect("the ffmpeg program makes the videos").success(), "{name} could not be made");
    MemorySource(Arc::from(std::fs::read(path).expect("the video was just made")))
}

#[expect(clippy::print_stderr, reason = "a bench that is skipped must say so")]
fn jobs(c: &mut Criterion) {
    if let Some(problem) = &hardware().problem {
        eprintln!("SKIPPED: the GPU against the CPU: no NVIDIA GPU ({problem})");
        return;
    }
    let folder = tempfile::tempdir().expect("the videos need a folder");
    let small = Resize { width: Some(640), height: None, fit: Fit::Contain };
    let jobs = [
        ("all", Options { select: Select::All, ..Options::default() }),
        ("all_640", Options { select: Select::All, resize: Some(small), ..Options::default() }),
        ("each_second", Options { select: Select::Every(Rational::whole(1)), ..Options::default() }),
    ];
    let gpu = EngineLimits { strategy: Some(Strategy::Hardware), ..EngineLimits::default() };
    let cpu = EngineLimits { hardware: HardwareUse::Never, ..EngineLimits::default() };
    for (name, size, encoder) in VIDEOS {
        let video = make(folder.path(), name, size, encoder);
        let mut group = c.benchmark_group(format!("hardware/{name}"));
        group.sample_size(10).throughput(Throughput::Elements(FRAMES));
        for (job, options) in &jobs {
            let plan = extract_without_output(video.clone(), options, &gpu).plan;
            assert_eq!(plan.strategy, Strategy::Hardware, "{}", plan.reason);
            for (on, limits) in [("gpu", &gpu), ("cpu", &cpu)] {
                group.bench_function(format!("{job}/{on}"), |b| {
                    let work = |source| black_box(extract_without_output(source, options, limits));
                    b.iter_batched(|| video.clone(), work, BatchSize::PerIteration);
                });
            }
        }
        group.finish();
    }
}

criterion_group!(benches, jobs);
criterion_main!(benches);

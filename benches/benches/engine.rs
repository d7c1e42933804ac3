//! The engine on a public sample: opening, and jobs that stress one stage each.

use std::hint::black_box;
use std::path::Path;
use std::sync::Arc;

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use framelift_domain::{Format, Options, Rational, Resize, Select};
use framelift_media::{EngineLimits, MemorySource, SourceInfo, extract, probe};

/// 132 frames of 1280×720.
const SAMPLE: &str = "../e2e/media/big-buck-bunny-5s.mp4";
const FRAMES: u64 = 132;

fn sample() -> MemorySource {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(SAMPLE);
    MemorySource(Arc::from(std::fs::read(path).expect("the sample is part of the repository")))
}

fn run(source: MemorySource, options: &Options) -> u64 {
    let info = SourceInfo { file_name: "sample".to_owned(), size: source.0.len() as u64 };
    extract(Box::new(source), info, options, &EngineLimits::default(), std::io::sink(), &())
        .expect("the sample is a good video")
        .frames
}

fn jobs(c: &mut Criterion) {
    let source = sample();
    c.bench_function("open", |b| {
        b.iter_batched(|| source.clone(), |source| black_box(probe(Box::new(source))), BatchSize::SmallInput);
    });

    let mut group = c.benchmark_group("job");
    group.sample_size(10).throughput(Throughput::Elements(FRAMES));
    let small = Resize { width: Some(320), height: None, fit: framelift_domain::Fit::Contain };
    let jobs = [
        ("every_second", Options::default()),
        ("keyframes", Options { select: Select::Keyframes, ..Options::default() }),
        ("count_10", Options { select: Select::Count(10), ..Options::default() }),
        ("all_jpeg", Options { select: Select::All, ..Options::default() }),
        ("all_small", Options { select: Select::All, resize: Some(small), ..Options::default() }),
        (
            "every_200_ms_png",
            Options {
                select: Select::Every(Rational::new(1, 5).unwrap_or(Rational::ZERO)),
                format: Format::Png,
                ..Options::default()
            },
        ),
    ];
    for (name, options) in jobs {
        group.bench_function(name, |b| {
            b.iter_batched(
                || source.clone(),
                |source| black_box(run(source, &options)),
                BatchSize::SmallInput,
            );
        });
    }
    group.finish();
}

criterion_group!(benches, jobs);
criterion_main!(benches);

//! Each stage of the engine by a job in which it does most of the work, on one thread, so that a
//! change of one stage shows in its own figure.

use std::hint::black_box;

use criterion::measurement::WallTime;
use criterion::{BatchSize, BenchmarkGroup, Criterion, Throughput, criterion_group, criterion_main};
use framelift_benches::{BUNNY, CARS, NASA, Sample, run};
use framelift_domain::{Fit, Format, Options, Place, Rational, Resize, Select};
use framelift_media::{MemorySource, probe, unsupported};

/// Images in the benches of encoders.
const IMAGES: u64 = 4;

fn open(c: &mut Criterion) {
    let mut group = c.benchmark_group("open");
    for sample in [BUNNY, CARS, NASA] {
        let source = sample.load();
        group.bench_function(sample.file, |b| {
            b.iter_batched(
                || source.clone(),
                |source| black_box(probe(Box::new(source))),
                BatchSize::SmallInput,
            );
        });
    }
    group.finish();
}

/// Packets: the times of all of them are needed to number a picture, and one picture is decoded.
fn demux(c: &mut Criterion) {
    let options =
        Options { select: Select::At(vec![Place::Frame(0)]), resize: resized(16), ..Options::default() };
    stage(c, "demux", CARS.frames, |group| bench(group, "number_0", CARS, &options));
}

/// Decoding: one group of pictures up to its last, one tiny image.
fn decode(c: &mut Criterion) {
    let last = Place::Percent(Rational::whole(100));
    let options = Options { select: Select::At(vec![last]), resize: resized(16), ..Options::default() };
    stage(c, "decode", BUNNY.frames, |group| bench(group, "h264_720p", BUNNY, &options));
}

/// Decoding and converting: every picture, to sizes at which encoding is a small part.
fn convert(c: &mut Criterion) {
    stage(c, "convert", BUNNY.frames, |group| {
        for width in [64, 320, 960] {
            let options = Options { select: Select::All, resize: resized(width), ..Options::default() };
            bench(group, &format!("to_{width}_wide"), BUNNY, &options);
        }
    });
}

/// Encoding: four pictures of 1280×720 in each format.
fn encode(c: &mut Criterion) {
    stage(c, "encode", IMAGES, |group| {
        for format in [Format::Jpeg, Format::Png, Format::Webp, Format::Avif] {
            let places = (0..IMAGES).map(Place::Frame).collect();
            let options = Options { select: Select::At(places), format, ..Options::default() };
            if unsupported(&options, 0).is_empty() {
                bench(group, format.as_str(), BUNNY, &options);
            }
        }
    });
}

/// Members, checksums and the manifest: as many images as a small video has, as small as can be.
fn archive(c: &mut Criterion) {
    let options = Options { select: Select::All, resize: resized(2), ..Options::default() };
    stage(c, "archive", NASA.frames, |group| bench(group, "325_members", NASA, &options));
}

fn stage(
    c: &mut Criterion,
    name: &str,
    elements: u64,
    benches: impl FnOnce(&mut BenchmarkGroup<'_, WallTime>),
) {
    let mut group = c.benchmark_group(name);
    group.sample_size(10).throughput(Throughput::Elements(elements));
    benches(&mut group);
    group.finish();
}

fn bench(group: &mut BenchmarkGroup<'_, WallTime>, name: &str, sample: Sample, options: &Options) {
    let source = sample.load();
    let one = |source: MemorySource| black_box(run(source, options, 1));
    group.bench_function(name, |b| b.iter_batched(|| source.clone(), one, BatchSize::SmallInput));
}

fn resized(width: u32) -> Option<Resize> {
    Some(Resize { width: Some(width), height: None, fit: Fit::Contain })
}

criterion_group!(benches, open, demux, decode, convert, encode, archive);
criterion_main!(benches);

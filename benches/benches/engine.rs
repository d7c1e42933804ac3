//! Whole jobs on a public sample.

use std::hint::black_box;

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use framelift_benches::{BUNNY, run};
use framelift_domain::{Options, Rational, Select};

fn jobs(c: &mut Criterion) {
    let source = BUNNY.load();
    let mut group = c.benchmark_group("job");
    group.sample_size(10).throughput(Throughput::Elements(BUNNY.frames));
    let tolerant = Options { tolerance: Rational::whole(2), ..Options::default() };
    let jobs = [
        ("every_second", Options::default(), 0),
        ("every_second_tolerance_2s", tolerant, 0),
        ("keyframes", Options { select: Select::Keyframes, ..Options::default() }, 0),
        ("count_10", Options { select: Select::Count(10), ..Options::default() }, 0),
        ("all", Options { select: Select::All, ..Options::default() }, 0),
        ("all_one_thread", Options { select: Select::All, ..Options::default() }, 1),
    ];
    for (name, options, threads) in jobs {
        group.bench_function(name, |b| {
            b.iter_batched(
                || source.clone(),
                |source| black_box(run(source, &options, threads)),
                BatchSize::SmallInput,
            );
        });
    }
    group.finish();
}

criterion_group!(benches, jobs);
criterion_main!(benches);

//! Measures the cost of the sandbox's child process: the same jobs in this process and in a child, in turns, and the
//! time until a child is ready.
//!
//! Prints ratios of wall time, sandboxed over in-process: the median of the rounds, the smallest and the largest.

#![expect(clippy::print_stdout, reason = "the report")]

use std::process::ExitCode;
use std::time::{Duration, Instant};

use framelift_benches::{BUNNY, CARS, NASA, Sample};
use framelift_domain::{Format, Options, Select};
use framelift_media::{EngineLimits, HardwareUse, Output, Request};
use framelift_sandbox::{Engine, Sandbox, Settings};

/// Measured rounds, after one to warm up.
const ROUNDS: usize = 7;

fn main() -> ExitCode {
    if let Some(child) = framelift_sandbox::run_as_child() {
        return child;
    }
    // Of `cargo bench`.
    let quick = std::env::args().any(|argument| argument == "--test");
    let rounds = if quick { 1 } else { ROUNDS };
    let settings = || Settings { hardware: HardwareUse::Never, ready: 1, ..Settings::default() };
    let sandbox = Sandbox::start(settings()).expect("this kernel has what it takes");
    let sandboxed = Engine::Sandboxed(Box::new(sandbox));
    let in_process = Engine::InProcess;
    for (name, sample, select, format) in [
        ("every frame, JPEG", BUNNY, Select::All, Format::Jpeg),
        ("every frame, PNG", NASA, Select::All, Format::Png),
        ("sync points, JPEG", CARS, Select::Keyframes, Format::Jpeg),
        ("one a second, JPEG", CARS, Select::Count(30), Format::Jpeg),
    ] {
        let options = Options { select, format, ..Options::default() };
        let ratios = (0..=rounds).map(|round| {
            // The second of a pair finds warmer caches.
            let (first, second) =
                if round % 2 == 0 { (&in_process, &sandboxed) } else { (&sandboxed, &in_process) };
            let (first, second) = (time(first, sample, &options), time(second, sample, &options));
            let (plain, boxed) = if round % 2 == 0 { (first, second) } else { (second, first) };
            (boxed.as_secs_f64() / plain.as_secs_f64(), plain)
        });
        let mut ratios: Vec<_> = ratios.skip(1).collect();
        ratios.sort_by(|one, other| one.0.total_cmp(&other.0));
        let (median, plain) = ratios[ratios.len() / 2];
        let (least, most) = (ratios[0].0, ratios[ratios.len() - 1].0);
        println!("{name}, {}: {median:.3} ({least:.3} to {most:.3}) of {plain:.2?}", sample.file);
    }
    let mut starts: Vec<Duration> = (0..=rounds)
        .map(|_| {
            let began = Instant::now();
            drop(Sandbox::start(settings()));
            began.elapsed()
        })
        .collect();
    starts.sort();
    println!("a child is ready after {:.1?}", starts[starts.len() / 2]);
    ExitCode::SUCCESS
}

fn time(engine: &Engine, sample: Sample, options: &Options) -> Duration {
    let (source, file_name) = (Box::new(sample.load()), sample.file.to_owned());
    let limits = &EngineLimits { hardware: HardwareUse::Never, ..EngineLimits::default() };
    let output = Output::zip(std::io::sink());
    let request = Request { source, file_name, options, limits, output, control: &() };
    let began = Instant::now();
    let done = engine.extract(request, &[]);
    let took = began.elapsed();
    done.expect("the sample is a good video");
    took
}

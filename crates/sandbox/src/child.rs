//! The child's program: restricts itself, receives one job, does it, and exits.

use std::fs::File;
use std::io::{self, Write as _};
use std::os::fd::AsFd as _;
use std::process::ExitCode;

use framelift_media::{ExtractError, HardwareUse, Output, Request, probe};

use crate::framing;
use crate::messages::{self, Done, ExtractJob, Extracted, Hello, Job, Kind};
use crate::plugins::{self, Loaded};
use crate::remote::{Events, RemoteArchive, RemoteNames, RemoteSource, Throttled};
use crate::restrict;

/// The first argument of a child; the second says whether it may use a GPU, the third which.
pub(crate) const ARGUMENT: &str = "--framelift-sandbox-child";
pub(crate) const GPU: &str = "gpu";
pub(crate) const CPU: &str = "cpu";

/// A hook that a child runs with the name of its video before it decodes it.
pub type Work = fn(&str);

/// Runs the child's work and returns its exit code, if this process was started as a child; else `None`. Call
/// it first in `main`.
///
/// Both programs of the product start themselves as children, so no other program has to be shipped or found.
pub fn run_as_child() -> Option<ExitCode> {
    serve(|_| {})
}

/// The same with a hook that runs when the job is known; the tests misbehave in it.
pub fn serve(before: Work) -> Option<ExitCode> {
    let mut arguments = std::env::args_os().skip(1);
    if arguments.next().as_deref() != Some(ARGUMENT.as_ref()) {
        return None;
    }
    let gpu = arguments.next().is_some_and(|argument| argument == GPU);
    let gpu = gpu.then(|| arguments.next()?.to_str()?.parse().ok()).flatten();
    let done = run(gpu, before);
    if let Err(error) = &done {
        let _ = writeln!(io::stderr(), "{error}");
    }
    Some(done.map_or(ExitCode::FAILURE, |()| ExitCode::SUCCESS))
}

fn run(gpu: Option<u32>, before: Work) -> io::Result<()> {
    let mut missing = restrict::isolate();
    // `File` uses plain `read` and `write` calls, which stay allowed.
    let reads = RemoteSource::new(File::from(io::stdin().as_fd().try_clone_to_owned()?))?;
    let events = Events::new(File::from(io::stdout().as_fd().try_clone_to_owned()?))?;
    let mut note = |what: &str, result: Result<(), String>| {
        if let Err(problem) = result {
            missing.push(format!("{what}: {problem}"));
        }
    };
    note("limits", restrict::limit(gpu.is_some()));
    note("capabilities and new privileges", restrict::drop_privileges());
    note("Landlock", restrict::landlock(gpu));
    let gpu = gpu.is_some();
    // The driver's libraries are loaded and tried on trusted videos while all calls are still allowed.
    let hardware = gpu.then(|| framelift_media::hardware().clone());
    let confined = restrict::filter_calls(gpu);
    // If the other filters could not be installed, this one cannot either, and the parent knows.
    let freezes = confined.is_ok() && !gpu;
    note("seccomp", confined);
    let hello = Hello { version: messages::VERSION, missing, hardware };
    framing::write_json(&mut *events.out(), Kind::Hello, &hello)?;

    let freeze = || if freezes { restrict::freeze().map_err(io::Error::other) } else { Ok(()) };
    let done = match messages::json(&events.receive(Kind::Job)?)? {
        Job::Extract(job) => {
            let plugins = plugins::load(&job.plugins, &events)?;
            freeze()?;
            before(&job.file_name);
            extract(*job, plugins, gpu, reads, &events)?
        }
        Job::Probe(size) => {
            freeze()?;
            probe(reads.of_size(size)).map(|info| Done::Probe(Box::new(info)))
        }
        Job::Check(job) => Ok(plugins::check(&job, &events, freeze)?),
    };
    match done {
        Ok(done) => framing::write_json(&mut *events.out(), Kind::Done, &done),
        Err(ExtractError::Failed(failure)) => framing::write_json(&mut *events.out(), Kind::Failed, &failure),
        Err(ExtractError::Source(_)) => events.send(Kind::SourceFailed, &[]),
        // The parent has checked for unsupported options; the other errors mean that the parent is gone.
        Err(ExtractError::Unsupported(_) | ExtractError::Sink(_) | ExtractError::Cancelled) => {
            Err(io::ErrorKind::BrokenPipe.into())
        }
    }
}

fn extract(
    job: ExtractJob,
    plugins: Loaded,
    gpu: bool,
    reads: RemoteSource,
    events: &Events,
) -> io::Result<Result<Done, ExtractError>> {
    let options = job.options()?;
    let names = RemoteNames::new(job.asks_names.then_some(events));
    let archive = RemoteArchive { events, names: &names, bytes: 0 };
    let output = Output { names: Some(&names), ..Output::new(archive) };
    let source = reads.of_size(job.size);
    let mut limits = job.limits;
    if !gpu {
        limits.hardware = HardwareUse::Never;
    }
    let mut running = match plugins.start(&job.plugins) {
        Ok(running) => running,
        Err(failure) => return Ok(Err(ExtractError::Failed(failure))),
    };
    let filters = std::mem::take(&mut running.filters);
    let (options, limits, control) = (&options, &limits, &Throttled::new(events));
    let request = Request { source, file_name: job.file_name, options, limits, output, control };
    let outcome = framelift_media::extract(request, filters);
    let extracted = |outcome| Extracted { outcome, plugins: running.records() };
    Ok(outcome.map(|outcome| Done::Extract(Box::new(extracted(outcome)))))
}

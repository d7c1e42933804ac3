//! The child's program: it restricts itself, takes one job, does it, and ends.

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

/// The first argument of a child; the second says whether it may use a GPU.
pub(crate) const ARGUMENT: &str = "--framelift-sandbox-child";
pub(crate) const GPU: &str = "gpu";
pub(crate) const CPU: &str = "cpu";

/// What a child does with the name of its video before it decodes it.
pub type Work = fn(&str);

/// Call it first in `main`. Where this process was started as a child, its work is done and its exit code
/// returned; else nothing happens.
///
/// Both programs of the product are their own child, so that nothing needs to be found or shipped besides.
pub fn enter_if_asked() -> Option<ExitCode> {
    serve(|_| {})
}

/// The same with something to be done when the job is known: the tests misbehave there.
pub fn serve(before: Work) -> Option<ExitCode> {
    let mut arguments = std::env::args_os().skip(1);
    if arguments.next().as_deref() != Some(ARGUMENT.as_ref()) {
        return None;
    }
    let gpu = arguments.next().as_deref() == Some(GPU.as_ref());
    let done = run(gpu, before);
    if let Err(error) = &done {
        let _ = writeln!(io::stderr(), "{error}");
    }
    Some(done.map_or(ExitCode::FAILURE, |()| ExitCode::SUCCESS))
}

fn run(gpu: bool, before: Work) -> io::Result<()> {
    let mut missing = restrict::isolate();
    // `File` reads and writes by the plainest calls, which are the ones that stay allowed.
    let reads = RemoteSource::new(File::from(io::stdin().as_fd().try_clone_to_owned()?))?;
    let events = Events::new(File::from(io::stdout().as_fd().try_clone_to_owned()?))?;
    let mut note = |what: &str, result: Result<(), String>| {
        if let Err(problem) = result {
            missing.push(format!("{what}: {problem}"));
        }
    };
    note("limits", restrict::limit(gpu));
    note("capabilities and new privileges", restrict::drop_privileges());
    note("Landlock", restrict::landlock(gpu));
    // The driver's libraries are loaded while all calls are allowed, and tried on videos of our own.
    let hardware = gpu.then(|| framelift_media::hardware().clone());
    let confined = restrict::filter_calls(gpu);
    // Where the filters cannot be installed, this one cannot either, and the parent knows it.
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
        // The parent looks for options that the engine does not do, and the other two mean that it has gone.
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

//! Plugins in a child: their code is mapped before the child gives up the right to map code, and run
//! afterwards.

use std::io;
use std::time::Duration;

use framelift_domain::{Checksum, Failure};
use framelift_plugin_host::{Code, Host, Metering, PluginLimits, Rejected, Running, failure};

use crate::framing;
use crate::messages::{CheckJob, Done, PluginJob};
use crate::remote::Events;

/// What compiling and checking one plugin may take.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CompileLimits {
    /// Processor time.
    pub processor_time: Duration,
    /// Address space.
    pub memory_bytes: u64,
}

impl Default for CompileLimits {
    /// Four times what compiling a Python interpreter of 20 MB takes.
    fn default() -> Self {
        Self { processor_time: Duration::from_secs(240), memory_bytes: 3 << 30 }
    }
}

/// Why a plugin was not compiled.
#[derive(Debug, thiserror::Error)]
pub enum CompileError {
    /// It is the plugin's fault.
    #[error(transparent)]
    Rejected(#[from] Rejected),
    /// No child could be started.
    #[error(transparent)]
    Start(#[from] crate::StartError),
    /// The child was ended from outside, or had too little of the machine. A retry may succeed.
    #[error("compiling was interrupted: {0}")]
    Interrupted(String),
    /// The caller has cancelled it.
    #[error("compiling was cancelled")]
    Cancelled,
}

/// The code of a job's plugins, in memory.
pub(crate) struct Loaded(Result<Vec<Code>, Failure>);

/// Receives the code of a job's plugins.
pub(crate) fn load(jobs: &[PluginJob], events: &Events) -> io::Result<Loaded> {
    if jobs.is_empty() {
        return Ok(Loaded(Ok(Vec::new())));
    }
    let host = Host::new(PluginLimits::default(), metering(jobs.iter().any(|job| job.fuel)));
    let host = host.map_err(io::Error::other)?;
    let mut loaded = Ok(Vec::new());
    for job in jobs {
        let bytes = events.receive_code(job.bytes)?;
        if let Ok(codes) = &mut loaded {
            match host.load(&bytes, job.sha256) {
                Ok(code) => codes.push(code),
                Err(error) => loaded = Err(failure(&job.name, error)),
            }
        }
    }
    Ok(Loaded(loaded))
}

impl Loaded {
    /// Starts the plugins.
    pub(crate) fn start(self, jobs: &[PluginJob]) -> Result<Running, Failure> {
        let codes = self.0?;
        Running::start(codes.iter().zip(jobs).map(|(code, job)| {
            let PluginJob { name, version, config, .. } = job;
            (code, name.as_str(), version.as_str(), config.as_str())
        }))
    }
}

/// Receives a component, compiles and checks it, and sends its code.
pub(crate) fn check(
    job: &CheckJob,
    events: &Events,
    freeze: impl FnOnce() -> io::Result<()>,
) -> io::Result<Done> {
    let component = events.receive_code(job.bytes)?;
    let host = Host::new(PluginLimits::default(), metering(job.fuel)).map_err(io::Error::other)?;
    let sha256 = Checksum::of(&component);
    let compiled = host.compile(&component).and_then(|bytes| Ok((host.load(&bytes, sha256)?, bytes)));
    freeze()?;
    let (code, bytes) = match compiled {
        Ok(compiled) => compiled,
        Err(Rejected(words)) => return Ok(Done::Rejected(words)),
    };
    match code.check(&job.name) {
        Ok(checked) => {
            framing::write_code(&mut *events.out(), &bytes)?;
            Ok(Done::Check(Box::new(checked)))
        }
        Err(Rejected(words)) => Ok(Done::Rejected(words)),
    }
}

fn metering(fuel: bool) -> Metering {
    if fuel { Metering::TimeAndFuel } else { Metering::Time }
}

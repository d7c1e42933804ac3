//! Starts children, keeps some of them ready, and ends them.

use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStderr, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use framelift_media::{HardwareInfo, HardwareUse};

use crate::child::{ARGUMENT, CPU, GPU};
use crate::framing::Frames;
use crate::limits::{Limits, MemoryLimit};
use crate::messages::{self, Hello, Kind};
use crate::watchdog::Watchdog;
use crate::{crash, gpu};

/// How long a child may take until it is ready. A GPU's driver may have to wake the GPU up.
const READY_TIMEOUT: Duration = Duration::from_secs(60);
/// How long a child may take to exit after its last message.
const END_TIMEOUT: Duration = Duration::from_secs(5);

/// How children are started and watched.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The program, which calls [`run_as_child`](crate::run_as_child) first. `None` is the running
    /// program.
    pub program: Option<PathBuf>,
    /// Idle children that are kept ready.
    pub ready: usize,
    /// Whether jobs are run even if the kernel lacks one of the mechanisms.
    pub best_effort: bool,
    /// Whether a GPU may be used, where there is one.
    pub hardware: HardwareUse,
    /// A child that sends nothing for this long is killed.
    pub inactivity_timeout: Duration,
    /// How memory is limited. Children with a GPU are limited by what is resident, whatever this says.
    pub memory: MemoryLimit,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            program: None,
            ready: 0,
            best_effort: false,
            hardware: HardwareUse::Auto,
            inactivity_timeout: Duration::from_secs(300),
            memory: MemoryLimit::AddressSpace,
        }
    }
}

/// Why a child could not be started.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The kernel lacks mechanisms.
    #[error("the sandbox for decoders is not complete: {}", .0.join("; "))]
    Incomplete(Vec<String>),
    /// The child could not be started, or did not get ready.
    #[error("no process for the decoder: {0}")]
    Process(String),
}

/// Runs the engine in children.
#[derive(Debug)]
pub struct Sandbox {
    pub(crate) settings: Settings,
    /// The child that probed the kernel, until a job takes it.
    first: Mutex<Option<Running>>,
    orders: Sender<()>,
    ready: Mutex<Receiver<Result<Running, StartError>>>,
    missing: Vec<String>,
    hardware: Option<HardwareInfo>,
}

impl Sandbox {
    /// Starts a child to probe the kernel, and keeps it for the first job.
    ///
    /// The thread that starts children lives as long as this value, because Linux ends a child with the
    /// thread that started it, not with the process.
    pub fn start(mut settings: Settings) -> Result<Self, StartError> {
        // The number of the device file of the GPU that children may use.
        let gpu = match settings.hardware {
            HardwareUse::Auto => {
                let visible = std::env::var("CUDA_VISIBLE_DEVICES").ok();
                gpu::device(Path::new("/"), visible.as_deref())
            }
            HardwareUse::Never => None,
        };
        if gpu.is_some() {
            settings.memory = MemoryLimit::Resident;
        }
        let (orders, ordered) = channel();
        let (sender, ready) = channel();
        let starter = settings.clone();
        let thread = std::thread::Builder::new().name("sandbox".to_owned()).spawn(move || {
            while ordered.recv().is_ok() && sender.send(Running::start(&starter, gpu)).is_ok() {}
        });
        thread.map_err(|error| StartError::Process(error.to_string()))?;
        let (first, ready) = (Mutex::new(None), Mutex::new(ready));
        let mut sandbox = Self { settings, first, orders, ready, missing: Vec::new(), hardware: None };
        let child = sandbox.next()?;
        if !child.missing.is_empty() && !sandbox.settings.best_effort {
            return Err(StartError::Incomplete(child.missing.clone()));
        }
        sandbox.missing.clone_from(&child.missing);
        sandbox.hardware.clone_from(&child.hardware);
        sandbox.first = Mutex::new(Some(child));
        for _ in 1..sandbox.settings.ready {
            sandbox.order()?;
        }
        Ok(sandbox)
    }

    /// What the kernel lacks; empty unless `best_effort`.
    pub fn missing(&self) -> &[String] {
        &self.missing
    }

    /// What the GPU decodes, as a child found; `None` if children may not use a GPU.
    pub fn hardware(&self) -> Option<&HardwareInfo> {
        self.hardware.as_ref()
    }

    fn order(&self) -> Result<(), StartError> {
        self.orders.send(()).map_err(|_| gone())
    }

    /// Orders a new child, and takes the oldest ordered one.
    fn next(&self) -> Result<Running, StartError> {
        self.order()?;
        self.ready.lock().unwrap_or_else(PoisonError::into_inner).recv().map_err(|_| gone())?
    }

    /// Takes a child that waits for a job.
    pub(crate) fn take(&self) -> Result<Running, StartError> {
        let first = self.first.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(mut first) = first
            && !first.has_ended()
        {
            if self.settings.ready > 0 {
                self.order()?;
            }
            return Ok(first);
        }
        // The system may have killed some of the idle ones.
        for _ in 0..=self.settings.ready {
            let mut child = self.next()?;
            if !child.has_ended() {
                return Ok(child);
            }
        }
        Err(StartError::Process("one after the other ends before it has a job".to_owned()))
    }
}

fn gone() -> StartError {
    StartError::Process("the thread that starts processes has ended".to_owned())
}

/// A child, which is killed when this value is dropped.
#[derive(Debug)]
pub(crate) struct Running {
    child: Child,
    stderr: Option<ChildStderr>,
    pub(crate) reads: UnixStream,
    pub(crate) events: UnixStream,
    missing: Vec<String>,
    hardware: Option<HardwareInfo>,
}

impl Running {
    fn start(settings: &Settings, gpu: Option<u32>) -> Result<Self, StartError> {
        let mut child = Self::spawn(settings, gpu).map_err(|error| StartError::Process(error.to_string()))?;
        let hello = child.hello();
        hello.map_err(|error| {
            let ended = child.end();
            let stderr = crash::read_stderr(&mut child.stderr);
            StartError::Process(
                format!("it did not get ready ({error}; {ended}) {stderr}").trim_end().to_owned(),
            )
        })?;
        Ok(child)
    }

    fn spawn(settings: &Settings, gpu: Option<u32>) -> io::Result<Self> {
        let (reads, its_reads) = UnixStream::pair()?;
        let (events, its_events) = UnixStream::pair()?;
        // The running program's file, even if it was replaced on disk.
        let program = settings.program.as_deref().unwrap_or("/proc/self/exe".as_ref());
        let mut command = Command::new(program);
        command.arg(ARGUMENT);
        match gpu {
            Some(minor) => command.args([GPU, &minor.to_string()]),
            None => command.arg(CPU),
        };
        command
            .env_clear()
            .current_dir("/")
            .process_group(0)
            .stdin(OwnedFd::from(its_reads))
            .stdout(OwnedFd::from(its_events))
            .stderr(Stdio::piped());
        // For programs whose libraries are not in the system's paths.
        if let Some(libraries) = std::env::var_os("LD_LIBRARY_PATH") {
            command.env("LD_LIBRARY_PATH", libraries);
        }
        let mut child = command.spawn()?;
        let stderr = child.stderr.take();
        Ok(Self { child, stderr, reads, events, missing: Vec::new(), hardware: None })
    }

    fn hello(&mut self) -> io::Result<()> {
        self.events.set_read_timeout(Some(READY_TIMEOUT))?;
        let mut frames = Frames::new(&self.events);
        let hello: Hello = match frames.next()? {
            (Kind::Hello, body) => messages::json(body)?,
            _ => return Err(messages::Malformed("another first message").into()),
        };
        if hello.version != messages::VERSION {
            return Err(messages::Malformed("another version of the protocol").into());
        }
        (self.missing, self.hardware) = (hello.missing, hello.hardware);
        Ok(())
    }

    fn has_ended(&mut self) -> bool {
        !matches!(self.child.try_wait(), Ok(None))
    }

    /// Sets its resource limits. Returns what watches those that the kernel does not.
    pub(crate) fn limit(&self, limits: Limits, memory: MemoryLimit) -> io::Result<Option<Watchdog>> {
        limits.set(self.child.id(), memory)
    }

    /// Kills it. Returns its exit status, which is its own if it had already exited.
    pub(crate) fn end(&mut self) -> ExitStatus {
        let _ = self.child.kill();
        self.child.wait().unwrap_or_default()
    }

    /// Waits until it exits by itself; `None` if it does not in time.
    pub(crate) fn ended(&mut self) -> Option<(ExitStatus, String)> {
        let began = Instant::now();
        while began.elapsed() < END_TIMEOUT {
            match self.child.try_wait() {
                Ok(Some(status)) => return Some((status, crash::read_stderr(&mut self.stderr))),
                Ok(None) => std::thread::sleep(Duration::from_millis(2)),
                Err(_) => return None,
            }
        }
        None
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.end();
    }
}

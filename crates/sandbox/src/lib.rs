//! Runs the extraction engine in a child process that can do nothing but decode.
//!
//! ```text
//!  parent (worker, command line)                      child (the same program, executed again)
//!  Source ◄── reads.rs ◄──────── socket 0 ──────────  RemoteSource ┐
//!  Archive ◄─ conversation.rs ◄─ socket 1 ──────────  RemoteArchive ├ media::extract
//!  Control ◄─                                         Throttled    ┘
//!  log     ◄─ crash.rs ◄──────── pipe 2 ────────────  panics, aborts
//! ```
//!
//! A child decodes one video and ends. It has an empty environment, no descriptor but these three,
//! and the restrictions of [`restrict`](self) before it is told which video: see
//! `docs/security.md`. What it sends is checked as any input from outside is: a child that breaks the
//! rules fails its own job. Archives, their checksums and the names in them are made by the parent.
//!
//! *Invariant*: the parent needs nothing from a child to end it. A job is cancelled by `SIGKILL`.

mod child;
mod conversation;
mod crash;
mod engine;
mod framing;
#[cfg(feature = "testing")]
pub mod fuzzing;
mod gpu;
mod kernel;
mod limits;
mod messages;
mod plugins;
mod pool;
mod reads;
mod remote;
mod restrict;
mod syscalls;
mod watchdog;

pub use child::{Work, run_as_child, serve};
pub use conversation::RunError;
pub use crash::{Crash, Kind};
pub use engine::Engine;
pub use limits::MemoryLimit;
pub use messages::Extracted;
pub use plugins::{CompileError, CompileLimits};
pub use pool::{Sandbox, Settings, StartError};

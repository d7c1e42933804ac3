//! The domain: a video's states and transitions, ids, options, limits, failures.
//!
//! No I/O, no async, no clock and no randomness: everything that varies comes in as an
//! argument, so that the same code runs in a Wasm guest, in the worker and in a test.

pub mod checksum;
pub mod failure;
pub mod id;
pub mod limits;
pub mod options;
pub mod plugin;
pub mod rational;
pub mod time;
pub mod trace;
pub mod video;

pub use checksum::Checksum;
pub use failure::{Failure, FailureCode};
pub use id::{CorrelationId, EventId, PluginId, UserId, VideoId, WorkerId};
pub use limits::Limits;
pub use options::{Crop, Fit, Format, Layout, Options, Place, Range, Resize, Select};
pub use plugin::{PluginCode, PluginPin, PluginRef};
pub use rational::Rational;
pub use time::Time;
pub use trace::TraceParent;
pub use video::{State, Video};

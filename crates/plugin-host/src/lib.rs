//! Runs tenants' frame plugins: WebAssembly components of the world in `wit/frame-plugin.wit`, as filters of
//! the extraction engine.
//!
//! A plugin can reach only the frame that it is given and its own memory. One [`Plugin`] is one instance in
//! a new store, for one video. Time, memory, stack, log and answers are bounded, and exceeding a bound
//! ends the video with the plugin's name and a reason.

mod builtin;
mod check;
mod code;
mod frames;
mod limits;
mod logging;
mod paint;
mod plugin;
mod registry;
mod run;

pub use builtin::{built_in, pinned_built_in};
pub use check::{Checked, MAX_SCHEMA_BYTES};
pub use code::{Code, Host, Rejected};
pub use limits::{Metering, PluginLimits};
pub use logging::Log;
pub use plugin::{Plugin, Record, Usage};
pub use registry::Registry;
pub use run::{Compiled, PluginRun, Running, failure};

/// The WIT text of the world that plugins are written for.
pub const WORLD: &str = include_str!("../../../wit/frame-plugin.wit");

mod bindings {
    wasmtime::component::bindgen!({
        path: "../../wit",
        world: "framelift:plugin/frame-plugin",
        imports: { default: trappable },
        with: { "framelift:plugin/frames.image": framelift_media::filter::Picture },
    });
}

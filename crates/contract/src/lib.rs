//! The wire types: API bodies, problems, queue messages, worker reports, the manifest, object keys.
//!
//! Every side of the product reads and writes these types; golden JSON files (`tests/golden/`) fix their
//! spelling.

pub mod account;
pub mod address;
pub mod frame;
pub mod frame_index;
pub mod manifest;
pub mod message;
pub mod object_key;
pub mod options;
pub mod plugin;
pub mod problem;
pub mod report;
pub mod rules;
pub mod service;
pub mod video;
pub mod webhook;

/// The version of this engine and service, as manifests and user agents name it.
pub const ENGINE: &str = concat!("framelift/", env!("CARGO_PKG_VERSION"));

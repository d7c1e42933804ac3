//! Serves a Spin application's `spin.toml` in this process: HTTP components of WASI 0.3 on
//! wasmtime, with Spin's routes, instance reuse, key-value stores, variables and allowed hosts.
//! It refuses everything that it does not support, so that what runs here also runs on Spin.

mod app;
mod bindings;
mod config;
mod engine;
mod guest;
mod headers;
mod instances;
mod kv;
mod manifest;
mod outbound;
mod resolved;
mod routes;
mod server;
mod template;
mod variables;

pub use self::config::{HostConfig, HostError};
pub use self::guest::GUEST_LOG;
pub use self::kv::QuirkSettings;
pub use self::manifest::InvalidManifest;
pub use self::resolved::{ComponentVariables, component_variables};
pub use self::server::{Server, serve};
pub use self::variables::Values;

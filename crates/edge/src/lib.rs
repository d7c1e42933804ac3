//! The edge's components, over small ports, so that all of their code runs in native tests.
//!
//! The guests under `components/` hand each request to one of the services here; on Wasm
//! the ports are Spin's (module `spin`), natively they are memory and a plain HTTP client.

pub mod accounts;
pub mod configuration;
pub mod control;
mod cursor;
pub mod downloads;
pub mod events;
pub mod frames;
pub mod http;
pub mod jobs;
pub mod object_store;
pub mod openapi;
pub mod passwords;
pub mod plugins;
pub mod ports;
pub mod queue;
mod retry;
pub mod service;
#[cfg(target_family = "wasm")]
pub mod spin;
pub mod store;
pub mod token;
pub mod uploads;
pub mod videos;
pub mod web;

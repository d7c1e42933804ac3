//! The worker: messages in, videos extracted, archives stored, ends reported, owners told.
//!
//! ```text
//! intake ─ permit, message, heartbeat
//!   └ job ─ claim → attempt → report → notice → the message goes
//!        ├ store   ranges of the upload in, parts of the archive out
//!        ├ media   the engine, on its threads
//!        └ report  control: claims, progress, ends
//! dead_letter · sweep · health   beside it
//! ```
//!
//! *Invariant*: nothing but control's answers decides what becomes of a job. A worker keeps no
//! state that matters; killed at any moment, it leaves a lease that lapses and leftovers that
//! the next attempt removes.

mod ambient;
pub mod app;
pub mod cli;
mod clients;
pub mod config;
mod dead_letter;
mod health;
mod intake;
mod job;
pub mod log;
mod notify;
mod queue;
mod report;
mod retry;
pub mod shutdown;
pub mod store;
mod sweep;
mod webhook;

//! The host from outside: an application of one guest, served in process and by the program.

#![expect(clippy::unwrap_used, reason = "helpers of tests, where the lint spares only the tests themselves")]

#[path = "host/support.rs"]
mod support;

#[path = "host/app.rs"]
mod app;
#[path = "host/kv.rs"]
mod kv;
#[path = "host/outbound.rs"]
mod outbound;
#[path = "host/program.rs"]
mod program;
#[path = "host/refused.rs"]
mod refused;

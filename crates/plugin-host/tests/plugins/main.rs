//! Plugins as real components, built here from WebAssembly text: what they can do, and what they cannot.

#![expect(clippy::unwrap_used, reason = "a helper that fails has to fail its test")]

mod builtin;
mod component;
mod guest;
mod hostile;
mod operations;
mod registry;
mod versions;

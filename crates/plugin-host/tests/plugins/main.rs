//! Plugins as real components, built here from WebAssembly text: what they can do, and what they cannot.

mod component;
mod guest;
mod hostile;
mod operations;
mod registry;
mod versions;

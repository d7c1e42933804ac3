//! End-to-end tests of the whole system: real processes and protocols, with and without faults.
#![expect(clippy::unwrap_used, reason = "what fails in a test fails it, with the place where it did")]

mod authors;
mod boundary;
mod browser;
mod chaos;
mod cli;
mod clients;
mod configuration;
mod events;
mod failures;
mod fairness;
mod flat_memory;
mod frames;
mod full_disk;
mod hostile;
mod hosts;
mod journey;
mod plugins;
mod readme;
mod restarts;
mod rotation;
mod sdk;
mod store_suite;
mod traces;
mod worker_death;

//! The whole system: real processes, real protocols, and what an unkind world does to them.
#![expect(clippy::unwrap_used, reason = "what fails in a test fails it, with the place where it did")]

mod boundary;
mod browser;
mod chaos;
mod clients;
mod failures;
mod fairness;
mod hostile;
mod hosts;
mod journey;
mod readme;
mod restarts;
mod store_suite;
mod worker_death;

//! The engine against what other programs say of the same files.
#![expect(clippy::unwrap_used, reason = "a helper that fails has to fail its test")]

mod avif;
mod clips;
mod colours;
mod containers;
mod cropping;
mod damage;
mod dropping;
mod exact;
mod filters;
mod formats;
mod hardware;
mod hostile;
mod pictures;
mod plans;
mod run;
mod truth;

//! The engine against a full decode by another program, PyAV with its own FFmpeg: every selection
//! by every strategy, on a corpus of every kind of video that is made when the tests run.
#![expect(clippy::unwrap_used, reason = "a helper that fails has to fail its test")]

mod clips;
mod codecs;
mod compare;
mod containers;
mod damage;
mod extracted;
mod h264;
mod hevc;
mod pictures;
mod reference;
mod samples;
mod strategies;
mod timing;

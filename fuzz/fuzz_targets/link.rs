//! Links to frames: none is good that nobody has signed.

#![no_main]

use framelift_edge::frames::fuzzing;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| fuzzing::link(text));

//! Runs the target `place` of `dev/fuzz` under libFuzzer.

#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| framelift_dev_fuzz::run("place", input));

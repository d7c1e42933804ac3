//! Runs the target `child` of `dev/fuzz` under libFuzzer.

#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| framelift_dev_fuzz::run("child", input));

//! The range of a frame's bytes that a request asks for.

#![no_main]

use framelift_edge::frames::fuzzing;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: (&[u8], Option<&[u8]>, u64)| {
    let (asked, if_range, length) = data;
    fuzzing::range(asked, if_range, length.max(1));
    fuzzing::range(&[b"bytes=", asked].concat(), if_range, length.max(1));
});

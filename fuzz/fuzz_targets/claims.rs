//! What MP4 and Matroska claim, read by our own parsers. The last byte chooses the container.

#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    if let Some((last, file)) = data.split_last() {
        framelift_media::fuzzing::claims(if last % 2 == 0 { "mov" } else { "matroska" }, file);
    }
});

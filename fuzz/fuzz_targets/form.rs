//! A form of `POST /videos/upload`, which arrives in pieces of the length that the first byte says.

#![no_main]

use framelift_edge::uploads::fuzzing;
use futures::executor::block_on;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let Some((first, form)) = data.split_first() else { return };
    let length = usize::from(*first) + 1;
    let whole = block_on(fuzzing::form("X", form, form.len().max(1)));
    assert_eq!(block_on(fuzzing::form("X", form, length)), whole, "in pieces of {length} bytes");
});

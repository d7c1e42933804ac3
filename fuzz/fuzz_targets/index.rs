//! Header and rows of an archive's index: what is understood is written again as it was, but for bytes that mean
//! nothing.

#![no_main]

use framelift_contract::frame_index::{Header, ROW_BYTES, Row};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    if let Ok(header) = Header::decode(data) {
        assert_eq!(Header::decode(&header.encode()), Ok(header));
    }
    let (rows, _) = data.as_chunks::<ROW_BYTES>();
    for row in rows.iter().map(Row::decode) {
        assert_eq!(Row::decode(&row.encode()), row);
    }
});

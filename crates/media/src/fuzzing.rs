//! Entry points for the fuzz targets in `fuzz/`.

use crate::bitstream::{self, Bitstream};
use crate::inspect;
use crate::source::MemorySource;

/// Reads what a container claims.
pub fn claims(format: &str, file: &[u8]) {
    let _ = inspect::inspect(&mut MemorySource(file.to_vec().into()), format);
}

/// Runs every analysis of the engine on the packets of a stream.
pub fn pictures(codec: &str, header: &[u8], packets: &[&[u8]]) {
    let _ = bitstream::preface(codec, header, packets.first().unwrap_or(&&[][..]));
    let mut stream = Bitstream::new(codec, header);
    for packet in packets {
        let _ = stream.may_begin(packet);
        let _ = stream.parse(packet);
    }
}

/// The checksum that a member of an archive needs.
pub fn crc(bytes: &[u8]) -> u32 {
    crc32fast::hash(bytes)
}

//! Single parsers, for the fuzz targets in `dev/fuzz`.

use crate::bitstream::{self, Bitstream, Picture};
use crate::inspect;
use crate::source::MemorySource;

/// Reads what a container claims. Returns whether it would be passed to FFmpeg.
pub fn claims(format: &str, file: &[u8]) -> bool {
    inspect::inspect(&mut MemorySource(file.to_vec().into()), format).is_ok()
}

/// Runs every analysis of the engine on the packets of a stream. Returns whether a picture was understood.
pub fn pictures(codec: &str, header: &[u8], packets: &[&[u8]]) -> bool {
    let _ = bitstream::preface(codec, header, packets.first().unwrap_or(&&[][..]));
    let mut stream = Bitstream::new(codec, header);
    let mut understood = false;
    for packet in packets {
        let _ = stream.may_begin(packet);
        understood |= stream.parse(packet) != Picture::BROKEN;
    }
    understood
}

/// The checksum that a member of an archive needs.
pub fn crc(bytes: &[u8]) -> u32 {
    crc32fast::hash(bytes)
}

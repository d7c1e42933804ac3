//! Finds the index (`moov`) of an MP4 or QuickTime file without FFmpeg, so that a source over a network can
//! fetch exactly that.

use std::io;
use std::ops::Range;

use crate::Source;

/// The most boxes that are searched for the index.
const MAX_BOXES: usize = 16;

/// Returns the range of the `moov` box; `None` if the file does not begin with known boxes or they do not
/// include it.
pub(crate) fn find_index(source: &mut dyn Source) -> io::Result<Option<Range<u64>>> {
    let mut at = 0_u64;
    for _ in 0..MAX_BOXES {
        // ISO/IEC 14496-12, 4.2: length, type, and a longer length where the first is 1.
        let Some(header) = read(source, at)? else { return Ok(None) };
        let [a, b, c, d, kind @ .., _, _, _, _, _, _, _, _] = header;
        let [_, _, _, _, _, _, _, _, long @ ..] = header;
        let length = match u32::from_be_bytes([a, b, c, d]) {
            // Up to the end of the file.
            0 => source.size() - at,
            1 => u64::from_be_bytes(long),
            length => length.into(),
        };
        let Some(end) = at.checked_add(length).filter(|end| length >= 8 && *end <= source.size()) else {
            return Ok(None);
        };
        match &kind {
            b"moov" => return Ok(Some(at..end)),
            b"ftyp" | b"mdat" | b"free" | b"skip" | b"wide" | b"pnot" | b"uuid" | b"meta" => at = end,
            _ => return Ok(None),
        }
    }
    Ok(None)
}

/// Reads the 16 bytes at `offset`; `None` if there are fewer.
fn read(source: &mut dyn Source, offset: u64) -> io::Result<Option<[u8; 16]>> {
    let mut header = [0; 16];
    let mut filled = 0;
    while filled < header.len() {
        match source.read_at(offset + filled as u64, &mut header[filled..])? {
            0 => return Ok(None),
            n => filled += n,
        }
    }
    Ok(Some(header))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::MemorySource;

    fn found(bytes: &[u8]) -> Option<Range<u64>> {
        find_index(&mut MemorySource(bytes.into())).unwrap()
    }

    /// A box with `length` bytes in all, of which it claims `claim`.
    fn a_box(kind: &[u8; 4], claim: u32, length: usize) -> Vec<u8> {
        let mut bytes = [&claim.to_be_bytes(), &kind[..]].concat();
        bytes.resize(length, 0);
        bytes
    }

    #[test]
    fn the_index_is_found_before_and_behind_the_media() {
        let head = a_box(b"ftyp", 24, 24);
        let index = a_box(b"moov", 100, 100);
        let media = a_box(b"mdat", 3000, 3000);
        assert_eq!(found(&[&head[..], &index, &media].concat()), Some(24..124));
        assert_eq!(found(&[&head[..], &a_box(b"free", 8, 8), &media, &index].concat()), Some(3032..3132));
        // A long length, and one that means the rest of the file.
        let mut long = a_box(b"mdat", 1, 3000);
        long[8..16].copy_from_slice(&3000_u64.to_be_bytes());
        assert_eq!(found(&[&long[..], &a_box(b"moov", 0, 100)].concat()), Some(3000..3100));
    }

    #[test]
    fn what_is_no_index_is_none() {
        let head = a_box(b"ftyp", 24, 24);
        let index = a_box(b"moov", 100, 100);
        for bytes in [
            Vec::new(),
            b"RIFF....AVI LIST................".to_vec(),
            vec![0x47; 188 * 3],
            // A fragmented file's first fragment, without an index before it.
            [&head[..], &a_box(b"moof", 100, 100), &index].concat(),
            // Longer than the file, too short to be a box, cut off.
            [&head[..], &a_box(b"moov", 101, 100)].concat(),
            [&head[..], &a_box(b"free", 7, 100), &index].concat(),
            [&head[..], &index[..12]].concat(),
            // Media up to the end of the file.
            [&head[..], &a_box(b"mdat", 0, 100), &index].concat(),
            // Too many.
            [&a_box(b"free", 8, 8).repeat(MAX_BOXES)[..], &index].concat(),
        ] {
            assert_eq!(found(&bytes), None, "{bytes:?}");
        }
        let mut huge = a_box(b"mdat", 1, 100);
        huge[8..16].copy_from_slice(&u64::MAX.to_be_bytes());
        assert_eq!(found(&[head, huge].concat()), None);
    }

    #[test]
    fn an_error_of_the_source_is_its_own() {
        struct Broken;
        impl Source for Broken {
            fn size(&self) -> u64 {
                100
            }
            fn read_at(&mut self, _: u64, _: &mut [u8]) -> io::Result<usize> {
                Err(io::Error::other("broken"))
            }
        }
        assert_eq!(find_index(&mut Broken).unwrap_err().to_string(), "broken");
    }

    proptest! {
        #[test]
        fn any_bytes_are_survived(
            boxes in proptest::collection::vec(
                (prop_oneof![Just(*b"free"), Just(*b"mdat"), Just(*b"moov")], any::<u32>(), 8usize..64), 0..6),
            small in any::<bool>(),
        ) {
            let bytes: Vec<u8> = boxes
                .iter()
                .flat_map(|(kind, claim, length)| a_box(kind, if small { claim % 80 } else { *claim }, *length))
                .collect();
            if let Some(range) = found(&bytes) {
                prop_assert!(range.end - range.start >= 8 && range.end <= bytes.len() as u64);
                prop_assert_eq!(&bytes[range.start as usize + 4..][..4], b"moov");
            }
        }
    }
}

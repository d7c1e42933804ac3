//! Reading an AVIF file (ISO/IEC 14496-12 and 23008-12) as far as one picture needs it.

/// A box's type and content, and what follows it.
fn next(bytes: &[u8]) -> Option<([u8; 4], &[u8], &[u8])> {
    let (header, _) = bytes.split_first_chunk::<8>()?;
    let length = u32::from_be_bytes([header[0], header[1], header[2], header[3]]) as usize;
    let (whole, rest) = bytes.split_at(length);
    Some(([header[4], header[5], header[6], header[7]], &whole[8..], rest))
}

fn find<'a>(mut bytes: &'a [u8], wanted: &[u8; 4]) -> &'a [u8] {
    while let Some((kind, content, rest)) = next(bytes) {
        if kind == *wanted {
            return content;
        }
        bytes = rest;
    }
    panic!("no box {}", String::from_utf8_lossy(wanted));
}

/// The AV1 bitstream of the only item.
pub(crate) fn picture(file: &[u8]) -> &[u8] {
    assert_eq!(find(file, b"ftyp")[..4], *b"avif");
    find(file, b"mdat")
}

/// Width and height as `ispe` says them.
pub(crate) fn size(file: &[u8]) -> (u32, u32) {
    // `meta` (after 4 bytes of version and flags), `iprp`, `ipco`.
    let properties = find(find(&find(file, b"meta")[4..], b"iprp"), b"ipco");
    let ispe = find(properties, b"ispe");
    let number = |at: usize| u32::from_be_bytes(ispe[at..at + 4].try_into().unwrap());
    (number(4), number(8))
}

//! Removes chunks of PNG pictures that a decoder would inflate needlessly: colour profiles and texts, a few
//! kilobytes of which may inflate to gigabytes.

use super::{AvError, Packet};

const SIGNATURE: &[u8] = b"\x89PNG\r\n\x1a\n";

/// The same picture without them; none if it has none.
pub(super) fn without_texts(packet: &Packet) -> Result<Option<Packet>, AvError> {
    match strip(packet.data()) {
        Some(bytes) => packet.with_data(&bytes).map(Some),
        None => Ok(None),
    }
}

/// The bytes without compressed ancillary chunks; none if there are none.
fn strip(bytes: &[u8]) -> Option<Vec<u8>> {
    let mut rest = bytes.strip_prefix(SIGNATURE)?;
    let mut kept = SIGNATURE.to_vec();
    // Length, name, data and check sum (ISO/IEC 15948, 5.3).
    while let Some((&[a, b, c, d, name @ ..], _)) = rest.split_first_chunk::<8>() {
        let length = u32::from_be_bytes([a, b, c, d]) as usize;
        let (chunk, more) = rest.split_at(length.saturating_add(12).min(rest.len()));
        if !matches!(&name, b"iCCP" | b"zTXt" | b"iTXt" | b"tEXt") {
            kept.extend_from_slice(chunk);
        }
        rest = more;
    }
    kept.extend_from_slice(rest);
    (kept.len() < bytes.len()).then_some(kept)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chunk(name: &[u8; 4], data: &[u8]) -> Vec<u8> {
        [&(data.len() as u32).to_be_bytes(), &name[..], data, &[1, 2, 3, 4]].concat()
    }

    #[test]
    fn what_is_compressed_and_not_the_picture_goes() {
        let (head, data, end) = (chunk(b"IHDR", &[0; 13]), chunk(b"IDAT", b"xyz"), chunk(b"IEND", b""));
        let plain = [SIGNATURE, &head, &data, &end].concat();
        assert_eq!(strip(&plain), None);
        let texts = [b"iCCP", b"zTXt", b"iTXt", b"tEXt"].map(|name| chunk(name, b"much")).concat();
        assert_eq!(strip(&[SIGNATURE, &head, &texts, &data, &texts, &end].concat()), Some(plain));
        // Cut off, or with a length beyond the end.
        let long = [SIGNATURE, &head, &u32::MAX.to_be_bytes(), b"zTXtabc"].concat();
        assert_eq!(strip(&long), Some([SIGNATURE, &head[..]].concat()));
        assert_eq!(strip(&[SIGNATURE, &head, b"zTX"].concat()), None);
        assert_eq!(strip(b"not a PNG"), None);
    }
}

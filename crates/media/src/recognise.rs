//! Identifies files that FFmpeg 5.1 misidentifies: still pictures that look like videos, and videos whose
//! codec it cannot name.

use std::io;

use crate::Source;

/// The most tags of an FLV, or segments of a JPEG, that are read.
const MAX_PARTS: usize = 256;
/// The most bytes of a JPEG that are searched for its end.
const MAX_BYTES: u64 = 64 << 20;

/// What a file looks like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum FileKind {
    /// Not identified here: FFmpeg decides.
    Unknown,
    /// One picture, of this format.
    Still(&'static str),
    /// A video of this codec, which FFmpeg cannot read here.
    Video(&'static str),
}

/// Identifies the file by its first bytes; `has_index` says whether it has an MP4's index.
pub(crate) fn look(source: &mut dyn Source, has_index: bool) -> io::Result<FileKind> {
    let Some(head) = bytes::<12>(source, 0)? else { return Ok(FileKind::Unknown) };
    let [_, _, _, _, kind @ .., a, b, c, d] = head;
    if &kind == b"ftyp" && !has_index {
        // ISO/IEC 23008-12, 10.2, and the AV1 image file format.
        return Ok(match &[a, b, c, d] {
            b"heic" | b"heix" | b"heim" | b"heis" => FileKind::Still("HEIC"),
            b"avif" => FileKind::Still("AVIF"),
            b"mif1" | b"mif2" => FileKind::Still("HEIF"),
            _ => FileKind::Unknown,
        });
    }
    match head {
        [0xff, 0xd8, 0xff, ..] if is_one_jpeg(source)? => Ok(FileKind::Still("JPEG")),
        [b'F', b'L', b'V', 1, ..] => {
            flv(source, u32::from_be_bytes([head[5], head[6], head[7], head[8]]).into())
        }
        _ => Ok(FileKind::Unknown),
    }
}

/// The codec of an FLV whose tags name it in four letters (Enhanced RTMP), which is new.
fn flv(source: &mut dyn Source, head: u64) -> io::Result<FileKind> {
    // Each tag is followed by its length.
    let mut at = head + 4;
    for _ in 0..MAX_PARTS {
        let Some([kind, a, b, c, .., first, d, e, f, g]) = bytes::<16>(source, at)? else { break };
        if kind & 0x1f == 9 {
            let codec = match &[d, e, f, g] {
                _ if first & 0x80 == 0 => return Ok(FileKind::Unknown),
                b"hvc1" => "HEVC in FLV",
                b"vp09" => "VP9 in FLV",
                b"vp08" => "VP8 in FLV",
                b"av01" => "AV1 in FLV",
                b"vvc1" => "VVC (H.266) in FLV",
                b"avc1" => "H.264 in FLV under its new code",
                _ => return Ok(FileKind::Unknown),
            };
            return Ok(FileKind::Video(codec));
        }
        at += 15 + u64::from(u32::from_be_bytes([0, a, b, c]));
    }
    Ok(FileKind::Unknown)
}

/// Whether no second JPEG follows the first one.
fn is_one_jpeg(source: &mut dyn Source) -> io::Result<bool> {
    let mut at = 2;
    // ITU-T T.81, B.1: segments with lengths, and coded data up to the next marker.
    for _ in 0..MAX_PARTS {
        let Some([0xff, marker, a, b]) = bytes::<4>(source, at)? else { return Ok(true) };
        match marker {
            0xff => at += 1,
            0xd9 => return Ok(!starts_another(source, at + 2)?),
            0x01 | 0xd0..=0xd8 => at += 2,
            0xda => {
                let coded = at + 2 + u64::from(u16::from_be_bytes([a, b]));
                match marker_after(source, coded)? {
                    Some(next) => at = next,
                    None => return Ok(true),
                }
            }
            _ => at += 2 + u64::from(u16::from_be_bytes([a, b])),
        }
    }
    Ok(true)
}

/// Whether a picture starts at `offset` or after padding there.
fn starts_another(source: &mut dyn Source, offset: u64) -> io::Result<bool> {
    for at in offset..offset + 4096 {
        match bytes::<3>(source, at)? {
            Some([0xff, 0xd8, 0xff]) => return Ok(true),
            Some([0 | 0xff | b'\r' | b'\n', ..]) => {}
            _ => break,
        }
    }
    Ok(false)
}

/// Finds the marker that ends coded data.
fn marker_after(source: &mut dyn Source, mut at: u64) -> io::Result<Option<u64>> {
    let (end, mut block, mut before) = (at.saturating_add(MAX_BYTES), vec![0; 64 << 10], 0);
    while at < end {
        let n = source.read_at(at, &mut block)?;
        if n == 0 {
            break;
        }
        for (offset, byte) in (at..).zip(&block[..n]) {
            if before == 0xff && !matches!(byte, 0 | 0xff | 0xd0..=0xd7) {
                return Ok(Some(offset - 1));
            }
            before = *byte;
        }
        at += n as u64;
    }
    Ok(None)
}

/// Reads the bytes at `offset`; `None` if there are fewer.
fn bytes<const N: usize>(source: &mut dyn Source, offset: u64) -> io::Result<Option<[u8; N]>> {
    let (mut bytes, mut filled) = ([0; N], 0);
    while filled < N {
        match source.read_at(offset + filled as u64, &mut bytes[filled..])? {
            0 => return Ok(None),
            n => filled += n,
        }
    }
    Ok(Some(bytes))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::MemorySource;

    fn looks(bytes: &[u8]) -> FileKind {
        look(&mut MemorySource(bytes.into()), false).unwrap()
    }

    #[test]
    fn still_pictures_are_told_from_videos() {
        assert_eq!(looks(b"\0\0\0\x18ftypheic\0\0\0\0mif1heic"), FileKind::Still("HEIC"));
        assert_eq!(looks(b"\0\0\0\x18ftypavif\0\0\0\0mif1avif"), FileKind::Still("AVIF"));
        assert_eq!(looks(b"\0\0\0\x18ftypisom\0\0\0\0mif1avif"), FileKind::Unknown);
        // A picture with a segment, coded data with a restart, and an end.
        let jpeg: &[u8] = b"\xff\xd8\xff\xe0\0\x04ab\xff\xda\0\x03c\x01\xff\0\x02\xff\xd0\x03\xff\xd9";
        assert_eq!(looks(jpeg), FileKind::Still("JPEG"));
        assert_eq!(looks(&[jpeg, b"\0\0", jpeg].concat()), FileKind::Unknown);
        assert_eq!(looks(&[jpeg, b"trailer", jpeg].concat()), FileKind::Still("JPEG"));
        assert_eq!(looks(&jpeg[..12]), FileKind::Still("JPEG"));
    }

    #[test]
    fn new_codecs_in_flv_are_named() {
        let head = b"FLV\x01\x01\0\0\0\x09\0\0\0\0";
        let tag = |kind: u8, content: &[u8]| {
            let length = (content.len() as u32).to_be_bytes();
            [&[kind][..], &length[1..], &[0; 7], content, &(content.len() as u32 + 11).to_be_bytes()].concat()
        };
        let metadata = tag(18, b"onMetaData");
        let file = |video: &[u8]| [&head[..], &metadata, &tag(9, video)].concat();
        assert_eq!(looks(&file(b"\x90hvc1\x01\x02")), FileKind::Video("HEVC in FLV"));
        assert_eq!(looks(&file(b"\x90vp09\x01\x02")), FileKind::Video("VP9 in FLV"));
        assert_eq!(looks(&file(b"\x17\0\0\0\0\x01\x02")), FileKind::Unknown);
    }

    proptest! {
        #[test]
        fn any_bytes_are_survived(kind in 0..4usize, rest in proptest::collection::vec(any::<u8>(), 0..300)) {
            let head: &[u8] = [&b""[..], b"FLV\x01", b"\xff\xd8\xff", b"\0\0\0\x18ftyp"][kind];
            looks(&[head, &rest].concat());
        }
    }
}

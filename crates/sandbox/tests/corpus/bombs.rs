//! Small files that claim to be large: pictures, durations, streams and descriptions.

use crate::Case;
use crate::samples::Sample;

/// One file for each claim.
pub(crate) fn all(samples: &[Sample]) -> Vec<Case> {
    let sample = |name: &str| &samples.iter().find(|sample| sample.name == name).unwrap().bytes;
    let (mp4, avi, flv) = (sample("h264.mp4"), sample("mpeg4.avi"), sample("h264.flv"));
    let mut cases = vec![
        // Sizes in the container: the codec's own are what counts, and the other way round.
        Case::new("bomb-size-of-sample-entry.mp4", patched(mp4, b"avc1", 24 + 4, &[0xff; 4])),
        Case::new("bomb-size-of-track.mp4", patched(mp4, b"tkhd", 76 + 4, &[0xff; 8])),
        Case::new(
            "bomb-size-of-avi.avi",
            patched(avi, b"strf", 4 + 4 + 4, &[0xff, 0xff, 0, 0, 0xff, 0xff, 0, 0]),
        ),
        // Times.
        Case::new("bomb-duration-of-movie.mp4", patched(mp4, b"mvhd", 16 + 4, &[0xff; 4])),
        Case::new("bomb-duration-of-sample.mp4", patched(mp4, b"stts", 4 + 4 + 8, &[0x7f, 0xff, 0xff, 0xff])),
        Case::new("bomb-timescale-of-0.mp4", patched(mp4, b"mdhd", 12 + 4, &[0; 4])),
        Case::new("bomb-timescale-of-1.mp4", patched(mp4, b"mdhd", 12 + 4, &[0, 0, 0, 1])),
        Case::new(
            "bomb-rate-of-avi.avi",
            patched(avi, b"strh", 4 + 4 + 20, &[0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff]),
        ),
        // Tables that claim more than there is.
        Case::new("bomb-samples.mp4", patched(mp4, b"stsz", 4 + 8, &[0x10, 0, 0, 0])),
        Case::new("bomb-chunks.mp4", patched(mp4, b"stco", 4 + 4, &[0x10, 0, 0, 0])),
        Case::new("bomb-runs.mp4", patched(mp4, b"stsc", 4 + 4, &[0x7f, 0xff, 0xff, 0xff])),
        Case::new("bomb-box-of-64-bits.mp4", patched(mp4, b"mdat", 0, &[])),
        Case::new("bomb-script-data.flv", script_data(flv)),
    ];
    for (name, kind) in [("many-tracks", b"trak"), ("many-descriptions", b"udta")] {
        cases.push(Case::new(format!("bomb-{name}.mp4"), repeated_box(mp4, kind, 3_000)));
    }
    for megabytes in [1, 30] {
        let text = vec![b'x'; megabytes << 20];
        let title = framed(b"udta", &framed(b"\xa9nam", &[&[0, 0, 0, 0], &text[..]].concat()));
        let moov = position(mp4, b"moov") - 4;
        let end = moov + length(mp4, moov);
        let mut bytes = mp4.clone();
        bytes.splice(end..end, title.iter().copied());
        bytes[moov..moov + 4].copy_from_slice(&((end - moov + title.len()) as u32).to_be_bytes());
        cases.push(Case::new(format!("bomb-title-of-{megabytes}-megabytes.mp4"), bytes));
        // A tag of sound in front: skipped by its length, which is in groups of seven bits.
        let length = text.len() as u32;
        let seven = [21, 14, 7, 0].map(|shift| (length >> shift & 0x7f) as u8);
        let tag = [&b"ID3\x04\0\0"[..], &seven, &text].concat();
        cases.push(Case::new(format!("bomb-id3-of-{megabytes}-megabytes.mp4"), [&tag, &mp4[..]].concat()));
    }
    // Boxes in boxes.
    let nested = (0..5_000).fold(Vec::new(), |inner, _| framed(b"moov", &inner));
    cases.push(Case::refused(
        "bomb-boxes-in-boxes.mp4",
        [&framed(b"ftyp", b"isom\0\0\0\0isom")[..], &nested].concat(),
    ));
    let nested = (0..2_000).fold(Vec::new(), |inner: Vec<u8>, _| {
        [&[0x18, 0x53, 0x80, 0x67][..], &(inner.len() as u64 | 1 << 56).to_be_bytes(), &inner].concat()
    });
    let head =
        [0x1a, 0x45, 0xdf, 0xa3, 0x8b, 0x42, 0x82, 0x88, b'm', b'a', b't', b'r', b'o', b's', b'k', b'a'];
    cases.push(Case::refused("bomb-elements-in-elements.mkv", [&head[..], &nested].concat()));
    cases
}

/// Where a box's name is.
fn position(bytes: &[u8], kind: &[u8; 4]) -> usize {
    bytes.windows(4).position(|window| window == kind).unwrap()
}

/// The file with bytes changed so far behind the start of a box's name.
fn patched(bytes: &[u8], kind: &[u8; 4], offset: usize, with: &[u8]) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    let at = position(&bytes, kind);
    if with.is_empty() {
        // The length is in the next eight bytes, and is as large as can be.
        bytes[at - 4..at].copy_from_slice(&1_u32.to_be_bytes());
        bytes[at + 4..at + 12].copy_from_slice(&u64::MAX.to_be_bytes());
    } else {
        bytes[at + offset..at + offset + with.len()].copy_from_slice(with);
    }
    bytes
}

fn framed(kind: &[u8; 4], body: &[u8]) -> Vec<u8> {
    [&(body.len() as u32 + 8).to_be_bytes()[..], kind, body].concat()
}

/// The movie's header with a box of it so many times; the file's pictures are in front of it.
fn repeated_box(bytes: &[u8], kind: &[u8; 4], times: usize) -> Vec<u8> {
    let (moov, inner) = (position(bytes, b"moov") - 4, position(bytes, kind) - 4);
    let again = bytes[inner..inner + length(bytes, inner)].repeat(times);
    let mut bytes = bytes.to_vec();
    let whole = length(&bytes, moov) + again.len();
    bytes.splice(inner..inner, again);
    bytes[moov..moov + 4].copy_from_slice(&(whole as u32).to_be_bytes());
    bytes
}

/// What a box says of its length.
fn length(bytes: &[u8], at: usize) -> usize {
    u32::from_be_bytes(bytes[at..at + 4].try_into().unwrap()) as usize
}

/// The file behind a tag of script data: 100,000 objects in objects, each called `a` (FLV 10.1, E.4.4).
fn script_data(flv: &[u8]) -> Vec<u8> {
    let mut body = b"\x02\0\x0aonMetaData".to_vec();
    body.extend([3, 0, 1, b'a'].repeat(100_000));
    let length = (body.len() as u32).to_be_bytes();
    let mut tag = vec![18, length[1], length[2], length[3], 0, 0, 0, 0, 0, 0, 0];
    tag.extend(&body);
    tag.extend((body.len() as u32 + 11).to_be_bytes());
    let mut bytes = flv.to_vec();
    // Behind the file's header and the length of no tag.
    bytes.splice(13..13, tag);
    bytes
}

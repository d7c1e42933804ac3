//! Files that are built to exhaust a decoder, and the allowed outcomes of each.

use std::io::Read as _;

use crate::process::root;

/// A hostile file.
pub struct Hostile {
    /// Its name in `e2e/media/hostile`, or of a file that is made here.
    pub name: &'static str,
    /// Allowed outcomes: codes of failures, or `completed`.
    pub ends: &'static [&'static str],
}

const fn row(name: &'static str, ends: &'static [&'static str]) -> Hostile {
    Hostile { name, ends }
}

/// All of them.
pub const ALL: &[Hostile] = &[
    // Tables that claim more than the file holds.
    row("stsz_80_million.mp4", &["limit-exceeded"]),
    row("three_tracks_of_40_million.mp4", &["limit-exceeded"]),
    row("trun_100_million.mp4", &["limit-exceeded"]),
    row("edits_by_samples.mp4", &["corrupt-input"]),
    // Pictures that cost memory or time out of proportion.
    row("references_of_8192.mp4", &["limit-exceeded"]),
    row("references_of_8192_444.mp4", &["limit-exceeded"]),
    row("skipped_pictures_of_8192.mp4", &["limit-exceeded"]),
    // Bombs of zlib.
    row("png_profile_bomb.mov", &["completed"]),
    row("compressed_header.mp4", &["limit-exceeded"]),
    // Lists that FFmpeg sorts or searches once for each of their entries. The cues' one packet is
    // no picture.
    row(CUES, &["corrupt-input"]),
    row("programs.ts", &["limit-exceeded"]),
    // Memory that decoders and parsers take for each unit of a picture.
    row("units_of_one_picture.ts", &["corrupt-input"]),
    row("units_after_lengths.mp4", &["corrupt-input"]),
    // FFmpeg 5.1 takes more memory for the delimiters than a decoder may have; later ones do not.
    row("delimiters_of_av1.ivf", &["completed", "limit-exceeded"]),
    // Output out of proportion.
    row("two_frames_far_apart.mp4", &["completed"]),
    row(SCANS, &["limit-exceeded"]),
];

const CUES: &str = "falling_cues.mkv";
const SCANS: &str = "jpeg_scans.mov";

impl Hostile {
    /// Its bytes.
    ///
    /// # Panics
    /// If it is not there.
    pub fn bytes(&self) -> Vec<u8> {
        match self.name {
            CUES => falling_cues(100_000),
            name => unpacked(name),
        }
    }
}

fn unpacked(name: &str) -> Vec<u8> {
    let path = root().join("e2e/media/hostile").join(format!("{name}.gz"));
    let mut bytes = Vec::new();
    flate2::read::GzDecoder::new(std::fs::File::open(path).unwrap()).read_to_end(&mut bytes).unwrap();
    bytes
}

/// A picture that keeps one call into the decoder busy for minutes, where a worker allows it so many
/// scans: small enough for its passes not to use up the pixels that may be decoded.
///
/// # Panics
/// If the file that it is made from is not there.
pub fn endless_video() -> Vec<u8> {
    const SIDE: [u8; 2] = 5792_u16.to_be_bytes();
    let mut bytes = unpacked(SCANS);
    let find = |bytes: &[u8], what: &[u8]| bytes.windows(what.len()).position(|part| part == what).unwrap();
    // The frame's header has lines and columns behind its length and depth, a sample description
    // columns and lines.
    for at in [find(&bytes, &[0xff, 0xc2, 0, 11, 8]) + 5, find(&bytes, b"jpeg") + 28] {
        bytes[at..at + 4].copy_from_slice(&[SIDE, SIDE].concat());
    }
    bytes
}

/// Matroska with so many cue points (2^15 to 2^17), the latest first, and one packet.
fn falling_cues(points: u32) -> Vec<u8> {
    /// An element whose size takes three bytes, as RFC 8794 has it.
    fn element(id: u32, content: &[u8]) -> Vec<u8> {
        let size = u32::try_from(content.len()).unwrap();
        assert!(size < (1 << 21) - 1, "three bytes hold 21 bits");
        let id = id.to_be_bytes().into_iter().skip_while(|byte| *byte == 0);
        id.chain((size | 1 << 21).to_be_bytes().into_iter().skip(1)).chain(content.iter().copied()).collect()
    }
    let number = |id, value: u32| element(id, &value.to_be_bytes());
    let head = [number(0x4286, 1), number(0x42f7, 1), number(0x42f2, 4), number(0x42f3, 8)].concat();
    let head = [head, element(0x4282, b"matroska"), number(0x4287, 4), number(0x4285, 2)].concat();
    let info = number(0x2a_d7b1, 1_000_000);
    let size = [number(0xb0, 96), number(0xba, 64)].concat();
    let track = [number(0xd7, 1), number(0x73c5, 1), number(0x83, 1), element(0x86, b"V_VP8")].concat();
    let track = element(0xae, &[track, element(0xe0, &size)].concat());
    let cues: Vec<u8> = (0..points)
        .flat_map(|n| {
            let time = points - n;
            // Cue points are many: theirs have the shortest sizes.
            let mut point = vec![0xbb, 0x90, 0xb3, 0x84];
            point.extend(time.to_be_bytes());
            point.extend([0xb7, 0x88, 0xf7, 0x81, 1, 0xf1, 0x83]);
            point.extend(&n.to_be_bytes()[1..]);
            point
        })
        .collect();
    let packet = [&[0x81, 0, 0, 0x80], &[0; 50][..]].concat();
    let cluster = [number(0xe7, 0), element(0xa3, &packet)].concat();
    let segment = [
        element(0x1549_a966, &info),
        element(0x1654_ae6b, &track),
        element(0x1c53_bb6b, &cues),
        element(0x1f43_b675, &cluster),
    ]
    .concat();
    [element(0x1a45_dfa3, &head), element(0x1853_8067, &segment)].concat()
}

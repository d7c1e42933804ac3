//! The index of an archive's frames: the offset of each image, so that one can be read without the others.
//!
//! A worker writes it beside the archive. A header of 64 bytes is followed by a row of 32 bytes for each image, in
//! the archive's order, which is that of time. All numbers are little-endian.
//!
//! | header | bytes | | row | bytes |
//! |---|---|---|---|---|
//! | `FLIDX\0` | 0..6 | | offset of the image in the archive, u64 | 0..8 |
//! | version, u16: 1 | 6..8 | | its bytes, u32 | 8..12 |
//! | number of images, u64 | 8..16 | | width, u16 | 12..14 |
//! | format, u8: 1 JPEG, 2 PNG, 3 WebP, 4 AVIF | 16 | | height, u16 | 14..16 |
//! | zero | 17..20 | | presentation time in nanoseconds, i64 | 16..24 |
//! | bytes of the largest image, u32 | 20..24 | | flags, u32: 1 is a keyframe | 24..28 |
//! | bytes of the archive, u64 | 24..32 | | CRC-32, u32 | 28..32 |
//! | first half of the archive's SHA-256 | 32..48 | | | |
//! | offset of `manifest.json` in the archive, u64 | 48..56 | | | |
//! | its bytes, u32 | 56..60 | | | |
//! | its CRC-32, u32 | 60..64 | | | |

use framelift_domain::{Checksum, Format, Rational};

/// Bytes of the header.
pub const HEADER_BYTES: usize = 64;
/// Bytes of a row.
pub const ROW_BYTES: usize = 32;
/// The media type of an index.
pub const CONTENT_TYPE: &str = "application/octet-stream";

const MAGIC: &[u8; 6] = b"FLIDX\0";
const VERSION: u16 = 1;
const KEYFRAME: u32 = 1;
const NANOSECONDS: i128 = 1_000_000_000;

/// A range of an archive with its checksum.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Extent {
    /// The offset of its first byte.
    pub offset: u64,
    /// The number of its bytes.
    pub length: u32,
    /// Their CRC-32.
    pub crc: u32,
}

/// The header of an index: data of the whole archive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// Images in the archive.
    pub frames: u64,
    /// What they are.
    pub format: Format,
    /// Bytes of the largest image.
    pub largest: u32,
    /// Bytes of the archive.
    pub archive_bytes: u64,
    /// The first half of the archive's SHA-256.
    pub archive_sha256: [u8; 16],
    /// The member `manifest.json`.
    pub manifest: Extent,
}

/// One image.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Row {
    /// Its bytes.
    pub image: Extent,
    /// Pixels across.
    pub width: u16,
    /// Pixels down.
    pub height: u16,
    /// When the frame is shown, in nanoseconds on the video's timeline, rounded to the nearest.
    pub time_ns: i64,
    /// Whether the container marks it as a sync point.
    pub keyframe: bool,
}

/// Bytes that are not an index of a known version.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("these bytes are not {0}")]
pub struct NotAnIndex(&'static str);

impl Header {
    /// The header's bytes.
    pub fn encode(&self) -> [u8; HEADER_BYTES] {
        let mut bytes = [0; HEADER_BYTES];
        let mut put = |at: usize, value: &[u8]| bytes[at..at + value.len()].copy_from_slice(value);
        put(0, MAGIC);
        put(6, &VERSION.to_le_bytes());
        put(8, &self.frames.to_le_bytes());
        put(16, &[format_code(self.format)]);
        put(20, &self.largest.to_le_bytes());
        put(24, &self.archive_bytes.to_le_bytes());
        put(32, &self.archive_sha256);
        put(48, &self.manifest.offset.to_le_bytes());
        put(56, &self.manifest.length.to_le_bytes());
        put(60, &self.manifest.crc.to_le_bytes());
        bytes
    }

    /// Reads a header.
    pub fn decode(bytes: &[u8]) -> Result<Self, NotAnIndex> {
        let bytes: &[u8; HEADER_BYTES] = bytes.try_into().map_err(|_| NotAnIndex("a header"))?;
        if bytes[..6] != *MAGIC {
            return Err(NotAnIndex("an index of frames"));
        }
        if bytes[6..8] != VERSION.to_le_bytes() {
            return Err(NotAnIndex("an index of a version that is known"));
        }
        Ok(Self {
            frames: u64_at(bytes, 8),
            format: format_of(bytes[16]).ok_or(NotAnIndex("an index of images of a known format"))?,
            largest: u32_at(bytes, 20),
            archive_bytes: u64_at(bytes, 24),
            archive_sha256: at(bytes, 32),
            manifest: Extent { offset: u64_at(bytes, 48), length: u32_at(bytes, 56), crc: u32_at(bytes, 60) },
        })
    }
}

impl Row {
    /// The row's bytes.
    pub fn encode(&self) -> [u8; ROW_BYTES] {
        let mut bytes = [0; ROW_BYTES];
        let mut put = |at: usize, value: &[u8]| bytes[at..at + value.len()].copy_from_slice(value);
        put(0, &self.image.offset.to_le_bytes());
        put(8, &self.image.length.to_le_bytes());
        put(12, &self.width.to_le_bytes());
        put(14, &self.height.to_le_bytes());
        put(16, &self.time_ns.to_le_bytes());
        put(24, &u32::from(self.keyframe).to_le_bytes());
        put(28, &self.image.crc.to_le_bytes());
        bytes
    }

    /// Reads a row.
    pub fn decode(bytes: &[u8; ROW_BYTES]) -> Self {
        Self {
            image: Extent { offset: u64_at(bytes, 0), length: u32_at(bytes, 8), crc: u32_at(bytes, 28) },
            width: u16::from_le_bytes(at(bytes, 12)),
            height: u16::from_le_bytes(at(bytes, 14)),
            time_ns: i64::from_le_bytes(at(bytes, 16)),
            keyframe: u32_at(bytes, 24) & KEYFRAME != 0,
        }
    }
}

/// Where the row of an image begins; images are numbered from 1.
pub const fn row_offset(number: u64) -> u64 {
    HEADER_BYTES as u64 + number.saturating_sub(1).saturating_mul(ROW_BYTES as u64)
}

/// A time in whole nanoseconds, rounded to the nearest; none if it does not fit.
pub fn nanoseconds(time: Rational) -> Option<i64> {
    let (num, den) = (i128::from(time.num()) * NANOSECONDS, i128::from(time.den()));
    i64::try_from((2 * num + den).div_euclid(2 * den)).ok()
}

/// Builds an index while its archive is written.
///
/// The rows are kept in memory: 32 bytes an image, 32 MB for a million of them.
#[derive(Debug, Default)]
pub struct IndexBuilder {
    /// Header and rows; the header is filled in at the end.
    bytes: Vec<u8>,
    largest: u32,
}

impl IndexBuilder {
    /// Adds the next image.
    pub fn push(&mut self, row: Row) {
        if self.bytes.is_empty() {
            self.bytes.resize(HEADER_BYTES, 0);
        }
        self.largest = self.largest.max(row.image.length);
        self.bytes.extend_from_slice(&row.encode());
    }

    /// The index of the finished archive.
    pub fn finish(mut self, format: Format, archive: (u64, Checksum), manifest: Extent) -> Vec<u8> {
        let (archive_bytes, sha256) = archive;
        self.bytes.resize(self.bytes.len().max(HEADER_BYTES), 0);
        let rows = self.bytes.len() - HEADER_BYTES;
        let header = Header {
            frames: (rows / ROW_BYTES) as u64,
            format,
            largest: self.largest,
            archive_bytes,
            archive_sha256: at(sha256.as_bytes(), 0),
            manifest,
        };
        self.bytes[..HEADER_BYTES].copy_from_slice(&header.encode());
        self.bytes
    }
}

const fn format_code(format: Format) -> u8 {
    match format {
        Format::Jpeg => 1,
        Format::Png => 2,
        Format::Webp => 3,
        Format::Avif => 4,
    }
}

fn format_of(code: u8) -> Option<Format> {
    let all = [Format::Jpeg, Format::Png, Format::Webp, Format::Avif];
    all.into_iter().find(|format| format_code(*format) == code)
}

/// The `N` bytes at an offset that is known to be within `bytes`.
fn at<const N: usize>(bytes: &[u8], from: usize) -> [u8; N] {
    let mut part = [0; N];
    part.copy_from_slice(&bytes[from..from + N]);
    part
}

fn u64_at(bytes: &[u8], from: usize) -> u64 {
    u64::from_le_bytes(at(bytes, from))
}

fn u32_at(bytes: &[u8], from: usize) -> u32 {
    u32::from_le_bytes(at(bytes, from))
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOLDEN: &[u8] = include_bytes!("../tests/frame_index.bin");

    fn row(n: u32) -> Row {
        Row {
            image: Extent { offset: 1_000_000_000_000 + u64::from(n), length: 200_000 + n, crc: 0xdead_beef },
            width: 1920,
            height: 1080,
            time_ns: -5 + i64::from(n) * 33_366_667,
            keyframe: n == 0,
        }
    }

    fn made() -> Vec<u8> {
        let mut index = IndexBuilder::default();
        (0..3).for_each(|n| index.push(row(n)));
        let manifest = Extent { offset: 1_000_000_700_000, length: 4321, crc: 0x0102_0304 };
        index.finish(Format::Webp, (1_000_000_800_000, [0xab; 32].into()), manifest)
    }

    #[test]
    fn an_index_is_spelled_as_the_golden_file_says() {
        assert_eq!(made(), GOLDEN);
        let (header, rows) = GOLDEN.split_at(HEADER_BYTES);
        let header = Header::decode(header).unwrap();
        assert_eq!((header.frames, header.format, header.largest), (3, Format::Webp, 200_002));
        assert_eq!((header.archive_bytes, header.archive_sha256), (1_000_000_800_000, [0xab; 16]));
        assert_eq!(header.manifest.length, 4321);
        for (n, bytes) in rows.chunks_exact(ROW_BYTES).enumerate() {
            assert_eq!(Row::decode(bytes.try_into().unwrap()), row(n as u32));
            assert_eq!(row_offset(n as u64 + 1), (HEADER_BYTES + n * ROW_BYTES) as u64);
        }
    }

    #[test]
    fn an_invalid_index_is_refused() {
        let good = &GOLDEN[..HEADER_BYTES];
        for (at, byte) in [(0, b'X'), (6, 2), (16, 0), (16, 9)] {
            let mut bad = good.to_vec();
            bad[at] = byte;
            assert!(Header::decode(&bad).is_err(), "{at}");
        }
        assert!(Header::decode(&good[..63]).is_err() && Header::decode(&[]).is_err());
        let empty = IndexBuilder::default().finish(Format::Jpeg, (22, [0; 32].into()), Extent::default());
        assert_eq!(Header::decode(&empty).unwrap().frames, 0);
    }

    #[test]
    fn times_are_rounded_to_the_nearest_nanosecond() {
        let of = |num, den| nanoseconds(Rational::new(num, den).unwrap());
        assert_eq!(of(1001, 30_000), Some(33_366_667));
        assert_eq!(of(1, 3), Some(333_333_333));
        assert_eq!(of(3, 2), Some(1_500_000_000));
        assert_eq!(of(-1, 3), Some(-333_333_333));
        assert_eq!(of(i128::from(i64::MAX), 1), None);
    }
}

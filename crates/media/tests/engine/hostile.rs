//! Small files that claim much: the right reason or frames, at once and in little memory.

use std::path::Path;

use framelift_domain::{FailureCode, Options, Select};
use framelift_media::{EngineLimits, ExtractError, FileSource, MemorySource};

use crate::clips::Clips;
use crate::run::{Extracted, run, run_with};

const X264: &str = "-c:v libx264 -preset veryfast -crf 12 -g 12 -bf 0";

fn all() -> Options {
    Options { select: Select::All, ..Options::default() }
}

/// The message of what has to fail for a limit.
fn excess(result: Result<Extracted, ExtractError>) -> String {
    match result {
        Err(ExtractError::Failed(failure)) => {
            assert_eq!(failure.code, FailureCode::LimitExceeded, "{}", failure.message);
            failure.message
        }
        Err(error) => panic!("{error}"),
        Ok(extracted) => panic!("{} frames", extracted.outcome.frames),
    }
}

fn excess_of_bytes(bytes: Vec<u8>) -> String {
    excess(run_with(Box::new(MemorySource(bytes.into())), &all(), &EngineLimits::default(), &()))
}

/// Where the body of a box starts.
fn body(bytes: &[u8], kind: &[u8; 4]) -> usize {
    bytes.windows(4).position(|window| window == kind).unwrap() + 4
}

fn set(bytes: &mut [u8], at: usize, number: u32) {
    bytes[at..at + 4].copy_from_slice(&number.to_be_bytes());
}

#[test]
fn samples_without_a_table_are_refused() {
    let clips = Clips::new();
    let path = clips.make("a.mp4", 25, X264);
    for (size, samples) in [(1, 80_000_000), (16, 1 << 20), (0, 90_000_000)] {
        let claims = clips.patch("claims.mp4", &path, |bytes| {
            let at = body(bytes, b"stsz");
            set(bytes, at + 4, size);
            set(bytes, at + 8, samples);
        });
        let message = excess(run(&claims, &all()));
        assert!(message.contains(&format!("claim {samples} samples")), "{message}");
    }
    let fragments = clips.make("b.mp4", 25, &format!("{X264} -movflags frag_keyframe+empty_moov"));
    let claims = clips.patch("claims.mp4", &fragments, |bytes| {
        let at = body(bytes, b"trun");
        set(bytes, at + 4, 5_000_000);
    });
    assert!(excess(run(&claims, &all())).contains("claim 5000000 samples"));
}

#[test]
fn a_long_edit_list_is_left_out_and_said() {
    let clips = Clips::new();
    let path = clips.make("a.mp4", 25, X264);
    let edited = clips.patch("edited.mp4", &path, |bytes| {
        // A second list in the header's free space: behind all, in front of nothing that moves.
        let entries: Vec<u8> = (0..60_000).flat_map(|_| [0, 0, 0, 1, 0, 0, 0, 0, 0, 1, 0, 0]).collect();
        let list = [&[0; 4][..], &60_000_u32.to_be_bytes(), &entries].concat();
        let list = [&(list.len() as u32 + 8).to_be_bytes(), &b"elst"[..], &list].concat();
        let list = [&(list.len() as u32 + 8).to_be_bytes(), &b"edts"[..], &list].concat();
        // The header is last, and its only track the last of it but for the user data.
        let moov = body(bytes, b"moov");
        let track = body(bytes, b"trak");
        let length = u32::from_be_bytes(bytes[track - 8..track - 4].try_into().unwrap());
        let end = track - 8 + length as usize;
        bytes.splice(end..end, list.iter().copied());
        set(bytes, track - 8, length + list.len() as u32);
        let whole = u32::from_be_bytes(bytes[moov - 8..moov - 4].try_into().unwrap());
        set(bytes, moov - 8, whole + list.len() as u32);
    });
    let extracted = run(&edited, &all()).unwrap();
    assert_eq!(extracted.numbers(), (0..25).collect::<Vec<_>>());
    let warnings = &extracted.manifest.warnings;
    assert!(
        warnings.iter().any(|warning| warning.starts_with("the edit list of 60000 entries")),
        "{warnings:?}"
    );
}

#[test]
fn an_index_in_disorder_is_done_without() {
    let clips = Clips::new();
    let path = clips.make("a.mkv", 50, X264);
    let whole = run(&path, &all()).unwrap();
    let disordered = clips.patch("b.mkv", &path, |bytes| {
        let id = [0x1c, 0x53, 0xbb, 0x6b];
        let at = bytes.windows(4).rposition(|window| window == id).unwrap();
        bytes.truncate(at);
        let points = (0..50_000_u32).rev().flat_map(|time| {
            let [a, b, c, d] = time.to_be_bytes();
            [0xbb, 0x8c, 0xb3, 0x84, a, b, c, d, 0xb7, 0x84, 0xf7, 0x81, 1, 0xec]
        });
        // The last byte opens an empty element.
        let points: Vec<u8> =
            points.collect::<Vec<_>>().chunks(14).flat_map(|point| [point, &[0x80]].concat()).collect();
        // As long as each point says: 13 bytes behind its own head.
        let points: Vec<u8> = points
            .chunks(15)
            .flat_map(|point| {
                let mut point = point.to_vec();
                point[1] = 0x80 | 13;
                point[9] = 0x80 | 5;
                point
            })
            .collect();
        bytes.extend(id);
        bytes.extend((points.len() as u64 | 1 << 56).to_be_bytes());
        bytes.extend(points);
    });
    let extracted = run(&disordered, &all()).unwrap();
    assert_eq!(extracted.numbers(), whole.numbers());
    let warnings = &extracted.manifest.warnings;
    assert!(warnings.iter().any(|warning| warning.contains("out of order")), "{warnings:?}");
    // And where frames would be sought.
    let options = Options { select: Select::Count(5), ..Options::default() };
    assert_eq!(run(&disordered, &options).unwrap().numbers(), run(&path, &options).unwrap().numbers());
}

/// Directories of a transport stream with so many programs.
fn directories(programs: u32) -> Vec<u8> {
    let numbers: Vec<u32> = (1..=programs).collect();
    let mut stream = Vec::new();
    for (counter, chunk) in numbers.chunks(40).enumerate() {
        let mut section = vec![0, 0xb0, (chunk.len() * 4 + 9) as u8, 0, 1, 0xc1, 0, 0];
        for number in chunk {
            section.extend([(number >> 8) as u8, *number as u8, 0xff, 0xf0]);
        }
        section.extend(checksum(&section).to_be_bytes());
        let mut packet = vec![0x47, 0x40, 0, 0x10 | (counter & 15) as u8, 0];
        packet.extend(section);
        packet.resize(188, 0xff);
        stream.extend(packet);
    }
    stream
}

/// CRC-32 of ISO/IEC 13818-1, annex A.
fn checksum(bytes: &[u8]) -> u32 {
    bytes.iter().fold(u32::MAX, |sum, byte| {
        (0..8).fold(sum ^ u32::from(*byte) << 24, |sum, _| {
            if sum & 0x8000_0000 == 0 { sum << 1 } else { sum << 1 ^ 0x04c1_1db7 }
        })
    })
}

#[test]
fn a_transport_stream_of_many_programs_is_refused() {
    let message = excess_of_bytes(directories(40_000));
    assert_eq!(message, "the transport stream lists more than 1000 programs");
    let clips = Clips::new();
    let path = clips.make("a.ts", 25, X264);
    let busy = clips.patch("busy.ts", &path, |bytes| {
        let front = directories(300);
        bytes.splice(0..0, front);
    });
    assert_eq!(run(&busy, &all()).unwrap().outcome.frames, 25);
}

#[test]
fn bombs_in_pictures_are_not_inflated() {
    let clips = Clips::new();
    let path = clips.make("a.mov", 1, "-c:v png");
    let whole = run(&path, &all()).unwrap();
    let size = std::fs::read(&path).unwrap().len();
    for (name, head) in [(b"iCCP", &b"x\0\0"[..]), (b"zTXt", b"x\0\0"), (b"iTXt", b"x\0\x01\0\0\0")] {
        // The picture with a chunk of 400 MB, as the only sample of a file.
        let png = clips.remake("a.png", "", &path, "-c copy -f image2");
        let bomb = clips.patch("bomb.png", &png, |bytes| {
            let chunk = [name, head, &deflated_zeros(400_000_000)].concat();
            let framed = [&(chunk.len() as u32 - 4).to_be_bytes()[..], &chunk, &crc32(&chunk).to_be_bytes()];
            bytes.splice(33..33, framed.concat());
        });
        let video = clips.remake("bomb.mov", "", &bomb, "-c copy");
        assert!(std::fs::read(&video).unwrap().len() > size + 100_000);
        let extracted = run(&video, &all()).unwrap();
        assert_eq!(extracted.image(0), whole.image(0));
    }
}

/// So many zeros, deflated by hand: one block of the fixed code, with matches of 258 (RFC 1951).
fn deflated_zeros(length: usize) -> Vec<u8> {
    let mut bits = Bits::default();
    bits.push(1, 1);
    bits.push(1, 2);
    // The literal 0 (code 00110000), then copies of it: length 258 is symbol 285 (11000101),
    // distance 1 is symbol 0 (00000).
    bits.code(0b0011_0000, 8);
    for _ in 0..(length - 1) / 258 {
        bits.code(0b1100_0101, 8);
        bits.code(0, 5);
    }
    bits.code(0, 7);
    let data = bits.finish();
    // Adler-32 of 1 + 258·n zeros.
    let zeros = 1 + (length - 1) / 258 * 258;
    let sum = ((zeros % 65521) as u32) << 16 | 1;
    [&[0x78, 0x01][..], &data, &sum.to_be_bytes()].concat()
}

#[derive(Default)]
struct Bits {
    bytes: Vec<u8>,
    bit: usize,
}

impl Bits {
    /// Bits from the least significant on.
    fn push(&mut self, value: u32, length: usize) {
        for i in 0..length {
            if self.bit.is_multiple_of(8) {
                self.bytes.push(0);
            }
            *self.bytes.last_mut().unwrap() |= ((value >> i & 1) as u8) << (self.bit % 8);
            self.bit += 1;
        }
    }

    /// A code, from the most significant bit on.
    fn code(&mut self, value: u32, length: usize) {
        for i in (0..length).rev() {
            self.push(value >> i & 1, 1);
        }
    }

    fn finish(self) -> Vec<u8> {
        self.bytes
    }
}

fn crc32(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(u32::MAX, |sum, byte| {
        (0..8).fold(
            sum ^ u32::from(*byte),
            |sum, _| if sum & 1 == 0 { sum >> 1 } else { sum >> 1 ^ 0xedb8_8320 },
        )
    })
}

#[test]
fn a_picture_of_thousands_of_scans_is_refused_before_it_is_decoded() {
    use std::io::Read as _;
    let packed = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../e2e/media/hostile/jpeg_scans.mov.gz");
    let mut bytes = Vec::new();
    flate2::read::GzDecoder::new(std::fs::File::open(packed).unwrap()).read_to_end(&mut bytes).unwrap();
    for select in [Select::All, Select::Count(1), Select::Keyframes] {
        let options = Options { select, ..Options::default() };
        let source = Box::new(MemorySource(bytes.clone().into()));
        let message = excess(run_with(source, &options, &EngineLimits::default(), &()));
        assert_eq!(message, "a JPEG picture has more than 100 scans");
    }
    // What encoders write is taken.
    let clips = Clips::new();
    let path = clips.make("a.mov", 3, "-c:v mjpeg");
    let limits = EngineLimits { max_scans: 1, ..EngineLimits::default() };
    let source = Box::new(FileSource::open(&path).unwrap());
    assert_eq!(run_with(source, &all(), &limits, &()).unwrap().outcome.frames, 3);
}

#[test]
fn lists_of_matroska_are_bounded_before_ffmpeg_makes_them() {
    let element = |id: &[u8], body: &[u8]| {
        let length = (body.len() as u64 | 1 << 56).to_be_bytes();
        [id, &length, body].concat()
    };
    let clips = Clips::new();
    let path = clips.make("a.mkv", 25, &format!("{X264} -live 1 -write_crc32 0"));
    let with = |list: &dyn Fn() -> Vec<u8>| {
        clips.patch("b.mkv", &path, |bytes| {
            // Before the tracks.
            let tracks = bytes.windows(4).position(|window| window == [0x16, 0x54, 0xae, 0x6b]).unwrap();
            let named = bytes[tracks - 3..tracks] == [0x53, 0xab, 0x84];
            let skipped = if named { tracks + 4 } else { tracks };
            let rest = bytes[skipped..].windows(4).position(|window| window == [0x16, 0x54, 0xae, 0x6b]);
            let at = if named { skipped + rest.unwrap() } else { tracks };
            bytes.splice(at..at, list());
        })
    };
    let tags = |count: usize| {
        let simple = element(&[0x67, 0xc8], &element(&[0x45, 0xa3], b"A"));
        element(&[0x12, 0x54, 0xc3, 0x67], &element(&[0x73, 0x73], &simple.repeat(count)))
    };
    let chapters = |count: usize| {
        let atoms = element(&[0xb6], &element(&[0x91], &[0])).repeat(count);
        element(&[0x10, 0x43, 0xa7, 0x70], &element(&[0x45, 0xb9], &atoms))
    };
    let attachments = |count: usize, bytes: usize| {
        let file = element(&[0x61, 0xa7], &element(&[0x46, 0x5c], &vec![0; bytes]));
        element(&[0x19, 0x41, 0xa4, 0x69], &file.repeat(count))
    };
    assert_eq!(excess(run(&with(&|| tags(20_000)), &all())), "the file holds more than 10000 tags");
    assert_eq!(excess(run(&with(&|| chapters(20_000)), &all())), "the file holds more than 10000 chapters");
    let most = "the file holds more than 1000 attachments";
    assert_eq!(excess(run(&with(&|| attachments(2000, 1)), &all())), most);
    let most = "the file's attachments take more than 134217728 bytes";
    assert_eq!(excess(run(&with(&|| attachments(2, 70 << 20)), &all())), most);
    for few in [tags(500), chapters(500), attachments(3, 1000)] {
        assert_eq!(run(&with(&|| few.clone()), &all()).unwrap().outcome.frames, 25);
    }
}

#[test]
fn pictures_are_charged_for_memory_and_work() {
    let clips = Clips::new();
    let path = clips.make("a.mp4", 60, &format!("{X264} -refs 8"));
    let with = |limits| run_with(Box::new(FileSource::open(&path).unwrap()), &all(), &limits, &());
    let picture = 192 * 112 * 3 / 2;
    let default = EngineLimits::default;
    let message = excess(with(EngineLimits { max_memory: picture * 2, ..default() }));
    assert!(message.starts_with("pictures of this video need"), "{message}");
    let message = excess(with(EngineLimits { max_decoded_pixels: 192 * 112 * 40, ..default() }));
    assert!(message.contains("would have to be decoded"), "{message}");
    let enough = EngineLimits { max_memory: picture * 40, max_decoded_pixels: 192 * 112 * 400, ..default() };
    assert_eq!(with(enough).unwrap().outcome.frames, 60);
}

#[test]
fn streams_are_counted_where_memory_is_not_the_trouble() {
    let clips = Clips::new();
    let path = clips.make("a.mp4", 5, X264);
    let limits = EngineLimits { max_streams: 0, ..EngineLimits::default() };
    let source = Box::new(FileSource::open(&path).unwrap());
    assert_eq!(excess(run_with(source, &all(), &limits, &())), "the file holds more than 0 streams");
    assert!(Path::new(&path).exists());
}

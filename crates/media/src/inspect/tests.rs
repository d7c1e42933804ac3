//! Claims of containers made by hand.

use super::*;
use crate::MemorySource;

fn a_box(kind: &[u8; 4], parts: &[&[u8]]) -> Vec<u8> {
    let body = parts.concat();
    [&(body.len() as u32 + 8).to_be_bytes(), &kind[..], &body].concat()
}

fn numbers(numbers: &[u32]) -> Vec<u8> {
    numbers.iter().flat_map(|number| number.to_be_bytes()).collect()
}

/// A file with one track of these boxes beside `stbl`, and in it.
fn mp4(beside: &[u8], tables: &[u8]) -> Vec<u8> {
    let track = a_box(b"trak", &[beside, &a_box(b"mdia", &[&a_box(b"minf", &[&a_box(b"stbl", &[tables])])])]);
    [a_box(b"ftyp", &[b"isom"]), a_box(b"moov", &[&track])].concat()
}

fn look(format: &str, bytes: Vec<u8>) -> Result<Findings, String> {
    inspect(&mut CachedSource::new(Box::new(MemorySource(bytes.into()))), format).map_err(|refused| {
        match refused {
            Refused::Io(error) => panic!("{error}"),
            Refused::Claim(claim) => claim,
        }
    })
}

fn constant(size: u32, samples: u32) -> Vec<u8> {
    a_box(b"stsz", &[&numbers(&[0, size, samples])])
}

#[test]
fn samples_that_a_file_cannot_hold_are_refused() {
    let claim = look("mov", mp4(b"", &constant(1, 80_000_000))).unwrap_err();
    assert!(claim.starts_with("the MP4's sample tables claim 80000000 samples, more than the"), "{claim}");
    let compact = a_box(b"stz2", &[&numbers(&[0, 4, 9_000_000])]);
    let fragment =
        |samples| a_box(b"moof", &[&a_box(b"traf", &[&a_box(b"trun", &[&numbers(&[0, samples])])])]);
    let groups = [a_box(b"sbgp", &[&numbers(&[0]), b"sync", &numbers(&[1, 90_000_000, 1])]), constant(1, 1)];
    let offsets = [
        a_box(b"ctts", &[&numbers(&[0, 1, 90_000_000, 0])]),
        a_box(b"sbgp", &[&numbers(&[0]), b"sync", &numbers(&[0])]),
    ];
    let sound = [
        a_box(b"hdlr", &[&[0; 8], b"soun"]),
        a_box(b"stts", &[&numbers(&[0, 1, 9, 1])]),
        a_box(b"stco", &[&numbers(&[0, 1000])]),
        a_box(b"stsc", &[&numbers(&[0, 1, 1, 2_000_000_000, 1])]),
    ];
    for bytes in [
        mp4(b"", &constant(16, 1 << 20)),
        mp4(b"", &compact),
        mp4(b"", &groups.concat()),
        mp4(b"", &offsets.concat()),
        mp4(b"", &sound.concat()),
        mp4(b"", &constant(0, u32::MAX)),
        [mp4(b"", b""), fragment(5_000_000)].concat(),
        [mp4(b"", b""), fragment(60_000).repeat(20)].concat(),
        // In a header that was struck out.
        [
            a_box(b"ftyp", &[b"isom"]),
            a_box(b"free", &[&a_box(b"mvhd", &[&[0; 8]]), &mp4(b"", &compact)[12..]]),
        ]
        .concat(),
    ] {
        assert!(look("mov", bytes).is_err());
    }
    let tracks: Vec<u8> = [0; 5].iter().flat_map(|_| mp4(b"", &constant(1, 290_000))).collect();
    assert!(look("mov", tracks).is_err(), "they add up");
}

#[test]
fn what_real_files_claim_is_taken() {
    let sized = |samples: u32| a_box(b"stsz", &[&numbers(&[0, 0, samples]), &vec![0; samples as usize * 4]]);
    // 24 hours at 25 a second, with a cut.
    let edits = a_box(b"edts", &[&a_box(b"elst", &[&numbers(&[0, 2]), &[0; 24]])]);
    let media = a_box(b"mdat", &[&vec![0; 20_000_000]]);
    let findings = look("mov", [mp4(&edits, &sized(2_160_000)), media].concat()).unwrap();
    assert_eq!(findings, Findings::default());
    // Two hours of plain sound.
    let sound = [
        a_box(b"hdlr", &[&[0; 8], b"soun"]),
        constant(4, 345_600_000),
        a_box(b"stts", &[&numbers(&[0, 1, 345_600_000, 1])]),
        a_box(b"stco", &[&numbers(&[0, 7200])]),
        a_box(b"stsc", &[&numbers(&[0, 1, 1, 48_000, 1])]),
    ];
    assert_eq!(look("mov", mp4(b"", &sound.concat())).unwrap(), Findings::default());
    assert_eq!(look("avi", b"RIFF".to_vec()).unwrap(), Findings::default());
}

#[test]
fn edit_lists_that_repeat_too_much_are_left_out() {
    let edits = |entries: u32| {
        a_box(b"edts", &[&a_box(b"elst", &[&numbers(&[0, entries]), &vec![0; entries as usize * 12]])])
    };
    for (entries, samples) in [(60_000, 25), (5000, 20_000), (200, 200_000)] {
        let findings = look("mov", mp4(&edits(entries), &constant(1, samples))).unwrap();
        assert!(findings.without_edits, "{entries}");
        assert!(findings.warnings[0].starts_with(&format!("the edit list of {entries} entries")));
    }
}

#[test]
fn fragments_are_counted_by_tracks() {
    let index = [&numbers(&[0; 5])[..], &[0, 0, 0xff, 0xff]].concat();
    assert!(look("mov", [mp4(b"", b""), a_box(b"sidx", &[&index]).repeat(2)].concat()).is_err());
    assert!(look("mov", [mp4(b"", b""), a_box(b"sidx", &[&index])].concat()).is_ok());
}

#[test]
fn compressed_headers_are_looked_into() {
    let wrap = |inner: &[u8], claim: u32| {
        let mut deflated = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::fast());
        std::io::Write::write_all(&mut deflated, inner).unwrap();
        let data = a_box(b"cmvd", &[&claim.to_be_bytes(), &deflated.finish().unwrap()]);
        a_box(b"moov", &[&a_box(b"cmov", &[&a_box(b"dcom", &[b"zlib"]), &data])])
    };
    let inner = |samples| mp4(b"", &constant(1, samples))[12..].to_vec();
    assert!(look("mov", wrap(&inner(10), 1_900_000_000)).unwrap_err().contains("compressed header"));
    assert!(look("mov", wrap(&inner(80_000_000), 1000)).is_err());
    assert!(look("mov", wrap(&inner(10), 1000)).is_ok());
}

fn element(id: &[u8], body: &[u8]) -> Vec<u8> {
    let length = (body.len() as u64 | 1 << 56).to_be_bytes();
    [id, &length, body].concat()
}

/// A file whose index is behind its media, where a seek head tells of it.
fn mkv(times: impl Iterator<Item = u32>) -> Vec<u8> {
    let points: Vec<u8> = times
        .flat_map(|time| {
            element(&[0xbb], &[element(&[0xb3], &time.to_be_bytes()), element(&[0xb7], b"")].concat())
        })
        .collect();
    let media = element(&[0x1f, 0x43, 0xb6, 0x75], &[0; 100]);
    let head = |at: u32| {
        let target = element(&[0x53, 0xab], &[0x1c, 0x53, 0xbb, 0x6b]);
        let seek = [target, element(&[0x53, 0xac], &at.to_be_bytes())].concat();
        element(&[0x11, 0x4d, 0x9b, 0x74], &element(&[0x4d, 0xbb], &seek))
    };
    let at = (head(0).len() + media.len()) as u32;
    let segment = [head(at), media, element(&[0x1c, 0x53, 0xbb, 0x6b], &points)].concat();
    [element(&[0x1a, 0x45, 0xdf, 0xa3], b""), element(&[0x18, 0x53, 0x80, 0x67], &segment)].concat()
}

#[test]
fn an_index_in_disorder_is_left_out() {
    let findings = look("matroska", mkv((0..50_000).rev())).unwrap();
    assert!(findings.without_index);
    assert!(findings.warnings[0].contains("50000 entries"), "{:?}", findings.warnings);
    assert_eq!(look("matroska", mkv(0..50_000)).unwrap(), Findings::default());
    assert_eq!(look("matroska", mkv([5, 3, 8, 7].into_iter())).unwrap(), Findings::default());
}

#[test]
fn lists_are_counted_wherever_a_seek_head_hides_them() {
    let list = |id: &[u8], body: &[u8]| {
        let media = element(&[0x1f, 0x43, 0xb6, 0x75], &[0; 100]);
        let head = |at: u32| {
            let seek = [element(&[0x53, 0xab], id), element(&[0x53, 0xac], &at.to_be_bytes())].concat();
            element(&[0x11, 0x4d, 0x9b, 0x74], &element(&[0x4d, 0xbb], &seek))
        };
        let at = (head(0).len() + media.len()) as u32;
        let segment = [head(at), media, element(id, body)].concat();
        let file = [element(&[0x1a, 0x45, 0xdf, 0xa3], b""), element(&[0x18, 0x53, 0x80, 0x67], &segment)];
        look("matroska", file.concat())
    };
    let tag = element(&[0x73, 0x73], &element(&[0x67, 0xc8], b""));
    assert_eq!(
        list(&[0x12, 0x54, 0xc3, 0x67], &tag.repeat(5001)).unwrap_err(),
        "the file holds more than 10000 tags"
    );
    assert!(list(&[0x12, 0x54, 0xc3, 0x67], &tag.repeat(5000)).is_ok());
    // One in the other.
    let nested = (0..13).fold(Vec::new(), |inner, _| element(&[0x67, 0xc8], &inner).repeat(2));
    assert!(list(&[0x12, 0x54, 0xc3, 0x67], &nested).is_err());
    let atom = element(&[0x45, 0xb9], &element(&[0xb6], &element(&[0x80], b"")));
    assert!(list(&[0x10, 0x43, 0xa7, 0x70], &atom.repeat(3334)).unwrap_err().contains("chapters"));
    assert!(list(&[0x10, 0x43, 0xa7, 0x70], &atom.repeat(3333)).is_ok());
    assert!(list(&[0x19, 0x41, 0xa4, 0x69], &element(&[0x61, 0xa7], b"").repeat(1001)).is_err());
}

#[test]
fn what_was_read_is_remembered_until_it_is_forgotten() {
    let bytes: Vec<u8> = (0..100).collect();
    let mut kept = CachedSource::new(Box::new(MemorySource(bytes.into())));
    let mut buffer = [0; 20];
    assert_eq!(kept.read_and_keep(40, &mut buffer).unwrap(), (20, true));
    assert_eq!(kept.recall(50, &mut buffer).unwrap(), (10, false));
    assert_eq!(buffer[..10], [50, 51, 52, 53, 54, 55, 56, 57, 58, 59]);
    assert_eq!(kept.recall(30, &mut buffer).unwrap(), (10, true), "up to what is remembered");
    kept.forget();
    assert_eq!(kept.recall(50, &mut buffer).unwrap(), (20, true));
}

proptest::proptest! {
    #[test]
    fn any_bytes_are_survived(bytes in proptest::collection::vec(proptest::num::u8::ANY, 0..400)) {
        let _ = look("mov", [&mp4(b"", b"")[..], &bytes].concat());
        let _ = look("mov", mp4(b"", &bytes));
        let _ = look("matroska", bytes.clone());
        let _ = look("matroska", [&[0x1a, 0x45, 0xdf, 0xa3, 0x80, 0x18, 0x53, 0x80, 0x67, 0xff][..], &bytes].concat());
    }
}

#[test]
fn edit_lists_that_are_not_followed_exactly_are_left_out() {
    let video = a_box(b"mdia", &[&a_box(b"hdlr", &[&[0; 8], b"vide"])]);
    let with = |beside: &[u8], edits: &[u8], version: u32, entries: u32| {
        let list = a_box(b"elst", &[&numbers(&[version << 24, entries]), edits]);
        let found = look("mov", mp4(&[beside, &a_box(b"edts", &[&list])].concat(), b"")).unwrap();
        (found.without_edits, found.warnings.join(" "))
    };
    let short = |entries: &[(u32, i32, u32)]| -> Vec<u8> {
        entries.iter().flat_map(|(length, from, rate)| numbers(&[*length, *from as u32, *rate])).collect()
    };
    const USUAL: u32 = 0x1_0000;
    for plain in [&[][..], &[(9, 0, USUAL)], &[(9, -1, USUAL), (9, 512, USUAL)], &[(9, -1, 0), (0, 5, USUAL)]]
    {
        assert_eq!(with(&video, &short(plain), 0, plain.len() as u32), (false, String::new()), "{plain:?}");
    }
    for (odd, why) in [
        (&[(9, 0, USUAL), (9, 99, USUAL)][..], "puts several parts of it together"),
        (&[(9, 0, USUAL), (9, -1, USUAL), (9, 9, USUAL)], "has a gap"),
        (&[(9, 0, 2 * USUAL)], "changes the speed"),
        (&[(9, 0, 0)], "changes the speed"),
    ] {
        let (skipped, warning) = with(&video, &short(odd), 0, odd.len() as u32);
        assert!(skipped && warning.contains(why), "{odd:?}: {warning}");
        // Of sound nobody asks.
        assert!(!with(&a_box(b"hdlr", &[&[0; 8], b"soun"]), &short(odd), 0, odd.len() as u32).0);
    }
    // With 64 bits, and a list that is cut off.
    let long = [&numbers(&[0, 9, 0, 0, USUAL])[..], &numbers(&[0, 9, 0, 5, USUAL])].concat();
    assert!(with(&video, &long, 1, 2).0);
    assert!(!with(&video, &long[..20], 1, 2).0);
}

//! Headers made by hand, and any bytes.

use proptest::prelude::*;

use super::*;
use crate::{MemorySource, boxes};

fn found(bytes: &[u8]) -> Vec<Track> {
    let mut source = MemorySource(bytes.into());
    let index = boxes::find_index(&mut source).unwrap();
    tracks(&mut source, index.as_ref()).unwrap()
}

fn a_box(kind: &[u8; 4], content: &[u8]) -> Vec<u8> {
    [&(content.len() as u32 + 8).to_be_bytes()[..], kind, content].concat()
}

fn numbers(numbers: &[u32]) -> Vec<u8> {
    numbers.iter().flat_map(|number| number.to_be_bytes()).collect()
}

/// A sample description of a size with boxes.
fn description((width, height): (u16, u16), boxes: &[u8]) -> Vec<u8> {
    let mut entry = vec![0; 78];
    entry[24..26].copy_from_slice(&width.to_be_bytes());
    entry[26..28].copy_from_slice(&height.to_be_bytes());
    a_box(b"avc1", &[&entry, boxes].concat())
}

fn mp4(shown: (u32, u32), descriptions: &[Vec<u8>]) -> Vec<u8> {
    let mut header = vec![0; 84];
    header[12..16].copy_from_slice(&7_u32.to_be_bytes());
    header[76..80].copy_from_slice(&(shown.0 << 16).to_be_bytes());
    header[80..84].copy_from_slice(&(shown.1 << 16).to_be_bytes());
    let table = [numbers(&[0, descriptions.len() as u32]), descriptions.concat()].concat();
    let handler = [numbers(&[0, 0]), b"vide".to_vec(), vec![0; 13]].concat();
    let table = a_box(b"minf", &a_box(b"stbl", &a_box(b"stsd", &table)));
    let media = a_box(b"mdia", &[a_box(b"hdlr", &handler), table].concat());
    let track = a_box(b"trak", &[a_box(b"tkhd", &header), media].concat());
    [a_box(b"ftyp", b"isom\0\0\0\0isom"), a_box(b"moov", &[a_box(b"mvhd", &[0; 100]), track].concat())]
        .concat()
}

fn clap(numbers_: [i32; 8]) -> Vec<u8> {
    a_box(b"clap", &numbers_.map(i32::to_be_bytes).concat())
}

fn part(left: u32, top: u32, width: u32, height: u32) -> Part {
    Part { left, top, width, height }
}

fn only(tracks: Vec<Track>) -> Aperture {
    assert_eq!(tracks.len(), 1);
    assert_eq!(tracks[0].apertures.len(), 1, "{tracks:?}");
    tracks[0].apertures[0]
}

#[test]
fn clean_apertures_lie_around_the_middle() {
    let with = |shown, numbers| only(found(&mp4(shown, &[description((720, 576), &clap(numbers))])));
    let aperture = with((720, 576), [702, 1, 576, 1, 0, 1, 0, 1]);
    assert_eq!(aperture, Aperture { picture_size: (720, 576), part: part(9, 0, 702, 576), shape: None });
    // Off the middle, and with fractions.
    assert_eq!(with((720, 576), [700, 1, 560, 1, -10, 1, 8, 1]).part, part(0, 16, 700, 560));
    assert_eq!(with((720, 576), [1401, 2, 576, 1, 1, 4, 0, 1]).part, part(10, 0, 701, 576));
    // Presented larger than the part: pixels are wider than high.
    let wide = with((768, 576), [702, 1, 576, 1, 0, 1, 0, 1]);
    assert_eq!(wide.shape, Rational::new(768, 702));
    let pasp = a_box(b"pasp", &numbers(&[16, 15]));
    let boxes = [pasp, clap([702, 1, 576, 1, 0, 1, 0, 1])].concat();
    assert_eq!(
        only(found(&mp4((768, 576), &[description((720, 576), &boxes)]))).shape,
        Rational::new(16, 15)
    );
    assert_eq!(found(&mp4((720, 576), &[description((720, 576), &[])]))[0].id, Some(7));
}

#[test]
fn apertures_that_are_none_are_left_out() {
    for numbers in [
        [721, 1, 576, 1, 0, 1, 0, 1],
        [702, 1, 576, 1, 10, 1, 0, 1],
        [702, 0, 576, 1, 0, 1, 0, 1],
        [702, 1, 0, 1, 0, 1, 0, 1],
        [-702, 1, 576, 1, 0, 1, 0, 1],
        [i32::MAX, 1, i32::MIN, -1, i32::MIN, 1, i32::MAX, 3],
    ] {
        let tracks = found(&mp4((720, 576), &[description((720, 576), &clap(numbers))]));
        assert_eq!(tracks[0].apertures, [], "{numbers:?}");
    }
}

#[test]
fn each_description_has_its_own_shape() {
    let pasp = a_box(b"pasp", &numbers(&[4, 3]));
    let tracks = found(&mp4((320, 240), &[description((320, 240), &[]), description((192, 112), &pasp)]));
    let whole = |width, height, shape| Aperture {
        picture_size: (width, height),
        part: part(0, 0, width, height),
        shape,
    };
    assert_eq!(tracks[0].apertures, [whole(320, 240, None), whole(192, 112, Rational::new(4, 3))]);
    let same = [description((320, 240), &[]), description((320, 240), &[])];
    assert_eq!(found(&mp4((640, 240), &same))[0].apertures, []);
}

/// An element with a length of eight bytes.
fn element(id: &[u8], content: &[u8]) -> Vec<u8> {
    let length = (content.len() as u64 | 1 << 56).to_be_bytes();
    [id, &length, content].concat()
}

fn crop(values: [u16; 4]) -> Vec<u8> {
    let ids = [[0x54, 0xcc], [0x54, 0xbb], [0x54, 0xdd], [0x54, 0xaa]];
    ids.iter().zip(values).flat_map(|(id, value)| element(id, &value.to_be_bytes())).collect()
}

fn video(size: (u16, u16), more: &[u8]) -> Vec<u8> {
    let sides = [element(&[0xb0], &size.0.to_be_bytes()), element(&[0xba], &size.1.to_be_bytes())].concat();
    let video = element(&[0xe0], &[sides, more.to_vec()].concat());
    element(&[0xae], &[element(&[0x83], &[1]), element(&[0x86], b"V_VP9"), video].concat())
}

const EBML: [u8; 4] = [0x1a, 0x45, 0xdf, 0xa3];
const SEGMENT: [u8; 4] = [0x18, 0x53, 0x80, 0x67];
const TRACKS: [u8; 4] = [0x16, 0x54, 0xae, 0x6b];

fn matroska(content: &[u8]) -> Vec<u8> {
    [element(&EBML, b"\x42\x82\x84webm"), element(&SEGMENT, content)].concat()
}

#[test]
fn matroskas_cropping_is_read() {
    let sound = element(&[0xae], &[element(&[0x83], &[2]), element(&[0x86], b"A_OPUS")].concat());
    let tracks = |video: &[u8]| element(&TRACKS, &[&sound, video].concat());
    let file = matroska(&tracks(&video((192, 112), &crop([17, 3, 16, 1]))));
    let expected =
        Aperture { picture_size: (192, 112), part: part(17, 3, 159, 108), shape: Rational::new(1, 1) };
    assert_eq!(only(found(&file)), expected);
    // Shown as wide as before it was cut.
    let display = [element(&[0x54, 0xb0], &[192]), element(&[0x54, 0xba], &[112])].concat();
    let file = matroska(&tracks(&video((192, 112), &[crop([16, 0, 16, 0]), display].concat())));
    assert_eq!(only(found(&file)).shape, Rational::new(192, 160));
    // Nothing is cut, or more than there is.
    for crop in [crop([0; 4]), crop([96, 0, 96, 0]), crop([u16::MAX; 4])] {
        let tracks = found(&matroska(&tracks(&video((192, 112), &crop))));
        assert_eq!((tracks.len(), tracks[0].apertures.len()), (1, 0));
    }
    // Behind the first cluster, where the seek head says so.
    let cluster = element(&[0x1f, 0x43, 0xb6, 0x75], &[0; 50]);
    let tracks = tracks(&video((192, 112), &crop([16, 0, 0, 0])));
    let seek_head = |at: u32| {
        let seek = [element(&[0x53, 0xab], &TRACKS), element(&[0x53, 0xac], &at.to_be_bytes())].concat();
        element(&[0x11, 0x4d, 0x9b, 0x74], &element(&[0x4d, 0xbb], &seek))
    };
    let at = (seek_head(0).len() + cluster.len()) as u32;
    let file = matroska(&[seek_head(at), cluster.clone(), tracks.clone()].concat());
    assert_eq!(only(found(&file)).part, part(16, 0, 176, 112));
    assert_eq!(found(&matroska(&[seek_head(at + 1), cluster, tracks].concat())), []);
}

#[test]
fn reading_is_bounded() {
    struct Endless(u64);
    impl Source for Endless {
        fn size(&self) -> u64 {
            1 << 50
        }
        fn read_at(&mut self, _: u64, buf: &mut [u8]) -> io::Result<usize> {
            self.0 += buf.len() as u64;
            buf.fill(0);
            // Boxes of eight bytes without end.
            buf.iter_mut().skip(3).step_by(8).for_each(|byte| *byte = 8);
            Ok(buf.len())
        }
    }
    let mut source = Endless(0);
    assert_eq!(tracks(&mut source, Some(&(0..1 << 50))).unwrap(), []);
    assert!(source.0 <= MAX_STEPS * crate::window::STEP as u64, "{}", source.0);
}

proptest! {
    #[test]
    fn any_bytes_are_survived(
        matroska_ in any::<bool>(),
        changes in proptest::collection::vec((any::<u16>(), any::<u8>()), 0..12),
        length in any::<u16>(),
    ) {
        let mut bytes = if matroska_ {
            matroska(&element(&TRACKS, &video((192, 112), &crop([17, 3, 16, 1]))))
        } else {
            let boxes = [a_box(b"pasp", &numbers(&[16, 15])), clap([702, 1, 576, 1, 0, 1, 0, 1])].concat();
            mp4((720, 576), &[description((720, 576), &boxes)])
        };
        bytes.truncate(usize::from(length) % (bytes.len() * 4));
        for (at, byte) in changes {
            if !bytes.is_empty() {
                let at = usize::from(at) % bytes.len();
                bytes[at] = byte;
            }
        }
        let source = MemorySource(bytes.clone().into());
        let whole = Some(0..bytes.len() as u64);
        for index in [None, whole] {
            for track in tracks(&mut source.clone(), index.as_ref()).unwrap() {
                for Aperture { picture_size: (width, height), part, .. } in track.apertures {
                    prop_assert!(part.width > 0 && part.height > 0);
                    prop_assert!(part.left + part.width <= width && part.top + part.height <= height);
                }
            }
        }
    }
}

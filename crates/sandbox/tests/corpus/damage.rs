//! Good files with a part missing, a few bytes changed, or another file's part in them.

use fastrand::Rng;

use crate::Case;
use crate::samples::Sample;

/// The first bytes of a file: from none to 1 KiB.
pub(crate) fn shortest(sample: &Sample) -> impl Iterator<Item = Case> {
    let lengths = [0, 1, 2, 3, 4, 7, 8, 12, 16, 31, 32, 63, 64, 100, 188, 189, 256, 376, 511, 512, 800, 1024];
    lengths.into_iter().filter(|length| *length < sample.bytes.len()).map(|length| {
        Case::new(format!("first-{length}-of-{}", sample.name), sample.bytes[..length].to_vec())
    })
}

/// The file up to each of its boxes, and behind each box's head; of other containers, twenty pieces.
pub(crate) fn cut(sample: &Sample) -> Vec<Case> {
    let mut ends = Vec::new();
    if matches!(sample.name.rsplit('.').next(), Some("mp4" | "mov" | "3gp")) {
        boxes(&sample.bytes, 0, &mut ends);
    } else {
        ends.extend((1..20).map(|piece| sample.bytes.len() * piece / 20));
    }
    ends.iter()
        .map(|end| Case::new(format!("cut-at-{end}-of-{}", sample.name), sample.bytes[..*end].to_vec()))
        .collect()
}

/// Where boxes begin, and where their heads end, in those that hold others too.
fn boxes(bytes: &[u8], offset: usize, ends: &mut Vec<usize>) {
    let mut at = 0;
    while let Some(head) = bytes.get(at..at + 8) {
        let length = u32::from_be_bytes(head[..4].try_into().unwrap()) as usize;
        if length < 8 || at + length > bytes.len() {
            return;
        }
        ends.extend([offset + at, offset + at + 8]);
        if matches!(
            &head[4..],
            b"moov"
                | b"trak"
                | b"edts"
                | b"mdia"
                | b"minf"
                | b"dinf"
                | b"stbl"
                | b"mvex"
                | b"moof"
                | b"traf"
                | b"udta"
        ) {
            boxes(&bytes[at + 8..at + length], offset + at + 8, ends);
        }
        at += length;
    }
}

/// The file with some bytes changed: anywhere, and in its first and last 2 KiB, where containers say what
/// is in them.
pub(crate) fn flipped(sample: &Sample, random: &mut Rng, rounds: usize) -> Vec<Case> {
    let length = sample.bytes.len();
    let ends = 2048.min(length);
    let places = [0..length, 0..ends, length - ends..length];
    let mut cases = Vec::new();
    for round in 0..rounds {
        for (place, range) in places.iter().enumerate() {
            for changes in [1, 3, 10, 40, 200] {
                let mut bytes = sample.bytes.clone();
                for _ in 0..changes {
                    let at = random.usize(range.clone());
                    bytes[at] = match random.u8(0..4) {
                        0 => bytes[at] ^ 1 << random.u8(0..8),
                        1 => 0,
                        2 => 0xff,
                        _ => random.u8(..),
                    };
                }
                cases.push(Case::new(format!("flipped-{round}-{place}-{changes}-of-{}", sample.name), bytes));
            }
        }
    }
    cases
}

/// The file with a piece removed, repeated, or taken from another one.
pub(crate) fn spliced(sample: &Sample, all: &[Sample], random: &mut Rng, rounds: usize) -> Vec<Case> {
    let mut cases = Vec::new();
    for round in 0..rounds {
        let mut removed = sample.bytes.clone();
        removed.drain(piece(&sample.bytes, random));
        cases.push(Case::new(format!("removed-{round}-of-{}", sample.name), removed));
        let mut repeated = sample.bytes.clone();
        let range = piece(&sample.bytes, random);
        let again = sample.bytes[range.clone()].repeat(3);
        repeated.splice(range.end..range.end, again);
        cases.push(Case::new(format!("repeated-{round}-of-{}", sample.name), repeated));
        let other = &all[random.usize(..all.len())];
        let mut mixed = sample.bytes.clone();
        let range = piece(&sample.bytes, random);
        mixed.splice(range, other.bytes[piece(&other.bytes, random)].iter().copied());
        cases.push(Case::new(format!("mixed-{round}-of-{}-{}", sample.name, other.name), mixed));
    }
    cases
}

/// Some stretch of up to a quarter of the bytes.
fn piece(bytes: &[u8], random: &mut Rng) -> std::ops::Range<usize> {
    let start = random.usize(..bytes.len());
    start..(start + random.usize(..bytes.len() / 4 + 1)).min(bytes.len())
}

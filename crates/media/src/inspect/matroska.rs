//! The claims of Matroska and WebM files: the index, which FFmpeg sorts by insertion, and lists that FFmpeg
//! searches for each entry or holds in memory.

use std::collections::BTreeSet;
use std::io;
use std::ops::Range;

use super::{Findings, Refused, sample_limit};
use crate::ebml::{CLUSTER, SEEK_HEAD, SEGMENT, each, element, number, targets};
use crate::window::Window;
use crate::{Source, words};

const CUES: u32 = 0x1c53_bb6b;
const CUE_POINT: u32 = 0xbb;
const CUE_TIME: u32 = 0xb3;
const CUE_POSITIONS: u32 = 0xb7;

/// The most seek heads, and the most positions taken from one.
const MAX_HEADS: usize = 16;
/// The most indexes and lists that are read.
const MAX_PLACES: usize = 10_000;
/// The most entries that FFmpeg may move when it sorts the index: about a second of work.
const MAX_MOVED_ENTRIES: u64 = 200_000_000;

/// A part of the file of which FFmpeg builds a list.
struct List {
    id: u32,
    /// The name of an entry in messages.
    entry: &'static str,
    /// The elements that count as entries.
    entries: &'static [u32],
    /// The elements that may contain entries and each other.
    parents: &'static [u32],
    most: u64,
    most_bytes: u64,
}

/// The limits of these lists. Real films have some hundreds of tags and chapters, and at most some dozens of
/// megabytes of fonts.
const LISTS: [List; 3] = [
    List {
        id: 0x1254_c367,
        entry: "tag",
        entries: &[0x7373, 0x67c8],
        parents: &[0x7373, 0x67c8],
        most: 10_000,
        most_bytes: 64 << 20,
    },
    List {
        id: 0x1043_a770,
        entry: "chapter",
        entries: &[0x45b9, 0xb6, 0x80],
        parents: &[0x45b9, 0xb6],
        most: 10_000,
        most_bytes: 64 << 20,
    },
    List {
        id: 0x1941_a469,
        entry: "attachment",
        entries: &[0x61a7],
        parents: &[],
        most: 1_000,
        most_bytes: 128 << 20,
    },
];

/// Reads the claims of the file.
pub(super) fn inspect(source: &mut dyn Source) -> Result<Findings, Refused> {
    let size = source.size();
    let window = &mut Window::new(source);
    let Some(segment) = segment(window, size)? else { return Ok(Findings::default()) };
    let places = places(window, &segment)?;
    for list in &LISTS {
        list.check(window, &segment, &places)?;
    }
    let mut index = Index::default();
    for at in of_kind(&places, CUES) {
        if let Some((CUES, body)) = element(window, &(at..segment.end))? {
            index.read(window, body)?;
        }
    }
    if index.moved > MAX_MOVED_ENTRIES || index.entries > sample_limit(size) {
        let warning = format!(
            "the index of {} entries is out of order or too long; the file is read without it",
            index.entries
        );
        return Ok(Findings { without_index: true, warnings: vec![warning], ..Findings::default() });
    }
    Ok(Findings::default())
}

/// The content of the segment.
fn segment(window: &mut Window<'_>, size: u64) -> io::Result<Option<Range<u64>>> {
    let mut found = None;
    each(window, 0..size, |_, id, body| {
        // Its claimed length may be wrong; FFmpeg ignores that.
        found = (id == SEGMENT).then_some(body.start..size);
        Ok(found.is_none())
    })?;
    Ok(found)
}

/// Finds the index and the lists: before the media, and where seek heads point.
fn places(window: &mut Window<'_>, segment: &Range<u64>) -> Result<BTreeSet<(u32, u64)>, Refused> {
    let wanted: Vec<u32> = LISTS.iter().map(|list| list.id).chain([CUES, SEEK_HEAD]).collect();
    let (mut found, mut heads) = (BTreeSet::new(), 0);
    let (mut todo, mut done) = (vec![segment.start], BTreeSet::new());
    while let Some(at) = todo.pop() {
        if done.len() > MAX_HEADS || !done.insert(at) {
            continue;
        }
        let mut rest = at..segment.end;
        while let Some((id, body)) = element(window, &rest)? {
            match id {
                SEEK_HEAD if heads < MAX_HEADS => {
                    heads += 1;
                    for (id, position) in targets(window, body.clone(), &wanted, MAX_HEADS)? {
                        let at = segment.start.saturating_add(position);
                        if id == SEEK_HEAD {
                            todo.push(at);
                        } else {
                            found.insert((id, at));
                        }
                    }
                }
                CLUSTER => break,
                id if wanted.contains(&id) && id != SEEK_HEAD => {
                    found.insert((id, rest.start));
                }
                _ => {}
            }
            rest.start = body.end;
            if found.len() > MAX_PLACES {
                let most = words::count(MAX_PLACES as u64, "list");
                return Err(Refused::Claim(format!("the file's header holds more than {most}")));
            }
        }
    }
    Ok(found)
}

/// The positions of the elements of one kind, in file order.
fn of_kind(places: &BTreeSet<(u32, u64)>, kind: u32) -> impl Iterator<Item = u64> {
    places.range((kind, 0)..=(kind, u64::MAX)).map(|(_, at)| *at)
}

impl List {
    /// Refuses a file with more entries or bytes than allowed.
    fn check(
        &self,
        window: &mut Window<'_>,
        segment: &Range<u64>,
        places: &BTreeSet<(u32, u64)>,
    ) -> Result<(), Refused> {
        let (mut entries, mut bytes) = (0, 0);
        for at in of_kind(places, self.id) {
            let Some((_, body)) = element(window, &(at..segment.end))?.filter(|(id, _)| *id == self.id)
            else {
                continue;
            };
            bytes += body.end - body.start;
            if bytes > self.most_bytes {
                let most = words::count(self.most_bytes, "byte");
                return Err(Refused::Claim(format!("the file's {}s take more than {most}", self.entry)));
            }
            // Elements still to be read, at any depth.
            let mut todo = vec![body];
            while let Some(body) = todo.pop() {
                each(window, body, |_, id, body| {
                    entries += u64::from(self.entries.contains(&id));
                    if self.parents.contains(&id) {
                        todo.push(body);
                    }
                    Ok(entries <= self.most)
                })?;
            }
            if entries > self.most {
                let most = words::count(self.most, self.entry);
                return Err(Refused::Claim(format!("the file holds more than {most}")));
            }
        }
        Ok(())
    }
}

/// The sorting cost of an index.
#[derive(Default)]
struct Index {
    entries: u64,
    latest: u64,
    /// The number of entries moved so far.
    moved: u64,
}

impl Index {
    fn read(&mut self, window: &mut Window<'_>, body: Range<u64>) -> io::Result<()> {
        each(window, body, |window, id, point| {
            if id != CUE_POINT {
                return Ok(true);
            }
            let (mut time, mut positions) = (0, 0);
            each(window, point, |window, id, value| {
                match id {
                    CUE_TIME => time = number(window, &value)?.unwrap_or(0),
                    CUE_POSITIONS => positions += 1,
                    _ => {}
                }
                Ok(true)
            })?;
            if time < self.latest {
                self.moved = self.moved.saturating_add(self.entries.saturating_mul(positions));
            }
            self.latest = self.latest.max(time);
            self.entries += positions;
            Ok(true)
        })
    }
}

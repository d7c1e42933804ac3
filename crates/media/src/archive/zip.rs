//! The ZIP archive: written once, front to back, to a sink that cannot seek.
//!
//! Each member's size and checksum are known before it is written, so they stand in its local header: no data
//! descriptors, which some readers refuse for stored members. ZIP64 records appear where a count or an offset
//! needs them and nowhere else. Dates are the format's zero, so equal members give equal bytes. (The
//! streaming writer of the `zip` crate does neither.)
//!
//! Layout: PKWARE APPNOTE 6.3.10, §4.3.

use std::io::{self, Write};

use super::{Archive, ArchiveError, Content, Finished, Member, Sink};

/// 1 January 1980, midnight.
const DATE: u16 = 0x0021;
/// Made by: Unix (external attributes are a file mode), version 4.5 (ZIP64).
const MADE_BY: u16 = 3 << 8 | 45;
const MODE: u32 = 0o100_644 << 16;

/// A member's entry in the central directory, without its name.
#[derive(Clone, Copy, Debug)]
struct Entry {
    offset: u64,
    size: u32,
    crc: u32,
    name_length: u16,
}

/// Writes a ZIP of stored members.
pub struct Zip<W: Write> {
    out: Sink<W>,
    entries: Vec<Entry>,
    /// The members' names in one string: there may be a million of them.
    names: String,
}

impl<W: Write> Archive for Zip<W> {
    fn written(&self) -> u64 {
        self.out.bytes
    }

    fn add(&mut self, member: Member<'_>, content: Content<'_>) -> Result<(), ArchiveError> {
        let short = u32::try_from(member.size).ok().filter(|size| *size < u32::MAX);
        let name_length = u16::try_from(member.name.len()).ok();
        let (Some(size), Some(name_length)) = (short, name_length) else {
            return Err(ArchiveError::TooLarge);
        };
        let entry = Entry { offset: self.out.bytes, size, crc: member.crc, name_length };
        let mut header = Vec::with_capacity(64);
        u32s(&mut header, [0x0403_4b50]);
        // Version needed 1.0, the name is UTF-8 where it is not ASCII, stored, time, date.
        u16s(&mut header, [10, flags(member.name), 0, 0, DATE]);
        u32s(&mut header, [entry.crc, size, size]);
        u16s(&mut header, [name_length, 0]);
        header.extend_from_slice(member.name.as_bytes());
        self.out.write_all(&header)?;
        content(&mut self.out)?;
        self.entries.push(entry);
        self.names.push_str(member.name);
        Ok(())
    }

    fn finish(mut self: Box<Self>) -> io::Result<Finished> {
        let start = self.out.bytes;
        let mut names = self.names.as_str();
        for entry in &self.entries {
            let (name, rest) = names.split_at(entry.name_length.into());
            names = rest;
            directory_entry(&mut self.out, name, entry)?;
        }
        end(&mut self.out, start, self.entries.len() as u64)?;
        self.out.finish()
    }
}

impl<W: Write> Zip<W> {
    /// Writes to a sink that need not support seeking.
    pub fn new(sink: W) -> Self {
        Self { out: Sink::new(sink), entries: Vec::new(), names: String::new() }
    }
}

/// §4.4.4, bit 11.
fn flags(name: &str) -> u16 {
    if name.is_ascii() { 0 } else { 1 << 11 }
}

fn directory_entry<W: Write>(out: &mut Sink<W>, name: &str, entry: &Entry) -> io::Result<()> {
    let far = entry.offset >= u64::from(u32::MAX);
    let mut record = Vec::with_capacity(96);
    u32s(&mut record, [0x0201_4b50]);
    u16s(&mut record, [MADE_BY, if far { 45 } else { 10 }, flags(name), 0, 0, DATE]);
    u32s(&mut record, [entry.crc, entry.size, entry.size]);
    // Name, extra field, comment, disk, internal attributes.
    u16s(&mut record, [name.len() as u16, if far { 12 } else { 0 }, 0, 0, 0]);
    u32s(&mut record, [MODE, if far { u32::MAX } else { entry.offset as u32 }]);
    record.extend_from_slice(name.as_bytes());
    if far {
        // §4.5.3: only the fields whose short form is all ones.
        u16s(&mut record, [1, 8]);
        record.extend_from_slice(&entry.offset.to_le_bytes());
    }
    out.write_all(&record)
}

fn end<W: Write>(out: &mut Sink<W>, start: u64, count: u64) -> io::Result<()> {
    let offset = out.bytes;
    let size = offset - start;
    let mut record = Vec::with_capacity(98);
    if count >= 0xffff || start >= u64::from(u32::MAX) || size >= u64::from(u32::MAX) {
        u32s(&mut record, [0x0606_4b50]);
        u64s(&mut record, [44]);
        u16s(&mut record, [MADE_BY, 45]);
        u32s(&mut record, [0, 0]);
        u64s(&mut record, [count, count, size, start]);
        u32s(&mut record, [0x0706_4b50, 0]);
        u64s(&mut record, [offset]);
        u32s(&mut record, [1]);
    }
    let short = |value: u64| u32::try_from(value).unwrap_or(u32::MAX);
    let count = u16::try_from(count).unwrap_or(u16::MAX);
    u32s(&mut record, [0x0605_4b50]);
    u16s(&mut record, [0, 0, count, count]);
    u32s(&mut record, [short(size), short(start)]);
    u16s(&mut record, [0]);
    out.write_all(&record)
}

fn u16s<const N: usize>(to: &mut Vec<u8>, values: [u16; N]) {
    values.iter().for_each(|value| to.extend_from_slice(&value.to_le_bytes()));
}

fn u32s<const N: usize>(to: &mut Vec<u8>, values: [u32; N]) {
    values.iter().for_each(|value| to.extend_from_slice(&value.to_le_bytes()));
}

fn u64s<const N: usize>(to: &mut Vec<u8>, values: [u64; N]) {
    values.iter().for_each(|value| to.extend_from_slice(&value.to_le_bytes()));
}

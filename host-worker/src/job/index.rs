//! Indexes the frames of an archive while it is written.

use std::io;

use framelift_contract::frame_index::{Extent, IndexBuilder, Row, nanoseconds};
use framelift_domain::Format;
use framelift_media::{Archive, ArchiveError, Content, Finished, MANIFEST, Member};

/// An archive that notes the position of each image for the index.
pub(super) struct Indexed<'a, A> {
    archive: A,
    notes: &'a mut Notes,
}

/// The members of an archive so far.
#[derive(Debug, Default)]
pub(super) struct Notes {
    rows: IndexBuilder,
    manifest: Extent,
    /// Whether the archive has something that an index cannot express: an image of more than 65,535 pixels a
    /// side.
    unindexable: bool,
    finished: Option<Finished>,
}

impl<'a, A: Archive> Indexed<'a, A> {
    pub(super) fn new(archive: A, notes: &'a mut Notes) -> Self {
        Self { archive, notes }
    }
}

impl<A: Archive> Archive for Indexed<'_, A> {
    fn written(&self) -> u64 {
        self.archive.written()
    }

    fn add(&mut self, member: Member<'_>, content: Content<'_>) -> Result<(), ArchiveError> {
        self.archive.add(member, content)?;
        // In a ZIP nothing follows a member's bytes, so its offset follows from its size.
        let offset = self.archive.written().saturating_sub(member.size);
        self.notes.add(member, offset);
        Ok(())
    }

    fn finish(self: Box<Self>) -> io::Result<Finished> {
        let finished = Box::new(self.archive).finish()?;
        self.notes.finished = Some(finished);
        Ok(finished)
    }
}

impl Notes {
    fn add(&mut self, member: Member<'_>, offset: u64) {
        let Ok(length) = u32::try_from(member.size) else { return self.unindexable = true };
        let extent = Extent { offset, length, crc: member.crc };
        let Some(image) = member.image else {
            if member.name == MANIFEST {
                self.manifest = extent;
            }
            return;
        };
        let (width, height) = image.size;
        match (u16::try_from(width), u16::try_from(height), nanoseconds(image.time)) {
            (Ok(width), Ok(height), Some(time_ns)) => {
                self.rows.push(Row { image: extent, width, height, time_ns, keyframe: image.keyframe });
            }
            _ => self.unindexable = true,
        }
    }

    /// Returns the index; `None` if the archive is incomplete or cannot be indexed.
    pub(super) fn index(self, format: Format) -> Option<Vec<u8>> {
        let finished = self.finished.filter(|_| !self.unindexable)?;
        Some(self.rows.finish(format, (finished.bytes, finished.sha256?), self.manifest))
    }
}

#[cfg(test)]
mod tests {
    use framelift_contract::frame_index::{HEADER_BYTES, Header, ROW_BYTES};
    use framelift_domain::Rational;
    use framelift_media::{Image, Zip};

    use super::*;

    fn add(archive: &mut dyn Archive, name: &str, bytes: &[u8], image: Option<Image>) {
        let member = Member { name, size: bytes.len() as u64, crc: bytes.len() as u32, image };
        archive.add(member, &|out| out.write_all(bytes)).unwrap();
    }

    fn image(size: (u32, u32)) -> Option<Image> {
        Some(Image { time: Rational::new(1001, 30_000).unwrap(), size, keyframe: true })
    }

    #[test]
    fn every_image_and_the_manifest_are_where_the_index_says() {
        let (mut zip, mut notes) = (Vec::new(), Notes::default());
        let mut archive = Box::new(Indexed::new(Zip::new(&mut zip), &mut notes));
        add(&mut *archive, "frames/frame_000001.jpg", b"first", image((640, 360)));
        add(&mut *archive, "frames/frame_000002.jpg", b"the second", image((320, 180)));
        add(&mut *archive, "storyboard.jpg", b"sheet", None);
        add(&mut *archive, MANIFEST, b"{}", None);
        archive.finish().unwrap();
        let index = notes.index(Format::Jpeg).unwrap();
        let header = Header::decode(&index[..HEADER_BYTES]).unwrap();
        assert_eq!((header.frames, header.largest, header.archive_bytes), (2, 10, zip.len() as u64));
        let bytes = |extent: Extent| &zip[extent.offset as usize..][..extent.length as usize];
        let rows: Vec<Row> = index[HEADER_BYTES..]
            .chunks_exact(ROW_BYTES)
            .map(|row| Row::decode(row.try_into().unwrap()))
            .collect();
        assert_eq!(bytes(rows[0].image), b"first");
        assert_eq!(bytes(rows[1].image), b"the second");
        assert_eq!(bytes(header.manifest), b"{}");
        assert_eq!((rows[0].width, rows[0].height, rows[0].time_ns), (640, 360, 33_366_667));
        assert!(rows[0].keyframe);
    }

    #[test]
    fn what_an_index_cannot_say_has_none() {
        let (mut zip, mut notes) = (Vec::new(), Notes::default());
        let mut archive = Box::new(Indexed::new(Zip::new(&mut zip), &mut notes));
        add(&mut *archive, "frames/frame_000001.png", b"wide", image((70_000, 1)));
        archive.finish().unwrap();
        assert_eq!(notes.index(Format::Png), None);
        assert_eq!(Notes::default().index(Format::Png), None, "an archive that was not finished");
    }
}

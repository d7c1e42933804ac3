//! Motion JPEG (ITU-T T.81): pictures that contain their own tables.

use super::{Access, Picture};

#[derive(Debug, Default)]
pub(super) struct Mjpeg {
    /// Whether some picture had no quantization tables, so that it needs those of its predecessor.
    borrows: bool,
    /// Whether some picture had Huffman tables; until then, the standard ones apply.
    huffman: bool,
}

impl Mjpeg {
    pub(super) fn parse(&mut self, data: &[u8]) -> Picture {
        let Some(tables) = tables(data) else {
            self.borrows = true;
            return Picture::BROKEN;
        };
        self.borrows |= !tables.quantization;
        self.huffman |= tables.huffman;
        let alone = tables.quantization && tables.huffman == self.huffman;
        Picture {
            droppable: alone && !self.borrows && !tables.field,
            access: Access::from(alone),
            shown: !tables.field,
        }
    }
}

#[derive(Debug, Default)]
struct Tables {
    quantization: bool,
    huffman: bool,
    /// One of the two fields of a picture, as some AVI files have them.
    field: bool,
}

/// Reads the segments before the first scan.
fn tables(data: &[u8]) -> Option<Tables> {
    let mut tables = Tables::default();
    let mut rest = data.strip_prefix(&[0xff, 0xd8])?;
    loop {
        let (&[0xff, marker], after) = rest.split_first_chunk()? else { return None };
        if marker == 0xff {
            rest = &rest[1..];
            continue;
        }
        rest = after;
        let (length, _) = rest.split_first_chunk()?;
        let (segment, after) = rest.split_at_checked(u16::from_be_bytes(*length).into())?;
        rest = after;
        match (marker, segment) {
            (0xda, _) => return Some(tables),
            (0xdb, _) => tables.quantization = true,
            (0xc4, _) => tables.huffman = true,
            (0xe0, [_, _, b'A', b'V', b'I', b'1', polarity, ..]) => tables.field = *polarity != 0,
            (_, [_, _, ..]) => {}
            _ => return None,
        }
    }
}

/// Returns upper bounds of the number of scans of a picture and of its pixels, whichever decoder reads it.
pub(crate) fn passes(data: &[u8]) -> (u64, u64) {
    let (mut scans, mut pixels) = (0, 0);
    let markers = data.iter().enumerate().filter(|(_, byte)| **byte == 0xff);
    for (start, _) in markers {
        match data[start + 1..] {
            // Start of a scan: its length follows from the number of its components (B.2.3).
            [0xda, 0, length, components @ 1..=4, ..] if length == 6 + 2 * components => scans += 1,
            // Start of a frame, and not of tables (B.2.2).
            [0xc0..=0xc3 | 0xc5..=0xc7 | 0xc9..=0xcb | 0xcd..=0xcf, _, _, _, a, b, c, d, ..] => {
                let side = |bytes| u64::from(u16::from_be_bytes(bytes));
                pixels = pixels.max(side([a, b]) * side([c, d]));
            }
            _ => {}
        }
    }
    (scans, pixels)
}

#[cfg(test)]
mod tests {
    use super::*;

    const DQT: &[u8] = &[0xff, 0xdb, 0, 3, 1];
    const DHT: &[u8] = &[0xff, 0xc4, 0, 3, 1];
    const SOS: &[u8] = &[0xff, 0xda, 0, 2, 5, 5];

    fn picture(segments: &[&[u8]]) -> Vec<u8> {
        [&[&[0xff, 0xd8][..]], segments, &[SOS]].concat().concat()
    }

    #[test]
    fn pictures_with_their_own_tables() {
        let mut stream = Mjpeg::default();
        assert_eq!(stream.parse(&picture(&[DQT])), Picture::ALONE, "the usual Huffman tables");
        assert_eq!(stream.parse(&picture(&[&[0xff], DQT, DHT])), Picture::ALONE, "with filler");
        let later = stream.parse(&picture(&[DQT]));
        assert_eq!((later.droppable, later.access), (false, Access::No), "no longer the usual ones");
        assert!(!stream.parse(&picture(&[DHT])).droppable);
        assert!(!stream.parse(&picture(&[DQT, DHT])).droppable, "some need their predecessor's");
    }

    #[test]
    fn scans_are_counted_wherever_they_are() {
        let frame = [0xff, 0xc2, 0, 17, 8, 0, 100, 1, 0, 3];
        let scan = [0xff, 0xda, 0, 8, 1, 1, 0, 0, 63, 0, 0x12, 0xff, 0, 0xda];
        let picture =
            [&[0xff, 0xd8][..], &frame, &scan.repeat(5), &[0xff, 0xff], &scan, &[0xff, 0xd9]].concat();
        assert_eq!(passes(&picture), (6, 100 * 256));
        assert_eq!(passes(&[0xff, 0xda, 0, 9, 1]), (0, 0), "a length that no decoder takes");
        assert_eq!(passes(&[0xff]), (0, 0));
    }

    #[test]
    fn fields_are_not_pictures() {
        let field = [&[0xff, 0xe0, 0, 8, b'A', b'V', b'I', b'1', 1, 0], DQT, DHT].concat();
        let field = Mjpeg::default().parse(&picture(&[&field]));
        assert_eq!((field.droppable, field.shown), (false, false));
    }

    #[test]
    fn what_is_cut_off() {
        let whole = picture(&[DQT, DHT]);
        for length in 0..whole.len() - 2 {
            assert_eq!(Mjpeg::default().parse(&whole[..length]), Picture::BROKEN, "{length}");
        }
    }
}

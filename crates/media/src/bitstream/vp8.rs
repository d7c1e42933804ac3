//! VP8 (RFC 6386): frames that refresh no buffer and keep no probabilities, as the upper
//! temporal layers of conference recordings.

use super::{Access, Picture};

/// State that lasts from frame to frame, besides samples and probabilities.
#[derive(Debug, Default)]
pub(super) struct Vp8 {
    /// Whether the last frame used segments, so that the next one may take over its map.
    segments: bool,
    /// Adjustments of the loop filter's level; none where a header could not be read.
    levels: Option<[i32; 8]>,
}

impl Vp8 {
    pub(super) fn parse(&mut self, data: &[u8]) -> Picture {
        // The frame tag: 9.1.
        let Some((&[tag, ..], rest)) = data.split_first_chunk::<3>() else { return Picture::BROKEN };
        let (key, shown) = (tag & 1 == 0, tag & 0x10 != 0);
        if key {
            self.levels = Some([0; 8]);
        }
        // A start code and the size stand before a key frame's header.
        let header = if key { rest.get(7..) } else { Some(rest) }.and_then(Header::new);
        let idle = header.and_then(|header| header.read(key, self));
        if idle.is_none() {
            self.levels = None;
        }
        Picture { droppable: idle == Some(true), access: Access::from(key), shown }
    }
}

/// Reads the frame header through the boolean decoder (7.3); all of its flags have even probability.
struct Header<'a> {
    rest: &'a [u8],
    value: u32,
    range: u32,
    /// Bits used up of the lower byte of `value`.
    shift: u32,
}

impl<'a> Header<'a> {
    fn new(data: &'a [u8]) -> Option<Self> {
        let (first, rest) = data.split_first_chunk()?;
        Some(Self { rest, value: u16::from_be_bytes(*first).into(), range: 255, shift: 0 })
    }

    fn flag(&mut self) -> Option<bool> {
        let split = 1 + (self.range - 1) / 2;
        let one = self.value >= split << 8;
        if one {
            self.range -= split;
            self.value -= split << 8;
        } else {
            self.range = split;
        }
        while self.range < 128 {
            self.value <<= 1;
            self.range <<= 1;
            self.shift += 1;
            if self.shift == 8 {
                self.shift = 0;
                let (byte, rest) = self.rest.split_first()?;
                self.rest = rest;
                self.value |= u32::from(*byte);
            }
        }
        Some(one)
    }

    fn number(&mut self, width: u32) -> Option<u32> {
        let mut value = 0;
        for _ in 0..width {
            value = value << 1 | u32::from(self.flag()?);
        }
        Some(value)
    }

    /// Optional numbers, each after a flag; with `sign`, also before one.
    fn skip_optional(&mut self, count: u32, width: u32, sign: u32) -> Option<()> {
        for _ in 0..count {
            if self.flag()? {
                self.number(width + sign)?;
            }
        }
        Some(())
    }

    /// Returns whether segments are used, and whether their map or features change (9.3).
    fn segments(&mut self) -> Option<(bool, bool)> {
        if !self.flag()? {
            return Some((false, false));
        }
        let (map, features) = (self.flag()?, self.flag()?);
        if features {
            self.flag()?;
            self.skip_optional(4, 7, 1)?;
            self.skip_optional(4, 6, 1)?;
        }
        if map {
            self.skip_optional(3, 8, 0)?;
        }
        Some((true, map || features))
    }

    /// Applies the header's adjustments of the loop filter. Returns whether any of them changed.
    fn levels(&mut self, levels: &mut [i32; 8]) -> Option<bool> {
        let before = *levels;
        if self.flag()? && self.flag()? {
            for level in levels.iter_mut() {
                if self.flag()? {
                    let size = self.number(6)? as i32;
                    *level = if self.flag()? { -size } else { size };
                }
            }
        }
        Some(*levels != before)
    }

    /// Reads the header (9.2 to 9.11 and 19.2). Returns whether the frame changes no state.
    fn read(mut self, key: bool, stream: &mut Vp8) -> Option<bool> {
        if key {
            // Colour space and clamping.
            self.number(2)?;
        }
        let (segments, changed) = self.segments()?;
        // Decoders disagree on what happens to a map that a frame does not use.
        let loses = std::mem::replace(&mut stream.segments, segments) && !segments;
        let mut keeps = !key && !changed && !loses;
        // The loop filter's type, level and sharpness.
        self.number(1 + 6 + 3)?;
        keeps &= !self.levels(stream.levels.as_mut()?)?;
        // Partitions and quantizers.
        self.number(2 + 7)?;
        self.skip_optional(5, 4, 1)?;
        if key {
            return Some(false);
        }
        let (golden, alternate) = (self.flag()?, self.flag()?);
        let golden = golden || self.number(2)? != 0;
        let alternate = alternate || self.number(2)? != 0;
        // The sign biases hold for this frame.
        self.number(2)?;
        let (probabilities, last) = (self.flag()?, self.flag()?);
        Some(keeps && !golden && !alternate && !probabilities && !last)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Codes flags at even odds, as the encoder of RFC 6386, 7.3 does.
    fn encode(flags: &str) -> Vec<u8> {
        let (mut bytes, mut bottom, mut range, mut left) = (Vec::<u8>::new(), 0_u32, 255_u32, 24);
        let padding = "0".repeat(32);
        for flag in flags.chars().chain(padding.chars()).filter(|flag| *flag != ' ') {
            let split = 1 + (range - 1) / 2;
            if flag == '1' {
                bottom = bottom.wrapping_add(split);
                range -= split;
            } else {
                range = split;
            }
            while range < 128 {
                range <<= 1;
                if bottom & 1 << 31 != 0 {
                    for byte in bytes.iter_mut().rev() {
                        *byte = byte.wrapping_add(1);
                        if *byte != 0 {
                            break;
                        }
                    }
                }
                bottom <<= 1;
                left -= 1;
                if left == 0 {
                    bytes.push((bottom >> 24) as u8);
                    bottom &= (1 << 24) - 1;
                    left = 8;
                }
            }
        }
        bytes
    }

    const FILTER: &str = "0 001010 000";
    const QUANTIZERS: &str = "00 0001010 00000";
    const NO_REFRESH: &str = "00 00 00 00";

    fn key(segments: &str, levels: &str) -> Vec<u8> {
        let header = encode(&format!("00 {segments} {FILTER} {levels} {QUANTIZERS} 1"));
        [&[0x10, 0, 0, 0x9d, 1, 0x2a, 16, 0, 16, 0], &header[..]].concat()
    }

    fn inter(segments: &str, levels: &str, refresh: &str) -> Vec<u8> {
        let header = encode(&format!("{segments} {FILTER} {levels} {QUANTIZERS} {refresh}"));
        [&[0x11, 0, 0], &header[..]].concat()
    }

    fn droppable(start: &[u8], frame: &[u8]) -> bool {
        let mut stream = Vp8::default();
        let picture = stream.parse(start);
        assert_eq!(picture, Picture { droppable: false, access: Access::Clean, shown: true });
        let picture = stream.parse(frame);
        assert_eq!((picture.access, picture.shown), (Access::No, true));
        picture.droppable
    }

    #[test]
    fn frames_that_keep_nothing() {
        let start = key("0", "0");
        assert!(droppable(&start, &inter("0", "0", &format!("{NO_REFRESH} 0 0"))));
        for refresh in ["10 00 00 0 0", "01 00 00 0 0", "00 10 00 00 0 0", "00 00 01 00 0 0"] {
            assert!(!droppable(&start, &inter("0", "0", refresh)), "{refresh}");
        }
        for rest in ["1 0", "0 1"] {
            assert!(!droppable(&start, &inter("0", "0", &format!("{NO_REFRESH} {rest}"))), "{rest}");
        }
        let sign_bias = "00 00 00 11 0 0";
        assert!(droppable(&start, &inter("0", "0", sign_bias)));
    }

    #[test]
    fn frames_that_change_segments_or_levels() {
        let inter = |segments: &str, levels: &str| inter(segments, levels, &format!("{NO_REFRESH} 0 0"));
        let segments = "1 1 0 000";
        let level = "1 1 1 000101 1 0000000";
        let start = key(segments, level);
        assert!(droppable(&start, &inter("1 0 0", "1 0")));
        assert!(droppable(&start, &inter("1 0 0", level)), "the levels that there are");
        assert!(!droppable(&start, &inter("1 0 0", "1 1 1 000101 0 0000000")), "another sign");
        assert!(!droppable(&start, &inter("0", "0")), "the map may be lost");
        assert!(!droppable(&start, &inter("1 0 1 1 0000 0000", "0")));
        assert!(!droppable(&start, &inter(segments, "0")));
        assert!(droppable(&key("0", "0"), &inter("0", "1 0")));
    }

    #[test]
    fn headers_that_are_cut_off() {
        let frame = inter("0", "0", &format!("{NO_REFRESH} 0 0"));
        assert!(!droppable(&key("0", "0"), &frame[..5]));
        let mut stream = Vp8::default();
        assert!(!stream.parse(&frame).droppable, "nothing is known of what came before");
        stream.parse(&key("0", "0")[..11]);
        assert!(!stream.parse(&frame).droppable);
        assert_eq!(stream.parse(&frame[..2]), Picture::BROKEN);
        assert!(!stream.parse(&[0x01, 0, 0]).shown);
    }
}

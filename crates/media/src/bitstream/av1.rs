//! AV1 (AV1 Bitstream & Decoding Process Specification): temporal units that refresh no
//! reference frame.
//!
//! A frame passes everything on (samples, motion vectors, probabilities, film grain) in the reference frames
//! that it refreshes (7.20), so no other frame needs one that refreshes none.

use super::bits::Bits;
use super::{Access, Picture};

/// The sequence header's fields that a frame header depends on: 5.5.1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Sequence {
    still: bool,
    /// `None` if frame headers also carry frame numbers or times, which is rare.
    tools: Option<Tools>,
}

/// A flag of the frame header: fixed by the sequence header, or given in each frame header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Choice {
    Fixed(bool),
    Frame,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Tools {
    screen_content: Choice,
    integer_vectors: Choice,
    order_hint_bits: u32,
}

#[derive(Debug)]
pub(super) struct Av1 {
    sequence: Option<Sequence>,
    /// Whether the last sequence header is the one in the container's header.
    from_header: bool,
}

/// The frame header: 5.9.2.
struct Frame {
    key: bool,
    shown: bool,
    /// It refreshes no reference frame.
    unreferenced: bool,
}

/// An open bitstream unit: 5.3.
struct Unit<'a> {
    kind: u8,
    spatial_layer: u8,
    body: &'a [u8],
}

impl Av1 {
    pub(super) fn new(extradata: &[u8]) -> Self {
        let mut stream = Self { sequence: None, from_header: true };
        // `AV1CodecConfigurationRecord`, or units alone.
        let mut rest = match extradata {
            [0x81, _, _, _, units @ ..] => units,
            units => units,
        };
        while let Some((unit, after)) = unit(rest) {
            if unit.kind == 1 {
                stream.sequence = sequence(unit.body);
            }
            rest = after;
        }
        stream
    }

    pub(super) fn parse(&mut self, mut data: &[u8]) -> Picture {
        let mut droppable = true;
        let (mut brings_sequence, mut first_is_key, mut shown) = (false, None, false);
        while !data.is_empty() {
            let Some((unit, after)) = unit(data) else { return Picture::BROKEN };
            data = after;
            droppable &= unit.spatial_layer == 0;
            droppable &= match unit.kind {
                // A sequence header.
                1 => {
                    self.sequence = sequence(unit.body);
                    self.from_header = false;
                    brings_sequence = true;
                    false
                }
                // A frame header, a frame, a repeated frame header.
                3 | 6 | 7 => {
                    let Some(frame) = self.sequence.and_then(|sequence| frame(unit.body, sequence)) else {
                        return Picture::BROKEN;
                    };
                    first_is_key.get_or_insert(frame.key && frame.shown);
                    shown |= frame.shown;
                    frame.unreferenced
                }
                // Delimiters, tiles, padding.
                2 | 4 | 15 => true,
                // Metadata: those of ITU-T T.35 are of this frame alone.
                5 => unit.body.first() == Some(&4),
                _ => false,
            };
        }
        Picture {
            droppable: droppable && first_is_key.is_some(),
            access: Access::from(first_is_key == Some(true) && (brings_sequence || self.from_header)),
            shown,
        }
    }
}

fn unit(data: &[u8]) -> Option<(Unit<'_>, &[u8])> {
    let (&header, mut rest) = data.split_first()?;
    if header & 0x80 != 0 {
        return None;
    }
    let mut spatial_layer = 0;
    if header & 4 != 0 {
        let (extension, after) = rest.split_first()?;
        spatial_layer = extension >> 3 & 3;
        rest = after;
    }
    let mut size = rest.len();
    if header & 2 != 0 {
        let mut value = 0_u64;
        for place in 0.. {
            let (byte, after) = rest.split_first().filter(|_| place < 8)?;
            rest = after;
            value |= u64::from(byte & 0x7f) << (7 * place);
            if byte & 0x80 == 0 {
                break;
            }
        }
        size = usize::try_from(value).ok()?;
    }
    let (body, rest) = rest.split_at_checked(size)?;
    Some((Unit { kind: header >> 3 & 15, spatial_layer, body }, rest))
}

fn sequence(body: &[u8]) -> Option<Sequence> {
    let mut bits = Bits::new(body);
    // Profile, still picture.
    bits.skip(4)?;
    let still = bits.flag()?;
    Some(Sequence { still, tools: if still { None } else { tools(bits) } })
}

/// Parses the rest of a sequence header that is not for a still picture.
fn tools(mut bits: Bits<'_>) -> Option<Tools> {
    if bits.flag()? {
        // Units of time, and whether pictures are equally far apart.
        bits.skip(64)?;
        if bits.flag()? {
            bits.golomb()?;
        }
        // A decoder model adds times to each frame header.
        if bits.flag()? {
            return None;
        }
    }
    let delays = bits.flag()?;
    for _ in 0..=bits.number(5)? {
        bits.skip(12)?;
        if bits.number(5)? > 7 {
            bits.skip(1)?;
        }
        if delays && bits.flag()? {
            bits.skip(4)?;
        }
    }
    let (width, height) = (bits.number(4)? + 1, bits.number(4)? + 1);
    bits.skip((width + height) as usize)?;
    // Frame numbers add fields to each frame header, and checks from one frame to the next.
    if bits.flag()? {
        return None;
    }
    // Superblocks, intra filter and edges, four tools for inter prediction.
    bits.skip(3 + 4)?;
    let order_hints = bits.flag()?;
    if order_hints {
        bits.skip(2)?;
    }
    let choice = |bits: &mut Bits<'_>| match bits.flag()? {
        true => Some(Choice::Frame),
        false => bits.flag().map(Choice::Fixed),
    };
    let screen_content = choice(&mut bits)?;
    let integer_vectors =
        if screen_content == Choice::Fixed(false) { Choice::Frame } else { choice(&mut bits)? };
    let order_hint_bits = if order_hints { bits.number(3)? + 1 } else { 0 };
    Some(Tools { screen_content, integer_vectors, order_hint_bits })
}

/// Parses a frame header up to `refresh_frame_flags`; `None` if it is cut off.
fn frame(body: &[u8], sequence: Sequence) -> Option<Frame> {
    if sequence.still {
        return Some(Frame { key: true, shown: true, unreferenced: false });
    }
    let mut bits = Bits::new(body);
    // `show_existing_frame`: if that is a key frame, all is refreshed.
    if bits.flag()? {
        return Some(Frame { key: false, shown: true, unreferenced: false });
    }
    let kind = bits.number(2)?;
    let (key, intra_only, switch) = (kind == 0, kind == 2, kind == 3);
    let shown = bits.flag()?;
    let unreferenced = match sequence.tools {
        Some(tools) if !(switch || (key && shown)) => {
            if !shown {
                // `showable_frame`.
                bits.skip(1)?;
            }
            let resilient = bits.flag()?;
            // `disable_cdf_update`.
            bits.skip(1)?;
            let mut chosen = |choice| match choice {
                Choice::Frame => bits.flag(),
                Choice::Fixed(value) => Some(value),
            };
            if chosen(tools.screen_content)? {
                chosen(tools.integer_vectors)?;
            }
            // `frame_size_override_flag`, `order_hint`.
            bits.skip(1)?;
            bits.number(tools.order_hint_bits)?;
            if !key && !intra_only && !resilient {
                // `primary_ref_frame`.
                bits.skip(3)?;
            }
            bits.number(8)? == 0
        }
        _ => false,
    };
    Some(Frame { key, shown, unreferenced })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bitstream::bits::bits;

    /// With units of time, two operating points, order hints of 7 bits, and screen content and
    /// integer vectors chosen in each frame.
    fn sequence_header() -> Vec<u8> {
        let time = format!("1 {} 1 1 0", "01".repeat(32));
        let points = format!("0 00001 {p} 01000 1 {p} 00000", p = "0".repeat(12));
        let tools = "000 0000 1 00 1 1 110";
        unit(1, &bits(&format!("000 0 0 {time} {points} 0100 0100 01111 01111 0 {tools} 1")))
    }

    /// As used by still pictures.
    fn still() -> Vec<u8> {
        unit(1, &bits("000 1 1 00000 1111"))
    }

    fn unit(kind: u8, body: &[u8]) -> Vec<u8> {
        [&[kind << 3 | 2, body.len() as u8], body].concat()
    }

    /// A shown inter frame that refreshes `refresh`, without and with screen content.
    fn inter(refresh: u8) -> [Vec<u8>; 3] {
        let frame = |fields: &str| unit(6, &bits(&format!("0 01 1 {fields} {refresh:08b} 1111")));
        [frame("0 0 0 0 1010101 111"), frame("0 0 1 1 0 1010101 000"), frame("1 1 0 0 0000000")]
    }

    const KEY: &[u8] = &[6 << 3 | 2, 2, 0b0001_0000, 0];
    const DELIMITER: &[u8] = &[2 << 3 | 2, 0];

    fn stream() -> Av1 {
        Av1::new(&[&[0x81, 0, 0, 0], &sequence_header()[..]].concat())
    }

    fn parse(units: &[&[u8]]) -> Picture {
        stream().parse(&units.concat())
    }

    #[test]
    fn frames_that_refresh_nothing() {
        for frame in inter(0) {
            let picture = Picture { droppable: true, access: Access::No, shown: true };
            assert_eq!(parse(&[DELIMITER, &frame]), picture);
            assert!(parse(&[&frame, &unit(5, &[4, 1, 1]), &unit(15, &[0])]).droppable);
            assert!(!parse(&[&frame, &unit(5, &[1, 1, 1])]).droppable, "light levels stay");
            assert!(!parse(&[&sequence_header(), &frame]).droppable);
            assert!(!parse(&[KEY, &frame]).droppable);
            assert!(!Av1::new(&[]).parse(&frame).droppable);
        }
        for frame in inter(1).into_iter().chain(inter(0x80)) {
            assert!(!parse(&[&frame]).droppable);
            assert!(!parse(&[&inter(0)[0], &frame]).droppable, "two frames, one of them needed");
        }
        assert!(!parse(&[DELIMITER]).droppable);
        // Of another spatial layer, a switch frame, one shown again, and frames with numbers.
        let mut layered = inter(0)[0].clone();
        layered[0] |= 4;
        layered.insert(1, 1 << 3);
        assert!(!parse(&[&layered]).droppable);
        assert!(!parse(&[&unit(6, &bits("0 11 1 000000000000000000000000"))]).droppable);
        assert!(!parse(&[&unit(3, &bits("1 000 0000"))]).droppable);
        let mut numbered = stream();
        numbered.sequence.as_mut().unwrap().tools = None;
        assert!(!numbered.parse(&inter(0)[0]).droppable);
    }

    #[test]
    fn access_at_shown_key_frames() {
        assert_eq!(parse(&[DELIMITER, KEY]).access, Access::Clean);
        assert_eq!(parse(&[&inter(1)[0], KEY]).access, Access::No);
        let hidden = unit(6, &bits("0 00 0 0 0 0 0 0 0000000 11111111"));
        assert_eq!(parse(&[&hidden]), Picture { droppable: false, access: Access::No, shown: false });
        let mut in_packets = Av1::new(&[]);
        assert_eq!(in_packets.parse(KEY), Picture::BROKEN);
        assert_eq!(in_packets.parse(&[&sequence_header(), KEY].concat()).access, Access::Clean);
        assert_eq!(in_packets.parse(KEY).access, Access::No, "a fresh decoder has no header");
        assert_eq!(Av1::new(&still()).parse(&unit(6, &[0xff])).access, Access::Clean);
    }

    #[test]
    fn broken_units() {
        for broken in [&[0x80, 0][..], &[0x12, 5, 0], &[0x16], &[0x12, 0xff, 0xff], &[0x12, 0x80, 0x80]] {
            assert_eq!(stream().parse(broken), Picture::BROKEN, "{broken:?}");
        }
        let endless = [&[0x12][..], &[0x80; 40]].concat();
        assert_eq!(stream().parse(&endless), Picture::BROKEN);
    }
}

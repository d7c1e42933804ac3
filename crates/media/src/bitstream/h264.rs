//! H.264 (ITU-T H.264): `nal_ref_idc`, fields, and recovery points.

use std::collections::BTreeMap;

use super::Picture;
use super::bits::Bits;
use super::fields::{Pictures, Structure};
use super::units::{Framing, ParameterSets, Units, after_length, messages, payload};

/// The parameters that a slice header's fields depend on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Sequence {
    colour_planes: bool,
    frame_number_bits: u32,
    frames_only: bool,
}

#[derive(Debug)]
pub(super) struct H264 {
    framing: Framing,
    sets: ParameterSets,
    sequences: BTreeMap<u32, Sequence>,
    /// The sequence parameter set of each picture parameter set.
    pictures: BTreeMap<u32, u32>,
}

struct Slice {
    structure: Structure,
    /// Whether it holds the picture's first macroblock.
    first: bool,
    /// Whether it is predicted from no other picture.
    intra: bool,
}

/// Returns the framing that the container's header states.
pub(crate) fn framing(extradata: &[u8]) -> Framing {
    // `AVCDecoderConfigurationRecord`: ISO/IEC 14496-15, 5.3.3.1.
    match extradata {
        [1, _, _, _, lengths, ..] => Framing::Lengths(usize::from(lengths & 3) + 1),
        _ => Framing::StartCodes,
    }
}

impl H264 {
    pub(super) fn new(extradata: &[u8]) -> Self {
        let framing = framing(extradata);
        let mut stream = Self {
            framing,
            sets: ParameterSets::default(),
            sequences: BTreeMap::new(),
            pictures: BTreeMap::new(),
        };
        match framing {
            Framing::Lengths(_) => {
                stream.configuration(&extradata[5..]);
            }
            Framing::StartCodes => {
                for unit in Units::new(extradata, framing).flatten() {
                    stream.header(unit);
                }
            }
        }
        stream
    }

    /// Reads the two lists of parameter sets, as far as they are complete.
    fn configuration(&mut self, mut rest: &[u8]) -> Option<()> {
        for mask in [0x1f, 0xff] {
            let (count, after) = rest.split_first()?;
            rest = after;
            for _ in 0..count & mask {
                let (unit, after) = after_length(rest, 2)?;
                rest = after;
                self.header(unit);
            }
        }
        Some(())
    }

    fn header(&mut self, unit: &[u8]) {
        self.sets.add_from_header(unit);
        self.store_header(unit);
    }

    /// Stores a parameter set. A broken one also replaces the one before.
    fn store_header(&mut self, unit: &[u8]) {
        match unit.first().map(|header| header & 0x1f) {
            Some(7) => match sequence(&payload(&unit[1..], 2048)) {
                Some((id, sequence)) => drop(self.sequences.insert(id, sequence)),
                None => self.sequences.clear(),
            },
            Some(8) => match picture(&payload(&unit[1..], 16)) {
                Some((id, sequence)) => drop(self.pictures.insert(id, sequence)),
                None => self.pictures.clear(),
            },
            _ => {}
        }
    }

    /// A slice header as far as its fields (7.3.3).
    fn slice(&self, unit: &[u8]) -> Option<Slice> {
        let payload = payload(&unit[1..], 32);
        let mut bits = Bits::new(&payload);
        let first = bits.golomb()? == 0;
        let intra = bits.golomb()? % 5 == 2;
        let sequence = self.sequences.get(self.pictures.get(&bits.golomb()?)?)?;
        if sequence.colour_planes {
            bits.skip(2)?;
        }
        bits.number(sequence.frame_number_bits)?;
        let structure = match !sequence.frames_only && bits.flag()? {
            false => Structure::Frame,
            true if bits.flag()? => Structure::Bottom,
            true => Structure::Top,
        };
        Some(Slice { structure, first, intra })
    }

    pub(super) fn parse(&mut self, data: &[u8]) -> Picture {
        let mut pictures = Pictures::default();
        let (mut droppable, mut all_intra, mut recovers) = (true, true, false);
        let (mut sequence_set, mut picture_set) = (false, false);
        // Whether the first slice is one of an instantaneous decoding refresh.
        let mut refreshes = None;
        for unit in Units::new(data, self.framing) {
            let Ok(unit) = unit else { return Picture::BROKEN };
            let kind = unit[0] & 0x1f;
            droppable &= match kind {
                1 | 5 => {
                    refreshes.get_or_insert(kind == 5);
                    let slice = self.slice(unit);
                    if let Some(slice) = slice.as_ref().filter(|slice| slice.first) {
                        pictures.push(slice.structure);
                    }
                    all_intra &= slice.as_ref().is_some_and(|slice| slice.intra);
                    slice.is_some() && unit[0] & 0x60 == 0
                }
                6 => match messages(&payload(&unit[1..], usize::MAX)) {
                    Some(messages) => {
                        recovers |= messages.iter().any(|(kind, body)| *kind == 6 && is_exact(body));
                        // Buffering period, timing, filler and user data: of this picture alone.
                        messages.iter().all(|(kind, _)| matches!(kind, 0 | 1 | 3..=5))
                    }
                    None => false,
                },
                7 | 8 => {
                    self.sets.add_from_packet(unit);
                    self.store_header(unit);
                    (sequence_set, picture_set) = (sequence_set | (kind == 7), picture_set | (kind == 8));
                    false
                }
                // Delimiters and filler, and units that decoders ignore.
                0 | 9 | 12 | 24..=31 => true,
                _ => false,
            };
        }
        let clean = refreshes == Some(true) || (recovers && all_intra && refreshes.is_some());
        Picture {
            droppable: droppable && pictures.are_one(),
            access: self.sets.access(clean, sequence_set && picture_set),
            shown: refreshes.is_some(),
        }
    }
}

/// Builds of x264 before this one coded 4:4:4 in violation of the standard. Decoders work around that if they
/// see the encoder's name, which stands with the first picture only.
const FIXED_X264_BUILD: u32 = 151;

/// Returns the unit of the first packet that names such an encoder.
pub(super) fn preface(extradata: &[u8], first: &[u8]) -> Vec<u8> {
    let framing = H264::new(extradata).framing;
    let names_old_encoder = |unit: &[u8]| {
        let payload = payload(unit.get(1..).unwrap_or_default(), 4096);
        messages(&payload).unwrap_or_default().iter().any(|(kind, body)| {
            // Unregistered user data: a UUID of 16 bytes, then text.
            let text = body.get(16..).filter(|_| *kind == 5).unwrap_or_default();
            let build = text.strip_prefix(b"x264 - core ").unwrap_or_default();
            let digits: String = build.iter().take(6).map(|byte| char::from(*byte)).collect();
            let digits = digits.split(|c: char| !c.is_ascii_digit()).next().unwrap_or_default();
            digits.parse::<u32>().is_ok_and(|build| build < FIXED_X264_BUILD)
        })
    };
    let found = Units::new(first, framing)
        .map_while(Result::ok)
        .find(|unit| unit[0] & 0x1f == 6 && names_old_encoder(unit));
    let Some(unit) = found else { return Vec::new() };
    let head = match framing {
        Framing::StartCodes => vec![0, 0, 1],
        Framing::Lengths(bytes) => {
            let length = (unit.len() as u64).to_be_bytes();
            if unit.len() as u64 >> (8 * bytes) != 0 {
                return Vec::new();
            }
            length[length.len() - bytes..].to_vec()
        }
    };
    [&head[..], unit].concat()
}

/// A recovery point (D.1.8) from which on, with no frame in between, all is exact.
fn is_exact(body: &[u8]) -> bool {
    let mut bits = Bits::new(body);
    bits.golomb() == Some(0) && bits.flag() == Some(true)
}

/// Parses a sequence parameter set (7.3.2.1.1): its number, and the fields that are needed here.
fn sequence(payload: &[u8]) -> Option<(u32, Sequence)> {
    let mut bits = Bits::new(payload);
    let profile = bits.number(8)?;
    bits.skip(16)?;
    let id = bits.golomb().filter(|id| *id < 32)?;
    let mut colour_planes = false;
    if [100, 110, 122, 244, 44, 83, 86, 118, 128, 138, 139, 134, 135].contains(&profile) {
        let chroma = bits.golomb()?;
        colour_planes = chroma == 3 && bits.flag()?;
        // Bit depths.
        bits.skip_golomb(2)?;
        bits.skip(1)?;
        if bits.flag()? {
            for list in 0..if chroma == 3 { 12 } else { 8 } {
                if bits.flag()? {
                    skip_scaling_list(&mut bits, if list < 6 { 16 } else { 64 })?;
                }
            }
        }
    }
    let frame_number_bits = bits.golomb().filter(|bits| *bits <= 12)? + 4;
    match bits.golomb()? {
        0 => drop(bits.golomb()?),
        1 => {
            bits.skip(1)?;
            bits.skip_golomb(2)?;
            let count = bits.golomb().filter(|count| *count < 256)?;
            bits.skip_golomb(count)?;
        }
        _ => {}
    }
    // Reference frames, gaps in frame numbers, width, height.
    bits.golomb()?;
    bits.skip(1)?;
    bits.skip_golomb(2)?;
    Some((id, Sequence { colour_planes, frame_number_bits, frames_only: bits.flag()? }))
}

fn skip_scaling_list(bits: &mut Bits<'_>, size: usize) -> Option<()> {
    let (mut last, mut next) = (8, 8);
    for _ in 0..size {
        if next != 0 {
            next = (last + bits.signed_golomb().filter(|delta| (-128..128).contains(delta))? + 256) % 256;
        }
        last = if next == 0 { last } else { next };
    }
    Some(())
}

/// The numbers of a picture parameter set and its sequence parameter set (7.3.2.2).
fn picture(payload: &[u8]) -> Option<(u32, u32)> {
    let mut bits = Bits::new(payload);
    Some((bits.golomb().filter(|id| *id < 256)?, bits.golomb().filter(|id| *id < 32)?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bitstream::Access;
    use crate::bitstream::bits::{bits, golomb};

    const FRAME: &str = "0";
    const TOP: &str = "10";
    const BOTTOM: &str = "11";
    const I: u32 = 7;
    const P: u32 = 0;
    const B: u32 = 6;
    const RECOVERY: &[u8] = &[6, 6, 1, 0b1110_0000, 0x80];

    fn sequence_set(frames_only: u8) -> Vec<u8> {
        // Frame numbers of 4 bits, order type 2, one reference frame, 1 by 1 macroblock.
        let text = format!("{g0} {g0} 011 010 0 {g0} {g0} {frames_only} 1", g0 = golomb(0));
        [&[0x67, 66, 0, 30][..], &bits(&text)].concat()
    }

    const PICTURE_SET: &[u8] = &[0x68, 0b1100_0000];

    /// A slice with the unit header `header`, beginning at macroblock `first`.
    fn slice(header: u8, first: u32, kind: u32, structure: &str) -> Vec<u8> {
        let text = format!("{} {} {} 0101 {structure} 1", golomb(first), golomb(kind), golomb(0));
        [&[header][..], &bits(&text)].concat()
    }

    fn frame(header: u8, kind: u32) -> Vec<u8> {
        slice(header, 0, kind, FRAME)
    }

    /// A stream in which frames may be coded as fields, by length.
    fn stream() -> H264 {
        let sequence = sequence_set(0);
        let size = |unit: &[u8]| [0, unit.len() as u8];
        let parts: &[&[u8]] = &[
            &[1, 66, 0, 30, 0xff, 0xe1],
            &size(&sequence),
            &sequence,
            &[1],
            &size(PICTURE_SET),
            PICTURE_SET,
        ];
        H264::new(&parts.concat())
    }

    fn packet(units: &[&[u8]]) -> Vec<u8> {
        units.iter().flat_map(|unit| [&[0, 0, 0, unit.len() as u8], *unit].concat()).collect()
    }

    fn droppable(units: &[&[u8]]) -> bool {
        stream().parse(&packet(units)).droppable
    }

    #[test]
    fn only_pictures_that_nothing_refers_to() {
        let b = frame(0x01, B);
        assert!(droppable(&[&b]));
        assert!(droppable(&[&[9, 0xf0], &[6, 4, 1, 9, 0x80], &b, &slice(0x01, 9, B, FRAME), &[12, 0xff]]));
        let kept: &[&[&[u8]]] = &[
            &[],
            &[&[9, 0xf0]],
            &[&frame(0x41, B)],
            &[&frame(0x65, I)],
            &[&b, &slice(0x21, 9, B, FRAME)],
            &[&b, &b],
            &[&slice(0x01, 9, B, FRAME)],
            &[PICTURE_SET, &b],
            &[RECOVERY, &b],
            &[&b, &[10]],
            &[&[2, 0x80], &b],
            &[&[0x74, 0, 0, 1], &b],
            &[&[0x01]],
        ];
        for units in kept {
            assert!(!droppable(units), "{units:?}");
        }
        let whole = packet(&[&b]);
        for length in 0..whole.len() {
            assert!(!stream().parse(&whole[..length]).droppable, "cut off at {length}");
        }
    }

    #[test]
    fn both_fields_or_none() {
        let field = |structure| slice(0x01, 0, B, structure);
        assert!(droppable(&[&field(TOP), &field(BOTTOM)]));
        assert!(droppable(&[&field(BOTTOM), &field(TOP)]));
        for units in [vec![field(TOP)], vec![field(BOTTOM)], vec![field(TOP), field(TOP)]] {
            let units: Vec<&[u8]> = units.iter().map(Vec::as_slice).collect();
            assert!(!droppable(&units), "{units:?}");
        }
        assert!(!droppable(&[&slice(0x21, 0, P, TOP), &field(BOTTOM)]));
    }

    #[test]
    fn access_at_refreshes_and_exact_recovery_points() {
        let access = |units: &[&[u8]]| stream().parse(&packet(units)).access;
        let (i, p) = (frame(0x61, I), frame(0x41, P));
        assert_eq!(access(&[&frame(0x65, I)]), Access::Clean);
        assert_eq!(access(&[&slice(0x65, 0, I, TOP), &slice(0x41, 0, P, BOTTOM)]), Access::Clean);
        assert_eq!(access(&[RECOVERY, &i]), Access::Clean);
        for units in [&[&i[..]][..], &[RECOVERY, &p], &[RECOVERY], &[RECOVERY, &i, &slice(0x41, 9, P, FRAME)]]
        {
            assert_eq!(access(units), Access::No, "{units:?}");
        }
        assert_eq!(access(&[&[6, 6, 1, 0b0101_0000, 0x80], &i]), Access::No, "after one more frame");
        assert_eq!(access(&[&[6, 6, 1, 0b1010_0000, 0x80], &i]), Access::No, "about right");
    }

    #[test]
    fn an_old_encoder_s_name_is_kept() {
        let named = |build: &str| {
            let text = [&[7; 16][..], b"x264 - core ", build.as_bytes(), b" r1 - options"].concat();
            [&[6, 5, text.len() as u8][..], &text, &[0x80]].concat()
        };
        let extradata = [1, 66, 0, 30, 0xff, 0xe0, 0];
        let first = |unit: &[u8]| preface(&extradata, &packet(&[&[9, 0xf0], unit, &frame(0x65, I)]));
        assert_eq!(first(&named("142")), packet(&[&named("142")]));
        assert_eq!(first(&named("0000")), packet(&[&named("0000")]));
        for unit in [named("151"), named("164"), named("x"), vec![6, 5, 1, 1, 0x80], vec![6, 5, 200, 1]] {
            assert_eq!(first(&unit), Vec::<u8>::new());
        }
        let by_code = [&[0, 0, 0, 1][..], &named("120"), &[0, 0, 1], &frame(0x65, I)].concat();
        assert_eq!(preface(&[], &by_code), [&[0, 0, 1][..], &named("120")].concat());
        for length in 0..by_code.len() {
            preface(&[], &by_code[..length]);
        }
    }

    #[test]
    fn parameter_sets_in_packets() {
        let mut by_code = H264::new(&[]);
        let mut parse = |units: &[&[u8]]| {
            let packet: Vec<u8> = units.iter().flat_map(|unit| [&[0, 0, 1], *unit].concat()).collect();
            by_code.parse(&packet)
        };
        let (idr, b) = (frame(0x65, I), frame(0x01, B));
        assert!(!parse(&[&b]).droppable, "nothing is known of it");
        let sets: &[&[u8]] = &[&sequence_set(0), PICTURE_SET];
        assert_eq!(parse(&[sets[0], sets[1], &idr]).access, Access::Clean);
        assert!(parse(&[&b]).droppable);
        assert_eq!(parse(&[&idr]).access, Access::No, "a fresh decoder has no parameter sets");
        // What looked like a field is no longer one.
        let top = slice(0x01, 0, B, TOP);
        assert!(!parse(&[&top]).droppable);
        parse(&[&sequence_set(1), &idr]);
        assert!(parse(&[&top]).droppable);

        let mut by_length = stream();
        let same = by_length.parse(&packet(&[&sequence_set(0), PICTURE_SET, &idr]));
        assert_eq!(same.access, Access::Clean);
        assert_eq!(by_length.parse(&packet(&[&idr])).access, Access::Clean, "the header's own");
        by_length.parse(&packet(&[&sequence_set(1), &idr]));
        assert_eq!(by_length.parse(&packet(&[&idr])).access, Access::No);
    }
}

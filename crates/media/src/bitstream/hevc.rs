//! HEVC (ITU-T H.265): sub-layer non-reference pictures of the highest temporal layer, and
//! pictures at which decoding can start.

use super::Picture;
use super::bits::Bits;
use super::units::{Framing, ParameterSets, Units, after_length, messages, payload};

/// Unit types: table 7-1.
mod kind {
    pub(super) const RASL_N: u8 = 8;
    pub(super) const RASL_R: u8 = 9;
    pub(super) const BLA_W_LP: u8 = 16;
    pub(super) const BLA_N_LP: u8 = 18;
    pub(super) const CRA: u8 = 21;
    pub(super) const LAST_RANDOM_ACCESS: u8 = 23;
    pub(super) const PPS: u8 = 34;
    pub(super) const EOS: u8 = 36;
    pub(super) const EOB: u8 = 37;
}

#[derive(Debug)]
pub(super) struct Hevc {
    framing: Framing,
    sets: ParameterSets,
    /// The highest `TemporalId` that a parameter set allows; none while there is none.
    highest: Option<u8>,
    /// Whether pictures may be coded that are not shown.
    hides: bool,
    /// Whether pictures that lead the last random access picture, and refer to what is before
    /// it, are shown.
    leading_shown: bool,
    /// Whether a sequence has ended, or none has begun.
    ended: bool,
}

/// Returns the framing that the container's header states.
pub(crate) fn framing(extradata: &[u8]) -> Framing {
    // `HEVCDecoderConfigurationRecord`: ISO/IEC 14496-15, 8.3.3.1. Early files have the version 0.
    match extradata.first_chunk::<23>() {
        Some(&[0, 0, 0 | 1, ..]) | None => Framing::StartCodes,
        Some(record) => Framing::Lengths(usize::from(record[21] & 3) + 1),
    }
}

impl Hevc {
    pub(super) fn new(extradata: &[u8]) -> Self {
        let framing = framing(extradata);
        let mut stream = Self {
            framing,
            sets: ParameterSets::default(),
            highest: None,
            hides: false,
            leading_shown: false,
            ended: true,
        };
        match framing {
            Framing::Lengths(_) => {
                stream.configuration(&extradata[22..]);
            }
            Framing::StartCodes => {
                for unit in Units::new(extradata, framing).flatten() {
                    stream.header(unit);
                }
            }
        }
        stream
    }

    /// Reads the arrays of parameter sets, as far as they are complete.
    fn configuration(&mut self, rest: &[u8]) -> Option<()> {
        let (arrays, mut rest) = rest.split_first()?;
        for _ in 0..*arrays {
            let ([_, high, low], after) = rest.split_first_chunk()?;
            rest = after;
            for _ in 0..u16::from_be_bytes([*high, *low]) {
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

    fn store_header(&mut self, unit: &[u8]) {
        match unit {
            // `sps_max_sub_layers_minus1`: 7.3.2.2.1.
            [0x42, second, first, ..] if second >> 3 == 0 => {
                self.highest = self.highest.max(Some(first >> 1 & 7));
            }
            // `output_flag_present_flag`: 7.3.2.3.1.
            [0x44, second, rest @ ..] if second >> 3 == 0 => {
                let payload = payload(rest, 16);
                let mut bits = Bits::new(&payload);
                let mut flag = || {
                    bits.skip_golomb(2)?;
                    bits.skip(1)?;
                    bits.flag()
                };
                self.hides |= flag() != Some(false);
            }
            _ => {}
        }
    }

    pub(super) fn parse(&mut self, data: &[u8]) -> Picture {
        let mut droppable = true;
        let mut pictures = 0_u32;
        let mut sets = 0;
        // The kind of the picture in the base layer.
        let mut picture = None;
        for unit in Units::new(data, self.framing) {
            let Ok(unit) = unit else { return Picture::BROKEN };
            let [first, second, body @ ..] = unit else {
                droppable = false;
                continue;
            };
            let (kind, layer, temporal) = (first >> 1 & 0x3f, (first & 1) << 5 | second >> 3, second & 7);
            if layer > 0 {
                // Decoders of the base layer skip it.
                droppable = false;
                continue;
            }
            droppable &= match kind {
                0..=31 => {
                    if picture.is_none() {
                        picture = Some(kind);
                        self.begin(kind);
                    }
                    let starts = body.first().is_some_and(|byte| byte & 0x80 != 0);
                    pictures = pictures.saturating_add(u32::from(starts));
                    // Types 0 to 8 with even numbers are sub-layer non-reference pictures;
                    // pictures of higher layers may still refer to them.
                    matches!(kind, 0 | 2 | 4 | 6 | kind::RASL_N)
                        && temporal > 0
                        && self.highest == Some(temporal - 1)
                }
                32..=kind::PPS => {
                    self.sets.add_from_packet(unit);
                    self.store_header(unit);
                    sets |= 1 << (kind - 32);
                    false
                }
                kind::EOS | kind::EOB => {
                    self.ended = true;
                    false
                }
                // Buffering period, timing, filler, user data, active parameter sets and hash:
                // of this picture alone.
                39 | 40 => messages(&payload(body, usize::MAX)).is_some_and(|messages| {
                    messages.iter().all(|(kind, _)| matches!(kind, 0 | 1 | 3..=5 | 129 | 132))
                }),
                // Delimiters and filler, and Dolby Vision's metadata, which no decoder reads.
                35 | 38 | 62 => true,
                _ => false,
            };
        }
        let leading = matches!(picture, Some(kind::RASL_N | kind::RASL_R));
        Picture {
            droppable: droppable && pictures == 1,
            access: self.sets.access(matches!(picture, Some(kind::BLA_W_LP..=kind::CRA)), sets == 0b111),
            shown: picture.is_some() && !self.hides && (!leading || self.leading_shown),
        }
    }

    /// Whether a packet's picture is a random access picture, or one that recovers at once (D.3.8).
    pub(super) fn may_begin(&self, data: &[u8]) -> bool {
        let mut recovers = false;
        for unit in Units::new(data, self.framing).flatten() {
            let [first, _, body @ ..] = unit else { continue };
            match first >> 1 & 0x3f {
                kind @ 0..=31 => {
                    return recovers || (kind::BLA_W_LP..=kind::LAST_RANDOM_ACCESS).contains(&kind);
                }
                39 => {
                    let payload = payload(body, usize::MAX);
                    let messages = messages(&payload).unwrap_or_default();
                    // `recovery_poc_cnt` is 0.
                    recovers |= messages.iter().any(|(kind, body)| *kind == 6 && body.first() >= Some(&0x80));
                }
                _ => {}
            }
        }
        // The packet has no picture, only parameter sets for instance.
        false
    }

    /// Whether leading pictures are left out (8.1: `NoRaslOutputFlag`).
    fn begin(&mut self, kind: u8) {
        if matches!(kind, kind::BLA_W_LP..=23) {
            self.leading_shown = !self.ended && kind > kind::BLA_N_LP;
            self.ended = false;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bitstream::Access;
    use crate::bitstream::bits::bits;

    fn unit(kind: u8, layer: u8, temporal: u8, body: &[u8]) -> Vec<u8> {
        [&[kind << 1 | layer >> 5, layer << 3 | (temporal + 1)], body].concat()
    }

    /// A sequence parameter set with so many temporal layers.
    fn sequence_set(layers: u8) -> Vec<u8> {
        unit(33, 0, 0, &[(layers - 1) << 1 | 1, 0xff])
    }

    fn picture_set(hides: u8) -> Vec<u8> {
        unit(34, 0, 0, &bits(&format!("1 1 0 {hides} 1")))
    }

    /// The first slice of a picture.
    fn slice(kind: u8, temporal: u8) -> Vec<u8> {
        unit(kind, 0, temporal, &[0x80, 0xff])
    }

    /// A stream with so many temporal layers, by start codes.
    fn stream(layers: u8) -> Hevc {
        Hevc::new(&packet(&[&unit(32, 0, 0, &[1]), &sequence_set(layers), &picture_set(0)]))
    }

    fn packet(units: &[&[u8]]) -> Vec<u8> {
        units.iter().flat_map(|unit| [&[0, 0, 1], *unit].concat()).collect()
    }

    #[test]
    fn pictures_of_the_highest_layer() {
        let droppable = |layers, units: &[&[u8]]| stream(layers).parse(&packet(units)).droppable;
        for kind in [0, 2, 4, 6, 8] {
            assert!(droppable(1, &[&slice(kind, 0)]), "{kind}");
            assert!(droppable(3, &[&slice(kind, 2)]), "{kind}");
            assert!(!droppable(3, &[&slice(kind, 1)]), "{kind}: others above may refer to it");
            assert!(!droppable(1, &[&slice(kind + 1, 0)]), "{kind}: referred to");
        }
        let b = slice(0, 0);
        let rest_of_it = unit(0, 0, 0, &[0x7f]);
        assert!(droppable(1, &[&unit(35, 0, 0, &[0x50]), &b, &rest_of_it, &unit(62, 0, 0, &[9])]));
        assert!(droppable(1, &[&unit(39, 0, 0, &[1, 1, 9, 0x80]), &b]));
        let kept: &[&[&[u8]]] = &[
            &[],
            &[&rest_of_it],
            &[&b, &b],
            &[&b, &slice(1, 0)],
            &[&picture_set(0), &b],
            &[&b, &unit(0, 1, 0, &[0x80])],
            &[&b, &unit(36, 0, 0, &[])],
            &[&unit(39, 0, 0, &[6, 1, 9, 0x80]), &b],
            &[&slice(16, 0)],
            &[&b, &[2]],
        ];
        for units in kept {
            assert!(!droppable(1, units), "{units:?}");
        }
        assert!(!Hevc::new(&[]).parse(&packet(&[&b])).droppable, "no layer is known");
        let mut grown = stream(1);
        assert!(grown.parse(&packet(&[&b])).droppable);
        grown.parse(&packet(&[&sequence_set(2), &slice(19, 0)]));
        assert!(!grown.parse(&packet(&[&b])).droppable, "a layer has come above it");
    }

    #[test]
    fn access_at_random_access_pictures() {
        for (kind, access) in
            [(16, Access::Clean), (19, Access::Clean), (21, Access::Clean), (22, Access::No), (1, Access::No)]
        {
            assert_eq!(stream(1).parse(&packet(&[&slice(kind, 0)])).access, access, "{kind}");
        }
        let mut changed = stream(1);
        changed.parse(&packet(&[&sequence_set(2), &slice(19, 0)]));
        assert_eq!(changed.parse(&packet(&[&slice(19, 0)])).access, Access::No);
    }

    #[test]
    fn leading_pictures_are_shown_where_they_follow_something() {
        let mut stream = stream(1);
        let mut shown = |kind| stream.parse(&packet(&[&slice(kind, 0)])).shown;
        // The stream begins in an open group, goes on with one, and is then joined to another.
        assert_eq!(
            [21, 8, 6, 1, 21, 8, 9, 16, 8].map(&mut shown),
            [true, false, true, true, true, true, true, true, false]
        );
        stream.parse(&packet(&[&slice(21, 0), &unit(36, 0, 0, &[])]));
        assert!(!stream.parse(&packet(&[&slice(21, 0),])).droppable);
        assert!(!stream.parse(&packet(&[&slice(9, 0)])).shown, "after the end of a sequence");
        stream.parse(&packet(&[&picture_set(1), &slice(19, 0)]));
        assert!(!stream.parse(&packet(&[&slice(1, 0)])).shown, "pictures may say that they are not");
    }

    #[test]
    fn a_stream_that_is_cut_begins_with_a_random_access_picture() {
        let begins = |units: &[&[u8]]| stream(1).may_begin(&packet(units));
        for (kind, right) in
            [(0, false), (1, false), (8, false), (9, false), (16, true), (19, true), (21, true)]
        {
            assert_eq!(begins(&[&slice(kind, 0)]), right, "{kind}");
            assert_eq!(begins(&[&picture_set(0), &slice(kind, 0), &slice(19, 0)]), right, "{kind}");
        }
        let recovery = |count: &str| unit(39, 0, 0, &[&[6, 1][..], &bits(count), &[0x80]].concat());
        assert!(begins(&[&recovery("1 1 0 1"), &slice(1, 0)]));
        assert!(!begins(&[&recovery("010 1 0 1"), &slice(1, 0)]), "only later");
        assert!(!begins(&[&picture_set(0)]));
        assert!(!begins(&[]));
    }

    #[test]
    fn the_container_s_record() {
        let set = sequence_set(3);
        let mut record = vec![1; 21];
        record.extend([0xfd, 1, 33, 0, 1, 0, set.len() as u8]);
        record.extend(&set);
        let mut stream = Hevc::new(&record);
        let b = slice(0, 2);
        let by_length = [&[0, b.len() as u8], &b[..]].concat();
        assert!(stream.parse(&by_length).droppable);
        assert_eq!(stream.parse(&by_length[..3]), Picture::BROKEN);
    }
}

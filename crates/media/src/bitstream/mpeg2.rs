//! MPEG-1 and MPEG-2 video (ISO/IEC 11172-2, ITU-T H.262): B pictures, which nothing refers to.

use super::fields::{Pictures, Structure};
use super::units::Codes;
use super::{Access, Picture};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mpeg2 {
    Mpeg1,
    Mpeg2,
}

impl Mpeg2 {
    pub(super) fn parse(self, data: &[u8]) -> Picture {
        let mut pictures = Pictures::default();
        let (mut droppable, mut sequence, mut slices) = (true, false, false);
        let (mut first_is_intra, mut pending) = (None, None);
        for unit in Codes::new(data) {
            droppable &= match unit {
                // A picture header: `temporal_reference` in ten bits, `picture_coding_type`.
                [0, _, second, ..] => {
                    let kind = second >> 3 & 7;
                    first_is_intra.get_or_insert(kind == 1);
                    match self {
                        Self::Mpeg1 => pictures.push(Structure::Frame),
                        Self::Mpeg2 => pending = Some(()),
                    }
                    kind == 3
                }
                // A picture coding extension; `picture_structure` ends its third byte.
                [0xb5, first, _, third, ..] if first >> 4 == 8 => match (pending.take(), third & 3) {
                    (Some(()), 1) => {
                        pictures.push(Structure::Top);
                        true
                    }
                    (Some(()), 2) => {
                        pictures.push(Structure::Bottom);
                        true
                    }
                    (Some(()), 3) => {
                        pictures.push(Structure::Frame);
                        true
                    }
                    _ => false,
                },
                // A picture display extension.
                [0xb5, first, ..] => first >> 4 == 7,
                [0x01..=0xaf, ..] => {
                    slices = true;
                    true
                }
                [0xb3, ..] => {
                    sequence = true;
                    false
                }
                // User data of the picture.
                [0xb2, ..] => true,
                _ => false,
            };
        }
        Picture {
            droppable: droppable && slices && pending.is_none() && pictures.are_one(),
            // A sequence header sets all quantizer matrices, which may have changed before.
            access: Access::from(sequence && slices && first_is_intra == Some(true)),
            shown: slices && first_is_intra.is_some(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn packet(units: &[&[u8]]) -> Vec<u8> {
        units.iter().flat_map(|unit| [&[0, 0, 1], *unit].concat()).collect()
    }

    const I: &[u8] = &[0, 0x00, 0x08, 0xff];
    const P: &[u8] = &[0, 0x00, 0x10, 0xff];
    const B: &[u8] = &[0, 0x00, 0x18, 0xff];
    const D: &[u8] = &[0, 0x00, 0x20, 0xff];
    const FRAME: &[u8] = &[0xb5, 0x8f, 0xff, 0xf3, 0x80];
    const TOP: &[u8] = &[0xb5, 0x8f, 0xff, 0xf1, 0x80];
    const BOTTOM: &[u8] = &[0xb5, 0x8f, 0xff, 0xf2, 0x80];
    const SLICE: &[u8] = &[1, 0xaa];
    const SEQUENCE: &[u8] = &[0xb3, 20];

    #[test]
    fn b_pictures() {
        let droppable = |units: &[&[u8]]| Mpeg2::Mpeg2.parse(&packet(units)).droppable;
        assert!(droppable(&[B, FRAME, SLICE, &[2, 9]]));
        assert!(droppable(&[B, FRAME, &[0xb2, b'G'], SLICE]));
        assert!(droppable(&[B, TOP, SLICE, B, BOTTOM, SLICE]));
        assert!(Mpeg2::Mpeg1.parse(&packet(&[B, SLICE])).droppable);
        let kept: &[&[&[u8]]] = &[
            &[],
            &[B, FRAME],
            &[B, SLICE],
            &[P, FRAME, SLICE],
            &[D, FRAME, SLICE],
            &[B, TOP, SLICE],
            &[B, TOP, SLICE, B, TOP, SLICE],
            &[B, FRAME, SLICE, B, FRAME, SLICE],
            &[B, FRAME, SLICE, P, FRAME, SLICE],
            &[SEQUENCE, B, FRAME, SLICE],
            &[&[0xb8, 0], B, FRAME, SLICE],
            &[B, FRAME, &[0xb5, 0x3f], SLICE],
            &[B, FRAME, SLICE, &[0xb7, 0]],
            &[&[0, 0], FRAME, SLICE],
        ];
        for units in kept {
            assert!(!droppable(units), "{units:?}");
        }
    }

    #[test]
    fn access_at_a_sequence_header() {
        let access = |units: &[&[u8]]| Mpeg2::Mpeg2.parse(&packet(units)).access;
        assert_eq!(access(&[SEQUENCE, I, FRAME, SLICE]), Access::Clean);
        assert_eq!(access(&[SEQUENCE, I, TOP, SLICE, P, BOTTOM, SLICE]), Access::Clean);
        assert_eq!(access(&[I, FRAME, SLICE]), Access::No);
        assert_eq!(access(&[SEQUENCE, P, FRAME, SLICE]), Access::No);
        assert_eq!(access(&[SEQUENCE]), Access::No);
    }
}

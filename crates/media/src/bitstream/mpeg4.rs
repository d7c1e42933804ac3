//! MPEG-4 part 2 (ISO/IEC 14496-2): B-VOPs.
//!
//! They set neither the time base nor the time of the last other VOP (6.3.5), and nothing refers to them.
//! They must be kept where decoders derive something from them: the time between fields, and whether there
//! are B-VOPs if the header does not say.

use super::bits::Bits;
use super::units::Codes;
use super::{Access, Picture};

/// The video object layer's header: 6.2.3.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Layer {
    /// Whether VOPs are not in presentation order.
    reorders: bool,
    interlaced: bool,
    /// Bits of `vop_time_increment`.
    time_bits: u32,
}

/// The kinds of headers in one packet, or in all packets so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Headers {
    layer: bool,
    group: bool,
    user_data: bool,
}

#[derive(Debug)]
pub(super) struct Mpeg4 {
    layer: Option<Layer>,
    seen: Headers,
}

impl Mpeg4 {
    pub(super) fn new(extradata: &[u8]) -> Self {
        let mut stream = Self { layer: None, seen: Headers::default() };
        for unit in Codes::new(extradata) {
            stream.store_header(unit);
        }
        stream
    }

    /// Stores the header of a video object layer.
    fn store_header(&mut self, unit: &[u8]) {
        if let [0x20..=0x2f, body @ ..] = unit {
            self.layer = layer(body);
        }
    }

    pub(super) fn parse(&mut self, data: &[u8]) -> Picture {
        let (mut droppable, mut vops, mut shown) = (true, 0_u32, false);
        let mut first_kind = None;
        let mut here = Headers::default();
        for unit in Codes::new(data) {
            self.store_header(unit);
            match unit {
                [0xb6, body @ ..] => {
                    vops = vops.saturating_add(1);
                    let kind = body.first().map(|byte| byte >> 6);
                    first_kind.get_or_insert(kind);
                    let coded = self.layer.and_then(|layer| is_coded(body, layer));
                    shown = vops == 1 && coded == Some(true);
                    droppable &= kind == Some(2);
                }
                [0x20..=0x2f, ..] => here.layer = true,
                [0xb3, ..] => here.group = true,
                [0xb2, ..] => here.user_data = true,
                // Objects and sequences, which go with layers.
                _ => droppable = false,
            }
        }
        droppable &= here == Headers::default();
        self.seen.layer |= here.layer;
        self.seen.group |= here.group;
        self.seen.user_data |= here.user_data;
        let layer = self.layer.filter(|layer| !layer.interlaced);
        // Decoders recognize the encoder by the user data, and decode differently.
        let brought = self.seen == here;
        Picture {
            droppable: droppable && shown && layer.is_some_and(|layer| layer.reorders),
            access: Access::from(layer.is_some() && brought && first_kind == Some(Some(0))),
            shown,
        }
    }
}

fn layer(body: &[u8]) -> Option<Layer> {
    let mut bits = Bits::new(body);
    bits.skip(1)?;
    let kind = bits.number(8)?;
    // A version and a priority.
    if bits.flag()? {
        bits.skip(4 + 3)?;
    }
    // The shape of a pixel, in full if it is none of the usual ones.
    if bits.number(4)? == 15 {
        bits.skip(16)?;
    }
    let mut reorders = false;
    if bits.flag()? {
        bits.skip(2)?;
        reorders = !bits.flag()?;
        if bits.flag()? {
            bits.skip(79)?;
        }
    }
    // The studio profile and shapes other than rectangles are not parsed.
    if bits.number(2)? != 0 || [14, 15].contains(&kind) || !bits.flag()? {
        return None;
    }
    let resolution = bits.number(16).filter(|resolution| *resolution > 0)?;
    let time_bits = (32 - (resolution - 1).leading_zeros()).max(1);
    bits.skip(1)?;
    if bits.flag()? {
        bits.number(time_bits)?;
    }
    // Width and height between marker bits.
    bits.skip(1 + 13 + 1 + 13 + 1)?;
    Some(Layer { reorders, interlaced: bits.flag()?, time_bits })
}

/// `vop_coded` of a VOP (6.2.5): nothing is shown by one that is not coded.
fn is_coded(body: &[u8], layer: Layer) -> Option<bool> {
    let mut bits = Bits::new(body);
    bits.skip(2)?;
    while bits.flag()? {}
    bits.skip(1)?;
    bits.number(layer.time_bits)?;
    bits.skip(1)?;
    bits.flag()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bitstream::bits::bits;

    const I: u32 = 0;
    const P: u32 = 1;
    const B: u32 = 2;

    /// A layer of 25 VOPs a second; `control` says in which order.
    fn layer(control: &str, interlaced: u8) -> Vec<u8> {
        let size = "1 0000000010000 1 0000000010000 1";
        let text = format!("0 00010001 0 0001 {control} 00 1 0000000000011001 1 0 {size} {interlaced} 1");
        [&[0, 0, 1, 0x20][..], &bits(&text)].concat()
    }

    fn vop(kind: u32, coded: u8) -> Vec<u8> {
        [&[0, 0, 1, 0xb6][..], &bits(&format!("{kind:02b} 10 1 01000 1 {coded} 1111"))].concat()
    }

    const REORDERED: &str = "1 01 0 0";

    #[test]
    fn b_vops() {
        let droppable = |layer: Vec<u8>, packet: Vec<u8>| Mpeg4::new(&layer).parse(&packet).droppable;
        assert!(droppable(layer(REORDERED, 0), vop(B, 1)));
        let full = format!("1 01 0 1 {}", "1".repeat(79));
        assert!(droppable(layer(&full, 0), vop(B, 1)), "with a buffer model");
        for packet in [
            vop(P, 1),
            vop(B, 0),
            [vop(B, 1), vop(B, 1)].concat(),
            [vop(P, 1), vop(B, 1)].concat(),
            [layer(REORDERED, 0), vop(B, 1)].concat(),
            [vec![0, 0, 1, 0xb2, 9], vop(B, 1)].concat(),
        ] {
            assert!(!droppable(layer(REORDERED, 0), packet.clone()), "{packet:?}");
        }
        assert!(!droppable(layer("0", 0), vop(B, 1)), "nothing is said of the order");
        assert!(!droppable(layer("1 01 1 0", 0), vop(B, 1)), "it is said that there are none");
        assert!(!droppable(layer(REORDERED, 1), vop(B, 1)), "interlaced");
        assert!(!droppable(vec![], vop(B, 1)), "without a layer");
    }

    #[test]
    fn access_with_every_header_that_came_in_packets() {
        let user_data = [0, 0, 1, 0xb2, b'X'];
        let mut stream = Mpeg4::new(&layer(REORDERED, 0));
        let mut access = |packet: &[u8]| stream.parse(packet).access;
        assert_eq!(access(&vop(I, 1)), Access::Clean);
        assert_eq!(access(&vop(P, 1)), Access::No);
        assert_eq!(access(&[&user_data, &vop(I, 1)[..]].concat()), Access::Clean);
        assert_eq!(access(&vop(I, 1)), Access::No);
        assert_eq!(access(&[&user_data, &vop(I, 1)[..]].concat()), Access::Clean);
        assert_eq!(Mpeg4::new(&layer(REORDERED, 1)).parse(&vop(I, 1)).access, Access::No);
    }

    #[test]
    fn vops_that_are_not_coded_show_nothing() {
        let mut stream = Mpeg4::new(&layer(REORDERED, 0));
        assert!(stream.parse(&vop(P, 1)).shown);
        assert!(!stream.parse(&vop(P, 0)).shown);
    }
}

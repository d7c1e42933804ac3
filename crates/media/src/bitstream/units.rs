//! Splits packets into units, and parses what H.264 and HEVC have in common.

use super::Access;

/// Most units of one picture: the largest pictures have some hundreds of slices and other units. Decoders take
/// 4 KiB for each unit, even for one of four bytes.
const MAX_UNITS: usize = 4096;

/// How the network abstraction layer units of a packet are delimited.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Framing {
    /// Each unit follows its length, which has this many bytes (ISO/IEC 14496-15, 4.3.2).
    Lengths(usize),
    /// Each unit follows a start code (ITU-T H.264, annex B).
    StartCodes,
}

/// Returns the offset of the first start code (0, 0, 1) at or after `from`.
pub(super) fn start_code(data: &[u8], from: usize) -> Option<usize> {
    let mut at = from;
    while let Some(third) = data.get(at..)?.get(2) {
        match third {
            0 => at += 1,
            1 if data[at..].starts_with(&[0, 0]) => return Some(at),
            _ => at += 3,
        }
    }
    None
}

/// Counts the start codes.
pub(crate) fn start_codes(data: &[u8]) -> usize {
    std::iter::successors(start_code(data, 0), |at| start_code(data, at + 3)).count()
}

/// Whether a packet has more units than any picture needs. Start codes are counted in packets with lengths,
/// too, because FFmpeg's decoders accept both.
pub(crate) fn has_many_units(data: &[u8], framing: Framing) -> bool {
    let by_lengths = |bytes| Units::new(data, Framing::Lengths(bytes)).nth(MAX_UNITS).is_some();
    start_codes(data) > MAX_UNITS || matches!(framing, Framing::Lengths(bytes) if by_lengths(bytes))
}

/// Iterates over the bytes between start codes; those before the first start code are skipped.
#[derive(Debug)]
pub(super) struct Codes<'a> {
    data: &'a [u8],
    next: Option<usize>,
}

impl<'a> Codes<'a> {
    pub(super) fn new(data: &'a [u8]) -> Self {
        Self { data, next: start_code(data, 0) }
    }
}

impl<'a> Iterator for Codes<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        let from = self.next? + 3;
        self.next = start_code(self.data, from);
        self.data.get(from..self.next.unwrap_or(self.data.len()))
    }
}

/// Iterates over the non-empty units of a packet. Where the framing is broken, it yields an error and ends.
#[derive(Debug)]
pub(super) enum Units<'a> {
    Lengths(usize, &'a [u8]),
    Codes(Codes<'a>),
}

/// The framing is broken.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Broken;

impl<'a> Units<'a> {
    pub(super) fn new(data: &'a [u8], framing: Framing) -> Self {
        match framing {
            Framing::Lengths(bytes) => Self::Lengths(bytes, data),
            Framing::StartCodes => Self::Codes(Codes::new(data)),
        }
    }
}

impl<'a> Iterator for Units<'a> {
    type Item = Result<&'a [u8], Broken>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let unit = match self {
                Self::Lengths(_, []) => return None,
                Self::Lengths(bytes, data) => {
                    let Some((unit, rest)) = after_length(data, *bytes) else {
                        *data = &[];
                        return Some(Err(Broken));
                    };
                    *data = rest;
                    unit
                }
                // Zeros at the end belong to the next start code.
                Self::Codes(codes) => {
                    let unit = codes.next()?;
                    &unit[..unit.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1)]
                }
            };
            if !unit.is_empty() {
                return Some(Ok(unit));
            }
        }
    }
}

/// A unit that comes after its length in `bytes` bytes, and what follows it.
pub(super) fn after_length(data: &[u8], bytes: usize) -> Option<(&[u8], &[u8])> {
    let (length, data) = data.split_at_checked(bytes)?;
    let length = length.iter().fold(0_usize, |length, byte| length << 8 | usize::from(*byte));
    data.split_at_checked(length)
}

/// Returns at most the first `most` bytes of a unit without emulation prevention bytes (ITU-T H.264, 7.3.1:
/// `emulation_prevention_three_byte`).
pub(super) fn payload(unit: &[u8], most: usize) -> Vec<u8> {
    let mut payload = Vec::with_capacity(unit.len().min(most));
    let mut zeros = 0;
    for byte in unit {
        if payload.len() == most {
            break;
        }
        if zeros >= 2 && *byte == 3 {
            zeros = 0;
            continue;
        }
        zeros = if *byte == 0 { zeros + 1 } else { 0 };
        payload.push(*byte);
    }
    payload
}

/// A message of supplemental enhancement information: its type and its bytes.
pub(super) type Message<'a> = (u32, &'a [u8]);

/// Splits the first message off a unit's [`payload`] after its header (ITU-T H.264, 7.3.2.3.1).
fn message(mut rest: &[u8]) -> Option<(Message<'_>, &[u8])> {
    let mut number = || {
        let mut sum = 0_u32;
        loop {
            let (byte, after) = rest.split_first()?;
            rest = after;
            sum = sum.checked_add(u32::from(*byte))?;
            if *byte != 0xff {
                return Some(sum);
            }
        }
    };
    let (kind, size) = (number()?, number()?);
    let (body, rest) = rest.split_at_checked(usize::try_from(size).ok()?)?;
    Some(((kind, body), rest))
}

/// Returns the messages of a unit's [`payload`] after its header; `None` if they are malformed.
pub(super) fn messages(mut rest: &[u8]) -> Option<Vec<Message<'_>>> {
    let mut messages = Vec::new();
    while !rest.is_empty() && rest != [0x80] {
        let (message, after) = message(rest)?;
        messages.push(message);
        rest = after;
    }
    Some(messages)
}

/// Parameter sets: those of the container's header, and whether packets replaced any, so that only a decoder
/// that has seen these packets can decode what follows.
#[derive(Debug, Default)]
pub(super) struct ParameterSets {
    header: Vec<Vec<u8>>,
    changed: bool,
}

impl ParameterSets {
    /// Adds a parameter set of the container's header.
    pub(super) fn add_from_header(&mut self, unit: &[u8]) {
        self.header.push(unit.to_vec());
    }

    /// Notes a parameter set in a packet.
    pub(super) fn add_from_packet(&mut self, unit: &[u8]) {
        self.changed |= !self.header.iter().any(|known| known == unit);
    }

    /// Returns whether a decoder can start at a packet; `brought` says that the packet has a parameter set of
    /// every kind.
    pub(super) fn access(&self, clean: bool, brought: bool) -> Access {
        (clean && (brought || !self.changed)).into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list(data: &[u8], framing: Framing) -> Vec<Result<&[u8], Broken>> {
        Units::new(data, framing).collect()
    }

    #[test]
    fn units_by_length() {
        let data = [0, 2, 7, 8, 0, 0, 0, 1, 9];
        assert_eq!(list(&data, Framing::Lengths(2)), [Ok(&[7, 8][..]), Ok(&[9])]);
        assert_eq!(list(&data[..8], Framing::Lengths(2)), [Ok(&[7, 8][..]), Err(Broken)]);
        assert_eq!(list(&data, Framing::Lengths(4)), [Err(Broken)]);
    }

    #[test]
    fn units_by_start_code() {
        let data = [5, 0, 0, 0, 1, 7, 0, 0, 3, 0, 0, 0, 0, 1, 0, 0, 1, 9, 1, 0];
        assert_eq!(list(&data, Framing::StartCodes), [Ok(&[7, 0, 0, 3][..]), Ok(&[9, 1])]);
        assert_eq!(list(&data[..2], Framing::StartCodes), []);
        assert_eq!((start_code(&[0, 0, 1], 0), start_code(&[0, 0, 1], 9)), (Some(0), None));
    }

    #[test]
    fn bytes_against_start_codes_are_taken_out() {
        assert_eq!(payload(&[1, 0, 0, 3, 1, 0, 0, 3, 0, 0, 3], 99), [1, 0, 0, 1, 0, 0, 0, 0]);
        assert_eq!(payload(&[1, 0, 0, 3, 1, 2], 4), [1, 0, 0, 1]);
    }

    #[test]
    fn a_packet_of_countless_units_is_told() {
        let codes = |units: usize| [0, 0, 1, 9].repeat(units);
        let lengths = |units: usize| [0, 1, 9].repeat(units);
        assert!(!has_many_units(&codes(MAX_UNITS), Framing::StartCodes));
        assert!(has_many_units(&codes(MAX_UNITS + 1), Framing::StartCodes));
        assert!(has_many_units(&codes(MAX_UNITS + 1), Framing::Lengths(4)));
        assert!(!has_many_units(&lengths(MAX_UNITS), Framing::Lengths(2)));
        assert!(has_many_units(&lengths(MAX_UNITS + 1), Framing::Lengths(2)));
    }

    #[test]
    fn messages_with_long_types_and_sizes() {
        let mut data = vec![0xff, 1, 2, 7, 8, 5, 0xff, 0];
        data.extend([9; 255]);
        data.push(0x80);
        assert_eq!(messages(&data), Some(vec![(256, &[7, 8][..]), (5, &[9; 255])]));
        assert_eq!(messages(&data[..200]), None);
        assert_eq!(messages(&[0xff; 300]), None);
    }
}

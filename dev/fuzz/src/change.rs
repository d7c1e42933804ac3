//! Changes of an input, as a fuzzer makes them but without its knowledge of what they reach; repeatable by the seed.

use fastrand::Rng;

/// Maximum of changes of one input.
const MAX_CHANGES: usize = 6;
/// Maximum of bytes that one change removes, repeats or takes from another input.
const MAX_SPAN: usize = 64;
/// Bytes that mean something to parsers.
const BYTES: &[u8] = b"\0\x01\x7f\x80\xfe\xff \t\r\n\"',.:;-+=/\\[]{}09aZ";
/// Numbers at which parsers go wrong.
const NUMBERS: [u64; 10] =
    [0, 1, 0x7f, 0x80, 0xffff, 0x7fff_ffff, 0x8000_0000, 0xffff_ffff, 1 << 63, u64::MAX];

/// Changes the input in a few places. `other` is an input to take bytes from.
pub fn change(input: &mut Vec<u8>, other: &[u8], random: &mut Rng) {
    for _ in 0..random.usize(1..=MAX_CHANGES) {
        let at = random.usize(0..=input.len());
        let span = at..(at + random.usize(0..MAX_SPAN)).min(input.len());
        match random.u8(0..10) {
            0 => input.truncate(at),
            1 => drop(input.drain(span)),
            2 => insert(input, at, &[byte(random)]),
            3 => {
                let copy = input[span].to_vec();
                insert(input, random.usize(0..=input.len()), &copy);
            }
            4 if !other.is_empty() => {
                let from = random.usize(0..other.len());
                let to = (from + random.usize(1..MAX_SPAN)).min(other.len());
                insert(input, at, &other[from..to]);
            }
            5 => write_number(input, at, random),
            6 => {
                if let Some(byte) = input.get_mut(at) {
                    *byte = byte.wrapping_add(random.u8(..));
                }
            }
            7 | 8 => {
                if let Some(found) = input.get_mut(at) {
                    *found = byte(random);
                }
            }
            _ => {
                if let Some(byte) = input.get_mut(at) {
                    *byte ^= 1 << random.u8(0..8);
                }
            }
        }
    }
}

fn byte(random: &mut Rng) -> u8 {
    if random.bool() { random.u8(..) } else { BYTES[random.usize(0..BYTES.len())] }
}

fn insert(input: &mut Vec<u8>, at: usize, bytes: &[u8]) {
    input.splice(at..at, bytes.iter().copied());
}

/// Overwrites one to eight bytes with a number, of either order of bytes.
fn write_number(input: &mut [u8], at: usize, random: &mut Rng) {
    let width = 1 << random.u8(0..4);
    let number = NUMBERS[random.usize(0..NUMBERS.len())];
    let (little, big) = (number.to_le_bytes(), number.to_be_bytes());
    let bytes = if random.bool() { &little[..width] } else { &big[8 - width..] };
    if let Some(place) = input.get_mut(at..at + width) {
        place.copy_from_slice(bytes);
    }
}

//! Reads a header bit by bit.

/// Bits of a slice, the most significant of a byte first. Nothing is read beyond the end.
#[derive(Clone, Debug)]
pub(super) struct Bits<'a> {
    data: &'a [u8],
    /// In bits.
    at: usize,
}

impl<'a> Bits<'a> {
    pub(super) fn new(data: &'a [u8]) -> Self {
        Self { data, at: 0 }
    }

    pub(super) fn flag(&mut self) -> Option<bool> {
        let byte = self.data.get(self.at / 8)?;
        let bit = byte >> (7 - self.at % 8) & 1;
        self.at += 1;
        Some(bit == 1)
    }

    /// A number of `width` bits, at most 32.
    pub(super) fn number(&mut self, width: u32) -> Option<u32> {
        let mut value = 0;
        for _ in 0..width.min(32) {
            value = value << 1 | u32::from(self.flag()?);
        }
        Some(value)
    }

    pub(super) fn skip(&mut self, width: usize) -> Option<()> {
        self.at = self.at.checked_add(width).filter(|at| *at <= self.data.len() * 8)?;
        Some(())
    }

    /// An Exp-Golomb code: `ue(v)` of ITU-T H.264, 9.1, and `uvlc()` of AV1, 4.10.3.
    pub(super) fn golomb(&mut self) -> Option<u32> {
        let mut zeros = 0;
        while !self.flag()? {
            zeros += 1;
            if zeros > 31 {
                return None;
            }
        }
        let rest = self.number(zeros)?;
        ((1_u32 << zeros) - 1).checked_add(rest)
    }

    /// Skips so many Exp-Golomb codes.
    pub(super) fn skip_golomb(&mut self, count: u32) -> Option<()> {
        for _ in 0..count {
            self.golomb()?;
        }
        Some(())
    }

    /// A signed Exp-Golomb code: `se(v)` of ITU-T H.264, 9.1.1.
    pub(super) fn signed_golomb(&mut self) -> Option<i32> {
        let code = self.golomb()?;
        let size = i32::try_from(code.div_ceil(2)).ok()?;
        Some(if code % 2 == 1 { size } else { -size })
    }
}

/// The bytes of a string of zeros and ones, filled up with zeros.
#[cfg(test)]
pub(super) fn bits(text: &str) -> Vec<u8> {
    let ones: Vec<bool> = text.bytes().filter(|byte| *byte != b' ').map(|byte| byte == b'1').collect();
    let byte = |bits: &[bool]| bits.iter().zip((0..8).rev()).map(|(one, at)| u8::from(*one) << at).sum();
    ones.chunks(8).map(byte).collect()
}

/// An Exp-Golomb code as such a string.
#[cfg(test)]
pub(super) fn golomb(value: u32) -> String {
    let code = format!("{:b}", value + 1);
    "0".repeat(code.len() - 1) + &code
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_of_the_standards_table() {
        // 1 010 011 00100 00101 00110 00111, from ITU-T H.264, table 9-2.
        let data = [0b1010_0110, 0b0100_0010, 0b1001_1000, 0b1110_0000];
        let mut bits = Bits::new(&data);
        assert_eq!([0; 7].map(|_| bits.golomb().unwrap()), [0, 1, 2, 3, 4, 5, 6]);
        let mut bits = Bits::new(&data);
        assert_eq!([0; 7].map(|_| bits.signed_golomb().unwrap()), [0, 1, -1, 2, -2, 3, -3]);
    }

    #[test]
    fn nothing_beyond_the_end() {
        let mut bits = Bits::new(&[0xa5, 0]);
        assert_eq!((bits.number(4), bits.skip(2), bits.number(2)), (Some(0xa), Some(()), Some(1)));
        assert_eq!(bits.clone().golomb(), None);
        assert_eq!(bits.clone().number(9), None);
        assert_eq!((bits.skip(9), bits.skip(8), bits.flag()), (None, Some(()), None));
        assert_eq!(Bits::new(&[0, 0, 0, 0, 0xff, 0xff]).golomb(), None, "too many zeros");
    }
}

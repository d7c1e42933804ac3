//! Exact seconds and rates: a fraction of two integers, never a float.
//!
//! Which frame is on screen at a time is decided by comparing fractions; a float would take
//! the neighbour of a frame whose presentation time is, say, 1001/30000 s.

use std::cmp::Ordering;
use std::fmt;

/// A reduced fraction `num/den` with `den > 0`.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Rational {
    num: i64,
    den: i64,
}

impl Rational {
    /// 0.
    pub const ZERO: Self = Self { num: 0, den: 1 };

    /// `num/den`, reduced; `None` if `den` is 0 or a term does not fit after reduction.
    pub fn new(num: i128, den: i128) -> Option<Self> {
        if den == 0 {
            return None;
        }
        let divisor = gcd(num.unsigned_abs(), den.unsigned_abs()) as i128;
        let sign = if den < 0 { -1 } else { 1 };
        Some(Self {
            num: i64::try_from(sign * num / divisor).ok()?,
            den: i64::try_from(sign * den / divisor).ok()?,
        })
    }

    /// A whole number.
    pub const fn whole(n: i64) -> Self {
        Self { num: n, den: 1 }
    }

    /// The numerator, of the sign of the value.
    pub const fn num(self) -> i64 {
        self.num
    }

    /// The denominator, above 0.
    pub const fn den(self) -> i64 {
        self.den
    }

    /// `self + other`, `None` on overflow.
    pub fn checked_add(self, other: Self) -> Option<Self> {
        let (a, b) = (i128::from(self.den), i128::from(other.den));
        Self::new(i128::from(self.num) * b + i128::from(other.num) * a, a * b)
    }

    /// `self - other`, `None` on overflow.
    pub fn checked_sub(self, other: Self) -> Option<Self> {
        self.checked_add(Self { num: other.num.checked_neg()?, den: other.den })
    }

    /// `self * other`, `None` on overflow.
    pub fn checked_mul(self, other: Self) -> Option<Self> {
        Self::new(i128::from(self.num) * i128::from(other.num), i128::from(self.den) * i128::from(other.den))
    }

    /// `1 / self`, `None` for 0.
    pub fn recip(self) -> Option<Self> {
        Self::new(i128::from(self.den), i128::from(self.num))
    }

    /// Whether the value is above 0.
    pub const fn is_positive(self) -> bool {
        self.num > 0
    }

    /// The nearest float: for display and cost models, never to choose a frame.
    pub fn to_f64(self) -> f64 {
        self.num as f64 / self.den as f64
    }

    /// A plain decimal number (`12`, `0.5`, `29.97`): at most 12 digits before the point and
    /// 9 after it, no sign, no exponent.
    pub fn parse_decimal(text: &str) -> Option<Self> {
        let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
        let digits = |s: &str| s.bytes().all(|b| b.is_ascii_digit());
        let point_without_digits = text.contains('.') && fraction.is_empty();
        if whole.is_empty() || whole.len() > 12 || fraction.len() > 9 || point_without_digits {
            return None;
        }
        if !digits(whole) || !digits(fraction) {
            return None;
        }
        let scale = 10_i128.pow(fraction.len() as u32);
        let fraction = if fraction.is_empty() { 0 } else { fraction.parse::<i128>().ok()? };
        Self::new(whole.parse::<i128>().ok()? * scale + fraction, scale)
    }
}

impl fmt::Display for Rational {
    /// An exact decimal where there is one of at most 9 places (`1.5`), else `num/den`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const NANO: i128 = 1_000_000_000;
        let scaled = i128::from(self.num) * NANO;
        if scaled % i128::from(self.den) != 0 {
            return write!(f, "{}/{}", self.num, self.den);
        }
        let nanos = scaled / i128::from(self.den);
        let sign = if nanos < 0 { "-" } else { "" };
        let (whole, fraction) = (nanos.abs() / NANO, nanos.abs() % NANO);
        if fraction == 0 {
            return write!(f, "{sign}{whole}");
        }
        let fraction = format!("{fraction:09}");
        write!(f, "{sign}{whole}.{}", fraction.trim_end_matches('0'))
    }
}

impl Ord for Rational {
    fn cmp(&self, other: &Self) -> Ordering {
        (i128::from(self.num) * i128::from(other.den)).cmp(&(i128::from(other.num) * i128::from(self.den)))
    }
}

impl PartialOrd for Rational {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

const fn gcd(mut a: u128, mut b: u128) -> u128 {
    while b != 0 {
        (a, b) = (b, a % b);
    }
    if a == 0 { 1 } else { a }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn decimals_are_exact() {
        for (text, num, den) in
            [("0", 0, 1), ("2.5", 5, 2), ("29.97", 2997, 100), ("0.000000001", 1, 1_000_000_000)]
        {
            let value = Rational::parse_decimal(text).unwrap();
            assert_eq!((value.num(), value.den()), (num, den));
            assert_eq!(value.to_string(), text);
        }
        for bad in ["", ".5", "5.", "-1", "+1", "1e3", "1.0000000001", "1234567890123", "1,5", "١"] {
            assert_eq!(Rational::parse_decimal(bad), None, "{bad}");
        }
    }

    #[test]
    fn what_is_no_decimal_prints_as_a_fraction() {
        assert_eq!(Rational::new(1001, 30000).unwrap().to_string(), "1001/30000");
        assert_eq!(Rational::new(-3, 2).unwrap().to_string(), "-1.5");
    }

    proptest! {
        #[test]
        fn arithmetic_agrees_with_itself(a in -1_000_000i64..1_000_000, b in 1i64..100_000, c in -1_000_000i64..1_000_000, d in 1i64..100_000) {
            let x = Rational::new(a.into(), b.into()).unwrap();
            let y = Rational::new(c.into(), d.into()).unwrap();
            prop_assert_eq!(x.checked_add(y).unwrap().checked_sub(y).unwrap(), x);
            prop_assert_eq!(x < y, y.checked_sub(x).unwrap().is_positive());
            if a != 0 { prop_assert_eq!(x.recip().unwrap().recip().unwrap(), x); }
        }
    }
}

//! Cursors of lists: the number at which the next page begins, in 16 hexadecimal digits.

use framelift_contract::rules::CURSOR;

/// The cursor of a number.
pub(crate) fn format(number: u64) -> String {
    format!("{number:016x}")
}

/// The number of a cursor; none if it does not have the form of [`format()`].
pub(crate) fn parse(cursor: &str) -> Option<u64> {
    u64::from_str_radix(cursor, 16).ok().filter(|_| CURSOR.allows(cursor))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cursors_are_checked() {
        assert_eq!(parse(&format(1234)), Some(1234));
        for bad in ["", "x", "4d2", "00000000000004D2", "+0000000000004d2", "000000000000004d2", "%%%"] {
            assert_eq!(parse(bad), None, "{bad}");
        }
    }
}

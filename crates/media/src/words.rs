//! Numbers in sentences.

/// Formats a number of things whose plural ends with an s.
pub(crate) fn count(number: u64, one: &str) -> String {
    format!("{number} {one}{}", if number == 1 { "" } else { "s" })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_is_singular() {
        assert_eq!([0, 1, 2].map(|n| count(n, "frame")), ["0 frames", "1 frame", "2 frames"]);
    }
}

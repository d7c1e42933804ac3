//! The `Content-Disposition` of a download (RFC 6266), for whatever name the user gave.

use std::fmt::Write as _;

/// `attachment` with a plain name, and with the exact one (RFC 8187) where the plain one
/// cannot say it.
pub fn attachment(file_name: &str) -> String {
    let plain: String = file_name.chars().map(plain_character).collect();
    let mut value = format!("attachment; filename=\"{plain}\"");
    if plain != file_name {
        value.push_str("; filename*=UTF-8''");
        for byte in file_name.bytes() {
            if byte.is_ascii_alphanumeric() || b"!#$&+-.^_`|~".contains(&byte) {
                value.push(char::from(byte));
            } else {
                // Writing to a string does not fail.
                let _ = write!(value, "%{byte:02X}");
            }
        }
    }
    value
}

/// Replaces a character that the plain name cannot have. Clients read quotes, backslashes and percent signs
/// differently, so only the exact name has them.
fn plain_character(character: char) -> char {
    match character {
        '"' | '\\' | '%' | '/' => '_',
        ' '..='~' => character,
        _ => '_',
    }
}

#[cfg(test)]
mod tests {
    use super::attachment;

    #[test]
    fn a_plain_name_stays() {
        assert_eq!(attachment("my trip-frames.zip"), r#"attachment; filename="my trip-frames.zip""#);
    }

    #[test]
    fn other_names_are_escaped() {
        assert_eq!(
            attachment("Füße-frames.zip"),
            "attachment; filename=\"F__e-frames.zip\"; filename*=UTF-8''F%C3%BC%C3%9Fe-frames.zip"
        );
        assert_eq!(
            attachment("a\"; filename=\"evil.exe\r\nX: y%2e\\/-frames.zip"),
            "attachment; filename=\"a_; filename=_evil.exe__X: y_2e__-frames.zip\"; \
             filename*=UTF-8''a%22%3B%20filename%3D%22evil.exe%0D%0AX%3A%20y%252e%5C%2F-frames.zip"
        );
    }
}

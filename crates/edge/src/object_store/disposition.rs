//! The `Content-Disposition` of an answer (RFC 6266), for whatever name the user gave.

use std::fmt::Write as _;

/// To be saved, under that name.
pub fn attachment(file_name: &str) -> String {
    disposition("attachment", file_name)
}

/// To be shown, and saved under that name if at all.
pub fn inline(file_name: &str) -> String {
    disposition("inline", file_name)
}

/// A disposition with a plain name, and with the exact one (RFC 8187) where the plain one cannot say it.
fn disposition(kind: &str, file_name: &str) -> String {
    let plain: String = file_name.chars().map(plain_character).collect();
    let mut value = format!("{kind}; filename=\"{plain}\"");
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
    use super::{attachment, inline};

    #[test]
    fn a_plain_name_stays() {
        assert_eq!(attachment("my trip-frames.zip"), r#"attachment; filename="my trip-frames.zip""#);
    }

    #[test]
    fn what_is_shown_has_a_name_too() {
        assert_eq!(inline("a-000001.jpg"), r#"inline; filename="a-000001.jpg""#);
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

//! Strict parsing of JSON bodies. Errors have a JSON pointer, and describe JSON, not Rust types.

use framelift_contract::problem::{FieldError, ProblemCode};
use serde::de::{DeserializeOwned, IgnoredAny};

use super::failure::Failure;
use super::strict::Strict;

/// Reads JSON strictly: well-formed first, then the type, so that malformed JSON is always 400.
pub(crate) fn parse_json<T: DeserializeOwned>(body: &[u8]) -> Result<T, Failure> {
    let malformed = |detail: String| Failure::new(ProblemCode::MalformedJson, detail);
    let text = std::str::from_utf8(body).map_err(|_| malformed("the body is not UTF-8".into()))?;
    if text.trim_ascii().is_empty() {
        return Err(malformed("the body is empty; a JSON object is needed".into()));
    }
    serde_json::from_str::<IgnoredAny>(text).map_err(|error| malformed(error.to_string()))?;
    let mut deserializer = serde_json::Deserializer::from_str(text);
    serde_path_to_error::deserialize(Strict(&mut deserializer)).map_err(|error| {
        let pointer = pointer(error.path());
        let error = error.into_inner();
        if error.is_data() { invalid(pointer, &error) } else { malformed(error.to_string()) }
    })
}

/// A JSON Pointer (RFC 6901) of a path.
fn pointer(path: &serde_path_to_error::Path) -> String {
    use serde_path_to_error::Segment;
    let mut pointer = String::new();
    for segment in path.iter() {
        pointer.push('/');
        match segment {
            Segment::Seq { index } => pointer.push_str(&index.to_string()),
            Segment::Map { key } => pointer.push_str(&escape(key)),
            Segment::Enum { variant } => pointer.push_str(&escape(variant)),
            Segment::Unknown => pointer.push('?'),
        }
    }
    pointer
}

fn escape(key: &str) -> String {
    key.replace('~', "~0").replace('/', "~1")
}

/// The problem document for JSON of another type than wanted: serde's message without line and column and
/// without Rust's names; the pointer includes the field that the message names.
fn invalid(mut pointer: String, error: &serde_json::Error) -> Failure {
    let message = error.to_string();
    let detail = message.rsplit_once(" at line ").map_or(message.as_str(), |(detail, _)| detail);
    for prefix in ["missing field `", "unknown field `", "duplicate field `"] {
        let field = detail.strip_prefix(prefix).and_then(|rest| Some(rest.split_once('`')?.0));
        if let Some(field) = field {
            let last = format!("/{}", escape(field));
            if !pointer.ends_with(&last) {
                pointer.push_str(&last);
            }
        }
    }
    let detail: String = in_terms_of_json(detail).chars().take(300).collect();
    Failure::validation(vec![FieldError::new(pointer, detail)])
}

/// Translates serde's message to terms of JSON, and removes the value, which may be a secret in a wrong field.
fn in_terms_of_json(detail: &str) -> String {
    let Some((given, expected)) = detail.rsplit_once(", expected ") else { return detail.to_owned() };
    if given.starts_with("unknown variant `") {
        return format!("expected {expected}");
    }
    let value = given.starts_with("invalid value: ");
    if !value && !given.starts_with("invalid type: ") && !given.starts_with("invalid length ") {
        return detail.to_owned();
    }
    let integer = |from: i128, to: u128| {
        if value { format!("an integer from {from} to {to}") } else { "an integer".to_owned() }
    };
    let expected = match expected {
        "a boolean" | "bool" => "true or false".to_owned(),
        "u8" => integer(0, u8::MAX.into()),
        "u16" => integer(0, u16::MAX.into()),
        "u32" => integer(0, u32::MAX.into()),
        "u64" | "usize" => integer(0, u64::MAX.into()),
        "i8" => integer(i8::MIN.into(), 127),
        "i16" => integer(i16::MIN.into(), 32_767),
        "i32" => integer(i32::MIN.into(), 2_147_483_647),
        "i64" | "isize" => integer(i64::MIN.into(), 9_223_372_036_854_775_807),
        "f32" | "f64" | "a JSON number" => "a number".to_owned(),
        "str" | "a borrowed string" | "a character" => "a string".to_owned(),
        "unit" => "null".to_owned(),
        "a map" => "an object".to_owned(),
        "a sequence" => "an array".to_owned(),
        other if other.starts_with("struct ") => "an object".to_owned(),
        other if other.starts_with("a tuple ") || other.starts_with("tuple ") => "an array".to_owned(),
        other => other.to_owned(),
    };
    format!("expected {expected}")
}

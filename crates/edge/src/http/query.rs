//! Strict parsing of query strings: only known names, each at most once.

use std::fmt::Display;
use std::str::FromStr;

use framelift_contract::problem::FieldError;
use framelift_contract::rules::Integer;
use percent_encoding::percent_decode_str;

use super::failure::Failure;

/// The parameters of a query, percent-decoded.
#[derive(Clone, Debug, Default)]
pub struct Query(Vec<(String, String)>);

impl Query {
    /// Reads a query whose names are all in `known` and occur once; 422 otherwise.
    pub fn parse(raw: Option<&str>, known: &[&str]) -> Result<Self, Failure> {
        let mut pairs: Vec<(String, String)> = Vec::new();
        let mut errors = Vec::new();
        for pair in raw.unwrap_or_default().split('&').filter(|pair| !pair.is_empty()) {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            let name = String::from_utf8_lossy(&decoded(name)).into_owned();
            let pointer = format!("?{}", name.chars().take(64).collect::<String>());
            if !known.contains(&name.as_str()) {
                errors.push(FieldError::new(pointer, "is not a parameter of this call"));
            } else if pairs.iter().any(|(seen, _)| *seen == name) {
                errors.push(FieldError::new(pointer, "must occur once"));
            } else if let Ok(value) = String::from_utf8(decoded(value)) {
                pairs.push((name, value));
            } else {
                errors.push(FieldError::new(pointer, "must be UTF-8"));
            }
        }
        if errors.is_empty() { Ok(Self(pairs)) } else { Err(Failure::validation(errors)) }
    }

    /// The text of a parameter.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// The value of a parameter; 422 if it is there and cannot be read.
    pub fn value<T: FromStr<Err: Display>>(&self, name: &str) -> Result<Option<T>, Failure> {
        self.get(name)
            .map(|text| {
                text.parse().map_err(|error: T::Err| Failure::field(format!("?{name}"), error.to_string()))
            })
            .transpose()
    }

    /// A whole number within bounds, or its default; 422 otherwise.
    pub fn bounded(&self, name: &str, rule: Integer, default: u32) -> Result<u32, Failure> {
        let Some(text) = self.get(name) else { return Ok(default) };
        let number = text.parse().ok().and_then(|number| rule.of(number));
        let number = number.and_then(|number| u32::try_from(number).ok());
        number.ok_or_else(|| Failure::field(format!("?{name}"), rule.must()))
    }
}

/// The bytes that a part of a query stands for (`application/x-www-form-urlencoded`).
fn decoded(part: &str) -> Vec<u8> {
    percent_decode_str(&part.replace('+', " ")).collect()
}

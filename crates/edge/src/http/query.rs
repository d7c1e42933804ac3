//! Query strings, strictly: known names, each once.

use std::fmt::Display;
use std::str::FromStr;

use framelift_contract::problem::FieldError;

use super::failure::Failure;

/// The parameters of a query, percent-decoded.
#[derive(Clone, Debug, Default)]
pub struct Query(Vec<(String, String)>);

impl Query {
    /// Reads a query whose names are all in `known` and occur once; 422 otherwise.
    pub fn parse(raw: Option<&str>, known: &[&str]) -> Result<Self, Failure> {
        let mut pairs: Vec<(String, String)> = Vec::new();
        let mut errors = Vec::new();
        for (name, value) in url::form_urlencoded::parse(raw.unwrap_or_default().as_bytes()) {
            let pointer = format!("?{}", name.chars().take(64).collect::<String>());
            if !known.contains(&&*name) {
                errors.push(FieldError::new(pointer, "is not a parameter of this call"));
            } else if pairs.iter().any(|(seen, _)| *seen == name) {
                errors.push(FieldError::new(pointer, "must occur once"));
            } else {
                pairs.push((name.into_owned(), value.into_owned()));
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
    pub fn bounded(&self, name: &str, from: u32, to: u32, default: u32) -> Result<u32, Failure> {
        match self.get(name).map(str::parse) {
            None => Ok(default),
            Some(Ok(number)) if (from..=to).contains(&number) => Ok(number),
            Some(_) => {
                Err(Failure::field(format!("?{name}"), format!("must be an integer from {from} to {to}")))
            }
        }
    }
}

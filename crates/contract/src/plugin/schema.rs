//! Checks a value by the part of JSON Schema that the built-in plugins' configurations need.

use serde_json::{Map, Value};

use crate::problem::FieldError;

/// Validates `value`, and adds errors to `errors`, with pointers that begin with `at`. Ignores unknown keywords.
pub(super) fn check(schema: &Map<String, Value>, value: &Value, at: &str, errors: &mut Vec<FieldError>) {
    let mut fail = |at: String, detail: String| errors.push(FieldError::new(at, detail));
    if let Some(kind) = schema.get("type").and_then(Value::as_str)
        && !is_a(kind, value)
    {
        return fail(at.to_owned(), format!("must be of type {kind}"));
    }
    if let Some(words) = schema.get("enum").and_then(Value::as_array)
        && !words.contains(value)
    {
        let words: Vec<String> = words.iter().map(|word| word.to_string().replace('"', "")).collect();
        fail(at.to_owned(), format!("must be one of {}", words.join(", ")));
    }
    let measure = match value {
        Value::Number(number) => number.as_f64().map(|number| (number, "minimum", "maximum", "")),
        Value::String(text) => Some((text.chars().count() as f64, "minLength", "maxLength", " characters")),
        Value::Array(items) => Some((items.len() as f64, "minItems", "maxItems", " entries")),
        _ => None,
    };
    if let Some((number, least, most, unit)) = measure {
        let bound = |name: &str| schema.get(name).and_then(Value::as_f64);
        if let Some(least) = bound(least).filter(|least| number < *least) {
            fail(at.to_owned(), format!("must be at least {least}{unit}"));
        }
        if let Some(most) = bound(most).filter(|most| number > *most) {
            fail(at.to_owned(), format!("must be at most {most}{unit}"));
        }
    }
    if let Some(items) = value.as_array()
        && let Some(schema) = schema.get("items").and_then(Value::as_object)
    {
        for (n, item) in items.iter().enumerate() {
            check(schema, item, &format!("{at}/{n}"), errors);
        }
    }
    if let Some(fields) = value.as_object() {
        check_fields(schema, fields, at, errors);
    }
    if let Some(ways) = schema.get("oneOf").and_then(Value::as_array) {
        let ways: Vec<&Map<String, Value>> = ways.iter().filter_map(Value::as_object).collect();
        let fitting = ways.iter().filter(|way| {
            let mut errors = Vec::new();
            check(way, value, "", &mut errors);
            errors.is_empty()
        });
        if fitting.count() != 1 {
            let names: Vec<&str> = ways.iter().flat_map(|way| required(way)).collect();
            errors.push(FieldError::new(at, format!("must have exactly one of {}", names.join(", "))));
        }
    }
}

fn check_fields(
    schema: &Map<String, Value>,
    fields: &Map<String, Value>,
    at: &str,
    errors: &mut Vec<FieldError>,
) {
    let properties = schema.get("properties").and_then(Value::as_object);
    for name in required(schema).filter(|name| !fields.contains_key(*name)) {
        errors.push(FieldError::new(format!("{at}/{name}"), "is missing"));
    }
    for (name, value) in fields {
        let at = format!("{at}/{}", name.replace('~', "~0").replace('/', "~1"));
        match properties.and_then(|known| known.get(name)).and_then(Value::as_object) {
            Some(schema) => check(schema, value, &at, errors),
            None if schema.get("additionalProperties") == Some(&Value::Bool(false)) => {
                errors.push(FieldError::new(at, "is not a field of this configuration"));
            }
            None => {}
        }
    }
}

/// Writes whole numbers of integer fields without a fraction, so that `5.0` can be read as an integer.
pub(super) fn normalize(schema: &Map<String, Value>, value: &mut Value) {
    let is_integer = schema.get("type").and_then(Value::as_str) == Some("integer");
    if let Some(number) = value.as_f64().filter(|number| is_integer && number.fract() == 0.0)
        && value.is_f64()
    {
        *value = (number as i64).into();
    }
    match value {
        Value::Array(items) => {
            if let Some(schema) = schema.get("items").and_then(Value::as_object) {
                items.iter_mut().for_each(|item| normalize(schema, item));
            }
        }
        Value::Object(fields) => {
            let properties = schema.get("properties").and_then(Value::as_object);
            for (name, value) in fields {
                let schema = properties.and_then(|known| known.get(name)).and_then(Value::as_object);
                if let Some(schema) = schema {
                    normalize(schema, value);
                }
            }
        }
        _ => {}
    }
}

fn required(schema: &Map<String, Value>) -> impl Iterator<Item = &str> {
    schema.get("required").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str)
}

fn is_a(kind: &str, value: &Value) -> bool {
    match kind {
        "object" => value.is_object(),
        "array" => value.is_array(),
        "string" => value.is_string(),
        "boolean" => value.is_boolean(),
        "number" => value.is_number(),
        "integer" => value.as_f64().is_some_and(|number| number.fract() == 0.0),
        _ => false,
    }
}

/// The keywords of a schema and its subschemas that [`check`] ignores although they are assertions.
#[cfg(test)]
pub(super) fn unknown_keywords(schema: &Map<String, Value>) -> Vec<String> {
    const CHECKED: [&str; 13] = [
        "type",
        "enum",
        "minimum",
        "maximum",
        "minLength",
        "maxLength",
        "minItems",
        "maxItems",
        "items",
        "properties",
        "required",
        "additionalProperties",
        "oneOf",
    ];
    const ANNOTATIONS: [&str; 5] = ["$schema", "title", "description", "default", "contentEncoding"];
    let mut unknown = Vec::new();
    for (keyword, value) in schema {
        let inside: Vec<&Value> = match keyword.as_str() {
            "properties" => value.as_object().unwrap().values().collect(),
            "items" => vec![value],
            "oneOf" => value.as_array().unwrap().iter().collect(),
            known if CHECKED.contains(&known) || ANNOTATIONS.contains(&known) => Vec::new(),
            _ => {
                unknown.push(keyword.clone());
                Vec::new()
            }
        };
        unknown.extend(inside.iter().flat_map(|schema| unknown_keywords(schema.as_object().unwrap())));
    }
    unknown
}

//! Schemas of what is no type of the contract: parameters, files and documents.

use framelift_contract::rules::{Integer, Text};
use serde_json::{Value, json};
use utoipa::openapi::Schema;
use utoipa::openapi::schema::{KnownFormat, ObjectBuilder, SchemaFormat, Type};

/// A string in a path or a query.
pub(crate) fn text() -> Schema {
    ObjectBuilder::new().schema_type(Type::String).into()
}

/// The schema of an object with any fields.
pub(crate) fn object() -> ObjectBuilder {
    ObjectBuilder::new().schema_type(Type::Object)
}

/// The schema of a file's bytes: at least one.
pub(crate) fn binary() -> Schema {
    ObjectBuilder::new()
        .schema_type(Type::String)
        .min_length(Some(1))
        .format(Some(SchemaFormat::KnownFormat(KnownFormat::Binary)))
        .into()
}

/// The schema of an integer within bounds.
pub(crate) fn integer(rule: Integer, default: Option<u32>) -> Schema {
    let mut schema = rule.schema();
    if let Some(default) = default {
        schema["default"] = default.into();
    }
    of_keywords(schema)
}

/// The schema of a text under a rule.
pub(crate) fn schema_of(rule: &Text) -> Schema {
    of_keywords(rule.schema())
}

/// The schema of one of these words.
pub(crate) fn one_of(words: &[&str]) -> Schema {
    of_keywords(json!({ "type": "string", "enum": words }))
}

fn of_keywords(keywords: Value) -> Schema {
    match serde_json::from_value(keywords) {
        Ok(schema) => schema,
        Err(error) => unreachable!("the keywords of a rule are those of JSON Schema: {error}"),
    }
}

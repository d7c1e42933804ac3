//! The API document as HTML: every operation and every type, with the fields and what they may hold.

use std::fmt::Write as _;

use serde_json::{Map, Value};

/// The methods of a path, in the order of the page.
const METHODS: &[&str] = &["get", "post", "put", "patch", "delete"];
/// The longest pattern that is shown: a longer one says less than its field's description.
const MAX_PATTERN: usize = 60;

/// Operations by group, then types.
pub(super) fn html(document: &Value) -> String {
    let mut page = String::new();
    for tag in list(&document["tags"]) {
        let name = text(&tag["name"]);
        let _ = write!(page, "<h2>{}</h2>\n{}", escape(name), paragraph(&tag["description"]));
        for (path, operations) in object(&document["paths"]) {
            for method in METHODS {
                let operation = &operations[*method];
                if list(&operation["tags"]).iter().any(|tag| tag == name) {
                    page.push_str(&operation_html(document, path, method, operation));
                }
            }
        }
    }
    page.push_str("<h2 id=\"types\">Types</h2>\n");
    for (name, schema) in object(&document["components"]["schemas"]) {
        page.push_str(&type_html(name, schema));
    }
    page
}

fn operation_html(document: &Value, path: &str, method: &str, operation: &Value) -> String {
    let id = escape(text(&operation["operationId"]));
    let mut html = format!(
        "<details id=\"{id}\" data-method=\"{method}\" data-path=\"{path}\">\n<summary><b>{}</b><code>{path}</code>{}\
         </summary>\n<div class=\"in\">\n{}",
        method.to_uppercase(),
        words(&operation["summary"]),
        paragraph(&operation["description"]),
        path = escape(path),
    );
    let who: Vec<&str> = list(&operation["security"]).iter().flat_map(object).map(|(who, _)| who).collect();
    let _ = match who.as_slice() {
        [] => writeln!(html, "<p>Needs no token.</p>"),
        who => writeln!(html, "<p>Needs the token of a {}.</p>", escape(&who.join(" or a "))),
    };
    let parameters = list(&operation["parameters"]).iter().map(|parameter| resolve(document, parameter));
    let rows: Vec<[String; 3]> = parameters
        .map(|parameter| {
            let schema = match &parameter["schema"] {
                Value::Null => &parameter["content"]["application/json"]["schema"],
                schema => schema,
            };
            let required = if parameter["required"] == true { ", required" } else { "" };
            let place = format!("{}{required}: {}", text(&parameter["in"]), shape(schema));
            [
                format!("<code>{}</code>", escape(text(&parameter["name"]))),
                place,
                words(&parameter["description"]),
            ]
        })
        .collect();
    html.push_str(&table(["parameter", "where and what", "meaning"], &rows));
    let bodies = object(&operation["requestBody"]["content"]).map(|(media_type, content)| {
        [format!("<code>{}</code>", escape(media_type)), shape(&content["schema"]), String::new()]
    });
    html.push_str(&table(["body", "what", ""], &bodies.collect::<Vec<_>>()));
    let answers = object(&operation["responses"]).map(|(status, answer)| {
        let answer = resolve(document, answer);
        let shapes: Vec<String> =
            object(&answer["content"]).map(|(_, content)| shape(&content["schema"])).collect();
        [format!("<b>{status}</b>"), shapes.join(" or "), words(&answer["description"])]
    });
    html.push_str(&table(["answer", "what", "meaning"], &answers.collect::<Vec<_>>()));
    html + "</div>\n</details>\n"
}

fn type_html(name: &str, schema: &Value) -> String {
    let name = escape(name);
    let mut html = format!("<h3 id=\"type-{name}\">{name}</h3>\n{}", paragraph(&schema["description"]));
    if schema["properties"].is_object() {
        let required = list(&schema["required"]);
        let rows: Vec<[String; 3]> = object(&schema["properties"])
            .map(|(field, schema)| {
                let always = if required.iter().any(|name| name == field) { ", always" } else { "" };
                let field = format!("<code>{}</code>", escape(field));
                [field, shape(schema) + always, words(&schema["description"])]
            })
            .collect();
        html.push_str(&table(["field", "what", "meaning"], &rows));
    } else {
        let _ = writeln!(html, "<p>{}</p>", shape(schema));
    }
    html
}

/// A table, or nothing where it would have no rows.
fn table(head: [&str; 3], rows: &[[String; 3]]) -> String {
    if rows.is_empty() {
        return String::new();
    }
    let mut html = format!("<table>\n<tr><th>{}</th></tr>\n", head.join("</th><th>"));
    for row in rows {
        let _ = writeln!(html, "<tr><td>{}</td></tr>", row.join("</td><td>"));
    }
    html + "</table>\n"
}

/// What a schema allows, in a few words.
fn shape(schema: &Value) -> String {
    if let Some(reference) = schema["$ref"].as_str() {
        let name = escape(reference.rsplit('/').next().unwrap_or_default());
        return format!("<a href=\"#type-{name}\">{name}</a>");
    }
    let variants = list(&schema["oneOf"]);
    if !variants.is_empty() {
        let variants: Vec<String> = variants.iter().map(shape).collect();
        return variants.join(" or ");
    }
    let mut shape = match &schema["type"] {
        Value::Array(types) => types.iter().map(text).collect::<Vec<_>>().join(" or "),
        name => text(name).to_owned(),
    };
    if schema["items"].is_object() {
        shape = format!("{shape} of {}", self::shape(&schema["items"]));
    }
    let words =
        list(&schema["enum"]).iter().map(|word| format!("<code>{}</code>", escape(&word.to_string())));
    let words: Vec<String> = words.collect();
    if !words.is_empty() {
        shape = words.join(" ");
    }
    if let Some(format) = schema["format"].as_str() {
        let _ = write!(shape, " ({})", escape(format));
    }
    for (from, to, unit) in [
        ("minLength", "maxLength", " characters"),
        ("minItems", "maxItems", " items"),
        ("minimum", "maximum", ""),
    ] {
        let _ = match (&schema[from], &schema[to]) {
            (Value::Null, Value::Null) => Ok(()),
            (from, Value::Null) => write!(shape, ", at least {from}{unit}"),
            (Value::Null, to) => write!(shape, ", at most {to}{unit}"),
            (from, to) => write!(shape, ", {from} to {to}{unit}"),
        };
    }
    if let Some(pattern) = schema["pattern"].as_str().filter(|pattern| pattern.len() <= MAX_PATTERN) {
        let _ = write!(shape, ", <code>{}</code>", escape(pattern));
    }
    shape
}

/// What a reference leads to, or the thing itself.
fn resolve<'d>(document: &'d Value, thing: &'d Value) -> &'d Value {
    let pointer = thing["$ref"].as_str().and_then(|reference| reference.strip_prefix('#'));
    pointer.and_then(|pointer| document.pointer(pointer)).unwrap_or(thing)
}

pub(super) fn paragraph(description: &Value) -> String {
    if description.is_null() { String::new() } else { format!("<p>{}</p>\n", words(description)) }
}

/// A description: what stands between backticks is code.
fn words(description: &Value) -> String {
    let mut html = String::new();
    for (n, part) in escape(text(description)).split('`').enumerate() {
        match n % 2 {
            0 => html.push_str(part),
            _ => {
                let _ = write!(html, "<code>{part}</code>");
            }
        }
    }
    html
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map(Vec::as_slice).unwrap_or_default()
}

fn object(value: &Value) -> impl Iterator<Item = (&str, &Value)> {
    value.as_object().into_iter().flat_map(Map::iter).map(|(name, value)| (name.as_str(), value))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn shapes_are_said_in_words() {
        for (schema, said) in [
            (json!({ "type": "string" }), "string"),
            (json!({ "type": ["string", "null"], "maxLength": 5 }), "string or null, at most 5 characters"),
            (json!({ "type": "integer", "minimum": 1, "maximum": 9 }), "integer, 1 to 9"),
            (json!({ "type": "string", "pattern": "^<$" }), "string, <code>^&lt;$</code>"),
            (
                json!({ "type": "string", "enum": ["a", "b"] }),
                "<code>&quot;a&quot;</code> <code>&quot;b&quot;</code>",
            ),
            (
                json!({ "type": "array", "minItems": 1, "items": { "$ref": "#/components/schemas/T" } }),
                "array of <a href=\"#type-T\">T</a>, at least 1 items",
            ),
            (
                json!({ "oneOf": [{ "type": "null" }, { "$ref": "#/components/schemas/T" }] }),
                "null or <a href=\"#type-T\">T</a>",
            ),
        ] {
            assert_eq!(shape(&schema), said);
        }
    }

    #[test]
    fn all_operations_types_and_fields_are_there() {
        let document = crate::openapi::document();
        let html = html(&document);
        for (_, operations) in object(&document["paths"]) {
            for (_, operation) in object(operations) {
                let id = text(&operation["operationId"]);
                assert!(html.contains(&format!("<details id=\"{id}\"")), "{id}");
            }
        }
        for (name, schema) in object(&document["components"]["schemas"]) {
            assert!(html.contains(&format!("<h3 id=\"type-{name}\">")), "{name}");
            for (field, _) in object(&schema["properties"]) {
                assert!(html.contains(&format!("<code>{field}</code>")), "{name} {field}");
            }
        }
        // Every link on the page leads somewhere on it.
        for target in html.split("href=\"#").skip(1).filter_map(|rest| rest.split('"').next()) {
            assert!(html.contains(&format!("id=\"{target}\"")), "{target}");
        }
    }
}

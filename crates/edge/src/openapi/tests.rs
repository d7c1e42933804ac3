//! Tests that the document is complete: every reference leads somewhere, and every route is in it.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::*;

fn references(value: &Value, found: &mut BTreeSet<String>) {
    match value {
        Value::Object(fields) => {
            if let Some(Value::String(reference)) = fields.get("$ref") {
                found.insert(reference.clone());
            }
            fields.values().for_each(|value| references(value, found));
        }
        Value::Array(items) => items.iter().for_each(|value| references(value, found)),
        _ => {}
    }
}

#[test]
fn it_is_openapi_3_1_and_every_reference_leads_somewhere() {
    let document = document();
    assert_eq!(document["openapi"], "3.1.0");
    let mut found = BTreeSet::new();
    references(&document, &mut found);
    assert!(found.len() > 20);
    for reference in found {
        let pointer = reference.strip_prefix('#').unwrap();
        assert!(document.pointer(pointer).is_some(), "{reference}");
    }
}

#[test]
fn every_operation_is_described() {
    let document = document();
    let mut ids = BTreeSet::new();
    for operation in operations() {
        let Route { method, path } = operation.route();
        let spelled = &document["paths"][path][&method.as_str().to_lowercase()];
        let id = spelled["operationId"].as_str().unwrap();
        assert!(ids.insert(id.to_owned()), "{id} twice");
        let answers = spelled["responses"].as_object().unwrap().iter().map(|(status, answer)| {
            let shared = answer.get("$ref").and_then(Value::as_str).map(|reference| &reference[1..]);
            (status.clone(), shared.map_or(answer, |pointer| document.pointer(pointer).unwrap()))
        });
        let answers: BTreeMap<String, &Value> = answers.collect();
        assert!(answers.keys().any(|status| status.starts_with('2')), "{id}");
        assert_eq!(answers.contains_key("500"), answers.contains_key("503"), "{id}");
        assert_eq!(
            spelled.get("security").is_some(),
            answers.get("401").is_some_and(|answer| {
                answer["description"].as_str().unwrap().contains("`unauthenticated`")
            }),
            "{id}"
        );
        let own = || {
            spelled["parameters"]
                .as_array()
                .unwrap()
                .iter()
                .filter(|parameter| parameter.get("$ref").is_none())
        };
        for parameter in own() {
            let schema =
                parameter.get("schema").unwrap_or(&parameter["content"]["application/json"]["schema"]);
            assert!(schema.is_object() && parameter["description"].is_string(), "{id}");
        }
        assert_eq!(path.matches('{').count(), own().filter(|parameter| parameter["in"] == "path").count());
        for content in answers.values().copied().chain(spelled.get("requestBody")) {
            has_examples(&document, id, content);
        }
    }
}

/// Checks that the content of an answer or a request has an example of each media type that JSON can express; and that
/// one of problems has an example of each of its codes.
fn has_examples(document: &Value, id: &str, answer_or_request: &Value) {
    let contents = answer_or_request["content"].as_object().into_iter().flatten();
    for (media_type, content) in contents {
        let has_bytes = content["schema"].to_string().contains(r#""format":"binary""#);
        let is_page = ["text/html", "*/*"].contains(&media_type.as_str());
        if media_type == framelift_contract::problem::CONTENT_TYPE {
            let examples = content["examples"].as_object().unwrap();
            let description = answer_or_request["description"].as_str().unwrap();
            assert_eq!(examples.len(), description.split(", ").count(), "{id}: {description}");
            for (code, example) in examples {
                assert!(description.contains(&format!("`{code}`")), "{id}: {code}");
                let example = document.pointer(&example["$ref"].as_str().unwrap()[1..]).unwrap();
                let problem: Problem = serde_json::from_value(example["value"].clone()).unwrap();
                assert_eq!(problem.code.as_str(), code);
                assert_eq!(problem.errors.is_empty(), problem.code != ProblemCode::ValidationFailed);
            }
        } else if !has_bytes && !is_page {
            assert!(content["example"].is_object(), "{id}: {media_type} has no example");
        }
    }
}

#[test]
fn every_problem_is_answered_by_some_operation() {
    let text = document().to_string();
    // The first is answered where there is no operation, the others by none yet.
    let elsewhere = [ProblemCode::MethodNotAllowed, ProblemCode::Forbidden];
    for code in ProblemCode::ALL.iter().filter(|code| !elsewhere.contains(code)) {
        assert!(text.contains(&format!("`{}`", code.as_str())), "{}", code.as_str());
    }
}

#[test]
fn every_rule_is_one_of_a_field_that_there_is() {
    let types = serde_json::to_value(of_types()).unwrap();
    let document = document();
    for (name, field, keywords) in rules::fields() {
        let pointer = format!("/components/schemas/{name}");
        let pointer = if field.is_empty() { pointer } else { format!("{pointer}/properties/{field}") };
        assert!(types.pointer(&pointer).is_some(), "{name} has no {field}");
        for (keyword, value) in keywords.as_object().unwrap() {
            let written = document.pointer(&format!("{pointer}/{keyword}"));
            assert_eq!(written.is_some(), !value.is_null(), "{name} {field} {keyword}");
        }
    }
}

#[test]
fn the_document_holds_still() {
    let mut document = document();
    document["info"]["version"] = "[version]".into();
    insta::assert_json_snapshot!(document);
}

#[test]
fn no_endpoint_is_described_twice_or_for_another_route() {
    let mut seen = BTreeSet::new();
    for component in COMPONENTS {
        let described: Vec<Route> =
            (component.operations)().iter().map(|operation| operation.route().clone()).collect();
        assert_eq!(described, component.routes, "{}", component.name);
        for Route { method, path } in described {
            assert!(seen.insert((method.to_string(), path)), "{method} {path} twice");
        }
    }
}

//! The plugins that come with the service: their names, versions and configurations.
//!
//! `builtin/*.json` is the only definition of their configurations: the API returns it and validates by it, and the
//! tests of `plugins/` check the components against it.

use std::sync::LazyLock;

use serde::Deserialize;
use serde_json::{Map, Value};

use super::schema;
use crate::problem::FieldError;

/// A plugin that comes with the service.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BuiltIn {
    /// Its name.
    pub name: String,
    /// Its version; a new one for each change of what it does.
    pub version: u32,
    /// JSON Schema of its configuration.
    pub config_schema: Map<String, Value>,
}

const TEXTS: [&str; 5] = [
    include_str!("builtin/dedupe.json"),
    include_str!("builtin/grayscale.json"),
    include_str!("builtin/redact.json"),
    include_str!("builtin/sharpest.json"),
    include_str!("builtin/watermark.json"),
];

/// Every plugin that comes with the service, by its name.
pub static ALL: LazyLock<Vec<BuiltIn>> = LazyLock::new(|| {
    TEXTS
        .iter()
        .map(|text| match serde_json::from_str(text) {
            Ok(plugin) => plugin,
            Err(error) => unreachable!("the description of a built-in plugin is malformed: {error}"),
        })
        .collect()
});

/// The plugin of that name.
pub fn find(name: &str) -> Option<&'static BuiltIn> {
    ALL.iter().find(|plugin| plugin.name == name)
}

impl BuiltIn {
    /// Returns the errors in a configuration. Pointers begin with `pointer`.
    pub fn check(&self, config: &Map<String, Value>, pointer: &str) -> Vec<FieldError> {
        let mut errors = Vec::new();
        schema::check(&self.config_schema, &Value::Object(config.clone()), pointer, &mut errors);
        errors
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn refused(name: &str, config: &Value) -> Vec<String> {
        let errors = find(name).unwrap().check(config.as_object().unwrap(), "");
        errors.into_iter().map(|error| error.pointer).collect()
    }

    #[test]
    fn each_has_a_schema_that_is_understood_whole() {
        let names: Vec<&str> = ALL.iter().map(|plugin| plugin.name.as_str()).collect();
        assert_eq!(names, ["dedupe", "grayscale", "redact", "sharpest", "watermark"]);
        for plugin in ALL.iter() {
            assert!(crate::rules::PLUGIN_NAME.allows(&plugin.name) && plugin.version > 0);
            assert_eq!(schema::unknown_keywords(&plugin.config_schema), [""; 0], "{}", plugin.name);
            assert_eq!(plugin.config_schema["additionalProperties"], false, "{}", plugin.name);
        }
    }

    #[test]
    fn configurations_are_checked_with_pointers() {
        for (name, config, wrong) in [
            ("grayscale", json!({}), &[][..]),
            ("grayscale", json!({ "gray": true }), &["/gray"]),
            ("watermark", json!({ "text": "draft" }), &[]),
            ("watermark", json!({ "text": "draft", "position": "top-left", "opacity": 0.5 }), &[]),
            ("watermark", json!({}), &[""]),
            ("watermark", json!({ "text": "a", "png": "aaaa" }), &[""]),
            (
                "watermark",
                json!({ "text": "", "position": "middle", "opacity": 2 }),
                &["/opacity", "/position", "/text"],
            ),
            ("redact", json!({ "areas": [{ "x": 0, "y": 0, "width": 10, "height": 10 }] }), &[]),
            ("redact", json!({ "areas": [] }), &["/areas"]),
            (
                "redact",
                json!({ "areas": [{ "x": -1, "y": 0, "width": 0, "height": 10, "mode": "melt" }] }),
                &["/areas/0/mode", "/areas/0/width", "/areas/0/x"],
            ),
            ("redact", json!({ "areas": [{ "x": 1, "y": 0, "width": 1 }] }), &["/areas/0/height"]),
            ("dedupe", json!({ "distance": 4 }), &[]),
            ("dedupe", json!({ "distance": 4.5 }), &["/distance"]),
            ("dedupe", json!({ "distance": "4" }), &["/distance"]),
            ("sharpest", json!({ "window": 5 }), &[]),
            ("sharpest", json!({ "window": 0 }), &["/window"]),
        ] {
            assert_eq!(refused(name, &config), wrong, "{name} {config}");
        }
    }
}

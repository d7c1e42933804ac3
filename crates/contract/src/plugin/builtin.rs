//! The plugins that come with the service: their names, versions, components and configurations.
//!
//! `builtin/*.json` is the only definition of their configurations: the API returns it and validates by it, and the
//! tests of `plugins/` check the components against it. `components.json` has every version's component; `cargo xtask
//! plugins` adds to it.

use std::sync::LazyLock;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use framelift_domain::Checksum;
use serde::Deserialize;
use serde_json::{Map, Value};

use super::schema;
use crate::problem::FieldError;

/// The most pixels of a PNG: a frame of 1080p.
const MAX_PNG_PIXELS: u64 = 1920 * 1080;

/// A plugin that comes with the service.
#[derive(Clone, Debug)]
pub struct BuiltIn {
    /// Its name.
    pub name: String,
    /// Its version; a new one for each change of its component.
    pub version: u32,
    /// SHA-256 of its component.
    pub sha256: Checksum,
    /// Bytes of its component.
    pub size_bytes: u64,
    /// JSON Schema of its configuration.
    pub config_schema: Map<String, Value>,
}

/// A file of `builtin`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Description {
    name: String,
    version: u32,
    config_schema: Map<String, Value>,
}

/// The component of a version of a plugin.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Component {
    name: String,
    version: u32,
    sha256: Checksum,
    size_bytes: u64,
}

const TEXTS: [&str; 5] = [
    include_str!("builtin/dedupe.json"),
    include_str!("builtin/grayscale.json"),
    include_str!("builtin/redact.json"),
    include_str!("builtin/sharpest.json"),
    include_str!("builtin/watermark.json"),
];

/// Every plugin that comes with the service, by its name.
pub static ALL: LazyLock<Vec<BuiltIn>> = LazyLock::new(|| match read() {
    Ok(plugins) => plugins,
    Err(error) => unreachable!("the description of a built-in plugin is malformed: {error}"),
});

fn read() -> Result<Vec<BuiltIn>, String> {
    let components: Vec<Component> =
        serde_json::from_str(include_str!("builtin/components.json")).map_err(|error| error.to_string())?;
    let plugin = |text: &&str| {
        let Description { name, version, config_schema } =
            serde_json::from_str(text).map_err(|error| error.to_string())?;
        let component = components.iter().find(|it| it.name == name && it.version == version);
        let Component { sha256, size_bytes, .. } =
            component.ok_or_else(|| format!("{name} {version} has no component"))?;
        Ok(BuiltIn { name, version, sha256: *sha256, size_bytes: *size_bytes, config_schema })
    };
    TEXTS.iter().map(plugin).collect()
}

/// The plugin of that name.
pub fn find(name: &str) -> Option<&'static BuiltIn> {
    ALL.iter().find(|plugin| plugin.name == name)
}

impl BuiltIn {
    /// Returns the configuration as the component reads it, or the errors in it. Pointers begin with `pointer`.
    pub fn check(
        &self,
        config: &Map<String, Value>,
        pointer: &str,
    ) -> Result<Map<String, Value>, Vec<FieldError>> {
        let mut errors = Vec::new();
        let mut config = Value::Object(config.clone());
        schema::check(&self.config_schema, &config, pointer, &mut errors);
        // What no schema can say.
        match self.name.as_str() {
            "redact" => check_times(&config, pointer, &mut errors),
            "watermark" => check_png(&config, pointer, &mut errors),
            _ => {}
        }
        schema::normalize(&self.config_schema, &mut config);
        match config {
            Value::Object(config) if errors.is_empty() => Ok(config),
            _ => Err(errors),
        }
    }
}

/// Refuses areas that end before they begin.
fn check_times(config: &Value, pointer: &str, errors: &mut Vec<FieldError>) {
    let areas = config["areas"].as_array().map(Vec::as_slice).unwrap_or_default();
    for (n, area) in areas.iter().enumerate() {
        let from = area["from"].as_f64().unwrap_or(0.0);
        if area["until"].as_f64().is_some_and(|until| until <= from) {
            errors.push(FieldError::new(format!("{pointer}/areas/{n}/until"), "must be later than from"));
        }
    }
}

/// Refuses a picture that the component cannot read.
fn check_png(config: &Value, pointer: &str, errors: &mut Vec<FieldError>) {
    if let Some(Err(error)) = config["png"].as_str().map(png) {
        errors.push(FieldError::new(format!("{pointer}/png"), error));
    }
}

/// Decodes a PNG in Base64, as the component does that draws it.
fn png(base64: &str) -> Result<(), String> {
    let bytes = STANDARD.decode(base64).map_err(|error| format!("is no Base64: {error}"))?;
    let wrong = |error: png::DecodingError| format!("is no PNG that can be read: {error}");
    let mut decoder = png::Decoder::new(std::io::Cursor::new(bytes));
    decoder.set_transformations(png::Transformations::normalize_to_color8() | png::Transformations::ALPHA);
    let mut reader = decoder.read_info().map_err(wrong)?;
    let (width, height) = (reader.info().width, reader.info().height);
    if u64::from(width) * u64::from(height) > MAX_PNG_PIXELS {
        return Err(format!("must have at most {MAX_PNG_PIXELS} pixels"));
    }
    let mut pixels = vec![0; reader.output_buffer_size().ok_or("is too large")?];
    reader.next_frame(&mut pixels).map_err(wrong)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn refused(name: &str, config: &Value) -> Vec<String> {
        let checked = find(name).unwrap().check(config.as_object().unwrap(), "");
        checked.err().unwrap_or_default().into_iter().map(|error| error.pointer).collect()
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

    /// An area with these times.
    fn timed(from: Option<f64>, until: Option<f64>) -> Value {
        let mut area = json!({ "x": 0, "y": 0, "width": 1, "height": 1 });
        for (name, time) in [("from", from), ("until", until)] {
            if let Some(time) = time {
                area[name] = time.into();
            }
        }
        area
    }

    #[test]
    fn whole_numbers_are_integers_however_they_are_written() {
        for (name, config, read) in [
            ("sharpest", r#"{"window":5.0}"#, r#"{"window":5}"#),
            ("dedupe", r#"{"distance":-0.0}"#, r#"{"distance":0}"#),
            (
                "redact",
                r#"{"areas":[{"color":[1e0,2.0,3],"height":1.0,"width":1e1,"x":0.0,"y":0,"sigma":2}]}"#,
                r#"{"areas":[{"color":[1,2,3],"height":1,"sigma":2,"width":10,"x":0,"y":0}]}"#,
            ),
        ] {
            let config: Map<String, Value> = serde_json::from_str(config).unwrap();
            let checked = find(name).unwrap().check(&config, "").unwrap();
            assert_eq!(Value::Object(checked).to_string(), read);
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
            ("watermark", json!({ "text": "a", "png": "aaaa" }), &["", "/png"]),
            (
                "watermark",
                json!({ "text": "", "position": "middle", "opacity": 2 }),
                &["/opacity", "/position", "/text"],
            ),
            ("redact", json!({ "areas": [{ "x": 0, "y": 0, "width": 10, "height": 10 }] }), &[]),
            ("watermark", json!({ "png": "aaaa" }), &["/png"]),
            ("watermark", json!({ "png": "no base64" }), &["/png"]),
            ("redact", json!({ "areas": [] }), &["/areas"]),
            ("redact", json!({ "areas": [timed(None, Some(0.1)), timed(Some(0.5), None)] }), &[]),
            (
                "redact",
                json!({ "areas": [timed(Some(2.0), Some(2.0)), timed(Some(1.0), Some(1.1)), timed(None, Some(0.0))] }),
                &["/areas/0/until", "/areas/2/until"],
            ),
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

//! The stored form of a job's options. Its layout is that of the API's first version, and today's limits do not apply
//! to it.

use framelift_domain::{
    Checksum, Crop, Fit, Format, Options, Place, PluginCode, PluginId, PluginPin, PluginRef, Range, Rational,
    Resize, Select,
};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Number, Value};

#[derive(Debug, Serialize, Deserialize)]
pub(super) struct StoredOptions {
    select: StoredSelect,
    range: StoredRange,
    tolerance: String,
    format: String,
    quality: u32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    stream: Option<u32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    crop: Option<StoredCrop>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    resize: Option<StoredResize>,
    storyboard: bool,
    #[serde(default)]
    plugins: Vec<StoredPlugin>,
}

/// Exactly one of these fields, or another one if newer code wrote it.
#[derive(Debug, Default, Serialize, Deserialize)]
struct StoredSelect {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    every: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    fps: Option<Number>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    count: Option<u32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    at: Option<Vec<String>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    keyframes: Option<bool>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    scenes: Option<StoredScenes>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    all: Option<bool>,
}

#[derive(Debug, Serialize, Deserialize)]
struct StoredScenes {
    threshold: f64,
    max: u32,
}

#[derive(Debug, Serialize, Deserialize)]
struct StoredRange {
    start: String,
    end: String,
}

#[derive(Debug, Serialize, Deserialize)]
struct StoredCrop {
    x: u32,
    y: u32,
    width: u32,
    height: u32,
}

#[derive(Debug, Serialize, Deserialize)]
struct StoredResize {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    width: Option<u32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    height: Option<u32>,
    fit: String,
}

#[derive(Debug, Serialize, Deserialize)]
struct StoredPlugin {
    name: String,
    #[serde(default)]
    config: Map<String, Value>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pin: Option<StoredPin>,
}

/// The code of a plugin; of no kind that is known here, if newer code wrote it.
#[derive(Debug, Serialize, Deserialize)]
struct StoredPin {
    version: u32,
    kind: String,
    /// Of a built-in plugin's component; records of before it was pinned have none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    sha256: Option<Checksum>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    uploaded: Option<StoredUpload>,
}

#[derive(Debug, Serialize, Deserialize)]
struct StoredUpload {
    id: PluginId,
    sha256: Checksum,
    size_bytes: u64,
}

const BUILT_IN: &str = "built_in";
const UPLOADED: &str = "uploaded";

impl From<&PluginPin> for StoredPin {
    fn from(pin: &PluginPin) -> Self {
        let (kind, sha256, uploaded) = match &pin.code {
            PluginCode::BuiltIn { sha256 } => (BUILT_IN, *sha256, None),
            PluginCode::Uploaded { id, sha256, size_bytes } => {
                let upload = StoredUpload { id: *id, sha256: *sha256, size_bytes: *size_bytes };
                (UPLOADED, None, Some(upload))
            }
        };
        Self { version: pin.version, kind: kind.to_owned(), sha256, uploaded }
    }
}

impl StoredPin {
    fn read(self) -> Option<PluginPin> {
        let code = match (self.kind.as_str(), self.uploaded) {
            (BUILT_IN, _) => PluginCode::BuiltIn { sha256: self.sha256 },
            (UPLOADED, Some(StoredUpload { id, sha256, size_bytes })) => {
                PluginCode::Uploaded { id, sha256, size_bytes }
            }
            _ => return None,
        };
        Some(PluginPin { version: self.version, code })
    }
}

impl From<&Options> for StoredOptions {
    fn from(options: &Options) -> Self {
        let mut select = StoredSelect::default();
        match &options.select {
            Select::Every(period) => select.every = Some(format!("{period}s")),
            Select::Fps(rate) => select.fps = serde_json::from_str(&rate.to_string()).ok(),
            Select::Count(count) => select.count = Some(*count),
            Select::At(places) => select.at = Some(places.iter().map(Place::to_string).collect()),
            Select::Keyframes => select.keyframes = Some(true),
            Select::Scenes { threshold, max } => {
                select.scenes = Some(StoredScenes { threshold: *threshold, max: *max });
            }
            Select::All => select.all = Some(true),
        }
        Self {
            select,
            range: StoredRange { start: options.range.start.to_string(), end: options.range.end.to_string() },
            tolerance: format!("{}s", options.tolerance),
            format: options.format.as_str().to_owned(),
            quality: u32::from(options.quality),
            stream: options.stream,
            crop: options.crop.map(|Crop { x, y, width, height }| StoredCrop { x, y, width, height }),
            resize: options.resize.map(|resize| StoredResize {
                width: resize.width,
                height: resize.height,
                fit: resize.fit.as_str().to_owned(),
            }),
            storyboard: options.storyboard,
            plugins: options
                .plugins
                .iter()
                .map(|plugin| StoredPlugin {
                    name: plugin.name.clone(),
                    config: serde_json::from_str(&plugin.config).unwrap_or_default(),
                    pin: plugin.pin.as_ref().map(StoredPin::from),
                })
                .collect(),
        }
    }
}

impl StoredOptions {
    /// Returns the options, and whether all of them are understood. An option that is not understood has its default.
    pub(super) fn read(self) -> (Options, bool) {
        let default = Options::default();
        let mut understood = true;
        let mut or = |known: bool| understood &= known;
        let select = self.select.read();
        let (start, end) = (place(&self.range.start), place(&self.range.end));
        let tolerance = seconds(&self.tolerance);
        let format = [Format::Jpeg, Format::Png, Format::Webp, Format::Avif]
            .into_iter()
            .find(|format| format.as_str() == self.format);
        let resize = self.resize.map(|resize| {
            let fit =
                [Fit::Contain, Fit::Cover, Fit::Fill].into_iter().find(|fit| fit.as_str() == resize.fit);
            or(fit.is_some());
            Resize { width: resize.width, height: resize.height, fit: fit.unwrap_or(Fit::Contain) }
        });
        or(select.is_some() && start.is_some() && end.is_some() && tolerance.is_some() && format.is_some());
        let plugins = self.plugins.into_iter().map(|plugin| {
            let pinned = plugin.pin.is_some();
            let pin = plugin.pin.and_then(StoredPin::read);
            or(pin.is_some() == pinned);
            PluginRef { name: plugin.name, config: Value::Object(plugin.config).to_string(), pin }
        });
        let plugins = plugins.collect();
        let options = Options {
            select: select.unwrap_or(default.select),
            range: Range {
                start: start.unwrap_or(default.range.start),
                end: end.unwrap_or(default.range.end),
            },
            tolerance: tolerance.unwrap_or(default.tolerance),
            format: format.unwrap_or(default.format),
            quality: u8::try_from(self.quality).unwrap_or(u8::MAX),
            stream: self.stream,
            crop: self.crop.map(|StoredCrop { x, y, width, height }| Crop { x, y, width, height }),
            resize,
            storyboard: self.storyboard,
            plugins,
        };
        (options, understood)
    }
}

impl StoredSelect {
    fn read(self) -> Option<Select> {
        if let Some(period) = self.every {
            return seconds(&period).map(Select::Every);
        }
        if let Some(rate) = self.fps {
            return rational(&rate.to_string()).map(Select::Fps);
        }
        if let Some(places) = self.at {
            return places.iter().map(|text| place(text)).collect::<Option<_>>().map(Select::At);
        }
        let scenes =
            self.scenes.map(|scenes| Select::Scenes { threshold: scenes.threshold, max: scenes.max });
        self.count
            .map(Select::Count)
            .or(scenes)
            .or_else(|| self.keyframes.map(|_| Select::Keyframes))
            .or_else(|| self.all.map(|_| Select::All))
    }
}

fn place(text: &str) -> Option<Place> {
    if let Some(number) = text.strip_prefix('#') {
        return number.parse().ok().map(Place::Frame);
    }
    match text.strip_suffix('%') {
        Some(percent) => rational(percent).map(Place::Percent),
        None => seconds(text).map(Place::Time),
    }
}

fn seconds(text: &str) -> Option<Rational> {
    rational(text.strip_suffix('s')?)
}

/// A decimal number, or a fraction.
fn rational(text: &str) -> Option<Rational> {
    match text.split_once('/') {
        Some((num, den)) => Rational::new(num.parse().ok()?, den.parse().ok()?),
        None => Rational::parse_decimal(text),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn stored(changes: &Value) -> StoredOptions {
        let mut json = serde_json::to_value(StoredOptions::from(&Options::default())).unwrap();
        json.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
        serde_json::from_value(json).unwrap()
    }

    #[test]
    fn stored_options_that_the_api_refuses_today_are_read() {
        for (changes, understood) in [
            (json!({"quality": 101, "range": {"start": "9s", "end": "1s"}}), true),
            (
                json!({"select": {"count": 4_000_000_000_u32}, "resize": {"width": 1_000_000, "fit": "fill"}}),
                true,
            ),
            (json!({"select": {"at": ["#99999999999999", "250%", "1/3s"]}}), true),
            (json!({"select": {"chapters": true}}), false),
            (json!({"format": "jxl"}), false),
            (json!({"resize": {"width": 1, "fit": "smart"}, "new": 1}), false),
            (json!({"plugins": [{"name": "a", "pin": {"version": 1, "kind": "built_in"}}]}), true),
            (
                json!({"plugins": [
                    {"name": "a", "pin": {"version": 2, "kind": "built_in", "sha256": "ab".repeat(32)}}
                ]}),
                true,
            ),
            (json!({"plugins": [{"name": "a", "pin": {"version": 1, "kind": "shared"}}]}), false),
        ] {
            assert_eq!(stored(&changes).read().1, understood, "{changes}");
        }
    }

    #[test]
    fn a_built_in_plugin_keeps_the_component_that_it_was_pinned_to_and_earlier_records_name_none() {
        let pinned = |sha256: Option<Checksum>| {
            let pin = PluginPin { version: 2, code: PluginCode::BuiltIn { sha256 } };
            let plugin = PluginRef { pin: Some(pin), ..PluginRef::new("a", "{}") };
            Options { plugins: vec![plugin], ..Options::default() }
        };
        for sha256 in [None, Some(Checksum::from([0xab; 32]))] {
            let options = pinned(sha256);
            let json = serde_json::to_string(&StoredOptions::from(&options)).unwrap();
            assert_eq!(json.contains("sha256"), sha256.is_some(), "{json}");
            let read: StoredOptions = serde_json::from_str(&json).unwrap();
            assert_eq!(read.read(), (options, true));
        }
    }
}

//! Checks an uploaded plugin: reads its configuration schema and runs it on one frame.

use framelift_domain::{Layout, Rational};
use framelift_media::Filter as _;
use framelift_media::filter::{Picture, Rgb};
use serde::{Deserialize, Serialize};

use crate::code::{Code, Rejected};
use crate::plugin::Plugin;

/// Bytes of a configuration's schema.
pub const MAX_SCHEMA_BYTES: usize = 8 << 10;
/// The size of the test frame.
const SIZE: (u32, u32) = (320, 180);

/// The result of a check that a plugin passed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Checked {
    /// The configuration's JSON schema, if the plugin has one.
    pub config_schema: Option<serde_json::Value>,
    /// Its error for an empty configuration, if it refuses that. It was then not run on a frame.
    pub refuses_empty: Option<String>,
}

impl Code {
    /// Runs a plugin for the first time: reads the schema of its configuration, configures it with `{}` and
    /// runs it on one frame. It may refuse that configuration, but must not fail otherwise.
    ///
    /// # Errors
    /// How it failed.
    pub fn check(&self, name: &str) -> Result<Checked, Rejected> {
        let failed = |error| Rejected::new(format!("failed on a test frame: {error}"));
        let mut plugin = Plugin::new(self, name, "").map_err(failed)?;
        let config_schema = plugin.schema().map_err(failed)?.map(|text| schema(&text)).transpose()?;
        if let Err(words) = plugin.configure("{}").map_err(failed)? {
            return Ok(Checked { config_schema, refuses_empty: Some(words) });
        }
        let (width, height) = SIZE;
        let gradient =
            (0..height).flat_map(|y| (0..width).flat_map(move |x| [x as u8, y as u8, (x ^ y) as u8]));
        let frame = Rgb { width, height, bytes: gradient.collect() };
        let picture = Picture::of_rgb(&frame, Layout::Yuv420, 0, Rational::ZERO);
        let picture = picture.map_err(|error| Rejected::new(format!("could not be tried: {error}")))?;
        plugin.process(picture).map_err(failed)?;
        plugin.finish().map_err(failed)?;
        Ok(Checked { config_schema, refuses_empty: None })
    }
}

fn schema(text: &str) -> Result<serde_json::Value, Rejected> {
    if text.len() > MAX_SCHEMA_BYTES {
        return Err(Rejected::new(format!("its config-schema has more than {MAX_SCHEMA_BYTES} bytes")));
    }
    match serde_json::from_str(text) {
        Ok(object @ serde_json::Value::Object(_)) => Ok(object),
        _ => Err(Rejected::new("its config-schema is not a JSON object")),
    }
}

//! Takes the colours out of each frame.

wit_bindgen::generate!({ path: "../../wit", world: "configurable-frame-plugin" });

use serde::Deserialize;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Config {}

struct Plugin;

impl Guest for Plugin {
    fn config_schema() -> String {
        let described: serde_json::Value =
            serde_json::from_str(include_str!("../../../crates/contract/src/plugin/builtin/grayscale.json"))
                .unwrap_or_default();
        described["config_schema"].to_string()
    }

    fn configure(config: String) -> Result<(), String> {
        let Config {} = serde_json::from_str(&config).map_err(|error| error.to_string())?;
        Ok(())
    }

    fn process(frame: &Image) -> Result<Verdict, String> {
        frame.grayscale();
        Ok(Verdict::Keep)
    }

    fn finish() -> Result<Option<String>, String> {
        Ok(None)
    }
}

export!(Plugin);

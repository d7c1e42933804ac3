//! Blurs or fills parts of the frames.

wit_bindgen::generate!({ path: "../../wit", world: "configurable-frame-plugin" });

use std::cell::RefCell;

use framelift::plugin::frames::Rect;
use serde::Deserialize;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Config {
    areas: Vec<Area>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Area {
    x: u32,
    y: u32,
    width: u32,
    height: u32,
    #[serde(default)]
    mode: Mode,
    #[serde(default = "sigma")]
    sigma: f32,
    #[serde(default)]
    color: (u8, u8, u8),
    #[serde(default)]
    from: f64,
    #[serde(default = "forever")]
    until: f64,
}

#[derive(Clone, Copy, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Mode {
    #[default]
    Blur,
    Fill,
}

const fn sigma() -> f32 {
    20.0
}

const fn forever() -> f64 {
    f64::INFINITY
}

thread_local! {
    static AREAS: RefCell<Vec<Area>> = const { RefCell::new(Vec::new()) };
}

impl Area {
    /// The part of it that is within the frame.
    fn within(&self, frame: &Image) -> Option<Rect> {
        let width = frame.width().checked_sub(self.x)?.min(self.width);
        let height = frame.height().checked_sub(self.y)?.min(self.height);
        (width > 0 && height > 0).then_some(Rect { x: self.x, y: self.y, width, height })
    }
}

struct Plugin;

impl Guest for Plugin {
    fn config_schema() -> String {
        let described: serde_json::Value =
            serde_json::from_str(include_str!("../../../crates/contract/src/plugin/builtin/redact.json"))
                .unwrap_or_default();
        described["config_schema"].to_string()
    }

    fn configure(config: String) -> Result<(), String> {
        let Config { areas } = serde_json::from_str(&config).map_err(|error| error.to_string())?;
        if areas.iter().any(|area| !(0.5..=100.0).contains(&area.sigma)) {
            return Err("sigma must be from 0.5 to 100".to_owned());
        }
        AREAS.set(areas);
        Ok(())
    }

    fn process(frame: &Image) -> Result<Verdict, String> {
        let time = frame.time();
        AREAS.with_borrow(|areas| {
            for area in areas.iter().filter(|area| (area.from..area.until).contains(&time)) {
                match (area.within(frame), area.mode) {
                    (Some(rect), Mode::Blur) => frame.blur(rect, area.sigma),
                    (Some(rect), Mode::Fill) => frame.fill(rect, area.color),
                    (None, _) => {}
                }
            }
        });
        Ok(Verdict::Keep)
    }

    fn finish() -> Result<Option<String>, String> {
        Ok(None)
    }
}

export!(Plugin);

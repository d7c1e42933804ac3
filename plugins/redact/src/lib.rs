//! Blurs or fills parts of the frames.

wit_bindgen::generate!({ path: "../../wit", world: "configurable-frame-plugin" });

use std::cell::RefCell;

use framelift::plugin::frames::Rect;
use framelift::plugin::logging::{Level, log};
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
    /// For each area the frames that it lay outside of.
    static OUTSIDE: RefCell<Vec<u64>> = const { RefCell::new(Vec::new()) };
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
        if areas.iter().any(|area| area.until <= area.from) {
            return Err("until must be later than from".to_owned());
        }
        OUTSIDE.set(vec![0; areas.len()]);
        AREAS.set(areas);
        Ok(())
    }

    fn process(frame: &Image) -> Result<Verdict, String> {
        let time = frame.time();
        AREAS.with_borrow(|areas| {
            let mut outside = Vec::new();
            for (n, area) in areas.iter().enumerate() {
                if !(area.from..area.until).contains(&time) {
                    continue;
                }
                match (area.within(frame), area.mode) {
                    (Some(rect), Mode::Blur) => frame.blur(rect, area.sigma),
                    (Some(rect), Mode::Fill) => frame.fill(rect, area.color),
                    (None, _) => outside.push(n),
                }
            }
            OUTSIDE.with_borrow_mut(|counts| {
                for n in &outside {
                    if counts[*n] == 0 {
                        let (width, height) = (frame.width(), frame.height());
                        log(
                            Level::Warn,
                            &format!("area {n} lies outside of the frame of {width}x{height} pixels"),
                        );
                    }
                    counts[*n] += 1;
                }
            });
            if outside.is_empty() {
                return Ok(Verdict::Keep);
            }
            let areas: Vec<String> = outside.iter().map(usize::to_string).collect();
            Ok(Verdict::KeepWith(vec![("outside".to_owned(), areas.join(", "))]))
        })
    }

    /// Names the areas that redacted less than they should have.
    fn finish() -> Result<Option<String>, String> {
        let count = |(n, frames): (usize, &u64)| format!("area {n} lay outside of {frames} frames");
        let missed = OUTSIDE.with_borrow(|counts| {
            let missed = counts.iter().enumerate().filter(|(_, frames)| **frames > 0);
            missed.map(count).collect::<Vec<_>>()
        });
        Ok((!missed.is_empty()).then(|| missed.join("; ")))
    }
}

export!(Plugin);

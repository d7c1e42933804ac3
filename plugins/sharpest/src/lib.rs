//! Keeps the sharpest frame of each few in a row: the one whose Laplacian varies most.

wit_bindgen::generate!({ path: "../../wit", world: "configurable-frame-plugin" });

use std::cell::Cell;

use framelift::plugin::frames::{Shades, decide};
use serde::Deserialize;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Config {
    #[serde(default = "window")]
    window: u64,
}

const fn window() -> u64 {
    5
}

thread_local! {
    static WINDOW: Cell<u64> = const { Cell::new(window()) };
    static SEEN: Cell<u64> = const { Cell::new(0) };
    /// The sharpest of the present window so far, which is held back: its index and its sharpness.
    static BEST: Cell<Option<(u64, f64)>> = const { Cell::new(None) };
}

/// The longest side of the copy that is looked at.
const SIDE: u32 = 512;

struct Plugin;

impl Guest for Plugin {
    fn config_schema() -> String {
        let described: serde_json::Value =
            serde_json::from_str(include_str!("../../../crates/contract/src/plugin/builtin/sharpest.json"))
                .unwrap_or_default();
        described["config_schema"].to_string()
    }

    fn configure(config: String) -> Result<(), String> {
        let Config { window } = serde_json::from_str(&config).map_err(|error| error.to_string())?;
        if !(1..=64).contains(&window) {
            return Err("window must be from 1 to 64".to_owned());
        }
        WINDOW.set(window);
        Ok(())
    }

    fn process(frame: &Image) -> Result<Verdict, String> {
        let (index, sharpness) = (frame.index(), sharpness(frame));
        let first = SEEN.get() % WINDOW.get() == 0;
        SEEN.set(SEEN.get() + 1);
        match BEST.get() {
            Some((best, most)) if first => decide(best, &kept(most)),
            Some((_, most)) if most >= sharpness => return Ok(Verdict::Drop),
            Some((best, _)) => decide(best, &Verdict::Drop),
            None => {}
        }
        BEST.set(Some((index, sharpness)));
        Ok(Verdict::Hold)
    }

    fn finish() -> Result<Option<String>, String> {
        if let Some((best, most)) = BEST.take() {
            decide(best, &kept(most));
        }
        Ok(None)
    }
}

fn kept(sharpness: f64) -> Verdict {
    Verdict::KeepWith(vec![("sharpness".to_owned(), format!("{sharpness:.1}"))])
}

/// The variance of the Laplacian of the luma.
fn sharpness(frame: &Image) -> f64 {
    let (width, height) = (frame.width(), frame.height());
    let scale = |side: u32| (side * SIDE.min(width.max(height)) / width.max(height)).max(1);
    let (across, down) = (scale(width) as usize, scale(height) as usize);
    let luma = frame.thumbnail(across as u32, down as u32, Shades::Gray8);
    let at = |x: usize, y: usize| i64::from(luma[y * across + x]);
    let (mut sum, mut squares, mut count) = (0_i64, 0_i64, 0_i64);
    for y in 1..down.saturating_sub(1) {
        for x in 1..across.saturating_sub(1) {
            let laplacian = at(x - 1, y) + at(x + 1, y) + at(x, y - 1) + at(x, y + 1) - 4 * at(x, y);
            sum += laplacian;
            squares += laplacian * laplacian;
            count += 1;
        }
    }
    let count = count.max(1) as f64;
    squares as f64 / count - (sum as f64 / count) * (sum as f64 / count)
}

export!(Plugin);

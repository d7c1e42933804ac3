//! Drops each frame that looks almost like the last one that was kept: the distance of their difference hashes.

wit_bindgen::generate!({ path: "../../wit", world: "configurable-frame-plugin" });

use std::cell::Cell;

use framelift::plugin::frames::Shades;
use serde::Deserialize;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Config {
    #[serde(default = "distance")]
    distance: u32,
}

const fn distance() -> u32 {
    6
}

thread_local! {
    static DISTANCE: Cell<u32> = const { Cell::new(distance()) };
    static KEPT: Cell<Option<u64>> = const { Cell::new(None) };
    static DROPPED: Cell<u64> = const { Cell::new(0) };
}

struct Plugin;

impl Guest for Plugin {
    fn config_schema() -> String {
        let described: serde_json::Value =
            serde_json::from_str(include_str!("../../../crates/contract/src/plugin/builtin/dedupe.json"))
                .unwrap_or_default();
        described["config_schema"].to_string()
    }

    fn configure(config: String) -> Result<(), String> {
        let Config { distance } = serde_json::from_str(&config).map_err(|error| error.to_string())?;
        if distance > 64 {
            return Err("distance must be from 0 to 64".to_owned());
        }
        DISTANCE.set(distance);
        Ok(())
    }

    fn process(frame: &Image) -> Result<Verdict, String> {
        // A bit for each of 8 rows of 8 pairs of neighbours: whether the left one is lighter.
        let pixels = frame.thumbnail(9, 8, Shades::Gray8);
        let pairs = pixels.chunks_exact(9).flat_map(|row| row.windows(2));
        let hash = pairs.fold(0_u64, |hash, pair| hash << 1 | u64::from(pair[0] > pair[1]));
        if KEPT.get().is_some_and(|kept| (kept ^ hash).count_ones() <= DISTANCE.get()) {
            DROPPED.set(DROPPED.get() + 1);
            return Ok(Verdict::Drop);
        }
        KEPT.set(Some(hash));
        Ok(Verdict::Keep)
    }

    fn finish() -> Result<Option<String>, String> {
        Ok(Some(format!("{} near-duplicates dropped", DROPPED.get())))
    }
}

export!(Plugin);

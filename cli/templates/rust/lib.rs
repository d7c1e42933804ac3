//! A frame plugin: labels each frame with its brightness, and drops those that are darker than `darkest`.
//! What a plugin can do is described in `wit/frame-plugin.wit`.

wit_bindgen::generate!({ path: "wit", world: "configurable-frame-plugin" });

use std::cell::Cell;

use framelift::plugin::frames::Shades;
use framelift::plugin::logging::{Level, log};

struct Plugin;

thread_local! {
    static DARKEST: Cell<u32> = const { Cell::new(0) };
    static DROPPED: Cell<u32> = const { Cell::new(0) };
}

impl Guest for Plugin {
    fn config_schema() -> String {
        r#"{"type": "object", "additionalProperties": false, "properties": {
            "darkest": {"type": "integer", "minimum": 0, "maximum": 255, "default": 0}}}"#
            .to_owned()
    }

    fn configure(config: String) -> Result<(), String> {
        // A panic's message is part of the reason for which the video fails.
        std::panic::set_hook(Box::new(|panic| log(Level::Error, &panic.to_string())));
        DARKEST.set(darkest(&config)?);
        Ok(())
    }

    fn process(frame: &Image) -> Result<Verdict, String> {
        // A small copy is enough, and cheap.
        let pixels = frame.thumbnail(32, 32, Shades::Gray8);
        let brightness = brightness(&pixels);
        if brightness < DARKEST.get() {
            DROPPED.set(DROPPED.get() + 1);
            return Ok(Verdict::Drop);
        }
        Ok(Verdict::KeepWith(vec![("brightness".to_owned(), brightness.to_string())]))
    }

    fn finish() -> Result<Option<String>, String> {
        Ok(Some(format!("{} dark frames dropped", DROPPED.get())))
    }
}

/// Reads the configuration. For more than one number, the crate serde_json reads any.
fn darkest(config: &str) -> Result<u32, String> {
    let text = config.trim_matches(|it: char| it.is_whitespace() || "{}".contains(it));
    if text.is_empty() {
        return Ok(0);
    }
    let number = text.strip_prefix("\"darkest\"").and_then(|rest| rest.trim_start().strip_prefix(':'));
    let darkest = number.and_then(|number| number.trim().parse().ok());
    darkest.ok_or_else(|| format!("{config} is not a configuration such as {{\"darkest\": 16}}"))
}

fn brightness(pixels: &[u8]) -> u32 {
    pixels.iter().map(|pixel| u32::from(*pixel)).sum::<u32>() / pixels.len() as u32
}

export!(Plugin);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn brightness_is_the_mean() {
        assert_eq!(brightness(&[0, 10, 200]), 70);
    }

    #[test]
    fn configurations_are_read() {
        assert_eq!((darkest("{}"), darkest("{\"darkest\": 16}")), (Ok(0), Ok(16)));
        assert!(darkest("{\"darkest\": \"x\"}").is_err());
    }
}

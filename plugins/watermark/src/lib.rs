//! Draws a text or a picture over each frame.

wit_bindgen::generate!({ path: "../../wit", world: "configurable-frame-plugin" });

use std::cell::RefCell;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use framelift::plugin::frames::{Corner, TextStyle};
use serde::Deserialize;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Config {
    text: Option<String>,
    png: Option<String>,
    #[serde(default)]
    position: Position,
    #[serde(default = "opacity")]
    opacity: f32,
    #[serde(default = "margin")]
    margin: u32,
    size: Option<u32>,
    #[serde(default = "white")]
    color: (u8, u8, u8),
}

#[derive(Clone, Copy, Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Position {
    TopLeft,
    Top,
    TopRight,
    Left,
    Center,
    Right,
    BottomLeft,
    Bottom,
    #[default]
    BottomRight,
}

const fn opacity() -> f32 {
    0.5
}

const fn margin() -> u32 {
    16
}

const fn white() -> (u8, u8, u8) {
    (255, 255, 255)
}

/// The most pixels of a PNG: a frame of 1080p.
const MAX_PIXELS: u64 = 1920 * 1080;

/// RGBA pixels.
struct Picture {
    pixels: Vec<u8>,
    width: u32,
    height: u32,
}

enum Mark {
    Text(String),
    Picture(Picture),
}

thread_local! {
    static MARK: RefCell<Option<(Mark, Config)>> = const { RefCell::new(None) };
}

struct Plugin;

impl Guest for Plugin {
    fn config_schema() -> String {
        let described: serde_json::Value =
            serde_json::from_str(include_str!("../../../crates/contract/src/plugin/builtin/watermark.json"))
                .unwrap_or_default();
        described["config_schema"].to_string()
    }

    fn configure(config: String) -> Result<(), String> {
        let mut config: Config = serde_json::from_str(&config).map_err(|error| error.to_string())?;
        if !(0.0..=1.0).contains(&config.opacity) {
            return Err("opacity must be from 0 to 1".to_owned());
        }
        let mark = match (config.text.take(), config.png.take()) {
            (Some(text), None) => Mark::Text(text),
            (None, Some(png)) => Mark::Picture(picture(&png)?),
            _ => return Err("one of text and png must be given".to_owned()),
        };
        MARK.set(Some((mark, config)));
        Ok(())
    }

    fn process(frame: &Image) -> Result<Verdict, String> {
        MARK.with_borrow(|mark| match mark {
            Some((Mark::Text(text), config)) => {
                let size = config.size.unwrap_or_else(|| (frame.height() / 20).clamp(4, 1000));
                let style = TextStyle { size: size as f32, color: config.color, opacity: config.opacity };
                frame.draw_text(text, config.position.into(), config.margin, style);
            }
            Some((Mark::Picture(picture), config)) => {
                let (x, y) = config.position.of(frame, picture, i64::from(config.margin));
                frame.overlay(&picture.pixels, picture.width, picture.height, x, y, config.opacity);
            }
            None => {}
        });
        Ok(Verdict::Keep)
    }

    fn finish() -> Result<Option<String>, String> {
        Ok(None)
    }
}

impl Position {
    /// Where the picture's upper left corner is.
    fn of(self, frame: &Image, picture: &Picture, margin: i64) -> (i32, i32) {
        let (across, down) = match self {
            Self::TopLeft => (0, 0),
            Self::Top => (1, 0),
            Self::TopRight => (2, 0),
            Self::Left => (0, 1),
            Self::Center => (1, 1),
            Self::Right => (2, 1),
            Self::BottomLeft => (0, 2),
            Self::Bottom => (1, 2),
            Self::BottomRight => (2, 2),
        };
        let place = |third: u8, room: u32, length: u32| {
            let left = i64::from(room) - i64::from(length);
            let at = match third {
                0 => margin,
                1 => left / 2,
                _ => left - margin,
            };
            at as i32
        };
        (place(across, frame.width(), picture.width), place(down, frame.height(), picture.height))
    }
}

impl From<Position> for Corner {
    fn from(position: Position) -> Self {
        match position {
            Position::TopLeft => Self::TopLeft,
            Position::Top => Self::Top,
            Position::TopRight => Self::TopRight,
            Position::Left => Self::Left,
            Position::Center => Self::Center,
            Position::Right => Self::Right,
            Position::BottomLeft => Self::BottomLeft,
            Position::Bottom => Self::Bottom,
            Position::BottomRight => Self::BottomRight,
        }
    }
}

/// Decodes a PNG of any kind to RGBA.
fn picture(base64: &str) -> Result<Picture, String> {
    let bytes = STANDARD.decode(base64).map_err(|error| format!("png: {error}"))?;
    let wrong = |error: png::DecodingError| format!("png: {error}");
    let mut decoder = png::Decoder::new(std::io::Cursor::new(bytes));
    decoder.set_transformations(png::Transformations::normalize_to_color8() | png::Transformations::ALPHA);
    let mut reader = decoder.read_info().map_err(wrong)?;
    if u64::from(reader.info().width) * u64::from(reader.info().height) > MAX_PIXELS {
        return Err(format!("png: it must have at most {MAX_PIXELS} pixels"));
    }
    let mut pixels = vec![0; reader.output_buffer_size().ok_or("png: it is too large")?];
    let frame = reader.next_frame(&mut pixels).map_err(wrong)?;
    pixels.truncate(frame.buffer_size());
    let pixels = match frame.color_type {
        png::ColorType::Rgba => pixels,
        png::ColorType::GrayscaleAlpha => {
            pixels.chunks_exact(2).flat_map(|pixel| [pixel[0], pixel[0], pixel[0], pixel[1]]).collect()
        }
        other => return Err(format!("png: {other:?} is not converted")),
    };
    Ok(Picture { pixels, width: frame.width, height: frame.height })
}

export!(Plugin);

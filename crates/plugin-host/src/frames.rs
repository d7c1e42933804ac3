//! The frames as a plugin sees them: pixels are made where it asks for them.

use framelift_media::filter::{Picture, PictureError, Rgb, Shades as Made};
use wasmtime::component::Resource;
use wasmtime::{Result, bail, ensure};

use crate::bindings::framelift::plugin::frames::{
    Corner, Host, HostImage, PixelFormat, Rect, Shades, TextStyle, Verdict,
};
use crate::paint::{self, Area};
use crate::plugin::{State, verdict};

/// The longest side of a thumbnail, and of a frame that a plugin makes.
const MAX_THUMBNAIL: u32 = 1024;
const MAX_SIDE: u32 = 16_384;
/// Pixels of a frame that a plugin makes.
const MAX_PIXELS: u64 = 36_000_000;

/// A frame, and its pixels once somebody has asked for them.
#[expect(unreachable_pub, reason = "the generated bindings name it in a module that is public in itself")]
pub struct Canvas {
    picture: Picture,
    pixels: Option<Rgb>,
    changed: bool,
}

impl Canvas {
    pub(crate) fn new(picture: Picture) -> Self {
        Self { picture, pixels: None, changed: false }
    }

    /// The picture as the plugin left it.
    pub(crate) fn finish(mut self) -> std::result::Result<Picture, String> {
        self.picture().map_err(|error| error.to_string())?;
        Ok(self.picture)
    }

    /// The picture with what was changed so far.
    fn picture(&mut self) -> std::result::Result<&Picture, PictureError> {
        if let Some(pixels) = self.pixels.as_ref().filter(|_| self.changed) {
            self.picture.change(pixels)?;
            self.changed = false;
        }
        Ok(&self.picture)
    }

    fn size(&self) -> (u32, u32) {
        match &self.pixels {
            Some(pixels) => (pixels.width, pixels.height),
            None => (self.picture.width(), self.picture.height()),
        }
    }

    fn pixels(&mut self) -> Result<&mut Rgb> {
        match &mut self.pixels {
            Some(pixels) => Ok(pixels),
            none => Ok(none.insert(self.picture.rgb()?)),
        }
    }

    /// The pixels, to be changed.
    fn canvas(&mut self) -> Result<&mut Rgb> {
        self.changed = true;
        self.pixels()
    }

    fn area(&self, Rect { x, y, width, height }: Rect) -> Result<Area> {
        let (across, down) = self.size();
        let inside = |start: u32, length: u32, whole: u32| {
            length > 0 && start.checked_add(length).is_some_and(|end| end <= whole)
        };
        ensure!(
            inside(x, width, across) && inside(y, height, down),
            "the rectangle {width}x{height} at {x},{y} does not lie within {across}x{down} pixels"
        );
        Ok(Area { x: x as usize, y: y as usize, width: width as usize, height: height as usize })
    }
}

fn between(what: &str, value: f32, least: f32, most: f32) -> Result<f32> {
    ensure!((least..=most).contains(&value), "{what} is {value}, and must be from {least} to {most}");
    Ok(value)
}

impl State {
    fn frame(&mut self, frame: &Resource<Canvas>) -> Result<&mut Canvas> {
        Ok(self.table.get_mut(frame)?)
    }
}

impl Host for State {
    fn decide(&mut self, index: u64, said: Verdict) -> Result<()> {
        ensure!(self.held.remove(&index), "frame {index} is not held back");
        ensure!(!matches!(said, Verdict::Hold), "frame {index} is held back already");
        self.decided.push((index, verdict(said)));
        Ok(())
    }
}

impl HostImage for State {
    fn width(&mut self, frame: Resource<Canvas>) -> Result<u32> {
        Ok(self.frame(&frame)?.size().0)
    }

    fn height(&mut self, frame: Resource<Canvas>) -> Result<u32> {
        Ok(self.frame(&frame)?.size().1)
    }

    fn time(&mut self, frame: Resource<Canvas>) -> Result<f64> {
        Ok(self.frame(&frame)?.picture.time().to_f64())
    }

    fn index(&mut self, frame: Resource<Canvas>) -> Result<u64> {
        Ok(self.frame(&frame)?.picture.index())
    }

    fn keyframe(&mut self, frame: Resource<Canvas>) -> Result<bool> {
        Ok(self.frame(&frame)?.picture.is_keyframe())
    }

    fn thumbnail(
        &mut self,
        frame: Resource<Canvas>,
        width: u32,
        height: u32,
        shades: Shades,
    ) -> Result<Vec<u8>> {
        let sides = 1..=MAX_THUMBNAIL;
        ensure!(
            sides.contains(&width) && sides.contains(&height),
            "a thumbnail of {width}x{height} pixels: each side is 1 to {MAX_THUMBNAIL}"
        );
        let shades = match shades {
            Shades::Gray8 => Made::Gray,
            Shades::Rgb8 => Made::Rgb,
        };
        Ok(self.frame(&frame)?.picture()?.thumbnail((width, height), shades)?)
    }

    fn pixels(&mut self, frame: Resource<Canvas>, area: Rect, format: PixelFormat) -> Result<Vec<u8>> {
        let canvas = self.frame(&frame)?;
        let area = canvas.area(area)?;
        let rgb = paint::read(canvas.pixels()?, area);
        Ok(match format {
            PixelFormat::Rgb8 => rgb,
            PixelFormat::Rgba8 => rgb.chunks_exact(3).flat_map(|it| [it[0], it[1], it[2], 255]).collect(),
        })
    }

    fn set_pixels(
        &mut self,
        frame: Resource<Canvas>,
        area: Rect,
        format: PixelFormat,
        pixels: Vec<u8>,
    ) -> Result<()> {
        let canvas = self.frame(&frame)?;
        let area = canvas.area(area)?;
        let each = match format {
            PixelFormat::Rgb8 => 3,
            PixelFormat::Rgba8 => 4,
        };
        let wanted = area.width * area.height * each;
        ensure!(pixels.len() == wanted, "{} bytes of pixels, where {wanted} are needed", pixels.len());
        match format {
            PixelFormat::Rgb8 => paint::write(canvas.canvas()?, area, &pixels),
            PixelFormat::Rgba8 => {
                let size = (area.width, area.height);
                paint::overlay(canvas.canvas()?, &pixels, size, (area.x as i64, area.y as i64), 1.0);
            }
        }
        Ok(())
    }

    fn crop(&mut self, frame: Resource<Canvas>, area: Rect) -> Result<()> {
        let canvas = self.frame(&frame)?;
        let (area, rect) = (canvas.area(area)?, area);
        let bytes = paint::read(canvas.pixels()?, area);
        *canvas.canvas()? = Rgb { width: rect.width, height: rect.height, bytes };
        Ok(())
    }

    fn resize(&mut self, frame: Resource<Canvas>, width: u32, height: u32) -> Result<()> {
        let sides = 1..=MAX_SIDE;
        let pixels = u64::from(width) * u64::from(height);
        ensure!(
            sides.contains(&width) && sides.contains(&height) && pixels <= MAX_PIXELS,
            "a size of {width}x{height} pixels: each side is 1 to {MAX_SIDE}, and all are at most {MAX_PIXELS}"
        );
        let canvas = self.frame(&frame)?;
        let resized = canvas.picture()?.resized((width, height))?;
        canvas.pixels = Some(resized);
        canvas.changed = true;
        Ok(())
    }

    fn blur(&mut self, frame: Resource<Canvas>, area: Rect, sigma: f32) -> Result<()> {
        let sigma = between("sigma", sigma, 0.1, 100.0)?;
        let canvas = self.frame(&frame)?;
        let area = canvas.area(area)?;
        paint::blur(canvas.canvas()?, area, sigma);
        Ok(())
    }

    fn fill(&mut self, frame: Resource<Canvas>, area: Rect, (r, g, b): (u8, u8, u8)) -> Result<()> {
        let canvas = self.frame(&frame)?;
        let area = canvas.area(area)?;
        paint::fill(canvas.canvas()?, area, [r, g, b]);
        Ok(())
    }

    fn grayscale(&mut self, frame: Resource<Canvas>) -> Result<()> {
        paint::grayscale(self.frame(&frame)?.canvas()?);
        Ok(())
    }

    fn draw_text(
        &mut self,
        frame: Resource<Canvas>,
        text: String,
        at: Corner,
        margin: u32,
        TextStyle { size, color: (r, g, b), opacity }: TextStyle,
    ) -> Result<()> {
        let (size, opacity) =
            (between("the text's size", size, 1.0, 1000.0)?, between("opacity", opacity, 0.0, 1.0)?);
        if text.chars().count() > 1000 {
            bail!("a text of more than 1000 characters");
        }
        paint::text(self.frame(&frame)?.canvas()?, &text, (at, margin), size, [r, g, b], opacity);
        Ok(())
    }

    fn overlay(
        &mut self,
        frame: Resource<Canvas>,
        pixels: Vec<u8>,
        width: u32,
        height: u32,
        x: i32,
        y: i32,
        opacity: f32,
    ) -> Result<()> {
        let opacity = between("opacity", opacity, 0.0, 1.0)?;
        let wanted = u64::from(width) * u64::from(height) * 4;
        ensure!(pixels.len() as u64 == wanted, "{} bytes of pixels, where {wanted} are needed", pixels.len());
        let size = (width as usize, height as usize);
        paint::overlay(self.frame(&frame)?.canvas()?, &pixels, size, (x.into(), y.into()), opacity);
        Ok(())
    }

    fn drop(&mut self, frame: Resource<Canvas>) -> Result<()> {
        // Plugins only borrow frames.
        self.table.delete(frame)?;
        Ok(())
    }
}

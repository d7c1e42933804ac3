//! The frames as a plugin sees them: samples are made where it asks for them.

use framelift_media::filter::{Picture, Shades as Made, Verdict as Decision, check_labels};
use wasmtime::component::Resource;
use wasmtime::{Result, bail, ensure};

use crate::bindings::framelift::plugin::frames::{
    Corner, Host, HostImage, PixelFormat, Rect, Shades, TextStyle, Verdict,
};
use crate::paint::{self, Area, Line};
use crate::plugin::{State, check_time, verdict};

/// The longest side of a thumbnail, and of a frame that a plugin makes.
const MAX_THUMBNAIL: u32 = 1024;
const MAX_SIDE: u32 = 16_384;
/// Pixels of a frame that a plugin makes.
const MAX_PIXELS: u64 = 36_000_000;

fn area(frame: &Picture, Rect { x, y, width, height }: Rect) -> Result<Area> {
    let (across, down) = (frame.width(), frame.height());
    let inside = |start: u32, length: u32, whole: u32| {
        length > 0 && start.checked_add(length).is_some_and(|end| end <= whole)
    };
    ensure!(
        inside(x, width, across) && inside(y, height, down),
        "the rectangle {width}x{height} at {x},{y} does not lie within {across}x{down} pixels"
    );
    Ok(Area { x: x as usize, y: y as usize, width: width as usize, height: height as usize })
}

fn between(what: &str, value: f32, least: f32, most: f32) -> Result<f32> {
    ensure!((least..=most).contains(&value), "{what} is {value}, and must be from {least} to {most}");
    Ok(value)
}

impl State {
    fn frame(&mut self, frame: &Resource<Picture>) -> Result<&mut Picture> {
        self.check_time()?;
        Ok(self.table.get_mut(frame)?)
    }
}

impl Host for State {
    fn decide(&mut self, index: u64, said: Verdict) -> Result<()> {
        self.check_time()?;
        ensure!(self.held.remove(&index), "frame {index} is not held back");
        ensure!(!matches!(said, Verdict::Hold), "frame {index} is held back already");
        let decision = verdict(said);
        if let Decision::Keep(labels) = &decision {
            check_labels(labels)?;
        }
        self.decided.push((index, decision));
        Ok(())
    }
}

impl HostImage for State {
    fn width(&mut self, frame: Resource<Picture>) -> Result<u32> {
        Ok(self.frame(&frame)?.width())
    }

    fn height(&mut self, frame: Resource<Picture>) -> Result<u32> {
        Ok(self.frame(&frame)?.height())
    }

    fn time(&mut self, frame: Resource<Picture>) -> Result<f64> {
        Ok(self.frame(&frame)?.time().to_f64())
    }

    fn index(&mut self, frame: Resource<Picture>) -> Result<u64> {
        Ok(self.frame(&frame)?.index())
    }

    fn keyframe(&mut self, frame: Resource<Picture>) -> Result<bool> {
        Ok(self.frame(&frame)?.is_keyframe())
    }

    fn thumbnail(
        &mut self,
        frame: Resource<Picture>,
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
        Ok(self.frame(&frame)?.thumbnail((width, height), shades)?)
    }

    fn pixels(&mut self, frame: Resource<Picture>, rect: Rect, format: PixelFormat) -> Result<Vec<u8>> {
        let frame = self.frame(&frame)?;
        let area = area(frame, rect)?;
        let rgb = paint::read(&mut frame.canvas()?, area);
        Ok(match format {
            PixelFormat::Rgb8 => rgb,
            PixelFormat::Rgba8 => rgb.chunks_exact(3).flat_map(|it| [it[0], it[1], it[2], 255]).collect(),
        })
    }

    fn set_pixels(
        &mut self,
        frame: Resource<Picture>,
        rect: Rect,
        format: PixelFormat,
        pixels: Vec<u8>,
    ) -> Result<()> {
        let frame = self.frame(&frame)?;
        let area = area(frame, rect)?;
        let each = match format {
            PixelFormat::Rgb8 => 3,
            PixelFormat::Rgba8 => 4,
        };
        let wanted = area.width * area.height * each;
        ensure!(pixels.len() == wanted, "{} bytes of pixels, where {wanted} are needed", pixels.len());
        let canvas = &mut frame.canvas()?;
        match format {
            PixelFormat::Rgb8 => paint::write(canvas, area, &pixels),
            PixelFormat::Rgba8 => {
                let size = (area.width, area.height);
                paint::overlay(canvas, &pixels, size, (area.x as i64, area.y as i64), 1.0);
            }
        }
        Ok(())
    }

    fn crop(&mut self, frame: Resource<Picture>, rect: Rect) -> Result<()> {
        let frame = self.frame(&frame)?;
        area(frame, rect)?;
        Ok(frame.crop((rect.x, rect.y), (rect.width, rect.height))?)
    }

    fn resize(&mut self, frame: Resource<Picture>, width: u32, height: u32) -> Result<()> {
        let sides = 1..=MAX_SIDE;
        let pixels = u64::from(width) * u64::from(height);
        ensure!(
            sides.contains(&width) && sides.contains(&height) && pixels <= MAX_PIXELS,
            "a size of {width}x{height} pixels: each side is 1 to {MAX_SIDE}, and all are at most {MAX_PIXELS}"
        );
        Ok(self.frame(&frame)?.resize((width, height))?)
    }

    fn blur(&mut self, frame: Resource<Picture>, rect: Rect, sigma: f32) -> Result<()> {
        let sigma = between("sigma", sigma, 0.1, 100.0)?;
        let frame = self.frame(&frame)?;
        let area = area(frame, rect)?;
        paint::blur(&mut frame.canvas()?, area, sigma);
        Ok(())
    }

    fn fill(&mut self, frame: Resource<Picture>, rect: Rect, (r, g, b): (u8, u8, u8)) -> Result<()> {
        let frame = self.frame(&frame)?;
        let area = area(frame, rect)?;
        paint::fill(&mut frame.canvas()?, area, [r, g, b]);
        Ok(())
    }

    fn grayscale(&mut self, frame: Resource<Picture>) -> Result<()> {
        paint::grayscale(&mut self.frame(&frame)?.canvas()?);
        Ok(())
    }

    fn draw_text(
        &mut self,
        frame: Resource<Picture>,
        text: String,
        corner: Corner,
        margin: u32,
        TextStyle { size, color: (r, g, b), opacity }: TextStyle,
    ) -> Result<()> {
        self.check_time()?;
        let (size, opacity) =
            (between("the text's size", size, 1.0, 1000.0)?, between("opacity", opacity, 0.0, 1.0)?);
        if text.chars().count() > 1000 {
            bail!("a text of more than 1000 characters");
        }
        let line = Line { text, corner, margin, size, colour: [r, g, b], opacity };
        let deadline = self.deadline();
        let Self { table, lettering, .. } = self;
        lettering.draw(&mut table.get_mut(&frame)?.canvas()?, line, || check_time(deadline))
    }

    fn overlay(
        &mut self,
        frame: Resource<Picture>,
        pixels: Vec<u8>,
        width: u32,
        height: u32,
        x: i32,
        y: i32,
        opacity: f32,
    ) -> Result<()> {
        let opacity = between("opacity", opacity, 0.0, 1.0)?;
        let wanted = u64::from(width).saturating_mul(u64::from(height)).saturating_mul(4);
        ensure!(pixels.len() as u64 == wanted, "{} bytes of pixels, where {wanted} are needed", pixels.len());
        let size = (width as usize, height as usize);
        paint::overlay(&mut self.frame(&frame)?.canvas()?, &pixels, size, (x.into(), y.into()), opacity);
        Ok(())
    }

    fn drop(&mut self, frame: Resource<Picture>) -> Result<()> {
        // Plugins only borrow frames.
        self.table.delete(frame)?;
        Ok(())
    }
}

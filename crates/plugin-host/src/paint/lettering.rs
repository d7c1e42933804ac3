//! Lines of text, which are drawn once and laid over each frame.

use std::sync::LazyLock;

use ab_glyph::{Font as _, FontRef, PxScale, ScaleFont as _, point};
use framelift_domain::Layout;
use framelift_media::filter::Canvas;
use wasmtime::Result;

use super::{Area, Layer, Levels, levels, weakened};
use crate::bindings::framelift::plugin::frames::Corner;

static FONT: LazyLock<Option<FontRef<'static>>> =
    LazyLock::new(|| FontRef::try_from_slice(dejavu::sans::regular()).ok());

/// The most pixels of a line that is kept for the next frame.
const MAX_KEPT: usize = 1 << 20;

/// A line of text at one of nine places.
#[derive(Debug, PartialEq)]
pub(crate) struct Line {
    pub(crate) text: String,
    pub(crate) corner: Corner,
    /// Pixels to the edges.
    pub(crate) margin: u32,
    /// The line's height in pixels.
    pub(crate) size: f32,
    pub(crate) colour: [u8; 3],
    /// 0 to 1.
    pub(crate) opacity: f32,
}

/// The line that was drawn last, which is most often the next one, too.
#[derive(Debug, Default)]
pub(crate) struct Lettering(Option<DrawnLine>);

#[derive(Debug)]
struct DrawnLine {
    line: Line,
    on: Target,
    layer: Layer,
}

/// What a line's pixels depend on besides.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Target {
    width: usize,
    height: usize,
    layout: Layout,
}

impl Lettering {
    /// Draws a line; what lies outside of the frame is cut off. Large letters take time: `check` is asked before each.
    pub(crate) fn draw(
        &mut self,
        canvas: &mut Canvas<'_>,
        line: Line,
        check: impl Fn() -> Result<()>,
    ) -> Result<()> {
        let on = Target { width: canvas.width(), height: canvas.height(), layout: canvas.layout() };
        if self.0.as_ref().is_none_or(|last| last.line != line || last.on != on) {
            self.0 = line.drawn(on, check)?.map(|layer| DrawnLine { line, on, layer });
        }
        if let Some(DrawnLine { layer, .. }) = &self.0 {
            layer.lay(canvas);
        }
        self.0.take_if(|drawn| drawn.layer.opacity.len() > MAX_KEPT);
        Ok(())
    }
}

impl Line {
    /// The part that is on the frame; `None` if there is none.
    fn drawn(&self, on: Target, check: impl Fn() -> Result<()>) -> Result<Option<Layer>> {
        let Some(font) = FONT.as_ref() else { return Ok(None) };
        let scaled = font.as_scaled(PxScale::from(self.size));
        let mut glyphs = Vec::new();
        let (mut along, mut last) = (0.0, None);
        let characters = self.text.chars().filter(|character| !character.is_control());
        for glyph in characters.map(|character| scaled.glyph_id(character)) {
            along += last.map_or(0.0, |last| scaled.kern(last, glyph));
            glyphs.push((glyph, along));
            along += scaled.h_advance(glyph);
            last = Some(glyph);
        }
        let (left, baseline) = self.place(on, along, scaled.height());
        let baseline = baseline + scaled.ascent();
        let outline = |(glyph, along)| {
            let at = point(left + along, baseline);
            font.outline_glyph(ab_glyph::Glyph { id: glyph, scale: PxScale::from(self.size), position: at })
        };
        let on_frame = |outline: &ab_glyph::OutlinedGlyph| {
            let ab_glyph::Rect { min, max } = outline.px_bounds();
            max.x > 0.0 && max.y > 0.0 && min.x < on.width as f32 && min.y < on.height as f32
        };
        let outlines: Vec<_> = glyphs.into_iter().filter_map(outline).filter(on_frame).collect();

        let bounds = outlines.iter().map(ab_glyph::OutlinedGlyph::px_bounds).reduce(|all, one| {
            let (min, max) = (all.min, all.max);
            ab_glyph::Rect {
                min: point(min.x.min(one.min.x), min.y.min(one.min.y)),
                max: point(max.x.max(one.max.x), max.y.max(one.max.y)),
            }
        });
        let Some(bounds) = bounds else { return Ok(None) };
        let within = |from: f32, to: f32, whole: usize| {
            let [from, to] = [from, to].map(|at| at.clamp(0.0, whole as f32) as usize);
            (from < to).then(|| (from, to - from))
        };
        let columns = within(bounds.min.x, bounds.max.x, on.width);
        let Some(((x, width), (y, height))) = columns.zip(within(bounds.min.y, bounds.max.y, on.height))
        else {
            return Ok(None);
        };
        let area = Area { x, y, width, height };

        let mut opacity = vec![0; width * height];
        for outline in outlines {
            check()?;
            let bounds = outline.px_bounds();
            // Of the glyph's corner within the area.
            let (column, line) = (bounds.min.x as i64 - x as i64, bounds.min.y as i64 - y as i64);
            outline.draw(|x, y, coverage| {
                let place = |at: i64, length: usize| usize::try_from(at).ok().filter(|at| *at < length);
                let at = (place(column + i64::from(x), width), place(line + i64::from(y), height));
                if let (Some(column), Some(line)) = at {
                    let opacity = &mut opacity[line * width + column];
                    let coverage = (coverage.clamp(0.0, 1.0) * 255.0).trunc();
                    *opacity = (*opacity).max(weakened(coverage, self.opacity));
                }
            });
        }
        Ok(Some(Layer { area, levels: Levels::Same(levels(on.layout, self.colour)), opacity }))
    }

    /// The left and the upper edge of a line of this size.
    fn place(&self, on: Target, width: f32, height: f32) -> (f32, f32) {
        let (across, down, margin) = (on.width as f32, on.height as f32, self.margin as f32);
        let left = match self.corner {
            Corner::TopLeft | Corner::Left | Corner::BottomLeft => margin,
            Corner::Top | Corner::Center | Corner::Bottom => (across - width) / 2.0,
            Corner::TopRight | Corner::Right | Corner::BottomRight => across - width - margin,
        };
        let top = match self.corner {
            Corner::TopLeft | Corner::Top | Corner::TopRight => margin,
            Corner::Left | Corner::Center | Corner::Right => (down - height) / 2.0,
            Corner::BottomLeft | Corner::Bottom | Corner::BottomRight => down - height - margin,
        };
        (left, top)
    }
}

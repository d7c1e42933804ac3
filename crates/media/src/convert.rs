//! Converts decoded pictures for image encoders: size, orientation and colours as a player shows them.
//!
//! | picture | to JPEG's 4:2:0 | to RGB |
//! |---|---|---|
//! | 4:2:0 of the output's size | [`recolour`] | libswscale |
//! | another format or size | libswscale, [`recolour`] | libswscale |
//! | HDR or wide primaries | the same with [`render`] | libswscale to 4:4:4, [`render`] |
//!
//! An alpha channel is left out, as players show it.

mod chroma;
mod colour;
mod light;
mod picture;
mod recolour;
mod render;
mod samples;

use crate::ffi::{AvError, Frame, Kernel, Light, Packing, PixelClass, Planes420, ScaleSpec, Scaler, Target};
use crate::geometry::Geometry;

pub(crate) use chroma::prepare;
use colour::DisplayTransform;
pub(crate) use colour::{Colours, colour_warning};
use light::Rendering;
use picture::Plane;
pub(crate) use picture::PlaneRef;
use recolour::Recolour;
use render::Renderer;
use samples::{Rows, Samples};

/// The input of an image encoder.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Image<'a, const PLANES: usize> {
    pub(crate) planes: [PlaneRef<'a>; PLANES],
    pub(crate) width: u32,
    pub(crate) height: u32,
}

impl<'a> Image<'a, 3> {
    /// The planes as the encoders take them.
    pub(crate) fn planes(&self) -> Planes420<'a> {
        Planes420 {
            planes: self.planes.map(|plane| plane.data),
            strides: self.planes.map(|plane| plane.stride),
            width: self.width,
            height: self.height,
        }
    }
}

/// Converts pictures on one thread, with buffers that are reused: at most two pictures of the output's size.
#[derive(Default)]
pub(crate) struct Converter {
    scaler: Option<Scaler>,
    recolour: Option<Recolour>,
    renderer: Option<Renderer>,
    /// The output of libswscale, and that of the step after it.
    sets: [[Plane; 3]; 2],
    /// Luma as RGB.
    gray: Plane,
    rows: Rows,
}

/// The packing of libswscale's deep targets.
const DEEP: Packing = Packing::Planar { depth: 12 };

impl Converter {
    /// 4:2:0 in the colours of JPEG. Luma has an even number of columns and rows behind the
    /// planes' sizes, as encoders of 4:2:0 need.
    pub(crate) fn yuv<'a>(
        &'a mut self,
        frame: &'a Frame,
        light: Light,
        geometry: &Geometry,
    ) -> Result<Image<'a, 3>, AvError> {
        let tags = frame.colours();
        let mut colours = Colours::of(tags, frame.height());
        let transform = DisplayTransform::of(tags, colours, light);
        let direct = Samples::of_frame(frame).filter(|samples| samples.size == pair(geometry.scaled));
        let mut packing = Packing::Planar8;
        if direct.is_none() {
            // RGB goes straight to the colours that it needs, YUV keeps its own for the next step.
            let target = match transform {
                DisplayTransform::Rendered(_) if tags.class == PixelClass::Rgb => Colours::WIDE,
                DisplayTransform::Identity if tags.class == PixelClass::Rgb => Colours::JFIF,
                _ => colours,
            };
            let deep =
                transform != DisplayTransform::Identity || (tags.class != PixelClass::Rgb && tags.depth > 8);
            packing = if deep { DEEP } else { packing };
            let kind = if deep { Target::DeepYuv420 } else { Target::Yuv420 };
            self.scale(frame, geometry, kind, colours, target)?;
            colours = target;
        }

        let turns = !geometry.orientation.is_identity();
        let plain = transform == DisplayTransform::Identity && colours == Colours::JFIF;
        if let Some(planes) = direct.as_ref().filter(|_| plain && !turns).and_then(Samples::as_bytes) {
            let (width, height) = geometry.size;
            // The frame's own planes have no room behind them.
            if width % 2 == 0 && height % 2 == 0 {
                return Ok(Image { planes, width, height });
            }
        }

        let [scaled, shown] = &mut self.sets;
        let source = direct.unwrap_or_else(|| Samples::of_planes(scaled, packing));
        let last = match source.as_bytes().filter(|_| plain) {
            Some(planes) if turns || direct.is_some() => {
                rotate(planes, shown, geometry);
                shown
            }
            Some(_) => scaled,
            None => {
                shape_420(shown, source.size, 1);
                match transform {
                    DisplayTransform::Identity => {
                        recolour(&mut self.recolour, colours, tags.depth).run(&source, shown, &mut self.rows);
                    }
                    DisplayTransform::Rendered(rendering) => {
                        renderer(&mut self.renderer, rendering).yuv420(&source, shown);
                    }
                }
                if turns {
                    rotate(shown.each_ref().map(Plane::as_ref), scaled, geometry);
                    scaled
                } else {
                    shown
                }
            }
        };
        last[0].pad();
        let (width, height) = pair(geometry.size);
        let (x, y) = pair(geometry.offset);
        let [luma, cb, cr] = &*last;
        let chroma = (width.div_ceil(2), height.div_ceil(2));
        let planes = [
            luma.part(x, y, width, height),
            cb.part(x / 2, y / 2, chroma.0, chroma.1),
            cr.part(x / 2, y / 2, chroma.0, chroma.1),
        ];
        Ok(Image { planes, width: geometry.size.0, height: geometry.size.1 })
    }

    /// RGB, three bytes a pixel.
    pub(crate) fn rgb<'a>(
        &'a mut self,
        frame: &Frame,
        light: Light,
        geometry: &Geometry,
    ) -> Result<Image<'a, 1>, AvError> {
        let tags = frame.colours();
        if tags.class == PixelClass::Gray {
            return self.gray(frame, light, geometry);
        }
        let colours = Colours::of(tags, frame.height());
        let transform = DisplayTransform::of(tags, colours, light);
        match transform {
            DisplayTransform::Identity => {
                self.scale(frame, geometry, Target::Rgb24, colours, Colours::JFIF)?
            }
            DisplayTransform::Rendered(_) => {
                let target = if tags.class == PixelClass::Rgb { Colours::WIDE } else { colours };
                self.scale(frame, geometry, Target::DeepYuv444, colours, target)?;
            }
        }
        let [scaled, shown] = &mut self.sets;
        let (mut last, mut spare) = (scaled, shown);
        if let DisplayTransform::Rendered(rendering) = transform {
            let (width, height) = pair(geometry.scaled);
            spare[0].reshape(width * 3, height);
            let source = Samples::of_planes(last, DEEP);
            renderer(&mut self.renderer, rendering).rgb(&source, &mut spare[0]);
            std::mem::swap(&mut last, &mut spare);
        }
        if !geometry.orientation.is_identity() {
            spare[0].rotate_from::<3>(&last[0].as_ref(), geometry.orientation);
            last = spare;
        }
        let (width, height) = pair(geometry.size);
        let (x, y) = pair(geometry.offset);
        let planes = [last[0].part(x * 3, y, width * 3, height)];
        Ok(Image { planes, width: geometry.size.0, height: geometry.size.1 })
    }

    /// [`Converter::rgb`] of luma alone, where libswscale would not heed the range: the luma of
    /// JPEG is all three colours.
    fn gray<'a>(
        &'a mut self,
        frame: &Frame,
        light: Light,
        geometry: &Geometry,
    ) -> Result<Image<'a, 1>, AvError> {
        let mut gray = std::mem::take(&mut self.gray);
        let Image { planes: [luma, ..], width, height } = self.yuv(frame, light, geometry)?;
        let (across, down) = pair(geometry.size);
        gray.reshape(across * 3, down);
        for line in 0..down {
            for (pixel, &level) in gray.row_mut(line).chunks_exact_mut(3).zip(luma.row(line)) {
                pixel.fill(level);
            }
        }
        self.gray = gray;
        Ok(Image { planes: [self.gray.part(0, 0, across * 3, down)], width, height })
    }

    /// Into the first set of planes.
    fn scale(
        &mut self,
        frame: &Frame,
        geometry: &Geometry,
        kind: Target,
        from: Colours,
        to: Colours,
    ) -> Result<(), AvError> {
        let source = (frame.width(), frame.height());
        let shrinks = geometry.scaled.0 * 2 <= source.0 && geometry.scaled.1 * 2 <= source.1;
        let spec = ScaleSpec {
            source,
            source_format: frame.format(),
            target: geometry.scaled,
            target_kind: kind,
            kernel: if shrinks { Kernel::Area } else { Kernel::Bicubic },
            chroma_site: frame.chroma_site(),
            source_colours: (from.matrix, from.full_range),
            target_colours: (to.matrix, to.full_range),
        };
        let scaler = match self.scaler.take().filter(|scaler| scaler.spec == spec) {
            Some(scaler) => scaler,
            None => Scaler::new(spec)?,
        };
        let scaler = self.scaler.insert(scaler);
        let planes = &mut self.sets[0];
        let (width, height) = pair(geometry.scaled);
        let count = match kind {
            Target::Yuv420 => shape_420(planes, (width, height), 1),
            Target::DeepYuv420 => shape_420(planes, (width, height), 2),
            Target::Yuv444 | Target::DeepYuv444 => {
                let bytes = if kind == Target::Yuv444 { 1 } else { 2 };
                planes.iter_mut().for_each(|plane| plane.reshape(width * bytes, height));
                3
            }
            Target::Rgb24 => {
                planes[0].reshape(width * 3, height);
                1
            }
        };
        let mut targets: Vec<_> = planes.iter_mut().take(count).map(Plane::as_target).collect();
        scaler.run(frame, &mut targets)
    }
}

fn pair((width, height): (u32, u32)) -> (usize, usize) {
    (width as usize, height as usize)
}

/// Makes room for 4:2:0 of a size in pixels; gives the number of planes.
fn shape_420([luma, cb, cr]: &mut [Plane; 3], (width, height): (usize, usize), sample_bytes: usize) -> usize {
    luma.reshape(width * sample_bytes, height);
    for chroma in [cb, cr] {
        chroma.reshape(width.div_ceil(2) * sample_bytes, height.div_ceil(2));
    }
    3
}

fn rotate(from: [PlaneRef<'_>; 3], to: &mut [Plane; 3], geometry: &Geometry) {
    for (to, from) in to.iter_mut().zip(&from) {
        to.rotate_from::<1>(from, geometry.orientation);
    }
}

/// The existing one, if its parameters match.
fn recolour(slot: &mut Option<Recolour>, colours: Colours, depth: u32) -> Recolour {
    match *slot {
        Some(recolour) if recolour.is_for(colours, depth) => recolour,
        _ => *slot.insert(Recolour::new(colours, depth)),
    }
}

/// The existing one, if its parameters match.
fn renderer(slot: &mut Option<Renderer>, rendering: Rendering) -> &mut Renderer {
    let renderer = match slot.take().filter(|renderer| renderer.rendering() == rendering) {
        Some(renderer) => renderer,
        None => Renderer::new(rendering),
    };
    slot.insert(renderer)
}

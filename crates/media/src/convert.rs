//! From a decoded picture to what an image encoder takes: size, direction and colours as a
//! player shows them.

mod colour;
mod picture;
mod recolour;

use crate::ffi::{AvError, Frame, Kernel, PixelClass, ScaleSpec, Scaler, Target};
use crate::geometry::Geometry;

pub(crate) use colour::{Colours, caveat};
use picture::Plane;
pub(crate) use picture::PlaneRef;
use recolour::Recolour;

/// An image as an encoder takes it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Image<'a, const PLANES: usize> {
    pub(crate) planes: [PlaneRef<'a>; PLANES],
    pub(crate) width: u32,
    pub(crate) height: u32,
}

/// Where the picture is after a step.
#[derive(Clone, Copy, PartialEq, Eq)]
enum At {
    Frame,
    Set(usize),
}

/// Converts pictures on one thread, with buffers that are used again: two pictures of the
/// output's size at most.
#[derive(Default)]
pub(crate) struct Converter {
    scaler: Option<Scaler>,
    recolour: Option<Recolour>,
    sets: [[Plane; 3]; 2],
    row: Vec<i16>,
}

impl Converter {
    /// 4:2:0 in the colours of JPEG. Luma has an even number of columns and rows behind the
    /// planes' sizes, as encoders of 4:2:0 need.
    pub(crate) fn yuv<'a>(
        &'a mut self,
        frame: &'a Frame,
        geometry: &Geometry,
    ) -> Result<Image<'a, 3>, AvError> {
        let tags = frame.colours();
        let stored = (frame.width(), frame.height());
        let mut at = At::Frame;
        let mut colours = Colours::of(tags, stored.1);
        let mut size = (stored.0 as usize, stored.1 as usize);
        if geometry.scaled != stored || frame.planes_420().is_none() {
            // RGB goes straight to the target's colours, YUV keeps its own for the next step.
            let target = if tags.class == PixelClass::Rgb { Colours::JFIF } else { colours };
            size = (geometry.scaled.0 as usize, geometry.scaled.1 as usize);
            self.shape(0, size);
            self.scale(frame, geometry, Target::Yuv420, colours, target)?;
            (at, colours) = (At::Set(0), target);
        }
        if colours != Colours::JFIF {
            let to = if at == At::Set(0) { 1 } else { 0 };
            self.shape(to, size);
            let recolour = match self.recolour.filter(|recolour| recolour.from() == colours) {
                Some(recolour) => recolour,
                None => *self.recolour.insert(Recolour::new(colours)),
            };
            let [first, second] = &mut self.sets;
            let (source, target) = if to == 1 { (first, second) } else { (second, first) };
            let source = match at {
                At::Frame => frame_planes(frame).ok_or(AvError::INVALID_DATA)?,
                At::Set(_) => source.each_ref().map(Plane::as_ref),
            };
            recolour.run(source, target, &mut self.row);
            at = At::Set(to);
        }
        let odd = size.0 % 2 == 1 || size.1 % 2 == 1;
        if !geometry.orientation.is_identity() || (odd && at == At::Frame) {
            let to = if at == At::Set(0) { 1 } else { 0 };
            let [first, second] = &mut self.sets;
            let (source, target) = if to == 1 { (first, second) } else { (second, first) };
            let source = match at {
                At::Frame => frame_planes(frame).ok_or(AvError::INVALID_DATA)?,
                At::Set(_) => source.each_ref().map(Plane::as_ref),
            };
            for (target, source) in target.iter_mut().zip(&source) {
                target.turn_from::<1>(source, geometry.orientation);
            }
            at = At::Set(to);
        }
        let (width, height) = (geometry.size.0 as usize, geometry.size.1 as usize);
        let planes = match at {
            At::Frame => frame_planes(frame).ok_or(AvError::INVALID_DATA)?,
            At::Set(set) => {
                self.sets[set][0].pad();
                let (x, y) = (geometry.offset.0 as usize, geometry.offset.1 as usize);
                let [luma, cb, cr] = &self.sets[set];
                let chroma = (width.div_ceil(2), height.div_ceil(2));
                [
                    luma.part(x, y, width, height),
                    cb.part(x / 2, y / 2, chroma.0, chroma.1),
                    cr.part(x / 2, y / 2, chroma.0, chroma.1),
                ]
            }
        };
        Ok(Image { planes, width: geometry.size.0, height: geometry.size.1 })
    }

    /// RGB, three bytes a pixel.
    pub(crate) fn rgb<'a>(&'a mut self, frame: &Frame, geometry: &Geometry) -> Result<Image<'a, 1>, AvError> {
        let tags = frame.colours();
        let colours = Colours::of(tags, frame.height());
        let size = (geometry.scaled.0 as usize, geometry.scaled.1 as usize);
        self.sets[0][0].reshape(size.0 * 3, size.1);
        self.scale(frame, geometry, Target::Rgb24, colours, Colours::JFIF)?;
        let mut set = 0;
        if !geometry.orientation.is_identity() {
            let [first, second] = &mut self.sets;
            second[0].turn_from::<3>(&first[0].as_ref(), geometry.orientation);
            set = 1;
        }
        let (width, height) = (geometry.size.0 as usize, geometry.size.1 as usize);
        let (x, y) = (geometry.offset.0 as usize, geometry.offset.1 as usize);
        let planes = [self.sets[set][0].part(x * 3, y, width * 3, height)];
        Ok(Image { planes, width: geometry.size.0, height: geometry.size.1 })
    }

    fn shape(&mut self, set: usize, (width, height): (usize, usize)) {
        let [luma, cb, cr] = &mut self.sets[set];
        luma.reshape(width, height);
        cb.reshape(width.div_ceil(2), height.div_ceil(2));
        cr.reshape(width.div_ceil(2), height.div_ceil(2));
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
            source_colours: (from.matrix, from.full_range),
            target_colours: (to.matrix, to.full_range),
        };
        let scaler = match self.scaler.take().filter(|scaler| scaler.spec == spec) {
            Some(scaler) => scaler,
            None => Scaler::new(spec)?,
        };
        let scaler = self.scaler.insert(scaler);
        let mut planes = self.sets[0].iter_mut().map(Plane::as_target);
        match kind {
            Target::Yuv420 => scaler.run(frame, &mut planes.collect::<Vec<_>>()),
            Target::Rgb24 => scaler.run(frame, &mut planes.by_ref().take(1).collect::<Vec<_>>()),
        }
    }
}

fn frame_planes(frame: &Frame) -> Option<[PlaneRef<'_>; 3]> {
    let (width, height) = (frame.width() as usize, frame.height() as usize);
    let half = (width.div_ceil(2), height.div_ceil(2));
    let [luma, cb, cr] = frame.planes_420()?;
    Some([
        PlaneRef::new(luma.0, luma.1, width, height),
        PlaneRef::new(cb.0, cb.1, half.0, half.1),
        PlaneRef::new(cr.0, cr.1, half.0, half.1),
    ])
}

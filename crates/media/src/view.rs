//! How a decoded picture is looked at: which part of it, how it is turned, and the image's size.

use framelift_domain::{Crop, Rational, Resize};

use crate::convert::prepare;
use crate::ffi::{AvError, Frame, Light, StreamInfo};
use crate::geometry::{Geometry, Orientation, Part, TooLarge};

/// How one picture is looked at.
#[derive(Clone, Copy, Debug)]
pub(crate) struct View {
    /// The part of the stored picture that is looked at; none is all of it.
    pub(crate) part: Option<Part>,
    stored: (u32, u32),
    shape: Option<Rational>,
    orientation: Orientation,
    /// The shown size of the part that was asked for.
    crop: Option<(u32, u32)>,
    /// The limit of the image.
    max_pixels: u64,
}

/// Why a picture cannot be looked at as it was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Hidden {
    TooLarge,
    /// The asked part reaches beyond a picture that is shown with so many pixels.
    Outside(Crop, (u32, u32)),
}

/// A picture, ready to be converted, and how it becomes an image.
pub(crate) struct Viewed {
    pub(crate) frame: Frame,
    pub(crate) light: Light,
    pub(crate) geometry: Geometry,
    view: View,
}

/// Why there is nothing to be converted.
pub(crate) enum Unviewed {
    Hidden(Hidden),
    Part(AvError),
}

impl Viewed {
    /// The asked part of a picture of `stream` at the asked size, and whether the shape of its
    /// pixels is too absurd to be taken at its word.
    pub(crate) fn of(
        frame: Frame,
        stream: &StreamInfo,
        (crop, resize): (Option<Crop>, Option<Resize>),
        max_pixels: u64,
    ) -> Result<(Self, bool), Unviewed> {
        let view = View::of(&frame, stream, crop, max_pixels).map_err(Unviewed::Hidden)?;
        let too_large = |TooLarge| Unviewed::Hidden(Hidden::TooLarge);
        let (geometry, absurd) = view.geometry(resize).map_err(too_large)?;
        let prepared = prepare(&frame, view.part, stream.has_fields(&frame)).map_err(Unviewed::Part)?;
        let frame = prepared.unwrap_or(frame);
        Ok((Self { frame, light: stream.light, geometry, view }, absurd))
    }

    /// How it becomes an image of another size.
    pub(crate) fn sized(&self, resize: Option<Resize>) -> Result<Geometry, TooLarge> {
        self.view.geometry(resize).map(|(geometry, _)| geometry)
    }

    /// About how much memory it takes.
    pub(crate) fn bytes(&self) -> u64 {
        u64::from(self.frame.width()) * u64::from(self.frame.height()) * 3 / 2
    }

    /// Another picture in its place, as it is.
    pub(crate) fn replaced(&self, frame: Frame) -> Result<Self, TooLarge> {
        Self::unchanged(frame, self.view.max_pixels)
    }

    /// A picture of at most so many pixels, as it is.
    pub(crate) fn unchanged(frame: Frame, max_pixels: u64) -> Result<Self, TooLarge> {
        let size = (frame.width(), frame.height());
        let view = View::uncropped(None, size, None, None, max_pixels);
        let (geometry, _) = view.geometry(None)?;
        Ok(Self { frame, light: Light::default(), geometry, view })
    }
}

impl Hidden {
    /// In words for the video's owner.
    pub(crate) fn message(self) -> String {
        match self {
            Self::TooLarge => "the image would be larger than the limit".to_owned(),
            Self::Outside(crop, (width, height)) => format!(
                "the crop {crop} reaches beyond the picture, which is shown with {width}x{height} pixels"
            ),
        }
    }
}

impl View {
    /// Of a picture of `stream`, of which `crop` is asked for.
    pub(crate) fn of(
        frame: &Frame,
        stream: &StreamInfo,
        crop: Option<Crop>,
        max_pixels: u64,
    ) -> Result<Self, Hidden> {
        let stored = (frame.width(), frame.height());
        let matrix = frame.display_matrix().or(stream.display_matrix);
        let view =
            Self::uncropped(stream.shown_part(stored), stored, stream.shape_of(frame), matrix, max_pixels);
        view.cropped(crop)
    }

    /// Of the pictures that a stream's header announces.
    pub(crate) fn announced(stream: &StreamInfo, max_pixels: u64) -> Self {
        let stored = (stream.width, stream.height);
        let shape = match stream.aperture(stored) {
            Some(aperture) => aperture.shape,
            None => stream.pixel_shape,
        };
        Self::uncropped(stream.shown_part(stored), stored, shape, stream.display_matrix, max_pixels)
    }

    fn uncropped(
        part: Option<Part>,
        stored: (u32, u32),
        shape: Option<Rational>,
        matrix: Option<[i32; 9]>,
        max_pixels: u64,
    ) -> Self {
        let orientation = matrix.as_ref().map(Orientation::from_matrix).unwrap_or_default();
        let stored = part.map_or(stored, |part| (part.width, part.height));
        Self { part, stored, shape, orientation, crop: None, max_pixels }
    }

    /// The part of it that is shown at `crop`.
    pub(crate) fn cropped(self, crop: Option<Crop>) -> Result<Self, Hidden> {
        let Some(crop) = crop else { return Ok(self) };
        let shown = self.geometry(None).map_err(|TooLarge| Hidden::TooLarge)?.0.size;
        let part = self.orientation.stored_part(crop, shown, self.stored);
        let part = part.ok_or(Hidden::Outside(crop, shown))?;
        let (left, top) = self.part.map_or((0, 0), |whole| (whole.left, whole.top));
        let part = Part { left: left + part.left, top: top + part.top, ..part };
        Ok(Self { part: Some(part), crop: Some((crop.width, crop.height)), ..self })
    }

    /// How it becomes an image, and whether the shape of its pixels is too absurd to be taken at
    /// its word.
    pub(crate) fn geometry(&self, resize: Option<Resize>) -> Result<(Geometry, bool), TooLarge> {
        let Self { stored, shape, orientation, max_pixels, .. } = *self;
        if let Some(size) = self.crop {
            return Geometry::of_part(size, orientation, resize, max_pixels)
                .map(|geometry| (geometry, false));
        }
        let way = |shape| Geometry::new(stored, shape, orientation, resize, max_pixels);
        match way(shape) {
            Err(_) if shape.is_some() => way(None).map(|geometry| (geometry, true)),
            result => result.map(|geometry| (geometry, false)),
        }
    }
}

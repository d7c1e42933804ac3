//! The view of a decoded picture: which part of it is shown, its orientation, and the image's size.

use framelift_domain::{Crop, Rational, Resize};

use crate::convert::prepare;
use crate::ffi::{AvError, Frame, Light, StreamInfo};
use crate::geometry::{Geometry, Orientation, Part, TooLarge};

/// The view of one picture.
#[derive(Clone, Copy, Debug)]
pub(crate) struct View {
    /// The visible part of the stored picture; `None` is all of it.
    pub(crate) part: Option<Part>,
    stored: (u32, u32),
    shape: Option<Rational>,
    orientation: Orientation,
    /// The displayed size of the crop, if one was requested.
    crop: Option<(u32, u32)>,
    /// The most pixels of the image.
    max_pixels: u64,
}

/// Why the requested view is not possible.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ViewError {
    TooLarge,
    /// The crop reaches beyond the picture, which is shown with this size.
    Outside(Crop, (u32, u32)),
}

/// A picture ready for conversion, and the geometry of its image.
pub(crate) struct Viewed {
    pub(crate) frame: Frame,
    pub(crate) light: Light,
    pub(crate) geometry: Geometry,
    view: View,
}

/// Why a picture could not be prepared.
pub(crate) enum PrepareError {
    View(ViewError),
    Part(AvError),
}

impl Viewed {
    /// Prepares the requested crop and size of a picture of `stream`. The flag says whether the shape of its
    /// pixels is absurd and was ignored.
    pub(crate) fn of(
        frame: Frame,
        stream: &StreamInfo,
        (crop, resize): (Option<Crop>, Option<Resize>),
        max_pixels: u64,
    ) -> Result<(Self, bool), PrepareError> {
        let view = View::of(&frame, stream, crop, max_pixels).map_err(PrepareError::View)?;
        let too_large = |TooLarge| PrepareError::View(ViewError::TooLarge);
        let (geometry, absurd) = view.geometry(resize).map_err(too_large)?;
        let prepared = prepare(&frame, view.part, stream.has_fields(&frame)).map_err(PrepareError::Part)?;
        let frame = prepared.unwrap_or(frame);
        Ok((Self { frame, light: stream.light, geometry, view }, absurd))
    }

    /// The geometry of an image of another size.
    pub(crate) fn sized(&self, resize: Option<Resize>) -> Result<Geometry, TooLarge> {
        self.view.geometry(resize).map(|(geometry, _)| geometry)
    }

    /// Replaces the picture by another one, which is not changed further.
    pub(crate) fn replaced(&self, frame: Frame) -> Result<Self, TooLarge> {
        Self::unchanged(frame, self.view.max_pixels)
    }

    /// Takes a picture of at most `max_pixels` as it is.
    pub(crate) fn unchanged(frame: Frame, max_pixels: u64) -> Result<Self, TooLarge> {
        let size = (frame.width(), frame.height());
        let view = View::uncropped(None, size, None, None, max_pixels);
        let (geometry, _) = view.geometry(None)?;
        Ok(Self { frame, light: Light::default(), geometry, view })
    }
}

impl ViewError {
    /// The message for the video's owner.
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
    /// The view of a picture of `stream`, cropped to `crop`.
    pub(crate) fn of(
        frame: &Frame,
        stream: &StreamInfo,
        crop: Option<Crop>,
        max_pixels: u64,
    ) -> Result<Self, ViewError> {
        let stored = (frame.width(), frame.height());
        let matrix = frame.display_matrix().or(stream.display_matrix);
        let view =
            Self::uncropped(stream.shown_part(stored), stored, stream.shape_of(frame), matrix, max_pixels);
        view.cropped(crop)
    }

    /// The view of the pictures that a stream's header announces.
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

    /// The view cropped to `crop`.
    pub(crate) fn cropped(self, crop: Option<Crop>) -> Result<Self, ViewError> {
        let Some(crop) = crop else { return Ok(self) };
        let shown = self.geometry(None).map_err(|TooLarge| ViewError::TooLarge)?.0.size;
        let part = self.orientation.stored_part(crop, shown, self.stored);
        let part = part.ok_or(ViewError::Outside(crop, shown))?;
        let (left, top) = self.part.map_or((0, 0), |whole| (whole.left, whole.top));
        let part = Part { left: left + part.left, top: top + part.top, ..part };
        Ok(Self { part: Some(part), crop: Some((crop.width, crop.height)), ..self })
    }

    /// The geometry of the image, and whether the shape of the pixels is absurd and was ignored.
    pub(crate) fn geometry(&self, resize: Option<Resize>) -> Result<(Geometry, bool), TooLarge> {
        let Self { stored, shape, orientation, max_pixels, .. } = *self;
        if let Some(size) = self.crop {
            return Geometry::of_part(size, orientation, resize, max_pixels)
                .map(|geometry| (geometry, false));
        }
        let geometry = |shape| Geometry::new(stored, shape, orientation, resize, max_pixels);
        match geometry(shape) {
            Err(_) if shape.is_some() => geometry(None).map(|geometry| (geometry, true)),
            result => result.map(|geometry| (geometry, false)),
        }
    }
}

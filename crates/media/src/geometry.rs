//! Sizes and orientation: computes how a stored picture becomes the written image. Pure.

use framelift_domain::options::MAX_SIDE;
use framelift_domain::{Crop, Fit, Rational, Resize};

/// A part of a stored picture.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Part {
    /// Columns on the left, and lines on top, that are cut off.
    pub(crate) left: u32,
    pub(crate) top: u32,
    pub(crate) width: u32,
    pub(crate) height: u32,
}

/// How a stored picture is rotated for display: first mirrored along its main diagonal if `transpose` is set,
/// then flipped.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Orientation {
    pub(crate) transpose: bool,
    /// Left becomes right.
    pub(crate) flip_x: bool,
    /// Top becomes bottom.
    pub(crate) flip_y: bool,
}

impl Orientation {
    /// From a display matrix as MP4 has it: 16.16 fixed point, `x' = a·x + c·y`,
    /// `y' = b·x + d·y`. The nearest right angle is taken.
    pub(crate) fn from_matrix(matrix: &[i32; 9]) -> Self {
        let [a, b, c, d] = [matrix[0], matrix[1], matrix[3], matrix[4]].map(i64::from);
        if a.abs() + d.abs() >= b.abs() + c.abs() {
            Self { transpose: false, flip_x: a < 0, flip_y: d < 0 }
        } else {
            Self { transpose: true, flip_x: c < 0, flip_y: b < 0 }
        }
    }

    pub(crate) fn is_identity(self) -> bool {
        self == Self::default()
    }

    fn rotate(self, (width, height): (u32, u32)) -> (u32, u32) {
        if self.transpose { (height, width) } else { (width, height) }
    }

    /// Returns the part of a stored picture that is shown at `crop`, if the whole is shown with `shown`
    /// pixels; `None` if the crop lies outside. If pixels are not square, it is rounded to whole ones.
    pub(crate) fn stored_part(self, crop: Crop, shown: (u32, u32), stored: (u32, u32)) -> Option<Part> {
        let right = crop.x.checked_add(crop.width).filter(|right| *right <= shown.0)?;
        let bottom = crop.y.checked_add(crop.height).filter(|bottom| *bottom <= shown.1)?;
        let x = if self.flip_x { shown.0 - right } else { crop.x };
        let y = if self.flip_y { shown.1 - bottom } else { crop.y };
        let (left, top) = self.rotate((x, y));
        let (width, height) = self.rotate((crop.width, crop.height));
        let unturned = self.rotate(shown);
        let along = |start: u32, length: u32, shown: u32, stored: u32| {
            let at =
                |place: u32| (u64::from(place) * u64::from(stored) + u64::from(shown) / 2) / u64::from(shown);
            let start_at = u32::try_from(at(start)).ok()?.min(stored.checked_sub(1)?);
            let end_at = u32::try_from(at(start + length)).ok()?.max(start_at + 1);
            Some((start_at, end_at - start_at))
        };
        let (left, width) = along(left, width, unturned.0, stored.0)?;
        let (top, height) = along(top, height, unturned.1, stored.1)?;
        Some(Part { left, top, width, height })
    }
}

/// How a picture becomes an image: scaled, then rotated, then cropped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Geometry {
    /// The size to scale to, before rotation.
    pub(crate) scaled: (u32, u32),
    pub(crate) orientation: Orientation,
    /// The offset of the image in the scaled and rotated picture.
    pub(crate) offset: (u32, u32),
    /// The image's size.
    pub(crate) size: (u32, u32),
}

/// The image would be larger than the limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct TooLarge;

impl Geometry {
    /// The geometry of a picture of `stored` size whose pixels are `shape` times as wide as high. The number
    /// of lines is kept, and the width follows from the pixels' shape.
    pub(crate) fn new(
        stored: (u32, u32),
        shape: Option<Rational>,
        orientation: Orientation,
        resize: Option<Resize>,
        max_pixels: u64,
    ) -> Result<Self, TooLarge> {
        let (num, den) = shape.map_or((1, 1), |shape| (shape.num() as u128, shape.den() as u128));
        // The exact display aspect ratio.
        let (mut across, mut down) = (u128::from(stored.0) * num, u128::from(stored.1) * den);
        if orientation.transpose {
            (across, down) = (down, across);
        }
        if across == 0 || down == 0 {
            return Err(TooLarge);
        }
        let high = |width: u32| rounded(u128::from(width) * down, across);
        let wide = |height: u32| rounded(u128::from(height) * across, down);
        let natural =
            if orientation.transpose { (stored.1, high(stored.1)) } else { (wide(stored.1), stored.1) };
        Self::fitting((across, down), natural, orientation, resize, max_pixels)
    }

    /// The geometry of a part of a picture that has `size` pixels unless it is resized.
    pub(crate) fn of_part(
        size: (u32, u32),
        orientation: Orientation,
        resize: Option<Resize>,
        max_pixels: u64,
    ) -> Result<Self, TooLarge> {
        Self::fitting((size.0.into(), size.1.into()), size, orientation, resize, max_pixels)
    }

    /// This geometry, with the image stretched to `size`.
    pub(crate) fn resized(&self, size: (u32, u32)) -> Self {
        let along = |length: u32, from: u32, to: u32| {
            let length = (u64::from(length) * u64::from(to) + u64::from(from) / 2) / u64::from(from.max(1));
            u32::try_from(length).unwrap_or(u32::MAX)
        };
        let turned = self.orientation.rotate(self.scaled);
        let across = along(turned.0, self.size.0, size.0).max(size.0);
        let down = along(turned.1, self.size.1, size.1).max(size.1);
        let offset = (
            along(self.offset.0, self.size.0, size.0).min(across - size.0),
            along(self.offset.1, self.size.1, size.1).min(down - size.1),
        );
        Self { scaled: self.orientation.rotate((across, down)), orientation: self.orientation, offset, size }
    }

    fn fitting(
        (across, down): (u128, u128),
        natural: (u32, u32),
        orientation: Orientation,
        resize: Option<Resize>,
        max_pixels: u64,
    ) -> Result<Self, TooLarge> {
        let high = |width: u32| rounded(u128::from(width) * down, across);
        let wide = |height: u32| rounded(u128::from(height) * across, down);
        let (shown, size) = match resize {
            None => (natural, natural),
            Some(Resize { width: None, height: None, .. }) => (natural, natural),
            Some(Resize { width: Some(width), height: None, .. }) => {
                ((width, high(width)), (width, high(width)))
            }
            Some(Resize { width: None, height: Some(height), .. }) => {
                ((wide(height), height), (wide(height), height))
            }
            Some(Resize { width: Some(width), height: Some(height), fit }) => {
                let fits_across = u128::from(width) * down <= u128::from(height) * across;
                let shown = match fit {
                    Fit::Fill => (width, height),
                    Fit::Contain if fits_across => (width, high(width)),
                    Fit::Contain => (wide(height), height),
                    Fit::Cover if fits_across => (wide(height).max(width), height),
                    Fit::Cover => (width, high(width).max(height)),
                };
                (shown, if fit == Fit::Cover { (width, height) } else { shown })
            }
        };
        let pixels = u64::from(shown.0) * u64::from(shown.1);
        if size.0 > MAX_SIDE || size.1 > MAX_SIDE || pixels > max_pixels {
            return Err(TooLarge);
        }
        // Even, so that luma and chroma are cropped at the same place.
        let even = |overhang: u32| (overhang / 2) & !1;
        let offset = (even(shown.0 - size.0), even(shown.1 - size.1));
        Ok(Self { scaled: orientation.rotate(shown), orientation, offset, size })
    }
}

/// `num/den` to the nearest whole number, at least 1.
fn rounded(num: u128, den: u128) -> u32 {
    u32::try_from((num * 2 + den) / (den * 2)).unwrap_or(u32::MAX).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMIT: u64 = 1 << 26;

    fn resize(width: Option<u32>, height: Option<u32>, fit: Fit) -> Option<Resize> {
        Some(Resize { width, height, fit })
    }

    fn sizes(stored: (u32, u32), resize: Option<Resize>) -> ((u32, u32), (u32, u32)) {
        let geometry = Geometry::new(stored, None, Orientation::default(), resize, LIMIT).unwrap();
        (geometry.scaled, geometry.size)
    }

    #[test]
    fn fits() {
        let video = (1920, 1080);
        assert_eq!(sizes(video, None), (video, video));
        assert_eq!(sizes(video, resize(Some(1280), None, Fit::Contain)), ((1280, 720), (1280, 720)));
        assert_eq!(sizes(video, resize(None, Some(1), Fit::Contain)), ((2, 1), (2, 1)));
        assert_eq!(sizes(video, resize(Some(100), Some(100), Fit::Contain)), ((100, 56), (100, 56)));
        assert_eq!(sizes(video, resize(Some(100), Some(100), Fit::Cover)), ((178, 100), (100, 100)));
        assert_eq!(sizes(video, resize(Some(100), Some(100), Fit::Fill)), ((100, 100), (100, 100)));
        assert_eq!(sizes((1, 1), resize(Some(3), Some(2), Fit::Contain)), ((2, 2), (2, 2)));
    }

    #[test]
    fn pixel_shape_widens_and_rotation_swaps() {
        let matrix = [0, 65536, 0, -65536, 0, 0, 0, 0, 1 << 30];
        let turned = Orientation::from_matrix(&matrix);
        assert_eq!(turned, Orientation { transpose: true, flip_x: true, flip_y: false });
        let shape = Rational::new(16, 15);
        let geometry = Geometry::new((720, 576), shape, Orientation::default(), None, LIMIT).unwrap();
        assert_eq!(geometry.size, (768, 576));
        let geometry = Geometry::new((720, 576), shape, turned, None, LIMIT).unwrap();
        assert_eq!((geometry.scaled, geometry.size), ((768, 576), (576, 768)));
    }

    #[test]
    fn a_part_of_what_is_shown_is_found_in_what_is_stored() {
        let crop = Crop { x: 10, y: 20, width: 30, height: 5 };
        let part = |orientation: Orientation, shown, stored| orientation.stored_part(crop, shown, stored);
        let is = |left, top, width, height| Some(Part { left, top, width, height });
        let upright = Orientation::default();
        assert_eq!(part(upright, (40, 25), (40, 25)), is(10, 20, 30, 5));
        assert_eq!(part(upright, (39, 25), (39, 25)), None);
        assert_eq!(part(upright, (40, 24), (40, 24)), None);
        // Pixels twice as wide as high, and a third as wide.
        assert_eq!(part(upright, (80, 30), (40, 30)), is(5, 20, 15, 5));
        assert_eq!(part(upright, (40, 30), (120, 30)), is(30, 20, 90, 5));
        let around = Orientation { transpose: false, flip_x: true, flip_y: true };
        assert_eq!(part(around, (50, 40), (50, 40)), is(10, 15, 30, 5));
        // A quarter to the right: the top of what is shown is the left of what is stored.
        let turned = Orientation { transpose: true, flip_x: true, flip_y: false };
        assert_eq!(part(turned, (50, 40), (40, 50)), is(20, 10, 5, 30));
        // However few columns are stored, one is taken.
        assert_eq!(part(upright, (4000, 30), (2, 30)), is(0, 20, 1, 5));
    }

    #[test]
    fn what_is_too_large_is_refused() {
        let huge = Rational::new(100_000, 1);
        assert_eq!(Geometry::new((720, 576), huge, Orientation::default(), None, LIMIT), Err(TooLarge));
        let cover = resize(Some(1000), Some(16384), Fit::Cover);
        assert_eq!(Geometry::new((10_000, 10), None, Orientation::default(), cover, LIMIT), Err(TooLarge));
        assert_eq!(Geometry::new((0, 10), None, Orientation::default(), None, LIMIT), Err(TooLarge));
    }
}

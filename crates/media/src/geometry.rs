//! Sizes and directions: from a stored picture to the image that is written. Pure.

use framelift_domain::options::MAX_SIDE;
use framelift_domain::{Fit, Rational, Resize};

/// How a stored picture is turned to be looked at: first mirrored along its main diagonal,
/// where `transpose` says so, then flipped.
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

    fn turn(self, (width, height): (u32, u32)) -> (u32, u32) {
        if self.transpose { (height, width) } else { (width, height) }
    }
}

/// The way of one picture: scaled, then turned, then cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Geometry {
    /// Size to scale to, before turning.
    pub(crate) scaled: (u32, u32),
    pub(crate) orientation: Orientation,
    /// Where the image starts in the scaled and turned picture.
    pub(crate) offset: (u32, u32),
    /// The image's size.
    pub(crate) size: (u32, u32),
}

/// The image would be larger than the limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct TooLarge;

impl Geometry {
    /// The way of a picture of `stored` size whose pixels are `shape` times as wide as high.
    /// The number of lines stays, and the width follows from the pixels' shape.
    pub(crate) fn new(
        stored: (u32, u32),
        shape: Option<Rational>,
        orientation: Orientation,
        resize: Option<Resize>,
        max_pixels: u64,
    ) -> Result<Self, TooLarge> {
        let (num, den) = shape.map_or((1, 1), |shape| (shape.num() as u128, shape.den() as u128));
        // The proportions as shown, width : height, exactly.
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
        // Even, so that luma and chroma are cut at the same place.
        let even = |overhang: u32| (overhang / 2) & !1;
        let offset = (even(shown.0 - size.0), even(shown.1 - size.1));
        Ok(Self { scaled: orientation.turn(shown), orientation, offset, size })
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
    fn what_is_too_large_is_refused() {
        let huge = Rational::new(100_000, 1);
        assert_eq!(Geometry::new((720, 576), huge, Orientation::default(), None, LIMIT), Err(TooLarge));
        let cover = resize(Some(1000), Some(16384), Fit::Cover);
        assert_eq!(Geometry::new((10_000, 10), None, Orientation::default(), cover, LIMIT), Err(TooLarge));
        assert_eq!(Geometry::new((0, 10), None, Orientation::default(), None, LIMIT), Err(TooLarge));
    }
}

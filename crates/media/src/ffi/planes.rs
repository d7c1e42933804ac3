//! Planes of a 4:2:0 image as the C encoders take them.

/// Luma, Cb and Cr; a row starts `stride` bytes after the one before.
pub(crate) struct Planes420<'a> {
    pub(crate) planes: [&'a [u8]; 3],
    pub(crate) strides: [usize; 3],
    pub(crate) width: u32,
    pub(crate) height: u32,
}

impl Planes420<'_> {
    /// That every row lies within its plane.
    ///
    /// # Panics
    /// Where one does not: the caller's mistake, and not to be followed into C.
    pub(super) fn check(&self) {
        assert!(self.width > 0 && self.height > 0, "an image without pixels");
        for (index, (plane, stride)) in self.planes.iter().zip(self.strides).enumerate() {
            let side = |side: u32| if index == 0 { side } else { side.div_ceil(2) } as usize;
            let (width, height) = (side(self.width), side(self.height));
            assert!(stride >= width && plane.len() >= stride * (height - 1) + width, "a plane is too short");
        }
    }
}

//! Counts the coded pictures in a packet: a frame, one field, or both fields.

/// The structure of a coded picture.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Structure {
    Frame,
    Top,
    Bottom,
}

/// The coded pictures of a packet.
#[derive(Debug, Default)]
pub(super) struct Pictures {
    frames: u32,
    top: u32,
    bottom: u32,
}

impl Pictures {
    pub(super) fn push(&mut self, structure: Structure) {
        let count = match structure {
            Structure::Frame => &mut self.frames,
            Structure::Top => &mut self.top,
            Structure::Bottom => &mut self.bottom,
        };
        *count = count.saturating_add(1);
    }

    /// Whether they make up one picture on screen.
    pub(super) fn are_one(&self) -> bool {
        matches!((self.frames, self.top, self.bottom), (1, 0, 0) | (0, 1, 1))
    }
}

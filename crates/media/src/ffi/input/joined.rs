//! Concatenated FLV files: FFmpeg reads the second file's header as a tag of some megabytes, and ends there.

use ffmpeg_next::ffi;

use super::Input;

/// How far behind the last picture another header is searched for; there is only sound between.
const MAX_HEADER_DISTANCE: usize = 4 << 20;
/// Bytes of a file's header, and the size of a tag before the first one that follows it (Video
/// File Format Specification 10.1, E.2 and E.3).
const HEADER: usize = 13;

impl Input<'_> {
    /// At the end of a file, continues with the one appended to it. Returns false if there is none.
    pub(super) fn enter_joined_file(&mut self) -> bool {
        if self.info.container != "flv" {
            return false;
        }
        let Some(from) = self.last_position.filter(|from| *from >= self.joined_at) else { return false };
        let Some(io) = &mut self.io else { return false };
        let mut bytes = vec![0; MAX_HEADER_DISTANCE];
        let Ok(length) = io.peek_at(from, &mut bytes) else { return false };
        let Some(at) = bytes[..length].windows(HEADER).position(is_header) else { return false };
        let first_tag = from + (at + HEADER) as u64;
        self.joined_at = first_tag;
        let Ok(offset) = i64::try_from(first_tag) else { return false };
        // SAFETY: the context is open, and its reader is not in use.
        unsafe { ffi::avio_seek((*self.context).pb, offset, 0) == offset }
    }
}

fn is_header(bytes: &[u8]) -> bool {
    matches!(bytes, [b'F', b'L', b'V', 1, flags, 0, 0, 0, 9, 0, 0, 0, 0] if flags & 0xfa == 0)
}

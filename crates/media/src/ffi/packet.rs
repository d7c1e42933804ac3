//! One compressed picture.

use std::ffi::c_int;

use ffmpeg_next::ffi;

use super::{AvError, timestamp};

/// An `AVPacket`.
pub(crate) struct Packet(pub(super) *mut ffi::AVPacket);

// SAFETY: a packet has no ties to a thread; its data is reference-counted atomically.
unsafe impl Send for Packet {}

impl Packet {
    pub(crate) fn new() -> Result<Self, AvError> {
        // SAFETY: no arguments; null is checked.
        let packet = unsafe { ffi::av_packet_alloc() };
        if packet.is_null() { Err(AvError::NO_MEMORY) } else { Ok(Self(packet)) }
    }

    fn raw(&self) -> &ffi::AVPacket {
        // SAFETY: not null since `new`, and owned by `self`.
        unsafe { &*self.0 }
    }

    /// The presentation timestamp.
    pub(crate) fn pts(&self) -> Option<i64> {
        timestamp(self.raw().pts)
    }

    /// The decoding timestamp.
    pub(crate) fn dts(&self) -> Option<i64> {
        timestamp(self.raw().dts)
    }

    /// How long the picture lasts, 0 if that is unknown.
    pub(crate) fn ticks(&self) -> i64 {
        self.raw().duration
    }

    /// Whether the container marks it as a sync point.
    pub(crate) fn is_key(&self) -> bool {
        self.raw().flags & ffi::AV_PKT_FLAG_KEY != 0
    }

    /// Whether it is decoded only for others to refer to (outside the edit list).
    pub(crate) fn is_hidden(&self) -> bool {
        self.raw().flags & ffi::AV_PKT_FLAG_DISCARD != 0
    }

    /// Whether the demuxer knows it to be damaged.
    pub(crate) fn is_damaged(&self) -> bool {
        self.raw().flags & ffi::AV_PKT_FLAG_CORRUPT != 0
    }

    /// Whether its bytes are encrypted.
    pub(crate) fn is_encrypted(&self) -> bool {
        self.has_side_data(ffi::AVPacketSideDataType::AV_PKT_DATA_ENCRYPTION_INFO)
    }

    /// Where in the container it starts, if the demuxer says.
    pub(crate) fn position(&self) -> Option<i64> {
        Some(self.raw().pos).filter(|position| *position >= 0)
    }

    /// A reference to the same bytes.
    pub(crate) fn share(&self) -> Result<Self, AvError> {
        // SAFETY: the packet is valid; the clone refers to the same counted buffer.
        let packet = unsafe { ffi::av_packet_clone(self.0) };
        if packet.is_null() { Err(AvError::NO_MEMORY) } else { Ok(Self(packet)) }
    }

    /// Whether a new header of the codec comes with it, in place of the container's.
    pub(crate) fn has_new_header(&self) -> bool {
        self.has_side_data(ffi::AVPacketSideDataType::AV_PKT_DATA_NEW_EXTRADATA)
    }

    /// Whether it carries a new palette for this picture and the following ones.
    pub(crate) fn has_palette(&self) -> bool {
        self.has_side_data(ffi::AVPacketSideDataType::AV_PKT_DATA_PALETTE)
    }

    fn has_side_data(&self, kind: ffi::AVPacketSideDataType) -> bool {
        // SAFETY: the packet is valid, and the size may be left out.
        unsafe { !ffi::av_packet_get_side_data(self.0, kind, std::ptr::null_mut()).is_null() }
    }

    /// The stretch of the clock that it belongs to, counted from 0: see
    /// [`Stretches`](crate::extract::stretches::Stretches).
    pub(crate) fn stretch(&self) -> u32 {
        // The pointer holds a number and points nowhere; FFmpeg copies it from packet to packet.
        u32::try_from(self.raw().opaque as usize).unwrap_or(u32::MAX)
    }

    pub(crate) fn set_stretch(&mut self, stretch: u32) {
        // SAFETY: the packet is valid and ours; the field is the caller's to use.
        unsafe { (*self.0).opaque = stretch as usize as *mut std::ffi::c_void };
    }

    /// Removes its presentation timestamp, if the container has no reliable ones.
    pub(crate) fn forget_pts(&mut self) {
        // SAFETY: the packet is valid and ours.
        unsafe { (*self.0).pts = ffi::AV_NOPTS_VALUE };
    }

    /// The same packet with `prefix` before its bytes.
    pub(crate) fn with_prefix(&self, prefix: &[u8]) -> Result<Self, AvError> {
        self.with_data(&[prefix, self.data()].concat())
    }

    /// The bytes.
    pub(crate) fn data(&self) -> &[u8] {
        let raw = self.raw();
        match usize::try_from(raw.size) {
            // SAFETY: a packet's data is `size` bytes long and lives as long as the packet.
            Ok(size) if !raw.data.is_null() => unsafe { std::slice::from_raw_parts(raw.data, size) },
            _ => &[],
        }
    }

    /// The same packet with parameter sets that the decoder takes before its bytes.
    pub(super) fn with_extradata(&self, extradata: &[u8]) -> Result<Self, AvError> {
        let kind = ffi::AVPacketSideDataType::AV_PKT_DATA_NEW_EXTRADATA;
        // SAFETY: the packet is valid; both nulls are checked; the side data has room for as
        // many bytes as were asked for.
        unsafe {
            let packet = ffi::av_packet_clone(self.0);
            if packet.is_null() {
                return Err(AvError::NO_MEMORY);
            }
            let packet = Self(packet);
            let room = ffi::av_packet_new_side_data(packet.0, kind, extradata.len());
            if room.is_null() {
                return Err(AvError::NO_MEMORY);
            }
            std::ptr::copy_nonoverlapping(extradata.as_ptr(), room, extradata.len());
            Ok(packet)
        }
    }

    /// A packet with nothing but its times.
    #[cfg(test)]
    pub(crate) fn timed(dts: i64, pts: i64) -> Self {
        let packet = Self::new().expect("there is memory for a packet");
        // SAFETY: the packet is valid and ours.
        unsafe { ((*packet.0).dts, (*packet.0).pts) = (dts, pts) };
        packet
    }

    /// Removes timestamps that a demuxer invented.
    pub(super) fn forget_times(&mut self) {
        // SAFETY: the packet is valid and ours.
        unsafe {
            (*self.0).pts = ffi::AV_NOPTS_VALUE;
            (*self.0).dts = ffi::AV_NOPTS_VALUE;
            (*self.0).duration = 0;
        }
    }

    /// The same packet with other bytes.
    pub(super) fn with_data(&self, data: &[u8]) -> Result<Self, AvError> {
        let packet = Self::new()?;
        let size = c_int::try_from(data.len()).map_err(|_| AvError::NO_MEMORY)?;
        // SAFETY: both packets are valid; the new one has room for as many bytes as were asked
        // for, and takes over all else that is known of this one.
        unsafe {
            AvError::check(ffi::av_new_packet(packet.0, size))?;
            std::ptr::copy_nonoverlapping(data.as_ptr(), (*packet.0).data, data.len());
            AvError::check(ffi::av_packet_copy_props(packet.0, self.0))?;
        }
        Ok(packet)
    }

    /// Copies the bytes if their buffer is much larger: some demuxers allocate the size of the largest packet
    /// for each.
    pub(super) fn compact(&mut self) -> Result<(), AvError> {
        let raw = self.raw();
        // SAFETY: null, or the buffer of a valid packet.
        let held = unsafe { raw.buf.as_ref() }.map_or(0, |buffer| buffer.size as u64);
        if held > 4 * u64::try_from(raw.size).unwrap_or(0) + 4096 {
            *self = self.with_data(self.data())?;
        }
        Ok(())
    }

    /// Empties it for the next read.
    pub(super) fn clear(&mut self) {
        // SAFETY: the packet is valid and ours.
        unsafe { ffi::av_packet_unref(self.0) };
    }
}

impl Drop for Packet {
    fn drop(&mut self) {
        // SAFETY: ours to free, once.
        unsafe { ffi::av_packet_free(&mut self.0) };
    }
}

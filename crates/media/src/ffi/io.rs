//! FFmpeg's reader over a [`Source`]: the only way in for a video's bytes.

use std::ffi::{c_int, c_void};
use std::io;
use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::ptr;

use ffmpeg_next::ffi;

use crate::Source;
use crate::bitstream::start_codes;
use crate::inspect::CachedSource;
use crate::watch::Watch;
use crate::words::count;

/// The size of FFmpeg's buffer; larger reads bypass it. After each jump half of it is read in vain on
/// average, and a read is a cheap call. FFmpeg reads through forward jumps shorter than 32 KiB, whatever the
/// size.
const BUFFER: usize = 16 << 10;

/// The most bytes read at once: a source may return less, and the whole buffer is cleared each time.
const MAX_READ: usize = 1 << 20;
/// Bytes that may be read before the container is open: a few times its length, because some indexes are read
/// more than once.
const BASE_OPENING_BYTES: u64 = 64 << 20;
const MAX_OPENING_READS: u64 = 4;
/// Packets that FFmpeg may buffer while it probes the streams; 5 seconds of 64 streams have fewer.
const MAX_PROBED: u32 = 20_000;
/// Units of a codec that begin with a start code, in what is read before FFmpeg is told to look no
/// further, and before it gets no more. Its trial decoders take 4 KiB for each unit of a picture,
/// which may have four bytes; pictures have a few hundred at most.
const MAX_PROBED_UNITS: u32 = 10_000;
const MAX_UNITS_READ: u32 = 30_000;
/// Bytes that FFmpeg's trial decoders of the same codecs get at once, where units come after their
/// lengths and cannot be counted here: more than a picture of 8K has. Each takes 200 bytes.
const MAX_PROBED_PICTURE: usize = 4 << 20;
/// Programs of a transport stream; each packet of its directory is compared with all of them.
const MAX_PROGRAMS: u32 = 1000;

/// The state of the callbacks.
struct State<'c> {
    source: CachedSource,
    size: u64,
    position: u64,
    /// The source's first error: FFmpeg sees only "I/O error", and some demuxers take that
    /// for the end of the file.
    error: Option<io::Error>,
    /// Which limit the container exceeded.
    excess: Option<String>,
    /// The container, while it is open.
    format: *const ffi::AVFormatContext,
    /// Bytes that may still be read before the container is open.
    opening: Option<u64>,
    probed: u32,
    /// Start codes read since probing began.
    units: Option<u32>,
    /// Whether some stream is of a codec whose packets are lists of units.
    lists: bool,
    /// The number of streams at the last read.
    streams: u32,
    /// Offsets of the types of boxes to hide from FFmpeg.
    hidden: Vec<u64>,
    watch: &'c Watch<'c>,
}

/// An `AVIOContext` and the state behind it.
pub(super) struct Io<'c> {
    context: *mut ffi::AVIOContext,
    /// From `Box::into_raw`: the callbacks reach it through C while we hold it here.
    state: *mut State<'c>,
}

impl<'c> Io<'c> {
    /// `None` when there is no memory.
    pub(super) fn new(source: Box<dyn Source>, watch: &'c Watch<'c>) -> Option<Self> {
        let size = source.size();
        let state = Box::into_raw(Box::new(State {
            source: CachedSource::new(source),
            size,
            position: 0,
            error: None,
            excess: None,
            format: ptr::null(),
            opening: Some(size.saturating_mul(MAX_OPENING_READS).saturating_add(BASE_OPENING_BYTES)),
            probed: 0,
            units: None,
            lists: false,
            streams: 0,
            hidden: Vec::new(),
            watch,
        }));
        // SAFETY: the buffer comes from FFmpeg's allocator as it asks, and `state` lives until
        // `drop`, which frees the context first.
        let context = unsafe {
            let buffer = ffi::av_malloc(BUFFER).cast::<u8>();
            if buffer.is_null() {
                ptr::null_mut()
            } else {
                let context = ffi::avio_alloc_context(
                    buffer,
                    BUFFER as c_int,
                    0,
                    state.cast(),
                    Some(read),
                    None,
                    Some(seek),
                );
                if context.is_null() {
                    ffi::av_free(buffer.cast());
                }
                context
            }
        };
        let io = Self { context, state };
        (!context.is_null()).then_some(io)
    }

    pub(super) fn context(&self) -> *mut ffi::AVIOContext {
        self.context
    }

    /// Takes the source's error, if it had one.
    pub(super) fn take_error(&mut self) -> Option<io::Error> {
        // SAFETY: `state` is alive, and no callback runs: they run only within calls into
        // FFmpeg that borrow the owner of `self`.
        unsafe { (*self.state).error.take() }
    }

    /// Takes the message about an exceeded limit, if there is one.
    pub(super) fn take_excess(&mut self) -> Option<String> {
        // SAFETY: as in `take_error`.
        unsafe { (*self.state).excess.take() }
    }

    /// Reads the source past FFmpeg. The bytes are counted, and kept until the container is open.
    pub(super) fn inspect<T>(&mut self, look: impl FnOnce(&mut dyn Source) -> T) -> T {
        // SAFETY: as in `take_error`.
        let state = unsafe { &mut *self.state };
        look(&mut Counted { source: &mut state.source, watch: state.watch })
    }

    /// Lets FFmpeg see an MP4's boxes whose types are at these offsets as free space.
    pub(super) fn hide(&mut self, types: Vec<u64>) {
        // SAFETY: as in `take_error`.
        unsafe { (*self.state).hidden = types };
    }

    /// Watches a container from here on, and stops FFmpeg if it exceeds a limit.
    pub(super) fn guard(&mut self, format: *mut ffi::AVFormatContext) {
        // SAFETY: as in `take_error`; the container is valid, and closed before the state is gone.
        unsafe {
            (*self.state).format = format;
            (*format).interrupt_callback = self.interrupt();
        }
    }

    /// Notes that FFmpeg probes the streams from here on; `lists` says whether one of them is of a codec
    /// whose packets are lists of units.
    pub(super) fn begin_probing(&mut self, lists: bool) {
        // SAFETY: as in `take_error`.
        unsafe { ((*self.state).units, (*self.state).lists) = (Some(0), lists) };
    }

    /// Whether the container that failed to open had reached the limit of streams.
    pub(super) fn has_too_many_streams(&self, most: u32) -> bool {
        // SAFETY: as in `take_error`.
        unsafe { (*self.state).streams >= most }
    }

    /// Notes that the container is open.
    pub(super) fn opened(&mut self) {
        // SAFETY: as in `take_error`.
        let state = unsafe { &mut *self.state };
        state.opening = None;
        state.units = None;
        // SAFETY: the context is valid. Where FFmpeg got no more for its look, that was not the end.
        unsafe { ((*self.context).eof_reached, (*self.context).error) = (0, 0) };
        state.source.forget();
        state.source.prefetch(&[]);
    }

    /// Whether FFmpeg was told to stop probing.
    pub(super) fn has_probed_enough(&self) -> bool {
        // SAFETY: as in `take_error`.
        unsafe { (*self.state).has_probed_enough() }
    }

    /// Whether the source had an error that nobody has taken yet.
    pub(super) fn has_error(&self) -> bool {
        // SAFETY: as in `take_error`.
        unsafe { (*self.state).error.is_some() }
    }

    /// Whether the callbacks were told to stop from outside.
    pub(super) fn stopped(&self) -> bool {
        // SAFETY: as in `take_error`; the watch outlives the state.
        unsafe { (*self.state).watch.stopped_from_outside() }
    }

    /// FFmpeg's interrupt callback, called between packets while it probes: a result other than 0 ends the
    /// call. It is valid as long as `self` is.
    fn interrupt(&self) -> ffi::AVIOInterruptCB {
        ffi::AVIOInterruptCB { callback: Some(interrupted), opaque: self.state.cast() }
    }

    /// Reads bytes at `offset` without moving; gives how many there are.
    pub(super) fn peek_at(&mut self, offset: u64, buf: &mut [u8]) -> io::Result<usize> {
        // SAFETY: as in `take_error`.
        let state = unsafe { &mut *self.state };
        let mut length = 0;
        while length < buf.len() && state.watch.should_continue() {
            let (at, rest) = (offset + length as u64, &mut buf[length..]);
            match state.watch.waiting(|| state.source.read_at(at, rest))? {
                0 => break,
                n => length += n,
            }
        }
        state.watch.read(length as u64);
        Ok(length)
    }

    /// Tells the source what will be read next.
    pub(super) fn prefetch(&mut self, ranges: &[Range<u64>]) {
        // SAFETY: as in `take_error`.
        unsafe { (*self.state).source.prefetch(ranges) };
    }

    /// The source, for another reader.
    pub(super) fn into_source(self) -> Box<dyn Source> {
        struct Gone;
        impl Source for Gone {
            fn size(&self) -> u64 {
                0
            }
            fn read_at(&mut self, _: u64, _: &mut [u8]) -> io::Result<usize> {
                Ok(0)
            }
        }
        // SAFETY: as in `take_error`.
        let state = unsafe { &mut *self.state };
        std::mem::replace(&mut state.source, CachedSource::new(Box::new(Gone))).into_source()
    }
}

impl Drop for Io<'_> {
    fn drop(&mut self) {
        // SAFETY: the context and its buffer (which FFmpeg may have replaced) are FFmpeg's to
        // free; the state is ours, and nothing refers to it once the context is gone.
        unsafe {
            if !self.context.is_null() {
                ffi::av_freep(ptr::addr_of_mut!((*self.context).buffer).cast());
                ffi::avio_context_free(&mut self.context);
            }
            drop(Box::from_raw(self.state));
        }
    }
}

/// A source whose bytes are counted.
struct Counted<'s, 'c> {
    source: &'s mut CachedSource,
    watch: &'c Watch<'c>,
}

impl Source for Counted<'_, '_> {
    fn size(&self) -> u64 {
        self.source.size()
    }

    fn read_at(&mut self, offset: u64, buf: &mut [u8]) -> io::Result<usize> {
        let (n, fresh) = self.watch.waiting(|| self.source.read_and_keep(offset, buf))?;
        self.watch.read(if fresh { n as u64 } else { 0 });
        Ok(n)
    }

    fn prefetch(&mut self, ranges: &[Range<u64>]) {
        self.source.prefetch(ranges);
    }
}

impl State<'_> {
    fn has_probed_enough(&self) -> bool {
        self.probed > MAX_PROBED || self.units.is_some_and(|units| units > MAX_PROBED_UNITS)
    }

    /// Whether `length` more bytes would exceed the limit for trial decoders.
    fn trial_limit_reached(&mut self, length: usize) -> bool {
        let Some(units) = &mut self.units else { return false };
        if self.lists && length > MAX_PROBED_PICTURE {
            *units = u32::MAX;
        }
        *units > MAX_UNITS_READ
    }

    /// Counts the units in what was read while probing.
    fn count_units(&mut self, read: &[u8]) {
        if let Some(units) = &mut self.units {
            *units = units.saturating_add(u32::try_from(start_codes(read)).unwrap_or(u32::MAX));
        }
    }

    /// Overwrites the types of hidden boxes in what was read at the present position.
    fn blank_hidden_boxes(&self, read: &mut [u8]) {
        for place in &self.hidden {
            for (byte, at) in b"free".iter().zip(*place..) {
                let at = at.checked_sub(self.position).and_then(|at| usize::try_from(at).ok());
                if let Some(seen) = at.and_then(|at| read.get_mut(at)) {
                    *seen = *byte;
                }
            }
        }
    }

    /// Whether the container is within its limits.
    fn is_within_limits(&mut self) -> bool {
        if self.opening == Some(0) {
            let most = "the file's header is read again and again, more than four times its length";
            self.excess = Some(most.to_owned());
        }
        // SAFETY: null, or a container that is open: see `guard`.
        let format = unsafe { self.format.as_ref() };
        self.streams = format.map_or(0, |format| format.nb_streams);
        let programs = format.map_or(0, |format| format.nb_programs);
        if programs > MAX_PROGRAMS {
            let most = count(MAX_PROGRAMS.into(), "program");
            self.excess = Some(format!("the transport stream lists more than {most}"));
        }
        self.excess.is_none()
    }
}

/// Called by FFmpeg between packets while it probes; a result other than 0 stops it.
unsafe extern "C" fn read(opaque: *mut c_void, buffer: *mut u8, length: c_int) -> c_int {
    let Ok(length) = usize::try_from(length) else { return ffi::AVERROR_INVALIDDATA };
    // SAFETY: `opaque` is the state given to `avio_alloc_context`, alive and used by one call
    // into FFmpeg at a time.
    let state = unsafe { &mut *opaque.cast::<State<'_>>() };
    if state.error.is_some() {
        return -5;
    }
    let left = state.size.saturating_sub(state.position);
    let asked = length.min(usize::try_from(left).unwrap_or(usize::MAX));
    // FFmpeg asks again for the rest.
    let wanted = asked.min(MAX_READ);
    let result = catch_unwind(AssertUnwindSafe(|| {
        if state.trial_limit_reached(asked) || !state.watch.should_continue() || !state.is_within_limits() {
            return None;
        }
        // At the end the buffer must stay as it is: FFmpeg jumps back into what it holds.
        if wanted == 0 {
            return Some(Ok((0, false)));
        }
        // SAFETY: the buffer has at least `wanted` bytes and is ours for the call. It is cleared
        // because a slice must not refer to memory that was never written.
        let buffer = unsafe {
            ptr::write_bytes(buffer, 0, wanted);
            std::slice::from_raw_parts_mut(buffer, wanted)
        };
        let State { source, position, watch, .. } = state;
        Some(watch.waiting(|| source.recall(*position, buffer)))
    }));
    match result {
        Ok(None) => ffi::AVERROR_EXIT,
        Ok(Some(Ok((0, _)))) => ffi::AVERROR_EOF,
        Ok(Some(Ok((n, fresh)))) => {
            let n = n.min(wanted);
            // SAFETY: as above; so many bytes were written.
            let read = unsafe { std::slice::from_raw_parts_mut(buffer, n) };
            state.blank_hidden_boxes(read);
            state.count_units(read);
            state.position += n as u64;
            if let Some(left) = &mut state.opening {
                *left = left.saturating_sub(n as u64);
            }
            state.watch.read(if fresh { n as u64 } else { 0 });
            n as c_int
        }
        Ok(Some(Err(error))) => {
            state.error = Some(error);
            -5
        }
        Err(_) => {
            state.error = Some(io::Error::other("the source panicked"));
            -5
        }
    }
}

unsafe extern "C" fn interrupted(opaque: *mut c_void) -> c_int {
    // SAFETY: as in `read`; this and the other callbacks never run at the same time.
    let state = unsafe { &mut *opaque.cast::<State<'_>>() };
    state.probed = state.probed.saturating_add(1);
    let should_continue = catch_unwind(AssertUnwindSafe(|| state.watch.should_continue())).unwrap_or(false);
    c_int::from(state.has_probed_enough() || !should_continue)
}

unsafe extern "C" fn seek(opaque: *mut c_void, offset: i64, whence: c_int) -> i64 {
    // SAFETY: as in `read`.
    let state = unsafe { &mut *opaque.cast::<State<'_>>() };
    let base = match whence & !ffi::AVSEEK_FORCE {
        ffi::AVSEEK_SIZE => return i64::try_from(state.size).unwrap_or(i64::MAX),
        0 => 0,
        1 => state.position,
        2 => state.size,
        _ => return -22,
    };
    match base.checked_add_signed(offset) {
        Some(position) if i64::try_from(position).is_ok() => {
            state.position = position;
            position as i64
        }
        _ => -22,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{EngineLimits, MemorySource};

    /// Reads up to `length` bytes from `offset` on.
    fn read_at(io: &Io<'_>, offset: usize, length: usize) -> Vec<u8> {
        let mut bytes = vec![0; length];
        // SAFETY: the context is valid, and so is the memory for that many bytes.
        let read = unsafe {
            assert_eq!(ffi::avio_seek(io.context(), offset as i64, 0), offset as i64);
            ffi::avio_read(io.context(), bytes.as_mut_ptr(), length as c_int)
        };
        bytes.truncate(usize::try_from(read).unwrap_or(0));
        bytes
    }

    #[test]
    fn ffmpeg_is_told_to_stop_between_its_reads() {
        let stop = std::sync::atomic::AtomicBool::new(false);
        let control = |_: &crate::Progress| !stop.load(std::sync::atomic::Ordering::Relaxed);
        let limits = EngineLimits::default();
        let watch = Watch::new(&control, &limits);
        let io = Io::new(Box::new(MemorySource(Vec::new().into())), &watch).unwrap();
        let told = || {
            let interrupt = io.interrupt();
            // SAFETY: the state that it is asked about lives as long as `io`.
            unsafe { interrupt.callback.unwrap()(interrupt.opaque) }
        };
        assert_eq!(told(), 0);
        stop.store(true, std::sync::atomic::Ordering::Relaxed);
        assert_eq!(told(), 1);
    }

    #[test]
    fn hidden_boxes_are_free_space_wherever_a_read_starts() {
        let bytes: Vec<u8> = b"clap....clap..".repeat(3);
        let limits = EngineLimits::default();
        let watch = Watch::new(&(), &limits);
        for first in 0..bytes.len() {
            let mut io = Io::new(Box::new(MemorySource(bytes.clone().into())), &watch).unwrap();
            io.hide(vec![8, 28]);
            let read = read_at(&io, first, bytes.len());
            let expected = b"clap....free..clap....clap..free....clap..";
            assert_eq!(read, expected[first..]);
        }
    }

    #[test]
    fn what_is_buffered_survives_the_end() {
        for size in [1, 1000, BUFFER - 1000, BUFFER, BUFFER + 1, 3 * BUFFER - 1000] {
            let bytes: Vec<u8> = (0..size).map(|i| (i % 251) as u8 + 1).collect();
            let limits = EngineLimits::default();
            let watch = Watch::new(&(), &limits);
            let io = Io::new(Box::new(MemorySource(bytes.clone().into())), &watch).unwrap();
            for chunk in [100, BUFFER / 2, 2 * BUFFER] {
                let mut offset = 0;
                while offset < size {
                    let read = read_at(&io, offset, chunk);
                    assert_eq!(read, bytes[offset..size.min(offset + chunk)], "{size} {chunk} {offset}");
                    offset += read.len();
                }
                assert!(read_at(&io, size, 10).is_empty());
                for back in [1, 500, 5000] {
                    let offset = size.saturating_sub(back);
                    assert_eq!(read_at(&io, offset, back), bytes[offset..], "{size} {chunk} -{back}");
                }
            }
        }
    }
}

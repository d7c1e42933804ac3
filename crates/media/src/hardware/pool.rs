//! A pool of decoders on the GPU, kept open for the next video of the same kind.

use std::ops::{Deref, DerefMut};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::SURFACES;
use crate::ffi::{Decoder, DecoderError, StreamInfo};
use crate::words::count;

/// The most open decoders, in use or idle: a GPU has few decoding units, and each further decoder slows the
/// others down.
const MAX_DECODERS: usize = 8;
/// Bytes of the GPU's memory for the surfaces of all decoders, at most.
const MAX_BYTES: u64 = 4 << 30;
/// Surfaces of one decoder, at most: the codec's references, FFmpeg's and the engine's own.
const SURFACES_EACH: u64 = 21 + SURFACES as u64;

/// Codecs whose decoders are reused: the next stream's first packet overwrites what the last stream left.
/// AV1's first packet need not have a sequence header.
const REUSABLE: &[&str] = &["h264", "hevc", "vp8", "vp9", "mpeg1video", "mpeg2video"];

/// What videos must have in common to be decoded by the same decoder one after the other.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Key {
    codec: String,
    profile: i32,
    size: (u32, u32),
    bits: u8,
    extradata: Vec<u8>,
}

impl Key {
    pub(super) fn of(info: &StreamInfo, bits: u8) -> Self {
        Self {
            codec: info.codec.clone(),
            profile: info.profile,
            size: (info.width, info.height),
            bits,
            extradata: info.extradata.clone(),
        }
    }

    /// Bytes of the surfaces of a decoder, at most.
    fn bytes(&self) -> u64 {
        let samples = u64::from(self.size.0) * u64::from(self.size.1) * 3 / 2;
        samples * SURFACES_EACH * if self.bits > 8 { 2 } else { 1 }
    }
}

/// The decoders of one GPU.
#[derive(Default)]
pub(super) struct Pool(Mutex<State>);

#[derive(Default)]
struct State {
    /// In use or idle.
    open: usize,
    bytes: u64,
    /// Idle decoders; the last used one is at the end.
    kept: Vec<(Key, Decoder)>,
}

impl State {
    fn has_room(&self, key: &Key) -> bool {
        self.open < MAX_DECODERS && (self.open == 0 || self.bytes + key.bytes() <= MAX_BYTES)
    }

    fn count_out(&mut self, key: &Key) {
        self.open -= 1;
        self.bytes -= key.bytes();
    }
}

impl Pool {
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns an idle decoder, or one that `open` makes if there is room. It never waits: while all are in
    /// use, decoding on the CPU is faster than waiting.
    pub(super) fn take(
        self: &Arc<Self>,
        key: Key,
        open: impl FnOnce() -> Result<Decoder, DecoderError>,
    ) -> Result<DecoderSlot, String> {
        let mut state = self.state();
        if let Some(at) = state.kept.iter().rposition(|(kept, _)| *kept == key) {
            let (_, mut decoder) = state.kept.remove(at);
            drop(state);
            decoder.renew(&key.extradata);
            return Ok(DecoderSlot::new(decoder, Some((self.clone(), key))));
        }
        let mut closed = Vec::new();
        while !state.has_room(&key) && !state.kept.is_empty() {
            let (kept, decoder) = state.kept.remove(0);
            state.count_out(&kept);
            closed.push(decoder);
        }
        if !state.has_room(&key) {
            return Err(format!("all of its {} are in use", count(state.open as u64, "decoder")));
        }
        state.open += 1;
        state.bytes += key.bytes();
        // The driver is slow to open decoders, so the lock is not held meanwhile.
        drop(state);
        drop(closed);
        match open() {
            Ok(decoder) => Ok(DecoderSlot::new(decoder, Some((self.clone(), key)))),
            Err(error) => {
                self.state().count_out(&key);
                Err(match error {
                    DecoderError::Unsupported => format!("FFmpeg has no way to it for {}", key.codec),
                    DecoderError::Failed(error) => error.to_string(),
                })
            }
        }
    }

    fn give_back(&self, key: Key, decoder: Decoder, is_sound: bool) {
        let keep = is_sound && decoder.driver_message().is_none() && REUSABLE.contains(&key.codec.as_str());
        let mut state = self.state();
        if keep {
            state.kept.push((key, decoder));
        } else {
            state.count_out(&key);
            drop(state);
            drop(decoder);
        }
    }
}

/// A decoder in use: from the pool, to which it returns, or owned by a job.
pub(crate) struct DecoderSlot {
    /// `None` only while it is dropped.
    decoder: Option<Decoder>,
    home: Option<(Arc<Pool>, Key)>,
    is_sound: bool,
}

impl DecoderSlot {
    fn new(decoder: Decoder, home: Option<(Arc<Pool>, Key)>) -> Self {
        Self { decoder: Some(decoder), home, is_sound: true }
    }

    /// Closes the decoder instead of returning it, because its state may affect another video.
    pub(crate) fn close(mut self) {
        self.is_sound = false;
    }
}

impl From<Decoder> for DecoderSlot {
    fn from(decoder: Decoder) -> Self {
        Self::new(decoder, None)
    }
}

impl Deref for DecoderSlot {
    type Target = Decoder;

    fn deref(&self) -> &Decoder {
        match &self.decoder {
            Some(decoder) => decoder,
            None => unreachable!("a slot holds its decoder until it is dropped"),
        }
    }
}

impl DerefMut for DecoderSlot {
    fn deref_mut(&mut self) -> &mut Decoder {
        match &mut self.decoder {
            Some(decoder) => decoder,
            None => unreachable!("a slot holds its decoder until it is dropped"),
        }
    }
}

impl Drop for DecoderSlot {
    fn drop(&mut self) {
        if let (Some(mut decoder), Some((pool, key))) = (self.decoder.take(), self.home.take()) {
            // Frees the surfaces that it still holds.
            decoder.flush();
            pool.give_back(key, decoder, self.is_sound);
        }
    }
}

#[cfg(test)]
mod tests;

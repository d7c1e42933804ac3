//! Limits what decoded pictures may cost a job: memory at one time, and work in total.
//!
//! Both limits depend on the file's length, because a few bytes can claim pictures of any size and number.
//! See `docs/security.md` for the figures.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::EngineLimits;
use crate::words::count;

/// Memory that the pictures of any file may take, and what each of its bytes adds.
const BASE_MEMORY: u64 = 384 << 20;
const MEMORY_PER_BYTE: u64 = 32;
/// Pixels that may be decoded of any file, and what each of its bytes adds. In the cheapest codecs repeating
/// a still picture of 4K takes some 20 bytes: an hour of that is accepted if the file also has sound or other
/// data.
const BASE_PIXELS: u64 = 200_000_000_000;
const PIXELS_PER_BYTE: u64 = 20_000;
/// Pixels of the largest picture that a level of H.264, HEVC, VP9 or AV1 allows (35.7 million).
const MAX_LEVEL_PIXELS: u64 = 36_000_000;
/// The same for pictures beyond every level; real ones (360° video) have a byte for 200 pixels.
const BASE_OVERSIZE_PIXELS: u64 = 1_000_000_000;
const OVERSIZE_PIXELS_PER_BYTE: u64 = 2_000;
/// Seconds for which a picture counts as shown at most, whatever it claims, and where it says nothing.
const MAX_SHOWN: f64 = 10.0;
const GUESSED_SHOWN: f64 = 0.04;
/// How long a decoder waits at most for pictures to be encoded.
const ENCODING_TIMEOUT: Duration = Duration::from_secs(120);

/// How many bytes of decoded pictures a file of `size` bytes may need at one time.
pub fn memory_budget(limits: &EngineLimits, size: u64) -> u64 {
    granted(size, BASE_MEMORY, MEMORY_PER_BYTE, limits.max_memory)
}

fn granted(size: u64, base: u64, each: u64, most: u64) -> u64 {
    base.saturating_add(size.saturating_mul(each)).min(most)
}

/// The budget of one job, shared by its decoders.
#[derive(Debug)]
pub(crate) struct Pictures {
    memory: u64,
    pixels: u64,
    beyond: u64,
    scans: u64,
    decoded: AtomicU64,
    decoded_beyond: AtomicU64,
    /// Microseconds for which the decoded pictures are shown.
    shown: AtomicU64,
    used: Mutex<Used>,
    freed: Condvar,
}

#[derive(Debug, Default)]
struct Used {
    bytes: u64,
    /// Pictures that decoders have output and that are in use.
    output: u64,
}

/// Why a picture was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Excess {
    /// Bytes that would have been needed, and the limit.
    Memory { needed: u64, most: u64 },
    /// More than this many pixels would have been decoded.
    Pixels(u64),
    /// A JPEG picture has more than this many scans.
    Scans(u64),
}

impl Excess {
    /// The message for the video's owner.
    pub(crate) fn message(self) -> String {
        match self {
            Self::Memory { needed, most } => format!(
                "pictures of this video need {} MiB of memory, more than {} MiB",
                needed.div_ceil(1 << 20),
                most >> 20
            ),
            Self::Pixels(most) => {
                format!("more than {} would have to be decoded of a file of this size", count(most, "pixel"))
            }
            Self::Scans(most) => format!("a JPEG picture has more than {}", count(most, "scan")),
        }
    }
}

/// The memory of one picture, which is released on drop.
#[derive(Debug)]
pub(crate) struct Charge {
    pictures: Arc<Pictures>,
    bytes: u64,
}

/// A picture that a decoder has output. It is counted until this is dropped.
#[derive(Debug)]
pub(crate) struct OutputPicture(Arc<Pictures>);

impl Pictures {
    /// The budget of a file of `size` bytes.
    pub(crate) fn new(limits: &EngineLimits, size: u64) -> Self {
        Self {
            memory: memory_budget(limits, size),
            pixels: granted(size, BASE_PIXELS, PIXELS_PER_BYTE, limits.max_decoded_pixels),
            beyond: granted(size, BASE_OVERSIZE_PIXELS, OVERSIZE_PIXELS_PER_BYTE, limits.max_decoded_pixels),
            scans: limits.max_scans.into(),
            decoded: AtomicU64::new(0),
            decoded_beyond: AtomicU64::new(0),
            shown: AtomicU64::new(0),
            used: Mutex::default(),
            freed: Condvar::new(),
        }
    }

    /// How many pictures of this many bytes fit into the budget.
    pub(crate) fn fit(&self, bytes: u64) -> u64 {
        self.memory / bytes.max(1)
    }

    fn used(&self) -> MutexGuard<'_, Used> {
        self.used.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Charges a picture's memory. It waits while others are being encoded and will free theirs.
    pub(crate) fn charge(self: &Arc<Self>, pixels: u64, bytes: u64) -> Result<Charge, Excess> {
        self.work(pixels, 1)?;
        // Converting a picture beyond every level takes twice as much in addition.
        let bytes = if pixels > MAX_LEVEL_PIXELS { bytes.saturating_mul(3) } else { bytes };
        let mut used = self.used();
        // The decoding stage holds one back: see `extract::decode`.
        if used.bytes.saturating_add(bytes) > self.memory && used.output > 1 {
            let full = |used: &mut Used| used.bytes.saturating_add(bytes) > self.memory && used.output > 1;
            let waited = self.freed.wait_timeout_while(used, ENCODING_TIMEOUT, full);
            used = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
        let needed = used.bytes.saturating_add(bytes);
        if needed > self.memory {
            return Err(Excess::Memory { needed, most: self.memory });
        }
        used.bytes = needed;
        Ok(Charge { pictures: Arc::clone(self), bytes })
    }

    /// Counts the cost of the scans of a JPEG picture after the first one, which counts as the picture
    /// itself.
    pub(crate) fn scans(&self, pixels: u64, scans: u64) -> Result<(), Excess> {
        match scans {
            0 | 1 => Ok(()),
            scans if scans > self.scans => Err(Excess::Scans(self.scans)),
            scans => self.work(pixels, scans - 1),
        }
    }

    /// Counts the cost of passes over a picture.
    fn work(&self, pixels: u64, passes: u64) -> Result<(), Excess> {
        let work = pixels.saturating_mul(passes);
        let add = |so_far: &AtomicU64, most: u64| {
            let sum = so_far.fetch_add(work, Relaxed).saturating_add(work);
            if sum > most { Err(Excess::Pixels(most)) } else { Ok(()) }
        };
        if pixels > MAX_LEVEL_PIXELS {
            add(&self.decoded_beyond, self.beyond)?;
        }
        add(&self.decoded, self.pixels)
    }

    /// Counts the time for which a decoded picture is shown: so many seconds, or a guess where they are none.
    pub(crate) fn count_time(&self, seconds: f64) {
        let seconds = if seconds > 0.0 { seconds.min(MAX_SHOWN) } else { GUESSED_SHOWN };
        self.shown.fetch_add((seconds * 1e6) as u64, Relaxed);
    }

    /// Milliseconds for which all decoded pictures are shown.
    pub(crate) fn decoded_ms(&self) -> u64 {
        self.shown.load(Relaxed) / 1000
    }

    /// Counts a picture that a decoder has output.
    pub(crate) fn output(self: &Arc<Self>) -> OutputPicture {
        self.used().output += 1;
        OutputPicture(Arc::clone(self))
    }
}

impl Drop for Charge {
    fn drop(&mut self) {
        let mut used = self.pictures.used();
        used.bytes = used.bytes.saturating_sub(self.bytes);
        self.pictures.freed.notify_all();
    }
}

impl Drop for OutputPicture {
    fn drop(&mut self) {
        let mut used = self.0.used();
        used.output = used.output.saturating_sub(1);
        self.0.freed.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn budget(max_memory: u64, max_decoded_pixels: u64, size: u64) -> Arc<Pictures> {
        Arc::new(Pictures::new(&EngineLimits { max_memory, max_decoded_pixels, ..Default::default() }, size))
    }

    #[test]
    fn memory_comes_back_and_is_granted_by_size() {
        let pictures = budget(u64::MAX, u64::MAX, 0);
        let half = pictures.charge(1, BASE_MEMORY / 2).unwrap();
        let other = pictures.charge(1, BASE_MEMORY / 2).unwrap();
        let excess = pictures.charge(1, 1).unwrap_err();
        assert_eq!(excess.message(), "pictures of this video need 385 MiB of memory, more than 384 MiB");
        drop(half);
        assert!(pictures.charge(1, 1).is_ok());
        drop(other);
        assert!(budget(u64::MAX, u64::MAX, 1 << 20).charge(1, BASE_MEMORY + 1).is_ok());
        assert!(budget(1000, u64::MAX, 1 << 20).charge(1, 1001).is_err());
    }

    #[test]
    fn pictures_that_are_being_encoded_are_waited_for() {
        let pictures = budget(100, u64::MAX, 0);
        let charge = pictures.charge(1, 100).unwrap();
        let output = [pictures.output(), pictures.output()];
        std::thread::scope(|scope| {
            let waiting = scope.spawn(|| pictures.charge(1, 100).is_ok());
            drop(charge);
            assert!(waiting.join().unwrap());
        });
        drop(output);
    }

    #[test]
    fn claims_of_a_picture_are_believed_within_bounds() {
        let pictures = budget(u64::MAX, u64::MAX, 0);
        for seconds in [0.5, f64::INFINITY, 0.0, -1.0, f64::NAN] {
            pictures.count_time(seconds);
        }
        assert_eq!(pictures.decoded_ms(), 500 + 10_000 + 3 * 40);
    }

    #[test]
    fn scans_are_few_and_count_as_pictures() {
        let pictures = budget(u64::MAX, 1000, 0);
        assert_eq!(pictures.scans(u64::MAX, 1), Ok(()));
        assert_eq!(pictures.scans(10, 101), Err(Excess::Scans(100)));
        assert_eq!(pictures.scans(10, 100), Ok(()));
        assert_eq!(pictures.scans(10, 12), Err(Excess::Pixels(1000)), "with 990 before");
    }

    #[test]
    fn pixels_add_up_and_those_beyond_every_level_are_fewer() {
        let pictures = budget(u64::MAX, 1000, 0);
        assert!(pictures.charge(600, 1).is_ok());
        assert_eq!(pictures.charge(600, 1).unwrap_err(), Excess::Pixels(1000));
        let pictures = budget(u64::MAX, u64::MAX, 0);
        let largest = 8192 * 8192;
        let taken = (0..100).take_while(|_| pictures.charge(largest, 1).is_ok()).count() as u64;
        assert_eq!(taken, BASE_OVERSIZE_PIXELS / largest);
        assert!(pictures.charge(8192 * 4320, 1).is_ok());
        let pictures = budget(u64::MAX, u64::MAX, 0);
        assert!(pictures.charge(8192 * 4320, BASE_MEMORY).is_ok());
        assert!(pictures.charge(largest, BASE_MEMORY * 2 / 3).is_err(), "and count three times in memory");
    }
}

//! Bounds how much of a job is in flight between its first stage and the archive.

use std::sync::{Arc, Condvar, Mutex, PoisonError};

/// Bytes of compressed pictures that wait to be decoded.
const PACKET_BYTES: u64 = 32 << 20;
/// Bytes of images that wait to be written, for each thread.
pub(in crate::extract) const IMAGE_BYTES: u64 = 24 << 20;

/// Bounds the bytes of packets and the number of images in flight.
///
/// Permits are taken in the order in which images are written, and admitted work never needs more permits, so
/// stages cannot deadlock.
pub(in crate::extract) struct InFlight {
    used: Mutex<Used>,
    freed: Condvar,
    most: Amount,
}

/// An amount of work in flight.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(in crate::extract) struct Amount {
    pub(in crate::extract) packet_bytes: u64,
    pub(in crate::extract) images: u64,
}

/// The permit of one image, returned on drop.
pub(in crate::extract) struct Permit(Arc<InFlight>);

impl Permit {
    /// Wraps the permit of one image, which [`InFlight::take`] has counted.
    pub(in crate::extract) fn new(budget: &Arc<InFlight>) -> Self {
        Self(Arc::clone(budget))
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        self.0.free(Amount { packet_bytes: 0, images: 1 });
    }
}

#[derive(Default)]
struct Used {
    amount: Amount,
    closed: bool,
}

impl InFlight {
    /// The bounds of a job on `threads` threads whose images take about `image_bytes` each.
    pub(in crate::extract) fn new(threads: usize, image_bytes: u64) -> Self {
        let images = (IMAGE_BYTES / image_bytes.max(1)).max(1) * threads as u64;
        let most = Amount { packet_bytes: PACKET_BYTES, images };
        Self { used: Mutex::default(), freed: Condvar::new(), most }
    }

    /// Waits until there is room or nothing else is in flight. Returns false once it is closed.
    pub(in crate::extract) fn take(&self, more: Amount) -> bool {
        let mut used = self.used.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            let (packets, images) = (used.amount.packet_bytes, used.amount.images);
            if used.closed {
                return false;
            }
            let packets_fit = packets == 0 || packets + more.packet_bytes <= self.most.packet_bytes;
            let images_fit = images == 0 || images + more.images <= self.most.images;
            if packets_fit && images_fit {
                used.amount.packet_bytes += more.packet_bytes;
                used.amount.images += more.images;
                return true;
            }
            used = self.freed.wait(used).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Returns what was taken.
    pub(in crate::extract) fn free(&self, amount: Amount) {
        let mut used = self.used.lock().unwrap_or_else(PoisonError::into_inner);
        used.amount.packet_bytes = used.amount.packet_bytes.saturating_sub(amount.packet_bytes);
        used.amount.images = used.amount.images.saturating_sub(amount.images);
        self.freed.notify_all();
    }

    /// Ends all waits.
    pub(in crate::extract) fn close(&self) {
        self.used.lock().unwrap_or_else(PoisonError::into_inner).closed = true;
        self.freed.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn images(images: u64) -> Amount {
        Amount { packet_bytes: 0, images }
    }

    #[test]
    fn what_is_too_large_goes_alone_and_a_closed_budget_turns_everybody_away() {
        let budget = InFlight::new(1, IMAGE_BYTES / 2);
        assert!(budget.take(images(100)), "nothing else is under way");
        std::thread::scope(|scope| {
            let waiting = scope.spawn(|| budget.take(images(1)));
            budget.free(images(100));
            assert!(waiting.join().is_ok_and(|taken| taken));
        });
        assert!(budget.take(images(1)));
        std::thread::scope(|scope| {
            let waiting = scope.spawn(|| budget.take(images(1)));
            budget.close();
            assert!(waiting.join().is_ok_and(|taken| !taken));
        });
    }
}

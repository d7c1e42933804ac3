//! Concurrent requests.

use std::sync::{Mutex, PoisonError};

/// Calls `work` with each item, with up to `threads` of them at a time. Begins no more after an error. Returns the first
/// error.
pub(crate) fn for_each<T, E: Send>(
    threads: usize,
    items: impl Iterator<Item = T> + Send,
    work: impl Fn(T) -> Result<(), E> + Sync,
) -> Result<(), E> {
    let items = Mutex::new(items.fuse());
    let failed = Mutex::new(None);
    let next = || match *failed.lock().unwrap_or_else(PoisonError::into_inner) {
        Some(_) => None,
        None => items.lock().unwrap_or_else(PoisonError::into_inner).next(),
    };
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                while let Some(item) = next() {
                    if let Err(error) = work(item) {
                        failed.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(error);
                    }
                }
            });
        }
    });
    failed.into_inner().unwrap_or_else(PoisonError::into_inner).map_or(Ok(()), Err)
}

#[cfg(test)]
mod tests {
    use std::sync::Barrier;
    use std::sync::atomic::{AtomicU32, Ordering};

    use super::*;

    #[test]
    fn several_items_are_worked_on_at_once_up_to_the_first_error() {
        let (barrier, sum) = (Barrier::new(3), AtomicU32::new(0));
        let done: Result<(), ()> = for_each(3, 1..=9, |item| {
            barrier.wait();
            sum.fetch_add(item, Ordering::Relaxed);
            Ok(())
        });
        assert_eq!((done, sum.into_inner()), (Ok(()), 45));
        let begun = AtomicU32::new(0);
        let failed = for_each(2, 0.., |item| {
            begun.fetch_add(1, Ordering::Relaxed);
            if item == 3 { Err(item) } else { Ok(()) }
        });
        assert_eq!(failed, Err(3));
        assert!(begun.into_inner() < 1_000_000);
    }
}

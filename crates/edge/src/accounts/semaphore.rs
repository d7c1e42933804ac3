//! Limits how many password hashes one instance of `auth` has computed at the same time.

use std::cell::Cell;
use std::rc::Rc;

/// A counting semaphore. An instance has one thread, so it needs no locks. A caller that gets no permit polls, because
/// no task of an instance can wake another one.
#[derive(Clone, Debug)]
pub(super) struct Semaphore {
    permits: u32,
    in_use: Rc<Cell<u32>>,
}

/// The permission to have one hash computed, returned on drop.
#[derive(Debug)]
pub(super) struct Permit(Rc<Cell<u32>>);

impl Semaphore {
    pub(super) fn new(permits: u32) -> Self {
        Self { permits, in_use: Rc::new(Cell::new(0)) }
    }

    pub(super) fn try_acquire(&self) -> Option<Permit> {
        let in_use = self.in_use.get();
        (in_use < self.permits).then(|| {
            self.in_use.set(in_use + 1);
            Permit(Rc::clone(&self.in_use))
        })
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        self.0.set(self.0.get().saturating_sub(1));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_more_permits_than_allowed_are_out_at_once() {
        let semaphore = Semaphore::new(2);
        let (first, _second) = (semaphore.try_acquire().unwrap(), semaphore.clone().try_acquire().unwrap());
        assert!(semaphore.try_acquire().is_none());
        drop(first);
        assert!(semaphore.try_acquire().is_some());
    }
}

//! Who waits for messages, and waking them.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
};

use tokio::sync::{Notify, watch};

/// The bells of all queues.
#[derive(Default)]
pub(crate) struct Bells {
    queues: Mutex<HashMap<String, Arc<Bell>>>,
    waiting: watch::Sender<usize>,
}

/// Rings when a queue may have something for a receiver that found nothing.
#[derive(Default)]
pub(crate) struct Bell {
    pub(crate) notify: Notify,
    /// A receiver waits for room among the messages in flight.
    saturated: AtomicBool,
}

/// Counts one waiting request while it lives.
pub(crate) struct Waiting<'a>(&'a watch::Sender<usize>);

impl Bells {
    pub(crate) fn of(&self, queue: &str) -> Arc<Bell> {
        let mut queues = self.queues.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(bell) = queues.get(queue) {
            return Arc::clone(bell);
        }
        let bell = Arc::<Bell>::default();
        queues.insert(queue.to_owned(), Arc::clone(&bell));
        bell
    }

    /// Something became visible, or will become so earlier than a waiting receiver knows.
    pub(crate) fn ring(&self, queue: &str) {
        self.of(queue).notify.notify_waiters();
    }

    /// A message left the queue: that matters only where the quota was reached.
    pub(crate) fn made_room(&self, queue: &str) {
        let bell = self.of(queue);
        if bell.saturated.swap(false, Ordering::AcqRel) {
            bell.notify.notify_waiters();
        }
    }

    /// Says once to everybody that the queue has gone, and forgets it.
    pub(crate) fn remove(&self, queue: &str) {
        let mut queues = self.queues.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(bell) = queues.remove(queue) {
            bell.notify.notify_waiters();
        }
    }

    /// Counts a request as waiting until the value is dropped.
    pub(crate) fn waits(&self) -> Waiting<'_> {
        self.waiting.send_modify(|count| *count += 1);
        Waiting(&self.waiting)
    }

    /// How many requests wait, to be watched.
    pub(crate) fn waiting(&self) -> watch::Receiver<usize> {
        self.waiting.subscribe()
    }
}

impl Bell {
    pub(crate) fn saturated(&self) {
        self.saturated.store(true, Ordering::Release);
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.send_modify(|count| *count -= 1);
    }
}

//! Wakes long polls when their queue may have a message for them.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
};

use tokio::sync::{Notify, watch};

/// The signals of all queues.
#[derive(Default)]
pub(crate) struct QueueSignals {
    queues: Mutex<HashMap<String, Arc<QueueSignal>>>,
    waiting: watch::Sender<usize>,
}

/// Wakes receivers that found nothing when their queue may have a message.
#[derive(Default)]
pub(crate) struct QueueSignal {
    pub(crate) notify: Notify,
    /// A receiver waits for room among the messages in flight.
    saturated: AtomicBool,
}

/// Counts one waiting request while it lives.
pub(crate) struct Waiting<'a>(&'a watch::Sender<usize>);

impl QueueSignals {
    pub(crate) fn of(&self, queue: &str) -> Arc<QueueSignal> {
        let mut queues = self.queues.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(signal) = queues.get(queue) {
            return Arc::clone(signal);
        }
        let signal = Arc::<QueueSignal>::default();
        queues.insert(queue.to_owned(), Arc::clone(&signal));
        signal
    }

    /// Something became visible, or will become so earlier than a waiting receiver knows.
    pub(crate) fn notify(&self, queue: &str) {
        self.of(queue).notify.notify_waiters();
    }

    /// A message left the queue: wakes receivers that found the quota of messages in flight reached.
    pub(crate) fn notify_freed(&self, queue: &str) {
        let signal = self.of(queue);
        if signal.saturated.swap(false, Ordering::AcqRel) {
            signal.notify.notify_waiters();
        }
    }

    /// Wakes the receivers of a queue that was deleted.
    pub(crate) fn remove(&self, queue: &str) {
        let mut queues = self.queues.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(signal) = queues.remove(queue) {
            signal.notify.notify_waiters();
        }
    }

    /// Counts a request as waiting until the value is dropped.
    pub(crate) fn count_waiting(&self) -> Waiting<'_> {
        self.waiting.send_modify(|count| *count += 1);
        Waiting(&self.waiting)
    }

    /// A channel with the number of waiting requests.
    pub(crate) fn waiting(&self) -> watch::Receiver<usize> {
        self.waiting.subscribe()
    }
}

impl QueueSignal {
    /// A receiver waits until fewer messages are in flight.
    pub(crate) fn mark_saturated(&self) {
        self.saturated.store(true, Ordering::Release);
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.send_modify(|count| *count -= 1);
    }
}

//! Serves a child's reads from the job's source.

use std::io;
use std::os::unix::net::UnixStream;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use framelift_media::Source;

use crate::framing::{self, Frames};
use crate::messages::{self, Kind, MAX_PIECE};

/// The time of a child's last message; shared by the threads that read from it.
#[derive(Debug)]
pub(crate) struct Activity {
    started: Instant,
    /// Microseconds from `started`.
    at: AtomicU64,
    /// Whether the child waits for the source.
    waits: AtomicBool,
}

impl Activity {
    pub(crate) fn new() -> Self {
        Self { started: Instant::now(), at: AtomicU64::new(0), waits: AtomicBool::new(false) }
    }

    fn now(&self) -> u64 {
        u64::try_from(self.started.elapsed().as_micros()).unwrap_or(u64::MAX)
    }

    pub(crate) fn note(&self) {
        self.at.store(self.now(), Relaxed);
    }

    /// How long it has sent nothing; zero while it waits for the parent's data.
    pub(crate) fn silence(&self) -> Duration {
        if self.waits.load(Relaxed) {
            return Duration::ZERO;
        }
        Duration::from_micros(self.now().saturating_sub(self.at.load(Relaxed)))
    }

    pub(crate) fn age(&self) -> Duration {
        self.started.elapsed()
    }
}

/// Why reads are not served any more.
#[derive(Debug)]
pub(crate) enum Reason {
    /// The source's own error.
    Source(io::Error),
    /// The child broke the rules.
    Rules(String),
}

/// Where [`serve`] stores its [`Reason`]; the first one is kept.
#[derive(Debug, Default)]
pub(crate) struct ReadsEnd(Mutex<Option<Reason>>);

impl ReadsEnd {
    fn lock(&self) -> MutexGuard<'_, Option<Reason>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn take(&self) -> Option<Reason> {
        self.lock().take()
    }

    /// The rule that the child broke, if it did.
    pub(crate) fn broken_rule(&self) -> Option<String> {
        match &*self.lock() {
            Some(Reason::Rules(rule)) => Some(rule.clone()),
            _ => None,
        }
    }
}

/// Serves reads until the child ends, breaks the rules, or the source fails.
pub(crate) fn serve(
    mut socket: &UnixStream,
    mut source: Box<dyn Source>,
    activity: &Activity,
    end: &ReadsEnd,
) {
    let mut frames = Frames::new(socket);
    let mut buffer = vec![0; 64 << 10];
    loop {
        let request = match frames.next() {
            Ok((Kind::Read, body)) => messages::decode_read(body).map(Some),
            Ok((Kind::Prefetch, body)) => messages::decode_ranges(body).map(|ranges| {
                source.prefetch(&ranges);
                None
            }),
            Ok(_) => Err(messages::Malformed("a message on the wrong socket")),
            Err(error) if error.kind() == io::ErrorKind::InvalidData => {
                end.lock().get_or_insert(Reason::Rules(error.to_string()));
                return;
            }
            // The other socket tells how the child ended.
            Err(_) => return,
        };
        activity.note();
        let (offset, length) = match request {
            Ok(Some(read)) => read,
            Ok(None) => continue,
            Err(malformed) => {
                end.lock().get_or_insert(Reason::Rules(malformed.to_string()));
                return;
            }
        };
        if buffer.len() < length {
            buffer.resize(length.next_power_of_two().min(MAX_PIECE), 0);
        }
        activity.waits.store(true, Relaxed);
        let read = source.read_at(offset, &mut buffer[..length]);
        activity.note();
        activity.waits.store(false, Relaxed);
        let sent = match read {
            Ok(n) => framing::write(&mut socket, Kind::Data, &buffer[..n.min(length)]),
            Err(error) => {
                end.lock().get_or_insert(Reason::Source(error));
                framing::write(&mut socket, Kind::ReadFailed, &[])
            }
        };
        if sent.is_err() {
            return;
        }
    }
}

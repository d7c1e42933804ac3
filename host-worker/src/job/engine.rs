//! The engine on a thread of its own, seen and stopped from the runtime.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU8, AtomicU32, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use framelift_contract::video::Progress;
use framelift_media::{Control, Stage};
use tokio::sync::{OwnedSemaphorePermit, oneshot};
use tokio_util::sync::CancellationToken;

use crate::health::Metrics;

/// How long an engine may take to stop before its thread is given up.
const STOPS_WITHIN: Duration = Duration::from_secs(20);
const UNKNOWN: u64 = u64::MAX;

/// The right to work on one video. An engine that cannot be stopped keeps its permit, because
/// it keeps a processor busy.
#[derive(Clone, Debug)]
pub(crate) struct Permit {
    _held: Arc<Held>,
}

#[derive(Debug)]
struct Held {
    _permit: OwnedSemaphorePermit,
    metrics: Arc<Metrics>,
}

impl Permit {
    /// Counts a permit as used until its last copy is gone.
    pub(crate) fn new(permit: OwnedSemaphorePermit, metrics: &Arc<Metrics>) -> Self {
        metrics.permits_used.inc();
        Self { _held: Arc::new(Held { _permit: permit, metrics: metrics.clone() }) }
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.metrics.permits_used.dec();
    }
}

/// Why an attempt is stopped before its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stop {
    /// Another attempt, the owner or the edge has ended this one.
    Superseded,
    /// Control refuses this worker.
    Unauthorised,
    /// The job's time is over.
    Deadline,
    /// The decoder gives no sign of life.
    Stuck,
    /// This worker shuts down.
    Shutdown,
}

/// Stops everything that belongs to an attempt; the first reason stays.
#[derive(Debug, Default)]
pub(super) struct Stopper {
    pub(super) token: CancellationToken,
    reason: OnceLock<Stop>,
}

impl Stopper {
    pub(super) fn stop(&self, reason: Stop) {
        let _ = self.reason.set(reason);
        self.token.cancel();
    }

    pub(super) fn reason(&self) -> Option<Stop> {
        self.reason.get().copied()
    }
}

/// What an attempt does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Phase {
    /// Looking at the upload, before the engine runs.
    Reading,
    /// The engine opens and measures the video.
    Opening,
    /// The engine extracts.
    Extracting,
    /// The engine finishes the archive.
    Finishing,
    /// The rest of the archive is stored.
    Storing,
}

impl Phase {
    const ALL: [Self; 5] = [Self::Reading, Self::Opening, Self::Extracting, Self::Finishing, Self::Storing];

    /// The name in progress reports.
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Reading | Self::Opening => "reading",
            Self::Extracting => "extracting",
            Self::Finishing | Self::Storing => "storing",
        }
    }

    /// Whether the engine owes a sign of life.
    pub(super) const fn is_engine(self) -> bool {
        matches!(self, Self::Opening | Self::Extracting | Self::Finishing)
    }
}

/// How far an attempt is: written by the engine's threads, read by the runtime.
#[derive(Debug)]
pub(super) struct Watch {
    stopper: Arc<Stopper>,
    phase: AtomicU8,
    percent: AtomicU32,
    frames_done: AtomicU64,
    frames_expected: AtomicU64,
    /// What came from the store, which adds to it: more than the engine asked for, because of
    /// what is read ahead.
    bytes_read: Arc<AtomicU64>,
    beats: AtomicU64,
}

impl Watch {
    pub(super) fn new(stopper: Arc<Stopper>) -> Self {
        Self {
            stopper,
            phase: AtomicU8::new(Phase::Reading as u8),
            percent: AtomicU32::new(0),
            frames_done: AtomicU64::new(0),
            frames_expected: AtomicU64::new(UNKNOWN),
            bytes_read: Arc::default(),
            beats: AtomicU64::new(0),
        }
    }

    pub(super) fn enter(&self, phase: Phase) {
        self.phase.store(phase as u8, Relaxed);
    }

    pub(super) fn phase(&self) -> Phase {
        Phase::ALL[usize::from(self.phase.load(Relaxed)).min(Phase::ALL.len() - 1)]
    }

    /// Grows with every packet, read and image.
    pub(super) fn beats(&self) -> u64 {
        self.beats.load(Relaxed)
    }

    pub(super) fn frames_done(&self) -> u64 {
        self.frames_done.load(Relaxed)
    }

    /// Bytes that came from the store so far.
    pub(super) fn bytes_read(&self) -> u64 {
        self.bytes_read.load(Relaxed)
    }

    /// Where the store counts them.
    pub(super) fn bytes_read_counter(&self) -> Arc<AtomicU64> {
        self.bytes_read.clone()
    }

    pub(super) fn report(&self) -> Progress {
        Progress {
            stage: self.phase().as_str().to_owned(),
            // 100 is for a job that is done.
            percent: self.percent.load(Relaxed).min(99) as u8,
            frames_done: self.frames_done(),
            frames_expected: Some(self.frames_expected.load(Relaxed)).filter(|n| *n != UNKNOWN),
            bytes_read: self.bytes_read(),
        }
    }
}

impl Control for Watch {
    fn progress(&self, progress: &framelift_media::Progress) -> bool {
        self.beats.fetch_add(1, Relaxed);
        self.enter(match progress.stage {
            Stage::Opening | Stage::Indexing => Phase::Opening,
            Stage::Extracting => Phase::Extracting,
            Stage::Finishing => Phase::Finishing,
        });
        self.percent.store(progress.percent.clamp(0.0, 100.0) as u32, Relaxed);
        self.frames_done.fetch_max(progress.frames_done, Relaxed);
        self.frames_expected.store(progress.frames_expected.unwrap_or(UNKNOWN), Relaxed);
        // Unlike the token's, this look takes no lock.
        self.stopper.reason().is_none()
    }
}

/// How an engine's thread ended.
#[derive(Debug)]
pub(super) enum Ended<T> {
    /// With a result.
    Returned(T),
    /// With a panic.
    Panicked(String),
    /// It was told to stop and did not; it may still run.
    Abandoned,
    /// There was no thread to be had.
    NotStarted(std::io::Error),
}

/// Runs `work` on a thread that holds the permit, until it returns, or does not stop in time
/// after it was told to.
pub(super) async fn run<T: Send + 'static>(
    permit: Permit,
    stopper: &Stopper,
    metrics: &Arc<Metrics>,
    work: impl FnOnce() -> T + Send + 'static,
) -> Ended<T> {
    let (sender, mut receiver) = oneshot::channel();
    let thread = std::thread::Builder::new().name("engine".into()).spawn(move || {
        let result = catch_unwind(AssertUnwindSafe(work));
        drop(permit);
        let _ = sender.send(result);
    });
    if let Err(error) = thread {
        return Ended::NotStarted(error);
    }
    let too_late = async {
        stopper.token.cancelled().await;
        tokio::time::sleep(STOPS_WITHIN).await;
    };
    tokio::select! {
        biased;
        result = &mut receiver => match result {
            Ok(Ok(value)) => Ended::Returned(value),
            Ok(Err(panic)) => Ended::Panicked(panic_text(panic.as_ref())),
            Err(_) => Ended::Panicked("the engine's thread ended without a word".into()),
        },
        () = too_late => {
            metrics.engines_abandoned.inc();
            let metrics = metrics.clone();
            tokio::spawn(async move {
                let _ = receiver.await;
                metrics.engines_abandoned.dec();
            });
            Ended::Abandoned
        }
    }
}

fn panic_text(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_else(|| "no message".to_owned())
}

#[cfg(test)]
mod tests {
    use tokio::sync::Semaphore;

    use super::*;

    fn parts() -> (Arc<Semaphore>, Permit, Arc<Metrics>) {
        let (semaphore, metrics) = (Arc::new(Semaphore::new(1)), Arc::new(Metrics::new("w")));
        let permit = Permit::new(semaphore.clone().try_acquire_owned().unwrap(), &metrics);
        (semaphore, permit, metrics)
    }

    #[tokio::test]
    async fn a_panic_is_an_end_like_others() {
        let (semaphore, permit, metrics) = parts();
        let ended = run(permit, &Stopper::default(), &metrics, || -> u8 { panic!("boom {}", 1) }).await;
        assert!(matches!(ended, Ended::Panicked(text) if text == "boom 1"));
        assert_eq!((semaphore.available_permits(), metrics.permits_used.get()), (1, 0));
    }

    #[tokio::test(start_paused = true)]
    async fn an_engine_that_does_not_stop_keeps_its_permit() {
        let (semaphore, permit, metrics) = parts();
        let stopper = Stopper::default();
        stopper.stop(Stop::Stuck);
        stopper.stop(Stop::Shutdown);
        let (release, hold) = std::sync::mpsc::channel::<()>();
        let ended = run(permit, &stopper, &metrics, move || hold.recv()).await;
        assert!(matches!(ended, Ended::Abandoned));
        assert_eq!(stopper.reason(), Some(Stop::Stuck));
        assert_eq!((semaphore.available_permits(), metrics.engines_abandoned.get()), (0, 1));
        drop(release);
        let _back = semaphore.acquire().await.unwrap();
    }

    #[test]
    fn the_engine_is_told_to_stop() {
        let stopper = Arc::new(Stopper::default());
        let watch = Watch::new(stopper.clone());
        let progress = framelift_media::Progress {
            stage: Stage::Extracting,
            percent: 100.0,
            frames_done: 3,
            frames_expected: Some(4),
            bytes_read: 5,
        };
        assert!(watch.progress(&progress));
        let report = watch.report();
        assert_eq!(
            (report.stage.as_str(), report.percent, report.frames_expected),
            ("extracting", 99, Some(4))
        );
        stopper.stop(Stop::Superseded);
        assert!(!watch.progress(&progress));
        assert_eq!(watch.beats(), 2);
    }
}
